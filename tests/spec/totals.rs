//! What ran in each mode, from the last line of each script's report.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// Sums by mode, in the order of the modes.
pub struct Totals(Mutex<Vec<Total>>);

struct Total {
    mode: &'static str,
    scripts: usize,
    passed: usize,
    failed: usize,
    /// Of all scripts together; they run side by side.
    time: Duration,
}

impl Totals {
    pub fn new<const N: usize>(modes: [&'static str; N]) -> Totals {
        let total = |mode| Total { mode, scripts: 0, passed: 0, failed: 0, time: Duration::ZERO };
        Totals(Mutex::new(modes.map(total).into()))
    }

    /// Adds a script whose report ends with `N passed, N failed`, or is broken off.
    pub fn add(&self, mode: &str, report: &str, time: Duration) {
        let counts = report.lines().last().and_then(|line| {
            let (passed, failed) = line.split_once(" passed, ")?;
            Some((passed.parse::<usize>().ok()?, failed.strip_suffix(" failed")?.parse::<usize>().ok()?))
        });
        let (passed, failed) = counts.unwrap_or((0, 1));
        let mut totals = self.0.lock().expect("no panic while it is locked");
        let total = totals.iter_mut().find(|total| total.mode == mode).expect("a mode");
        total.scripts += 1;
        total.passed += passed;
        total.failed += failed;
        total.time += time;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:12} {:>8} {:>11} {:>8} {:>8}", "mode", "scripts", "directives", "failed", "seconds")?;
        for Total { mode, scripts, passed, failed, time } in &*self.0.lock().expect("no panic while it is locked") {
            write!(f, "\n{mode:12} {scripts:8} {passed:11} {failed:8} {:8.1}", time.as_secs_f64())?;
        }
        Ok(())
    }
}
