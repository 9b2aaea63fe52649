//! Everything of a module that can be seen from outside: results, traps, exceptions, then memories, tables and globals.

#![allow(dead_code, reason = "each test binary uses a part")]

use super::generate::Numbers;
use heapwood_vm::*;
use std::fmt::Write;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// References are followed so far.
const DEPTH: u32 = 4;
/// Elements of an array or table that are looked at.
const ELEMENTS: u64 = 10;

/// Something that a module did, in words.
#[derive(PartialEq, Eq, Debug)]
pub enum Event {
    /// Instantiation failed.
    Failed(String),
    /// A call returned.
    Returned(String),
    /// A call trapped.
    Trapped(String),
    /// A call threw.
    Threw(String),
    /// Stack, heap or memory were exhausted: when that happens depends on the mode.
    Limit(String),
    /// What something contains at the end.
    Contents(String),
}

impl Event {
    /// Whether calls of the instance may end here from now on without doing anything.
    fn may_be_out_of_fuel(&self) -> bool {
        matches!(self, Event::Trapped(text) if text.ends_with("Unreachable"))
    }

    /// For statistics.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Failed(_) => "failed to instantiate",
            Event::Returned(_) => "calls returned",
            Event::Trapped(_) => "calls trapped",
            Event::Threw(_) => "calls threw",
            Event::Limit(_) => "calls hit a limit",
            Event::Contents(_) => "contents compared",
        }
    }
}

/// Runs a module in a store of its own: instantiates it, calls each export, looks at what is left.
///
/// # Panics
/// The module is valid, yet it is refused.
pub fn observe(engine: &Engine, bytes: &[u8], seed: u64) -> Vec<Event> {
    let module = Module::new(engine, bytes).unwrap_or_else(|error| panic!("refused: {error}"));
    observe_module(engine, &module, seed)
}

/// What is observed of a module that is compiled already, as [`observe`] does it for bytes.
pub fn observe_module(engine: &Engine, module: &Module, seed: u64) -> Vec<Event> {
    observe_in(Store::new(engine, ()), module, seed, Calls::AtOnce)
}

/// What is observed where each check of fuel suspends the guest, and host functions wait. The engine counts fuel.
///
/// # Panics
/// The module is valid, yet it is refused.
pub fn observe_suspended(engine: &Engine, bytes: &[u8], seed: u64) -> Vec<Event> {
    let module = Module::new(engine, bytes).unwrap_or_else(|error| panic!("refused: {error}"));
    let mut store = Store::new(engine, ());
    store.set_fuel(u64::MAX).unwrap();
    store.fuel_async_yield_interval(Some(1)).unwrap();
    observe_in(store, &module, seed, Calls::Suspended)
}

/// How guests are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    AtOnce,
    Suspended,
}

/// Polls until it is ready.
fn run<R>(future: impl Future<Output = R>) -> R {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
    }
}

/// Pending once.
fn pending_once() -> impl Future<Output = ()> + Send {
    let mut is_ready = false;
    std::future::poll_fn(move |_| if std::mem::replace(&mut is_ready, true) { Poll::Ready(()) } else { Poll::Pending })
}

fn observe_in(mut store: Store<()>, module: &Module, seed: u64, calls: Calls) -> Vec<Event> {
    let imports = match imports(&mut store, module, calls) {
        Some(imports) => imports,
        None => return vec![Event::Failed("an import has no default".to_owned())],
    };
    let make = |store: &mut Store<()>| match calls {
        Calls::AtOnce => Instance::new(store, module, &imports),
        Calls::Suspended => run(Instance::new_async(store, module, &imports)),
    };
    let instantiate = |store: &mut Store<()>| match make(store) {
        Ok(instance) => Ok(instance.exports(store)),
        Err(error) => Err(match ended(store, module, "instantiation", &error) {
            limit @ Event::Limit(_) => limit,
            other => Event::Failed(format!("{other:?}")),
        }),
    };
    let mut exports = match instantiate(&mut store) {
        Ok(exports) => exports,
        Err(event) => return vec![event],
    };
    let mut events = Vec::new();
    let mut numbers = Numbers::new(seed);
    for index in 0..exports.len() {
        let (name, Extern::Func(func)) = &exports[index] else { continue };
        let mut scope = RootScope::new(&mut store);
        events.extend(call(&mut scope, module, (name, *func), &mut numbers, calls));
        drop(scope);
        if events.last().is_some_and(Event::may_be_out_of_fuel) {
            contents(&mut store, module, &exports, &mut events);
            match instantiate(&mut store) {
                Ok(fresh) => exports = fresh,
                Err(event) => {
                    events.push(event);
                    break;
                }
            }
        }
    }
    contents(&mut store, module, &exports, &mut events);
    events
}

/// What everything contains that is exported.
fn contents(store: &mut Store<()>, module: &Module, exports: &[(String, Extern)], events: &mut Vec<Event>) {
    for (name, export) in exports {
        let mut scope = RootScope::new(&mut *store);
        events.extend(
            contained(&mut scope, module, export.clone()).map(|text| Event::Contents(format!("{name}: {text}"))),
        );
    }
}

/// Something for each import; none if a type has no default.
fn imports(store: &mut Store<()>, module: &Module, calls: Calls) -> Option<Vec<Extern>> {
    let types: Vec<_> = module.imports().map(|import| import.ty).collect();
    let make = |ty| {
        Some(match ty {
            ExternType::Func(ty) => host(store, ty, calls).into(),
            ExternType::Global(ty) => {
                let value = Val::default_for(ty.content())?;
                Global::new(&mut *store, ty, value).ok()?.into()
            }
            ExternType::Table(ty) => {
                let value = Val::default_for(&ValType::Ref(ty.element.clone()))?;
                Table::new(&mut *store, ty, value).ok()?.into()
            }
            ExternType::Memory(ty) => Memory::new(&mut *store, ty).ok()?.into(),
            ExternType::Tag(ty) => Tag::new(&mut *store, ty).ok()?.into(),
        })
    };
    types.into_iter().map(make).collect()
}

/// Collects, and returns what it was given where that fits, else defaults.
fn host(store: &mut Store<()>, ty: FuncType, calls: Calls) -> Func {
    let (params, wanted): (Vec<_>, Vec<_>) = (ty.params().collect(), ty.results().collect());
    let answer = move |caller: &mut Caller<'_, ()>, args: &[Val], results: &mut [Val]| {
        caller.gc()?;
        for (result, ty) in results.iter_mut().zip(&wanted) {
            let echo = params.iter().position(|param| param == ty).map(|index| args[index]);
            *result = echo.or_else(|| Val::default_for(ty)).ok_or_else(|| Error::msg("no default"))?;
        }
        Ok(())
    };
    if calls == Calls::AtOnce {
        return Func::new(store, ty, move |mut caller, args, results| answer(&mut caller, args, results));
    }
    let answer = Arc::new(answer);
    Func::new_async(store, ty, move |mut caller, args, results| {
        let answer = answer.clone();
        Box::new(async move {
            pending_once().await;
            answer(&mut caller, args, results)?;
            pending_once().await;
            caller.gc()
        })
    })
}

fn call(
    store: &mut (impl AsContextMut<Data = ()> + Send),
    module: &Module,
    (name, func): (&str, Func),
    numbers: &mut Numbers,
    calls: Calls,
) -> Option<Event> {
    let ty = func.ty(&*store);
    let mut args = Vec::new();
    for param in ty.params() {
        args.push(argument(store, param, numbers)?);
    }
    let mut results = vec![Val::I32(0); ty.results().len()];
    let ended = match calls {
        Calls::AtOnce => func.call(&mut *store, &args, &mut results),
        Calls::Suspended => run(func.call_async(&mut *store, &args, &mut results)),
    };
    Some(match ended {
        Ok(()) => {
            let mut text = String::from(name);
            results.iter().for_each(|value| describe(store, module, value, DEPTH, &mut text));
            Event::Returned(text)
        }
        Err(error) => self::ended(store, module, name, &error),
    })
}

/// A value of a type; none for references that are neither null nor an i31.
fn argument(store: &mut impl AsContextMut, ty: ValType, numbers: &mut Numbers) -> Option<Val> {
    let bits =
        numbers.pick(&[0, 1, 2, 7, 100, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX as u64, 1 << 32, 1 << 63, u64::MAX]);
    Some(match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32((numbers.pick(&[0.0, 1.5, -1.0, 3e9, f32::INFINITY])).to_bits()),
        ValType::F64 => Val::F64((numbers.pick(&[0.0, 1.5, -1.0, 3e18, f64::NEG_INFINITY])).to_bits()),
        ValType::V128 => Val::V128(bits as u128 | (bits as u128) << 70),
        ValType::Ref(RefType { heap: HeapType::Any | HeapType::Eq | HeapType::I31, nullable }) => {
            if nullable && bits == 0 {
                Val::AnyRef(None)
            } else {
                Val::AnyRef(Some(AnyRef::from_i31(store, bits as i32 >> 2).unwrap()))
            }
        }
        ValType::Ref(_) => Val::default_for(&ty)?,
    })
}

/// How a call ended that did not return.
fn ended(store: &mut impl AsContextMut, module: &Module, name: &str, error: &Error) -> Event {
    if let Some(exception) = error.exception() {
        let mut text = format!("{name} throws");
        let payload = exception.payload(&mut *store).unwrap();
        payload.iter().for_each(|value| describe(store, module, value, DEPTH, &mut text));
        return Event::Threw(text);
    }
    match error.trap().map(Trap::kind) {
        Some(kind @ (TrapKind::StackExhausted | TrapKind::HeapExhausted)) => Event::Limit(format!("{name}: {kind:?}")),
        Some(kind) => Event::Trapped(format!("{name}: {kind:?}")),
        None if matches!(error.kind(), ErrorKind::Limit(_)) => Event::Limit(format!("{name}: {error}")),
        None => Event::Trapped(format!("{name}: {error}")),
    }
}

fn contained(store: &mut impl AsContextMut<Data = ()>, module: &Module, export: Extern) -> Option<String> {
    let mut text = String::new();
    match export {
        Extern::Global(global) => {
            let value = global.get(&mut *store);
            describe(store, module, &value, DEPTH, &mut text);
        }
        Extern::Memory(memory) => {
            let bytes = memory.data(store);
            write!(text, "{} bytes, {:#x}", bytes.len(), hash(bytes)).unwrap();
        }
        Extern::Table(table) => {
            let size = table.size(&*store);
            write!(text, "{size} elements").unwrap();
            for index in 0..size.min(ELEMENTS) {
                let value = table.get(&mut *store, index)?;
                describe(store, module, &value, DEPTH, &mut text);
            }
        }
        _ => return None,
    }
    Some(text)
}

/// FNV-1a over words.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: &[u8]| {
        let word = word.iter().rev().fold(0u64, |word, byte| word << 8 | *byte as u64);
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    };
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, step)
}

/// A value, and what it refers to.
fn describe(store: &mut impl AsContextMut, module: &Module, value: &Val, depth: u32, out: &mut String) {
    let any = match *value {
        Val::AnyRef(Some(any)) => any,
        Val::ExternRef(Some(outside)) => outside.to_any(),
        Val::I32(value) => return write!(out, " {value:#x}").unwrap(),
        Val::I64(value) => return write!(out, " {value:#x}").unwrap(),
        Val::F32(bits) => return write!(out, " f32 {bits:#x}").unwrap(),
        Val::F64(bits) => return write!(out, " f64 {bits:#x}").unwrap(),
        Val::V128(bits) => return write!(out, " v128 {bits:#x}").unwrap(),
        _ if value.is_null() => return out.push_str(" null"),
        Val::FuncRef(_) => return out.push_str(" func"),
        _ => return out.push_str(" exn"),
    };
    match any.kind(&*store).unwrap() {
        RefKind::I31(value) => write!(out, " i31 {value}").unwrap(),
        RefKind::Struct(_) => {
            write!(out, " struct {:?}(", any.type_index(&*store, module).unwrap()).unwrap();
            let mut index = 0;
            while let (true, Ok(field)) = (depth > 0, any.field(&mut *store, index)) {
                describe(store, module, &field, depth - 1, out);
                index += 1;
            }
            out.push(')');
        }
        RefKind::Array(_) => {
            let length = any.array_len(&*store).unwrap();
            write!(out, " array {:?} of {length}[", any.type_index(&*store, module).unwrap()).unwrap();
            for index in 0..if depth > 0 { length.min(ELEMENTS as u32) } else { 0 } {
                let element = any.element(&mut *store, index).unwrap();
                describe(store, module, &element, depth - 1, out);
            }
            out.push(']');
        }
        other => write!(out, " {other:?}").unwrap(),
    }
}
