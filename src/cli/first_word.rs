//! The first word of the command line: a command, an option, `help`, or a module to run. `-v` may stand before it.

use super::failure::UsageError;
use std::ffi::OsString;
use std::path::Path;

/// Options of every command, which say nothing about what the word behind them is.
const BEFORE_IT: [&str; 2] = ["-v", "--verbose"];

/// How alike two words are that one may be meant by the other: 1 is the same.
const ALIKE_MIN: f64 = 0.6;

/// The arguments with a command as the first word: `heapwood MODULE` is short for `heapwood run MODULE`, and
/// `heapwood help COMMAND` for `heapwood COMMAND --help`.
///
/// # Errors
/// The first word is neither a command nor a file, and looks like a command that was mistyped; or there is no help for
/// it.
pub fn expand(mut args: Vec<OsString>, commands: &[&str], options: &[&str]) -> Result<Vec<OsString>, UsageError> {
    let before = args.iter().skip(1).take_while(|arg| BEFORE_IT.iter().any(|option| *arg == option)).count();
    let at = 1 + before;
    let Some(first) = args.get(at).cloned() else { return Ok(args) };
    // With or without a value behind it.
    let option = first.to_str().map_or("", |first| first.split('=').next().unwrap_or_default());
    if commands.iter().any(|command| first == *command) || options.contains(&option) {
        return Ok(args);
    }
    if first == "help" {
        args.remove(at);
        args.truncate(at + 1);
        if let Some(word) = args.get(at)
            && !commands.iter().any(|command| word == command)
            && let Some(alike) = alike(word, commands)
        {
            let word = word.display();
            return Err(UsageError::new(format!("`{word}` is no command; did you mean `heapwood help {alike}`?")));
        }
        args.push("--help".into());
        return Ok(args);
    }
    if !Path::new(&first).exists()
        && let Some(meant) = alike(&first, commands)
    {
        let first = first.display();
        let hint = format!("`{first}` is neither a command nor a file; did you mean `heapwood {meant}`?");
        return Err(UsageError::new(hint));
    }
    args.insert(at, "run".into());
    Ok(args)
}

/// The command that a word is most like.
fn alike<'c>(word: &OsString, commands: &[&'c str]) -> Option<&'c str> {
    let text = word.to_str().filter(|text| text.chars().all(|c| c.is_ascii_alphabetic()))?;
    let likeness = |command: &str| strsim::normalized_damerau_levenshtein(text, command);
    let nearest = commands.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(nearest) >= ALIKE_MIN).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(args: &[&str]) -> Result<Vec<String>, String> {
        let args = ["heapwood"].iter().chain(args).map(OsString::from).collect();
        let options = ["--version", "-v", "--verbose"];
        let expanded = expand(args, &["run", "validate", "inspect"], &options).map_err(|e| e.to_string())?;
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
        assert_eq!(expanded(&["-v"]), ok(&["-v"]));
        assert_eq!(expanded(&["-v", "--version"]), ok(&["-v", "--version"]));
        assert_eq!(expanded(&["-v", "run", "a.wasm"]), ok(&["-v", "run", "a.wasm"]));
        assert_eq!(expanded(&["-v", "a.wasm", "-v"]), ok(&["-v", "run", "a.wasm", "-v"]));
        assert_eq!(expanded(&["--verbose", "--gc-stats", "a"]), ok(&["--verbose", "run", "--gc-stats", "a"]));
        assert_eq!(expanded(&["-v", "help", "run"]), ok(&["-v", "run", "--help"]));
    }

    #[test]
    fn a_mistyped_command_is_told_from_a_module() {
        for (typo, meant) in [("rn", "run"), ("runn", "run"), ("valdate", "validate"), ("inspct", "inspect")] {
            assert!(expanded(&[typo]).is_err_and(|error| error.contains(&format!("`heapwood {meant}`"))), "{typo}");
        }
        assert!(expanded(&["./rn"]).is_ok() && expanded(&["rn.wasm"]).is_ok());
        assert!(expanded(&["-v", "rnu"]).is_err_and(|error| error.contains("`heapwood run`")));
        assert!(expanded(&["help", "inspet"]).is_err_and(|error| error.contains("`heapwood help inspect`")));
    }
}
