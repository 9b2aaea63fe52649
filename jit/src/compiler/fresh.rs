//! Fresh objects: how they are made, and the one emitter of initialising stores, which have no barrier.
//!
//! 1. An object that is bumped inline is young. What it references concerns neither the log, nor the snapshot of a
//!    marking, nor the incoming remembered set of blocks that are to be evacuated.
//! 2. An object that the runtime makes may be pretenured. [`Builtin::StructNew`] and [`Builtin::ArrayNewFixed`] return
//!    it *born logged*: the next minor looks at all of its references, as if each had been written with a barrier.
//! 3. Both hold up to the next safe point only, so no safe point lies before the last initialising store.
//! 4. A [`Fresh`] comes from these two places only, and nothing else is initialised without a barrier. An object that
//!    is complete when the runtime returns it ([`Builtin::StructAlloc`], [`Builtin::ArrayAlloc`]) is not a `Fresh`.

use super::call::{Arg, Entry, entry};
use super::objects::object_mem;
use super::parts::Compiler;
use super::values::{Dest, Move, MoveSource, Moves, Reg, Stored};
use crate::abi::{ALLOC_TOP, Builtin, Gpr, HEAP_BASE, RelocationTarget, SCRATCH, SCRATCH_XMM};
use crate::asm::{Alu, Cond, Imm, Mem, Section, Sse, Width};
use heapwood_gc_abi::{Mutant, Narrow, active, hot, space};
use heapwood_module::{StorageType, ValType};

/// An object whose initialising stores need no barrier.
pub(crate) struct Fresh {
    object: Gpr,
    /// How many safe points the function had when the object was made.
    safe_points: usize,
}

impl Compiler<'_> {
    /// Bumps by a constant number of bytes and writes the header word.
    pub(crate) fn allocate(&mut self, bytes: u32, header: RelocationTarget) -> Fresh {
        assert!(bytes <= space::INLINE_BYTES_MAX && bytes.is_multiple_of(8), "{bytes} bytes are not allocated inline");
        let object = self.take_gpr();
        let words = (bytes / space::REF_SCALE).narrow();
        let cold = self.asm.new_label();
        let retry = self.asm.bound_label();
        self.asm.mov_rr(Width::W32, object, ALLOC_TOP);
        self.asm.alu_ri(Width::W32, Alu::Add, ALLOC_TOP, words);
        self.asm.alu_rm(Width::W32, Alu::Cmp, ALLOC_TOP, Mem::base(HEAP_BASE, hot::ALLOC_LIMIT));
        self.asm.jcc(Cond::A, cold);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.asm.alu_ri(Width::W32, Alu::Sub, ALLOC_TOP, words);
        self.asm.mov_ri(SCRATCH, bytes as u64);
        let refs = self.values.safepoint_refs();
        self.call_slow(Builtin::Allocate, refs);
        self.asm.jmp(retry);
        self.asm.switch(was);
        self.write_header(object, header);
        self.fresh(object)
    }

    pub(crate) fn write_header(&mut self, object: Gpr, target: RelocationTarget) {
        self.asm.store_imm32_narrow(object_mem(object, 0));
        self.relocate(target);
    }

    /// A struct that is too large to be allocated inline.
    pub(crate) fn struct_new_by_call(&mut self, ty: u32) -> Fresh {
        self.new_by_call(entry!(StructNew, 0), [Arg::TypeId(ty)])
    }

    /// An array of `count` elements that is too large to be allocated inline; its length is written.
    pub(crate) fn array_new_by_call(&mut self, ty: u32, count: u32) -> Fresh {
        self.new_by_call(entry!(ArrayNewFixed, 0), [Arg::TypeId(ty), Arg::Number(count)])
    }

    fn new_by_call<const LEADING: usize>(&mut self, entry: Entry<LEADING>, args: [Arg; LEADING]) -> Fresh {
        self.call_builtin(entry, args, Some(ValType::I32));
        let object = self.pop();
        self.fresh(object.reg().expect("the result register").as_gpr())
    }

    fn fresh(&self, object: Gpr) -> Fresh {
        Fresh { object, safe_points: self.tables.safe_points() }
    }

    /// The memory operand of a byte of a fresh object, to be written. Only [`Self::initialize`] may write a reference
    /// there.
    pub(crate) fn fresh_mem(&self, fresh: &Fresh, offset: u32) -> Mem {
        debug_assert_eq!(fresh.safe_points, self.tables.safe_points(), "a safe point before the object is complete");
        object_mem(fresh.object, offset)
    }

    /// The initialising stores of the operands from height `from` on; `fields` are their storage types and offsets.
    pub(crate) fn initialize_all(
        &mut self,
        fresh: &Fresh,
        fields: impl Iterator<Item = (StorageType, u32)>,
        from: usize,
    ) {
        let mut copies = Moves::new();
        for (height, (storage, offset)) in (from..).zip(fields) {
            let (to, mem) = (Stored::of(storage), self.fresh_mem(fresh, offset));
            match (self.values.operand_source(height), storage) {
                (MoveSource::Reg(reg), _) => self.asm.store_register(to, mem, reg),
                (MoveSource::Const(bits), _) => self.asm.store_constant(to, mem, bits),
                (from, StorageType::Val(ty)) => copies.push(Move { ty, from, to: Dest::Mem(mem) }),
                (MoveSource::Mem(slot), StorageType::I8 | StorageType::I16) => {
                    self.asm.load(Width::W32, SCRATCH, slot);
                    self.asm.store_register(to, mem, Reg::gpr(SCRATCH));
                }
            }
        }
        self.parallel_move(&copies);
    }

    /// Pushes an object that is complete.
    pub(crate) fn push_fresh(&mut self, fresh: Fresh, ty: ValType) {
        self.push_reg(ty, Reg::gpr(fresh.object));
    }

    /// Zeroes the bytes `from..to` (`from` is a multiple of 4).
    pub(crate) fn clear_object(&mut self, fresh: &Fresh, from: u32, to: u32) {
        let to = to.saturating_sub(8 * active(Mutant::ObjectNotCleared) as u32);
        let mut at = from;
        if at % 8 == 4 && at < to {
            self.asm.store_imm(self.fresh_mem(fresh, at), Imm::B32(0));
            at += 4;
        }
        if to.saturating_sub(at) >= 32 {
            self.asm.sse_rr(Sse::XORPS, SCRATCH_XMM, SCRATCH_XMM);
            if to - at > 512 {
                at = self.clear_loop(fresh, at, to);
            }
            while to - at >= 16 {
                self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, self.fresh_mem(fresh, at));
                at += 16;
            }
        }
        while at < to {
            // Objects are whole multiples of 8 bytes: the padding may be cleared too.
            self.asm.store_imm(self.fresh_mem(fresh, at), Imm::B64(0));
            at += 8;
        }
    }

    /// A loop over the 16-byte pieces of `from..to`; returns where it ends.
    fn clear_loop(&mut self, fresh: &Fresh, from: u32, to: u32) -> u32 {
        let bytes = (to - from) / 16 * 16;
        let base = self.take_gpr();
        self.asm.lea(Width::W64, base, self.fresh_mem(fresh, from + bytes));
        self.asm.mov_ri(SCRATCH, (bytes as i64).wrapping_neg() as u64);
        let again = self.asm.bound_label();
        self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, Mem::indexed(base, SCRATCH, 0, 0));
        self.asm.alu_ri(Width::W64, Alu::Add, SCRATCH, 16);
        self.asm.jcc(Cond::Ne, again);
        self.release(Reg::gpr(base));
        from + bytes
    }
}
