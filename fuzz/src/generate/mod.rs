//! From a seed to a program: up to four modules that are linked to each other, and the calls that the host makes.
//!
//! 1. [`world`]: types, signatures and the host's functions, which all modules share.
//! 2. [`module`]: what a module imports, defines and exports; its segments and constant expressions.
//! 3. [`func`], [`expr`], [`refs`], [`memory`], [`control`], [`calls`], [`eh`]: bodies, by type.
//! 4. [`helpers`]: digests of objects, functions that pass a value on.
//!
//! Every statement and expression takes numbers of its own from a seed of its own, which is also its name: leaving one
//! out changes nothing else, so that a program is made smaller by names alone ([`Cut`]).

pub mod calls;
pub mod control;
pub mod eh;
pub mod expr;
pub mod func;
pub mod helpers;
pub mod memory;
pub mod module;
pub mod refs;
pub mod world;

use crate::rng::Rng;
use crate::types::{Heap, Ty, Types};
use std::collections::HashSet;
use world::World;

/// Programs of more bytes are large.
const LARGE: usize = 60_000;

/// What is left out of a program.
#[derive(Clone, Default, Debug)]
pub struct Cut {
    /// Names of statements and expressions.
    pub parts: HashSet<u64>,
    /// Calls of the host, by their position.
    pub calls: HashSet<usize>,
}

/// An argument of a call from the host.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "types")]
pub enum Arg {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    /// Null, or one of the host's objects.
    Extern(Option<u32>),
    /// Null, or an i31.
    Any(Option<i32>),
}

/// A call from the host.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which instance.
    pub instance: usize,
    /// Name of the export.
    pub export: String,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Types of its results, a letter each ([`letter`]).
    pub results: String,
}

/// Something that is looked at when all calls have been made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A memory.
    Memory,
    /// A table.
    Table,
    /// A global of a number type.
    Global,
}

/// An instance.
#[derive(Clone, Debug)]
pub struct InstanceSpec {
    /// Which module.
    pub module: usize,
    /// Exports that are looked at, globals with the letter of their type.
    pub observed: Vec<(String, Kind, char)>,
    /// Tags that it exports, with the letters of their payload.
    pub tags: Vec<(String, String)>,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its seed.
    pub seed: u64,
    /// The modules' bytes.
    pub modules: Vec<Vec<u8>>,
    /// Instances in the order in which they are made; instance `n` is imported from as `mN`.
    pub instances: Vec<InstanceSpec>,
    /// Signatures of the host's functions `h.fN`.
    pub host: Vec<(Vec<Ty>, Vec<Ty>)>,
    /// Calls in order.
    pub calls: Vec<Call>,
    /// It has memories with 64-bit addresses.
    pub wide_memories: bool,
    /// Operators that a call may execute.
    pub fuel: i32,
    /// Names of its statements and expressions, in order.
    pub parts: Vec<u64>,
}

impl Program {
    /// Whether its modules have large frames or objects.
    pub fn is_large(&self) -> bool {
        self.modules.iter().map(Vec::len).sum::<usize>() > LARGE
    }
}

/// What the seeds of a program may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// What V8 has.
    Foreign,
    /// Everything.
    Own,
}

/// The program of a seed.
pub fn program(seed: u64, aim: Aim, cut: &Cut) -> Program {
    let mut rng = Rng::new(seed);
    let ours_only = aim == Aim::Own && rng.one_in(6);
    let world = World::new(&mut rng, ours_only);
    let count = [1, 1, 1, 2, 2, 2, 3, 4][rng.below(8) as usize];
    let mut modules = Vec::new();
    let mut plans = Vec::new();
    let mut parts = Vec::new();
    for index in 0..count {
        let made = module::make(&world, &plans, index, rng.next(), cut, &mut parts);
        modules.push(made.bytes.clone());
        plans.push(made);
    }
    let spec = |module: usize| InstanceSpec {
        module,
        observed: plans[module].observed(),
        tags: plans[module].exported_tags(),
    };
    let mut instances: Vec<InstanceSpec> = (0..count).map(spec).collect();
    if count > 1 && rng.one_in(4) {
        instances.push(spec(count - 1));
    }
    let wide_memories = plans.iter().flat_map(|plan| &plan.mems).any(|mem| mem.wide);
    let calls = calls::from_host(&world, &plans, &instances, &mut rng);
    let calls = calls.into_iter().enumerate().filter(|(index, _)| !cut.calls.contains(index)).map(|(_, call)| call);
    Program {
        seed,
        modules,
        instances,
        calls: calls.collect(),
        host: world.host_signatures(),
        wide_memories,
        fuel: world.fuel,
        parts,
    }
}

/// What JavaScript has to know of a type.
pub fn letter(types: &Types, ty: Ty) -> char {
    match ty {
        Ty::I32 => 'i',
        Ty::I64 => 'l',
        Ty::F32 => 'f',
        Ty::F64 => 'd',
        Ty::V128 => 'v',
        Ty::Ref(_, heap) => match types.top(heap) {
            Heap::Extern => 'e',
            Heap::Func => 'n',
            Heap::Exn => 'x',
            _ => 'a',
        },
    }
}

/// A letter for each type, in order.
pub fn letters(types: &Types, list: &[Ty]) -> String {
    list.iter().map(|ty| letter(types, *ty)).collect()
}
