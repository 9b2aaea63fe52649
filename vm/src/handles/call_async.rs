//! Calls that can be suspended.

use super::func::{load_results, save_params};
use super::host_async::BoxedFuture;
use super::instance::items;
use super::instance_pre::{Definition, check_engine};
use super::typed::HostResults;
use super::wasm_ty::StoreAccess;
use super::{Extern, HostFunc, Instance, InstancePre, Linker, TypedFunc, Val, WasmParams, WasmResults};
use crate::errors::{Error, Result};
use crate::ids::Func;
use crate::module::Module;
use crate::rt::value::RawVal;
use crate::store::{AsContextMut, Caller, Mark, StoreContextMut};
use crate::types::FuncType;
use smallvec::{SmallVec, smallvec};

impl Func {
    /// A host function of type `ty` that gets and gives [`Val`]s, and may wait: it returns a future. See
    /// [`Func::wrap_async`].
    ///
    /// # Panics
    /// If the type is one of another engine, or the immortal space is full; [`Linker::func_new_async`] says so in an
    /// error.
    #[track_caller]
    pub fn new_async<T: Send + 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl for<'a> Fn(Caller<'a, T>, &'a [Val], &'a mut [Val]) -> Box<dyn Future<Output = Result<()>> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> Func {
        let mut context = store.as_context_mut();
        let made = ty.handle().id_in(context.engine().registry());
        let made = made.and_then(|_| Func::of_host(context.opaque(), &HostFunc::from_vals_async(ty, func)));
        match made {
            Ok(func) => func,
            Err(error) => panic!("{error}"),
        }
    }

    /// A host function whose type follows from the closure's, and that may wait: it takes a [`Caller`] and a tuple of
    /// parameters, and returns a boxed future of what [`Func::wrap`] takes.
    ///
    /// A guest that was called by [`Func::call_async`] and its kin is suspended while the future is not ready. Else the
    /// future is polled once, and if it is not ready then, the host function is an error that says so: where the guest
    /// was called by [`Func::call`], also if that call was made by a host function below a `call_async`.
    ///
    /// # Panics
    /// If the immortal space is full; [`Linker::func_wrap_async`] says so in an error.
    pub fn wrap_async<T: Send + 'static, Params: WasmParams, Results: HostResults + Send + 'static>(
        mut store: impl AsContextMut<Data = T>,
        func: impl for<'a> Fn(Caller<'a, T>, Params) -> Box<dyn Future<Output = Results> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> Func {
        let mut context = store.as_context_mut();
        let host = HostFunc::from_async(context.engine(), func).expect("room for a function type");
        Func::of_host(context.opaque(), &host).expect("room for a function object")
    }

    /// Calls it like [`Func::call`], but may be suspended: while a host function waits that is a future
    /// ([`Func::wrap_async`]), and when the guest lets others run
    /// ([`Store::fuel_async_yield_interval`](crate::Store::fuel_async_yield_interval),
    /// [`Store::time_async_yield_interval`](crate::Store::time_async_yield_interval)).
    ///
    /// The guest has a stack of its own, on which its frames wait; the thread that polls next goes on with it. A
    /// deadline ([`Store::set_deadline`](crate::Store::set_deadline)) runs on while the guest is suspended; it, an
    /// interrupt and a token end the wait. If the future is dropped before it is ready, the guest is given up where it
    /// is, and the store is as usable as after a trap. A future that was not polled has done nothing.
    ///
    /// # Errors
    /// As [`Func::call`].
    pub async fn call_async(
        &self,
        mut store: impl AsContextMut<Data: Send>,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let mut context = store.as_context_mut();
        context.opaque().check_usable()?;
        let (object, signature, mut values) = save_params(self, context.opaque(), params, results.len())?;
        let callee = context.opaque().callee(object, signature.entry());
        context.calling(callee, &mut values, None).await?;
        load_results(context.opaque(), &signature, &values, results);
        Ok(())
    }
}

impl<Params: WasmParams, Results: WasmResults> TypedFunc<Params, Results> {
    /// Calls it like [`TypedFunc::call`], but may be suspended, as [`Func::call_async`] says.
    ///
    /// ```
    /// # use heapwood_vm::{Caller, Engine, Linker, Module, Result, Store};
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # async fn sleep() { std::future::poll_fn(|cx| { cx.waker().wake_by_ref(); Poll::<()>::Ready(()) }).await }
    /// # fn block_on<R>(future: impl Future<Output = R>) -> R {
    /// #     let mut future = pin!(future);
    /// #     loop {
    /// #         if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) { return result; }
    /// #     }
    /// # }
    /// # let wasm = wat::parse_str(r#"(module (import "h" "double" (func $double (param i32) (result i32)))
    /// #     (func (export "run") (result i32) (call $double (i32.const 21))))"#).unwrap();
    /// # let engine = Engine::default();
    /// # let module = Module::new(&engine, &wasm).unwrap();
    /// # block_on(async {
    /// let mut linker = Linker::new(&engine);
    /// linker.func_wrap_async("h", "double", |_: Caller<'_, ()>, (n,): (i32,)| {
    ///     Box::new(async move {
    ///         sleep().await;
    ///         2 * n
    ///     })
    /// })?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = linker.instantiate_async(&mut store, &module).await?;
    /// let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    /// assert_eq!(run.call_async(&mut store, ()).await?, 42);
    /// # Result::<()>::Ok(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`TypedFunc::call`].
    pub async fn call_async(&self, mut store: impl AsContextMut<Data: Send>, params: Params) -> Result<Results> {
        let mut context = store.as_context_mut();
        context.opaque().check_usable()?;
        let mut values: SmallVec<[RawVal; 4]> = smallvec![[0; 2]; Params::TYPES.len().max(Results::TYPES.len())];
        let callee = self.callee(context.opaque(), params, &mut values)?;
        context.calling(callee, &mut values, None).await?;
        Ok(Results::load(&mut StoreAccess(context.opaque()), &values))
    }
}

impl Instance {
    /// Instantiates a module like [`Instance::new`]; its start function may be suspended, as [`Func::call_async`] says.
    /// If the future is dropped meanwhile, the instance goes as if it had failed.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub async fn new_async(
        mut store: impl AsContextMut<Data: Send>,
        module: &Module,
        imports: &[Extern],
    ) -> Result<Instance> {
        let mark = store.as_context_mut().opaque().mark();
        Instance::new_async_since(store, module, imports, &mark).await
    }

    /// Instantiates as [`new_async`](Self::new_async) does; if it fails, what was made for the imports since `mark`
    /// goes too.
    async fn new_async_since<T: Send + 'static>(
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
        imports: &[Extern],
        mark: &Mark,
    ) -> Result<Instance> {
        let mut context = store.as_context_mut();
        let opaque = context.opaque();
        let items = items(opaque, module, imports).inspect_err(|_| opaque.undo(mark))?;
        let (instance, start) = opaque.instantiate_to_start(module, &items, mark)?;
        let made = Instance::from_index(opaque.id(), instance);
        if let Some((start, heights)) = start {
            let complete = opaque.mark();
            let mut starting = Starting { context, module, mark, complete, is_over: false };
            let ended = starting.context.calling(start, &mut [], Some(heights)).await;
            starting.end(ended.as_ref().err());
            ended?;
        }
        Ok(made)
    }
}

/// An instance whose start function runs: unless that ends well, what nobody reaches of it goes, also if nobody waits
/// for the end.
struct Starting<'a, T: 'static> {
    context: StoreContextMut<'a, T>,
    module: &'a Module,
    /// How much there was in the store before.
    mark: &'a Mark,
    /// How much there was when the start function began.
    complete: Mark,
    is_over: bool,
}

impl<T: 'static> Starting<'_, T> {
    fn end(&mut self, error: Option<&Error>) {
        self.is_over = true;
        if error.is_some() {
            self.undo(error);
        }
    }

    fn undo(&mut self, error: Option<&Error>) {
        self.context.opaque().undo_unreached(self.module, self.mark, Some(&self.complete), error);
    }
}

impl<T: 'static> Drop for Starting<'_, T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.undo(None);
        }
    }
}

impl<T: Send + 'static> InstancePre<T> {
    /// Instantiates it like [`InstancePre::instantiate`]; its start function may be suspended, as [`Func::call_async`]
    /// says.
    ///
    /// # Errors
    /// As [`InstancePre::instantiate`].
    pub async fn instantiate_async(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        check_engine(self.module().engine(), store.as_context().engine(), "a store")?;
        let mark = store.as_context_mut().opaque().mark();
        let imports = self.imports_in(store.as_context_mut().opaque(), &mark)?;
        Instance::new_async_since(store, self.module(), &imports, &mark).await
    }
}

impl<T: Send + 'static> Linker<T> {
    /// Defines a host function that gets and gives [`Val`]s, and may wait: it returns a future. See
    /// [`Func::wrap_async`].
    ///
    /// # Errors
    /// The name is defined already, or the type is one of another engine.
    pub fn func_new_async(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl for<'a> Fn(Caller<'a, T>, &'a [Val], &'a mut [Val]) -> BoxedFuture<'a, Result<()>>
        + Send
        + Sync
        + 'static,
    ) -> Result<&mut Linker<T>> {
        ty.handle().id_in(self.engine().registry())?;
        self.insert(module, name, Definition::Host(HostFunc::from_vals_async(ty, func).named(module, name)))
    }

    /// Defines a host function whose type follows from the closure's, and that may wait, as in [`Func::wrap_async`].
    ///
    /// # Errors
    /// The name is defined already, or the engine's type table is full.
    pub fn func_wrap_async<Params: WasmParams, Results: HostResults + Send + 'static>(
        &mut self,
        module: &str,
        name: &str,
        func: impl for<'a> Fn(Caller<'a, T>, Params) -> Box<dyn Future<Output = Results> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> Result<&mut Linker<T>> {
        let host = HostFunc::from_async(self.engine(), func)?;
        self.insert(module, name, Definition::Host(host.named(module, name)))
    }

    /// Instantiates a module like [`Linker::instantiate`]; its start function may be suspended, as [`Func::call_async`]
    /// says.
    ///
    /// # Errors
    /// As [`Linker::instantiate`].
    pub async fn instantiate_async(&self, store: impl AsContextMut<Data = T>, module: &Module) -> Result<Instance> {
        check_engine(self.engine(), store.as_context().engine(), "a store")?;
        self.choose(module)?.instantiate_async(store).await
    }
}
