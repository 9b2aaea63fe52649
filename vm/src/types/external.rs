//! Types of what modules import and export.

use super::{FuncType, MemoryType, RefType, ValType};
use crate::errors::{Error, Result};
use crate::registry::TypeRegistry;
use heapwood_gc_abi::TypeId;
use heapwood_module as m;
use std::fmt;
use std::sync::Arc;

/// A global's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GlobalType {
    content: ValType,
    mutable: bool,
}

/// A table's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableType {
    /// Type of the elements.
    pub element: RefType,
    /// Least number of elements.
    pub min: u64,
    /// Largest number of elements.
    pub max: Option<u64>,
    /// 64-bit indices.
    pub table64: bool,
}

/// A tag's type: its parameters are an exception's payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagType {
    ty: FuncType,
}

/// The type of something that is imported or exported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag.
    Tag(TagType),
}

/// An import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'m> {
    /// Module name.
    pub module: &'m str,
    /// Field name.
    pub name: &'m str,
    /// What it must be.
    pub ty: ExternType,
}

/// An export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'m> {
    /// Name of the export.
    pub name: &'m str,
    /// What it is.
    pub ty: ExternType,
}

impl GlobalType {
    /// A global type for the host, from one with ids of the engine.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, ty: &m::GlobalType) -> GlobalType {
        GlobalType::new(ValType::from_registry(registry, ty.val), ty.mutable)
    }

    /// A global of `content`.
    pub const fn new(content: ValType, mutable: bool) -> GlobalType {
        GlobalType { content, mutable }
    }

    /// Type of the value.
    pub const fn content(&self) -> &ValType {
        &self.content
    }

    /// Whether the global can be written.
    pub const fn is_mutable(&self) -> bool {
        self.mutable
    }
}

impl TableType {
    /// A table type for the host, from one with ids of the engine.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, ty: &m::TableType) -> TableType {
        let element = RefType::from_registry(registry, ty.element);
        TableType { element, min: ty.min, max: ty.max, table64: ty.table64 }
    }

    /// A table of `element` with 32-bit indices.
    pub const fn new(element: RefType, min: u64, max: Option<u64>) -> TableType {
        TableType { element, min, max, table64: false }
    }

    /// Whether a module could have such a table.
    ///
    /// # Errors
    /// The least size is larger than the largest, or one of them beyond what the table's indices can name.
    pub(crate) fn check(&self) -> Result<()> {
        let most = if self.table64 { u64::MAX } else { u64::from(u32::MAX) };
        let (min, max) = (self.min, self.max.unwrap_or(self.min));
        if let Some(beyond) = [min, max].into_iter().find(|size| *size > most) {
            return Err(Error::usage(format!("a table of {beyond} elements with 32-bit indices")));
        }
        match min <= max {
            true => Ok(()),
            false => Err(Error::usage(format!("a table of at least {min} and at most {max} elements"))),
        }
    }
}

impl TagType {
    /// A tag with the parameters of `ty`.
    pub const fn new(ty: FuncType) -> TagType {
        TagType { ty }
    }

    /// The function type whose parameters are the payload.
    pub const fn ty(&self) -> &FuncType {
        &self.ty
    }
}

impl ExternType {
    /// The type of an item for the host, from one with ids of the engine.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, ty: &m::ExternType) -> ExternType {
        match ty {
            m::ExternType::Func(id) => ExternType::Func(FuncType::of(registry, TypeId(*id))),
            m::ExternType::Table(ty) => ExternType::Table(TableType::from_registry(registry, ty)),
            m::ExternType::Memory(ty) => ExternType::Memory(*ty),
            m::ExternType::Global(ty) => ExternType::Global(GlobalType::from_registry(registry, ty)),
            m::ExternType::Tag(id) => ExternType::Tag(TagType::new(FuncType::of(registry, TypeId(*id)))),
        }
    }

    /// The function type, if it is a function.
    pub fn func(&self) -> Option<&FuncType> {
        match self {
            ExternType::Func(ty) => Some(ty),
            _ => None,
        }
    }
}

impl ExternType {
    /// What keeps an item of this type from being imported as one of another type, if that does not fit.
    pub(crate) fn difference(&self, wanted: &ExternType) -> String {
        match (self, wanted) {
            (ExternType::Func(found), ExternType::Func(wanted)) => of_functions(found, wanted),
            (ExternType::Tag(found), ExternType::Tag(wanted)) => of_functions(found.ty(), wanted.ty()),
            (ExternType::Memory(found), ExternType::Memory(wanted)) => of_memories(found, wanted),
            (ExternType::Table(found), ExternType::Table(wanted)) => {
                of_widths("indices", found.table64, wanted.table64).unwrap_or_else(|| {
                    match found.element == wanted.element {
                        true => of_limits("elements", (found.min, found.max), (wanted.min, wanted.max)),
                        false => format!("its elements are {} instead of {}", found.element, wanted.element),
                    }
                })
            }
            (ExternType::Global(found), ExternType::Global(wanted)) => match (found.mutable, wanted.mutable) {
                (true, false) => "it is mutable".to_owned(),
                (false, true) => "it is not mutable".to_owned(),
                _ => format!("it holds {} instead of {}", found.content, wanted.content),
            },
            _ => format!("it is {} instead of {}", self.kind(), wanted.kind()),
        }
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            ExternType::Func(_) => "a function",
            ExternType::Table(_) => "a table",
            ExternType::Memory(_) => "a memory",
            ExternType::Global(_) => "a global",
            ExternType::Tag(_) => "a tag",
        }
    }
}

fn of_functions(found: &FuncType, wanted: &FuncType) -> String {
    for (what, found, wanted) in [
        ("parameter", found.params().collect::<Vec<_>>(), wanted.params().collect::<Vec<_>>()),
        ("result", found.results().collect(), wanted.results().collect()),
    ] {
        if found.len() != wanted.len() {
            return format!("it has {} {what}s instead of {}", found.len(), wanted.len());
        }
        if let Some(index) = (0..found.len()).find(|index| found[*index] != wanted[*index]) {
            return format!("{what} {index} is {} instead of {}", found[index], wanted[index]);
        }
    }
    "the types are of other rec groups, or of other supertypes".to_owned()
}

fn of_memories(found: &MemoryType, wanted: &MemoryType) -> String {
    let of_sharing = || match (found.shared, wanted.shared) {
        (true, false) => Some("it is shared".to_owned()),
        (false, true) => Some("it is not shared".to_owned()),
        _ => None,
    };
    let of_pages = || {
        let [found, wanted] = [found, wanted].map(|ty| 1u64 << ty.page_size_log2);
        (found != wanted).then(|| format!("its pages have {found} bytes instead of {wanted}"))
    };
    let different = of_widths("addresses", found.memory64, wanted.memory64).or_else(of_sharing).or_else(of_pages);
    different.unwrap_or_else(|| of_limits("pages", (found.min, found.max), (wanted.min, wanted.max)))
}

fn of_widths(what: &str, found: bool, wanted: bool) -> Option<String> {
    let [is, should] = [found, wanted].map(|is_wide| if is_wide { 64 } else { 32 });
    (found != wanted).then(|| format!("its {what} have {is} bits instead of {should}"))
}

fn of_limits(what: &str, found: (u64, Option<u64>), wanted: (u64, Option<u64>)) -> String {
    match (found, wanted) {
        ((found, _), (wanted, _)) if found < wanted => {
            format!("it has {found} {what}, and at least {wanted} are wanted")
        }
        ((_, None), (_, Some(most))) => format!("it may grow without a limit, and at most {most} {what} are wanted"),
        ((_, found), (_, wanted)) => {
            let [found, wanted] = [found, wanted].map(|most| most.unwrap_or(u64::MAX));
            format!("it may have {found} {what}, and at most {wanted} are wanted")
        }
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => ty.fmt(f),
            ExternType::Table(ty) => {
                f.write_str("(table ")?;
                m::write_limits(f, ty.table64, ty.min, ty.max)?;
                write!(f, " {})", ty.element)
            }
            ExternType::Memory(ty) => m::write_memory(f, ty),
            ExternType::Global(ty) if ty.mutable => write!(f, "(global (mut {}))", ty.content),
            ExternType::Global(ty) => write!(f, "(global {})", ty.content),
            ExternType::Tag(ty) => write!(f, "(tag {})", ty.ty),
        }
    }
}
