//! What the compiler tells the runtime about a function besides its bytes.

use super::{Builtin, Gpr, LoopHead, TrapKind};
use heapwood_gc_abi::{Narrow, hot};

/// A safe point: a return address at which the collector, the unwinder or a backtrace may read a frame. It is the stack
/// map of that call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SafePoint {
    /// Offset of the return address from the start of the code.
    pub pc: u32,
    /// The first `ref_count` slots of the frame's reference area hold references or zero.
    pub ref_count: u32,
    /// General registers that hold references (only at calls of stubs that save all registers).
    pub gpr_mask: u16,
    /// The frame is not set up yet: rbp is the caller's, the return address is at rsp.
    pub frameless: bool,
    /// Offset of the landing pad that takes exceptions thrown by this call, or [`SafePoint::NO_HANDLER`].
    pub handler: u32,
    /// Offset of the instruction in the module's bytes.
    pub wasm_offset: u32,
    /// The body that the instruction is of: 0 is the function's own, else this is a position in
    /// [`CompiledFunction::inlined`], from 1.
    pub body: u16,
}

impl SafePoint {
    /// The value of `handler` where no `try_table` of this function encloses the call.
    pub const NO_HANDLER: u32 = u32::MAX;
}

/// An instruction that may fault (or is `ud2`) and the trap that this means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrapSite {
    /// Offset of the instruction from the start of the code.
    pub pc: u32,
    /// The trap that a fault there means.
    pub kind: TrapKind,
    /// The frame is not set up yet: rbp is the caller's, the return address is at rsp.
    pub frameless: bool,
    /// Offset of the instruction in the module's bytes.
    pub wasm_offset: u32,
    /// The body that the instruction is of, as in [`SafePoint::body`].
    pub body: u16,
}

/// A body that was compiled into a function, in place of a call. Its instructions run in the function's frame; a
/// backtrace names it as a frame of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InlinedBody {
    /// The function whose body it is, by defined index.
    pub function: u32,
    /// Offset of the call in the module's bytes: an instruction of the body around it.
    pub call_offset: u32,
    /// The body around it, as in [`SafePoint::body`]: one that comes before it.
    pub outer: u16,
}

/// A call by reference of which code tells the runtime what it calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountedCall {
    /// The body that it is in, as in [`SafePoint::body`].
    pub body: u16,
    /// Its operator index in that body.
    pub op: u32,
}

/// A field of the code to fill in when it is placed into an engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relocation {
    /// Offset of the 4-byte field.
    pub offset: u32,
    /// What is written there.
    pub target: RelocationTarget,
}

/// What a relocation refers to. All type indices are the module's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelocationTarget {
    /// rip-relative address of the code-pointer slot of a function that the module defines, by its index among all
    /// functions (the field is the last of its instruction).
    FunctionSlot(u32),
    /// rip-relative address of the word that says whether a function that the module defines, by its index among all
    /// functions, still counts what it calls: not 0 (the field is the last of its instruction).
    CountingWord(u32),
    /// The engine's type id.
    TypeId(u32),
    /// The header word (`id << 8`) of a new object of the type.
    TypeHeader(u32),
    /// The header word of an exception whose tag has this function type.
    ExceptionHeader(u32),
}

/// A compiled function.
#[derive(Clone, Default, Debug)]
pub struct CompiledFunction {
    /// Machine code; position-independent but for the relocations.
    pub code: Vec<u8>,
    /// Fields to fill in.
    pub relocations: Vec<Relocation>,
    /// Safe points, by ascending pc.
    pub safe_points: Vec<SafePoint>,
    /// Instructions that may trap, by ascending pc.
    pub traps: Vec<TrapSite>,
    /// Bodies that were compiled into the function's own, each behind the one around it.
    pub inlined: Vec<InlinedBody>,
    /// Calls by reference of which the code tells the runtime what they call, by the number that it names.
    pub counted: Vec<CountedCall>,
    /// Heads of loops of its own body that are reached, by ascending pc, where these were asked for
    /// ([`CompileOptions::loop_heads`](crate::CompileOptions::loop_heads)).
    pub loop_heads: Vec<LoopHead>,
    /// How the frame is laid out.
    pub record: FunctionRecord,
    /// For `inspect --asm`: (code offset, wasm offset), ascending.
    pub source_map: Vec<(u32, u32)>,
    /// Where the out-of-line parts begin.
    pub cold_start: u32,
}

impl CompiledFunction {
    /// The functions that its code calls by name, by their index among all functions; one for each place.
    pub fn callees(&self) -> impl Iterator<Item = u32> {
        self.relocations.iter().filter_map(|relocation| match relocation.target {
            RelocationTarget::FunctionSlot(function) => Some(function),
            _ => None,
        })
    }

    /// Bytes of its code and tables.
    pub fn bytes(&self) -> usize {
        size_of::<CompiledFunction>()
            + self.code.len()
            + size_of_val(&self.relocations[..])
            + size_of_val(&self.safe_points[..])
            + size_of_val(&self.traps[..])
            + size_of_val(&self.inlined[..])
            + size_of_val(&self.counted[..])
            + self.loop_heads.iter().map(LoopHead::bytes).sum::<usize>()
            + size_of_val(&self.source_map[..])
    }

    /// The name of the runtime's entry that code calls through the word at this displacement from the heap base, which is
    /// in r15; none if there is no entry's word.
    pub fn runtime_entry(displacement: i64) -> Option<&'static str> {
        let bytes = usize::try_from(displacement - i64::from(hot::BUILTIN_TABLE)).ok()?;
        let entry = Builtin::ALL.get(bytes / 8).filter(|_| bytes.is_multiple_of(8))?;
        Some(entry.name())
    }
}

/// Layout of a function's frame.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FunctionRecord {
    /// Reference slot i lies at `rbp - ref_base + 4 * i`.
    pub ref_base: u32,
    /// Bytes from rbp down to rsp.
    pub frame_bytes: u32,
    /// Bit k: `CALLEE_SAVED[k]` is saved.
    pub saved: u8,
    /// The function stores its context at `[rbp - 8]`.
    pub saves_context: bool,
    /// Bytes of stack arguments that it pops.
    pub stack_arg_bytes: u32,
}

impl FunctionRecord {
    /// Registers saved, with their offsets from rbp.
    pub fn saved_registers(&self) -> impl Iterator<Item = (Gpr, i32)> + use<> {
        let saved = self.saved;
        let used = (0..3usize).filter(move |k| saved & (1 << k) != 0);
        used.enumerate().map(|(slot, k)| (super::CALLEE_SAVED[k], super::FRAME_SAVED - 8 * slot.narrow::<i32>()))
    }
}
