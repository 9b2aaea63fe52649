//! Names of files that the command writes, with what stands for something of this run:
//!
//! | | |
//! |---|---|
//! | `%p` | the number of the process |
//! | `%t` | when it started, `YYYY-MM-DD_HH-MM-SS` of the local time: the same in all names of a run |
//! | `%%` | a percent sign |
//!
//! Anything else behind a percent sign is refused, so that it can come to mean something.

use super::failure::{UsageError, shown};
use heapwood::surfaces::TimeZone;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// When the process started, as far as names of files are concerned.
static START: OnceLock<String> = OnceLock::new();

/// Notes the time as that of the start.
pub fn note_start() {
    start();
}

fn start() -> &'static str {
    START.get_or_init(|| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = TimeZone::system().wall_clock(since_1970.as_secs() as i64);
        let (year, month, day) = (now.year, now.month, now.day);
        format!("{year:04}-{month:02}-{day:02}_{:02}-{:02}-{:02}", now.hour, now.minute, now.second)
    })
}

/// The name of a file that `option` gives.
///
/// # Errors
/// Something stands behind a percent sign that means nothing there.
pub fn expand(option: &str, given: &Path) -> Result<PathBuf, UsageError> {
    let mut name = Vec::new();
    let mut bytes = given.as_os_str().as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            name.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'p') => name.extend(std::process::id().to_string().as_bytes()),
            Some(b't') => name.extend(start().as_bytes()),
            Some(b'%') => name.push(b'%'),
            _ => {
                let meant = "%p is the process, %t the time of its start, %% a percent sign";
                return Err(UsageError::new(format!("{option} {}: {meant}, and nothing else is there", shown(given))));
            }
        }
    }
    Ok(OsString::from_vec(name).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_stands_for_something_is_replaced_and_the_rest_is_as_it_was() {
        let expand = |name: &str| expand("--file", Path::new(name)).map(|path| path.display().to_string());
        let pid = std::process::id();
        assert_eq!(expand("gc-%p.log").unwrap(), format!("gc-{pid}.log"));
        assert_eq!(expand("%p%p/%%p%%%p").unwrap(), format!("{pid}{pid}/%p%{pid}"));
        let time = expand("%t").unwrap();
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00_00-00-00", "{time}");
        assert_eq!(expand("%t-%t").unwrap(), format!("{time}-{time}"), "one time");
        for plain in ["", "a b", "ä/ö", "p", "t%%".trim_end_matches('%')] {
            assert_eq!(expand(plain).unwrap(), plain);
        }
        for wrong in ["%", "a%", "%d", "%P", "%p%", "%%%", "%ä", "% p", "%\n"] {
            let error = expand(wrong).unwrap_err().to_string();
            assert!(error.starts_with("--file %") || error.starts_with("--file a%"), "{error}");
            assert!(error.contains("%% a percent sign") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn names_need_not_be_text() {
        let given = OsStr::from_bytes(b"\xff%%\x80\xfe");
        assert_eq!(expand("--file", Path::new(given)).unwrap().as_os_str().as_bytes(), b"\xff%\x80\xfe");
    }
}
