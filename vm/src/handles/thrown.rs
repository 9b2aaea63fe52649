//! What an uncaught exception says, read from the thrown object by the names of its types and fields.
//!
//! Kotlin: the payload is a `kotlin.Throwable` with fields `message` and `cause`; a string keeps its characters in
//! `_chars`, after those of `leftIfInSum` where it is the sum of two strings. Other languages' objects, and modules
//! without names, are told by their tag.

use super::{RootScope, Val};
use crate::errors::{Exception, Result};
use crate::ids::{AnyRef, Rooted};
use crate::module::Module;
use crate::store::AsContextMut;
use heapwood_module::printable;

/// Longest chain of causes that is followed; a cycle ends there too.
const CAUSES_MAX: usize = 32;
/// Most characters of a message, and most pieces of a summed string.
const MESSAGE_CHARS_MAX: usize = 4096;

impl Exception {
    /// What it says, for people: `Class: message` of an object of Kotlin, by the names that its module has, and each of
    /// its causes on a line of its own, behind `Caused by: `. Of a message the first 4,096 characters, of causes the
    /// first 32; control characters of class names are escaped, those of messages are as they are. None if it carries
    /// no such object, or if its module has no names. Does not collect.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module (type $kotlin.Error (struct (field i32)))
    /// #     (tag $thrown (param (ref $kotlin.Error)))
    /// #     (func (export "fail") (throw $thrown (struct.new $kotlin.Error (i32.const 1)))))"#).unwrap();
    /// # let module = Module::new(&engine, &wasm)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let error = instance.get_typed_func::<(), ()>(&mut store, "fail")?.call(&mut store, ()).unwrap_err();
    /// let exception = error.exception().unwrap();
    /// assert_eq!(error.to_string(), "uncaught exception with tag `thrown`");
    /// assert_eq!(exception.describe(&mut store)?.as_deref(), Some("kotlin.Error"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn describe(&self, store: impl AsContextMut) -> Result<Option<String>> {
        let mut scope = RootScope::new(store);
        let payload = self.payload(&mut scope)?;
        let [Val::AnyRef(Some(object))] = payload[..] else { return Ok(None) };
        Ok(text(&mut scope, object))
    }
}

/// An object with its module's names.
struct Named {
    module: Module,
    object: Rooted<AnyRef>,
    ty: u32,
}

impl Named {
    /// An object whose type has a name in the module of an instance.
    fn new(store: &mut impl AsContextMut, object: Rooted<AnyRef>) -> Option<Named> {
        let context = store.as_context_mut();
        let instances = context.0.store.guest().entities().instances();
        let mut modules: Vec<Module> = Vec::new();
        for instance in instances {
            if !modules.iter().any(|known| Module::same(known, instance.module())) {
                modules.push(instance.module().clone());
            }
        }
        modules.into_iter().find_map(|module| {
            let ty = object.type_index(&*store, &module).ok()??;
            module.info().names().ty(ty)?;
            Some(Named { module, object, ty })
        })
    }

    fn class(&self) -> Option<&str> {
        self.module.info().names().ty(self.ty)
    }

    /// The value of the field of that name.
    fn field(&self, store: &mut impl AsContextMut, name: &str) -> Option<Val> {
        let count = self.module.info().types.layout(self.ty).offsets.len() as u32;
        let names = self.module.info().names();
        let index = (0..count).find(|field| names.field(self.ty, *field) == Some(name))?;
        self.object.field(&mut *store, index as usize).ok()
    }

    fn reference(&self, store: &mut impl AsContextMut, name: &str) -> Option<Named> {
        match self.field(store, name)? {
            Val::AnyRef(Some(object)) => Named::new(store, object),
            _ => None,
        }
    }

    /// The text of a Kotlin string.
    fn string(&self, store: &mut impl AsContextMut) -> Option<String> {
        let mut pieces = vec![self.units(store)?];
        let mut length = pieces[0].len();
        let mut left = self.reference(store, "leftIfInSum");
        while let Some(string) = left.take_if(|_| length <= MESSAGE_CHARS_MAX && pieces.len() <= MESSAGE_CHARS_MAX) {
            let units = string.units(store)?;
            length += units.len();
            pieces.push(units);
            left = string.reference(store, "leftIfInSum");
        }
        let units: Vec<u16> = pieces.into_iter().rev().flatten().take(MESSAGE_CHARS_MAX).collect();
        Some(String::from_utf16_lossy(&units))
    }

    fn units(&self, store: &mut impl AsContextMut) -> Option<Vec<u16>> {
        let Val::AnyRef(Some(chars)) = self.field(store, "_chars")? else { return None };
        let len = chars.array_len(&*store).ok()?.min(MESSAGE_CHARS_MAX as u32);
        let unit = |index| match chars.element(&mut *store, index) {
            Ok(Val::I32(unit)) => Some(unit as u16),
            _ => None,
        };
        (0..len).map(unit).collect()
    }

    /// `Class: message` or `Class`.
    fn headline(&self, store: &mut impl AsContextMut) -> Option<String> {
        let class = printable(self.class()?).to_string();
        let message = self.reference(store, "message").and_then(|message| message.string(store));
        Some(match message {
            Some(message) => format!("{class}: {message}"),
            None => class,
        })
    }
}

fn text(store: &mut impl AsContextMut, object: Rooted<AnyRef>) -> Option<String> {
    let mut thrown = Named::new(store, object)?;
    let mut text = thrown.headline(store)?;
    for _ in 0..CAUSES_MAX {
        let Some(cause) = thrown.reference(store, "cause") else { break };
        let Some(headline) = cause.headline(store) else { break };
        text.push_str("\nCaused by: ");
        text.push_str(&headline);
        thrown = cause;
    }
    Some(text)
}
