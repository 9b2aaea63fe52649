//! Numbers as text, as JavaScript and Dart write and read them.
//!
//! 1. The shortest digits that read back as the same number are the standard library's.
//! 2. A number of digits that is given is cut from the exact decimal expansion, which every double has, and rounded
//!    there: what lies in the middle between two goes away from zero. The standard library rounds such to even.

/// Digits of a magnitude that is not zero: `0.d1d2d3… * 10^point`, the first one not zero.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    /// The fewest digits that read back as the same number.
    fn shortest(magnitude: f64) -> Digits {
        let text = format!("{magnitude:e}");
        let (mantissa, exponent) = text.split_once('e').expect("an exponent");
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        Digits { digits, point: exponent.parse::<i32>().expect("a number") + 1 }
    }

    /// All digits of the number's expansion.
    fn exact(magnitude: f64) -> Digits {
        let text = format!("{magnitude:.*}", fraction_bits(magnitude));
        let whole = text.find('.').unwrap_or(text.len());
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let point = i32::try_from(whole).expect("at most 309 digits") - i32::try_from(zeros).expect("at most 1074");
        Digits { digits: digits[zeros..].to_vec(), point }
    }

    /// Keeps so many digits, and rounds; the middle goes up. None of them, or fewer, may be left over: then the number
    /// is zero, or the least that has one digit more.
    fn round(mut self, count: i32) -> Digits {
        let Ok(count) = usize::try_from(count) else {
            return Digits { digits: Vec::new(), ..self };
        };
        let goes_up = self.digits.get(count).is_some_and(|digit| *digit >= b'5');
        self.digits.resize(count, b'0');
        if goes_up {
            let nines = self.digits.iter().rev().take_while(|digit| **digit == b'9').count();
            self.digits[count - nines..].fill(b'0');
            match self.digits[..count - nines].last_mut() {
                Some(digit) => *digit += 1,
                None => {
                    self.digits.insert(0, b'1');
                    self.point += 1;
                }
            }
        }
        self
    }

    /// `d.ddde+x`.
    fn exponential(&self) -> String {
        let mut text = text_of(&self.digits[..1]);
        if self.digits.len() > 1 {
            text.push('.');
            text.push_str(&text_of(&self.digits[1..]));
        }
        let exponent = self.point - 1;
        text + &format!("e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
    }

    /// All digits, without an exponent: zeros are added before or behind the point.
    fn plain(&self) -> String {
        let len = i32::try_from(self.digits.len()).expect("few digits");
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        match usize::try_from(self.point) {
            Ok(0) | Err(_) => format!("0.{}{}", zeros(-self.point), text_of(&self.digits)),
            Ok(_) if self.point >= len => text_of(&self.digits) + &zeros(self.point - len),
            Ok(point) => format!("{}.{}", text_of(&self.digits[..point]), text_of(&self.digits[point..])),
        }
    }
}

fn text_of(digits: &[u8]) -> String {
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Binary digits behind the point, which are as many as decimal ones.
fn fraction_bits(magnitude: f64) -> usize {
    let bits = magnitude.to_bits();
    let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    // The number is `mantissa * 2^(exponent - 1075)`.
    let places = 1075_u64.saturating_sub(exponent.max(1));
    usize::try_from(places.saturating_sub(mantissa.trailing_zeros().into())).unwrap_or(0)
}

/// The sign of a number that is less than zero, and its magnitude; none if it is no finite number.
fn signed(value: f64) -> Option<(&'static str, f64)> {
    value.is_finite().then_some((if value < 0.0 { "-" } else { "" }, value.abs()))
}

/// What is no finite number.
fn not_finite(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
    .to_owned()
}

/// `i64ToString`: in a base from 2 to 36, with small letters. None for another base.
///
/// ```
/// use heapwood_surfaces::dart::i64_to_string;
/// assert_eq!(i64_to_string(-255, 16).unwrap(), "-ff");
/// ```
pub fn i64_to_string(value: i64, radix: i32) -> Option<String> {
    let radix = u64::try_from(radix).ok().filter(|radix| (2..=36).contains(radix))?;
    if radix == 10 {
        return Some(value.to_string());
    }
    let (mut rest, mut digits) = (value.unsigned_abs(), Vec::new());
    loop {
        let digit = u32::try_from(rest % radix).expect("below 36");
        digits.push(char::from_digit(digit, 36).expect("a digit"));
        rest /= radix;
        if rest == 0 {
            break;
        }
    }
    digits.extend((value < 0).then_some('-'));
    Some(digits.iter().rev().collect())
}

/// `f64ToString`: JavaScript's shortest text, with `.0` behind an integer that is written without an exponent.
///
/// ```
/// use heapwood_surfaces::dart::f64_to_string;
/// assert_eq!([1.0, -0.0, 0.1, 1e21].map(f64_to_string), ["1.0", "-0.0", "0.1", "1e+21"]);
/// ```
pub fn f64_to_string(value: f64) -> String {
    let Some((sign, magnitude)) = signed(value) else { return not_finite(value) };
    if magnitude == 0.0 {
        return if value.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    let digits = Digits::shortest(magnitude);
    if !(-5..=21).contains(&digits.point) {
        return sign.to_owned() + &digits.exponential();
    }
    let plain = digits.plain();
    format!("{sign}{plain}{}", if plain.contains('.') { "" } else { ".0" })
}

/// `f64ToFixed`: so many digits behind the point (0 to 100), as `Number.prototype.toFixed`, also for large numbers. A
/// zero has no sign.
///
/// ```
/// use heapwood_surfaces::dart::f64_to_fixed;
/// assert_eq!([f64_to_fixed(2.5, 0), f64_to_fixed(1.005, 2)], ["3", "1.00"]);
/// ```
pub fn f64_to_fixed(value: f64, fraction_digits: u8) -> String {
    let Some((sign, magnitude)) = signed(value) else { return not_finite(value) };
    let count = i32::from(fraction_digits);
    let rounded = match magnitude == 0.0 {
        true => Digits { digits: Vec::new(), point: 0 },
        false => {
            let digits = Digits::exact(magnitude);
            let kept = digits.point + count;
            digits.round(kept)
        }
    };
    // Leading zeros, so that there is one before the point.
    let missing = count + 1 - i32::try_from(rounded.digits.len()).expect("few digits");
    let all = "0".repeat(usize::try_from(missing).unwrap_or(0)) + &text_of(&rounded.digits);
    let (whole, fraction) = all.split_at(all.len() - usize::from(fraction_digits));
    match fraction.is_empty() {
        true => format!("{sign}{whole}"),
        false => format!("{sign}{whole}.{fraction}"),
    }
}

/// `f64ToExponential`, `f64ToExponentialWithFractionDigits`: with so many digits behind the point, or as many as it
/// takes.
///
/// ```
/// use heapwood_surfaces::dart::f64_to_exponential;
/// assert_eq!([f64_to_exponential(123456.0, None), f64_to_exponential(2.5, Some(0))], ["1.23456e+5", "3e+0"]);
/// ```
pub fn f64_to_exponential(value: f64, fraction_digits: Option<u8>) -> String {
    let Some((sign, magnitude)) = signed(value) else { return not_finite(value) };
    let digits = match fraction_digits.map(|digits| i32::from(digits) + 1) {
        Some(count) => rounded(magnitude, count),
        None if magnitude == 0.0 => zero(1),
        None => Digits::shortest(magnitude),
    };
    sign.to_owned() + &digits.exponential()
}

/// `f64ToPrecision`: so many digits (1 to 100), with an exponent if it is below -6 or not below that number. No digits
/// count as one.
///
/// ```
/// use heapwood_surfaces::dart::f64_to_precision;
/// assert_eq!([f64_to_precision(123.456, 4), f64_to_precision(35.0, 1)], ["123.5", "4e+1"]);
/// ```
pub fn f64_to_precision(value: f64, precision: u8) -> String {
    let Some((sign, magnitude)) = signed(value) else { return not_finite(value) };
    let count = i32::from(precision.max(1));
    let digits = rounded(magnitude, count);
    let exponent = digits.point - 1;
    let text = if exponent < -6 || exponent >= count { digits.exponential() } else { digits.plain() };
    sign.to_owned() + &text
}

fn zero(count: i32) -> Digits {
    Digits { digits: vec![b'0'; usize::try_from(count).unwrap_or(0)], point: 1 }
}

/// The digits of a magnitude, rounded to so many, at least one.
fn rounded(magnitude: f64, count: i32) -> Digits {
    if magnitude == 0.0 {
        return zero(count);
    }
    let mut digits = Digits::exact(magnitude).round(count);
    // It may have become a power of ten, with a digit more.
    digits.digits.truncate(usize::try_from(count).unwrap_or(0));
    digits
}

/// `doubleTryParse`: the number that a text is, white space around it or not. None if it is something else.
///
/// ```
/// use heapwood_surfaces::dart::parse_double;
/// let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
/// assert_eq!(parse_double(&units(" -.5e1 ")), Some(-5.0));
/// assert_eq!(parse_double(&units("0x10")), None);
/// ```
pub fn parse_double(units: &[u16]) -> Option<f64> {
    let start = units.iter().position(|unit| !is_space(*unit))?;
    let end = units.iter().rposition(|unit| !is_space(*unit))? + 1;
    let text: String = units[start..end].iter().map(|unit| char::from_u32((*unit).into())).collect::<Option<_>>()?;
    let (is_negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let value = match magnitude {
        "Infinity" => f64::INFINITY,
        "NaN" => f64::NAN,
        _ if is_decimal(magnitude.as_bytes()) => magnitude.parse().ok()?,
        _ => return None,
    };
    Some(if is_negative { -value } else { value })
}

/// Digits with a point among them or not, and an exponent or not.
fn is_decimal(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = text;
    let whole = digits(rest);
    rest = &rest[whole..];
    let mut fraction = 0;
    if let [b'.', behind @ ..] = rest {
        fraction = digits(behind);
        rest = &behind[fraction..];
    }
    if whole + fraction == 0 {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

/// White space of JavaScript (`\s`), and U+0085.
fn is_space(unit: u16) -> bool {
    let is_javascripts =
        matches!(unit, 0x09..=0x0d | 0x20 | 0xa0 | 0x1680 | 0x2000..=0x200a | 0x2028 | 0x2029 | 0x202f);
    is_javascripts || matches!(unit, 0x205f | 0x3000 | 0xfeff | 0x85)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_all_bases_read_back() {
        for value in [0, 1, -1, 35, -36, 255, i64::MAX, i64::MIN, 1 << 40] {
            for radix in 2..=36 {
                let text = i64_to_string(value, radix).unwrap();
                assert_eq!(i64::from_str_radix(&text, radix.unsigned_abs()), Ok(value), "{text} in {radix}");
                assert_eq!(text, text.to_lowercase());
            }
        }
        assert_eq!([1, 0, 37, -10].map(|radix| i64_to_string(1, radix)), [None, None, None, None]);
    }

    /// Each way to write a number, against the exact expansion, for numbers at random and numbers in the middle.
    #[test]
    fn digits_are_those_of_the_exact_expansion() {
        let mut random = heapwood_wasi::SeededRandom::new(7);
        let mut numbers: Vec<f64> = (0..3_000).map(|_| f64::from_bits(random.next_u64() >> 1)).collect();
        numbers.extend((0..3_000).map(|_| (random.next_u64() >> 40) as f64 / 256.0));
        numbers.extend([0.5, 1.5, 2.5, 9.5, 99.5, 0.25, 1e22, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e300, 9.999e22]);
        numbers.retain(|number| number.is_finite() && *number != 0.0);
        for number in numbers {
            let shortest = f64_to_exponential(number, None);
            assert_eq!(shortest.parse::<f64>(), Ok(number), "{shortest}");
            assert_eq!(f64_to_string(number).parse::<f64>(), Ok(number));
            // 1100 digits behind the point are all of them.
            let expansion = format!("{number:.1100}");
            for count in [0, 1, 2, 7, 20] {
                let fixed = f64_to_fixed(number, count);
                assert_eq!(fixed, model(&expansion, usize::from(count)), "{number} with {count}");
                assert_eq!(f64_to_fixed(-number, count), format!("-{fixed}"));
            }
            for count in [0, 1, 5, 20_u8] {
                let text = f64_to_exponential(number, Some(count));
                let (mantissa, exponent) = text.split_once('e').unwrap();
                let exponent: i32 = exponent.parse().unwrap();
                assert_eq!(mantissa.len(), if count == 0 { 1 } else { usize::from(count) + 2 }, "{text}");
                // Fixed notation with as many places has to give these digits too, where these places are not too many.
                let places = i32::from(count) - exponent;
                if (0..=1000).contains(&places) {
                    let fixed = model(&expansion, usize::try_from(places).unwrap());
                    let digits = |text: &str| {
                        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                        digits.trim_start_matches('0').trim_end_matches('0').to_owned()
                    };
                    assert_eq!(digits(mantissa), digits(&fixed), "{number} with {count}");
                }
                let precise = f64_to_precision(number, count + 1);
                match (-6..=i32::from(count)).contains(&exponent) {
                    true => assert!(!precise.contains('e') && precise.parse::<f64>() == text.parse(), "{precise}"),
                    false => assert_eq!(precise, text),
                }
            }
        }
    }

    /// A decimal expansion that is rounded to some places behind the point, digit by digit.
    fn model(expansion: &str, places: usize) -> String {
        let (whole, fraction) = expansion.split_once('.').unwrap();
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(places)).collect();
        if fraction.as_bytes()[places] >= b'5' {
            let mut at = digits.len();
            loop {
                if at == 0 {
                    digits.insert(0, b'1');
                    break;
                }
                at -= 1;
                if digits[at] < b'9' {
                    digits[at] += 1;
                    break;
                }
                digits[at] = b'0';
            }
        }
        let point = digits.len() - places;
        let text = |digits: &[u8]| String::from_utf8(digits.to_vec()).unwrap();
        if places == 0 { text(&digits) } else { format!("{}.{}", text(&digits[..point]), text(&digits[point..])) }
    }

    #[test]
    fn what_is_no_number_is_none() {
        let parse = |text: &str| parse_double(&text.encode_utf16().collect::<Vec<_>>());
        for text in
            ["", " ", ".", "+", "-", "e5", ".e5", "1e", "1e+", "1 2", "1f", "0x10", "1_0", "inf", "nan", "--1", "١"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for (text, value) in [("5.", 5.0), (".5", 0.5), ("+1E+3", 1e3), ("1e-400", 0.0), ("-1e400", f64::NEG_INFINITY)]
        {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        assert!(parse("-0").unwrap().is_sign_negative() && parse("-NaN").unwrap().is_nan());
        for space in
            "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}"
                .chars()
        {
            assert_eq!(parse(&format!("{space}1{space}")), Some(1.0), "{:x}", u32::from(space));
        }
        assert_eq!(["\u{180e}1", "\u{200b}1", "\u{1c}1"].map(parse), [None; 3]);
        assert_eq!(parse_double(&[0xd800]), None);
    }
}
