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

/// LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = if number > 0x7f { 0x80 } else { 0 };
        bytes.push(u8::try_from(number & 0x7f | more).expect("a byte"));
        number >>= 7;
        if number == 0 {
            return bytes;
        }
    }
}

/// A binary module that traps in its one function, with these sections.
fn trapping(sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut module =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\x0a\x05\x01\x03\0\0\x0b".to_vec();
    for (name, bytes) in sections {
        let contents = [&leb(name.len())[..], name.as_bytes(), bytes].concat();
        module.extend([&[0][..], &leb(contents.len()), &contents].concat());
    }
    module
}

/// A unit of version 4: `entries` are those of its tree.
fn unit(entries: &[u8]) -> Vec<u8> {
    sized([&[4, 0, 0, 0, 0, 0, 4][..], entries].concat())
}

/// `.debug_line` whose rows lie elsewhere, with this program and so many files.
fn lines_elsewhere(program: &[u8], files: usize) -> Vec<u8> {
    let mut header = vec![1, 1, 1, (-5i8).cast_unsigned(), 14, 13];
    header.extend([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    header.push(0);
    header.extend(b"a\0\0\0\0".repeat(files));
    header.push(0);
    let program = [&[0, 5, 2, 0, 0, 0, 0x40][..], program, &[0, 1, 1]].concat();
    let mut body = 4u16.to_le_bytes().to_vec();
    body.extend((header.len() as u32).to_le_bytes());
    body.extend([header, program].concat());
    sized(body)
}

/// Custom sections, with their names.
type Sections = Vec<(&'static str, Vec<u8>)>;

/// Sections of about a megabyte whose literal reading takes far more than that of memory, of time or of the stack.
fn greedy() -> Vec<(&'static str, Sections)> {
    const SIZE: usize = 1 << 20;
    // Units with a range and lines at 0; functions with that range; inlined ones; units with ranges at 0; units with a
    // directory; inlined ones with a name at 0.
    let abbreviations = [
        &[1, 0x11, 1, 0x11, 1, 0x12, 6, 0x10, 0x17, 0, 0][..],
        &[2, 0x2e, 1, 0x11, 1, 0x12, 6, 0, 0],
        &[3, 0x1d, 1, 0, 0],
        &[4, 0x11, 0, 0x55, 0x17, 0, 0],
        &[5, 0x11, 0, 0x11, 1, 0x12, 6, 0x10, 0x17, 0x1b, 8, 0, 0],
        &[6, 0x1d, 0, 3, 0x0e, 0, 0],
        &[0],
    ]
    .concat();
    let range = [0, 0, 0, 0, 0xff, 0xff, 0, 0];
    let whole = |abbreviation: u8| [&[abbreviation][..], &range, &[0; 4]].concat();
    let function = [&[2][..], &range].concat();
    let dwarf = |info: Vec<u8>, line: Vec<u8>, more: Option<(&'static str, Vec<u8>)>| {
        let mut sections = vec![(".debug_info", info), (".debug_abbrev", abbreviations.clone()), (".debug_line", line)];
        sections.extend(more);
        sections
    };
    let nested = |depth: usize| unit(&[whole(1), function.clone(), vec![3; depth]].concat());
    let elsewhere = || lines_elsewhere(&[], 1);
    let rows = lines_elsewhere(&vec![6 + 14 + 13; SIZE], 1);
    let ranges: Vec<u8> = (0..u32::try_from(SIZE / 8).expect("a u32"))
        .flat_map(|k| [2 * k + 0x10000, 2 * k + 0x10001])
        .flat_map(u32::to_le_bytes)
        .collect();
    let texts = [&vec![b'a'; SIZE][..], &[0]].concat();
    let named = |abbreviation: u8| [&[abbreviation][..], &[0; 4]].concat();
    let mut many_abbreviations = Vec::new();
    for k in 1..SIZE / 5 {
        many_abbreviations.extend([leb(k), vec![0x11, 0, 0, 0]].concat());
    }
    many_abbreviations.push(0);
    let mut with_many = dwarf(unit(&[1]).repeat(SIZE / 12), lines_elsewhere(&[], 0), None);
    with_many[1].1 = many_abbreviations;
    vec![
        ("functions inlined into each other", dwarf(nested(SIZE), elsewhere(), None)),
        ("less deep ones", dwarf(nested(20_000), elsewhere(), None)),
        ("units with the same lines", dwarf(unit(&[whole(1), vec![0]].concat()).repeat(20_000), rows, None)),
        (
            "units with the same ranges",
            dwarf(unit(&named(4)).repeat(20_000), elsewhere(), Some((".debug_ranges", ranges))),
        ),
        ("units with the same abbreviations", with_many),
        (
            "files of one long directory",
            dwarf(unit(&[whole(5), vec![b'd'; SIZE], vec![0]].concat()), lines_elsewhere(&[], SIZE / 5), None),
        ),
        (
            "functions of one long name",
            dwarf(
                unit(&[whole(1), function, named(6).repeat(SIZE / 5)].concat()),
                elsewhere(),
                Some((".debug_str", texts)),
            ),
        ),
    ]
}

#[test]
fn what_would_take_too_much_to_read_costs_the_lines_only() {
    let folder = scratch("source-lines-greedy");
    let mut cases = 0;
    for (what, sections) in greedy() {
        let path = folder.join(format!("{cases}.wasm"));
        std::fs::write(&path, trapping(&sections)).expect("a file");
        // Less than any of them would take.
        let mut limited = std::process::Command::new("sh");
        let run = "ulimit -v 1000000; ulimit -t 20; exec \"$0\" run --gc-heap-max 16m \"$1\"";
        let command = heapwood();
        limited.args(["-c", run]).arg(command.get_program()).arg(&path);
        let finished = finish(&mut limited);
        assert_eq!(frames(&finished).len(), 1, "{what}: {}", finished.stderr);
        cases += 1;
    }
    assert_eq!(cases, 7);
}
