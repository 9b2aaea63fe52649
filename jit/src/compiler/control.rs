//! Control instructions: blocks, loops, branches, returns.

use super::Compiler;
use super::edges::Edge;
use super::moves::{Dest, Move, Moves, Source};
use super::state::{Loc, Owner, Place, Reg, Registers, Snapshot, bits, in_xmm};
use super::values::{At, Value};
use crate::abi::{self, Gpr, TrapKind};
use crate::asm::{Alu, Cond, Label, Mem, Section, Width};
use heapwood_module::ValType;
use smallvec::SmallVec;
use wasmparser::FrameKind;

/// Types of a block.
#[derive(Clone, Debug)]
pub(crate) enum BlockSignature {
    Empty,
    Result([ValType; 1]),
    /// Index of a function type.
    Func(u32),
    /// The function's own results.
    Function,
}

/// An open control frame.
pub(crate) struct Control {
    pub(crate) kind: FrameKind,
    pub(crate) signature: BlockSignature,
    /// Where branches go: the end, or a loop's head.
    pub(crate) label: Label,
    pub(crate) is_loop: bool,
    /// Operand stack height below the parameters.
    pub(crate) height: usize,
    /// Operands below this height are in slots or constants for good.
    pub(crate) settled: usize,
    /// The state that the label expects; `None` until the first branch.
    pub(crate) target: Option<Box<Snapshot>>,
    /// The state at the condition of an `if`, and where its false edge goes.
    pub(crate) otherwise: Option<(Label, Box<Snapshot>)>,
    /// A branch to it is a return.
    pub(crate) is_tail: bool,
    /// Locals pinned while this loop is open.
    pub(super) pins: SmallVec<[u32; 6]>,
    /// Landing pad that was current before this construct.
    pub(crate) outer_handler: Option<u32>,
    /// Landing pad of exceptions thrown right inside of it.
    pub(crate) inside: Option<u32>,
    pub(crate) catches: Vec<wasmparser::Catch>,
    /// Where a legacy `catch` sends exceptions of other tags.
    pub(crate) next_catch: Option<Label>,
    /// Where its end lies; an arm may be in another section.
    section: Section,
    /// The `else` of this `if` goes to the unlikely section.
    rare_else: bool,
}

/// Registers that loops pin: those that no instruction needs for itself.
const PIN_GPRS: [Gpr; 4] = [Gpr::RSI, Gpr::RDI, Gpr::R8, Gpr::R9];
const PIN_XMMS: std::ops::Range<u8> = 5..15;

impl Compiler<'_> {
    pub(crate) fn params_of(&self, signature: &BlockSignature) -> &[ValType] {
        match signature {
            BlockSignature::Func(ty) => &self.info.types.func(*ty).params,
            _ => &[],
        }
    }

    pub(crate) fn results_of<'s>(&'s self, signature: &'s BlockSignature) -> &'s [ValType] {
        match signature {
            BlockSignature::Empty => &[],
            BlockSignature::Result(ty) => ty,
            BlockSignature::Func(ty) => &self.info.types.func(*ty).results,
            BlockSignature::Function => self.results,
        }
    }

    /// Number of values that a branch to control frame `index` carries.
    fn label_arity(&self, index: usize) -> usize {
        let control = &self.control[index];
        if control.is_loop {
            self.params_of(&control.signature).len()
        } else {
            self.results_of(&control.signature).len()
        }
    }

    /// Types of the values that a branch to control frame `index` carries.
    pub(crate) fn label_types_of(&self, index: usize) -> smallvec::SmallVec<[ValType; 4]> {
        let control = &self.control[index];
        if control.is_loop {
            self.params_of(&control.signature).into()
        } else {
            self.results_of(&control.signature).into()
        }
    }

    pub(crate) fn control_index(&self, depth: u32) -> usize {
        self.control.len() - 1 - depth as usize
    }

    pub(crate) fn enter_control_function(&mut self) {
        self.enter(FrameKind::Block, BlockSignature::Function, 0);
        self.control[0].is_tail = true;
    }

    pub(crate) fn enter(&mut self, kind: FrameKind, signature: BlockSignature, settled: usize) {
        let height = self.stack.len() - self.params_of(&signature).len();
        let is_loop = kind == FrameKind::Loop;
        let is_tail = matches!(kind, FrameKind::Block | FrameKind::If)
            && self.results_of(&signature).len() == self.results.len()
            && self.look.tail_blocks.binary_search(&self.op).is_ok();
        let label = self.asm.new_label();
        self.control.push(Control {
            kind,
            signature,
            label,
            is_loop,
            height,
            settled: settled.min(height),
            target: None,
            otherwise: None,
            is_tail,
            pins: SmallVec::new(),
            outer_handler: self.handler,
            inside: self.handler,
            catches: Vec::new(),
            next_catch: None,
            section: self.asm.section(),
            rare_else: false,
        });
    }

    pub(crate) fn block(&mut self, signature: BlockSignature) {
        let to = self.stack.len() - self.params_of(&signature).len();
        let settled = self.settle_operands(to);
        self.enter(FrameKind::Block, signature, settled);
    }

    // ---- loops

    pub(crate) fn begin_loop(&mut self, signature: BlockSignature) {
        for height in self.open_from()..self.stack.len() {
            self.spill(height);
        }
        let param_count = self.params_of(&signature).len();
        let height = self.stack.len() - param_count;
        for param in height..self.stack.len() {
            // Parameters differ from round to round: constants do not survive.
            if matches!(self.stack[param].place, Place::Const(_)) {
                self.stack[param].place = Place::Slot;
            }
            self.stack[param].ty = self.params_of(&signature)[param - height];
        }
        while self.look.loops[self.next_loop].start_op < self.op {
            self.next_loop += 1;
        }
        let index = self.next_loop;
        let pins = self.pin_locals(index);
        self.flush_locals();
        self.context_valid &= !self.look.loops[index].has_calls;
        self.enter(FrameKind::Loop, signature, height);
        let snapshot = self.snapshot(height);
        let control = self.control.last_mut().expect("just entered");
        control.target = Some(Box::new(snapshot));
        control.pins = pins;
        let label = control.label;
        self.asm.bind(label);
        let refs = self.safepoint_refs();
        self.poll(refs);
    }

    /// All unpinned locals are in their home slots only.
    fn flush_locals(&mut self) {
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            if !self.locals[local as usize].pinned {
                self.local_to_slot(local);
            }
        }
        for local in std::mem::take(&mut self.const_locals) {
            self.store_local(local);
            self.locals[local as usize].loc = Loc::Slot;
        }
    }

    /// Pins the hot locals of a loop without calls; other loops keep what the function pins.
    fn pin_locals(&mut self, index: usize) -> SmallVec<[u32; 6]> {
        let mut pins = SmallVec::new();
        let info = &self.look.loops[index];
        if info.has_calls {
            return pins;
        }
        for used in &info.uses {
            let local = self.locals[used.local as usize];
            if local.pinned || used.weight < 2 {
                continue;
            }
            let Some(reg) = self.free_pin_register(in_xmm(local.ty)) else { continue };
            self.pin_local(used.local, reg);
            pins.push(used.local);
        }
        pins
    }

    fn free_pin_register(&self, xmm: bool) -> Option<Reg> {
        let usable = |reg: &Reg| match self.regs.owner(*reg) {
            Owner::Local(local) => !self.locals[local as usize].pinned,
            Owner::Free => true,
            _ => false,
        };
        if xmm {
            PIN_XMMS.map(|x| Reg::xmm(abi::Xmm(x))).find(usable)
        } else {
            PIN_GPRS.iter().map(|g| Reg::gpr(*g)).find(usable)
        }
    }

    fn pin_local(&mut self, local: u32, reg: Reg) {
        let mut info = self.locals[local as usize];
        if self.regs.owner(reg) != Owner::Local(local) {
            self.evict(reg);
            let ty = info.ty;
            match info.loc {
                Loc::Reg { reg: old, .. } => {
                    self.move_reg(ty, reg, old);
                    self.regs.free(old);
                }
                Loc::Const(bits) => {
                    self.load_const(ty, reg, bits);
                    self.const_locals.retain(|l| *l != local);
                }
                Loc::Slot => self.load_reg(ty, reg, Mem::base(Gpr::RBP, info.home)),
            }
        }
        if info.ty.is_ref() {
            // The slot would keep an old object alive while the register changes.
            self.asm.store_imm(Width::W32, Mem::base(Gpr::RBP, info.home), 0);
        }
        info.loc = Loc::Reg { reg, dirty: true };
        info.pinned = true;
        self.locals[local as usize] = info;
        self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
    }

    // ---- conditions

    /// Pops a condition and returns the flag test for "true", emitting a test if it is not in the flags.
    pub(crate) fn pop_condition(&mut self) -> Condition {
        let mut value = self.pop();
        match value.at {
            At::Flags(cond) => Condition::Flags(cond),
            At::Const(bits) => Condition::Always(bits as u32 != 0),
            _ => {
                let reg = self.in_gpr(&mut value);
                Condition::Register(reg, value)
            }
        }
    }

    /// Emits the test of a condition that is still in a register; moves in between are allowed.
    pub(crate) fn test_condition(&mut self, condition: &Condition) -> Option<Cond> {
        match condition {
            Condition::Flags(cond) => Some(*cond),
            Condition::Register(reg, _) => {
                self.asm.test_rr(Width::W32, *reg, *reg);
                Some(Cond::Ne)
            }
            Condition::Always(_) => None,
        }
    }

    pub(crate) fn begin_if(&mut self, signature: BlockSignature) {
        let hint = self.usable_hint();
        let condition = self.pop_condition();
        let to = self.stack.len() - self.params_of(&signature).len();
        let settled = self.settle_operands(to);
        self.settle_const_locals();
        let cond = self.test_condition(&condition);
        self.release_condition(&condition);
        let (label, rare_arm) = (self.asm.new_label(), self.asm.new_label());
        let hint = hint.filter(|_| cond.is_some());
        match (cond, &condition) {
            (Some(cond), _) if hint == Some(false) => self.asm.jcc(cond, rare_arm),
            (Some(cond), _) => self.asm.jcc(cond.negate(), label),
            (None, Condition::Always(false)) => self.asm.jmp(label),
            _ => {}
        }
        self.enter(FrameKind::If, signature, settled);
        let snapshot = self.snapshot(self.control.last().expect("just entered").settled);
        let control = self.control.last_mut().expect("just entered");
        control.otherwise = Some((label, Box::new(snapshot)));
        control.rare_else = hint == Some(true);
        if hint == Some(false) {
            self.asm.switch(Section::Unlikely);
            self.asm.bind(rare_arm);
        }
    }

    /// The hint of this branch, where it can move something out of line.
    fn usable_hint(&mut self) -> Option<bool> {
        self.branch_hint().filter(|_| self.asm.section() == Section::Hot)
    }

    pub(crate) fn release_condition(&mut self, condition: &Condition) {
        if let Condition::Register(_, value) = condition {
            self.release_value(value);
        }
    }

    pub(crate) fn begin_else(&mut self) {
        let index = self.control.len() - 1;
        if !self.unreachable {
            self.leave_arm(index, self.control[index].rare_else);
        }
        let control = self.control.last_mut().expect("validated body");
        control.kind = FrameKind::Else;
        let section = if control.rare_else { Section::Unlikely } else { control.section };
        let (label, snapshot) = control.otherwise.take().expect("an if");
        self.asm.switch(section);
        self.asm.bind(label);
        self.unreachable = false;
        self.restore(&snapshot);
    }

    /// An arm goes to the label (or returns), by falling through if nothing lies between in the label's section.
    pub(crate) fn leave_arm(&mut self, index: usize, label_is_next: bool) {
        let arity = self.prepare_branch(index);
        let control = &self.control[index];
        if label_is_next && !control.is_tail && self.asm.section() == control.section {
            let edge = self.plan_edge(index, arity);
            self.emit_edge(&edge);
        } else {
            self.take_branch(index, arity);
        }
    }

    /// An `if` without values takes the state of its false edge for its label: that edge needs no code then.
    fn choose_if_target(&mut self, index: usize, arity: usize) {
        let control = &self.control[index];
        if control.target.is_some() || arity != 0 || control.is_tail {
            return;
        }
        let Some((_, snapshot)) = &control.otherwise else { return };
        if snapshot.operands.len() + snapshot.from as usize != control.height {
            return;
        }
        let mut snapshot = snapshot.clone();
        self.drop_dead_locals(&mut snapshot);
        self.control[index].target = Some(snapshot);
    }

    // ---- ends

    pub(crate) fn end(&mut self) {
        let index = self.control.len() - 1;
        match self.control[index].kind {
            FrameKind::Loop => self.end_loop(),
            FrameKind::TryTable => self.end_try_table(),
            FrameKind::LegacyTry => self.end_uncaught(self.control[index].outer_handler),
            FrameKind::LegacyCatch | FrameKind::LegacyCatchAll => self.end_catch(),
            _ => self.end_block(),
        }
    }

    fn end_loop(&mut self) {
        let control = self.control.pop().expect("validated body");
        for local in control.pins {
            self.locals[local as usize].pinned = false;
        }
        if self.unreachable {
            self.fabricate_state(control.height, &control.signature);
        }
    }

    pub(crate) fn end_block(&mut self) {
        let index = self.control.len() - 1;
        let arity = self.label_arity(index);
        if index == 0 {
            if !self.unreachable && !self.after_tail {
                self.emit_return();
            }
            self.control.pop();
            self.unreachable = true;
            return;
        }
        if self.control[index].is_tail {
            self.end_tail_block();
            return;
        }
        if let Some((label, snapshot)) = self.control[index].otherwise.take() {
            self.end_if_without_else(index, arity, label, snapshot);
        } else if !self.unreachable && self.asm.section() != self.control[index].section {
            self.leave_arm(index, false);
        } else if self.control[index].target.is_some() && !self.unreachable {
            let edge = self.plan_edge(index, arity);
            self.emit_edge(&edge);
        }
        self.close_block();
    }

    /// The label, if anything branches to it; all values are where it expects them.
    pub(crate) fn close_block(&mut self) {
        let control = self.control.pop().expect("validated body");
        self.asm.switch(control.section);
        match control.target {
            Some(target) => {
                self.asm.bind(control.label);
                self.unreachable = false;
                // Of what follows a tail block, only a label of another kind (of a `try_table`) can be reached.
                self.after_tail = false;
                self.restore(&target);
            }
            None if self.unreachable => self.fabricate_state(control.height, &control.signature),
            None => {}
        }
    }

    /// Every branch to a tail block has returned already; only a missing `else` still comes through.
    fn end_tail_block(&mut self) {
        if !self.unreachable && !self.after_tail {
            self.emit_return();
        }
        let control = self.control.pop().expect("validated body");
        self.asm.switch(control.section);
        self.unreachable = false;
        self.after_tail = control.otherwise.is_none();
        match control.otherwise {
            Some((label, snapshot)) => {
                self.asm.bind(label);
                self.restore(&snapshot);
            }
            None => self.fabricate_state(control.height, &control.signature),
        }
    }

    /// Both the arm and the false edge go to the label; leaves the state to be replaced by the label's.
    fn end_if_without_else(&mut self, index: usize, arity: usize, label: Label, snapshot: Box<Snapshot>) {
        let out_of_line = self.asm.section() != self.control[index].section;
        let falls_through = !self.unreachable && !out_of_line;
        if !self.unreachable {
            self.control[index].otherwise = Some((label, snapshot.clone()));
            self.leave_arm(index, true);
            self.control[index].otherwise = None;
        }
        self.asm.switch(self.control[index].section);
        self.unreachable = false;
        if self.control[index].target.is_none() {
            self.asm.bind(label);
            self.control[index].target = Some(snapshot);
            return;
        }
        self.restore(&snapshot);
        let edge = self.plan_edge(index, arity);
        if falls_through && !edge.is_empty() {
            self.asm.jmp(self.control[index].label);
        }
        self.asm.bind(label);
        self.emit_edge(&edge);
    }

    /// After code that nothing reaches (a block that nobody leaves): any consistent state will do.
    pub(crate) fn fabricate_state(&mut self, height: usize, signature: &BlockSignature) {
        self.unreachable = false;
        let results = self.results_of(signature).to_vec();
        let keep = Snapshot {
            registers: self.pinned_registers(),
            dirty: u32::MAX,
            from: height as u32,
            context_valid: false,
            framed: self.framed,
            ..Snapshot::default()
        };
        for operand in &mut self.stack[..height] {
            if let Place::Alias(local) = operand.place {
                self.locals[local as usize].aliases -= 1;
            }
            if operand.ty.is_ref() || !matches!(operand.place, Place::Const(_)) {
                operand.place = Place::Slot;
            }
        }
        self.restore(&keep);
        for ty in results {
            self.push_const(ty, 0);
        }
    }

    /// Ownership with nothing but the pinned locals.
    pub(crate) fn pinned_registers(&self) -> Registers {
        let mut registers = Registers::default();
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            let info = &self.locals[local as usize];
            if info.pinned {
                registers.set(reg, Owner::Local(local), info.ty.is_ref());
            }
        }
        registers
    }

    // ---- branches

    pub(crate) fn br(&mut self, depth: u32) {
        let index = self.control_index(depth);
        self.branch_to(index);
        self.unreachable = true;
    }

    /// An unconditional branch with the label's values on top of the stack.
    pub(crate) fn branch_to(&mut self, index: usize) {
        let arity = self.prepare_branch(index);
        self.take_branch(index, arity);
    }

    pub(crate) fn br_if(&mut self, depth: u32) {
        let hint = self.usable_hint();
        let condition = self.pop_condition();
        self.branch_if_hinted(depth, condition, hint);
    }

    /// Branches if the condition holds; the state stays.
    pub(crate) fn branch_if(&mut self, depth: u32, condition: Condition) {
        self.branch_if_hinted(depth, condition, None);
    }

    fn branch_if_hinted(&mut self, depth: u32, condition: Condition, hint: Option<bool>) {
        let index = self.control_index(depth);
        if let Condition::Always(taken) = condition {
            if taken {
                // The code after it stays in the stream, so the state does too.
                self.branch_to(index);
            }
            return;
        }
        let tail = self.control[index].is_tail;
        let arity = self.prepare_branch(index);
        let cond = self.test_condition(&condition).expect("not constant");
        self.release_condition(&condition);
        if hint == Some(true) && self.is_open_block(index) {
            return self.leave_likely(index, cond);
        }
        let edge = (!tail).then(|| self.plan_edge(index, arity));
        if edge.as_ref().is_some_and(Edge::is_empty) {
            return self.asm.jcc(cond, self.control[index].label);
        }
        if hint == Some(false) {
            return self.leave_unlikely(index, edge.as_ref(), cond);
        }
        let skip = self.asm.new_label();
        self.asm.jcc(cond.negate(), skip);
        self.take_edge(index, edge.as_ref());
        self.asm.bind(skip);
    }

    /// Whether this is the innermost construct, and what is left of it may move elsewhere as a whole.
    fn is_open_block(&self, index: usize) -> bool {
        let control = &self.control[index];
        index + 1 == self.control.len() && control.kind == FrameKind::Block && control.section == self.asm.section()
    }

    /// A branch out of the innermost block that is usually taken: the rest of the block goes to the unlikely section.
    fn leave_likely(&mut self, index: usize, cond: Cond) {
        let rest = self.asm.new_label();
        self.asm.jcc(cond.negate(), rest);
        self.leave_arm(index, true);
        self.asm.switch(Section::Unlikely);
        self.asm.bind(rest);
    }

    /// A branch that is rarely taken and needs code on its way.
    fn leave_unlikely(&mut self, index: usize, edge: Option<&Edge>, cond: Cond) {
        let out = self.asm.new_label();
        self.asm.jcc(cond, out);
        let was = self.asm.switch(Section::Unlikely);
        self.asm.bind(out);
        self.take_edge(index, edge);
        self.asm.switch(was);
    }

    /// Jumps to a decided label (or returns) without changing the state.
    pub(crate) fn take_branch(&mut self, index: usize, arity: usize) {
        let edge = (!self.control[index].is_tail).then(|| self.plan_edge(index, arity));
        self.take_edge(index, edge.as_ref());
    }

    /// The same with the edge planned; without one it returns.
    fn take_edge(&mut self, index: usize, edge: Option<&Edge>) {
        match edge {
            None => self.emit_return(),
            Some(edge) => {
                self.emit_edge(edge);
                self.asm.jmp(self.control[index].label);
            }
        }
    }

    /// Decides the label of a conditional branch; returns its arity.
    pub(crate) fn prepare_branch(&mut self, index: usize) -> usize {
        let arity = self.label_arity(index);
        if !self.control[index].is_tail {
            self.choose_if_target(index, arity);
            self.decide_target(index, arity);
        }
        arity
    }

    pub(crate) fn br_table(&mut self, targets: &wasmparser::BrTable<'_>) {
        let mut index_value = self.pop();
        let reg = self.owned(&mut index_value).as_gpr();
        let depths: Vec<u32> = targets.targets().filter_map(|t| t.ok()).chain([targets.default()]).collect();
        // Every distinct label is decided from this state; then each gets one edge.
        let mut edges: Vec<(u32, Label)> = Vec::new();
        let mut distinct: Vec<u32> = depths.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for depth in &distinct {
            let index = self.control_index(*depth);
            self.prepare_branch(index);
        }
        let default = depths.len() - 1;
        self.asm.mov_ri(abi::SCRATCH, default as u64);
        self.asm.alu_rr(Width::W32, Alu::Cmp, reg, abi::SCRATCH);
        self.asm.cmov(Width::W32, Cond::A, reg, abi::SCRATCH);
        let table = self.asm.new_label();
        self.asm.lea_label(abi::SCRATCH, table);
        self.asm.load_sx(Width::W32, Width::W64, reg, Mem::indexed(abi::SCRATCH, reg, 2, 0));
        self.asm.alu_rr(Width::W64, Alu::Add, reg, abi::SCRATCH);
        self.asm.jmp_reg(reg);
        self.release_value(&index_value);
        for depth in &distinct {
            let index = self.control_index(*depth);
            let arity = self.label_arity(index);
            let edge = (!self.control[index].is_tail).then(|| self.plan_edge(index, arity));
            let label = if edge.as_ref().is_some_and(Edge::is_empty) {
                self.control[index].label
            } else {
                let label = self.asm.bound_label();
                self.take_edge(index, edge.as_ref());
                label
            };
            edges.push((*depth, label));
        }
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(table);
        let base = self.asm.position();
        for depth in &depths {
            let at = edges.binary_search_by_key(depth, |e| e.0).expect("every depth has an edge");
            self.asm.table_entry(base, edges[at].1);
        }
        self.asm.switch(was);
        self.unreachable = true;
    }

    pub(crate) fn return_(&mut self) {
        self.emit_return();
        self.unreachable = true;
    }

    /// Moves the top operands to the result places and leaves; the state stays.
    pub(crate) fn emit_return(&mut self) {
        let from = self.stack.len() - self.results.len();
        let places = self.layout.results.clone();
        let moves = self.place_moves(from, &places, Gpr::RBP, 16 + self.layout.arg_bytes);
        self.parallel_move(&moves);
        self.epilogue();
    }

    /// The moves of the operands from height `from` on to places of a call; those on the stack begin at
    /// `base + offset`.
    pub(crate) fn place_moves(&mut self, from: usize, places: &[abi::Place], base: Gpr, offset: u32) -> Moves {
        let mut moves = Moves::new();
        for (height, place) in (from..).zip(places) {
            let to = match place {
                abi::Place::Gpr(gpr) => Dest::Reg(Reg::gpr(*gpr)),
                abi::Place::Xmm(xmm) => Dest::Reg(Reg::xmm(*xmm)),
                abi::Place::Stack(at) => Dest::Mem(Mem::base(base, (offset + at) as i32)),
            };
            moves.push(Move { ty: self.stack[height].ty, from: self.operand_source(height), to });
        }
        moves
    }

    /// Where an operand is, as the source of a move.
    pub(crate) fn operand_source(&mut self, height: usize) -> Source {
        match self.stack[height].place {
            Place::Const(bits) => Source::Const(bits),
            Place::Reg(reg) => Source::Reg(reg),
            Place::Slot => Source::Mem(Mem::base(Gpr::RBP, self.operand_slot(height))),
            Place::Alias(local) => self.local_source(local),
            Place::Direct(_) | Place::Flags(_) => unreachable!("only the next operator sees such a place"),
        }
    }

    pub(crate) fn unreachable_op(&mut self) {
        self.trap_site(TrapKind::Unreachable);
        self.asm.ud2();
        self.unreachable = true;
    }
}

/// A popped condition.
pub(crate) enum Condition {
    /// In the flags: this test means true.
    Flags(Cond),
    /// In a register: nonzero means true.
    Register(Gpr, Value),
    /// Known.
    Always(bool),
}
