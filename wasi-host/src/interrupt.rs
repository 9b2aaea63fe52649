//! Waiting that another thread can end.
//!
//! Everything in this crate that may block without bound waits in [`Interrupt::wait`], which also watches an eventfd
//! that [`InterruptHandle::interrupt`] makes readable. The first wait makes it: most contexts never wait. Whoever waits
//! makes it and looks at the flag afterwards; whoever interrupts sets the flag and looks for the eventfd afterwards. So
//! one of the two always sees the other.
//!
//! A *nudge* works alike, and ends one wait, whose call is made again: for hosts that have something to do in between.

use crate::errno::Errno;
use crate::outcome::{Failure, Outcome, Served};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

#[derive(Debug)]
struct Shared {
    raised: AtomicBool,
    nudged: AtomicBool,
    event: OnceLock<OwnedFd>,
}

impl Shared {
    /// A flag was set: makes the eventfd readable.
    fn signal(&self) {
        fence(Ordering::SeqCst);
        if let Some(event) = self.event.get() {
            // Fails only when the counter is full, and then the descriptor is readable already.
            let _ = rustix::io::write(event, &1u64.to_ne_bytes());
        }
    }

    /// Makes the eventfd unreadable. Whoever waits looks at the flags before.
    fn drain(&self) {
        if let Some(event) = self.event.get() {
            let _ = rustix::io::read(event, &mut [0u8; 8]);
        }
    }
}

/// Ends waiting calls of one [`WasiCtx`](crate::WasiCtx) from any thread.
#[derive(Clone, Debug)]
pub struct InterruptHandle(Arc<Shared>);

impl InterruptHandle {
    /// Makes a call that waits now return [`Outcome::Interrupted`], and every later one that would wait, until
    /// [`reset`](InterruptHandle::reset).
    pub fn interrupt(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        self.0.signal();
    }

    /// Has the call that waits now, or else the next one that would wait, return [`Outcome::Again`]. Its caller does
    /// what there is to do and makes the same call again, or takes back what that began by
    /// [`WasiCtx::begin_anew`](crate::WasiCtx::begin_anew).
    pub fn nudge(&self) {
        self.0.nudged.store(true, Ordering::SeqCst);
        self.0.signal();
    }

    /// Withdraws a nudge that no call has seen.
    pub fn forget_nudge(&self) {
        if self.0.nudged.swap(false, Ordering::SeqCst) {
            self.0.drain();
        }
    }

    /// Lets calls wait again.
    pub fn reset(&self) {
        self.0.drain();
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
        let (raised, nudged) = (AtomicBool::new(false), AtomicBool::new(false));
        Interrupt(Arc::new(Shared { raised, nudged, event: OnceLock::new() }))
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

    /// Fails when an interrupt is pending, or a nudge, which ends here.
    fn check_wait(&self) -> Served {
        self.check()?;
        if self.0.nudged.swap(false, Ordering::SeqCst) {
            self.0.drain();
            return Err(Outcome::Again.into());
        }
        Ok(())
    }

    /// Waits until one of `fds` is ready, `timeout` (in ns; none: without end) is over or the guest is interrupted.
    /// Returns the events per descriptor, all empty after the timeout; it may return earlier without any.
    pub fn wait(&self, fds: &[(BorrowedFd<'_>, PollFlags)], timeout: Option<u64>) -> Result<Vec<PollFlags>, Failure> {
        let event = self.event()?;
        // After the eventfd is there.
        self.check_wait()?;
        let mut set: Vec<PollFd<'_>> = fds.iter().map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events)).collect();
        set.push(PollFd::new(event, PollFlags::IN));
        let timeout =
            timeout.map(|ns| Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as _ });
        match poll(&mut set, timeout.as_ref()) {
            // A signal of the host: the caller looks at its clock and comes again.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.check_wait()?;
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

        // A nudge ends one wait, whether it came before or comes meanwhile.
        interrupt.handle().reset();
        interrupt.handle().nudge();
        for _ in 0..2 {
            let ended = interrupt.wait_for(reader.as_fd(), PollFlags::IN, true);
            assert!(matches!(ended, Err(Failure::End(Outcome::Again))));
            let handle = interrupt.handle();
            std::thread::spawn(move || handle.nudge()).join().unwrap();
        }
        interrupt.handle().forget_nudge();
        assert!(!interrupt.handle().is_interrupted());
        assert!(matches!(interrupt.wait_for(reader.as_fd(), PollFlags::IN, false), Err(Failure::Errno(Errno::Again))));
    }
}
