//! The module `spectest`, as the specification's interpreter defines it.

use heapwood::{
    Extern, Global, GlobalType, Linker, Memory, MemoryType, RefType, SharedMemory, Store, Table, TableType, Val,
    ValType,
};

/// Defines `spectest`, with `threads` its shared memory too. Its functions print nothing, since nobody compares that.
pub fn define(linker: &mut Linker<()>, store: &mut Store<()>, threads: bool) -> heapwood::Result<()> {
    linker.func_wrap("spectest", "print", || {})?;
    linker.func_wrap("spectest", "print_i32", |_: i32| {})?;
    linker.func_wrap("spectest", "print_i64", |_: i64| {})?;
    linker.func_wrap("spectest", "print_f32", |_: f32| {})?;
    linker.func_wrap("spectest", "print_f64", |_: f64| {})?;
    linker.func_wrap("spectest", "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap("spectest", "print_f64_f64", |_: f64, _: f64| {})?;
    for (name, ty, value) in [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::from(666.6f32)),
        ("global_f64", ValType::F64, Val::from(666.6f64)),
    ] {
        let global = Global::new(&mut *store, GlobalType::new(ty, false), value)?;
        linker.define("spectest", name, Extern::Global(global))?;
    }
    for (name, table64) in [("table", false), ("table64", true)] {
        let ty = TableType { table64, ..TableType::new(RefType::FUNCREF, 10, Some(20)) };
        let table = Table::new(&mut *store, ty, Val::FuncRef(None))?;
        linker.define("spectest", name, Extern::Table(table))?;
    }
    let ty = MemoryType { min: 1, max: Some(2), memory64: false, shared: false, page_size_log2: 16 };
    let memory = Memory::new(&mut *store, ty)?;
    linker.define("spectest", "memory", Extern::Memory(memory))?;
    if threads {
        let memory = SharedMemory::new(store.engine(), MemoryType { shared: true, ..ty })?;
        linker.define("spectest", "shared_memory", memory)?;
    }
    Ok(())
}
