//! The first word of the command line: a command, an option, `help`, or a module to run.

use super::failure::UsageError;
use std::ffi::OsString;
use std::path::Path;

/// How alike two words are that one may be meant by the other: 1 is the same.
const ALIKE_MIN: f64 = 0.6;

/// The arguments with a command as the first word: `heapwood MODULE` is short for `heapwood run MODULE`, and
/// `heapwood help COMMAND` for `heapwood COMMAND --help`.
///
/// # Errors
/// The first word is neither a command nor a file, and looks like a command that was mistyped.
pub fn expand(mut args: Vec<OsString>, commands: &[&str], options: &[&str]) -> Result<Vec<OsString>, UsageError> {
    let Some(first) = args.get(1).cloned() else { return Ok(args) };
    // With or without a value behind it.
    let option = first.to_str().map_or("", |first| first.split('=').next().unwrap_or_default());
    if commands.iter().any(|command| first == *command) || options.contains(&option) {
        return Ok(args);
    }
    if first == "help" {
        args.remove(1);
        args.truncate(2);
        args.push("--help".into());
        return Ok(args);
    }
    if let Some(meant) = meant(&first, commands) {
        let first = first.display();
        let hint = format!("`{first}` is neither a command nor a file; did you mean `heapwood {meant}`?");
        return Err(UsageError::new(hint));
    }
    args.insert(1, "run".into());
    Ok(args)
}

/// The command that a word is most like which is no file's name.
fn meant<'c>(word: &OsString, commands: &[&'c str]) -> Option<&'c str> {
    let text = word.to_str().filter(|text| text.chars().all(|c| c.is_ascii_alphabetic()))?;
    if Path::new(word).exists() {
        return None;
    }
    let likeness = |command: &str| strsim::normalized_damerau_levenshtein(text, command);
    let nearest = commands.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(nearest) >= ALIKE_MIN).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(args: &[&str]) -> Result<Vec<String>, String> {
        let args = ["heapwood"].iter().chain(args).map(OsString::from).collect();
        let expanded = expand(args, &["run", "validate", "inspect"], &["--version"]).map_err(|e| e.to_string())?;
        Ok(expanded[1..].iter().map(|arg| arg.display().to_string()).collect())
    }

    #[test]
    fn modules_are_run_and_help_is_an_option() {
        let ok = |args: &[&str]| Ok::<_, String>(args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert_eq!(expanded(&[]), ok(&[]));
        assert_eq!(expanded(&["run", "a.wasm"]), ok(&["run", "a.wasm"]));
        assert_eq!(expanded(&["--version"]), ok(&["--version"]));
        assert_eq!(expanded(&["--version=1"]), ok(&["--version=1"]));
        assert_eq!(expanded(&["a.wasm", "run"]), ok(&["run", "a.wasm", "run"]));
        assert_eq!(expanded(&["-"]), ok(&["run", "-"]));
        assert_eq!(expanded(&["--gc-stats", "a.wasm"]), ok(&["run", "--gc-stats", "a.wasm"]));
        assert_eq!(expanded(&["help"]), ok(&["--help"]));
        assert_eq!(expanded(&["help", "inspect", "more"]), ok(&["inspect", "--help"]));
        assert_eq!(expanded(&["application"]), ok(&["run", "application"]));
    }

    #[test]
    fn a_mistyped_command_is_told_from_a_module() {
        for (typo, meant) in [("rn", "run"), ("runn", "run"), ("valdate", "validate"), ("inspct", "inspect")] {
            assert!(expanded(&[typo]).is_err_and(|error| error.contains(&format!("`heapwood {meant}`"))), "{typo}");
        }
        assert!(expanded(&["./rn"]).is_ok() && expanded(&["rn.wasm"]).is_ok());
    }
}
