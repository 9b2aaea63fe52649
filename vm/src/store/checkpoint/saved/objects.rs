//! Objects of a checkpoint that is to be saved: where they are, and which of them another process cannot have as they
//! are.

use super::refused;
use crate::errors::{Error, Result};
use crate::module::Module;
use crate::store::StoreOpaque;
use crate::store::checkpoint::StoreImage;
use heapwood_gc::HeapLayout;
use heapwood_gc_abi::layout::{FUNC_CONTEXT_OFFSET, FUNC_DATA_OFFSET};
use heapwood_gc_abi::{Narrow, ObjectKind, RawRef, TypeId};
use heapwood_module::{ExternType, brief};
use rustc_hash::FxHashMap;

/// Bytes of pages that a bit stands for: objects begin at multiples of it.
pub(super) const BYTES_PER_BIT: u64 = 8;

/// What a function object calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    /// A function of a module, by positions.
    Module(u32, u32),
    /// A function of the host, by its number.
    Host(u32),
}

/// An import of a module, by the module's position and its own in the import section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Import {
    pub module: u32,
    pub import: u32,
}

/// A host function.
pub(super) struct HostFunction {
    /// The import that it was given for; none if nothing reaches it.
    pub import: Option<Import>,
    /// The type of the slot's object, if one was found.
    pub ty: Option<TypeId>,
}

/// What was found.
pub(super) struct Objects {
    /// A bit for each place where an object begins.
    pub bits: Vec<u8>,
    /// Function objects.
    pub functions: Vec<(RawRef, Code)>,
    /// Host functions, by number.
    pub hosts: Vec<HostFunction>,
}

impl Objects {
    /// Looks into a store that was made of the checkpoint.
    ///
    /// # Errors
    /// The guest can reach something that cannot be saved; there is no memory.
    pub fn find(store: &StoreOpaque, image: &StoreImage, layout: &HeapLayout, modules: &[Module]) -> Result<Objects> {
        let finder = Finder { store, image, modules, contexts: contexts(image) };
        let imports = finder.imports();
        finder.check_reachable(&imports)?;
        finder.find(layout, &imports)
    }
}

/// Positions of instances by their contexts.
fn contexts(image: &StoreImage) -> FxHashMap<u32, usize> {
    image.entities().instances().iter().map(|instance| instance.context_ref()).zip(0..).collect()
}

struct Finder<'a> {
    store: &'a StoreOpaque,
    image: &'a StoreImage,
    modules: &'a [Module],
    contexts: FxHashMap<u32, usize>,
}

impl Finder<'_> {
    fn code(&self, object: RawRef) -> Code {
        let heap = self.store.heap();
        let context = heap.read_i32(object, FUNC_CONTEXT_OFFSET.into());
        let data = heap.read_i64(object, FUNC_DATA_OFFSET.into());
        match self.contexts.get(&context) {
            Some(instance) => Code::Module(self.module_of(*instance), data.narrow()),
            None => Code::Host(data.narrow()),
        }
    }

    /// The position of the module of an instance.
    fn module_of(&self, instance: usize) -> u32 {
        let module = self.image.entities().instances()[instance].module();
        let position = self.modules.iter().position(|known| Module::same(known, module));
        position.expect("all modules are listed").narrow()
    }

    /// The first import that each host function was given for, by number.
    fn imports(&self) -> FxHashMap<u32, Import> {
        let mut imports = FxHashMap::default();
        for (index, instance) in self.image.entities().instances().iter().enumerate() {
            let all = instance.module().info().imports.iter().enumerate();
            let functions = all.filter(|(_, import)| matches!(import.ty, ExternType::Func(_)));
            for ((import, _), object) in functions.zip(instance.imported_functions()) {
                if let Code::Host(number) = self.code(*object) {
                    imports.entry(number).or_insert(Import { module: self.module_of(index), import: import.narrow() });
                }
            }
        }
        imports
    }

    /// Calls `visit` with what the guest holds itself.
    fn each_root(&self, visit: &mut dyn FnMut(RawRef)) {
        let entities = self.store.guest().entities();
        entities.each_reference(entities.extent(), visit);
        for instance in entities.instances() {
            instance.imported_functions().iter().for_each(|function| visit(*function));
        }
    }

    /// An error if the guest can reach what another process cannot have.
    fn check_reachable(&self, imports: &FxHashMap<u32, Import>) -> Result<()> {
        let heap = self.store.heap();
        let graph = heap.graph(|visit| self.each_root(visit)).map_err(|error| Error::limit(error.to_string()))?;
        let mut values = 0;
        graph.each_object(|object| {
            match heap.descriptor_of(object).kind() {
                ObjectKind::HostValue => values += 1,
                ObjectKind::Func => self.check_function(object, imports)?,
                _ => {}
            }
            Ok::<(), Error>(())
        })?;
        match values {
            0 => Ok(()),
            1 => Err(refused("it holds a value of the host (externref), which a file cannot have".into())),
            _ => Err(refused(format!("it holds {values} values of the host (externref), which a file cannot have"))),
        }
    }

    fn check_function(&self, object: RawRef, imports: &FxHashMap<u32, Import>) -> Result<()> {
        let Code::Host(number) = self.code(object) else { return Ok(()) };
        if imports.contains_key(&number) {
            return Ok(());
        }
        let ty = self.store.func_type(object);
        let name = self.image.entities().host_functions()[number as usize].name();
        let which = name.map_or_else(|| "without a name".to_owned(), |name| format!("`{}`", brief(name)));
        Err(refused(format!(
            "it holds a function of the host {which} of type {ty} that no instance imports: nobody could give it again"
        )))
    }

    /// Everything that anything names, also by handles of the host and weak cells.
    fn find(&self, layout: &HeapLayout, imports: &FxHashMap<u32, Import>) -> Result<Objects> {
        let heap = self.store.heap();
        let graph = heap.graph(|visit| {
            self.each_root(visit);
            self.image.roots().each(visit);
            layout.cells().for_each(&mut *visit);
            for instance in self.store.guest().entities().instances() {
                instance
                    .module()
                    .info()
                    .escaping
                    .iter()
                    .filter_map(|f| instance.function_object(*f))
                    .for_each(&mut *visit);
            }
            self.image.entities().tags().iter().for_each(|tag| visit(tag.object()));
        });
        let graph = graph.map_err(|error| Error::limit(error.to_string()))?;
        let bits = (layout.immortal_bytes() + layout.block_bytes()) / BYTES_PER_BIT;
        let hosts = (0..self.image.entities().host_functions().len() as u32)
            .map(|number| HostFunction { import: imports.get(&number).copied(), ty: None });
        let mut found =
            Objects { bits: vec![0; bits.div_ceil(8).narrow()], functions: Vec::new(), hosts: hosts.collect() };
        graph.each_object(|object| {
            let at = layout.position(object).ok_or_else(|| Error::limit("an object lies in no page"))?;
            let bit = at / BYTES_PER_BIT;
            found.bits[(bit / 8).narrow::<usize>()] |= 1 << (bit % 8);
            if heap.descriptor_of(object).kind() == ObjectKind::Func {
                let code = self.code(object);
                if let Code::Host(number) = code {
                    found.hosts[number as usize].ty = Some(heap.type_of(object));
                }
                found.functions.push((object, code));
            }
            Ok::<(), Error>(())
        })?;
        Ok(found)
    }
}
