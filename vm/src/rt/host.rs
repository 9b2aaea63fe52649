//! Host functions with the type of the store's data erased.

#[cfg(feature = "async")]
use super::suspension::{HostFuture, Lent};
use super::value::RawVal;
use crate::errors::Result;
use heapwood_jit::stubs::StringFunction;
#[cfg(feature = "async")]
use std::future::Future;
use std::mem::ManuallyDrop;
#[cfg(feature = "async")]
use std::pin::Pin;
use std::sync::Arc;

/// A store with the host's data. The store, which finds the whole from itself, comes first (R3).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WithData<S, T> {
    /// What does not depend on the data.
    pub store: S,
    /// The host's data.
    pub data: T,
}

/// The code of a host function: for stores whose data is of one type.
#[derive(Clone)]
pub(crate) struct HostCode(Arc<Inner>);

/// The closure with its data's type erased; private, since it may be called as [`HostCode::call`] says and not
/// otherwise.
type Erased = dyn Fn(*mut (), &mut [RawVal]) -> Result<()> + Send + Sync;

/// The closure of a function that is a future, with its data's type erased as in [`Erased`].
#[cfg(feature = "async")]
type ErasedAsync = dyn Fn(*mut (), &[RawVal]) -> HostFuture + Send + Sync;

/// What a host function does that has begun.
#[cfg(feature = "async")]
pub(crate) type BoxFuture<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

enum Call {
    AtOnce(Box<Erased>),
    /// A function of the runtime's own, by its number, which has trampolines that do not come here.
    Native(u32, Option<StringFunction>),
    #[cfg(feature = "async")]
    Async(Box<ErasedAsync>),
}

struct Inner {
    /// Places in the buffer of a call.
    slots: usize,
    /// `module.name` of the definition in a linker, for those who watch.
    name: Option<Box<str>>,
    call: Call,
}

impl HostCode {
    /// The code of a closure over so many raw values, which finds the arguments in the slice and leaves the results
    /// there.
    pub fn new<S: 'static, T: 'static>(
        slots: usize,
        func: impl Fn(&mut WithData<S, T>, &mut [RawVal]) -> Result<()> + Send + Sync + 'static,
    ) -> HostCode {
        let call = move |store: *mut (), values: &mut [RawVal]| {
            // SAFETY: R2, R3.
            func(unsafe { &mut *store.cast::<WithData<S, T>>() }, values)
        };
        HostCode(Arc::new(Inner { slots, name: None, call: Call::AtOnce(Box::new(call)) }))
    }

    /// The code of two closures: the first finds the arguments in a slice and makes a future, the second leaves the
    /// future's result in a slice.
    #[cfg(feature = "async")]
    pub fn new_async<S: 'static, T: 'static, R: Send + 'static>(
        slots: usize,
        begin: impl for<'a> Fn(&'a mut WithData<S, T>, &[RawVal]) -> BoxFuture<'a, R> + Send + Sync + 'static,
        finish: impl Fn(R, &mut S, &mut [RawVal]) -> Result<()> + Send + Sync + 'static,
    ) -> HostCode {
        let finish = Arc::new(finish);
        let call = move |store: *mut (), values: &[RawVal]| {
            // SAFETY: R2, R3.
            let future = begin(unsafe { &mut *store.cast::<WithData<S, T>>() }, values);
            // SAFETY: R14: who calls this keeps the promise.
            let future = unsafe { std::mem::transmute::<BoxFuture<'_, R>, BoxFuture<'static, R>>(future) };
            HostFuture::new(Lent::new(future, finish.clone()))
        };
        HostCode(Arc::new(Inner { slots, name: None, call: Call::Async(Box::new(call)) }))
    }

    /// Gives the function the name by which messages and events call it, unless it is shared already.
    pub fn named(mut self, module: &str, name: &str) -> HostCode {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.name = Some(format!("{module}.{name}").into());
        }
        self
    }

    /// A function of the runtime's own ([`Running::run_native`]), with what machine code does of it. It is in no need
    /// of the host's data, and enters no guest.
    ///
    /// [`Running::run_native`]: super::running::Running::run_native
    pub fn native(slots: usize, number: u32, short_way: Option<StringFunction>) -> HostCode {
        HostCode(Arc::new(Inner { slots, name: None, call: Call::Native(number, short_way) }))
    }

    /// Which function of the runtime's own it is, and what machine code does of it.
    pub fn as_native(&self) -> Option<(u32, Option<StringFunction>)> {
        match self.0.call {
            Call::Native(number, short_way) => Some((number, short_way)),
            _ => None,
        }
    }

    /// Another pointer to the function that is not counted: two atomic operations less than a clone, which would be a
    /// third of an empty call.
    ///
    /// # Safety
    /// Something keeps the function while the result is used.
    #[inline]
    pub(super) unsafe fn lent(&self) -> ManuallyDrop<HostCode> {
        // SAFETY: what is read is never dropped, and what it points to is there by the caller's promise.
        ManuallyDrop::new(unsafe { std::ptr::read(self) })
    }

    /// The name of its definition.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Places in the buffer of a call.
    pub(super) fn slots(&self) -> usize {
        self.0.slots
    }

    /// Runs it. `values` holds the arguments and takes the results.
    ///
    /// # Safety
    /// `store` is the pointer of R2, whose borrow the caller lends until this returns. It points to a `WithData` of the
    /// types that the function was made for (R3).
    pub(super) unsafe fn call(&self, store: *mut (), values: &mut [RawVal]) -> Result<()> {
        match &self.0.call {
            Call::AtOnce(call) => call(store, values),
            Call::Native(..) => unreachable!("its trampoline calls the runtime"),
            #[cfg(feature = "async")]
            Call::Async(_) => unreachable!("it is asked whether it is a future"),
        }
    }

    /// Whether the function is a future.
    #[cfg(feature = "async")]
    #[inline]
    pub(super) fn is_async(&self) -> bool {
        matches!(self.0.call, Call::Async(_))
    }

    /// Begins it. `values` holds the arguments.
    ///
    /// # Safety
    /// As of [`HostCode::call`], but that the borrow is lent until the result has ended or is dropped (R14).
    #[cfg(feature = "async")]
    pub(super) unsafe fn begin(&self, store: *mut (), values: &[RawVal]) -> HostFuture {
        match &self.0.call {
            Call::Async(call) => call(store, values),
            Call::AtOnce(_) | Call::Native(..) => unreachable!("it is asked whether it is a future"),
        }
    }
}
