//! The programs of the WASI test suite, where `HEAPWOOD_WASI_TESTSUITE` names their folder.
//!
//! A program passes when it exits with `exit_code` and prints what its JSON names. It runs on a copy of its `root`.

mod common;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn main() {
    let mut trials = Vec::new();
    match common::folder_from_env("HEAPWOOD_WASI_TESTSUITE") {
        None => {
            common::skip("wasi-testsuite", "HEAPWOOD_WASI_TESTSUITE does not name the programs of the WASI test suite")
        }
        Some(folder) => {
            for program in programs(&folder) {
                let name = program.strip_prefix(&folder).expect("it lies below").with_extension("");
                trials.push(Trial::test(name.display().to_string(), move || run(&program)));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn programs(folder: &Path) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for language in ["assemblyscript", "c", "rust"] {
        for entry in std::fs::read_dir(folder.join(language)).expect("a folder of the suite") {
            let path = entry.expect("a folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                programs.push(path);
            }
        }
    }
    programs.sort();
    programs
}

fn run(program: &Path) -> Result<(), Failed> {
    let description = match std::fs::read_to_string(program.with_extension("json")) {
        Ok(text) => serde_json::from_str(&text).expect("JSON"),
        Err(_) => Value::Null,
    };
    let mut command = common::heapwood();
    for (key, value) in description["env"].as_object().into_iter().flatten() {
        command.arg("--env").arg(format!("{key}={}", value.as_str().expect("a string")));
    }
    if let Some(root) = description["root"].as_str() {
        let language = program.parent().expect("a folder");
        let copy = common::scratch(&format!("wasi-{}", program.with_extension("").display()));
        common::copy_folder(&language.join(root), &copy);
        command.arg("--dir").arg(format!("{}::/", copy.display()));
    }
    command.arg(program);
    command.args(description["args"].as_array().into_iter().flatten().map(|arg| arg.as_str().expect("a string")));
    let finished = common::finish(&mut command);
    let code = description["exit_code"].as_i64().unwrap_or(0);
    let differs = |field: &str, found: &str| description[field].as_str().is_some_and(|expected| expected != found);
    if finished.code.map(i64::from) != Some(code)
        || differs("stdout", &finished.stdout)
        || differs("stderr", &finished.stderr)
    {
        let wanted = format!("status {code}, {description}");
        return Err(format!("{}, expected {wanted}\n{}\n{}", finished.end(), finished.stdout, finished.stderr).into());
    }
    Ok(())
}
