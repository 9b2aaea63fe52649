//! Lines of the source in backtraces, from a module's DWARF before its source map, and names without mangling.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use std::fmt::Write;

/// Bytes of code that the lines are for.
const COVERED: u32 = 300;
/// The line of the first byte.
const FIRST_LINE: usize = 100;

/// `.debug_line`, version 4: each byte of the code has a line of its own.
fn debug_line() -> Vec<u8> {
    let mut header = vec![1, 1, 1, (-5i8).cast_unsigned(), 14, 13];
    header.extend([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    header.push(0);
    header.extend(b"lib.c\0\0\0\0\0");
    // Address 0, line 100, a row; then rows of one byte and one line each; the end.
    let mut program = vec![0, 5, 2, 0, 0, 0, 0, 3, 0xe3, 0, 1];
    program.extend(vec![6 + 14 + 13; COVERED as usize]);
    program.extend([0, 1, 1]);
    let mut body = 4u16.to_le_bytes().to_vec();
    body.extend((header.len() as u32).to_le_bytes());
    body.extend([header, program].concat());
    sized(body)
}

/// `.debug_abbrev`: a unit with a name, lines and a range.
const DEBUG_ABBREV: [u8; 14] = [1, 0x11, 0, 3, 8, 0x10, 0x17, 0x11, 1, 0x12, 6, 0, 0, 0];

fn debug_info() -> Vec<u8> {
    let mut body = 4u16.to_le_bytes().to_vec();
    body.extend([0, 0, 0, 0, 4, 1]);
    body.extend(b"lib.c\0");
    body.extend([0; 8]);
    body.extend(COVERED.to_le_bytes());
    sized(body)
}

fn sized(body: Vec<u8>) -> Vec<u8> {
    [(body.len() as u32).to_le_bytes().to_vec(), body].concat()
}

/// A module that traps two calls deep, with these sections.
fn run(name: &str, sections: &[(&str, Vec<u8>)]) -> Finished {
    let mut custom = String::new();
    for (name, bytes) in sections {
        let _ = write!(custom, "(@custom \"{name}\" \"");
        bytes.iter().for_each(|byte| _ = write!(custom, "\\{byte:02x}"));
        custom.push_str("\")");
    }
    let text = format!(
        r#"(module $m (func $"_ZN3app5Shape4areaEv" (nop) unreachable)
            (func $"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE" (nop) (nop) (call 0))
            (func (export "_start") (call 1)) {custom})"#
    );
    let folder = scratch(&format!("source-lines-{name}"));
    finish(heapwood().arg("run").arg(wat(&folder, "app.wat", &text)))
}

fn frames(finished: &Finished) -> Vec<&str> {
    assert_eq!(finished.code, Some(134), "{}", finished.stderr);
    let (_, trace) = finished.stderr.split_once("wasm backtrace:\n").expect("a backtrace");
    trace.lines().map(str::trim).collect()
}

#[test]
fn each_frame_has_its_line_and_its_demangled_name() {
    let finished = run(
        "right",
        &[(".debug_line", debug_line()), (".debug_abbrev", DEBUG_ABBREV.to_vec()), (".debug_info", debug_info())],
    );
    let lines = frames(&finished);
    let [area, area_line, pad, pad_line, start, start_line] = lines[..] else { panic!("{lines:?}") };
    assert!(area.ends_with(" m!app::Shape::area()"), "{area}");
    assert!(pad.ends_with(" m!core::fmt::Formatter::pad"), "{pad}");
    assert!(start.ends_with(" m!<function 2>"), "{start}");
    // Lines count bytes of the code section, from the number of its functions on.
    let offset =
        |frame: &str| usize::from_str_radix(&frame[2..frame.find(' ').expect("a space")], 16).expect("an offset");
    let line = |text: &str| text.strip_prefix("at lib.c:").expect("a line").parse::<usize>().expect("a number");
    // Number, size, locals and `nop` lie before the `unreachable`.
    assert_eq!(line(area_line), FIRST_LINE + 4);
    for (frame, text) in [(pad, pad_line), (start, start_line)] {
        assert_eq!(line(text) - line(area_line), offset(frame) - offset(area), "{lines:?}");
    }
}

#[test]
fn it_comes_before_a_source_map_which_serves_where_it_says_nothing() {
    // Each byte has a mapping, so that each function has one of its own.
    let mappings = vec!["CAAA"; 200].join(",");
    let url = format!(r#"data:,{{"version":3,"sources":["app.kt"],"names":[],"mappings":"{mappings}"}}"#);
    let (low, high) = (u8::try_from(url.len() & 0x7f | 0x80).unwrap(), u8::try_from(url.len() >> 7).unwrap());
    let map = ("sourceMappingURL", [&[low, high][..], url.as_bytes()].concat());
    let dwarf =
        [(".debug_line", debug_line()), (".debug_abbrev", DEBUG_ABBREV.to_vec()), (".debug_info", debug_info())];
    let places = |sections: &[(&str, Vec<u8>)], name: &str| {
        let finished = run(name, sections);
        let of = |line: &&str| line.strip_prefix("at ").map(|place| place.split(':').next().unwrap_or("").to_owned());
        frames(&finished).iter().filter_map(of).collect::<Vec<_>>()
    };
    let both = [&dwarf[..], std::slice::from_ref(&map)].concat();
    assert_eq!(places(&both, "both"), ["lib.c"; 3]);
    assert_eq!(places(std::slice::from_ref(&map), "map"), ["app.kt"; 3]);
    let broken = [&[(".debug_line", Vec::new())][..], &dwarf[1..], &[map]].concat();
    assert_eq!(places(&broken, "broken-and-map"), ["app.kt"; 3]);
}

#[test]
fn what_is_wrong_with_it_costs_the_lines_only() {
    let right =
        [(".debug_line", debug_line()), (".debug_abbrev", DEBUG_ABBREV.to_vec()), (".debug_info", debug_info())];
    let without = run("none", &[]);
    assert_eq!(frames(&without).len(), 3);
    let mut cases = 0;
    for broken in 0..right.len() {
        for (how, change) in [
            ("empty", (|bytes| bytes.clear()) as fn(&mut Vec<u8>)),
            ("half", |bytes| bytes.truncate(bytes.len() / 2)),
            ("ones", |bytes| bytes.fill(0xff)),
            ("zeroes", |bytes| bytes.fill(0)),
            ("tail", |bytes| bytes.iter_mut().skip(8).for_each(|byte| *byte ^= 0x5a)),
            ("size", |bytes| bytes[..4].fill(0xee)),
        ] {
            let mut sections = right.clone();
            change(&mut sections[broken].1);
            let finished = run(&format!("broken-{broken}-{how}"), &sections);
            let lines = frames(&finished);
            let heads: Vec<_> = lines.iter().filter(|line| !line.starts_with("at ")).collect();
            assert_eq!(heads.len(), 3, "{broken} {how}: {lines:?}");
            cases += 1;
        }
    }
    assert_eq!(cases, 18);
}
