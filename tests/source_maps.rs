//! Source maps: what they say of each byte, what is wrong with them, and the lines that backtraces have of them.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use heapwood::source_map::{FrameSymbol, SourceMap};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("less than a u32")
    }

    /// A number of 0 to 31 bits, each length as often as another.
    fn of_any_size(&mut self) -> u32 {
        let bits = self.below(32);
        u32::try_from(self.next() & ((1 << bits) - 1)).expect("31 bits at most")
    }
}

/// What a map says from an offset on: source, line, column and name; or nothing.
type Said = Option<(u32, u32, u32, Option<u32>)>;

/// Appends a number as a source map writes it.
fn write_number(text: &mut String, number: i64) {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut rest = number.unsigned_abs() << 1 | u64::from(number < 0);
    loop {
        let more = u64::from(rest > 31) << 5;
        text.push(char::from(DIGITS[usize::try_from(rest & 31 | more).expect("six bits")]));
        rest >>= 5;
        if rest == 0 {
            return;
        }
    }
}

/// One line of mappings. `last` are source, line, column and name of the one before, in lines before too.
fn write_line(text: &mut String, segments: &[(u32, Said)], last: &mut [u32; 4]) {
    let mut offset = 0;
    let step = |text: &mut String, last: &mut u32, to: u32| {
        write_number(text, i64::from(to) - i64::from(*last));
        *last = to;
    };
    for (number, (at, said)) in segments.iter().enumerate() {
        if number != 0 {
            text.push(',');
        }
        step(text, &mut offset, *at);
        let Some((source, line, column, name)) = said else { continue };
        for (last, to) in last.iter_mut().zip([Some(*source), Some(*line), Some(*column), *name]) {
            to.into_iter().for_each(|to| step(text, last, to));
        }
    }
}

/// Segments in any order, two of them sometimes at one byte.
fn segments(random: &mut Random, sources: u32, names: u32) -> Vec<(u32, Said)> {
    let count = random.below(40);
    let mut segments: Vec<(u32, Said)> = Vec::new();
    for _ in 0..count {
        let at = match segments.last() {
            Some((at, _)) if random.below(8) == 0 => *at,
            Some((at, _)) if random.below(3) != 0 => (at + 1 + random.below(20)).min(i32::MAX.unsigned_abs()),
            _ => random.of_any_size(),
        };
        let named = random.below(2) == 0 && names != 0;
        let name = named.then(|| random.below(names.max(1)));
        let said = (random.below(4) != 0 && sources != 0)
            .then(|| (random.below(sources), random.of_any_size(), random.of_any_size(), name));
        segments.push((at, said));
    }
    segments
}

fn quoted(prefix: &str, count: u32) -> String {
    (0..count).map(|number| format!("\"{prefix}{number}\"")).collect::<Vec<_>>().join(",")
}

/// A map without sections; what it says of the first line goes to the model, from `base` on and below `end`.
fn plain(random: &mut Random, tag: &str, base: u32, end: Option<u32>, model: &mut Model) -> String {
    let (sources, names) = (random.below(5), random.below(5));
    let first = segments(random, sources, names);
    let mut mappings = String::new();
    let mut last = [0; 4];
    write_line(&mut mappings, &first, &mut last);
    for _ in 0..random.below(3) {
        mappings.push(';');
        let other = segments(random, sources, names);
        write_line(&mut mappings, &other, &mut last);
    }
    for (at, said) in first {
        let at = base.checked_add(at).filter(|at| end.is_none_or(|end| *at < end));
        let said = said.map(|(source, line, column, name)| {
            let name = name.map(|name| format!("{tag}n{name}"));
            (format!("root/{tag}s{source}"), line + 1, column + 1, name)
        });
        at.into_iter().for_each(|at| drop(model.insert(at, said.clone())));
    }
    let (sources, names) = (quoted(&format!("{tag}s"), sources), quoted(&format!("{tag}n"), names));
    format!(
        r#"{{"version": 3, "sourceRoot": "root", "sources": [{sources}], "names": [{names}], "mappings": "{mappings}"}}"#
    )
}

/// File, line, column and name from an offset on.
type Model = BTreeMap<u32, Option<(String, u32, u32, Option<String>)>>;

fn agrees(map: &SourceMap, model: &Model, at: u32) {
    let expected = model.range(..=at).next_back().and_then(|(_, said)| said.as_ref());
    let seen = map.at(at as usize);
    let seen_as = |symbol: FrameSymbol<'_>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        (text(symbol.file()).unwrap_or_default(), symbol.line(), symbol.column(), text(symbol.name()))
    };
    let expected = expected.cloned().map(|(file, line, column, name)| (file, Some(line), Some(column), name));
    assert_eq!(seen.map(seen_as), expected, "byte {at}");
}

fn check(map: &SourceMap, model: &Model, random: &mut Random) {
    for at in model.keys().copied() {
        [at.saturating_sub(1), at, at + 1].into_iter().for_each(|at| agrees(map, model, at));
    }
    (0..20).for_each(|_| agrees(map, model, random.of_any_size()));
}

#[test]
fn maps_say_what_they_were_made_of() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut said = 0;
    for _ in 0..2000 {
        let mut model = Model::new();
        let json = plain(&mut random, "", 0, None, &mut model);
        let map = SourceMap::new(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        check(&map, &model, &mut random);
        said += model.len();
    }
    assert!(said > 20_000, "{said}");
}

#[test]
fn sections_have_the_bytes_up_to_the_next_one() {
    let mut random = Random(77);
    let mut said = 0;
    for _ in 0..1000 {
        let mut model = Model::new();
        let count = random.below(4);
        let mut starts: Vec<u32> = (0..count).map(|_| random.below(1000)).collect();
        starts.sort_unstable();
        let mut sections = Vec::new();
        for (number, start) in starts.iter().enumerate() {
            // A later section at the same byte leaves nothing of the one before.
            let end = starts.get(number + 1).copied();
            model.insert(*start, None);
            let mut part = plain(&mut random, &format!("p{number}"), *start, end, &mut model);
            part = format!(r#"{{"offset": {{"line": 0, "column": {start}}}, "map": {part}}}"#);
            sections.push(part);
        }
        // What lies in other lines is no part of a module.
        let other = plain(&mut random, "other", 0, Some(0), &mut Model::new());
        sections.push(format!(r#"{{"offset": {{"line": 1, "column": 0}}, "map": {other}}}"#));
        let json = format!(r#"{{"version": 3, "sections": [{}]}}"#, sections.join(","));
        let map = SourceMap::new(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        check(&map, &model, &mut random);
        said += model.len();
    }
    assert!(said > 5_000, "{said}");
}

#[test]
fn each_thing_that_is_wrong_is_named() {
    let with = |mappings: &str| format!(r#"{{"version": 3, "sources": ["a"], "names": [], "mappings": "{mappings}"}}"#);
    let section = |text: &str| format!(r#"{{"version": 3, "sections": [{text}]}}"#);
    let part = r#""map": {"sources": [], "mappings": ""}"#;
    for (json, wrong) in [
        ("".to_owned(), "EOF while parsing"),
        ("[1".to_owned(), "EOF while parsing"),
        ("[]".to_owned(), "a map is no object"),
        ("[".repeat(100_000), "recursion limit"),
        ("{}".to_owned(), "`version` is not 3"),
        (r#"{"version": 2}"#.to_owned(), "`version` is not 3"),
        (r#"{"version": 3}"#.to_owned(), "`sources` is missing"),
        (r#"{"version": 3, "sources": []}"#.to_owned(), "`mappings` is missing"),
        (r#"{"version": 3, "sources": {}, "mappings": ""}"#.to_owned(), "`sources` is no array"),
        (r#"{"version": 3, "sources": [1], "mappings": ""}"#.to_owned(), "an entry of `sources` is no string"),
        (r#"{"version": 3, "sources": [], "names": [0], "mappings": ""}"#.to_owned(), "an entry of `names` is no"),
        (r#"{"version": 3, "sources": [], "sourceRoot": 1, "mappings": ""}"#.to_owned(), "`sourceRoot` is no string"),
        (r#"{"version": 3, "sources": [], "mappings": 1}"#.to_owned(), "`mappings` is no string"),
        (with("AAAA,AAA"), "`mappings`, byte 5: a segment has 1, 4 or 5 numbers, and this one has 3"),
        (with("AAAA,!"), "`mappings`, byte 5: `!` is no digit"),
        (with("ACAA"), "`mappings`, byte 0: source 1 of 1"),
        (with("AAAAA"), "`mappings`, byte 0: name 0 of 0"),
        (with(";;AAAA,DAAA"), "`mappings`, byte 7: the offset -1 is out of range"),
        (section("1"), "section 0: a section is no object"),
        (section("{}"), "section 0: `offset` is missing"),
        (section(&format!(r#"{{"offset": {{"line": -1, "column": 0}}, {part}}}"#)), "`line` of `offset` is no number"),
        (section(r#"{"offset": {"line": 0, "column": 0}, "url": "a"}"#), "section 0: `map` is missing"),
        (
            section(r#"{"offset": {"line": 0, "column": 0}, "map": {"sections": []}}"#),
            "section 0: `sources` is missing",
        ),
        (
            section(&format!(
                r#"{{"offset": {{"line": 0, "column": 9}}, {part}}}, {{"offset": {{"line": 0, "column": 8}}, {part}}}"#
            )),
            "section 1: it begins before the one before it",
        ),
        (
            section(r#"{"offset": {"line": 0, "column": 4294967295}, "map": {"sources": [], "mappings": "C"}}"#),
            "section 0: an offset is out of range",
        ),
    ] {
        let error = SourceMap::new(json.as_bytes()).expect_err(wrong).to_string();
        assert!(error.starts_with("invalid source map: ") && error.contains(wrong), "{error}, expected {wrong}");
    }
    for right in ["\u{feff}", ")]}'\n", ")]}' something\n"] {
        let map = SourceMap::new(format!("{right}{}", with("AAAA")).as_bytes()).expect("a map");
        assert_eq!(map.at(0).and_then(|symbol| symbol.file()), Some("a"));
    }
    // Sources may be unknown, and bytes may be of no source.
    let map = SourceMap::new(br#"{"version": 3, "sources": [null], "mappings": "CAAA,C"}"#).expect("a map");
    assert_eq!((map.at(0), map.at(1).map(|symbol| symbol.file()), map.at(2)), (None, Some(None), None));
    assert_eq!(map.at(usize::MAX), None);
}

#[test]
fn a_map_does_not_take_memory_beyond_its_size() {
    let plain = |root: &str, sources: &str, more: &str| {
        format!(r#"{{"version": 3, {more} "sourceRoot": "{root}", "sources": [{sources}], "mappings": "AAAA"}}"#)
    };
    let repeated = |piece: &str, count: usize| vec![piece; count].join(",");
    let unused = |values: String| plain("", r#""a""#, &format!(r#""x": [{values}],"#));
    let root = "r".repeat(100_000);
    let section = |map: String| format!(r#"{{"offset": {{"line": 0, "column": 0}}, "map": {map}}}"#);
    let sections =
        |map: String, count| format!(r#"{{"version": 3, "sections": [{}]}}"#, repeated(&section(map), count));
    let (values, names) = ("too many values for a map of", "behind `sourceRoot`, are too long");
    let (mut refused, mut taken) = (0, 0);
    for (json, wrong) in [
        (unused(repeated(r#"{"":0}"#, 200_000)), Some(values)),
        (unused(repeated("{}", 200_000)), Some(values)),
        (unused(repeated("[0]", 400_000)), Some(values)),
        (unused(repeated("[[[[[0]]]]]", 100_000)), Some(values)),
        (unused(repeated("0", 2_000_000)), Some(values)),
        (unused(repeated(r#""""#, 2_000_000)), Some(values)),
        (plain(&root, &repeated(r#""""#, 10_000), ""), Some(names)),
        (plain(&root, &repeated(r#""a""#, 10_000), ""), Some(names)),
        (sections(plain(&root[..1000], &repeated(r#""""#, 5000), ""), 30), Some(names)),
        // What compilers write: long names, long mappings, texts with whatever may stand in a text.
        (plain("/home/somebody/", &repeated(&format!("{:?}", "a".repeat(60)), 200_000), ""), None),
        (unused(format!("{:?}", "{[,:\\\"".repeat(200_000))), None),
        (unused(repeated(&format!("{:?}", "fun main() { }\n".repeat(500)), 2000)), None),
        (sections(plain("src", &repeated(r#""a.kt""#, 10), ""), 2000), None),
    ] {
        let map = SourceMap::new(json.as_bytes());
        match wrong {
            Some(wrong) => {
                let error = map.expect_err(wrong).to_string();
                assert!(error.contains(wrong), "{error}, expected {wrong}: {}", &json[..100]);
                refused += 1;
            }
            None => {
                assert!(map.unwrap_or_else(|error| panic!("{error}: {}", &json[..100])).at(0).is_some());
                taken += 1;
            }
        }
    }
    assert_eq!((refused, taken), (9, 4));
}

#[test]
fn changed_maps_are_errors_or_maps() {
    let mut random = Random(4242);
    let kotlin = std::fs::read(kotlin().with_extension("wasm.map")).expect("the map");
    let (mut errors, mut maps) = (0, 0);
    for round in 0..6000 {
        let mut json = match round % 3 {
            0 => kotlin.clone(),
            _ => plain(&mut random, "", 0, None, &mut Model::new()).into_bytes(),
        };
        for _ in 0..=random.below(3) {
            let at = random.below(u32::try_from(json.len()).expect("it is short").max(1)) as usize;
            if json.is_empty() {
                break;
            }
            match random.below(4) {
                0 => json.truncate(at + 1),
                1 => drop(json.remove(at)),
                2 => json[at] = b"ABDg/+;,=\"{}[]0"[random.below(15) as usize],
                _ => json[at] = u8::try_from(random.below(256)).expect("a byte"),
            }
        }
        match SourceMap::new(&json) {
            Ok(map) => {
                maps += 1;
                for _ in 0..10 {
                    if let Some(symbol) = map.at(random.of_any_size() as usize) {
                        assert!(symbol.line() >= Some(1) && symbol.column() >= Some(1), "{symbol:?}");
                    }
                }
            }
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 300 && maps > 300, "{errors} {maps}");
}

/// A program that the Kotlin compiler made with a map beside it.
fn kotlin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin/wasm/mapped.wasm")
}

fn run(options: &[&str], module: &Path) -> Finished {
    finish(heapwood().arg("run").args(options).arg(module))
}

/// The lines of the backtrace.
fn trace(finished: &Finished) -> Vec<&str> {
    assert_eq!(finished.code, Some(134), "{}", finished.stderr);
    let (_, trace) = finished.stderr.split_once("wasm backtrace:\n").expect("a backtrace");
    trace.lines().map(str::trim).collect()
}

/// What the Kotlin program's backtrace has of lines of `mapped.kt`.
const KOTLIN: [&str; 6] = [
    "0x9781 <mapped>!Account.withdraw",
    "at ../src/mapped.kt:5:69",
    "0x9853 <mapped>!spend",
    "at ../src/mapped.kt:18:42",
    "0x992e <mapped>!main",
    "at ../src/mapped.kt:24:29",
];

#[test]
fn a_kotlin_program_has_the_lines_of_the_map_beside_it() {
    assert_eq!(trace(&run(&[], &kotlin())), KOTLIN);
    // Elsewhere there is no map, until one is named.
    let folder = scratch("source-maps-kotlin");
    let alone = folder.join("app.wasm");
    std::fs::copy(kotlin(), &alone).expect("a copy");
    let heads: Vec<_> = KOTLIN.into_iter().filter(|line| !line.starts_with("at ")).collect();
    let finished = run(&[], &alone);
    assert_eq!(trace(&finished), heads);
    assert!(finished.stderr.starts_with("error: "), "nothing is said of it: {}", finished.stderr);
    let said = run(&["-v"], &alone).stderr;
    assert!(said.contains("app.wasm: no lines of the source: the module names its source map: "), "{said}");
    assert!(said.contains("mapped.wasm.map: No such file"), "{said}");
    let map = kotlin().with_extension("wasm.map");
    let given = ["--source-map", map.to_str().expect("a path")];
    assert_eq!(trace(&run(&given, &alone)), KOTLIN);
    // An image has the module's sections.
    let image = folder.join("app.image");
    let compiled = finish(heapwood().arg("compile").arg(kotlin()).arg("-o").arg(&image));
    assert_eq!(compiled.code, Some(0), "{}", compiled.stderr);
    std::fs::copy(&map, folder.join("mapped.wasm.map")).expect("a copy");
    assert_eq!(trace(&run(&["--precompiled"], &image)), KOTLIN);
}

/// A program that traps in its second function, with a custom section for its map. Its first function is in no map.
fn trapping(folder: &Path, url: &str) -> PathBuf {
    assert!(url.len() < 128, "one byte has the length");
    let url: String = url.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let len = url.len() / 3;
    let text = format!(
        r#"(module $m (func $first unreachable) (func $second (nop) (call 0))
            (func (export "_start") (call 1)) (@custom "sourceMappingURL" "\{len:02x}{url}"))"#
    );
    wat(folder, "app.wat", &text)
}

/// All from the byte of `$second`'s `nop` on is of one line. The type section takes 6 bytes and more come before.
fn map_of_second(module: &Path) -> String {
    let frames = run(&[], module);
    let lines = trace(&frames);
    let offset = lines[1].split(' ').next().expect("an offset").strip_prefix("0x").expect("a number");
    let mut mappings = String::new();
    write_line(
        &mut mappings,
        &[(u32::from_str_radix(offset, 16).expect("an offset") - 1, Some((0, 6, 2, None)))],
        &mut [0; 4],
    );
    format!(r#"{{"version": 3, "sources": ["b.kt"], "names": [], "mappings": "{mappings}"}}"#)
}

#[test]
fn no_line_of_one_function_is_taken_for_another() {
    let folder = scratch("source-maps-hand");
    let module = trapping(&folder, "maps/a%20b.map");
    let map = map_of_second(&module);
    std::fs::create_dir(folder.join("maps")).expect("a folder");
    std::fs::write(folder.join("maps/a b.map"), map).expect("a map");
    let finished = run(&[], &module);
    let lines = trace(&finished);
    let [first, second, at, start] = lines[..] else { panic!("{lines:?}") };
    assert!(first.ends_with(" m!first") && second.ends_with(" m!second"), "{lines:?}");
    assert_eq!(at, "at b.kt:7:3");
    // The map says nothing of this one, and the mapping before it is one of another function.
    assert!(start.ends_with(" m!<function 2>"), "{start}");
}

#[test]
fn urls_lead_beside_the_module_and_nowhere_else() {
    let folder = scratch("maps-urls");
    let below = folder.join("below");
    std::fs::create_dir(&below).expect("a folder");
    let map = map_of_second(&trapping(&below, "none"));
    std::fs::write(folder.join("app.map"), &map).expect("a map");
    let absolute = folder.join("app.map").display().to_string();
    std::fs::create_dir(below.join("folder")).expect("a folder");
    std::fs::write(below.join("bad.map"), "{}").expect("a file");
    make_pipe(&below.join("pipe"));
    for (url, said) in [
        ("../app.map", "`../app.map` is not looked up"),
        (&absolute[..absolute.len().min(120)], "is not looked up"),
        ("http://localhost:1/app.map", "`http://localhost:1/app.map` is not looked up"),
        ("https://localhost:1/app.map", "`https://localhost:1/app.map` is not looked up"),
        ("missing.map", "No such file"),
        ("folder", "not a file"),
        ("pipe", "not a file"),
        ("bad.map", "bad.map: invalid source map: `version` is not 3"),
        ("data:;base64,!", "the `data:` URL is not base 64"),
        ("data:,{}", "invalid source map: `version` is not 3"),
    ] {
        let module = trapping(&below, url);
        let finished = run(&[], &module);
        assert_eq!(trace(&finished).len(), 3, "{url}: {}", finished.stderr);
        assert!(!finished.stderr.contains("source map"), "{url}: {}", finished.stderr);
        let verbose = run(&["-v"], &module).stderr;
        assert!(verbose.contains("no lines of the source: ") && verbose.contains(said), "{url}: {verbose}");
    }
}

/// A pipe with a name, which nobody writes to: whoever opens it waits.
fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo starts");
    assert!(made.success());
}

#[test]
fn a_map_that_is_named_and_wrong_is_an_error_with_its_name() {
    let folder = scratch("source-maps-named");
    let module = trapping(&folder, "none");
    std::fs::write(folder.join("bad.map"), r#"{"version": 3, "sources": [], "mappings": "AAAA"}"#).expect("a file");
    std::fs::create_dir(folder.join("folder")).expect("a folder");
    for (name, said) in [
        ("missing.map", "missing.map: No such file"),
        ("folder", "folder: not a file"),
        ("bad.map", "bad.map: invalid source map: `mappings`, byte 0: source 0 of 0"),
    ] {
        let path = folder.join(name);
        let finished = run(&["--source-map", path.to_str().expect("a path")], &module);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(
            finished.stderr.starts_with("error: --source-map ") && finished.stderr.contains(said),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_map_within_the_module_is_used() {
    let folder = scratch("source-maps-data");
    let plain = trapping(&folder, "none");
    let map = map_of_second(&plain);
    // With escapes it fits into the section of `trapping` as little as in base 64; so the section is written here.
    for (kind, body) in [("", map.replace(' ', "%20")), (";base64", base64(map.as_bytes()))] {
        let url = format!("data:application/json{kind},{body}");
        let (low, high) = (url.len() & 0x7f | 0x80, url.len() >> 7);
        let bytes: String = url.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let text = std::fs::read_to_string(&plain).expect("a module");
        let (module, _) = text.split_once("(@custom").expect("a section");
        let text = format!("{module} (@custom \"sourceMappingURL\" \"\\{low:02x}\\{high:02x}{bytes}\"))");
        let finished = run(&[], &wat(&folder, "data.wat", &text));
        assert_eq!(trace(&finished)[2], "at b.kt:7:3", "{}", finished.stderr);
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, k| bits << 8 | u32::from(group.get(k).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
            text.push(if place <= group.len() { digit } else { '=' });
        }
    }
    text
}
