//! Functions whose types are made of the module's own ones: they are known by their names and the kinds of their
//! parameters and results, and have the type that the module declares.

use crate::{
    AnyRef, AsContext, Engine, ExternType, FuncType, HeapType, ImportType, RefKind, RefType, Resolved, Result, Rooted,
    ValType,
};

/// A kind of value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A reference of the `any` hierarchy: an object of the program.
    Object,
    /// A reference of the `func` hierarchy.
    Func,
    /// A reference of the `extern` hierarchy: something of the host.
    Host,
    I32,
    F32,
    F64,
}

impl Kind {
    /// The kind's most general type.
    pub fn top(self) -> ValType {
        match self {
            Kind::Object => ValType::ANYREF,
            Kind::Func => ValType::FUNCREF,
            Kind::Host => ValType::EXTERNREF,
            Kind::I32 => ValType::I32,
            Kind::F32 => ValType::F32,
            Kind::F64 => ValType::F64,
        }
    }

    /// Whether a type is of the kind.
    fn has(self, ty: &ValType) -> bool {
        match (self.top(), ty) {
            (ValType::Ref(top), ValType::Ref(ty)) => top.heap == ty.heap.top(),
            (top, ty) => top == *ty,
        }
    }
}

/// Parameters and result of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub params: &'static [Kind],
    pub result: Option<Kind>,
}

impl Shape {
    /// Whether a type is of this shape. What the function returns may be null.
    fn has(&self, ty: &FuncType) -> bool {
        let (params, results) = (ty.params(), ty.results());
        params.len() == self.params.len()
            && self.params.iter().zip(params).all(|(kind, ty)| kind.has(&ty))
            && results.len() == self.result.iter().len()
            && self
                .result
                .iter()
                .zip(results)
                .all(|(kind, ty)| kind.has(&ty) && !matches!(ty, ValType::Ref(RefType { nullable: false, .. })))
    }

    /// The function `make` with the type of an import, or, if that is of another shape, with the most general type of
    /// this one: then linking is an error that names both.
    pub fn resolve<T: 'static>(
        &self,
        engine: &Engine,
        import: &ImportType<'_>,
        make: impl FnOnce(FuncType) -> Resolved<T>,
    ) -> Result<Resolved<T>> {
        match &import.ty {
            ExternType::Func(ty) if self.has(ty) => Ok(make(ty.clone())),
            _ => {
                let params = self.params.iter().map(|kind| kind.top());
                Ok(make(FuncType::new(engine, params, self.result.iter().map(|kind| kind.top()))?))
            }
        }
    }
}

/// Whether an object, or null, belongs to a type.
pub(super) fn belongs(store: impl AsContext, object: Option<Rooted<AnyRef>>, ty: &ValType) -> Result<bool> {
    let ValType::Ref(RefType { nullable, heap }) = ty else { return Ok(false) };
    let Some(object) = object else { return Ok(*nullable) };
    Ok(match (object.kind(store)?, heap) {
        (_, HeapType::Any) => true,
        (RefKind::I31(_) | RefKind::Struct(_) | RefKind::Array(_), HeapType::Eq) => true,
        (RefKind::I31(_), HeapType::I31) => true,
        (RefKind::Struct(_), HeapType::Struct) | (RefKind::Array(_), HeapType::Array) => true,
        (RefKind::Struct(ty), HeapType::ConcreteStruct(wanted)) => ty.matches(wanted),
        (RefKind::Array(ty), HeapType::ConcreteArray(wanted)) => ty.matches(wanted),
        _ => false,
    })
}
