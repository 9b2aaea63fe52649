//! The functions over strings that guests import, in a linker.

use super::instance_pre::Definition;
use super::{HostFunc, Linker};
use crate::errors::Result;
use crate::store::{ArrayTypes, JsString};

impl<T: 'static> Linker<T> {
    /// Defines the functions of `wasm:js-string`, `wasm:text-encoder` and `wasm:text-decoder` over the strings of the
    /// store's heap ([`StringRef`](crate::StringRef)). What is null or no string where a string has to be is a trap
    /// that names the function ([`TrapKind::NotAString`](crate::TrapKind::NotAString)). A module that declares another
    /// type for one of them cannot be linked.
    ///
    /// ```
    /// # extern crate heapwood_vm as heapwood;
    /// # use heapwood_vm::{Engine, ExternRef, Linker, Module, Result, Rooted, Store};
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// let wasm = wat::parse_str(r#"(module
    ///     (import "wasm:js-string" "concat" (func $concat (param externref externref) (result (ref extern))))
    ///     (func (export "twice") (param externref) (result (ref extern))
    ///         (call $concat (local.get 0) (local.get 0))))"#).unwrap();
    /// let mut linker = Linker::new(&engine);
    /// linker.define_js_string()?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = linker.instantiate(&mut store, &Module::new(&engine, wasm)?)?;
    /// let twice = instance.get_typed_func::<Rooted<ExternRef>, Rooted<ExternRef>>(&mut store, "twice")?;
    /// let text = heapwood::StringRef::new(&mut store, "heap")?;
    /// let joined = twice.call(&mut store, text.to_externref())?;
    /// let joined = joined.as_string(&store)?.expect("a string");
    /// assert_eq!(joined.to_string_lossy(&mut store)?, "heapheap");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// One of the names is defined already, or the engine's type table is full.
    pub fn define_js_string(&mut self) -> Result<&mut Linker<T>> {
        let arrays = ArrayTypes::new(self.engine())?;
        for function in JsString::ALL {
            let (module, name) = function.import();
            let ty = function.ty(self.engine(), &arrays)?;
            let host = HostFunc::of_strings(ty, *function).named(module, name);
            self.insert(module, name, Definition::Host(host))?;
        }
        Ok(self)
    }
}
