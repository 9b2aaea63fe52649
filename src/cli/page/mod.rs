//! A page about pauses that can be read without anything else: one file, of `bench --html` and `run --gc-report`.
//!
//! 1. Whoever measures makes a [`run`] of what it found; [`write`] puts runs as JSON into a template.
//! 2. The scripts of the page (`units.js` to `page.js`) draw them. They make text nodes and attributes of data, never
//!    markup, and the page allows itself to load nothing.
//! 3. The data of a page can be read back ([`earlier_runs`]), so that a later run is shown beside it.
//!
//! Names in the data are any text. They are made printable before they are written, and no character of the data can
//! end the element that it stands in.

mod facts;
mod series;
mod summary;

pub use facts::{Facts, size};
pub use series::{RecordedPause, Series, WINDOWS_MS};

use super::failure::shown;
use super::json_text::json_text;
use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

const TEMPLATE: &str = include_str!("page.html");
/// What stands in the template for each part.
const PARTS: [(&str, &[&str]); 2] = [
    ("/*STYLE*/", &[include_str!("page.css")]),
    (
        "/*SCRIPT*/",
        &[
            include_str!("units.js"),
            include_str!("scale.js"),
            include_str!("plot.js"),
            include_str!("figures.js"),
            include_str!("page.js"),
        ],
    ),
];
/// Where the data goes.
const DATA: &str = "/*DATA*/";
/// What stands before the data in a page, and after it.
const BEFORE: &str = "<script type=\"application/json\" id=\"data\">";
const AFTER: &str = "</script>";
/// Where the documentation is.
const DOCS: &str = "/*DOCS*/";
const DOCS_URL: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/pauses.md");
/// The form of the data. Pages of another one are not read.
const FORM: u64 = 2;

/// What a page shows of a run. Absent values are null.
pub struct RunData<'d> {
    pub facts: &'d Facts,
    /// What the pauses are of: calls, slices, a run.
    pub what: &'d str,
    /// The multiple of the least heap, for a run of a sweep.
    pub factor: Option<f64>,
    pub heap_limit_bytes: u64,
    /// What `--json` has.
    pub report: &'d Map<String, Value>,
    pub series: &'d Series,
    pub run_ms: f64,
    /// Percentile curves by the window over which requests are smoothed.
    pub latency: Value,
}

/// The data of a run.
pub fn run(data: RunData<'_>) -> Value {
    let RunData { facts, what, factor, heap_limit_bytes, report, series, run_ms, latency } = data;
    let pauses = series.json(run_ms);
    json!({"facts": facts.json(), "what": what, "factor": factor, "heap_limit_bytes": heap_limit_bytes,
        "summary": summary::summary(report, &pauses), "report": report, "pauses": pauses, "latency": latency})
}

/// Writes the page of these runs, of which the first is the one that it is about.
pub fn write(mut output: impl Write, mut runs: Vec<Value>) -> std::io::Result<()> {
    facts::label(&mut runs);
    let mut data = json!({"form": FORM, "runs": runs});
    facts::make_printable(&mut data);
    // Nothing in the data may end the element that it stands in.
    let data = json_text(&data).replace('<', "\\u003c");
    let mut page = TEMPLATE.replace(DOCS, DOCS_URL);
    for (place, files) in PARTS {
        page = page.replace(place, &files.concat());
    }
    let (before, after) = page.split_once(DATA).expect("the template has a place for the data");
    [before, &data, after].iter().try_for_each(|part| output.write_all(part.as_bytes()))?;
    output.flush()
}

/// The runs of an earlier page.
///
/// # Errors
/// The file cannot be read, or is no such page.
pub fn earlier_runs(path: &Path) -> Result<Vec<Value>> {
    let page = std::fs::read_to_string(path).with_context(|| format!("--compare {}", shown(path)))?;
    let data = page.split_once(BEFORE).and_then(|(_, rest)| rest.split_once(AFTER));
    let data: Option<Value> = data.and_then(|(data, _)| serde_json::from_str(data).ok());
    let runs = data.filter(|data| data["form"] == FORM).and_then(|mut data| match data["runs"].take() {
        Value::Array(runs) if runs.iter().all(is_run) => Some(runs),
        _ => None,
    });
    runs.ok_or_else(|| {
        anyhow!(
            "--compare {}: this is no page of this version's `heapwood bench --html` or `run --gc-report`",
            shown(path)
        )
    })
}

/// Whether the parts are there that every run has.
fn is_run(run: &Value) -> bool {
    let lists = ["drawn", "markings", "lengths", "cpu_lengths", "mmu", "kinds"];
    run["facts"].is_array()
        && run["summary"].is_array()
        && run["report"].is_object()
        && run["pauses"]["all"]["count"].is_number()
        && lists.iter().all(|list| run["pauses"][list].is_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_run(name: &str) -> Value {
        let facts = Facts::of_process(name.to_owned(), name.to_owned()).with(name, name);
        let mut report = Map::new();
        report.insert(name.to_owned(), json!([name, 1.25]));
        run(RunData {
            facts: &facts,
            what: name,
            factor: Some(1.5),
            heap_limit_bytes: 1 << 20,
            report: &report,
            series: &Series::default(),
            run_ms: 5.0,
            latency: Value::Null,
        })
    }

    fn page(runs: Vec<Value>) -> String {
        let mut text = Vec::new();
        write(&mut text, runs).expect("written");
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let path = std::env::temp_dir().join(format!("heapwood-page-{}.html", std::process::id()));
        let mut runs = vec![a_run("one"), a_run("two")];
        std::fs::write(&path, page(runs.clone())).unwrap();
        facts::label(&mut runs);
        assert_eq!(earlier_runs(&path).unwrap(), runs);
        for other in ["<html></html>".to_owned(), page(vec![json!({})]), page(runs).replace("\"form\":2", "\"form\":1")]
        {
            std::fs::write(&path, other).unwrap();
            assert!(earlier_runs(&path).is_err());
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = page(vec![a_run("one")]);
        for (place, _) in PARTS {
            assert!(!page.contains(place), "{place}");
        }
        assert!(!page.contains(DOCS) && !page.contains(DATA));
        for loads in [" src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "import(", "<iframe", "<img"] {
            assert!(!page.contains(loads), "{loads}");
        }
        for unsafe_way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!page.contains(unsafe_way), "{unsafe_way}");
        }
        assert!(page.contains("default-src 'none'"), "a policy that allows nothing");
    }

    #[test]
    fn hostile_text_stays_in_its_place() {
        let template = page(vec![a_run("harmless")]);
        for name in [
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "\"'`${alert(1)}",
            "\u{2028}\u{2029}\0\x1b[31m\r\n\u{7f}\u{9b}\u{202e}",
            "/*DATA*//*SCRIPT*//*STYLE*//*DOCS*/",
            "__proto__",
        ] {
            let page = page(vec![a_run(name), a_run("harmless")]);
            for tag in ["<script", "</script", "<!--"] {
                assert_eq!(page.matches(tag).count(), template.matches(tag).count(), "{tag} of {name:?}");
            }
            let data = page.split_once(BEFORE).expect("data").1.split_once(AFTER).expect("an end").0;
            assert!(data.chars().all(|c| !c.is_control() && !"\u{2028}\u{2029}\u{202e}<".contains(c)), "{name:?}");
            let value: Value = serde_json::from_str(data).expect("JSON");
            assert_eq!(value["runs"][0]["what"].as_str(), Some(&*heapwood::printable(name).to_string()));
        }
    }

    #[test]
    fn links_lead_to_headings_of_the_documentation() {
        let headings: Vec<String> = include_str!("../../../docs/pauses.md")
            .lines()
            .filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")))
            .map(|heading| {
                let kept = heading
                    .to_lowercase()
                    .chars()
                    .filter(|c| c.is_alphanumeric() || " -".contains(*c))
                    .collect::<String>();
                kept.replace(' ', "-")
            })
            .collect();
        let linked: Vec<&str> =
            TEMPLATE.split("href=\"/*DOCS*/#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(linked.len() >= 7, "{linked:?}");
        for anchor in linked {
            assert!(headings.iter().any(|heading| heading == anchor), "{anchor} of {headings:?}");
        }
    }
}
