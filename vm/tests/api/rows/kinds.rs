//! What functions answer to a value, an object or a definition of another type than the one that they want.

use super::*;

/// An array that is given where a struct is wanted.
const NO_STRUCT: Right = Right::Error("the reference is no struct");
const NO_ARRAY: Right = Right::Error("the reference is no array");
const FIELD: Right = Right::Error(
    "type mismatch: expected (ref null (struct (field (mut i32)) (field (mut (ref null (struct …)))))) (`s`), found",
);
const ELEMENT: Right = Right::Error("type mismatch: expected i64, found an i32");
const SLICE: Right = Right::Error("type mismatch: the elements of the array are i64, those of the slice f32");
const ANY: Right = Right::Error("type mismatch: expected (ref null any), found an i32");
const ARGUMENT: Right = Right::Error("type mismatch: expected i32, found an i64");
const TYPED: Right = Right::Error("is of type (func (param i32 (ref null any)) (result i32))");

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Objects.
    "StructRef::new", WrongType, FIELD => |w| new_struct(w, any(w.here.array));
    "StructRef::new", WrongType, FIELD => |w| new_struct(w, Val::I32(1));
    "Rooted<StructRef>::set_field", WrongType, FIELD => |w| {
        w.here.object.unwrap_struct(&w.store)?.set_field(&mut w.store, 1, any(w.here.array)).map(text)
    };
    "Rooted<AnyRef>::set_field", WrongType, Right::Error("(`s`), found a null function") => |w| {
        w.here.object.set_field(&mut w.store, 1, Val::FuncRef(None)).map(text)
    };
    "Rooted<AnyRef>::set_field", WrongType, NO_STRUCT => |w| {
        w.here.array.set_field(&mut w.store, 0, Val::I64(1)).map(text)
    };
    "Rooted<AnyRef>::field", WrongType, NO_STRUCT => |w| w.here.array.field(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::element", WrongType, NO_ARRAY => |w| w.here.object.element(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::array_len", WrongType, NO_ARRAY => |w| w.here.object.array_len(&w.store).map(text);
    "Rooted<AnyRef>::as_struct", WrongType, Right::Value("None") => |w| w.here.array.as_struct(&w.store).map(text);
    "Rooted<AnyRef>::as_array", WrongType, Right::Value("None") => |w| w.here.object.as_array(&w.store).map(text);
    "Rooted<AnyRef>::as_i31", WrongType, Right::Value("None") => |w| w.here.object.as_i31(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_struct", WrongType, Right::Panic("a struct was expected, found a (array (mut i64))") => |w| w.here.array.unwrap_struct(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_array", WrongType, Right::Panic("an array was expected, found a (struct (field") => |w| w.here.object.unwrap_array(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_i31", WrongType, Right::Panic("an i31 was expected, found a (struct (field") => |w| w.here.object.unwrap_i31(&w.store).map(text);
    "Rooted<AnyRef>::kind", WrongType, Right::Value("Host") => |w| w.here.host.to_any().kind(&w.store).map(text);
    "Rooted<AnyRef>::type_index", WrongType, Right::Value("None") => |w| {
        w.here.host.to_any().type_index(&w.store, &w.module).map(text)
    };
    "ArrayRef::new", WrongType, ANY => |w| {
        let ty = anys(w);
        ArrayRef::new(&mut w.store, &ty, &Val::I32(1), 1).map(text)
    };
    "ArrayRef::new_fixed", WrongType, ANY => |w| {
        let ty = anys(w);
        ArrayRef::new_fixed(&mut w.store, &ty, &[Val::AnyRef(None), Val::I32(1)]).map(text)
    };
    "ArrayRef::from_slice", WrongType, SLICE => |w| {
        let ty = w.here.array.unwrap_array(&w.store)?.ty(&w.store)?;
        ArrayRef::from_slice(&mut w.store, &ty, &[1.5f32]).map(text)
    };
    "Rooted<ArrayRef>::set", WrongType, ELEMENT => |w| {
        w.here.array.unwrap_array(&w.store)?.set(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<ArrayRef>::fill", WrongType, ELEMENT => |w| {
        w.here.array.unwrap_array(&w.store)?.fill(&mut w.store, 0, 1, Val::I32(1)).map(text)
    };
    "Rooted<ArrayRef>::copy_to_slice", WrongType, SLICE => |w| {
        w.here.array.unwrap_array(&w.store)?.copy_to_slice(&w.store, 0, &mut [0f32]).map(text)
    };
    "Rooted<ArrayRef>::copy_from_slice", WrongType, SLICE => |w| {
        w.here.array.unwrap_array(&w.store)?.copy_from_slice(&mut w.store, 0, &[0f32]).map(text)
    };
    "Rooted<ArrayRef>::with_slice", WrongType, SLICE => |w| {
        let array = w.here.array.unwrap_array(&w.store)?;
        array.with_slice(&mut w.store, |cells: &[Cell<f32>]| text(cells.len()))
    };
    "Exception::new", WrongType, ARGUMENT => |w| {
        Exception::new(&mut w.store, w.here.tag, &[Val::I64(1), Val::AnyRef(None)]).map(text)
    };

    // Types.
    "StructType::bind", WrongType, Right::Error("field 0 (`number`) of `Two`: expected (mut f64), found (mut i32)") => |w| {
        w.here.object.unwrap_struct(&w.store)?.ty(&w.store)?.bind::<Two>().map(text)
    };
    "Module::bind", WrongType, Right::Error("field 0 (`number`) of `Two`: expected (mut f64), found (mut i32)") => |w| w.module.bind::<Two>().map(text);
    "ArrayType::bind", WrongType, Right::Error("expected (mut f32), found (mut i64)") => |w| {
        w.here.array.unwrap_array(&w.store)?.ty(&w.store)?.bind::<f32, ()>().map(text)
    };
    "Module::bind_array", WrongType, Right::Error("expected (mut f32), found (mut i64)") => |w| {
        module(&w.engine, "(module (type $a (array (mut i64))))").bind_array::<f32>("a").map(text)
    };

    // Functions.
    "Func::call", WrongType, ARGUMENT => |w| {
        w.here.func.call(&mut w.store, &[Val::I64(1), Val::AnyRef(None)], &mut [Val::I32(0)]).map(text)
    };
    "Func::call_async", WrongType, ARGUMENT => |w| {
        run(w.here.func.call_async(&mut w.store, &[Val::I64(1), Val::AnyRef(None)], &mut [Val::I32(0)])).map(text)
    };
    "Func::typed", WrongType, TYPED => |w| {
        w.here.func.typed::<(i64, Option<Rooted<AnyRef>>), i32>(&w.store).map(|_| String::new())
    };
    "Instance::get_typed_func", WrongType, TYPED => |w| {
        let instance = w.here.instance;
        instance.get_typed_func::<(i32, Option<Rooted<AnyRef>>), f32>(&mut w.store, "sum").map(|_| String::new())
    };
    "TypedFunc::call", WrongType, Right::Error("found a (array (mut i64)) (`a`)") => |w| {
        let typed = taking_struct(w)?.typed::<Option<Rooted<AnyRef>>, ()>(&w.store)?;
        typed.call(&mut w.store, Some(w.here.array)).map(text)
    };
    "TypedFunc::call_async", WrongType, Right::Error("found a (array (mut i64)) (`a`)") => |w| {
        let typed = taking_struct(w)?.typed::<Option<Rooted<AnyRef>>, ()>(&w.store)?;
        run(typed.call_async(&mut w.store, Some(w.here.array))).map(text)
    };
    "Linker::func_scoped", WrongType, Right::Error("type mismatch: parameter 0: expected i64, found i32") => |w| {
        let ty = w.here.func.ty(&w.store);
        linker(w).func_scoped::<(i64, Option<Ref<AnyRef>>), i32>("m", "f", ty, |_, _| Ok(1)).map(text)
    };
    "Resolved::func_scoped", WrongType, Right::Error("type mismatch: parameter 0: expected i64, found i32") => |w| {
        let ty = w.here.func.ty(&w.store);
        Resolved::<()>::func_scoped::<(i64, Option<Ref<AnyRef>>), i32>(ty, |_, _| Ok(1)).map(|_| String::new())
    };

    // Globals, tables, imports.
    "Global::new", WrongType, ANY => |w| {
        Global::new(&mut w.store, GlobalType::new(ValType::ANYREF, true), Val::I32(1)).map(text)
    };
    "Global::set", WrongType, ANY => |w| w.here.global.set(&mut w.store, Val::I32(1)).map(text);
    "Table::new", WrongType, ANY => |w| {
        let ty = TableType::new(RefType::new(true, HeapType::Any), 1, None);
        Table::new(&mut w.store, ty, Val::I32(1)).map(text)
    };
    "Table::set", WrongType, ANY => |w| w.here.table.set(&mut w.store, 0, Val::I32(1)).map(text);
    "Table::fill", WrongType, ANY => |w| w.here.table.fill(&mut w.store, 0, Val::I32(1), 2).map(text);
    "Table::grow", WrongType, ANY => |w| w.here.table.grow(&mut w.store, 1, Val::I32(1)).map(text);
    "Instance::new", WrongType, Right::Error("it is a memory instead of a function") => |w| {
        import(w, "(func)", w.here.memory)
    };
    "Instance::new_async", WrongType, Right::Error("it is a memory instead of a function") => |w| {
        let wants = module(&w.engine, r#"(module (import "" "" (func)))"#);
        run(Instance::new_async(&mut w.store, &wants, &[w.here.memory.into()])).map(text)
    };
    "Linker::define", WrongType, Right::Error("it is a memory instead of a function") => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func)))"#);
        linker(w).define("m", "f", w.here.memory)?.instantiate(&mut w.store, &wants).map(text)
    };
    "Resolved::item", WrongType, Right::Error("it is a memory instead of a function") => |w| {
        let wants = module(&w.engine, r#"(module (import "m" "f" (func)))"#);
        let (memory, mut linker) = (w.here.memory, linker(w));
        linker.resolve_with("m", move |_| Ok(Some(Resolved::item(memory)))).instantiate(&mut w.store, &wants).map(text)
    };
};

/// A struct whose first field is not that of the world's.
#[derive(heapwood_derive::GcStruct)]
#[wasm(type_index = 0)]
struct Two {
    #[wasm(mutable)]
    number: f64,
    #[wasm(mutable)]
    next: Option<Ref<Two>>,
}

/// A function of the guest that takes the world's structs.
fn taking_struct(w: &mut World) -> Result<Func> {
    let text = r#"(module (type $s (struct (field (mut i32)) (field (mut (ref null $s)))))
        (func (export "f") (param (ref null $s))))"#;
    let module = module(&w.engine, text);
    let instance = Instance::new(&mut w.store, &module, &[])?;
    Ok(instance.get_func(&mut w.store, "f").expect("a function"))
}
