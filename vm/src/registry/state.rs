//! What the registry's lock protects: groups by encoding, types by id, and the number of users of each group.

use super::RegistryError;
use super::group::{EngineType, Member, NewGroup};
use heapwood_gc::{TypeDefinition, TypeTableEdit};
use heapwood_gc_abi::descriptor::TYPE_ID_STEP;
use heapwood_gc_abi::{ObjectKind, StructLayout, TypeId};
use heapwood_module::{GroupReader, limits};
use rustc_hash::FxHashMap;
use std::sync::{Arc, OnceLock};

/// No group.
const END: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct State {
    groups: Vec<Option<Group>>,
    /// Indices of `groups` that are empty.
    free: Vec<u32>,
    /// First group of each hash; the others follow by `Group::next`.
    heads: FxHashMap<u64, u32>,
    /// Types by id: no two have ids within the same [`TYPE_ID_STEP`].
    entries: Vec<Entry>,
    /// Ids that are in use: types and exception types.
    live: usize,
    lists: Lists,
}

/// Lists that are made once.
#[derive(Debug, Default)]
struct Lists {
    ids: Vec<TypeId>,
    depths: Vec<usize>,
    ancestors: Vec<TypeId>,
    groups: Vec<u32>,
}

#[derive(Debug)]
struct Group {
    hash: u64,
    /// The key, the ids of the types, and the other groups that it names, each once.
    words: Box<[u32]>,
    /// Words of the key.
    key: u32,
    /// Number of types.
    types: u32,
    /// Handles and groups that hold it.
    users: usize,
    next: u32,
}

/// A type that is alive; without an id none is.
#[derive(Debug, Default)]
struct Entry {
    id: TypeId,
    group: u32,
    /// Where the type's words begin in the group's key.
    at: u32,
    /// The declared supertype, if there is one.
    supertype: TypeId,
    /// Type of the exceptions of tags with this function type, once there was one.
    exception: TypeId,
    /// Its structure, once somebody asked.
    ty: OnceLock<Arc<EngineType>>,
}

impl Group {
    fn key(&self) -> &[u32] {
        &self.words[..self.key as usize]
    }

    fn ids(&self) -> &[u32] {
        &self.words[self.key as usize..][..self.types as usize]
    }

    fn outer(&self) -> &[u32] {
        &self.words[(self.key + self.types) as usize..]
    }
}

fn some(id: TypeId) -> Option<TypeId> {
    (id != TypeId::NONE).then_some(id)
}

impl State {
    pub fn live(&self) -> usize {
        self.live
    }

    fn entry(&self, id: TypeId) -> Option<&Entry> {
        self.entries.get((id.0 / TYPE_ID_STEP) as usize).filter(|entry| entry.id == id && id != TypeId::NONE)
    }

    fn entry_mut(&mut self, id: TypeId) -> &mut Entry {
        let entry = self.entries.get_mut((id.0 / TYPE_ID_STEP) as usize).filter(|entry| entry.id == id);
        entry.expect("the types of a group are there with it")
    }

    fn insert_entry(&mut self, entry: Entry) {
        let at = (entry.id.0 / TYPE_ID_STEP) as usize;
        if at >= self.entries.len() {
            self.entries.resize_with(at + 1, Entry::default);
        }
        self.entries[at] = entry;
    }

    pub fn get(&self, id: TypeId) -> Option<Arc<EngineType>> {
        let entry = self.entry(id)?;
        let read = || {
            let group = self.groups[entry.group as usize].as_ref().expect("the group of a type is there with it");
            Arc::new(EngineType::read(id, GroupReader::new(&group.key()[entry.at as usize..]), group.ids()))
        };
        Some(entry.ty.get_or_init(read).clone())
    }

    /// The types of the group of a type.
    pub fn members(&self, id: TypeId) -> Option<Vec<TypeId>> {
        let group = self.groups[self.entry(id)?.group as usize].as_ref()?;
        Some(group.ids().iter().copied().map(TypeId).collect())
    }

    /// Whether `b` is among the ancestors of `a`, or `a` itself.
    pub fn is_subtype(&self, a: TypeId, b: TypeId) -> bool {
        self.lineage(Some(a)).any(|id| id == b)
    }

    /// A type with its ancestors, upwards.
    fn lineage(&self, from: Option<TypeId>) -> impl Iterator<Item = TypeId> {
        std::iter::successors(from, |id| some(self.entry(*id)?.supertype))
    }

    fn group(&mut self, group: u32) -> &mut Group {
        self.groups[group as usize].as_mut().expect("a group that is held is there")
    }

    pub fn add_user(&mut self, group: u32) {
        self.group(group).users += 1;
    }

    /// Adds a user to the group of a type; `None` if there is no such type.
    pub fn retain(&mut self, id: TypeId) -> Option<u32> {
        let group = self.entry(id)?.group;
        self.add_user(group);
        Some(group)
    }

    /// Adds a user to the group equal to `new`, which is made if there is none. The ids of its types come behind
    /// `ids`.
    pub fn acquire(
        &mut self,
        table: &mut TypeTableEdit<'_>,
        quota: u32,
        hash: u64,
        new: &NewGroup,
        ids: &mut Vec<TypeId>,
    ) -> Result<u32, RegistryError> {
        let mut candidate = self.heads.get(&hash).copied().unwrap_or(END);
        while candidate != END {
            let group = self.group(candidate);
            if group.key() == new.key {
                group.users += 1;
                ids.extend(group.ids().iter().copied().map(TypeId));
                return Ok(candidate);
            }
            candidate = group.next;
        }
        self.check_quota(quota, new.members.len())?;
        let mut lists = std::mem::take(&mut self.lists);
        let made = self.insert(table, hash, new, &mut lists);
        if made.is_ok() {
            ids.extend_from_slice(&lists.ids);
        }
        self.lists = lists;
        made
    }

    fn check_quota(&self, quota: u32, wanted: usize) -> Result<(), RegistryError> {
        match self.live + wanted > quota as usize {
            true => Err(RegistryError::Quota { quota, live: self.live as u32, wanted: wanted as u32 }),
            false => Ok(()),
        }
    }

    /// Makes a group with one user; `lists.ids` are its types.
    fn insert(
        &mut self,
        table: &mut TypeTableEdit<'_>,
        hash: u64,
        new: &NewGroup,
        lists: &mut Lists,
    ) -> Result<u32, RegistryError> {
        self.define(table, new, lists)?;
        let Lists { ids, groups: outer, .. } = lists;
        outer.clear();
        outer.extend(new.outer.iter().map(|id| self.entry(*id).expect("what a group names is held").group));
        outer.sort_unstable();
        outer.dedup();
        outer.iter().for_each(|group| self.add_user(*group));

        let number = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            (self.groups.len() - 1) as u32
        });
        let next = self.heads.insert(hash, number).unwrap_or(END);
        let mut words = Vec::with_capacity(new.key.len() + ids.len() + outer.len());
        words.extend_from_slice(&new.key);
        words.extend(ids.iter().map(|id| id.0));
        words.extend_from_slice(outer);
        let (key, types) = (new.key.len() as u32, ids.len() as u32);
        self.groups[number as usize] = Some(Group { hash, words: words.into(), key, types, users: 1, next });
        self.live += ids.len();
        for (id, member) in ids.iter().zip(&new.members) {
            let supertype = match member.supertype {
                None => TypeId::NONE,
                Some(Ok(place)) => ids[place],
                Some(Err(id)) => id,
            };
            let (exception, ty) = (TypeId::NONE, OnceLock::new());
            self.insert_entry(Entry { id: *id, group: number, at: member.at, supertype, exception, ty });
        }
        Ok(number)
    }

    /// Gives each member an id and a descriptor; all or none.
    fn define(&self, table: &mut TypeTableEdit<'_>, new: &NewGroup, lists: &mut Lists) -> Result<(), RegistryError> {
        let Lists { ids, depths, ancestors, .. } = lists;
        ids.clear();
        depths.clear();
        for member in &new.members {
            let depth = match member.supertype {
                None => 0,
                Some(Ok(place)) => depths[place] + 1,
                Some(Err(id)) => table.depth(id) + 1,
            };
            let id = match depth > limits::SUBTYPING_DEPTH_MAX {
                true => Err(RegistryError::Depth),
                false => table.allocate(depth, member.object_bytes).map_err(RegistryError::Table),
            };
            match id {
                Ok(id) => ids.push(id),
                Err(error) => {
                    ids.iter().for_each(|id| table.release(*id));
                    return Err(error);
                }
            }
            depths.push(depth);
        }
        for (id, member) in ids.iter().zip(&new.members) {
            self.find_ancestors(member, new, ids, ancestors);
            table.define(
                *id,
                &TypeDefinition {
                    ancestors,
                    kind: member.kind,
                    elem_shift: member.elem_shift,
                    object_bytes: member.object_bytes,
                    ref_offsets: new.ref_offsets(member),
                },
            );
        }
        Ok(())
    }

    /// Lists the ancestors of a member, the root first; `ids` are those of the group.
    fn find_ancestors(&self, member: &Member, new: &NewGroup, ids: &[TypeId], ancestors: &mut Vec<TypeId>) {
        ancestors.clear();
        let mut above = member.supertype;
        while let Some(Ok(place)) = above {
            ancestors.push(ids[place]);
            above = new.members[place].supertype;
        }
        ancestors.extend(self.lineage(above.and_then(Result::err)));
        ancestors.reverse();
    }

    /// Takes a user away from each of these groups, and with its last one the group; then the same for the groups that
    /// it names.
    pub fn release(&mut self, table: &mut TypeTableEdit<'_>, groups: impl IntoIterator<Item = u32>) {
        let mut work = std::mem::take(&mut self.lists.groups);
        work.clear();
        for group in groups {
            work.push(group);
            while let Some(number) = work.pop() {
                self.release_one(table, number, &mut work);
            }
        }
        self.lists.groups = work;
    }

    fn release_one(&mut self, table: &mut TypeTableEdit<'_>, number: u32, work: &mut Vec<u32>) {
        let group = self.group(number);
        group.users -= 1;
        if group.users > 0 {
            return;
        }
        let group = self.groups[number as usize].take().expect("it was there just now");
        self.unlink(number, &group);
        self.free.push(number);
        for id in group.ids() {
            let Entry { id, exception, .. } = std::mem::take(self.entry_mut(TypeId(*id)));
            for id in some(exception).into_iter().chain([id]) {
                table.release(id);
                self.live -= 1;
            }
        }
        work.extend_from_slice(group.outer());
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
        table: &mut TypeTableEdit<'_>,
        quota: u32,
        func: TypeId,
        layout: &StructLayout,
    ) -> Result<TypeId, RegistryError> {
        if let Some(id) = some(self.entry_mut(func).exception) {
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
        self.entry_mut(func).exception = id;
        self.live += 1;
        Ok(id)
    }
}
