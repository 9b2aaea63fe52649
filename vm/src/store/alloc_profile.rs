//! Allocation profiles: which functions allocate which types, from samples (`heapwood_gc`'s `sampling`).
//!
//! The slow paths of allocation ask the heap whether a point lies under the object that is allocated; if so, the frames
//! are walked and counted under the object's type, which is read from the instruction at the innermost frame.

use crate::module::Module;
use heapwood_module::printable;
use std::collections::HashMap;
use std::io::{self, Write};

/// What is counted together: the type, then frames from the inside, as (module, function).
type Stack = Box<[(u32, u32)]>;

/// Type of a site whose instruction names none.
const NO_TYPE: u32 = u32::MAX;

/// Points by stack.
#[derive(Debug)]
pub(crate) struct AllocProfiler {
    mean_bytes: u64,
    /// Modules that frames were seen of.
    modules: Vec<Module>,
    points: HashMap<Stack, u64>,
    scratch: Vec<(u32, u32)>,
}

/// A frame of a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampledFrame<'a> {
    /// The module of its function.
    pub module: &'a Module,
    /// The function, by its index there.
    pub function: u32,
    /// Offset of the current instruction in the module's bytes.
    pub offset: u32,
}

impl AllocProfiler {
    /// A profile with a point for every `mean_bytes` bytes, on average.
    pub fn new(mean_bytes: u64) -> AllocProfiler {
        AllocProfiler { mean_bytes, modules: Vec::new(), points: HashMap::new(), scratch: Vec::new() }
    }

    /// Counts points at a stack, innermost frame first.
    pub fn add<'a>(&mut self, frames: impl Iterator<Item = SampledFrame<'a>>, points: u64) {
        let mut stack = std::mem::take(&mut self.scratch);
        stack.clear();
        for SampledFrame { module, function, offset } in frames {
            let number = self.module(module);
            if stack.is_empty() {
                stack.push((number, allocated_type(module, offset).unwrap_or(NO_TYPE)));
            }
            stack.push((number, function));
        }
        *self.points.entry(stack.as_slice().into()).or_insert(0) += points;
        self.scratch = stack;
    }

    /// Writes the points as collapsed stacks, `outer;inner;[type] bytes` on each line, and those that no frame claims.
    pub fn write(&self, unclaimed: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut lines: Vec<(String, u64)> = Vec::new();
        for (stack, points) in &self.points {
            lines.push((self.line(stack), points * self.mean_bytes));
        }
        if unclaimed > 0 {
            lines.push(("(host)".to_owned(), unclaimed * self.mean_bytes));
        }
        // The largest first; equal ones in an order that does not change from run to run.
        lines.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        for (line, bytes) in lines {
            writeln!(output, "{line} {bytes}")?;
        }
        Ok(())
    }

    fn module(&mut self, module: &Module) -> u32 {
        let known = self.modules.iter().position(|known| Module::same(known, module));
        known.unwrap_or_else(|| {
            self.modules.push(module.clone());
            self.modules.len() - 1
        }) as u32
    }

    fn line(&self, stack: &Stack) -> String {
        let mut line = String::new();
        for &(module, function) in stack[1..].iter().rev() {
            let module = &self.modules[module as usize];
            match module.func_name(function) {
                Some(name) => push_name(&mut line, name),
                None => line.push_str(&format!("function {function}")),
            }
            line.push(';');
        }
        let (module, ty) = stack[0];
        let name = self.modules[module as usize].info().names().ty(ty);
        line.push('[');
        match name {
            Some(name) => push_name(&mut line, name),
            None if ty == NO_TYPE => line.push_str("other"),
            None => line.push_str(&format!("type {ty}")),
        }
        line.push(']');
        line
    }
}

/// A name without what separates names and lines.
fn push_name(line: &mut String, name: &str) {
    line.push_str(&printable(name).to_string().replace(';', ":"));
}

/// The type index that the allocating instruction at an offset of the module names.
fn allocated_type(module: &Module, offset: u32) -> Option<u32> {
    const GC_PREFIX: u8 = 0xfb;
    /// `struct.new`, `struct.new_default`, `array.new`, `array.new_default`, `…fixed`, `…data`, `…elem`.
    const ALLOCATIONS: [u32; 7] = [0, 1, 6, 7, 8, 9, 10];
    let bytes = module.info().bytes.get(offset as usize..)?;
    let mut rest = bytes.strip_prefix(&[GC_PREFIX])?;
    let opcode = leb_u32(&mut rest)?;
    ALLOCATIONS.contains(&opcode).then(|| leb_u32(&mut rest))?
}

fn leb_u32(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}
