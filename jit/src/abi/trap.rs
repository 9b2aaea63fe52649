//! Reasons for which a guest stops, with the texts that the specification's tests compare.

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a guest trapped.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum TrapKind { $($(#[$doc])* $name,)* }

        impl TrapKind {
            /// All kinds, by their number.
            pub const ALL: &'static [TrapKind] = &[$(TrapKind::$name),*];

            /// The message, as the specification's tests write it.
            pub const fn message(self) -> &'static str {
                match self { $(TrapKind::$name => $text,)* }
            }
        }
    };
}

traps! {
    /// `unreachable` was executed.
    Unreachable = "unreachable",
    /// Division or remainder by zero.
    IntegerDivideByZero = "integer divide by zero",
    /// `i32::MIN / -1`, or a float out of the integer's range.
    IntegerOverflow = "integer overflow",
    /// NaN to integer.
    InvalidConversion = "invalid conversion to integer",
    /// Access beyond a memory's end.
    MemoryOutOfBounds = "out of bounds memory access",
    /// Access beyond a table's end.
    TableOutOfBounds = "out of bounds table access",
    /// `call_indirect` beyond the table's end.
    UndefinedElement = "undefined element",
    /// `call_indirect` of a null element.
    UninitializedElement = "uninitialized element",
    /// `call_indirect` of another type.
    IndirectCallTypeMismatch = "indirect call type mismatch",
    /// `struct.get` and its kin on null.
    NullStruct = "null structure reference",
    /// Array instructions on null.
    NullArray = "null array reference",
    /// `call_ref` of null.
    NullFunction = "null function reference",
    /// `i31.get` of null.
    NullI31 = "null i31 reference",
    /// `throw_ref` of null.
    NullException = "null exception reference",
    /// `ref.as_non_null` of null.
    NullReference = "null reference",
    /// Index beyond an array's end.
    ArrayOutOfBounds = "out of bounds array access",
    /// `ref.cast` to a type that the value does not have.
    CastFailure = "cast failure",
    /// A null reference, or one to something else, where a string has to be.
    NotAString = "not a string",
    /// Index beyond a string's end.
    StringOutOfBounds = "out of bounds string access",
    /// A number above 0x10ffff where a code point has to be.
    InvalidCodePoint = "invalid code point",
    /// The guest stack is full.
    StackExhausted = "call stack exhausted",
    /// The heap is full.
    HeapExhausted = "heap exhausted",
    /// An array length whose size the heap can never hold.
    AllocationTooLarge = "allocation size too large",
    /// Interrupted by the host.
    Interrupted = "interrupted",
    /// The store's fuel is used up.
    OutOfFuel = "all fuel consumed",
    /// The time that the host gave was over.
    DeadlineExceeded = "deadline exceeded",
    /// `atomic.wait` on an unshared memory.
    ExpectedSharedMemory = "expected shared memory",
    /// Misaligned atomic access.
    UnalignedAtomic = "unaligned atomic",
    /// Under `debug_checks` only: a bug of the compiler.
    DirtyUpperHalf = "dirty upper half of a 32-bit value",
}
