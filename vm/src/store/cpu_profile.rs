//! Profiles of CPU time: what the guest's thread did, from samples at polls.
//!
//! A sample stands for the CPU time of the thread since the one before, whatever the thread did then: what of it the
//! collector took is told as `[collector]` at the end of the stack. So a wait weighs nothing, and a host function that
//! computes weighs on whoever called it, since samples are taken in compiled code only.

use super::profile_data::CpuProfileData;
use super::stacks::{Functions, OTHERS_NAME, SampledFrame, Stacks, write_lines};
use super::timeline::Timeline;
use heapwood_gc::thread_cpu_ns;
use std::collections::HashMap;
use std::io::{self, Write};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// What stands at the end of a stack for the time that the collector took there.
pub(super) const COLLECTOR: &str = "[collector]";

/// Nanoseconds by stack.
#[derive(Debug)]
pub(crate) struct CpuProfiler {
    times: Stacks<Doing>,
    last: Reading,
    begun: Instant,
    interval: Duration,
    timeline: Timeline,
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
    /// A profile that begins now, at so many nanoseconds of pauses, with samples that are about an interval apart.
    pub fn new(interval: Duration, pause_ns: u64) -> CpuProfiler {
        let (begun, timeline) = (Instant::now(), Timeline::new());
        CpuProfiler { times: Stacks::new(), last: Reading::now(pause_ns), begun, interval, timeline }
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
        let running_ns = cpu_ns - collected_ns;
        let at = self.begun.elapsed();
        if collected_ns > 0 {
            let stack = self.times.add(frames(), collected_ns, |_| Doing::Collecting);
            // When exactly is not known: before what else was done since the last sample.
            self.timeline.add(at.saturating_sub(Duration::from_nanos(running_ns)), stack, collected_ns);
        }
        let stack = self.times.add(frames(), running_ns, |_| Doing::Running);
        self.timeline.add(at, stack, running_ns);
    }

    /// The profile as data.
    pub fn data(&self) -> CpuProfileData {
        let mut data = CpuProfileData::new(self.begun, self.interval);
        let mut names: HashMap<Option<(u32, u32)>, u32> = HashMap::new();
        let mut stacks: Vec<(Doing, &Functions, u32)> = self.times.each().collect();
        stacks.sort_unstable_by_key(|(.., number)| *number);
        for (doing, functions, number) in stacks {
            let collector = (doing == Doing::Collecting).then_some(None);
            let frames = functions.iter().rev().map(|function| Some(*function)).chain(collector);
            let frames = frames.map(|frame| {
                *names.entry(frame).or_insert_with(|| {
                    data.add_name(frame.map_or_else(|| COLLECTOR.to_owned(), |it| self.times.function_name(it)))
                })
            });
            let frames: Vec<u32> = frames.collect();
            data.add_stack(frames, self.times.weights()[number as usize]);
        }
        let told_apart = self.times.weights().len() as u32;
        if self.times.others() > 0 {
            let frame = data.add_name(OTHERS_NAME.to_owned());
            data.add_stack(vec![frame], self.times.others());
        }
        // Stacks that are not told apart have the number behind the others'.
        data.set_samples(&self.timeline, told_apart);
        data
    }

    /// Writes the times as collapsed stacks, `outer;inner microseconds` on each line.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.times.lines(|line, doing| match doing {
            Doing::Running => drop(line.pop()),
            Doing::Collecting => line.push_str(COLLECTOR),
        });
        lines.iter_mut().for_each(|(_, ns)| *ns /= 1000);
        lines.retain(|(_, us)| *us > 0);
        write_lines(lines, output)
    }
}
