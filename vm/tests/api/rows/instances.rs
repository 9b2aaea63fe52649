//! What functions of instances and linkers answer to what does not belong to them.

use super::*;

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Instances.
    "Instance::new", ForeignEngine, ENGINE => |w| Instance::new(&mut w.store, &w.foreign_module, &[]).map(text);
    "Instance::new", ForeignEngine, ENGINE => |w| {
        let mut features = Features::default();
        features.set("threads", true).unwrap();
        let engine = Engine::new(Config::new().features(features))?;
        let wants = module(&engine, r#"(module (import "" "" (memory 1 1 shared)))"#);
        let shared = w.foreign.shared.clone();
        Instance::new(&mut Store::new(&engine, ()), &wants, &[shared.into()]).map(text)
    };
    "Instance::new", ForeignStore, STORE => |w| {
        import(w, "(func (param i32 anyref) (result i32))", w.there.func)
    };
    "Instance::new", ForeignStore, STORE => |w| import(w, "(memory 1)", w.there.memory);
    "Instance::new", ForeignStore, STORE => |w| import(w, "(table 1 anyref)", w.there.table);
    "Instance::new", ForeignStore, STORE => |w| import(w, "(global (mut anyref))", w.there.global);
    "Instance::new", ForeignStore, STORE => |w| import(w, "(tag (param i32 anyref))", w.there.tag);
    "Instance::new_async", ForeignEngine, ENGINE => |w| {
        run(Instance::new_async(&mut w.store, &w.foreign_module, &[])).map(text)
    };
    "Instance::new_async", ForeignStore, STORE => |w| {
        let wants = module(&w.engine, r#"(module (import "" "" (func (param i32 anyref) (result i32))))"#);
        run(Instance::new_async(&mut w.store, &wants, &[w.there.func.into()])).map(text)
    };
    "Instance::module", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.instance.module(&w.store)));
    "Instance::get_export", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.instance.get_export(&mut w.store, "sum")))
    };
    "Instance::exports", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.instance.exports(&mut w.store)));
    "Instance::get_func", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.instance.get_func(&mut w.store, "sum")));
    "Instance::get_memory", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.instance.get_memory(&mut w.store, "memory")))
    };
    "Instance::get_shared_memory", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.instance.get_shared_memory(&mut w.store, "memory")))
    };
    "Instance::get_imported_memory", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.instance.get_imported_memory(&mut w.store, "env", "memory")))
    };
    "Instance::get_imported_tag", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.instance.get_imported_tag(&mut w.store, "env", "tag")))
    };
    "Instance::get_table", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.instance.get_table(&mut w.store, "table")));
    "Instance::get_global", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.instance.get_global(&mut w.store, "global")))
    };
    "Instance::get_tag", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.instance.get_tag(&mut w.store, "tag")));
    "Instance::get_typed_func", ForeignStore, STORE => |w| {
        w.there.instance.get_typed_func::<i32, i32>(&mut w.store, "sum").map(|_| String::new())
    };
    "Extern::ty", ForeignStore, STORE => |w| Extern::from(w.there.func).ty(&w.store).map(text);
    "Extern::ty", ForeignStore, STORE => |w| Extern::from(w.there.table).ty(&w.store).map(text);
    "Extern::ty", ForeignStore, STORE => |w| Extern::from(w.there.memory).ty(&w.store).map(text);
    "Extern::ty", ForeignStore, STORE => |w| Extern::from(w.there.global).ty(&w.store).map(text);
    "Extern::ty", ForeignStore, STORE => |w| Extern::from(w.there.tag).ty(&w.store).map(text);
    "Extern::ty", ForeignEngine, ENGINE => |w| Extern::from(w.foreign.shared.clone()).ty(&w.store).map(text);

    // Linkers.
    "Linker::func_new", ForeignEngine, ENGINE => |w| {
        linker(w).func_new("m", "f", foreign_func_type(w), |_, _, _| Ok(())).map(text)
    };
    "Linker::func_new", DeadType, ALIVE => |w| {
        let (dead, mut linker) = (Dead::new(&w.engine), linker(w));
        linker.func_new("m", "f", dead.func.clone(), |_, _, _| Ok(()))?;
        let made = linker.get(&mut w.store, "m", "f")?.unwrap().ty(&w.store)?;
        Ok(text(made.func() == Some(&dead.func)))
    };
    "Linker::func_scoped", ForeignEngine, ENGINE => |w| {
        let ty = foreign_func_type(w);
        linker(w).func_scoped::<(), i64>("m", "f", ty, |_, ()| Ok(1)).map(text)
    };
    "Linker::func_scoped", DeadType, ALIVE => |w| {
        let (ty, mut linker) = (FuncType::new(&w.engine, [], [ValType::I64])?, linker(w));
        linker.func_scoped::<(), i64>("m", "f", ty.clone(), |_, ()| Ok(1))?;
        let made = linker.get(&mut w.store, "m", "f")?.unwrap().ty(&w.store)?;
        Ok(text(made.func() == Some(&ty)))
    };
    "Linker::func_new_async", ForeignEngine, ENGINE => |w| {
        let ty = foreign_func_type(w);
        linker(w).func_new_async("m", "f", ty, |_, _, _| Box::new(async { Ok(()) })).map(text)
    };
    "Linker::func_new_async", DeadType, ALIVE => |w| {
        let (dead, mut linker) = (Dead::new(&w.engine), linker(w));
        linker.func_new_async("m", "f", dead.func.clone(), |_, _, _| Box::new(async { Ok(()) }))?;
        let made = linker.get(&mut w.store, "m", "f")?.unwrap().ty(&w.store)?;
        Ok(text(made.func() == Some(&dead.func)))
    };
    "Linker::instantiate_async", ForeignEngine, ENGINE => |w| {
        run(linker(w).instantiate_async(&mut w.foreign_store, &w.module)).map(text)
    };
    "Linker::instantiate_async", ForeignEngine, ENGINE => |w| {
        run(linker(w).instantiate_async(&mut w.store, &w.foreign_module)).map(text)
    };
    "Linker::instantiate_async", ForeignStore, STORE => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func (param i32 anyref) (result i32))))"#);
        run(linker(w).define("m", "f", w.there.func)?.instantiate_async(&mut w.store, &wants)).map(text)
    };
    "InstancePre::instantiate_async", ForeignEngine, ENGINE => |w| {
        run(linker(w).instantiate_pre(&w.module)?.instantiate_async(&mut w.foreign_store)).map(text)
    };
    "InstancePre::instantiate_async", ForeignStore, STORE => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func (param i32 anyref) (result i32))))"#);
        let pre = linker(w).define("m", "f", w.there.func)?.instantiate_pre(&wants)?;
        run(pre.instantiate_async(&mut w.store)).map(text)
    };
    "Linker::define", ForeignEngine, ENGINE => |w| linker(w).define("m", "s", w.foreign.shared.clone()).map(text);
    "Linker::instance", ForeignEngine, ENGINE => |w| {
        linker(w).instance(&mut w.foreign_store, "m", w.foreign.instance).map(text)
    };
    "Linker::instance", ForeignStore, STORE => |w| linker(w).instance(&mut w.store, "m", w.there.instance).map(text);
    "Linker::get", ForeignEngine, ENGINE => |w| {
        let mut linker = linker(w);
        linker.func_wrap("m", "f", || -> i64 { 1 })?;
        linker.get(&mut w.foreign_store, "m", "f").map(text)
    };
    "Linker::get", ForeignStore, STORE => |w| linker(w).define("m", "f", w.there.func)?.get(&mut w.store, "m", "f").map(text);
    "Linker::instantiate", ForeignEngine, ENGINE => |w| linker(w).instantiate(&mut w.foreign_store, &w.module).map(text);
    "Linker::instantiate", ForeignEngine, ENGINE => |w| linker(w).instantiate(&mut w.store, &w.foreign_module).map(text);
    "Linker::instantiate", ForeignEngine, ENGINE => |w| {
        linker(w).instantiate(&mut w.foreign_store, &w.foreign_module).map(text)
    };
    "Linker::instantiate", ForeignStore, STORE => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func (param i32 anyref) (result i32))))"#);
        linker(w).define("m", "f", w.there.func)?.instantiate(&mut w.store, &wants).map(text)
    };
    "Linker::instantiate_pre", ForeignEngine, ENGINE => |w| linker(w).instantiate_pre(&w.foreign_module).map(text);
    "Linker::define_unknown_imports_as_traps", ForeignEngine, ENGINE => |w| {
        linker(w).define_unknown_imports_as_traps(&w.foreign_module).map(text)
    };
    "InstancePre::instantiate", ForeignEngine, ENGINE => |w| {
        linker(w).instantiate_pre(&w.module)?.instantiate(&mut w.foreign_store).map(text)
    };
    "InstancePre::instantiate", ForeignStore, STORE => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func (param i32 anyref) (result i32))))"#);
        linker(w).define("m", "f", w.there.func)?.instantiate_pre(&wants)?.instantiate(&mut w.store).map(text)
    };
};
