//! Stubs in executable memory.
//!
//! 1. The fixed ones exist once in the process and are never freed.
//! 2. Trampolines exist once per engine and call layout. They are made in batches, since each batch takes whole pages.

use super::builtins;
use super::execution::Joined;
use super::host_call;
use super::hot::Hot;
use super::mapping::{Access, Mapping, PAGE_BYTES};
use super::running::Running;
use crate::errors::Result;
use heapwood_gc::Heap;
use heapwood_gc_abi::Narrow;
use heapwood_gc_abi::hot::{BUILTIN_TABLE, BUILTINS_MAX};
use heapwood_jit::abi::{Builtin, CallLayout};
use heapwood_jit::stubs::{
    FixedStubs, NativeTargets, StringFunction, entry_trampoline, fixed_stubs, host_trampoline, string_trampoline,
};
use parking_lot::Mutex;
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The stubs that exist once.
#[derive(Debug)]
pub(crate) struct Fixed {
    mapping: Mapping,
    stubs: FixedStubs,
    /// What host trampolines call.
    host: u64,
    /// Address of what trampolines of the runtime's own functions call.
    native: u64,
    /// The type of stores that all of them are for.
    store: TypeId,
}

static FIXED: OnceLock<Fixed> = OnceLock::new();

/// The fixed stubs of this process, made if need be: for stores of type `S`, which is the same for all (R2).
///
/// # Panics
/// If the system refuses two pages.
fn fixed_for<S: Running>() -> &'static Fixed {
    let fixed = FIXED.get_or_init(|| {
        let targets = NativeTargets {
            builtins: builtins::addresses::<S>(),
            trap: builtins::trap_address::<S>(),
            unwound: builtins::unwound_address::<S>(),
        };
        let mut stubs = fixed_stubs(&targets);
        let code = std::mem::take(&mut stubs.code);
        let mapping = place(&code).expect("memory for the runtime's stubs");
        Fixed {
            mapping,
            stubs,
            host: host_call::address::<S>(),
            native: host_call::native_address::<S>(),
            store: TypeId::of::<S>(),
        }
    });
    assert!(fixed.store == TypeId::of::<S>(), "stores of a process are of one type");
    fixed
}

/// Builds the shared stubs now, so that trampolines can be made before the first store exists.
///
/// # Panics
/// If the system refuses two pages.
pub(crate) fn prepare<S: Running>() {
    fixed_for::<S>();
}

/// The shared stubs, which exist already: there is a store, or [`prepare`] was called.
pub(super) fn fixed() -> &'static Fixed {
    FIXED.get().expect("made for the first store")
}

/// Fills the table of runtime entry points in the hot words of a heap, which belongs to a store of type `S` and must
/// outlive all uses of the result (R5).
pub(crate) fn join<S: Running>(heap: &Heap) -> Joined {
    const { assert!(Builtin::ALL.len() <= BUILTINS_MAX) };
    let (fixed, hot) = (fixed_for::<S>(), Hot::of_heap(heap));
    for (index, stub) in (0..).zip(fixed.builtins()) {
        hot.set(BUILTIN_TABLE + 8 * index, stub);
    }
    Joined { hot, barrier: fixed.barrier().narrow() }
}

impl Fixed {
    /// Addresses of the stubs of the builtins.
    fn builtins(&self) -> impl Iterator<Item = u64> {
        self.stubs.builtins.iter().map(|offset| (self.mapping.address() + *offset as usize) as u64)
    }

    /// Where a trapping guest goes.
    pub fn trap(&self) -> u64 {
        (self.mapping.address() + self.stubs.trap as usize) as u64
    }

    /// The return barrier.
    fn barrier(&self) -> u64 {
        (self.mapping.address() + self.stubs.barrier as usize) as u64
    }

    /// Where a suspended guest goes on.
    #[cfg(feature = "async")]
    pub fn resume(&self) -> u64 {
        (self.mapping.address() + self.stubs.resume as usize) as u64
    }

    fn special(&self) -> u64 {
        (self.mapping.address() + self.stubs.special as usize) as u64
    }
}

fn place(code: &[u8]) -> Result<Mapping> {
    let mut mapping = Mapping::new(code.len(), Access::ReadWrite)?;
    // SAFETY: R1: just mapped readable and writable, and nobody else knows of it.
    unsafe { mapping.slice_mut(0, code.len()) }.copy_from_slice(code);
    mapping.protect(0, mapping.bytes(), Access::Execute)?;
    Ok(mapping)
}

/// Which trampoline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Trampoline {
    /// From native code into the guest.
    Entry,
    /// From the guest to a host function.
    Host,
    /// From the guest to a function of the runtime's own.
    Native,
    /// From the guest to a string function of the runtime's own, with a short way in machine code before it; and the
    /// engine's first string type.
    String(StringFunction, heapwood_gc_abi::TypeId),
}

/// The trampolines of an engine.
#[derive(Debug, Default)]
pub(crate) struct Trampolines {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<(Trampoline, LayoutKey), usize>,
    batches: Vec<Mapping>,
}

/// What makes two layouts the same code.
type LayoutKey = Box<[u8]>;

impl Trampolines {
    /// Address of the trampoline for a layout, made if need be.
    ///
    /// # Errors
    /// The system refuses memory.
    pub fn get(&self, kind: Trampoline, layout: &CallLayout) -> Result<usize> {
        Ok(self.get_all(&[(kind, layout)])?[0])
    }

    /// Addresses of several, made together if need be.
    ///
    /// # Errors
    /// The system refuses memory.
    pub fn get_all(&self, wanted: &[(Trampoline, &CallLayout)]) -> Result<Vec<usize>> {
        let mut state = self.state.lock();
        let keys: Vec<_> = wanted.iter().map(|(kind, layout)| (*kind, key(layout))).collect();
        let mut code = Vec::new();
        let mut made = Vec::new();
        for (key, (kind, layout)) in keys.iter().zip(wanted) {
            if state.known.contains_key(key) || made.iter().any(|(other, _)| other == key) {
                continue;
            }
            made.push((key.clone(), code.len()));
            code.extend(assemble(*kind, layout));
            code.resize(code.len().next_multiple_of(16), 0xcc);
        }
        if !made.is_empty() {
            let mapping = place(&code)?;
            for (key, offset) in made {
                state.known.insert(key, mapping.address() + offset);
            }
            state.batches.push(mapping);
        }
        Ok(keys.iter().map(|key| state.known[key]).collect())
    }
}

fn assemble(kind: Trampoline, layout: &CallLayout) -> Vec<u8> {
    match kind {
        Trampoline::Entry => entry_trampoline(layout),
        Trampoline::Host => host_trampoline(layout, fixed().host, fixed().special()),
        Trampoline::String(function, first) => {
            string_trampoline(function, first, layout, fixed().native, fixed().special())
        }
        Trampoline::Native => host_trampoline(layout, fixed().native, fixed().special()),
    }
}

/// Every place as bytes.
fn key(layout: &CallLayout) -> LayoutKey {
    use heapwood_jit::abi::Place;
    let mut bytes = Vec::with_capacity(layout.params.len() * 3 + layout.results.len() * 3 + 10);
    for places in [&layout.params[..], &layout.results[..]] {
        bytes.extend(places.len().narrow::<u32>().to_le_bytes());
        for place in places {
            match *place {
                Place::Gpr(gpr) => bytes.push(gpr.0),
                Place::Xmm(xmm) => bytes.push(0x40 | xmm.0),
                Place::Stack(offset) => {
                    bytes.push(0x80);
                    bytes.extend(offset.to_le_bytes());
                }
            }
        }
    }
    bytes.extend(layout.arg_bytes.to_le_bytes());
    bytes.extend(layout.result_bytes.to_le_bytes());
    bytes.into_boxed_slice()
}

const _: () = assert!(PAGE_BYTES.is_multiple_of(16));
