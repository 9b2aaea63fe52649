//! `wasi:cli`: arguments, environment, exit, standard streams, terminals.

use super::resources::{OutputStream, Place, Resource};
use super::{Fail, Stop, World, preview1};
use crate::abi::Value;
use heapwood_wasi::Outcome;

type Served = Result<Option<Value>, Stop>;

pub(super) fn environment(world: &mut World<'_>, _: &[Value]) -> Served {
    let strings = preview1::strings(world.wasi, "environ").map_err(Fail::stop)?;
    let pair = |text: String| {
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        Value::Tuple(vec![Value::Text(name.to_owned()), Value::Text(value.to_owned())])
    };
    Ok(Some(Value::List(strings.into_iter().map(pair).collect())))
}

pub(super) fn arguments(world: &mut World<'_>, _: &[Value]) -> Served {
    let strings = preview1::strings(world.wasi, "args").map_err(Fail::stop)?;
    Ok(Some(Value::List(strings.into_iter().map(Value::Text).collect())))
}

/// None: paths begin in directories that the guest was given.
pub(super) fn initial_cwd(_: &mut World<'_>, _: &[Value]) -> Served {
    Ok(Some(Value::Case(0, None)))
}

pub(super) fn exit(_: &mut World<'_>, args: &[Value]) -> Served {
    let failed = matches!(args[0], Value::Case(1, _));
    Err(Stop::End(Outcome::Exit(failed.into())))
}

pub(super) fn exit_with_code(_: &mut World<'_>, args: &[Value]) -> Served {
    Err(Stop::End(Outcome::Exit(args[0].int() as u32)))
}

pub(super) fn stdin(world: &mut World<'_>, _: &[Value]) -> Served {
    let handle = world.resources.insert(Resource::Input { fd: 0, place: Place::Position })?;
    Ok(Some(Value::Int(handle)))
}

pub(super) fn stdout(world: &mut World<'_>, _: &[Value]) -> Served {
    output(world, 1)
}

pub(super) fn stderr(world: &mut World<'_>, _: &[Value]) -> Served {
    output(world, 2)
}

fn output(world: &mut World<'_>, fd: u32) -> Served {
    let stream = OutputStream { fd, place: Place::Position, permitted: 0 };
    Ok(Some(Value::Int(world.resources.insert(Resource::Output(stream))?)))
}

pub(super) fn terminal_stdin(world: &mut World<'_>, _: &[Value]) -> Served {
    terminal(world, 0, Resource::TerminalInput)
}

pub(super) fn terminal_stdout(world: &mut World<'_>, _: &[Value]) -> Served {
    terminal(world, 1, Resource::TerminalOutput)
}

pub(super) fn terminal_stderr(world: &mut World<'_>, _: &[Value]) -> Served {
    terminal(world, 2, Resource::TerminalOutput)
}

/// As in preview1, a terminal is a character device without a position.
fn terminal(world: &mut World<'_>, fd: u32, resource: Resource) -> Served {
    const CHARACTER_DEVICE: u8 = 2;
    const SEEK_AND_TELL: u64 = 1 << 2 | 1 << 5;
    let is_terminal = match preview1::result::<24>(world.wasi, "fd_fdstat_get", &[fd.into()]) {
        Ok(status) => {
            let rights = status[8..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            status[0] == CHARACTER_DEVICE && rights & SEEK_AND_TELL == 0
        }
        Err(Fail::Errno(_)) => false,
        Err(Fail::Stop(stop)) => return Err(stop),
    };
    let handle = is_terminal.then(|| world.resources.insert(resource)).transpose()?;
    Ok(Some(Value::option(handle.map(Value::Int))))
}
