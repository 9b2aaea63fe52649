//! A program on the machine: instances, host functions, what it ended with.

use super::emit::{self, WIDE_PARAMS};
use super::model::{End, HOST_TRAP};
use super::program::{Handle, HostEnd, HostStep, Node, Program};
use heapwood_vm::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// What host functions find in their store.
pub struct Host {
    pub program: Arc<Program>,
    /// Another store and a function of its guest, when it does not run.
    other: Option<(Store<()>, TypedFunc<i64, i64>)>,
    interrupt: Option<InterruptHandle>,
    /// The guest was interrupted, and has not stopped since.
    pub is_interrupted: bool,
}

/// A host function's own error.
#[derive(Debug)]
struct HostError;

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error of the host")
    }
}

impl std::error::Error for HostError {}

/// What a panic of a host function carries.
struct HostPanic;

/// A guest that throws and catches, with values in all registers that survive calls.
const OTHER: &str = r#"(module
  (tag $e (param i64))
  (import "h" "plain" (func $plain (param i64) (result i64)))
  (memory 1)
  (func $throw (param $n i64) (local $a i64) (local $b i64) (local $c i64)
    (local.set $a (i64.const 0x41410000)) (local.set $b (i64.const 0x42420000)) (local.set $c (i64.const 0x43430000))
    (local.set $n (call $plain (local.get $n)))
    (local.set $a (i64.add (local.get $a) (local.get $b))) (local.set $b (i64.add (local.get $b) (local.get $c)))
    (local.set $c (i64.add (local.get $c) (local.get $a))) (i64.store (i32.const 8) (local.get $c))
    (throw $e (local.get $n)))
  (func (export "k") (param $n i64) (result i64)
    (local.set $n (i64.xor (local.get $n) (i64.const 0x5a5a)))
    (block $c (result i64) (try_table (catch $e $c) (call $throw (local.get $n))) (i64.const 0))))"#;

/// What a run ended with: the result or the reason, the log, and the memory's words.
pub struct Outcome {
    pub result: std::result::Result<i64, End>,
    pub log: i64,
    pub memory: Vec<i64>,
}

/// Runs a program in a configuration.
pub fn run(program: &Arc<Program>, config: &Config, wide_memory: bool, seed: i64) -> Outcome {
    let engine = Engine::new(config).unwrap();
    let module = module(&engine, program, wide_memory);
    let mut store = store(&engine, program);
    let instance = linker(&engine).instantiate(&mut store, &module).unwrap();
    let result = catch_unwind(AssertUnwindSafe(|| enter(&mut store, instance, 0, seed)));
    outcome(&mut store, instance, result)
}

/// The guest's part of a program.
pub fn module(engine: &Engine, program: &Program, wide_memory: bool) -> Module {
    let text = emit::module(program, wide_memory);
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Module::new(engine, bytes).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A store for a program.
pub fn store(engine: &Engine, program: &Arc<Program>) -> Store<Host> {
    let host =
        Host { program: program.clone(), other: Some(other_store(engine)), interrupt: None, is_interrupted: false };
    let mut store = Store::new(engine, host);
    store.data_mut().interrupt = Some(store.interrupt_handle());
    store
}

/// What a run ended with.
pub fn outcome(store: &mut Store<Host>, instance: Instance, result: std::thread::Result<Result<i64>>) -> Outcome {
    let result = match result {
        Ok(result) => result.map_err(|error| end_of(&mut *store, instance, &error)),
        Err(panic) if panic.is::<HostPanic>() => Err(End::Panic),
        Err(panic) => resume_unwind(panic),
    };
    store.interrupt_handle().clear();
    let Some(Extern::Global(log)) = instance.get_export(&mut *store, "log") else { panic!("the log is exported") };
    let Val::I64(log) = log.get(&mut *store) else { panic!("the log is an i64") };
    let memory = instance.get_memory(&mut *store, "memory").unwrap();
    let words = memory.data(&*store)[64..].chunks_exact(8).take(store.data().program.nodes.len());
    let memory = words.map(|word| i64::from_le_bytes(word.try_into().unwrap())).collect();
    Outcome { result, log, memory }
}

fn other_store(engine: &Engine) -> (Store<()>, TypedFunc<i64, i64>) {
    let mut store = Store::new(engine, ());
    // An error where the engine counts none.
    let _ = store.set_fuel(u64::MAX);
    let module = Module::new(engine, wat::parse_str(OTHER).unwrap()).unwrap();
    let mut linker = Linker::new(engine);
    linker.func_wrap("h", "plain", |n: i64| n.wrapping_add(17)).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let k = instance.get_typed_func(&mut store, "k").unwrap();
    (store, k)
}

/// The program's host functions.
pub fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let narrow = |mut caller: Caller<'_, Host>, id: i32, seed: i64| serve(&mut caller, id as usize, seed);
    linker.func_wrap("h", "narrow", narrow).unwrap();
    let wide = |mut caller: Caller<'_, Host>, params: &[Val], results: &mut [Val]| {
        let (id, seed) = wide_params(params);
        results[0] = Val::I64(serve(&mut caller, id, seed)?);
        Ok(())
    };
    linker.func_new("h", "wide", wide_type(engine), wide).unwrap();
    linker
}

/// The type of host functions with parameters on the stack.
pub fn wide_type(engine: &Engine) -> FuncType {
    let mut params = vec![ValType::I64; WIDE_PARAMS + 1];
    params[0] = ValType::I32;
    FuncType::new(engine, params, [ValType::I64]).unwrap()
}

/// Number and seed among the arguments of such a host function.
pub fn wide_params(params: &[Val]) -> (usize, i64) {
    let (Val::I32(id), Val::I64(seed)) = (params[0], params[1]) else { panic!("{params:?}") };
    let rest: Vec<i64> = params[1..].iter().map(|param| if let Val::I64(value) = param { *value } else { 0 }).collect();
    assert!((0..).zip(&rest).all(|(k, value)| *value == seed.wrapping_add(k)), "{params:?}");
    (id as usize, seed)
}

/// A guest function of the program, and the arguments that a call with this seed has.
pub fn callee(mut store: impl AsContextMut<Data = Host>, instance: Instance, id: usize, seed: i64) -> (Func, Vec<Val>) {
    let program = store.as_context_mut().data().program.clone();
    let Node::Guest(guest) = &program.nodes[id] else { panic!("a host function is called by the guest") };
    let func = instance.get_func(&mut store, &emit::entry(guest, id)).expect("exported");
    let mut params: Vec<Val> = (guest.depth > 0).then_some(Val::I32(guest.depth)).into_iter().collect();
    params.extend((0..guest.params as i64).map(|k| Val::I64(seed.wrapping_add(k))));
    (func, params)
}

/// Calls a guest function of the program.
pub fn enter(mut store: impl AsContextMut<Data = Host>, instance: Instance, id: usize, seed: i64) -> Result<i64> {
    let (func, params) = callee(&mut store, instance, id, seed);
    let mut results = [Val::I64(0)];
    func.call(&mut store, &params, &mut results)?;
    let [Val::I64(result)] = results else { panic!("{results:?}") };
    Ok(result)
}

/// A host function of the program.
pub fn serve(caller: &mut Caller<'_, Host>, id: usize, seed: i64) -> Result<i64> {
    let instance = caller.instance().expect("called by the guest");
    let program = caller.data().program.clone();
    let Node::Host(host) = &program.nodes[id] else { panic!("{id} is a guest function") };
    let mut acc = seed ^ id as i64;
    for step in &host.steps {
        match *step {
            HostStep::Enter { child, handle } => {
                let v = match enter(&mut *caller, instance, child, acc.wrapping_add(child as i64)) {
                    Ok(v) => v,
                    Err(error) => handle_error(caller, instance, handle, error, acc)?,
                };
                acc = acc.wrapping_mul(7).wrapping_add(v);
            }
            step => acc = plain_step(caller, step, acc)?,
        }
    }
    end(caller, instance, host.end, acc)
}

/// A step that enters no guest of this store.
pub fn plain_step(caller: &mut Caller<'_, Host>, step: HostStep, acc: i64) -> Result<i64> {
    match step {
        HostStep::Collect => {
            caller.gc()?;
            Ok(acc.wrapping_mul(3).wrapping_add(1))
        }
        HostStep::Interrupt => {
            caller.data().interrupt.as_ref().expect("set before the guest runs").interrupt();
            caller.data_mut().is_interrupted = true;
            Ok(acc)
        }
        HostStep::OtherStore => {
            let (mut store, k) = caller.data_mut().other.take().expect("it does not run");
            let answer = k.call(&mut store, acc).unwrap();
            caller.data_mut().other = Some((store, k));
            Ok(acc.wrapping_add(answer))
        }
        HostStep::Enter { .. } => unreachable!("a guest of this store"),
    }
}

/// The end of a host function.
pub fn end(caller: &mut Caller<'_, Host>, instance: Instance, end: HostEnd, acc: i64) -> Result<i64> {
    match end {
        HostEnd::Return => Ok(acc),
        HostEnd::Throw => Err(exception(caller, instance, acc)),
        HostEnd::Trap => Err(Trap::new(HOST_TRAP).into()),
        HostEnd::Error => Err(Error::new(HostError)),
        HostEnd::Panic => resume_unwind(Box::new(HostPanic)),
    }
}

/// What a host function makes of the error of a guest that it entered.
pub fn handle_error(
    caller: &mut Caller<'_, Host>,
    instance: Instance,
    handle: Handle,
    error: Error,
    acc: i64,
) -> Result<i64> {
    if error.trap().is_some_and(|trap| trap.kind() == TrapKind::Interrupted) {
        caller.data_mut().is_interrupted = false;
    }
    match (handle, error.exception().is_some()) {
        (Handle::Swallow, _) | (Handle::Payload, true) => Ok(end_of(caller, instance, &error).code()),
        (Handle::Replace, true) => Err(exception(caller, instance, acc)),
        _ => Err(error),
    }
}

fn tag(store: impl AsContextMut, instance: Instance, name: &str) -> Tag {
    match instance.get_export(store, name) {
        Some(Extern::Tag(tag)) => tag,
        other => panic!("{other:?} is no tag"),
    }
}

fn exception(caller: &mut Caller<'_, Host>, instance: Instance, payload: i64) -> Error {
    let tag = tag(&mut *caller, instance, "e");
    Exception::new(&mut *caller, tag, &[Val::I64(payload)]).unwrap().into()
}

/// The reason in an error.
fn end_of(mut store: impl AsContextMut<Data = Host>, instance: Instance, error: &Error) -> End {
    if let Some(exception) = error.exception() {
        if exception.tag() == tag(&mut store, instance, "f") {
            return End::OtherThrown;
        }
        let payload = exception.payload(&mut store).unwrap();
        let [Val::I64(payload)] = payload[..] else { panic!("{payload:?}") };
        return End::Thrown(payload);
    }
    match error.trap() {
        Some(trap) => End::Trap(trap.kind()),
        None if error.downcast_ref::<HostError>().is_some() => End::Error,
        None => panic!("{error:?}"),
    }
}
