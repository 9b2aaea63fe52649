//! Weights by stack: what profiles of allocation and of CPU time are made of. Stacks have numbers, from 0 on.

use crate::module::Module;
use heapwood_module::printable;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};

/// Stacks that are told apart. What is counted for more of them is told in one line.
const STACKS_MAX: u32 = 1 << 16;

/// The number of the stacks that are not told apart, and what they are called.
pub(super) const OTHERS: u32 = STACKS_MAX;
pub(super) const OTHERS_NAME: &str = "(other stacks)";

/// A stack without what is at its end: functions from the inside, as (module, function).
pub(super) type Functions = Box<[(u32, u32)]>;

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
    numbers: HashMap<(End, Functions), u32>,
    /// By number.
    weights: Vec<u64>,
    /// Of stacks that are not told apart.
    others: u64,
    scratch: Vec<(u32, u32)>,
}

impl<End: Copy + Eq + Hash> Stacks<End> {
    /// No weights.
    pub fn new() -> Stacks<End> {
        Stacks { modules: Vec::new(), numbers: HashMap::new(), weights: Vec::new(), others: 0, scratch: Vec::new() }
    }

    /// Adds weight to a stack, given from the innermost frame on; its number. `end` says what is at its end, of the
    /// innermost frame and the number of its module.
    pub fn add<'a>(
        &mut self,
        frames: impl Iterator<Item = SampledFrame<'a>>,
        weight: u64,
        end: impl FnOnce(Option<(u32, SampledFrame<'a>)>) -> End,
    ) -> u32 {
        let mut stack = std::mem::take(&mut self.scratch);
        stack.clear();
        let mut innermost = None;
        for frame in frames {
            let number = self.module(frame.module);
            innermost.get_or_insert((number, frame));
            stack.push((number, frame.function));
        }
        let key = (end(innermost), Functions::from(stack.as_slice()));
        self.scratch = stack;
        let known = self.weights.len() as u32;
        let number = match known < STACKS_MAX {
            true => *self.numbers.entry(key).or_insert(known),
            false => self.numbers.get(&key).copied().unwrap_or(OTHERS),
        };
        if number == known {
            self.weights.push(0);
        }
        *self.weights.get_mut(number as usize).unwrap_or(&mut self.others) += weight;
        number
    }

    /// Each stack that is told apart, with its number.
    pub fn each(&self) -> impl Iterator<Item = (End, &Functions, u32)> {
        self.numbers.iter().map(|((end, functions), number)| (*end, functions, *number))
    }

    /// Weights by number.
    pub fn weights(&self) -> &[u64] {
        &self.weights
    }

    /// The weight of the stacks that are not told apart.
    pub fn others(&self) -> u64 {
        self.others
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
        let line = |(of, functions, number): (End, &Functions, u32)| {
            let mut line = String::new();
            for &function in functions.iter().rev() {
                push_name(&mut line, &self.function_name(function));
                line.push(';');
            }
            end(&mut line, of);
            (line, self.weights[number as usize])
        };
        let mut lines: Vec<_> = self.each().map(line).collect();
        if self.others > 0 {
            lines.push((OTHERS_NAME.to_owned(), self.others));
        }
        lines
    }

    /// The name of a function of a stack, as [`printable`] shows it.
    pub fn function_name(&self, (module, function): (u32, u32)) -> String {
        match self.module_at(module).func_name(function) {
            Some(name) => printable(name).to_string(),
            None => format!("function {function}"),
        }
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
