//! Differential fuzzing: programs by seed, run in the modes of Heapwood and in V8. `docs/testing.md` says how it is
//! used.
//!
//! `modes FROM COUNT` compares modes, `v8 FROM COUNT` compares with V8; `show SEED` writes a program and what it does;
//! `reduce modes|v8 SEED` makes it smaller; `sum FILE…` adds up what several runs counted, with the table of places.
//! Options: `--jobs N`, `--every N` (places are counted in one of N programs), `--table`, `--keep FOLDER`, `--totals
//! FILE` (counts, for `sum`).

mod generate;
mod ops;
mod parent;
mod places;
mod reduce;
mod rng;
mod run;
mod types;
mod v8;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let table = flag(&mut args, "--table");
    let jobs = option(&mut args, "--jobs").map_or(1, |text| number(&text)) as usize;
    let every = option(&mut args, "--every").map_or(1, |text| number(&text));
    let keep = option(&mut args, "--keep").map_or_else(|| PathBuf::from("target/findings"), PathBuf::from);
    let totals_file = option(&mut args, "--totals").map(PathBuf::from);
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["worker", what, from, to, every] => worker::work(what, number(from)..number(to), number(every)),
        ["check", what, seed, cut] => return reduce::check(what, number(seed), cut),
        ["reduce", what, seed] => reduce::reduce(what, number(seed), &keep),
        ["show", what, seed] => reduce::show(what, number(seed), &Default::default(), &keep),
        [what @ ("modes" | "v8"), from, count] => {
            if what == "v8"
                && let Err(why) = v8::node()
            {
                println!("SKIPPED: no comparison with V8: {why}; set HEAPWOOD_NODE to node {}", v8::VERSION);
                return ExitCode::FAILURE;
            }
            let seeds = number(from)..number(from) + number(count);
            let start = std::time::Instant::now();
            let job = parent::Job { what: what.to_owned(), seeds, jobs, every, keep };
            let (totals, findings) = parent::run(&job);
            parent::report(&totals);
            let rare = if table { parent::report_table(&totals.table) } else { 0 };
            let mut short = parent::missing(&job, &totals);
            short.extend(parent::shortcomings(&totals));
            short.iter().for_each(|text| println!("SHORT OF WHAT IS ASKED: {text}"));
            println!("{:>12.1} s, {} findings", start.elapsed().as_secs_f64(), findings.len());
            if !findings.is_empty() || !short.is_empty() || rare > 0 {
                return ExitCode::FAILURE;
            }
            if let Some(file) = totals_file {
                parent::keep_totals(&totals, &file);
            }
        }
        ["sum", ref files @ ..] => {
            let totals = parent::read_totals(files);
            parent::report(&totals);
            let short = parent::shortcomings(&totals);
            short.iter().for_each(|text| println!("SHORT OF WHAT IS ASKED: {text}"));
            if parent::report_table(&totals.table) > 0 || !short.is_empty() {
                return ExitCode::FAILURE;
            }
        }
        _ => {
            eprintln!(
                "usage: modes FROM COUNT | v8 FROM COUNT | show modes|v8 SEED | reduce modes|v8 SEED | sum FILE…"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn flag(args: &mut Vec<String>, name: &str) -> bool {
    let before = args.len();
    args.retain(|arg| arg != name);
    args.len() < before
}

fn option(args: &mut Vec<String>, name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    let value = args.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).clone();
    args.drain(at..at + 2);
    Some(value)
}
