//! The collector's log (`text`, `json`: the contract, `jvm`) and its statistics.

mod figures;
mod jvm;
mod mmu;
mod now;
mod rotation;

pub use figures::{Figures, KINDS, ROWS_MIN, StatsForm, mib, row};
pub use mmu::Mmu;
pub use now::{now, now_table};
pub use rotation::{RotatingLog, Rotation};

use super::output::Reported;
use heapwood::{GcEvent, GcEventKind};
use jvm::JvmLog;
use serde_json::json;
use std::io::Write;

/// Form of the log's lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people
    Text,
    /// An object on a line
    Json,
    /// As HotSpot's -Xlog:gc*, for tools that read such logs
    Jvm,
}

/// Writes a line for every pause.
pub struct GcReport {
    format: LogFormat,
    jvm: JvmLog,
    output: Reported<Box<dyn Write + Send>>,
}

impl GcReport {
    pub fn new(format: LogFormat, mut output: Reported<Box<dyn Write + Send>>) -> GcReport {
        if format == LogFormat::Jvm {
            output.with(|output| output.write_all(JvmLog::opening(env!("CARGO_PKG_VERSION")).as_bytes()));
        }
        GcReport { format, jvm: JvmLog::default(), output }
    }

    /// Why nothing is written any more.
    pub fn refusal(&self) -> Option<&std::io::Error> {
        self.output.refusal()
    }

    /// Writes the line of a pause.
    pub fn write(&mut self, event: &GcEvent) {
        let lines = match self.format {
            LogFormat::Text => text_line(event) + "\n",
            LogFormat::Json => json_line(event) + "\n",
            LogFormat::Jvm => self.jvm.lines(event),
        };
        // A log that cannot be written does not end the guest.
        self.output.with(|output| output.write_all(lines.as_bytes()));
    }
}

/// When, what, why and how long; then what was collected or done, in KiB; last the heap's memory.
fn text_line(event: &GcEvent) -> String {
    let kib = |bytes: u64| bytes >> 10;
    let moved = |name: &str| {
        format!(
            "young {:>6} -> {:>6}  old {:>8} -> {:>8}  {name} {:>6} KiB",
            kib(event.young_before),
            kib(event.young_after),
            kib(event.old_before),
            kib(event.old_after),
            kib(event.promoted)
        )
    };
    let done = match event.kind {
        GcEventKind::Minor | GcEventKind::Major => moved("promoted"),
        GcEventKind::Evacuate => moved("moved"),
        GcEventKind::MarkEnd => format!("live {} KiB", kib(event.old_after)),
        GcEventKind::MarkStart | GcEventKind::Slice | GcEventKind::Stall => format!("work {}", event.work_units),
    };
    format!(
        "[{:>10.3} ms] {:<10} {:<9} {:>9.1} us  {done:<69}  heap {:>8} KiB",
        event.t_us / 1000.0,
        event.kind.name(),
        event.cause.name(),
        event.pause_us,
        kib(event.heap_committed),
    )
}

/// The object of the contract, on one line.
fn json_line(event: &GcEvent) -> String {
    json!({
        "t_us": event.t_us,
        "kind": event.kind.name(),
        "cause": event.cause.name(),
        "pause_us": event.pause_us,
        "cpu_us": event.cpu_us,
        "young_before": event.young_before,
        "young_after": event.young_after,
        "old_before": event.old_before,
        "old_after": event.old_after,
        "heap_committed": event.heap_committed,
        "promoted": event.promoted,
        "remembered": event.remembered,
        "roots": event.roots,
        "frames": event.frames,
        "work_units": event.work_units,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood::GcCause;

    #[test]
    fn every_kind_of_stop_has_a_line_of_the_same_form() {
        use GcEventKind::*;
        for kind in [Minor, Major, MarkStart, MarkEnd, Slice, Evacuate, Stall] {
            let event = GcEvent {
                t_us: 1_234_567.8,
                kind,
                cause: GcCause::Threshold,
                pause_us: 123.4,
                cpu_us: 100.0,
                young_before: 512 << 10,
                young_after: 64 << 10,
                old_before: 4 << 20,
                old_after: 3 << 20,
                heap_committed: 9 << 20,
                promoted: 200 << 10,
                remembered: 5,
                roots: 6,
                frames: 7,
                work_units: 890,
            };
            let text = text_line(&event);
            let says = match kind {
                Minor | Major => "young    512 ->     64  old     4096 ->     3072  promoted    200 KiB",
                Evacuate => "young    512 ->     64  old     4096 ->     3072  moved    200 KiB",
                MarkEnd => "live 3072 KiB",
                MarkStart | Slice | Stall => "work 890",
            };
            assert!(text.contains(says), "{text}");
            assert!(text.starts_with("[  1234.568 ms] ") && text.ends_with("  heap     9216 KiB"), "{text}");
            assert_eq!(text.find("  heap "), Some(120), "{text}");
            let json: serde_json::Value = serde_json::from_str(&json_line(&event)).unwrap();
            assert_eq!((json["kind"].as_str(), json["promoted"].as_u64()), (Some(kind.name()), Some(200 << 10)));
            assert_eq!(json.as_object().map(|fields| fields.len()), Some(15));
        }
    }
}
