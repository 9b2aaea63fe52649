//! The cache: entries are found, and nothing that is wrong with them or with their directory is an error.
//!
//! Whether a module comes from the cache is seen by what compiling may take: an engine that may take nothing for it has
//! only what is cached.

use super::corpus::{self, scratch};
use crate::common::child::in_child;
use crate::generate;
use heapwood_vm::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

fn engine(directory: &Path) -> Engine {
    Engine::new(Config::new().cache(directory)).unwrap()
}

/// Whether the cache of this directory has the module, and its code is what compiling makes.
fn has(directory: &Path, bytes: &[u8]) -> bool {
    let engine = Engine::new(Config::new().cache(directory).max_compile_memory(1)).unwrap();
    match Module::new(&engine, bytes) {
        Ok(module) => {
            let compiled = Module::new(&Engine::default(), bytes).unwrap();
            assert_eq!(module.exports().count(), compiled.exports().count());
            assert!(module.info().bytes[..] == bytes[..]);
            true
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
            false
        }
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn small() -> Vec<u8> {
    wat::parse_str(corpus::SMALL).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn what_was_compiled_is_found_by_its_content() {
    let directory = scratch("found").join("made/with/its parents");
    let (bytes, other) = (small(), wat::parse_str(corpus::LIBRARY).unwrap());
    assert!(!has(&directory, &bytes));
    Module::new(&engine(&directory), &bytes).unwrap();
    assert!(has(&directory, &bytes) && !has(&directory, &other));
    let [entry] = &entries(&directory)[..] else { panic!("one entry") };
    assert_eq!((mode(&directory), mode(entry)), (0o700, 0o600));
    // It is not written again.
    let inode = fs::metadata(entry).unwrap().ino();
    Module::new(&engine(&directory), &bytes).unwrap();
    assert_eq!(fs::metadata(entry).unwrap().ino(), inode);
    Module::new(&engine(&directory), &other).unwrap();
    assert!(has(&directory, &bytes) && has(&directory, &other));
    // Other settings have entries of their own.
    let settings: [fn(&mut Config) -> &mut Config; 4] = [
        |config| config.few_registers(true),
        |config| config.memory64_guard(false),
        |config| config.debug_checks(true),
        |config| config.features(Features::all()),
    ];
    for (count, set) in settings.into_iter().enumerate() {
        let mut config = Config::new();
        set(config.cache(&directory));
        Module::new(&Engine::new(&config).unwrap(), &bytes).unwrap();
        assert_eq!(entries(&directory).len(), 3 + count);
    }
    assert!(has(&directory, &bytes));
}

#[test]
fn an_invalid_module_is_no_entry() {
    let directory = scratch("invalid");
    let bytes = wat::parse_str("(module (func (result i32)))").unwrap();
    assert!(matches!(Module::new(&engine(&directory), &bytes).unwrap_err().kind(), ErrorKind::Module(_)));
    assert_eq!(entries(&directory), [""; 0].map(PathBuf::from));
}

/// Each is as good as none, and replaced.
#[test]
fn entries_that_are_not_what_they_were_are_written_anew() {
    let directory = scratch("damaged");
    let bytes = small();
    Module::new(&engine(&directory), &bytes).unwrap();
    let entry = entries(&directory).remove(0);
    let good = fs::read(&entry).unwrap();
    let other = Engine::default().precompile_module(&wat::parse_str(corpus::LIBRARY).unwrap()).unwrap();
    let flipped = |at: usize| {
        let mut image = good.clone();
        image[at] ^= 1;
        image
    };
    let code = good.len() - 2 * 4096;
    let contents = [
        Vec::new(),
        vec![0; good.len()],
        good[..good.len() / 2].to_vec(),
        other,
        b"\0asm".to_vec(),
        flipped(9),
        flipped(200),
        flipped(code),
    ];
    for (number, content) in contents.into_iter().enumerate() {
        fs::write(&entry, content).unwrap();
        assert!(!has(&directory, &bytes), "content {number} was taken");
        Module::new(&engine(&directory), &bytes).unwrap();
        assert!(fs::read(&entry).unwrap() == good, "content {number} is still there");
        assert!(has(&directory, &bytes));
    }
}

/// What somebody else can write is not run.
#[test]
fn what_others_can_write_is_not_trusted() {
    let directory = scratch("trusted");
    let bytes = small();
    Module::new(&engine(&directory), &bytes).unwrap();
    let entry = entries(&directory).remove(0);
    for (path, mode, is_trusted) in [
        (&entry, 0o600, true),
        (&entry, 0o644, true),
        (&entry, 0o620, false),
        (&entry, 0o602, false),
        (&entry, 0o600, true),
        (&directory, 0o755, true),
        (&directory, 0o770, false),
        (&directory, 0o707, false),
        (&directory, 0o1777, false),
        (&directory, 0o700, true),
    ] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(has(&directory, &bytes), is_trusted, "{} with {mode:o}", path.display());
    }
    // Nor is anything written to such a directory.
    fs::remove_file(&entry).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    Module::new(&engine(&directory), &bytes).unwrap();
    assert_eq!(entries(&directory).len(), 0);
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    // An entry that can be written by others is replaced; a link that leads to a good one is no entry.
    Module::new(&engine(&directory), &bytes).unwrap();
    let moved = scratch("trusted-moved").join("image");
    fs::rename(&entry, &moved).unwrap();
    symlink(&moved, &entry).unwrap();
    assert!(!has(&directory, &bytes));
    Module::new(&engine(&directory), &bytes).unwrap();
    assert!(has(&directory, &bytes) && fs::symlink_metadata(&entry).unwrap().is_file());
    // What another user owns: only root can give files away, and every other user's entries are its own.
    if std::os::unix::fs::chown(&entry, Some(65534), None).is_ok() {
        assert!(!has(&directory, &bytes));
        Module::new(&engine(&directory), &bytes).unwrap();
        assert!(has(&directory, &bytes), "it was replaced");
        std::os::unix::fs::chown(&directory, Some(65534), None).unwrap();
        assert!(!has(&directory, &bytes));
    }
}

/// Where nothing can be written, modules are compiled each time.
#[test]
fn a_directory_that_cannot_be_is_no_error() {
    let folder = scratch("impossible");
    fs::write(folder.join("file"), "").unwrap();
    symlink(folder.join("nowhere/at/all"), folder.join("link")).unwrap();
    for directory in
        [folder.join("file"), folder.join("file/below"), folder.join("link"), "/proc/nobody".into(), "".into()]
    {
        let module = Module::new(&engine(&directory), small()).unwrap();
        assert_eq!(module.exports().count(), 2, "{}", directory.display());
        assert!(!has(&directory, &small()));
    }
}

/// Modules that threads and processes compile at once.
fn modules() -> Vec<Vec<u8>> {
    (2000..2012).filter_map(generate::module).collect()
}

/// Names the directory that a process shares with others.
const SHARED: &str = "HEAPWOOD_TEST_CACHE";

fn use_cache(directory: &Path) {
    let modules = modules();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let modules = &modules;
            scope.spawn(move || {
                let engine = engine(directory);
                for round in 0..3 {
                    for index in 0..modules.len() {
                        let bytes = &modules[(index + thread * 3 + round) % modules.len()];
                        let module = Module::new(&engine, bytes).unwrap();
                        assert!(module.info().bytes[..] == bytes[..]);
                    }
                }
            });
        }
    });
}

#[test]
fn threads_and_processes_share_a_directory() {
    let name = "images::cache::threads_and_processes_share_a_directory";
    if let Some(directory) = std::env::var_os(SHARED) {
        return in_child(name, || use_cache(Path::new(&directory)));
    }
    let directory = scratch("shared");
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture"]).env("HEAPWOOD_TEST_CHILD", name).env(SHARED, &directory);
        command.spawn().unwrap()
    };
    let mut processes = [start(), start(), start()];
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    let modules = modules();
    assert!(modules.iter().all(|bytes| has(&directory, bytes)));
    // Nothing is left of what was being written.
    assert_eq!(entries(&directory).len(), modules.len());
}
