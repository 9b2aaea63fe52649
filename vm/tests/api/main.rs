//! What each public function of the library answers to each wrong use of it, and that the store works as before.
//!
//! 1. `listed.rs` finds the functions in the source text, `rules.rs` derives from a signature which misuses it allows.
//! 2. `rows` has a call for each of them, with the error that is right; files named `no_…` have exceptions
//!    with reasons, `plain.txt` those whose signature allows none.
//! 3. Each row runs in a `World` of its own, in each mode, and in the places of `outside.rs`: while another store has
//!    lent out elements of an array, and in a listener of its collection.
//! 4. What needs no store (`reached.rs`) answers in these places of its own store what it answers elsewhere.

#![expect(unsafe_code, reason = "rows for functions that are unsafe")]

extern crate heapwood_vm as heapwood;

mod listed;
mod outside;
mod possible;
mod programs;
mod reached;
mod rows;
mod rules;
mod world;

use heapwood_vm::Config;
use outside::{Outside, Place};
use rows::{Right, Row};
use rules::Misuse;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use world::{Dead, World, module};

/// The public functions that can be used wrongly in none of these ways.
const PLAIN: &str = include_str!("plain.txt");

/// Those for which no type is wrong, with why.
const NO_TYPE: &str = include_str!("no_type.txt");

/// Those whose numbers are right whatever they are, with why.
const NO_LENGTH: &str = include_str!("no_length.txt");

/// Those that meet no limit, with why.
const NO_LIMIT: &str = include_str!("no_limit.txt");

/// The functions of a list.
fn lines(list: &'static str) -> BTreeSet<&'static str> {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_public_function_has_its_rows() {
    let functions = listed::functions();
    let plain = lines(PLAIN);
    let excepted = [
        (Misuse::WrongType, lines(NO_TYPE)),
        (Misuse::WrongLength, lines(NO_LENGTH)),
        (Misuse::OverLimit, lines(NO_LIMIT)),
    ];
    let mut rows: BTreeMap<&str, BTreeSet<Misuse>> = BTreeMap::new();
    let own = rows::all().map(|row| (row.function, row.misuse));
    let both = [Misuse::InSection, Misuse::InListener];
    let reached = reached::ROWS.iter().flat_map(|row| both.map(|misuse| (row.function, misuse)));
    own.chain(reached).for_each(|(function, misuse)| {
        rows.entry(function).or_default().insert(misuse);
    });
    let mut wrong = Vec::new();
    for (function, listed::Function { misuses, .. }) in &functions {
        let mut wanted = misuses.clone();
        for (misuse, functions) in &excepted {
            if functions.contains(&**function) && !wanted.remove(misuse) {
                wrong.push(format!("{function}: an exception for {misuse:?}, which its signature does not allow"));
            }
        }
        let listed = rows.get(&**function).cloned().unwrap_or_default();
        if listed != wanted {
            wrong.push(format!("{function}: its signature allows {wanted:?}, its rows are {listed:?}"));
        }
        if misuses.is_empty() != plain.contains(&**function) {
            wrong.push(format!("{function}: it stands in plain.txt exactly if its signature allows none of these"));
        }
    }
    let excepted = excepted.iter().flat_map(|(_, functions)| functions);
    let named: BTreeSet<&str> = plain.iter().chain(excepted).chain(rows.keys()).copied().collect();
    let unknown = named.iter().filter(|name| !functions.contains_key(**name));
    wrong.extend(unknown.map(|name| format!("{name}: there is no such function")));
    // As Wasmtime's, `unwrap_…` is for those who know.
    let is_bold = |row: &&Row| row.function.contains("::unwrap_") && row.misuse == Misuse::WrongType;
    let panics = rows::all().filter(|row| matches!(row.right, Right::Panic(_)) && !is_bold(row));
    let without_excuse = panics.filter(|row| functions.get(row.function).is_some_and(|function| function.is_fallible));
    wrong.extend(without_excuse.map(|row| format!("{}: it returns a `Result` and panics", row.function)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} public functions, {} with rows", functions.len(), rows.len());
    assert_eq!((functions.len(), rows.len()), (539, 267));
}

/// Each row in a world of its own; what was wrong.
fn wrong_answers(mode: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, row) in rows::all().enumerate() {
        let mut world = World::new(mode);
        let seen = catch_unwind(AssertUnwindSafe(|| (row.run)(&mut world)));
        let is_right = match (&seen, row.right) {
            (Ok(Ok(value)), Right::Value(right)) => value == right,
            (Ok(Err(error)), Right::Error(words)) => error.to_string().contains(words),
            (Err(panic), Right::Panic(words)) => message(&**panic).contains(words),
            _ => false,
        };
        if !is_right {
            let seen = seen.map_err(|panic| message(&*panic).to_owned());
            wrong.push(format!("row {number}, {} {:?}: {seen:?} instead of {:?}", row.function, row.misuse, row.right));
        }
        world.check();
    }
    wrong
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    for (mode, config) in modes() {
        let wrong = wrong_answers(&config);
        assert!(wrong.is_empty(), "{mode}:\n{}", wrong.join("\n"));
    }
    println!("{} rows", rows::all().count());
    assert_eq!(rows::all().count(), 530);
}

/// What each function answers, of those that need no store, is the same wherever it is called.
#[test]
fn functions_without_a_store_work_while_it_is_lent_out_or_collects() {
    let mut wrong = Vec::new();
    for (mode, config) in modes() {
        let (mut host, outside) = outside::new(&config);
        let shared = Arc::new(Mutex::new(outside));
        let answers = |outside: &Mutex<Outside>| {
            let mut outside = outside.lock().unwrap();
            reached::ROWS.iter().map(|row| (row.run)(&mut outside)).collect::<Vec<_>>()
        };
        let expected = answers(&shared);
        host.check();
        for place in Place::ALL {
            let outside = shared.clone();
            let seen = host.inside(place, move || answers(&outside));
            for ((row, seen), expected) in reached::ROWS.iter().zip(&seen).zip(&expected) {
                if seen != expected {
                    wrong.push(format!("{mode}, {place:?}, {}: {seen} instead of {expected}", row.function));
                }
            }
            host.check();
        }
        let refused = reached::ROWS.iter().zip(&expected).filter(|(_, answer)| answer.contains("Err("));
        wrong.extend(refused.map(|(row, answer)| format!("{mode}, {}: {answer}", row.function)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Functions that are given a store work while another store is lent out or collects, as they do elsewhere.
#[test]
fn other_stores_work_while_one_is_lent_out_or_collects() {
    for (place, (_, mode)) in Place::ALL.into_iter().zip(modes().into_iter().cycle()) {
        let (mut host, _outside) = outside::new(&mode);
        let world_mode = mode.clone();
        let wrong = host.inside(place, move || wrong_answers(&world_mode));
        assert!(wrong.is_empty(), "{place:?}:\n{}", wrong.join("\n"));
        host.check();
    }
}

/// Plain, and with everything moving at each allocation.
fn modes() -> [(&'static str, Config); 2] {
    let mut modes = ["verify", "stress 1"].map(|name| (name, Config::new()));
    modes[0].1.gc_verify(true).gc_threads(0);
    modes[1].1.gc_stress(1).gc_verify(true).gc_threads(0);
    modes
}

/// What a panic says.
fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

#[test]
fn types_live_as_long_as_the_host_holds_them_and_no_longer() {
    use heapwood_vm::*;
    let engine = Engine::default();
    let dead = Dead::new(&engine);
    let text = format!("{} {:?} {:?} {:?}", dead.func, dead.table, dead.global, dead.tag);
    let others: Vec<_> =
        (1..20).map(|n| module(&engine, &format!("(module (type (struct {})))", "(field i64) ".repeat(n)))).collect();
    assert_eq!(text, format!("{} {:?} {:?} {:?}", dead.func, dead.table, dead.global, dead.tag));
    let RefType { heap: HeapType::ConcreteStruct(structure), .. } = &dead.table.element else { panic!() };
    assert_eq!(*structure, dead.structure);
    drop(others);
    let store = Store::new(&engine, ());
    drop((dead, store));
    assert_eq!(engine.live_types(), 0);
}

#[test]
fn a_store_holds_what_its_own_globals_tables_tags_and_functions_name() {
    use heapwood_vm::*;
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let dead = Dead::new(&engine);
    let func = Func::new(&mut store, dead.func.clone(), |_, _, _| Ok(()));
    let table = Table::new(&mut store, dead.table.clone(), Val::AnyRef(None)).unwrap();
    let global = Global::new(&mut store, dead.global.clone(), Val::AnyRef(None)).unwrap();
    let tag = Tag::new(&mut store, dead.tag.clone()).unwrap();
    let types = |store: &Store<()>| {
        format!("{} {:?} {:?} {:?}", func.ty(store), table.ty(store), global.ty(store), tag.ty(store))
    };
    let before = types(&store);
    drop(dead);
    let _others: Vec<_> =
        (1..20).map(|n| module(&engine, &format!("(module (type (struct {})))", "(field i64) ".repeat(n)))).collect();
    assert_eq!(types(&store), before);
}
