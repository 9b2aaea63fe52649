//! Modules at the implementation limits are accepted, modules beyond them are refused with an error that names them.

use heapwood_module::{ConstOp, Features, ModuleInfo, decode, detect, is_malformed, limits};
use wasm_encoder::{
    BlockType, Catch, CodeSection, CompositeInnerType, CompositeType, ConstExpr, Encode, ExportKind, ExportSection,
    FieldType, Function, FunctionSection, GlobalSection, GlobalType, HeapType, Instruction, MemorySection, MemoryType,
    Module, RawSection, RefType, StorageType, StructType, SubType, TypeSection, ValType,
};

/// Validates a module; also looks for what it needs and whether it is malformed, which must not overflow either.
fn validate(module: Module) -> Result<ModuleInfo, String> {
    let bytes = module.finish();
    let malformed = is_malformed(&bytes, Features::default());
    let detected = detect(&bytes);
    let info = decode(bytes.into(), Features::default()).and_then(|module| module.validate_bodies());
    if info.is_ok() {
        assert!(malformed.is_none() && detected.is_ok());
    }
    info.map_err(|error| error.to_string())
}

#[track_caller]
fn refused(module: Module, reason: &str) {
    let error = validate(module).unwrap_err();
    assert!(error.starts_with(reason) && error.contains("at offset 0x"), "{error}");
}

fn struct_type(fields: usize, supertype: Option<u32>) -> SubType {
    let field = FieldType { element_type: StorageType::Val(ValType::I32), mutable: false };
    SubType {
        is_final: false,
        supertype_idx: supertype,
        composite_type: CompositeType {
            inner: CompositeInnerType::Struct(StructType { fields: vec![field; fields].into() }),
            shared: false,
            descriptor: None,
            describes: None,
        },
    }
}

fn types(count: usize, of: impl Fn(usize) -> SubType) -> Module {
    let mut types = TypeSection::new();
    (0..count).for_each(|index| types.ty().subtype(&of(index)));
    let mut module = Module::new();
    module.section(&types);
    module
}

/// A module with one function () -> () of these locals and instructions.
fn function(locals: &[(u32, ValType)], instructions: impl FnOnce(&mut Function)) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut body = Function::new(locals.iter().copied());
    instructions(&mut body);
    body.instruction(&Instruction::End);
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// A section that announces `count` entries and ends there: limits come first.
fn announced(id: u8, count: usize) -> Module {
    let mut data = Vec::new();
    count.encode(&mut data);
    let mut module = Module::new();
    module.section(&RawSection { id, data: &data });
    module
}

#[test]
fn counts_of_sections() {
    let sections = [
        (1, limits::TYPES_MAX, "types count exceeds limit of 1000000"),
        (2, limits::IMPORTS_MAX, "imports count exceeds limit of 1000000"),
        (3, limits::FUNCTIONS_MAX, "functions count exceeds limit of 1000000"),
        (4, limits::TABLES_MAX, "tables count exceeds limit of 100"),
        (5, limits::TABLES_MAX, "memories count exceeds limit of 100"),
        (6, limits::GLOBALS_MAX, "globals count exceeds limit of 1000000"),
        (7, limits::IMPORTS_MAX, "exports count exceeds limit of 1000000"),
        (9, limits::SEGMENTS_MAX, "element segments count exceeds limit of 100000"),
        (11, limits::SEGMENTS_MAX, "data segments count exceeds limit of 100000"),
        (
            12,
            limits::SEGMENTS_MAX,
            "data count section specifies too many data segments: more than the limit of 100000",
        ),
        (13, limits::GLOBALS_MAX, "tags count exceeds limit of 1000000"),
    ];
    for (id, max, reason) in sections {
        refused(announced(id, max + 1), reason);
        // With as many it is the missing entries that are wrong.
        let error = validate(announced(id, max)).err();
        assert!(error.as_ref().is_none_or(|error| !error.contains("limit")), "section {id}: {error:?}");
    }
}

#[test]
fn names_catches_and_elements() {
    let exported = |bytes: usize| {
        let mut exports = ExportSection::new();
        exports.export(&"x".repeat(bytes), ExportKind::Memory, 0);
        let mut memories = MemorySection::new();
        let (minimum, maximum) = (0, None);
        memories.memory(MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None });
        let mut module = Module::new();
        module.section(&memories).section(&exports);
        module
    };
    validate(exported(limits::NAME_BYTES_MAX)).unwrap();
    refused(exported(limits::NAME_BYTES_MAX + 1), "string size out of bounds: more than the limit of 100000");

    let catches = |count: usize| {
        function(&[], |body| {
            body.instruction(&Instruction::TryTable(BlockType::Empty, vec![Catch::All { label: 0 }; count].into()));
            body.instruction(&Instruction::End);
        })
    };
    validate(catches(limits::CATCHES_MAX)).unwrap();
    refused(catches(limits::CATCHES_MAX + 1), "catches size is out of bounds: more than the limit of 10000");

    // A passive segment of functions: 0, so many of them, none there.
    let mut data = vec![1, 1, 0];
    (limits::TABLE_ELEMENTS_MAX as usize + 1).encode(&mut data);
    data.extend(vec![0; limits::TABLE_ELEMENTS_MAX as usize + 1]);
    let mut module = Module::new();
    module.section(&RawSection { id: 9, data: &data });
    refused(module, "number of elements is out of bounds: more than the limit of 10000000");
}

#[test]
fn the_documentation_lists_the_limits() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
    let text = std::fs::read_to_string(path).unwrap();
    let number = |value: u64| {
        let digits = value.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
        groups.join(",")
    };
    for limit in &limits::LIMITS {
        let row = format!("| {} | {} |", limit.what, number(limit.value));
        assert!(text.lines().any(|line| line.starts_with(&row)), "docs/limits.md lacks {row}");
    }
}

#[test]
fn a_million_types() {
    let module = types(limits::TYPES_MAX, |index| struct_type(index % 3, None));
    let info = validate(module).unwrap();
    assert_eq!(info.types.len(), 1_000_000);
    assert!(info.types.is_equal(0, 999_999) && !info.types.is_equal(0, 1));
    refused(types(limits::TYPES_MAX + 1, |_| struct_type(0, None)), "types count exceeds limit of 1000000");
}

#[test]
fn a_rec_group_of_a_hundred_thousand_types() {
    let group: Vec<_> = (0..100_000).map(|index| struct_type(index % 3, None)).collect();
    let mut types = TypeSection::new();
    types.ty().rec(group.clone());
    types.ty().rec(group);
    let mut module = Module::new();
    module.section(&types);
    let info = validate(module).unwrap();
    assert_eq!((info.types.rec_groups.len(), info.types.canonical[150_000]), (2, 50_000));
    assert!(!info.types.is_equal(0, 3), "other places of a group are other types");
}

#[test]
fn fields_supertypes_parameters_and_results() {
    let info = validate(types(1, |_| struct_type(limits::FIELDS_MAX, None))).unwrap();
    assert_eq!(info.types.layout(0).end, 4 + 10_000 * 4);
    let beyond = types(1, |_| struct_type(limits::FIELDS_MAX + 1, None));
    refused(beyond, "struct fields size is out of bounds: more than the limit of 10000");

    let below = |index: usize| struct_type(0, (index as u32).checked_sub(1));
    let info = validate(types(limits::SUBTYPING_DEPTH_MAX + 1, below)).unwrap();
    assert!(info.types.is_subtype(63, 0) && !info.types.is_subtype(0, 63));
    refused(types(limits::SUBTYPING_DEPTH_MAX + 2, below), "sub type hierarchy too deep: found depth 64");

    let func = |params: usize, results: usize| {
        let mut types = TypeSection::new();
        types.ty().function(vec![ValType::I32; params], vec![ValType::I32; results]);
        let mut module = Module::new();
        module.section(&types);
        module
    };
    validate(func(limits::PARAMS_MAX, limits::RESULTS_MAX)).unwrap();
    refused(func(1001, 0), "function params size is out of bounds: more than the limit of 1000");
    refused(func(0, 1001), "function returns size is out of bounds: more than the limit of 1000");
}

#[test]
fn many_functions() {
    let functions = |count: usize| {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        let mut body = Function::new([]);
        body.instruction(&Instruction::End);
        for _ in 0..count {
            functions.function(0);
            code.function(&body);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&code);
        module
    };
    assert_eq!(validate(functions(limits::FUNCTIONS_MAX)).unwrap().bodies.len(), 1_000_000);
    refused(functions(limits::FUNCTIONS_MAX + 1), "functions count exceeds limit of 1000000");
}

#[test]
fn locals_and_bodies() {
    validate(function(&[(49_999, ValType::I32), (1, ValType::V128)], |_| {})).unwrap();
    refused(
        function(&[(50_001, ValType::I32)], |_| {}),
        "too many locals: locals exceed maximum: more than the limit of 50000",
    );

    // Besides the nops: the number of local declarations and the final end.
    let nops = |count: usize| {
        function(&[], |body| {
            body.raw(std::iter::repeat_n(1, count));
        })
    };
    validate(nops(limits::FUNCTION_BODY_BYTES_MAX - 2)).unwrap();
    refused(nops(limits::FUNCTION_BODY_BYTES_MAX - 1), "function body size count exceeds limit of 7654321");
}

#[test]
fn nesting_and_branches() {
    validate(function(&[], |body| {
        let (block, end) = (Instruction::Block(BlockType::Empty), Instruction::End);
        for instruction in [block, end].iter().flat_map(|instruction| std::iter::repeat_n(instruction, 20_000)) {
            body.instruction(instruction);
        }
    }))
    .unwrap();
    validate(function(&[], |body| {
        let targets = vec![0; 65_520];
        body.instruction(&Instruction::I32Const(0)).instruction(&Instruction::BrTable(targets.into(), 0));
    }))
    .unwrap();
}

#[test]
fn long_constant_expressions() {
    let operators = (0..200_000).flat_map(|_| [0x41, 1]).chain(std::iter::repeat_n(0x6a, 199_999));
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
    globals.global(ty, &ConstExpr::raw(operators));
    let ty = GlobalType { val_type: ValType::Ref(RefType::EXTERNREF), ..ty };
    globals.global(ty, &ConstExpr::ref_null(HeapType::EXTERN));
    let mut module = Module::new();
    module.section(&globals);
    let info = validate(module).unwrap();
    let ops = |global: usize| info.global_inits[global].ops(&info).collect::<Vec<ConstOp>>();
    assert_eq!((ops(0).len(), ops(0).last()), (399_999, Some(&ConstOp::I32Add)));
    assert_eq!(ops(1), [ConstOp::RefNull(heapwood_module::HeapType::Extern)]);
}

#[test]
fn endless_operands_of_unreachable_instructions() {
    let array_new_fixed = |array_size| {
        let text = format!("(module (type (array i8)) (func unreachable array.new_fixed 0 {array_size} drop))");
        let module = decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap();
        module.validate_bodies().map_err(|error| error.to_string())
    };
    array_new_fixed(10_000).unwrap();
    let error = array_new_fixed(u32::MAX).unwrap_err();
    assert!(error.starts_with("array.new_fixed of 4294967295 elements: more than the limit of 10000"), "{error}");
}
