//! `heapwood inspect`: the summary, lists with filters, JSON, and names in machine code.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use serde_json::Value;

const GUEST: &str = r#"(module $zoo
    (type $Cat (struct (field $lives i32)))
    (type $Dog (sub (struct (field $name (ref null $Cat)))))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (import "own" "thing" (global i64))
    (func $Cat.make (export "cat") (result (ref $Cat)) (struct.new $Cat (i32.const 9)))
    (func $Dog.make (export "dog") (result i32) (call $yield))
    (start $main)
    (func $main (drop (call $Dog.make))))"#;

fn inspect(name: &str, options: &[&str]) -> Finished {
    let path = wat(&scratch(&format!("inspect-{name}")), "guest.wat", GUEST);
    finish(heapwood().arg("inspect").arg(path).args(options))
}

/// What is printed where all goes well.
fn shown(name: &str, options: &[&str]) -> String {
    let finished = inspect(name, options);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{options:?}");
    finished.stdout
}

/// The lists that are printed, and the rows of each that are rows of the module.
fn rows(name: &str, options: &[&str]) -> Vec<String> {
    let text = shown(name, options);
    let titles =
        ["imports", "exports", "functions (bytes of the body)", "types (offset, size and name of each field in bytes)"];
    let is_row = |line: &&str| {
        titles.contains(line) || line.starts_with("type ") || line.starts_with("  ") && !line.starts_with("   ")
    };
    let word = |line: &str| {
        let cut = line.trim().split([' ', '(']).next().expect("a word").to_owned();
        if line.starts_with("type ") { line.split(' ').take(3).collect::<Vec<_>>().join(" ") } else { cut }
    };
    text.lines().filter(is_row).map(word).collect()
}

#[test]
fn a_summary_comes_first() {
    let text = shown("summary", &[]);
    let expected = [
        "module zoo, ",
        "features: ",
        "functions: 4 (1 imported, ",
        "types: 5 in 5 rec groups; globals: 1, memories: 0, tables: 0, tags: 0\n",
        "imports from: WASI preview1 (1), nobody: --preload (1)\n",
        "start function: #3 $main\n",
        "\nsections ",
        "\nimports\n",
        "\nexports\n",
        "\ntypes (offset",
    ];
    let mut rest = text.as_str();
    for part in expected {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in\n{rest}"));
        rest = &rest[at..];
    }
    assert!(text.starts_with("module zoo, "), "{text}");
}

#[test]
fn each_list_has_all_of_its_part_and_nothing_else() {
    for (option, expected) in [
        ("--imports", &["imports", "wasi_snapshot_preview1::sched_yield", "own::thing"][..]),
        ("--exports", &["exports", "cat", "dog"]),
        ("--types", &["types", "type 0 $Cat", "type 1 $Dog", "type 2 2", "type 3 3", "type 4 4"]),
    ] {
        assert_eq!(rows(option, &[option]), expected, "{option}");
    }
    let functions = shown("functions", &["--functions"]);
    assert!(functions.starts_with("\nfunctions (bytes of the body)\n"), "{functions}");
    let lines: Vec<_> =
        functions.lines().skip(2).map(|line| line.split_whitespace().take(3).collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["imported", "#0", "$yield"]);
    let others: Vec<_> = lines[1..].iter().map(|line| (line[0].parse::<u32>().is_ok(), line[2])).collect();
    assert_eq!(others, [(true, "$Cat.make"), (true, "$Dog.make"), (true, "$main")]);
    assert_eq!(rows("two", &["--exports", "--imports"]).len(), 6);
}

#[test]
fn filters_are_indices_and_patterns_of_names() {
    for (filter, option, expected) in [
        ("Cat", "--types", &["types", "type 0 $Cat"][..]),
        ("1", "--types", &["types", "type 1 $Dog"]),
        ("9", "--types", &["types"]),
        ("?o?", "--types", &["types", "type 1 $Dog"]),
        ("?o", "--types", &["types"]),
        ("d*g", "--exports", &["exports", "dog"]),
        ("own", "--imports", &["imports", "own::thing"]),
        ("sched_yield", "--imports", &["imports", "wasi_snapshot_preview1::sched_yield"]),
    ] {
        assert_eq!(rows(&format!("filter{option}"), &[option, "--filter", filter]), expected, "{option} {filter}");
    }
    let all = shown("filter-all", &["--filter", "Dog"]);
    assert!(all.contains("#2 $Dog.make") && all.contains("type 1 $Dog") && !all.contains("Cat.make"), "{all}");
}

#[test]
fn json_has_what_the_lists_have() {
    let object: Value = serde_json::from_str(&shown("json", &["--json"])).expect("JSON");
    assert_eq!((object["kind"].as_str(), object["name"].as_str()), (Some("module"), Some("zoo")));
    let count = |name: &str| object[name].as_array().map(Vec::len);
    assert_eq!([count("imports"), count("exports"), count("functions"), count("types")], [2, 2, 4, 5].map(Some));
    assert_eq!(object["counts"]["functions"], 4);
    assert_eq!(object["imports"][0]["served_by"], "WASI preview1");
    assert_eq!(object["functions"][0]["is_imported"], true);
    assert_eq!(object["functions"][1]["exports"][0], "cat");
    let cat = &object["types"][0];
    assert_eq!(
        (&cat["name"], &cat["object_bytes"], &cat["fields"][0]["offset"]),
        (&"Cat".into(), &16.into(), &4.into())
    );
    assert_eq!(object["features_off"].as_array().map(Vec::len), Some(0));
    let chosen: Value =
        serde_json::from_str(&shown("json-part", &["--json", "--types", "--filter", "Dog"])).expect("JSON");
    assert_eq!((chosen.get("imports"), chosen["types"].as_array().map(Vec::len)), (None, Some(1)));
    let off: Value = serde_json::from_str(&shown("json-off", &["--json", "-Wgc=n"])).expect("JSON");
    assert!(off["features_off"].as_array().is_some_and(|names| names.contains(&"gc".into())), "{off}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for options in [&["--json", "--asm", "0"][..], &["--types", "--asm", "1"], &["--filter", "x", "--asm", "1"]] {
        let finished = inspect("wrong", options);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{options:?}: {}", finished.stderr);
    }
    let component = scratch("inspect-component").join("empty.wasm");
    std::fs::write(&component, b"\0asm\x0d\0\x01\0").expect("written");
    for option in ["--json", "--types"] {
        let finished = finish(heapwood().args(["inspect", option]).arg(&component));
        assert!(finished.code != Some(0) && finished.stderr.contains("component"), "{option}: {}", finished.stderr);
    }
}

#[test]
fn calls_of_the_runtime_have_names_in_machine_code() {
    let code = shown("asm", &["--asm", "Cat.make"]);
    assert!(code.contains("; Allocate, safe point"), "{code}");
    let caller = shown("asm-main", &["--asm", "main"]);
    assert!(caller.contains(": call $yield\n"), "what is inlined: {caller}");
    let path =
        wat(&scratch("inspect-asm-call"), "guest.wat", "(module (func $again (param i32) local.get 0 call $again))");
    let call = finish(heapwood().args(["inspect", "--asm", "again"]).arg(path)).stdout;
    assert!(call.contains("; #0 $again"), "{call}");
}

/// Whatever a module's author wrote as a name: the JSON has no character that a terminal obeys or a page takes for more
/// than text, and whoever parses it gets the name as it is.
#[test]
fn names_of_strangers_are_only_text_in_json() {
    let folder = scratch("inspect-hostile");
    for hostile in [
        "</script><script>alert(1)</script>",
        "\"'\\`${1}<!--",
        "\x1b[31m\0\x07\t\r\n\u{7f}\u{85}\u{9b}31m",
        "\u{61c}\u{200e}\u{202e}\u{2066}\u{2028}\u{2029}\u{feff}\u{e0041}",
        "für 木 😀",
    ] {
        let escaped: String = hostile.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let text = r#"(module $"NAME" (import "NAME" "NAME" (global i32))
            (type $"NAME" (struct (field $"NAME" i32)))
            (func $"NAME" (export "NAME")) (@custom "NAME" "contents"))"#;
        let finished = finish(heapwood().arg("inspect").arg("--json").arg(wat(
            &folder,
            "hostile.wat",
            &text.replace("NAME", &escaped),
        )));
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{hostile:?}");
        let line = finished.stdout.strip_suffix('\n').expect("a line");
        assert_eq!(heapwood::printable(line).to_string(), line, "{hostile:?}");
        let object: Value = serde_json::from_str(line).expect("JSON");
        let field = object["types"].as_array().expect("types").iter().find_map(|ty| ty["fields"][0]["name"].as_str());
        let section =
            object["sections"].as_array().expect("sections").iter().find(|section| section["is_custom"] == true);
        let names = [
            object["name"].as_str(),
            object["imports"][0]["module"].as_str(),
            object["imports"][0]["name"].as_str(),
            object["exports"][0]["name"].as_str(),
            object["functions"][0]["name"].as_str(),
            object["functions"][0]["exports"][0].as_str(),
            object["types"][0]["name"].as_str(),
            field,
            section.and_then(|section| section["name"].as_str()),
        ];
        assert_eq!(names, [Some(hostile); 9], "{object}");
    }
}
