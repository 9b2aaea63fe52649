//! The compiler of one function: what it reads, and the parts that own its state.
//!
//! Chapters are `impl` blocks of it. They reach a part by its functions only, most of them through `operands`.

use super::control::flow::Flow;
use super::cursor::Cursor;
use super::frame::Frame;
use super::options::CompileEnv;
use super::tables::Tables;
use super::values::Values;
use crate::abi::{CallLayout, RelocationTarget, TrapKind, TrapSite};
use crate::asm::{Assembler, Label};
use crate::budget::{BudgetExceeded, CODE_BYTES_MAX, Share};
use crate::error::CompileError;
use crate::inlining::Plan;
use crate::operators::Facts;
use heapwood_module::{ModuleInfo, ValType};
use smallvec::SmallVec;

/// The compiler of one function: read-only context first, then the parts, then the output.
pub(crate) struct Compiler<'a> {
    pub(super) env: CompileEnv<'a>,
    pub(super) info: &'a ModuleInfo,
    /// The function that is compiled, by its index among all.
    pub(super) function: u32,
    pub(super) results: &'a [ValType],
    pub(super) layout: CallLayout,
    /// Whether something in the function calls: inlined bodies count.
    pub(super) has_calls: bool,
    pub(super) plan: &'a Plan,

    /// Where in the body the pass is.
    pub(super) cursor: Cursor<'a>,
    /// Locals and operands.
    pub(super) values: Values,
    /// Open constructs.
    pub(super) flow: Flow,
    /// What the prologue saves, and room for calls.
    pub(super) frame: Frame,

    pub(super) asm: &'a mut Assembler,
    pub(super) tables: Tables,
    pub(super) error: Option<CompileError>,
    /// What the compiler's lists have counted against the budget.
    pub(super) share: &'a mut Share,
    /// Number of the plan's entries that were taken.
    pub(super) inlined: usize,
    /// Positions of the control frames of open inlined bodies, the innermost last.
    pub(super) bodies: SmallVec<[usize; 4]>,
}

impl Compiler<'_> {
    /// The function cannot be compiled.
    pub(super) fn unsupported(&mut self, what: impl Into<String>) {
        self.error = Some(CompileError::Unsupported { offset: self.cursor.offset() as usize, what: what.into() });
    }

    /// Checks the size of the code, for operators that may emit much more than others.
    ///
    /// # Errors
    /// The code with its tables became larger than a function's may be, or than the whole module may take.
    pub(super) fn check_size(&self) -> Result<(), CompileError> {
        let (code, limit) = (self.asm.bytes(), self.env.budget.limit());
        if code > CODE_BYTES_MAX {
            return Err(CompileError::Code);
        }
        if code as u64 > limit {
            return Err(BudgetExceeded { used: code as u64, limit }.into());
        }
        Ok(())
    }

    /// Records a relocation of the 4 bytes just written.
    pub(super) fn relocate(&mut self, target: RelocationTarget) {
        self.tables.relocate(self.asm, target);
    }

    /// Records that the instruction written next may fault, and the trap that this means.
    pub(super) fn trap_site(&mut self, kind: TrapKind) {
        self.cursor.must(Facts::TRAPS, "a trap site");
        self.tables.trap_site(self.asm, self.trap_here(kind));
    }

    /// A label at which the guest traps; its `ud2` is placed behind all other code.
    pub(super) fn trap_label(&mut self, kind: TrapKind) -> Label {
        self.cursor.must(Facts::TRAPS, "a trap");
        self.tables.trap_label(self.asm, self.trap_here(kind))
    }

    /// A trap of the current operator, whose position is not known yet.
    fn trap_here(&self, kind: TrapKind) -> TrapSite {
        let (body, wasm_offset) = self.cursor.origin();
        TrapSite { pc: 0, kind, frameless: !self.values.is_framed(), wasm_offset, body }
    }

    /// Emits code that is not the operator's own, with facts of its own.
    pub(super) fn with_facts(&mut self, facts: Facts, emit: impl FnOnce(&mut Self)) {
        let own = self.cursor.declare(facts);
        emit(self);
        self.cursor.declare(own);
    }
}
