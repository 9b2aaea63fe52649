//! Tenants: each kind of quota below, at and above its limit; each way to misbehave, beside a thousand others whose
//! state is compared afterwards; inboxes, names, and threads.

use heapwood::tenants::{Message, Quota, Resource, SendError, Tenant, TenantError, TenantId, Tenants, receive};
use heapwood::{
    Caller, Config, Engine, ErrorKind, Extern, InstancePre, Linker, MAX_STACK_MIN, Module, Result, TrapKind, WasmParams,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What the host keeps for a tenant: a number, and what its host functions are told to do.
type Data = u32;
type Program = InstancePre<Tenant<Data>>;

/// State of all kinds (memory, table, global, heap), its fingerprint, and ways to misbehave.
const PROGRAM: &str = r#"(module
    (import "host" "fail" (func $fail (param i32)))
    (import "host" "send" (func $send (param i64 i32 i32) (result i32)))
    (import "host" "receive" (func $receive (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table $table 1 100000 i31ref)
    (tag $tag (param i32))
    (type $bytes (array (mut i8)))
    (type $list (struct (field (ref null $list)) (field i32) (field (ref null $bytes))))
    (global $list (mut (ref null $list)) (ref.null $list))
    (global $calls (mut i32) (i32.const 0))
    (func (export "set") (param $n i32)
      (i32.store (i32.const 16) (local.get $n))
      (table.set $table (i32.const 0) (ref.i31 (local.get $n)))
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (global.set $list (struct.new $list (global.get $list) (local.get $n) (ref.null $bytes))))
    (func (export "fingerprint") (result i64)
      (local $sum i64) (local $at (ref null $list))
      (local.set $sum (i64.extend_i32_u (i32.load (i32.const 16))))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
        (i64.extend_i32_u (i31.get_u (table.get $table (i32.const 0))))))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_u (global.get $calls))))
      (local.set $at (global.get $list))
      (block $end (loop $next
        (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
          (i64.extend_i32_u (struct.get $list 1 (br_on_null $end (local.get $at))))))
        (local.set $at (struct.get $list 0 (local.get $at)))
        (br $next)))
      (local.get $sum))
    (func (export "forget") (global.set $list (ref.null $list)))
    (func (export "trap") (drop (i32.load (i32.const -4))))
    (func (export "throw") (throw $tag (i32.const 7)))
    (func (export "fail") (param i32) (call $fail (local.get 0)))
    (func (export "spin") (loop (br 0)))
    (func $recurse (export "recurse") (param i32) (result i32)
      (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
        (else (i32.add (i32.const 1) (call $recurse (i32.sub (local.get 0) (i32.const 1)))))))
    (func (export "keep") (param $kibibytes i32)
      (loop $more
        (if (local.get $kibibytes)
          (then
            (global.set $list (struct.new $list (global.get $list) (i32.const 0)
              (array.new_default $bytes (i32.const 1008))))
            (local.set $kibibytes (i32.sub (local.get $kibibytes) (i32.const 1)))
            (br $more)))))
    ;; Takes what it gets until it gets no more: what it got.
    (func (export "grow memory") (result i32)
      (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (memory.size))
    (func (export "grow table") (result i32)
      (loop $more (br_if $more (i32.ne (table.grow $table (ref.null i31) (i32.const 10)) (i32.const -1))))
      (table.size $table))
    (func (export "send") (param i64 i32) (result i32) (call $send (local.get 0) (i32.const 32) (local.get 1)))
    (func (export "receive") (result i32) (call $receive (i32.const 1024) (i32.const 1024))))"#;

fn memory_of(caller: &mut Caller<'_, Tenant<Data>>) -> heapwood::Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("the program exports it")
}

fn linker(engine: &Engine) -> Linker<Tenant<Data>> {
    let mut linker = Linker::new(engine);
    let fail = |how: i32| -> Result<()> {
        assert_ne!(how, 1, "the host function panics");
        Err("the host function fails")?
    };
    let send = |mut caller: Caller<'_, Tenant<Data>>, to: i64, at: i32, len: i32| -> Result<i32> {
        let mut bytes = vec![0; len as usize];
        memory_of(&mut caller).read(&caller, at as usize, &mut bytes)?;
        Ok(i32::from(caller.data().send(TenantId::from(to as u64), &bytes).is_err()))
    };
    let take = |mut caller: Caller<'_, Tenant<Data>>, at: i32, most: i32| -> Result<i32> {
        let Some(message) = receive(&mut caller) else { return Ok(-1) };
        let bytes = &message.bytes[..message.bytes.len().min(most as usize)];
        memory_of(&mut caller).write(&mut caller, at as usize, bytes)?;
        Ok(bytes.len() as i32)
    };
    linker.func_wrap("host", "fail", fail).expect("a new name");
    linker.func_wrap("host", "send", send).expect("a new name");
    linker.func_wrap("host", "receive", take).expect("a new name");
    linker
}

fn compile(engine: &Engine, text: &str) -> Program {
    let module = Module::new(engine, text).expect("a valid module");
    linker(engine).instantiate_pre(&module).expect("all imports")
}

/// Memories without guards, so that a thousand fit anywhere.
fn engine() -> Engine {
    Engine::new(Config::new().memory32_guard(false)).expect("an engine")
}

fn small() -> Quota {
    Quota::new().heap(4 << 20).memory(4 << 20).stack(MAX_STACK_MIN).time(Duration::from_secs(60))
}

/// What a quota error says, but for the guest's end.
fn quota<R>(result: Result<R, TenantError>) -> (Resource, u64, Option<u64>) {
    match result {
        Err(TenantError::Quota { resource, limit, wanted, error }) => {
            let text = TenantError::Quota { resource, limit, wanted, error }.to_string();
            assert!(text.contains(&limit.to_string()) && text.contains(&resource.to_string()), "{text}");
            (resource, limit, wanted)
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it is within the quota"),
    }
}

/// A binary that a tenant brings.
fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a valid text")
}

fn call<P: WasmParams>(tenants: &Tenants<Data>, id: TenantId, export: &str, params: P) -> Result<(), TenantError> {
    tenants.execute::<P, ()>(id, export, params)
}

#[test]
fn programs_below_at_and_above_each_limit() {
    let (engine, page) = (engine(), 65_536);
    let text = "(module (func (export \"f\") (result i32) (i32.const 1)))";
    let code = compile(&engine, text).module().code_bytes();
    type Limit = fn(Quota, u64) -> Quota;
    let cases: [(&str, Resource, Limit, u64); 6] = [
        ("(module (memory 3))", Resource::Memory, Quota::memory, 3 * page),
        ("(module (memory 1) (memory 2))", Resource::Memory, Quota::memory, 3 * page),
        ("(module (table 1000 funcref))", Resource::Memory, Quota::memory, 4000),
        ("(module (table 9 funcref) (table 1 i31ref))", Resource::TableElements, Quota::tables, 10),
        ("(module)", Resource::Instances, |quota, count| quota.instances(count as usize), 1),
        (text, Resource::Code, Quota::code, code),
    ];
    for (text, resource, limit, needed) in cases {
        let program = compile(&engine, text);
        for (allowed, fits) in [(needed - 1, false), (needed, true), (needed + 1, true)] {
            let tenants = Tenants::new();
            let result = tenants.register(&program, &limit(small(), allowed), 5);
            if fits {
                let id = result.unwrap_or_else(|error| panic!("{resource}, {allowed} of {needed}: {error:?}"));
                assert_eq!(tenants.unregister(id).unwrap(), 5);
            } else {
                assert_eq!(quota(result), (resource, allowed, Some(needed)));
            }
            assert!(tenants.is_empty());
        }
    }
}

#[test]
fn memories_and_tables_grow_up_to_the_limit_and_not_beyond() {
    let engine = engine();
    let program = compile(&engine, PROGRAM);
    for pages in [1, 2, 17] {
        // A table of one element beside the pages takes 9 bytes, with the collector's books.
        for (more, fits) in [(0, pages - 1), (8, pages - 1), (9, pages), (10, pages)] {
            let tenants = Tenants::new();
            if fits == 0 {
                let memory = (Resource::Memory, 65_536 + more, Some(65_536 + 9));
                assert_eq!(quota(tenants.register(&program, &small().memory(65_536 + more), 0)), memory);
                continue;
            }
            let id = tenants.register(&program, &small().memory((pages << 16) + more), 0).unwrap();
            assert_eq!(tenants.execute::<(), i32>(id, "grow memory", ()).unwrap() as u64, fits);
            assert_eq!(tenants.usage(id).unwrap().memory_bytes, fits << 16);
        }
    }
    for (elements, fits) in [(30, 21), (31, 31), (32, 31)] {
        let tenants = Tenants::new();
        let id = tenants.register(&program, &small().tables(elements), 0).unwrap();
        assert_eq!(tenants.execute::<(), i32>(id, "grow table", ()).unwrap(), fits);
    }
}

#[test]
fn calls_below_and_above_the_limits_of_heap_and_stack() {
    let engine = engine();
    let program = compile(&engine, PROGRAM);
    let tenants = Tenants::new();
    for mib in [2, 4, 8] {
        let id = tenants.register(&program, &small().heap(mib << 20), 0).unwrap();
        call(&tenants, id, "keep", (mib << 10) as i32 / 4).unwrap();
        assert_eq!(quota(call(&tenants, id, "keep", (mib << 10) as i32)), (Resource::Heap, mib << 20, None));
        // The collector's lists are counted when they have grown, so the peak may pass the limit by as much: of them,
        // the marker's stack grows most at once.
        let peak = tenants.usage(id).unwrap().heap_peak_bytes;
        println!("{peak} bytes of {mib} MiB: {} beyond", peak.saturating_sub(mib << 20));
        assert!(peak <= (mib << 20) + (256 << 10), "{peak} bytes of {mib} MiB");
        // What it does not hold any more is there for the next call.
        call(&tenants, id, "forget", ()).unwrap();
        call(&tenants, id, "keep", (mib << 10) as i32 / 4).unwrap();
    }
    for bytes in [MAX_STACK_MIN, 4 * MAX_STACK_MIN] {
        let id = tenants.register(&program, &small().stack(bytes), 0).unwrap();
        // A frame is 16 bytes at least, and this one 128 at most.
        let (shallow, deep) = ((bytes / 128) as i32, (bytes / 16) as i32);
        assert_eq!(tenants.execute::<i32, i32>(id, "recurse", shallow).unwrap(), shallow);
        let result = tenants.execute::<i32, i32>(id, "recurse", deep);
        assert_eq!(quota(result), (Resource::Stack, bytes as u64, None));
        assert_eq!(tenants.execute::<i32, i32>(id, "recurse", shallow).unwrap(), shallow);
    }
}

#[test]
fn time_and_fuel_are_those_of_each_call() {
    let tenants = Tenants::new();
    let id = tenants.register(&compile(&engine(), PROGRAM), &small().time(Duration::from_micros(300_500)), 0).unwrap();
    for _ in 0..3 {
        assert_eq!(quota(call(&tenants, id, "spin", ())), (Resource::Time, 300_500, None));
        call(&tenants, id, "forget", ()).unwrap();
    }
    let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
    let program = compile(&engine, PROGRAM);
    let id = tenants.register(&program, &small().fuel(1_000_000), 0).unwrap();
    let burnt = tenants.with_store(id, |store, main| {
        main.get_typed_func::<i32, i32>(&mut *store, "recurse")?.call(&mut *store, 10)?;
        Ok(1_000_000 - store.get_fuel()?)
    });
    let burnt = burnt.unwrap();
    // Code pays piece by piece, and is stopped at the next call or loop: half of it is too little.
    assert!(burnt > 30, "{burnt}");
    for (fuel, fits) in [(burnt / 2, false), (burnt, true), (burnt + 1, true)] {
        let id = tenants.register(&program, &small().fuel(fuel), 0).unwrap();
        for _ in 0..3 {
            let result = tenants.execute::<i32, i32>(id, "recurse", 10);
            match fits {
                true => assert_eq!(result.unwrap(), 10),
                false => assert_eq!(quota(result), (Resource::Fuel, fuel, None)),
            }
        }
    }
    // None is as much as there can be.
    let id = tenants.register(&program, &small().time(Duration::from_micros(300_500)), 0).unwrap();
    assert_eq!(quota(call(&tenants, id, "spin", ())), (Resource::Time, 300_500, None));
}

#[test]
fn modules_that_tenants_bring_count_as_code_and_instances() {
    let engine = engine();
    let linker = linker(&engine);
    let (program, tenants) = (compile(&engine, "(module)"), Tenants::new());
    let more = binary(r#"(module (func (export "answer") (result i32) (i32.const 42)))"#);
    let fails = binary("(module (func $start unreachable) (start $start))");
    let code = |binary: &[u8]| Module::from_binary(&engine, binary).unwrap().code_bytes();
    let needed = program.module().code_bytes() + code(&more) + code(&fails);
    for (allowed, fits) in [(needed - 1, false), (needed, true), (needed + 1, true)] {
        let id = tenants.register(&program, &small().code(allowed), 0).unwrap();
        let instance = tenants.load(id, &linker, &more).unwrap();
        // The code of one that fails counts as well.
        match tenants.load(id, &linker, &fails).map(drop) {
            Err(TenantError::Guest(error)) if fits => {
                assert_eq!(error.trap().unwrap().kind(), TrapKind::Unreachable);
            }
            result => assert_eq!(quota(result), (Resource::Code, allowed, Some(needed))),
        }
        let used = tenants.usage(id).unwrap().code_bytes;
        assert_eq!(used, if fits { needed } else { needed - code(&fails) });
        assert_eq!(quota(tenants.load(id, &linker, &more)), (Resource::Code, allowed, Some(used + code(&more))));
        let answer = tenants
            .with_store(id, |store, _| instance.get_typed_func::<(), i32>(&mut *store, "answer")?.call(store, ()));
        assert_eq!(answer.unwrap(), 42);
    }
    let id = tenants.register(&program, &small().instances(3), 0).unwrap();
    tenants.load(id, &linker, &more).unwrap();
    // One that fails, and that nobody reaches, counts no more.
    assert!(matches!(tenants.load(id, &linker, &fails), Err(TenantError::Guest(_))));
    tenants.load(id, &linker, &more).unwrap();
    assert_eq!(quota(tenants.load(id, &linker, &more)), (Resource::Instances, 3, Some(4)));
    // What is no module, wants what is not there, or is of another engine.
    let id = tenants.register(&program, &small(), 0).unwrap();
    let kind = |linker, binary: &[u8]| match tenants.load(id, linker, binary) {
        Err(TenantError::Guest(error)) => error.into_kind(),
        result => panic!("{result:?}"),
    };
    assert!(matches!(kind(&linker, b"(module)"), ErrorKind::Module(_)));
    assert!(matches!(kind(&linker, &binary("(module (import \"no\" \"no\" (func)))")), ErrorKind::Link(_)));
    assert!(matches!(kind(&self::linker(&self::engine()), &more), ErrorKind::Usage(_)));
}

#[test]
fn inboxes_take_what_their_quota_says_and_keep_the_order() {
    let program = compile(&engine(), PROGRAM);
    let tenants = Tenants::new();
    let sender = tenants.register(&program, &small(), 0).unwrap();
    let inbox = |bytes, messages| tenants.register(&program, &small().inbox(bytes, messages), 0).unwrap();
    // Three messages of ten bytes, and of each its sender.
    for (bytes, messages, fit) in [(53, 3, 2), (54, 3, 3), (55, 3, 3), (1000, 2, 2), (1000, 0, 0), (0, 9, 0)] {
        let to = inbox(bytes, messages);
        for number in 0..3u8 {
            let expected = match (usize::from(number) < fit, bytes) {
                (true, _) => Ok(()),
                (false, 0) => Err(SendError::TooLong { bytes: 10, bytes_max: 0 }),
                (false, _) => Err(SendError::Full(to)),
            };
            assert_eq!(tenants.send(sender, to, &[number; 10]), expected, "{bytes} bytes, {messages} messages");
        }
        assert_eq!(tenants.usage(to).unwrap().messages, fit);
        for number in 0..fit as u8 {
            let message = Message { from: sender, bytes: vec![number; 10] };
            assert_eq!(tenants.receive(to).unwrap(), Some(message));
        }
        assert_eq!(tenants.receive(to).unwrap(), None);
    }
    let to = inbox(100, 3);
    for (bytes, expected) in [
        (0, Ok(())),
        (93, Err(SendError::TooLong { bytes: 93, bytes_max: 92 })),
        (92, Err(SendError::Full(to))),
        (84, Ok(())),
    ] {
        assert_eq!(tenants.send(sender, to, &vec![1; bytes]), expected, "{bytes}");
    }
    // Guests send and receive as well.
    assert_eq!(tenants.execute::<(), i32>(to, "receive", ()).unwrap(), 0);
    assert_eq!(tenants.execute::<(), i32>(to, "receive", ()).unwrap(), 84);
    assert_eq!(tenants.execute::<(), i32>(to, "receive", ()).unwrap(), -1);
    let send = |bytes| tenants.execute::<(i64, i32), i32>(sender, "send", (u64::from(to) as i64, bytes)).unwrap();
    assert_eq!([send(92), send(1), send(0)], [0, 1, 1]);
    assert_eq!(tenants.receive(to).unwrap().unwrap().from, sender);
    // Who is not there neither sends nor receives.
    let absent = inbox(100, 3);
    tenants.unregister(absent).unwrap();
    assert_eq!(tenants.send(sender, absent, b""), Err(SendError::Unknown(absent)));
    assert_eq!(tenants.send(absent, to, b""), Err(SendError::Unknown(absent)));
    assert_eq!(tenants.usage(to).unwrap().messages, 0);
}

/// Ways to misbehave, and how they end.
type Misdeed = fn(&Tenants<Data>, TenantId, &Linker<Tenant<Data>>) -> Result<(), TenantError>;

const MISDEEDS: [(&str, Misdeed, Option<Resource>); 10] = [
    ("a trap", |tenants, id, _| call(tenants, id, "trap", ()), None),
    ("an exception", |tenants, id, _| call(tenants, id, "throw", ()), None),
    ("a host function that fails", |tenants, id, _| call(tenants, id, "fail", 0), None),
    ("an endless loop", |tenants, id, _| call(tenants, id, "spin", ()), Some(Resource::Time)),
    (
        "an endless recursion",
        |tenants, id, _| tenants.execute::<i32, i32>(id, "recurse", -1).map(drop),
        Some(Resource::Stack),
    ),
    ("a bomb of objects", |tenants, id, _| call(tenants, id, "keep", -1), Some(Resource::Heap)),
    (
        "a bomb of memory",
        |tenants, id, linker| {
            assert_eq!(tenants.execute::<(), i32>(id, "grow memory", ())?, 63);
            tenants.load(id, linker, &binary("(module (memory 1))")).map(drop)
        },
        Some(Resource::Memory),
    ),
    (
        "a bomb of tables",
        |tenants, id, linker| {
            assert_eq!(tenants.execute::<(), i32>(id, "grow table", ())?, 9991);
            tenants.load(id, linker, &binary("(module (table 10 funcref))")).map(drop)
        },
        Some(Resource::TableElements),
    ),
    (
        "a bomb of code",
        |tenants, id, linker| {
            let body = "(drop (i64.div_s (i64.const 1) (i64.load (i32.const 0))))".repeat(100);
            let functions = format!("(func {body})").repeat(100);
            tenants.load(id, linker, &binary(&format!("(module (memory 1) {functions})"))).map(drop)
        },
        Some(Resource::Code),
    ),
    (
        "a flood of messages",
        |tenants, id, _| {
            let mut sent = 0;
            for other in tenants.ids() {
                while tenants.execute::<(i64, i32), i32>(id, "send", (u64::from(other) as i64, 10))? == 0 {
                    sent += 1;
                }
                assert_eq!(tenants.usage(other)?.messages, 4);
                while tenants.receive(other)?.is_some() {}
            }
            assert_eq!(sent, 4 * tenants.len());
            Ok(())
        },
        None,
    ),
];

/// A thousand tenants of one compiled module; one after the other misbehaves in each way, and no state of any other one
/// changes.
#[test]
fn a_thousand_tenants_do_not_notice_what_others_do() {
    const TENANTS: i32 = 1000;
    let engine = engine();
    let program = compile(&engine, PROGRAM);
    let linker = linker(&engine);
    let tenants = Tenants::new();
    let limits = small().time(Duration::from_secs(60)).code(128 << 10).inbox(1000, 4);
    let hasty = limits.clone().time(Duration::from_millis(300));
    let register = |quota: &Quota, number: i32| -> TenantId {
        let id = tenants.register(&program, quota, number as u32).unwrap();
        for value in [number, 3 * number] {
            call(&tenants, id, "set", value).unwrap();
        }
        id
    };
    let fingerprint = |id: TenantId| tenants.execute::<(), i64>(id, "fingerprint", ()).unwrap();
    let others: Vec<TenantId> = (0..TENANTS).map(|number| register(&limits, number)).collect();
    let state = || others.iter().map(|id| fingerprint(*id)).collect::<Vec<i64>>();
    let before = state();
    assert_eq!(before.iter().collect::<std::collections::HashSet<_>>().len(), TENANTS as usize);
    for (name, misdeed, resource) in MISDEEDS {
        let quota = if resource == Some(Resource::Time) { &hasty } else { &limits };
        let id = register(quota, 7);
        let own = fingerprint(id);
        match (misdeed(&tenants, id, &linker), resource) {
            (Ok(()), None) => assert_eq!(name, "a flood of messages"),
            (Err(TenantError::Guest(_)), None) => {}
            (Err(TenantError::Quota { resource, .. }), Some(expected)) => assert_eq!(resource, expected, "{name}"),
            (result, _) => panic!("{name}: {result:?}"),
        }
        assert!(state() == before, "{name} changed another tenant");
        // Its own state is what it was, but for what it kept itself.
        if resource != Some(Resource::Heap) {
            assert_eq!(fingerprint(id), own, "{name}");
        }
        call(&tenants, id, "forget", ()).unwrap();
        call(&tenants, id, "set", 1).unwrap();
        assert_eq!(tenants.unregister(id).unwrap(), 7, "{name}");
    }
    // A later call of the others goes on from the state in which the earlier ones left them.
    let module_uses = others.iter().map(|id| tenants.usage(*id).unwrap().code_bytes);
    assert!(module_uses.clone().all(|bytes| bytes == program.module().code_bytes()));
    for id in &others {
        call(&tenants, *id, "set", 1).unwrap();
    }
    assert!(state().iter().zip(&before).all(|(now, before)| now != before));
    println!("{} tenants, {} misdeeds", tenants.len(), MISDEEDS.len());
}

#[test]
fn a_name_that_is_gone_is_unknown_everywhere_and_never_comes_back() {
    let engine = engine();
    let (program, linker, tenants) = (compile(&engine, PROGRAM), linker(&engine), Tenants::new());
    let (one, two) =
        (tenants.register(&program, &small(), 1).unwrap(), tenants.register(&program, &small(), 2).unwrap());
    assert_eq!(tenants.unregister(one).unwrap(), 1);
    assert!(tenants.evict(two) && !tenants.evict(two));
    let three = tenants.register(&program, &small(), 3).unwrap();
    assert_eq!((tenants.len(), tenants.ids()), (1, vec![three]));
    assert!(three != one && three != two && one != two);
    for id in [one, two, TenantId::from(u64::MAX)] {
        let results = [
            call(&tenants, id, "forget", ()),
            tenants.with_store(id, |_, _| Ok(())),
            tenants.load(id, &linker, &binary("(module)")).map(drop),
            tenants.receive(id).map(drop),
            tenants.usage(id).map(drop),
            tenants.unregister(id).map(drop),
        ];
        for result in results {
            assert!(matches!(result, Err(TenantError::Unknown(unknown)) if unknown == id), "{result:?}");
        }
        assert_eq!(tenants.send(three, id, b""), Err(SendError::Unknown(id)));
    }
}

#[test]
fn a_tenant_that_does_not_come_to_be_leaves_nothing() {
    let engine = engine();
    let tenants: Arc<Tenants<Data>> = Arc::default();
    let mut linker = Linker::<Tenant<Data>>::new(&engine);
    // The start function finds its inbox, fills it, and fails.
    let start = |caller: Caller<'_, Tenant<Data>>| -> Result<()> {
        caller.data().send(caller.data().id(), b"to myself")?;
        Err(format!("{}", u64::from(caller.data().id())))?
    };
    linker.func_wrap("host", "start", start).unwrap();
    let text = "(module (import \"host\" \"start\" (func $start)) (start $start))";
    let program = linker.instantiate_pre(&Module::new(&engine, text).unwrap()).unwrap();
    let Err(TenantError::Guest(error)) = tenants.register(&program, &small(), 0) else { panic!("it fails") };
    let id = TenantId::from(error.to_string().parse::<u64>().unwrap());
    let good = compile(&engine, "(module)");
    let other = tenants.register(&good, &small(), 0).unwrap();
    assert_eq!(tenants.send(other, id, b""), Err(SendError::Unknown(id)));
    // Limits that are not possible.
    for quota in [small().heap(0), small().stack(0), small().stack(usize::MAX), small().fuel(1)] {
        let result = tenants.register(&good, &quota, 0);
        assert!(matches!(result, Err(TenantError::Guest(_))), "{quota:?}: {result:?}");
    }
    assert_eq!(tenants.ids(), [other]);
}

/// A host function that does something with its own tenant, or with another one, while the guest is in a call.
#[test]
fn a_tenant_at_work_is_busy_for_all_and_others_are_not() {
    let engine = engine();
    let shared: Arc<OnceLock<Tenants<Data>>> = Arc::default();
    let mut linker = Linker::<Tenant<Data>>::new(&engine);
    let of_host = shared.clone();
    let work = move |caller: Caller<'_, Tenant<Data>>, other: i64| -> Result<()> {
        let tenants = of_host.get().ok_or("not yet")?;
        let (own, other) = (caller.data().id(), TenantId::from(other as u64));
        let busy = [
            call(tenants, own, "idle", ()),
            tenants.with_store(own, |_, _| Ok(())),
            tenants.receive(own).map(drop),
            tenants.usage(own).map(drop),
            tenants.unregister(own).map(drop),
        ];
        for result in busy {
            assert!(matches!(result, Err(TenantError::Busy(id)) if id == own), "{result:?}");
        }
        tenants.send(other, own, b"meanwhile")?;
        assert_eq!(tenants.execute::<(), i32>(other, "count", ())?, 1);
        assert_eq!(tenants.unregister(other)?, 2);
        Ok(())
    };
    linker.func_wrap("host", "work", work).unwrap();
    let text = r#"(module (import "host" "work" (func $work (param i64)))
        (global $count (mut i32) (i32.const 0))
        (func (export "work") (param i64) (call $work (local.get 0)))
        (func (export "idle"))
        (func (export "count") (result i32)
          (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count)))"#;
    let program = linker.instantiate_pre(&Module::new(&engine, text).unwrap()).unwrap();
    let tenants = shared.get_or_init(Tenants::new);
    let one = tenants.register(&program, &small(), 1).unwrap();
    let two = tenants.register(&program, &small(), 2).unwrap();
    call(tenants, one, "work", u64::from(two) as i64).unwrap();
    assert_eq!(tenants.receive(one).unwrap().unwrap().bytes, b"meanwhile");
    assert_eq!(tenants.ids(), [one]);
}

#[test]
fn a_host_function_that_panics_leaves_the_tenant_usable() {
    let tenants = Tenants::new();
    let id = tenants.register(&compile(&engine(), PROGRAM), &small(), 0).unwrap();
    call(&tenants, id, "set", 5).unwrap();
    let before = tenants.execute::<(), i64>(id, "fingerprint", ()).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| call(&tenants, id, "fail", 1))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("the host function panics"));
    assert_eq!(tenants.execute::<(), i64>(id, "fingerprint", ()).unwrap(), before);
    assert_eq!(tenants.unregister(id).unwrap(), 0);
}

#[test]
fn tenants_run_on_many_threads_and_are_evicted_while_they_run() {
    let program = compile(&engine(), PROGRAM);
    let tenants: &Tenants<Data> = &Tenants::new();
    let spinning = tenants.register(&program, &small(), 0).unwrap();
    std::thread::scope(|scope| {
        let spin = scope.spawn(|| call(tenants, spinning, "spin", ()));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let program = &program;
                scope.spawn(move || {
                    let ids: Vec<_> = (0..5).map(|_| tenants.register(program, &small(), worker).unwrap()).collect();
                    for round in 0..50 {
                        for id in &ids {
                            call(tenants, *id, "set", round).unwrap();
                            tenants.send(ids[0], *id, &[1; 8]).unwrap();
                            assert_eq!(tenants.execute::<(), i32>(*id, "receive", ()).unwrap(), 8);
                        }
                    }
                    let prints: Vec<i64> =
                        ids.iter().map(|id| tenants.execute(*id, "fingerprint", ()).unwrap()).collect();
                    assert!(ids.into_iter().all(|id| tenants.unregister(id).unwrap() == worker));
                    prints
                })
            })
            .collect();
        let prints: Vec<i64> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        assert!(prints.iter().all(|print| *print == prints[0]));
        // It is at work, or about to be.
        while !matches!(tenants.usage(spinning), Err(TenantError::Busy(_))) {
            std::thread::yield_now();
        }
        assert!(tenants.evict(spinning));
        let Err(TenantError::Guest(error)) = spin.join().unwrap() else { panic!("it was evicted") };
        assert_eq!(error.trap().unwrap().kind(), TrapKind::Interrupted);
    });
    assert!(tenants.is_empty());
}
