//! Numbers of a saved checkpoint: how they are written down, and read again.
//!
//! A type is written as the id that it has in the engine that saves, and read as the one that it has in the engine that
//! loads. A block of a cage is written by its distance from the base; so blocks that are read are those of a cage whose
//! base is 0, of use once they were moved ([`Block::moved`]).

use crate::rt::cells::Block;
use heapwood_gc_abi::{RawRef, TypeId};
use heapwood_module::{CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, ValType};
use rustc_hash::FxHashMap;

/// Heap types that name no defined one, by the numbers that they are written as.
const ABSTRACT: [HeapType; 12] = [
    HeapType::Any,
    HeapType::Eq,
    HeapType::I31,
    HeapType::Struct,
    HeapType::Array,
    HeapType::None,
    HeapType::Func,
    HeapType::NoFunc,
    HeapType::Extern,
    HeapType::NoExtern,
    HeapType::Exn,
    HeapType::NoExn,
];
/// What a defined type is written as, before its id.
const DEFINED: u8 = ABSTRACT.len() as u8;

/// What is written so far. `base` is that of the cage that blocks lie in.
pub(crate) struct Writer {
    out: Vec<u8>,
    base: usize,
}

impl Writer {
    /// A writer without bytes; addresses count from `base`.
    pub fn new(base: usize) -> Writer {
        Writer { out: Vec::new(), base }
    }

    /// All bytes that were written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    pub fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub fn usize(&mut self, value: usize) {
        self.u64(value as u64);
    }

    pub fn option(&mut self, value: Option<u64>) {
        self.bool(value.is_some());
        self.u64(value.unwrap_or(0));
    }

    /// A length, and then each.
    pub fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Writer, T)) {
        self.usize(items.len());
        items.for_each(|item| write(self, item));
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.usize(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    pub fn references(&mut self, references: &[RawRef]) {
        self.list(references.iter(), |out, reference| out.u32(*reference));
    }

    pub fn type_id(&mut self, id: TypeId) {
        self.u32(id.0);
    }

    pub fn block(&mut self, block: Block) {
        let (offset, bytes) = block.place(self.base);
        self.u64(offset);
        self.u32(bytes);
    }

    pub fn heap_type(&mut self, ty: HeapType) {
        match ty {
            HeapType::Type(index) => {
                self.u8(DEFINED);
                self.u32(index);
            }
            ty => {
                let number = ABSTRACT.iter().position(|known| *known == ty).expect("all are listed");
                self.u8(number as u8);
            }
        }
    }

    pub fn ref_type(&mut self, ty: RefType) {
        self.bool(ty.nullable);
        self.heap_type(ty.heap);
    }

    pub fn val_type(&mut self, ty: ValType) {
        match ty {
            ValType::I32 => self.u8(0),
            ValType::I64 => self.u8(1),
            ValType::F32 => self.u8(2),
            ValType::F64 => self.u8(3),
            ValType::V128 => self.u8(4),
            ValType::Ref(ty) => {
                self.u8(5);
                self.ref_type(ty);
            }
        }
    }

    fn field(&mut self, field: &FieldType) {
        self.bool(field.mutable);
        match field.storage {
            StorageType::I8 => self.u8(6),
            StorageType::I16 => self.u8(7),
            StorageType::Val(ty) => self.val_type(ty),
        }
    }

    pub fn composite(&mut self, ty: &CompositeType) {
        match ty {
            CompositeType::Func(FuncType { params, results }) => {
                self.u8(0);
                self.list(params.iter(), |out, ty| out.val_type(*ty));
                self.list(results.iter(), |out, ty| out.val_type(*ty));
            }
            CompositeType::Struct(fields) => {
                self.u8(1);
                self.list(fields.iter(), Writer::field);
            }
            CompositeType::Array(field) => {
                self.u8(2);
                self.field(field);
            }
        }
    }
}

/// What is left to be read. Everything is `None` of bytes that nobody writes.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
    /// The ids of this engine, by those of the engine that has saved.
    types: FxHashMap<u32, TypeId>,
    /// Where blocks end at most, from the base.
    blocks_end: u64,
}

impl<'b> Reader<'b> {
    /// A reader of these bytes, from the first one on.
    pub fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { rest: bytes, types: FxHashMap::default(), blocks_end: 0 }
    }

    /// A type of the engine that has saved is this one here.
    pub fn know_type(&mut self, saved: TypeId, id: TypeId) {
        self.types.insert(saved.0, id);
    }

    /// What a type of the engine that has saved is here.
    pub fn known_type(&self, saved: u32) -> Option<TypeId> {
        self.types.get(&saved).copied()
    }

    /// All types that are known and whose ids differ.
    pub fn other_types(&self) -> FxHashMap<u32, TypeId> {
        let others = self.types.iter().filter(|(saved, id)| **saved != id.0);
        others.map(|(saved, id)| (*saved, *id)).collect()
    }

    /// Blocks lie before this offset.
    pub fn set_blocks_end(&mut self, end: u64) {
        self.blocks_end = end;
    }

    fn take(&mut self, bytes: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub fn usize(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok()
    }

    pub fn option(&mut self) -> Option<Option<u64>> {
        let (is_some, value) = (self.bool()?, self.u64()?);
        Some(is_some.then_some(value))
    }

    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Reader<'b>) -> Option<T>) -> Option<Vec<T>> {
        // An item has a byte at least.
        let len = self.usize().filter(|len| *len <= self.rest.len())?;
        (0..len).map(|_| read(self)).collect()
    }

    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = self.usize()?;
        self.take(len)
    }

    pub fn references(&mut self) -> Option<Vec<RawRef>> {
        self.list(Reader::u32)
    }

    /// The id here of a type.
    pub fn type_id(&mut self) -> Option<TypeId> {
        let saved = self.u32()?;
        self.known_type(saved)
    }

    pub fn block(&mut self) -> Option<Block> {
        let (offset, bytes) = (self.u64()?, self.u32()?);
        let is_inside = offset.checked_add(bytes.into()).is_some_and(|end| end <= self.blocks_end);
        is_inside.then(|| Block::at_place(offset, bytes))
    }

    /// A heap type in terms of the engine that has saved.
    fn saved_heap_type(&mut self) -> Option<HeapType> {
        match self.u8()? {
            DEFINED => self.u32().map(HeapType::Type),
            number => ABSTRACT.get(usize::from(number)).copied(),
        }
    }

    fn saved_val_type(&mut self, code: u8) -> Option<ValType> {
        Some(match code {
            0 => ValType::I32,
            1 => ValType::I64,
            2 => ValType::F32,
            3 => ValType::F64,
            4 => ValType::V128,
            5 => ValType::Ref(RefType { nullable: self.bool()?, heap: self.saved_heap_type()? }),
            _ => return None,
        })
    }

    fn saved_val(&mut self) -> Option<ValType> {
        let code = self.u8()?;
        self.saved_val_type(code)
    }

    fn saved_field(&mut self) -> Option<FieldType> {
        let mutable = self.bool()?;
        let storage = match self.u8()? {
            6 => StorageType::I8,
            7 => StorageType::I16,
            code => StorageType::Val(self.saved_val_type(code)?),
        };
        Some(FieldType { storage, mutable })
    }

    /// A structure in terms of the engine that has saved.
    pub fn saved_composite(&mut self) -> Option<CompositeType> {
        Some(match self.u8()? {
            0 => {
                let (params, results) = (self.list(Reader::saved_val)?, self.list(Reader::saved_val)?);
                CompositeType::Func(FuncType { params: params.into(), results: results.into() })
            }
            1 => CompositeType::Struct(self.list(Reader::saved_field)?.into()),
            2 => CompositeType::Array(self.saved_field()?),
            _ => return None,
        })
    }

    pub fn ref_type(&mut self) -> Option<RefType> {
        let (nullable, saved) = (self.bool()?, self.saved_heap_type()?);
        let heap = match saved {
            HeapType::Type(index) => HeapType::Type(self.known_type(index)?.0),
            heap => heap,
        };
        Some(RefType { nullable, heap })
    }

    pub fn val_type(&mut self) -> Option<ValType> {
        match self.u8()? {
            5 => self.ref_type().map(ValType::Ref),
            code => self.saved_val_type(code),
        }
    }
}
