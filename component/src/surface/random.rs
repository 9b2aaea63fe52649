//! `wasi:random`: all of it from the context's one source.

use super::{Fail, Stop, World, preview1};
use crate::abi::{Trap, Value};

type Served = Result<Option<Value>, Stop>;

/// Bytes that a call gives at most; a guest that asks for more traps.
const BYTES_MAX: u64 = 64 << 20;

fn fill<const N: usize>(world: &mut World<'_>) -> Result<[u8; N], Stop> {
    let mut bytes = [0; N];
    preview1::call(world.wasi, "random_get", &mut bytes, &[0, N as u64]).map_err(Fail::stop)?;
    Ok(bytes)
}

pub(super) fn bytes(world: &mut World<'_>, args: &[Value]) -> Served {
    let len = args[0].int();
    if len > BYTES_MAX {
        return Err(Trap(format!("{len} random bytes at a time; the limit is {BYTES_MAX}")).into());
    }
    let mut bytes = vec![0; len as usize];
    preview1::call(world.wasi, "random_get", &mut bytes, &[0, len]).map_err(Fail::stop)?;
    Ok(Some(Value::Bytes(bytes)))
}

pub(super) fn number(world: &mut World<'_>, _: &[Value]) -> Served {
    Ok(Some(Value::Int(u64::from_le_bytes(fill(world)?))))
}

pub(super) fn seed(world: &mut World<'_>, _: &[Value]) -> Served {
    let (low, high) = (u64::from_le_bytes(fill(world)?), u64::from_le_bytes(fill(world)?));
    Ok(Some(Value::Tuple(vec![Value::Int(low), Value::Int(high)])))
}
