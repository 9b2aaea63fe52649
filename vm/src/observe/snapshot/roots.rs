//! What keeps objects alive: read, never changed, so that every pass sees the same.

use crate::store::StoreOpaque;
use heapwood_gc_abi::RawRef;

/// Roots that hang below one node, without one between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Globals, by their position in the store.
    Globals,
    /// Handles of the host.
    Handles,
    /// Element segments, and what the runtime holds for a moment.
    Others,
}

impl Group {
    /// The groups in the order of their nodes.
    pub const ALL: [Group; 3] = [Group::Globals, Group::Handles, Group::Others];

    /// What its node is called.
    pub fn name(self) -> &'static str {
        match self {
            Group::Globals => "(globals)",
            Group::Handles => "(host handles)",
            Group::Others => "(element segments and temporaries)",
        }
    }
}

/// Calls `visit` with each root of a group and its number.
pub(super) fn each_of(store: &StoreOpaque, group: Group, mut visit: impl FnMut(u64, RawRef)) {
    let guest = store.guest();
    match group {
        Group::Globals => {
            for (index, global) in guest.entities().globals().all().iter().enumerate() {
                let ty = global.ty().val;
                if ty.is_ref() {
                    visit(index as u64, global.cell().get(ty)[0] as u32);
                }
            }
        }
        Group::Handles => guest.roots().each(visit),
        Group::Others => {
            let segments = guest.entities().instances().iter().flat_map(|instance| instance.segment_references());
            for (index, reference) in segments.chain(guest.temporaries().as_slice().iter().copied()).enumerate() {
                visit(index as u64, reference);
            }
        }
    }
}

/// The elements of a table.
pub(super) fn table(store: &StoreOpaque, table: u32) -> &[RawRef] {
    let table = store.table(table);
    table.slice(0..table.len() as usize)
}
