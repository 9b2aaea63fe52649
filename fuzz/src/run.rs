//! A program in Heapwood: what the host sees of it, line by line. `driver.js` does the same in V8.

use crate::generate::{Arg, Kind, Program};
use crate::types::{Heap, Ty};
use heapwood::*;

/// Objects of the host that guests are given.
pub const HOST_OBJECTS: u32 = 8;

/// What the host sees of a program.
#[derive(Clone, Default, Debug)]
pub struct Outcome {
    /// One line for each call and for each thing that is looked at in the end.
    pub lines: Vec<String>,
    /// Operators that were executed, as the guest counts them.
    pub operators: u64,
    /// The first call trapped.
    pub first_trapped: bool,
    /// Calls that returned, trapped, threw.
    pub ends: [u32; 3],
    /// A limit of the machine was hit: what follows is not compared.
    pub limit: bool,
    /// Frames that went on in newer code in the middle of a loop.
    pub replaced: u64,
}

/// What host functions know.
#[derive(Default)]
struct Host {
    instances: Vec<Instance>,
    tags: Vec<(String, Tag)>,
    host_tag: Option<Tag>,
}

/// A mode: its name and an engine that is kept.
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// Which programs run in it.
    pub takes: fn(&Program) -> bool,
    engine: Engine,
}

/// Bytes of heap that a program may use.
const HEAP_BYTES: u64 = 64 << 20;

/// All modes; the first is the default. The others take turns, since most of a program's time is compiling it, and each
/// engine compiles for itself; what verifies the heap often is slow where frames are large.
pub fn modes() -> Vec<Mode> {
    let mode = |name: &'static str, takes: fn(&Program) -> bool, set: &dyn Fn(&mut Config)| {
        let mut config = Config::new();
        config.features(Features::all()).gc_heap_max(HEAP_BYTES).compile_threads(1);
        set(&mut config);
        Mode { name, takes, engine: Engine::new(&config).expect("room for an engine") }
    };
    vec![
        mode("default", |_| true, &|_| {}),
        mode("stress 1", |program| !program.is_large() && program.seed % 8 == 0, &|config| {
            config.gc_stress(1).gc_verify(true).gc_threads(0);
        }),
        mode("stress 13", |program| !program.is_large() && matches!(program.seed % 8, 1 | 5 | 7), &|config| {
            config.gc_stress(13).gc_verify(true).gc_threads(0);
        }),
        mode("stress 97", |program| program.is_large(), &|config| {
            config.gc_stress(97).gc_verify(true).gc_mark_slice(1000).gc_threads(0);
        }),
        mode("small-nursery", |program| program.seed % 8 == 3, &|config| {
            config.gc_nursery(64 << 10).gc_threads(0);
        }),
        mode("marking", |program| !program.is_large() && matches!(program.seed % 8, 2 | 4 | 6), &|config| {
            config.gc_mark_slice(7).gc_nursery(64 << 10).gc_stress(31).gc_verify(true).gc_threads(0);
        }),
        mode(
            "no-guard",
            |program| program.seed % 4 == 1 || program.wide_memories && program.seed % 2 == 1,
            &|config| {
                config.memory32_guard(false).memory64_guard(false).gc_threads(0);
            },
        ),
        mode("inline", |program| program.seed % 4 == 3, &|config| {
            config.inline(Inline::Always).gc_stress(53).gc_verify(true).gc_threads(0);
        }),
        mode("tiers", |program| program.seed % 4 == 2, &|config| {
            config.tiering(Tiering::Always).gc_nursery(64 << 10).gc_threads(0);
        }),
        mode("tiers, random", |program| !program.is_large() && program.seed % 4 == 0, &|config| {
            config.tiering(Tiering::Random(7)).gc_stress(19).gc_verify(true).gc_threads(0);
        }),
        mode("tiers, marking", |program| !program.is_large() && program.seed % 4 == 1, &|config| {
            config.tiering(Tiering::Always).gc_mark_slice(7).gc_stress(11).gc_verify(true).gc_threads(0);
        }),
        mode("debug-checks", |program| program.seed % 3 == 0, &|config| {
            config.debug_checks(true).few_registers(true).inline(Inline::Never).gc_threads(0);
        }),
    ]
}

/// Runs a program in a mode.
pub fn run(mode: &Mode, program: &Program) -> Outcome {
    let mut outcome = Outcome::default();
    let modules: Result<Vec<Module>> = program.modules.iter().map(|bytes| Module::new(&mode.engine, bytes)).collect();
    let modules = match modules {
        Ok(modules) => modules,
        Err(error) => {
            outcome.lines.push(format!("refused: {error}"));
            return outcome;
        }
    };
    let mut store = Store::new(&mode.engine, Host::default());
    let mut linker = Linker::new(&mode.engine);
    linker.allow_shadowing(true);
    define_host(&mut linker, &mut store, program).expect("the host's functions have names of their own");
    for (index, spec) in program.instances.iter().enumerate() {
        let instance = match linker.instantiate(&mut store, &modules[spec.module]) {
            Ok(instance) => instance,
            Err(error) => {
                outcome.lines.push(format!("instance {index}: {}", end(&mut store, &error, &mut outcome.limit)));
                return outcome;
            }
        };
        linker.instance(&mut store, &format!("m{index}"), instance).expect("shadowing is allowed");
        let exports = instance.exports(&mut store);
        store.data_mut().instances.push(instance);
        for (name, export) in exports {
            if let Extern::Tag(tag) = export {
                store.data_mut().tags.push((format!("{index}.{name}"), tag));
            }
        }
    }
    for (index, call) in program.calls.iter().enumerate() {
        let mut scope = RootScope::new(&mut store);
        let instance = scope.as_context().data().instances[call.instance];
        let func = instance.get_func(&mut scope, &call.export).expect("an export");
        let args: Vec<Val> = call.args.iter().map(|arg| argument(&mut scope, *arg)).collect();
        let mut results = vec![Val::I32(0); func.ty(&scope).results().len()];
        let line = match func.call(&mut scope, &args, &mut results) {
            Ok(()) => {
                outcome.ends[0] += 1;
                let texts: Vec<_> = results.iter().map(|value| describe(&mut scope, value)).collect();
                format!("returned {}", texts.join(" "))
            }
            Err(error) => {
                let trapped = error.trap().is_some();
                outcome.ends[if trapped { 1 } else { 2 }] += 1;
                outcome.first_trapped |= trapped && index == 0;
                end(&mut scope, &error, &mut outcome.limit)
            }
        };
        outcome.lines.push(format!("call {index} {}.{}: {line}", call.instance, call.export));
        if outcome.limit {
            return outcome;
        }
    }
    for (index, spec) in program.instances.iter().enumerate() {
        for (name, kind, _) in &spec.observed {
            let mut scope = RootScope::new(&mut store);
            let instance = scope.as_context().data().instances[index];
            let export = instance.get_export(&mut scope, name).expect("an export");
            let text = contents(&mut scope, export, kind);
            outcome.lines.push(format!("end {index}.{name}: {text}"));
        }
    }
    outcome.operators = operators(&mut store, program);
    outcome.replaced = modules.iter().map(Module::replaced_frames).sum();
    outcome
}

fn operators(store: &mut Store<Host>, program: &Program) -> u64 {
    let Some(first) = store.data().instances.first().copied() else { return 0 };
    let mut number = |name: &str| match first.get_global(&mut *store, name).map(|global| global.get(&mut *store)) {
        Some(Val::I32(value)) => value as i64,
        Some(Val::I64(value)) => value,
        _ => 0,
    };
    // Before the first call and after each, fuel starts anew; what the last one used is not in the sum yet.
    (number("g3") + program.fuel as i64 - number("g0")).max(0) as u64
}

fn trap_class(kind: TrapKind) -> &'static str {
    use TrapKind::*;
    match kind {
        Unreachable => "unreachable",
        IntegerDivideByZero => "divide by zero",
        IntegerOverflow | InvalidConversion => "unrepresentable",
        MemoryOutOfBounds => "memory bounds",
        TableOutOfBounds | UndefinedElement => "table bounds",
        UninitializedElement | IndirectCallTypeMismatch => "signature",
        NullStruct | NullArray | NullFunction | NullI31 | NullReference => "null",
        NullException => "null exception",
        ArrayOutOfBounds => "array bounds",
        CastFailure => "cast",
        AllocationTooLarge => "array too large",
        StackExhausted | HeapExhausted => "limit",
        UnalignedAtomic => "unaligned",
        Interrupted | DeadlineExceeded | OutOfFuel | ExpectedSharedMemory | DirtyUpperHalf => kind.message(),
        // Programs import no functions over strings.
        NotAString | StringOutOfBounds | InvalidCodePoint => kind.message(),
    }
}

/// How a call ended that did not return.
fn end(store: &mut impl AsContextMut<Data = Host>, error: &Error, limit: &mut bool) -> String {
    if let Some(exception) = error.exception() {
        let tag = exception.tag();
        let context = store.as_context_mut();
        let known = context.data().tags.iter().find(|(_, known)| *known == tag).map(|(name, _)| name.clone());
        let known = known.unwrap_or_else(|| if context.data().host_tag == Some(tag) { "host" } else { "?" }.to_owned());
        let payload = exception.payload(&mut *store).expect("an exception of this store");
        let texts: Vec<_> = payload.iter().map(|value| describe(store, value)).collect();
        return format!("threw {known} {}", texts.join(" "));
    }
    match error.trap() {
        Some(trap) => {
            let class = trap_class(trap.kind());
            *limit |= class == "limit";
            format!("trapped: {class}")
        }
        None => {
            *limit |= matches!(error.kind(), ErrorKind::Limit(_));
            format!("failed: {error}")
        }
    }
}

fn contents(store: &mut impl AsContextMut<Data = Host>, export: Extern, kind: &Kind) -> String {
    match (export, kind) {
        (Extern::Memory(memory), Kind::Memory) => {
            let bytes = memory.data(store);
            let step = |hash: u32, word: &[u8]| {
                let mut all = [0; 4];
                all[..word.len()].copy_from_slice(word);
                (hash ^ u32::from_le_bytes(all)).wrapping_mul(0x0100_0193).rotate_left(5)
            };
            format!("{} bytes {}", bytes.len(), bytes.chunks(4).fold(0x811c_9dc5, step))
        }
        (Extern::Table(table), Kind::Table) => {
            let size = table.size(&*store);
            let mut text = format!("{size} ");
            for index in 0..size {
                let value = table.get(&mut *store, index).expect("in bounds");
                text.push(if value.is_null() { '-' } else { 'x' });
            }
            text
        }
        (Extern::Global(global), Kind::Global) => {
            let value = global.get(&mut *store);
            describe(store, &value)
        }
        (export, kind) => panic!("{export:?} is no {kind:?}"),
    }
}

fn argument(store: &mut impl AsContextMut, arg: Arg) -> Val {
    match arg {
        Arg::I32(value) => Val::I32(value),
        Arg::I64(value) => Val::I64(value),
        Arg::F32(bits) => Val::F32(bits),
        Arg::F64(bits) => Val::F64(bits),
        Arg::Extern(object) => Val::ExternRef(object.map(|number| ExternRef::new(store, number).expect("room"))),
        Arg::Any(value) => Val::AnyRef(value.map(|value| AnyRef::from_i31(store, value).expect("31 bits"))),
    }
}

/// A value in words; NaNs are all the same, since JavaScript does not keep them apart.
fn describe(store: &mut impl AsContextMut<Data = Host>, value: &Val) -> String {
    match *value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) if f32::from_bits(bits).is_nan() => "nan".to_owned(),
        Val::F32(bits) => format!("f{bits}"),
        Val::F64(bits) if f64::from_bits(bits).is_nan() => "nan".to_owned(),
        Val::F64(bits) => format!("d{bits}"),
        Val::V128(_) => "v128".to_owned(),
        Val::AnyRef(Some(any)) => object(store, any),
        Val::ExternRef(Some(outside)) => object(store, outside.to_any()),
        Val::FuncRef(Some(_)) => "func".to_owned(),
        Val::ExnRef(Some(_)) => "exn".to_owned(),
        _ => "null".to_owned(),
    }
}

fn object(store: &mut impl AsContextMut<Data = Host>, any: Rooted<AnyRef>) -> String {
    match any.kind(&*store).expect("in scope") {
        RefKind::I31(value) => format!("i31:{value}"),
        RefKind::Host => format!("host:{}", host_number(store, any)),
        _ => "object".to_owned(),
    }
}

fn host_number(store: &impl AsContext<Data = Host>, any: Rooted<AnyRef>) -> u32 {
    let data = any.to_extern().data(store).expect("in scope");
    data.and_then(|data| data.downcast_ref::<u32>().copied()).expect("one of the host's objects")
}

/// What a host function makes of its arguments.
fn mix(store: &mut impl AsContextMut<Data = Host>, args: &[Val]) -> u32 {
    args.iter().fold(17u32, |sum, value| {
        let fold = |bits: u64| bits as u32 ^ (bits >> 32) as u32;
        let number = match *value {
            Val::I32(value) => value as u32,
            Val::I64(value) => fold(value as u64),
            Val::F32(bits) if f32::from_bits(bits).is_nan() => 5,
            Val::F32(bits) => bits,
            Val::F64(bits) if f64::from_bits(bits).is_nan() => 6,
            Val::F64(bits) => fold(bits),
            Val::AnyRef(Some(any)) => reference(store, any),
            Val::ExternRef(Some(outside)) => reference(store, outside.to_any()),
            _ => 3,
        };
        sum.wrapping_mul(31).wrapping_add(number)
    })
}

fn reference(store: &mut impl AsContextMut<Data = Host>, any: Rooted<AnyRef>) -> u32 {
    match any.kind(&*store).expect("in scope") {
        RefKind::I31(value) => value as u32,
        RefKind::Host => host_number(store, any).wrapping_add(1000),
        _ => 7,
    }
}

fn define_host(linker: &mut Linker<Host>, store: &mut Store<Host>, program: &Program) -> Result<()> {
    let engine = store.engine().clone();
    let convert = |list: &[Ty]| list.iter().map(|ty| boundary(*ty)).collect::<Vec<_>>();
    for (index, (params, results)) in program.host.iter().enumerate() {
        let ty = FuncType::new(&engine, convert(params), convert(results))?;
        let wanted = results.clone();
        linker.func_new("h", &format!("f{index}"), ty, move |mut caller, args, out| {
            let sum = mix(&mut caller, args);
            if sum % 16 == 3 {
                caller.gc()?;
            }
            for (number, (place, ty)) in (0u32..).zip(out.iter_mut().zip(&wanted)) {
                *place = result(&mut caller, args, *ty, sum.wrapping_add(number))?;
            }
            Ok(())
        })?;
    }
    let ints = FuncType::new(&engine, [ValType::I32], [ValType::I32])?;
    for index in 0..=program.modules.len() + 1 {
        linker.func_new("h", &format!("reenter{index}"), ints.clone(), move |mut caller, args, out| {
            out[0] = Val::I32(callback(&mut caller, index, args)?);
            Ok(())
        })?;
        linker.func_new("h", &format!("guarded{index}"), ints.clone(), move |mut caller, args, out| {
            let value = match callback(&mut caller, index, args) {
                Ok(value) => value,
                Err(error) if error.exception().is_some() => {
                    let payload = error.exception().expect("checked").payload(&mut caller)?;
                    mix(&mut caller, &payload) as i32
                }
                Err(error) => match error.trap() {
                    Some(trap) if trap_class(trap.kind()) != "limit" => -1,
                    _ => return Err(error),
                },
            };
            out[0] = Val::I32(value);
            Ok(())
        })?;
    }
    let taker = FuncType::new(&engine, [ValType::I32], [])?;
    let tag = Tag::new(&mut *store, TagType::new(taker.clone()))?;
    store.data_mut().host_tag = Some(tag);
    linker.define("h", "tag", tag)?;
    linker.func_new("h", "throw", taker, move |mut caller, args, _| {
        Err(Exception::new(&mut caller, tag, args)?.into())
    })?;
    let nothing = FuncType::new(&engine, [], [])?;
    linker.func_new("h", "gc", nothing, |mut caller, _, _| caller.gc())?;
    Ok(())
}

/// Calls a module's `callback`; 0 if there is no such instance yet.
fn callback(caller: &mut Caller<'_, Host>, index: usize, args: &[Val]) -> Result<i32> {
    let Some(instance) = caller.data().instances.get(index).copied() else { return Ok(0) };
    let func = instance.get_func(&mut *caller, "callback").expect("an export");
    let mut results = [Val::I32(0)];
    func.call(caller, args, &mut results)?;
    results[0].i32().ok_or_else(|| Error::msg("no i32"))
}

fn result(caller: &mut Caller<'_, Host>, args: &[Val], ty: Ty, sum: u32) -> Result<Val> {
    Ok(match ty {
        Ty::I32 => Val::I32(sum as i32),
        Ty::I64 => Val::I64((sum as i64).wrapping_mul(0x1_0000_0001)),
        Ty::F32 => Val::F32(((sum & 0xffff) as f32).to_bits()),
        Ty::F64 => Val::F64((sum as f64 * 0.5).to_bits()),
        Ty::Ref(_, Heap::Extern) if sum.is_multiple_of(4) => Val::ExternRef(None),
        Ty::Ref(_, Heap::Extern) => Val::ExternRef(Some(ExternRef::new(caller, sum % HOST_OBJECTS)?)),
        // The first reference that came is given back.
        _ => match args.iter().find(|value| matches!(value, Val::AnyRef(_))) {
            Some(echo) if sum % 4 != 1 => *echo,
            _ => Val::AnyRef(Some(AnyRef::from_i31(caller, (sum & 0xff) as i32)?)),
        },
    })
}

fn boundary(ty: Ty) -> ValType {
    match ty {
        Ty::I32 => ValType::I32,
        Ty::I64 => ValType::I64,
        Ty::F32 => ValType::F32,
        Ty::F64 => ValType::F64,
        Ty::Ref(true, Heap::Extern) => ValType::EXTERNREF,
        Ty::Ref(true, Heap::Any) => ValType::ANYREF,
        other => panic!("{other:?} does not cross"),
    }
}
