//! What the stores of the command hold, and which host functions their modules get.

use anyhow::Result;
use clap::Args;
use heapwood::surfaces::moonbit::{self, Failure, MoonBit};
use heapwood::wasi::{self, WasiCtx};
use heapwood::{Engine, Error, Linker, Module};
use std::process::ExitCode;

/// The data of a store.
pub struct Host {
    wasi: WasiCtx,
    moonbit: MoonBit,
}

impl Host {
    /// What a program begins with.
    pub fn new(wasi: WasiCtx) -> Host {
        Host { wasi, moonbit: MoonBit::new() }
    }

    /// The program has ended: writes what its host functions kept. Its status, if it ended well until then.
    ///
    /// # Errors
    /// Its output refuses.
    pub fn finish(&mut self) -> Result<ExitCode> {
        match self.moonbit.flush(&mut self.wasi) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(Failure::Exit(code)) => Ok(ExitCode::from(code as u8)),
            Err(error) => Err(anyhow::anyhow!("the guest's output: {error}")),
        }
    }
}

/// A set of host functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Surface {
    Wasi,
    MoonBit,
}

/// All of them, with the names that `-S` has, and the module name by which a preloaded module stands for them.
const SURFACES: [(Surface, &str, &str); 2] =
    [(Surface::Wasi, "wasi", wasi::MODULE), (Surface::MoonBit, "moonbit", "spectest")];

impl Surface {
    /// Whether a module is a program for it.
    fn is_wanted_by(self, module: &Module) -> bool {
        match self {
            Surface::Wasi => module.imports().any(|import| import.module == wasi::MODULE),
            Surface::MoonBit => moonbit::is_wanted_by(module),
        }
    }

    fn add_to(self, linker: &mut Linker<Host>) -> Result<(), Error> {
        match self {
            Surface::Wasi => wasi::add_to_linker(linker, |host: &mut Host| &mut host.wasi),
            Surface::MoonBit => moonbit::add_to_linker(linker, |host: &mut Host| (&mut host.moonbit, &mut host.wasi)),
        }
    }
}

/// `-S`, of commands that run programs.
#[derive(Args)]
pub struct SurfaceOptions {
    /// Give the guest the host functions of this surface, or not: wasi, moonbit; by default those of which it imports
    #[arg(short = 'S', value_name = "SURFACE=y|n")]
    chosen: Vec<Choice>,
}

#[derive(Clone)]
struct Choice {
    surface: Surface,
    is_on: bool,
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        let (name, is_on) = match text.split_once('=') {
            Some((name, "y")) => (name, true),
            Some((name, "n")) => (name, false),
            None => (text, true),
            Some((_, other)) => return Err(format!("`{other}` is neither y nor n")),
        };
        let known = || SURFACES.map(|(_, name, _)| name).join(", ");
        let found = SURFACES.iter().find(|(_, known, _)| *known == name);
        let (surface, ..) = found.ok_or_else(|| format!("`{name}` is no surface; there are {}", known()))?;
        Ok(Choice { surface: *surface, is_on })
    }
}

impl SurfaceOptions {
    /// A linker with the surfaces that were asked for, or else that one of the modules is for. A name in `taken` stands for
    /// a preloaded module: what a surface has of that name is not there.
    ///
    /// # Errors
    /// The engine's type table is full.
    pub fn linker(&self, engine: &Engine, modules: &[&Module], taken: &[&str]) -> Result<Linker<Host>> {
        let mut linker = Linker::new(engine);
        for (surface, _, stand_in) in SURFACES {
            let chosen = self.chosen.iter().rev().find(|choice| choice.surface == surface);
            let is_on = match chosen {
                Some(choice) => choice.is_on,
                None => !taken.contains(&stand_in) && modules.iter().any(|module| surface.is_wanted_by(module)),
            };
            if is_on {
                surface.add_to(&mut linker)?;
            }
        }
        Ok(linker)
    }
}
