//! Parallel moves: many values to many places at once, through the scratch registers only.
//!
//! 1. Memory to memory and register (or constant) to memory, in the order given.
//! 2. Register to register: leaves first, then cycles by exchange.
//! 3. Memory and constants to registers.
//!
//! No flags are touched (except that a float constant zero is `xorps`, which leaves them alone too).

use super::Compiler;
use super::state::Reg;
use crate::abi::SCRATCH_XMM;
use crate::asm::Mem;
use heapwood_module::ValType;
use smallvec::SmallVec;

/// A source.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Source {
    Reg(Reg),
    Mem(Mem),
    Const(u64),
}

/// A destination.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Dest {
    Reg(Reg),
    Mem(Mem),
}

/// One of the moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) ty: ValType,
    pub(crate) from: Source,
    pub(crate) to: Dest,
}

/// A set of moves.
pub(crate) type Moves = SmallVec<[Move; 16]>;

impl Compiler<'_> {
    /// Performs the moves. Memory destinations must not overlap memory sources of later moves.
    pub(crate) fn parallel_move(&mut self, moves: &Moves) {
        let mut pending: SmallVec<[(ValType, Reg, Reg); 16]> = SmallVec::new();
        for m in moves {
            match (m.from, m.to) {
                (Source::Reg(reg), Dest::Mem(mem)) => self.store_reg(m.ty, mem, reg),
                (Source::Const(bits), Dest::Mem(mem)) => self.store_const(m.ty, mem, bits),
                (Source::Mem(from), Dest::Mem(to)) if from != to => self.copy_memory(m.ty, to, from),
                (Source::Reg(from), Dest::Reg(to)) if from != to => pending.push((m.ty, to, from)),
                _ => {}
            }
        }
        while !pending.is_empty() {
            let leaf = pending.iter().position(|(_, to, _)| !pending.iter().any(|(_, _, from)| from == to));
            match leaf {
                Some(i) => {
                    let (ty, to, from) = pending.swap_remove(i);
                    self.move_reg(ty, to, from);
                }
                None => self.break_cycle(&mut pending),
            }
        }
        for m in moves {
            match (m.from, m.to) {
                (Source::Mem(mem), Dest::Reg(reg)) => self.load_reg(m.ty, reg, mem),
                (Source::Const(bits), Dest::Reg(reg)) => self.load_const(m.ty, reg, bits),
                _ => {}
            }
        }
    }

    /// All pending moves form cycles: resolves one step of one.
    fn break_cycle(&mut self, pending: &mut SmallVec<[(ValType, Reg, Reg); 16]>) {
        let (ty, to, from) = pending.swap_remove(pending.len() - 1);
        if to.is_xmm() {
            // Free `to` by parking it in the scratch register; its reader takes it from there.
            self.asm.movaps(SCRATCH_XMM, to.as_xmm());
            self.move_reg(ty, to, from);
            for m in pending.iter_mut().filter(|m| m.2 == to) {
                m.2 = Reg::xmm(SCRATCH_XMM);
            }
        } else {
            self.asm.xchg(to.as_gpr(), from.as_gpr());
            for m in pending.iter_mut() {
                if m.2 == to {
                    m.2 = from;
                } else if m.2 == from {
                    m.2 = to;
                }
            }
            pending.retain(|m| m.1 != m.2);
        }
    }
}
