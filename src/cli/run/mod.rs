//! `heapwood run`: a program from start to exit status.
//!
//! 1. Compile the preloaded modules and the program (or map its image), and choose what to give them from what they
//!    import.
//! 2. Instantiate the preloaded modules in order, each under its name, then the program.
//! 3. Call its entry: `--invoke`, else `_start`; `_initialize` first where it exists.
//! 4. Turn the end into an exit status.
//!
//! `heapwood test` does the same with another entry: [`Guest`] is a program on its way, [`Entry`] says what is called.

mod ending;
mod frames;
mod imports;
mod invoke;
mod sandbox;
mod signals;
mod thrown;

pub use ending::End;
pub use sandbox::Sandbox;

use super::failure::shown;
use super::host::Host;
use super::module_file;
use super::trace::Trace;
use super::watch::Watch;
use anyhow::{Result, anyhow};
use clap::Args;
use ending::Ending;
use heapwood::wasi::WasiCtx;
use heapwood::{Engine, Instance, Linker, Module, Store, cut};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Args)]
pub struct RunArgs {
    /// Call this export with ARGS (by its types) and print its results, one a line
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,

    #[command(flatten)]
    sandbox: Sandbox,
}

pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let sandbox = &args.sandbox;
    let guest = Guest::load(sandbox)?;
    let given = sandbox.guest_args();
    let entry = match &args.invoke {
        Some(name) => Entry::Call(invoke::Call::parse(&guest.module, name, given)?),
        None => Entry::Start,
    };
    // `--invoke` takes them for itself.
    let args = given.iter().filter(|_| args.invoke.is_none()).map(|arg| arg.as_bytes().to_vec());
    let wasi = sandbox.wasi(guest.modules(), args, |streams| streams)?;
    guest.run(wasi, entry)?.status()
}

/// What is called of a program that is instantiated.
pub enum Entry {
    /// `_start`, or only `_initialize`.
    Start,
    /// An export, as `--invoke` says.
    Call(invoke::Call),
    /// An export without parameters and results. Without it there is this hint.
    Export { name: &'static str, hint: &'static str },
}

/// A compiled program with all that runs it.
pub struct Guest<'a> {
    sandbox: &'a Sandbox,
    trace: Option<Trace>,
    engine: Engine,
    preloads: Vec<Module>,
    module: Module,
}

impl<'a> Guest<'a> {
    /// # Errors
    /// A file cannot be read, or holds no module that this engine takes.
    pub fn load(sandbox: &'a Sandbox) -> Result<Guest<'a>> {
        let trace = sandbox.engine.trace()?;
        let engine = Engine::new(&sandbox.config()?)?;
        let load = |path: &Path| Trace::step(trace.as_ref(), "compile", || module_file::load(&engine, path));
        let preloads: Vec<Module> =
            sandbox.preloads.iter().map(|preload| load(&preload.path)).collect::<Result<_>>()?;
        let module = match sandbox.precompiled {
            true => module_file::load_image(&engine, sandbox.path())?,
            false => load(sandbox.path())?,
        };
        sandbox.perf_map.write(preloads.iter().chain([&module]))?;
        Ok(Guest { sandbox, trace, engine, preloads, module })
    }

    /// The program's module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// All modules: those that are preloaded, and the program's.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.preloads.iter().chain([&self.module])
    }

    /// Instantiates the program and calls its entry. Returns how it ended, and what is still to be said of it.
    ///
    /// # Errors
    /// The host, not the guest, could not do something.
    pub fn run(self, wasi: WasiCtx, entry: Entry) -> Result<Finished> {
        let Guest { sandbox, trace, engine, preloads, module } = self;
        let (mut store, watch) = sandbox.engine.store(&engine, Host::new(wasi), trace.as_ref(), None)?;
        let linker = sandbox.linker(&engine, preloads.iter().chain([&module]))?;
        let program = Program { sandbox, preloads: &preloads, module: &module, entry, start: Instant::now() };
        let ending = Ending::new(sandbox.path(), sandbox.limits(), sandbox.timeout.as_ref(), &store);
        let outcome = Trace::step(trace.as_ref(), "run", || program.run(&mut store, linker));
        // Before anything is said of how the guest ended.
        let finished = store.data_mut().finish();
        let end = outcome.and_then(|outcome| match outcome {
            Ok(()) => finished.map(End::Returned),
            Err(error) => ending.end(&mut store, &module, error),
        });
        Ok(Finished { end, watch, store })
    }
}

/// A program that has ended.
pub struct Finished {
    end: Result<End>,
    watch: Watch,
    store: Store<Host>,
}

impl Finished {
    /// Tells on stderr how the program ended, and turns that into an exit status.
    fn status(mut self) -> Result<ExitCode> {
        let status = self.end.map(|end| end.status());
        self.watch.finish(&mut self.store);
        status
    }

    /// How it ended, after what the options of the heap ask for was written.
    ///
    /// # Errors
    /// The host, not the guest, could not do something.
    pub fn end(mut self) -> Result<End> {
        self.watch.finish(&mut self.store);
        self.end
    }
}

struct Program<'a> {
    sandbox: &'a Sandbox,
    preloads: &'a [Module],
    module: &'a Module,
    entry: Entry,
    /// From then on the timeout counts.
    start: Instant,
}

impl Program<'_> {
    /// The store, which is about to be entered: for no longer than what is left of the timeout.
    fn timed<'s>(&self, store: &'s mut Store<Host>) -> &'s mut Store<Host> {
        if let Some(timeout) = &self.sandbox.timeout {
            store.set_deadline(timeout.duration.saturating_sub(self.start.elapsed()));
        }
        store
    }

    /// The outer error is the host's, the inner one the guest's.
    fn run(&self, store: &mut Store<Host>, mut linker: Linker<Host>) -> Result<heapwood::Result<()>> {
        for (preload, module) in self.sandbox.preloads.iter().zip(self.preloads) {
            imports::check(&linker, module, &preload.path)?;
            let instance = match linker.instantiate(self.timed(store), module) {
                Ok(instance) => instance,
                Err(error) => return imports::explain(error, &preload.path).map(Err),
            };
            linker.instance(&mut *store, &preload.name, instance)?;
        }
        imports::check(&linker, self.module, self.sandbox.path())?;
        self.check_entry()?;
        match linker.instantiate(self.timed(store), self.module) {
            Ok(instance) => Ok(self.enter(store, instance)),
            Err(error) => imports::explain(error, self.sandbox.path()).map(Err),
        }
    }

    /// Before anything runs: is there something to call?
    fn check_entry(&self) -> Result<()> {
        let exported = |name: &str| self.module.get_export(name).is_some_and(|ty| ty.func().is_some());
        let missing = match self.entry {
            Entry::Call(_) => return Ok(()),
            Entry::Start if exported("_start") || exported("_initialize") => return Ok(()),
            Entry::Start => format!("there is no entry point `_start` or `_initialize`; {}", self.other_exports()),
            Entry::Export { name, .. } if exported(name) => return Ok(()),
            Entry::Export { name, hint } => format!("there is no exported function `{name}`; {hint}"),
        };
        Err(anyhow!("{}: {missing}", shown(self.sandbox.path())))
    }

    fn other_exports(&self) -> String {
        let functions: Vec<_> =
            self.module.exports().filter(|export| export.ty.func().is_some()).map(|export| export.name).collect();
        match functions.as_slice() {
            [] => "it exports no function".to_owned(),
            names => format!("call one of its exports with --invoke: {}", cut(&names.join(", "), 1000)),
        }
    }

    /// The program, and what it left to be done when its entry returned.
    fn enter(&self, store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        self.call_entry(store, instance)?;
        Host::run_events(self.timed(store))
    }

    fn call_entry(&self, store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        if instance.get_func(&mut *store, "_initialize").is_some() {
            instance.get_typed_func::<(), ()>(&mut *store, "_initialize")?.call(self.timed(store), ())?;
            if matches!(self.entry, Entry::Start) {
                return Ok(());
            }
        }
        let name = match &self.entry {
            Entry::Call(call) => return call.run(self.timed(store), instance),
            Entry::Start => "_start",
            Entry::Export { name, .. } => name,
        };
        instance.get_typed_func::<(), ()>(&mut *store, name)?.call(self.timed(store), ())
    }
}
