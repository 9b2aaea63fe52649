//! A bank for each of a thousand tenants: one engine, one compiled Kotlin program, isolated heaps and memories, and
//! payments between them as messages. Some misbehave in every way there is; no balance of any other changes, and no
//! money is lost.

use heapwood::tenants::{Quota, Resource, Tenant, TenantError, TenantId, Tenants, receive};
use heapwood::{Caller, Config, Engine, Extern, InstancePre, Linker, Memory, Module, Result};
use std::time::Duration;

/// Compiled from `examples/guests/kotlin/src/tenants.kt`.
const BANK: &[u8] = include_bytes!("guests/kotlin/wasm/tenants.wasm");

const TENANTS: usize = 1000;
const CUSTOMERS: i32 = 5;
const FUNDS: i32 = 100;

/// What the host counts for a tenant.
#[derive(Default)]
struct Account {
    messages: u64,
}

type Host = Tenant<Account>;

fn memory(caller: &mut Caller<'_, Host>) -> Result<Memory> {
    Ok(caller.get_export("memory").and_then(Extern::into_memory).ok_or("the guest exports no memory")?)
}

/// Sends bytes of the guest's memory to another tenant: 0, or 1 if they were not accepted.
fn send(mut caller: Caller<'_, Host>, to: i64, address: i32, length: i32) -> Result<i32> {
    let memory = memory(&mut caller)?;
    // The guest chose these numbers: the slice is looked for, not taken.
    let at = address as u32 as usize;
    let bytes = memory.data(&caller).get(at..at.saturating_add(length as u32 as usize)).ok_or("beyond the memory")?;
    let sent = caller.data().send(TenantId::from(to as u64), bytes);
    caller.data_mut().data_mut().messages += u64::from(sent.is_ok());
    Ok(i32::from(sent.is_err()))
}

/// Writes the next message to the guest's memory: its length, or -1 if none waits.
fn take(mut caller: Caller<'_, Host>, address: i32, capacity: i32) -> Result<i32> {
    let Some(message) = receive(&mut caller) else { return Ok(-1) };
    let bytes = &message.bytes[..message.bytes.len().min(capacity as u32 as usize)];
    memory(&mut caller)?.write(&mut caller, address as u32 as usize, bytes)?;
    Ok(bytes.len() as i32)
}

fn compile(engine: &Engine) -> Result<InstancePre<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("tenants", "send", send)?;
    linker.func_wrap("tenants", "receive", take)?;
    let module = Module::new(engine, BANK)?;
    // What its standard library could print and draw of random numbers is nobody's here.
    linker.define_unknown_imports_as_traps(&module)?;
    linker.instantiate_pre(&module)
}

struct Bank {
    tenants: Tenants<Account>,
    ids: Vec<TenantId>,
}

impl Bank {
    fn open(program: &InstancePre<Host>, quota: &Quota) -> Result<Bank> {
        let tenants = Tenants::new();
        let mut ids = Vec::new();
        for _ in 0..TENANTS {
            let id = tenants.register(program, quota, Account::default())?;
            for customer in 0..CUSTOMERS {
                tenants.execute::<(i32, i32), i32>(id, "deposit", (customer, FUNDS))?;
            }
            ids.push(id);
        }
        Ok(Bank { tenants, ids })
    }

    /// Everybody pays somebody else something, by turns; then all collect. How many payments there were.
    fn trade(&self, round: usize) -> Result<u64> {
        let mut payments = 0;
        for (number, id) in self.ids.iter().enumerate() {
            let to = self.ids[(7 * number + round + 1) % TENANTS];
            let customer = ((number + round) % CUSTOMERS as usize) as i32;
            let payment = (customer, u64::from(to) as i64, (customer + 1) % CUSTOMERS, 1 + (number % 3) as i32);
            payments += u64::from(self.tenants.execute::<(i32, i64, i32, i32), i32>(*id, "pay", payment)? == 0);
        }
        let mut collected = 0;
        for id in &self.ids {
            collected += self.tenants.execute::<(), i32>(*id, "collect", ())? as u64;
        }
        assert_eq!(payments, collected, "what is paid arrives");
        Ok(payments)
    }

    /// The balances of all tenants.
    fn balances(&self) -> Result<Vec<i32>> {
        self.ids.iter().map(|id| Ok(self.tenants.execute::<(), i32>(*id, "total", ())?)).collect()
    }

    /// Has a tenant misbehave, and says which of its limits it met, if that was it.
    fn misbehave(&self, id: TenantId, how: &str) -> Option<Resource> {
        let result = match how {
            "crash" => self.tenants.execute::<i32, i32>(id, how, -1).map(drop),
            "recurse" => self.tenants.execute::<i32, i32>(id, how, 0).map(drop),
            "deposit" => self.tenants.execute::<(i32, i32), i32>(id, how, (0, i32::MIN)).map(drop),
            _ => self.tenants.execute::<(), ()>(id, how, ()),
        };
        match result.expect_err(how) {
            TenantError::Quota { resource, .. } => Some(resource),
            TenantError::Guest(error) => {
                assert!(error.trap().is_some() != error.exception().is_some(), "{how}: {error:?}");
                None
            }
            error => panic!("{how}: {error:?}"),
        }
    }
}

/// Ways to misbehave, and the limit that ends them: none is a trap or an exception of the guest's own. Memory that is
/// refused is the guest's exception: Kotlin throws where `memory.grow` gives -1.
const MISDEEDS: [(&str, Option<Resource>); 6] = [
    ("crash", None),
    ("deposit", None),
    ("fillMemory", None),
    ("fillHeap", Some(Resource::Heap)),
    ("recurse", Some(Resource::Stack)),
    ("spin", Some(Resource::Time)),
];

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::new(Config::new().memory32_guard(false))?;
    let program = compile(&engine)?;
    let quota = Quota::new().heap(4 << 20).memory(2 << 20).code(1 << 20).time(Duration::from_secs(10));
    let bank = Bank::open(&program, &quota)?;
    let mut payments = bank.trade(0)?;
    let before = bank.balances()?;

    // A few more tenants, whose only business is to misbehave; each is as usable afterwards as it was.
    let hasty = quota.clone().time(Duration::from_millis(300));
    for (how, resource) in MISDEEDS {
        let quota = if how == "spin" { &hasty } else { &quota };
        let id = bank.tenants.register(&program, quota, Account::default())?;
        bank.tenants.execute::<(i32, i32), i32>(id, "deposit", (0, FUNDS))?;
        for _ in 0..2 {
            assert_eq!(bank.misbehave(id, how), resource, "{how}");
        }
        // It was not started again: its account is the one that it had.
        assert_eq!(bank.tenants.execute::<(i32, i32), i32>(id, "deposit", (0, 1))?, FUNDS + 1, "{how}");
        assert!(bank.tenants.usage(id)?.memory_bytes <= 2 << 20);
        bank.tenants.unregister(id)?;
        assert_eq!(bank.balances()?, before, "{how} changed a balance of somebody else");
    }
    // One that takes more code than it may is none.
    let little = quota.clone().code(4096);
    let refused = bank.tenants.register(&program, &little, Account::default()).expect_err("beyond its quota");
    assert!(matches!(refused, TenantError::Quota { resource: Resource::Code, limit: 4096, .. }), "{refused}");

    payments += bank.trade(1)? + bank.trade(2)?;
    let after = bank.balances()?;
    assert_ne!(after, before);
    assert_eq!(after.iter().sum::<i32>(), TENANTS as i32 * CUSTOMERS * FUNDS, "no money is made or lost");
    let mut heap_bytes = 0;
    let mut messages = 0;
    for id in &bank.ids {
        heap_bytes += bank.tenants.usage(*id)?.heap_bytes;
        messages += bank.tenants.unregister(*id)?.messages;
    }
    assert_eq!(messages, payments);
    assert!(bank.tenants.is_empty());
    let (kib, code) = (heap_bytes / 1024 / TENANTS as u64, program.module().code_bytes() / 1024);
    Ok(format!(
        "{TENANTS} tenants of {kib} KiB of heap each share {code} KiB of code; {payments} payments, {} ways to misbehave",
        MISDEEDS.len()
    ))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok tenants {}", run()?);
    Ok(())
}
