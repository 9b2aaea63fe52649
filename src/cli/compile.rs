//! `heapwood compile`: a module as an image of compiled code.

use super::engine_options::CodeOptions;
use super::failure::shown;
use super::{module_file, output};
use anyhow::{Context, Result};
use heapwood::{Config, Engine};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct CompileArgs {
    #[command(flatten)]
    code: CodeOptions,

    /// The module, binary or text
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Where the image goes
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

pub fn run(args: &CompileArgs) -> Result<ExitCode> {
    let mut config = Config::new();
    args.code.apply(&mut config)?;
    let engine = Engine::new(&config)?;
    let instead = "`heapwood run` takes it as it is, and compiles it each time";
    let file = module_file::read_core(&args.module, "compile", instead)?;
    let image = file.watched(&engine, || engine.precompile_module(file.bytes())).map_err(|error| file.named(error))?;
    write(&args.output, &image).with_context(|| shown(&args.output))?;
    output::more(|| format!("{}: {} bytes of {}", shown(&args.output), image.len(), file.bytes().len()));
    Ok(ExitCode::SUCCESS)
}

/// Writes a file as a whole: one that is there may be mapped by a program that runs, so it is replaced and not changed.
fn write(path: &Path, image: &[u8]) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        // A device, a pipe, or a directory, which is an error.
        File::options().write(true).open(path)?.write_all(image)?;
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let written = File::create_new(&draft)
        .and_then(|mut file| file.write_all(image))
        .and_then(|()| std::fs::rename(&draft, path));
    written.inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    Ok(())
}
