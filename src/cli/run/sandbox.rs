//! What a guest may use, as the options of `run` and `test` say: files, variables, memory, stack, time, host functions.

use super::ending::Limits;
use crate::cli::debugger::DebuggerOptions;
use crate::cli::engine_options::EngineOptions;
use crate::cli::failure::{STATUS_BROKEN_PIPE, UsageError, shown};
use crate::cli::file_name;
use crate::cli::host::{Host, SurfaceOptions};
use crate::cli::inspection::InspectionOptions;
use crate::cli::kotlin::WasiCompat;
use crate::cli::output;
use crate::cli::perf_map::PerfMap;
use crate::cli::units::{DurationArg, Size};
use anyhow::Result;
use clap::Args;
use heapwood::wasi::{DirAccess, WasiCtx, WasiCtxBuilder};
use heapwood::{Engine, Linker, Module};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The module, its arguments, and what it is granted.
#[derive(Args)]
pub struct Sandbox {
    /// Let the guest use a directory, under another name (::GUEST), only for reading (:ro)
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro|:rw]")]
    dirs: Vec<OsString>,
    /// Set an environment variable of the guest, or pass on ours
    #[arg(long = "env", value_name = "K[=V]")]
    env: Vec<OsString>,
    /// Pass on all our environment variables; --env sets others and replaces
    #[arg(long)]
    env_all: bool,
    /// The guest's argument 0; by default the file's name
    #[arg(long, value_name = "S")]
    argv0: Option<OsString>,
    /// Bear with what libraries do that WASI does not allow; by default for modules of the Kotlin compiler
    #[arg(long, value_name = "WHOSE")]
    wasi_compat: Option<WasiCompat>,
    /// Instantiate FILE first, for imports from NAME
    #[arg(long = "preload", value_name = "NAME=FILE")]
    pub preloads: Vec<Preload>,
    /// End the guest after this time, with status 124; it counts from the instantiation, after compiling
    #[arg(long, value_name = "DUR")]
    pub timeout: Option<DurationArg>,
    /// Most memory of linear memories, tables and element segments, all together
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<Size>,
    /// Stack of the guest
    #[arg(long, value_name = "SIZE", default_value = "16m")]
    max_stack: Size,
    /// Lines of the source for backtraces, for a module without DWARF; by default the map that the module names beside it
    #[arg(long, value_name = "FILE")]
    pub source_map: Option<PathBuf>,
    /// When the guest traps or throws, write its frames, memories and globals to FILE, as debuggers of WebAssembly read
    /// them
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,
    /// MODULE is an image that `heapwood compile` wrote, and that is trusted: its code runs as it is
    #[arg(long)]
    pub precompiled: bool,
    /// The module, binary or text, and the guest's arguments
    #[arg(value_names = ["MODULE", "ARGS"], required = true, num_args = 1.., trailing_var_arg = true)]
    module_and_args: Vec<OsString>,

    #[command(flatten)]
    surfaces: SurfaceOptions,

    #[command(flatten)]
    pub inspection: InspectionOptions,

    #[command(flatten)]
    pub perf_map: PerfMap,

    #[command(flatten)]
    pub debugger: DebuggerOptions,

    #[command(flatten)]
    pub engine: EngineOptions,
}

/// An environment variable: its name and its value.
type Variable = (Vec<u8>, Vec<u8>);

/// A module to import from, and its name.
#[derive(Clone)]
pub struct Preload {
    pub name: String,
    pub path: PathBuf,
}

impl std::str::FromStr for Preload {
    type Err = String;

    fn from_str(text: &str) -> Result<Preload, String> {
        let (name, path) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form NAME=FILE"))?;
        Ok(Preload { name: name.to_owned(), path: path.into() })
    }
}

impl Sandbox {
    pub fn path(&self) -> &Path {
        Path::new(&self.module_and_args[0])
    }

    pub fn guest_args(&self) -> &[OsString] {
        &self.module_and_args[1..]
    }

    pub fn config(&self) -> Result<heapwood::Config, UsageError> {
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

    pub fn limits(&self) -> Limits {
        Limits {
            heap: self.engine.heap_max(),
            stack: self.max_stack.to_string(),
            memory: self.max_memory.as_ref().map(Size::to_string),
        }
    }

    /// Where a core dump goes.
    ///
    /// # Errors
    /// The name means nothing.
    pub fn core_dump(&self) -> Result<Option<PathBuf>, UsageError> {
        self.coredump.as_deref().map(|given| file_name::expand("--coredump", given)).transpose()
    }

    /// The guest's argument 0.
    pub fn argv0(&self) -> Vec<u8> {
        let argv0 = match &self.argv0 {
            Some(argv0) => argv0.clone(),
            None => self.path().file_name().unwrap_or(self.path().as_os_str()).to_owned(),
        };
        argv0.into_vec()
    }

    /// What WASI grants these modules, with these arguments after the guest's own name. The streams are ours, until
    /// `streams` says something else.
    pub fn wasi<'m>(
        &self,
        modules: impl IntoIterator<Item = &'m Module>,
        args: impl IntoIterator<Item = Vec<u8>>,
        streams: impl FnOnce(WasiCtxBuilder) -> WasiCtxBuilder,
    ) -> Result<WasiCtx> {
        let mut builder = WasiCtx::builder().inherit_stdio().broken_pipe_exit(STATUS_BROKEN_PIPE.into());
        let args: Vec<Vec<u8>> = args.into_iter().collect();
        let (argument_count, mut given) = (args.len(), Vec::new());
        builder = streams(builder).arg(self.argv0()).args(args);
        builder = builder.kotlin_paths(WasiCompat::of(self.wasi_compat, modules) == WasiCompat::Kotlin);
        for (key, value) in self.environment()? {
            given.push(format!("variable {}", text(&key)));
            builder = builder.env(key, value);
        }
        for dir in &self.dirs {
            let (host, guest, access) = parse_dir(dir)?;
            let rights = if access == DirAccess::ReadOnly { ", for reading only" } else { "" };
            given.push(format!("directory {} as {}{rights}", shown(&host), text(&guest)));
            builder = builder.preopen_dir(host, guest, access);
        }
        let wasi = builder.build()?;
        output::more(|| {
            let given = std::iter::once(format!("arguments: {argument_count}")).chain(given);
            format!("{}: given {}", shown(self.path()), given.collect::<Vec<_>>().join("; "))
        });
        Ok(wasi)
    }

    /// The guest's variables, each once: of several with a name the last one.
    fn environment(&self) -> Result<Vec<Variable>, UsageError> {
        let ours = std::env::vars_os().filter(|_| self.env_all);
        let mut variables: Vec<_> = ours.map(|(key, value)| (key.into_vec(), value.into_vec())).collect();
        for text in &self.env {
            let Some((key, value)) = env_variable(text)? else { continue };
            variables.retain(|(other, _)| *other != key);
            variables.push((key, value));
        }
        Ok(variables)
    }

    /// Host functions for what the modules import, unless a preloaded module takes that name.
    pub fn linker<'m>(&self, engine: &Engine, modules: impl Iterator<Item = &'m Module>) -> Result<Linker<Host>> {
        let taken: Vec<_> = self.preloads.iter().map(|preload| preload.name.as_str()).collect();
        self.surfaces.linker(engine, &modules.collect::<Vec<_>>(), &taken)
    }
}

/// A guest's name for something, on one line.
fn text(name: &[u8]) -> String {
    shown(Path::new(OsStr::from_bytes(name)))
}

/// `K=V`, or `K` with our own value, if we have one.
fn env_variable(text: &OsString) -> Result<Option<Variable>, UsageError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.starts_with(b"=") {
        return Err(UsageError::new(format!("--env '{}': a variable has a name", text.display())));
    }
    Ok(match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => Some((bytes[..at].to_vec(), bytes[at + 1..].to_vec())),
        None => std::env::var_os(text).map(|value| (bytes.to_vec(), value.into_vec())),
    })
}

/// `HOST[::GUEST][:ro|:rw]`. The guest's name is taken without slashes at its end.
fn parse_dir(text: &OsString) -> Result<(PathBuf, Vec<u8>, DirAccess), UsageError> {
    let bytes = text.as_bytes();
    let (bytes, access) = match (bytes.strip_suffix(b":ro"), bytes.strip_suffix(b":rw")) {
        (Some(bytes), _) => (bytes, DirAccess::ReadOnly),
        (_, Some(bytes)) => (bytes, DirAccess::ReadWrite),
        _ => (bytes, DirAccess::ReadWrite),
    };
    let (host, guest) = match bytes.windows(2).position(|pair| pair == b"::") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, bytes),
    };
    let guest = match guest.iter().rposition(|byte| *byte != b'/') {
        Some(last) => &guest[..=last],
        None => &guest[..guest.len().min(1)],
    };
    if let Some(colon) = one_colon(bytes) {
        let (host, guest) = (bytes[..colon].escape_ascii(), bytes[colon + 1..].escape_ascii());
        let hint = format!("there is no such directory; two colons are between HOST and GUEST: {host}::{guest}");
        return Err(UsageError::new(format!("--dir {}: {hint}", text.display())));
    }
    if host.is_empty() || guest.is_empty() {
        return Err(UsageError::new(format!("--dir {}: a directory's name is empty", text.display())));
    }
    Ok((OsString::from_vec(host.to_vec()).into(), guest.to_vec(), access))
}

/// Where one colon stands in what is no directory's name, but may be two names.
fn one_colon(text: &[u8]) -> Option<usize> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let is_alone = text.get(colon + 1).is_some_and(|next| *next != b':') && colon != 0;
    let is_name = PathBuf::from(OsString::from_vec(text.to_vec())).exists();
    (is_alone && !is_name).then_some(colon)
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
        assert_eq!(parse("a::/data:rw"), dir("a", "/data", DirAccess::ReadWrite));
        assert_eq!(parse("a::data//"), dir("a", "data", DirAccess::ReadWrite));
        assert_eq!(parse("a/::/:ro"), dir("a/", "/", DirAccess::ReadOnly));
        assert_eq!(parse("//"), dir("//", "/", DirAccess::ReadWrite));
        assert!(parse("a:/data").is_err_and(|error| error.contains("a::/data")));
        assert!(parse("::/data").is_err() && parse("a::").is_err() && parse("").is_err());
    }

    #[test]
    fn variables() {
        let pair = |key: &str, value: &str| Some((key.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let parse = |text: &str| env_variable(&text.into()).map_err(|error| error.to_string());
        assert_eq!(parse("A=b=c"), Ok(pair("A", "b=c")));
        assert_eq!(parse("A="), Ok(pair("A", "")));
        assert_eq!(parse("HEAPWOOD_NOT_SET"), Ok(None));
        assert!(parse("").is_err() && parse("=x").is_err());
    }
}
