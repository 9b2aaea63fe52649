//! What ran: pairs of a name and a text, of which those tell runs apart that differ.

use crate::cli::first_word;
use crate::cli::machine;
use crate::cli::{COMMANDS, Cli, OWN_OPTIONS};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};
use heapwood::{cut, printable};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::time::{SystemTime, UNIX_EPOCH};

/// Facts that are never the same twice: they tell runs apart only if nothing else does.
const FLEETING: [&str; 3] = ["command", "load", DATE];
/// The name of the fact whose text is a number of milliseconds since 1970, which the page shows as a date.
const DATE: &str = "date";
/// Options that say where something is written, or that another fact tells.
const LEFT_OUT: [&str; 9] =
    ["html", "compare", "json", "gc_report", "invoke", "arg", "module", "args", "module_and_args"];
/// Characters of a label.
const LABEL_CHARS_MAX: usize = 120;

/// What ran.
#[derive(Clone, Debug)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Of this process, which runs `program` and calls `call` of it.
    pub fn of_process(program: String, call: String) -> Facts {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let words: Vec<_> = std::env::args_os().collect();
        let mut facts = Facts(Vec::new());
        facts.put("program", program);
        facts.put("call", call);
        for (option, value) in given_options(&words) {
            facts.put(&option, value);
        }
        facts.put("version", concat!("heapwood ", env!("CARGO_PKG_VERSION")));
        facts.put("machine", machine_text());
        if let Some(load) = machine::load() {
            facts.put("load", format!("{load:.1}"));
        }
        facts.put(DATE, now.to_string());
        facts.put("command", command_text(&words));
        facts
    }

    /// With one more fact, after what is called.
    pub fn with(&self, name: &str, text: impl Into<String>) -> Facts {
        let mut facts = self.clone();
        let place = facts.0.len().min(2);
        facts.0.insert(place, (name.to_owned(), text.into()));
        facts
    }

    fn put(&mut self, name: &str, text: impl Into<String>) {
        self.0.push((name.to_owned(), text.into()));
    }

    /// `[["program", "app.wasm"], …]`.
    pub fn json(&self) -> Value {
        self.0.iter().map(|(name, text)| json!([name, text])).collect()
    }
}

/// Processor, cores, memory and kernel.
fn machine_text() -> String {
    let cores = match machine::cores() {
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    };
    let memory = machine::memory_bytes().map(|bytes| format!("{} of memory", size(bytes)));
    let parts = [machine::processor(), Some(cores), memory, machine::kernel()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Bytes in the unit that leaves one to four digits before the point.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => {
            let number = format!("{:.1}", bytes as f64 / (1u64 << shift) as f64);
            format!("{} {unit}", number.strip_suffix(".0").unwrap_or(&number))
        }
        None => format!("{bytes} bytes"),
    }
}

/// The command line as a shell would take it.
fn command_text(words: &[OsString]) -> String {
    let quoted = |(index, word): (usize, &OsString)| {
        let text = if index == 0 { "heapwood".into() } else { word.to_string_lossy() };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        match !text.is_empty() && text.chars().all(is_plain) {
            true => text.into_owned(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        }
    };
    words.iter().enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The options of a command line that change what is measured, each as its name and its values.
fn given_options(words: &[OsString]) -> Vec<(String, String)> {
    let whole = Cli::command();
    let words = first_word::expand(words.to_vec(), &COMMANDS, &OWN_OPTIONS).ok();
    let matches = words.and_then(|words| whole.clone().try_get_matches_from(words).ok());
    let Some((name, matches)) = matches.as_ref().and_then(ArgMatches::subcommand) else { return Vec::new() };
    whole.find_subcommand(name).map_or_else(Vec::new, |command| given(command, matches))
}

fn given(command: &Command, matches: &ArgMatches) -> Vec<(String, String)> {
    let mut options = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        if LEFT_OUT.contains(&id) || matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => continue,
        };
        let values = matches.get_raw(id).filter(|_| arg.get_action().takes_values());
        let values = values.map_or_else(Vec::new, |values| values.map(OsStr::to_string_lossy).collect());
        options.push((name, values.join(" ")));
    }
    options
}

/// Gives each of these runs, whose `facts` are there, a `label` of what tells it apart from the others.
pub fn label(runs: &mut [Value]) {
    let facts: Vec<Vec<(String, String)>> = runs.iter().map(pairs).collect();
    let mut labels: Vec<String> = facts.iter().map(|of| label_of(of, &facts)).collect();
    for index in 0..labels.len() {
        // The first of several that are alike stays as it is.
        let alike = labels[..index].iter().filter(|label| **label == labels[index]).count();
        if alike > 0 {
            labels[index] = format!("{} (again, {})", labels[index], alike + 1);
        }
    }
    for (run, label) in runs.iter_mut().zip(labels) {
        run["label"] = label.into();
    }
}

/// The facts of a run, of which a strange page may have any.
fn pairs(run: &Value) -> Vec<(String, String)> {
    let facts = run["facts"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    facts.iter().map(|fact| (text(&fact[0]), text(&fact[1]))).collect()
}

fn find<'f>(facts: &'f [(String, String)], name: &str) -> Option<&'f str> {
    facts.iter().find(|(of, _)| of == name).map(|(_, text)| text.as_str())
}

fn label_of(facts: &[(String, String)], all: &[Vec<(String, String)>]) -> String {
    let differs = |name: &str| all.iter().any(|others| find(others, name) != find(facts, name));
    let mut parts = Vec::new();
    if all.len() == 1 {
        let program = find(facts, "program").and_then(|path| path.rsplit('/').next());
        parts.extend([program, find(facts, "call")].into_iter().flatten().map(str::to_owned));
    }
    for (name, text) in facts.iter().filter(|(name, _)| differs(name) && !FLEETING.contains(&name.as_str())) {
        parts.push(if name.starts_with('-') { format!("{name} {text}").trim_end().to_owned() } else { text.clone() });
    }
    // Options that only others have.
    let mut missing: Vec<&str> = all.iter().flatten().map(|(name, _)| name.as_str()).collect();
    missing.retain(|name| name.starts_with('-') && find(facts, name).is_none());
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        parts.push(format!("without {}", missing.join(" and ")));
    }
    let label = if parts.is_empty() { "the same".to_owned() } else { parts.join(", ") };
    cut(&label, LABEL_CHARS_MAX).to_string()
}

/// Makes all text of a value such that it can be shown.
pub fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) => {
            let shown = printable(text).to_string();
            *text = shown;
        }
        Value::Array(items) => items.iter_mut().for_each(make_printable),
        Value::Object(fields) => fields.values_mut().for_each(make_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn options_are_those_that_were_given_and_matter() {
        let line = "heapwood bench a.wat --invoke run --arg 7 --gc-nursery=64k --overhead --html p --reps 5";
        let mut options = given_options(&words(line));
        options.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(options, [pair("--gc-nursery", "64k"), pair("--overhead", ""), pair("--reps", "5")]);
        let short = given_options(&words("heapwood ./a.wasm -Xmx64m"));
        assert!(short.is_empty() || short == [pair("-X", "mx64m")], "{short:?}");
        assert!(given_options(&words("heapwood bench --nonsense")).is_empty());
    }

    #[test]
    fn commands_are_quoted_for_a_shell() {
        let words: Vec<OsString> = ["/bin/hw", "run", "it's", "a b", "", "--x=1"].map(OsString::from).into();
        assert_eq!(command_text(&words), r"heapwood run 'it'\''s' 'a b' '' --x=1");
    }

    #[test]
    fn sizes_have_units() {
        let shown = [17, 2 << 10, 3 << 19, 5 << 30].map(size);
        assert_eq!(shown, ["17 bytes", "2 KiB", "1.5 MiB", "5 GiB"]);
    }

    #[test]
    fn runs_are_told_apart_by_what_differs() {
        let run = |facts: &[(&str, &str)]| json!({"facts": facts});
        let labels = |mut runs: Vec<Value>| {
            label(&mut runs);
            runs.iter().map(|run| run["label"].as_str().expect("a label").to_owned()).collect::<Vec<_>>()
        };
        let base = [("program", "b/a.wat"), ("call", "run(7)"), ("date", "1")];
        assert_eq!(labels(vec![run(&base)]), ["a.wat, run(7)"]);
        let with = [("program", "b/a.wat"), ("call", "run(7)"), ("--gc-nursery", "64k"), ("date", "2")];
        assert_eq!(labels(vec![run(&base), run(&with)]), ["without --gc-nursery", "--gc-nursery 64k"]);
        let other = [("program", "b/a.wat"), ("call", "run(8)"), ("date", "1")];
        assert_eq!(labels(vec![run(&base), run(&other)]), ["run(7)", "run(8)"]);
        let again = [("program", "b/a.wat"), ("call", "run(7)"), ("date", "3")];
        assert_eq!(labels(vec![run(&base), run(&again)]), ["the same", "the same (again, 2)"]);
        assert_eq!(labels(vec![json!({}), json!({"facts": [1, ["x"]]})]).len(), 2, "a strange page is no trouble");
    }
}
