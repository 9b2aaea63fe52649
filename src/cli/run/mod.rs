//! `heapwood run`: a program from start to exit status.
//!
//! 1. Compile the preloaded modules and the program (or map its image), and choose what to give them from what they
//!    import.
//! 2. Instantiate the preloaded modules in order, each under its name, then the program.
//! 3. Call its entry: `--invoke`, else `_start`; `_initialize` first where it exists.
//! 4. Turn the end into an exit status.
//!
//! A component is linked by itself: of all this it has its `run`, the options of the sandbox and the end.
//!
//! `heapwood test` does the same with another entry: [`Guest`] is a program on its way, [`Entry`] says what is called.

mod dwarf;
mod ending;
pub mod frames;
mod imports;
mod invoke;
mod loaded;
mod sandbox;
mod source_maps;
mod thrown;
mod values;

pub use ending::End;
pub use sandbox::Sandbox;
pub use source_maps::SourceMaps;

use super::engine_options::Watcher;
use super::failure::{UsageError, shown};
use super::host::Host;
use super::inspection::{Server, Subject};
use super::page::Facts;
use super::trace::Trace;
use super::units::DurationArg;
use super::watch::{RunReport, Watch};
use super::{module_file, output};
use anyhow::{Result, anyhow};
use clap::Args;
use ending::{Ending, Told};
use heapwood::source_map::SourceMap;
use heapwood::wasi::WasiCtx;
use heapwood::{Engine, Error, FuncType, Instance, Linker, Module, Store, Trap, TrapKind, Val, cut};
use loaded::Loaded;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct RunArgs {
    /// Call this export with ARGS and print its results, one a line. ARGS are by its types: 2, 0x1.8p3, nan:0x1, null,
    /// "i32x4 1 2 3 4", "i31 5"
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Write a page about the collector's pauses and the heap at exit, one file to open in a browser (docs/pauses.md)
    #[arg(long, value_name = "FILE")]
    gc_report: Option<PathBuf>,

    #[command(flatten)]
    sandbox: Sandbox,
}

pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let sandbox = &args.sandbox;
    let guest = Guest::load(sandbox)?;
    let given = sandbox.guest_args();
    let facts = || Facts::of_process(shown(sandbox.path()), call_text(args));
    let report = args.gc_report.as_deref().map(|path| (path, facts()));
    let entry = match &args.invoke {
        Some(name) => Entry::Call(invoke::Call::parse(guest.module("--invoke")?, name, given)?),
        None => Entry::Start,
    };
    // `--invoke` takes them for itself.
    let args = given.iter().filter(|_| args.invoke.is_none()).map(|arg| arg.as_bytes().to_vec());
    let wasi = sandbox.wasi(guest.modules(), args, |streams| streams)?;
    let report = report.map(|(path, facts)| RunReport::create(path, facts)).transpose()?;
    guest.run(wasi, entry, report)?.status()
}

/// What is called, as a person would write it.
fn call_text(args: &RunArgs) -> String {
    let words = args.sandbox.guest_args().iter().map(|arg| arg.to_string_lossy());
    match &args.invoke {
        Some(name) => format!("{name}({})", words.collect::<Vec<_>>().join(", ")),
        None => std::iter::once("_start".into()).chain(words).collect::<Vec<_>>().join(" "),
    }
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
    program: Loaded,
    /// The source map of `--source-map`.
    source_map: Option<Arc<SourceMap>>,
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
        let program = match sandbox.precompiled {
            true => Loaded::Module(module_file::load_image(&engine, sandbox.path())?),
            false => Trace::step(trace.as_ref(), "compile", || Loaded::load(&engine, sandbox.path()))?,
        };
        if !preloads.is_empty() {
            program.as_module("--preload")?;
        }
        if sandbox.source_map.is_some() {
            program.as_module("--source-map")?;
        }
        let source_map = sandbox.source_map.as_deref().map(source_maps::given).transpose()?.map(Arc::new);
        let guest = Guest { sandbox, trace, engine, preloads, program, source_map };
        sandbox.perf_map.write(guest.modules())?;
        Ok(guest)
    }

    /// The program's module.
    ///
    /// # Errors
    /// It is a component, for which `purpose` is not there.
    pub fn module(&self, purpose: &str) -> Result<&Module, UsageError> {
        self.program.as_module(purpose)
    }

    /// All core modules: those that are preloaded, and the program's.
    pub fn modules(&self) -> impl Iterator<Item = &Module> + Clone {
        self.preloads.iter().chain(self.program.modules())
    }

    /// All core modules, each with the file that it is of; the program's come last.
    fn modules_and_files(&self) -> impl Iterator<Item = (&Module, &Path)> {
        let preloads = self.preloads.iter().zip(self.sandbox.preloads.iter().map(|preload| &*preload.path));
        preloads.chain(self.program.modules().iter().map(|module| (module, self.sandbox.path())))
    }

    fn source_maps(&self) -> SourceMaps<'_> {
        let modules = self.modules_and_files().collect();
        SourceMaps { given: self.source_map.as_deref(), modules }
    }

    /// Instantiates the program and calls its entry, watched for a page if there is to be one. Returns how it ended, and
    /// what is still to be said of it.
    ///
    /// # Errors
    /// The host, not the guest, could not do something.
    pub fn run(self, wasi: WasiCtx, entry: Entry, report: Option<RunReport>) -> Result<Finished> {
        let (sandbox, trace) = (self.sandbox, self.trace.as_ref());
        let core_dump = sandbox.core_dump()?;
        let _symbols = sandbox.debugger.tell(self.modules());
        let report = report.map(Watcher::Report);
        let (mut store, watch) = sandbox.engine.store(&self.engine, Host::new(wasi), trace, report)?;
        let clock = Clock { timeout: sandbox.timeout.as_ref(), start: Instant::now() };
        let subject = Arc::new(Subject {
            inspector: store.inspector(),
            modules: self.modules_and_files().map(|(module, path)| (module.clone(), path.to_owned())).collect(),
            source_map: self.source_map.clone(),
            watched: watch.watched(),
            start: clock.start,
        });
        let server = sandbox.inspection.serve(&subject)?;
        let maps = self.source_maps();
        let told = Told { path: sandbox.path(), limits: sandbox.limits(), timeout: sandbox.timeout.as_ref(), maps };
        let ending = Ending::new(told, core_dump, &store, subject);
        let outcome = match &self.program {
            Loaded::Module(module) => {
                let linker = sandbox.linker(&self.engine, self.modules())?;
                let program = Program { sandbox, preloads: &self.preloads, module, entry, clock };
                Trace::step(trace, "run", || program.run(&mut store, linker))
            }
            Loaded::Component(component) => {
                let enter = |store: &mut Store<Host>| {
                    clock.timed(store);
                };
                Ok(Trace::step(trace, "run", || component.run_with(&mut store, |host| host.wasi_mut(), enter)))
            }
        };
        // With what was compiled again meanwhile.
        sandbox.perf_map.write_again(self.modules())?;
        // Before anything is said of how the guest ended.
        let has_to_stop = outcome.as_ref().is_ok_and(|outcome| outcome.as_ref().is_err_and(has_to_stop));
        let finished = Host::finish(&mut store, |store| clock.timed_at_last(store, has_to_stop));
        let end = outcome.and_then(|outcome| match outcome.and(finished) {
            Ok(()) => Ok(End::Returned),
            Err(error) => ending.end(&mut store, error),
        });
        Ok(Finished { end, watch, store, _server: server })
    }
}

/// A program that has ended.
pub struct Finished {
    end: Result<End>,
    watch: Watch,
    store: Store<Host>,
    _server: Option<Server>,
}

impl Finished {
    /// Tells on stderr how the program ended, and turns that into an exit status.
    fn status(mut self) -> Result<ExitCode> {
        let status = self.end.map(|end| end.status());
        let refused = self.store.engine().limits().refused_helper_threads;
        if refused > 0 {
            output::warn(&format!(
                "the system refused {refused} of the collector's threads: the guest's thread did their work, in pauses"
            ));
        }
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
    clock: Clock<'a>,
}

/// Whether a guest ended since it was not to run any longer.
fn has_to_stop(error: &Error) -> bool {
    let kind = error.trap().map(Trap::kind);
    matches!(kind, Some(TrapKind::DeadlineExceeded | TrapKind::Interrupted))
}

/// How long the last write may wait for a reader when the guest's time is over.
const LAST_WRITE: Duration = Duration::from_millis(100);

/// How long the guest may run.
#[derive(Clone, Copy)]
struct Clock<'a> {
    timeout: Option<&'a DurationArg>,
    /// From then on it counts.
    start: Instant,
}

impl Clock<'_> {
    /// The store, which is about to be entered: for no longer than what is left of the timeout.
    fn timed<'s>(&self, store: &'s mut Store<Host>) -> &'s mut Store<Host> {
        if let Some(timeout) = self.timeout {
            store.set_deadline(timeout.duration.saturating_sub(self.start.elapsed()));
        }
        store
    }

    /// The store, which is about to write what is left: for no longer than what is left of the timeout, but for some time.
    fn timed_at_last(&self, store: &mut Store<Host>, has_to_stop: bool) {
        match self.timeout {
            Some(timeout) => {
                store.set_deadline(timeout.duration.saturating_sub(self.start.elapsed()).max(LAST_WRITE));
            }
            None if has_to_stop => store.set_deadline(LAST_WRITE),
            None => {}
        }
    }
}

impl Program<'_> {
    /// The outer error is the host's, the inner one the guest's.
    fn run(&self, store: &mut Store<Host>, mut linker: Linker<Host>) -> Result<heapwood::Result<()>> {
        for (preload, module) in self.sandbox.preloads.iter().zip(self.preloads) {
            imports::check(&linker, module, &preload.path)?;
            let instance = match linker.instantiate(self.clock.timed(store), module) {
                Ok(instance) => instance,
                Err(error) => return imports::explain(error, &preload.path).map(Err),
            };
            linker.instance(&mut *store, &preload.name, instance)?;
        }
        imports::check(&linker, self.module, self.sandbox.path())?;
        self.check_entry()?;
        match linker.instantiate(self.clock.timed(store), self.module) {
            Ok(instance) => Ok(self.enter(store, instance)),
            Err(error) => imports::explain(error, self.sandbox.path()).map(Err),
        }
    }

    /// Before anything runs: is there something to call, and does it take no arguments?
    fn check_entry(&self) -> Result<()> {
        let start = || ["_start", "_initialize"].into_iter().find(|name| self.exported(name).is_some());
        let name = match self.entry {
            Entry::Call(_) => return Ok(()),
            Entry::Start if Host::starts(self.module) => return Ok(()),
            Entry::Start => start().ok_or_else(|| {
                let others = self.other_exports();
                format!("there is no entry point `_start` or `_initialize`; {others}")
            }),
            Entry::Export { name, hint } => match self.exported(name) {
                Some(_) => Ok(name),
                None => Err(format!("there is no exported function `{name}`; {hint}")),
            },
        };
        let fits = name.and_then(|name| match self.exported(name) {
            Some(ty) if ty.params().len() != 0 => Err(format!(
                "the entry point `{name}` is of type {ty}; one without parameters is expected (--invoke passes some)"
            )),
            _ => Ok(()),
        });
        fits.map_err(|wrong| anyhow!("{}: {wrong}", shown(self.sandbox.path())))
    }

    /// The type of an exported function.
    fn exported(&self, name: &str) -> Option<FuncType> {
        self.module.get_export(name)?.func().cloned()
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
        Host::run_events(self.clock.timed(store))
    }

    fn call_entry(&self, store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        if instance.get_func(&mut *store, "_initialize").is_some() {
            self.call(store, instance, "_initialize")?;
            if matches!(self.entry, Entry::Start) {
                return Ok(());
            }
        }
        match &self.entry {
            Entry::Call(call) => call.run(self.clock.timed(store), instance),
            Entry::Start if Host::starts(self.module) => Host::start(self.clock.timed(store), instance),
            Entry::Start => self.call(store, instance, "_start"),
            Entry::Export { name, .. } => self.call(store, instance, name),
        }
    }

    /// Calls an export without arguments. What it returns says nothing: the status of a WASI program is what it gives to
    /// `proc_exit`.
    fn call(&self, store: &mut Store<Host>, instance: Instance, name: &str) -> heapwood::Result<()> {
        let func = instance.get_func(&mut *store, name);
        let func = func.ok_or_else(|| Error::msg(format!("there is no exported function `{name}`")))?;
        let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
        func.call(self.clock.timed(store), &[], &mut results)
    }
}
