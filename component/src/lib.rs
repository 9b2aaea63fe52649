//! Components of WASI 0.2, taken apart: the core modules that a component has, how it wires them, and the host
//! functions that it lowers for them. The crate knows no engine; `heapwood::component` joins the two.
//!
//! ```
//! use heapwood_component::{CoreInstance, Plan};
//! let component = wat::parse_str(r#"(component
//!     (core module $m (func (export "f")))
//!     (core instance (instantiate $m)))"#).unwrap();
//! let plan = Plan::new(&component).unwrap();
//! assert_eq!(plan.modules().len(), 1);
//! assert!(matches!(&plan.instances()[0], CoreInstance::Instantiate { module: 0, args } if args.is_empty()));
//! assert_eq!(plan.run(), None);
//! ```
//!
//! What is there: components as `wit-component` makes them of a core module (with its adapter for preview1), which
//! import functions of `wasi:cli`, `wasi:io`, `wasi:clocks`, `wasi:random` and `wasi:filesystem`, of any version
//! 0.2, with text in UTF-8. Core modules stand in the outermost component; components within only pass on what they are
//! given. Everything else is an error that names it: other interfaces, asynchronous functions, resources that the
//! component defines, start functions.
//!
//! Layout: `plan` reads a component and says what to instantiate in which order; `abi` is the canonical ABI, by which
//! interface values become core values and bytes of a memory; `surface` holds the host functions, each with its type.
//! Those work on a [`WasiCtx`](heapwood_wasi::WasiCtx) through the functions of preview1, which they give a memory of
//! their own: descriptors, clocks, grants and interrupts are the same for both.

mod abi;
mod plan;
mod surface;

pub use abi::{Guest, Trap, Value};
pub use plan::{CoreFunc, CoreInstance, CoreItem, CoreKind, ExportOf, Plan, PlanError, is_component};
pub use surface::{Function, ResourceKind, Resources, Stop, World, functions, lookup, resource_kind};
