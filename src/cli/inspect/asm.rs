//! `--asm`: a function's machine code, with the WebAssembly that it comes from.
//!
//! Before the code of each instruction stands its offset in the module and its text; behind an instruction stand the
//! traps and the references that the collector finds there. Out-of-line parts follow at the end.

use super::function_title;
use anyhow::{Context, Result, anyhow, bail};
use heapwood::{CompiledFunction, Module, ModuleInfo, RelocationTarget, SafePoint, printable};
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, NasmFormatter, Register};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

/// Finds the function and prints it; as it is compiled again if it `runs_often`.
pub fn print(out: &mut impl Write, module: &Module, wanted: &str, runs_often: bool) -> Result<io::Result<()>> {
    let function = find(module.info(), wanted)?;
    let compiled = if runs_often { module.hot_function(function)? } else { module.compiled_function(function)? };
    let compiled = compiled.with_context(|| format!("function #{function} is imported: it has no code here"))?;
    let operators = operators(module.info(), function, &compiled)?;
    Ok(Listing { info: module.info(), function, compiled: &compiled, operators }.print(out))
}

/// The function of an index, an export or a name; of names also an unambiguous part.
fn find(info: &ModuleInfo, wanted: &str) -> Result<u32> {
    let count = info.functions.len() as u32;
    if let Ok(index) = wanted.parse::<u32>() {
        return if index < count { Ok(index) } else { Err(anyhow!("there are {count} functions, no #{index}")) };
    }
    let exported = info.exports.iter().find_map(|(name, index)| match index {
        heapwood::ExportIndex::Func(function) if name == wanted => Some(*function),
        _ => None,
    });
    if let Some(function) = exported {
        return Ok(function);
    }
    let named = |fits: &dyn Fn(&str) -> bool| -> Vec<u32> {
        (0..count).filter(|function| info.names().function(*function).is_some_and(fits)).collect()
    };
    let mut found = named(&|name| name == wanted);
    if found.is_empty() {
        found = named(&|name| name.contains(wanted));
    }
    match found[..] {
        [function] => Ok(function),
        [] => bail!("there is no function `{wanted}`"),
        _ => {
            let titles: Vec<_> = found.iter().take(10).map(|function| function_title(info, *function)).collect();
            bail!("{} functions are called `{wanted}`: {}", found.len(), titles.join(", "))
        }
    }
}

/// The text of each instruction of a function, and of what was inlined there, by its offset in the module.
fn operators(info: &ModuleInfo, function: u32, compiled: &CompiledFunction) -> Result<HashMap<usize, String>> {
    let inlined = compiled.inlined.iter().map(|body| body.function);
    let functions: BTreeSet<u32> = inlined.chain([function - info.imported_functions]).collect();
    let bodies: Vec<_> = functions.into_iter().map(|defined| &info.bodies[defined as usize]).collect();
    let mut storage = String::new();
    let lines = wasmprinter::Config::new().offsets_and_lines(&info.bytes, &mut storage)?;
    let lines = lines.filter_map(|(offset, line)| Some((offset?, printable(line.trim()).to_string())));
    Ok(lines.filter(|(offset, _)| bodies.iter().any(|body| body.contains(offset))).collect())
}

struct Listing<'a> {
    info: &'a ModuleInfo,
    function: u32,
    compiled: &'a CompiledFunction,
    operators: HashMap<usize, String>,
}

impl Listing<'_> {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        self.print_head(out)?;
        let mut decoder = Decoder::with_ip(64, &self.compiled.code, 0, DecoderOptions::NONE);
        let mut formatter = NasmFormatter::new();
        formatter.options_mut().set_space_after_operand_separator(true);
        formatter.options_mut().set_hex_prefix("0x");
        formatter.options_mut().set_hex_suffix("");
        let mut shown = None;
        let mut text = String::new();
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            let start = decoder.position() as u32;
            if start == self.compiled.cold_start && start != 0 {
                writeln!(out, "\nout of line:")?;
                shown = None;
            }
            let origin = self.origin(start);
            if origin != shown {
                self.print_origin(out, origin)?;
                shown = origin;
            }
            decoder.decode_out(&mut instruction);
            text.clear();
            formatter.format(&instruction, &mut text);
            let notes = self.notes(&instruction, start, decoder.position() as u32);
            let gap = if notes.is_empty() { "" } else { "  ; " };
            writeln!(out, "{}", format!("    {start:>5x}  {text:<40}{gap}{notes}").trim_end())?;
        }
        Ok(())
    }

    fn print_head(&self, out: &mut impl Write) -> io::Result<()> {
        let record = &self.compiled.record;
        let ty = self.info.type_text(self.info.functions[self.function as usize]);
        writeln!(out, "function {}: type {ty}", function_title(self.info, self.function))?;
        let saved: Vec<_> =
            record.saved_registers().map(|(register, _)| format!("{register:?}").to_lowercase()).collect();
        writeln!(
            out,
            "{} bytes of code ({} out of line), frame {} bytes, references from rbp-{:#x}, saves [{}]",
            self.compiled.code.len(),
            self.compiled.code.len() - self.compiled.cold_start as usize,
            record.frame_bytes,
            record.ref_base,
            saved.join(" ")
        )
    }

    /// Offset in the module of the instruction that the code at `pc` belongs to.
    fn origin(&self, pc: u32) -> Option<u32> {
        let map = &self.compiled.source_map;
        let after = map.partition_point(|(start, _)| *start <= pc);
        Some(map[after.checked_sub(1)?].1)
    }

    fn print_origin(&self, out: &mut impl Write, origin: Option<u32>) -> io::Result<()> {
        match origin {
            Some(offset) => {
                let text = match self.operators.get(&(offset as usize)).map_or("", String::as_str) {
                    ")" => "end",
                    text => text,
                };
                writeln!(out, "{offset:#x}: {text}")
            }
            None => Ok(()),
        }
    }

    /// What is known about the instruction in `start..end`.
    fn notes(&self, instruction: &Instruction, start: u32, end: u32) -> String {
        let mut notes: Vec<String> = entry(instruction).map(str::to_owned).into_iter().collect();
        for site in self.compiled.traps.iter().filter(|site| site.pc == start) {
            notes.push(format!("trap: {}", site.kind.message()));
        }
        for relocation in self.compiled.relocations.iter().filter(|r| (start..end).contains(&r.offset)) {
            notes.push(self.target(relocation.target));
        }
        for point in self.compiled.safe_points.iter().filter(|point| point.pc == end) {
            notes.push(safe_point(point));
        }
        notes.join(", ")
    }

    fn target(&self, target: RelocationTarget) -> String {
        match target {
            RelocationTarget::FunctionSlot(function) => function_title(self.info, function),
            RelocationTarget::CountingWord(function) => {
                format!("whether {} counts its calls", function_title(self.info, function))
            }
            RelocationTarget::TypeId(ty) => format!("type {}", self.type_title(ty)),
            RelocationTarget::TypeHeader(ty) => format!("header of type {}", self.type_title(ty)),
            RelocationTarget::ExceptionHeader(ty) => format!("header of exception with type {}", self.type_title(ty)),
        }
    }

    fn type_title(&self, ty: u32) -> String {
        self.info.names().ty(ty).map_or_else(|| ty.to_string(), |name| format!("{ty} ${}", printable(name)))
    }
}

/// The runtime's entry that an instruction calls or jumps to.
fn entry(instruction: &Instruction) -> Option<&'static str> {
    let goes = instruction.is_call_near_indirect() || instruction.is_jmp_near_indirect();
    let is_entry = goes && instruction.memory_base() == Register::R15 && instruction.memory_index() == Register::None;
    is_entry.then(|| CompiledFunction::runtime_entry(instruction.memory_displacement64().cast_signed()))?
}

fn safe_point(point: &SafePoint) -> String {
    let mut text = format!("safe point: {} refs", point.ref_count);
    if point.gpr_mask != 0 {
        let names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
        let register =
            |number: usize| names.get(number).map_or_else(|| format!("r{number}"), |name| (*name).to_owned());
        let registers = (0..16).filter(|number| point.gpr_mask >> number & 1 != 0).map(register);
        text += &format!(" + {}", registers.collect::<Vec<_>>().join(" "));
    }
    if point.handler != SafePoint::NO_HANDLER {
        text += &format!(", exceptions to {:x}", point.handler);
    }
    text
}
