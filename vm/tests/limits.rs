//! Large modules compile on a small stack, and what is beyond a limit is refused by name.

mod shapes;

use heapwood_vm::{COMPILE_MEMORY_BASE, COMPILE_MEMORY_PER_BYTE, Config, Engine, ErrorKind, Module};
use shapes::passing::{CALLS, CONSTANT_LOCALS, KINDS, PASSING, Passing, Values};
use shapes::{SHAPES, Shape};

/// Stack of the thread that compiles: nothing there may recurse with the nesting or the length of the input.
const STACK_BYTES: usize = 256 << 10;
/// Shapes that are small in bytes are compiled at their full size, others at a tenth of it.
const FULL_MAX: usize = 65_520;

/// A million types take some 800 MB.
const COMPILE_MEMORY_MAX: u64 = 4 << 30;

fn compile_on_a_small_stack(shape: &Shape, size: usize) {
    let bytes = shape.module(size);
    let compile = move || {
        let engine = Engine::new(Config::new().compile_threads(1).max_compile_memory(COMPILE_MEMORY_MAX)).unwrap();
        Module::new(&engine, bytes).map(drop).map_err(|error| error.to_string())
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(compile).unwrap();
    let compiled = thread.join().unwrap_or_else(|_| panic!("{} at {size}", shape.name));
    assert_eq!(compiled, Ok(()), "{} at {size}", shape.name);
}

#[test]
fn large_modules_compile_on_a_small_stack() {
    for shape in &SHAPES {
        compile_on_a_small_stack(shape, if shape.full <= FULL_MAX { shape.full } else { shape.full / 10 });
    }
}

#[test]
#[ignore = "the largest modules take minutes in a debug build"]
fn the_largest_modules_compile_on_a_small_stack() {
    SHAPES.iter().for_each(|shape| compile_on_a_small_stack(shape, shape.full));
}

#[test]
fn an_engine_refuses_types_beyond_its_quota_until_others_die() {
    let engine = Engine::new(Config::new().max_types(3)).unwrap();
    let module = |text: &str| Module::new(&engine, wat::parse_str(text).unwrap());
    let first = module("(module (type (struct (field i32))) (type (struct (field i64))))").unwrap();
    // One of the three types is there already.
    let more = "(module (type (struct (field i64))) (type (array i8)) (type (array i16)))";
    let error = module(more).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
    let says = "the engine's quota of 3 types (Config::max_types) is used up: 3 are alive, 1 more are wanted";
    assert_eq!((error.to_string(), engine.live_types()), (says.to_owned(), 2));
    drop(first);
    assert_eq!(engine.live_types(), 0);
    module(more).unwrap();
}

/// Bytes of all functions' code.
fn code_bytes(module: &[u8], engine: &Engine) -> u64 {
    let module = Module::new(engine, module).unwrap();
    let functions = 0..module.info().functions.len() as u32;
    functions.filter_map(|function| module.function_code(function)).map(|(_, code)| code.len() as u64).sum()
}

/// Machine code that one more repetition costs.
fn code_of_a_repetition(passing: &Passing, values: &Values) -> u64 {
    let engine = Engine::new(Config::new().compile_threads(1)).unwrap();
    let bytes = |n: u64| code_bytes(&passing.module(n as usize, values), &engine);
    (bytes(2 * PASSING_REPETITIONS) - bytes(PASSING_REPETITIONS)) / PASSING_REPETITIONS
}

const PASSING_REPETITIONS: u64 = 150;
/// Of machine code for what passes a thousand values: they are 14,000 if each place has copies of its own.
const REPETITION_BYTES_MAX: u64 = 500;

#[test]
fn copies_of_many_values_are_made_in_one_place() {
    let mut cases = 0;
    for values in &KINDS {
        for passing in &PASSING {
            let bytes = code_of_a_repetition(passing, values);
            println!("{bytes:>5} bytes of code: {} with {}", passing.name, values.name);
            assert!(bytes <= REPETITION_BYTES_MAX, "{} with {}: {bytes} bytes each", passing.name, values.name);
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 90);
}

#[test]
fn constant_locals_are_stored_once_for_all_calls_with_a_handler() {
    let engine = Engine::new(Config::new().compile_threads(1)).unwrap();
    let bytes = |n| code_bytes(&CONSTANT_LOCALS.module(n), &engine);
    let each = (bytes(20_000) - bytes(10_000)) / 10_000;
    assert!(each <= 32, "{each} bytes for a call");
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(low | if number == 0 { 0 } else { 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// Functions of six bytes that declare 50,000 locals each.
fn module_of_locals(functions: usize) -> Vec<u8> {
    let declared = [&[1][..], &leb(50_000), &[0x7e, 0x0b]].concat();
    let body = [leb(declared.len()), declared].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[leb(functions), vec![0; functions]].concat()),
        section(10, &[leb(functions), body.repeat(functions)].concat()),
    ]
    .concat()
}

#[test]
fn functions_declare_so_many_locals_together() {
    for threads in [1, 2] {
        let engine = Engine::new(Config::new().compile_threads(threads)).unwrap();
        Module::new(&engine, module_of_locals(80)).unwrap();
        for functions in [100, 20_000] {
            let module = module_of_locals(functions);
            let error = Module::new(&engine, &module).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
            let most = 4_000_000 + 16 * module.len();
            let says = format!("the functions declare more than {most} locals together");
            assert!(error.to_string().contains(&says), "{error}");
        }
    }
}

/// A function that calls one of a thousand parameters and results again and again, where nothing is ever reached.
fn module_of_wide_calls(calls: usize) -> Vec<u8> {
    let wide = [vec![0x60], leb(1000), vec![0x7f; 1000], leb(1000), vec![0x7f; 1000]].concat();
    let types = [&[2, 0x60, 0, 0][..], &wide].concat();
    let body = [&[0, 0][..], &[0x10, 1].repeat(calls), &[0, 0x0b]].concat();
    let callee = [0, 0, 0x0b];
    let bodies = [vec![2], leb(body.len()), body, leb(callee.len()), callee.to_vec()].concat();
    [b"\0asm\x01\0\0\0".to_vec(), section(1, &types), section(3, &[2, 0, 1]), section(10, &bodies)].concat()
}

#[test]
fn instructions_pass_so_many_values_together() {
    for threads in [1, 2] {
        let engine = Engine::new(Config::new().compile_threads(threads)).unwrap();
        Module::new(&engine, module_of_wide_calls(10_000)).unwrap();
        for calls in [10_500, 1_000_000] {
            let module = module_of_wide_calls(calls);
            let error = Module::new(&engine, &module).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
            let most = 20_000_000 + 16 * module.len();
            let says = format!("the instructions pass more than {most} values");
            assert!(error.to_string().contains(&says), "{error}");
        }
    }
}

/// Jumps to two thousand labels, at each of which constants are to be stored: six hundred bytes of code for a label.
fn module_of_edges(jumps: usize) -> Vec<u8> {
    const LABELS: usize = 2_000;
    const LOCALS: usize = 64;
    let set = |local: usize| format!("i64.const {} local.set {local} ", 0x1122_3344_5566_7788 + local);
    let sets: String = (1..=LOCALS).map(set).collect();
    let gets: String = (1..=LOCALS).map(|local| format!("local.get {local} drop ")).collect();
    let targets: String = (1..=LABELS).map(|label| format!("{label} ")).collect();
    // Nobody leaves the inner block: the next one begins with constants of its own.
    let jumps = format!("block {sets} local.get 0 br_table {targets} end ").repeat(jumps);
    let (blocks, ends) = ("block ".repeat(LABELS), "end ".repeat(LABELS));
    let declared = "i64 ".repeat(LOCALS);
    wat::parse_str(format!("(module (func (param i32) (local {declared}) {blocks} {jumps} {ends} {gets}))")).unwrap()
}

#[test]
fn code_that_has_no_end_is_refused_while_it_is_made() {
    let engine = Engine::new(Config::new().compile_threads(1)).unwrap();
    Module::new(&engine, module_of_edges(2)).unwrap();
    let error = Module::new(&engine, module_of_edges(60)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
    assert!(error.to_string().contains("compiling takes"), "{error}");
}

/// One operator may emit more than a module may take: it looks at the size of the code itself.
#[test]
fn code_of_one_operator_is_refused_while_it_is_made() {
    const LIMIT: u64 = 2 << 20;
    let config = |bytes| Config::new().compile_threads(1).max_compile_memory(bytes).clone();
    let module = module_of_edges(2);
    let error = Module::new(&Engine::new(&config(LIMIT)).unwrap(), &module).unwrap_err().to_string();
    let taken: u64 = error.split(' ').nth(2).and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("{error}"));
    assert!((LIMIT..LIMIT + (16 << 10)).contains(&taken), "{error}");
    Module::new(&Engine::new(&config(16 * LIMIT)).unwrap(), &module).unwrap();
}

#[test]
#[ignore = "it takes half a gigabyte"]
fn the_code_of_a_function_has_a_limit() {
    let engine = Engine::new(Config::new().compile_threads(1).max_compile_memory(4 << 30)).unwrap();
    let error = Module::new(&engine, module_of_edges(600)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
    assert!(error.to_string().contains("a function has more than 536870912 bytes of machine code"), "{error}");
}

#[test]
fn a_module_that_takes_more_memory_to_compile_than_it_may_is_refused() {
    let calls = CALLS.module(50_000);
    let default = Engine::new(Config::new().compile_threads(1)).unwrap();
    Module::new(&default, &calls).unwrap();
    for threads in [1, 2] {
        let mut config = Config::new();
        let engine = Engine::new(config.compile_threads(threads).max_compile_memory(1 << 20)).unwrap();
        let error = Module::new(&engine, &calls).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
        let says = error.to_string();
        assert!(says.contains("code and working memory: the budget has 1048576 "), "{says}");
        assert!(says.ends_with("(Config::max_compile_memory)"), "{says}");
        Module::new(&engine, wat::parse_str("(module (func))").unwrap()).unwrap();
    }
    // By default the budget grows with the module.
    let large = CALLS.module(2_000_000);
    let limit = COMPILE_MEMORY_BASE + COMPILE_MEMORY_PER_BYTE * large.len() as u64;
    let error = Module::new(&default, &large).map(drop).unwrap_err().to_string();
    assert!(error.contains(&format!("the budget has {limit} ")), "{error}");
}

/// Why compiling refuses a module.
fn refusal(text: &str) -> String {
    let bytes = wat::parse_str(text).unwrap();
    Module::new(&Engine::default(), bytes).map(drop).unwrap_err().to_string()
}

#[test]
fn compiling_names_the_limits_of_bodies() {
    let error = refusal("(module (type (array i8)) (func unreachable array.new_fixed 0 4294967295 drop))");
    assert!(error.starts_with("array.new_fixed of 4294967295 elements: more than the limit of 10000"), "{error}");
    let error = refusal(&format!("(module (func (local {})))", "i32 ".repeat(50_001)));
    assert!(error.starts_with("too many locals: locals exceed maximum: more than the limit of 50000"), "{error}");
    let error = refusal(&format!("(module {})", "(table 1 funcref)".repeat(101)));
    assert!(error.starts_with("tables count exceeds limit of 100 "), "{error}");
    let error = refusal(&format!("(module {})", "(memory 0)".repeat(101)));
    assert!(error.starts_with("memories count exceeds limit of 100 "), "{error}");
}
