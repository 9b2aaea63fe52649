//! What the registry's lock protects: groups by encoding, types by id, and the number of users of each group.

use super::RegistryError;
use super::group::{EngineType, NewGroup};
use heapwood_gc::{TypeDefinition, TypeTable, TypeTableFull};
use heapwood_gc_abi::{ObjectKind, StructLayout, TypeId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// No group.
const END: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct State {
    groups: Vec<Option<Group>>,
    /// Indices of `groups` that are empty.
    free: Vec<u32>,
    /// First group of each hash; the others follow by `Group::next`.
    heads: FxHashMap<u64, u32>,
    types: FxHashMap<TypeId, Entry>,
    /// Ids that are in use: types and exception types.
    live: usize,
}

#[derive(Debug)]
struct Group {
    hash: u64,
    key: Box<[u32]>,
    ids: Arc<[TypeId]>,
    /// Handles and groups that hold it.
    users: usize,
    /// The other groups that it names, each once.
    outer: Box<[u32]>,
    next: u32,
}

#[derive(Debug)]
struct Entry {
    ty: Arc<EngineType>,
    group: u32,
    /// Type of the exceptions of tags with this function type, once there was one.
    exception: Option<TypeId>,
}

impl State {
    pub fn live(&self) -> usize {
        self.live
    }

    pub fn get(&self, id: TypeId) -> Option<Arc<EngineType>> {
        self.types.get(&id).map(|entry| entry.ty.clone())
    }

    /// The types of the group of a type.
    pub fn members(&self, id: TypeId) -> Option<Arc<[TypeId]>> {
        let group = self.types.get(&id)?.group;
        self.groups[group as usize].as_ref().map(|group| group.ids.clone())
    }

    /// Whether `b` is among the ancestors of `a`, or `a` itself.
    pub fn is_subtype(&self, a: TypeId, b: TypeId) -> bool {
        self.lineage(Some(a)).any(|id| id == b)
    }

    /// A type with its ancestors, upwards.
    fn lineage(&self, from: Option<TypeId>) -> impl Iterator<Item = TypeId> {
        std::iter::successors(from, |id| self.types.get(id)?.ty.supertype)
    }

    fn group(&mut self, group: u32) -> &mut Group {
        self.groups[group as usize].as_mut().expect("a group that is held is there")
    }

    pub fn add_user(&mut self, group: u32) {
        self.group(group).users += 1;
    }

    /// Adds a user to the group of a type; `None` if there is no such type.
    pub fn retain(&mut self, id: TypeId) -> Option<u32> {
        let group = self.types.get(&id)?.group;
        self.add_user(group);
        Some(group)
    }

    /// Adds a user to the group equal to `new`, which is made if there is none.
    pub fn acquire(
        &mut self,
        table: &TypeTable,
        quota: u32,
        hash: u64,
        new: NewGroup<'_>,
    ) -> Result<(u32, Arc<[TypeId]>), RegistryError> {
        let mut candidate = self.heads.get(&hash).copied().unwrap_or(END);
        while candidate != END {
            let group = self.group(candidate);
            if *group.key == *new.key {
                group.users += 1;
                return Ok((candidate, group.ids.clone()));
            }
            candidate = group.next;
        }
        self.check_quota(quota, new.len())?;
        self.insert(table, hash, new)
    }

    fn check_quota(&self, quota: u32, wanted: usize) -> Result<(), RegistryError> {
        match self.live + wanted > quota as usize {
            true => Err(RegistryError::Quota { quota, live: self.live as u32, wanted: wanted as u32 }),
            false => Ok(()),
        }
    }

    /// Makes a group with one user.
    fn insert(
        &mut self,
        table: &TypeTable,
        hash: u64,
        new: NewGroup<'_>,
    ) -> Result<(u32, Arc<[TypeId]>), RegistryError> {
        let types = self.define(table, &new)?;
        let ids: Arc<[TypeId]> = types.iter().map(|ty| ty.id).collect();
        let mut outer: Vec<u32> = new.outer.iter().map(|id| self.types[id].group).collect();
        outer.sort_unstable();
        outer.dedup();
        outer.iter().for_each(|group| self.add_user(*group));

        let number = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            (self.groups.len() - 1) as u32
        });
        let next = self.heads.insert(hash, number).unwrap_or(END);
        let key = new.key.into_boxed_slice();
        let group = Group { hash, key, ids: ids.clone(), users: 1, outer: outer.into_boxed_slice(), next };
        self.groups[number as usize] = Some(group);
        self.live += types.len();
        for ty in types {
            self.types.insert(ty.id, Entry { ty: Arc::new(ty), group: number, exception: None });
        }
        Ok((number, ids))
    }

    /// Gives each member an id and a descriptor; all or none.
    fn define(&self, table: &TypeTable, new: &NewGroup<'_>) -> Result<Vec<EngineType>, TypeTableFull> {
        let mut ids: Vec<TypeId> = Vec::with_capacity(new.len());
        let mut depths: Vec<usize> = Vec::with_capacity(new.len());
        let mut layouts: Vec<StructLayout> = Vec::with_capacity(new.len());
        for index in 0..new.len() {
            let (depth, layout) = match new.supertype(index) {
                None => (0, new.layout(index, None)),
                Some(Ok(place)) => (depths[place] + 1, new.layout(index, Some(&layouts[place]))),
                Some(Err(id)) => (self.lineage(Some(id)).count(), new.layout(index, Some(&self.types[&id].ty.layout))),
            };
            match table.allocate(depth, new.object_bytes(index, &layout)) {
                Ok(id) => ids.push(id),
                Err(full) => {
                    ids.iter().for_each(|id| table.release(*id));
                    return Err(full);
                }
            }
            depths.push(depth);
            layouts.push(layout);
        }
        let mut types: Vec<EngineType> = Vec::with_capacity(new.len());
        let mut ancestors: Vec<TypeId> = Vec::new();
        for (index, layout) in layouts.into_iter().enumerate() {
            ancestors.clear();
            let mut above = new.supertype(index);
            while let Some(Ok(place)) = above {
                ancestors.push(ids[place]);
                above = new.supertype(place);
            }
            ancestors.extend(self.lineage(above.and_then(Result::err)));
            ancestors.reverse();
            let ty = new.engine_type(index, &ids, layout);
            let ref_offsets: Vec<u32> = ty.layout.ref_offsets().collect();
            table.define(
                ty.id,
                &TypeDefinition {
                    ancestors: &ancestors,
                    kind: ty.object_kind(),
                    elem_shift: ty.elem_shift(),
                    object_bytes: ty.object_bytes(),
                    ref_offsets: &ref_offsets,
                },
            );
            types.push(ty);
        }
        Ok(types)
    }

    /// Takes a user away, and with the last one the group; then the same for the groups that it names.
    pub fn release(&mut self, table: &TypeTable, group: u32) {
        let mut work = vec![group];
        while let Some(number) = work.pop() {
            let group = self.group(number);
            group.users -= 1;
            if group.users > 0 {
                continue;
            }
            let group = self.groups[number as usize].take().expect("it was there just now");
            self.unlink(number, &group);
            self.free.push(number);
            for id in group.ids.iter() {
                let entry = self.types.remove(id).expect("the types of a group are there with it");
                for id in entry.exception.into_iter().chain([*id]) {
                    table.release(id);
                    self.live -= 1;
                }
            }
            work.extend(group.outer);
        }
    }

    fn unlink(&mut self, number: u32, group: &Group) {
        let mut place = self.heads.get_mut(&group.hash).expect("a group's hash has a first group");
        if *place == number && group.next == END {
            self.heads.remove(&group.hash);
            return;
        }
        while *place != number {
            let before = *place as usize;
            place = &mut self.groups[before].as_mut().expect("groups of a chain are there").next;
        }
        *place = group.next;
    }

    /// The type of the exceptions of tags with the function type `func`, laid out as `layout`.
    pub fn exception_type(
        &mut self,
        table: &TypeTable,
        quota: u32,
        func: TypeId,
        layout: &StructLayout,
    ) -> Result<TypeId, RegistryError> {
        if let Some(id) = self.types[&func].exception {
            return Ok(id);
        }
        self.check_quota(quota, 1)?;
        let ref_offsets: Vec<u32> = layout.ref_offsets().collect();
        let id = table.add(&TypeDefinition {
            ancestors: &[],
            kind: ObjectKind::Exception,
            elem_shift: 0,
            object_bytes: layout.object_bytes(),
            ref_offsets: &ref_offsets,
        })?;
        self.types.get_mut(&func).expect("looked up above").exception = Some(id);
        self.live += 1;
        Ok(id)
    }
}
