//! `wasi:clocks`.

use super::resources::{Resource, Wait};
use super::{Fail, Stop, World, preview1};
use crate::abi::Value;

type Served = Result<Option<Value>, Stop>;

const REALTIME: u64 = 0;
pub(super) const MONOTONIC: u64 = 1;
pub(super) const NS: u64 = 1_000_000_000;

fn time(world: &mut World<'_>, clock: u64) -> Result<u64, Stop> {
    preview1::number(world.wasi, "clock_time_get", &[clock, 0]).map_err(Fail::stop)
}

fn resolution_of(world: &mut World<'_>, clock: u64) -> Result<u64, Stop> {
    preview1::number(world.wasi, "clock_res_get", &[clock]).map_err(Fail::stop)
}

/// Seconds and nanoseconds.
pub(super) fn datetime(ns: u64) -> Value {
    Value::Tuple(vec![Value::Int(ns / NS), Value::Int(ns % NS)])
}

pub(super) fn now(world: &mut World<'_>, _: &[Value]) -> Served {
    Ok(Some(Value::Int(time(world, MONOTONIC)?)))
}

pub(super) fn resolution(world: &mut World<'_>, _: &[Value]) -> Served {
    Ok(Some(Value::Int(resolution_of(world, MONOTONIC)?)))
}

pub(super) fn wall_now(world: &mut World<'_>, _: &[Value]) -> Served {
    Ok(Some(datetime(time(world, REALTIME)?)))
}

pub(super) fn wall_resolution(world: &mut World<'_>, _: &[Value]) -> Served {
    Ok(Some(datetime(resolution_of(world, REALTIME)?)))
}

pub(super) fn subscribe_instant(world: &mut World<'_>, args: &[Value]) -> Served {
    let wait = Wait::Until(args[0].int());
    Ok(Some(Value::Int(world.resources.insert(Resource::Pollable(wait))?)))
}

pub(super) fn subscribe_duration(world: &mut World<'_>, args: &[Value]) -> Served {
    let wait = Wait::Until(time(world, MONOTONIC)?.saturating_add(args[0].int()));
    Ok(Some(Value::Int(world.resources.insert(Resource::Pollable(wait))?)))
}
