//! The command line: one file per subcommand.
//!
//! Exit statuses: what the command says; 1 when the host could not do something ([`anyhow::Error`]); 2 for a wrong
//! use ([`UsageError`]). Guests add 134 (trap, uncaught exception), 124 (timeout) and codes of their own.

// What is printed may be refused: `output` prints.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod attach;
mod bench;
mod compile;
mod compiling;
mod debugger;
mod engine_options;
mod failure;
mod file_name;
mod first_word;
mod gc_report;
mod histogram;
mod host;
mod inspect;
mod inspection;
mod json_text;
mod kotlin;
mod machine;
mod manual;
mod module_file;
mod output;
mod page;
mod perf_map;
mod profile;
mod run;
mod signals;
mod test;
mod text_place;
mod trace;
mod units;
mod validate;
mod version;
mod wast;
mod watch;

use clap::{CommandFactory, Parser, Subcommand};
use failure::UsageError;
use std::io::Write;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "heapwood",
    about = "A WebAssembly runtime for garbage-collected languages",
    disable_version_flag = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "`heapwood MODULE ARGS` is short for `heapwood run MODULE ARGS`.\n\n\
        SIZE is digits with k, m or g (powers of 1024); DUR is digits with us, ms, s or m.\n\n\
        Examples:\n  heapwood hello.wasm one two\n  heapwood run --dir .::/data --gc-stats app.wasm /data/in.txt\n  \
        heapwood run --invoke add adder.wat 2 3\n  heapwood inspect app.wasm --asm main\n  heapwood test --filter Parsing app-test.wasm"
)]
struct Cli {
    /// Print the version (with -v also features, processor and defaults)
    #[arg(short = 'V', long)]
    version: bool,

    /// Say more: what is compiled or decoded and how long that took, what a program is given, what is valid
    #[arg(short, long, global = true)]
    verbose: bool,

    /// Print a completion script for a shell
    #[arg(long, value_name = "SHELL")]
    completions: Option<clap_complete::Shell>,

    /// Print the manual page, or that of a command
    #[arg(long, value_name = "COMMAND", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    man: Option<String>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program
    Run(run::RunArgs),
    /// Run the unit tests of a Kotlin module
    Test(test::TestArgs),
    /// Run scripts of the specification's test suite
    Wast(wast::WastArgs),
    /// Measure calls of an export, collector pauses included
    Bench(bench::BenchArgs),
    /// Write an image that starts without compiling
    Compile(compile::CompileArgs),
    /// Say whether modules are valid
    Validate(validate::ValidateArgs),
    /// Show a module's sections, types, imports and exports, or a function's machine code
    Inspect(inspect::InspectArgs),
    /// Look into a program that runs: its heap, its stack, what it does
    Attach(attach::AttachArgs),
}

const COMMANDS: [&str; 8] = ["run", "test", "wast", "bench", "compile", "validate", "inspect", "attach"];
const OWN_OPTIONS: [&str; 8] = ["-h", "--help", "-V", "--version", "-v", "--verbose", "--completions", "--man"];

/// Parses the arguments of the process and does what they say.
pub fn main() -> ExitCode {
    let args = match first_word::expand(std::env::args_os().collect(), &COMMANDS, &OWN_OPTIONS) {
        Ok(args) => args,
        Err(error) => return output::status(failure::report(&error.into())),
    };
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let status = ExitCode::from(error.exit_code().clamp(0, 255) as u8);
            let text = error.render();
            match error.use_stderr() {
                true if output::is_colored() => output::print_error(&text.ansi().to_string()),
                true => output::print_error(&text.to_string()),
                false => output::print(format_args!("{text}")),
            }
            return output::status(status);
        }
    };
    output::watch_file_limit();
    file_name::note_start();
    output::status(dispatch(cli).unwrap_or_else(|error| failure::report(&error)))
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    if cli.version {
        version::print(cli.verbose);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(shell) = cli.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "heapwood", &mut script);
        output::write(|output| output.write_all(&script));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(command) = &cli.man {
        let page = manual::page(&Cli::command(), command)?;
        output::write(|output| page.render(output));
        return Ok(ExitCode::SUCCESS);
    }
    output::set_verbose(cli.verbose);
    match cli.command {
        None => Err(UsageError::new("there is no command; `heapwood --help` lists them").into()),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Test(args)) => test::run(&args),
        Some(Command::Wast(args)) => wast::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Compile(args)) => compile::run(&args),
        Some(Command::Validate(args)) => validate::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Attach(args)) => attach::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent_and_names_every_command() {
        Cli::command().debug_assert();
        let mut names: Vec<_> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        names.sort();
        let mut commands = COMMANDS.to_vec();
        commands.sort_unstable();
        assert_eq!(names, commands);
    }
}
