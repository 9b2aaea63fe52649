//! Profiles of CPU time: what the guest's thread did, from samples at polls.
//!
//! A sample stands for the CPU time of the thread since the one before, whatever the thread did then: what of it the
//! collector took is told as `[collector]` at the end of the stack. So a wait weighs nothing, and a host function that
//! computes weighs on whoever called it, since samples are taken in compiled code only.

use super::stacks::{SampledFrame, Stacks, write_lines};
use heapwood_gc::thread_cpu_ns;
use std::io::{self, Write};
use std::thread::{self, ThreadId};

/// Nanoseconds by stack.
#[derive(Debug)]
pub(crate) struct CpuProfiler {
    times: Stacks<Doing>,
    last: Reading,
}

/// What was done at a stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Doing {
    /// The guest ran, or a host function that it called.
    Running,
    /// The collector worked, on the guest's thread.
    Collecting,
}

/// What clocks showed.
#[derive(Clone, Copy, Debug)]
struct Reading {
    thread: ThreadId,
    cpu_ns: u64,
    /// Of all pauses so far.
    pause_ns: u64,
}

impl Reading {
    fn now(pause_ns: u64) -> Reading {
        Reading { thread: thread::current().id(), cpu_ns: thread_cpu_ns(), pause_ns }
    }
}

impl CpuProfiler {
    /// A profile that begins now, at so many nanoseconds of pauses.
    pub fn new(pause_ns: u64) -> CpuProfiler {
        CpuProfiler { times: Stacks::new(), last: Reading::now(pause_ns) }
    }

    /// A sample at the stack that `frames` walks, innermost frame first. Pauses took so many nanoseconds so far.
    pub fn add<'a, I: Iterator<Item = SampledFrame<'a>>>(&mut self, frames: impl Fn() -> I, pause_ns: u64) {
        let now = Reading::now(pause_ns);
        let last = std::mem::replace(&mut self.last, now);
        if last.thread != now.thread {
            // The clock is another one's; time counts from here.
            return;
        }
        let cpu_ns = now.cpu_ns.saturating_sub(last.cpu_ns);
        let collected_ns = now.pause_ns.saturating_sub(last.pause_ns).min(cpu_ns);
        if collected_ns > 0 {
            self.times.add(frames(), collected_ns, |_| Doing::Collecting);
        }
        self.times.add(frames(), cpu_ns - collected_ns, |_| Doing::Running);
    }

    /// Writes the times as collapsed stacks, `outer;inner microseconds` on each line.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.times.lines(|line, doing| match doing {
            Doing::Running => drop(line.pop()),
            Doing::Collecting => line.push_str("[collector]"),
        });
        lines.iter_mut().for_each(|(_, ns)| *ns /= 1000);
        lines.retain(|(_, us)| *us > 0);
        write_lines(lines, output)
    }
}
