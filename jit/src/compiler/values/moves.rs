//! Parallel moves: many values to many places at once, through the scratch registers only.
//!
//! 1. Memory to memory and register (or constant) to memory, in the order given.
//! 2. Register to register: leaves first, then cycles by exchange.
//! 3. Memory and constants to registers.
//!
//! No flags are touched (except that a float constant zero is `xorps`, which leaves them alone too).
//!
//! Many copies from memory to memory are written once for each list of them, in the cold section, however often the
//! list occurs: values beyond those in registers, of which a block, a call or an exception may have a thousand. Whoever
//! needs them jumps there with the address to come back to in the scratch register.

use super::Values;
use super::registers::Reg;
use crate::abi::{SCRATCH, SCRATCH_XMM};
use crate::asm::{Assembler, Label, Mem, Section};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ValType;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;

/// The source of a move.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum MoveSource {
    Reg(Reg),
    Mem(Mem),
    Const(u64),
}

/// The destination of a move.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Dest {
    Reg(Reg),
    Mem(Mem),
}

/// One of the moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) ty: ValType,
    pub(crate) from: MoveSource,
    pub(crate) to: Dest,
}

/// A set of moves.
pub(crate) type Moves = SmallVec<[Move; 16]>;

/// A list of at least so many copies is shared: each copy takes 14 bytes, and the way to the list and back 12.
const SHARED_COPIES_MIN: usize = 12;

/// A copy from one place in memory to another, of a float or vector of the value's size.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Copy {
    ty: ValType,
    from: Mem,
    to: Mem,
}

/// Lists of copies that a function shares.
#[derive(Default)]
pub(super) struct SharedCopies {
    /// All lists behind each other.
    copies: Vec<Copy>,
    lists: Vec<SharedList>,
    /// Positions of lists by the hash of their copies; equal hashes follow each other in `SharedList::next`.
    /// The hasher has a random key, since the guest chooses the places.
    by_hash: HashMap<u64, u32>,
}

struct SharedList {
    range: Range<u32>,
    label: Label,
    next: Option<u32>,
}

/// The type that stands for all types of this size in memory.
fn as_bits(ty: ValType) -> ValType {
    match ty {
        ValType::I32 | ValType::F32 | ValType::Ref(_) => ValType::F32,
        ValType::I64 | ValType::F64 => ValType::F64,
        ValType::V128 => ValType::V128,
    }
}

impl SharedCopies {
    /// Forgets all lists.
    pub(super) fn clear(&mut self) {
        self.copies.clear();
        self.lists.clear();
        self.by_hash.clear();
    }

    /// Bytes that the lists take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.copies[..]) + size_of_val(&self.lists[..]) + self.by_hash.len() * 2 * size_of::<(u64, u32)>()
    }

    /// Adds the list at the end of `copies`, from `start` on, or finds an equal one that is there already. Returns its
    /// label.
    fn intern(&mut self, start: usize, new_label: impl FnOnce() -> Label) -> Label {
        let hash = self.by_hash.hasher().hash_one(&self.copies[start..]);
        let mut known = self.by_hash.get(&hash).copied();
        while let Some(index) = known {
            let list = &self.lists[index as usize];
            if self.copies[list.range.start as usize..list.range.end as usize] == self.copies[start..] {
                self.copies.truncate(start);
                return list.label;
            }
            known = list.next;
        }
        let label = new_label();
        let range = start.narrow()..self.copies.len().narrow();
        let next = self.by_hash.insert(hash, self.lists.len().narrow());
        self.lists.push(SharedList { range, label, next });
        label
    }
}

impl Values {
    /// Performs the moves. Memory destinations must not overlap memory sources of later moves.
    pub(crate) fn parallel_move(&mut self, asm: &mut Assembler, moves: &Moves) {
        let mut pending: SmallVec<[(ValType, Reg, Reg); 16]> = SmallVec::new();
        // Moves from registers and constants may come after the copies, since nothing reads their destinations.
        let shared = self.shared_copies(asm, moves);
        for m in moves {
            match (m.from, m.to) {
                (MoveSource::Reg(reg), Dest::Mem(mem)) => asm.store_reg(m.ty, mem, reg),
                (MoveSource::Const(bits), Dest::Mem(mem)) => asm.store_const(m.ty, mem, bits),
                (MoveSource::Mem(from), Dest::Mem(to)) if from != to && !shared => asm.copy_memory(m.ty, to, from),
                (MoveSource::Reg(from), Dest::Reg(to)) if from != to => pending.push((m.ty, to, from)),
                _ => {}
            }
        }
        while !pending.is_empty() {
            let is_read = |to: &Reg| pending.iter().any(|(_, _, from)| from == to);
            let leaf = pending.iter().position(|(_, to, _)| active(Mutant::MovesOverwriteEachOther) || !is_read(to));
            match leaf {
                Some(i) => {
                    let (ty, to, from) = pending.swap_remove(i);
                    asm.move_reg(ty, to, from);
                }
                None => break_cycle(asm, &mut pending),
            }
        }
        for m in moves {
            match (m.from, m.to) {
                (MoveSource::Mem(mem), Dest::Reg(reg)) => asm.load_reg(m.ty, reg, mem),
                (MoveSource::Const(bits), Dest::Reg(reg)) => asm.load_const(m.ty, reg, bits),
                _ => {}
            }
        }
    }

    /// Performs the copies from memory to memory if there are many. Returns whether there were.
    fn shared_copies(&mut self, asm: &mut Assembler, moves: &Moves) -> bool {
        if moves.len() < SHARED_COPIES_MIN {
            return false;
        }
        let start = self.copies.copies.len();
        self.copies.copies.extend(moves.iter().filter_map(|m| match (m.from, m.to) {
            (MoveSource::Mem(from), Dest::Mem(to)) if from != to => Some(Copy { ty: as_bits(m.ty), from, to }),
            _ => None,
        }));
        if self.copies.copies.len() - start < SHARED_COPIES_MIN {
            self.copies.copies.truncate(start);
            return false;
        }
        let label = self.copies.intern(start, || asm.new_label());
        let back = asm.new_label();
        asm.lea_label(SCRATCH, back);
        asm.jmp(label);
        asm.bind(back);
        true
    }

    /// Writes the shared lists. They call nothing, and nothing in them can fault.
    pub(crate) fn place_copies(&self, asm: &mut Assembler) {
        let shared = &self.copies;
        asm.switch(Section::Cold);
        for list in &shared.lists {
            asm.bind(list.label);
            for copy in &shared.copies[list.range.start as usize..list.range.end as usize] {
                asm.copy_memory(copy.ty, copy.to, copy.from);
            }
            asm.jmp_reg(SCRATCH);
        }
        asm.switch(Section::Hot);
    }
}

/// Resolves one step of a cycle; all pending moves form cycles.
fn break_cycle(asm: &mut Assembler, pending: &mut SmallVec<[(ValType, Reg, Reg); 16]>) {
    let (ty, to, from) = pending.swap_remove(pending.len() - 1);
    if to.is_xmm() {
        // Free `to` by parking it in the scratch register; its reader takes it from there.
        asm.movaps(SCRATCH_XMM, to.as_xmm());
        asm.move_reg(ty, to, from);
        for m in pending.iter_mut().filter(|m| m.2 == to) {
            m.2 = Reg::xmm(SCRATCH_XMM);
        }
    } else {
        // Each register of a cycle is read once, so nobody else reads `from`.
        asm.xchg(to.as_gpr(), from.as_gpr());
        for m in pending.iter_mut().filter(|m| m.2 == to) {
            m.2 = from;
        }
        pending.retain(|m| m.1 != m.2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Gpr;

    fn copy(index: i32) -> Copy {
        let place = |offset| Mem::base(Gpr::RBP, offset);
        Copy { ty: ValType::F64, from: place(8 * index), to: place(-8 * index) }
    }

    /// The position of a list of one copy that is interned: a new one, or that of one which is there already.
    fn intern(shared: &mut SharedCopies, asm: &mut Assembler, index: i32) -> usize {
        let start = shared.copies.len();
        shared.copies.push(copy(index));
        let label = shared.intern(start, || asm.new_label());
        assert_eq!(shared.copies.len(), shared.lists.len(), "a list that is there already is not kept twice");
        shared.lists.iter().position(|list| list.label == label).expect("it is interned")
    }

    #[test]
    fn lists_of_equal_hashes_are_told_apart() {
        let (mut shared, mut asm) = (SharedCopies::default(), Assembler::default());
        assert_eq!([1, 2, 1].map(|index| intern(&mut shared, &mut asm, index)), [0, 1, 0]);
        // The hash of another list leads to the first one, as if both had the same.
        let hash = shared.by_hash.hasher().hash_one(&[copy(3)][..]);
        shared.by_hash.insert(hash, 0);
        assert_eq!([3, 3, 1, 2].map(|index| intern(&mut shared, &mut asm, index)), [2, 2, 0, 1]);
    }
}
