//! Which features a module needs, whether or not they are on.

use crate::gate::{Immediate, Named, heap_type_needs};
use crate::{Features, ModuleError};
use wasmparser::{
    AbstractHeapType, CompositeInnerType, DataKind, ElementItems, ElementKind, ExternalKind, FunctionBody, GlobalType,
    HeapType, Imports, MemoryType, Operator, OperatorsReader, Parser, Payload, RefType, StorageType, SubType,
    TableInit, TableType, TypeRef, ValType, WasmFeatures,
};

/// What a module needs, found without validating it: a set with which it is valid if it is valid with all features,
/// and without any of which it is not.
///
/// # Errors
/// The module cannot be decoded with all features that there are.
pub(crate) fn scan(bytes: &[u8]) -> Result<Features, ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(Features::named().wasm());
    let mut detector = Detector::default();
    for payload in parser.parse_all(bytes) {
        detector.payload(payload?)?;
    }
    if detector.memories > 1 {
        detector.used |= WasmFeatures::MULTI_MEMORY;
    }
    if detector.tables > 1 {
        detector.used |= WasmFeatures::REFERENCE_TYPES;
    }
    if detector.defined_types && !detector.used.contains(WasmFeatures::GC) {
        detector.used |= WasmFeatures::FUNCTION_REFERENCES;
    }
    Ok(Features::from_flags(WasmFeatures::MVP | detector.used))
}

struct Detector {
    used: WasmFeatures,
    /// References to defined types occur: function references or garbage collection brings them.
    defined_types: bool,
    /// Types of the groups so far.
    types: u32,
    memories: usize,
    tables: usize,
    /// Whether each global is mutable.
    globals: Vec<bool>,
    imported_globals: usize,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector {
            used: WasmFeatures::empty(),
            defined_types: false,
            types: 0,
            memories: 0,
            tables: 0,
            globals: Vec::new(),
            imported_globals: 0,
        }
    }
}

impl Detector {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    let group = group?;
                    if group.is_explicit_rec_group() {
                        self.used |= WasmFeatures::GC;
                    }
                    group.types().for_each(|ty| self.sub_type(ty));
                    self.types += group.types().len() as u32;
                }
            }
            Payload::ImportSection(section) => {
                for group in section {
                    match group? {
                        Imports::Single(_, import) => self.import(import.ty),
                        group => {
                            self.used |= WasmFeatures::COMPACT_IMPORTS;
                            group.into_iter().try_for_each(|import| import.map(|import| self.import(import.1.ty)))?;
                        }
                    }
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    self.table(table.ty);
                    if let TableInit::Expr(expr) = table.init {
                        self.used |= WasmFeatures::FUNCTION_REFERENCES;
                        self.const_expr(&expr)?;
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memory(memory?);
                }
            }
            Payload::TagSection(_) => self.used |= WasmFeatures::EXCEPTIONS,
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    self.val_type(global.ty.content_type);
                    self.shared(global.ty.shared);
                    self.const_expr(&global.init_expr)?;
                    self.globals.push(global.ty.mutable);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let is_mutable = self.globals.get(export.index as usize) == Some(&true);
                    if export.kind == ExternalKind::Global && is_mutable {
                        self.used |= WasmFeatures::MUTABLE_GLOBAL;
                    }
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    self.element(element?)?;
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    match data?.kind {
                        DataKind::Passive => self.used |= WasmFeatures::BULK_MEMORY,
                        DataKind::Active { offset_expr, .. } => self.const_expr(&offset_expr)?,
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.function_body(&body)?,
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, ty: TypeRef) {
        match ty {
            TypeRef::Func(_) => {}
            TypeRef::FuncExact(_) => self.used |= WasmFeatures::CUSTOM_DESCRIPTORS,
            TypeRef::Table(ty) => self.table(ty),
            TypeRef::Memory(ty) => self.memory(ty),
            TypeRef::Global(GlobalType { content_type, mutable, shared }) => {
                self.val_type(content_type);
                self.shared(shared);
                self.globals.push(mutable);
                self.imported_globals += 1;
                if mutable {
                    self.used |= WasmFeatures::MUTABLE_GLOBAL;
                }
            }
            TypeRef::Tag(_) => self.used |= WasmFeatures::EXCEPTIONS,
        }
    }

    fn table(&mut self, ty: TableType) {
        self.tables += 1;
        if ty.element_type != RefType::FUNCREF {
            self.ref_type(ty.element_type);
        }
        if ty.table64 {
            self.used |= WasmFeatures::MEMORY64;
        }
        self.shared(ty.shared);
    }

    fn shared(&mut self, shared: bool) {
        if shared {
            self.used |= WasmFeatures::SHARED_EVERYTHING_THREADS;
        }
    }

    fn memory(&mut self, ty: MemoryType) {
        self.memories += 1;
        if ty.memory64 {
            self.used |= WasmFeatures::MEMORY64;
        }
        if ty.shared {
            self.used |= WasmFeatures::THREADS;
        }
        if ty.page_size_log2.is_some() {
            self.used |= WasmFeatures::CUSTOM_PAGE_SIZES;
        }
    }

    fn element(&mut self, element: wasmparser::Element<'_>) -> Result<(), wasmparser::Error> {
        match element.kind {
            ElementKind::Passive | ElementKind::Declared => self.used |= WasmFeatures::BULK_MEMORY,
            ElementKind::Active { offset_expr, .. } => self.const_expr(&offset_expr)?,
        }
        if let ElementItems::Expressions(ty, expressions) = element.items {
            self.ref_type(ty);
            for expr in expressions {
                self.const_expr(&expr?)?;
            }
        }
        Ok(())
    }

    fn sub_type(&mut self, ty: &SubType) {
        if !ty.is_final || ty.supertype_idx.is_some() {
            self.used |= WasmFeatures::GC;
        }
        let composite = &ty.composite_type;
        self.shared(composite.shared);
        if composite.descriptor_idx.is_some() || composite.describes_idx.is_some() {
            self.used |= WasmFeatures::CUSTOM_DESCRIPTORS;
        }
        match &composite.inner {
            CompositeInnerType::Func(func) => {
                func.params().iter().chain(func.results()).for_each(|ty| self.val_type(*ty));
                if func.results().len() > 1 {
                    self.used |= WasmFeatures::MULTI_VALUE;
                }
            }
            CompositeInnerType::Array(array) => self.storage(array.0.element_type),
            CompositeInnerType::Struct(fields) => {
                self.used |= WasmFeatures::GC;
                fields.fields.iter().for_each(|field| self.storage(field.element_type));
            }
            CompositeInnerType::Cont(_) => self.used |= WasmFeatures::STACK_SWITCHING,
        }
    }

    fn storage(&mut self, ty: StorageType) {
        self.used |= WasmFeatures::GC;
        if let StorageType::Val(ty) = ty {
            self.val_type(ty);
        }
    }

    fn val_type(&mut self, ty: ValType) {
        match ty {
            ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => {}
            ValType::V128 => self.used |= WasmFeatures::SIMD,
            ValType::Ref(ty) => self.ref_type(ty),
        }
    }

    fn ref_type(&mut self, ty: RefType) {
        self.heap_type(ty.heap_type(), ty.is_nullable());
    }

    /// A heap type where null is among its references, or is not.
    fn heap_type(&mut self, heap: HeapType, nullable: bool) {
        self.used |= WasmFeatures::REFERENCE_TYPES;
        // Recursive types came with garbage collection, others with function references.
        let defined = match heap {
            HeapType::Concrete(index) if index.as_module_index().is_some_and(|index| index >= self.types) => {
                WasmFeatures::GC
            }
            HeapType::Concrete(_) => {
                self.defined_types = true;
                WasmFeatures::empty()
            }
            HeapType::Abstract { ty: AbstractHeapType::Func | AbstractHeapType::Extern, .. } if !nullable => {
                self.used |= WasmFeatures::FUNCTION_REFERENCES;
                WasmFeatures::empty()
            }
            _ => WasmFeatures::empty(),
        };
        self.used |= heap_type_needs(heap, defined);
    }

    fn named(&mut self, named: Named) {
        match named {
            Named::Val(ty) => self.val_type(ty),
            Named::Heap(heap) => self.heap_type(heap, true),
            Named::BlockFunc => self.used |= WasmFeatures::MULTI_VALUE,
        }
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<(), wasmparser::Error> {
        let mut reader = expr.get_operators_reader();
        while !reader.eof() {
            let operator = reader.read()?;
            self.operator(&operator);
            match operator {
                Operator::I32Add
                | Operator::I32Sub
                | Operator::I32Mul
                | Operator::I64Add
                | Operator::I64Sub
                | Operator::I64Mul => self.used |= WasmFeatures::EXTENDED_CONST,
                Operator::GlobalGet { global_index } if global_index as usize >= self.imported_globals => {
                    self.used |= WasmFeatures::GC;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn function_body(&mut self, body: &FunctionBody<'_>) -> Result<(), wasmparser::Error> {
        for local in body.get_locals_reader()? {
            self.val_type(local?.1);
        }
        let mut reader: OperatorsReader<'_> = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            self.operator(&operator);
        }
        Ok(())
    }
}

/// wasmparser's groups of instructions; a group without a row does not compile.
macro_rules! flags_of_group {
    (mvp) => {
        WasmFeatures::empty()
    };
    (sign_extension) => {
        WasmFeatures::SIGN_EXTENSION
    };
    (gc) => {
        WasmFeatures::GC
    };
    (custom_descriptors) => {
        WasmFeatures::CUSTOM_DESCRIPTORS
    };
    (saturating_float_to_int) => {
        WasmFeatures::SATURATING_FLOAT_TO_INT
    };
    (bulk_memory) => {
        WasmFeatures::BULK_MEMORY
    };
    (reference_types) => {
        WasmFeatures::REFERENCE_TYPES
    };
    (tail_call) => {
        WasmFeatures::TAIL_CALL
    };
    (memory_control) => {
        WasmFeatures::MEMORY_CONTROL
    };
    (threads) => {
        WasmFeatures::THREADS
    };
    (simd) => {
        WasmFeatures::SIMD
    };
    (relaxed_simd) => {
        WasmFeatures::RELAXED_SIMD
    };
    (exceptions) => {
        WasmFeatures::EXCEPTIONS
    };
    (legacy_exceptions) => {
        WasmFeatures::LEGACY_EXCEPTIONS
    };
    (shared_everything_threads) => {
        WasmFeatures::SHARED_EVERYTHING_THREADS
    };
    (function_references) => {
        WasmFeatures::FUNCTION_REFERENCES
    };
    (stack_switching) => {
        WasmFeatures::STACK_SWITCHING
    };
    (wide_arithmetic) => {
        WasmFeatures::WIDE_ARITHMETIC
    };
}

pub(crate) use flags_of_group;

macro_rules! define_operator {
    ($(@$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        impl Detector {
            /// The proposal that an instruction comes from, and those of the types that it names.
            fn operator(&mut self, operator: &Operator<'_>) {
                match operator {
                    $(Operator::$op $({ $($arg),* })? => {
                        self.used |= flags_of_group!($group);
                        $($($arg.each_type(&mut |named| self.named(named));)*)?
                    })*
                    // The enum is open; all of its variants stand above.
                    _ => {}
                }
            }
        }
    };
}

wasmparser::for_each_operator!(define_operator);

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Vec<&'static str> {
        let bytes = wat::parse_str(text).unwrap();
        let needed = scan(&bytes).unwrap();
        assert!(crate::decode::validate(&bytes, needed).is_ok(), "too little for {text}");
        for feature in needed.iter() {
            let validated = crate::decode::validate(&bytes, needed.without(feature));
            assert!(validated.is_err(), "{} is not needed for {text}", feature.name);
        }
        needed.iter().map(|feature| feature.name).collect()
    }

    #[test]
    fn features_come_from_types_sections_and_instructions() {
        let cases: [(&str, &[&str]); 18] = [
            ("(module (table 1 funcref) (func (result i32) i32.const 1))", &[]),
            ("(module (type (struct)))", &["gc"]),
            ("(module (func (param (ref func))))", &["reference-types", "function-references"]),
            ("(module (memory 1) (memory 1))", &["multi-memory"]),
            ("(module (memory i64 1))", &["memory64"]),
            ("(module (table i64 1 funcref))", &["memory64"]),
            ("(module (memory 1 (pagesize 1)))", &["custom-page-sizes"]),
            ("(module (memory 1 1 shared))", &["threads"]),
            ("(module (memory 1) (func i32.const 0 i32.atomic.load drop))", &["threads"]),
            ("(module (tag))", &["exceptions"]),
            ("(module (func return_call 0))", &["tail-call"]),
            ("(module (func (local v128)))", &["simd"]),
            ("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))", &["extended-const"]),
            ("(module (func (param i64) local.get 0 i64.extend8_s drop))", &["sign-extension"]),
            ("(module (func i64.const 1 i64.const 1 i64.mul_wide_u drop drop))", &["wide-arithmetic"]),
            ("(module (func (result i32 i32) unreachable))", &["multi-value"]),
            ("(module (data \"\") (func data.drop 0))", &["bulk-memory"]),
            ("(module (func (local externref)))", &["reference-types"]),
        ];
        for (text, expected) in cases {
            assert_eq!(needs(text), expected, "{text}");
        }
    }
}
