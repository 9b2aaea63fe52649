//! What the stores of the command hold, and which host functions their modules get.

use anyhow::Result;
use clap::Args;
use heapwood::surfaces::TimeZone;
use heapwood::surfaces::dart::{self, Dart};
use heapwood::surfaces::js_string;
use heapwood::surfaces::moonbit::{self, MoonBit};
use heapwood::surfaces::teavm::{self, TeaVm};
use heapwood::wasi::{self, WasiCtx};
use heapwood::{Engine, Error, Instance, Linker, Module, Store};

/// The data of a store.
pub struct Host {
    wasi: WasiCtx,
    moonbit: MoonBit,
    dart: Dart,
    teavm: TeaVm,
}

impl Host {
    /// What a program begins with.
    pub fn new(wasi: WasiCtx) -> Host {
        Host { wasi, moonbit: MoonBit::new(), dart: Dart::new(), teavm: TeaVm::with_default_zone(TimeZone::system) }
    }

    /// Whether a module is a program that begins otherwise than by `_start`: [`Host::start`] begins it.
    pub fn starts(module: &Module) -> bool {
        dart::is_program(module) && module.get_export("_start").is_none()
    }

    /// Runs such a program: `main` of Dart, and its event loop.
    ///
    /// # Errors
    /// The guest's.
    pub fn start(store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        dart::run(store, instance, Host::dart)
    }

    fn dart(&mut self) -> (&mut Dart, &mut WasiCtx) {
        (&mut self.dart, &mut self.wasi)
    }

    /// What WASI grants it.
    pub fn wasi_mut(&mut self) -> &mut WasiCtx {
        &mut self.wasi
    }

    fn teavm(&mut self) -> (&mut TeaVm, &mut WasiCtx) {
        (&mut self.teavm, &mut self.wasi)
    }

    /// What the program left to be done when its function returned.
    ///
    /// # Errors
    /// What that traps with or throws.
    pub fn run_events(store: &mut Store<Host>) -> heapwood::Result<()> {
        teavm::run_events(store, Host::teavm)
    }

    /// The program has ended: writes what its host functions kept. `enter` comes before each call of the store.
    ///
    /// # Errors
    /// Its output refuses, nobody reads it any more, or the guest had to stop.
    pub fn finish(store: &mut Store<Host>, enter: impl Fn(&mut Store<Host>)) -> heapwood::Result<()> {
        enter(store);
        moonbit::finish(&mut *store, |host: &mut Host| (&mut host.moonbit, &mut host.wasi))?;
        enter(store);
        teavm::finish(store, Host::teavm)
    }
}

/// A set of host functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Surface {
    Wasi,
    MoonBit,
    TeaVm,
    Dart,
    JsString,
}

/// All surfaces, with the names that `-S` has, and the module name by which a preloaded module stands for them.
const SURFACES: [(Surface, &str, &str); 5] = [
    (Surface::Wasi, "wasi", wasi::MODULE),
    (Surface::MoonBit, "moonbit", "spectest"),
    (Surface::TeaVm, "teavm", "teavmMemory"),
    (Surface::Dart, "dart", "dart"),
    (Surface::JsString, "js-string", js_string::MODULES[0]),
];

/// What `-S` has besides: a module name from which strings are imported.
const CONSTANTS: &str = "string-constants";

impl Surface {
    /// Whether a module is a program for it.
    fn is_wanted_by(self, module: &Module) -> bool {
        match self {
            Surface::Wasi => module.imports().any(|import| import.module == wasi::MODULE),
            Surface::MoonBit => moonbit::is_wanted_by(module),
            Surface::TeaVm => teavm::is_wanted_by(module),
            Surface::Dart => dart::is_wanted_by(module),
            Surface::JsString => js_string::is_wanted_by(module) || has_constants(module),
        }
    }

    fn add_to(self, linker: &mut Linker<Host>) -> Result<(), Error> {
        match self {
            Surface::Wasi => wasi::add_to_linker(linker, |host: &mut Host| &mut host.wasi),
            Surface::MoonBit => moonbit::add_to_linker(linker, |host: &mut Host| (&mut host.moonbit, &mut host.wasi)),
            Surface::TeaVm => teavm::add_to_linker(linker, Host::teavm),
            Surface::Dart => dart::add_to_linker(linker, Host::dart),
            Surface::JsString => js_string::add_to_linker(linker),
        }
    }
}

/// Whether a module imports strings.
fn has_constants(module: &Module) -> bool {
    !js_string::constant_modules(module.info()).is_empty()
}

/// `-S`, of commands that run programs.
#[derive(Args)]
pub struct SurfaceOptions {
    /// Give the guest the host functions of this surface, or not: wasi, moonbit, teavm, dart, js-string; by default
    /// those of which it imports; string-constants=NAME: imports of globals from NAME are strings, those of their names
    #[arg(short = 'S', value_name = "SURFACE=y|n")]
    chosen: Vec<Choice>,
}

#[derive(Clone)]
enum Choice {
    Surface { surface: Surface, is_on: bool },
    Constants(String),
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        if let Some((CONSTANTS, name)) = text.split_once('=') {
            return Ok(Choice::Constants(name.to_owned()));
        }
        let (name, is_on) = match text.split_once('=') {
            Some((name, "y")) => (name, true),
            Some((name, "n")) => (name, false),
            None => (text, true),
            Some((_, other)) => return Err(format!("`{other}` is neither y nor n")),
        };
        let known = || format!("{}, {CONSTANTS}=NAME", SURFACES.map(|(_, name, _)| name).join(", "));
        let found = SURFACES.iter().find(|(_, known, _)| *known == name);
        let (surface, ..) = found.ok_or_else(|| format!("`{name}` is no surface; there are {}", known()))?;
        Ok(Choice::Surface { surface: *surface, is_on })
    }
}

impl SurfaceOptions {
    /// A linker with the surfaces that were asked for, or else that one of the modules is for. A name in `taken` stands
    /// for a preloaded module: what a surface has of that name is not there.
    ///
    /// # Errors
    /// The engine's type table is full.
    pub fn linker(&self, engine: &Engine, modules: &[&Module], taken: &[&str]) -> Result<Linker<Host>> {
        let mut linker = Linker::new(engine);
        for (surface, _, stand_in) in SURFACES {
            let chosen = self.chosen.iter().rev().find_map(|choice| match choice {
                Choice::Surface { surface: of, is_on } if *of == surface => Some(*is_on),
                _ => None,
            });
            let is_on = match chosen {
                Some(is_on) => is_on,
                None => !taken.contains(&stand_in) && modules.iter().any(|module| surface.is_wanted_by(module)),
            };
            if is_on {
                surface.add_to(&mut linker)?;
            }
            match surface {
                Surface::JsString if is_on => add_constants(&mut linker, modules, taken)?,
                Surface::TeaVm if is_on => {
                    for module in modules.iter().filter(|module| teavm::is_wanted_by(module)) {
                        teavm::add_heap_offset(&mut linker, module)?;
                    }
                }
                _ => {}
            }
        }
        for choice in &self.chosen {
            if let Choice::Constants(name) = choice {
                js_string::add_constants(&mut linker, name);
            }
        }
        Ok(linker)
    }
}

/// Strings for the imports of modules that can be nothing else.
fn add_constants(linker: &mut Linker<Host>, modules: &[&Module], taken: &[&str]) -> Result<()> {
    for module in modules {
        for namespace in js_string::namespaces(module).into_iter().filter(|name| !taken.contains(name)) {
            js_string::add_constants(linker, namespace);
        }
        if js_string::has_constant_table(module) {
            js_string::add_constant_table(linker, module)?;
        }
    }
    Ok(())
}
