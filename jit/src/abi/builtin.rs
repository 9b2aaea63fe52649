//! The runtime's entry points: one table.
//!
//! Compiled code calls entry k by `call [r15 + BUILTIN_TABLE + 8 * k]`; the word there is the address of a stub
//! that switches to the native stack and calls the runtime's function of that name.
//!
//! * **Call** entries: arguments in `[rsp + 8i]` (the caller's outgoing area), result in rax. They clobber what a
//!   guest call clobbers; references among the arguments are the runtime's to keep. Before the call the frame's
//!   reference slots are current (as at any call).
//! * **Slow** entries: one 64-bit argument in r11; all registers (r11 too) are preserved, those in the safe
//!   point's mask updated by the collector, r12d is reloaded. r12d on entry is current.
//!
//! Every entry may trap (it then does not return), `May collect` is said where it may.

/// How an entry is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuiltinKind {
    /// A call.
    Call,
    /// A slow path that preserves all registers.
    Slow,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $kind:ident $name:ident ($($arg:ident),*),)*) => {
        /// A runtime entry point, by its index in the table.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Builtin { $($(#[$doc])* $name,)* }

        impl Builtin {
            /// All entries, by index.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name),*];

            /// How it is called.
            pub const fn kind(self) -> BuiltinKind {
                match self { $(Builtin::$name => BuiltinKind::$kind,)* }
            }

            /// Names of its arguments.
            pub const fn args(self) -> &'static [&'static str] {
                match self { $(Builtin::$name => &[$(stringify!($arg)),*],)* }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => stringify!($name),)* }
            }
        }
    };
}

builtins! {
    /// Prologue or loop head found rsp below the guard: interrupt, soft or true stack limit. May collect.
    Slow Poll(),
    /// Makes room so that a bump of `bytes` succeeds when retried. May collect.
    Slow Allocate(bytes),
    /// The host object's UNLOGGED bit was set at a reference store.
    Slow Log(host),
    /// The same for an array: low half the array, high half the element index.
    Slow LogElement(host_and_index),
    /// The cell (absolute address) of a reference global whose state word was clear is about to be written.
    Slow LogGlobal(cell),
    /// Throws an exception object; does not return here. May run handlers.
    Call Throw(exception),
    /// `memory.grow`: old size in pages or -1 (as i64).
    Call MemoryGrow(memory, pages),
    /// `memory.fill`.
    Call MemoryFill(memory, dst, value, len),
    /// `memory.copy`.
    Call MemoryCopy(dst_memory, src_memory, dst, src, len),
    /// `memory.init`.
    Call MemoryInit(memory, segment, dst, src, len),
    /// `memory.atomic.notify`: how many were woken. The offset's lower and upper half, then the operands.
    Call MemoryNotify(memory, offset_low, offset_high, address, count),
    /// `memory.atomic.wait32`: 0 woken, 1 another value, 2 timed out.
    Call MemoryWait32(memory, offset_low, offset_high, address, expected, timeout),
    /// `memory.atomic.wait64`.
    Call MemoryWait64(memory, offset_low, offset_high, address, expected, timeout),
    /// `data.drop`.
    Call DataDrop(segment),
    /// `table.set` (traps out of bounds).
    Call TableSet(table, index, value),
    /// `table.grow`: old size or -1 (as i64). May collect.
    Call TableGrow(table, value, len),
    /// `table.fill`. May collect.
    Call TableFill(table, dst, value, len),
    /// `table.copy`. May collect.
    Call TableCopy(dst_table, src_table, dst, src, len),
    /// `table.init`. May collect.
    Call TableInit(table, segment, dst, src, len),
    /// `elem.drop`.
    Call ElemDrop(segment),
    /// A struct too large for inline allocation, zeroed. `type_id` is the engine's. It may be old: references are
    /// stored into it with a barrier. May collect.
    Call StructAlloc(type_id),
    /// The same, but up to the next safe point no barrier is needed: an old one is in the log. May collect.
    Call StructNew(type_id),
    /// An array of `len` zeroed elements; traps if too large. It may be old: references are stored into it with a barrier.
    /// May collect.
    Call ArrayAlloc(type_id, len),
    /// The same, but up to the next safe point no barrier is needed: all of an old one is in the log. May collect.
    Call ArrayNewFixed(type_id, len),
    /// `array.copy`, with null and bounds checks.
    Call ArrayCopy(dst, dst_index, src, src_index, len),
    /// `array.fill`, with null and bounds checks; the value's bits in two words.
    Call ArrayFill(array, index, value_low, value_high, len),
    /// `array.new_data`. May collect.
    Call ArrayNewData(type_id, segment, offset, len),
    /// `array.new_elem`. May collect.
    Call ArrayNewElem(type_id, segment, offset, len),
    /// `array.init_data`, with all checks.
    Call ArrayInitData(array, index, segment, offset, len),
    /// `array.init_elem`, with all checks.
    Call ArrayInitElem(array, index, segment, offset, len),
    /// Whether a non-null, non-i31 reference has a type of depth 8 or more: 0 or 1.
    Call CastDeep(reference, type_id),
}
