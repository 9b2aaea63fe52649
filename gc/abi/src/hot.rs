//! The store's words below the heap base: what compiled code reaches in one instruction from r15.
//!
//! Displacements are from the heap base. Those within -128 encode as one byte. A word is a row of `hot_words!`, which
//! says what a nested entry into the guest does with it: there is no way to make one without.

/// What becomes of a word when the host enters the guest again while an outer guest waits for the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordRule {
    /// Each activation has its own: the entry saves it, and puts it back when it is over.
    Activation,
    /// Written by the runtime right before a stub reads it: nothing that stands there at an entry is read after it.
    Dead,
    /// One for all activations of the store: whoever runs keeps it current.
    Shared,
}

/// What becomes of a word while a guest is suspended: its frames wait, its store may go to another thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suspended {
    /// The word goes with the store, and the guest goes on with what stands there then.
    Stays,
    /// The word names something of the thread that the guest was left on: it is of no meaning until the guest is
    /// resumed.
    Renewed,
    /// The word means nothing between two functions of the runtime anyway.
    Nothing,
}

/// A word, as a table lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HotWord {
    /// The constant's name.
    pub name: &'static str,
    /// Displacement from the heap base.
    pub disp: i32,
    /// Size of the word in bytes: 4 or 8.
    pub bytes: u32,
    /// What a nested entry does with it.
    pub rule: WordRule,
    /// What a suspension does with it.
    pub suspended: Suspended,
}

/// Defines words, `NAME: type = displacement, rule, rule of suspension;` with their documentation, as constants and as
/// a table of all.
#[macro_export]
macro_rules! hot_words {
    (
        $(#[$table_doc:meta])* $table:ident;
        $($(#[$doc:meta])* $name:ident: $type:ty = $disp:literal, $rule:ident, $suspended:ident;)*
    ) => {
        $($(#[$doc])* pub const $name: i32 = $disp;)*

        $(#[$table_doc])*
        pub const $table: &[$crate::hot::HotWord] = &[$($crate::hot::HotWord {
            name: stringify!($name),
            disp: $disp,
            bytes: size_of::<$type>() as u32,
            rule: $crate::hot::WordRule::$rule,
            suspended: $crate::hot::Suspended::$suspended,
        }),*];
    };
}

hot_words! {
    /// The words that compiled code, the stubs and the collector share.
    HOT_WORDS;
    /// The allocation top as a reference; authoritative only while no guest code runs (compiled code keeps it
    /// in r12d and writes it back on every exit).
    ALLOC_TOP: u32 = -4, Shared, Stays;
    /// End of the allocation area as a reference; a bump beyond it goes out of line. 0 sends every allocation there.
    ALLOC_LIMIT: u32 = -8, Shared, Stays;
    /// What prologues and loop heads compare rsp with: the larger of the stack limit, the soft stack limit, or
    /// `u64::MAX` when the guest has to stop (interrupt, timeout, collection request).
    STACK_GUARD: u64 = -16, Shared, Stays;
    /// The true end of the guest stack (with room for the runtime's stubs below).
    STACK_LIMIT: u64 = -24, Shared, Stays;
    /// Native stack pointer to switch to for host calls and builtins.
    NATIVE_SP: u64 = -32, Activation, Renewed;
    /// The runtime's store.
    STORE: u64 = -40, Shared, Stays;
    /// rbp of the guest frame that last left guest code.
    EXIT_FP: u64 = -48, Activation, Stays;
    /// Return address into the guest code that last left.
    EXIT_PC: u64 = -56, Activation, Stays;
    /// The saved registers of a slow-path stub, or 0 (where the collector updates registers in the mask).
    EXIT_REGS: u64 = -64, Activation, Stays;
    /// rsp at the last exit (just above the return address).
    EXIT_SP: u64 = -72, Activation, Stays;
    /// rbp of the entry frame, where a walk of the guest stack ends.
    ENTRY_FP: u64 = -80, Activation, Stays;
    /// The fuel that is left, signed; below zero when it is used up. Only code of engines that count fuel has it.
    FUEL: u64 = -88, Shared, Stays;
    /// What the barrier lets pass: a value of which the predecessor (null's is `u32::MAX`) is above this, unsigned, may be
    /// stored without a log entry, since it is null, an old object or an i31 and nobody has to know what leads there.
    /// `u32::MAX` lets nothing pass: a marking or the recording of edges is under way. Above it there is nothing.
    BARRIER_FLOOR: u32 = -92, Shared, Stays;
    /// Entries in [`LOG_BUFFER`].
    LOG_LENGTH: u32 = -96, Shared, Stays;
    /// Entries that the buffer may hold: [`LOG_BUFFER_ENTRIES`], or 0 where the runtime has to see every entry, since a
    /// marking or the recording of edges is under way. A stub that finds no room enters the runtime.
    LOG_ROOM: u32 = -100, Shared, Stays;
}

/// Displacement of the entries of the log that stubs have made and the runtime has not taken over, each a u64: the
/// object in its low half; in its high half 0, or the number of a chunk of its elements, counted from 1. It is one for
/// all activations of the store and stays when a guest is suspended, like the words that describe it.
pub const LOG_BUFFER: i32 = -1024;
/// Entries of that buffer: so few that the fields of the largest objects in it lengthen no pause by much.
pub const LOG_BUFFER_ENTRIES: u32 = 64;

/// Displacement of the table of runtime entry points; entry k is the u64 at `BUILTIN_TABLE + 8 * k`.
pub const BUILTIN_TABLE: i32 = -4096;
/// Most entries of that table.
pub const BUILTINS_MAX: usize = 256;
