//! SIZE and DUR: numbers with units, which messages repeat as the user wrote them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: digits with k, m or g (powers of 1024, any case).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Size {
    pub bytes: u64,
    text: String,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let form = || format!("`{text}` is not a size: digits, then k, m, g or nothing");
        let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let shift = match &text[unit..] {
            "" => 0,
            "k" | "K" => 10,
            "m" | "M" => 20,
            "g" | "G" => 30,
            _ => return Err(form()),
        };
        if unit == 0 {
            return Err(form());
        }
        let too_large = || format!("`{text}` is too large for a size");
        let number: u64 = text[..unit].parse().map_err(|_| too_large())?;
        let bytes = number.checked_mul(1 << shift).ok_or_else(too_large)?;
        Ok(Size { bytes, text: text.to_owned() })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A time: digits with us, ms, s or m.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DurationArg {
    pub duration: Duration,
    text: String,
}

impl FromStr for DurationArg {
    type Err = String;

    fn from_str(text: &str) -> Result<DurationArg, String> {
        let form = || format!("`{text}` is not a duration: digits, then us, ms, s or m");
        let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number = text[..unit].parse().ok().filter(|_| unit != 0).ok_or_else(form)?;
        let duration = match &text[unit..] {
            "us" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.saturating_mul(60)),
            _ => return Err(form()),
        };
        Ok(DurationArg { duration, text: text.to_owned() })
    }
}

impl fmt::Display for DurationArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.bytes);
        assert_eq!([bytes("0"), bytes("17"), bytes("64k"), bytes("2M")], [Ok(0), Ok(17), Ok(65536), Ok(2 << 20)]);
        assert_eq!(bytes("3G"), Ok(3 << 30));
        for wrong in ["", "k", "1kb", "1.5m", "-1", "1 k", "1t", "99999999999999999999", "99999999999g"] {
            assert!(bytes(wrong).unwrap_err().contains(&format!("`{wrong}`")), "{wrong}");
        }
        assert_eq!("64K".parse::<Size>().unwrap().to_string(), "64K");
    }

    #[test]
    fn durations() {
        let micros = |text: &str| text.parse::<DurationArg>().map(|span| span.duration.as_micros());
        assert_eq!([micros("5us"), micros("7ms"), micros("2s")], [Ok(5), Ok(7000), Ok(2_000_000)]);
        assert_eq!(micros("3m"), Ok(180_000_000));
        for wrong in ["", "5", "s", "1.5s", "-1s", "1h", "1 s"] {
            assert!(micros(wrong).unwrap_err().contains(&format!("`{wrong}`")), "{wrong}");
        }
    }
}
