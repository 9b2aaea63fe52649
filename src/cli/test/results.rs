//! What a run of tests has told so far: suites, tests and what they printed, within bounds that a guest cannot pass.

use super::message::{Failure, Message, Told};
use std::time::{Duration, Instant};

/// Bytes of one text that are kept: a name, a message, details, what a test printed.
const TEXT_BYTES_MAX: usize = 32 << 10;
/// Bytes of all that is kept, with [`RECORD_BYTES`] for each test and suite.
pub const KEPT_BYTES_MAX: usize = 64 << 20;
/// What a test or suite counts beside its texts.
const RECORD_BYTES: usize = 256;
/// Suites within each other.
const DEPTH_MAX: usize = 64;
/// Complaints that are kept; the others are only counted.
const PROBLEMS_MAX: usize = 20;

/// How a test ended.
#[derive(Debug)]
pub enum Verdict {
    Passed,
    Ignored,
    Failed(Failure),
}

/// A text of which the beginning is kept.
#[derive(Default)]
pub struct Kept {
    pub text: String,
    pub dropped: usize,
}

/// A test that has ended.
pub struct Test {
    /// Names of the suites around it, with dots between them.
    pub suite: String,
    pub name: String,
    pub verdict: Verdict,
    pub took: Duration,
    pub printed: [Kept; 2],
}

impl Test {
    /// Suites and name.
    pub fn path(&self) -> String {
        joined(&self.suite, &self.name)
    }
}

/// A test that has begun.
struct Running {
    name: String,
    start: Instant,
    failure: Option<Failure>,
    is_ignored: bool,
    printed: [Kept; 2],
}

/// What a message changed.
#[derive(PartialEq, Eq, Debug)]
pub enum Change {
    Nothing,
    /// A test has begun.
    Began,
    /// The last of [`Results::tests`] is new.
    Ended,
}

/// The results of a run.
#[derive(Default)]
pub struct Results {
    tests: Vec<Test>,
    suites: Vec<String>,
    running: Option<Running>,
    problems: Vec<String>,
    more_problems: usize,
    bytes: usize,
    is_full: bool,
}

/// Tests by how they ended.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub ignored: usize,
}

impl Results {
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// What is wrong with the run as a whole, and how many more such complaints there were.
    pub fn problems(&self) -> (&[String], usize) {
        (&self.problems, self.more_problems)
    }

    /// The name of the test that has begun, and the suites around it.
    pub fn running(&self) -> Option<(String, &str)> {
        self.running.as_ref().map(|running| (self.suite(), running.name.as_str()))
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for test in &self.tests {
            *match test.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Ignored => &mut counts.ignored,
                Verdict::Failed(_) => &mut counts.failed,
            } += 1;
        }
        counts
    }

    /// Something that must not be overlooked, since a failure may be behind it.
    pub fn complain(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }

    /// What code printed, to the output (0) or the error output (1). Says whether a test was running, which keeps it.
    pub fn print(&mut self, stream: usize, text: &str, ends_line: bool) -> bool {
        let Some(running) = &mut self.running else { return false };
        let kept = &mut running.printed[stream];
        let room = TEXT_BYTES_MAX.saturating_sub(kept.text.len());
        let (part, end) = (cut(text, room), if ends_line { "\n" } else { "" });
        if self.bytes + part.len() < KEPT_BYTES_MAX && part.len() == text.len() {
            kept.text.push_str(part);
            kept.text.push_str(end);
            self.bytes += part.len() + end.len();
        } else {
            kept.dropped += text.len();
        }
        true
    }

    /// Takes what a message tells.
    pub fn take(&mut self, message: Message) -> Change {
        let Message { name, told } = message;
        let name = cut(&name, TEXT_BYTES_MAX).to_owned();
        if self.is_full || !self.charge(name.len() + RECORD_BYTES) {
            return Change::Nothing;
        }
        match told {
            Told::SuiteStarted => self.begin_suite(name),
            Told::SuiteFinished(failure) => return self.end_suite(&name, failure),
            Told::Started => return self.begin(name),
            Told::Ignored => match &mut self.running {
                Some(running) if running.name == name => running.is_ignored = true,
                _ => return self.push(name, Verdict::Ignored),
            },
            Told::Failed(failure) => {
                let failure = self.shortened(failure);
                match &mut self.running {
                    Some(running) if running.name == name => _ = running.failure.get_or_insert(failure),
                    _ => return self.push(name, Verdict::Failed(failure)),
                }
            }
            Told::Finished => match self.running.take_if(|running| running.name == name) {
                Some(running) => return self.end(running),
                None => self.complain(format!("the test `{name}` ended and had not begun")),
            },
        }
        Change::Nothing
    }

    /// The guest has ended: what still runs has failed with this.
    pub fn interrupt(&mut self, failure: Failure) -> Change {
        let Some(mut running) = self.running.take() else { return Change::Nothing };
        let failure = self.shortened(failure);
        running.failure.get_or_insert(failure);
        self.end(running)
    }

    fn begin_suite(&mut self, name: String) {
        if self.suites.len() == DEPTH_MAX {
            self.complain(format!("more than {DEPTH_MAX} suites are within each other; the rest is not in the report"));
            self.is_full = true;
        }
        self.suites.push(name);
    }

    fn end_suite(&mut self, name: &str, failure: Option<Failure>) -> Change {
        let still = self.running.as_ref().map(|running| running.name.clone());
        if let Some(still) = still {
            self.complain(format!("the suite `{name}` ended while the test `{still}` ran"));
        }
        let change = match failure {
            Some(failure) => {
                let failure = self.shortened(failure);
                self.push("(the suite itself)".to_owned(), Verdict::Failed(failure))
            }
            None => Change::Nothing,
        };
        if self.suites.pop().is_none_or(|open| open != name) {
            self.complain(format!("the suite `{name}` ended and had not begun"));
        }
        change
    }

    fn begin(&mut self, name: String) -> Change {
        if let Some(still) = &self.running {
            let problem = format!("the test `{name}` began while `{}` ran", still.name);
            self.complain(problem);
            return Change::Nothing;
        }
        let start = Instant::now();
        self.running = Some(Running { name, start, failure: None, is_ignored: false, printed: Default::default() });
        Change::Began
    }

    fn end(&mut self, running: Running) -> Change {
        let Running { name, start, failure, is_ignored, printed } = running;
        let verdict = match failure {
            Some(failure) => Verdict::Failed(failure),
            None if is_ignored => Verdict::Ignored,
            None => Verdict::Passed,
        };
        self.tests.push(Test { suite: self.suite(), name, verdict, took: start.elapsed(), printed });
        Change::Ended
    }

    fn push(&mut self, name: String, verdict: Verdict) -> Change {
        let (suite, took) = (self.suite(), Duration::ZERO);
        self.tests.push(Test { suite, name, verdict, took, printed: Default::default() });
        Change::Ended
    }

    fn suite(&self) -> String {
        self.suites.iter().fold(String::new(), |path, name| joined(&path, name))
    }

    /// Room for so much more, with the suite's name that a test repeats.
    fn charge(&mut self, bytes: usize) -> bool {
        self.bytes += bytes + self.suites.iter().map(String::len).sum::<usize>();
        if self.bytes > KEPT_BYTES_MAX {
            self.is_full = true;
            let mib = KEPT_BYTES_MAX >> 20;
            self.complain(format!(
                "the tests tell more than the {mib} MiB that are kept; the rest is not in the report"
            ));
        }
        !self.is_full
    }

    fn shortened(&mut self, failure: Failure) -> Failure {
        let Failure { message, details } = failure;
        let mut short = |text: String| {
            let kept = cut(&text, TEXT_BYTES_MAX.min(KEPT_BYTES_MAX.saturating_sub(self.bytes))).to_owned();
            self.bytes += kept.len();
            kept
        };
        Failure { message: short(message), details: short(details) }
    }
}

fn joined(path: &str, name: &str) -> String {
    match (path, name) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        Failure { message: message.to_owned(), details: format!("{message}: details") }
    }

    fn told(results: &mut Results, name: &str, told: Told) -> Change {
        results.take(Message { name: name.to_owned(), told })
    }

    fn problems(results: &Results) -> String {
        results.problems().0.join("\n")
    }

    #[test]
    fn tests_end_as_they_tell() {
        let mut results = Results::default();
        for suite in ["", "pkg", "S"] {
            assert_eq!(told(&mut results, suite, Told::SuiteStarted), Change::Nothing);
        }
        assert_eq!(told(&mut results, "a", Told::Started), Change::Began);
        assert_eq!(results.running(), Some(("pkg.S".to_owned(), "a")));
        assert!(results.print(0, "hel", false) && results.print(0, "lo", true) && results.print(1, "error", true));
        assert_eq!(told(&mut results, "a", Told::Finished), Change::Ended);
        told(&mut results, "b", Told::Started);
        told(&mut results, "b", Told::Failed(failure("first")));
        told(&mut results, "b", Told::Failed(failure("second")));
        told(&mut results, "b", Told::Finished);
        assert_eq!(told(&mut results, "c", Told::Ignored), Change::Ended);
        assert_eq!(told(&mut results, "S", Told::SuiteFinished(Some(failure("suite")))), Change::Ended);
        told(&mut results, "pkg", Told::SuiteFinished(None));
        told(&mut results, "", Told::SuiteFinished(None));
        assert_eq!(results.counts(), Counts { passed: 1, failed: 2, ignored: 1 });
        assert_eq!(problems(&results), "");
        let [a, b, c, suite] = results.tests() else { panic!("four") };
        assert_eq!(
            (a.path().as_str(), a.printed[0].text.as_str(), a.printed[1].text.as_str()),
            ("pkg.S.a", "hello\n", "error\n")
        );
        assert!(matches!(&b.verdict, Verdict::Failed(told) if *told == failure("first")));
        assert_eq!((c.path().as_str(), suite.path().as_str()), ("pkg.S.c", "pkg.S.(the suite itself)"));
        assert!(!results.print(0, "nobody's", true));
    }

    #[test]
    fn what_does_not_fit_together_is_a_complaint_and_no_failure_is_lost() {
        let mut results = Results::default();
        told(&mut results, "a", Told::Finished);
        told(&mut results, "b", Told::Failed(failure("alone")));
        told(&mut results, "S", Told::SuiteFinished(None));
        told(&mut results, "a", Told::Started);
        told(&mut results, "c", Told::Started);
        told(&mut results, "c", Told::Finished);
        assert_eq!(results.interrupt(failure("the end")), Change::Ended);
        assert_eq!(results.interrupt(failure("again")), Change::Nothing);
        assert_eq!(results.counts(), Counts { passed: 0, failed: 2, ignored: 0 });
        let expected = "the test `a` ended and had not begun\nthe suite `S` ended and had not begun\n\
                        the test `c` began while `a` ran\nthe test `c` ended and had not begun";
        assert_eq!(problems(&results), expected);
    }

    #[test]
    fn all_is_bounded() {
        let mut results = Results::default();
        let long = "é".repeat(TEXT_BYTES_MAX);
        told(&mut results, &long, Told::Started);
        for _ in 0..TEXT_BYTES_MAX {
            results.print(0, "line", true);
        }
        told(
            &mut results,
            cut(&long, TEXT_BYTES_MAX),
            Told::Failed(Failure { message: long.clone(), details: long.clone() }),
        );
        told(&mut results, &long, Told::Finished);
        let test = &results.tests()[0];
        assert_eq!((test.name.len(), test.printed[0].text.len() <= TEXT_BYTES_MAX + 1), (TEXT_BYTES_MAX, true));
        assert!(test.printed[0].dropped > 0);
        let mut rounds = 0;
        while !results.is_full {
            told(&mut results, &long, Told::Ignored);
            rounds += 1;
            assert!(rounds < KEPT_BYTES_MAX / TEXT_BYTES_MAX + 1);
        }
        let count = results.tests().len();
        told(&mut results, "x", Told::Ignored);
        assert_eq!(results.tests().len(), count);
        assert!(problems(&results).contains("more than the 64 MiB"), "{}", problems(&results));
    }

    #[test]
    fn suites_go_only_so_deep_and_complaints_are_counted() {
        let mut results = Results::default();
        for _ in 0..DEPTH_MAX + 2 {
            told(&mut results, "S", Told::SuiteStarted);
        }
        assert!(results.suites.len() <= DEPTH_MAX + 1 && problems(&results).contains("64 suites"));
        for _ in 0..100 {
            results.complain("x".to_owned());
        }
        let (kept, more) = results.problems();
        assert_eq!((kept.len(), more), (PROBLEMS_MAX, 101 - PROBLEMS_MAX));
    }
}
