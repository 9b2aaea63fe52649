//! Waiting that another thread can end.
//!
//! Everything in this crate that may block without bound waits in [`Interrupt::wait`], which also watches an eventfd
//! that [`InterruptHandle::interrupt`] makes readable. The first wait makes it: most contexts never wait. Whoever waits
//! makes it and looks at the flag afterwards; whoever interrupts sets the flag and looks for the eventfd afterwards. So
//! one of the two always sees the other.

use crate::errno::Errno;
use crate::outcome::{Failure, Outcome, Served};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

#[derive(Debug)]
struct Shared {
    raised: AtomicBool,
    event: OnceLock<OwnedFd>,
}

/// Ends waiting calls of one [`WasiCtx`](crate::WasiCtx) from any thread.
#[derive(Clone, Debug)]
pub struct InterruptHandle(Arc<Shared>);

impl InterruptHandle {
    /// Makes a call that waits now return [`Outcome::Interrupted`], and every later one that would wait, until
    /// [`reset`](InterruptHandle::reset).
    pub fn interrupt(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(event) = self.0.event.get() {
            // Fails only when the counter is full, and then the descriptor is readable already.
            let _ = rustix::io::write(event, &1u64.to_ne_bytes());
        }
    }

    /// Lets calls wait again.
    pub fn reset(&self) {
        if let Some(event) = self.0.event.get() {
            let _ = rustix::io::read(event, &mut [0u8; 8]);
        }
        self.0.raised.store(false, Ordering::SeqCst);
    }

    /// Whether [`interrupt`](InterruptHandle::interrupt) was called since the last reset.
    pub fn is_interrupted(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }
}

/// The waiting side, owned by the context.
#[derive(Debug)]
pub(crate) struct Interrupt(Arc<Shared>);

impl Interrupt {
    pub fn new() -> Interrupt {
        Interrupt(Arc::new(Shared { raised: AtomicBool::new(false), event: OnceLock::new() }))
    }

    /// What becomes readable when the guest is interrupted from now on, or already.
    fn event(&self) -> rustix::io::Result<&OwnedFd> {
        if self.0.event.get().is_none() {
            // Of two that wait at the same time one has made it in vain.
            let _ = self.0.event.set(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        }
        fence(Ordering::SeqCst);
        Ok(self.0.event.get().expect("it is made above"))
    }

    pub fn handle(&self) -> InterruptHandle {
        InterruptHandle(self.0.clone())
    }

    /// Fails when an interrupt is pending: for loops that compute rather than wait.
    pub fn check(&self) -> Served {
        if self.0.raised.load(Ordering::Relaxed) { Err(Outcome::Interrupted.into()) } else { Ok(()) }
    }

    /// Waits until one of `fds` is ready, `timeout` (in ns; none: without end) is over or the guest is interrupted.
    /// Returns the events per descriptor, all empty after the timeout; it may return earlier without any.
    pub fn wait(&self, fds: &[(BorrowedFd<'_>, PollFlags)], timeout: Option<u64>) -> Result<Vec<PollFlags>, Failure> {
        let event = self.event()?;
        // After the eventfd is there.
        self.check()?;
        let mut set: Vec<PollFd<'_>> = fds.iter().map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events)).collect();
        set.push(PollFd::new(event, PollFlags::IN));
        let timeout =
            timeout.map(|ns| Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as _ });
        match poll(&mut set, timeout.as_ref()) {
            // A signal of the host: the caller looks at its clock and comes again.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.check()?;
        Ok(set[..fds.len()].iter().map(PollFd::revents).collect())
    }

    /// Waits until `fd` has one of `events`; `AGAIN` at once when it has not and `block` is false.
    pub fn wait_for(&self, fd: BorrowedFd<'_>, events: PollFlags, block: bool) -> Served {
        loop {
            let ready = self.wait(&[(fd, events)], if block { None } else { Some(0) })?;
            if ready.iter().any(|r| !r.is_empty()) {
                return Ok(());
            }
            if !block {
                return Err(Errno::Again.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn an_interrupt_ends_a_wait_without_timeout() {
        let interrupt = Interrupt::new();
        let handle = interrupt.handle();
        let (reader, _writer) = std::io::pipe().unwrap();
        let thread = std::thread::spawn(move || handle.interrupt());
        let ended = interrupt.wait_for(reader.as_fd(), PollFlags::IN, true);
        assert!(matches!(ended, Err(Failure::End(Outcome::Interrupted))));
        thread.join().unwrap();

        interrupt.handle().reset();
        assert!(!interrupt.handle().is_interrupted());
        assert!(matches!(interrupt.wait_for(reader.as_fd(), PollFlags::IN, false), Err(Failure::Errno(Errno::Again))));
    }
}
