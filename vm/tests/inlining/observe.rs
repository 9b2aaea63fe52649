//! Runs a generated module and writes down all that the host sees of it.

use crate::generate::CALLERS;
use heapwood_vm::*;
use std::fmt::Write;

/// What programs may burn.
const FUEL: u64 = 20_000;

/// What the host sees.
pub type Seen = String;

/// The frames of a backtrace, from the innermost one on.
pub fn frames(backtrace: Option<&WasmBacktrace>) -> String {
    let mut text = String::new();
    for frame in backtrace.map_or(&[][..], WasmBacktrace::frames) {
        write!(text, " {}@{:x}", frame.func_index(), frame.module_offset()).unwrap();
    }
    let omitted = backtrace.map_or(0, WasmBacktrace::omitted);
    if omitted > 0 { text + &format!(" +{omitted}") } else { text }
}

/// Runs all that a module exports with each of these arguments; a line for each event.
pub fn run(config: &Config, text: &str, with_fuel: bool, arguments: &[i32]) -> Seen {
    let engine = Engine::new(config.clone().consume_fuel(with_fuel)).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut linker = Linker::<Seen>::new(&engine);
    let look = |mut caller: Caller<'_, Seen>, value: i32| {
        let trace = caller.stack_trace();
        let backtrace = trace.backtrace(&caller).unwrap();
        let line = format!("looked {value}:{}\n", frames(Some(&backtrace)));
        caller.data_mut().push_str(&line);
    };
    linker.func_wrap("h", "look", look).unwrap();
    let mut store = Store::new(&engine, Seen::new());
    if with_fuel {
        store.set_fuel(FUEL).unwrap();
    }
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let count = instance.get_typed_func::<(), i32>(&mut store, "count").unwrap();
    for (caller, argument) in (0..CALLERS).flat_map(|caller| arguments.iter().map(move |argument| (caller, *argument)))
    {
        let export = instance.get_typed_func::<i32, i32>(&mut store, &format!("run{caller}")).unwrap();
        if with_fuel {
            store.set_fuel(FUEL).unwrap();
        }
        let line = match export.call(&mut store, argument) {
            Ok(value) => format!("returned {value}"),
            Err(error) => {
                let what = error.trap().map_or("threw".to_owned(), |trap| format!("{:?}", trap.kind()));
                format!("{what}:{}", frames(error.backtrace()))
            }
        };
        let burnt = if with_fuel { FUEL - store.get_fuel().unwrap() } else { 0 };
        if with_fuel {
            store.set_fuel(FUEL).unwrap();
        }
        let kept = count.call(&mut store, ()).unwrap_or(-1);
        writeln!(store.data_mut(), "run{caller}({argument}) {line}, burnt {burnt}, kept {kept}").unwrap();
    }
    store.data().clone()
}

/// The first lines in which two texts differ.
pub fn first_difference<'t>(left: &'t str, right: &'t str) -> Option<(&'t str, &'t str)> {
    let mut lines = left.lines().map(Some).chain([None]).zip(right.lines().map(Some).chain([None]));
    let found = lines.find(|(left, right)| left != right)?;
    Some((found.0.unwrap_or("nothing"), found.1.unwrap_or("nothing")))
}
