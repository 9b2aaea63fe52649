//! Defined types: handles that hold an engine's registry and a use of one of its types.

use super::{HeapType, ValType};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::registry::{EngineType, TypeHandle, TypeRegistry};
use heapwood_gc_abi::TypeId;
use heapwood_module as m;
use heapwood_module::limits::{PARAMS_MAX, RESULTS_MAX};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function type of an engine. Cheap to clone; the type lives as long as a handle of it.
///
/// ```
/// # use heapwood_vm::{Engine, FuncType, ValType};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let ty = FuncType::new(&engine, [ValType::I32, ValType::EXTERNREF], [ValType::I64])?;
/// assert_eq!(ty.to_string(), "(func (param i32 (ref null extern)) (result i64))");
/// assert_eq!(ty, FuncType::new(&engine, [ValType::I32, ValType::EXTERNREF], [ValType::I64])?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FuncType(Arc<Held>);

/// A struct type of an engine. Cheap to clone; the type lives as long as a handle of it.
///
/// ```
/// # use heapwood_vm::{Engine, FieldType, Mutability, StorageType, StructType, ValType};
/// let engine = Engine::default();
/// let fields = [
///     FieldType::new(Mutability::Var, StorageType::I8),
///     FieldType::new(Mutability::Const, StorageType::ValType(ValType::ANYREF)),
/// ];
/// let ty = StructType::new(&engine, fields.clone());
/// assert_eq!(ty.to_string(), "(struct (field (mut i8)) (field (ref null any)))");
/// assert_eq!(ty.field(1).as_ref(), fields.get(1));
/// assert_eq!(ty, StructType::new(&engine, fields), "the same structure is the same type");
/// ```
#[derive(Clone)]
pub struct StructType(Arc<Held>);

/// An array type of an engine. Cheap to clone; the type lives as long as a handle of it.
///
/// ```
/// # use heapwood_vm::{ArrayType, Engine, FieldType, Mutability, StorageType, ValType};
/// let engine = Engine::default();
/// let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::ValType(ValType::F64)));
/// assert_eq!(ty.to_string(), "(array (mut f64))");
/// assert_eq!((ty.mutability(), ty.element_type()), (Mutability::Var, StorageType::ValType(ValType::F64)));
/// ```
#[derive(Clone)]
pub struct ArrayType(Arc<Held>);

/// A type that is held, and what it is.
struct Held {
    handle: TypeHandle,
    definition: Arc<EngineType>,
}

impl Held {
    fn new(handle: TypeHandle) -> Arc<Held> {
        let definition = handle.registry().composite(handle.id());
        Arc::new(Held { handle, definition })
    }
}

impl FuncType {
    /// The final function type without supertypes, alone in its rec group: what `(func (param …) (result …))` means.
    ///
    /// # Errors
    /// More than 1,000 parameters or 1,000 results, as in a module; a type of another engine; the engine's type table
    /// is full.
    pub fn new(
        engine: &Engine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<FuncType> {
        let (params, results): (Vec<_>, Vec<_>) = (params.into_iter().collect(), results.into_iter().collect());
        check_count(params.len(), PARAMS_MAX, "parameters")?;
        check_count(results.len(), RESULTS_MAX, "results")?;
        let registry = engine.registry();
        let resolve = |types: &[ValType]| types.iter().map(|ty| ty.resolve(registry)).collect::<Result<Vec<_>>>();
        let registered = registry.register_func_type(resolve(&params)?, resolve(&results)?);
        Ok(FuncType::from_handle(registered.map_err(|error| Error::limit(error.to_string()))?))
    }

    /// The function type of an id that is alive.
    pub(crate) fn of(registry: &Arc<TypeRegistry>, id: TypeId) -> FuncType {
        FuncType::from_handle(registry.hold(id))
    }

    fn from_handle(handle: TypeHandle) -> FuncType {
        FuncType(Held::new(handle))
    }

    pub(crate) fn handle(&self) -> &TypeHandle {
        &self.0.handle
    }

    /// Parameters and results in terms of its registry.
    pub(crate) fn signature(&self) -> &m::FuncType {
        self.0.definition.signature()
    }

    /// Whether it is `other` or declared below it. Types of another engine never match.
    pub fn matches(&self, other: &FuncType) -> bool {
        self.handle().is_subtype(other.handle())
    }

    /// The type's number, which tells it from all other types that are alive in its engine. It names nothing by itself:
    /// other engines have the same numbers, and so have later types once all handles are gone.
    pub fn id(&self) -> TypeId {
        self.handle().id()
    }

    /// Parameter types.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.types(&self.signature().params)
    }

    /// Result types.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.types(&self.signature().results)
    }

    fn types<'s>(&'s self, types: &'s [m::ValType]) -> impl ExactSizeIterator<Item = ValType> + 's {
        types.iter().map(|ty| ValType::from_registry(self.handle().registry(), *ty))
    }
}

fn check_count(count: usize, limit: usize, what: &str) -> Result<()> {
    match count <= limit {
        true => Ok(()),
        false => Err(Error::limit(format!("a function type with {count} {what}: more than the limit of {limit}"))),
    }
}

impl StructType {
    /// The struct type of an id that is alive.
    pub(crate) fn of(registry: &Arc<TypeRegistry>, id: TypeId) -> StructType {
        StructType::from_handle(registry.hold(id))
    }

    pub(super) fn from_handle(handle: TypeHandle) -> StructType {
        StructType(Held::new(handle))
    }

    pub(crate) fn handle(&self) -> &TypeHandle {
        &self.0.handle
    }

    /// What it is, in terms of its registry.
    pub(crate) fn definition(&self) -> &EngineType {
        &self.0.definition
    }

    /// Whether it is `other` or declared below it. Types of another engine never match.
    pub fn matches(&self, other: &StructType) -> bool {
        self.handle().is_subtype(other.handle())
    }

    /// The type's number, which tells it from all other types that are alive in its engine. It names nothing by itself:
    /// other engines have the same numbers, and so have later types once all handles are gone.
    pub fn id(&self) -> TypeId {
        self.handle().id()
    }
}

impl ArrayType {
    /// The array type of an id that is alive.
    pub(crate) fn of(registry: &Arc<TypeRegistry>, id: TypeId) -> ArrayType {
        ArrayType::from_handle(registry.hold(id))
    }

    pub(super) fn from_handle(handle: TypeHandle) -> ArrayType {
        ArrayType(Held::new(handle))
    }

    pub(crate) fn handle(&self) -> &TypeHandle {
        &self.0.handle
    }

    /// What it is, in terms of its registry.
    pub(crate) fn definition(&self) -> &EngineType {
        &self.0.definition
    }

    /// Whether it is `other` or declared below it. Types of another engine never match.
    pub fn matches(&self, other: &ArrayType) -> bool {
        self.handle().is_subtype(other.handle())
    }

    /// The type's number, which tells it from all other types that are alive in its engine. It names nothing by itself:
    /// other engines have the same numbers, and so have later types once all handles are gone.
    pub fn id(&self) -> TypeId {
        self.handle().id()
    }
}

/// Identity of defined types, and that they are heap types.
macro_rules! defined {
    ($($name:ident => $heap:ident;)*) => {
        $(
            impl PartialEq for $name {
                fn eq(&self, other: &$name) -> bool {
                    self.handle() == other.handle()
                }
            }

            impl Eq for $name {}

            impl Hash for $name {
                fn hash<H: Hasher>(&self, state: &mut H) {
                    self.id().hash(state);
                }
            }

            impl From<$name> for HeapType {
                fn from(ty: $name) -> HeapType {
                    HeapType::$heap(ty)
                }
            }
        )*
    };
}

defined! {
    FuncType => ConcreteFunc;
    StructType => ConcreteStruct;
    ArrayType => ConcreteArray;
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        let signature = self.signature();
        for (word, types) in [("param", &signature.params), ("result", &signature.results)] {
            if !types.is_empty() {
                write!(f, " ({word}")?;
                self.types(types).try_for_each(|ty| write!(f, " {ty}"))?;
                f.write_str(")")?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Debug for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for StructType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StructType({})", self.id().0)
    }
}

impl fmt::Debug for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrayType({})", self.id().0)
    }
}
