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
        self.compile_one(function, false)
    }

    /// As [`Module::compiled_function`], in the way in which functions that run often are compiled again
    /// ([`Config::tiering`](crate::Config::tiering)) if no call by reference was seen: more calls by name are inlined.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn hot_function(&self, function: u32) -> Result<Option<CompiledFunction>> {
        self.compile_one(function, true)
    }

    fn compile_one(&self, function: u32, runs_often: bool) -> Result<Option<CompiledFunction>> {
        let Some(defined) = function.checked_sub(self.info().imported_functions) else { return Ok(None) };
        compile::compile_one(self.engine(), self.info().bytes.clone(), defined, runs_often)
    }
}
