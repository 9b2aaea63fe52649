//! Functions: their objects, and how they are called.

use super::guest::fields::Balance;
use super::{Signature, StoreOpaque};
use crate::engine::Engine;
use crate::errors::Result;
use crate::rt::cells::Block;
use crate::rt::entry::{self, Callee, EntryPoint, call_layout};
use crate::rt::execution::Left;
use crate::rt::host::HostCode;
use crate::rt::stubs::Trampoline;
use crate::rt::value::RawVal;
use crate::types::FuncType;
use heapwood_gc_abi::header::IMMORTAL;
use heapwood_gc_abi::layout::{FUNC_BYTES, FUNC_CODE_OFFSET, FUNC_CONTEXT_OFFSET, FUNC_DATA_OFFSET};
use heapwood_gc_abi::{RawRef, TypeId};
use heapwood_module::ContextLayout;
use std::sync::Arc;

/// How guests call a function of the host.
pub(crate) struct HostEntry {
    /// Code word of the function's object: the address of a trampoline.
    pub code: usize,
    /// What the context says for it ([`ContextLayout::NATIVE`]).
    pub native: u32,
}

impl HostEntry {
    /// How a function of this type is called.
    ///
    /// # Errors
    /// The system refuses memory for the trampoline.
    pub fn of(engine: &Engine, ty: &FuncType, func: &HostCode) -> Result<HostEntry> {
        let (trampoline, native) = match func.as_native() {
            Some((native, Some(function))) => {
                (Trampoline::String(function, engine.reserved_types().latin1_string), native)
            }
            Some((native, None)) => (Trampoline::Native, native),
            None => (Trampoline::Host, 0),
        };
        let code = engine.trampolines().get(trampoline, &call_layout(ty.signature()))?;
        Ok(HostEntry { code, native })
    }
}

impl StoreOpaque {
    /// An immortal function object.
    pub fn new_function_object(&mut self, ty: TypeId, context: RawRef, code: u64, data: u64) -> Result<RawRef> {
        let (block, object) = self.new_block(FUNC_BYTES)?;
        block.set_u32(0, ty.header(IMMORTAL));
        block.set_u32(FUNC_CONTEXT_OFFSET, context);
        block.set_u64(FUNC_DATA_OFFSET, data);
        set_code(block, code);
        Ok(object)
    }

    /// A function object for a host function of a type.
    pub fn new_host_function(&mut self, ty: &FuncType, func: &HostCode) -> Result<RawRef> {
        let id = self.take_func_type(ty)?;
        let HostEntry { code, native } = HostEntry::of(self.engine(), ty, func)?;
        let (context, context_ref) = self.new_block(ContextLayout::HEADER_BYTES)?;
        let number = self.guest_mut().entities_mut().add_host_function(func.clone());
        context.set_u32(ContextLayout::HEADER, self.engine().reserved_types().context.header(IMMORTAL));
        context.set_u32(ContextLayout::NATIVE, native);
        context.set_u64(ContextLayout::INSTANCE, number as u64);
        self.new_function_object(id, context_ref, code as u64, number as u64)
    }

    /// Has a function object name other code of its function. A page that this would not change stays shared.
    pub fn replace_code(&mut self, object: RawRef, code: u64) {
        let heap = self.heap_mut();
        if heap.read_i64(object, FUNC_CODE_OFFSET as u64) != code {
            heap.write_i64(object, FUNC_CODE_OFFSET as u64, code);
        }
    }

    /// Code and context (absolute) of a function object.
    #[inline]
    pub fn function_entry(&self, object: RawRef) -> (u64, u64) {
        let heap = self.heap();
        let context = heap.read_i32(object, FUNC_CONTEXT_OFFSET as u64);
        let code = heap.read_i64(object, FUNC_CODE_OFFSET as u64);
        (code, heap.base() as u64 + context as u64 * 4)
    }

    /// The type of a function object.
    pub fn func_type(&self, object: RawRef) -> FuncType {
        self.guest().types().func_type(self.engine(), self.heap().type_of(object))
    }

    /// How functions of a type that the store holds are called.
    pub fn signature(&mut self, ty: TypeId) -> Result<Arc<Signature>> {
        let (engine, types) = self.guest_mut().engine_and_types_mut();
        types.signature(engine, ty)
    }

    /// How a function object is called.
    pub fn signature_of(&mut self, object: RawRef) -> Result<Arc<Signature>> {
        self.signature(self.heap().type_of(object))
    }

    /// Calls the function of an object, of the type that `entry` is for. `values` holds the arguments and takes the
    /// results.
    pub fn call(&mut self, object: RawRef, entry: &EntryPoint, values: &mut [RawVal]) -> Result<()> {
        let result = self.enter(self.callee(object, *entry), values);
        if self.guest().execution().frames().depth() == 0 {
            self.reap_host_values();
        }
        result
    }

    /// A function object to be called, of the type that `entry` is for.
    #[inline]
    pub fn callee(&self, object: RawRef, entry: EntryPoint) -> Callee {
        let (code, context) = self.function_entry(object);
        Callee { entry, code, context }
    }

    /// Calls a function, and holds each field of the store to its rule.
    #[inline]
    pub fn enter(&mut self, callee: Callee, values: &mut [RawVal]) -> Result<()> {
        self.check_usable()?;
        let balance = Balance::of(self.guest());
        let is_armed = self.guest_mut().execution_mut().arm()?;
        let ended = entry::call(self, callee, values);
        if is_armed {
            self.guest_mut().execution_mut().disarm();
        }
        if let Some(balance) = balance {
            balance.assert_restored(self.guest());
        }
        ended.map_err(Left::into_error)
    }

    /// The instance whose function called the host function that runs.
    pub fn calling_instance(&self) -> Option<u32> {
        let context = self.guest().execution().calling_context()?;
        let instances = self.guest().entities().instances();
        let after = instances.partition_point(|instance| instance.context().address() <= context);
        let index = after.checked_sub(1)?;
        (instances[index].context().address() == context).then_some(index as u32)
    }
}

/// Writes the code word of a function object that is being made.
fn set_code(object: Block, code: u64) {
    object.set_u64(FUNC_CODE_OFFSET, code);
}
