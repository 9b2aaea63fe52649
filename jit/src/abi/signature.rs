//! Where arguments and results of a function type travel.

use super::{ARG_GPRS, ARG_XMMS, Gpr, RESULT_GPRS, RESULT_XMMS, Xmm};
use heapwood_module::ValType;
use heapwood_module::limits::{PARAMS_MAX, RESULTS_MAX};
use smallvec::{Array, SmallVec};

/// Where one argument or result travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a general register.
    Gpr(Gpr),
    /// In a vector register.
    Xmm(Xmm),
    /// On the stack: byte offset within the argument (or result) area; 8 bytes, 16 for v128.
    Stack(u32),
}

impl std::fmt::Debug for Gpr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMES: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15",
        ];
        f.write_str(NAMES[self.0 as usize])
    }
}

impl std::fmt::Debug for Xmm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "xmm{}", self.0)
    }
}

/// How a function type is called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallLayout {
    /// The place of each parameter.
    pub params: SmallVec<[Place; 8]>,
    /// The place of each result.
    pub results: SmallVec<[Place; 4]>,
    /// Bytes of the stack-argument area (popped by the callee).
    pub arg_bytes: u32,
    /// Bytes of the stack-result area, directly above the arguments.
    pub result_bytes: u32,
}

impl CallLayout {
    /// Places of `params` and `results`.
    ///
    /// # Panics
    /// There are more of them than a function type may have. Stubs and frames rely on these limits.
    pub fn new(params: &[ValType], results: &[ValType]) -> CallLayout {
        assert!(
            params.len() <= PARAMS_MAX && results.len() <= RESULTS_MAX,
            "more values than a function type may have"
        );
        let (params, arg_bytes) = assign(params, &ARG_GPRS, &ARG_XMMS);
        let (results, result_bytes) = assign(results, &RESULT_GPRS, &RESULT_XMMS);
        CallLayout { params, results, arg_bytes, result_bytes }
    }
}

fn assign<A: Array<Item = Place>>(types: &[ValType], gprs: &[Gpr], xmms: &[Xmm]) -> (SmallVec<A>, u32) {
    let (mut next_gpr, mut next_xmm, mut stack) = (gprs.iter(), xmms.iter(), 0);
    let places = types.iter().map(|ty| {
        let reg = match ty {
            ValType::I32 | ValType::I64 | ValType::Ref(_) => next_gpr.next().map(|r| Place::Gpr(*r)),
            ValType::F32 | ValType::F64 | ValType::V128 => next_xmm.next().map(|r| Place::Xmm(*r)),
        };
        reg.unwrap_or_else(|| {
            let at = stack;
            stack += if *ty == ValType::V128 { 16 } else { 8 };
            Place::Stack(at)
        })
    });
    (places.collect(), stack)
}
