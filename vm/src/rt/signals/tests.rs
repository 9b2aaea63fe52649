//! Faults of guests that are no traps, as only a bug of ours makes them: the process ends by the signal.

use crate::rt::child;
use crate::{AsContextMut, Engine, Instance, Module, Store};
use heapwood_module::ContextLayout;
use std::panic::{AssertUnwindSafe, catch_unwind};

const GUEST: &str = r#"(module
  (memory 1) (table 1 funcref)
  (func (export "load") (result i32) (i32.load (i32.const 16)))
  (func (export "get") (drop (table.get 0 (i32.const 0)))))"#;

/// Where the second page of the memory begins, in its reservation: addresses there fault.
const SECOND_PAGE: u64 = 64 << 10;

/// Runs `body` in a process of its own, which has to end by the fault.
fn dies(name: &str, body: impl FnOnce()) {
    let run = AssertUnwindSafe(|| child::in_child(name, body));
    let panic = catch_unwind(run).expect_err("the process goes on");
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains("signal: 11"), "{said}");
}

/// Makes an instance, breaks it, and calls an export.
fn call_broken(name: &str, breaks: impl FnOnce(&mut crate::store::StoreOpaque)) {
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    breaks(store.as_context_mut().opaque());
    let func = instance.get_func(&mut store, name).unwrap();
    let mut results = vec![crate::Val::I32(0); func.ty(&store).results().len()];
    func.call(&mut store, &[], &mut results).unwrap_err();
}

/// The instruction may trap, but not there: a memory whose base is wrong.
#[test]
fn a_fault_at_an_address_of_nobody_is_no_trap() {
    dies("rt::signals::tests::a_fault_at_an_address_of_nobody_is_no_trap", || {
        call_broken("load", |store| {
            let instance = store.instance(0);
            let at = instance.module().layout().memory_offset(0) + ContextLayout::MEMORY_BASE;
            instance.context().set_u64(at, 0x1000);
        });
    });
}

/// The address means a trap, but not for this instruction: a table that lies in the reservation of a memory.
#[test]
fn a_fault_of_an_instruction_that_cannot_trap_is_no_trap() {
    dies("rt::signals::tests::a_fault_of_an_instruction_that_cannot_trap_is_no_trap", || {
        call_broken("get", |store| {
            let (instance, memory) = (store.instance(0), store.guest().entities().memory(0).base() as u64);
            let at = instance.module().layout().table_offset(0) + ContextLayout::TABLE_ELEMENTS;
            instance.context().set_u64(at, memory + SECOND_PAGE);
        });
    });
}
