use super::*;
use heapwood_module::testing::{Groups, Model, Random, random_groups};
use heapwood_module::{FieldType, HeapType, RefType, StorageType, TypeSectionBuilder};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;

/// Types of the registry itself.
const RESERVED: usize = 9;

fn registry(hash_mask: u64) -> Arc<TypeRegistry> {
    TypeRegistry::build(Arc::new(TypeTable::new().unwrap()), TypeRegistry::QUOTA, hash_mask).unwrap()
}

fn section(groups: &Groups) -> TypeSection {
    let mut builder = TypeSectionBuilder::default();
    for group in groups {
        builder.push_group(group.iter().cloned());
    }
    builder.finish()
}

fn random_modules(seed: u64, modules: usize) -> Vec<Groups> {
    let mut random = Random(seed);
    // The first groups of the modules are equal, so that equal types across modules are frequent.
    let common = random_groups(&mut random, 4);
    let module = |_| {
        let mut groups = common[..random.below(5)].to_vec();
        let start = groups.iter().map(Vec::len).sum::<usize>() as TypeIndex;
        for group in random_groups(&mut random, 4) {
            groups.push(group.iter().map(|ty| moved(ty, start)).collect());
        }
        groups
    };
    (0..modules).map(module).collect()
}

fn moved(ty: &SubType, by: TypeIndex) -> SubType {
    SubType {
        is_final: ty.is_final,
        supertype: ty.supertype.map(|supertype| supertype + by),
        composite: ty.composite.map_types(|index| index + by),
    }
}

fn agree_with_model(groups: &[Groups], hash_mask: u64) -> Result<(), TestCaseError> {
    let registry = registry(hash_mask);
    let sections: Vec<_> = groups.iter().map(section).collect();
    let modules: Vec<_> = sections.iter().map(|section| registry.register_module(section).unwrap()).collect();
    let model = Model::new(groups);
    let locations = model.locations();
    for &a in &locations {
        let id_a = modules[a.0].id(a.1);
        check_descriptor(&registry, id_a)?;
        prop_assert_eq!(&registry.composite(id_a).layout, sections[a.0].layout(a.1));
        for &b in &locations {
            let id_b = modules[b.0].id(b.1);
            prop_assert_eq!(id_a == id_b, model.is_equal(a, b), "{:?} equal to {:?}", a, b);
            prop_assert_eq!(registry.is_subtype(id_a, id_b), model.is_subtype(a, b), "{:?} below {:?}", a, b);
        }
    }
    drop(modules);
    prop_assert_eq!((registry.live(), registry.table().len()), (0, RESERVED));
    Ok(())
}

/// The descriptor says what the type says.
fn check_descriptor(registry: &TypeRegistry, id: TypeId) -> Result<(), TestCaseError> {
    let ty = registry.composite(id);
    let descriptor = registry.table().descriptor(id);
    let mut lineage: Vec<_> = std::iter::successors(Some(id), |id| registry.composite(*id).supertype).collect();
    lineage.reverse();
    let depth = usize::from(descriptor.depth);
    prop_assert_eq!(depth + 1, lineage.len());
    let direct = lineage.len().min(DISPLAY_DEPTH);
    prop_assert_eq!(&descriptor.display[..direct], &lineage[..direct]);
    prop_assert!(descriptor.display[direct..].iter().all(|id| *id == TypeId::NONE));
    let kind = match &ty.composite {
        CompositeType::Func(_) => ObjectKind::Func,
        CompositeType::Struct(_) => ObjectKind::Struct,
        CompositeType::Array(element) if element.storage.unpacked().is_ref() => ObjectKind::ArrayRef,
        CompositeType::Array(element) => {
            prop_assert_eq!(1 << descriptor.elem_shift, element.storage.field_kind().bytes());
            ObjectKind::ArrayData
        }
    };
    prop_assert_eq!(descriptor.kind, kind);
    if kind == ObjectKind::Struct {
        prop_assert_eq!(descriptor.size, ty.layout.object_bytes());
        prop_assert_eq!(descriptor.ref_count as usize, ty.layout.ref_offsets().count());
    }
    Ok(())
}

proptest! {
    #[test]
    fn equality_and_subtyping_across_modules_are_those_of_the_model(seed: u64) {
        agree_with_model(&random_modules(seed, 3), u64::MAX)?;
    }

    #[test]
    fn hash_collisions_change_nothing(seed: u64) {
        agree_with_model(&random_modules(seed, 3), 0)?;
    }

    #[test]
    fn types_live_as_long_as_their_last_module(seed: u64, collide: bool) {
        let registry = registry(if collide { 0 } else { u64::MAX });
        let sections: Vec<_> = random_modules(seed, 4).iter().map(section).collect();
        let mut random = Random(seed);
        let mut alive: Vec<(usize, ModuleTypes)> = Vec::new();
        for _ in 0..40 {
            if !alive.is_empty() && random.one_in(2) {
                alive.swap_remove(random.below(alive.len()));
            } else {
                let chosen = random.below(sections.len());
                let types = registry.register_module(&sections[chosen]).unwrap();
                if let Some((_, same)) = alive.iter().find(|(module, _)| *module == chosen) {
                    prop_assert_eq!(same.ids(), types.ids());
                }
                alive.push((chosen, types));
            }
            let mut ids: Vec<_> = alive.iter().flat_map(|(_, types)| types.ids()).copied().collect();
            ids.sort();
            ids.dedup();
            prop_assert!(ids.iter().all(|id| registry.get(*id).is_some_and(|ty| ty.id == *id)));
            prop_assert_eq!(registry.live(), ids.len(), "nothing else is alive");
        }
    }
}

#[test]
fn many_threads_agree_while_types_come_and_go() {
    let registry = registry(u64::MAX);
    let sections: Vec<_> = (0..6).flat_map(|seed| random_modules(seed, 2)).map(|groups| section(&groups)).collect();
    let anchors: Vec<_> =
        sections.iter().step_by(2).map(|section| registry.register_module(section).unwrap()).collect();
    let live = registry.live();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (registry, sections, anchors) = (&registry, &sections, &anchors);
            scope.spawn(move || {
                let mut random = Random(thread);
                let mut held: Vec<(usize, ModuleTypes)> = Vec::new();
                for _ in 0..1000 {
                    let chosen = random.below(sections.len());
                    let types = registry.register_module(&sections[chosen]).unwrap();
                    if chosen.is_multiple_of(2) {
                        assert_eq!(types.ids(), anchors[chosen / 2].ids());
                    }
                    for (index, ty) in (0..).zip(&sections[chosen].types) {
                        let engine = registry.composite(types.id(index));
                        assert_eq!(engine.composite, ty.composite.map_types(|index| types.id(index).0));
                        assert_eq!(engine.supertype, ty.supertype.map(|index| types.id(index)));
                    }
                    held.push((chosen, types));
                    if held.len() > 3 {
                        held.swap_remove(random.below(held.len()));
                    }
                }
            });
        }
    });
    assert_eq!(registry.live(), live);
    drop(anchors);
    assert_eq!((registry.live(), registry.table().len()), (0, RESERVED));
}

/// A type is dropped by its last holder while others look it up by id: whoever gets it gets all of it, and at the end
/// nothing is left.
#[test]
fn a_type_is_retained_by_id_while_its_last_holder_drops_it() {
    let registry = registry(u64::MAX);
    let shape = section(&vec![
        vec![struct_type(None, &[ValType::I64])],
        vec![struct_type(Some(0), &[ValType::I64, reference(HeapType::Type(0))])],
    ]);
    let (retained, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let id = AtomicU32::new(TypeId::NONE.0);
        let (id, registry, shape) = (Arc::new(id), &registry, &shape);
        for _ in 0..2 {
            let id = id.clone();
            scope.spawn(move || {
                for _ in 0..3000 {
                    let types = registry.register_module(shape).unwrap();
                    id.store(types.id(1).0, Ordering::Relaxed);
                    thread::yield_now();
                }
            });
        }
        for _ in 0..2 {
            let (id, retained, missed) = (id.clone(), &retained, &missed);
            scope.spawn(move || {
                for _ in 0..6000 {
                    let wanted = TypeId(id.load(Ordering::Relaxed));
                    let Some(handle) = registry.retain(wanted) else {
                        missed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    retained.fetch_add(1, Ordering::Relaxed);
                    let copy = handle.clone();
                    drop(handle);
                    let ty = registry.composite(copy.id());
                    // The id may belong to the supertype by now.
                    if let Some(supertype) = ty.supertype {
                        assert!(registry.is_subtype(copy.id(), supertype));
                        assert_eq!(registry.composite(supertype).layout.offsets[..], ty.layout.offsets[..1]);
                    }
                }
            });
        }
    });
    assert_eq!(retained.into_inner() + missed.into_inner(), 12_000);
    assert_eq!((registry.live(), registry.table().len()), (0, RESERVED));
}

fn struct_type(supertype: Option<TypeIndex>, fields: &[ValType]) -> SubType {
    let field = |val: &ValType| FieldType { storage: StorageType::Val(*val), mutable: true };
    let composite = CompositeType::Struct(fields.iter().map(field).collect());
    SubType { is_final: false, supertype, composite }
}

fn reference(heap: HeapType) -> ValType {
    ValType::Ref(RefType::new(true, heap))
}

#[test]
fn function_types_of_the_host_are_those_of_modules() {
    let registry = registry(u64::MAX);
    let node = section(&vec![vec![struct_type(None, &[reference(HeapType::Type(0))])]]);
    let node = registry.register_module(&node).unwrap();
    let composite = CompositeType::Func(FuncType {
        params: [ValType::I32, reference(HeapType::Type(0))].into(),
        results: [ValType::I64].into(),
    });
    let func = SubType { is_final: true, supertype: None, composite };
    let module = section(&vec![vec![struct_type(None, &[reference(HeapType::Type(0))])], vec![func]]);
    let module = registry.register_module(&module).unwrap();
    assert_eq!(module.id(0), node.id(0));

    let params = [ValType::I32, reference(HeapType::Type(node.id(0).0))];
    let host = registry.register_func_type(params, [ValType::I64]).unwrap();
    assert_eq!(host.id(), module.id(1));
    let id = host.id();
    let (copy, retained) = (host.clone(), registry.retain(id).unwrap());
    drop((module, node, host));
    assert_eq!(registry.live(), 2, "the function type holds the struct that it names");
    assert_eq!((copy.id(), &copy), (id, &retained));
    drop((copy, retained));
    assert_eq!(registry.live(), 0);
    assert_eq!(registry.retain(id), None);
}

#[test]
fn exception_types_live_with_their_function_type() {
    let registry = registry(u64::MAX);
    let func = registry.register_func_type([ValType::I32, reference(HeapType::Any), ValType::F64], []).unwrap();
    let (id, layout) = registry.exception_type(func.id()).unwrap();
    assert_eq!(layout.offsets, [12, 16, 24]);
    let descriptor = registry.table().descriptor(id);
    assert_eq!((descriptor.kind, descriptor.size), (ObjectKind::Exception, 32));
    assert_eq!((descriptor.ref_count, descriptor.ref_map), (1, 1 << 4), "the tag is immortal and not scanned");
    assert_eq!(registry.exception_type(func.id()).unwrap().0, id);
    assert_eq!(registry.live(), 2);
    drop(func);
    assert_eq!((registry.live(), registry.table().len()), (0, RESERVED));
}

#[test]
fn subtypes_below_the_display_are_found() {
    let registry = registry(u64::MAX);
    // 64 types below each other: half of them in one group, half in groups of their own.
    let types: Vec<_> = (0..64).map(|index: u32| struct_type(index.checked_sub(1), &[])).collect();
    let mut groups = vec![types[..32].to_vec()];
    groups.extend(types[32..].iter().map(|ty| vec![ty.clone()]));
    let module = registry.register_module(&section(&groups)).unwrap();
    for a in 0..64 {
        check_descriptor(&registry, module.id(a)).unwrap();
        for b in 0..64 {
            assert_eq!(registry.is_subtype(module.id(a), module.id(b)), a >= b);
        }
    }
    let heap = |index| HeapType::Type(module.id(index).0);
    assert!(registry.heap_is_subtype(heap(40), heap(20)) && registry.heap_is_subtype(heap(40), HeapType::Eq));
    assert!(!registry.heap_is_subtype(heap(20), heap(40)) && registry.heap_is_subtype(HeapType::None, heap(40)));
}

#[test]
fn beyond_the_quota_is_an_error_that_names_it() {
    let table = Arc::new(TypeTable::new().unwrap());
    let registry = TypeRegistry::with_quota(table, 4).unwrap();
    let one = |val| vec![struct_type(None, &[val])];
    let first = registry.register_module(&section(&vec![one(ValType::I32), one(ValType::I64)])).unwrap();
    let second = section(&vec![one(ValType::I64), one(ValType::F32), one(ValType::F64), one(ValType::V128)]);
    let error = registry.register_module(&second).unwrap_err();
    assert_eq!(error, RegistryError::Quota { quota: 4, live: 4, wanted: 1 });
    let text = "the engine's quota of 4 types (Config::max_types) is used up: 4 are alive, 1 more are wanted";
    assert_eq!(error.to_string(), text);
    assert_eq!(registry.live(), 2, "the failed module holds nothing");
    drop(first);
    assert_eq!(registry.register_module(&second).unwrap().ids().len(), 4);
}

#[test]
fn a_full_table_leaves_nothing_behind() {
    // One entry is never handed out.
    let table = Arc::new(TypeTable::with_quota(64 * (1 + RESERVED + 4)).unwrap());
    let registry = TypeRegistry::with_quota(table, TypeRegistry::QUOTA).unwrap();
    let group = |len| vec![vec![struct_type(None, &[]); len]];
    let error = registry.register_module(&section(&group(5))).unwrap_err();
    assert!(matches!(error, RegistryError::Table(_)), "{error}");
    assert_eq!((registry.live(), registry.table().len()), (0, RESERVED));
    assert!(registry.register_module(&section(&group(4))).is_ok());
}

/// `count` groups of which each names the one before.
fn chain(count: TypeIndex) -> TypeSection {
    let mut builder = TypeSectionBuilder::default();
    builder.push_group([struct_type(None, &[])]);
    for index in 1..count {
        builder.push_group([struct_type(None, &[reference(HeapType::Type(index - 1))])]);
    }
    builder.finish()
}

fn register_and_release(count: TypeIndex) {
    let registry = registry(u64::MAX);
    let types = registry.register_module(&chain(count)).unwrap();
    let last = registry.retain(types.id(count - 1)).unwrap();
    drop(types);
    assert_eq!(registry.live(), count as usize, "the last type holds all others");
    drop(last);
    assert_eq!((registry.live(), registry.table().len()), (0, RESERVED));
}

#[test]
fn a_chain_of_types_is_released_without_recursion() {
    register_and_release(100_000);
}

#[test]
fn a_million_types() {
    register_and_release(1_000_000);
    let registry = registry(u64::MAX);
    let one_group = section(&vec![vec![struct_type(None, &[reference(HeapType::Type(999_999))]); 1_000_000]]);
    let (first, second) =
        (registry.register_module(&one_group).unwrap(), registry.register_module(&one_group).unwrap());
    assert_eq!(first.ids(), second.ids());
    assert_eq!(registry.live(), 1_000_000);
}
