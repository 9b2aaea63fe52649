//! `heapwood validate`.

use super::engine_options::FeatureOptions;
use super::{failure, module_file, output};
use heapwood::{Config, Engine, Module};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    features: FeatureOptions,

    /// Modules, binary or text
    #[arg(value_name = "MODULE", required = true)]
    modules: Vec<PathBuf>,
}

/// Silent where all is well, unless the user wants to hear more; else a line for each module that is not valid, on
/// stderr.
pub fn run(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let mut config = Config::new();
    args.features.apply(&mut config)?;
    let engine = Engine::new(&config)?;
    let mut status = ExitCode::SUCCESS;
    for path in &args.modules {
        let valid = module_file::read(path)
            .and_then(|file| Module::validate(&engine, file.bytes()).map_err(|error| file.named(error)));
        match valid {
            Ok(()) => output::more(|| format!("{}: valid", failure::shown(path))),
            Err(error) => {
                failure::say(&format!("error: {error:#}"));
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}
