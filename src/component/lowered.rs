//! Functions of the host as a component's core modules call them.

use super::AbiTrap;
use crate::wasi::{WasiCtx, ended, interruptible};
use crate::{Caller, Error, Func, Memory, Result, Val};
use heapwood_component::{Function, Guest, Resources, Stop, Value, World};
use parking_lot::Mutex;
use std::sync::Arc;

/// An argument as bits.
pub(super) fn raw(value: &Val) -> u64 {
    match *value {
        Val::I32(value) => u64::from(value.cast_unsigned()),
        Val::I64(value) => value.cast_unsigned(),
        _ => unreachable!("parameters are integers"),
    }
}

/// A function of the host as a component's core modules call it.
pub(super) struct Lowered {
    pub(super) function: &'static Function,
    pub(super) memory: Option<Memory>,
    pub(super) realloc: Option<Func>,
    pub(super) handles: Arc<Mutex<Resources>>,
}

impl Lowered {
    /// 1. Arguments become values of the interface; what of them lies in memory is copied.
    /// 2. The function is served; it knows nothing of the guest.
    /// 3. The result is written to the guest's memory, for which the guest is called to make room.
    pub(super) fn serve<T: 'static>(
        &self,
        mut caller: Caller<'_, T>,
        context: impl Fn(&mut T) -> &mut WasiCtx + Copy,
        args: &[Val],
    ) -> Result<Option<u64>> {
        let raw: Vec<u64> = args.iter().map(raw).collect();
        let bytes = self.memory.map_or(&[][..], |memory| memory.data(&caller));
        let args = self.function.lift(bytes, &raw).map_err(|trap| self.trap(trap))?;
        let value = interruptible(&mut caller, context, |caller| {
            let world = &mut World { wasi: context(caller.data_mut()), resources: &mut self.handles.lock() };
            self.function.serve(world, &args)
        })?;
        let value: Option<Value> = value.map_err(|stop| match stop {
            Stop::End(outcome) => ended(outcome),
            Stop::Trap(trap) => self.trap(trap),
        })?;
        let mut guest = GuestMemory { caller, memory: self.memory, realloc: self.realloc };
        self.function.lower(value.as_ref(), &raw, &mut guest).map_err(|failed| match failed {
            Failed::Trap(trap) => self.trap(trap),
            Failed::Error(error) => error,
        })
    }

    fn trap(&self, trap: heapwood_component::Trap) -> Error {
        Error::new(AbiTrap { function: format!("{:?}", self.function), message: trap.0 })
    }
}

/// The guest that made a call, to which the result goes.
struct GuestMemory<'c, T: 'static> {
    caller: Caller<'c, T>,
    memory: Option<Memory>,
    realloc: Option<Func>,
}

enum Failed {
    Trap(heapwood_component::Trap),
    Error(Error),
}

impl From<heapwood_component::Trap> for Failed {
    fn from(trap: heapwood_component::Trap) -> Failed {
        Failed::Trap(trap)
    }
}

impl<T: 'static> Guest for GuestMemory<'_, T> {
    type Error = Failed;

    fn memory(&mut self) -> &mut [u8] {
        match self.memory {
            Some(memory) => memory.data_mut(&mut self.caller),
            None => &mut [],
        }
    }

    fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Failed> {
        let realloc = self.realloc.ok_or_else(|| {
            heapwood_component::Trap("the function was lowered without one that makes room in memory".to_owned())
        })?;
        let args = [0, 0, align, size].map(|number| Val::I32(number.cast_signed()));
        let mut results = [Val::I32(0)];
        realloc.call(&mut self.caller, &args, &mut results).map_err(Failed::Error)?;
        let [Val::I32(start)] = results else { unreachable!("the type was checked by the validator") };
        Ok(start.cast_unsigned())
    }
}
