//! What each public function answers to what does not belong to it.

/// Rows: function, misuse, what is right, and a call.
macro_rules! rows {
    ($($function:literal, $misuse:ident, $right:expr => |$w:ident| $run:expr;)*) => {
        &[$(Row { function: $function, misuse: $misuse, right: $right, run: |$w| $run }),*]
    };
}

mod entities;
mod full_heap;
mod functions;
mod instances;
mod kinds;
mod lengths;
mod limits;
mod objects;
mod references;
mod types;

use crate::rules::Misuse::{self, *};
use crate::world::{Dead, World, module};
use heapwood_vm::*;
use std::cell::Cell;
use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Row> {
    let parts = [
        types::ROWS,
        objects::ROWS,
        functions::ROWS,
        entities::ROWS,
        instances::ROWS,
        references::ROWS,
        kinds::ROWS,
        lengths::ROWS,
        full_heap::ROWS,
        limits::ROWS,
    ];
    parts.into_iter().flatten()
}

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
