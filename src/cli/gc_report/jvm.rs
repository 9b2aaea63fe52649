//! The log in the shape of a Java VM's `-Xlog:gc*`, for the readers of such logs.
//!
//! Of HotSpot's collectors, the one that is most like ours is Concurrent Mark Sweep of JDK 9 to 13: young collections,
//! markings that begin and end with short pauses, a sweep beside the program, full collections. So the log says that
//! it is one, and
//!
//! | event | becomes |
//! |---|---|
//! | minor, evacuate | `Pause Young` |
//! | major | `Pause Full` |
//! | stall | `Pause Full (Allocation Failure)`: the program waited since nothing was free |
//! | mark-start | `Pause Initial Mark`, then `Concurrent Mark` begins |
//! | slice | `Pause Remark`: the program stands while a part is marked |
//! | mark-end | `Concurrent Mark` ends, then `Pause Remark` |
//!
//! Causes become the nearest of HotSpot's. Generations are named `ParNew` and `CMS`, in KiB like there.

use heapwood::{GcCause, GcEvent, GcEventKind};
use std::fmt::Write as _;

/// The state of the log from one line to the next.
#[derive(Default)]
pub struct JvmLog {
    /// Pauses and markings so far: HotSpot numbers both.
    next: u64,
    /// Number and begin (µs) of the marking that goes on.
    marking: Option<(u64, f64)>,
}

impl JvmLog {
    /// What stands before the first event.
    pub fn opening(version: &str) -> String {
        format!(
            "[0.000s][info][gc] Using Concurrent Mark Sweep\n\
             [0.000s][info][gc,init] Version: heapwood {version}\n"
        )
    }

    /// The lines of an event.
    pub fn lines(&mut self, event: &GcEvent) -> String {
        let mut lines = String::new();
        match event.kind {
            GcEventKind::Minor | GcEventKind::Evacuate => {
                let title = format!("Pause Young ({})", cause(event.cause));
                let number = self.number();
                stop(&mut lines, number, &title, event, true);
            }
            GcEventKind::Major | GcEventKind::Stall => {
                let title = format!("Pause Full ({})", cause(event.cause));
                let number = self.number();
                stop(&mut lines, number, &title, event, true);
            }
            GcEventKind::MarkStart => {
                let number = self.number();
                self.marking = Some((number, event.t_us));
                stop(&mut lines, number, "Pause Initial Mark", event, false);
                line(&mut lines, event.t_us, "gc", number, format_args!("Concurrent Mark"));
            }
            GcEventKind::Slice => {
                let number = self.marking.map_or_else(|| self.number(), |(number, _)| number);
                stop(&mut lines, number, "Pause Remark", event, false);
            }
            GcEventKind::MarkEnd => {
                let start_us = event.t_us - event.pause_us;
                let (number, began_us) = self.marking.take().unwrap_or((self.next, start_us));
                let ms = (start_us - began_us).max(0.0) / 1e3;
                line(&mut lines, start_us, "gc", number, format_args!("Concurrent Mark {ms:.3}ms"));
                stop(&mut lines, number, "Pause Remark", event, false);
                self.next = self.next.max(number + 1);
            }
        }
        lines
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

/// The lines of a pause: its begin, the generations, what it did, its CPU time.
fn stop(lines: &mut String, number: u64, title: &str, event: &GcEvent, emptied: bool) {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    let (young, old) = (event.young_before, event.old_before);
    let (young_after, old_after) =
        if emptied && event.kind != GcEventKind::Stall { (event.young_after, event.old_after) } else { (young, old) };
    let committed = event.heap_committed.max(young + old).max(young_after + old_after);
    line(lines, event.t_us - event.pause_us, "gc,start", number, format_args!("{title}"));
    if emptied {
        let generations = [("ParNew", young, young_after), ("CMS", old, old_after)];
        for (name, before, after) in generations {
            let room = if name == "ParNew" { young.max(young_after) } else { committed - young.max(young_after) };
            let form = format_args!("{name}: {}K->{}K({}K)", kib(before), kib(after), kib(room));
            line(lines, event.t_us, "gc,heap", number, form);
        }
    }
    let ms = event.pause_us / 1e3;
    let sizes = format!("{}K->{}K({}K)", kib(young + old), kib(young_after + old_after), kib(committed));
    line(lines, event.t_us, "gc", number, format_args!("{title} {sizes} {ms:.3}ms"));
    let (cpu, real) = (event.cpu_us / 1e6, event.pause_us / 1e6);
    line(lines, event.t_us, "gc,cpu", number, format_args!("User={cpu:.2}s Sys=0.00s Real={real:.2}s"));
}

fn line(lines: &mut String, t_us: f64, tags: &str, number: u64, what: std::fmt::Arguments<'_>) {
    let seconds = t_us.max(0.0) / 1e6;
    writeln!(lines, "[{seconds:.3}s][info][{tags:<8}] GC({number}) {what}").expect("strings take everything");
}

fn cause(cause: GcCause) -> &'static str {
    match cause {
        GcCause::EdenFull | GcCause::LogFull | GcCause::Emergency => "Allocation Failure",
        GcCause::Threshold | GcCause::Pace => "Ergonomics",
        GcCause::Requested => "System.gc()",
        GcCause::Stress => "Diagnostic Command",
        GcCause::LogLost => "Last ditch collection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: GcEventKind, t_us: f64, pause_us: f64) -> GcEvent {
        GcEvent {
            t_us,
            kind,
            cause: GcCause::Threshold,
            pause_us,
            cpu_us: pause_us,
            young_before: 256 << 10,
            young_after: 64 << 10,
            old_before: 4 << 20,
            old_after: 3 << 20,
            heap_committed: 9 << 20,
            promoted: 0,
            remembered: 0,
            roots: 0,
            frames: 0,
            work_units: 0,
        }
    }

    /// Kind, number, and milliseconds at the end of a line that tells of a pause.
    fn pause(line: &str) -> Option<(&str, u64, f64)> {
        let (tags, rest) = line.split_once("] GC(")?;
        tags.trim_end().ends_with("[gc").then_some(())?;
        let (number, rest) = rest.split_once(") ")?;
        let (kind, rest) =
            rest.split_at_checked(rest.find(['(', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])?)?;
        let ms = rest.split(' ').next_back()?.strip_suffix("ms")?.parse().ok()?;
        kind.starts_with("Pause").then_some((kind.trim(), number.parse().ok()?, ms))
    }

    #[test]
    fn every_kind_of_stop_is_a_pause_of_its_length_and_a_marking_has_one_number() {
        use GcEventKind::*;
        let mut log = JvmLog::default();
        let kinds = [Minor, MarkStart, Slice, Minor, Slice, MarkEnd, Major, Evacuate, Stall];
        let text: String = (1..)
            .zip(kinds)
            .map(|(index, kind)| log.lines(&event(kind, index as f64 * 1e6, index as f64 * 100.0)))
            .collect();
        let pauses: Vec<_> = text.lines().filter_map(pause).collect();
        let expected = [
            ("Pause Young", 0, 0.1),
            ("Pause Initial Mark", 1, 0.2),
            ("Pause Remark", 1, 0.3),
            ("Pause Young", 2, 0.4),
            ("Pause Remark", 1, 0.5),
            ("Pause Remark", 1, 0.6),
            ("Pause Full", 3, 0.7),
            ("Pause Young", 4, 0.8),
            ("Pause Full", 5, 0.9),
        ];
        assert_eq!(pauses, expected, "{text}");
        // From the end of the pause at 2 s to the begin of the one that ends at 6 s.
        assert!(text.contains("GC(1) Concurrent Mark 3999.400ms\n"), "{text}");
        assert!(text.contains("[1.000s][info][gc,start] GC(0) Pause Young (Ergonomics)\n"), "{text}");
        assert!(text.contains("GC(0) ParNew: 256K->64K(256K)\n") && text.contains("GC(0) CMS: 4096K->3072K(8960K)\n"));
        assert!(text.contains("Pause Young (Ergonomics) 4352K->3136K(9216K) 0.100ms\n"), "{text}");
    }
}
