//! A thread for work that may never end, and that nothing can stop: whoever waits for it gives it up.
//!
//! 1. A worker does one job after the other, and ends when it is dropped, after the job that it is at.
//! 2. A job that was given up goes on until it is done, or the process ends. There are only so many of those in the
//!    process ([`GIVEN_UP_MAX`]): while there are, no worker takes a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Jobs that were given up and run on, in the whole process.
const GIVEN_UP_MAX: usize = 8;
static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);

/// Stack of the thread; jobs do not recurse.
const STACK_BYTES: usize = 1 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// Does jobs, on a thread that starts with the first one.
#[derive(Debug, Default)]
pub struct Worker {
    jobs: Option<Sender<Job>>,
}

/// A job's result, or word that it has none, or that nobody is to wait for it any more.
enum Message<R> {
    Done(R),
    Panicked,
    Woken,
}

/// A job that runs. Dropped before it is done, it is given up.
pub struct Running<R> {
    messages: Receiver<Message<R>>,
    /// The sender that the job has a copy of; none from when the wait begins.
    sender: Option<Sender<Message<R>>>,
    state: Arc<AtomicUsize>,
}

impl<R> Drop for Running<R> {
    fn drop(&mut self) {
        GIVEN_UP.fetch_add(1, Ordering::SeqCst);
        if self.state.compare_exchange(AT_WORK, LEFT_ALONE, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            GIVEN_UP.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// What a job has come to.
const AT_WORK: usize = 0;
const DONE: usize = 1;
const LEFT_ALONE: usize = 2;

/// Ends the wait for a job, from any thread, also one that begins later.
pub struct Waker<R>(Option<Sender<Message<R>>>);

impl<R> Waker<R> {
    /// Ends the wait, if it goes on.
    pub fn wake(&self) {
        // Nobody is there if it is over.
        let _ = self.0.as_ref().map(|sender| sender.send(Message::Woken));
    }
}

/// Why a job has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoResult {
    /// The wait was ended, and the job given up.
    GivenUp,
    /// The job did not run: too many others were given up, the system has no thread, or the job panicked.
    Refused,
}

impl std::fmt::Display for NoResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NoResult::GivenUp => "it was given up",
            NoResult::Refused => "there is no thread for it",
        })
    }
}

impl Worker {
    /// Starts a job.
    ///
    /// # Errors
    /// [`NoResult::Refused`].
    pub fn start<R: Send + 'static>(
        &mut self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<Running<R>, NoResult> {
        if GIVEN_UP.load(Ordering::SeqCst) >= GIVEN_UP_MAX {
            return Err(NoResult::Refused);
        }
        let (sender, messages) = channel();
        let (results, state) = (sender.clone(), Arc::new(AtomicUsize::new(AT_WORK)));
        let of_job = state.clone();
        let job: Job = Box::new(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            // Whoever comes second of those that leave the job alone and the job's end counts it.
            if of_job.compare_exchange(AT_WORK, DONE, Ordering::SeqCst, Ordering::SeqCst) == Err(LEFT_ALONE) {
                GIVEN_UP.fetch_sub(1, Ordering::SeqCst);
            }
            let _ = results.send(result.map_or(Message::Panicked, Message::Done));
        });
        let job = match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|refused| refused.0),
            None => Err(job),
        };
        if let Err(job) = job {
            self.jobs = Some(spawn(job)?);
        }
        Ok(Running { messages, sender: Some(sender), state })
    }

    /// Leaves the job that runs alone: the next one gets another thread.
    pub fn forget(&mut self) {
        self.jobs = None;
    }
}

/// A thread that does this job and those that come.
fn spawn(first: Job) -> Result<Sender<Job>, NoResult> {
    let (sender, jobs) = channel::<Job>();
    sender.send(first).map_err(|_| NoResult::Refused)?;
    let builder = std::thread::Builder::new().name("regexp".to_owned()).stack_size(STACK_BYTES);
    builder.spawn(move || jobs.iter().for_each(|job| job())).map_err(|_| NoResult::Refused)?;
    Ok(sender)
}

impl<R> Running<R> {
    /// What ends [`Running::wait`].
    pub fn waker(&self) -> Waker<R> {
        Waker(self.sender.clone())
    }

    /// Waits for the job's end, or for a waker.
    ///
    /// # Errors
    /// There is no result; if the job was given up, its worker is to forget it.
    pub fn wait(mut self) -> Result<R, NoResult> {
        // Whoever has a waker keeps the channel open, and a job that panicked says so.
        self.sender = None;
        match self.messages.recv() {
            Ok(Message::Done(result)) => Ok(result),
            Ok(Message::Woken) => Err(NoResult::GivenUp),
            Ok(Message::Panicked) | Err(_) => Err(NoResult::Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since what is given up counts for the whole process.
    #[test]
    fn jobs_are_done_in_turn_given_up_and_counted() {
        let mut worker = Worker::default();
        for number in 0..100 {
            assert_eq!(worker.start(move || number * 2).unwrap().wait(), Ok(number * 2));
        }
        let running = worker.start(|| -> u32 { panic!("a job that panics on purpose") }).unwrap();
        let waker = running.waker();
        assert_eq!(running.wait(), Err(NoResult::Refused));
        waker.wake();
        let mut gates = Vec::new();
        for _ in 0..GIVEN_UP_MAX {
            let (gate, closed) = channel::<()>();
            let running = worker.start(move || closed.recv().is_ok()).unwrap();
            match gates.len() % 2 {
                0 => {
                    running.waker().wake();
                    assert_eq!(running.wait(), Err(NoResult::GivenUp));
                }
                _ => drop(running),
            }
            worker.forget();
            gates.push(gate);
        }
        assert_eq!(worker.start(|| 1).err(), Some(NoResult::Refused));
        drop(gates);
        while GIVEN_UP.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        let running = worker.start(|| 7).unwrap();
        let waker = running.waker();
        assert_eq!(running.wait(), Ok(7));
        waker.wake();
        assert_eq!(GIVEN_UP.load(Ordering::SeqCst), 0);
    }
}
