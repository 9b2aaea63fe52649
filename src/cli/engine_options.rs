//! Options that `run`, `wast` and `bench` share.

use super::bench::Pauses;
use super::failure::{UsageError, shown};
use super::file_name;
use super::gc_report::{GcReport, LogFormat, RotatingLog, Rotation, StatsForm};
use super::output::Reported;
use super::profile::{LongestPauses, ProfileFormat};
use super::trace::Trace;
use super::units::{DurationArg, Size};
use super::watch::{CpuProfileOutput, Listener, Output, Outputs, RunReport, Watch};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use heapwood::{Config, Engine, ErrorKind, Features, GcProfile, Inline, Store, Tiering};
use std::fs::File;
use std::io::{LineWriter, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `-W`, which every command has.
#[derive(Args)]
pub struct FeatureOptions {
    /// Switch a WebAssembly feature on or off; without a value, on
    #[arg(short = 'W', value_name = "FEATURE[=y|n]")]
    features: Vec<String>,
}

impl FeatureOptions {
    /// The set of features that the options leave.
    pub fn set(&self) -> Result<Features, UsageError> {
        let mut features = Features::default();
        for option in &self.features {
            features.apply(&switched_on(option)).map_err(|error| UsageError::new(format!("-W: {error}")))?;
        }
        Ok(features)
    }

    pub fn apply(&self, config: &mut Config) -> Result<(), UsageError> {
        config.features(self.set()?);
        Ok(())
    }
}

/// What code depends on.
#[derive(Args)]
pub struct CodeOptions {
    #[command(flatten)]
    pub features: FeatureOptions,

    /// Most code and working memory of compiling a module; default 32m and 8 bytes for each byte of the module
    #[arg(long, value_name = "SIZE")]
    max_compile_memory: Option<Size>,

    /// Set a test switch (mem32-guard, mem64-guard, debug-checks, few-registers, inline, tier)
    #[arg(short = 'T', value_name = "NAME=y|n", help_heading = "Testing")]
    test_switches: Vec<String>,
}

impl CodeOptions {
    pub fn apply(&self, config: &mut Config) -> Result<(), UsageError> {
        self.features.apply(config)?;
        if let Some(max) = &self.max_compile_memory {
            config.max_compile_memory(max.bytes);
        }
        self.test_switches.iter().try_for_each(|switch| apply_test_switch(config, &switched_on(switch)))
    }
}

#[derive(Args)]
pub struct EngineOptions {
    #[command(flatten)]
    pub code: CodeOptions,

    /// Write which functions use the CPU, as collapsed stacks with microseconds for flame graphs, or in another form.
    /// In this and the other names of files that are written, %p is the process and %t the time of its start
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Form of it; by default what FILE's name says: .json firefox, .pb and .pprof pprof, else collapsed
    #[arg(long, value_name = "FORMAT", requires = "profile")]
    profile_format: Option<ProfileFormat>,
    /// Time between two samples of it
    #[arg(long, value_name = "DUR", default_value = "1ms", requires = "profile")]
    profile_interval: DurationArg,

    /// Compile functions that run often again, with what their calls usually call inlined; default on, off under an
    /// `ulimit -v` below 128 GiB
    #[arg(long, value_name = "WHETHER")]
    tier: Option<Tier>,
    /// Threads that do so, 0 or 1; with 0, the guest waits for it
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(0..=1))]
    tier_threads: u8,

    #[command(flatten)]
    gc: GcOptions,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tier {
    On,
    Off,
}

#[derive(Args)]
#[command(next_help_heading = "Garbage collection")]
struct GcOptions {
    /// Most memory of the heap (also -Xmx); default half of the smaller of RAM and cgroup limit.
    /// What is given here and free is used to collect less often
    #[arg(long, value_name = "SIZE")]
    gc_heap_max: Option<Size>,
    /// Memory that the heap uses before its first major collection (also -Xms)
    #[arg(long, value_name = "SIZE")]
    gc_heap_initial: Option<Size>,
    /// Size of the nursery, fixed (also -Xmn); by default it adapts
    #[arg(long, value_name = "SIZE")]
    gc_nursery: Option<Size>,
    /// mxSIZE, msSIZE, mnSIZE: as a Java VM spells the three sizes
    #[arg(short = 'X', value_name = "mSIZE", hide = true)]
    java_sizes: Vec<String>,
    /// The collector
    #[arg(long, value_name = "KIND", default_value = "generational")]
    gc: GcKind,
    /// What the collector optimizes for
    #[arg(long, value_name = "PROFILE", default_value = "latency")]
    gc_profile: GcProfileName,
    /// Threads that mark and sweep beside the guest; 0: its own thread, in slices [default: 1 where there are 2 cores]
    #[arg(long, value_name = "N")]
    gc_threads: Option<u32>,
    /// Write a line for every pause, to stderr or FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    gc_log: Option<PathBuf>,
    /// Form of that line
    #[arg(long, value_name = "FORMAT", default_value = "text", requires = "gc_log")]
    gc_log_format: LogFormat,
    /// Keep the log in files of at most this size: a full FILE becomes FILE.0, the next one FILE.1 and so on
    #[arg(long, value_name = "SIZE", requires = "gc_log")]
    gc_log_size: Option<Size>,
    /// Most files beside FILE, of which the oldest is replaced
    #[arg(long, value_name = "N", default_value = "5", requires = "gc_log_size",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    gc_log_count: u32,
    /// Print a table about the heap on stderr at exit, or the same as JSON
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "table")]
    gc_stats: Option<StatsForm>,
    /// Print the objects of the heap that can be reached at exit, by type, on stderr
    #[arg(long)]
    heap_histogram: bool,
    /// Write a snapshot of the heap at exit, or when it is full, for Chrome DevTools (name it .heapsnapshot)
    #[arg(long, value_name = "FILE")]
    heap_snapshot: Option<PathBuf>,
    /// Write what happened when, as a trace that Perfetto and Chrome show
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write which functions allocated which types, as collapsed stacks
    #[arg(long, value_name = "FILE")]
    alloc_profile: Option<PathBuf>,
    /// Bytes between two samples of it, on average
    #[arg(long, value_name = "SIZE", default_value = "64k", requires = "alloc_profile")]
    alloc_profile_interval: Size,
    /// Collect at every Nth allocation, alternating minor, major, moving
    #[arg(long, value_name = "N", help_heading = "Testing")]
    gc_stress: Option<u64>,
    /// Start a marking at every minor collection, and mark about N fields in each of its slices
    #[arg(long, value_name = "N", help_heading = "Testing")]
    gc_mark_slice: Option<u64>,
    /// Verify heap and stack around every collection
    #[arg(long, help_heading = "Testing")]
    gc_verify: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GcKind {
    Generational,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GcProfileName {
    /// Short pauses
    Latency,
    /// Few pauses: a larger nursery
    Throughput,
}

/// Who hears of a store's pauses beside those that the options ask for.
pub enum Watcher<'p> {
    /// A measurement.
    Pauses(&'p Pauses),
    /// A page about the run.
    Report(RunReport),
}

impl EngineOptions {
    /// The configuration that the options describe.
    pub fn config(&self) -> Result<Config, UsageError> {
        let mut config = Config::new();
        match self.tier {
            Some(Tier::On) => _ = config.tiering(Tiering::On),
            Some(Tier::Off) => _ = config.tiering(Tiering::Off),
            None => {}
        }
        config.tier_threads(self.tier_threads.into());
        self.code.apply(&mut config)?;
        self.gc.apply(&mut config)?;
        if self.gc.alloc_profile_interval.bytes == 0 {
            return Err(UsageError::new("--alloc-profile-interval 0: samples are at least a byte apart"));
        }
        if self.profile_interval.duration.is_zero() {
            return Err(UsageError::new(format!(
                "--profile-interval {}: samples are at least a microsecond apart",
                self.profile_interval
            )));
        }
        config.check_heap().map_err(|error| UsageError::new(self.gc.blame(&error.to_string())))?;
        Ok(config)
    }

    /// The trace that is asked for. Its times count from now.
    pub fn trace(&self) -> Result<Option<Trace>> {
        let create = |given: &PathBuf| {
            let path = file_name::expand("--trace", given)?;
            let name = format!("--trace {}", shown(&path));
            Trace::create(&path, name.clone()).context(name)
        };
        self.gc.trace.as_ref().map(create).transpose()
    }

    /// A store that reports its collections as the options ask, and to `watcher`; and what is known of it at exit.
    pub fn store<T>(
        &self,
        engine: &Engine,
        data: T,
        trace: Option<&Trace>,
        watcher: Option<Watcher<'_>>,
    ) -> Result<(Store<T>, Watch)> {
        let mut store = Store::try_new(engine, data).map_err(|error| match error.kind() {
            ErrorKind::Limit(message) => anyhow!("{}", self.gc.blame(&format!("{message}{}", address_space(engine)))),
            _ => error.into(),
        })?;
        let mut listeners: Vec<Listener> = Vec::new();
        let report = match watcher {
            Some(Watcher::Report(report)) => Some(report),
            Some(Watcher::Pauses(pauses)) => {
                listeners.push(pauses.listener(store.gc_epoch()));
                None
            }
            None => None,
        };
        if let Some(mut log) = self.gc.report()? {
            listeners.push(Box::new(move |event| log.write(event)));
        }
        let snapshot =
            self.gc.heap_snapshot.as_deref().map(|path| Output::create("--heap-snapshot", path)).transpose()?;
        let profile =
            self.gc.alloc_profile.as_deref().map(|path| Output::create("--alloc-profile", path)).transpose()?;
        if profile.is_some() {
            store.profile_allocations(self.gc.alloc_profile_interval.bytes);
        }
        let cpu_profile = self.profile.as_deref().map(|path| self.cpu_profile(path, store.gc_epoch())).transpose()?;
        if cpu_profile.is_some() {
            store.profile_cpu(self.profile_interval.duration)?;
        }
        let outputs = Outputs { snapshot, profile, cpu_profile, report };
        let mut watch = Watch::new(self.gc.gc_stats, trace, outputs, &mut store, listeners);
        watch.print_histogram(self.gc.heap_histogram);
        Ok((store, watch))
    }

    fn cpu_profile(&self, path: &Path, born: Instant) -> Result<CpuProfileOutput> {
        let output = Output::create("--profile", path)?;
        let format = ProfileFormat::of(self.profile_format, Some(path));
        Ok(CpuProfileOutput { output, format, pauses: LongestPauses::new(born) })
    }

    /// The limit of the heap as the user gave it.
    pub fn heap_max(&self) -> Option<String> {
        Some(self.gc.sizes().ok()?.max?.to_string())
    }
}

/// How much address space there is, where that may be why the system refuses, and what takes less of it.
fn address_space(engine: &Engine) -> String {
    engine.limits().address_space_bytes.map_or_else(String::new, |bytes| {
        let mib = bytes >> 20;
        format!("; this process may have {mib}m of address space (ulimit -v): a smaller --gc-heap-max takes less of it")
    })
}

/// `NAME=y|n`, which `NAME` alone is short for.
fn switched_on(switch: &str) -> String {
    if switch.contains('=') { switch.to_owned() } else { format!("{switch}=y") }
}

fn apply_test_switch(config: &mut Config, switch: &str) -> Result<(), UsageError> {
    let wrong = || UsageError::new(format!("-T: `{switch}` is not of the form NAME=y or NAME=n"));
    let (name, value) = switch.split_once('=').ok_or_else(wrong)?;
    if name == "tier" {
        let tiering = match value.split_once(':') {
            None if value == "always" => Tiering::Always,
            None if value == "n" => Tiering::Off,
            None if value == "y" => Tiering::On,
            Some(("random", seed)) => Tiering::Random(seed.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        };
        config.tiering(tiering);
        return Ok(());
    }
    if (name, value) == ("inline", "always") {
        config.inline(Inline::Always);
        return Ok(());
    }
    let on = match value {
        "y" => true,
        "n" => false,
        _ => return Err(wrong()),
    };
    match name {
        "mem32-guard" => config.memory32_guard(on),
        "mem64-guard" => config.memory64_guard(on),
        "debug-checks" => config.debug_checks(on),
        "few-registers" => config.few_registers(on),
        "inline" => config.inline(if on { Inline::Small } else { Inline::Never }),
        _ => {
            return Err(UsageError::new(format!(
                "-T: unknown switch `{name}` (known: mem32-guard, mem64-guard, debug-checks, few-registers, inline, tier)"
            )));
        }
    };
    Ok(())
}

/// What stands for an option of Java VMs that is not known here.
fn other_java_option(option: &str) -> &'static str {
    match option {
        _ if option.starts_with("ss") => "the guest's stack is --max-stack SIZE",
        _ if option.starts_with("log") => "collections are logged by --gc-log, in this form with --gc-log-format jvm",
        _ if option.starts_with("X:") => "there are no -XX options; `heapwood run --help` lists those of the collector",
        _ => "known are -XmxSIZE, -XmsSIZE and -XmnSIZE",
    }
}

/// The sizes of the heap, from whichever spelling.
#[derive(Default)]
struct HeapSizes {
    max: Option<Size>,
    initial: Option<Size>,
    nursery: Option<Size>,
}

impl HeapSizes {
    /// Refuses what is larger than the whole.
    fn check(&self) -> Result<(), UsageError> {
        let Some(max) = &self.max else { return Ok(()) };
        for (name, size) in [("--gc-heap-initial", &self.initial), ("--gc-nursery", &self.nursery)] {
            if let Some(size) = size.as_ref().filter(|size| size.bytes > max.bytes) {
                let whole = "it is a part of the heap, which is smaller";
                return Err(UsageError::new(format!("{name} {size}, --gc-heap-max {max}: {whole}")));
            }
        }
        Ok(())
    }
}

impl GcOptions {
    fn sizes(&self) -> Result<HeapSizes, UsageError> {
        let mut sizes = HeapSizes {
            max: self.gc_heap_max.clone(),
            initial: self.gc_heap_initial.clone(),
            nursery: self.gc_nursery.clone(),
        };
        for option in &self.java_sizes {
            let wrong = || UsageError::new(format!("-X{option}: {}", other_java_option(option)));
            let (place, size) = match option.split_at_checked(2).ok_or_else(wrong)? {
                ("mx", size) => (&mut sizes.max, size),
                ("ms", size) => (&mut sizes.initial, size),
                ("mn", size) => (&mut sizes.nursery, size),
                _ => return Err(wrong()),
            };
            *place = Some(size.parse().map_err(|error| UsageError::new(format!("-X{option}: {error}")))?);
        }
        Ok(sizes)
    }

    fn apply(&self, config: &mut Config) -> Result<(), UsageError> {
        let sizes = self.sizes()?;
        sizes.check()?;
        if let Some(max) = &sizes.max {
            config.gc_heap_max(max.bytes);
        }
        if let Some(initial) = &sizes.initial {
            config.gc_heap_initial(initial.bytes);
        }
        if let Some(nursery) = &sizes.nursery {
            let bytes = u32::try_from(nursery.bytes);
            config.gc_nursery(bytes.map_err(|_| UsageError::new(format!("a nursery of {nursery} is too large")))?);
        }
        if let Some(threads) = self.gc_threads {
            config.gc_threads(threads as usize);
        }
        config.gc_none(self.gc == GcKind::None);
        config.gc_profile(match self.gc_profile {
            GcProfileName::Latency => GcProfile::Latency,
            GcProfileName::Throughput => GcProfile::Throughput,
        });
        config.gc_stress(self.gc_stress.unwrap_or(0)).gc_verify(self.gc_verify);
        config.gc_mark_slice(self.gc_mark_slice.unwrap_or(0));
        Ok(())
    }

    /// A refusal of the heap, with the options that led to it.
    fn blame(&self, message: &str) -> String {
        let Ok(HeapSizes { max, initial, nursery }) = self.sizes() else { return message.to_owned() };
        let named = [("--gc-heap-max", max), ("--gc-heap-initial", initial), ("--gc-nursery", nursery)];
        let given: Vec<_> =
            named.iter().filter_map(|(name, size)| Some(format!("{name} {}", size.as_ref()?))).collect();
        if given.is_empty() { message.to_owned() } else { format!("{}: {message}", given.join(" ")) }
    }

    fn report(&self) -> Result<Option<GcReport>> {
        let Some(given) = &self.gc_log else { return Ok(None) };
        let rotation = self.rotation()?;
        if given.as_os_str() == "-" {
            if rotation.is_some() {
                return Err(UsageError::new("--gc-log-size: the log goes to no file; --gc-log=FILE names one").into());
            }
            return Ok(Some(GcReport::new(self.gc_log_format, Reported::silent(Box::new(std::io::stderr())))));
        }
        let path = file_name::expand("--gc-log", given)?;
        let name = format!("--gc-log={}", shown(&path));
        let lines: Box<dyn Write + Send> = match rotation {
            Some(rotation) => {
                let log = RotatingLog::create(name.clone(), &path, rotation);
                Box::new(log.with_context(|| format!("{name}, --gc-log-size"))?)
            }
            None => Box::new(LineWriter::new(File::create(&path).with_context(|| name.clone())?)),
        };
        Ok(Some(GcReport::new(self.gc_log_format, Reported::new(name, lines))))
    }

    /// How the log is kept in several files.
    fn rotation(&self) -> Result<Option<Rotation>, UsageError> {
        let Some(size) = &self.gc_log_size else { return Ok(None) };
        let wrong = || UsageError::new(format!("--gc-log-size {size}: a file has at least a byte"));
        let file_bytes = NonZeroU64::new(size.bytes).ok_or_else(wrong)?;
        Ok(Some(Rotation { file_bytes, count: self.gc_log_count }))
    }
}
