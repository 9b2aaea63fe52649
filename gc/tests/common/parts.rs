//! Types and roots of the test programs.

use heapwood_gc::{
    FrameScope, Heap, RootCursor, RootPlace, RootProvider, RootVisitor, RootWork, TypeDefinition, TypeTable,
};
use heapwood_gc_abi::layout::StructLayout;
use heapwood_gc_abi::{FieldKind, ObjectKind, RawRef, TypeId};
use std::sync::Arc;

/// A struct type of the test.
#[derive(Clone)]
pub struct StructType {
    pub id: TypeId,
    pub refs: Vec<u32>,
    pub bits: Vec<(u32, FieldKind)>,
}

/// The types that the programs use.
#[derive(Clone)]
pub struct Types {
    pub table: Arc<TypeTable>,
    pub structs: Vec<StructType>,
    pub data: Vec<(TypeId, u8)>,
    pub refs: TypeId,
    pub host: TypeId,
    pub weak: TypeId,
    pub ephemeron: TypeId,
}

pub fn array_type(table: &TypeTable, kind: ObjectKind, elem_shift: u8) -> TypeId {
    table.add(&TypeDefinition { ancestors: &[], kind, elem_shift, object_bytes: 0, ref_offsets: &[] }).unwrap()
}

pub fn struct_type(table: &TypeTable, kinds: &[FieldKind]) -> StructType {
    object_type(table, ObjectKind::Struct, StructLayout::new(None, kinds))
}

fn object_type(table: &TypeTable, kind: ObjectKind, layout: StructLayout) -> StructType {
    let refs: Vec<u32> = layout.ref_offsets().collect();
    let bits = layout.offsets.iter().copied().zip(layout.kinds.iter().copied());
    let bits = bits.filter(|(_, kind)| *kind != FieldKind::Ref).collect();
    let definition =
        TypeDefinition { ancestors: &[], kind, elem_shift: 0, object_bytes: layout.object_bytes(), ref_offsets: &refs };
    StructType { id: table.add(&definition).unwrap(), refs, bits }
}

impl Types {
    pub fn new() -> Types {
        Types::of(Arc::new(TypeTable::new().unwrap()))
    }

    /// The types in a table that may have others.
    pub fn of(table: Arc<TypeTable>) -> Types {
        use FieldKind::*;
        let mut wide = vec![I32; 70];
        wide.extend([Ref, I8, Ref, V128, Ref]);
        let mut huge = vec![I64; 5000];
        huge.extend([Ref, Ref]);
        let shapes: [&[FieldKind]; 7] =
            [&[], &[Ref, Ref], &[Ref, Ref, I32, I32], &[Ref, I64, Ref, I8, I16], &[V128, I32], &wide, &huge];
        let mut structs: Vec<StructType> = shapes.iter().map(|kinds| struct_type(&table, kinds)).collect();
        structs.push(object_type(&table, ObjectKind::Exception, StructLayout::exception(&[I32, Ref, I64, Ref])));
        let data = (0..5).map(|shift| (array_type(&table, ObjectKind::ArrayData, shift), shift)).collect();
        let refs = array_type(&table, ObjectKind::ArrayRef, 2);
        let cell = |kind, ref_offsets: &[u32]| {
            let definition = TypeDefinition { ancestors: &[], kind, elem_shift: 0, object_bytes: 16, ref_offsets };
            table.add(&definition).unwrap()
        };
        let host = cell(ObjectKind::HostValue, &[]);
        let weak = cell(ObjectKind::Weak, &[]);
        let ephemeron = cell(ObjectKind::Ephemeron, &[4, 8]);
        Types { table, structs, data, refs, host, weak, ephemeron }
    }
}

/// The program's roots: guest frames with a watermark, globals with dirty marks.
#[derive(Default)]
pub struct Roots {
    pub frames: Vec<Vec<RawRef>>,
    pub globals: Vec<RawRef>,
    pub dirty: Vec<bool>,
    /// Frames below this index are below the watermark.
    pub settled: usize,
    /// A root that the provider shows or hides as a test likes.
    pub hidden: RawRef,
    pub show_hidden: bool,
    /// Frames below this index were not shown to the marking under way; then globals from an index on.
    pub pending_frames: usize,
    pub pending_global: usize,
}

impl Roots {
    /// Frames below `settled` but from `index` on may run now: a marking sees them first.
    pub fn uncover(&mut self, index: usize, heap: &mut Heap) {
        self.settled = self.settled.min(index);
        for frame in index..self.pending_frames.min(self.frames.len()) {
            self.frames[frame].iter().for_each(|reference| heap.shade(*reference));
        }
        self.pending_frames = self.pending_frames.min(index);
    }

    fn settle_to(&self) -> usize {
        self.frames.len().saturating_sub(3).max(self.settled)
    }
}

impl RootProvider for Roots {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        let range = match scope {
            FrameScope::Settling => self.settled..self.settle_to(),
            FrameScope::Recent => self.settle_to()..self.frames.len(),
            FrameScope::All => 0..self.frames.len(),
        };
        let mut work = RootWork::default();
        for index in range {
            visitor.place(RootPlace::Frame(index as u64));
            visitor.slots(&mut self.frames[index]);
            work.frames += 1;
            work.slots += self.frames[index].len() as u64;
        }
        if scope == FrameScope::All && self.show_hidden {
            visitor.place(RootPlace::Frame(0xdead));
            visitor.slot(&mut self.hidden);
        }
        work
    }

    fn remembered(&mut self, _: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = RootWork::default();
        for (index, global) in self.globals.iter_mut().enumerate().filter(|(index, _)| self.dirty[*index]) {
            visitor.place(RootPlace::Global(index as u64));
            visitor.slot(global);
            work.slots += 1;
        }
        work
    }

    fn all(&mut self, _: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        for (index, global) in self.globals.iter_mut().enumerate() {
            visitor.place(RootPlace::Global(index as u64));
            visitor.slot(global);
        }
        RootWork { slots: self.globals.len() as u64, ..RootWork::default() }
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        (self.pending_frames, self.pending_global) = (self.settled, 0);
        let mut work = RootWork::default();
        for index in self.settled..self.frames.len() {
            visitor.slots(&mut self.frames[index]);
            work.frames += 1;
            work.slots += self.frames[index].len() as u64;
        }
        if self.show_hidden {
            visitor.slot(&mut self.hidden);
        }
        work
    }

    fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = RootWork::default();
        while self.pending_frames > 0 && !visitor.full() {
            self.pending_frames -= 1;
            visitor.slots(&mut self.frames[self.pending_frames]);
            work.frames += 1;
            work.slots += self.frames[self.pending_frames].len() as u64;
        }
        while self.pending_global < self.globals.len() && !visitor.full() {
            visitor.slot(&mut self.globals[self.pending_global]);
            self.pending_global += 1;
            work.slots += 1;
        }
        work.more = self.pending_frames > 0 || self.pending_global < self.globals.len();
        work
    }

    fn after_collection(&mut self, promoted_all: bool) {
        // The topmost frame runs, so it stays above.
        let all = self.frames.len().saturating_sub(1);
        self.settled = if promoted_all { all } else { self.settle_to() };
        self.dirty.fill(false);
    }
}
