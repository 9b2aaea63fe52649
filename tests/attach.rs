//! `heapwood attach`: programs that run, and wait, answer; whatever a client does, the program goes on.

mod common;

use common::attached::{CHURN, Program, churn, minors_and_markings, program};
use common::{finish, folder_from_env, heapwood, scratch, skip, wat};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Waits for a byte of the standard input, after it has written a dot; then ends with the status 7 if it is an `x`.
const WAIT: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\01\00\00\00.")
  (func $start (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
    (if (i32.eq (i32.load8_u (i32.const 8)) (i32.const 120)) (then (call $exit (i32.const 7))))))"#;

#[track_caller]
fn assert_stack(stack: &str, functions: &[&str]) {
    let frames: Vec<_> = stack.lines().filter(|line| line.contains("0x")).collect();
    for function in functions {
        assert!(frames.iter().any(|frame| frame.contains(function)), "{function}:\n{stack}");
    }
}

#[test]
fn a_program_that_runs_answers_everything() {
    let program = churn("attach-runs", &[]);
    let figures: serde_json::Value = serde_json::from_str(&program.answers(&["stats", "--json"])).expect("JSON");
    assert_eq!(figures["process"]["pid"].as_u64(), Some(program.child.id().into()));
    assert!(figures["heap"]["committed_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{figures}");
    let table = program.answers(&["stats"]);
    assert!(table.starts_with(&format!("process {}, ", program.pid())) && table.contains("\n  minor "), "{table}");
    assert_stack(&program.answers(&["stack"]), &["!churn", "!start"]);
    let screens = program.answers(&["top", "--interval", "1ms", "--count", "3"]);
    assert_eq!(screens.matches("\nheap ").count(), 3, "{screens}");
    assert_eq!(screens.matches("in the last").count(), 2, "{screens}");
    assert_stack(&screens, &["!churn"]);

    // Who reads only the beginning of it ends it.
    let mut top = heapwood();
    top.args(["attach", "-v", &program.pid(), "top", "--interval", "1ms"]).stdout(Stdio::piped());
    let mut top = top.spawn().expect("it starts");
    top.stdout.take().expect("piped").read_exact(&mut [0]).expect("a screen");
    assert!(top.wait().expect("it ends").success());

    let histogram = program.answers(&["histogram"]);
    let row = histogram.lines().find(|line| line.ends_with("  node")).expect("a row");
    let objects: u64 = row.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a count");
    assert!((1000..=1100).contains(&objects), "{histogram}");
    let short = program.answers(&["histogram", "--rows", "0"]);
    assert!(short.contains("other types)") && !short.contains("  node"), "{short}");

    let before = minors_and_markings(&program);
    assert!(program.answers(&["gc"]).contains("MiB live"));
    assert!(minors_and_markings(&program).1 > before.1);

    let folder = program.socket.parent().expect("a folder").to_owned();
    let file = folder.join("heap.heapsnapshot");
    assert_eq!(program.answers(&["snapshot", file.to_str().unwrap()]), "");
    let snapshot: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).expect("JSON");
    assert!(snapshot["strings"].as_array().is_some_and(|names| names.iter().any(|name| name == "node")));

    assert_eq!(program.answers(&["profile", "start", "--interval", "200us"]), "");
    let collections = minors_and_markings(&program).0;
    while minors_and_markings(&program).0 < collections + 20 {}
    let profile = program.answers(&["profile", "stop"]);
    assert!(profile.lines().all(|line| line.starts_with("start;churn")) && !profile.is_empty(), "{profile}");
    assert!(program.refuses(&["profile", "stop"]).contains("no profile was started"));

    for (name, begin) in
        [("it.json", &b"{\"meta\":"[..]), ("it.pb", b"\n\x04\x08\x01\x10\x02"), ("it.txt", b"start;churn")]
    {
        assert_eq!(program.answers(&["profile", "start", "--interval", "200us"]), "");
        let collections = minors_and_markings(&program).0;
        while minors_and_markings(&program).0 < collections + 20 {}
        let file = folder.join(name);
        assert_eq!(program.answers(&["profile", "stop", file.to_str().unwrap()]), "");
        assert!(fs::read(file).unwrap().starts_with(begin), "{name}");
    }
    assert_eq!(program.answers(&["profile", "start"]), "");
    let collections = minors_and_markings(&program).0;
    while minors_and_markings(&program).0 < collections + 20 {}
    let profile = program.answers(&["profile", "stop", "--format", "firefox"]);
    let profile: serde_json::Value = serde_json::from_str(&profile).expect("JSON");
    assert!(profile["threads"][0]["markers"]["length"].as_u64() >= Some(20), "its pauses");

    assert_eq!(program.answers(&["allocations", "start", "--interval", "4k"]), "");
    let collections = minors_and_markings(&program).0;
    while minors_and_markings(&program).0 < collections + 5 {}
    let file = folder.join("allocations.txt");
    assert_eq!(program.answers(&["allocations", "stop", file.to_str().unwrap()]), "");
    let allocations = fs::read_to_string(file).unwrap();
    assert!(allocations.starts_with("start;churn;"), "{allocations}");
    assert!(allocations.lines().next().is_some_and(|line| line.contains(";[node] ")), "{allocations}");
    assert!(program.refuses(&["allocations", "stop"]).contains("no profile was started"));
    assert_eq!(program.end("INT", 130), "");
}

/// A guest that waits in the host, as most programs do most of the time.
#[test]
fn a_program_that_waits_answers_everything_and_goes_on() {
    let folder = scratch("attach-waits");
    let module = wat(&folder, "wait.wat", WAIT);
    let mut program = Program::start(&module, &folder, &[], &[]);
    for _ in 0..5 {
        assert_stack(&program.answers(&["stack"]), &["!start"]);
        program.answers(&["stats"]);
        program.answers(&["gc"]);
        program.answers(&["histogram"]);
        program.answers(&["snapshot", folder.join("heap.heapsnapshot").to_str().unwrap()]);
    }
    program.stdin.take().expect("piped").write_all(b"x").expect("it reads");
    assert_eq!(program.child.wait().expect("it ends").code(), Some(7));
}

/// A program that runs as soon as its socket is there.
fn started(mut command: Command, socket: PathBuf) -> Program {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let stdin = child.stdin.take();
    let program = Program { child, socket, stdin };
    while !program.socket.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    program
}

#[test]
fn a_program_of_kotlin_answers_while_it_computes() {
    let (folder, gcbench) = (scratch("attach-kotlin"), "tests/guests/kotlin/wasm/gcbench.wasm");
    let socket = folder.join("it.sock");
    let mut command = program();
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join(gcbench);
    command.arg("--inspect-socket").arg(&socket).arg(module).arg("2000000000").stdout(Stdio::null());
    let program = started(command, socket);
    while minors_and_markings(&program).0 < 3 {}
    assert_stack(&program.answers(&["stack"]), &["!main"]);
    let histogram = program.answers(&["histogram"]);
    assert!(histogram.lines().count() > 5, "{histogram}");
    program.answers(&["profile", "start"]);
    assert!(program.answers(&["gc"]).contains("MiB live"));
    while minors_and_markings(&program).0 < 20 {}
    let profile = program.answers(&["profile", "stop"]);
    assert!(profile.lines().any(|line| line.starts_with("main;")), "{profile}");
    assert_eq!(program.end("TERM", 143), "");
}

#[test]
fn a_program_of_kotlin_answers_while_it_waits() {
    let Some(guests) = folder_from_env("HEAPWOOD_GUESTS") else {
        return skip("guests", "a program of Kotlin that waits and is attached to: HEAPWOOD_GUESTS is not set");
    };
    let socket = scratch("attach-kotlin-waits").join("it.sock");
    let mut command = program();
    let module = guests.join("kotlin/wasm/wordcount.wasm");
    command.arg("--inspect-socket").arg(&socket).arg(module).stdout(Stdio::null());
    let mut program = started(command, socket);
    // It may still be on its way to its wait.
    while !program.answers(&["stack"]).contains("main") {}
    program.answers(&["gc"]);
    program.answers(&["histogram"]);
    program.stdin.take().expect("piped").write_all(b"one two two\n").expect("it reads");
    assert_eq!(program.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_program_is_found_by_its_number_and_its_socket_goes_with_it() {
    let folder = scratch("attach-pid");
    let module = wat(&folder, "churn.wat", CHURN);
    let sockets = folder.join("sockets");
    fs::create_dir(&sockets).unwrap();
    let start = || {
        let mut command = program();
        command.env("HEAPWOOD_SOCKET_DIR", &sockets).arg(&module);
        Program::of(command, PathBuf::new())
    };
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&sockets).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let by_pid = |program: &Program| finish(heapwood().args(["attach", &program.pid(), "stack"]));
    let program = start();
    assert_eq!(names(), [format!("{}.sock", program.pid())]);
    let socket = fs::metadata(sockets.join(&names()[0])).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    assert_stack(&by_pid(&program).stdout, &["!churn"]);
    assert_eq!(program.end("TERM", 143), "");
    assert_eq!(names(), [""; 0]);

    // What a killed process leaves is removed by the next one.
    let program = start();
    program.signal("KILL");
    drop(program);
    assert_eq!(names().len(), 1);
    let program = start();
    assert_eq!(names(), [format!("{}.sock", program.pid())]);
    assert_stack(&by_pid(&program).stdout, &["!churn"]);
}

#[test]
fn names_that_are_taken_are_left_alone() {
    let folder = scratch("attach-names");
    let module = wat(&folder, "churn.wat", CHURN);
    let run = |socket: &Path| finish(heapwood().arg("run").arg("--inspect-socket").arg(socket).arg(&module));
    let refused = |socket: &Path, why: &str| {
        let ended = run(socket);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.starts_with("error: --inspect-socket ") && ended.stderr.contains(why), "{}", ended.stderr);
    };
    let file = folder.join("file");
    fs::write(&file, "kept").unwrap();
    refused(&file, "there is a file of that name, which is no socket");
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    refused(&folder.join("missing/it.sock"), "No such file");
    refused(&folder.join("x".repeat(120)), "a socket's whole path has at most 107 bytes");
    let link = folder.join("link");
    symlink(&file, &link).unwrap();
    refused(&link, "which is no socket");

    let taken = folder.join("taken.sock");
    let listener = UnixListener::bind(&taken).unwrap();
    refused(&taken, "another process listens there");
    drop(listener);
    // Nobody listens any more.
    let mut command = program();
    command.arg("--inspect-socket").arg(&taken).arg(&module);
    let program = Program::of(command, taken.clone());
    assert_stack(&program.answers(&["stack"]), &["!churn"]);
    // Another process has taken the name over: it keeps it.
    fs::remove_file(&taken).unwrap();
    let _other = UnixListener::bind(&taken).unwrap();
    assert_eq!(program.end("TERM", 143), "");
    assert!(taken.exists());
}

#[test]
fn what_cannot_be_attached_to_is_said() {
    let folder = scratch("attach-refused");
    let attach = |target: &str| {
        let ended = finish(heapwood().args(["attach", target, "stack"]));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        ended.stderr
    };
    assert_eq!(attach("4194305"), "error: there is no process 4194305\n");
    let own = std::process::id().to_string();
    assert!(attach(&own).contains(&format!("process {own} cannot be inspected: it has no socket")));
    let missing = folder.join("missing.sock");
    assert!(attach(missing.to_str().unwrap()).ends_with("missing.sock: there is no such socket\n"));
    let path = folder.join("it.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let target = path.to_str().unwrap().to_owned();
    // Others that listen: what they say first, and what is said of them.
    for (greeting, said) in [
        ("HTTP/1.1 200 OK\n", "is no program of heapwood's"),
        ("heapwood 2\n", "speaks `heapwood 2`, and this is `heapwood 1`"),
        ("", "closed the connection"),
        ("error too many clients\n", "too many clients"),
        ("heapwood 1\nok many\n", "answers `ok many`"),
        ("heapwood 1\nok 100\nnot so many", "before it had answered"),
        ("heapwood 1\nerror \u{1b}[31mred\n", "red"),
    ] {
        let listener = listener.try_clone().unwrap();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting.as_bytes()).unwrap();
            if greeting.starts_with("heapwood 1") {
                let _ = stream.read(&mut [0; 100]);
            }
        });
        let message = attach(&target);
        assert!(message.contains(said) && !message.contains('\u{1b}'), "{greeting:?}: {message}");
        peer.join().unwrap();
    }
    drop(listener);
    assert!(attach(&target).contains("nobody listens at this socket"));
    for (args, said) in [
        (&["attach"][..], "Usage"),
        (&["attach", "1"], "Usage"),
        (&["attach", "99999999999", "stack"], "is no number of a process"),
        (&["attach", "1", "profile", "start", "--interval", "0s"], "at least a microsecond"),
    ] {
        let ended = finish(heapwood().args(args));
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

/// A user who is nobody.
const NOBODY: u32 = 65534;

#[test]
fn other_users_are_sent_away() {
    let program = churn("attach-users", &[]);
    let attach = || heapwood().arg("attach").arg(&program.socket).arg("stack").uid(NOBODY).current_dir("/").output();
    let said = |output: std::process::Output| {
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let refused = match attach() {
        Ok(output) => said(output),
        Err(error) => return skip("other-user", format!("attaching as another user: {error}")),
    };
    assert!(refused.ends_with(": the socket is another user's\n"), "{refused}");
    // Whatever the mode of its name: the program looks who is there.
    fs::set_permissions(&program.socket, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = said(attach().expect("as before"));
    assert!(refused.ends_with(": the program is another user's\n"), "{refused}");
    assert_stack(&program.answers(&["stack"]), &["!churn"]);
}

/// Numbers that look like chance.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What hostile clients say.
fn saying(random: &mut Random) -> Vec<u8> {
    let requests = [
        "stats",
        "stack",
        "histogram 5",
        "snapshot",
        "gc-log off",
        "profile start 100",
        "profile stop",
        "profile stop firefox",
        "profile stop pprof",
        "allocations stop",
    ];
    let request = requests[random.below(requests.len() as u64) as usize];
    match random.below(8) {
        0 => Vec::new(),
        1 => (0..random.below(3000)).map(|_| random.below(256) as u8).collect(),
        2 => request.as_bytes()[..random.below(request.len() as u64) as usize].to_vec(),
        3 => vec![b'a'; random.below(100_000) as usize],
        4 => format!("{request}\n{request}\n{request}\n").into_bytes(),
        5 => format!("{request} {}\n", random.below(1 << 40)).into_bytes(),
        6 => [b"\n\0\r\n", request.as_bytes()].concat(),
        _ => format!("{request}\n").into_bytes(),
    }
}

/// Thousands of connections that say anything, read or do not, and leave whenever they like; all the while the program
/// answers those that behave, and in the end nothing is left of the others.
#[test]
fn hostile_clients_change_nothing() {
    let program = churn("attach-hostile", &[]);
    let mut random = Random(17);
    let mut held = Vec::new();
    for round in 0..3000 {
        let Ok(mut client) = UnixStream::connect(&program.socket) else { continue };
        client.set_nonblocking(random.below(2) == 0).unwrap();
        client.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        // A connection that the program has closed, or that takes no more, is what is wanted here.
        let _ = client.write(&saying(&mut random));
        match random.below(4) {
            0 => held.push(client),
            1 => drop(client.shutdown(std::net::Shutdown::Write)),
            2 => {
                client.set_nonblocking(true).unwrap();
                let _ = client.read(&mut [0; 64]);
            }
            _ => {}
        }
        held.truncate(20);
        if round % 300 == 299 {
            held.clear();
            // The places of those that are gone are free as soon as their threads have seen it.
            let answered = || program.attach(&["stack"]).code == Some(0);
            while !answered() {}
        }
    }
    drop(held);
    while program.attach(&["stats"]).code != Some(0) {}
    let tasks = fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap().count();
    let descriptors = fs::read_dir(format!("/proc/{}/fd", program.pid())).unwrap().count();
    assert!(tasks < 32 && descriptors < 64, "{tasks} threads, {descriptors} descriptors");
    assert_eq!(program.end("INT", 130), "");
}

/// Eight who say nothing keep others out, until their time is over.
#[test]
fn a_client_has_so_much_time_and_no_more() {
    let program = churn("attach-slow", &[]);
    let mut idle: Vec<UnixStream> = (0..8).map(|_| program.connect()).collect();
    for client in &mut idle {
        client.read_exact(&mut [0; "heapwood 1\n".len()]).expect("a greeting");
    }
    assert!(program.refuses(&["stack"]).contains("too many clients are attached already"));
    // One that says a byte now and then has no more time.
    let mut rest = String::new();
    for client in &mut idle {
        let _ = client.write_all(b"s");
        client.read_to_string(&mut rest).expect("it is closed");
    }
    assert_eq!(rest.matches("error a request is a line: timed out\n").count(), 8, "{rest}");
    assert_stack(&program.answers(&["stack"]), &["!churn"]);
}

/// A snapshot goes to a file, and to nothing that could keep the program waiting.
#[test]
fn a_snapshot_is_written_to_files_only() {
    let program = churn("attach-fifo", &[]);
    let fifo = program.socket.with_file_name("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::File::open(fifo).expect("a pipe")
    });
    assert!(program.refuses(&["snapshot", fifo.to_str().unwrap()]).contains("only a regular file can be written to"));
    drop(reader.join());
    let missing = program.socket.with_file_name("missing").join("it");
    assert!(program.refuses(&["snapshot", missing.to_str().unwrap()]).contains("missing/it"));
    // Without a descriptor.
    let mut client = program.connect();
    client.write_all(b"snapshot\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "heapwood 1\nerror this request comes with a descriptor of a file\n");
}

#[test]
fn sigquit_tells_the_stack_and_the_heap_and_the_program_goes_on() {
    let folder = scratch("attach-quit");
    for (name, text, functions) in [("churn", CHURN, &["!churn", "!start"][..]), ("wait", WAIT, &["!start"])] {
        let mut program = Program::start(&wat(&folder, &format!("{name}.wat"), text), &folder, &[], &[]);
        for _ in 0..3 {
            program.signal("QUIT");
            let mut told = String::new();
            let stderr = program.child.stderr.as_mut().expect("piped");
            while !told.ends_with(" us\n") {
                let mut byte = [0];
                stderr.read_exact(&mut byte).expect("more of it");
                told.push(char::from(byte[0]));
            }
            assert_stack(&told, functions);
            assert!(told.contains("\nheap: ") && told.contains(" MiB in use of "), "{told}");
        }
        assert_eq!(program.end("INT", 130), "");
    }
}

#[test]
fn a_whole_run_has_a_profile_and_a_histogram() {
    let program =
        churn("attach-whole", &["--heap-histogram", "--profile", "/dev/null", "--alloc-profile", "/dev/null"]);
    for command in ["profile", "allocations"] {
        for what in ["start", "stop"] {
            assert!(program.refuses(&[command, what]).contains("which has the profile of the whole run"));
        }
    }
    let stderr = program.end("INT", 130);
    assert!(stderr.contains("  node\n") && stderr.ends_with("  (all)\n"), "{stderr}");

    let folder = scratch("attach-profile");
    let profile = folder.join("profile.txt");
    let options = ["--profile", profile.to_str().unwrap(), "--profile-interval", "100us"];
    let program = Program::start(&wat(&folder, "churn.wat", CHURN), &folder, &options, &[]);
    let (minors, _) = minors_and_markings(&program);
    while minors_and_markings(&program).0 < minors + 20 {}
    assert_eq!(program.end("TERM", 143), "");
    let lines = fs::read_to_string(profile).unwrap();
    let (stack, us) = lines.lines().next().and_then(|line| line.rsplit_once(' ')).expect("a line");
    assert!(stack.starts_with("start") && us.parse::<u64>().is_ok_and(|us| us > 0), "{lines}");
    assert!(lines.contains("\nstart;churn") && lines.contains(";[collector] "), "{lines}");
}
