//! Random valid type sections, and a naive model of equality and subtyping to compare with.

use crate::{CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, SubType, TypeIndex, ValType};
use std::ops::Range;

/// The rec groups of a module.
pub type Groups = Vec<Vec<SubType>>;

/// Numbers from a seed (splitmix64): small changes of the seed change everything.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A random module of `groups` rec groups. Few kinds of types, and groups that repeat earlier ones with references
/// moved along, so that equal types at different indices are frequent.
pub fn random_groups(random: &mut Random, groups: usize) -> Groups {
    let mut module = Groups::new();
    let mut types: Vec<SubType> = Vec::new();
    for _ in 0..groups {
        let group = if !module.is_empty() && random.one_in(2) {
            repeated_group(random, &module, types.len() as TypeIndex)
        } else {
            random_group(random, &types)
        };
        types.extend(group.iter().cloned());
        module.push(group);
    }
    module
}

/// A copy of an earlier group whose inner references are inner again; sometimes an outer one is changed.
fn repeated_group(random: &mut Random, module: &Groups, end: TypeIndex) -> Vec<SubType> {
    let chosen = random.below(module.len());
    let start = module[..chosen].iter().map(Vec::len).sum::<usize>() as TypeIndex;
    let group = start..start + module[chosen].len() as TypeIndex;
    let shifted = |index: TypeIndex| if group.contains(&index) { index - start + end } else { index };
    let copy = |ty: &SubType| SubType {
        is_final: ty.is_final,
        supertype: ty.supertype.map(shifted),
        composite: ty.composite.map_types(shifted),
    };
    let mut copy: Vec<_> = module[chosen].iter().map(copy).collect();
    if random.one_in(4) {
        let last = copy.len() - 1;
        copy[last].is_final ^= true;
    }
    copy
}

fn random_group(random: &mut Random, before: &[SubType]) -> Vec<SubType> {
    let start = before.len();
    let end = start + 1 + if random.one_in(2) { 0 } else { random.below(4) };
    let mut group: Vec<SubType> = Vec::new();
    for index in start..end {
        let parent = (index > 0 && random.one_in(2)).then(|| random.below(index));
        let parent_type = parent.map(|parent| before.get(parent).unwrap_or_else(|| &group[parent - start]));
        let (supertype, composite) = match parent_type {
            Some(ty) if !ty.is_final => (parent, extended(random, &ty.composite, end)),
            _ => (None, random_composite(random, end)),
        };
        let supertype = supertype.map(|supertype| supertype as TypeIndex);
        group.push(SubType { is_final: random.one_in(3), supertype, composite });
    }
    group
}

fn extended(random: &mut Random, parent: &CompositeType, end: usize) -> CompositeType {
    match parent {
        CompositeType::Struct(fields) if random.one_in(2) => {
            let extra = std::iter::once_with(|| random_field(random, end));
            CompositeType::Struct(fields.iter().copied().chain(extra).collect())
        }
        other => other.clone(),
    }
}

fn random_composite(random: &mut Random, end: usize) -> CompositeType {
    match random.below(4) {
        0 => CompositeType::Array(random_field(random, end)),
        1 => {
            let (params, results) = (random.below(3), random.below(2));
            CompositeType::Func(FuncType {
                params: (0..params).map(|_| random_val(random, end)).collect(),
                results: (0..results).map(|_| random_val(random, end)).collect(),
            })
        }
        _ => {
            let fields = random.below(3);
            CompositeType::Struct((0..fields).map(|_| random_field(random, end)).collect())
        }
    }
}

fn random_field(random: &mut Random, end: usize) -> FieldType {
    let storage = match random.below(6) {
        0 => StorageType::I8,
        1 => StorageType::I16,
        _ => StorageType::Val(random_val(random, end)),
    };
    FieldType { storage, mutable: random.one_in(2) }
}

fn random_val(random: &mut Random, end: usize) -> ValType {
    match random.below(8) {
        0 => ValType::I32,
        1 => ValType::F32,
        2 => ValType::V128,
        3 => ValType::Ref(RefType::new(random.one_in(2), [HeapType::Any, HeapType::Eq][random.below(2)])),
        _ => ValType::Ref(RefType::new(random.one_in(2), HeapType::Type(random.below(end) as TypeIndex))),
    }
}

/// A type of one of several modules.
pub type Location = (usize, TypeIndex);

/// Equality and subtyping by their definitions, with no regard for cost.
pub struct Model<'a> {
    modules: &'a [Groups],
    /// By module: its types, flat, and the group of each.
    types: Vec<Vec<SubType>>,
    groups: Vec<Vec<Range<TypeIndex>>>,
}

impl<'a> Model<'a> {
    /// A model of these modules.
    pub fn new(modules: &'a [Groups]) -> Model<'a> {
        let types = modules.iter().map(|groups| groups.concat()).collect();
        let ranges = |groups: &Groups| {
            let mut start = 0;
            let mut ranges = Vec::new();
            for group in groups {
                let range = start..start + group.len() as TypeIndex;
                start = range.end;
                ranges.extend(group.iter().map(|_| range.clone()));
            }
            ranges
        };
        Model { modules, types, groups: modules.iter().map(ranges).collect() }
    }

    /// Every type.
    pub fn locations(&self) -> Vec<Location> {
        let types = |module: usize| (0..self.types[module].len() as TypeIndex).map(move |index| (module, index));
        (0..self.modules.len()).flat_map(types).collect()
    }

    fn get(&self, (module, index): Location) -> &SubType {
        &self.types[module][index as usize]
    }

    fn group(&self, (module, index): Location) -> Range<TypeIndex> {
        self.groups[module][index as usize].clone()
    }

    /// Same place in groups that are equal when unrolled.
    pub fn is_equal(&self, a: Location, b: Location) -> bool {
        let (group_a, group_b) = (self.group(a), self.group(b));
        if group_a.len() != group_b.len() || a.1 - group_a.start != b.1 - group_b.start {
            return false;
        }
        group_a.zip(group_b).all(|(i, j)| self.members_equal((a.0, i), (b.0, j)))
    }

    fn members_equal(&self, a: Location, b: Location) -> bool {
        let (x, y) = (self.get(a), self.get(b));
        let vals = |x: &[ValType], y: &[ValType]| {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| self.vals_equal(*x, a, *y, b))
        };
        x.is_final == y.is_final
            && match (x.supertype, y.supertype) {
                (None, None) => true,
                (Some(x), Some(y)) => self.indices_equal(x, a, y, b),
                _ => false,
            }
            && match (&x.composite, &y.composite) {
                (CompositeType::Func(x), CompositeType::Func(y)) => {
                    vals(&x.params, &y.params) && vals(&x.results, &y.results)
                }
                (CompositeType::Struct(x), CompositeType::Struct(y)) => {
                    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| self.fields_equal(*x, a, *y, b))
                }
                (CompositeType::Array(x), CompositeType::Array(y)) => self.fields_equal(*x, a, *y, b),
                _ => false,
            }
    }

    fn fields_equal(&self, x: FieldType, a: Location, y: FieldType, b: Location) -> bool {
        x.mutable == y.mutable
            && match (x.storage, y.storage) {
                (StorageType::Val(x), StorageType::Val(y)) => self.vals_equal(x, a, y, b),
                (x, y) => x == y,
            }
    }

    fn vals_equal(&self, x: ValType, a: Location, y: ValType, b: Location) -> bool {
        match (x, y) {
            (ValType::Ref(x), ValType::Ref(y)) => {
                x.nullable == y.nullable
                    && match (x.heap, y.heap) {
                        (HeapType::Type(x), HeapType::Type(y)) => self.indices_equal(x, a, y, b),
                        (x, y) => x == y,
                    }
            }
            (x, y) => x == y,
        }
    }

    /// References into the own group are equal by place, others by equality.
    fn indices_equal(&self, x: TypeIndex, a: Location, y: TypeIndex, b: Location) -> bool {
        let (group_a, group_b) = (self.group(a), self.group(b));
        match (group_a.contains(&x), group_b.contains(&y)) {
            (true, true) => x - group_a.start == y - group_b.start,
            (false, false) => self.is_equal((a.0, x), (b.0, y)),
            _ => false,
        }
    }

    /// Equal, or the supertype is below.
    pub fn is_subtype(&self, a: Location, b: Location) -> bool {
        self.is_equal(a, b) || self.get(a).supertype.is_some_and(|supertype| self.is_subtype((a.0, supertype), b))
    }
}
