//! Each file of `tests/disassembly` is a module with the machine code of its function `run` appended: of its loops, or
//! of all of it. A change of the compiler shows there what it does to code.
//!
//! `HEAPWOOD_UPDATE_DISASSEMBLY=1 cargo test --test disassembly` writes the files anew; what changed is for the review
//! to judge. The first line of a file, behind `;;!`, says what is shown (`loops` or `function`), and by which options.

use heapwood_jit::abi::{CompiledFunction, RelocationTarget, SafePoint};
use heapwood_jit::{
    Budget, Callees, CompileEnv, CompileOptions, CpuFeatures, Inline, Scratch, Targets, compile_function,
};
use heapwood_module::{ContextLayout, ExportIndex, Features, decode};
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, Mnemonic, NasmFormatter, Register};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Set to write the expected code instead of comparing it.
const UPDATE: &str = "HEAPWOOD_UPDATE_DISASSEMBLY";
/// Files that there are at least: one for each chapter of the compiler.
const FILES_MIN: usize = 36;
/// Ends the module, and begins what is expected.
const HEADING: &str = ";; Code of \"run\"";

#[test]
fn code_is_as_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disassembly");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= FILES_MIN, "{} files", files.len());
    let differing: Vec<_> = files.iter().filter_map(|file| difference(file)).collect();
    assert!(differing.is_empty(), "{}\nIf this is what the change is for: {UPDATE}=1", differing.join("\n"));
}

/// How the code of a file differs from what is expected there, if it does.
fn difference(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).expect("text");
    let module = &text[..text.find(HEADING).unwrap_or(text.len())];
    let fresh = format!("{module}{}", listing(module));
    if fresh == text {
        return None;
    }
    if std::env::var_os(UPDATE).is_some() {
        fs::write(file, fresh).expect("written");
        return None;
    }
    let (line, (expected, found)) =
        (1..).zip(text.lines().zip(fresh.lines())).find(|(_, (expected, found))| expected != found).unwrap_or_default();
    Some(format!("{}:{line}: expected `{expected}`, the compiler makes `{found}`", file.display()))
}

/// What is appended to a module.
fn listing(module: &str) -> String {
    let directive = module.lines().next().and_then(|line| line.strip_prefix(";;! ")).expect("a first line with `;;!`");
    let mut words = directive.split_whitespace();
    let shows_loops = match words.next() {
        Some("loops") => true,
        Some("function") => false,
        other => panic!("what is shown: `loops` or `function`, not {other:?}"),
    };
    let mut options = CompileOptions { cpu: CpuFeatures { avx: true, avx2: true }, ..CompileOptions::default() };
    let mut targets = None;
    for word in words {
        match word {
            "fuel" => options.fuel = true,
            "memory32-checks" => options.memory32_checks = true,
            "memory64-guard" => options.memory64_guard = true,
            "few-registers" => options.few_registers = true,
            "debug-checks" => options.debug_checks = true,
            "inline" => options.inline = Inline::Small,
            "inline-always" => options.inline = Inline::Always,
            "count-targets" => options.count_targets = true,
            word if word.starts_with("targets=") => {
                options.inline = Inline::Hot;
                targets = Some(usual(word));
            }
            other => panic!("an option of that name is not known: {other}"),
        }
    }
    let function = compiled(module, options, targets.as_ref());
    let code = Code::new(&function);
    let shown = if shows_loops { code.loops() } else { vec![(0, code.instructions.len())] };
    assert!(!shown.is_empty(), "`run` has no loop");
    let what = if shows_loops { "its loops of" } else { "all" };
    let bytes: usize =
        shown.iter().map(|(from, to)| code.instructions[*from..*to].iter().map(Instruction::len).sum::<usize>()).sum();
    let mut out = format!("{HEADING}, {what} {bytes} bytes:\n");
    for (from, to) in shown {
        code.print(&mut out, from, to);
    }
    out
}

/// `targets=FUNCTION:OPERATOR:TARGET,TARGET`: what a call by reference was seen to call, by defined indices.
fn usual(word: &str) -> Targets {
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("a number in `{word}`"));
    let mut parts = word.trim_start_matches("targets=").split(':');
    let mut next = || parts.next().unwrap_or_else(|| panic!("three parts of `{word}`"));
    let (function, op) = (number(next()), number(next()));
    let mut targets = Targets::default();
    targets.set(function, op, next().split(',').map(number));
    targets
}

fn compiled(module: &str, options: CompileOptions, targets: Option<&Targets>) -> CompiledFunction {
    let bytes = wat::parse_str(module).expect("a module");
    let decoded = decode(bytes.into(), Features::all()).expect("valid");
    let exported = decoded.info.exports.iter().find_map(|(name, index)| match index {
        ExportIndex::Func(function) if &**name == "run" => Some(*function),
        _ => None,
    });
    let wanted = exported.expect("an exported function `run`") - decoded.info.imported_functions;
    let context = ContextLayout::new(&decoded.info);
    let callees =
        (options.inline != Inline::Never).then(|| Callees::new(&decoded.validators, options.inline, options.fuel));
    let (callees, budget) = (callees.as_ref(), &Budget::default());
    let env = CompileEnv { info: &decoded.info, context: &context, options, callees, targets, budget };
    let job = decoded.validators.into_iter().nth(wanted as usize).expect("a function that the module defines");
    compile_function(&env, wanted, job, &mut Scratch::default()).expect("compiles")
}

/// The instructions of a function, with a name for each place that a branch leads to.
struct Code<'a> {
    function: &'a CompiledFunction,
    instructions: Vec<Instruction>,
    labels: BTreeMap<u64, String>,
}

impl<'a> Code<'a> {
    fn new(function: &'a CompiledFunction) -> Self {
        let instructions: Vec<_> = Decoder::with_ip(64, &function.code, 0, DecoderOptions::NONE).into_iter().collect();
        let mut labels: BTreeMap<u64, String> =
            instructions.iter().filter_map(branch_target).map(|target| (target, String::new())).collect();
        let (mut hot, mut cold) = (0, 0);
        for (target, label) in &mut labels {
            let (name, count) =
                if *target < u64::from(function.cold_start) { ("L", &mut hot) } else { ("slow", &mut cold) };
            let is_trap = instructions.iter().any(|one| one.ip() == *target && one.mnemonic() == Mnemonic::Ud2);
            *label = match function.traps.iter().find(|trap| is_trap && u64::from(trap.pc) == *target) {
                Some(trap) => format!("trap {:?}", trap.kind),
                None => format!("{name}{count}"),
            };
            *count += 1;
        }
        Self { function, instructions, labels }
    }

    /// From where branches go back to, to behind them; of loops within each other the outer one. Only code in line.
    fn loops(&self) -> Vec<(usize, usize)> {
        let mut loops: Vec<(usize, usize)> = Vec::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            let Some(target) = branch_target(instruction) else { continue };
            if instruction.ip() >= u64::from(self.function.cold_start) || target > instruction.ip() {
                continue;
            }
            let from = self.instructions.partition_point(|other| other.ip() < target);
            while loops.last().is_some_and(|(inner, _)| *inner >= from) {
                loops.pop();
            }
            match loops.last_mut() {
                Some((_, to)) if from < *to => *to = at + 1,
                _ => loops.push((from, at + 1)),
            }
        }
        loops
    }

    fn print(&self, out: &mut String, from: usize, to: usize) {
        let mut formatter = NasmFormatter::new();
        formatter.options_mut().set_space_after_operand_separator(true);
        formatter.options_mut().set_hex_prefix("0x");
        formatter.options_mut().set_hex_suffix("");
        // Padding between sections is not shown.
        let shown = self.instructions[from..to].iter().filter(|one| one.mnemonic() != Mnemonic::Int3);
        for instruction in shown {
            if let Some(label) = self.labels.get(&instruction.ip()) {
                writeln!(out, ";; {label}:").expect("text");
            }
            let mut text = String::new();
            formatter.format(instruction, &mut text);
            if let Some(label) = branch_target(instruction).map(|target| &self.labels[&target]) {
                let (mnemonic, _) = text.split_once(' ').expect("a branch has a target");
                text = format!("{mnemonic} {label}");
            }
            // Where constants lie follows from the length of the function.
            if instruction.memory_base() == Register::RIP {
                let (from, to) = (text.find("[rel").expect("its form"), text.find(']').expect("its form"));
                text.replace_range(from..to, "[rel constant");
            }
            let notes = self.notes(instruction);
            let gap = if notes.is_empty() { "" } else { "; " };
            writeln!(out, "{}", format!(";;     {text:<44}{gap}{notes}").trim_end()).expect("text");
        }
    }

    /// What the compiler tells the runtime about an instruction.
    fn notes(&self, instruction: &Instruction) -> String {
        let (start, end) = (instruction.ip() as u32, instruction.next_ip() as u32);
        let mut notes = Vec::new();
        for relocation in self.function.relocations.iter().filter(|one| (start..end).contains(&one.offset)) {
            notes.push(match relocation.target {
                RelocationTarget::FunctionSlot(function) => format!("slot of function {function}"),
                RelocationTarget::CountingWord(function) => format!("whether function {function} counts"),
                RelocationTarget::TypeId(ty) => format!("id of type {ty}"),
                RelocationTarget::TypeHeader(ty) => format!("header of type {ty}"),
                RelocationTarget::ExceptionHeader(ty) => format!("header of an exception of type {ty}"),
            });
        }
        let is_trap = instruction.mnemonic() == Mnemonic::Ud2;
        for trap in self.function.traps.iter().filter(|trap| trap.pc == start && !is_trap) {
            notes.push(format!("may trap: {:?}", trap.kind));
        }
        if let Some(point) = self.function.safe_points.iter().find(|point| point.pc == end) {
            notes.push(format!("safe point: {} slots, registers {:#x}", point.ref_count, point.gpr_mask));
            if point.handler != SafePoint::NO_HANDLER {
                notes.push("with a handler".to_owned());
            }
        }
        notes.join(", ")
    }
}

/// Where a branch with a fixed target leads.
fn branch_target(instruction: &Instruction) -> Option<u64> {
    let is_branch = instruction.is_jmp_short_or_near() || instruction.is_jcc_short_or_near();
    is_branch.then(|| instruction.near_branch_target())
}
