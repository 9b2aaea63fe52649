//! What tools want to know about modules, beyond running them.

use super::{Module, compile};
use crate::engine::Engine;
use crate::errors::Result;
use heapwood_jit::abi::CompiledFunction;
use heapwood_module::ModuleInfo;

impl Module {
    /// Validates a binary and says what it holds, without compiling it.
    ///
    /// # Errors
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) if it is not valid.
    pub fn decode(engine: &Engine, bytes: &[u8]) -> Result<ModuleInfo> {
        compile::validate(engine, bytes.into())
    }

    /// Compiles a function (by index in the module) once more, with everything that the compiler knows about its
    /// code: safe points, traps, relocations, and which instruction each part of it belongs to. None if it is
    /// imported or there is no such function.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn compiled_function(&self, function: u32) -> Result<Option<CompiledFunction>> {
        let Some(defined) = function.checked_sub(self.info().imported_functions) else { return Ok(None) };
        compile::compile_one(self.engine(), self.info().bytes.clone(), defined)
    }
}
