//! `heapwood wast`: scripts of the specification's test suite.
//!
//! `directives` runs those of one file in order, and those of its threads; `script` runs one, in a store; `spectest` is
//! the module that scripts import from, `values` translates arguments and compares results.

mod directives;
mod script;
mod spectest;
mod values;

use super::bench::timed;
use super::engine_options::EngineOptions;
use super::module_file;
use super::output::{self, line};
use super::trace::Trace;
use super::units::Size;
use crate::cli::failure::{LINE_CHARS_MAX, shown};
use anyhow::Result;
use clap::Args;
use heapwood::{Engine, cut};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wast::Wast;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};

#[derive(Args)]
pub struct WastArgs {
    /// Stack of the guest
    #[arg(long, value_name = "SIZE")]
    max_stack: Option<Size>,

    /// Load each module from an image that another engine made of it
    #[arg(long, help_heading = "Testing")]
    images: bool,

    /// Scripts
    #[arg(value_name = "FILE.wast", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    engine: EngineOptions,
}

/// How many directives passed and failed.
#[derive(Clone, Copy, Default)]
struct Totals {
    passed: usize,
    failed: usize,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs every script and prints failures and totals.
pub fn run(args: &WastArgs) -> Result<ExitCode> {
    let mut config = args.engine.config()?;
    if let Some(stack) = &args.max_stack {
        config.max_stack(usize::try_from(stack.bytes).unwrap_or(usize::MAX));
    }
    let engine = Engine::new(&config)?;
    let press = args.images.then(|| Engine::new(&config)).transpose()?;
    let trace = args.engine.trace()?;
    let mut totals = Totals::default();
    for path in &args.files {
        let engines = Engines { run: &engine, press: press.as_ref() };
        run_file(args, engines, path, trace.as_ref(), &mut totals)?;
    }
    line!("{} passed, {} failed", totals.passed, totals.failed);
    Ok(if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where modules run, and where images of them are made, if that is wanted.
#[derive(Clone, Copy)]
struct Engines<'a> {
    run: &'a Engine,
    press: Option<&'a Engine>,
}

fn run_file(
    args: &WastArgs,
    engines: Engines<'_>,
    path: &Path,
    trace: Option<&Trace>,
    totals: &mut Totals,
) -> Result<()> {
    let text = module_file::read_script(path)?;
    let mut lexer = Lexer::new(&text);
    lexer.allow_confusing_unicode(true);
    let mut unreadable = |error: wast::Error| fail(path, error.span().linecol_in(&text).0, &error.message(), totals);
    let buffer = match ParseBuffer::new_with_lexer(lexer) {
        Ok(buffer) => buffer,
        Err(error) => {
            unreadable(error);
            return Ok(());
        }
    };
    let directives = match parser::parse::<Wast<'_>>(&buffer) {
        Ok(script) => script.directives,
        Err(error) => {
            unreadable(error);
            return Ok(());
        }
    };
    let context = directives::Context { args, engines, trace, path, text: &text };
    let (ran, times) = timed(|| std::thread::scope(|scope| directives::run(scope, &context, None, directives)));
    let ran = ran?;
    output::more(|| format!("{}: {} passed, {} failed, in {:.1} ms", shown(path), ran.passed, ran.failed, times.wall));
    totals.add(ran);
    Ok(())
}

/// One line, whatever the reason.
fn fail(path: &Path, line: usize, why: &str, totals: &mut Totals) {
    totals.failed += 1;
    let why = why.replace('\n', " | ");
    line!("{}", cut(&format!("{}:{}: {why}", path.display(), line + 1), LINE_CHARS_MAX));
}
