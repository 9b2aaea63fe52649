//! What an uncaught exception says, read from the thrown object by the names of its types and fields, or, of a program
//! of TeaVM, by what it exports for that.
//!
//! Kotlin: the payload is a `kotlin.Throwable` with fields `message` and `cause`; a string keeps its characters in
//! `_chars`, after those of `leftIfInSum` where it is the sum of two strings. Other languages' objects, and modules
//! without names, are told by their tag.

use heapwood::surfaces::teavm;
use heapwood::{AnyRef, Exception, Module, Rooted, Store, Val, printable};

/// Longest chain of causes that is followed; a cycle ends there too.
const CAUSES_MAX: usize = 32;
/// Most characters of a message, and most pieces of a summed string.
const MESSAGE_CHARS_MAX: usize = 4096;

/// An object with its module's names.
struct Named<'m> {
    module: &'m Module,
    object: Rooted<AnyRef>,
    ty: u32,
}

impl<'m> Named<'m> {
    fn new<T>(store: &mut Store<T>, module: &'m Module, object: Rooted<AnyRef>) -> Option<Named<'m>> {
        let ty = object.type_index(&*store, module).ok()??;
        Some(Named { module, object, ty })
    }

    fn class(&self) -> Option<&'m str> {
        self.module.info().names().ty(self.ty)
    }

    /// The value of the field of that name.
    fn field<T>(&self, store: &mut Store<T>, name: &str) -> Option<Val> {
        let count = self.module.info().types.layout(self.ty).offsets.len() as u32;
        let names = self.module.info().names();
        let index = (0..count).find(|field| names.field(self.ty, *field) == Some(name))?;
        self.object.field(&mut *store, index as usize).ok()
    }

    fn reference<T>(&self, store: &mut Store<T>, name: &str) -> Option<Named<'m>> {
        match self.field(store, name)? {
            Val::AnyRef(Some(object)) => Named::new(store, self.module, object),
            _ => None,
        }
    }

    /// The text of a Kotlin string.
    fn string<T>(&self, store: &mut Store<T>) -> Option<String> {
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

    fn units<T>(&self, store: &mut Store<T>) -> Option<Vec<u16>> {
        let Val::AnyRef(Some(chars)) = self.field(store, "_chars")? else { return None };
        let len = chars.array_len(&*store).ok()?.min(MESSAGE_CHARS_MAX as u32);
        let unit = |index| match chars.element(&mut *store, index) {
            Ok(Val::I32(unit)) => Some(unit as u16),
            _ => None,
        };
        (0..len).map(unit).collect()
    }

    /// `Class: message` or `Class`.
    fn headline<T>(&self, store: &mut Store<T>) -> Option<String> {
        let class = printable(self.class()?);
        let message = self.reference(store, "message").and_then(|message| message.string(store));
        Some(match message {
            Some(message) => format!("{class}: {message}"),
            None => class.to_string(),
        })
    }
}

/// `Uncaught exception: Class: message` with its causes a line each; the tag's number where names are missing.
pub fn describe<T: 'static>(store: &mut Store<T>, module: &Module, exception: &Exception) -> String {
    let described = teavm::describe(store, exception).or_else(|| named(store, module, exception));
    described.unwrap_or_else(|| exception.to_string())
}

fn named<T>(store: &mut Store<T>, module: &Module, exception: &Exception) -> Option<String> {
    let payload = exception.payload(&mut *store).ok()?;
    let [Val::AnyRef(Some(object))] = payload[..] else { return None };
    let mut thrown = Named::new(store, module, object)?;
    let mut text = format!("Uncaught exception: {}", thrown.headline(store)?);
    for _ in 0..CAUSES_MAX {
        let Some(cause) = thrown.reference(store, "cause") else { break };
        let Some(headline) = cause.headline(store) else { break };
        text.push_str("\nCaused by: ");
        text.push_str(&headline);
        thrown = cause;
    }
    Some(text)
}
