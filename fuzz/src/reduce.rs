//! Makes a program that goes wrong smaller: leaves out calls, statements and expressions while it goes wrong as before.

use crate::generate::{Aim, Cut, Program, program};
use crate::worker::{Totals, check_modes, difference};
use crate::{parent, run, v8};
use std::path::Path;
use std::process::{Command, ExitCode};

fn aim(what: &str) -> Aim {
    if what == "v8" { Aim::Foreign } else { Aim::Own }
}

/// What V8 sees of a program.
fn in_v8(program: &Program) -> Vec<String> {
    let node = v8::node().unwrap_or_else(|why| panic!("{why}"));
    let path = std::env::temp_dir().join(format!("heapwood-fuzz-{}.json", std::process::id()));
    std::fs::write(&path, v8::json(program)).expect("a batch can be written");
    let output = Command::new(node).args(v8::OPTIONS).arg(parent::driver()).arg(&path).output().expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| !line.starts_with("seed ") && *line != "done").map(str::to_owned).collect()
}

/// What is wrong with a program.
fn problem(what: &str, program: &Program) -> Option<String> {
    let mut modes = run::modes();
    if what == "v8" {
        modes.truncate(1);
    }
    let (outcome, problem) = check_modes(&modes, program, &mut Totals::default());
    problem.or_else(|| if what == "v8" { difference(&in_v8(program), &outcome.lines) } else { None })
}

/// In a process of its own: says what is wrong with a program of which the file `cut` leaves something out.
pub fn check(what: &str, seed: u64, cut: &str) -> ExitCode {
    let cut = read(&std::fs::read_to_string(cut).expect("a list of parts"));
    match problem(what, &program(seed, aim(what), &cut)) {
        Some(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn read(text: &str) -> Cut {
    let mut cut = Cut::default();
    for line in text.lines() {
        match line.strip_prefix("call ") {
            Some(call) => cut.calls.insert(call.parse().expect("a position")),
            None => cut.parts.insert(line.parse().expect("a part")),
        };
    }
    cut
}

/// How it goes wrong, without what changes from program to program; none if it does not.
fn kind(what: &str, seed: u64, cut: &Cut) -> Option<String> {
    let path = std::env::temp_dir().join(format!("heapwood-fuzz-cut-{}", std::process::id()));
    let parts = cut.parts.iter().map(|part| format!("{part}\n"));
    let calls = cut.calls.iter().map(|call| format!("call {call}\n"));
    std::fs::write(&path, parts.chain(calls).collect::<String>()).expect("a list can be written");
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    let output = command.args(["check", what, &seed.to_string()]).arg(&path).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return None;
    }
    let panic = String::from_utf8_lossy(&output.stderr);
    let panic = panic.lines().skip_while(|line| !line.contains("panicked at")).take(1).collect::<String>();
    let end = text.find([':', '`']).unwrap_or(text.len());
    let place = panic.find("panicked at").map_or("", |at| &panic[at..]);
    Some(format!("{:?} {} {place}", output.status.code(), text[..end].trim()))
}

/// Makes a program smaller and shows it.
pub fn reduce(what: &str, seed: u64, keep: &Path) {
    let mut cut = Cut::default();
    let Some(wanted) = kind(what, seed, &cut) else { return println!("nothing is wrong with seed {seed}") };
    println!("seed {seed}: {wanted}");
    let same = |cut: &Cut| kind(what, seed, cut).as_ref() == Some(&wanted);
    for call in (0..program(seed, aim(what), &cut).calls.len()).rev() {
        let mut less = cut.clone();
        less.calls.insert(call);
        if same(&less) {
            cut = less;
        }
    }
    let mut size = program(seed, aim(what), &cut).parts.len() / 2;
    while size > 0 {
        let mut from = 0;
        loop {
            let parts: Vec<u64> =
                program(seed, aim(what), &cut).parts.into_iter().filter(|part| !cut.parts.contains(part)).collect();
            if from >= parts.len() {
                break;
            }
            let mut less = cut.clone();
            less.parts.extend(&parts[from..parts.len().min(from + size)]);
            if same(&less) {
                cut = less;
            } else {
                from += size;
            }
        }
        let left = program(seed, aim(what), &cut).parts.len()
            - cut.parts.len().min(program(seed, aim(what), &cut).parts.len());
        println!("chunks of {size}: {left} parts are left");
        size /= 2;
    }
    show(what, seed, &cut, keep);
}

/// Writes a program as text and says what it does.
pub fn show(what: &str, seed: u64, cut: &Cut, keep: &Path) {
    let program = program(seed, aim(what), cut);
    std::fs::create_dir_all(keep).expect("a folder");
    for (index, bytes) in program.modules.iter().enumerate() {
        let path = keep.join(format!("{what}-{seed}.{index}"));
        std::fs::write(path.with_extension(format!("{index}.wasm")), bytes).expect("a module can be written");
        let text = wasmprinter::print_bytes(bytes).unwrap_or_else(|error| format!("no text: {error:#}"));
        std::fs::write(path.with_extension(format!("{index}.wat")), text).expect("a text can be written");
    }
    std::fs::write(keep.join(format!("{what}-{seed}.json")), v8::json(&program)).expect("a program can be written");
    println!("{:#?}\n{:#?}\nfuel {} instances {:?}", program.calls, program.host, program.fuel, program.instances);
    if what == "v8" {
        println!("V8: {:#?}", in_v8(&program));
    }
    for mode in run::modes().iter().take(if what == "v8" { 1 } else { 9 }) {
        println!("{}: {:#?}", mode.name, run::run(mode, &program).lines);
    }
}
