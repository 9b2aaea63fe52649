//! The command under limits of its address space (`ulimit -v`), of its memory (a control group) and of threads:
//! whatever starts under one starts under each larger one, and what is refused is named.

mod common;

use common::{clear_environment, scratch, skip, wat};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Limits in KiB: 1 to 32 GB, and none.
const LIMITS: [&str; 7] = ["1048576", "2097152", "4194304", "8388608", "16777216", "33554432", "unlimited"];

/// A guest without GC types, with a memory that has no maximum: it writes a line, and grows its memory by a MiB.
const PLAIN: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\05\00\00\00plain")
  (func (export "_start")
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
    (i32.store8 (i32.const 1048576) (i32.const 1))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

/// Keeps a list of so many nodes alive: 24 MiB.
const LIST: &str = r#"(module
  (type $node (struct (field i64 i64) (field (ref null $node))))
  (global $last (mut (ref null $node)) (ref.null $node))
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const 1000000))
    (loop $more
      (global.set $last (struct.new $node (i64.const 1) (i64.const 2) (global.get $last)))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#;

/// The command with these arguments, in a process that may have so much address space.
fn under(limit: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {limit} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_heapwood")]);
    clear_environment(&mut command);
    command.args(arguments).output().expect("a shell starts")
}

fn kotlin_hello() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin/wasm/hello.wasm");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// What a guest prints that ends well.
fn printed(limit: &str, guest: &str, options: &[&str]) -> String {
    let output = under(limit, &[&["run"], options, &[guest]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{guest} under {limit} KiB: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn guests_run_under_all_limits() {
    let directory = scratch("address-space");
    let plain = wat(&directory, "plain.wat", PLAIN);
    let list = wat(&directory, "list.wat", LIST);
    let expected = printed("unlimited", &kotlin_hello(), &[]);
    assert!(!expected.is_empty());
    for limit in LIMITS {
        assert_eq!(printed(limit, &kotlin_hello(), &[]), expected, "under {limit} KiB");
        assert_eq!(printed(limit, plain.to_str().expect("a path"), &[]), "plain", "under {limit} KiB");
        printed(limit, list.to_str().expect("a path"), &[]);
    }
}

/// What `--version -v` says after `name`, in MiB; the largest number if it says something else.
fn said(limit: &str, name: &str) -> u64 {
    let output = under(limit, &["--version", "-v"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {text}"));
    let number = line.trim().trim_end_matches(" at first").trim_end_matches('m');
    number.parse().unwrap_or(u64::MAX)
}

#[test]
fn what_a_store_may_have_grows_with_the_limit() {
    for name in ["--gc-heap-max:", "reach of a heap:", "address space (ulimit -v):", "threads that mark beside guests:"]
    {
        let values = LIMITS.map(|limit| said(limit, name));
        assert!(values.is_sorted(), "{name} {values:?}");
    }
    assert_eq!(said("1048576", "--gc-heap-max:"), 512);
}

#[test]
fn what_is_refused_is_named() {
    // Too little for a store: the error says what was wanted.
    let output = under("230000", &["run", &kotlin_hello()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for words in ["the system refused", "224m of address space (ulimit -v)", "--gc-heap-max"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    // What a stack or a memory takes that is larger than all of it.
    let memory =
        wat(&scratch("address-space-memory"), "memory.wat", "(module (memory 20000) (func (export \"_start\")))");
    for (options, guest, words) in [
        (
            &["--max-stack", "2g"][..],
            kotlin_hello(),
            "a smaller stack of the guest takes less (Config::max_stack, --max-stack)",
        ),
        (&[], memory.to_str().expect("a path").to_owned(), "a memory of at least 1310720000 bytes: the system refused"),
    ] {
        let output = under("1048576", &[&["run"], options, &[&guest]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for words in [words, "this process may have 1024m of address space (ulimit -v)"] {
            assert!(stderr.contains(words), "{words}: {stderr}");
        }
    }
    // More than the memory's part of the address space.
    let large = PLAIN.replace("(memory.grow (i32.const 16))", "(memory.grow (i32.const 30000))");
    let large = wat(&scratch("address-space-large"), "large.wat", &large);
    let output = under("1048576", &["run", large.to_str().expect("a path")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("unreachable"), "{stderr}");
}

/// A control group with a limit of memory, below the one of this process. It is gone when this is dropped.
struct Group(PathBuf);

impl Group {
    /// None where the system lets nobody make one.
    fn with_limit(bytes: u64) -> Option<Group> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let name = format!("heapwood-test-{}", std::process::id());
        let hierarchies =
            [(":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("0::", "/sys/fs/cgroup", "memory.max")];
        hierarchies.iter().find_map(|(key, mount, file)| {
            let own = groups.lines().find_map(|line| line.split_once(key))?.1.trim_start_matches('/');
            let group = Group(Path::new(mount).join(own).join(&name));
            std::fs::create_dir(&group.0).ok()?;
            std::fs::write(group.0.join(file), bytes.to_string()).ok()?;
            Some(group)
        })
    }

    /// The command within the group.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("sh");
        let enter = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", self.0.display());
        command.args(["-c", &enter, "sh", env!("CARGO_BIN_EXE_heapwood")]);
        clear_environment(&mut command);
        command.args(arguments).output().expect("a shell starts")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_full_heap_in_a_control_group_is_a_trap() {
    let Some(group) = Group::with_limit(64 << 20) else {
        return skip("memory-cgroup", "no control group can be made here that limits memory");
    };
    let endless = LIST.replace("(i32.const 1000000)", "(i32.const -1)");
    let guest = wat(&scratch("memory-cgroup"), "endless.wat", &endless);
    let output = group.run(&["run", guest.to_str().expect("a path in UTF-8")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(134), "{}: {stderr}", output.status);
    assert!(stderr.contains("heap"), "{stderr}");
    let said = String::from_utf8(group.run(&["--version", "-v"]).stdout).expect("text");
    assert!(said.contains("--gc-heap-max: 32m"), "{said}");
}

/// The command with these arguments, in a process that may have no other thread. Since that holds for no process of an
/// administrator, it is another user's then.
fn alone(arguments: &[&str]) -> Output {
    const NOBODY: u32 = 65_534;
    let directory = std::env::temp_dir().join(format!("heapwood-alone-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a folder");
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).expect("its permissions");
    let program = directory.join("heapwood");
    std::fs::copy(env!("CARGO_BIN_EXE_heapwood"), &program).expect("a copy");
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -u 1 && exec \"$@\"", "bash"]).arg(&program).current_dir(&directory);
    clear_environment(&mut command);
    for argument in arguments {
        if argument.ends_with(".wat") || argument.ends_with(".wasm") {
            std::fs::copy(argument, directory.join("guest")).expect("a copy");
        }
    }
    command.args(arguments.iter().map(|argument| if argument.contains(".wa") { "guest" } else { argument }));
    if std::fs::metadata("/proc/self").expect("this process").uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("a shell starts");
    std::fs::remove_dir_all(&directory).expect("the folder goes");
    output
}

#[test]
fn guests_run_where_no_thread_can_be_made() {
    let list = wat(&scratch("alone"), "list.wat", LIST);
    let output = alone(&["run", list.to_str().expect("a path")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    for words in ["refuses a thread that waits for signals", "refused 1 of the collector's threads"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    let output = alone(&["run", &kotlin_hello()]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), printed("unlimited", &kotlin_hello(), &[]));
    // What cannot be had without a thread is refused.
    let output = alone(&["run", "--timeout", "1s", &kotlin_hello()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("a deadline needs a thread"), "{stderr}");
}
