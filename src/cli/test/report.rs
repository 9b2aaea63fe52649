//! The report that people read, as the tests go on: a line for each test, then failures, complaints and a sum.
//!
//! Nothing that the guest names or prints reaches the terminal as a control character.

use super::results::{Counts, Kept, Results, Test, Verdict};
use crate::cli::failure::LINE_CHARS_MAX;
use crate::cli::output;
use heapwood::{brief, cut};
use std::time::Duration;

/// A test that takes longer has its time beside it.
const SLOW: Duration = Duration::from_millis(500);

/// The report, on the standard output, which says itself when it is refused.
pub struct Report {
    shows_all: bool,
    /// The suite whose tests are listed.
    suite: Option<String>,
    /// The test whose line has begun.
    begun: Option<String>,
    /// The line of what code outside of tests prints goes on.
    is_within_line: bool,
}

impl Report {
    /// `shows_all`: what tests print that pass, too.
    pub fn new(shows_all: bool) -> Report {
        Report { shows_all, suite: None, begun: None, is_within_line: false }
    }

    fn write(&self, text: &str) {
        output::print(format_args!("{text}"));
    }

    /// A test has begun.
    pub fn began(&mut self, suite: &str, name: &str) {
        self.head(suite);
        self.write(&format!("    {} ... ", brief(name)));
        self.begun = Some(name.to_owned());
    }

    /// A test has ended.
    pub fn ended(&mut self, test: &Test) {
        if self.begun.as_deref() != Some(&test.name) {
            self.began(&test.suite, &test.name);
        }
        self.begun = None;
        let verdict = match test.verdict {
            Verdict::Passed => "ok",
            Verdict::Ignored => "ignored",
            Verdict::Failed(_) => "FAILED",
        };
        match test.took >= SLOW {
            true => self.write(&format!("{verdict} ({:.1} s)\n", test.took.as_secs_f64())),
            false => self.write(&format!("{verdict}\n")),
        }
        if self.shows_all && !matches!(test.verdict, Verdict::Failed(_)) {
            self.printed(test);
        }
    }

    /// What code printed outside of tests.
    pub fn loose(&mut self, text: &str, ends_line: bool) {
        let start = if self.is_within_line { "" } else { "| " };
        let end = if ends_line { "\n" } else { "" };
        self.write(&format!("{start}{}{end}", cut(text, LINE_CHARS_MAX)));
        self.is_within_line = !ends_line;
    }

    /// The title of a suite, where another one's tests were listed.
    fn head(&mut self, suite: &str) {
        self.end_line();
        if self.suite.as_deref() != Some(suite) {
            let title = if suite.is_empty() { "tests without a suite".to_owned() } else { brief(suite).to_string() };
            self.write(&format!("{title}\n"));
            self.suite = Some(suite.to_owned());
        }
    }

    /// Ends the line of another test, or of what was printed.
    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_within_line) | self.begun.take().is_some() {
            self.write("\n");
        }
    }

    fn printed(&self, test: &Test) {
        for (kept, mark) in test.printed.iter().zip(["| ", "! "]) {
            let Kept { text, dropped } = kept;
            self.indented(text, mark);
            if *dropped != 0 {
                self.write(&format!("      {mark}… {dropped} more bytes\n"));
            }
        }
    }

    fn indented(&self, text: &str, mark: &str) {
        for line in text.lines() {
            let line = format!("      {mark}{}", cut(line, LINE_CHARS_MAX));
            self.write(&format!("{}\n", line.trim_end()));
        }
    }

    /// Failures, complaints and the sum.
    pub fn finish(&mut self, results: &Results, has_failed: bool, took: Duration) {
        self.end_line();
        let failed = |test: &&Test| matches!(test.verdict, Verdict::Failed(_));
        for test in results.tests().iter().filter(failed) {
            let Verdict::Failed(failure) = &test.verdict else { continue };
            self.write(&format!("\n{} FAILED\n", brief(&test.path())));
            let details = failure.details.trim_end();
            self.indented(if details.is_empty() { failure.message.trim_end() } else { details }, "");
            self.printed(test);
        }
        let (problems, more) = results.problems();
        for problem in problems {
            let (first, rest) = problem.split_once('\n').unwrap_or((problem, ""));
            self.write(&format!("\nerror: {}\n", cut(first, LINE_CHARS_MAX)));
            self.indented(rest, "");
        }
        if more != 0 {
            self.write(&format!("error: and {more} more of these\n"));
        }
        let Counts { passed, failed, ignored } = results.counts();
        let verdict = if has_failed { "FAILED" } else { "ok" };
        let seconds = took.as_secs_f64();
        self.write(&format!("\n{verdict}: {passed} passed, {failed} failed, {ignored} ignored, in {seconds:.2} s\n"));
    }
}
