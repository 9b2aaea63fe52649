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
//! Every entry may trap (it then does not return); `collects` is said where it may collect.
//!
//! The runtime makes its functions of the same table ([`for_each_builtin`]), so numbers and types of arguments agree by
//! construction; the compiler's calls are checked against it when Heapwood is compiled ([`Builtin::args`]).

/// How an entry is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuiltinKind {
    /// A call.
    Call,
    /// A slow path that preserves all registers.
    Slow,
}

/// The type of an argument: what becomes of its word in the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgType {
    /// The lower half of the word, as a number.
    U32,
    /// The whole word, as a number.
    U64,
    /// A reference.
    RawRef,
    /// An engine-wide type id.
    TypeId,
}

macro_rules! arg_type {
    (u32) => {
        ArgType::U32
    };
    (u64) => {
        ArgType::U64
    };
    (RawRef) => {
        ArgType::RawRef
    };
    (TypeId) => {
        ArgType::TypeId
    };
}

macro_rules! builtins {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident = $module:ident :: $function:ident ($($arg:ident: $ty:ident),*) $($collects:ident)?;
    )*) => {
        /// A runtime entry point, by its index in the table.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Builtin { $($(#[$doc])* $name,)* }

        impl Builtin {
            /// All entries, by index.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => stringify!($name),)* }
            }

            /// How it is called.
            pub const fn kind(self) -> BuiltinKind {
                match self { $(Builtin::$name => BuiltinKind::$kind,)* }
            }

            /// Its arguments: names and types.
            pub const fn args(self) -> &'static [(&'static str, ArgType)] {
                match self { $(Builtin::$name => &[$((stringify!($arg), arg_type!($ty))),*],)* }
            }

            /// Whether it may collect.
            pub const fn collects(self) -> bool {
                match self { $(Builtin::$name => !matches!(stringify!($($collects)?).as_bytes(), b""),)* }
            }
        }
    };
}

/// Calls a macro with the table of entries: kind, name, the runtime's function, arguments, and whether it may collect.
#[macro_export]
macro_rules! for_each_builtin {
    ($with:ident) => {
        $with! {
            /// A prologue or a loop head found rsp below the guard: the guest is interrupted, or has reached the soft
            /// or the true limit of its stack.
            Slow Poll = slow::poll() collects;
            /// Makes room so that a bump of `bytes` succeeds when retried.
            Slow Allocate = slow::allocate(bytes: u64) collects;
            /// The host object's UNLOGGED bit was set at a reference store.
            Slow Log = slow::log(host: RawRef);
            /// The UNLOGGED bit of an array was set at a store of a reference. Low half: the array; high half: the
            /// index of the element.
            Slow LogElement = slow::log_element(host_and_index: u64);
            /// The cell (absolute address) of a reference global whose state word was clear is about to be written.
            Slow LogGlobal = slow::log_global(cell: u64);
            /// Throws an exception object; does not return here. May run handlers.
            Call Throw = exception::throw(exception: RawRef);
            /// `memory.grow`: returns the old size in pages, or -1 (as i64).
            Call MemoryGrow = memory::grow(memory: u32, pages: u64);
            /// `memory.fill`.
            Call MemoryFill = memory::fill(memory: u32, dst: u64, value: u32, len: u64);
            /// `memory.copy`.
            Call MemoryCopy = memory::copy(dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64);
            /// `memory.init`.
            Call MemoryInit = memory::init(memory: u32, segment: u32, dst: u64, src: u64, len: u64);
            /// `memory.atomic.notify`: returns how many threads were woken. Takes the lower and the upper half of the
            /// offset, then the operands.
            Call MemoryNotify = atomic::notify(memory: u32, offset_low: u32, offset_high: u32, address: u64, count: u32);
            /// `memory.atomic.wait32`: returns 0 if the thread was woken, 1 if another value was there, 2 after the
            /// timeout.
            Call MemoryWait32 = atomic::wait32(
                memory: u32, offset_low: u32, offset_high: u32, address: u64, expected: u32, timeout: u64);
            /// `memory.atomic.wait64`.
            Call MemoryWait64 = atomic::wait64(
                memory: u32, offset_low: u32, offset_high: u32, address: u64, expected: u64, timeout: u64);
            /// `data.drop`.
            Call DataDrop = memory::data_drop(segment: u32);
            /// `table.set` (traps out of bounds).
            Call TableSet = table::set(table: u32, index: u64, value: RawRef);
            /// `table.grow`: returns the old size, or -1 (as i64).
            Call TableGrow = table::grow(table: u32, value: RawRef, len: u64) collects;
            /// `table.fill`.
            Call TableFill = table::fill(table: u32, dst: u64, value: RawRef, len: u64) collects;
            /// `table.copy`.
            Call TableCopy = table::copy(dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) collects;
            /// `table.init`.
            Call TableInit = table::init(table: u32, segment: u32, dst: u64, src: u64, len: u64) collects;
            /// `elem.drop`.
            Call ElemDrop = table::elem_drop(segment: u32);
            /// A struct too large for inline allocation, zeroed. `type_id` is the engine's. It may be old: references
            /// are stored into it with a barrier.
            Call StructAlloc = array::struct_alloc(type_id: TypeId) collects;
            /// A struct as `StructAlloc` makes it, but stores up to the next safe point need no barrier: if the struct
            /// is old, it is in the log.
            Call StructNew = array::struct_new(type_id: TypeId) collects;
            /// An array of `len` zeroed elements; traps if too large. It may be old: references are stored into it with
            /// a barrier.
            Call ArrayAlloc = array::alloc(type_id: TypeId, len: u32) collects;
            /// An array as `ArrayAlloc` makes it, but stores up to the next safe point need no barrier: if the array is
            /// old, all of its chunks are in the log.
            Call ArrayNewFixed = array::new_fixed(type_id: TypeId, len: u32) collects;
            /// `array.copy`, with null and bounds checks. `element` is log2 of an element's bytes, and a bit
            /// for references: the stub copies what is short, and the runtime does not look at it.
            Call ArrayCopy = array::copy(
                element: u32, dst: RawRef, dst_index: u32, src: RawRef, src_index: u32, len: u32);
            /// `array.fill`, with null and bounds checks; the value's bits in two words.
            Call ArrayFill = array::fill(array: RawRef, index: u32, value_low: u64, value_high: u64, len: u32) collects;
            /// `array.new_data`.
            Call ArrayNewData = array::new_data(type_id: TypeId, segment: u32, offset: u32, len: u32) collects;
            /// `array.new_elem`.
            Call ArrayNewElem = array::new_elem(type_id: TypeId, segment: u32, offset: u32, len: u32) collects;
            /// `array.init_data`, with all checks.
            Call ArrayInitData = array::init_data(array: RawRef, index: u32, segment: u32, offset: u32, len: u32);
            /// `array.init_elem`, with all checks.
            Call ArrayInitElem = array::init_elem(array: RawRef, index: u32, segment: u32, offset: u32, len: u32);
            /// Whether a reference that is neither null nor an i31 has the type, whose depth is 8 or more: 0 or 1.
            Call CastDeep = array::cast_deep(reference: RawRef, type_id: TypeId);
            /// A prologue or a loop head of code that counts fuel found that its portion is used up: takes another one,
            /// or traps.
            Slow OutOfFuel = slow::out_of_fuel() collects;
            /// A call by reference in code that counts what such calls call. Low half: the function; high half: the
            /// number of the call among those of its function.
            Slow CountTarget = slow::count_target(call_and_target: u64);
        }
    };
}

for_each_builtin!(builtins);
