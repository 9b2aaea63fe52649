//! Which misuses a public function allows, by the types in its signature.

use crate::listed::words;
use std::collections::BTreeSet;

/// Ways to use a function that it has to refuse or to bear.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Misuse {
    /// A type, a module, a shared memory or a store of another engine.
    ForeignEngine,
    /// A handle or a value of another store.
    ForeignStore,
    /// A type whose module is gone, while another module has taken the room.
    DeadType,
    /// A handle whose scope is over, while another handle has taken its place.
    StaleHandle,
    /// A value, an object or a definition of another type than the one that is wanted.
    WrongType,
    /// An index, a range or a number of values that what it is for does not have.
    WrongLength,
    /// More than a limit of the type, the store or the engine lets there be.
    OverLimit,
    /// While a slice of an array's elements is lent out, which nothing may move.
    InSection,
    /// While a listener of the store hears of a collection.
    InListener,
}

/// Types that are or hold a store.
const STORES: [&str; 9] = [
    "AsContext",
    "AsContextMut",
    "StoreContext",
    "StoreContextMut",
    "Caller",
    "RootScope",
    "Scope",
    "ExhaustedHeap",
    "Inspection",
];
/// Types whose values belong to a store.
const OF_STORES: [&str; 17] = [
    "Func",
    "Table",
    "Memory",
    "Global",
    "Tag",
    "Instance",
    "Extern",
    "Val",
    "Rooted",
    "Root",
    "WeakRoot",
    "WeakEntry",
    "Exception",
    "StackTrace",
    "TypedFunc",
    // Of the definitions that were chosen.
    "InstancePre",
    "Checkpoint",
];
/// Types whose values belong to a scope.
const OF_SCOPES: [&str; 2] = ["Rooted", "Val"];
/// Types whose values may name a defined type.
const TYPES: [&str; 14] = [
    "FuncType",
    "StructType",
    "ArrayType",
    "FieldType",
    "StorageType",
    "ValType",
    "RefType",
    "HeapType",
    "TableType",
    "TagType",
    "GlobalType",
    "ExternType",
    "Bound",
    "GroupType",
];
/// Other types whose values belong to an engine.
const OF_ENGINES: [&str; 5] = ["Module", "SharedMemory", "Extern", "InstancePre", "Binding"];
/// Types of parameters that say where, how many, or how much.
const LENGTHS: [&str; 9] =
    ["u32", "u64", "usize", "i32", "Range", "RangeBounds", "WasmParams", "ScopedValues", "GcStruct"];
/// Types of parameters whose values have a type of their own, and Rust types that stand for one.
const TYPED: [&str; 9] =
    ["Val", "Extern", "ArrayElement", "WasmParams", "WasmResults", "ScopedValues", "GcStruct", "GcElement", "Params"];
/// Types of results of functions that make something, or let something grow.
const MADE: [&str; 16] = [
    "Result",
    "Store",
    "Func",
    "Extern",
    "Memory",
    "SharedMemory",
    "Table",
    "Global",
    "Tag",
    "Instance",
    "Root",
    "FuncType",
    "StructType",
    "ArrayType",
    "HeapType",
    "Val",
];
/// Types through which an engine or a store is used by those who do not have the store: from another thread, in a
/// listener, while it is borrowed.
const REACHING: [&str; 18] = [
    "Engine",
    "Module",
    "DefinedTypes",
    "Linker",
    "InstancePre",
    "TypeBuilder",
    "FuncType",
    "StructType",
    "ArrayType",
    "SharedMemory",
    "Inbox",
    "Inspector",
    "InterruptHandle",
    "InterruptToken",
    "Finalizer",
    "FinalizerQueue",
    "Checkpoint",
    "StoreBuilder",
];

/// What a function of `receiver` allows.
pub fn misuses(receiver: &str, signature: &str) -> BTreeSet<Misuse> {
    let from = signature.find(['(', '<']).expect("parameters");
    let (parameters, result) = match signature[from..].rsplit_once("->") {
        Some((_, result)) => (signature[from..].split("->").next().expect("a first part"), result),
        None => (&signature[from..], ""),
    };
    // What a closure is given and gives does not come from the caller.
    let closures = ["impl Fn(", "impl FnMut(", "impl FnOnce(", "impl (FnMut(", "impl for<"];
    let parameters = closures.iter().fold(parameters, |rest, start| rest.split(start).next().expect("a first part"));
    let is_method = parameters.contains("self");
    let head = words(receiver).next().expect("a name");
    let given: BTreeSet<&str> = words(parameters).chain(is_method.then_some(head)).collect();
    let any = |names: &[&str]| names.iter().any(|name| given.contains(name));
    let is_head_a_store = head == "Store" && is_method;
    let has_store = any(&STORES) || is_head_a_store || parameters.contains(": &mut Store<");
    let is_linker = head == "Linker" && is_method;
    let has_engine = has_store
        || is_linker
        || given.contains("Engine")
        || given.contains("TypeBuilder")
        || signature.contains("other: &");
    let mut found = BTreeSet::new();
    if has_engine && (any(&TYPES) || any(&OF_ENGINES) || is_linker && has_store) {
        found.insert(Misuse::ForeignEngine);
    }
    if has_store && (any(&OF_STORES) || is_linker) {
        found.insert(Misuse::ForeignStore);
    }
    if has_engine && any(&TYPES) {
        found.insert(Misuse::DeadType);
    }
    // The parameters of a typed call may be references.
    if has_store && (any(&OF_SCOPES) || parameters.contains(": Params")) {
        found.insert(Misuse::StaleHandle);
    }
    let mentions = |names: &[&str]| words(parameters).any(|word| names.contains(&word));
    if mentions(&TYPED) || receiver == "Rooted<AnyRef>" && has_store {
        found.insert(Misuse::WrongType);
    }
    if any(&LENGTHS) || ["&[", "&mut ["].iter().any(|slice| parameters.contains(slice)) {
        found.insert(Misuse::WrongLength);
    }
    let changes_store = has_store && (given.contains("AsContextMut") || parameters.contains("&mut "));
    let of_engine = mentions(&["Engine", "Module", "Linker", "Config"]) || is_method && REACHING.contains(&head);
    let reaches = !has_store && of_engine;
    // What makes something or lets it grow returns it, or a `Result`.
    let makes = !result.trim_start().starts_with('&') && words(result).any(|word| MADE.contains(&word));
    if makes && (changes_store || reaches) {
        found.insert(Misuse::OverLimit);
    }
    if reaches {
        found.extend([Misuse::InSection, Misuse::InListener]);
    }
    found
}
