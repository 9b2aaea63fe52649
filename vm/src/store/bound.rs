//! Objects of bound types: Rust types that stand for types of the guest.
//!
//! In a store a Rust type stands for one type, from its first use on until the store is dropped. So whatever is known
//! to be of the Rust type is of that type, or of one below it, and needs no check where it is stored.

use super::StoreOpaque;
use crate::errors::{Error, Result};
use crate::rt::value::RawVal;
use crate::types::{ArrayType, StandIn};
use heapwood_gc_abi::{RawRef, TypeId};
use heapwood_module::{HeapType, RefType, StorageType, ValType};
use std::any;
use std::sync::Arc;

impl StoreOpaque {
    /// What a Rust type stands for in this store.
    ///
    /// # Panics
    /// If it is not bound here.
    #[inline]
    pub fn stood_for(&self, rust: any::TypeId, name: fn() -> &'static str) -> TypeId {
        match self.guest().types().stood_for(rust) {
            Some(id) => id,
            None => panic!("`{}` is not bound in this store: see `Scope::bind`", name()),
        }
    }

    /// The first of these Rust types stands for what it says, and so do the others, in this store.
    ///
    /// # Errors
    /// They are bound to types of another engine, or one of them stands for another type here. Nothing is bound then.
    #[inline]
    pub fn take_stand_ins(&mut self, stand_ins: &Arc<[StandIn]>) -> Result<TypeId> {
        match self.guest().types().bound_as(stand_ins) {
            Some(id) => Ok(id),
            None => self.check_stand_ins(stand_ins),
        }
    }

    #[inline(never)]
    fn check_stand_ins(&mut self, stand_ins: &Arc<[StandIn]>) -> Result<TypeId> {
        let first = &stand_ins[0];
        let id = first.handle().id_in(self.engine().registry())?;
        if self.guest().types().stood_for(first.rust) != Some(id) {
            self.bind_stand_ins(stand_ins)?;
        }
        self.guest_mut().types_mut().note_bound(stand_ins, id);
        Ok(id)
    }

    fn bind_stand_ins(&mut self, stand_ins: &[StandIn]) -> Result<()> {
        for stand_in in stand_ins {
            let (name, wanted) = (stand_in.name, stand_in.handle().id().0);
            match self.guest().types().stood_for(stand_in.rust) {
                Some(TypeId(known)) if known != wanted => {
                    let message = format!("`{name}` stands for type {known} in this store, not for type {wanted}");
                    return Err(Error::usage(message));
                }
                _ => {}
            }
        }
        stand_ins.iter().for_each(|stand_in| self.guest_mut().types_mut().bind(stand_in));
        Ok(())
    }

    /// A new struct of the type that the first of these stands for, zeroed; its fields are to be written before
    /// anything else happens in the store. May collect.
    #[inline]
    pub fn new_bound_struct(&mut self, stand_ins: &Arc<[StandIn]>) -> Result<RawRef> {
        let id = self.take_stand_ins(stand_ins)?;
        self.new_blank_struct(id)
    }

    /// A new array of the type that the first of these stands for, all of whose elements are what `value` gives. May
    /// collect.
    pub fn new_bound_array(
        &mut self,
        stand_ins: &Arc<[StandIn]>,
        len: u32,
        value: impl Fn(&StoreOpaque, ValType) -> Result<RawVal>,
    ) -> Result<RawRef> {
        self.take_stand_ins(stand_ins)?;
        self.new_filled_array(array_type(stand_ins), len, value)
    }

    /// An array of numbers that are given by their bytes; `elements` are their type and the name by which an error
    /// calls it. May collect.
    pub fn new_bound_array_of_bytes(
        &mut self,
        stand_ins: &Arc<[StandIn]>,
        elements: (StorageType, &str),
        bytes: &[u8],
    ) -> Result<RawRef> {
        self.take_stand_ins(stand_ins)?;
        self.new_array_of_bytes(array_type(stand_ins), elements, bytes)
    }

    /// Whether what a reference of the hierarchy of `any` refers to belongs to a heap type.
    #[inline]
    pub fn is_of(&self, raw: RawRef, heap: HeapType) -> bool {
        self.ref_matches(raw, RefType { nullable: false, heap })
    }
}

/// The array type that the first of these stands for.
///
/// # Panics
/// If it is no array type: bindings were checked.
fn array_type(stand_ins: &[StandIn]) -> &ArrayType {
    stand_ins[0].ty().as_concrete_array().expect("bound to an array type")
}
