//! What the files of a crate import, held to a table of layers. The crates' own `tests/layers.rs` have the tables.
//!
//! 1. A row of a table holds modules of one layer, the lowest first; a module named there stands for everything below
//!    it, unless that is named itself. `""` is the crate's root.
//! 2. What a file imports, or names by a path, is in a row below its own or in its own module.
//! 3. Every file is of a module of its table, and every module of a table exists.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Modules of a table, row by row.
pub type Table<'a> = &'a [&'a [&'a str]];

/// Where the unit tests at the end of a file begin.
const UNIT_TESTS: &str = "#[cfg(test)]\nmod tests {";

/// Whether unit tests, in files of their own and at the end of others, are part of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum UnitTests {
    /// They are held to the table.
    Read,
    /// They use the crate from above.
    LeftOut,
}

/// Code of every module of a crate by its path (`compiler::values`), without comments.
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Of the crate in a folder.
    pub fn read(crate_folder: &str, unit_tests: UnitTests) -> Sources {
        let mut sources = Sources(BTreeMap::new());
        sources.read_folder(&Path::new(crate_folder).join("src"), "", unit_tests);
        sources
    }

    fn read_folder(&mut self, folder: &Path, module: &str, unit_tests: UnitTests) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let own = match name.as_str() {
                "mod" | "lib" => module.to_string(),
                "tests" if unit_tests == UnitTests::LeftOut => continue,
                _ if module.is_empty() => name,
                _ => format!("{module}::{name}"),
            };
            if path.is_dir() {
                self.read_folder(&path, &own, unit_tests);
            } else {
                self.0.insert(own, code_of(&fs::read_to_string(&path).expect("a source file"), unit_tests));
            }
        }
    }

    /// These, with another text of a module.
    pub fn with(mut self, module: &str, text: &str, unit_tests: UnitTests) -> Sources {
        self.0.insert(module.to_owned(), code_of(text, unit_tests));
        self
    }

    /// The number of modules.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The modules whose code contains a text.
    pub fn containing(&self, text: &str) -> Vec<&str> {
        self.0.iter().filter(|(_, code)| code.contains(text)).map(|(module, _)| module.as_str()).collect()
    }

    /// How modules whose paths begin with `folder` violate a table, whose names continue that path.
    pub fn faults(&self, folder: &str, table: Table<'_>) -> Vec<String> {
        let rows: Vec<(usize, String)> = (0..)
            .zip(table)
            .flat_map(|(row, names)| names.iter().map(move |name| (row, format!("{folder}{name}"))))
            .collect();
        for (_, name) in &rows {
            assert!(self.0.contains_key(name), "the table names {name:?}, which does not exist");
        }
        let layer_of = |module: &str| {
            let is_of = |name: &str| name.is_empty() || module == name || module.starts_with(&format!("{name}::"));
            rows.iter().filter(|row| is_of(&row.1)).max_by_key(|row| row.1.len())
        };
        let mut faults = Vec::new();
        for (module, code) in self.0.iter().filter(|source| source.0.starts_with(folder)) {
            let Some(own) = layer_of(module).filter(|own| own.1.is_empty() == module.is_empty()) else {
                faults.push(format!("{module} is in no layer"));
                continue;
            };
            // What stands in the unit tests at a file's end is of a module below the file's.
            let (code, tests) = code.split_once(UNIT_TESTS).unwrap_or((code, ""));
            let of_code = paths(code).into_iter().map(|path| (module.clone(), path));
            let of_tests = paths(tests).into_iter().map(|path| (format!("{module}::tests"), path));
            for (from, path) in of_code.chain(of_tests) {
                let target = self.module_of(&from, &path);
                if !target.starts_with(folder) {
                    continue;
                }
                let other = layer_of(&target).unwrap_or_else(|| panic!("{target} is in no layer"));
                if other.1 != own.1 && other.0 >= own.0 {
                    faults.push(format!("{module} imports {path} of {:?}, which is no lower layer", other.1));
                }
            }
        }
        faults
    }

    /// The module in which a path of `module` ends: the longest beginning of it that is one.
    pub fn module_of(&self, module: &str, path: &str) -> String {
        let mut at: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
        for part in path.split("::") {
            match part {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                name => {
                    at.push(name);
                    if !self.0.contains_key(&at.join("::")) {
                        at.pop();
                        break;
                    }
                }
            }
        }
        at.join("::")
    }
}

/// A file's code without comments.
fn code_of(text: &str, unit_tests: UnitTests) -> String {
    let text = match unit_tests {
        UnitTests::Read => text,
        UnitTests::LeftOut => text.split(UNIT_TESTS).next().expect("the first piece"),
    };
    let code = text.lines().map(|line| line.split("//").next().expect("the first piece"));
    code.collect::<Vec<_>>().join("\n")
}

/// All paths in the code that begin with `crate` or `super`; a group of names is a path for each.
pub fn paths(code: &str) -> Vec<String> {
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

/// Fields that others can name of types that keep state; each type with its file, from the crate's folder on.
pub fn open_fields(crate_folder: &str, owners: &[(&str, &str)]) -> Vec<String> {
    let mut open = Vec::new();
    for (name, file) in owners {
        let text = fs::read_to_string(Path::new(crate_folder).join(file)).expect("a source file");
        let start = [format!("struct {name} {{"), format!("struct {name}<")]
            .iter()
            .find_map(|head| text.find(head))
            .unwrap_or_else(|| panic!("{name} is in {file}"));
        let fields = text[start..].lines().skip(1).take_while(|line| *line != "}").map(str::trim_start);
        open.extend(fields.filter(|line| line.starts_with("pub")).map(|line| format!("{name}: {line}")));
    }
    open
}
