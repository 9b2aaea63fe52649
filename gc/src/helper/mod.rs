//! Helper threads: they mark and sweep for the heaps of an engine while guests run. They start with the first marking.
//!
//! The mutator hands work off to them: [`hand_off`] is the protocol, [`shared_work::SharedWork`] the mutator's side of
//! it.

pub mod hand_off;
pub mod shared_work;
pub mod spans;
mod sync;

use crate::raw::backing::thread_cpu_ns;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use sync::{Builder, Mutex, Receiver, Sender, channel};

/// Work of which a helper can do a part.
pub(crate) trait Help: Send + Sync {
    /// Does what there is to do now. `cpu_ns` returns the CPU time of the calling thread in nanoseconds.
    fn help(&self, cpu_ns: fn() -> u64);
}

type Jobs = Mutex<Sender<Arc<dyn Help>>>;

/// The helper threads of an engine. One helper at a time works on a heap's marking, and one on its sweep.
pub struct Helpers {
    threads: usize,
    jobs: OnceLock<Option<Jobs>>,
    /// Threads that the system refused.
    refused: AtomicUsize,
}

impl Helpers {
    /// The most threads that are started, whatever is asked for. Each may work for another heap.
    pub const THREADS_MAX: usize = 256;

    /// Up to `threads` threads, none of which is started yet.
    pub fn new(threads: usize) -> Helpers {
        let threads = threads.min(Helpers::THREADS_MAX);
        Helpers { threads, jobs: OnceLock::new(), refused: AtomicUsize::new(0) }
    }

    /// How many of the threads the system refused when they were started. What they would do is done by the others, or
    /// by the mutators if there is none.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Asks a helper. False if there is none: no thread could be started.
    pub(crate) fn ask(&self, job: Arc<dyn Help>) -> bool {
        let Some(jobs) = self.jobs.get_or_init(|| self.start()) else { return false };
        jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).send(job).is_ok()
    }

    fn start(&self) -> Option<Jobs> {
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut started = 0;
        for number in 0..self.threads {
            let receiver = receiver.clone();
            let builder = Builder::new().name(format!("heapwood-gc-{number}")).stack_size(256 << 10);
            // The thread ends when the sender is dropped with the engine.
            started += builder.spawn(move || work(&receiver)).is_ok() as usize;
        }
        self.refused.store(self.threads - started, Ordering::Relaxed);
        (started > 0).then(|| Mutex::new(sender))
    }
}

fn work(jobs: &Mutex<Receiver<Arc<dyn Help>>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok(job) = job else { return };
        job.help(thread_cpu_ns);
    }
}

impl std::fmt::Debug for Helpers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Helpers").field("threads", &self.threads).finish_non_exhaustive()
    }
}
