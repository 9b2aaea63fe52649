//! What functions answer to an index, a range or a number of values that is not there.

use super::*;

/// An engine that counts fuel, and a store of it.
fn with_fuel() -> Store<()> {
    Store::new(&Engine::new(Config::new().consume_fuel(true)).unwrap(), ())
}

/// A struct of three fields, of which the world's struct type has two.
#[derive(heapwood_derive::GcStruct)]
#[wasm(type_index = 0)]
struct Three {
    #[wasm(mutable)]
    number: i32,
    #[wasm(mutable)]
    next: Option<Ref<Three>>,
    more: i32,
}

/// A shared memory of one page.
fn shared(w: &World) -> SharedMemory {
    w.here.shared.clone()
}

/// Does something to an array of 3 numbers, in a scope.
fn in_scope(
    w: &mut World,
    run: impl for<'s> FnOnce(Local<'s, GcArray<i64>>, &mut Scope<'s, ()>) -> Result<String>,
) -> Result<String> {
    let array = w.here.array;
    let ty = array.unwrap_array(&w.store)?.ty(&w.store)?.bind::<i64, ()>()?;
    w.store.scope(|s| {
        s.bind(&ty)?;
        let array = array.local_as::<GcArray<i64>>(s)?.expect("an array of numbers");
        run(array, s)
    })
}

/// The array of three numbers.
fn three(w: &World) -> Rooted<ArrayRef> {
    w.here.array.unwrap_array(&w.store).unwrap()
}

const FIELD: Right = Right::Error("a struct of 2 fields without field 2");
const ELEMENT: Right = Right::Error("an array of 3 elements without element 3");
const ELEMENT_PANIC: Right = Right::Panic("an array of 3 elements without element 3");
const ELEMENTS: Right = Right::Error("an array of 3 elements without elements 2..4");
const BYTES: Right = Right::Error("a memory of 65536 bytes without bytes 65534..65538");
const CALL: Right =
    Right::Error("a function with 2 parameters and 1 results was called with 1 arguments and 1 places for results");
const CALL_RESULTS: Right =
    Right::Error("a function with 2 parameters and 1 results was called with 2 arguments and 2 places for results");
const TYPED: Right = Right::Error(
    "is of type (func (param i32 (ref null any)) (result i32)), the host expects 1 parameters and 1 results",
);
const INTERVAL: Right = Right::Error("must use some fuel in between: the interval is 0");
const TABLE: Right = Right::Error("a table of 4 elements without element 4");

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Objects.
    "AnyRef::from_i31", WrongLength, Right::Error("-1073741825 does not fit an i31: it is less than -1073741824") =>
    |w| {
        AnyRef::from_i31(&mut w.store, -(1 << 30) - 1).map(text)
    };
    "Scope::i31", WrongLength, Right::Error("-2147483648 does not fit an i31: it is less than -1073741824") => |w| {
        w.store.scope(|s| s.i31(i32::MIN).map(text))
    };
    "StructRef::new", WrongLength, Right::Error("a struct with 2 fields was given 3 values") => |w| {
        let ty = w.here.object.unwrap_struct(&w.store)?.ty(&w.store)?;
        let values = [Val::I32(1), Val::AnyRef(None), Val::I32(1)];
        StructRef::new(&mut w.store, &ty, &values).map(text)
    };
    "StructType::field", WrongLength, Right::Value("None") => |w| {
        Ok(text(w.here.object.unwrap_struct(&w.store)?.ty(&w.store)?.field(usize::MAX)))
    };
    "StructType::bind", WrongLength, Right::Error("`Three` has 3 fields, the struct type 2") => |w| {
        w.here.object.unwrap_struct(&w.store)?.ty(&w.store)?.bind::<Three>().map(text)
    };
    "Module::bind", WrongLength, Right::Error("`Three` has 3 fields, the struct type 2") =>
        |w| w.module.bind::<Three>().map(text);
    "Rooted<StructRef>::field", WrongLength, FIELD => |w| {
        w.here.object.unwrap_struct(&w.store)?.field(&mut w.store, 2).map(text)
    };
    "Rooted<StructRef>::set_field", WrongLength, FIELD => |w| {
        w.here.object.unwrap_struct(&w.store)?.set_field(&mut w.store, 2, Val::I32(1)).map(text)
    };
    "Rooted<AnyRef>::field", WrongLength, FIELD => |w| w.here.object.field(&mut w.store, 2).map(text);
    "Rooted<AnyRef>::set_field", WrongLength, FIELD =>
        |w| w.here.object.set_field(&mut w.store, 2, Val::I32(1)).map(text);
    "Rooted<AnyRef>::element", WrongLength, ELEMENT => |w| w.here.array.element(&mut w.store, 3).map(text);
    "Rooted<ArrayRef>::get", WrongLength, ELEMENT => |w| three(w).get(&mut w.store, 3).map(text);
    "Rooted<ArrayRef>::set", WrongLength, ELEMENT => |w| three(w).set(&mut w.store, 3, Val::I64(1)).map(text);
    "Rooted<ArrayRef>::fill", WrongLength, ELEMENTS => |w| three(w).fill(&mut w.store, 2, 2, Val::I64(1)).map(text);
    "Rooted<ArrayRef>::fill", WrongLength, Right::Error("an array of 3 elements without elements 1..4294967296") =>
    |w| {
        three(w).fill(&mut w.store, 1, u32::MAX, Val::I64(1)).map(text)
    };
    "Rooted<ArrayRef>::copy_within", WrongLength, ELEMENTS => |w| three(w).copy_within(&mut w.store, 0..2, 2).map(text);
    "Rooted<ArrayRef>::copy_within", WrongLength,
    Right::Error("an array of 3 elements without elements 2..1: they end before they begin") =>
    |w| {
        #[expect(clippy::reversed_empty_ranges, reason = "it is refused")]
        three(w).copy_within(&mut w.store, 2..1, 0).map(text)
    };
    "Rooted<ArrayRef>::copy_to_slice", WrongLength, ELEMENTS => |w| {
        three(w).copy_to_slice(&w.store, 2, &mut [0i64; 2]).map(text)
    };
    "Rooted<ArrayRef>::copy_from_slice", WrongLength, ELEMENTS => |w| {
        three(w).copy_from_slice(&mut w.store, 2, &[0i64; 2]).map(text)
    };
    "Local::get", WrongLength, ELEMENT_PANIC => |w| in_scope(w, |array, s| Ok(text(array.get(s, 3))));
    "Local::get_number", WrongLength, ELEMENT_PANIC => |w| in_scope(w, |array, s| Ok(text(array.get_number(s, 3))));
    "Local::set", WrongLength, ELEMENT_PANIC => |w| {
        in_scope(w, |array, s| {
            array.set(s, 3, 1);
            Ok(String::new())
        })
    };
    "Local::fill", WrongLength, ELEMENTS => |w| in_scope(w, |array, s| array.fill(s, 2, 2, 1).map(text));
    "Local::copy_to_slice", WrongLength, ELEMENTS => |w| {
        in_scope(w, |array, s| array.copy_to_slice(s, 2, &mut [0; 2]).map(text))
    };
    "Local::copy_from_slice", WrongLength, ELEMENTS => |w| {
        in_scope(w, |array, s| array.copy_from_slice(s, 2, &[0; 2]).map(text))
    };
    "Rooted<StringRef>::substring", WrongLength, Right::Value("\"xt\"") => |w| {
        let part = w.here.string.substring(&mut w.store, 2..u32::MAX)?;
        part.to_string_lossy(&mut w.store).map(text)
    };
    "Rooted<StringRef>::substring", WrongLength, Right::Value("\"\"") => |w| {
        #[expect(clippy::reversed_empty_ranges, reason = "there are none")]
        let part = w.here.string.substring(&mut w.store, 3..1)?;
        part.to_string_lossy(&mut w.store).map(text)
    };
    "Exception::new", WrongLength,
    Right::Error("an exception of type (func (param i32 (ref null any))) with 2 values was given 1") =>
    |w| {
        Exception::new(&mut w.store, w.here.tag, &[Val::I32(1)]).map(text)
    };

    // Functions.
    "Func::call", WrongLength, CALL => |w| w.here.func.call(&mut w.store, &[Val::I32(1)], &mut [Val::I32(0)]).map(text);
    "Func::call", WrongLength, CALL_RESULTS => |w| {
        w.here.func.call(&mut w.store, &[Val::I32(1), Val::AnyRef(None)], &mut [Val::I32(0); 2]).map(text)
    };
    "Func::call_async", WrongLength, CALL => |w| {
        run(w.here.func.call_async(&mut w.store, &[Val::I32(1)], &mut [Val::I32(0)])).map(text)
    };
    "Func::call_async", WrongLength, CALL_RESULTS => |w| {
        run(w.here.func.call_async(&mut w.store, &[Val::I32(1), Val::AnyRef(None)], &mut [Val::I32(0); 2])).map(text)
    };
    "Func::typed", WrongLength, TYPED => |w| w.here.func.typed::<i32, i32>(&w.store).map(|_| String::new());
    "Instance::get_typed_func", WrongLength, TYPED => |w| {
        w.here.instance.get_typed_func::<i32, i32>(&mut w.store, "sum").map(|_| String::new())
    };
    "Linker::func_scoped", WrongLength,
    Right::Error("the host has 1 parameters, and the type (func (param i32 (ref null any)) (result i32)) 2") =>
    |w| {
        let ty = w.here.func.ty(&w.store);
        linker(w).func_scoped::<(i32,), i32>("m", "f", ty, |_, (number,)| Ok(number)).map(text)
    };
    "Resolved::func_scoped", WrongLength,
    Right::Error("the host has 1 parameters, and the type (func (param i32 (ref null any)) (result i32)) 2") =>
    |w| {
        let ty = w.here.func.ty(&w.store);
        Resolved::<()>::func_scoped::<(i32,), i32>(ty, |_, (number,)| Ok(number)).map(|_| String::new())
    };
    "Store::fuel_async_yield_interval", WrongLength, INTERVAL => |_w| {
        with_fuel().fuel_async_yield_interval(Some(0)).map(text)
    };
    "StoreContextMut::fuel_async_yield_interval", WrongLength, INTERVAL => |_w| {
        with_fuel().as_context_mut().fuel_async_yield_interval(Some(0)).map(text)
    };
    "Caller::fuel_async_yield_interval", WrongLength, INTERVAL => |_w| {
        let mut store = with_fuel();
        let set = |mut caller: Caller<'_, ()>| caller.fuel_async_yield_interval(Some(0));
        Func::wrap(&mut store, set).call(&mut store, &[], &mut []).map(text)
    };

    // Memories and tables.
    "Memory::read", WrongLength, BYTES => |w| w.here.memory.read(&w.store, 65534, &mut [0; 4]).map(text);
    "Memory::read", WrongLength,
    Right::Error("a memory of 65536 bytes without bytes 18446744073709551615..18446744073709551616") =>
    |w| {
        w.here.memory.read(&w.store, usize::MAX, &mut [0; 1]).map(text)
    };
    "Memory::write", WrongLength, BYTES => |w| w.here.memory.write(&mut w.store, 65534, &[1; 4]).map(text);
    "SharedMemory::read", WrongLength, BYTES => |w| shared(w).read(65534, &mut [0; 4]).map(text);
    "SharedMemory::write", WrongLength, BYTES => |w| shared(w).write(65534, &[1; 4]).map(text);
    "SharedMemory::atomic_notify", WrongLength,
    Right::Error("out of bounds memory access (4 bytes at 65536 of a memory of 65536)") =>
    |w| {
        Ok(shared(w).atomic_notify(65536, 1).map(text)?)
    };
    "SharedMemory::atomic_wait32", WrongLength,
    Right::Error("out of bounds memory access (4 bytes at 65536 of a memory of 65536)") =>
    |w| {
        Ok(shared(w).atomic_wait32(65536, 0, None).map(text)?)
    };
    "SharedMemory::atomic_wait64", WrongLength, Right::Error("unaligned atomic (4 is no multiple of 8)") => |w| {
        Ok(shared(w).atomic_wait64(4, 0, None).map(text)?)
    };
    "Table::get", WrongLength, Right::Value("None") => |w| Ok(text(w.here.table.get(&mut w.store, 4)));
    "Table::set", WrongLength, TABLE => |w| w.here.table.set(&mut w.store, 4, Val::AnyRef(None)).map(text);
    "Table::fill", WrongLength, Right::Error("a table of 4 elements without elements 3..5") => |w| {
        w.here.table.fill(&mut w.store, 3, Val::AnyRef(None), 2).map(text)
    };
    "Table::fill", WrongLength, Right::Error("a table of 4 elements without elements 1..18446744073709551616") => |w| {
        w.here.table.fill(&mut w.store, 1, Val::AnyRef(None), u64::MAX).map(text)
    };

    // Modules and instances.
    "Instance::new", WrongLength, Right::Error("1 imports were given, the module has 0") => |w| {
        Instance::new(&mut w.store, &w.module, &[w.here.func.into()]).map(text)
    };
    "Instance::new_async", WrongLength, Right::Error("0 imports were given, the module has 1") => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func)))"#);
        run(Instance::new_async(&mut w.store, &wants, &[])).map(text)
    };
    "DefinedTypes::get", WrongLength, Right::Value("None") => |w| Ok(text(w.module.types().get(u32::MAX)));
    "Module::func_name", WrongLength, Right::Value("None") => |w| Ok(text(w.module.func_name(4)));
    "Module::function_code", WrongLength, Right::Value("None") => |w| Ok(text(w.module.function_code(4)));
    "Module::compiled_function", WrongLength, Right::Value("false") => |w| {
        w.module.compiled_function(4).map(|code| text(code.is_some()))
    };
    "Module::hot_function", WrongLength, Right::Value("false") => |w| {
        w.module.hot_function(u32::MAX).map(|code| text(code.is_some()))
    };
    "Checkpoint::load", WrongLength, Right::Error("which is none of the 0 that were given") => |w| {
        let file = std::env::temp_dir().join(format!("heapwood-api-{}-{:p}.checkpoint", std::process::id(), w));
        let mut store = Store::new(&w.engine, ());
        Instance::new(&mut store, &w.module, &[])?;
        store.checkpoint()?.save(&file)?;
        // SAFETY: `save` made the file.
        let loaded = unsafe { Checkpoint::load(&linker(w), &[], &file) };
        std::fs::remove_file(&file)?;
        loaded.map(|_| String::new())
    };
};
