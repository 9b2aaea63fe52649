//! The collector's log (`text`, `json`: the contract, `jvm`) and its statistics.

mod figures;
mod jvm;
mod mmu;

pub use figures::Figures;
pub use mmu::Mmu;

use heapwood::GcEvent;
use jvm::JvmLog;
use serde_json::json;
use std::io::Write;

/// Form of the log's lines.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people
    Text,
    /// An object on a line
    Json,
    /// As HotSpot's -Xlog:gc*, for tools that read such logs
    Jvm,
}

/// Writes a line for every stop.
pub struct GcReport {
    format: LogFormat,
    jvm: JvmLog,
    output: Box<dyn Write + Send>,
}

impl GcReport {
    pub fn new(format: LogFormat, mut output: Box<dyn Write + Send>) -> GcReport {
        if format == LogFormat::Jvm {
            let _ = output.write_all(JvmLog::opening(env!("CARGO_PKG_VERSION")).as_bytes());
        }
        GcReport { format, jvm: JvmLog::default(), output }
    }

    /// Writes the line of a stop.
    pub fn write(&mut self, event: &GcEvent) {
        let lines = match self.format {
            LogFormat::Text => text_line(event) + "\n",
            LogFormat::Json => json_line(event) + "\n",
            LogFormat::Jvm => self.jvm.lines(event),
        };
        // A log that cannot be written must not end the guest.
        let _ = self.output.write_all(lines.as_bytes());
    }
}

fn text_line(event: &GcEvent) -> String {
    let kib = |bytes: u64| bytes >> 10;
    format!(
        "[{:>10.3} ms] {:<10} {:<10} {:>8.1} us  young {} -> {} KiB  old {} -> {} KiB  promoted {} KiB  heap {} KiB",
        event.t_us / 1000.0,
        event.kind.name(),
        event.cause.name(),
        event.pause_us,
        kib(event.young_before),
        kib(event.young_after),
        kib(event.old_before),
        kib(event.old_after),
        kib(event.promoted),
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
