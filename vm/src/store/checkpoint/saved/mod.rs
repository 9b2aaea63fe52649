//! Checkpoints in files, for other processes.
//!
//! 1. What a store consists of is written by positions, by distances from the base of its cage and by type ids
//!    (`bytes`). Pages follow as they are (`file`).
//! 2. What another process has elsewhere is said beside them, and made again there: code of function objects, by module
//!    and index or by the import that a host function was given for; type ids, by module and index or by their
//!    structure (`types`). Function objects lie in the immortal space, of which whoever loads makes a copy. Blocks and
//!    memories are mapped from the file; only if a type has another id, a copy of the blocks is made and their headers
//!    are written anew: the file says where objects begin (`objects`).
//! 3. Handles of the host are not there, nor is what only they name. What the guest reaches has to be there as a whole:
//!    a value of the host, or a function of the host that no instance imports, is an error.
//! 4. A file is taken by the build that made it, in engines with the same settings as far as images of code have to
//!    agree on them, where its modules are given. All of it has checksums.

mod file;
mod objects;
mod types;

use super::bytes::{Reader, Writer};
use super::image::{Kept, StoreImage};
use crate::engine::Engine;
use crate::errors::{Error, ErrorKind, Result};
use crate::module::{self, Module};
use crate::registry::ReservedTypes;
use crate::rt::host::HostCode;
use crate::rt::image::SteadyFile;
use crate::rt::stubs;
use crate::store::StoreOpaque;
use crate::store::entities::EntitiesImage;
use crate::store::functions::HostEntry;
use crate::store::host_values::HostValues;
use crate::types::FuncType;
use heapwood_gc::{Collector, FrozenFile, HeapImage, HeapLayout};
use heapwood_gc_abi::header::{STATE_MASK, TYPE_ID_SHIFT};
use heapwood_gc_abi::layout::{FUNC_CODE_OFFSET, FUNC_CONTEXT_OFFSET};
use heapwood_gc_abi::{Narrow, RawRef, TypeId};
use heapwood_module::ContextLayout;
use objects::{BYTES_PER_BIT, Code, HostFunction, Import, Objects};
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::path::Path;

/// Gives a host function of a type again: for the import of a module, by its position in the import section, or one
/// that nobody reaches.
pub(crate) type RebindHost<'b> = dyn FnMut(Option<(&Module, usize)>, &FuncType) -> Result<HostCode> + 'b;

fn refused(what: String) -> Error {
    Error::from_kind(ErrorKind::Checkpoint(format!("the checkpoint is refused: {what}")))
}

fn damaged(what: &str) -> Error {
    refused(format!("it is damaged: {what} cannot be"))
}

fn limit(error: impl std::fmt::Display) -> Error {
    Error::limit(error.to_string())
}

/// Writes a checkpoint to a file.
///
/// # Errors
/// As of [`Checkpoint::save`](super::Checkpoint::save).
pub(super) fn save(kept: &Kept, path: &Path) -> Result<()> {
    // What graphs are found in.
    let (image, store) = (kept.image(), StoreOpaque::of_image(kept)?);
    let (entities, layout) = (image.entities(), image.heap().layout());
    let modules = entities.modules();
    let objects = Objects::find(&store, image, &layout, &modules)?;
    let registry = image.engine().registry();
    let mut out = Writer::new(image.base());
    out.bytes(module::terms(image.engine()).as_bytes());
    out.list(reserved(image.engine()).into_iter(), |out, id| out.type_id(id));
    types::save_modules(&modules, &mut out);
    types::save_held(registry, &image.types().ids(), &modules, &mut out);
    let mut tags: Vec<TypeId> = entities.tags().iter().map(|tag| tag.ty()).collect();
    tags.sort_unstable();
    tags.dedup();
    types::save_exceptions(registry, &tags, &mut out)?;
    out.list(layout.words().into_iter(), |out, word| out.u64(word));
    save_objects(&objects, &mut out);
    entities.save(&modules, &mut out);
    let (places, free) = kept.host_values().places();
    out.usize(places);
    out.references(free);
    out.u32(image.next_trace());
    write(image, path, &out.finish()).map_err(|error| error.of_file(path))
}

fn reserved(engine: &Engine) -> [TypeId; 9] {
    let ReservedTypes {
        host_value,
        tag,
        weak,
        ephemeron,
        context,
        latin1_string,
        utf16_string,
        latin1_rope,
        utf16_rope,
    } = engine.reserved_types();
    [host_value, tag, weak, ephemeron, context, latin1_string, utf16_string, latin1_rope, utf16_rope]
}

fn save_objects(objects: &Objects, out: &mut Writer) {
    out.bytes(&objects.bits);
    out.list(objects.functions.iter(), |out, (object, code)| {
        out.u32(*object);
        let (is_host, first, second) = match *code {
            Code::Module(module, function) => (false, module, function),
            Code::Host(number) => (true, number, 0),
        };
        out.bool(is_host);
        out.u32(first);
        out.u32(second);
    });
    out.list(objects.hosts.iter(), |out, HostFunction { import, ty }| {
        out.option(ty.map(|ty| u64::from(ty.0)));
        out.bool(import.is_some());
        let Import { module, import } = import.unwrap_or(Import { module: 0, import: 0 });
        out.u32(module);
        out.u32(import);
    });
}

fn write(image: &StoreImage, path: &Path, contents: &[u8]) -> Result<()> {
    let mut draft = file::FileDraft::new(path, contents)?;
    let mut written = Ok(());
    let mut push = |pages: &[u8]| {
        if written.is_ok() {
            written = draft.push(pages);
        }
    };
    image.heap().read_pages(&mut push).map_err(limit)?;
    let mut buffer = vec![0; 1 << 20];
    for memory in image.entities().memory_files() {
        for start in (0..memory.bytes()).step_by(buffer.len()) {
            let part: usize = (memory.bytes() - start).min(buffer.len() as u64).narrow();
            memory.read(&mut buffer[..part], start).map_err(limit)?;
            push(&buffer[..part]);
        }
    }
    written?;
    Ok(draft.finish(path)?)
}

/// The checkpoint of a file. `given` are modules of the engine, among which are those of the file.
///
/// # Errors
/// The file is none, is damaged, or was made for something else; a module is not given, or a host function; the
/// engine's types or the system's memory are used up.
pub(super) fn load(engine: &Engine, file: &SteadyFile, given: &[Module], bind: &mut RebindHost<'_>) -> Result<Kept> {
    // Function objects name trampolines, and there may be no store yet.
    stubs::prepare::<StoreOpaque>();
    let contents = file.contents()?;
    let (head, pages) = file::parts(contents.bytes()).map_err(refused)?;
    let mut saved = Reader::new(head);
    check_engine(engine, &mut saved)?;
    let modules = types::load_modules(&mut saved, given)?;
    let types = types::load_held(&mut saved, engine)?;
    types::load_exceptions(&mut saved, engine.registry())?;
    let words = saved.list(Reader::u64).ok_or_else(|| damaged("its heap"))?;
    let layout = HeapLayout::of_words(&words).ok_or_else(|| damaged("its heap"))?;
    saved.set_blocks_end(layout.immortal_end());
    let objects = load_objects(&mut saved).ok_or_else(|| damaged("its objects"))?;
    let loader = Loader { engine, modules: &modules, layout: &layout };
    let hosts = loader.bind(&objects, bind)?;
    // Pages of memories lie behind those of the heap.
    let heap_end = pages.start as u64 + layout.immortal_bytes() + layout.block_bytes();
    let mut next = heap_end;
    let mut refusal = Ok(());
    let mut memory = |bytes: u64| {
        let start = next;
        next = start.checked_add(bytes).filter(|end| *end <= pages.end as u64)?;
        file.pages(start..next).map_err(|error| refusal = Err(error)).ok()
    };
    let entities = EntitiesImage::of_saved(&mut saved, &modules, hosts.codes.clone(), &mut memory);
    refusal?;
    let entities = entities.ok_or_else(|| damaged("what it consists of"))?;
    let host_values = load_host_values(&mut saved).ok_or_else(|| damaged("its values of the host"))?;
    let next_trace = saved.u32().ok_or_else(|| damaged("its exceptions"))?;
    if heap_end > pages.end as u64 {
        return Err(damaged("its pages"));
    }
    let patched = loader.patch(&objects, &hosts, &saved, &contents.bytes()[pages.start..])?;
    let immortal = frozen(&patched.immortal)?;
    let blocks = match patched.blocks {
        Some(blocks) => frozen(&blocks)?,
        None => file.pages(pages.start as u64 + layout.immortal_bytes()..heap_end)?,
    };
    let heap = HeapImage::of_files(layout, immortal, blocks, engine.registry().table().clone());
    Ok(Kept::new(StoreImage::of_saved(engine, heap, entities, types, next_trace), host_values))
}

/// Whether an engine takes the file.
fn check_engine(engine: &Engine, saved: &mut Reader<'_>) -> Result<()> {
    let terms = saved.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(|| damaged("its terms"))?;
    module::check_terms(terms, engine).map_err(refused)?;
    if engine.heap_config(None).collector == Collector::None {
        return Err(refused("the engine's heaps have no collector".into()));
    }
    let ids = saved.list(Reader::u32).ok_or_else(|| damaged("its types"))?;
    let own = reserved(engine);
    if !ids.iter().copied().eq(own.iter().map(|id| id.0)) {
        return Err(damaged("the types of the runtime's own objects"));
    }
    own.into_iter().for_each(|id| saved.know_type(id, id));
    Ok(())
}

fn load_objects(saved: &mut Reader<'_>) -> Option<Objects> {
    let bits = saved.bytes()?.to_vec();
    let functions = saved.list(|saved| {
        let (object, is_host) = (saved.u32()?, saved.bool()?);
        let (first, second) = (saved.u32()?, saved.u32()?);
        Some((object, if is_host { Code::Host(first) } else { Code::Module(first, second) }))
    })?;
    let hosts = saved.list(|saved| {
        let ty = match saved.option()? {
            Some(ty) => Some(saved.known_type(u32::try_from(ty).ok()?)?),
            None => None,
        };
        let (is_imported, import) = (saved.bool()?, Import { module: saved.u32()?, import: saved.u32()? });
        Some(HostFunction { import: is_imported.then_some(import), ty })
    })?;
    Some(Objects { bits, functions, hosts })
}

fn load_host_values(saved: &mut Reader<'_>) -> Option<HostValues> {
    let (places, free) = (saved.usize()?, saved.references()?);
    // As many as there are cells, at most: 2^32.
    if u32::try_from(places).is_err() { None } else { HostValues::gone(places, free) }
}

/// A file of these pages.
fn frozen(pages: &[u8]) -> Result<FrozenFile> {
    let file = FrozenFile::new(pages.len() as u64).map_err(limit)?;
    file.write(pages, 0).map_err(limit)?;
    Ok(file)
}

/// Host functions that were given again, by their numbers.
struct Hosts {
    codes: Vec<HostCode>,
    types: Vec<Option<FuncType>>,
}

/// Pages that are not as they are in the file.
struct Patched {
    immortal: Vec<u8>,
    blocks: Option<Vec<u8>>,
}

struct Loader<'l> {
    engine: &'l Engine,
    modules: &'l [Module],
    layout: &'l HeapLayout,
}

impl Loader<'_> {
    fn bind(&self, objects: &Objects, bind: &mut RebindHost<'_>) -> Result<Hosts> {
        let nothing = FuncType::new(self.engine, [], [])?;
        let mut hosts = Hosts { codes: Vec::new(), types: Vec::new() };
        for HostFunction { import, ty } in &objects.hosts {
            let is_function = |id: &TypeId| self.engine.registry().get(*id).is_some_and(|ty| ty.is_function());
            if !ty.as_ref().is_none_or(is_function) || import.is_some() && ty.is_none() {
                return Err(damaged("the type of a host function"));
            }
            let ty = ty.map(|id| FuncType::of(self.engine.registry(), id));
            let import = match import {
                None => None,
                Some(Import { module, import }) => {
                    let module = self.modules.get(*module as usize);
                    let module = module.filter(|module| (*import as usize) < module.info().imports.len());
                    Some((module.ok_or_else(|| damaged("an import"))?, *import as usize))
                }
            };
            hosts.codes.push(bind(import, ty.as_ref().unwrap_or(&nothing))?);
            hosts.types.push(ty);
        }
        Ok(hosts)
    }

    /// Pages of the heap as this process has to have them.
    fn patch(&self, objects: &Objects, hosts: &Hosts, saved: &Reader<'_>, pages: &[u8]) -> Result<Patched> {
        let (immortal, blocks): (usize, usize) =
            (self.layout.immortal_bytes().narrow(), self.layout.block_bytes().narrow());
        let mut patched = Patched { immortal: pages[..immortal].to_vec(), blocks: None };
        let others = saved.other_types();
        if !others.is_empty() {
            let mut blocks = pages[immortal..immortal + blocks].to_vec();
            self.patch_headers(objects, &others, [&mut patched.immortal, &mut blocks])?;
            patched.blocks = Some(blocks);
        }
        for (object, code) in &objects.functions {
            let call = self.call(*code, hosts).ok_or_else(|| damaged("the code of a function"))??;
            let misplaced = || damaged("the place of a function");
            let at = self.place(*object, FUNC_CODE_OFFSET, 8).ok_or_else(misplaced)?;
            patched.immortal[at].copy_from_slice(&(call.code as u64).to_le_bytes());
            if let Code::Host(_) = code {
                let at = self.place(*object, FUNC_CONTEXT_OFFSET, 4).ok_or_else(misplaced)?;
                let context = patched.immortal[at].try_into().expect("four bytes");
                let at = self.place(u32::from_le_bytes(context), ContextLayout::NATIVE, 4).ok_or_else(misplaced)?;
                patched.immortal[at].copy_from_slice(&call.native.to_le_bytes());
            }
        }
        Ok(patched)
    }

    /// Bytes of an object in the immortal space.
    fn place(&self, object: RawRef, offset: u32, bytes: u64) -> Option<Range<usize>> {
        let at = self.layout.position(object)? + u64::from(offset);
        (at + bytes <= self.layout.immortal_bytes()).then(|| at.narrow()..(at + bytes).narrow())
    }

    /// How code is called; none if there is no such function. Only functions of the host have a native number.
    fn call(&self, code: Code, hosts: &Hosts) -> Option<Result<HostEntry>> {
        match code {
            Code::Module(module, function) => {
                let module = self.modules.get(module as usize)?;
                let defined = function.checked_sub(module.info().imported_functions)?;
                let code = || module.code().entry(defined);
                ((defined as usize) < module.info().bodies.len()).then(|| Ok(HostEntry { code: code(), native: 0 }))
            }
            Code::Host(number) => {
                let (ty, host) = (hosts.types.get(number as usize)?.as_ref()?, hosts.codes.get(number as usize)?);
                Some(HostEntry::of(self.engine, ty, host))
            }
        }
    }

    /// Writes the ids of this engine into the headers of all objects that have others.
    fn patch_headers(
        &self,
        objects: &Objects,
        others: &FxHashMap<u32, TypeId>,
        [immortal, blocks]: [&mut Vec<u8>; 2],
    ) -> Result<()> {
        for (index, byte) in objects.bits.iter().enumerate().filter(|(_, byte)| **byte != 0) {
            for bit in (0..8).filter(|bit| byte >> bit & 1 != 0) {
                let at = (index * 8 + bit) * BYTES_PER_BIT as usize;
                let header = match at.checked_sub(immortal.len()) {
                    None => immortal.get_mut(at..at + 4),
                    Some(at) => blocks.get_mut(at..at + 4),
                };
                let header: &mut [u8; 4] =
                    header.and_then(|header| header.try_into().ok()).ok_or_else(|| damaged("an object"))?;
                let word = u32::from_le_bytes(*header);
                if let Some(id) = others.get(&(word >> TYPE_ID_SHIFT)) {
                    *header = id.header(word & STATE_MASK).to_le_bytes();
                }
            }
        }
        Ok(())
    }
}
