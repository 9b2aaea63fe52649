//! Weights by stack: what profiles of allocation and of CPU time are made of.

use crate::module::Module;
use heapwood_module::printable;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};

/// Stacks that are told apart. What is counted for more of them is told in one line.
const STACKS_MAX: usize = 1 << 16;

/// A stack without what is at its end: functions from the inside, as (module, function).
type Functions = Box<[(u32, u32)]>;

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

/// Weights by stack, each with something at its end.
#[derive(Debug)]
pub(super) struct Stacks<End> {
    /// Modules that frames were seen of.
    modules: Vec<Module>,
    weights: HashMap<(End, Functions), u64>,
    /// Of stacks that are not told apart.
    others: u64,
    scratch: Vec<(u32, u32)>,
}

impl<End: Copy + Eq + Hash> Stacks<End> {
    /// No weights.
    pub fn new() -> Stacks<End> {
        Stacks { modules: Vec::new(), weights: HashMap::new(), others: 0, scratch: Vec::new() }
    }

    /// Adds weight to a stack, given from the innermost frame on. `end` says what is at its end, of the innermost frame
    /// and the number of its module.
    pub fn add<'a>(
        &mut self,
        frames: impl Iterator<Item = SampledFrame<'a>>,
        weight: u64,
        end: impl FnOnce(Option<(u32, SampledFrame<'a>)>) -> End,
    ) {
        let mut stack = std::mem::take(&mut self.scratch);
        stack.clear();
        let mut innermost = None;
        for frame in frames {
            let number = self.module(frame.module);
            innermost.get_or_insert((number, frame));
            stack.push((number, frame.function));
        }
        let key = (end(innermost), Functions::from(stack.as_slice()));
        if self.weights.len() < STACKS_MAX || self.weights.contains_key(&key) {
            *self.weights.entry(key).or_insert(0) += weight;
        } else {
            self.others += weight;
        }
        self.scratch = stack;
    }

    /// The module with a number.
    pub fn module_at(&self, number: u32) -> &Module {
        &self.modules[number as usize]
    }

    fn module(&mut self, module: &Module) -> u32 {
        let known = self.modules.iter().position(|known| Module::same(known, module));
        known.unwrap_or_else(|| {
            self.modules.push(module.clone());
            self.modules.len() - 1
        }) as u32
    }

    /// A line for each stack, `outer;inner` and what `end` appends, and its weight.
    pub fn lines(&self, end: impl Fn(&mut String, End)) -> Vec<(String, u64)> {
        let line = |((of, functions), weight): (&(End, Functions), &u64)| {
            let mut line = String::new();
            for &(module, function) in functions.iter().rev() {
                match self.module_at(module).func_name(function) {
                    Some(name) => push_name(&mut line, name),
                    None => line.push_str(&format!("function {function}")),
                }
                line.push(';');
            }
            end(&mut line, *of);
            (line, *weight)
        };
        let mut lines: Vec<_> = self.weights.iter().map(line).collect();
        if self.others > 0 {
            lines.push(("(other stacks)".to_owned(), self.others));
        }
        lines
    }
}

/// Writes lines with their weights: the largest first, equal ones in an order that does not change from run to run.
pub(super) fn write_lines(mut lines: Vec<(String, u64)>, output: &mut dyn Write) -> io::Result<()> {
    lines.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    lines.iter().try_for_each(|(line, weight)| writeln!(output, "{line} {weight}"))
}

/// A name without what separates names and lines.
pub(super) fn push_name(line: &mut String, name: &str) {
    line.push_str(&printable(name).to_string().replace(';', ":"));
}
