//! Lists of programs and what they do.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub wasm: PathBuf,
    /// The program's own name, if it is another one than the file's.
    pub argv0: Option<&'static str>,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Directory of the guest, and the folder that it is a copy of; none: it is empty.
    pub dirs: Vec<(String, Option<PathBuf>)>,
    pub stdin: Option<PathBuf>,
    pub heap_limit: Option<&'static str>,
    pub stdout: String,
    /// Lines behind this text may come in any order.
    pub timers_behind: Option<&'static str>,
    /// None: it is not compared.
    pub stderr: Option<String>,
    pub end: End,
    /// Its objects are the collector's.
    pub is_collected: bool,
}

/// Programs of TeaVM that allocate much, and some that allocate more than a little.
const TEAVM_MUCH: [&str; 2] = ["java/trees", LRU];
/// Of these one with so many old objects that verifying them around each minor takes minutes.
const LRU: &str = "java/lru";
const TEAVM_SOME: [&str; 7] =
    ["java/words", "java/json", "java/throwing", "java/weak", "java/queued", "java/interned", "scala/words"];

/// How a program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Code(i32),
    Exception,
    Trap,
    Stack,
    Heap,
}

impl Case {
    /// Whether a program printed what it should.
    pub fn prints(&self, stdout: &str) -> bool {
        let Some(timers) = self.timers_behind else { return stdout == self.stdout };
        let parts = |text: &str| {
            let (head, lines) = text.split_once(timers).unwrap_or((text, ""));
            let mut lines: Vec<_> = lines.lines().map(str::to_owned).collect();
            lines.sort();
            (head.to_owned(), lines)
        };
        parts(stdout) == parts(&self.stdout)
    }

    /// Whether a collection at every 997th allocation takes too long.
    pub fn allocates_much(&self) -> bool {
        let kotlin = ["trees", "gcbench", "richards", "nbody", "dijkstra"];
        kotlin.contains(&self.name.trim_end_matches(".opt"))
            || self.name.starts_with("oom")
            || TEAVM_MUCH.contains(&self.name.as_str())
    }

    /// Whether its heap can be verified around each minor in a reasonable time, where it allocates much.
    pub fn is_verified_quickly(&self) -> bool {
        !self.name.ends_with(".opt") && self.name != LRU
    }

    /// Whether it is one of TeaVM's that allocates more than a little, and not much.
    pub fn allocates_some(&self) -> bool {
        TEAVM_SOME.contains(&self.name.as_str())
    }

    /// Whether the Kotlin compiler made it.
    pub fn is_kotlin(&self) -> bool {
        self.is_collected && !self.is_teavm() && !self.name.starts_with("moonbit/")
    }

    /// Whether TeaVM made it.
    pub fn is_teavm(&self) -> bool {
        self.name.starts_with("java/") || self.name.starts_with("scala/")
    }
}

/// The Kotlin cases of a folder with `cases.tsv`, with the optimized modules beside the plain ones.
pub fn kotlin(folder: &Path) -> Vec<Case> {
    let table = read(&folder.join("cases.tsv"));
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut cases = Vec::new();
    for line in lines {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or("");
        let (name, program, args, stdin, given) = (next(), next(), next(), next(), next());
        let case = kotlin_case(folder, name, program, args, stdin, given);
        let optimized = folder.join(format!("wasm/{program}.opt.wasm"));
        if optimized.exists() {
            cases.push(Case { name: format!("{name}.opt"), wasm: optimized, ..case.clone() });
        }
        cases.push(case);
    }
    assert!(!cases.is_empty(), "{} lists no cases", folder.display());
    cases
}

fn kotlin_case(folder: &Path, name: &str, program: &str, args: &str, stdin: &str, given: &str) -> Case {
    let expected = |kind: &str| folder.join(format!("expected/{name}.{kind}"));
    let end = match read(&expected("code")).trim() {
        "exception" => End::Exception,
        "trap" => End::Trap,
        "stack" => End::Stack,
        "heap" => End::Heap,
        code => End::Code(code.parse().expect("an exit code")),
    };
    let error = expected("err");
    Case {
        name: name.to_owned(),
        wasm: folder.join(format!("wasm/{program}.wasm")),
        argv0: None,
        args: split(args),
        env: Vec::new(),
        dirs: if given.contains("/data") { vec![("/data".to_owned(), Some(folder.join("data")))] } else { Vec::new() },
        stdin: (!stdin.is_empty()).then(|| folder.join(stdin)),
        heap_limit: (end == End::Heap).then_some("256m"),
        stdout: read(&expected("out")),
        timers_behind: None,
        // A program that the host ends says nothing itself; one that exits says what it says and no more.
        stderr: matches!(end, End::Code(_)).then(|| if error.exists() { read(&error) } else { String::new() }),
        end,
        is_collected: true,
    }
}

/// The cases of TeaVM's programs in a folder with `cases.tsv`, which is named after their language.
pub fn teavm(folder: &Path) -> Vec<Case> {
    let language = folder.file_name().and_then(|name| name.to_str()).expect("a folder with a name");
    let table = read(&folder.join("cases.tsv"));
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let case = |line: &str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or("");
        let (name, program, args, env) = (next(), next(), next(), next());
        let expected = |kind: &str| read(&folder.join(format!("expected/{name}.{kind}")));
        let variable = |text: &str| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Case {
            name: format!("{language}/{name}"),
            wasm: folder.join(format!("wasm/{program}.wasm")),
            argv0: Some("guest"),
            args: split(args),
            env: split(env).iter().filter_map(|text| variable(text)).collect(),
            dirs: Vec::new(),
            stdin: None,
            timers_behind: None,
            heap_limit: None,
            stdout: expected("out"),
            stderr: None,
            end: End::Code(expected("code").trim().parse().expect("an exit code")),
            is_collected: true,
        }
    };
    let cases: Vec<Case> = lines.map(case).collect();
    assert!(!cases.is_empty(), "{} lists no cases", folder.display());
    cases
}

/// All cases of a folder of programs in several languages whose host functions there are.
pub fn of_folder(folder: &Path) -> Vec<Case> {
    let mut cases = kotlin(&folder.join("kotlin"));
    let list: Value = serde_json::from_str(&read(&folder.join("cases.json"))).expect("cases.json is JSON");
    let mut skipped = Vec::new();
    for entry in list.as_array().expect("cases.json is a list") {
        let name = entry["name"].as_str().expect("a case has a name");
        match entry["host"].as_str() {
            Some("wasi" | "moonbit" | "teavm") => cases.push(wasi_case(folder, name, entry)),
            // What it prints stands beside our copy: another host says less (`tests/guests/dart/README.md`). Timers are
            // due by the system's clock.
            Some("dart") => {
                let stdout =
                    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/dart/expected/surface.out"));
                cases.push(Case { stdout, timers_behind: Some("\nend of main\n"), ..wasi_case(folder, name, entry) });
            }
            // `tests/js_string.rs` runs a copy, export by export.
            Some("js-string") => {}
            host => skipped.push(format!("{name} ({})", host.unwrap_or("no host"))),
        }
    }
    if !skipped.is_empty() {
        crate::common::skip("guest-hosts", format_args!("no such host yet: {}", skipped.join(", ")));
    }
    cases
}

fn wasi_case(folder: &Path, name: &str, entry: &Value) -> Case {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let (language, case) = name.split_once('/').expect("LANGUAGE/NAME");
    let expected = |kind: &str| folder.join(format!("{language}/expected/{case}.{kind}"));
    let pairs = |field: &str| entry[field].as_object().into_iter().flatten();
    Case {
        name: name.to_owned(),
        wasm: folder.join(text(&entry["wasm"])),
        argv0: (entry["host"] == "teavm").then_some("guest"),
        args: entry["args"].as_array().into_iter().flatten().map(text).collect(),
        env: pairs("env").map(|(key, value)| (key.clone(), text(value))).collect(),
        dirs: pairs("dirs").map(|(guest, host)| (guest.clone(), host.as_str().map(|host| folder.join(host)))).collect(),
        stdin: entry["stdin"].as_str().map(|path| folder.join(path)),
        heap_limit: None,
        stdout: read(&expected("out")),
        timers_behind: None,
        stderr: None,
        end: End::Code(read(&expected("code")).trim().parse().expect("an exit code")),
        is_collected: matches!(entry["host"].as_str(), Some("teavm" | "moonbit")),
    }
}

/// Words as a shell sees them, with double quotes.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut begun) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
