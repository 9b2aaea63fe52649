//! The program from `main` to the end of its event loop.
//!
//! 1. `$invokeMain`; then all microtasks, also those that come meanwhile. That is a turn, at whose end weak references
//!    may lose what the turn has seen.
//! 2. As long as there are timers: the callbacks of finalizers for the deaths that were found, each in a turn of its
//!    own; then a wait for the timer that is due first, and its turn.
//! 3. The end: no microtask and no timer. Deaths that were not told by then are not told.
//!
//! All of it is one call of a function of the host, so that a deadline of the store ends all of it, waits included.

use super::call::{Call, Given};
use super::{Context, ENTRY, finalizers, grants};
use crate::surfaces::granted;
use crate::wasi::{ClockId, interruptible};
use crate::{
    AnyRef, ArrayRef, AsContextMut, Caller, Error, Func, FuncType, HeapType, Instance, RefType, Result, Root,
    RootScope, StringRef, Val, ValType,
};
use heapwood_surfaces::dart::TimerId;

/// A callback, and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Task {
    callback: Func,
    first: Root<AnyRef>,
    /// The token of a finalizer's task.
    token: Option<Option<Root<AnyRef>>>,
}

impl Task {
    /// A finalizer's.
    pub fn with_token(callback: Func, first: Root<AnyRef>, token: Option<Root<AnyRef>>) -> Task {
        Task { callback, first, token: Some(token) }
    }

    /// Calls it.
    fn run<T: 'static>(&self, caller: &mut Caller<'_, T>) -> Result<()> {
        let mut scope = RootScope::new(caller);
        let mut args = vec![Val::from(self.first.to_rooted(&mut scope)?)];
        if let Some(token) = &self.token {
            let token = token.as_ref().map(|token| token.to_rooted(&mut scope)).transpose()?;
            args.push(Val::AnyRef(token));
        }
        self.callback.call(&mut scope, &args, &mut [])
    }
}

/// A callback of one argument.
fn task<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, callback: usize) -> Result<Task> {
    let (func, first) = (call.func(callback)?, call.any(callback + 1)?);
    let params = func.ty(&*call.caller()).params().len();
    if params != 1 {
        return call.trap(format!("argument {callback} takes {params} arguments in place of 1"));
    }
    Ok(Task { callback: func, first: first.to_owned(call.caller())?, token: None })
}

fn schedule<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, is_repeated: bool) -> Given {
    let task = task(call, 1)?;
    let now = call.wasi().now_ns(ClockId::Monotonic);
    let (now, delay) = (call.granted(now)? / 1_000, call.i64(0));
    let timer = call.dart().tasks.schedule(now, delay, is_repeated, task);
    call.give(timer)
}

pub(super) fn schedule_once<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    schedule(call, false)
}

pub(super) fn schedule_repeated<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    schedule(call, true)
}

pub(super) fn queue_microtask<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let task = task(call, 0)?;
    call.dart().tasks.push_microtask(task);
    Ok(None)
}

pub(super) fn clear_schedule<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let timer = *call.value::<TimerId>(0, "a timer")?;
    call.dart().tasks.clear(timer);
    Ok(None)
}

/// Runs a program: calls its export `$invokeMain` with the guest's arguments but for its own name, then what it has
/// scheduled, until nothing waits any more. A deadline of the store
/// ([`Store::set_deadline`](crate::Store::set_deadline)) is for all of it. May collect.
///
/// # Errors
/// The instance has no such export, or one of another type. What leaves `main` or a callback: a trap, an exception, the
/// error of a host function.
pub fn run<T: 'static>(
    mut store: impl AsContextMut<Data = T>,
    instance: Instance,
    context: impl Context<T>,
) -> Result<()> {
    let main = instance.get_func(&mut store, ENTRY);
    let main = main.ok_or_else(|| Error::msg(format!("there is no exported function `{ENTRY}`")))?;
    let ty = FuncType::new(store.as_context_mut().engine(), [], [])?;
    let program = Func::try_new(&mut store, ty, move |mut caller, _, _| {
        call_main(&mut caller, main, context)?;
        turn_ends(&mut caller, context)?;
        run_timers(&mut caller, context)
    })?;
    program.call(&mut store, &[], &mut [])
}

fn call_main<T: 'static>(caller: &mut Caller<'_, T>, main: Func, context: impl Context<T>) -> Result<()> {
    let ty = main.ty(&*caller);
    let Some(ValType::Ref(RefType { heap: HeapType::ConcreteArray(array), .. })) = ty.params().next() else {
        return Err(Error::msg(format!("`{ENTRY}` {ty} takes no array of arguments")));
    };
    let args: Vec<String> = {
        let (_, wasi) = context(caller.data_mut());
        wasi.args().iter().skip(1).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    };
    let mut scope = RootScope::new(caller);
    let mut strings = Vec::new();
    for arg in args {
        strings.push(Val::from(StringRef::new(&mut scope, &arg)?.to_externref()));
    }
    let args = ArrayRef::new_fixed(&mut scope, &array, &strings)?;
    main.call(&mut scope, &[args.into()], &mut [])
}

/// What came up in a turn, and what ends with it.
fn turn_ends<T: 'static>(caller: &mut Caller<'_, T>, context: impl Context<T>) -> Result<()> {
    while let Some(task) = context(caller.data_mut()).0.tasks.take_microtask() {
        task.run(caller)?;
    }
    let (dart, _) = context(caller.data_mut());
    dart.kept.clear();
    dart.turn += 1;
    Ok(())
}

fn run_timers<T: 'static>(caller: &mut Caller<'_, T>, context: impl Context<T>) -> Result<()> {
    while let Some(due) = context(caller.data_mut()).0.tasks.next_due() {
        for task in deaths(caller, context)? {
            task.run(caller)?;
            turn_ends(caller, context)?;
        }
        let wasi = grants(context);
        let due_ns = due.saturating_mul(1_000);
        let now = interruptible(caller, wasi, |caller| {
            let wasi = wasi(caller.data_mut());
            wasi.wait_until(ClockId::Monotonic, due_ns)?;
            wasi.now_ns(ClockId::Monotonic)
        })?;
        let now = granted("dart::scheduleOnce", now)?;
        // A callback may have cleared it.
        if let Some(task) = context(caller.data_mut()).0.tasks.take_due(now / 1_000) {
            task.run(caller)?;
            turn_ends(caller, context)?;
        }
    }
    Ok(())
}

/// The tasks of the deaths that were found until now. Those that are found meanwhile have to wait, so that timers have
/// their turn.
fn deaths<T: 'static>(caller: &mut Caller<'_, T>, context: impl Context<T>) -> Result<Vec<Task>> {
    let deaths = context(caller.data_mut()).0.deaths.clone();
    let mut tasks = Vec::new();
    while let Some(number) = deaths.next(&mut *caller) {
        tasks.extend(finalizers::task_of(caller, context, number)?);
    }
    Ok(tasks)
}
