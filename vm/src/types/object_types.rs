//! Struct and array types as the host makes and reads them.

use super::{ArrayType, FieldType, Mutability, StorageType, StructType};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use heapwood_module::limits::FIELDS_MAX;
use heapwood_module::{self as m, CompositeType};
use std::fmt;

impl StructType {
    /// The final struct type without supertypes, alone in its rec group: what `(struct (field …))` means.
    ///
    /// # Panics
    /// If a field names a type of another engine, there are more than 10,000 fields, or the engine's type table is
    /// full; [`StructType::try_new`] says so in an error.
    #[track_caller]
    pub fn new(engine: &Engine, fields: impl IntoIterator<Item = FieldType>) -> StructType {
        match StructType::try_new(engine, fields) {
            Ok(ty) => ty,
            Err(error) => panic!("a struct type: {error}"),
        }
    }

    /// The struct type with these fields, with an error where [`StructType::new`] panics.
    ///
    /// # Errors
    /// More than 10,000 fields, as in a module; a type of another engine; the engine's type table is full.
    pub fn try_new(engine: &Engine, fields: impl IntoIterator<Item = FieldType>) -> Result<StructType> {
        let fields: Vec<_> = fields.into_iter().collect();
        let count = fields.len();
        if count > FIELDS_MAX {
            let message = format!("a struct type with {count} fields: more than the limit of {FIELDS_MAX}");
            return Err(Error::limit(message));
        }
        let registry = engine.registry();
        let resolved = fields.iter().map(|field| field.resolve(registry)).collect::<Result<_>>()?;
        let registered = registry.register_type(CompositeType::Struct(resolved));
        Ok(StructType::from_handle(registered.map_err(|error| Error::limit(error.to_string()))?))
    }

    /// The types of its fields, those of its supertype first.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldType> + '_ {
        self.field_types().iter().map(|field| FieldType::from_registry(self.handle().registry(), *field))
    }

    /// The type of a field; none if it has fewer.
    pub fn field(&self, index: usize) -> Option<FieldType> {
        let field = self.field_types().get(index)?;
        Some(FieldType::from_registry(self.handle().registry(), *field))
    }

    /// Fields in terms of its registry.
    pub(crate) fn field_types(&self) -> &[m::FieldType] {
        self.definition().fields()
    }
}

impl ArrayType {
    /// The final array type without supertypes, alone in its rec group: what `(array …)` means.
    ///
    /// # Panics
    /// If the elements name a type of another engine, or the engine's type table is full; [`ArrayType::try_new`] says
    /// so in an error.
    #[track_caller]
    pub fn new(engine: &Engine, element: FieldType) -> ArrayType {
        match ArrayType::try_new(engine, element) {
            Ok(ty) => ty,
            Err(error) => panic!("an array type: {error}"),
        }
    }

    /// The array type with these elements, with an error where [`ArrayType::new`] panics.
    ///
    /// # Errors
    /// A type of another engine; the engine's type table is full.
    pub fn try_new(engine: &Engine, element: FieldType) -> Result<ArrayType> {
        let registry = engine.registry();
        let registered = registry.register_type(CompositeType::Array(element.resolve(registry)?));
        Ok(ArrayType::from_handle(registered.map_err(|error| Error::limit(error.to_string()))?))
    }

    /// What its elements hold, and whether they can be written.
    pub fn field_type(&self) -> FieldType {
        FieldType::from_registry(self.handle().registry(), self.element())
    }

    /// Whether its elements can be written: that of [`ArrayType::field_type`].
    pub fn mutability(&self) -> Mutability {
        Mutability::of(self.element())
    }

    /// What its elements hold: that of [`ArrayType::field_type`].
    pub fn element_type(&self) -> StorageType {
        StorageType::from_registry(self.handle().registry(), self.element().storage)
    }

    /// The type of its elements in terms of its registry.
    pub(crate) fn element(&self) -> m::FieldType {
        self.definition().element()
    }
}

impl fmt::Display for StructType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(struct")?;
        self.fields().try_for_each(|field| write!(f, " (field {field})"))?;
        f.write_str(")")
    }
}

impl fmt::Display for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(array {})", self.field_type())
    }
}
