//! The examples check themselves: each ends with its figures, or with an error.

use heapwood::Result;
use std::path::Path;

/// Includes each example, and makes a test of its `run`.
macro_rules! examples {
    ($($name:ident from $path:literal;)*) => {
        $(
            #[path = $path]
            mod $name;
        )*

        const EXAMPLES: &[(&str, fn() -> Result<String>)] = &[$((stringify!($name), $name::run)),*];
    };
}

examples! {
    anyref from "../examples/anyref.rs";
    async_server from "../examples/async_server.rs";
    big_memory from "../examples/big_memory.rs";
    externref from "../examples/externref.rs";
    features_fallback from "../examples/features_fallback.rs";
    fork_server from "../examples/fork_server.rs";
    fuel from "../examples/fuel.rs";
    game_world from "../examples/game_world.rs";
    gcd from "../examples/gcd.rs";
    hello from "../examples/hello.rs";
    host_objects from "../examples/host_objects.rs";
    instance_pre from "../examples/instance_pre.rs";
    interrupt from "../examples/interrupt.rs";
    limits from "../examples/limits.rs";
    linking from "../examples/linking.rs";
    memory from "../examples/memory.rs";
    memory_monitor from "../examples/memory_monitor.rs";
    multi_value from "../examples/multi_value.rs";
    ownership from "../examples/ownership.rs";
    plugin_host from "../examples/plugin_host.rs";
    safe_executor from "../examples/safe_executor.rs";
    serialize from "../examples/serialize.rs";
    shared_memory from "../examples/shared_memory.rs";
    tenants from "../examples/tenants.rs";
    threads from "../examples/threads.rs";
    typed_struct from "../examples/typed_struct.rs";
    vault from "../examples/vault.rs";
    wasi from "../examples/wasi.rs";
}

/// Tools and measurements, which nobody calls an example of the library.
const OTHERS: [&str; 2] = ["alloc_rate", "wat2wasm"];

#[test]
fn each_example_ends_well() {
    let mut failed = Vec::new();
    for (name, run) in EXAMPLES {
        match run() {
            Ok(figures) if !figures.is_empty() => println!("ok {name} {figures}"),
            Ok(_) => failed.push(format!("{name}: no figures")),
            Err(error) => failed.push(format!("{name}: {error:?}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn each_example_is_in_the_list_and_short() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder of examples") {
        let path = file.expect("an entry").path();
        // The guests' sources.
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        if OTHERS.contains(&name.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("an example");
        assert!(text.contains(&format!("println!(\"ok {name} {{}}\"")), "{name} does not say that it is ok");
        assert!(text.lines().count() <= 250, "{name} has {} lines", text.lines().count());
        found.push(name);
    }
    found.sort();
    assert_eq!(found, EXAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

/// Crates of their own, which this test does not build.
const CRATES: [(&str, &str); 1] = [("hybrid_pipeline", "examples/hybrid_pipeline/src/main.rs")];

#[test]
fn the_table_of_examples_has_all_of_them_and_their_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut wanted: Vec<String> = EXAMPLES
        .iter()
        .map(|(name, _)| (*name, format!("examples/{name}.rs")))
        .chain(CRATES.map(|(name, path)| (name, path.to_owned())))
        .map(|(name, path)| format!("[`{name}`](../{path}) | {} |", read(&path).lines().count()))
        .collect();
    let table = read("docs/examples.md");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut rows: Vec<String> =
        rows.map(|row| row.split_once("| [").map(|(_, rest)| format!("[{rest}")).expect("a row with a link")).collect();
    wanted.sort();
    rows.sort();
    assert_eq!(rows.len(), wanted.len());
    for (row, wanted) in rows.iter().zip(&wanted) {
        assert!(row.starts_with(wanted), "{row}, which should begin with {wanted}");
    }
    for (name, path) in CRATES {
        let text = read(path);
        assert!(text.contains(&format!("println!(\"ok {name} {{")), "{name} does not say that it is ok");
        assert!(text.lines().count() <= 250, "{name} has {} lines", text.lines().count());
    }
}
