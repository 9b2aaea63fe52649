//! `heapwood inspect`: what a module or component holds, laid out for reading.

mod asm;
mod component;

use super::engine_options::FeatureOptions;
use super::failure::shown;
use super::{kotlin, module_file, output};
use anyhow::{Result, anyhow};
use clap::Args;
use heapwood::component::is_component;
use heapwood::surfaces::{dart, js_string, moonbit, teavm};
use heapwood::{Config, Engine, Features, Module, ModuleInfo, printable, wasi};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub struct InspectArgs {
    #[command(flatten)]
    features: FeatureOptions,

    /// The module, binary or text
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Show the machine code of this function, by its name, export or index
    #[arg(long, value_name = "FUNC")]
    asm: Option<String>,
}

pub fn run(args: &InspectArgs) -> Result<ExitCode> {
    let mut config = Config::new();
    args.features.apply(&mut config)?;
    let engine = Engine::new(&config)?;
    let mut out = Vec::new();
    match &args.asm {
        Some(function) => asm::print(&mut out, &module_file::load(&engine, &args.module)?, function)??,
        None => {
            let file = module_file::read(&args.module)?;
            let (bytes, named) = (file.bytes(), |error| file.named(error));
            if is_component(bytes) {
                component::print(&mut out, bytes).map_err(|error| anyhow!("{}: {error}", shown(&args.module)))?;
                output::write(|stdout| stdout.write_all(&out));
                return Ok(ExitCode::SUCCESS);
            }
            // Modules that need features which are off can be shown too.
            let all = Engine::new(Config::new().features(Features::all()))?;
            let info = Module::decode(&all, bytes).map_err(named)?;
            let needed = engine.detect(bytes).map_err(named)?;
            print_features(&mut out, needed, engine.config().enabled())?;
            print(&mut out, &info)?;
        }
    }
    output::write(|stdout| stdout.write_all(&out));
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, info: &ModuleInfo) -> io::Result<()> {
    if let Some(name) = info.names().module() {
        writeln!(out, "module {}\n", printable(name))?;
    }
    writeln!(out, "sections                     offset     bytes")?;
    for section in &info.sections {
        let custom = if section.id == 0 { "custom " } else { "" };
        let title = format!("{custom}{}", printable(&section.name));
        writeln!(out, "  {title:<24} {:>#8x} {:>9}", section.range.start, section.range.len())?;
    }
    let bodies: usize = info.bodies.iter().map(std::ops::Range::len).sum();
    writeln!(
        out,
        "\n{} functions ({} imported, {bodies} bytes of bodies), {} types, {} globals, {} memories, {} tables, {} tags",
        info.functions.len(),
        info.imported_functions,
        info.types.len(),
        info.globals.len(),
        info.memories.len(),
        info.tables.len(),
        info.tags.len()
    )?;
    if kotlin::is_kotlin(info) {
        writeln!(
            out,
            "\nmade by the Kotlin compiler: `run` and `test` bear with its libraries' paths (--wasi-compat kotlin)"
        )?;
    }
    print_imports(out, info)?;
    writeln!(out, "\nexports")?;
    for (name, index) in &info.exports {
        writeln!(out, "  {} {}", printable(name), info.export_text(*index))?;
    }
    if let Some(start) = info.start {
        writeln!(out, "\nstart function {}", function_title(info, start))?;
    }
    writeln!(out, "\ntypes (offset, size and name of each field in bytes)\n{}", info.types_text())
}

/// What the module needs, and how to have what is off.
fn print_features(out: &mut impl Write, needed: Features, on: Features) -> io::Result<()> {
    let names: Vec<_> = needed.iter().map(|feature| feature.name).collect();
    writeln!(out, "features: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })?;
    let missing = needed.missing_in(on);
    if missing.is_empty() { Ok(()) } else { writeln!(out, "{missing}") }
}

fn print_imports(out: &mut impl Write, info: &ModuleInfo) -> io::Result<()> {
    writeln!(out, "\nimports")?;
    let is_teavm = info.imports.iter().any(|import| teavm::has_module(&import.module));
    for import in &info.imports {
        let server = match import.module.as_str() {
            wasi::MODULE if wasi::lookup(&import.name).is_some() => "WASI preview1",
            name if moonbit::has_module(name) => "MoonBit's surface",
            name if dart::has_module(name) => "Dart's surface",
            name if teavm::has_module(name) => "TeaVM's surface",
            "env" if import.name == "memory" && is_teavm => "TeaVM's surface",
            teavm::JSO_MODULE => "nobody: TeaVM's JavaScript layer",
            name if js_string::has_module(name) => "strings of JavaScript",
            _ => "nobody: --preload",
        };
        let (from, name) = (printable(&import.module), printable(&import.name));
        writeln!(out, "  {from}::{name} {} <- {server}", info.extern_text(&import.ty))?;
    }
    Ok(())
}

/// `#index $name`.
fn function_title(info: &ModuleInfo, function: u32) -> String {
    match info.names().function(function) {
        Some(name) => format!("#{function} ${}", printable(name)),
        None => format!("#{function}"),
    }
}
