//! Types of generated programs. All modules of a program have the same types at the same indices, so that what crosses
//! from one to the other has one type.

use wasm_encoder as w;

/// A value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    Ref(bool, Heap),
}

/// A heap type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Heap {
    Any,
    Eq,
    I31,
    Struct,
    Array,
    None,
    Func,
    NoFunc,
    Extern,
    NoExtern,
    Exn,
    NoExn,
    T(u32),
}

/// What a field or element holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Storage {
    I8,
    I16,
    Val(Ty),
}

/// A field or an array's element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// What it holds.
    pub storage: Storage,
    /// Whether it can be set.
    pub mutable: bool,
}

/// What a defined type is.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Kind {
    Struct(Vec<Field>),
    Array(Field),
    Func(Vec<Ty>, Vec<Ty>),
}

/// A defined type.
#[derive(Clone, Debug)]
pub struct TypeDef {
    /// The type above it.
    pub parent: Option<u32>,
    /// Whether nothing may be declared below it.
    pub is_final: bool,
    /// What it is.
    pub kind: Kind,
}

/// A reference that may be null.
pub const fn null(heap: Heap) -> Ty {
    Ty::Ref(true, heap)
}

/// A reference that is not null.
pub const fn some(heap: Heap) -> Ty {
    Ty::Ref(false, heap)
}

impl Field {
    /// The type of its values on the operand stack.
    pub fn ty(self) -> Ty {
        match self.storage {
            Storage::I8 | Storage::I16 => Ty::I32,
            Storage::Val(ty) => ty,
        }
    }

    /// Whether it is stored in fewer bits than an i32 has.
    pub fn is_packed(self) -> bool {
        !matches!(self.storage, Storage::Val(_))
    }

    fn encode(self) -> w::FieldType {
        let element_type = match self.storage {
            Storage::I8 => w::StorageType::I8,
            Storage::I16 => w::StorageType::I16,
            Storage::Val(ty) => w::StorageType::Val(ty.encode()),
        };
        w::FieldType { element_type, mutable: self.mutable }
    }
}

impl Ty {
    /// Whether it is a reference.
    pub fn is_ref(self) -> bool {
        matches!(self, Ty::Ref(..))
    }

    /// Whether locals of this type have a value from the start.
    pub fn has_default(self) -> bool {
        !matches!(self, Ty::Ref(false, _))
    }

    /// For the encoder.
    pub fn encode(self) -> w::ValType {
        match self {
            Ty::I32 => w::ValType::I32,
            Ty::I64 => w::ValType::I64,
            Ty::F32 => w::ValType::F32,
            Ty::F64 => w::ValType::F64,
            Ty::V128 => w::ValType::V128,
            Ty::Ref(nullable, heap) => w::ValType::Ref(w::RefType { nullable, heap_type: heap.encode() }),
        }
    }

    /// For the encoder, if it is a reference.
    pub fn encode_ref(self) -> w::RefType {
        match self {
            Ty::Ref(nullable, heap) => w::RefType { nullable, heap_type: heap.encode() },
            _ => panic!("{self:?} is no reference"),
        }
    }
}

impl Heap {
    /// For the encoder.
    pub fn encode(self) -> w::HeapType {
        use w::AbstractHeapType as A;
        let ty = match self {
            Heap::Any => A::Any,
            Heap::Eq => A::Eq,
            Heap::I31 => A::I31,
            Heap::Struct => A::Struct,
            Heap::Array => A::Array,
            Heap::None => A::None,
            Heap::Func => A::Func,
            Heap::NoFunc => A::NoFunc,
            Heap::Extern => A::Extern,
            Heap::NoExtern => A::NoExtern,
            Heap::Exn => A::Exn,
            Heap::NoExn => A::NoExn,
            Heap::T(index) => return w::HeapType::Concrete(index),
        };
        w::HeapType::Abstract { shared: false, ty }
    }
}

/// The defined types of a program, in rec groups.
#[derive(Clone, Default, Debug)]
pub struct Types {
    /// All types by index.
    pub defs: Vec<TypeDef>,
    /// Number of types of each rec group.
    pub groups: Vec<u32>,
}

impl Types {
    /// Adds a type in a rec group of its own.
    pub fn add(&mut self, def: TypeDef) -> u32 {
        self.defs.push(def);
        self.groups.push(1);
        self.defs.len() as u32 - 1
    }

    /// The final function type with this signature, added if it is missing.
    pub fn func(&mut self, params: &[Ty], results: &[Ty]) -> u32 {
        let same = |def: &TypeDef| {
            matches!(&def.kind, Kind::Func(p, r) if p == params && r == results) && def.is_final && def.parent.is_none()
        };
        if let Some(index) = self.defs.iter().position(same) {
            return index as u32;
        }
        self.add(TypeDef { parent: None, is_final: true, kind: Kind::Func(params.to_vec(), results.to_vec()) })
    }

    /// Parameters and results of a function type.
    pub fn sig(&self, index: u32) -> (&[Ty], &[Ty]) {
        match &self.defs[index as usize].kind {
            Kind::Func(params, results) => (params, results),
            other => panic!("type {index} is {other:?}"),
        }
    }

    /// Fields of a struct type.
    pub fn fields(&self, index: u32) -> &[Field] {
        match &self.defs[index as usize].kind {
            Kind::Struct(fields) => fields,
            other => panic!("type {index} is {other:?}"),
        }
    }

    /// The element of an array type.
    pub fn element(&self, index: u32) -> Field {
        match &self.defs[index as usize].kind {
            Kind::Array(field) => *field,
            other => panic!("type {index} is {other:?}"),
        }
    }

    /// Whether all fields of a struct, or the elements of an array, have a default.
    pub fn has_default(&self, index: u32) -> bool {
        match &self.defs[index as usize].kind {
            Kind::Struct(fields) => fields.iter().all(|field| field.ty().has_default()),
            Kind::Array(field) => field.ty().has_default(),
            Kind::Func(..) => false,
        }
    }

    /// Whether `a` is `b` or below it.
    pub fn heap_below(&self, a: Heap, b: Heap) -> bool {
        use Heap::*;
        if a == b {
            return true;
        }
        match (a, b) {
            (None, Any | Eq | I31 | Struct | Array) => true,
            (None, T(t)) => !matches!(self.defs[t as usize].kind, Kind::Func(..)),
            (NoFunc, Func) | (NoExtern, Extern) | (NoExn, Exn) => true,
            (NoFunc, T(t)) => matches!(self.defs[t as usize].kind, Kind::Func(..)),
            (I31 | Struct | Array | Eq, Any) | (I31 | Struct | Array, Eq) => true,
            (T(t), _) => {
                let def = &self.defs[t as usize];
                if let Some(parent) = def.parent
                    && self.heap_below(T(parent), b)
                {
                    return true;
                }
                match def.kind {
                    Kind::Struct(_) => matches!(b, Any | Eq | Struct),
                    Kind::Array(_) => matches!(b, Any | Eq | Array),
                    Kind::Func(..) => b == Func,
                }
            }
            _ => false,
        }
    }

    /// Whether a value of type `a` may stand where `b` is wanted.
    pub fn below(&self, a: Ty, b: Ty) -> bool {
        match (a, b) {
            (Ty::Ref(an, ah), Ty::Ref(bn, bh)) => (bn || !an) && self.heap_below(ah, bh),
            _ => a == b,
        }
    }

    /// The top of a heap type's hierarchy.
    pub fn top(&self, heap: Heap) -> Heap {
        [Heap::Func, Heap::Extern, Heap::Exn].into_iter().find(|top| self.heap_below(heap, *top)).unwrap_or(Heap::Any)
    }

    /// The bottom of a heap type's hierarchy.
    pub fn bottom(&self, heap: Heap) -> Heap {
        match self.top(heap) {
            Heap::Func => Heap::NoFunc,
            Heap::Extern => Heap::NoExtern,
            Heap::Exn => Heap::NoExn,
            _ => Heap::None,
        }
    }

    /// The type section.
    pub fn encode(&self) -> w::TypeSection {
        let mut section = w::TypeSection::new();
        let mut from = 0;
        for size in &self.groups {
            let defs = &self.defs[from..from + *size as usize];
            match defs {
                [def] => section.ty().subtype(&def.encode()),
                defs => section.ty().rec(defs.iter().map(TypeDef::encode).collect::<Vec<_>>()),
            }
            from += *size as usize;
        }
        section
    }
}

impl TypeDef {
    fn encode(&self) -> w::SubType {
        let inner = match &self.kind {
            Kind::Struct(fields) => w::CompositeInnerType::Struct(w::StructType {
                fields: fields.iter().map(|field| field.encode()).collect(),
            }),
            Kind::Array(field) => w::CompositeInnerType::Array(w::ArrayType(field.encode())),
            Kind::Func(params, results) => w::CompositeInnerType::Func(w::FuncType::new(
                params.iter().map(|ty| ty.encode()),
                results.iter().map(|ty| ty.encode()),
            )),
        };
        w::SubType {
            is_final: self.is_final,
            supertype_idx: self.parent,
            composite_type: w::CompositeType { inner, shared: false, descriptor: None, describes: None },
        }
    }
}
