//! The layers of the crate: no file imports what lies above it, and the parts of the compiler keep their state to
//! themselves.
//!
//! 1. A row of a table holds modules of one layer; a module named there stands for everything below it, unless that is
//!    named itself. What a file imports, or names by a path, is in a row below its own or in its own module.
//! 2. The files of `values` have a table of their own. All of them extend the type of its `mod.rs`, which names them.
//! 3. Every file is of a module of its table, and every module of a table exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Modules of the crate, the lowest layer first.
const CRATE: &[&[&str]] = &[
    &["abi", "cpu", "reciprocal"],
    &["budget", "operators"],
    &["asm", "stubs"],
    &["error"],
    &["analysis"],
    &["compiler::options", "compiler::values", "compiler::cursor", "compiler::tables", "compiler::objects"],
    &["compiler::flow", "compiler::frame"],
    &["compiler::parts"],
    &["compiler::operands", "compiler::prologue", "compiler::check", "compiler::guest_checks"],
    &["compiler::call"],
    &["compiler::tail_calls", "compiler::fresh"],
    &[
        "compiler::control",
        "compiler::variable",
        "compiler::integer",
        "compiler::float",
        "compiler::convert",
        "compiler::memory",
        "compiler::table",
        "compiler::structs",
        "compiler::wide",
    ],
    &[
        "compiler::arrays",
        "compiler::atomic",
        "compiler::casts",
        "compiler::division",
        "compiler::parametric",
        "compiler::simd",
    ],
    &["compiler::visitor", "compiler::visitor_simd"],
    &["compiler::declared"],
    &["compiler::pass"],
    &["compiler"],
    &[""],
];

/// Files of `compiler::values`, the lowest layer first.
const VALUES: &[&[&str]] = &[
    &["registers"],
    &["place"],
    &["stored"],
    &["transfer"],
    &["slots", "moves"],
    &["scope", "stack"],
    &["allocate", "spill", "load"],
    &["locals", "pins"],
    &["snapshot"],
    &["edges"],
    &["calls", "check"],
];

/// Types whose fields nobody outside of their module may name, each with its file.
const OWNERS: [(&str, &str); 5] = [
    ("Values", "src/compiler/values/mod.rs"),
    ("Cursor", "src/compiler/cursor.rs"),
    ("Tables", "src/compiler/tables.rs"),
    ("Flow", "src/compiler/flow.rs"),
    ("Frame", "src/compiler/frame.rs"),
];

/// Code of every module by its path (`compiler::values`), without comments and unit tests.
type Sources = BTreeMap<String, String>;

#[test]
fn no_module_imports_a_higher_layer() {
    let sources = sources();
    check(&sources, "", CRATE, |_| true);
}

#[test]
fn no_file_of_values_imports_a_higher_one() {
    let folder = "compiler::values::";
    let sources = sources();
    check(&sources, folder, VALUES, |module| module.starts_with(folder));
}

#[test]
fn parts_keep_their_state_to_themselves() {
    for (name, file) in OWNERS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a source file");
        let start = text.find(&format!("pub(crate) struct {name}")).unwrap_or_else(|| panic!("{name} is in {file}"));
        let fields = text[start..].lines().skip(1).take_while(|line| *line != "}");
        let open: Vec<_> = fields.filter(|line| line.trim_start().starts_with("pub")).collect();
        assert!(open.is_empty(), "fields of {name} that others can name: {open:?}");
    }
}

/// The reader of sources finds what it is there for.
#[test]
fn imports_are_found() {
    let text =
        "use crate::{abi::Gpr, asm};\nuse super::values::{Reg, bits};\nlet x: super::super::parts::Compiler = 0;";
    let code = format!("{text}\n$crate::compiler::call::Entry::new()\npub(super) fn nothing()");
    let expected = [
        "crate::abi::Gpr",
        "crate::asm",
        "super::values::Reg",
        "super::values::bits",
        "super::super::parts::Compiler",
        "crate::compiler::call::Entry::new",
    ];
    assert_eq!(paths(&code), expected);
    let sources = sources();
    assert_eq!(module_of(&sources, "compiler::arrays", "super::values::Reg").as_deref(), Some("compiler::values"));
    assert_eq!(
        module_of(&sources, "compiler::simd::lanes", "super::super::memory::Load").as_deref(),
        Some("compiler::memory")
    );
    assert!(sources.len() > 60, "{} modules", sources.len());
}

/// Holds the modules that `applies` to the rows of a table, whose names continue `folder`.
fn check(sources: &Sources, folder: &str, table: &[&[&str]], applies: impl Fn(&str) -> bool) {
    let rows: Vec<(usize, String)> = (0..)
        .zip(table)
        .flat_map(|(row, names)| names.iter().map(move |name| (row, format!("{folder}{name}"))))
        .collect();
    for (_, name) in &rows {
        assert!(sources.contains_key(name), "the table names {name:?}, which does not exist");
    }
    let layer_of = |module: &str| {
        let is_of = |name: &str| name.is_empty() || module == name || module.starts_with(&format!("{name}::"));
        rows.iter().filter(|row| is_of(&row.1)).max_by_key(|row| row.1.len())
    };
    let mut faults = Vec::new();
    for (module, code) in sources.iter().filter(|source| applies(source.0)) {
        let Some(own) = layer_of(module).filter(|own| own.1.is_empty() == module.is_empty()) else {
            faults.push(format!("{module} is in no layer"));
            continue;
        };
        for path in paths(code) {
            let Some(target) = module_of(sources, module, &path).filter(|target| applies(target)) else { continue };
            let other = layer_of(&target).unwrap_or_else(|| panic!("{target} is in no layer"));
            if other.1 != own.1 && other.0 >= own.0 {
                faults.push(format!("{module} imports {path} of {}, which is no lower layer", other.1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The module in which a path of `module` ends: the longest beginning of it that is one.
fn module_of(sources: &Sources, module: &str, path: &str) -> Option<String> {
    let mut at: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    for part in path.split("::") {
        match part {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            name => {
                at.push(name);
                if !sources.contains_key(&at.join("::")) {
                    at.pop();
                    break;
                }
            }
        }
    }
    Some(at.join("::"))
}

/// All paths in the code that begin with `crate` or `super`; a group of names is a path for each.
fn paths(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| is_name(c) || c == ':') {
            found.push(at);
        }
    }
    found.sort_unstable();
    found.into_iter().flat_map(|at| names(&code[at..]).0).collect()
}

/// The paths that a text begins with, and how long that beginning is.
fn names(text: &str) -> (Vec<String>, usize) {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(rest) = text[name.len()..].strip_prefix("::") else { return (vec![name.clone()], name.len()) };
    let start = name.len() + 2;
    let (below, len) = match rest.strip_prefix('{') {
        Some(group) => group_names(group),
        None => names(rest),
    };
    (below.iter().map(|path| format!("{name}::{path}")).collect(), start + len)
}

/// The paths of a group, behind its brace.
fn group_names(group: &str) -> (Vec<String>, usize) {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        at += group[at..].len() - group[at..].trim_start_matches([' ', '\n', ',']).len();
        if group[at..].is_empty() || group[at..].starts_with('}') {
            return (all, at + 2);
        }
        let (paths, len) = names(&group[at..]);
        all.extend(paths);
        at += len.max(1);
    }
}

fn sources() -> Sources {
    let mut sources = Sources::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    sources
}

fn read(folder: &Path, module: &str, sources: &mut Sources) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let own = match name.as_str() {
            "mod" | "lib" => module.to_string(),
            _ if module.is_empty() => name,
            _ => format!("{module}::{name}"),
        };
        if path.is_dir() {
            read(&path, &own, sources);
        } else {
            sources.insert(own, code_of(&fs::read_to_string(&path).expect("a source file")));
        }
    }
}

/// A file's code without comments and unit tests.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().expect("the first piece");
    let code = text.lines().map(|line| line.split("//").next().expect("the first piece"));
    code.collect::<Vec<_>>().join("\n")
}
