//! `--perf-map`: names of compiled functions for profilers, in the file in which `perf` looks for them
//! (`/tmp/perf-PID.map`; lines of address, length, name; the kernel's `tools/perf/Documentation/jit-interface.txt`).

use anyhow::{Context, Result};
use clap::Args;
use heapwood::{Module, printable};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};

#[derive(Args)]
pub struct PerfMap {
    /// Write the names of compiled functions to /tmp/perf-PID.map, where `perf report` finds them
    #[arg(long)]
    perf_map: bool,
}

impl PerfMap {
    /// Writes them once more, with those that were compiled again meanwhile, if there are some.
    pub fn write_again<'m>(&self, modules: impl Iterator<Item = &'m Module> + Clone) -> Result<()> {
        if modules.clone().any(|module| module.recompiled().next().is_some()) { self.write(modules) } else { Ok(()) }
    }

    /// Writes the functions of `modules` if that is asked for. They should live as long as something is profiled.
    pub fn write<'m>(&self, modules: impl IntoIterator<Item = &'m Module>) -> Result<()> {
        if !self.perf_map {
            return Ok(());
        }
        let path = format!("/tmp/perf-{}.map", std::process::id());
        // Anybody can make a file or link of this name: it is never written through.
        let _ = std::fs::remove_file(&path);
        let written = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|file| {
            let mut out = BufWriter::new(file);
            for module in modules {
                write_module(&mut out, module)?;
            }
            out.flush()
        });
        written.with_context(|| format!("--perf-map: {path}"))
    }
}

fn write_module(out: &mut impl Write, module: &Module) -> std::io::Result<()> {
    for (function, _) in (0..).zip(&module.info().functions) {
        if let Some((address, code)) = module.function_code(function) {
            write_function(out, module, function, (address, code.len()), "")?;
        }
    }
    for again in module.recompiled() {
        let tier = if again.counts { " [counting]" } else { " [tier]" };
        write_function(out, module, again.function, (again.address, again.bytes), tier)?;
    }
    Ok(())
}

fn write_function(
    out: &mut impl Write,
    module: &Module,
    function: u32,
    (address, bytes): (usize, usize),
    tier: &str,
) -> std::io::Result<()> {
    write!(out, "{address:x} {bytes:x} ")?;
    match module.func_name(function) {
        // A name may hold anything, a line only one.
        Some(name) => writeln!(out, "{}{tier}", printable(name)),
        None => writeln!(out, "wasm-function[{function}]{tier}"),
    }
}
