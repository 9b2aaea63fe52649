//! What a store tells those who watch it.

use super::{HeapHistogram, MemoryStats};
use crate::errors::{Error, Result};
use crate::store::{CollectionSteps, ExhaustedHeap, HostCall, Inspection, StackProfile, Store, StoreContextMut};
use heapwood_gc::{GcEvent, HeapStats, HelperSpan};
use std::io;
use std::time::{Duration, Instant};

impl ExhaustedHeap<'_> {
    /// Writes a snapshot, as [`Store::heap_snapshot`] does, with the guest's frames.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque_mut().heap_snapshot(output)
    }

    /// What the heap counted since it was made: bytes, collections, pauses and their lengths. Does not collect.
    pub fn gc_stats(&self) -> HeapStats {
        self.opaque().heap().stats()
    }
}

impl Inspection<'_> {
    /// What the heap counted since it was made. Does not collect.
    pub fn gc_stats(&self) -> HeapStats {
        self.opaque().heap().stats()
    }

    /// Memory of the store: linear memories and heap.
    pub fn memory_stats(&self) -> MemoryStats {
        self.opaque().memory_stats()
    }

    /// Calls `listener` for every pause of the guest by its heap from now on, in place of an earlier listener, as
    /// [`Store::on_gc`] does.
    pub fn on_gc(&mut self, listener: impl FnMut(&GcEvent) + Send + 'static) {
        self.opaque_mut().heap_mut().set_listener(Some(Box::new(listener)));
    }

    /// Nobody hears of pauses from now on.
    pub fn remove_gc_listener(&mut self) {
        self.opaque_mut().heap_mut().set_listener(None);
    }

    /// Samples allocations from now on, as [`Store::profile_allocations`] does.
    pub fn profile_allocations(&mut self, mean_bytes: u64) {
        self.opaque_mut().profile_allocations(mean_bytes);
    }

    /// Ends the profile of allocation and gives it out, if there is one. Takes no time: who writes it does.
    pub fn take_allocation_profile(&mut self) -> Option<StackProfile> {
        self.opaque_mut().take_allocation_profile()
    }

    /// Samples the guest's stack from now on, as [`Store::profile_cpu`] does.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn profile_cpu(&mut self, interval: Duration) -> Result<()> {
        self.opaque_mut().profile_cpu(interval)
    }

    /// Ends the profile of CPU time and gives it out, if there is one. Takes no time: who writes it does.
    pub fn take_cpu_profile(&mut self) -> Option<StackProfile> {
        self.opaque_mut().take_cpu_profile()
    }

    /// Does a bounded step of a collection of everything, and says whether that goes on: repeat it with the same
    /// `collection`, until it does not. So what is dead when the first step is done is found, without a pause that is
    /// longer than those of the collector's own pace. Objects may move.
    ///
    /// ```
    /// # use heapwood_vm::{CollectionSteps, Engine, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let markings = store.gc_stats().markings;
    /// store.inspector().ask(|guest| {
    ///     let mut collection = CollectionSteps::new();
    ///     while guest.collect_step(&mut collection) {}
    /// }).unwrap();
    /// store.answer_requests();
    /// assert_eq!(store.gc_stats().markings, markings + 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn collect_step(&mut self, collection: &mut CollectionSteps) -> bool {
        self.opaque_mut().collect_step(collection)
    }

    /// Counts the objects of the heap, as [`Store::histogram`] does. The guest stands still meanwhile.
    ///
    /// # Errors
    /// The process has no memory for the tables.
    pub fn histogram(&mut self) -> Result<HeapHistogram> {
        self.opaque_mut().histogram()
    }

    /// Writes a snapshot, as [`Store::heap_snapshot`] does, with the guest's frames. The guest stands still until it is
    /// written.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque_mut().heap_snapshot(output)
    }
}

impl<T: 'static> Store<T> {
    /// What the heap counted since it was made: bytes, collections, pauses and their lengths. Does not collect.
    pub fn gc_stats(&self) -> HeapStats {
        self.opaque().heap().stats()
    }

    /// Calls `listener` for every pause of the guest by its heap from now on, slices and stalls included, in place of an
    /// earlier listener. Without one, a pause costs a branch more, and nothing else costs anything.
    ///
    /// A listener runs in the middle of a collection, and has no way to the store. It may use other stores, and what
    /// needs none: an inbox, a token that interrupts, a finalizer that it cancels.
    ///
    /// ```compile_fail,E0499
    /// # use heapwood_vm::{Engine, Store};
    /// let mut store = Store::new(&Engine::default(), ());
    /// store.on_gc(|_| store.gc().unwrap());
    /// ```
    pub fn on_gc(&mut self, listener: impl FnMut(&GcEvent) + Send + 'static) {
        self.opaque_mut().heap_mut().set_listener(Some(Box::new(listener)));
    }

    /// Calls `listener` with the times in which helper threads worked for the heap from now on, in place of an earlier
    /// listener: at the next pause, and when the store is dropped. Without one, helpers note nothing.
    pub fn on_gc_helper(&mut self, listener: impl FnMut(&HelperSpan) + Send + 'static) {
        self.opaque_mut().heap_mut().set_helper_listener(Some(Box::new(listener)));
    }

    /// The zero of [`GcEvent::t_us`]: when the store's heap was made.
    pub fn gc_epoch(&self) -> Instant {
        self.opaque().heap().born()
    }

    /// Calls `listener` after every call of a host function from now on, in place of an earlier listener. Without
    /// one, such a call costs a branch more. Functions over strings
    /// ([`Linker::define_js_string`](crate::Linker::define_js_string)) are the runtime's own, and not told.
    pub fn on_host_call(&mut self, listener: impl FnMut(&HostCall<'_>) + Send + 'static) {
        self.opaque_mut().guest_mut().listeners_mut().set_host_calls(Box::new(listener));
    }

    /// Calls `listener` when an allocation of the guest does not fit the heap's limit, before the trap, in place of an
    /// earlier listener. It sees the guest's frames.
    pub fn on_heap_exhausted(&mut self, listener: impl FnMut(&mut ExhaustedHeap<'_>) + Send + 'static) {
        self.opaque_mut().guest_mut().listeners_mut().set_exhaustion(Box::new(listener));
    }

    /// Writes a snapshot of the heap that Chrome DevTools loads (`.heapsnapshot`): the reachable objects with their
    /// types and fields by name, and what keeps them alive. Collects nothing and moves nothing; needs a thirtieth of
    /// the heap's size as memory of the process, and none of the heap's.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque_mut().heap_snapshot(output)
    }

    /// Samples allocations from now on, one for every `mean_bytes` bytes that are allocated, on average; 0 ends it and
    /// forgets. Inline allocation stays as it is: only its slow path comes a little more often.
    pub fn profile_allocations(&mut self, mean_bytes: u64) {
        self.opaque_mut().profile_allocations(mean_bytes);
    }

    /// Writes the profile so far as collapsed stacks, `outer;inner;[type] bytes` on each line, for flame graphs. The
    /// bytes are estimates: a stack with k samples stands for k times the mean, give or take a part of one in the root
    /// of k (at 100 samples a tenth). They say who allocates, not who keeps.
    ///
    /// # Errors
    /// The output's.
    pub fn write_allocation_profile(&self, mut output: impl io::Write) -> io::Result<()> {
        self.opaque().write_allocation_profile(&mut output)
    }

    /// Ends the profile of allocation and gives it out, if there is one.
    pub fn take_allocation_profile(&mut self) -> Option<StackProfile> {
        self.opaque_mut().take_allocation_profile()
    }

    /// Samples the guest's stack from now on, about once in `interval`, in place of an earlier profile; 0 ends it and
    /// forgets. Samples are taken at function entries and loop iterations. Each stands for the CPU time of the thread
    /// since the one before, in host functions and between calls of the guest included; what the collector took of it is
    /// told apart. [`Store::take_cpu_profile`] gives it out, with an example in [`StackProfile`].
    ///
    /// # Errors
    /// The system refuses the engine's timer a thread.
    pub fn profile_cpu(&mut self, interval: Duration) -> Result<()> {
        self.opaque_mut().profile_cpu(interval)
    }

    /// Ends the profile of CPU time and gives it out, if there is one.
    pub fn take_cpu_profile(&mut self) -> Option<StackProfile> {
        self.opaque_mut().take_cpu_profile()
    }

    /// Counts the objects that can be reached, by type. Collects nothing and moves nothing; takes as long as it takes to
    /// visit them all, and a thirtieth of the heap's size as memory of the process.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module (type $point (struct (field i32 i32)))
    /// #     (global (export "a") (ref $point) (struct.new_default $point)) (global (export "b") (ref $point)
    /// #     (struct.new_default $point)))"#).unwrap();
    /// let mut store = Store::new(&engine, ());
    /// Instance::new(&mut store, &Module::new(&engine, wasm)?, &[])?;
    /// let histogram = store.histogram()?;
    /// let row = &histogram.rows()[0];
    /// assert_eq!((row.type_name(), row.objects()), ("point", 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The process has no memory for the tables.
    pub fn histogram(&mut self) -> Result<HeapHistogram> {
        self.opaque_mut().histogram()
    }

    /// Memory of the store: linear memories and heap.
    pub fn memory_stats(&self) -> MemoryStats {
        self.opaque().memory_stats()
    }

    /// Writes a core dump of the store after an error of its guest, in the format of WebAssembly's [tool conventions]: a
    /// module with the frames of the error's backtrace, the instances, and linear memories and globals as they are now.
    /// `program` names what ran; a module without a name of its own has that one.
    ///
    /// [tool conventions]: https://github.com/WebAssembly/tool-conventions/blob/main/Coredump.md
    ///
    /// What the format has no place for is left out: objects of the heap, tables, and references, of which globals hold
    /// null instead (but for i31, which are numbers). Frames have no values of locals and operands, since compiled code
    /// does not say where they are, and name the first of several instances of a module, which share its code; of a deep
    /// stack there are the frames that the backtrace has. A memory with [`Secrecy`](crate::Secrecy) has its size and no
    /// bytes. An instance whose start function failed is gone with what it had: its frames have one without parts.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module $app (func (export "trap") unreachable))"#).unwrap();
    /// # let mut store = Store::new(&engine, ());
    /// # let instance = Instance::new(&mut store, &Module::new(&engine, &wasm)?, &[])?;
    /// let trap = instance.get_typed_func::<(), ()>(&mut store, "trap")?;
    /// let error = trap.call(&mut store, ()).unwrap_err();
    /// let mut dump = Vec::new();
    /// store.write_core_dump("app.wasm", &error, &mut dump).expect("a vector takes all");
    /// assert!(dump.starts_with(b"\0asm"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The output's; `FileTooLarge` if what memories hold does not fit the format, whose sections have less than 4 GiB.
    pub fn write_core_dump(&mut self, program: &str, error: &Error, output: impl io::Write) -> io::Result<()> {
        self.opaque_mut().write_core_dump(program, error.backtrace(), output)
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Writes a snapshot of the heap, as [`Store::heap_snapshot`] does, with the guest's frames.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque().heap_snapshot(output)
    }
}
