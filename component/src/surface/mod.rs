//! The host functions, as a table: interface, name, type, and what serves it.
//!
//! `cli`, `clocks`, `random`, `streams`, `poll` and `filesystem` hold the functions of the packages; `preview1` calls
//! the functions of `heapwood-wasi`; `resources` is the table of handles of a component.

mod cli;
mod clocks;
mod errors;
mod filesystem;
mod poll;
mod preview1;
mod random;
mod resources;
mod streams;
mod table;

pub use resources::{ResourceKind, Resources};

use crate::abi::{self, Guest, Trap, Type, Value};
use heapwood_wasi::{Errno, Outcome, ParamType, WasiCtx};

/// A call that does not return to the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest exits, or was interrupted.
    End(Outcome),
    /// The guest broke a rule of the interface.
    Trap(Trap),
}

/// Why a function did not succeed: an error for the guest, or its end.
#[derive(Debug)]
enum Fail {
    Errno(Errno),
    Stop(Stop),
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Fail {
        Fail::Errno(errno)
    }
}

impl From<Stop> for Fail {
    fn from(stop: Stop) -> Fail {
        Fail::Stop(stop)
    }
}

impl From<Trap> for Fail {
    fn from(trap: Trap) -> Fail {
        Fail::Stop(Stop::Trap(trap))
    }
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Stop {
        Stop::Trap(trap)
    }
}

impl Fail {
    /// The end of a guest by a function that has no error to give.
    fn stop(self) -> Stop {
        match self {
            Fail::Stop(stop) => stop,
            Fail::Errno(errno) => Stop::Trap(Trap(format!("the host could not serve it: {errno}"))),
        }
    }
}

/// What functions work on: the grants of a guest, and the handles of a component.
pub struct World<'w> {
    /// Arguments, environment, descriptors, clocks, random bytes.
    pub wasi: &'w mut WasiCtx,
    /// The handles.
    pub resources: &'w mut Resources,
}

type Serve = fn(&mut World<'_>, &[Value]) -> Result<Option<Value>, Stop>;

/// A host function.
///
/// ```
/// use heapwood_component::{Resources, Value, World, lookup};
/// let mut wasi = heapwood_wasi::WasiCtx::builder().args(["hello"]).build().unwrap();
/// let mut resources = Resources::new();
/// let function = lookup("wasi:cli/environment@0.2.3", "get-arguments").unwrap();
/// // Of the canonical ABI: one parameter, the place for the list.
/// assert_eq!((function.core_params().len(), function.core_result()), (1, None));
/// let world = &mut World { wasi: &mut wasi, resources: &mut resources };
/// let arguments = function.serve(world, &[]).unwrap();
/// assert_eq!(arguments, Some(Value::List(vec![Value::Text("hello".to_owned())])));
/// ```
pub struct Function {
    interface: &'static str,
    name: &'static str,
    params: &'static [Type],
    result: Option<Type>,
    serve: Serve,
}

impl Function {
    /// The interface of the function, without a version.
    pub fn interface(&self) -> &'static str {
        self.interface
    }

    /// The function's name in its interface.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The result lies in memory, where the last core parameter says.
    fn returns_by_memory(&self) -> bool {
        self.result.is_some_and(|ty| ty.flat().len() > 1)
    }

    /// The core types of its parameters.
    pub fn core_params(&self) -> Vec<ParamType> {
        let mut flat = Vec::new();
        self.params.iter().for_each(|ty| ty.flatten(&mut flat));
        flat.extend(self.returns_by_memory().then_some(ParamType::I32));
        flat
    }

    /// The core type of its result, if it is one core value.
    pub fn core_result(&self) -> Option<ParamType> {
        let flat = self.result.map(|ty| ty.flat()).unwrap_or_default();
        if let [ty] = flat[..] { Some(ty) } else { None }
    }

    /// Whether a memory is needed, for arguments or the result.
    pub fn needs_memory(&self) -> bool {
        fn lies_there(ty: &Type) -> bool {
            match ty {
                Type::Text | Type::List(_) => true,
                Type::Tuple(fields) => fields.iter().any(lies_there),
                _ => (0..ty.cases()).filter_map(|number| ty.case(number)).any(lies_there),
            }
        }
        self.returns_by_memory() || self.params.iter().any(lies_there)
    }

    /// Reads the arguments of a call: `raw` are its core values (an i32 extended by zeros), in the order of
    /// [`core_params`](Function::core_params).
    ///
    /// # Errors
    /// A [`Trap`] for pointers that lead out of the memory, text that is not UTF-8, numbers of no case.
    pub fn lift(&self, memory: &[u8], raw: &[u64]) -> Result<Vec<Value>, Trap> {
        abi::lift(self.params, raw, memory)
    }

    /// Does what the function does. It may wait, until the context's
    /// [`InterruptHandle`](heapwood_wasi::InterruptHandle) ends that.
    ///
    /// # Errors
    /// The guest must not continue.
    pub fn serve(&self, world: &mut World<'_>, args: &[Value]) -> Result<Option<Value>, Stop> {
        (self.serve)(world, args)
    }

    /// Hands the result to the guest: the core value that the call returns, if it returns one. `raw` are the core values
    /// of the call.
    ///
    /// # Errors
    /// A [`Trap`], as the guest's error: the place for the result, or what its function makes room for, does not lie in
    /// its memory. Errors of that function.
    pub fn lower<G: Guest>(&self, value: Option<&Value>, raw: &[u64], guest: &mut G) -> Result<Option<u64>, G::Error> {
        match (&self.result, value) {
            (Some(ty), Some(value)) if self.returns_by_memory() => {
                abi::lower(ty, value, raw.last().copied().unwrap_or(0) as u32, guest)?;
                Ok(None)
            }
            (Some(_), Some(value)) => Ok(Some(abi::flat(value))),
            _ => Ok(None),
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.interface, self.name)
    }
}

/// Whether a name is that of an interface, with a version 0.2.
pub(crate) fn is_version_of(name: &str, interface: &str) -> bool {
    let version = name.strip_prefix(interface).and_then(|rest| rest.strip_prefix("@0.2."));
    version.is_some_and(|patch| patch.starts_with(|c: char| c.is_ascii_digit()))
}

/// The function of an interface, whose name has a version: all of 0.2 are the same here.
pub fn lookup(interface: &str, name: &str) -> Option<&'static Function> {
    functions().iter().find(|function| function.name == name && is_version_of(interface, function.interface))
}

/// The resource of this name.
pub fn resource_kind(name: &str) -> Option<ResourceKind> {
    ResourceKind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// All functions, by interface.
pub fn functions() -> &'static [Function] {
    table::FUNCTIONS
}
