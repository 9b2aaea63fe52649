//! From what containerd says of a process to the command line of `heapwood run`:
//!
//! | of the process | of the command |
//! |---|---|
//! | `args[0]`, a path or `PATH#FUNCTION` | the module and the guest's argument 0; `--invoke FUNCTION` |
//! | the other `args` | the guest's arguments |
//! | `env` | the environment, of which the guest gets all (`--env-all`): words of a command line are for all to see |
//! | [`OPTIONS`] in `env` | more options, separated by white space; the guest does not see it |

use anyhow::{Context, Result};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The variable of a container that has more options for `heapwood run`.
const OPTIONS: &str = "HEAPWOOD_OPTIONS";

/// What is called where nothing else is asked for.
const START: &str = "_start";

/// What is known of a process that shall run a module.
pub struct CommandLine<'a> {
    /// Where the module is, seen from the process.
    pub module: &'a Path,
    /// The function to call.
    pub function: &'a str,
    /// The arguments of the process, its name first.
    pub args: &'a [String],
    /// Its environment, as `NAME=VALUE`.
    pub variables: &'a [String],
    /// Directories that the module is given, under their own names.
    pub directories: &'a [PathBuf],
}

impl CommandLine<'_> {
    /// The command and its arguments.
    ///
    /// # Errors
    /// One holds a zero byte.
    pub fn words(&self) -> Result<Vec<CString>> {
        let mut words = vec![b"heapwood".to_vec(), b"run".to_vec(), b"--env-all".to_vec()];
        for directory in self.directories {
            words.push([b"--dir=", directory.as_os_str().as_bytes()].concat());
        }
        if let Some(name) = self.args.first().and_then(|name| name.split('#').next()) {
            words.push(format!("--argv0={name}").into_bytes());
        }
        if self.function != START {
            words.push(format!("--invoke={}", self.function).into_bytes());
        }
        words.extend(self.options().map(|option| option.as_bytes().to_vec()));
        words.push(b"--".to_vec());
        words.push(self.module.as_os_str().as_bytes().to_vec());
        words.extend(self.args.iter().skip(1).map(|arg| arg.as_bytes().to_vec()));
        words.into_iter().map(|word| CString::new(word).context("an argument holds a zero byte")).collect()
    }

    /// The environment of the command, which is the guest's.
    ///
    /// # Errors
    /// A variable holds a zero byte.
    pub fn environment(&self) -> Result<Vec<CString>> {
        let guests = self.variables.iter().filter(|variable| value_of(variable, OPTIONS).is_none());
        guests.map(|variable| CString::new(variable.as_str()).context("a variable holds a zero byte")).collect()
    }

    fn options(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter_map(|variable| value_of(variable, OPTIONS)).flat_map(str::split_whitespace)
    }
}

/// The value of `NAME=VALUE`, if that is the name.
fn value_of<'v>(variable: &'v str, name: &str) -> Option<&'v str> {
    variable.strip_prefix(name)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: Result<Vec<CString>>) -> Vec<String> {
        words.unwrap().into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn everything_has_its_place() {
        let (args, variables) =
            (strings(&["/app.wasm#run", "-v", "x y"]), strings(&["A=b=c", "HEAPWOOD_OPTIONS= -Xmx64m  --gc-log"]));
        let line = CommandLine {
            module: Path::new("/app.wasm"),
            function: "run",
            args: &args,
            variables: &variables,
            directories: &["/data".into(), ".".into()],
        };
        let expected =
            ["heapwood", "run", "--env-all", "--dir=/data", "--dir=.", "--argv0=/app.wasm", "--invoke=run", "-Xmx64m"];
        let expected = [&expected[..], &["--gc-log", "--", "/app.wasm", "-v", "x y"]].concat();
        assert_eq!(texts(line.words()), expected);
        assert_eq!(texts(line.environment()), ["A=b=c"]);
    }

    /// Of a module whose start function is meant, without directories.
    fn plain<'a>(args: &'a [String], variables: &'a [String]) -> CommandLine<'a> {
        CommandLine { module: Path::new("app.wasm"), function: START, args, variables, directories: &[] }
    }

    #[test]
    fn start_is_not_invoked() {
        let (args, variables) = (strings(&["app.wasm"]), strings(&["HEAPWOOD_OPTIONS_OF_MINE=1"]));
        let line = plain(&args, &variables);
        assert_eq!(texts(line.words()), ["heapwood", "run", "--env-all", "--argv0=app.wasm", "--", "app.wasm"]);
        assert_eq!(texts(line.environment()), ["HEAPWOOD_OPTIONS_OF_MINE=1"]);
    }

    #[test]
    fn zero_bytes_are_errors() {
        let (args, variables) = (strings(&["app.wasm", "a\0b"]), strings(&["A=\0"]));
        let line = plain(&args, &variables);
        assert!(line.words().is_err() && line.environment().is_err());
    }
}
