//! Bytes to [`ModuleInfo`].
//!
//! 1. Each payload of the binary is validated by wasmparser.
//! 2. Then it is read once more into our own form, which can rely on its validity.
//! 3. Function bodies are only located: whoever compiles one validates it in the same pass.

use crate::branch_hints::{self, BranchHints};
use crate::const_expr::{decode_const_expr, decode_const_items};
use crate::gate;
use crate::{
    ConstExpr, DataSegment, ElementItems, ElementSegment, ExportIndex, ExternType, Features, HeapType, Import,
    ModuleBytes, ModuleError, ModuleInfo, RefType, Section, SegmentMode, TypeSectionBuilder, convert, limits,
};
use std::ops::Range;
use wasmparser::{
    BinaryReader, ExternalKind, FuncToValidate, FuncValidatorAllocations, Parser, Payload, TypeRef, ValidPayload,
    Validator, ValidatorResources, WasmFeatures,
};

/// Id of the code section.
pub(crate) const CODE: u8 = 10;

/// A module whose function bodies are still to be validated.
#[derive(Debug)]
pub struct DecodedModule {
    /// The module, but for its function bodies.
    pub info: ModuleInfo,
    /// One job per defined function, in order.
    pub validators: Vec<FuncBodyJob>,
}

/// A function body to validate; jobs are independent of each other and may run on any thread.
#[derive(Debug)]
pub struct FuncBodyJob {
    /// wasmparser's validator of this function.
    pub validator: FuncToValidate<ValidatorResources>,
    /// The body: from the local declarations to the final `end`, as a range of the module's bytes.
    pub range: Range<usize>,
}

impl DecodedModule {
    /// Validates every function body, for whoever does not compile them.
    ///
    /// # Errors
    /// The first invalid body.
    pub fn validate_bodies(self) -> Result<ModuleInfo, ModuleError> {
        let mut allocations = FuncValidatorAllocations::default();
        for job in self.validators {
            allocations = validate_body(&self.info.bytes, job, allocations)?;
        }
        Ok(self.info)
    }
}

fn validate_body(
    bytes: &[u8],
    job: FuncBodyJob,
    allocations: FuncValidatorAllocations,
) -> Result<FuncValidatorAllocations, ModuleError> {
    let features = job.validator.features;
    let mut validator = job.validator.into_validator(allocations);
    let mut reader = BinaryReader::new_features(&bytes[job.range.clone()], job.range.start, features);
    validator.read_locals(&mut reader)?;
    while !reader.eof() {
        let offset = reader.original_position();
        reader.visit_operator(&mut gate::gate(&mut validator, offset))??;
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))?;
    Ok(validator.into_allocations())
}

/// Validates a module, with features that may go beyond what can be decoded.
pub(crate) fn validate(bytes: &[u8], features: Features) -> Result<(), ModuleError> {
    let mut validator = Validator::new_with_features(features.wasm());
    let mut parser = Parser::new(0);
    parser.set_features(features.wasm());
    let mut jobs = Vec::new();
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        if let ValidPayload::Func(validator, body) = validator.payload(&payload)? {
            jobs.push(FuncBodyJob { validator, range: body.range() });
        }
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports_with_offsets() {
                let (offset, import) = import?;
                gate::import(&import.ty, features.wasm(), offset)?;
            }
        }
    }
    let mut allocations = FuncValidatorAllocations::default();
    for job in jobs {
        allocations = validate_body(bytes, job, allocations)?;
    }
    Ok(())
}

/// Decodes a module and validates all of it but the function bodies.
pub fn decode(bytes: ModuleBytes, features: Features) -> Result<DecodedModule, ModuleError> {
    if bytes.len() > limits::MODULE_BYTES_MAX {
        let message = format!("module of {} bytes: more than the limit of {}", bytes.len(), limits::MODULE_BYTES_MAX);
        return Err(ModuleError::new(message));
    }
    let mut validator = Validator::new_with_features(features.wasm());
    let mut parser = Parser::new(0);
    parser.set_features(features.wasm());
    let mut decoder = Decoder::new(features);
    for payload in parser.parse_all(&bytes) {
        let payload = payload?;
        if let ValidPayload::Func(validator, body) = validator.payload(&payload)? {
            decoder.info.bodies.push(body.range());
            decoder.jobs.push(FuncBodyJob { validator, range: body.range() });
        } else {
            decoder.payload(payload)?;
        }
    }
    let validators = std::mem::take(&mut decoder.jobs);
    let mut info = decoder.finish();
    info.bytes = bytes;
    Ok(DecodedModule { info, validators })
}

struct Decoder {
    on: WasmFeatures,
    info: ModuleInfo,
    jobs: Vec<FuncBodyJob>,
    /// Whether each function may become a reference, by function index.
    escaping: Vec<bool>,
    hints_are_over: bool,
}

impl Decoder {
    fn new(features: Features) -> Decoder {
        Decoder {
            on: features.wasm(),
            info: ModuleInfo::default(),
            jobs: Vec::new(),
            escaping: Vec::new(),
            hints_are_over: false,
        }
    }

    /// What was decoded, but for the bytes.
    fn finish(self) -> ModuleInfo {
        let escaping = (0..).zip(self.escaping).filter(|(_, escapes)| *escapes).map(|(index, _)| index).collect();
        ModuleInfo { escaping, ..self.info }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), ModuleError> {
        if let Payload::CustomSection(section) = &payload {
            self.section(0, section.name(), section.data_offset()..section.range().end);
            if section.name() == branch_hints::SECTION {
                self.branch_hints(section.data());
            }
        } else if let Some((id, range)) = payload.as_section() {
            self.section(id, section_name(id), range);
        }
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => self.functions(section),
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => {
                for memory in section {
                    self.info.memories.push(convert::memory_type(memory?));
                }
                Ok(())
            }
            Payload::TagSection(section) => {
                for tag in section {
                    self.info.tags.push(tag?.func_type_idx);
                }
                Ok(())
            }
            Payload::GlobalSection(section) => self.globals(section),
            Payload::ExportSection(section) => self.exports(section),
            Payload::StartSection { func, .. } => {
                self.info.start = Some(func);
                Ok(())
            }
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataCountSection { count, .. } => {
                self.info.data_count = Some(count);
                Ok(())
            }
            Payload::DataSection(section) => self.data(section),
            _ => Ok(()),
        }
    }

    fn section(&mut self, id: u8, name: &str, range: Range<usize>) {
        self.hints_are_over |= id == CODE;
        self.info.sections.push(Section { id, name: name.to_owned(), range });
    }

    /// The first such section counts, and only before the code.
    fn branch_hints(&mut self, contents: &[u8]) {
        let info = &mut self.info;
        if !std::mem::replace(&mut self.hints_are_over, true) {
            let functions = info.imported_functions..info.functions.len() as u32;
            info.branch_hints = BranchHints::read(contents, functions).unwrap_or_default();
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> Result<(), ModuleError> {
        let mut builder = TypeSectionBuilder::default();
        for group in section.into_iter_with_offsets() {
            let (offset, group) = group?;
            let types: Result<Vec<_>, _> = group.types().map(|ty| convert::sub_type(ty, offset)).collect();
            builder.push_group(types?);
        }
        self.info.types = builder.finish().into();
        Ok(())
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'_>) -> Result<(), ModuleError> {
        for import in section.into_imports_with_offsets() {
            let (offset, import) = import?;
            gate::import(&import.ty, self.on, offset)?;
            let ty = match import.ty {
                TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                    self.escaping.push(false);
                    ExternType::Func(ty)
                }
                TypeRef::Table(ty) => ExternType::Table(convert::table_type(ty, offset)?),
                TypeRef::Memory(ty) => ExternType::Memory(convert::memory_type(ty)),
                TypeRef::Global(ty) => ExternType::Global(convert::global_type(ty, offset)?),
                TypeRef::Tag(ty) => ExternType::Tag(ty.func_type_idx),
            };
            let (module, name) = (import.module.to_owned(), import.name.to_owned());
            self.info.push_import(Import { module, name, ty });
        }
        Ok(())
    }

    fn functions(&mut self, section: wasmparser::FunctionSectionReader<'_>) -> Result<(), ModuleError> {
        for ty in section {
            self.info.functions.push(ty?);
            self.escaping.push(false);
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<(), ModuleError> {
        for table in section.into_iter_with_offsets() {
            let (offset, table) = table?;
            self.info.tables.push(convert::table_type(table.ty, offset)?);
            let init = match &table.init {
                wasmparser::TableInit::RefNull => None,
                wasmparser::TableInit::Expr(expr) => Some(self.const_expr(expr)?),
            };
            self.info.table_inits.push(init);
        }
        Ok(())
    }

    fn globals(&mut self, section: wasmparser::GlobalSectionReader<'_>) -> Result<(), ModuleError> {
        for global in section.into_iter_with_offsets() {
            let (offset, global) = global?;
            self.info.globals.push(convert::global_type(global.ty, offset)?);
            let init = self.const_expr(&global.init_expr)?;
            self.info.global_inits.push(init);
        }
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'_>) -> Result<(), ModuleError> {
        for export in section {
            let export = export?;
            let index = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => {
                    self.escape(export.index);
                    ExportIndex::Func(export.index)
                }
                ExternalKind::Table => ExportIndex::Table(export.index),
                ExternalKind::Memory => ExportIndex::Memory(export.index),
                ExternalKind::Global => ExportIndex::Global(export.index),
                ExternalKind::Tag => ExportIndex::Tag(export.index),
            };
            self.info.exports.push((export.name.to_owned(), index));
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), ModuleError> {
        for element in section.into_iter_with_offsets() {
            let (offset, element) = element?;
            let mode = match element.kind {
                wasmparser::ElementKind::Passive => SegmentMode::Passive,
                wasmparser::ElementKind::Declared => SegmentMode::Declared,
                wasmparser::ElementKind::Active { table_index, offset_expr } => {
                    SegmentMode::Active { index: table_index.unwrap_or(0), offset: self.const_expr(&offset_expr)? }
                }
            };
            let (ty, items) = match element.items {
                wasmparser::ElementItems::Functions(functions) => {
                    let functions: Result<Box<[u32]>, _> = functions.into_iter().collect();
                    let functions = functions?;
                    functions.iter().for_each(|function| self.escape(*function));
                    (RefType::new(false, HeapType::Func), ElementItems::Functions(functions))
                }
                wasmparser::ElementItems::Expressions(ty, expressions) => {
                    let items = self.const_items(expressions)?;
                    (convert::ref_type(ty, offset)?, items)
                }
            };
            self.info.elements.push(ElementSegment { mode, ty, items });
        }
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'_>) -> Result<(), ModuleError> {
        for data in section {
            let data = data?;
            let mode = match data.kind {
                wasmparser::DataKind::Passive => SegmentMode::Passive,
                wasmparser::DataKind::Active { memory_index, offset_expr } => {
                    SegmentMode::Active { index: memory_index, offset: self.const_expr(&offset_expr)? }
                }
            };
            let range = data.range.end - data.data.len()..data.range.end;
            self.info.data.push(DataSegment { mode, range });
        }
        Ok(())
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, ModuleError> {
        let escaping = &mut self.escaping;
        decode_const_expr(expr, &mut self.info.constants, |function| escaping[function as usize] = true)
    }

    fn const_items(
        &mut self,
        items: wasmparser::SectionLimited<'_, wasmparser::ConstExpr<'_>>,
    ) -> Result<ElementItems, ModuleError> {
        let escaping = &mut self.escaping;
        decode_const_items(items, &mut self.info.constants, |function| escaping[function as usize] = true)
    }

    fn escape(&mut self, function: u32) {
        self.escaping[function as usize] = true;
    }
}

fn section_name(id: u8) -> &'static str {
    match id {
        1 => "type",
        2 => "import",
        3 => "function",
        4 => "table",
        5 => "memory",
        6 => "global",
        7 => "export",
        8 => "start",
        9 => "element",
        CODE => "code",
        11 => "data",
        12 => "data count",
        13 => "tag",
        _ => "unknown",
    }
}
