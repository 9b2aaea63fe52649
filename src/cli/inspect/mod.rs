//! `heapwood inspect`: what a module or component holds, laid out for reading.

mod asm;
mod component;
mod json;
mod parts;
mod surface;

use super::bench::timed;
use super::engine_options::FeatureOptions;
use super::failure::shown;
use super::json_text::json_text;
use super::{kotlin, module_file, output};
use anyhow::{Result, anyhow};
use clap::Args;
use heapwood::component::is_component;
use heapwood::{Config, Engine, Features, Module, ModuleInfo, printable};
use parts::{Part, PartOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use surface::Servers;

#[derive(Args)]
pub struct InspectArgs {
    #[command(flatten)]
    features: FeatureOptions,

    #[command(flatten)]
    parts: PartOptions,

    /// The module, binary or text
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Show the machine code of this function, by its name, export or index
    #[arg(long, value_name = "FUNC")]
    asm: Option<String>,
    /// Show it as it is compiled again if it runs often; what its calls by reference call is not known here
    #[arg(long, requires = "asm")]
    tier: bool,
}

pub fn run(args: &InspectArgs) -> Result<ExitCode> {
    let mut config = Config::new();
    args.features.apply(&mut config)?;
    let engine = Engine::new(&config)?;
    let mut out = Vec::new();
    match &args.asm {
        Some(function) => asm::print(&mut out, &module_file::load(&engine, &args.module)?, function, args.tier)??,
        None => {
            let file = module_file::read(&args.module)?;
            let (bytes, named) = (file.bytes(), |error| file.named(error));
            if is_component(bytes) {
                args.parts.check_component()?;
                component::print(&mut out, bytes).map_err(|error| anyhow!("{}: {error}", shown(&args.module)))?;
                output::write(|stdout| stdout.write_all(&out));
                return Ok(ExitCode::SUCCESS);
            }
            // Modules that need features which are off can be shown too.
            let all = Engine::new(Config::new().features(Features::all()))?;
            let (info, times) = timed(|| Module::decode(&all, bytes));
            let info = info.map_err(named)?;
            file.tell("decoded", &info, &times);
            let needed = engine.detect(bytes).map_err(named)?;
            if args.parts.json {
                let object = json::of_module(&info, bytes.len(), needed, engine.config().enabled(), &args.parts);
                writeln!(out, "{}", json_text(&object))?;
            } else {
                if !args.parts.asks() && args.parts.filter.is_none() {
                    print_summary(&mut out, &info, bytes.len(), needed, engine.config().enabled())?;
                }
                print_parts(&mut out, &info, &args.parts)?;
            }
        }
    }
    output::write(|stdout| stdout.write_all(&out));
    Ok(ExitCode::SUCCESS)
}

/// What the module is, in a few lines.
fn print_summary(
    out: &mut impl Write,
    info: &ModuleInfo,
    bytes: usize,
    needed: Features,
    on: Features,
) -> io::Result<()> {
    let name = info.names().module().map(|name| format!(" {}", printable(name))).unwrap_or_default();
    let maker = if kotlin::is_kotlin(info) { ", made by the Kotlin compiler" } else { "" };
    writeln!(out, "module{name}, {bytes} bytes{maker}")?;
    print_features(out, needed, on)?;
    let bodies = body_bytes(info);
    writeln!(
        out,
        "functions: {} ({} imported, {bodies} bytes of bodies)",
        info.functions.len(),
        info.imported_functions
    )?;
    writeln!(
        out,
        "types: {} in {} rec groups; globals: {}, memories: {}, tables: {}, tags: {}",
        info.types.len(),
        info.types.rec_groups.len(),
        info.globals.len(),
        info.memories.len(),
        info.tables.len(),
        info.tags.len()
    )?;
    writeln!(out, "imports from: {}", Servers::new(info).summary(info))?;
    if let Some(start) = info.start {
        writeln!(out, "start function: {}", function_title(info, start))?;
    }
    if kotlin::is_kotlin(info) {
        writeln!(out, "`run` and `test` bear with the paths of Kotlin's libraries (--wasi-compat kotlin)")?;
    }
    writeln!(out, "\nsections                     offset     bytes")?;
    for section in &info.sections {
        let custom = if section.id == 0 { "custom " } else { "" };
        let title = format!("{custom}{}", printable(&section.name));
        writeln!(out, "  {title:<24} {:>#8x} {:>9}", section.range.start, section.range.len())?;
    }
    Ok(())
}

/// The lists that are shown.
fn print_parts(out: &mut impl Write, info: &ModuleInfo, parts: &PartOptions) -> io::Result<()> {
    if parts.shows(Part::Imports) {
        print_imports(out, info, parts)?;
    }
    if parts.shows(Part::Exports) {
        print_exports(out, info, parts)?;
    }
    if parts.shows(Part::Functions) {
        print_functions(out, info, parts)?;
    }
    if parts.shows(Part::Types) {
        writeln!(out, "\ntypes (offset, size and name of each field in bytes)")?;
        if parts.filter.is_none() {
            return writeln!(out, "{}", info.types_text());
        }
        parts.types_of(info).try_for_each(|index| write!(out, "{}", info.type_lines(index)))?;
    }
    Ok(())
}

/// What the module needs, and how to have what is off.
fn print_features(out: &mut impl Write, needed: Features, on: Features) -> io::Result<()> {
    let names: Vec<_> = needed.iter().map(|feature| feature.name).collect();
    writeln!(out, "features: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })?;
    let missing = needed.missing_in(on);
    if missing.is_empty() { Ok(()) } else { writeln!(out, "{missing}") }
}

fn print_imports(out: &mut impl Write, info: &ModuleInfo, parts: &PartOptions) -> io::Result<()> {
    writeln!(out, "\nimports")?;
    let servers = Servers::new(info);
    for import in info.imports.iter().filter(|import| parts.fits(None, &[&import.module, &import.name])) {
        let ty = info.extern_text(&import.ty).to_string();
        let server = servers.of(&import.module, &import.name, import.ty.may_be_string());
        let (from, name) = (printable(&import.module), printable(&import.name));
        writeln!(out, "  {from}::{name} {ty} <- {server}")?;
    }
    Ok(())
}

fn print_exports(out: &mut impl Write, info: &ModuleInfo, parts: &PartOptions) -> io::Result<()> {
    writeln!(out, "\nexports")?;
    for (name, index) in info.exports.iter().filter(|(name, _)| parts.fits(None, &[name])) {
        writeln!(out, "  {} {}", printable(name), info.export_text(*index))?;
    }
    Ok(())
}

/// Bytes of the body, index, name and type of each.
fn print_functions(out: &mut impl Write, info: &ModuleInfo, parts: &PartOptions) -> io::Result<()> {
    writeln!(out, "\nfunctions (bytes of the body)")?;
    for index in parts.functions_of(info) {
        let bytes = match index.checked_sub(info.imported_functions) {
            Some(defined) => info.bodies[defined as usize].len().to_string(),
            None => "imported".to_owned(),
        };
        let ty = heapwood::ExportIndex::Func(index);
        writeln!(out, "  {bytes:>8}  {} {}", function_title(info, index), info.export_text(ty))?;
    }
    Ok(())
}

/// Bytes of all bodies.
fn body_bytes(info: &ModuleInfo) -> usize {
    info.bodies.iter().map(std::ops::Range::len).sum()
}

/// `#index $name`.
fn function_title(info: &ModuleInfo, function: u32) -> String {
    match info.names().function(function) {
        Some(name) => format!("#{function} ${}", printable(name)),
        None => format!("#{function}"),
    }
}
