//! A map from its JSON: one map, or several for sections of the module.

use super::mappings::{self, NONE, Segment};
use super::{SOURCE_MAP_BYTES_MAX, SourceMap};
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Memory that reading a map may take, beside [`MEMORY_FACTOR`] bytes for each of its bytes: as compiling a module may.
const SPARE_MEMORY: usize = 32 << 20;
const MEMORY_FACTOR: usize = 8;

/// What a server may put before JSON, so that no browser runs it as a script; the line ends behind it.
const GUARD: &[u8] = b")]}'";

/// Reads a map.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<SourceMap, String> {
    if bytes.len() > SOURCE_MAP_BYTES_MAX {
        return Err(format!("{} bytes: the limit is {SOURCE_MAP_BYTES_MAX}", bytes.len()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let json = match bytes.starts_with(GUARD) {
        true => &bytes[bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len())..],
        false => bytes,
    };
    let budget = bytes.len() * MEMORY_FACTOR + SPARE_MEMORY;
    if values_cost(json) > budget {
        return Err(format!("too many values for a map of {} bytes", bytes.len()));
    }
    let value: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let object = object(&value, "a map")?;
    if object.get("version").and_then(Value::as_u64) != Some(3) {
        return Err("`version` is not 3".to_owned());
    }
    let mut map = SourceMap { sources: Vec::new(), names: Vec::new(), segments: Vec::new() };
    match object.get("sections") {
        Some(sections) => read_sections(array(sections, "`sections`")?, &mut map, budget)?,
        None => read_plain(object, &mut map, &mut { budget })?,
    }
    Ok(map)
}

/// What JSON takes as values, at most and about: an object with one entry has room for eleven, a list for four, and
/// whatever stands behind a comma or colon is a value with bytes of its own.
fn values_cost(json: &[u8]) -> usize {
    let (mut cost, mut is_in_text, mut bytes) = (0usize, false, json.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_in_text = !is_in_text,
            b'\\' if is_in_text => _ = bytes.next(),
            _ if is_in_text => {}
            b'{' => cost += 800,
            b'[' => cost += 200,
            b',' | b':' => cost += 80,
            _ => {}
        }
    }
    cost
}

/// Adds a map without sections, whose names of sources may take `room` bytes of memory.
fn read_plain(object: &Object, map: &mut SourceMap, room: &mut usize) -> Result<(), String> {
    let root = match object.get("sourceRoot") {
        None | Some(Value::Null) => "",
        Some(root) => text(root, "`sourceRoot`")?,
    };
    let sources = array(object.get("sources").ok_or("`sources` is missing")?, "`sources`")?;
    let (first_source, first_name) = (map.sources.len(), map.names.len());
    for source in sources {
        let source = match source {
            Value::Null => None,
            source => Some(joined(root, text(source, "an entry of `sources`")?, room)?),
        };
        map.sources.push(source);
    }
    let names = object.get("names").map_or(Ok(&[][..]), |names| array(names, "`names`"))?;
    for name in names {
        map.names.push(text(name, "an entry of `names`")?.to_owned());
    }
    let first = map.segments.len();
    let mappings = text(object.get("mappings").ok_or("`mappings` is missing")?, "`mappings`")?;
    mappings::read(mappings, sources.len(), names.len(), &mut map.segments)?;
    // Segments may come in any order; of several at one byte the last one counts.
    map.segments[first..].sort_by_key(Segment::offset);
    for segment in &mut map.segments[first..] {
        shift(&mut segment.source, first_source)?;
        shift(&mut segment.name, first_name)?;
    }
    Ok(())
}

/// Adds a map for each section of the first line. A section reaches to the next one, and nothing lies before the first.
fn read_sections(sections: &[Value], map: &mut SourceMap, mut room: usize) -> Result<(), String> {
    let mut last = None;
    for (number, section) in sections.iter().enumerate() {
        let named = |wrong: String| format!("section {number}: {wrong}");
        let section = object(section, "a section").map_err(named)?;
        let (line, offset) = place(section).map_err(named)?;
        if last.is_some_and(|last| last > (line, offset)) {
            return Err(named("it begins before the one before it".to_owned()));
        }
        last = Some((line, offset));
        let part = section.get("map").ok_or("`map` is missing".to_owned()).and_then(|part| object(part, "`map`"));
        let part = part.map_err(named)?;
        if line == 0 {
            let kept = map.segments.partition_point(|segment| segment.offset < offset);
            map.segments.truncate(kept);
            // What the section before says of bytes does not reach into this one.
            map.segments.push(Segment { offset, source: NONE, line: 0, column: 0, name: NONE });
        }
        let first = map.segments.len();
        read_plain(part, map, &mut room).map_err(named)?;
        if line != 0 {
            map.segments.truncate(first);
        }
        for segment in &mut map.segments[first..] {
            let beyond = || named("an offset is out of range".to_owned());
            segment.offset = segment.offset.checked_add(offset).ok_or_else(beyond)?;
        }
    }
    Ok(())
}

/// Where a section begins: its line and the byte in it.
fn place(section: &Object) -> Result<(u32, u32), String> {
    let offset = object(section.get("offset").ok_or("`offset` is missing")?, "`offset`")?;
    let number = |name: &str| {
        let number = offset.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| format!("`{name}` of `offset` is no number of a line or column"))
    };
    Ok((number("line")?, number("column")?))
}

/// An index of a section's own list as one of the whole list.
fn shift(index: &mut u32, by: usize) -> Result<(), String> {
    if *index != NONE {
        let shifted = (*index as usize).checked_add(by).and_then(|index| u32::try_from(index).ok());
        *index = shifted.filter(|index| *index != NONE).ok_or("there are too many sources or names")?;
    }
    Ok(())
}

/// A source behind the root that the map gives for all: a few bytes can stand for a root of any length.
fn joined(root: &str, source: &str, room: &mut usize) -> Result<String, String> {
    let too_long = "the names of the sources, behind `sourceRoot`, are too long";
    *room = room.checked_sub(root.len() + source.len()).ok_or(too_long)?;
    Ok(match root {
        "" => source.to_owned(),
        root if root.ends_with('/') => format!("{root}{source}"),
        root => format!("{root}/{source}"),
    })
}

fn object<'v>(value: &'v Value, what: &str) -> Result<&'v Object, String> {
    value.as_object().ok_or_else(|| format!("{what} is no object"))
}

fn array<'v>(value: &'v Value, what: &str) -> Result<&'v [Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("{what} is no array"))
}

fn text<'v>(value: &'v Value, what: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{what} is no string"))
}
