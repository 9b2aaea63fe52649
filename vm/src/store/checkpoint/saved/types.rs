//! Types of a saved checkpoint: which ids mean what, in the engine that saves and in the one that loads.
//!
//! 1. Types of modules are those of the same indices in the modules that are given again.
//! 2. What the host has made beside them is written with its structure, a rec group after those that it names, and
//!    registered again: equal groups are the same types in every engine.
//! 3. Types of exceptions follow from the function types of their tags.

use super::damaged;
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::module::{Module, checksum};
use crate::registry::{TypeHandle, TypeRegistry};
use crate::store::checkpoint::bytes::{Reader, Writer};
use crate::store::held_types::HeldTypes;
use crate::types::HeapType;
use heapwood_gc_abi::TypeId;
use heapwood_module::{SubType, TypeIndex, brief};
use rustc_hash::{FxHashMap, FxHashSet};

/// What tells modules apart: the sums of their bytes, and how many these are.
type Fingerprint = [u64; 3];

fn fingerprint(module: &Module) -> Fingerprint {
    let bytes = &*module.info().bytes;
    [checksum(1, bytes), checksum(2, bytes), bytes.len() as u64]
}

/// Writes down which modules there are, and the ids of their types.
pub(super) fn save_modules(modules: &[Module], out: &mut Writer) {
    out.list(modules.iter(), |out, module| {
        fingerprint(module).into_iter().for_each(|part| out.u64(part));
        out.bytes(module.name().unwrap_or_default().as_bytes());
        out.list(module.type_ids().ids().iter(), |out, id| out.type_id(*id));
    });
}

/// The modules that were saved, of those that are given; their types are known from then on.
///
/// # Errors
/// One is not given.
pub(super) fn load_modules(saved: &mut Reader<'_>, given: &[Module]) -> Result<Vec<Module>> {
    let given: Vec<(Fingerprint, &Module)> = given.iter().map(|module| (fingerprint(module), module)).collect();
    let rows = saved.list(|saved| {
        let fingerprint: Fingerprint = [saved.u64()?, saved.u64()?, saved.u64()?];
        Some((fingerprint, saved.bytes()?, saved.list(Reader::u32)?))
    });
    let mut modules = Vec::new();
    for (fingerprint, name, ids) in rows.ok_or_else(|| damaged("its modules"))? {
        let Some((_, module)) = given.iter().find(|(known, _)| *known == fingerprint) else {
            let name = String::from_utf8_lossy(name);
            let which = if name.is_empty() { "without a name".to_owned() } else { format!("`{}`", brief(&name)) };
            return Err(super::refused(format!(
                "it needs a module {which} of {} bytes, which is none of the {} that were given",
                fingerprint[2],
                given.len()
            )));
        };
        let known = module.type_ids().ids();
        if known.len() != ids.len() {
            return Err(damaged("the types of a module"));
        }
        ids.iter().zip(known).for_each(|(id, known)| saved.know_type(TypeId(*id), *known));
        modules.push((*module).clone());
    }
    Ok(modules)
}

/// Writes down the types that are held beside those of modules.
pub(super) fn save_held(registry: &TypeRegistry, held: &[TypeId], modules: &[Module], out: &mut Writer) {
    let mut done: FxHashSet<TypeId> = modules.iter().flat_map(|module| module.type_ids().ids()).copied().collect();
    let mut groups: Vec<Vec<TypeId>> = Vec::new();
    let mut wanted: Vec<TypeId> = held.to_vec();
    while let Some(&id) = wanted.last() {
        let members = registry.group(id);
        let named = members.iter().flat_map(|member| named_by(registry, *member));
        let missing: Vec<TypeId> = named.filter(|id| !done.contains(id) && !members.contains(id)).collect();
        if done.contains(&id) || missing.is_empty() {
            wanted.pop();
            if done.insert(id) {
                done.extend(members.iter().copied());
                groups.push(members);
            }
        }
        if !done.contains(&id) {
            wanted.extend(missing);
        }
    }
    out.list(groups.iter(), |out, members| save_group(registry, members, out));
    out.list(held.iter(), |out, id| out.type_id(*id));
}

/// Types that the definition of a type names.
fn named_by(registry: &TypeRegistry, id: TypeId) -> Vec<TypeId> {
    let ty = registry.composite(id);
    let named = std::cell::RefCell::new(Vec::new());
    ty.composite.map_types(|index| {
        named.borrow_mut().push(TypeId(index));
        index
    });
    let mut named = named.into_inner();
    named.extend(ty.supertype);
    named
}

fn save_group(registry: &TypeRegistry, members: &[TypeId], out: &mut Writer) {
    out.list(members.iter(), |out, id| out.type_id(*id));
    out.list(members.iter(), |out, id| {
        let ty = registry.composite(*id);
        out.bool(ty.is_final);
        out.option(ty.supertype.map(|id| u64::from(id.0)));
        out.composite(&ty.composite);
    });
}

/// The types that were held, in this engine.
///
/// # Errors
/// There are none such; the engine's types are used up.
pub(super) fn load_held(saved: &mut Reader<'_>, engine: &Engine) -> Result<HeldTypes> {
    let groups = saved.usize().ok_or_else(|| damaged("its types"))?;
    // Those that are not held themselves are held by others of them.
    let mut handles: Vec<TypeHandle> = Vec::new();
    for _ in 0..groups {
        let (ids, members) = load_group(saved).ok_or_else(|| damaged("a group of types"))?;
        let registered = engine.registry().register_group(&members);
        let registered = registered.map_err(|error| Error::limit(error.to_string()))?;
        ids.iter().zip(&registered).for_each(|(id, handle)| saved.know_type(*id, handle.id()));
        handles.extend(registered);
    }
    let held = saved.list(Reader::type_id).ok_or_else(|| damaged("the types that are held"))?;
    Ok(HeldTypes::holding(held.into_iter().map(|id| (id, HeapType::of(engine.registry(), id)))))
}

/// The members of a group, and the ids that they had.
fn load_group(saved: &mut Reader<'_>) -> Option<(Vec<TypeId>, Vec<SubType>)> {
    let ids = saved.list(|saved| saved.u32().map(TypeId))?;
    let own: FxHashMap<u32, TypeIndex> = ids.iter().map(|id| id.0).zip(TypeRegistry::OWN_GROUP..).collect();
    let members = saved.list(|saved| {
        let (is_final, supertype) = (saved.bool()?, saved.option()?);
        let composite = saved.saved_composite()?;
        let is_unknown = std::cell::Cell::new(false);
        let here = |index: TypeIndex| {
            let known = own.get(&index).copied().or_else(|| saved.known_type(index).map(|id| id.0));
            is_unknown.set(is_unknown.get() || known.is_none());
            known.unwrap_or(index)
        };
        let supertype = supertype.map(|index| u32::try_from(index).ok().map(here));
        if supertype == Some(None) {
            return None;
        }
        let composite = composite.map_types(here);
        (!is_unknown.get()).then(|| SubType { is_final, supertype: supertype.flatten(), composite })
    })?;
    (members.len() == ids.len() && !ids.is_empty()).then_some((ids, members))
}

/// Writes down the types of exceptions of these tags.
///
/// # Errors
/// The engine's types are used up.
pub(super) fn save_exceptions(registry: &TypeRegistry, tags: &[TypeId], out: &mut Writer) -> Result<()> {
    let ids = tags.iter().map(|func| registry.exception_type(*func).map(|(id, _)| (*func, id)));
    let ids = ids.collect::<Result<Vec<_>, _>>().map_err(|error| Error::limit(error.to_string()))?;
    out.list(ids.iter(), |out, (func, id)| {
        out.type_id(*func);
        out.type_id(*id);
    });
    Ok(())
}

/// The types of exceptions are known from then on.
///
/// # Errors
/// There are none such; the engine's types are used up.
pub(super) fn load_exceptions(saved: &mut Reader<'_>, registry: &TypeRegistry) -> Result<()> {
    let rows = saved.list(|saved| Some((saved.type_id()?, TypeId(saved.u32()?))));
    for (func, id) in rows.ok_or_else(|| damaged("its exceptions"))? {
        if registry.get(func).is_none_or(|ty| !ty.is_function()) {
            return Err(damaged("the type of an exception"));
        }
        let here = registry.exception_type(func).map_err(|error| Error::limit(error.to_string()))?;
        saved.know_type(id, here.0);
    }
    Ok(())
}
