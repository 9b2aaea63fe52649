//! How functions of a type are called.

use crate::engine::Engine;
use crate::error::Result;
use crate::rt::stubs::Trampoline;
use crate::types::FuncType;
use heapwood_jit::abi::CallLayout;
use heapwood_module as m;

/// A function type with its entry trampoline.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The type.
    pub ty: FuncType,
    /// Places for arguments and results in the buffer of a call.
    pub slots: usize,
    /// Address of the entry trampoline.
    pub entry: usize,
    /// Bytes of arguments and results on the guest stack.
    pub stack_bytes: usize,
}

impl Signature {
    /// The signature of a type; makes the trampoline if need be.
    pub fn new(engine: &Engine, ty: FuncType) -> Result<Signature> {
        let layout = call_layout(ty.signature());
        let entry = engine.trampolines().get(Trampoline::Entry, &layout)?;
        let stack_bytes = (layout.arg_bytes + layout.result_bytes) as usize;
        Ok(Signature { slots: slots(ty.signature()), ty, entry, stack_bytes })
    }

    /// Parameter types in terms of the engine.
    pub fn params(&self) -> &[m::ValType] {
        &self.ty.signature().params
    }

    /// Result types in terms of the engine.
    pub fn results(&self) -> &[m::ValType] {
        &self.ty.signature().results
    }
}

/// Where arguments and results of a type travel.
pub(crate) fn call_layout(ty: &m::FuncType) -> CallLayout {
    CallLayout::new(&ty.params, &ty.results)
}

/// Places that a call's buffer has: arguments come and results go in the same ones.
pub(crate) fn slots(ty: &m::FuncType) -> usize {
    ty.params.len().max(ty.results.len())
}
