//! Two tenants of one engine and one compiled module, with different quotas; and a host that sells memory.

use heapwood::{Engine, InstancePre, Linker, Module, ResourceLimiter, Result, Store, TrapKind};

/// A guest that takes memory by the page, and keeps a list as long as it can.
const TENANT: &str = r#"(module
    (memory 1)
    (type $list (struct (field (ref null $list)) (field i64)))
    (global $kept (mut (ref null $list)) (ref.null $list))
    (global $length (export "length") (mut i32) (i32.const 0))
    (func (export "grow") (param $pages i32) (result i32) (memory.grow (local.get $pages)))
    (func (export "hoard")
      (loop $more
        (global.set $kept (struct.new $list (global.get $kept) (i64.const 0)))
        (global.set $length (i32.add (global.get $length) (i32.const 1)))
        (br $more)))
    (func (export "forget") (global.set $kept (ref.null $list))))"#;

/// What a tenant may still buy, and what it has bought.
#[derive(Default)]
struct Account {
    credit: usize,
    bought_bytes: usize,
}

impl ResourceLimiter for Account {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let bytes = desired - current;
        let pays = self.credit >= bytes;
        if pays {
            self.credit -= bytes;
            self.bought_bytes += bytes;
        }
        Ok(pays)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

/// How long a list fits into a heap of so many bytes; the store goes on afterwards.
fn longest_list(engine: &Engine, tenant: &InstancePre<()>, heap_bytes: u64) -> Result<i32> {
    let mut store = Store::builder(engine).gc_heap_max(heap_bytes).build(())?;
    let instance = tenant.instantiate(&mut store)?;
    let hoard = instance.get_typed_func::<(), ()>(&mut store, "hoard")?;
    let error = hoard.call(&mut store, ()).expect_err("the heap is full some time");
    if error.trap().map(|trap| trap.kind()) != Some(TrapKind::HeapExhausted) {
        return Err(error);
    }
    let length = instance.get_global(&mut store, "length").ok_or("no global")?;
    let longest = length.get(&mut store).i32().ok_or("no number")?;
    instance.get_typed_func::<(), ()>(&mut store, "forget")?.call(&mut store, ())?;
    assert!(store.memory_stats().heap.used_bytes <= heap_bytes);
    Ok(longest)
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, TENANT)?;
    let tenant = Linker::new(&engine).instantiate_pre(&module)?;
    let (small, large) = (longest_list(&engine, &tenant, 4 << 20)?, longest_list(&engine, &tenant, 32 << 20)?);
    assert!(small > 10_000 && large > 4 * small, "{small}, {large}");

    let buyer = Linker::new(&engine).instantiate_pre(&module)?;
    let mut store = Store::new(&engine, Account { credit: 4 * 65_536, bought_bytes: 0 });
    store.limiter(|account| account);
    let instance = buyer.instantiate(&mut store)?;
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow")?;
    // One page was bought by the instantiation.
    assert_eq!((grow.call(&mut store, 2)?, grow.call(&mut store, 2)?, grow.call(&mut store, 1)?), (1, -1, 3));
    store.data_mut().credit = 65_536;
    assert_eq!(grow.call(&mut store, 1)?, 4);
    let bought = store.data().bought_bytes;
    assert_eq!(bought, 5 * 65_536);
    Ok(format!("lists of {small} and {large} nodes in 4 and 32 MiB; {bought} bytes bought"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok limits {}", run()?);
    Ok(())
}
