//! `heapwood attach … top`: what a program does, on a screen that is drawn again and again.

use super::protocol::Request;
use super::{Process, Target};
use crate::cli::output;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Frames of the stack that are shown.
const FRAMES: usize = 12;

/// Draws the screen every `interval`, `count` times or until the program ends, or nobody reads it any more. On what is
/// no terminal screens follow each other.
///
/// # Errors
/// The program does not answer, but not that it has ended after it had answered once.
pub fn run(target: &Target, interval: Duration, count: Option<u64>) -> Result<()> {
    let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
    let mut last: Option<(Instant, Value)> = None;
    let mut drawn = 0;
    while count.is_none_or(|count| drawn < count) && !output::is_closed() {
        if drawn > 0 {
            std::thread::sleep(interval);
        }
        let (figures, stack) = match seen(target) {
            Ok(seen) => seen,
            Err(error) if drawn > 0 => {
                output::more(|| format!("{error:#}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let now = Instant::now();
        let screen = screen(&figures, last.as_ref().map(|(then, last)| (now - *then, last)), &stack);
        output::print(format_args!("{clear}{screen}"));
        last = Some((now, figures));
        drawn += 1;
    }
    Ok(())
}

/// Figures and stack of a program. Each request has a connection of its own.
fn seen(target: &Target) -> Result<(Value, String)> {
    let figures = Process::attach(target)?.ask(&Request::Stats, None)?;
    let stack = Process::attach(target)?.ask(&Request::Stack, None)?;
    let figures = serde_json::from_slice(&figures).context("the figures")?;
    Ok((figures, String::from_utf8_lossy(&stack).into_owned()))
}

/// The screen: rates since the figures before, if there are any, then the heap and where the guest is.
fn screen(figures: &Value, last: Option<(Duration, &Value)>, stack: &str) -> String {
    let mut screen = super::now_table(figures);
    if let Some((span, last)) = last {
        let seconds = span.as_secs_f64().max(1e-9);
        let gained = |part: &str, key: &str| {
            let number = |figures: &Value| figures[part][key].as_f64().unwrap_or_default();
            number(figures) - number(last)
        };
        let paused_us: f64 = ["minor", "major", "marking", "stall"]
            .iter()
            .map(|kind| {
                let total = |figures: &Value| figures["pauses"][kind]["total_us"].as_f64().unwrap_or_default();
                total(figures) - total(last)
            })
            .sum();
        let allocated = gained("heap", "allocated_young_bytes") + gained("heap", "allocated_old_bytes");
        let _ = writeln!(screen, "in the last {seconds:.1} s");
        let _ = writeln!(screen, "  {:<25} {:>9.2} MiB/s", "allocated", allocated / f64::from(1 << 20) / seconds);
        let _ = writeln!(screen, "  {:<25} {:>9.2} % of the time", "paused", paused_us / 1e4 / seconds);
    }
    for line in stack.lines().take(FRAMES + 1) {
        let _ = writeln!(screen, "{line}");
    }
    screen
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_are_of_the_time_between_two_screens() {
        let figures = |young: u64, total_us: f64| {
            json!({"heap": {"allocated_young_bytes": young, "allocated_old_bytes": 0},
                "pauses": {"minor": {"count": 1, "total_us": total_us}}})
        };
        let (before, after) = (figures(1 << 20, 1000.0), figures(5 << 20, 41_000.0));
        let text = screen(&after, Some((Duration::from_secs(2), &before)), "wasm backtrace:\n    0x10 m!f\n");
        assert!(text.contains("allocated                      2.00 MiB/s"), "{text}");
        assert!(text.contains("paused                         2.00 % of the time"), "{text}");
        assert!(text.ends_with("wasm backtrace:\n    0x10 m!f\n"), "{text}");
        assert!(!screen(&after, None, "").contains("in the last"));
    }
}
