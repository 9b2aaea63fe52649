//! A store, what it has given out for others, and the places in which it is not at hand.

use heapwood_vm::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

/// `churn` makes so many arrays of 1 KiB and counts them; `fill` keeps larger ones until the heap is full, `empty` lets
/// them go.
const MODULE: &str = r#"(module $outside
    (type $node (struct (field (mut i64))))
    (type $words (array (mut i64)))
    (type $link (struct (field (ref null $link)) (field (ref $words))))
    (import "" "see" (func $see (param i32) (result i32)))
    (global $kept (mut (ref null $link)) (ref.null $link))
    (func $churn (export "churn") (param $n i32) (result i32) (local $made i32)
      (loop $again
        (drop (array.new_default $words (i32.const 128)))
        (local.set $made (i32.add (local.get $made) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $made) (local.get $n))))
      (local.get $made))
    (func (export "fill")
      (loop $again
        (global.set $kept (struct.new $link (global.get $kept) (array.new_default $words (i32.const 1024))))
        (br $again)))
    (func (export "empty") (global.set $kept (ref.null $link))))"#;

/// A folder of files that goes with it.
pub struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("heapwood-api-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What those have who do not have the store.
pub struct Outside {
    pub engine: Engine,
    pub module: Module,
    pub linker: Linker<()>,
    pub pre: InstancePre<()>,
    pub structure: StructType,
    pub array: ArrayType,
    pub func: FuncType,
    pub shared: SharedMemory,
    pub inbox: Inbox,
    pub inspector: Inspector,
    pub interrupt: InterruptHandle,
    pub token: InterruptToken,
    pub finalizers: Vec<Finalizer>,
    pub checkpoint: Checkpoint<()>,
    pub bytes: Vec<u8>,
    pub image: Vec<u8>,
    pub folder: Folder,
}

/// Where a store is not at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// While elements of an array are lent out ([`Rooted::with_slice`]).
    Section,
    /// While they are, of a scope ([`Local::with_slice`]).
    ScopedSection,
    /// In a listener of a collection that the host asked for.
    Collection,
    /// In a listener of a collection that an allocation of the guest began.
    GuestCollection,
    /// In a listener of a heap that is full.
    FullHeap,
    /// In a limiter that is asked whether the heap may grow.
    HeapLimiter,
}

impl Place {
    pub const ALL: [Place; 6] = [
        Place::Section,
        Place::ScopedSection,
        Place::Collection,
        Place::GuestCollection,
        // Before the heap has all that it may have.
        Place::HeapLimiter,
        Place::FullHeap,
    ];
}

/// Allows everything, and calls a function where the heap wants to grow.
struct Growing<F>(F);

impl<F: Fn() + Send> ResourceLimiter for Growing<F> {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn gc_heap_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.0();
        Ok(true)
    }
}

/// The store.
pub struct Host {
    store: Store<()>,
    instance: Instance,
    words: ArrayType,
}

/// A host and what it has given out.
pub fn new(config: &Config) -> (Host, Outside) {
    let mut config = config.clone();
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(config.gc_heap_max(4 << 20).gc_nursery(64 << 10).features(features)).unwrap();
    let bytes = wat::parse_str(MODULE).unwrap();
    let module = Module::new(&engine, &bytes).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "see", |number: i32| number).unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = pre.instantiate(&mut store).unwrap();
    let kept = ExternRef::new(&mut store, 1).unwrap();
    let finalizers = (0..64).map(|token| kept.register_finalizer(&mut store, token).unwrap()).collect();
    let checkpoint = store.checkpoint().unwrap();
    let image = module.serialize().unwrap();
    let folder = Folder::new();
    std::fs::write(folder.file("module"), &bytes).unwrap();
    std::fs::write(folder.file("image"), &image).unwrap();
    checkpoint.save(folder.file("saved")).unwrap();
    let types = module.types();
    let array = types.named("words").unwrap().as_concrete_array().unwrap().clone();
    let outside = Outside {
        structure: types.named("node").unwrap().as_concrete_struct().unwrap().clone(),
        func: FuncType::new(&engine, [ValType::I32], [ValType::I32]).unwrap(),
        shared: SharedMemory::new(
            &engine,
            MemoryType { min: 1, max: Some(2), memory64: false, shared: true, page_size_log2: 16 },
        )
        .unwrap(),
        inbox: store.open_inbox(1 << 20, 1 << 10),
        inspector: store.inspector(),
        interrupt: store.interrupt_handle(),
        token: store.interrupt_token(),
        array: array.clone(),
        engine,
        module,
        linker,
        pre,
        finalizers,
        checkpoint,
        bytes,
        image,
        folder,
    };
    (Host { store, instance, words: array }, outside)
}

impl Host {
    /// Does `work` once, in a place, and returns what it gives.
    pub fn inside<R: Send + 'static>(&mut self, place: Place, work: impl FnOnce() -> R + Send + 'static) -> R {
        let (sender, answers) = mpsc::channel();
        let work = Arc::new(Mutex::new(Some(work)));
        let once = move || {
            if let Some(work) = work.lock().unwrap().take() {
                sender.send(work()).unwrap();
            }
        };
        match place {
            Place::Section => {
                let mut scope = RootScope::new(&mut self.store);
                let array = ArrayRef::new(&mut scope, &self.words, &Val::I64(7), 100).unwrap();
                let sum = array.with_slice(&mut scope, |cells: &[std::cell::Cell<i64>]| {
                    once();
                    cells.iter().map(std::cell::Cell::get).sum::<i64>()
                });
                assert_eq!(sum.unwrap(), 700);
            }
            Place::ScopedSection => {
                let words = self.words.bind::<i64, ()>().unwrap();
                let sum = self.store.scope(|s| {
                    let array = words.alloc(s, 100, 7)?;
                    Ok(array.with_slice(s, |cells| {
                        once();
                        cells.iter().map(std::cell::Cell::get).sum::<i64>()
                    }))
                });
                assert_eq!(sum.unwrap(), 700);
            }
            Place::Collection => {
                self.store.on_gc(move |_| once());
                self.store.gc().unwrap();
            }
            Place::GuestCollection => {
                self.store.on_gc(move |_| once());
                let ended = self.call("churn", &[Val::I32(150)], 1);
                let kind = ended.err().and_then(|error| error.trap().map(Trap::kind));
                assert!(matches!(kind, None | Some(TrapKind::Interrupted)), "{kind:?}");
            }
            Place::FullHeap => {
                self.store.on_heap_exhausted(move |heap| {
                    assert!(heap.gc_stats().majors > 0);
                    heap.heap_snapshot(std::io::sink()).unwrap();
                    once();
                });
                self.fill();
            }
            Place::HeapLimiter => {
                // The limiter would be the data of a store; this one's has none.
                self.store.limiter(move |()| Box::leak(Box::new(Growing(once.clone()))));
                self.fill();
            }
        }
        answers.try_recv().expect("the place was come to")
    }

    fn fill(&mut self) {
        let trap = self.call("fill", &[], 0).unwrap_err();
        let kind = trap.trap().map(Trap::kind);
        assert!(matches!(kind, Some(TrapKind::HeapExhausted | TrapKind::Interrupted)), "{trap}");
    }

    fn call(&mut self, name: &str, args: &[Val], results: usize) -> Result<()> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        func.call(&mut self.store, args, &mut vec![Val::I32(0); results])
    }

    /// The store works as ever. A call may be interrupted that was under way.
    pub fn check(&mut self) {
        self.store.on_gc(|_| {});
        self.store.on_heap_exhausted(|_| {});
        if let Err(error) = self.call("empty", &[], 0) {
            assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::Interrupted), "{error}");
            self.call("empty", &[], 0).unwrap();
        }
        self.call("churn", &[Val::I32(150)], 1).unwrap();
        self.store.answer_requests();
        self.store.gc().unwrap();
        self.store.heap_snapshot(std::io::sink()).unwrap();
    }
}
