//! Checkpoints of a store that is at rest: what it was, to come back to or to make others like it.
//!
//! 1. *Checkpoint*: the heap is collected and frozen; memories become files; lists of what the store consists of,
//!    tables and handles are written down.
//! 2. *Rollback*: the heap first, which brings contexts, cells and values of globals with it; then memories and tables,
//!    lists, handles. Code that is no longer used goes; absolute addresses in contexts are written where they differ.
//! 3. *Fork*: the same for a store that is made around a heap of the image.
//!
//! The host's data, its limiter and listeners, fuel, deadlines, inbox and tokens of finalizers are the host's: they
//! stay as they are, and a fork has none.

mod bytes;
mod image;
mod saved;

use super::{Store, StoreInner, StoreOpaque};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::ids::Root;
use crate::module::Module;
use crate::rt::image::SteadyFile;
pub(super) use bytes::{Reader, Writer};
use image::Kept;
pub(crate) use image::StoreImage;
pub(crate) use saved::RebindHost;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

/// A store as it was at some time, without the host's data: its instances, memories, globals, tables, its heap and the
/// host's handles. The store can come back to it ([`Store::rollback`]), and others can begin as it was
/// ([`Checkpoint::fork`]): with a program, for example, whose initialisers have run.
///
/// Pages are shared until somebody writes to them, so a fork costs about what it writes. A checkpoint is cheap to
/// clone; its pages live as long as it does, or a store that uses them. What lies in it counts against the limits of
/// each fork as it did in the store that it was made of.
///
/// | | rollback | fork |
/// |---|---|---|
/// | heap, globals, tables, memories, dropped segments | as they were | as they were |
/// | instances, memories, tables, globals, functions, tags that are younger | gone; their handles are errors | not there |
/// | handles of older ones, of objects too | valid, and name what they named | errors; see [`Checkpoint::root`] |
/// | values of the host ([`ExternRef`](crate::ExternRef)) | those of then, the very same values | shared, the very same values |
/// | functions of the host | those of then | shared |
/// | memories that hold secrets ([`Memory::set_secrecy`](crate::Memory::set_secrecy)) | zero, or no checkpoint | zero |
/// | the host's data, WASI's descriptors, limiter, listeners, fuel, inbox, finalizers' tokens | as they are | new ones, or none |
///
/// It can be written to a file ([`Checkpoint::save`]), which another process begins with ([`Checkpoint::load`]).
///
/// Values of the host are neither copied nor rolled back: what they change by interior mutability is the host's
/// business, and [`Rooted::data_mut`](crate::Rooted::data_mut) refuses to change one that is shared. Objects that were
/// alive at a checkpoint are not found dead as long as the store is at the checkpoint or comes from it, until the next
/// one is made: weak handles of them stay, and finalizers wait, also until the older checkpoint is gone. Forks have no
/// part in that.
///
/// ```
/// # use heapwood_vm::{Engine, Instance, Module, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// # let engine = Engine::default();
/// # let wasm = wat::parse_str(r#"(module (global $count (mut i32) (i32.const 0))
/// #     (func (export "next") (result i32)
/// #         (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count)))"#).unwrap();
/// # let module = Module::new(&engine, &wasm)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let next = instance.get_typed_func::<(), i32>(&mut store, "next")?;
/// assert_eq!(next.call(&mut store, ())?, 1);
/// let checkpoint = store.checkpoint()?;
/// assert_eq!(next.call(&mut store, ())?, 2);
/// store.rollback(&checkpoint)?;
/// assert_eq!(next.call(&mut store, ())?, 2);
///
/// let mut fork = checkpoint.fork(())?;
/// let instance = fork.instances().next().unwrap();
/// let next = instance.get_typed_func::<(), i32>(&mut fork, "next")?;
/// assert_eq!(next.call(&mut fork, ())?, 2);
/// # Ok(())
/// # }
/// ```
pub struct Checkpoint<T: 'static> {
    kept: Arc<Kept>,
    data: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Store<T> {
    /// What the store is now, to come back to. Collects everything, compacts the heap and copies what is alive once;
    /// the store goes on with copy-on-write pages. What an earlier checkpoint holds is not touched. A guest whose
    /// [`call_async`](crate::Func::call_async) was forgotten (`std::mem::forget`) is given up here, and by a rollback.
    ///
    /// # Errors
    /// The store has a shared memory or one that refuses checkpoints, or its heap has no collector; the system refuses.
    /// The store is as it was.
    pub fn checkpoint(&mut self) -> Result<Checkpoint<T>> {
        Ok(Checkpoint { kept: Arc::new(self.opaque_mut().freeze()?), data: PhantomData })
    }

    /// Makes the store what it was at a checkpoint: one of this store, or the one that it was forked from. The table of
    /// [`Checkpoint`] says what becomes of what.
    ///
    /// # Errors
    /// It is a checkpoint of another store: nothing has changed. The system refuses: the store is unusable then, and
    /// says so wherever it is used, until a rollback succeeds.
    pub fn rollback(&mut self, checkpoint: &Checkpoint<T>) -> Result<()> {
        self.opaque_mut().roll_back(&checkpoint.kept)
    }
}

impl<T: 'static> Checkpoint<T> {
    /// A store that is what the other one was, with data of its own and the same limits.
    ///
    /// # Errors
    /// The system refuses memory or address space.
    pub fn fork(&self, data: T) -> Result<Store<T>> {
        let inner = StoreInner { store: StoreOpaque::of_image(&self.kept)?, data };
        Ok(Store { inner: Box::new(inner), invariant: PhantomData })
    }

    /// A handle in a fork of what an owned handle of the original store named at the checkpoint.
    ///
    /// # Errors
    /// The store is no fork of this checkpoint; the handle is of another store, or younger than the checkpoint, or was
    /// dropped before.
    pub fn root<R>(&self, fork: &mut Store<T>, root: &Root<R>) -> Result<Root<R>> {
        let store = fork.opaque_mut();
        store.check_usable()?;
        if !store.is_made_of(&self.kept) {
            return Err(Error::usage("a store that was not made of the checkpoint"));
        }
        let raw = store.roots().inherited(root)?;
        Ok(store.own_root(raw))
    }

    /// Writes it to a file, which is made or replaced as a whole, for [`Checkpoint::load`] in another process: a
    /// program that starts when its initialisers have run. The file is readable for the user alone, since it holds
    /// whatever the guest had in its memories. Memories whose bytes are left out of checkpoints are left out of the
    /// file.
    ///
    /// Of a store, handles of the host are not saved, and nothing that the guest does not reach: ask for exports of its
    /// [`Store::instances`].
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`](crate::ErrorKind::Checkpoint) if the guest reaches a value of the host
    /// ([`ExternRef`](crate::ExternRef)), or a function of the host that no instance imports: nobody could give it
    /// again. The file cannot be written, or the system refuses memory. What was in the place of the file is there
    /// still.
    ///
    /// ```
    /// # use heapwood_vm::{Checkpoint, Engine, Linker, Module, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (import "host" "log" (func $log (param i32)))
    /// #     (global $ready (mut i32) (i32.const 0))
    /// #     (func (export "start") (global.set $ready (i32.const 7)) (call $log (i32.const 1)))
    /// #     (func (export "ready") (result i32) (global.get $ready)))"#).unwrap();
    /// # let file = std::env::temp_dir().join(format!("heapwood-doc-{}.checkpoint", std::process::id()));
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, &wasm)?;
    /// let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "log", |number: i32| println!("{number}"))?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// instance.get_typed_func::<(), ()>(&mut store, "start")?.call(&mut store, ())?;
    /// store.checkpoint()?.save(&file)?;
    ///
    /// // In another process, which has the same module.
    /// // SAFETY: `save` has made the file, and nobody changes it.
    /// let checkpoint = unsafe { Checkpoint::load(&linker, &[module], &file)? };
    /// let mut store = checkpoint.fork(())?;
    /// let instance = store.instances().next().unwrap();
    /// assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "ready")?.call(&mut store, ())?, 7);
    /// # std::fs::remove_file(&file)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::save(&self.kept, path.as_ref())
    }

    /// The checkpoint of a file.
    pub(crate) fn of_file(
        engine: &Engine,
        file: &SteadyFile,
        given: &[Module],
        bind: &mut RebindHost<'_>,
    ) -> Result<Self> {
        Ok(Checkpoint { kept: Arc::new(saved::load(engine, file, given, bind)?), data: PhantomData })
    }

    /// The engine of the store that the checkpoint was made of.
    pub fn engine(&self) -> &Engine {
        self.kept.image().engine()
    }

    /// Bytes of the heap that it holds: pages that forks share until they write to them.
    pub fn heap_bytes(&self) -> u64 {
        self.kept.image().heap_bytes()
    }
}

impl<T: 'static> Clone for Checkpoint<T> {
    fn clone(&self) -> Checkpoint<T> {
        Checkpoint { kept: self.kept.clone(), data: PhantomData }
    }
}

impl<T: 'static> std::fmt::Debug for Checkpoint<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("heap_bytes", &self.heap_bytes()).finish_non_exhaustive()
    }
}
