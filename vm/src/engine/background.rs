//! A thread of an engine for work that nobody waits for. It starts with the first piece of work and ends with the
//! engine.

use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

/// A piece of work. It holds no engine: what needs one has a weak reference.
type Work = Box<dyn FnOnce() + Send>;

/// A thread for work that nobody waits for.
#[derive(Default)]
pub(crate) struct Background(Mutex<Option<Running>>);

struct Running {
    works: Sender<Work>,
    thread: JoinHandle<()>,
}

impl Background {
    /// Has work done by the thread, after all that it was given before. If the system refuses the thread, the work
    /// comes back.
    pub fn run(&self, work: Work) -> Result<(), Work> {
        let mut running = self.0.lock();
        if running.is_none() {
            *running = start();
        }
        match &*running {
            Some(running) => running.works.send(work).map_err(|refused| refused.0),
            None => Err(work),
        }
    }
}

fn start() -> Option<Running> {
    let (works, inbox) = channel::<Work>();
    let run = move || {
        for work in inbox {
            // A panic is a fault of this library's own, and costs the piece of work.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    };
    let thread = Builder::new().name("heapwood-tier".to_owned()).spawn(run).ok()?;
    Some(Running { works, thread })
}

impl Drop for Background {
    fn drop(&mut self) {
        let Some(Running { works, thread }) = self.0.get_mut().take() else { return };
        drop(works);
        // The last of an engine may go with a piece of work.
        if thread.thread().id() != std::thread::current().id() {
            thread.join().expect("panics of work are caught");
        }
    }
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}
