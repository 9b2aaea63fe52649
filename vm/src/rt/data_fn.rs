//! Functions of the host's data, for a store that does not know its type.

use super::host::WithData;

/// A function of the data behind one store, with the data's type erased.
pub(crate) struct DataFn<S, Q, A> {
    /// Address of the store.
    owner: usize,
    call: Box<Erased<S, Q, A>>,
}

/// Private, since it may be called as [`DataFn::call`] does and not otherwise.
type Erased<S, Q, A> = dyn FnMut(*mut S, Q) -> A + Send;

impl<S: 'static, Q: 'static, A: 'static> DataFn<S, Q, A> {
    /// A function for this store, which must not move any more.
    pub fn new<T: 'static>(
        whole: &mut WithData<S, T>,
        mut function: impl FnMut(&mut T, Q) -> A + Send + 'static,
    ) -> DataFn<S, Q, A> {
        let owner = (&raw const whole.store).addr();
        let call = move |store: *mut S, question: Q| {
            let whole = store.cast::<WithData<S, T>>();
            // SAFETY: R3: `call` has compared the address with that of a store whose data is of this type.
            let data = unsafe { &mut (*whole).data };
            function(data, question)
        };
        DataFn { owner, call: Box::new(call) }
    }

    /// Calls it with the data behind the store.
    ///
    /// # Panics
    /// If it is another store than the one that it was made for.
    #[track_caller]
    pub fn call(&mut self, store: &mut S, question: Q) -> A {
        let store: *mut S = store;
        assert_eq!(store.addr(), self.owner, "a function of another store's data");
        (self.call)(store, question)
    }
}
