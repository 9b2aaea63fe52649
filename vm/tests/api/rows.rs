//! What each public function answers to what does not belong to it.

use crate::listed::Misuse::{self, *};
use crate::world::{Dead, World, module};
use heapwood_vm::*;
use std::cell::Cell;
use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What is right.
#[derive(Clone, Copy, Debug)]
pub enum Right {
    /// An error that says this.
    Error(&'static str),
    /// A panic that says this, which the function's documentation announces.
    Panic(&'static str),
    /// This value.
    Value(&'static str),
}

/// A misuse of a function.
pub struct Row {
    pub function: &'static str,
    pub misuse: Misuse,
    pub right: Right,
    pub run: fn(&mut World) -> Result<String>,
}

/// An error about a type or a thing of another engine.
const ENGINE: Right = Right::Error("another engine");
/// An error about a thing of another store.
const STORE: Right = Right::Error("a store that it does not belong to");
/// A panic about a thing of another store, of functions that return no `Result`.
const STORE_PANIC: Right = Right::Panic("of this store: a");
/// An error about a handle.
const SCOPE: Right = Right::Error("after the end of its scope");
/// The type means what it meant while its module was there.
const ALIVE: Right = Right::Value("true");

fn text(value: impl Debug) -> String {
    format!("{value:?}")
}

fn any(object: Rooted<AnyRef>) -> Val {
    Val::AnyRef(Some(object))
}

/// Polls until it is ready.
fn run<R>(future: impl Future<Output = R>) -> R {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
    }
}

/// A call that can be suspended, with `arg` for the parameter of its kind and null for the others.
fn call_async_with(w: &mut World, arg: Val) -> Result<String> {
    let nulls = [Val::AnyRef(None), Val::ExternRef(None), Val::ExnRef(None), Val::FuncRef(None)];
    let args = nulls.map(|null| if std::mem::discriminant(&null) == std::mem::discriminant(&arg) { arg } else { null });
    let func = host_func(w);
    run(func.call_async(&mut w.store, &args, &mut [])).map(text)
}

fn call_typed_async(w: &mut World, arg: Rooted<AnyRef>) -> Result<String> {
    let typed =
        Func::wrap(&mut w.store, |_: Option<Rooted<AnyRef>>| ()).typed::<Option<Rooted<AnyRef>>, ()>(&w.store)?;
    run(typed.call_async(&mut w.store, Some(arg))).map(text)
}

fn host_func(w: &mut World) -> Func {
    let ty = FuncType::new(&w.engine, [ValType::ANYREF, ValType::EXTERNREF, ValType::EXNREF, ValType::FUNCREF], []);
    Func::new(&mut w.store, ty.unwrap(), |_, _, _| Ok(()))
}

/// Four arguments of which one is given.
fn call_with(w: &mut World, arg: Val) -> Result<String> {
    let nulls = [Val::AnyRef(None), Val::ExternRef(None), Val::ExnRef(None), Val::FuncRef(None)];
    let args = nulls.map(|null| if std::mem::discriminant(&null) == std::mem::discriminant(&arg) { arg } else { null });
    let func = host_func(w);
    func.call(&mut w.store, &args, &mut []).map(text)
}

fn call_typed(w: &mut World, arg: Rooted<AnyRef>) -> Result<String> {
    let typed =
        Func::wrap(&mut w.store, |_: Option<Rooted<AnyRef>>| ()).typed::<Option<Rooted<AnyRef>>, ()>(&w.store)?;
    typed.call(&mut w.store, Some(arg)).map(text)
}

fn foreign_func_type(w: &World) -> FuncType {
    FuncType::new(&w.foreign_engine, [], [ValType::I64]).unwrap()
}

/// A type of the other engine whose definition the first one has under another number.
fn foreign_ref(w: &World) -> RefType {
    RefType::new(true, foreign_func_type(w).into())
}

fn variable(ty: ValType) -> FieldType {
    FieldType::new(Mutability::Var, ty.into())
}

fn foreign_field(w: &World) -> FieldType {
    variable(ValType::Ref(foreign_ref(w)))
}

/// A struct of the world's type with this second field.
fn new_struct(w: &mut World, value: Val) -> Result<String> {
    let RefKind::Struct(ty) = w.here.object.kind(&w.store)? else { panic!() };
    StructRef::new(&mut w.store, &ty, &[Val::I32(1), value]).map(text)
}

fn anys(w: &World) -> ArrayType {
    ArrayType::new(&w.engine, variable(ValType::ANYREF))
}

fn array_of_anys(w: &mut World) -> Result<Rooted<ArrayRef>> {
    let ty = anys(w);
    ArrayRef::new(&mut w.store, &ty, &Val::AnyRef(None), 2)
}

fn linker(w: &World) -> Linker<()> {
    Linker::new(&w.engine)
}

/// A module that imports `item` of the world's module, and the one that is given.
fn import(w: &mut World, ty: &str, item: impl Into<Extern>) -> Result<String> {
    let wants = module(&w.engine, &format!(r#"(module (import "" "" {ty}))"#));
    Instance::new(&mut w.store, &wants, &[item.into()]).map(text)
}

macro_rules! rows {
    ($($function:literal, $misuse:ident, $right:expr => |$w:ident| $run:expr;)*) => {
        &[$(Row { function: $function, misuse: $misuse, right: $right, run: |$w| $run }),*]
    };
}

/// All rows.
pub static ROWS: &[Row] = rows! {
    // Types.
    "FuncType::new", ForeignEngine, ENGINE => |w| FuncType::new(&w.engine, [ValType::Ref(foreign_ref(w))], []).map(text);
    "FuncType::new", ForeignEngine, ENGINE => |w| FuncType::new(&w.engine, [], [ValType::Ref(foreign_ref(w))]).map(text);
    "FuncType::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = FuncType::new(&w.engine, [dead.nullable()], [])?;
        Ok(text(made.params().next() == Some(dead.nullable())))
    };
    "FuncType::matches", ForeignEngine, Right::Value("false") => |w| {
        let here = FuncType::new(&w.engine, [], [ValType::I64])?;
        Ok(text(here.matches(&foreign_func_type(w)) || here == foreign_func_type(w)))
    };
    "FuncType::matches", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        Ok(text(dead.func.matches(&dead.func.clone()) && !dead.func.matches(dead.tag.ty())))
    };
    "StructType::matches", ForeignEngine, Right::Value("false") => |w| {
        let RefKind::Struct(foreign) = w.foreign.object.kind(&w.foreign_store)? else { panic!() };
        let RefKind::Struct(here) = w.here.object.kind(&w.store)? else { panic!() };
        Ok(text(here.matches(&foreign) || here == foreign))
    };
    "StructType::matches", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let RefKind::Struct(here) = w.here.object.kind(&w.store)? else { panic!() };
        Ok(text(dead.structure.matches(&dead.structure.clone()) && !dead.structure.matches(&here)))
    };
    "ArrayType::matches", ForeignEngine, Right::Value("false") => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        let RefKind::Array(here) = w.here.array.kind(&w.store)? else { panic!() };
        Ok(text(here.matches(&foreign) || here == foreign))
    };
    "ArrayType::matches", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let RefKind::Array(here) = w.here.array.kind(&w.store)? else { panic!() };
        Ok(text(dead.array.matches(&dead.array.clone()) && !dead.array.matches(&here)))
    };
    "StructType::new", ForeignEngine, Right::Panic("another engine") => |w| {
        Ok(text(StructType::new(&w.engine, [foreign_field(w)])))
    };
    "StructType::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = StructType::new(&w.engine, [variable(dead.nullable())]);
        Ok(text(made.field(0) == Some(variable(dead.nullable()))))
    };
    "StructType::try_new", ForeignEngine, ENGINE => |w| StructType::try_new(&w.engine, [foreign_field(w)]).map(text);
    "StructType::try_new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = StructType::try_new(&w.engine, [variable(dead.nullable())])?;
        Ok(text(made.field(0) == Some(variable(dead.nullable()))))
    };
    "ArrayType::new", ForeignEngine, Right::Panic("another engine") => |w| {
        Ok(text(ArrayType::new(&w.engine, foreign_field(w))))
    };
    "ArrayType::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayType::new(&w.engine, variable(dead.nullable()));
        Ok(text(made.field_type() == variable(dead.nullable())))
    };
    "ArrayType::try_new", ForeignEngine, ENGINE => |w| ArrayType::try_new(&w.engine, foreign_field(w)).map(text);
    "ArrayType::try_new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayType::try_new(&w.engine, variable(dead.nullable()))?;
        Ok(text(made.field_type() == variable(dead.nullable())))
    };

    // Structs and arrays.
    "StructRef::new", ForeignEngine, ENGINE => |w| {
        let RefKind::Struct(foreign) = w.foreign.object.kind(&w.foreign_store)? else { panic!() };
        StructRef::new(&mut w.store, &foreign, &[Val::I32(1), Val::AnyRef(None)]).map(text)
    };
    "StructRef::new", ForeignStore, STORE => |w| new_struct(w, any(w.there.object));
    "StructRef::new", ForeignStore, STORE => |w| new_struct(w, any(w.foreign.object));
    "StructRef::new", StaleHandle, SCOPE => |w| new_struct(w, any(w.stale.any));
    "StructRef::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = StructRef::new(&mut w.store, &dead.structure, &[Val::I64(1), Val::I64(2)])?;
        Ok(text(made.ty(&w.store)? == dead.structure && made.field(&mut w.store, 1)?.i64() == Some(2)))
    };
    "ArrayRef::new", ForeignEngine, ENGINE => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        ArrayRef::new(&mut w.store, &foreign, &Val::I64(1), 2).map(text)
    };
    "ArrayRef::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayRef::new(&mut w.store, &dead.array, &Val::F32(5), 2)?;
        Ok(text(made.ty(&w.store)? == dead.array))
    };
    "ArrayRef::new_fixed", ForeignEngine, ENGINE => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        ArrayRef::new_fixed(&mut w.store, &foreign, &[Val::I64(1)]).map(text)
    };
    "ArrayRef::new_fixed", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayRef::new_fixed(&mut w.store, &dead.array, &[Val::F32(5)])?;
        Ok(text(made.ty(&w.store)? == dead.array))
    };
    "ArrayRef::from_slice", ForeignEngine, ENGINE => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        ArrayRef::from_slice(&mut w.store, &foreign, &[1i64]).map(text)
    };
    "ArrayRef::from_slice", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayRef::from_slice(&mut w.store, &dead.array, &[1.5f32])?;
        Ok(text(made.ty(&w.store)? == dead.array))
    };
    "ArrayRef::new", ForeignStore, STORE => |w| {
        let (ty, value) = (anys(w), any(w.there.object));
        ArrayRef::new(&mut w.store, &ty, &value, 0).map(text)
    };
    "ArrayRef::new_fixed", ForeignStore, STORE => |w| {
        let (ty, values) = (anys(w), [any(w.here.object), any(w.there.object)]);
        ArrayRef::new_fixed(&mut w.store, &ty, &values).map(text)
    };
    "Rooted<StructRef>::set_field", ForeignStore, STORE => |w| {
        w.here.object.unwrap_struct(&w.store)?.set_field(&mut w.store, 1, any(w.there.object)).map(text)
    };
    "Rooted<ArrayRef>::set", ForeignStore, STORE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.there.object));
        array.set(&mut w.store, 0, value).map(text)
    };
    "Rooted<ArrayRef>::fill", ForeignStore, STORE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.there.object));
        array.fill(&mut w.store, 0, 0, value).map(text)
    };
    "ArrayRef::new", StaleHandle, SCOPE => |w| {
        let (ty, value) = (anys(w), any(w.stale.any));
        ArrayRef::new(&mut w.store, &ty, &value, 0).map(text)
    };
    "ArrayRef::new_fixed", StaleHandle, SCOPE => |w| {
        let (ty, values) = (anys(w), [any(w.here.object), any(w.stale.any)]);
        ArrayRef::new_fixed(&mut w.store, &ty, &values).map(text)
    };
    "Rooted<StructRef>::set_field", StaleHandle, SCOPE => |w| {
        w.here.object.unwrap_struct(&w.store)?.set_field(&mut w.store, 1, any(w.stale.any)).map(text)
    };
    "Rooted<ArrayRef>::set", StaleHandle, SCOPE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.stale.any));
        array.set(&mut w.store, 0, value).map(text)
    };
    "Rooted<ArrayRef>::fill", StaleHandle, SCOPE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.stale.any));
        array.fill(&mut w.store, 0, 0, value).map(text)
    };
    "Rooted<StructRef>::ty", ForeignStore, STORE => |w| w.there_typed.0.ty(&w.store).map(text);
    "Rooted<StructRef>::field", ForeignStore, STORE => |w| w.there_typed.0.field(&mut w.store, 0).map(text);
    "Rooted<StructRef>::fields", ForeignStore, STORE => |w| w.there_typed.0.fields(&mut w.store).map(|fields| text(fields.len()));
    "Rooted<StructRef>::set_field", ForeignStore, STORE => |w| {
        w.there_typed.0.set_field(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<ArrayRef>::ty", ForeignStore, STORE => |w| w.there_typed.1.ty(&w.store).map(text);
    "Rooted<ArrayRef>::len", ForeignStore, STORE => |w| w.there_typed.1.len(&w.store).map(text);
    "Rooted<ArrayRef>::get", ForeignStore, STORE => |w| w.there_typed.1.get(&mut w.store, 0).map(text);
    "Rooted<ArrayRef>::elems", ForeignStore, STORE => |w| w.there_typed.1.elems(&mut w.store).map(|elems| text(elems.len()));
    "Rooted<ArrayRef>::set", ForeignStore, STORE => |w| w.there_typed.1.set(&mut w.store, 0, Val::I64(1)).map(text);
    "Rooted<ArrayRef>::fill", ForeignStore, STORE => |w| {
        w.there_typed.1.fill(&mut w.store, 0, 1, Val::I64(1)).map(text)
    };
    "Rooted<ArrayRef>::with_slice", ForeignStore, STORE => |w| {
        w.there_typed.1.with_slice(&mut w.store, |cells: &[Cell<i64>]| text(cells.len()))
    };
    "Rooted<ArrayRef>::copy_within", ForeignStore, STORE => |w| {
        w.there_typed.1.copy_within(&mut w.store, 0..1, 1).map(text)
    };
    "Rooted<ArrayRef>::copy_to_slice", ForeignStore, STORE => |w| {
        w.there_typed.1.copy_to_slice(&w.store, 0, &mut [0i64]).map(text)
    };
    "Rooted<ArrayRef>::copy_from_slice", ForeignStore, STORE => |w| {
        w.there_typed.1.copy_from_slice(&mut w.store, 0, &[9i64]).map(text)
    };
    "Rooted<StructRef>::ty", StaleHandle, SCOPE => |w| w.stale.structure.ty(&w.store).map(text);
    "Rooted<StructRef>::field", StaleHandle, SCOPE => |w| w.stale.structure.field(&mut w.store, 0).map(text);
    "Rooted<StructRef>::fields", StaleHandle, SCOPE => |w| w.stale.structure.fields(&mut w.store).map(|fields| text(fields.len()));
    "Rooted<StructRef>::set_field", StaleHandle, SCOPE => |w| {
        w.stale.structure.set_field(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<ArrayRef>::ty", StaleHandle, SCOPE => |w| w.stale.typed_array.ty(&w.store).map(text);
    "Rooted<ArrayRef>::len", StaleHandle, SCOPE => |w| w.stale.typed_array.len(&w.store).map(text);
    "Rooted<ArrayRef>::get", StaleHandle, SCOPE => |w| w.stale.typed_array.get(&mut w.store, 0).map(text);
    "Rooted<ArrayRef>::elems", StaleHandle, SCOPE => |w| w.stale.typed_array.elems(&mut w.store).map(|elems| text(elems.len()));
    "Rooted<ArrayRef>::set", StaleHandle, SCOPE => |w| w.stale.typed_array.set(&mut w.store, 0, Val::I64(1)).map(text);
    "Rooted<ArrayRef>::fill", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.fill(&mut w.store, 0, 1, Val::I64(1)).map(text)
    };
    "Rooted<ArrayRef>::with_slice", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.with_slice(&mut w.store, |cells: &[Cell<i64>]| text(cells.len()))
    };
    "Rooted<ArrayRef>::copy_within", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.copy_within(&mut w.store, 0..1, 1).map(text)
    };
    "Rooted<ArrayRef>::copy_to_slice", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.copy_to_slice(&w.store, 0, &mut [0i64]).map(text)
    };
    "Rooted<ArrayRef>::copy_from_slice", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.copy_from_slice(&mut w.store, 0, &[9i64]).map(text)
    };
    "Rooted<AnyRef>::as_struct", ForeignStore, STORE => |w| w.there.object.as_struct(&w.store).map(text);
    "Rooted<AnyRef>::as_array", ForeignStore, STORE => |w| w.there.array.as_array(&w.store).map(text);
    "Rooted<AnyRef>::as_i31", ForeignStore, STORE => |w| w.there.object.as_i31(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_struct", ForeignStore, STORE => |w| w.there.object.unwrap_struct(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_array", ForeignStore, STORE => |w| w.there.array.unwrap_array(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_i31", ForeignStore, STORE => |w| w.there.object.unwrap_i31(&w.store).map(text);
    "Rooted<ExternRef>::data_mut", ForeignStore, STORE => |w| {
        w.there.host.data_mut(&mut w.store).map(|data| text(data.is_some()))
    };
    "Rooted<AnyRef>::as_struct", StaleHandle, SCOPE => |w| w.stale.any.as_struct(&w.store).map(text);
    "Rooted<AnyRef>::as_array", StaleHandle, SCOPE => |w| w.stale.array.as_array(&w.store).map(text);
    "Rooted<AnyRef>::as_i31", StaleHandle, SCOPE => |w| w.stale.any.as_i31(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_struct", StaleHandle, SCOPE => |w| w.stale.any.unwrap_struct(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_array", StaleHandle, SCOPE => |w| w.stale.array.unwrap_array(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_i31", StaleHandle, SCOPE => |w| w.stale.any.unwrap_i31(&w.store).map(text);
    "Rooted<ExternRef>::data_mut", StaleHandle, SCOPE => |w| {
        w.stale.host.data_mut(&mut w.store).map(|data| text(data.is_some()))
    };

    // Functions.
    "Func::new", ForeignEngine, Right::Panic("another engine") => |w| {
        let ty = foreign_func_type(w);
        Ok(text(Func::new(&mut w.store, ty, |_, _, _| Ok(()))))
    };
    "Func::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let func = Func::new(&mut w.store, dead.func.clone(), |_, _, _| Ok(()));
        Ok(text(func.ty(&w.store) == dead.func))
    };
    "Func::try_new", ForeignEngine, ENGINE => |w| {
        let ty = foreign_func_type(w);
        Func::try_new(&mut w.store, ty, |_, _, _| Ok(())).map(text)
    };
    "Func::try_new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let func = Func::try_new(&mut w.store, dead.func.clone(), |_, _, _| Ok(()))?;
        let mut results = [Val::I32(0)];
        func.call(&mut w.store, &[Val::AnyRef(None)], &mut results)?;
        Ok(text(results[0].is_null() && func.ty(&w.store) == dead.func))
    };
    "Func::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.func.ty(&w.store)));
    "Func::call", ForeignStore, STORE => |w| {
        w.there.func.call(&mut w.store, &[Val::I32(1), Val::AnyRef(None)], &mut [Val::I32(0)]).map(text)
    };
    "Func::call", ForeignStore, STORE => |w| call_with(w, any(w.there.object));
    "Func::call", ForeignStore, STORE => |w| call_with(w, any(w.foreign.object));
    "Func::call", ForeignStore, STORE => |w| call_with(w, Val::ExternRef(Some(w.there.host)));
    "Func::call", ForeignStore, STORE => |w| call_with(w, Val::ExnRef(Some(w.there.thrown)));
    "Func::call", ForeignStore, STORE => |w| call_with(w, w.there.func.into());
    "Func::call", StaleHandle, SCOPE => |w| call_with(w, any(w.stale.any));
    "Func::call", StaleHandle, SCOPE => |w| call_with(w, Val::ExternRef(Some(w.stale.host)));
    "Func::call", StaleHandle, SCOPE => |w| call_with(w, Val::ExnRef(Some(w.stale.thrown)));
    "Func::new_async", ForeignEngine, Right::Panic("another engine") => |w| {
        let ty = foreign_func_type(w);
        Ok(text(Func::new_async(&mut w.store, ty, |_, _, _| Box::new(async { Ok(()) }))))
    };
    "Func::new_async", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let func = Func::new_async(&mut w.store, dead.func.clone(), |_, _, _| Box::new(async { Ok(()) }));
        let mut results = [Val::I32(0)];
        run(func.call_async(&mut w.store, &[Val::AnyRef(None)], &mut results))?;
        Ok(text(results[0].is_null() && func.ty(&w.store) == dead.func))
    };
    "Func::call_async", ForeignStore, STORE => |w| {
        let args = [Val::I32(1), Val::AnyRef(None)];
        run(w.there.func.call_async(&mut w.store, &args, &mut [Val::I32(0)])).map(text)
    };
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, any(w.there.object));
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, any(w.foreign.object));
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, Val::ExternRef(Some(w.there.host)));
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, w.there.func.into());
    "Func::call_async", ForeignStore, STORE => |w| {
        let foreign = any(w.there.object);
        let ty = FuncType::new(&w.engine, [], [ValType::ANYREF])?;
        let give = Func::new_async(&mut w.store, ty, move |_, _, results| {
            Box::new(async move {
                results[0] = foreign;
                Ok(())
            })
        });
        run(give.call_async(&mut w.store, &[], &mut [Val::AnyRef(None)])).map(text)
    };
    "Func::call_async", StaleHandle, SCOPE => |w| call_async_with(w, any(w.stale.any));
    "Func::call_async", StaleHandle, SCOPE => |w| call_async_with(w, Val::ExternRef(Some(w.stale.host)));
    "Func::typed", ForeignStore, STORE => |w| w.there.func.typed::<i32, i32>(&w.store).map(|_| String::new());
    "TypedFunc::call", ForeignStore, STORE => |w| {
        let typed = Func::wrap(&mut w.foreign_store, |value: i32| value).typed::<i32, i32>(&w.foreign_store)?;
        typed.call(&mut w.store, 1).map(text)
    };
    "TypedFunc::call", ForeignStore, STORE => |w| call_typed(w, w.there_typed.0.to_anyref());
    "TypedFunc::call", ForeignStore, STORE => |w| {
        let func = w.there.func;
        let typed = Func::wrap(&mut w.store, |_: Func| ()).typed::<Func, ()>(&w.store)?;
        typed.call(&mut w.store, func).map(text)
    };
    "TypedFunc::call", ForeignStore, STORE => |w| {
        let foreign = w.there_typed.0;
        let typed = Func::wrap(&mut w.store, move || foreign).typed::<(), Rooted<StructRef>>(&w.store)?;
        typed.call(&mut w.store, ()).map(|_| String::new())
    };
    "TypedFunc::call", StaleHandle, SCOPE => |w| call_typed(w, w.stale.any);
    "TypedFunc::call_async", ForeignStore, STORE => |w| {
        let typed = Func::wrap(&mut w.foreign_store, |value: i32| value).typed::<i32, i32>(&w.foreign_store)?;
        run(typed.call_async(&mut w.store, 1)).map(text)
    };
    "TypedFunc::call_async", ForeignStore, STORE => |w| call_typed_async(w, w.there_typed.0.to_anyref());
    "TypedFunc::call_async", ForeignStore, STORE => |w| {
        let foreign = w.there_typed.0;
        let give = Func::wrap_async(&mut w.store, move |_, ()| Box::new(async move { foreign }));
        let typed = give.typed::<(), Rooted<StructRef>>(&w.store)?;
        run(typed.call_async(&mut w.store, ())).map(|_| String::new())
    };
    "TypedFunc::call_async", StaleHandle, SCOPE => |w| call_typed_async(w, w.stale.any);

    // Globals.
    "Global::new", ForeignEngine, ENGINE => |w| {
        let ty = GlobalType::new(ValType::Ref(foreign_ref(w)), true);
        Global::new(&mut w.store, ty, Val::FuncRef(None)).map(text)
    };
    "Global::new", ForeignStore, STORE => |w| {
        Global::new(&mut w.store, GlobalType::new(ValType::ANYREF, true), any(w.there.object)).map(text)
    };
    "Global::new", StaleHandle, SCOPE => |w| {
        Global::new(&mut w.store, GlobalType::new(ValType::ANYREF, true), any(w.stale.any)).map(text)
    };
    "Global::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let global = Global::new(&mut w.store, dead.global.clone(), Val::AnyRef(None))?;
        let refused = global.set(&mut w.store, any(w.here.array)).is_err();
        Ok(text(refused && global.ty(&w.store) == dead.global))
    };
    "Global::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.global.ty(&w.store)));
    "Global::get", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.global.get(&mut w.store)));
    "Global::set", ForeignStore, STORE => |w| w.there.global.set(&mut w.store, Val::AnyRef(None)).map(text);
    "Global::set", ForeignStore, STORE => |w| w.here.global.set(&mut w.store, any(w.there.object)).map(text);
    "Global::set", StaleHandle, SCOPE => |w| w.here.global.set(&mut w.store, any(w.stale.any)).map(text);

    // Tables.
    "Table::new", ForeignEngine, ENGINE => |w| {
        let ty = TableType::new(foreign_ref(w), 1, None);
        Table::new(&mut w.store, ty, Val::FuncRef(None)).map(text)
    };
    "Table::new", ForeignStore, STORE => |w| {
        let ty = TableType::new(RefType::new(true, HeapType::Any), 1, None);
        Table::new(&mut w.store, ty, any(w.there.object)).map(text)
    };
    "Table::new", StaleHandle, SCOPE => |w| {
        let ty = TableType::new(RefType::new(true, HeapType::Any), 1, None);
        Table::new(&mut w.store, ty, any(w.stale.any)).map(text)
    };
    "Table::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let table = Table::new(&mut w.store, dead.table.clone(), Val::AnyRef(None))?;
        let refused = table.set(&mut w.store, 0, any(w.here.object)).is_err();
        Ok(text(refused && table.ty(&w.store) == dead.table))
    };
    "Table::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.table.ty(&w.store)));
    "Table::size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.table.size(&w.store)));
    "Table::get", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.table.get(&mut w.store, 0)));
    "Table::set", ForeignStore, STORE => |w| w.there.table.set(&mut w.store, 0, Val::AnyRef(None)).map(text);
    "Table::set", ForeignStore, STORE => |w| w.here.table.set(&mut w.store, 0, any(w.there.object)).map(text);
    "Table::set", StaleHandle, SCOPE => |w| w.here.table.set(&mut w.store, 0, any(w.stale.any)).map(text);
    "Table::fill", ForeignStore, STORE => |w| w.there.table.fill(&mut w.store, 0, Val::AnyRef(None), 2).map(text);
    "Table::fill", ForeignStore, STORE => |w| w.here.table.fill(&mut w.store, 0, any(w.there.object), 2).map(text);
    "Table::fill", StaleHandle, SCOPE => |w| w.here.table.fill(&mut w.store, 0, any(w.stale.any), 2).map(text);
    "Table::grow", ForeignStore, STORE => |w| w.there.table.grow(&mut w.store, 1, Val::AnyRef(None)).map(text);
    "Table::grow", ForeignStore, STORE => |w| w.here.table.grow(&mut w.store, 1, any(w.there.object)).map(text);
    "Table::grow", StaleHandle, SCOPE => |w| w.here.table.grow(&mut w.store, 1, any(w.stale.any)).map(text);

    // Tags and exceptions.
    "Tag::new", ForeignEngine, ENGINE => |w| {
        let ty = FuncType::new(&w.foreign_engine, [ValType::EXTERNREF], [])?;
        Tag::new(&mut w.store, TagType::new(ty)).map(text)
    };
    "Tag::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let tag = Tag::new(&mut w.store, dead.tag.clone())?;
        let refused = Exception::new(&mut w.store, tag, &[any(w.here.object)]).is_err();
        let exception = Exception::new(&mut w.store, tag, &[Val::AnyRef(None)])?;
        Ok(text(refused && exception.payload(&mut w.store)?[0].is_null() && tag.ty(&w.store) == dead.tag))
    };
    "Tag::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.tag.ty(&w.store)));
    "Exception::new", ForeignStore, STORE => |w| {
        Exception::new(&mut w.store, w.there.tag, &[Val::I32(1), Val::AnyRef(None)]).map(text)
    };
    "Exception::new", ForeignStore, STORE => |w| {
        Exception::new(&mut w.store, w.here.tag, &[Val::I32(1), any(w.there.object)]).map(text)
    };
    "Exception::new", StaleHandle, SCOPE => |w| {
        Exception::new(&mut w.store, w.here.tag, &[Val::I32(1), any(w.stale.any)]).map(text)
    };
    "Exception::payload", ForeignStore, STORE => |w| w.there.exception.payload(&mut w.store).map(text);
    "Exception::describe", ForeignStore, STORE => |w| w.there.exception.describe(&mut w.store).map(text);
    "Exception::to_ref", ForeignStore, STORE => |w| w.there.exception.to_ref(&mut w.store).map(text);

    // Memories.
    "Memory::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.ty(&w.store)));
    "Memory::size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.size(&w.store)));
    "Memory::page_size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.page_size(&w.store)));
    "Memory::data_size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.data_size(&w.store)));
    "Memory::data", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.data(&w.store)));
    "Memory::data_mut", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.data_mut(&mut w.store)));
    "Memory::data_and_store_mut", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.memory.data_and_store_mut(&mut w.store).0))
    };
    "Memory::read", ForeignStore, STORE => |w| w.there.memory.read(&w.store, 0, &mut [0; 4]).map(text);
    "Memory::write", ForeignStore, STORE => |w| w.there.memory.write(&mut w.store, 0, &[1; 4]).map(text);
    "Memory::grow", ForeignStore, STORE => |w| w.there.memory.grow(&mut w.store, 1).map(text);
    "Memory::set_secrecy", ForeignStore, STORE => |w| {
        w.there.memory.set_secrecy(&mut w.store, Secrecy::LeftOut).map(text)
    };
    "Memory::zeroize", ForeignStore, STORE => |w| w.there.memory.zeroize(&mut w.store).map(text);

    // Checkpoints.
    "Store::rollback", ForeignStore, Right::Error("a checkpoint of another store") => |w| {
        let checkpoint = w.others[0].checkpoint()?;
        w.store.rollback(&checkpoint).map(text)
    };
    "Checkpoint::root", ForeignStore, Right::Error("was not made of the checkpoint") => |w| {
        let checkpoint = w.others[0].checkpoint()?;
        checkpoint.root(&mut w.store, &w.there.owned).map(text)
    };
    "Checkpoint::root", ForeignStore, Right::Error("another store than the one") => |w| {
        let checkpoint = w.others[0].checkpoint()?;
        let mut fork = checkpoint.fork(())?;
        checkpoint.root(&mut fork, &w.here.owned).map(text)
    };

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

    // References.
    "Val::ref_kind", ForeignStore, STORE => |w| any(w.there.object).ref_kind(&w.store).map(text);
    "Val::ref_kind", ForeignStore, STORE => |w| Val::ExternRef(Some(w.there.host)).ref_kind(&w.store).map(text);
    "Val::ref_kind", ForeignStore, STORE => |w| Val::ExnRef(Some(w.there.thrown)).ref_kind(&w.store).map(text);
    "Val::ref_kind", ForeignStore, STORE => |w| Val::from(w.there.func).ref_kind(&w.store).map(text);
    "Val::ref_kind", StaleHandle, SCOPE => |w| any(w.stale.any).ref_kind(&w.store).map(text);
    "Val::ref_kind", StaleHandle, SCOPE => |w| Val::ExternRef(Some(w.stale.host)).ref_kind(&w.store).map(text);
    "Val::ref_kind", StaleHandle, SCOPE => |w| Val::ExnRef(Some(w.stale.thrown)).ref_kind(&w.store).map(text);
    "Rooted<AnyRef>::kind", ForeignStore, STORE => |w| w.there.object.kind(&w.store).map(text);
    "Rooted<AnyRef>::kind", StaleHandle, SCOPE => |w| w.stale.any.kind(&w.store).map(text);
    "Rooted<AnyRef>::type_index", ForeignEngine, ENGINE => |w| {
        w.here.object.type_index(&w.store, &w.foreign_module).map(text)
    };
    "Rooted<AnyRef>::type_index", ForeignStore, STORE => |w| w.there.object.type_index(&w.store, &w.module).map(text);
    "Rooted<AnyRef>::type_index", StaleHandle, SCOPE => |w| w.stale.any.type_index(&w.store, &w.module).map(text);
    "Rooted<AnyRef>::field", ForeignStore, STORE => |w| w.there.object.field(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::field", StaleHandle, SCOPE => |w| w.stale.any.field(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::set_field", ForeignStore, STORE => |w| {
        w.there.object.set_field(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<AnyRef>::set_field", ForeignStore, STORE => |w| {
        w.here.object.set_field(&mut w.store, 1, any(w.there.object)).map(text)
    };
    "Rooted<AnyRef>::set_field", StaleHandle, SCOPE => |w| w.stale.any.set_field(&mut w.store, 0, Val::I32(1)).map(text);
    "Rooted<AnyRef>::set_field", StaleHandle, SCOPE => |w| {
        w.here.object.set_field(&mut w.store, 1, any(w.stale.any)).map(text)
    };
    "Rooted<AnyRef>::array_len", ForeignStore, STORE => |w| w.there.array.array_len(&w.store).map(text);
    "Rooted<AnyRef>::array_len", StaleHandle, SCOPE => |w| w.stale.array.array_len(&w.store).map(text);
    "Rooted<AnyRef>::element", ForeignStore, STORE => |w| w.there.array.element(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::element", StaleHandle, SCOPE => |w| w.stale.array.element(&mut w.store, 0).map(text);
    "Rooted<ExternRef>::kind", ForeignStore, STORE => |w| w.there.host.kind(&w.store).map(text);
    "Rooted<ExternRef>::kind", StaleHandle, SCOPE => |w| w.stale.host.kind(&w.store).map(text);
    "Rooted<StringRef>::len", ForeignStore, STORE => |w| w.there.string.len(&w.store).map(text);
    "Rooted<StringRef>::len", StaleHandle, SCOPE => |w| w.stale.string.len(&w.store).map(text);
    "Rooted<StringRef>::units", ForeignStore, STORE => |w| w.there.string.units(&mut w.store).map(text);
    "Rooted<StringRef>::units", StaleHandle, SCOPE => |w| w.stale.string.units(&mut w.store).map(text);
    "Rooted<StringRef>::to_string_lossy", ForeignStore, STORE => |w| w.there.string.to_string_lossy(&mut w.store).map(text);
    "Rooted<StringRef>::to_string_lossy", StaleHandle, SCOPE => |w| w.stale.string.to_string_lossy(&mut w.store).map(text);
    "Rooted<StringRef>::hash", ForeignStore, STORE => |w| w.there.string.hash(&mut w.store).map(text);
    "Rooted<StringRef>::hash", StaleHandle, SCOPE => |w| w.stale.string.hash(&mut w.store).map(text);
    "Rooted<StringRef>::concat", ForeignStore, STORE => |w| w.there.string.concat(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::concat", ForeignStore, STORE => |w| w.here.string.concat(&mut w.store, &w.there.string).map(text);
    "Rooted<StringRef>::concat", StaleHandle, SCOPE => |w| w.stale.string.concat(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::concat", StaleHandle, SCOPE => |w| w.here.string.concat(&mut w.store, &w.stale.string).map(text);
    "Rooted<StringRef>::equals", ForeignStore, STORE => |w| w.there.string.equals(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::equals", ForeignStore, STORE => |w| w.here.string.equals(&mut w.store, &w.there.string).map(text);
    "Rooted<StringRef>::equals", StaleHandle, SCOPE => |w| w.stale.string.equals(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::equals", StaleHandle, SCOPE => |w| w.here.string.equals(&mut w.store, &w.stale.string).map(text);
    "Rooted<StringRef>::compare", ForeignStore, STORE => |w| w.there.string.compare(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::compare", ForeignStore, STORE => |w| w.here.string.compare(&mut w.store, &w.there.string).map(text);
    "Rooted<StringRef>::compare", StaleHandle, SCOPE => |w| w.stale.string.compare(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::compare", StaleHandle, SCOPE => |w| w.here.string.compare(&mut w.store, &w.stale.string).map(text);
    "Rooted<StringRef>::substring", ForeignStore, STORE => |w| w.there.string.substring(&mut w.store, 0..1).map(text);
    "Rooted<StringRef>::substring", StaleHandle, SCOPE => |w| w.stale.string.substring(&mut w.store, 0..1).map(text);
    "Rooted<ExternRef>::as_string", ForeignStore, STORE => |w| w.there.host.as_string(&w.store).map(text);
    "Rooted<ExternRef>::as_string", StaleHandle, SCOPE => |w| w.stale.host.as_string(&w.store).map(text);
    "Rooted<ExternRef>::data", ForeignStore, STORE => |w| w.there.host.data(&w.store).map(|data| text(data.is_some()));
    "Rooted<ExternRef>::data", StaleHandle, SCOPE => |w| w.stale.host.data(&w.store).map(|data| text(data.is_some()));
    "Rooted::to_owned", ForeignStore, STORE => |w| w.there.object.to_owned(&mut w.store).map(text);
    "Rooted::to_owned", StaleHandle, SCOPE => |w| w.stale.any.to_owned(&mut w.store).map(text);
    "Rooted::ref_eq", ForeignStore, STORE => |w| w.there.object.ref_eq(&w.store, &w.here.object).map(text);
    "Rooted::ref_eq", ForeignStore, STORE => |w| w.here.object.ref_eq(&w.store, &w.there.object).map(text);
    "Rooted::ref_eq", StaleHandle, SCOPE => |w| w.stale.any.ref_eq(&w.store, &w.here.object).map(text);
    "Rooted::ref_eq", StaleHandle, SCOPE => |w| w.here.object.ref_eq(&w.store, &w.stale.any).map(text);
    "Rooted::transfer", ForeignStore, STORE => |w| {
        let mut to = Store::new(&w.engine, ());
        w.there.object.transfer(&w.store, &mut to, u64::MAX).map(text)
    };
    "Rooted::transfer", StaleHandle, SCOPE => |w| {
        let mut to = Store::new(&w.engine, ());
        w.stale.any.transfer(&w.store, &mut to, u64::MAX).map(text)
    };
    "Rooted::register_finalizer", ForeignStore, STORE => |w| w.there.object.register_finalizer(&mut w.store, 1).map(text);
    "Rooted::register_finalizer", StaleHandle, SCOPE => |w| w.stale.any.register_finalizer(&mut w.store, 1).map(text);
    "Rooted::register_finalizer_in", ForeignStore, STORE => |w| {
        w.there.object.register_finalizer_in(&mut w.store, &FinalizerQueue::new(), 1).map(text)
    };
    "Rooted::register_finalizer_in", StaleHandle, SCOPE => |w| {
        w.stale.any.register_finalizer_in(&mut w.store, &FinalizerQueue::new(), 1).map(text)
    };
    "StackTrace::backtrace", ForeignStore, STORE => |w| {
        let (sender, traces) = std::sync::mpsc::channel();
        let mut other = Store::new(&w.engine, ());
        let look = move |mut caller: Caller<'_, ()>| sender.send(caller.stack_trace()).expect("somebody receives");
        Func::wrap(&mut other, look).call(&mut other, &[], &mut [])?;
        traces.recv().expect("a trace was sent").backtrace(&w.store).map(text)
    };
    "Rooted::downgrade", ForeignStore, STORE => |w| w.there.object.downgrade(&mut w.store).map(text);
    "Rooted::downgrade", StaleHandle, SCOPE => |w| w.stale.any.downgrade(&mut w.store).map(text);
    // Rec groups.
    "TypeBuilder::define", ForeignEngine, ENGINE => |w| {
        let mut group = TypeBuilder::new(&w.engine);
        let member = group.declare();
        group.define(member, GroupType::func([ValType::Ref(foreign_ref(w)).into()], []));
        group.build().map(text)
    };
    "TypeBuilder::define", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let mut group = TypeBuilder::new(&w.engine);
        let member = group.declare();
        let field = ValType::Ref(RefType::new(true, dead.array.clone().into()));
        group.define(member, GroupType::structure([(Mutability::Const, field.clone().into())]));
        drop(dead);
        let types = group.build()?;
        let made = types[0].as_concrete_struct().and_then(|ty| ty.field(0));
        Ok(text(made.is_some_and(|made| *made.element_type() == field.into())))
    };
    // Typed references. That none leaves its scope is the compiler's business.
    "Rooted::local", ForeignStore, STORE => |w| {
        let there = w.there.object;
        w.store.scope(|s| there.local(s).map(text))
    };
    "Rooted::local", StaleHandle, SCOPE => |w| {
        let stale = w.stale.structure;
        w.store.scope(|s| stale.local(s).map(text))
    };
    "Rooted::local_as", ForeignStore, STORE => |w| {
        let there = w.there.object;
        w.store.scope(|s| there.local_as::<StructRef>(s).map(text))
    };
    "Rooted::local_as", StaleHandle, SCOPE => |w| {
        let stale = w.stale.any;
        w.store.scope(|s| stale.local_as::<StructRef>(s).map(text))
    };
    "Root::local", ForeignStore, STORE => |w| {
        let there = &w.there.owned;
        w.store.scope(|s| there.local(s).map(text))
    };
    "WeakRoot::local", ForeignStore, STORE => |w| {
        let there = &w.there.weak;
        w.store.scope(|s| there.local(s).map(text))
    };
    "Scope::func", ForeignStore, STORE => |w| {
        let there = w.there.func;
        w.store.scope(|s| s.func(&there).map(text))
    };
    "Scope::bind", ForeignEngine, ENGINE => |w| {
        let foreign = ArrayType::new(&w.foreign_engine, variable(ValType::I64)).bind::<i64, ()>()?;
        w.store.scope(|s| s.bind(&foreign).map(text))
    };
    "Scope::bind", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let bound = dead.array.bind::<f32, ()>()?;
        drop(dead);
        w.store.scope(|s| {
            s.bind(&bound)?;
            let array = bound.alloc(s, 2, 1.5)?;
            Ok(text(array.to_any().cast::<GcArray<f32>>(s).is_some_and(|array| array.get_number(s, 1) == 1.5)))
        })
    };
    "Root::to_rooted", ForeignStore, STORE => |w| w.there.owned.to_rooted(&mut w.store).map(text);
    "Root::downgrade", ForeignStore, STORE => |w| w.there.owned.downgrade(&mut w.store).map(text);
    "WeakRoot::upgrade", ForeignStore, STORE => |w| w.there.weak.upgrade(&mut w.store).map(text);
    "WeakEntry::new", ForeignStore, STORE => |w| WeakEntry::new(&mut w.store, &w.there.object, &w.here.host).map(text);
    "WeakEntry::new", ForeignStore, STORE => |w| WeakEntry::new(&mut w.store, &w.here.object, &w.there.host).map(text);
    "WeakEntry::new", StaleHandle, SCOPE => |w| WeakEntry::new(&mut w.store, &w.stale.any, &w.here.host).map(text);
    "WeakEntry::new", StaleHandle, SCOPE => |w| WeakEntry::new(&mut w.store, &w.here.object, &w.stale.host).map(text);
    "WeakEntry::get", ForeignStore, STORE => |w| w.there.entry.get(&mut w.store).map(text);
    "WeakEntry::set_value", ForeignStore, STORE => |w| w.there.entry.set_value(&mut w.store, &w.here.host).map(text);
    "WeakEntry::set_value", ForeignStore, STORE => |w| w.here.entry.set_value(&mut w.store, &w.there.host).map(text);
    "WeakEntry::set_value", StaleHandle, SCOPE => |w| w.here.entry.set_value(&mut w.store, &w.stale.host).map(text);
};
