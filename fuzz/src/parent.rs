//! Seeds in chunks, each in processes of its own; findings and totals.

use crate::generate::{Aim, Cut, program};
use crate::places;
use crate::v8;
use crate::worker::{Totals, difference};
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A seed hangs if it takes longer: fuel ends every program far below this.
const HANGS_AFTER: Duration = Duration::from_secs(300);
/// Seeds of a process.
const CHUNK: u64 = 200;

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The program.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// `modes` or `v8`.
    pub what: String,
    /// Which programs.
    pub seeds: Range<u64>,
    /// Processes at a time.
    pub jobs: usize,
    /// Places are counted in one of so many programs.
    pub every: u64,
    /// Where findings are kept.
    pub keep: PathBuf,
}

/// Runs a job to its end.
pub fn run(job: &Job) -> (Totals, Vec<Finding>) {
    let state = Mutex::new((Totals::default(), Vec::new()));
    let next = Mutex::new(job.seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..job.jobs {
            scope.spawn(|| {
                loop {
                    let chunk = {
                        let mut next = next.lock().expect("no thread panics");
                        let from = *next;
                        if from >= job.seeds.end {
                            return;
                        }
                        *next = job.seeds.end.min(from + CHUNK);
                        from..*next
                    };
                    run_chunk(job, chunk, &state);
                }
            });
        }
    });
    state.into_inner().expect("no thread panics")
}

/// Lines of a process by seed; where it ended early, the seed and how.
struct Told {
    seeds: Vec<(u64, Vec<String>)>,
    rest: Vec<String>,
    died: Option<(u64, String)>,
}

fn listen(command: &mut Command, first: u64) -> Told {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the process starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut told = Told { seeds: Vec::new(), rest: Vec::new(), died: None };
    let mut hangs = false;
    loop {
        match receiver.recv_timeout(HANGS_AFTER) {
            Ok(line) => match (line.strip_prefix("seed "), told.seeds.last_mut()) {
                (Some(seed), _) => told.seeds.push((seed.parse().expect("a seed"), Vec::new())),
                (None, Some((_, list))) => list.push(line),
                (None, None) => told.rest.push(line),
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                hangs = true;
                child.kill().expect("the process can be ended");
                break;
            }
        }
    }
    let status = child.wait().expect("the process can be waited for");
    if hangs || !status.success() {
        let seed = told.seeds.last().map_or(first, |(seed, _)| *seed);
        told.died = Some((seed, if hangs { "hangs".to_owned() } else { format!("ended its process: {status}") }));
    }
    told
}

fn run_chunk(job: &Job, chunk: Range<u64>, state: &Mutex<(Totals, Vec<Finding>)>) {
    let mut from = chunk.start;
    while from < chunk.end {
        let seeds = from..chunk.end;
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["worker", &job.what, &seeds.start.to_string(), &seeds.end.to_string(), &job.every.to_string()]);
        let told = listen(&mut command, from);
        let mut ours: Vec<(u64, Vec<String>)> = Vec::new();
        let mut findings = Vec::new();
        let mut totals = Totals::default();
        for (seed, lines) in told.seeds {
            let mut own = Vec::new();
            for line in lines {
                if let Some(what) = line.strip_prefix("problem ") {
                    findings.push(Finding { seed, what: what.to_owned() });
                } else if let Some(line) = line.strip_prefix("line ") {
                    own.push(line.to_owned());
                } else if !totals.read(&line) {
                    findings.push(Finding { seed, what: format!("unexpected output: {line}") });
                }
            }
            ours.push((seed, own));
        }
        if let Some((seed, how)) = &told.died {
            findings.push(Finding { seed: *seed, what: how.clone() });
            ours.retain(|(other, _)| other != seed);
        }
        if job.what == "v8" {
            against_v8(&ours, &mut findings, &mut totals);
        }
        from = told.died.map_or(chunk.end, |(seed, _)| seed + 1);
        let mut state = state.lock().expect("no thread panics");
        totals.counts.iter().for_each(|(name, count)| state.0.add(name, *count));
        totals
            .operators
            .iter()
            .for_each(|(operators, count)| *state.0.operators.entry(*operators).or_default() += count);
        for (name, uses) in totals.table {
            let sum = state.0.table.entry(name).or_default();
            sum.count += uses.count;
            (0..6).for_each(|place| sum.places[place] += uses.places[place]);
        }
        for finding in findings {
            println!("FINDING seed {}: {}", finding.seed, finding.what);
            keep(job, &finding);
            state.1.push(finding);
        }
    }
}

fn against_v8(ours: &[(u64, Vec<String>)], findings: &mut Vec<Finding>, totals: &mut Totals) {
    let node = v8::node().expect("checked before");
    let mut from = 0;
    while from < ours.len() {
        let path = std::env::temp_dir().join(format!("heapwood-fuzz-{}-{}.json", std::process::id(), ours[from].0));
        let lines: Vec<_> =
            ours[from..].iter().map(|(seed, _)| v8::json(&program(*seed, Aim::Foreign, &Cut::default()))).collect();
        std::fs::write(&path, lines.join("\n")).expect("a batch can be written");
        let mut command = Command::new(&node);
        command.args(v8::OPTIONS).arg(driver()).arg(&path);
        let told = listen(&mut command, ours[from].0);
        for ((seed, own), (other, theirs)) in ours[from..].iter().zip(&told.seeds) {
            assert_eq!(seed, other, "programs in order");
            if theirs.last().is_some_and(|line| line == "done") {
                totals.add("programs compared with V8", 1);
                totals.add("lines compared with V8", own.len() as u64);
                if let Some(what) = difference(&theirs[..theirs.len() - 1], own) {
                    findings.push(Finding { seed: *seed, what: format!("V8: {what}") });
                }
            }
        }
        from = match &told.died {
            Some((seed, how)) => {
                findings.push(Finding { seed: *seed, what: format!("V8 {how}") });
                ours.iter().position(|(other, _)| other == seed).map_or(ours.len(), |at| at + 1)
            }
            None => ours.len(),
        };
        let _ = std::fs::remove_file(&path);
    }
}

/// The program for node.
pub fn driver() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("driver.js")
}

fn keep(job: &Job, finding: &Finding) {
    std::fs::create_dir_all(&job.keep).expect("a folder for findings");
    let aim = if job.what == "v8" { Aim::Foreign } else { Aim::Own };
    let program = program(finding.seed, aim, &Cut::default());
    let name = format!("{}-{}", job.what, finding.seed);
    for (index, bytes) in program.modules.iter().enumerate() {
        std::fs::write(job.keep.join(format!("{name}.{index}.wasm")), bytes).expect("a module can be kept");
    }
    std::fs::write(job.keep.join(format!("{name}.txt")), format!("{}\n", finding.what)).expect("a finding can be kept");
}

/// Operators that no valid module has.
const NEVER: [&str; 1] = ["TypedSelectMulti"];
/// An operator stands so often in each place that its operands have.
const LEAST: u64 = 200;

/// Prints totals.
pub fn report(totals: &Totals) {
    for (name, count) in &totals.counts {
        println!("{count:>12} {name}");
    }
    println!("{:>12} executed operators of a program (median, in steps of 50)", totals.median());
}

/// Prints operators and the places of their operands; returns how many are too rare in some place.
pub fn report_table(table: &places::Table) -> usize {
    println!("{:<28}{:>9} {}", "operator", "count", places::NAMES.map(|name| format!("{name:>9}")).join(""));
    let mut rare = Vec::new();
    for name in places::all_operators().into_iter().filter(|name| !NEVER.contains(name)) {
        let uses = table.get(name).copied().unwrap_or_default();
        println!("{name:<28}{:>9} {}", uses.count, uses.places.map(|count| format!("{count:>9}")).join(""));
        let operands = uses.places.iter().any(|count| *count > 0);
        if uses.count < LEAST || operands && uses.places[..5].iter().any(|count| *count < LEAST) {
            rare.push(name);
        }
    }
    println!("{} operators stand fewer than {LEAST} times in some place: {}", rare.len(), rare.join(" "));
    rare.len()
}

/// Seeds of a job that are missing in its totals.
pub fn missing(job: &Job, totals: &Totals) -> Vec<String> {
    let wanted = job.seeds.end - job.seeds.start;
    let mut list = Vec::new();
    if totals.count("programs") != wanted {
        list.push(format!("{} programs ran, not {wanted}", totals.count("programs")));
    }
    if job.what == "v8" && totals.count("programs compared with V8") != wanted {
        list.push(format!(
            "{} programs were compared with V8, not {wanted}",
            totals.count("programs compared with V8")
        ));
    }
    list
}

/// What totals must be like, and are not.
pub fn shortcomings(totals: &Totals) -> Vec<String> {
    let mut list = Vec::new();
    if totals.median() < 500 {
        list.push(format!("half of the programs execute no more than {} operators", totals.median() + 50));
    }
    if totals.count("programs whose first call trapped") * 5 > totals.count("programs") {
        list.push("more than a fifth of the programs trap in their first call".to_owned());
    }
    list
}

/// Writes totals for [`read_totals`].
pub fn keep_totals(totals: &Totals, file: &Path) {
    let mut text = Vec::new();
    totals.write(&mut text).and_then(|()| std::fs::write(file, text)).expect("totals can be kept");
}

/// The sum of what runs kept.
pub fn read_totals(files: &[&str]) -> Totals {
    let mut totals = Totals::default();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        text.lines().for_each(|line| assert!(totals.read(line), "{file}: `{line}` says nothing of totals"));
    }
    totals
}
