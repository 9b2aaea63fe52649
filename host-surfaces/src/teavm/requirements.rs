//! The custom section `teavm.memoryRequirements`: `{"min": 33, "dataSize": 106, "shared": false}`.

/// The first byte of linear memory that is free for the program's heap, at a multiple of 8: behind its static data.
/// Without a section there is none.
///
/// # Errors
/// The section is no JSON object of numbers and truth values, or the data end beyond 2 GiB.
///
/// ```
/// use heapwood_surfaces::teavm::heap_offset;
/// assert_eq!(heap_offset(Some(br#"{"min": 33, "dataSize": 106}"#)), Ok(112));
/// assert_eq!(heap_offset(None), Ok(0));
/// assert!(heap_offset(Some(b"[]")).is_err());
/// ```
pub fn heap_offset(section: Option<&[u8]>) -> Result<i32, String> {
    let size = section.map(data_size).transpose()?.flatten().unwrap_or(0);
    let aligned = size.checked_next_multiple_of(8).and_then(|offset| i32::try_from(offset).ok());
    aligned.ok_or_else(|| format!("`dataSize` is {size}, but a program's data end below 2147483648"))
}

/// The field `dataSize` of an object.
fn data_size(json: &[u8]) -> Result<Option<u64>, String> {
    let text = std::str::from_utf8(json).map_err(|_| "not UTF-8".to_owned())?.trim();
    let fields = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let fields = fields.ok_or("not a JSON object")?.trim();
    let mut size = None;
    for field in fields.split(',').filter(|_| !fields.is_empty()) {
        let (name, value) = field.split_once(':').ok_or_else(|| expected(field))?;
        let name = name.trim().strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let (name, value) = (name.ok_or_else(|| expected(field))?, value.trim());
        let number = value.parse::<u64>().ok();
        if number.is_none() && !matches!(value, "true" | "false") {
            return Err(expected(field));
        }
        if name == "dataSize" {
            size = Some(number.ok_or_else(|| expected(field))?);
        }
    }
    Ok(size)
}

fn expected(field: &str) -> String {
    format!("expected `\"NAME\": NUMBER`, found `{}`", field.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_begins_behind_the_data() {
        for (section, offset) in [
            (r#"{"min":33, "dataSize":106, "shared": false}"#, 112),
            (r#"{"dataSize":0}"#, 0),
            (" { \"dataSize\" : 8 } \n", 8),
            ("{}", 0),
            (r#"{"min": 1, "more": true}"#, 0),
            (r#"{"dataSize": 2147483640}"#, 2_147_483_640),
        ] {
            assert_eq!(heap_offset(Some(section.as_bytes())), Ok(offset), "{section}");
        }
        for (section, what) in [
            ("", "object"),
            ("[1]", "object"),
            ("{1}", "found `1`"),
            (r#"{"dataSize": -1}"#, "found"),
            (r#"{"dataSize": true}"#, "found"),
            (r#"{dataSize: 1}"#, "found"),
            (r#"{"dataSize": 1,}"#, "found"),
            (r#"{"min": "1"}"#, "found"),
            (r#"{"dataSize": 2147483641}"#, "2147483641"),
            (r#"{"dataSize": 18446744073709551615}"#, "18446744073709551615"),
        ] {
            let error = heap_offset(Some(section.as_bytes())).unwrap_err();
            assert!(error.contains(what), "{section}: {error}");
        }
        assert!(heap_offset(Some(b"\xff")).is_err());
    }
}
