//! How functions of a type are called.

use crate::engine::Engine;
use crate::errors::Result;
use crate::rt::entry::EntryPoint;
use crate::types::FuncType;
use heapwood_module as m;

/// A function type with its entry trampoline.
#[derive(Debug)]
pub(crate) struct Signature {
    ty: FuncType,
    entry: EntryPoint,
}

impl Signature {
    /// The signature of a type; makes the trampoline if need be.
    pub fn new(engine: &Engine, ty: FuncType) -> Result<Signature> {
        let entry = EntryPoint::new(engine.trampolines(), ty.signature())?;
        Ok(Signature { ty, entry })
    }

    /// The type.
    pub fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// How functions of the type are entered.
    pub fn entry(&self) -> EntryPoint {
        self.entry
    }

    /// Places for arguments and results in the buffer of a call.
    pub fn slots(&self) -> usize {
        self.entry.slots()
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
