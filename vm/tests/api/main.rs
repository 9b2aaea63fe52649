//! Nothing of another engine, of another store, of a module that is gone or of a scope that is over is ever taken for
//! something else: each public function has a row for each of these that it can be given.

mod listed;
mod possible;
mod programs;
mod rows;
mod world;

use listed::Misuse;
use rows::{ROWS, Right};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Dead, World, module};

/// The public functions that can be given none of these.
const PLAIN: &str = include_str!("plain.txt");

#[test]
fn every_public_function_has_its_rows() {
    let functions = listed::functions();
    let plain: BTreeSet<&str> = PLAIN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut rows: BTreeMap<&str, BTreeSet<Misuse>> = BTreeMap::new();
    ROWS.iter().for_each(|row| {
        rows.entry(row.function).or_default().insert(row.misuse);
    });
    let mut wrong = Vec::new();
    for (function, listed::Function { misuses, .. }) in &functions {
        let listed = rows.get(&**function).cloned().unwrap_or_default();
        if listed != *misuses {
            wrong.push(format!("{function}: its signature allows {misuses:?}, its rows are {listed:?}"));
        }
        if misuses.is_empty() != plain.contains(&**function) {
            wrong.push(format!("{function}: it stands in plain.txt exactly if it can be given none of these"));
        }
    }
    let known = |name: &&&str| !functions.contains_key(**name);
    wrong.extend(
        plain
            .iter()
            .chain(&rows.keys().copied().collect::<BTreeSet<_>>())
            .filter(known)
            .map(|name| format!("{name}: there is no such function")),
    );
    let panics = ROWS.iter().filter(|row| matches!(row.right, Right::Panic(_)));
    let without_excuse = panics.filter(|row| functions.get(row.function).is_some_and(|function| function.is_fallible));
    wrong.extend(without_excuse.map(|row| format!("{}: it returns a `Result` and panics", row.function)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let with_rows = functions.len() - plain.len();
    println!("{} public functions, {with_rows} with rows", functions.len());
    assert_eq!((functions.len(), with_rows), (536, 138));
}

#[test]
fn what_does_not_belong_is_refused_and_changes_nothing() {
    let mut wrong = Vec::new();
    for (number, row) in ROWS.iter().enumerate() {
        let mut world = World::new();
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
    println!("{} rows", ROWS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ROWS.len(), 301);
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
