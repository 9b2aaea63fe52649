//! How functions of a type are called.

use crate::engine::Engine;
use crate::error::Result;
use crate::rt::stubs::Trampoline;
use crate::types::{FuncType, ValType};
use heapwood_jit::abi::CallLayout;
use heapwood_module as m;

/// A function type with its entry trampoline.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The type.
    pub ty: FuncType,
    /// Address of the entry trampoline.
    pub entry: usize,
    /// Bytes of arguments and results on the guest stack.
    pub stack_bytes: usize,
}

impl Signature {
    /// The signature of a type; makes the trampoline if need be.
    pub fn new(engine: &Engine, ty: FuncType) -> Result<Signature> {
        let layout = call_layout(&ty);
        let entry = engine.trampolines().get(Trampoline::Entry, &layout)?;
        Ok(Signature { ty, entry, stack_bytes: (layout.arg_bytes + layout.result_bytes) as usize })
    }
}

/// Where arguments and results of a type travel.
pub(crate) fn call_layout(ty: &FuncType) -> CallLayout {
    let convert = |types: &[ValType]| -> Vec<m::ValType> { types.iter().map(|ty| ty.to_registry()).collect() };
    CallLayout::new(&convert(ty.params()), &convert(ty.results()))
}
