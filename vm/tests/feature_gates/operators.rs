//! Each instruction of each proposal.
//!
//! Its immediates are found by trying: the first for which the module is valid with all features.

use super::{check_refused, is_known, is_valid_with_all};
use wasm_encoder::Encode;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasmparser::{
    AbstractHeapType, BlockType, HeapType, MemArg, Operator, Ordering, Parser, Payload, RefType, ResumeTable, TryTable,
    UnpackedIndex, ValType,
};

/// Immediates to try.
trait Sample: Sized {
    const CHOICES: usize = 1;
    fn sample(choice: usize) -> Self;
}

macro_rules! samples {
    ($($ty:ty: $choices:literal |$choice:pat_param| $value:expr;)*) => {
        $(impl Sample for $ty {
            const CHOICES: usize = $choices;
            fn sample($choice: usize) -> $ty {
                $value
            }
        })*
    };
}

const ANY: HeapType = HeapType::Abstract { shared: false, ty: AbstractHeapType::Any };

fn defined(index: usize) -> HeapType {
    HeapType::Concrete(UnpackedIndex::Module(index as u32))
}

samples! {
    u32: 8 |choice| choice as u32;
    i32: 1 |_| 0;
    i64: 1 |_| 0;
    u8: 1 |_| 0;
    [u8; 16]: 1 |_| [0; 16];
    wasmparser::V128: 1 |_| i128_const();
    MemArg: 5 |align| MemArg { align: align as u8, max_align: align as u8, offset: 0, memory: 0 };
    Ordering: 2 |choice| if choice == 0 { Ordering::SeqCst } else { Ordering::AcqRel };
    BlockType: 1 |_| BlockType::Empty;
    HeapType: 4 |choice| if choice == 0 { ANY } else { defined(choice - 1) };
    RefType: 4 |choice| RefType::new(true, HeapType::sample(choice)).unwrap();
    ValType: 1 |_| ValType::I32;
    Vec<ValType>: 1 |_| vec![ValType::I32, ValType::I32];
    TryTable: 1 |_| TryTable { ty: BlockType::Empty, catches: Vec::new() };
    ResumeTable: 1 |_| ResumeTable { handlers: Vec::new() };
}

fn i128_const() -> wasmparser::V128 {
    let bytes = [&[0xfd, 0x0c][..], &[0; 16]].concat();
    match wasmparser::BinaryReader::new(&bytes, 0).peek_operator(&Block).unwrap() {
        Operator::V128Const { value } => value,
        other => panic!("{other:?}"),
    }
}

struct Block;

impl wasmparser::FrameStack for Block {
    fn current_frame(&self) -> Option<wasmparser::FrameKind> {
        Some(wasmparser::FrameKind::Block)
    }
}

/// An instruction: proposal, name, number of choices of its immediates, the choice of a number.
type Instruction = (&'static str, &'static str, usize, fn(usize) -> Operator<'static>);

macro_rules! instruction {
    ($list:ident mvp $($rest:tt)*) => {};
    ($list:ident $group:ident $op:ident $({ $($arg:ident: $argty:ty),* })?) => {
        #[allow(unused_mut, unused_variables, unused_assignments, clippy::modulo_one, reason = "one expansion for all")]
        fn make(mut choice: usize) -> Operator<'static> {
            $($(
                let $arg = <$argty as Sample>::sample(choice % <$argty as Sample>::CHOICES);
                choice /= <$argty as Sample>::CHOICES;
            )*)?
            Operator::$op $({ $($arg),* })?
        }
        let choices = 1 $($(* <$argty as Sample>::CHOICES)*)?;
        $list.push((stringify!($group), stringify!($op), choices, make));
    };
}

macro_rules! instructions {
    ($(@$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// All instructions that came with a proposal.
        fn instructions() -> Vec<Instruction> {
            let mut list: Vec<Instruction> = Vec::new();
            $({ instruction!(list $group $op $({ $($arg: $argty),* })?); })*
            list
        }
    };
}

wasmparser::for_each_operator!(instructions);

/// The declarations around the instructions of a proposal; the last function is where they are put.
fn surroundings(group: &str) -> &'static str {
    match group {
        "custom_descriptors" => {
            "(rec (type $d (descriptor $e) (struct)) (type $e (describes $d) (struct))) (type $f (func)) (func (type $f))"
        }
        "stack_switching" => {
            "(type $f (func)) (type $c (cont $f)) (tag (type $f))
             (rec (type $g (func (param (ref null $d)))) (type $d (cont $g))) (func (type $f))"
        }
        "shared_everything_threads" => {
            "(type (shared (struct (field (mut i32)) (field (mut i8)) (field (mut (ref null (shared any)))))))
             (type (shared (array (mut i32)))) (type (shared (array (mut i8))))
             (type (shared (array (mut (ref null (shared any))))))
             (global (shared mut i32) (i32.const 0))
             (table shared 1 (ref null (shared any))) (table shared 1 (ref null (shared eq))) (func)"
        }
        _ => {
            r#"(type $f (func)) (type $s (struct (field $x (mut i32)) (field $y (mut i8)))) (type $a (array (mut i32)))
               (type $b (array (mut i8))) (type $r (array (mut funcref)))
               (memory 1) (table 1 funcref) (global (mut i32) (i32.const 0)) (tag) (elem funcref (ref.func $g))
               (func $g (data.drop 0)) (func (type $f)) (data "x")"#
        }
    }
}

/// The module with another body for its last function: `unreachable`, then the instruction.
fn with_body(module: &[u8], name: &str, operator: &Operator<'static>) -> Vec<u8> {
    let (before, after): (&[u8], &[u8]) = match name {
        "Try" | "TryTable" => (&[], &[0x0b]),
        "Catch" | "CatchAll" => (&[0x06, 0x40], &[0x0b]),
        "Delegate" => (&[0x06, 0x40], &[]),
        "Rethrow" => (&[0x06, 0x40, 0x19], &[0x0b]),
        // In a block with a result of type anyref.
        name if name.starts_with("BrOn") && name != "BrOnNull" => (&[0x02, 0x6e, 0x00], &[0x00, 0x0b]),
        _ => (&[], &[]),
    };
    let mut body = vec![0, 0x00];
    body.extend(before);
    RoundtripReencoder.instruction(operator.clone()).unwrap().encode(&mut body);
    body.extend(after);
    // What the instruction leaves on the stack is dropped by another `unreachable`.
    body.extend([0x00, 0x0b]);
    let mut sections = module[..8].to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.unwrap();
        let Some((id, range)) = payload.as_section() else { continue };
        let contents = match payload {
            Payload::CodeSectionStart { count, .. } => {
                let mut code = Vec::new();
                count.encode(&mut code);
                for _ in 1..count {
                    vec![0u8, 0x0b].as_slice().encode(&mut code);
                }
                body.as_slice().encode(&mut code);
                code
            }
            _ => module[range].to_vec(),
        };
        sections.push(id);
        contents.as_slice().encode(&mut sections);
    }
    sections
}

#[test]
fn instructions_need_their_proposal() {
    let (mut cases, mut invalid) = (0, Vec::new());
    for (group, name, choices, make) in instructions() {
        let feature = group.replace('_', "-");
        let module = wat::parse_str(format!("(module {})", surroundings(group))).unwrap();
        let modules = (0..choices).map(|choice| with_body(&module, name, &make(choice)));
        match modules.into_iter().find(|module| is_valid_with_all(module).is_ok()) {
            Some(module) => {
                check_refused(name, &module, &[&feature], &[&feature]);
                if is_known(&feature) {
                    heapwood_vm::Module::new(&super::engine_without(&[]), &module)
                        .unwrap_or_else(|error| panic!("{name} with all features: {error}"));
                }
            }
            None => invalid.push(name),
        }
        // Alone, so that nothing but the instruction can be refused.
        let alone = wat::parse_str("(module (memory 1) (func))").unwrap();
        for choice in 0..choices.min(16) {
            check_refused(name, &with_body(&alone, name, &make(choice)), &[&feature], &[""]);
        }
        cases += 1 + choices.min(16);
    }
    println!("{cases} cases");
    assert_eq!(invalid, ["TypedSelectMulti"], "instructions for which no immediates were found");
    assert_eq!(cases, 2383);
}
