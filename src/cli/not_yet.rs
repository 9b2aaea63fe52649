//! Commands and options of the contract that later versions bring: refused by name.

use super::failure::UsageError;
use std::path::PathBuf;
use std::process::ExitCode;

/// `heapwood compile MODULE -o OUT`.
#[derive(clap::Args)]
pub struct CompileArgs {
    /// The module
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Where the image goes
    #[arg(short, value_name = "OUT")]
    output: PathBuf,
}

pub fn compile(args: &CompileArgs) -> anyhow::Result<ExitCode> {
    let (module, output) = (args.module.display(), args.output.display());
    Err(UsageError::new(format!("`compile` is not there yet: {module} was not compiled to {output}")).into())
}

/// An error if the option was given.
pub fn refuse(option: &str, given: bool) -> Result<(), UsageError> {
    if given { Err(UsageError::new(format!("{option} is not there yet"))) } else { Ok(()) }
}
