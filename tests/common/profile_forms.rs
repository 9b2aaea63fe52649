//! Readers of the forms of profiles: CPU time by stack.
#![allow(dead_code, reason = "each test binary uses a part")]

use serde_json::Value;
use std::collections::HashMap;

/// CPU time in nanoseconds by stack, `outer;inner`.
pub type Stacks = HashMap<String, u64>;

/// Of collapsed stacks, which round to microseconds.
pub fn collapsed(text: &str) -> Stacks {
    let line = |line: &str| {
        let (stack, us) = line.rsplit_once(' ').expect("a stack and a weight");
        (stack.to_owned(), us.parse::<u64>().expect("microseconds") * 1000)
    };
    text.lines().map(line).collect()
}

/// A column of a table, of which all have its length.
pub fn column<'a>(table: &'a Value, name: &str) -> &'a Vec<Value> {
    let column = table[name].as_array().unwrap_or_else(|| panic!("no column {name}"));
    assert_eq!(Some(column.len() as u64), table["length"].as_u64(), "{name}");
    column
}

/// A place in a table.
pub fn index(value: &Value) -> usize {
    value.as_u64().expect("a place in a table") as usize
}

/// A number that need not be whole.
pub fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The stacks of a thread, by its samples.
pub fn firefox_stacks(thread: &Value) -> Stacks {
    let strings = thread["stringArray"].as_array().expect("strings");
    let (stack_table, samples) = (&thread["stackTable"], &thread["samples"]);
    let (prefixes, frames) = (column(stack_table, "prefix"), column(stack_table, "frame"));
    let functions = column(&thread["frameTable"], "func");
    let names = column(&thread["funcTable"], "name");
    let name = |frame: &Value| strings[index(&names[index(&functions[index(frame)])])].as_str().expect("a name");
    let mut stacks = Stacks::new();
    for (stack, ns) in column(samples, "stack").iter().zip(column(samples, "threadCPUDelta")) {
        let mut path = Vec::new();
        let mut at = Some(index(stack));
        while let Some(node) = at {
            path.push(name(&frames[node]));
            at = prefixes[node].as_u64().map(|node| node as usize);
            assert!(at.is_none_or(|prefix| prefix < node), "a tree");
        }
        path.reverse();
        *stacks.entry(path.join(";")).or_insert(0) += ns.as_u64().expect("nanoseconds");
    }
    stacks
}

/// A field of a message: its number, and a number or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        let Field::Bytes(bytes) = self else { panic!("bytes") };
        bytes
    }

    fn number(&self) -> u64 {
        let Field::Number(number) = self else { panic!("a number") };
        *number
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number ends");
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(field)
            }
            other => panic!("a field of type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// The fields of a number in a message.
fn all<'f, 'a>(fields: &'f [(u64, Field<'a>)], number: u64) -> impl Iterator<Item = &'f Field<'a>> {
    fields.iter().filter(move |(of, _)| *of == number).map(|(_, field)| field)
}

fn one(bytes: &[u8], number: u64) -> u64 {
    let fields = fields(bytes);
    let mut found = all(&fields, number);
    let first = found.next().unwrap_or_else(|| panic!("no field {number}")).number();
    assert!(found.next().is_none());
    first
}

fn packed(mut bytes: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(varint(&mut bytes));
    }
    numbers
}

/// The stacks of a `Profile` of `profile.proto`.
pub fn pprof_stacks(bytes: &[u8]) -> Stacks {
    let profile = fields(bytes);
    let strings: Vec<&str> = all(&profile, 6).map(|field| std::str::from_utf8(field.bytes()).expect("text")).collect();
    assert_eq!(strings[0], "");
    let string = |number: u64| strings[number as usize];
    let kinds: Vec<&[u8]> = all(&profile, 1).map(Field::bytes).collect();
    assert_eq!(kinds.len(), 1);
    assert_eq!((string(one(kinds[0], 1)), string(one(kinds[0], 2))), ("cpu", "nanoseconds"));
    let names: HashMap<u64, &str> =
        all(&profile, 5).map(|field| (one(field.bytes(), 1), string(one(field.bytes(), 2)))).collect();
    let mut locations: HashMap<u64, &str> = HashMap::new();
    for location in all(&profile, 4) {
        let inner = fields(location.bytes());
        let lines: Vec<&[u8]> = all(&inner, 4).map(Field::bytes).collect();
        assert_eq!(lines.len(), 1);
        let id = one(location.bytes(), 1);
        assert!(id != 0 && locations.insert(id, names[&one(lines[0], 1)]).is_none());
    }
    let mut stacks = Stacks::new();
    for sample in all(&profile, 2) {
        let inner = fields(sample.bytes());
        let list = |number| all(&inner, number).flat_map(|field| packed(field.bytes())).collect::<Vec<u64>>();
        let (path, values) = (list(1), list(2));
        assert_eq!(values.len(), 1);
        let path: Vec<&str> = path.iter().rev().map(|location| locations[location]).collect();
        assert!(stacks.insert(path.join(";"), values[0]).is_none(), "a stack is there once");
    }
    for number in [9, 10, 12] {
        assert!(one(bytes, number) > 0, "field {number}");
    }
    stacks
}
