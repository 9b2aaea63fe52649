//! Which features a module needs, whether or not they are on.

use crate::ModuleError;
use crate::features::{FEATURES, FeatureInfo, Features};
use wasmparser::{
    AbstractHeapType, BlockType, CompositeInnerType, DataKind, ElementItems, ElementKind, ExternalKind, FunctionBody,
    GlobalType, HeapType, MemoryType, Operator, OperatorsReader, Parser, Payload, RefType, StorageType, SubType,
    TableInit, TableType, TypeRef, ValType, WasmFeatures,
};

/// What a module needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DetectedFeatures {
    used: WasmFeatures,
    simd_instructions: bool,
}

impl DetectedFeatures {
    /// The features, in the order of [`FEATURES`].
    pub fn list(&self) -> impl Iterator<Item = &'static FeatureInfo> {
        let used = self.used;
        FEATURES.iter().filter(move |feature| used.intersects(feature.flags()))
    }

    /// Those that are off in `features`: to be switched on with `-W NAME=y`.
    pub fn missing(&self, features: Features) -> impl Iterator<Item = &'static FeatureInfo> {
        self.list().filter(move |feature| !features.wasm().contains(feature.flags()))
    }

    /// A set with what the module needs and nothing else.
    pub fn exactly(&self) -> Features {
        Features::from_flags(WasmFeatures::MVP | self.used)
    }

    /// Whether it needs the feature of this name.
    pub fn needs(&self, name: &str) -> bool {
        self.list().any(|feature| feature.name == name)
    }

    /// Whether vector instructions occur (types and constants alone do not count): they want a machine with AVX.
    pub fn simd_instructions(&self) -> bool {
        self.simd_instructions
    }
}

/// Finds out what a module needs, without validating it.
///
/// # Errors
/// The module cannot be decoded with all features that there are.
pub fn detect(bytes: &[u8]) -> Result<DetectedFeatures, ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(Features::all().wasm());
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
    Ok(DetectedFeatures { used: detector.used, simd_instructions: detector.simd_instructions })
}

struct Detector {
    used: WasmFeatures,
    simd_instructions: bool,
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
            simd_instructions: false,
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
                for import in section.into_imports() {
                    self.import(import?.ty);
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
            Payload::DataCountSection { .. } => self.used |= WasmFeatures::BULK_MEMORY,
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
            TypeRef::Func(_) | TypeRef::FuncExact(_) => {}
            TypeRef::Table(ty) => self.table(ty),
            TypeRef::Memory(ty) => self.memory(ty),
            TypeRef::Global(GlobalType { content_type, mutable, .. }) => {
                self.val_type(content_type);
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
            ElementKind::Passive => self.used |= WasmFeatures::BULK_MEMORY,
            ElementKind::Declared => self.used |= WasmFeatures::BULK_MEMORY | WasmFeatures::REFERENCE_TYPES,
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
        match &ty.composite_type.inner {
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

    fn heap_type(&mut self, heap: HeapType, nullable: bool) {
        use AbstractHeapType::*;
        self.used |= WasmFeatures::REFERENCE_TYPES;
        self.used |= match heap {
            HeapType::Concrete(index) if index.as_module_index().is_none_or(|index| index < self.types) => {
                WasmFeatures::FUNCTION_REFERENCES
            }
            // Recursive types came with garbage collection.
            HeapType::Concrete(_) => WasmFeatures::FUNCTION_REFERENCES | WasmFeatures::GC,
            HeapType::Exact(_) => WasmFeatures::CUSTOM_DESCRIPTORS,
            HeapType::Abstract { ty, .. } => match ty {
                Func | Extern if nullable => WasmFeatures::empty(),
                Func | Extern => WasmFeatures::FUNCTION_REFERENCES,
                Any | None | NoExtern | NoFunc | Eq | Struct | Array | I31 => WasmFeatures::GC,
                Exn | NoExn => WasmFeatures::EXCEPTIONS,
                Cont | NoCont => WasmFeatures::STACK_SWITCHING,
            },
        };
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<(), wasmparser::Error> {
        let mut reader = expr.get_operators_reader();
        while !reader.eof() {
            let operator = reader.read()?;
            let arithmetic = matches!(
                operator,
                Operator::I32Add
                    | Operator::I32Sub
                    | Operator::I32Mul
                    | Operator::I64Add
                    | Operator::I64Sub
                    | Operator::I64Mul
            );
            self.used |= proposal(&operator);
            if arithmetic {
                self.used |= WasmFeatures::EXTENDED_CONST;
            }
            match operator {
                Operator::GlobalGet { global_index } if global_index as usize >= self.imported_globals => {
                    self.used |= WasmFeatures::GC;
                }
                Operator::RefNull { hty } => self.heap_type(hty, true),
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
            let used = proposal(&operator);
            let is_constant = matches!(operator, Operator::V128Const { .. });
            self.simd_instructions |= used.intersects(WasmFeatures::SIMD | WasmFeatures::RELAXED_SIMD) && !is_constant;
            self.used |= used;
            match operator {
                Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => match blockty {
                    BlockType::Empty => {}
                    BlockType::Type(ty) => self.val_type(ty),
                    BlockType::FuncType(_) => self.used |= WasmFeatures::MULTI_VALUE,
                },
                Operator::RefNull { hty } => self.heap_type(hty, true),
                Operator::TypedSelect { ty } => self.val_type(ty),
                _ => {}
            }
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

macro_rules! define_proposal {
    ($(@$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// The proposal that an instruction comes from.
        fn proposal(operator: &Operator<'_>) -> WasmFeatures {
            match operator {
                $(Operator::$op { .. } => flags_of_group!($group),)*
                // The enum is open; all of its variants stand above.
                _ => WasmFeatures::empty(),
            }
        }
    };
}

wasmparser::for_each_operator!(define_proposal);

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Vec<&'static str> {
        let detected = detect(&wat::parse_str(text).unwrap()).unwrap();
        detected.list().map(|feature| feature.name).collect()
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

    #[test]
    fn a_missing_feature_is_named_with_the_option_that_brings_it() {
        let text = "(module (func i64.const 1 i64.const 1 i64.mul_wide_u drop drop))";
        let bytes = wat::parse_str(text).unwrap();
        let missing: Vec<_> =
            detect(&bytes).unwrap().missing(Features::default()).map(|feature| feature.name).collect();
        assert_eq!(missing, ["wide-arithmetic"]);
        let module = crate::decode(bytes.into(), Features::default()).unwrap();
        let error = module.validate_bodies().unwrap_err().to_string();
        assert!(error.ends_with("needs wide-arithmetic (off by default): run with -W wide-arithmetic=y"), "{error}");
    }

    #[test]
    fn vector_types_are_no_vector_instructions() {
        let simd = |body: &str| {
            let bytes = wat::parse_str(format!("(module (func (local v128) {body}))")).unwrap();
            detect(&bytes).unwrap().simd_instructions()
        };
        assert!(!simd("local.get 0 drop v128.const i64x2 0 0 drop"));
        assert!(simd("local.get 0 v128.not drop"));
    }
}
