//! What an engine and its stores are told.

use super::Tiering;
use crate::errors::{Error, Result};
use crate::registry::TypeRegistry;
use crate::rt::memory::Guards;
use heapwood_gc::{AddressSpace, CagePool, Collector, GcProfile, HeapConfig, Helpers, address_space};
use heapwood_jit::{CompileOptions, CpuFeatures, Inline};
use heapwood_module::Features;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Default size of a guest's stack in bytes.
pub const MAX_STACK_DEFAULT: usize = 16 << 20;
/// Least size of a guest's stack in bytes.
pub const MAX_STACK_MIN: usize = 64 << 10;
/// Largest size of a guest's stack in bytes that a [`StoreBuilder`](crate::StoreBuilder) takes.
pub const MAX_STACK_MAX: usize = 64 << 30;
/// Memory that compiling a module may take by default, whatever its size.
pub const COMPILE_MEMORY_BASE: u64 = 32 << 20;
/// Memory that compiling a module may take by default for each of its bytes.
pub const COMPILE_MEMORY_PER_BYTE: u64 = 8;

/// Stores of which an engine keeps the address space for later ones by default.
pub const POOLED_STORES_DEFAULT: usize = 4;
/// Memories rely on guard pages by default where the process may have at least so much address space.
const GUARDED_ADDRESS_SPACE: u64 = 128 << 30;
/// Address space that is left to others for each thread that works beside guests, and for each that compiles: its
/// stack, and what the allocator reserves for it.
const HELPER_ADDRESS_SPACE: u64 = 1 << 30;
const COMPILER_ADDRESS_SPACE: u64 = 512 << 20;

/// Configuration of an [`Engine`](crate::Engine) and of the stores made in it.
#[derive(Clone, Debug)]
pub struct Config {
    features: Features,
    heap: HeapOptions,
    max_stack: usize,
    max_memory: u64,
    max_types: u32,
    /// None: in proportion to the module.
    max_compile_memory: Option<u64>,
    compile_threads: usize,
    cache: Option<PathBuf>,
    debug_checks: bool,
    few_registers: bool,
    inline: Inline,
    tiering: Tiering,
    tier_threads: usize,
    memory64_guard: bool,
    memory32_guard: bool,
    consume_fuel: bool,
    pooled_stores: usize,
    cpu: CpuFeatures,
    #[cfg(feature = "test-hooks")]
    drop_last_slot: bool,
    #[cfg(feature = "test-hooks")]
    skip_zero_extension: bool,
    #[cfg(feature = "test-hooks")]
    refused_calls: std::ops::Range<u64>,
}

/// What heaps are told, as far as it was set.
#[derive(Clone, Debug, Default)]
struct HeapOptions {
    max_bytes: Option<u64>,
    initial_bytes: Option<u64>,
    nursery_bytes: Option<u32>,
    stress: u64,
    verify: bool,
    mark_slice: u64,
    threads: Option<usize>,
    profile: GcProfile,
    never_collect: bool,
}

impl Config {
    /// The defaults of the command line.
    pub fn new() -> Config {
        let is_ample = address_space().is_none_or(|space| space.limit_bytes >= GUARDED_ADDRESS_SPACE);
        Config {
            features: Features::default(),
            heap: HeapOptions::default(),
            max_stack: MAX_STACK_DEFAULT,
            max_memory: u64::MAX,
            max_types: TypeRegistry::QUOTA,
            max_compile_memory: None,
            compile_threads: 0,
            cache: None,
            debug_checks: false,
            few_registers: false,
            inline: Inline::Small,
            tiering: if is_ample { Tiering::On } else { Tiering::Off },
            tier_threads: 1,
            memory64_guard: is_ample,
            memory32_guard: is_ample,
            consume_fuel: false,
            pooled_stores: POOLED_STORES_DEFAULT,
            cpu: CpuFeatures::detect(),
            #[cfg(feature = "test-hooks")]
            drop_last_slot: false,
            #[cfg(feature = "test-hooks")]
            skip_zero_extension: false,
            #[cfg(feature = "test-hooks")]
            refused_calls: 0..0,
        }
    }

    /// The proposals that modules may use. By default all that Heapwood has but `threads`, `wide-arithmetic` and
    /// `compact-imports`.
    pub fn features(&mut self, features: Features) -> &mut Config {
        self.features = features;
        self
    }

    /// The proposals that modules may use, as [`Config::features`] set them.
    pub fn enabled(&self) -> Features {
        self.features
    }

    /// Most memory that the heap of a store uses, its own tables included, in bytes: from 1 MiB to
    /// [`HEAP_BYTES_LIMIT`](crate::HEAP_BYTES_LIMIT) (15 GiB). By default half of the least of the machine's memory,
    /// the cgroup's limit and the address space (`ulimit -v`), within these bounds. An allocation beyond it is the trap
    /// [`TrapKind::HeapExhausted`](crate::TrapKind::HeapExhausted), after everything dead was collected. While much of
    /// what is set here is free, the heap is collected less often than with the default.
    ///
    /// A value out of range is an error of [`Config::check_heap`] and of whatever makes a store.
    pub fn gc_heap_max(&mut self, bytes: u64) -> &mut Config {
        self.heap.max_bytes = Some(bytes);
        self
    }

    /// Memory that a heap may use before its first marking, in bytes; 16 MiB by default. More than half of the heap's
    /// limit counts as half of it.
    pub fn gc_heap_initial(&mut self, bytes: u64) -> &mut Config {
        self.heap.initial_bytes = Some(bytes);
        self
    }

    /// A fixed size of eden, the part of the nursery that objects are made in, in bytes: from 64 KiB to 32 MiB, of
    /// which at most a twelfth of the heap's limit is used, but never less than 64 KiB. By default it begins with 256
    /// KiB and is adapted as [`Config::gc_profile`] says.
    ///
    /// A value out of range is an error of [`Config::check_heap`] and of whatever makes a store.
    pub fn gc_nursery(&mut self, bytes: u32) -> &mut Config {
        self.heap.nursery_bytes = Some(bytes);
        self
    }

    /// Testing: collects at every `n`th allocation, minor, major and moving in turns. 0, the default: off.
    pub fn gc_stress(&mut self, n: u64) -> &mut Config {
        self.heap.stress = n;
        self
    }

    /// Testing: verifies heap, roots and frames around every collection; the two topmost frames at every slow path, and
    /// 16 of them at every 16th. The process panics at the first error. Off by default.
    pub fn gc_verify(&mut self, verify: bool) -> &mut Config {
        self.heap.verify = verify;
        self
    }

    /// What the collector optimizes for: short pauses ([`GcProfile::Latency`], the default) or few.
    pub fn gc_profile(&mut self, profile: GcProfile) -> &mut Config {
        self.heap.profile = profile;
        self
    }

    /// Threads of the engine that mark and sweep the heaps of its stores while guests run; with 0 each guest's own
    /// thread does, in slices. By default one where there are at least two cores and 1 GiB of address space is free for
    /// it, else none. Of more than 256, 256 are started, or as many as the system gives.
    pub fn gc_threads(&mut self, count: usize) -> &mut Config {
        self.heap.threads = Some(count);
        self
    }

    /// Testing: a marking starts at every minor, and its slices mark about `fields` fields. 0, the default: off.
    pub fn gc_mark_slice(&mut self, fields: u64) -> &mut Config {
        self.heap.mark_slice = fields;
        self
    }

    /// Never collects: memory is handed out until the limit, and the allocation beyond it is a trap. Off by default.
    pub fn gc_none(&mut self, none: bool) -> &mut Config {
        self.heap.never_collect = none;
        self
    }

    /// Bytes of stack that a guest may use: [`MAX_STACK_DEFAULT`] (16 MiB) by default. Less than [`MAX_STACK_MIN`] (64
    /// KiB) counts as that; a guest whose stack fits no address space is not entered, which is an error. A call for
    /// which there is no room is the trap [`TrapKind::StackExhausted`](crate::TrapKind::StackExhausted).
    pub fn max_stack(&mut self, bytes: usize) -> &mut Config {
        self.max_stack = bytes.max(MAX_STACK_MIN);
        self
    }

    /// Most bytes that the linear memories, the tables and the element segments of a store have together: any number,
    /// no limit by default. Instantiating beyond it is an error of the kind
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit), growing is refused.
    pub fn max_memory(&mut self, bytes: u64) -> &mut Config {
        self.max_memory = bytes;
        self
    }

    /// Most defined types that are alive in the engine, whatever module or host they come from: equal ones count once,
    /// the exceptions of a tag as one. 1,900,000 by default; more are of use only as far as the table of types has
    /// room, which is smaller under `ulimit -v`. A module that needs more is refused
    /// ([`ErrorKind::Limit`](crate::ErrorKind::Limit)).
    pub fn max_types(&mut self, types: u32) -> &mut Config {
        self.max_types = types;
        self
    }

    /// Most bytes that compiling a module takes, any number: what is decoded from it, working memory of all threads
    /// together, machine code and its tables; by default [`COMPILE_MEMORY_BASE`] and [`COMPILE_MEMORY_PER_BYTE`] for
    /// each byte of the module. A module that needs more is refused ([`ErrorKind::Limit`](crate::ErrorKind::Limit)),
    /// also by [`Module::validate`](crate::Module::validate) if that takes more already. The module's bytes and the
    /// validator's stacks are not counted: they are in proportion to the module anyway.
    pub fn max_compile_memory(&mut self, bytes: u64) -> &mut Config {
        self.max_compile_memory = Some(bytes);
        self
    }

    /// Threads that compile the functions of a module; 0, the default, for as many as there are cores, or fewer if
    /// there is little address space. Of more than 256, 256 are started, or as many as the system gives.
    pub fn compile_threads(&mut self, threads: usize) -> &mut Config {
        self.compile_threads = threads;
        self
    }

    /// A directory in which [`Module::new`](crate::Module::new) keeps what it compiled, and looks before it compiles;
    /// by default there is none. It is made when it is first needed, for this user alone. Processes and threads may
    /// share it.
    ///
    /// An entry is found by the module's bytes, by the version of Heapwood and by all settings that compiled code
    /// depends on. One that is damaged, or of something else, is as good as none and is written anew; a directory that
    /// cannot be used is never an error. Nobody deletes entries: they may be deleted at any time.
    ///
    /// What the cache holds is code that runs in this process. A directory or file that another user owns or can write
    /// to is not looked at; whoever acts as this user is trusted. A module that comes from the cache takes nothing of
    /// [`Config::max_compile_memory`].
    ///
    /// ```
    /// # use heapwood_vm::{Config, Engine, Module};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let directory = std::env::temp_dir().join("heapwood-doc-cache");
    /// let engine = Engine::new(Config::new().cache(&directory))?;
    /// let bytes = wat::parse_str("(module (func (export \"f\")))").unwrap();
    /// Module::new(&engine, &bytes)?; // Compiles.
    /// Module::new(&engine, &bytes)?; // Maps what the first one wrote.
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache(&mut self, directory: impl Into<PathBuf>) -> &mut Config {
        self.cache = Some(directory.into());
        self
    }

    /// Testing: the compiler checks itself after each instruction, and so does compiled code: upper halves of 32-bit
    /// values are clear, registers that belong to nobody are poisoned. Off by default.
    pub fn debug_checks(&mut self, on: bool) -> &mut Config {
        self.debug_checks = on;
        self
    }

    /// Testing: every instruction has to do with the registers that are left to it in a loop that keeps as many locals
    /// in registers as there may be. Off by default.
    pub fn few_registers(&mut self, on: bool) -> &mut Config {
        self.few_registers = on;
        self
    }

    /// Which calls of small functions are compiled as the function's body, in place of a call. Backtraces name the
    /// function all the same. [`Inline::Small`] by default: code grows by a few hundredths, and functions all of whose
    /// calls are inlined have no code of their own.
    pub fn inline(&mut self, inline: Inline) -> &mut Config {
        self.inline = inline;
        self
    }

    /// Whether functions that run often are compiled again, with what their calls were seen to call inlined. Those that
    /// run often are ([`Tiering::On`]) by default, unless the process may have less than 128 GiB of address space
    /// (`ulimit -v`). That takes a thread that says when stacks are looked at, and another one that compiles, from when
    /// there is something to compile; where the system refuses them, functions stay as they are.
    pub fn tiering(&mut self, tiering: Tiering) -> &mut Config {
        self.tiering = tiering;
        self
    }

    /// Threads that compile functions again ([`Config::tiering`]): 0 or 1. With 0, a guest waits for that. 1 by default.
    pub fn tier_threads(&mut self, threads: usize) -> &mut Config {
        self.tier_threads = threads.min(1);
        self
    }

    /// Whether functions are compiled again while guests run.
    pub(crate) fn tiers_in_background(&self) -> bool {
        self.tiering == Tiering::On && self.tier_threads > 0
    }

    pub(crate) fn tiering_mode(&self) -> Tiering {
        self.tiering
    }

    /// Breaks every stack map on purpose: its last slot is missing.
    #[cfg(feature = "test-hooks")]
    pub fn drop_last_slot(&mut self, on: bool) -> &mut Config {
        self.drop_last_slot = on;
        self
    }

    /// Breaks i32 results of the runtime on purpose: their upper half is not cleared.
    #[cfg(feature = "test-hooks")]
    pub fn skip_zero_extension(&mut self, on: bool) -> &mut Config {
        self.skip_zero_extension = on;
        self
    }

    /// The system refuses the calls with these numbers (from 1) of each heap to it.
    #[cfg(feature = "test-hooks")]
    pub fn refuse_calls(&mut self, calls: std::ops::Range<u64>) -> &mut Config {
        self.refused_calls = calls;
        self
    }

    /// Compiles as for a machine with or without these features (at most those of this one).
    #[cfg(feature = "test-hooks")]
    pub fn cpu_features(&mut self, avx: bool, avx2: bool) -> &mut Config {
        let here = CpuFeatures::detect();
        self.cpu = CpuFeatures { avx: avx && here.avx, avx2: avx2 && here.avx2 };
        self
    }

    /// Testing: whether 64-bit memories may rely on guard pages, which cost address space and save comparisons. On by
    /// default, unless the process may have less than 128 GiB of address space (`ulimit -v`).
    pub fn memory64_guard(&mut self, on: bool) -> &mut Config {
        self.memory64_guard = on;
        self
    }

    /// Whether guests burn fuel: each store has some ([`Store::set_fuel`](crate::Store::set_fuel), none at first), code
    /// takes it as it runs, and a guest whose store has none left ends with the trap
    /// [`TrapKind::OutOfFuel`](crate::TrapKind::OutOfFuel). Off by default.
    ///
    /// An operator costs 1; what only says where code begins and ends (`block`, `loop`, `else`, `end`, `nop`, …) costs
    /// nothing. Code pays before it runs, as far ahead as it is known to run: what a trap, or an exception out of a
    /// callee, skips may be paid for already. A program burns the same fuel wherever and however it runs. An operation
    /// on many elements costs 1 as well: bound those by the memory that a guest may have, or by time.
    pub fn consume_fuel(&mut self, on: bool) -> &mut Config {
        self.consume_fuel = on;
        self
    }

    /// Whether 32-bit memories rely on guard pages: each takes 8 GiB of address space then, and an access costs no
    /// comparison. On by default, unless the process may have less than 128 GiB of address space (`ulimit -v`). Off, a
    /// memory takes its maximum (4 GiB if it has none), and every access is compared with its length: for processes
    /// with many memories, or with little address space.
    pub fn memory32_guard(&mut self, on: bool) -> &mut Config {
        self.memory32_guard = on;
        self
    }
}

impl Config {
    /// How many stores an engine keeps the address space of when they are dropped, for later ones: those are made
    /// faster then. What is kept holds no memory: all pages are given back before another store can have it. 4 by
    /// default; 0 keeps none.
    pub fn pooled_stores(&mut self, count: usize) -> &mut Config {
        self.pooled_stores = count;
        self
    }
}

/// What the options mean for those who follow them.
impl Config {
    /// Bytes of stack that a guest may use.
    pub(crate) fn stack_bytes(&self) -> usize {
        self.max_stack
    }

    /// Most bytes that memories, tables and element segments of a store have together.
    pub(crate) fn memory_limit(&self) -> u64 {
        self.max_memory
    }

    /// Whether code takes fuel.
    pub(crate) fn consumes_fuel(&self) -> bool {
        self.consume_fuel
    }

    /// Which memories rely on guard pages.
    pub(crate) fn guards(&self) -> Guards {
        Guards { memory32: self.memory32_guard, memory64: self.memory64_guard }
    }

    /// Most types that are alive in the engine.
    pub(crate) fn type_quota(&self) -> u32 {
        self.max_types
    }

    /// Whether there is no collector.
    pub(crate) fn never_collects(&self) -> bool {
        self.heap.never_collect
    }

    /// Threads that mark, where the machine has so many cores and the process so much address space.
    pub(crate) fn helper_threads(&self, cores: usize, space: Option<AddressSpace>) -> usize {
        let affordable = threads_in(space, HELPER_ADDRESS_SPACE);
        self.heap.threads.unwrap_or(((cores > 1) as usize).min(affordable))
    }

    /// Threads that compile a module; 0 for as many as there are cores.
    pub(crate) fn compiler_threads(&self) -> usize {
        self.compile_threads
    }

    /// Address space of stores that is kept for later ones.
    pub(crate) fn cage_pool(&self) -> Option<Arc<CagePool>> {
        (self.pooled_stores > 0).then(|| Arc::new(CagePool::new(self.pooled_stores)))
    }

    /// Where compiled modules are kept.
    pub(crate) fn cache_directory(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// Most bytes that compiling a module of so many bytes takes.
    pub(crate) fn compile_memory(&self, module_bytes: usize) -> u64 {
        let proportional = COMPILE_MEMORY_BASE + COMPILE_MEMORY_PER_BYTE * module_bytes as u64;
        self.max_compile_memory.unwrap_or(proportional)
    }

    /// What the compiler is told.
    pub(crate) fn compile_options(&self, source_map: bool) -> CompileOptions {
        CompileOptions {
            debug_checks: self.debug_checks,
            source_map,
            cpu: self.cpu,
            memory64_guard: self.memory64_guard,
            memory32_checks: !self.memory32_guard,
            fuel: self.consume_fuel,
            few_registers: self.few_registers,
            inline: self.inline,
            count_targets: false,
            loop_heads: false,
            #[cfg(feature = "test-hooks")]
            drop_last_slot: self.drop_last_slot,
            #[cfg(feature = "test-hooks")]
            skip_zero_extension: self.skip_zero_extension,
        }
    }

    /// Whether the sizes of heaps ([`Config::gc_heap_max`], [`Config::gc_nursery`]) are possible. Stores with
    /// impossible ones cannot be made; this says so before there is an engine.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit): a size is out of range, which is named.
    pub fn check_heap(&self) -> Result<()> {
        self.heap_config(None, None).check().map_err(|error| Error::limit(error.to_string()))
    }

    /// What a heap is told, whose engine has these helpers and this pool.
    pub(crate) fn heap_config(&self, helpers: Option<Arc<Helpers>>, pool: Option<Arc<CagePool>>) -> HeapConfig {
        let (options, defaults) = (&self.heap, HeapConfig::default());
        let config = HeapConfig {
            max_bytes: options.max_bytes.unwrap_or(defaults.max_bytes),
            limit_is_given: options.max_bytes.is_some(),
            pool,
            initial_bytes: options.initial_bytes.unwrap_or(defaults.initial_bytes),
            nursery_bytes: options.nursery_bytes,
            stress: NonZeroU64::new(options.stress),
            verify: options.verify,
            mark_slice: NonZeroU64::new(options.mark_slice),
            helpers,
            profile: options.profile,
            collector: if options.never_collect { Collector::None } else { Collector::Generational },
            ..defaults
        };
        #[cfg(feature = "test-hooks")]
        let config = HeapConfig { refused_calls: self.refused_calls.clone(), ..config };
        config
    }
}

/// As many threads as a process can have that leaves so much address space for each.
fn threads_in(space: Option<AddressSpace>, bytes: u64) -> usize {
    space.map_or(usize::MAX, |space| usize::try_from(space.free_bytes() / bytes).unwrap_or(usize::MAX))
}

/// Threads that compile by default, where there are so many cores.
pub(crate) fn fitting_compiler_threads(cores: usize) -> usize {
    cores.min(threads_in(address_space(), COMPILER_ADDRESS_SPACE)).max(1)
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}
