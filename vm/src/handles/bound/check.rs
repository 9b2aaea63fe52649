//! Whether a Rust type can stand for a type, and what those that its fields lead to stand for then.

use super::shape::{FieldShape, Held, Shape, Storage, StructShape, Target};
use crate::errors::{Error, Result};
use crate::registry::{EngineType, TypeRegistry};
use crate::types::{FieldType, HeapType, StandIn, StorageType};
use heapwood_gc_abi::TypeId;
use heapwood_module::{self as m, CompositeType};
use std::collections::VecDeque;
use std::sync::Arc;

/// What Rust types stand for if the one of `target` stands for `ty`, a defined type: itself first.
///
/// # Errors
/// It cannot, or one that its fields lead to, or one would stand for two types.
pub(super) fn stand_ins(target: Target, ty: HeapType) -> Result<Vec<StandIn>> {
    let handle = ty.handle().expect("only defined types can be bound");
    let mut check = Check { registry: handle.registry().clone(), found: Vec::new(), waiting: VecDeque::new() };
    check.waiting.push_back((target, handle.id()));
    check.finish()
}

/// What Rust types stand for if a value that one of them declares is of this type; nothing of numbers and references of
/// abstract types. `place` says which value that is.
///
/// # Errors
/// It is not, or one would stand for two types.
pub(super) fn value(
    registry: &Arc<TypeRegistry>,
    storage: Storage,
    found: m::ValType,
    place: &dyn Fn() -> String,
) -> Result<Vec<StandIn>> {
    let mut check = Check { registry: registry.clone(), found: Vec::new(), waiting: VecDeque::new() };
    let wanted = FieldShape { name: "", is_mutable: false, storage, offset: 0 };
    let found = m::FieldType { storage: m::StorageType::Val(found), mutable: false };
    check.visit_field(&wanted, found, place)?;
    check.finish()
}

/// What Rust would have to say, where it says another word of what fits else.
fn hint(wanted: &FieldShape, found: m::FieldType, fits_else: bool) -> &'static str {
    // Elements and parameters have no name.
    let is_field = !wanted.name.is_empty();
    match (&wanted.storage.0, found.storage) {
        (Held::Reference { is_nullable, .. }, m::StorageType::Val(m::ValType::Ref(found)))
            if *is_nullable != found.nullable =>
        {
            if *is_nullable {
                "; it is never null: without `Option`"
            } else {
                "; it may be null: an `Option` of it"
            }
        }
        _ if !fits_else || wanted.is_mutable == found.mutable => "",
        _ if is_field && found.mutable => "; it is mutable: `#[wasm(mutable)]`",
        _ if is_field => "; it is not mutable: without `#[wasm(mutable)]`",
        _ if found.mutable => "; the elements are mutable: without `Const`",
        _ => "; the elements are not mutable: `Const<…>`",
    }
}

/// The name of a Rust type without the paths of modules.
fn without_paths(name: &str) -> String {
    let mut short = String::new();
    for (index, part) in name.split("::").enumerate() {
        if index > 0 {
            let kept = short.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
            short.truncate(kept);
        }
        short.push_str(part);
    }
    short
}

/// A check under way. The types that it comes to are alive: the first one is held, and names the others.
struct Check {
    registry: Arc<TypeRegistry>,
    found: Vec<StandIn>,
    /// What is still to be looked at, each with what it is to stand for.
    waiting: VecDeque<(Target, TypeId)>,
}

impl Check {
    /// Looks at what waits, and at what that leads to.
    fn finish(mut self) -> Result<Vec<StandIn>> {
        while let Some((target, id)) = self.waiting.pop_front() {
            self.visit(target, id)?;
        }
        Ok(self.found)
    }

    fn visit(&mut self, target: Target, id: TypeId) -> Result<()> {
        if let Some(known) = self.found.iter().find(|known| known.rust == target.rust) {
            let known = known.handle().id();
            return match known == id {
                true => Ok(()),
                false => {
                    let [known, other] = [known, id].map(|id| HeapType::of(&self.registry, id));
                    Err(Error::usage(format!(
                        "`{}` would stand for two types, {known} and another {other}: each needs a Rust type of its own",
                        without_paths(target.name)
                    )))
                }
            };
        }
        self.found.push(StandIn::new(target.rust, target.name, HeapType::of(&self.registry, id)));
        let ty = self.registry.composite(id);
        match target.shape {
            Shape::Struct(shape) => self.visit_struct(target.name, shape, &ty),
            Shape::Array(element) => match &ty.composite {
                CompositeType::Array(found) => {
                    self.visit_field(&element, *found, &|| format!("elements of `{}`", without_paths(target.name)))
                }
                _ => Err(self.other_kind(target.name, "an array", id)),
            },
            Shape::Abstract(_) => panic!("`{}` was not bound where it was found", target.name),
        }
    }

    fn visit_struct(&mut self, name: &str, shape: StructShape, ty: &EngineType) -> Result<()> {
        let CompositeType::Struct(fields) = &ty.composite else {
            return Err(self.other_kind(name, "a struct", ty.id));
        };
        let (wanted, found) = (shape.fields.len(), fields.len());
        if wanted > found || wanted < found && !shape.is_prefix {
            let least = if shape.is_prefix { "at least " } else { "" };
            let hint = if wanted < found { "; with `#[wasm(prefix)]` it may have more" } else { "" };
            let message = format!("type mismatch: `{name}` has {least}{wanted} fields, the struct type {found}{hint}");
            return Err(Error::usage(message));
        }
        for (index, (wanted, found)) in shape.fields.iter().zip(fields).enumerate() {
            self.visit_field(wanted, *found, &|| format!("field {index} (`{}`) of `{name}`", wanted.name))?;
            // The compiler and the registry lay fields out alike; else accesses would go astray.
            assert_eq!(wanted.offset, ty.layout.offsets[index], "offset of field {index} of `{name}`");
        }
        let base = (shape.base)();
        match (&base.shape, ty.supertype) {
            (Shape::Abstract(_), _) => {}
            (_, Some(supertype)) => self.waiting.push_back((base, supertype)),
            (_, None) => {
                let message = format!("type mismatch: `{name}` extends `{}`, the struct type nothing", base.name);
                return Err(Error::usage(message));
            }
        }
        Ok(())
    }

    fn visit_field(&mut self, wanted: &FieldShape, found: m::FieldType, place: &dyn Fn() -> String) -> Result<()> {
        let target = match (&wanted.storage.0, found.storage) {
            (Held::Number(wanted), found) if *wanted == found => Some(None),
            (Held::Reference { is_nullable, target }, m::StorageType::Val(m::ValType::Ref(found)))
                if *is_nullable == found.nullable =>
            {
                let target = target();
                match (&target.shape, found.heap) {
                    (Shape::Abstract(wanted), found) if *wanted == found => Some(None),
                    (Shape::Struct(_) | Shape::Array(_), m::HeapType::Type(id)) => Some(Some((target, TypeId(id)))),
                    _ => None,
                }
            }
            _ => None,
        };
        match target {
            Some(target) if wanted.is_mutable == found.mutable => {
                self.waiting.extend(target);
                Ok(())
            }
            _ => {
                let (place, hint) = (place(), hint(wanted, found, target.is_some()));
                let (wanted, found) = (self.describe(wanted), FieldType::from_registry(&self.registry, found));
                Err(Error::usage(format!("type mismatch: {place}: expected {wanted}, found {found}{hint}")))
            }
        }
    }

    /// As types are written, with the Rust types by their names.
    fn describe(&self, field: &FieldShape) -> String {
        let storage = match &field.storage.0 {
            Held::Number(storage) => StorageType::from_registry(&self.registry, *storage).to_string(),
            Held::Reference { is_nullable, target } => {
                let (target, null) = (target(), if *is_nullable { "null " } else { "" });
                match target.shape {
                    Shape::Abstract(heap) => format!("(ref {null}{})", heap.abstract_name()),
                    _ => format!("(ref {null}`{}`)", without_paths(target.name)),
                }
            }
        };
        if field.is_mutable { format!("(mut {storage})") } else { storage }
    }

    fn other_kind(&self, name: &str, wanted: &str, id: TypeId) -> Error {
        let name = without_paths(name);
        Error::usage(format!("type mismatch: `{name}` is {wanted}, the type is {}", HeapType::of(&self.registry, id)))
    }
}
