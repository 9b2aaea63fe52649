//! Modules as images of compiled code: made, recognised and loaded.

use super::image::{self, Check};
use super::{Module, ModuleInner, compile, source};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::rt::image::Draft;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// What [`Engine::detect_precompiled`] recognises.
///
/// ```
/// # use heapwood_vm::{Engine, Precompiled};
/// # fn main() -> heapwood_vm::Result<()> {
/// let image = Engine::default().precompile_module(b"\0asm\x01\0\0\0")?;
/// assert_eq!(Engine::detect_precompiled(&image), Some(Precompiled::Module));
/// assert_eq!(Engine::detect_precompiled(b"\0asm\x01\0\0\0"), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Precompiled {
    /// A module, as [`Module::serialize`] and [`Engine::precompile_module`] write it; of whatever version.
    Module,
}

impl Engine {
    /// Validates and compiles a module, a binary or a text as in [`Module::new`], to an image of its code, which
    /// [`Module::deserialize`] and [`Module::deserialize_file`] take without compiling: in engines of this version of
    /// Heapwood whose settings are the same as far as code depends on them, whose processor has what this one has, and
    /// whose features are at least those of this engine.
    ///
    /// # Errors
    /// As [`Module::new`].
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let bytes = wat::parse_str("(module (func (export \"answer\") (result i32) (i32.const 42)))").unwrap();
    /// let image = Engine::default().precompile_module(&bytes)?;
    /// let engine = Engine::default();
    /// // SAFETY: the image comes from `precompile_module`.
    /// let module = unsafe { Module::deserialize(&engine, &image)? };
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let answer = instance.get_typed_func::<(), i32>(&mut store, "answer")?;
    /// assert_eq!(answer.call(&mut store, ())?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn precompile_module(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        image::write(self, &compile::unplaced(self, source::binary(bytes)?.as_ref().into())?)
    }

    /// Whether bytes begin like a precompiled module. Whether an engine takes it is for [`Module::deserialize`] to say.
    pub fn detect_precompiled(bytes: &[u8]) -> Option<Precompiled> {
        image::is_image(bytes).then_some(Precompiled::Module)
    }

    /// Whether a file begins like a precompiled module.
    ///
    /// # Errors
    /// It cannot be read, or is no regular file.
    pub fn detect_precompiled_file(path: impl AsRef<Path>) -> Result<Option<Precompiled>> {
        let path = path.as_ref();
        let mut start = [0; 8];
        match source::open(path)?.read_exact(&mut start) {
            Ok(()) => Ok(Engine::detect_precompiled(&start)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Error::from(error).of_file(path)),
        }
    }
}

impl Module {
    /// The module as an image ([`Engine::precompile_module`]). The code is compiled once more: a module does not keep
    /// what it was placed by.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn serialize(&self) -> Result<Vec<u8>> {
        image::write(self.engine(), &compile::unplaced(self.engine(), self.info().bytes.clone())?)
    }

    /// The module of an image, which is copied; [`Module::deserialize_file`] maps it instead.
    ///
    /// # Safety
    /// The bytes are an image that [`Module::serialize`] or [`Engine::precompile_module`] made, and nobody changed it:
    /// its code runs as it is. Images from somewhere else have to come by a way that is trusted as much as a program
    /// is.
    ///
    /// That an image was not damaged on its way is checked, and that it was made for this version, these settings and
    /// this processor.
    ///
    /// # Errors
    /// [`ErrorKind::Precompiled`](crate::ErrorKind::Precompiled) says why the image is refused; `Limit` as in
    /// [`Module::new`].
    #[allow(unsafe_code, reason = "what the caller promises is what `rt` relies on (R13)")]
    pub unsafe fn deserialize(engine: &Engine, image: impl AsRef<[u8]>) -> Result<Module> {
        load(engine, Draft::copy(image.as_ref())?, Check::Code)
    }

    /// The module of an image in a file, which is mapped: its pages are read when they are needed, and processes share
    /// them.
    ///
    /// # Safety
    /// As [`Module::deserialize`]; and nobody changes the file as long as the module or an instance of it lives.
    /// Replacing it by another one (by renaming that) and deleting it change nothing. That the code was not damaged is
    /// not checked.
    ///
    /// # Errors
    /// As [`Module::deserialize`], or the file cannot be read, or is no regular one. The message begins with its name.
    #[allow(unsafe_code, reason = "what the caller promises is what `rt` relies on (R13)")]
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let file = source::open(path)?;
        // SAFETY: R13, promised by the caller.
        let draft = unsafe { Draft::of_file(&file) };
        draft.and_then(|draft| load(engine, draft, Check::Tables)).map_err(|error| error.of_file(path))
    }
}

fn load(engine: &Engine, draft: Draft, check: Check<'_>) -> Result<Module> {
    image::load(engine, draft, check).map(|inner: ModuleInner| Module(Arc::new(inner)))
}
