//! Copies of graphs of objects for another store of the engine.
//!
//! A graph is listed first, without allocating. Then all its objects are made in the other store, of zeros and nulls,
//! and filled afterwards: cycles and objects that several others name need nothing of their own. The first store is
//! only read, so what was listed stays where it is; in the other one handles of a scope hold the copies.

use super::field::Field;
use super::{ObjectClass, StoreOpaque};
use crate::errors::{Error, ErrorKind, Result};
use crate::ids::{AnyRef, Rooted};
use crate::types::{ArrayType, HeapType, StructType};
use heapwood_gc::StringUnits;
use heapwood_gc_abi::{FieldKind, Narrow, ObjectKind, RawRef, TypeId, is_i31};
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Elements that are copied between two looks at whether a collection is due.
const PIECE_ELEMENTS: usize = 4096;

/// The objects that can be reached from one of them, in a store that nothing changes meanwhile.
pub(crate) struct Graph<'s> {
    store: &'s StoreOpaque,
    root: RawRef,
    objects: Vec<RawRef>,
    /// The place of each in the list. A guest has some say in where its objects lie: the hasher has a random key.
    numbers: HashMap<RawRef, u32>,
    shapes: FxHashMap<TypeId, Rc<Shape>>,
    bytes: u64,
    bytes_max: u64,
}

/// What objects of a type consist of.
enum Shape {
    Struct(StructType),
    Array(ArrayType),
    String,
}

impl Shape {
    /// The shape of a type that the store holds.
    fn of(store: &StoreOpaque, ty: TypeId) -> Shape {
        if store.engine().reserved_types().is_string(ty) {
            return Shape::String;
        }
        match store.type_handle(ty) {
            HeapType::ConcreteStruct(ty) => Shape::Struct(ty),
            HeapType::ConcreteArray(ty) => Shape::Array(ty),
            other => unreachable!("an object of type {other}"),
        }
    }

    fn element_kind(ty: &ArrayType) -> FieldKind {
        ty.element().storage.field_kind()
    }

    /// Passes each reference in an object on.
    fn each_reference(
        &self,
        store: &StoreOpaque,
        object: RawRef,
        mut each: impl FnMut(RawRef) -> Result<()>,
    ) -> Result<()> {
        match self {
            Shape::Struct(ty) => {
                let layout = &ty.definition().layout;
                let references = (0..layout.kinds.len()).filter(|field| layout.kinds[*field] == FieldKind::Ref);
                for field in references {
                    each(Field::of_layout(layout, field).read(store.heap(), object)[0].narrow())?;
                }
            }
            Shape::Array(ty) if Shape::element_kind(ty) == FieldKind::Ref => {
                for index in 0..store.heap().array_length(object) {
                    each(store.heap().array_get_ref(object, index))?;
                }
            }
            // The parts of a rope are no objects of their own to anybody.
            Shape::Array(_) | Shape::String => {}
        }
        Ok(())
    }
}

impl<'s> Graph<'s> {
    /// Lists what can be reached from `root`.
    ///
    /// # Errors
    /// The objects take more than `bytes_max` bytes of the heap; one of them is a host value, a function or an
    /// exception, which belong to their store.
    pub fn new(store: &'s StoreOpaque, root: RawRef, bytes_max: u64) -> Result<Graph<'s>> {
        let (objects, numbers, shapes) = Default::default();
        let mut graph = Graph { store, root, objects, numbers, shapes, bytes: 0, bytes_max };
        graph.add(root)?;
        let mut next = 0;
        while let Some(object) = graph.objects.get(next).copied() {
            let ty = store.heap().type_of(object);
            let shape = graph.shapes.entry(ty).or_insert_with(|| Rc::new(Shape::of(store, ty))).clone();
            shape.each_reference(store, object, |reference| graph.add(reference))?;
            next += 1;
        }
        Ok(graph)
    }

    /// Lists an object, unless it is listed.
    fn add(&mut self, reference: RawRef) -> Result<()> {
        if reference == 0 || is_i31(reference) || self.numbers.contains_key(&reference) {
            return Ok(());
        }
        let what = match self.store.object_class(reference)? {
            ObjectClass::Host => "a host value",
            ObjectClass::Func => "a function",
            ObjectClass::Exn => "an exception",
            ObjectClass::I31(_) | ObjectClass::Struct(_) | ObjectClass::Array(_) | ObjectClass::String => {
                return self.list(reference);
            }
        };
        Err(Error::usage(format!("the object leads to {what}, which belongs to its store: it cannot be transferred")))
    }

    fn list(&mut self, object: RawRef) -> Result<()> {
        let heap = self.store.heap();
        self.bytes += match heap.descriptor_of(object).kind() {
            // A rope is flat in the other store.
            ObjectKind::Rope => u64::from(heap.string_length(object)) * 2,
            _ => heap.object_bytes(object),
        };
        if self.bytes > self.bytes_max {
            let message = format!("the objects take more than the limit of {} bytes", self.bytes_max);
            return Err(Error::from_kind(ErrorKind::Limit(message)));
        }
        self.numbers.insert(object, self.objects.len().narrow());
        self.objects.push(object);
        Ok(())
    }

    fn shape_of(&self, object: RawRef) -> &Shape {
        &self.shapes[&self.store.heap().type_of(object)]
    }

    /// Makes the graph in another store of the engine; what the root is there. May collect. Leaves handles behind, for
    /// the scope of the caller.
    ///
    /// # Errors
    /// The store belongs to another engine, or its heap is exhausted.
    pub fn copy_into(&self, target: &mut StoreOpaque) -> Result<RawRef> {
        for shape in self.shapes.values() {
            match &**shape {
                Shape::Struct(ty) => target.take_struct_type(ty)?,
                Shape::Array(ty) => target.take_array_type(ty)?,
                Shape::String => continue,
            };
        }
        let mut copies = Vec::with_capacity(self.objects.len());
        for object in &self.objects {
            let blank = self.blank_copy(*object, target)?;
            copies.push(target.root_push(blank).expect("an object is not null"));
        }
        let mut copier = Copier { graph: self, target, copies };
        for (number, object) in self.objects.iter().enumerate() {
            copier.fill(*object, number)?;
        }
        copier.copy_of(self.root)
    }

    /// An object of the type and length of one of the graph; a string with its units. May collect.
    fn blank_copy(&self, object: RawRef, target: &mut StoreOpaque) -> Result<RawRef> {
        match self.shape_of(object) {
            Shape::Struct(ty) => target.new_blank_struct(ty.id()),
            Shape::Array(ty) => target.new_blank_array(ty, self.store.heap().array_length(object).into()),
            Shape::String => target.new_string(StringUnits::Utf16(&self.store.units_of(object))),
        }
    }
}

/// Fills the copies.
struct Copier<'c, 's> {
    graph: &'c Graph<'s>,
    target: &'c mut StoreOpaque,
    copies: Vec<Rooted<AnyRef>>,
}

impl Copier<'_, '_> {
    /// What a reference of the graph is in the other store.
    fn copy_of(&self, reference: RawRef) -> Result<RawRef> {
        match reference == 0 || is_i31(reference) {
            true => Ok(reference),
            false => self.target.root_get(&self.copies[self.graph.numbers[&reference] as usize]),
        }
    }

    /// Fills the copy of an object. May collect.
    fn fill(&mut self, object: RawRef, number: usize) -> Result<()> {
        let graph = self.graph;
        match graph.shape_of(object) {
            Shape::String => Ok(()),
            Shape::Struct(ty) => self.fill_struct(ty, object, number),
            Shape::Array(ty) => {
                let kind = Shape::element_kind(ty);
                let len = graph.store.heap().array_length(object) as usize;
                for start in (0..len).step_by(PIECE_ELEMENTS) {
                    let piece = start..len.min(start + PIECE_ELEMENTS);
                    match kind {
                        FieldKind::Ref => self.fill_references(object, number, piece)?,
                        kind => self.fill_numbers(kind, object, number, piece)?,
                    }
                }
                Ok(())
            }
        }
    }

    fn fill_struct(&mut self, ty: &StructType, object: RawRef, number: usize) -> Result<()> {
        let layout = &ty.definition().layout;
        let copy = self.target.root_get(&self.copies[number])?;
        for (index, kind) in layout.kinds.iter().enumerate() {
            let field = Field::of_layout(layout, index);
            let value = field.read(self.graph.store.heap(), object);
            let value = match kind {
                FieldKind::Ref => [self.copy_of(value[0].narrow())?.into(), 0],
                _ => value,
            };
            field.write(self.target.heap_mut(), copy, &value);
        }
        self.target.collect_if_due();
        Ok(())
    }

    fn fill_references(&mut self, object: RawRef, number: usize, piece: Range<usize>) -> Result<()> {
        let copy = self.target.root_get(&self.copies[number])?;
        for index in piece.start.narrow()..piece.end.narrow() {
            let reference = self.copy_of(self.graph.store.heap().array_get_ref(object, index))?;
            self.target.heap_mut().array_set_ref(copy, index, reference);
        }
        self.target.collect_if_due();
        Ok(())
    }

    fn fill_numbers(&mut self, kind: FieldKind, object: RawRef, number: usize, piece: Range<usize>) -> Result<()> {
        let copy = self.target.root_get(&self.copies[number])?;
        let mut bytes = vec![0; piece.len() << kind.shift()];
        self.graph.store.heap().array_read_bytes(object, piece.start.narrow(), &mut bytes);
        self.target.heap_mut().array_write_bytes(copy, piece.start.narrow(), &bytes);
        Ok(())
    }
}
