//! Compiled modules: one image of code, what it was made of, and what tools ask of it.

mod cache;
mod compile;
#[cfg(feature = "gdb")]
mod debugger;
mod image;
mod inspect;
mod precompiled;
mod source;
mod tier;
mod types;

use crate::engine::Engine;
use crate::errors::{FrameInfo, FunctionNames, Result};
use crate::registry::ModuleTypes;
use crate::rt::code::CodeImage;
use crate::types::{ExportType, ExternType, ImportType};
#[cfg(feature = "gdb")]
pub use debugger::DebuggerSymbols;
use heapwood_module::{self as m, ContextLayout, ModuleInfo};
pub use precompiled::Precompiled;
pub use tier::RecompiledFunction;
use tier::Tier;
pub(crate) use tier::random;
pub use types::DefinedTypes;

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A validated and compiled module. Cheap to clone, shared by all stores of its engine.
#[derive(Clone)]
pub struct Module(Arc<ModuleInner>);

struct ModuleInner {
    engine: Engine,
    info: ModuleInfo,
    layout: ContextLayout,
    types: ModuleTypes,
    code: Arc<CodeImage>,
    /// The functions that run often, if some are compiled again.
    tier: Option<Tier>,
    /// Names are the guest's: the hasher has a random key.
    exports: HashMap<Box<str>, m::ExportIndex>,
}

pub(crate) use image::{checksum, stamp};
pub(crate) use source::open as open_file;

/// What images of this engine say they were made for, as text.
pub(crate) fn terms(engine: &Engine) -> String {
    image::terms(engine)
}

/// Whether something that says that can be taken by an engine.
///
/// # Errors
/// It cannot; why, in words.
pub(crate) fn check_terms(terms: &str, engine: &Engine) -> Result<(), String> {
    image::check_terms(engine, terms)
}

impl ModuleInner {
    fn new(
        engine: Engine,
        info: ModuleInfo,
        layout: ContextLayout,
        types: ModuleTypes,
        code: CodeImage,
        tier: Option<Tier>,
    ) -> ModuleInner {
        let exports = info.exports.iter().map(|(name, index)| (name.as_str().into(), *index)).collect();
        // Where the system refused the room for more code, functions stay as they are.
        let tier = tier.filter(|_| code.has_room());
        ModuleInner { engine, info, layout, types, code: Arc::new(code), tier, exports }
    }
}

impl Module {
    /// Validates and compiles a module, its functions on [`Config::compile_threads`](crate::Config::compile_threads)
    /// threads, or takes it from the engine's cache ([`Config::cache`](crate::Config::cache)). With the feature `wat`
    /// the bytes may also be a module in the text format.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Result, Store};
    /// # fn main() -> Result<()> {
    /// let engine = Engine::default();
    /// # #[cfg(feature = "wat")] {
    /// let module = Module::new(&engine, r#"(module (func (export "answer") (result i32) (i32.const 42)))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "answer")?.call(&mut store, ())?, 42);
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) if it is not valid, or not well-formed as text; `Unsupported` if
    /// it needs what is not there yet, `Limit` if the engine's types or the system's memory are used up, or if
    /// compiling takes more than [`Config::max_compile_memory`](crate::Config::max_compile_memory).
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        Module::from_binary(engine, &source::binary(bytes.as_ref())?)
    }

    /// Compiles a binary as [`Module::new`] does, and takes no text: for bytes that a guest or a stranger chose, since
    /// the parser of texts has no budget of memory.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_binary(engine: &Engine, binary: &[u8]) -> Result<Module> {
        compile::compile(engine, binary).map(|inner| Module(Arc::new(inner)))
    }

    /// Compiles the contents of a file as [`Module::new`] does. The file is read up to
    /// [`MODULE_BYTES_MAX`](crate::MODULE_BYTES_MAX) bytes. It is a regular file: what comes through a pipe is for
    /// [`Module::new`].
    ///
    /// # Errors
    /// As [`Module::new`]; the file cannot be read, is no regular one, or is larger than that. The message begins with
    /// its name.
    pub fn from_file(engine: &Engine, file: impl AsRef<Path>) -> Result<Module> {
        let path = file.as_ref();
        let bytes = source::file(path)?;
        Module::new(engine, bytes).map_err(|error| error.of_file(path))
    }

    /// Validates a binary.
    ///
    /// # Errors
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) if it is not valid, `Limit` if validating takes more than
    /// [`Config::max_compile_memory`](crate::Config::max_compile_memory).
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<()> {
        compile::validate(engine, bytes.into()).map(drop)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The decoded module: types, index spaces, names.
    pub fn info(&self) -> &ModuleInfo {
        &self.0.info
    }

    /// The module's name from the name section.
    pub fn name(&self) -> Option<&str> {
        self.0.info.names().module()
    }

    /// A function's name from the name section.
    pub fn func_name(&self, function: u32) -> Option<&str> {
        self.0.info.names().function(function)
    }

    /// The types that it defines, by index or by name.
    pub fn types(&self) -> DefinedTypes<'_> {
        DefinedTypes(self)
    }

    /// What it imports, in order.
    pub fn imports(&self) -> impl Iterator<Item = ImportType<'_>> {
        self.0.info.imports.iter().map(|import| ImportType {
            module: &import.module,
            name: &import.name,
            ty: self.extern_type(&import.ty),
        })
    }

    /// What it exports, in order.
    pub fn exports(&self) -> impl Iterator<Item = ExportType<'_>> {
        self.0
            .info
            .exports
            .iter()
            .map(|(name, index)| ExportType { name, ty: self.extern_type(&self.0.info.export_type(*index)) })
    }

    /// The type of the export of this name.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        let index = self.export_index(name)?;
        Some(self.extern_type(&self.0.info.export_type(index)))
    }

    /// The machine code of a function (by index in the module) and the address it lies at; none if it is imported, or if
    /// all calls of it are inlined and nothing else can enter it ([`Config::inline`](crate::Config::inline)).
    pub fn function_code(&self, function: u32) -> Option<(usize, &[u8])> {
        let defined = function.checked_sub(self.0.info.imported_functions)?;
        let exists = (defined as usize) < self.0.info.bodies.len();
        let has_code = exists && self.0.code.function(defined).has_code();
        has_code.then(|| (self.0.code.first_entry(defined), self.0.code.function_bytes(defined)))
    }

    /// Bytes of its machine code as they lie in memory: whole pages, of which its instances in all stores share one
    /// copy.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Module};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, wat::parse_str("(module (func))").unwrap())?;
    /// assert!(module.code_bytes() >= 4096);
    /// # Ok(())
    /// # }
    /// ```
    pub fn code_bytes(&self) -> u64 {
        self.0.code.code_bytes() as u64
    }

    /// Whether two handles are the same module.
    pub fn same(a: &Module, b: &Module) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    pub(crate) fn code(&self) -> &Arc<CodeImage> {
        &self.0.code
    }

    pub(crate) fn layout(&self) -> &ContextLayout {
        &self.0.layout
    }

    pub(crate) fn type_ids(&self) -> &ModuleTypes {
        &self.0.types
    }

    pub(crate) fn export_index(&self, name: &str) -> Option<m::ExportIndex> {
        self.0.exports.get(name).copied()
    }

    /// The type of an import or export as the host sees it.
    fn extern_type(&self, ty: &m::ExternType) -> ExternType {
        ExternType::from_registry(self.0.engine.registry(), &self.0.types.extern_type(ty))
    }
}

impl FunctionNames for Module {
    fn module_name(&self) -> Option<&str> {
        self.name()
    }

    fn function_name(&self, function: u32) -> Option<&str> {
        self.func_name(function)
    }
}

impl FrameInfo {
    /// The module of the function.
    pub fn module(&self) -> &Module {
        let names: &dyn Any = self.names();
        names.downcast_ref().expect("names of functions come from modules")
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({})", m::printable(self.name().unwrap_or("unnamed")))
    }
}
