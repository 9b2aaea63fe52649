//! Output, clocks, time zones, where the program is, and where an error was thrown.

use super::Context;
use super::call::{Call, Given};
use crate::wasi::{ClockId, interruptible};
use crate::{StackTrace, Val, brief};
use heapwood_surfaces::TimeZone;
use std::fmt::Write;

pub(super) fn print<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let mut line = call.string(0)?.to_string_lossy(call.caller())?;
    line.push('\n');
    let wasi = call.grants();
    let written = interruptible(call.caller(), wasi, |caller| wasi(caller.data_mut()).write_all(1, line.as_bytes()))?;
    call.granted(written)?;
    Ok(None)
}

fn micros<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, clock: ClockId) -> Given {
    let now = call.wasi().now_ns(clock);
    Ok(Some(Val::I64((call.granted(now)? / 1_000).cast_signed())))
}

pub(super) fn current_time<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    micros(call, ClockId::Realtime)
}

pub(super) fn clock_ticks<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    micros(call, ClockId::Monotonic)
}

pub(super) fn clock_frequency<T, C: Context<T>>(_: &mut Call<'_, '_, T, C>) -> Given {
    Ok(Some(Val::I32(1_000_000)))
}

/// The zone that the guest's variable `TZ` names; UTC without one, and for one that names none.
fn zone<'z, T, C: Context<T>>(call: &'z mut Call<'_, '_, T, C>) -> &'z TimeZone {
    if call.dart().zone.is_none() {
        let name = call.wasi().env().find(|(key, _)| *key == b"TZ").map(|(_, value)| value.to_vec());
        let name = name.and_then(|name| String::from_utf8(name).ok());
        call.dart().zone = name.and_then(|name| TimeZone::named(&name)).or_else(|| Some(TimeZone::utc()));
    }
    call.dart().zone.get_or_insert_with(TimeZone::utc)
}

pub(super) fn zone_name<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let at = call.i64(0);
    let name = zone(call).at(at).abbreviation.to_owned();
    call.give_text(&name)
}

pub(super) fn zone_offset<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let at = call.i64(0);
    Ok(Some(Val::I32(zone(call).at(at).offset)))
}

/// A guest has no working directory: its paths begin at the root.
pub(super) fn base_uri<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    call.give_text("file:///")
}

pub(super) fn zero<T, C: Context<T>>(_: &mut Call<'_, '_, T, C>) -> Given {
    Ok(Some(Val::I32(0)))
}

pub(super) fn nothing<T, C: Context<T>>(_: &mut Call<'_, '_, T, C>) -> Given {
    Ok(None)
}

pub(super) fn stack_trace<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let trace = call.caller().stack_trace();
    call.give(trace)
}

/// A line for each frame, as Dart's own virtual machine has them.
pub(super) fn stack_trace_text<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let trace = call.value::<StackTrace>(0, "a stack trace")?.clone();
    let backtrace = trace.backtrace(&*call.caller())?;
    let mut text = String::new();
    for (index, frame) in backtrace.frames().iter().enumerate() {
        if backtrace.omitted() != 0 && index == backtrace.frames().len() / 2 {
            let _ = writeln!(text, "...     {} frames", backtrace.omitted());
        }
        let module = brief(frame.module().name().unwrap_or("module.wasm")).to_string();
        let function = match frame.func_name() {
            Some(name) => brief(name).to_string(),
            None => format!("<function {}>", frame.func_index()),
        };
        let _ = writeln!(text, "#{index:<7}{function} ({module}:{:#x})", frame.module_offset());
    }
    call.give_text(text.trim_end_matches('\n'))
}
