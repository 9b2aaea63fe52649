//! `heapwood run`: a program from start to exit status.
//!
//! 1. Compile the preloaded modules and the program (or map its image), and choose what to give them from what they import.
//! 2. Instantiate the preloaded modules in order, each under its name, then the program.
//! 3. Call its entry: `--invoke`, else `_start`; `_initialize` first where it exists.
//! 4. Turn the end into an exit status.

mod ending;
mod imports;
mod invoke;
mod signals;
mod thrown;

use super::engine_options::EngineOptions;
use super::failure::{STATUS_BROKEN_PIPE, UsageError, shown};
use super::host::{Host, SurfaceOptions};
use super::module_file;
use super::perf_map::PerfMap;
use super::trace::Trace;
use super::units::{DurationArg, Size};
use anyhow::{Result, anyhow};
use clap::Args;
use ending::{Ending, Limits};
use heapwood::wasi::{DirAccess, WasiCtx};
use heapwood::{Engine, Instance, Linker, Module, Store, cut};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Args)]
pub struct RunArgs {
    /// Let the guest use a directory, under another name (::GUEST), only for reading (:ro)
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    dirs: Vec<OsString>,
    /// Set an environment variable of the guest, or pass on ours
    #[arg(long = "env", value_name = "K[=V]")]
    env: Vec<OsString>,
    /// The guest's argument 0; by default the file's name
    #[arg(long, value_name = "S")]
    argv0: Option<OsString>,
    /// Call this export with ARGS (by its types) and print its results, one a line
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Instantiate FILE first, for imports from NAME
    #[arg(long = "preload", value_name = "NAME=FILE")]
    preloads: Vec<Preload>,
    /// End the guest after this time, with status 124; it counts from the instantiation, after compiling
    #[arg(long, value_name = "DUR")]
    timeout: Option<DurationArg>,
    /// Most memory of linear memories, tables and element segments, all together
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<Size>,
    /// Stack of the guest
    #[arg(long, value_name = "SIZE", default_value = "16m")]
    max_stack: Size,
    /// MODULE is an image that `heapwood compile` wrote, and that is trusted: its code runs as it is
    #[arg(long)]
    precompiled: bool,
    /// The module, binary or text, and the guest's arguments
    #[arg(value_names = ["MODULE", "ARGS"], required = true, num_args = 1.., trailing_var_arg = true)]
    module_and_args: Vec<OsString>,

    #[command(flatten)]
    surfaces: SurfaceOptions,

    #[command(flatten)]
    perf_map: PerfMap,

    #[command(flatten)]
    engine: EngineOptions,
}

#[derive(Clone)]
struct Preload {
    name: String,
    path: PathBuf,
}

impl std::str::FromStr for Preload {
    type Err = String;

    fn from_str(text: &str) -> Result<Preload, String> {
        let (name, path) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form NAME=FILE"))?;
        Ok(Preload { name: name.to_owned(), path: path.into() })
    }
}

pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let trace = args.engine.trace()?;
    let engine = Engine::new(&args.config()?)?;
    let load = |path: &Path| Trace::step(trace.as_ref(), "compile", || module_file::load(&engine, path));
    let preloads: Vec<Module> = args.preloads.iter().map(|preload| load(&preload.path)).collect::<Result<_>>()?;
    let module = match args.precompiled {
        true => module_file::load_image(&engine, args.path())?,
        false => load(args.path())?,
    };
    args.perf_map.write(preloads.iter().chain([&module]))?;
    let call = args.invoke.as_deref().map(|name| invoke::Call::parse(&module, name, args.guest_args())).transpose()?;

    let (mut store, watch) = args.engine.store(&engine, Host::new(args.wasi()?), trace.as_ref(), None)?;
    let linker = args.linker(&engine, preloads.iter().chain([&module]))?;
    let program = Program { args, preloads: &preloads, module: &module, call, start: Instant::now() };
    let ending = Ending::new(args.path(), args.limits(), args.timeout.as_ref(), &store);
    let outcome = Trace::step(trace.as_ref(), "run", || program.run(&mut store, linker));
    // Before anything is said of how the guest ended.
    let finished = store.data_mut().finish();
    let status = outcome.and_then(|outcome| match outcome {
        Ok(()) => finished,
        Err(error) => ending.status(&mut store, &module, error),
    });
    watch.finish(&mut store);
    status
}

impl RunArgs {
    fn path(&self) -> &Path {
        Path::new(&self.module_and_args[0])
    }

    fn guest_args(&self) -> &[OsString] {
        &self.module_and_args[1..]
    }

    fn config(&self) -> Result<heapwood::Config, UsageError> {
        let mut config = self.engine.config()?;
        let (least, most) = (heapwood::MAX_STACK_MIN, heapwood::MAX_STACK_MAX);
        let possible = usize::try_from(self.max_stack.bytes).ok().filter(|stack| (least..=most).contains(stack));
        let impossible = || {
            let (least, most) = (least >> 10, most >> 30);
            UsageError::new(format!("--max-stack {}: a stack has from {least}k to {most}g", self.max_stack))
        };
        config.max_stack(possible.ok_or_else(impossible)?);
        if let Some(max) = &self.max_memory {
            config.max_memory(max.bytes);
        }
        Ok(config)
    }

    fn limits(&self) -> Limits {
        Limits {
            heap: self.engine.heap_max(),
            stack: self.max_stack.to_string(),
            memory: self.max_memory.as_ref().map(Size::to_string),
        }
    }

    fn wasi(&self) -> Result<WasiCtx> {
        let argv0 = match &self.argv0 {
            Some(argv0) => argv0.clone(),
            None => self.path().file_name().unwrap_or(self.path().as_os_str()).to_owned(),
        };
        let mut builder = WasiCtx::builder().inherit_stdio().broken_pipe_exit(STATUS_BROKEN_PIPE.into());
        builder = builder.arg(argv0.into_vec());
        if self.invoke.is_none() {
            builder = builder.args(self.guest_args().iter().map(|arg| arg.as_bytes().to_vec()));
        }
        for variable in &self.env {
            if let Some((key, value)) = env_variable(variable) {
                builder = builder.env(key, value);
            }
        }
        for dir in &self.dirs {
            let (host, guest, access) = parse_dir(dir)?;
            builder = builder.preopen_dir(host, guest, access);
        }
        Ok(builder.build()?)
    }

    /// Host functions for what the modules import, unless a preloaded module takes that name.
    fn linker<'m>(&self, engine: &Engine, modules: impl Iterator<Item = &'m Module>) -> Result<Linker<Host>> {
        let taken: Vec<_> = self.preloads.iter().map(|preload| preload.name.as_str()).collect();
        self.surfaces.linker(engine, &modules.collect::<Vec<_>>(), &taken)
    }
}

struct Program<'a> {
    args: &'a RunArgs,
    preloads: &'a [Module],
    module: &'a Module,
    call: Option<invoke::Call>,
    /// From then on the timeout counts.
    start: Instant,
}

impl Program<'_> {
    /// The store, which is about to be entered: for no longer than what is left of the timeout.
    fn timed<'s>(&self, store: &'s mut Store<Host>) -> &'s mut Store<Host> {
        if let Some(timeout) = &self.args.timeout {
            store.set_deadline(timeout.duration.saturating_sub(self.start.elapsed()));
        }
        store
    }

    /// The outer error is the host's, the inner one the guest's.
    fn run(&self, store: &mut Store<Host>, mut linker: Linker<Host>) -> Result<heapwood::Result<()>> {
        for (preload, module) in self.args.preloads.iter().zip(self.preloads) {
            imports::check(&linker, module, &preload.path)?;
            let instance = match linker.instantiate(self.timed(store), module) {
                Ok(instance) => instance,
                Err(error) => return imports::explain(error, &preload.path).map(Err),
            };
            linker.instance(&mut *store, &preload.name, instance)?;
        }
        imports::check(&linker, self.module, self.args.path())?;
        self.check_entry()?;
        match linker.instantiate(self.timed(store), self.module) {
            Ok(instance) => Ok(self.enter(store, instance)),
            Err(error) => imports::explain(error, self.args.path()).map(Err),
        }
    }

    /// Before anything runs: is there something to call?
    fn check_entry(&self) -> Result<()> {
        let exported = |name| self.module.get_export(name).is_some_and(|ty| ty.func().is_some());
        if self.call.is_some() || exported("_start") || exported("_initialize") {
            return Ok(());
        }
        let functions: Vec<_> =
            self.module.exports().filter(|export| export.ty.func().is_some()).map(|export| export.name).collect();
        let hint = match functions.as_slice() {
            [] => "it exports no function".to_owned(),
            names => format!("call one of its exports with --invoke: {}", cut(&names.join(", "), 1000)),
        };
        Err(anyhow!("{}: there is no entry point `_start` or `_initialize`; {hint}", shown(self.args.path())))
    }

    fn enter(&self, store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        if instance.get_func(&mut *store, "_initialize").is_some() {
            instance.get_typed_func::<(), ()>(&mut *store, "_initialize")?.call(self.timed(store), ())?;
            if self.call.is_none() {
                return Ok(());
            }
        }
        match &self.call {
            Some(call) => call.run(self.timed(store), instance),
            None => instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call(self.timed(store), ()),
        }
    }
}

/// `K=V`, or `K` with our own value, if we have one.
fn env_variable(text: &OsString) -> Option<(Vec<u8>, Vec<u8>)> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => Some((bytes[..at].to_vec(), bytes[at + 1..].to_vec())),
        None => std::env::var_os(text).map(|value| (bytes.to_vec(), value.into_vec())),
    }
}

/// `HOST[::GUEST][:ro]`.
fn parse_dir(text: &OsString) -> Result<(PathBuf, Vec<u8>, DirAccess), UsageError> {
    let bytes = text.as_bytes();
    let (bytes, access) = match bytes.strip_suffix(b":ro") {
        Some(bytes) => (bytes, DirAccess::ReadOnly),
        None => (bytes, DirAccess::ReadWrite),
    };
    let (host, guest) = match bytes.windows(2).position(|pair| pair == b"::") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, bytes),
    };
    if host.is_empty() || guest.is_empty() {
        return Err(UsageError::new(format!("--dir {}: a directory's name is empty", text.display())));
    }
    Ok((OsString::from_vec(host.to_vec()).into(), guest.to_vec(), access))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let parse = |text: &str| {
            let (host, guest, access) = parse_dir(&text.into()).map_err(|error| error.to_string())?;
            Ok((host.display().to_string(), String::from_utf8(guest).unwrap(), access))
        };
        let dir = |host: &str, guest: &str, access| Ok::<_, String>((host.to_owned(), guest.to_owned(), access));
        assert_eq!(parse("/a"), dir("/a", "/a", DirAccess::ReadWrite));
        assert_eq!(parse("a::/data"), dir("a", "/data", DirAccess::ReadWrite));
        assert_eq!(parse("a:ro"), dir("a", "a", DirAccess::ReadOnly));
        assert_eq!(parse("a::/data:ro"), dir("a", "/data", DirAccess::ReadOnly));
        assert!(parse("::/data").is_err() && parse("a::").is_err() && parse("").is_err());
    }

    #[test]
    fn variables() {
        let pair = |key: &str, value: &str| Some((key.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(env_variable(&"A=b=c".into()), pair("A", "b=c"));
        assert_eq!(env_variable(&"A=".into()), pair("A", ""));
        assert_eq!(env_variable(&"HEAPWOOD_NOT_SET".into()), None);
    }
}
