//! A profile as the protocol buffer of `pprof` (`profile.proto`), not compressed: one kind of samples, CPU time in
//! nanoseconds, a sample for each stack, a location and a function for each name.

use super::begun_at;
use heapwood::CpuProfileData;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Fields of `Profile`.
const SAMPLE_TYPE: u32 = 1;
const SAMPLE: u32 = 2;
const LOCATION: u32 = 4;
const FUNCTION: u32 = 5;
const STRING_TABLE: u32 = 6;
const TIME_NANOS: u32 = 9;
const DURATION_NANOS: u32 = 10;
const PERIOD_TYPE: u32 = 11;
const PERIOD: u32 = 12;

/// Writes a profile.
pub fn write(data: &CpuProfileData, output: &mut impl Write) -> io::Result<()> {
    let mut strings = Strings::default();
    // The first string has to be the empty one.
    strings.number("");
    let mut profile = Message::default();
    let mut kind = Message::default();
    kind.number(1, strings.number("cpu")).number(2, strings.number("nanoseconds"));
    profile.message(SAMPLE_TYPE, &kind);
    for stack in data.stacks() {
        let mut sample = Message::default();
        // From the innermost on. Numbers of locations begin at 1.
        let locations: Vec<u64> = stack.frames().iter().rev().map(|frame| u64::from(*frame) + 1).collect();
        sample.numbers(1, &locations).numbers(2, &[nanos(stack.weight())]);
        profile.message(SAMPLE, &sample);
    }
    for (id, name) in (1..).zip(data.names()) {
        let (mut line, mut location, mut function) = (Message::default(), Message::default(), Message::default());
        line.number(1, id);
        location.number(1, id).message(4, &line);
        profile.message(LOCATION, &location);
        let name = strings.number(name);
        function.number(1, id).number(2, name).number(3, name);
        profile.message(FUNCTION, &function);
    }
    strings.in_order.iter().for_each(|string| profile.bytes(STRING_TABLE, string.as_bytes()));
    let since_1970 = begun_at(data).duration_since(UNIX_EPOCH).unwrap_or_default();
    profile.number(TIME_NANOS, nanos(since_1970)).number(DURATION_NANOS, nanos(data.begun().elapsed()));
    profile.message(PERIOD_TYPE, &kind).number(PERIOD, nanos(data.interval()));
    output.write_all(&profile.0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Strings with their numbers.
#[derive(Default)]
struct Strings {
    numbers: HashMap<String, u64>,
    in_order: Vec<String>,
}

impl Strings {
    fn number(&mut self, string: &str) -> u64 {
        if let Some(number) = self.numbers.get(string) {
            return *number;
        }
        let number = self.in_order.len() as u64;
        self.in_order.push(string.to_owned());
        self.numbers.insert(string.to_owned(), number);
        number
    }
}

/// An encoded message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u32, value: u64) -> &mut Message {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        /// A length, and so many bytes.
        const DELIMITED: u64 = 2;
        self.varint(u64::from(field) << 3 | DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u32, message: &Message) -> &mut Message {
        self.bytes(field, &message.0);
        self
    }

    /// A field with any number of numbers, packed.
    fn numbers(&mut self, field: u32, values: &[u64]) -> &mut Message {
        let mut packed = Message::default();
        values.iter().for_each(|value| packed.varint(*value));
        self.message(field, &packed)
    }
}
