//! What the runtime keeps for a store's guest: its words, its stack and frames, and why it was left.
//!
//! An entry pushes an activation; a host function that the guest calls says where the frames of the next entry begin.

#[cfg(feature = "async")]
use super::activation;
use super::frames::Frames;
use super::hot::Hot;
use super::interrupt::{InterruptCell, Token};
use super::sampler::Sampler;
use super::stack::{Seat, StackPool};
use super::state::state;
#[cfg(feature = "async")]
use super::suspension::Suspension;
use super::terms::Terms;
use super::timer::Timer;
use super::yields::Yields;
use crate::errors::{Error, Result, Trap, TrapKind};
use heapwood_gc::Heap;
use heapwood_gc_abi::hot::STACK_LIMIT;
use heapwood_gc_abi::space::NULL_ZONE_BYTES;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::abi::RESUME_PC;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "async")]
use std::time::Instant;

/// Why the guest was left without returning.
pub(crate) enum Left {
    /// A function of the runtime, or a host function, failed.
    Error(Error),
    /// A host function panicked.
    Panic(Box<dyn std::any::Any + Send>),
}

impl Left {
    /// The error as a result; a panic goes on.
    pub fn into_error(self) -> Error {
        match self {
            Left::Error(error) => error,
            Left::Panic(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl<E: Into<Error>> From<E> for Left {
    fn from(error: E) -> Left {
        Left::Error(error.into())
    }
}

/// A host function that the guest is in, or the slow path in which it lets others run.
#[derive(Clone, Copy, Debug)]
struct HostActivation {
    /// Where the next entry's frame begins.
    stack_pointer: usize,
    /// The context that called it by a tail call, or 0.
    tail_caller: usize,
    /// Entries that it lies within.
    #[cfg(feature = "async")]
    depth: usize,
}

/// What joins a store with the stubs of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    /// The words below the heap base, where the stubs' addresses stand.
    pub(super) hot: Hot,
    /// The return barrier.
    pub(super) barrier: usize,
}

/// What the runtime keeps for a store's guest. What an entry does with each field stands below.
pub(crate) struct Execution {
    hot: Hot,
    frames: Frames,
    /// Why the guest was left, between an exit and the return of its entry.
    left: Option<Left>,
    /// Why the guest was suspended, between its exit and the return of its entry.
    #[cfg(feature = "async")]
    suspended: Option<Suspension>,
    yields: Yields,
    interrupt: Arc<InterruptCell>,
    /// When samples of its stack are due, while they are taken.
    sampler: Option<Sampler>,
    /// How far apart they are while nobody asks for others.
    sample_interval: Option<Duration>,
    /// Polls at which the innermost frame may go on in newer code of its function.
    replacement_polls: u32,
    terms: Terms,
    stacks: Arc<StackPool>,
    /// Where its stack is, while it has one: it is lent for an outermost entry (`stack`).
    seat: Arc<Seat>,
    /// Where the stack begins that it had last; 0 before it had one.
    stack_top: usize,
    /// Bytes of its stack that the guest may use.
    stack_bytes: usize,
    /// The host functions that the guest is in.
    host_activations: Vec<HostActivation>,
    /// Address space of the store's memories: faults there are traps.
    reservations: Vec<Range<usize>>,
    /// Whether the heap has a collector.
    collects: bool,
}

state! {
    Execution {
        hot: Shared,
        // Activations are a stack; the watermark and what a marking has not seen go over all of them.
        frames: Stack,
        left: Dead,
        #[cfg(feature = "async")]
        suspended: Dead,
        yields: Part,
        // A request ends one activation, the innermost at the time.
        interrupt: Shared,
        // Samples go over all activations.
        sampler: Shared,
        sample_interval: Shared,
        // A try is for whatever frame is the innermost one.
        replacement_polls: Shared,
        terms: Part,
        stacks: Shared,
        seat: Shared,
        stack_top: Shared,
        stack_bytes: Shared,
        host_activations: Stack,
        reservations: Shared,
        collects: Shared,
    }
}

/// What an execution has of its engine, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct Supplies {
    /// Where its stack comes from.
    pub stacks: Arc<StackPool>,
    /// Bytes of it that the guest may use.
    pub stack_bytes: usize,
    /// The thread that says when the time of an entry is over.
    pub timer: Arc<Timer>,
    /// How far apart samples of its stack are while nobody asks for others; if none, none are taken.
    pub sample_interval: Option<Duration>,
}

impl Execution {
    /// The part of a store that has not been entered. `collects`: frames are scanned, so few of them may be new.
    pub fn new(joined: Joined, supplies: Supplies, collects: bool) -> Execution {
        let Joined { hot, barrier } = joined;
        let Supplies { stacks, stack_bytes, timer, sample_interval } = supplies;
        Execution {
            hot,
            frames: Frames::new(hot, barrier),
            left: None,
            #[cfg(feature = "async")]
            suspended: None,
            yields: Yields::default(),
            interrupt: Arc::default(),
            sampler: None,
            sample_interval,
            replacement_polls: 0,
            terms: Terms::new(timer),
            stacks,
            seat: Arc::default(),
            stack_top: 0,
            stack_bytes,
            host_activations: Vec::new(),
            reservations: Vec::new(),
            collects,
        }
    }

    /// The words below the heap base.
    #[inline]
    pub fn hot(&self) -> Hot {
        self.hot
    }

    /// The fuel that is left.
    pub fn fuel(&self) -> u64 {
        self.yields.fuel(self.hot)
    }

    /// Sets the fuel that is left.
    pub fn set_fuel(&mut self, fuel: u64) {
        self.yields.give_fuel(self.hot, fuel);
    }

    /// Whether the fuel was ever set.
    pub fn was_given_fuel(&self) -> bool {
        self.yields.was_given()
    }

    /// The portion of fuel is used up that the guest had; whether there is more.
    pub fn refuel(&mut self) -> bool {
        self.yields.refuel(self.hot)
    }

    /// The frames of the guest.
    #[inline]
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The frames of the guest, for changing them.
    #[inline]
    pub fn frames_mut(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// What stops the guest.
    pub fn interrupt(&self) -> &Arc<InterruptCell> {
        &self.interrupt
    }

    /// Sets how long the next entry, or instantiation, may take.
    pub fn set_deadline(&mut self, span: Option<Duration>) {
        self.terms.set_span(span);
    }

    /// What ends the next entry, or instantiation, and no other.
    pub fn token(&mut self) -> Arc<Token> {
        self.terms.token()
    }

    /// An entry or instantiation begins: if there are terms for it, they count from now on, and
    /// [`Execution::disarm`] has to end them. Says whether it is so.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    #[inline]
    pub fn arm(&mut self) -> Result<bool> {
        let are_set = self.terms.are_set();
        if are_set {
            self.arm_terms()?;
        }
        Ok(are_set)
    }

    #[cold]
    fn arm_terms(&mut self) -> Result<()> {
        self.terms.arm(
            #[cfg(feature = "async")]
            self.frames.depth(),
            &self.interrupt,
        )?;
        // The time may be over already, or the token used.
        if self.interrupt.must_stop() {
            self.interrupt.raise_guard();
        }
        Ok(())
    }

    /// The entry or instantiation is over that was armed last.
    #[cold]
    pub fn disarm(&mut self) {
        self.terms.disarm(&self.interrupt);
    }

    /// The trap with which the guest has to stop, if it has to: a request, which ends here, a token, or a time that is
    /// over.
    pub fn stop(&self) -> Option<Trap> {
        if self.interrupt.take() || self.interrupt.has_used_token() {
            return Some(Trap::new(TrapKind::Interrupted));
        }
        if self.interrupt.is_late() { self.terms.late() } else { None }
    }

    /// Has samples of its stack become due about so far apart, or (none) as its engine wants them.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub fn sample_every(&mut self, interval: Option<Duration>) -> Result<()> {
        self.end_samples();
        let start = |interval| Sampler::start(interval, &self.interrupt, self.terms.timer());
        self.sampler = interval.or(self.sample_interval).map(start).transpose()?;
        Ok(())
    }

    /// No more samples become due.
    pub fn end_samples(&mut self) {
        self.sampler = None;
    }

    /// Whether a sample of its stack is due.
    #[inline]
    pub fn is_sample_due(&self) -> bool {
        self.interrupt.must_sample()
    }

    /// Whether a sample that nobody but the engine asked for found something new: else they become rare.
    pub fn sample_found(&mut self, is_new: bool) {
        if let Some(sampler) = &mut self.sampler {
            sampler.found(is_new);
        }
    }

    /// At so many of the next polls, this one included, the innermost frame may go on in newer code.
    pub fn want_replacement(&mut self, polls: u32) {
        self.replacement_polls = polls;
    }

    /// Whether the innermost frame may go on in newer code at a poll.
    pub fn wants_replacement(&self) -> bool {
        self.replacement_polls != 0
    }

    /// As [`Execution::wants_replacement`], of a poll that is one of those.
    #[inline]
    pub fn tries_replacement(&mut self) -> bool {
        let tries = self.replacement_polls != 0;
        self.replacement_polls -= u32::from(tries);
        tries
    }

    /// A sample was taken: the next one becomes due later.
    pub fn set_next_sample(&mut self) {
        let next = self.sampler.as_mut().map(|sampler| sampler.taken());
        if !matches!(next, Some(Ok(()))) {
            self.end_samples();
        }
    }

    /// Where the frame of the next entry begins: a multiple of 16. The outermost one is lent a stack, until
    /// [`Execution::release_stack`].
    #[inline]
    pub fn next_stack_pointer(&mut self, heap: &Heap) -> Result<usize> {
        if let Some(host) = self.host_activations.last() {
            return Ok(host.stack_pointer);
        }
        if !self.seat.sit() {
            self.borrow_stack(heap)?;
        }
        Ok(self.stack_top)
    }

    #[cold]
    fn borrow_stack(&mut self, heap: &Heap) -> Result<()> {
        let (top, limit) = self.stacks.lend(&self.seat, self.stack_bytes)?;
        self.stack_top = top;
        self.hot.set(STACK_LIMIT, limit as u64);
        self.interrupt.attach(self.hot);
        if self.sampler.is_none() && self.sample_interval.is_some() {
            // Without the timer's thread, no function is compiled again.
            let _ = self.sample_every(None);
        }
        self.update_guard(heap.wants_collection());
        Ok(())
    }

    /// An entry is over, or has not begun: if it was the outermost, another store may have the stack.
    #[inline]
    pub fn release_stack(&self) {
        if self.host_activations.is_empty() {
            self.seat.stand_up();
        }
    }

    /// Whether it was ever entered, and so has words for its stack.
    pub fn has_stack(&self) -> bool {
        self.stack_top != 0
    }

    /// The lowest rsp of the guest.
    #[inline]
    pub fn stack_limit(&self) -> usize {
        self.hot.get(STACK_LIMIT).narrow()
    }

    /// Computes what prologues compare rsp with. `stop`: the guest has to come to the poll.
    pub fn update_guard(&self, stop: bool) {
        let value = if stop { u64::MAX } else { self.hot.get(STACK_LIMIT).max(self.soft_limit() as u64) };
        self.interrupt.write_guard(self.hot, value);
    }

    /// Below this, the poll promotes everything; 0 if nothing is ever collected.
    pub fn soft_limit(&self) -> usize {
        match self.stack_top {
            0 => 0,
            top if self.collects => self.frames.soft_limit(top),
            _ => 0,
        }
    }

    /// A host function begins; what lies below `values` on the guest stack is free. `tail_caller` is the address of the
    /// context whose function called it by a tail call, or 0.
    #[inline]
    pub(super) fn enter_host(&mut self, values: usize, tail_caller: usize) {
        self.host_activations.push(HostActivation {
            stack_pointer: values & !15,
            tail_caller,
            #[cfg(feature = "async")]
            depth: self.frames.depth(),
        });
    }

    /// A host function is over.
    #[inline]
    pub(super) fn leave_host(&mut self) {
        self.host_activations.pop();
    }

    /// The context whose function called the innermost host function. A tail call left no frame to find it by.
    pub fn calling_context(&self) -> Option<usize> {
        let told = self.host_activations.last().map(|host| host.tail_caller).filter(|context| *context != 0);
        told.or_else(|| self.frames.calling_context())
    }

    /// The guest is about to be left without a return.
    pub fn leave(&mut self, why: Left) {
        self.left = Some(why);
    }

    /// Why it was left.
    #[inline]
    pub(super) fn take_left(&mut self) -> Option<Left> {
        self.left.take()
    }

    /// The guest returned through the return barrier: says where it goes on.
    pub(super) fn unwound(&mut self, heap: &mut Heap) {
        let pc = self.frames.unwound(heap);
        self.hot.set(RESUME_PC, pc as u64);
        self.update_guard(heap.wants_collection());
    }

    /// Faults in this range are traps from now on.
    pub fn add_reservation(&mut self, range: Range<usize>) {
        self.reservations.push(range);
    }

    /// How many such ranges there are, to come back to.
    pub fn reservations_len(&self) -> usize {
        self.reservations.len()
    }

    /// Forgets ranges that were added since then: what was there goes.
    pub fn truncate_reservations(&mut self, len: usize) {
        self.reservations.truncate(len);
    }

    /// Whether the instruction at `pc` may trap. Called by the signal handler (R9).
    pub(super) fn may_trap(&self, pc: usize) -> bool {
        self.frames.may_trap(pc)
    }

    /// Whether a fault at `address` is the trap of the instruction. Called by the signal handler (R9).
    pub(super) fn is_trap_address(&self, address: usize) -> bool {
        active(Mutant::FaultAtAnyAddress)
            || (address.wrapping_sub(self.hot.base()) as u64) < NULL_ZONE_BYTES
            || self.reservations.iter().any(|range| range.contains(&address))
    }

    /// The trap at the exit.
    pub fn trap(&self) -> Trap {
        match self.frames.trap_kind() {
            TrapKind::StackExhausted => self.stack_exhausted(),
            kind => Trap::new(kind),
        }
    }

    /// The guest's stack has no room for a frame.
    pub fn stack_exhausted(&self) -> Trap {
        Trap::with_detail(TrapKind::StackExhausted, format!("limit: {} bytes", self.stack_bytes))
    }
}

/// For guests that may be suspended.
#[cfg(feature = "async")]
impl Execution {
    /// Sets how much fuel such a guest uses at a time.
    pub fn set_fuel_portion(&mut self, portion: Option<u64>) {
        self.yields.set_portion(self.hot, portion);
    }

    /// Sets how long such a guest runs at a time.
    pub fn set_yield_span(&mut self, span: Option<Duration>) {
        self.yields.set_span(span);
    }

    /// Such a guest begins to run, or goes on.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub(super) fn begin_turn(&mut self) -> Result<()> {
        self.yields.begin(&self.interrupt, self.terms.timer())
    }

    /// Notes that the guest was left.
    pub(super) fn end_turn(&mut self) {
        self.yields.end(&self.interrupt);
    }

    /// Whether the guest lets others run now, at a poll. One that may not be suspended has its time again.
    pub fn yields_now(&mut self) -> Result<bool> {
        if !self.interrupt.must_yield() {
            return Ok(false);
        }
        self.end_turn();
        if !self.frames.can_yield() {
            self.begin_turn()?;
        }
        Ok(self.frames.can_yield())
    }

    /// The guest is about to be suspended.
    pub fn suspend(&mut self, why: Suspension) {
        self.suspended = Some(why);
    }

    /// Notes that the guest was suspended with this stack pointer, which is where the next entry's frame begins from
    /// now on.
    pub(super) fn suspended_at(&mut self, sp: usize) -> Suspension {
        let why = self.suspended.take().expect("the runtime says why it suspended the guest");
        match why {
            Suspension::Yield => self.enter_host(sp, 0),
            Suspension::Host(_) => {
                let host = self.host_activations.last_mut().expect("the guest is in a host function");
                if !active(Mutant::SuspendedStackReused) {
                    host.stack_pointer = sp & !15;
                }
            }
        }
        activation::poison_renewed(self.hot);
        why
    }

    /// When the time is over of the call that began last, and of those around it; and how many these are.
    pub(super) fn earliest(&self) -> (usize, Option<Instant>) {
        self.terms.earliest()
    }

    /// Gives up all guests that were suspended and whose futures were forgotten: nobody can resume them. For who has
    /// the whole store, so that no guest runs, and none waits for a future that is there still.
    pub fn give_up_forgotten(&mut self, heap: &mut Heap) {
        if self.frames.depth() > 0 {
            self.give_up(0, heap);
            self.end_turn();
        }
    }

    /// Gives up entries until there are so many, and what has begun at this depth: suspended guests whose futures are
    /// dropped, or that nobody will ever resume.
    pub fn give_up(&mut self, depth: usize, heap: &mut Heap) {
        while self.frames.depth() > depth {
            self.frames.pop(heap);
        }
        let hosts = &mut self.host_activations;
        hosts.truncate(hosts.iter().rposition(|host| host.depth <= depth).map_or(0, |last| last + 1));
        self.terms.disarm_from(depth, &self.interrupt);
        self.interrupt.forget_tasks(depth + 1);
        self.update_guard(heap.wants_collection());
        self.release_stack();
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.interrupt.detach();
        // A guest that was suspended will not go on.
        self.seat.stand_up();
        self.stacks.retire(&self.seat);
    }
}
