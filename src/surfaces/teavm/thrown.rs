//! What an exception of a program says.
//!
//! All exceptions of a program have one tag, which it exports, and their payload is the object of Java. The names of
//! its types, where the compiler was told to keep them, are those of classes; the message is what an export returns for
//! the object: a string, whose units are an array somewhere inside.

use crate::{
    AnyRef, AsContextMut, Exception, Instance, RefKind, RootScope, Rooted, StorageType, Store, Val, printable,
};
use std::collections::VecDeque;
use std::time::Duration;

const TAG: &str = "teavm.javaException";
const MESSAGE: &str = "teavm.exceptionMessage";

/// How long a program may take to say what its exception's message is.
const MESSAGE_TIME: Duration = Duration::from_secs(1);

/// Most characters of a message.
const MESSAGE_CHARS_MAX: u32 = 4096;

/// Most objects that are looked into for the units of a string, and most fields of each.
const OBJECTS_MAX: usize = 200;

/// `Uncaught exception: CLASS: MESSAGE` of an exception that a program of TeaVM threw, `uncaught Java exception:
/// MESSAGE` where the module has no names; none of another one. Calls the program for the message, for a second at
/// most, which may collect.
pub fn describe<T: 'static>(store: &mut Store<T>, exception: &Exception) -> Option<String> {
    let thrower = store.instances().find(|instance| instance.get_tag(&mut *store, TAG) == Some(exception.tag()))?;
    let mut scope = RootScope::new(&mut *store);
    let payload = exception.payload(&mut scope).ok()?;
    let [Val::AnyRef(object)] = payload[..] else { return None };
    let class = object.and_then(|object| class_of(&mut scope, thrower, object));
    let mut text = match class {
        Some(class) => format!("Uncaught exception: {class}"),
        None => "uncaught Java exception".to_owned(),
    };
    if let Some(message) = object.and_then(|object| message_of(&mut scope, thrower, object)) {
        text.push_str(": ");
        text.push_str(&message);
    }
    Some(text)
}

/// The name of an object's class.
fn class_of(store: &mut impl AsContextMut, thrower: Instance, object: Rooted<AnyRef>) -> Option<String> {
    let module = thrower.module(&*store);
    let ty = object.type_index(&*store, &module).ok()??;
    Some(printable(module.info().names().ty(ty)?).to_string())
}

/// What the program says that an exception's message is, if it has one and says it.
fn message_of(store: &mut impl AsContextMut, thrower: Instance, object: Rooted<AnyRef>) -> Option<String> {
    let message = thrower.get_func(&mut *store, MESSAGE)?;
    let mut results = [Val::AnyRef(None)];
    store.as_context_mut().set_deadline(MESSAGE_TIME);
    message.call(&mut *store, &[Val::AnyRef(Some(object))], &mut results).ok()?;
    let [Val::AnyRef(Some(string))] = results else { return None };
    Some(String::from_utf16_lossy(&units(store, string)?))
}

/// The first array of 16-bit numbers inside of an object: what it names itself comes before what that names, and last
/// fields first, since the first ones are those that all objects have.
fn units(store: &mut impl AsContextMut, object: Rooted<AnyRef>) -> Option<Vec<u16>> {
    let mut objects = VecDeque::from([object]);
    for _ in 0..OBJECTS_MAX {
        let object = objects.pop_front()?;
        match object.kind(&*store).ok()? {
            RefKind::Array(ty) if ty.element_type() == StorageType::I16 => {
                let array = object.as_array(&*store).ok()??;
                let length = array.len(&*store).ok()?.min(MESSAGE_CHARS_MAX);
                let mut units = vec![0; length as usize];
                array.copy_to_slice(&*store, 0, &mut units).ok()?;
                return Some(units);
            }
            RefKind::Struct(ty) => {
                for index in (0..ty.fields().len()).rev().take(OBJECTS_MAX) {
                    if let Val::AnyRef(Some(inner)) = object.field(&mut *store, index).ok()? {
                        objects.push_back(inner);
                    }
                }
            }
            _ => {}
        }
    }
    None
}
