//! `--junit`: the results as XML in the form of JUnit's reports, which build servers read.

use super::results::{Kept, Results, Test, Verdict};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

/// Writes a suite for each run of tests of one suite, with the complaints as failures of a suite of their own.
///
/// # Errors
/// The file refuses.
pub fn write(out: &mut impl Write, results: &Results, took: Duration) -> io::Result<()> {
    let tests = results.tests();
    let (problems, more) = results.problems();
    let (failed, ignored) = of(tests);
    let (all, failed) = (tests.len() + problems.len(), failed + problems.len());
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let sum = counts(all, failed, ignored, took);
    writeln!(out, r#"<testsuites name="heapwood test" {sum}>"#)?;
    for suite in tests.chunk_by(|a, b| a.suite == b.suite) {
        let (failed, ignored) = of(suite);
        let sum = counts(suite.len(), failed, ignored, suite.iter().map(|test| test.took).sum());
        writeln!(out, r#"  <testsuite name="{}" {sum}>"#, escaped(&suite[0].suite))?;
        suite.iter().try_for_each(|test| write_test(out, test))?;
        writeln!(out, "  </testsuite>")?;
    }
    if !problems.is_empty() {
        let sum = counts(problems.len(), problems.len(), 0, Duration::ZERO);
        writeln!(out, r#"  <testsuite name="the run" {sum}>"#)?;
        for (index, problem) in problems.iter().enumerate() {
            let more =
                if index + 1 == problems.len() && more != 0 { format!(" (and {more} more)") } else { String::new() };
            writeln!(out, r#"    <testcase name="{}" classname="the run" time="0.000">"#, index + 1)?;
            writeln!(out, "      <failure message=\"{}{more}\"></failure>\n    </testcase>", escaped(problem))?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")?;
    out.flush()
}

fn of(tests: &[Test]) -> (usize, usize) {
    let count = |is: fn(&Verdict) -> bool| tests.iter().filter(|test| is(&test.verdict)).count();
    (count(|verdict| matches!(verdict, Verdict::Failed(_))), count(|verdict| matches!(verdict, Verdict::Ignored)))
}

fn counts(tests: usize, failures: usize, skipped: usize, took: Duration) -> String {
    let time = took.as_secs_f64();
    format!(r#"tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}" time="{time:.3}""#)
}

fn write_test(out: &mut impl Write, test: &Test) -> io::Result<()> {
    let (name, suite, time) = (escaped(&test.name), escaped(&test.suite), test.took.as_secs_f64());
    writeln!(out, r#"    <testcase name="{name}" classname="{suite}" time="{time:.3}">"#)?;
    match &test.verdict {
        Verdict::Passed => {}
        Verdict::Ignored => writeln!(out, "      <skipped/>")?,
        Verdict::Failed(failure) => {
            let (message, details) = (escaped(&failure.message), escaped(&failure.details));
            writeln!(out, r#"      <failure message="{message}">{details}</failure>"#)?;
        }
    }
    for (kept, element) in test.printed.iter().zip(["system-out", "system-err"]) {
        let Kept { text, dropped } = kept;
        let more = if *dropped == 0 { String::new() } else { format!("… {dropped} more bytes\n") };
        if !text.is_empty() || !more.is_empty() {
            writeln!(out, "      <{element}>{}{more}</{element}>", escaped(text))?;
        }
    }
    writeln!(out, "    </testcase>")
}

/// The text for an attribute or an element. What XML 1.0 has no character for stands as an escape of Rust's.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // As they are they would be read as spaces of an attribute, or as other ends of lines.
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' => _ = write!(escaped, "&#{};", u32::from(c)),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                _ = write!(escaped, "{}", c.escape_unicode())
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test::message::{Failure, Message, Told};

    #[test]
    fn every_character_becomes_one_that_xml_has() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let escaped = escaped(&all);
        let is_fine = |c: char| !c.is_control() && !matches!(c, '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}');
        assert!(escaped.chars().all(is_fine));
        assert!(escaped.starts_with("\\u{0}\\u{1}") && escaped.contains("&#9;&#10;\\u{b}\\u{c}&#13;"));
        assert!(escaped.contains("%&amp;'") && escaped.contains(";&lt;=&gt;?") && escaped.contains("!&quot;#"));
    }

    #[test]
    fn a_report_has_all_that_was_told() {
        let mut results = Results::default();
        let mut take = |name: &str, told| _ = results.take(Message { name: name.to_owned(), told });
        take("S<1>", Told::SuiteStarted);
        take("ok", Told::Ignored);
        let failure = Failure { message: "a & \"b\"\n".to_owned(), details: "\x1b]]>".to_owned() };
        take("bad", Told::Failed(failure));
        results.complain("x < y".to_owned());
        let mut out = Vec::new();
        write(&mut out, &results, Duration::from_millis(1500)).unwrap();
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="heapwood test" tests="3" failures="2" errors="0" skipped="1" time="1.500">
  <testsuite name="S&lt;1&gt;" tests="2" failures="1" errors="0" skipped="1" time="0.000">
    <testcase name="ok" classname="S&lt;1&gt;" time="0.000">
      <skipped/>
    </testcase>
    <testcase name="bad" classname="S&lt;1&gt;" time="0.000">
      <failure message="a &amp; &quot;b&quot;&#10;">\u{1b}]]&gt;</failure>
    </testcase>
  </testsuite>
  <testsuite name="the run" tests="1" failures="1" errors="0" skipped="0" time="0.000">
    <testcase name="1" classname="the run" time="0.000">
      <failure message="x &lt; y"></failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
