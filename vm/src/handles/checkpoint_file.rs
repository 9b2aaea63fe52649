//! Checkpoints that come from files: what the host gives them again.

use super::instance_pre::link_error;
use super::{HostFunc, Linker, Val};
use crate::errors::{Error, ErrorKind, Result};
use crate::module::{Module, open_file};
use crate::rt::host::HostCode;
use crate::rt::image::SteadyFile;
use crate::store::{Caller, Checkpoint};
use crate::types::{ExternType, FuncType, ImportType};
use std::path::Path;

impl<T: 'static> Checkpoint<T> {
    /// The checkpoint that [`Checkpoint::save`] wrote, with its modules among those that are given, compiled or
    /// deserialized, in any order. Each host function that instances had as imports is taken from the linker, by the
    /// import's names, and has to have the type that it had. The pages of the file are mapped, and copied when somebody
    /// writes to them, so that processes share them; where types have other numbers in this engine than they had in the
    /// one that saved (it had other modules before these), the heap is copied once.
    ///
    /// What was saved is as it was: what a program has read of its surroundings (arguments, environment, clocks, random
    /// numbers) it has read already. Limits of stores are those that were saved.
    ///
    /// # Safety
    /// [`Checkpoint::save`] wrote the file, and nobody changed it: what lies in it are objects and addresses that
    /// compiled code relies on. Files from somewhere else have to come by a way that is trusted as much as a program
    /// is. And nobody changes the file as long as the checkpoint or a store that was made of it lives; replacing it by
    /// another one (as `save` does) and deleting it change nothing.
    ///
    /// That a file was not damaged on its way is checked, all of it; and that it was made by this build of Heapwood, in
    /// an engine with the same settings as far as [`Module::deserialize`] asks for that.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] says why the file is refused, or which module is not given; [`ErrorKind::Link`] names
    /// each host function that the linker does not have, or has with another type; a module is one of another engine;
    /// the file cannot be read, or is no regular one; the system refuses, or the engine's types are used up.
    #[allow(unsafe_code, reason = "what the caller promises is what `rt` relies on (R13)")]
    pub unsafe fn load(linker: &Linker<T>, modules: &[Module], path: impl AsRef<Path>) -> Result<Checkpoint<T>> {
        let path = path.as_ref();
        let engine = linker.engine();
        modules.iter().try_for_each(|module| linker.check_module(module))?;
        let file = open_file(path)?;
        // SAFETY: R13, promised by the caller.
        let file = unsafe { SteadyFile::new(file) };
        let mut errors = Vec::new();
        let mut bind = |import: Option<(&Module, usize)>, ty: &FuncType| match import {
            None => Ok(unreached::<T>(ty)),
            Some((module, import)) => {
                let import = module.imports().nth(import).expect("it is one of the module");
                let host = linker.host_func(&import)?;
                match host {
                    Some(host) if host.ty() == ty => Ok(host.code().clone()),
                    found => {
                        let found = found.map(|host| ExternType::Func(host.ty().clone()));
                        let saved = ImportType { ty: ExternType::Func(ty.clone()), ..import };
                        errors.push(link_error(&saved, found.as_ref()));
                        Ok(unreached::<T>(ty))
                    }
                }
            }
        };
        let checkpoint = Checkpoint::of_file(engine, &file, modules, &mut bind).map_err(|error| error.of_file(path))?;
        match errors.is_empty() {
            true => Ok(checkpoint),
            false => Err(Error::from_kind(ErrorKind::Link(errors))),
        }
    }
}

/// A host function that was there and that nobody can call.
fn unreached<T: 'static>(ty: &FuncType) -> HostCode {
    let fail = |_: Caller<'_, T>, _: &[Val], _: &mut [Val]| Err(Error::usage("a host function that was not saved"));
    HostFunc::from_vals(ty.clone(), fail).code().clone()
}
