//! Seeds in a process of their own, which names each before it begins, so that a crash or an endless loop has a seed.

use crate::generate::{Aim, Cut, Program, program};
use crate::places::{self, Table};
use crate::run::{self, Mode, Outcome};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::time::Instant;

/// What is counted over many programs.
#[derive(Clone, Default, Debug)]
pub struct Totals {
    /// Counts by name.
    pub counts: BTreeMap<String, u64>,
    /// Programs by executed operators, in steps of 50.
    pub operators: BTreeMap<u64, u64>,
    /// Operators and places of their operands.
    pub table: Table,
}

impl Totals {
    /// Adds to a count.
    pub fn add(&mut self, name: &str, count: u64) {
        *self.counts.entry(name.to_owned()).or_default() += count;
    }

    /// A count; 0 if nothing was added.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// What a program is and did.
    pub fn note(&mut self, program: &Program, outcome: &Outcome, with_places: bool) -> Result<(), String> {
        self.add("programs", 1);
        self.add("modules", program.modules.len() as u64);
        self.add("bytes", program.modules.iter().map(|bytes| bytes.len() as u64).sum());
        self.add("instances", program.instances.len() as u64);
        for (name, count) in ["calls returned", "calls trapped", "calls threw"].iter().zip(outcome.ends) {
            self.add(name, count as u64);
        }
        self.add("programs whose first call trapped", outcome.first_trapped as u64);
        self.add("programs ended by a limit", outcome.limit as u64);
        *self.operators.entry(outcome.operators / 50 * 50).or_default() += 1;
        if with_places {
            program.modules.iter().try_for_each(|bytes| places::count(bytes, &mut self.table))?;
        }
        Ok(())
    }

    /// As lines that [`Totals::read`] understands.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        self.counts.iter().try_for_each(|(name, count)| writeln!(out, "count {count} {name}"))?;
        self.operators.iter().try_for_each(|(operators, count)| writeln!(out, "operators {operators} {count}"))?;
        self.table.iter().try_for_each(|(name, uses)| {
            let places = uses.places.map(|count| count.to_string()).join(" ");
            writeln!(out, "uses {name} {} {places}", uses.count)
        })
    }

    /// Adds what a line says. False if it says nothing of the kind.
    pub fn read(&mut self, line: &str) -> bool {
        let mut words = line.split(' ');
        let first = words.next();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        match first {
            Some("count") => {
                let count = number();
                let name = words.collect::<Vec<_>>().join(" ");
                self.add(&name, count);
            }
            Some("operators") => {
                let (operators, count) = (number(), number());
                *self.operators.entry(operators).or_default() += count;
            }
            Some("uses") => {
                let name = words.next().expect("a name").to_owned();
                let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
                let uses = self.table.entry(name).or_default();
                uses.count += number();
                uses.places.iter_mut().for_each(|place| *place += number());
            }
            _ => return false,
        }
        true
    }

    /// The median of executed operators.
    pub fn median(&self) -> u64 {
        let half = self.operators.values().sum::<u64>() / 2;
        let mut seen = 0;
        self.operators
            .iter()
            .find(|(_, count)| {
                seen += **count;
                seen > half
            })
            .map_or(0, |(operators, _)| *operators)
    }
}

/// What differs between two outcomes, if something does that is not behind a limit. An atomic access that is neither
/// aligned nor in bounds traps; for which of both reasons is nobody's promise.
pub fn difference(a: &[String], b: &[String]) -> Option<String> {
    let same = |line: &str| line.replace(": unaligned", ": memory bounds");
    for (first, second) in a.iter().zip(b) {
        if first.ends_with(": limit") || second.ends_with(": limit") {
            return None;
        }
        if first != second && same(first) != same(second) {
            return Some(format!("`{second}`, not `{first}`"));
        }
    }
    (a.len() != b.len()).then(|| format!("{} lines, not {}", b.len(), a.len()))
}

/// What is wrong with a program in our modes, each with all others, if something is.
pub fn check_modes(modes: &[Mode], program: &Program, totals: &mut Totals) -> (Outcome, Option<String>) {
    let mut timed = |mode: &Mode| {
        let start = Instant::now();
        let outcome = run::run(mode, program);
        totals.add(&format!("us of {}", mode.name), start.elapsed().as_micros() as u64);
        totals.add("replaced frames", outcome.replaced);
        outcome
    };
    let first = timed(&modes[0]);
    if let Some(refused) = first.lines.iter().find(|line| line.starts_with("refused") || line.contains("failed: ")) {
        let problem = refused.clone();
        return (first, Some(problem));
    }
    for mode in modes[1..].iter().filter(|mode| (mode.takes)(program)) {
        let other = timed(mode);
        if let Some(difference) = difference(&first.lines, &other.lines) {
            return (first, Some(format!("{}: {difference}", mode.name)));
        }
    }
    (first, None)
}

/// Runs seeds in this process. `what` is `modes` or `v8`: with the latter, the lines of the default mode are written.
pub fn work(what: &str, seeds: Range<u64>, every: u64) {
    let mut modes = run::modes();
    let foreign = what == "v8";
    if foreign {
        modes.truncate(1);
    }
    let aim = if foreign { Aim::Foreign } else { Aim::Own };
    let mut totals = Totals::default();
    let mut out = BufWriter::new(std::io::stdout());
    for seed in seeds {
        writeln!(out, "seed {seed}").and_then(|()| out.flush()).expect("the parent reads");
        let start = Instant::now();
        let program = program(seed, aim, &Cut::default());
        totals.add("us of generating", start.elapsed().as_micros() as u64);
        let (outcome, problem) = check_modes(&modes, &program, &mut totals);
        if let Some(problem) = problem {
            writeln!(out, "problem {problem}").expect("the parent reads");
        }
        if foreign {
            outcome.lines.iter().for_each(|line| writeln!(out, "line {line}").expect("the parent reads"));
        }
        if let Err(error) = totals.note(&program, &outcome, seed % every == 0) {
            writeln!(out, "problem generated an invalid module: {error}").expect("the parent reads");
        }
    }
    totals.write(&mut out).and_then(|()| out.flush()).expect("the parent reads");
}
