//! Rec groups of the host: the same types as those of a module, refused where a module would be.

#[path = "common/random.rs"]
mod random;

use heapwood_vm::*;
use random::Random;
use std::fmt::Write;

fn one_in(random: &mut Random, n: usize) -> bool {
    random.index(n) == 0
}

/// The type of a field: one that names no defined type, by its place in the list, or a reference to type `ty` of the
/// module.
#[derive(Clone, Copy, PartialEq)]
enum Storage {
    Plain(usize),
    Ref { ty: usize, nullable: bool },
}

type Plain = (&'static str, fn() -> StorageType);

/// Types that name no defined one, packed ones first.
const PLAIN: [Plain; 12] = [
    ("i8", || StorageType::I8),
    ("i16", || StorageType::I16),
    ("i32", || ValType::I32.into()),
    ("i64", || ValType::I64.into()),
    ("f32", || ValType::F32.into()),
    ("f64", || ValType::F64.into()),
    ("v128", || ValType::V128.into()),
    ("anyref", || ValType::ANYREF.into()),
    ("(ref eq)", || ValType::Ref(RefType::new(false, HeapType::Eq)).into()),
    ("(ref null struct)", || ValType::Ref(RefType::new(true, HeapType::Struct)).into()),
    ("(ref none)", || ValType::Ref(RefType::new(false, HeapType::None)).into()),
    ("externref", || ValType::EXTERNREF.into()),
];
const PACKED: usize = 2;

#[derive(Clone, PartialEq)]
enum Composite {
    Struct(Vec<(bool, Storage)>),
    Array(bool, Storage),
    Func(Vec<Storage>, Vec<Storage>),
}

struct Definition {
    is_final: bool,
    supertype: Option<usize>,
    composite: Composite,
}

fn storage(random: &mut Random, types: usize, packed: bool) -> Storage {
    let first = if packed { 0 } else { PACKED };
    match random.index(2) {
        0 => Storage::Plain(first + random.index(PLAIN.len() - first)),
        _ => Storage::Ref { ty: random.index(types), nullable: one_in(random, 2) },
    }
}

/// A structure; often that of the supertype with something added or changed.
fn composite(random: &mut Random, above: Option<&Composite>, types: usize) -> Composite {
    let fresh = |random: &mut Random| match random.index(4) {
        0 => Composite::Array(one_in(random, 2), storage(random, types, true)),
        1 => {
            let (params, results) = (random.index(3), random.index(3));
            let mut list = |count| (0..count).map(|_| storage(random, types, false)).collect();
            Composite::Func(list(params), list(results))
        }
        _ => {
            Composite::Struct((0..random.index(4)).map(|_| (one_in(random, 2), storage(random, types, true))).collect())
        }
    };
    let Some(above) = above.filter(|_| !one_in(random, 8)) else { return fresh(random) };
    let mut copy = above.clone();
    match &mut copy {
        Composite::Struct(fields) => {
            if !fields.is_empty() && one_in(random, 3) {
                let at = random.index(fields.len());
                fields[at].1 = storage(random, types, true);
            }
            (0..random.index(3)).for_each(|_| fields.push((one_in(random, 2), storage(random, types, true))));
        }
        Composite::Array(_, element) if one_in(random, 3) => *element = storage(random, types, true),
        Composite::Func(params, results) if one_in(random, 3) => {
            params.iter_mut().chain(results).for_each(|ty| *ty = storage(random, types, false));
        }
        _ => {}
    }
    copy
}

/// Groups of types, the members of each by their place among all; a type names those of its own and earlier groups.
fn groups(random: &mut Random) -> Vec<Vec<Definition>> {
    let mut groups: Vec<Vec<Definition>> = Vec::new();
    let mut before: Vec<Composite> = Vec::new();
    for _ in 0..1 + random.index(3) {
        let start = before.len();
        let members = 1 + random.index(4);
        let mut group = Vec::new();
        for index in 0..members {
            let supertype = (start + index > 0 && one_in(random, 2)).then(|| random.index(start + index));
            let above = supertype.map(|supertype| before[supertype].clone());
            let composite = composite(random, above.as_ref(), start + members);
            before.push(composite.clone());
            group.push(Definition { is_final: one_in(random, 6), supertype, composite });
        }
        groups.push(group);
    }
    groups
}

fn text(groups: &[Vec<Definition>]) -> String {
    let storage = |storage: &Storage| match storage {
        Storage::Plain(index) => PLAIN[*index].0.to_owned(),
        Storage::Ref { ty, nullable } => format!("(ref {} {ty})", if *nullable { "null" } else { "" }),
    };
    let field = |(mutable, ty): &(bool, Storage)| match mutable {
        true => format!("(mut {})", storage(ty)),
        false => storage(ty),
    };
    let mut text = "(module".to_owned();
    for group in groups {
        text.push_str(" (rec");
        for Definition { is_final, supertype, composite } in group {
            let supertype = supertype.map(|supertype| supertype.to_string()).unwrap_or_default();
            write!(text, " (type (sub {} {supertype} ", if *is_final { "final" } else { "" }).unwrap();
            match composite {
                Composite::Struct(fields) => {
                    let fields: Vec<_> = fields.iter().map(|one| format!("(field {})", field(one))).collect();
                    write!(text, "(struct {})", fields.join(" ")).unwrap();
                }
                Composite::Array(mutable, element) => write!(text, "(array {})", field(&(*mutable, *element))).unwrap(),
                Composite::Func(params, results) => {
                    let list = |what: &str, types: &[Storage]| -> String {
                        types.iter().map(|ty| format!("({what} {})", storage(ty))).collect()
                    };
                    write!(text, "(func {} {})", list("param", params), list("result", results)).unwrap();
                }
            }
            text.push_str("))");
        }
        text.push(')');
    }
    text + ")"
}

fn build(engine: &Engine, groups: &[Vec<Definition>]) -> Result<Vec<HeapType>> {
    let mut built: Vec<HeapType> = Vec::new();
    for group in groups {
        let mut builder = TypeBuilder::new(engine);
        let members: Vec<GroupMember> = group.iter().map(|_| builder.declare()).collect();
        let start = built.len();
        let ty = |storage: &Storage| -> GroupStorage {
            match storage {
                Storage::Plain(index) => PLAIN[*index].1().into(),
                Storage::Ref { ty, nullable } if *ty < start => {
                    ValType::Ref(RefType::new(*nullable, built[*ty].clone())).into()
                }
                Storage::Ref { ty, nullable: true } => members[ty - start].nullable(),
                Storage::Ref { ty, nullable: false } => members[ty - start].non_null(),
            }
        };
        let mutability = |mutable: bool| if mutable { Mutability::Var } else { Mutability::Const };
        for (Definition { is_final, supertype, composite }, member) in group.iter().zip(&members) {
            let mut definition = match composite {
                Composite::Struct(fields) => {
                    GroupType::structure(fields.iter().map(|(mutable, storage)| (mutability(*mutable), ty(storage))))
                }
                Composite::Array(mutable, element) => GroupType::array((mutability(*mutable), ty(element))),
                Composite::Func(params, results) => GroupType::func(params.iter().map(ty), results.iter().map(ty)),
            };
            if !is_final {
                definition = definition.open();
            }
            definition = match supertype {
                Some(supertype) if *supertype < start => definition.extends(built[*supertype].clone()),
                Some(supertype) => definition.extends(members[supertype - start]),
                None => definition,
            };
            builder.define(*member, definition);
        }
        built.extend(builder.build()?);
    }
    Ok(built)
}

#[test]
fn a_group_is_what_a_module_would_define_or_refused() {
    let engine = Engine::default();
    let (mut same, mut with_subtypes, mut refused) = (0, 0, 0);
    for seed in 1..4000u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let groups = groups(&mut random);
        let text = text(&groups);
        let built = build(&engine, &groups);
        match Module::new(&engine, &text) {
            Ok(module) => {
                let built = built.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
                assert!(module.types().iter().eq(built.iter().cloned()), "seed {seed}: {text}");
                // Made by the host alone they are the same again.
                drop(module);
                assert_eq!(build(&engine, &groups).unwrap(), built, "seed {seed}");
                same += 1;
                with_subtypes += usize::from(groups.iter().flatten().any(|member| member.supertype.is_some()));
            }
            Err(error) => {
                let refusal = built.expect_err(&format!("seed {seed}: {error}\n{text}"));
                assert!(matches!(refusal.kind(), ErrorKind::Usage(_)), "{refusal}");
                refused += 1;
            }
        }
        assert_eq!(engine.live_types(), 0, "seed {seed}: nothing is left");
    }
    println!("{same} groups as in a module, {with_subtypes} of them with subtypes, {refused} refused");
    assert!(same > 800 && with_subtypes > 300 && refused > 800, "{same}, {with_subtypes}, {refused}");
}

#[test]
fn what_is_wrong_with_a_group() {
    let (engine, other) = (Engine::default(), Engine::default());
    let number = || (Mutability::Var, GroupStorage::from(ValType::I32));
    let one = |ty: &dyn Fn(&mut TypeBuilder, GroupMember) -> GroupType| {
        let mut group = TypeBuilder::new(&engine);
        let member = group.declare();
        let ty = ty(&mut group, member);
        group.define(member, ty);
        group.build().map(drop).unwrap_err().to_string()
    };
    let foreign = StructType::new(&other, []);
    let foreign_ref = ValType::Ref(RefType::new(true, foreign.clone().into()));
    let text = "a type of another engine was used";
    assert_eq!(one(&|_, _| GroupType::array((Mutability::Var, foreign_ref.clone().into()))), text);
    assert_eq!(one(&|_, _| GroupType::structure([]).extends(HeapType::from(foreign.clone()))), text);
    let text = "type 0 of the group extends type 0, which is not declared before it";
    assert_eq!(one(&|_, member| GroupType::structure([]).open().extends(member)), text);
    let text = "type 0 of the group extends struct, which no module defines";
    assert_eq!(one(&|_, _| GroupType::structure([]).extends(HeapType::Struct)), text);
    let text = "type 0 of the group extends a type that is final";
    let plain = HeapType::from(StructType::new(&engine, []));
    assert_eq!(one(&|_, _| GroupType::structure([]).extends(plain.clone())), text);
    let text = "type 1 of the group was declared and not defined";
    assert_eq!(
        one(&|group, _| {
            group.declare();
            GroupType::structure([])
        }),
        text
    );
    let text = "a member of another rec group was used";
    let stranger = TypeBuilder::new(&engine).declare();
    assert_eq!(one(&|_, _| GroupType::array((Mutability::Var, stranger.nullable()))), text);
    assert_eq!(one(&|_, _| GroupType::structure([]).extends(stranger)), text);
    let text = "type 0 of the group: no parameter or result is packed";
    assert_eq!(one(&|_, _| GroupType::func([StorageType::I8.into()], [])), text);
    let text = "type 0 of the group has 10001 fields: more than the limit of 10000";
    assert_eq!(one(&|_, _| GroupType::structure((0..10_001).map(|_| number()))), text);
    let text = "type 0 of the group has 1001 results: more than the limit of 1000";
    assert_eq!(one(&|_, _| GroupType::func([], (0..1001).map(|_| ValType::I32.into()))), text);

    // As many supertypes as there may be, and one more.
    for (count, is_right) in [(64, true), (65, false)] {
        let mut group = TypeBuilder::new(&engine);
        let mut last: Option<GroupMember> = None;
        for _ in 0..count {
            let member = group.declare();
            let ty = GroupType::structure([]).open();
            group.define(
                member,
                match last.replace(member) {
                    Some(base) => ty.extends(base),
                    None => ty,
                },
            );
        }
        match group.build() {
            Ok(types) => assert!(is_right && types.len() == 64),
            Err(error) => {
                let text = "type 64 of the group has 64 supertypes: more than the limit of 63";
                assert!(!is_right && error.to_string() == text, "{error}");
            }
        }
    }
    assert!(TypeBuilder::new(&engine).build().unwrap().is_empty());
    let full = Engine::new(Config::new().max_types(1)).unwrap();
    let mut group = TypeBuilder::new(&full);
    let members = [group.declare(), group.declare()];
    members.into_iter().for_each(|member| _ = group.define(member, GroupType::structure([])));
    assert!(matches!(group.build().unwrap_err().kind(), ErrorKind::Limit(_)));
    assert_eq!(full.live_types(), 0);
}

/// Objects of a group of the host's making, which a guest never named.
#[test]
fn objects_of_a_group() {
    let engine = Engine::new(Config::new().gc_stress(1).gc_verify(true)).unwrap();
    let mut group = TypeBuilder::new(&engine);
    let (node, list) = (group.declare(), group.declare());
    group.define(node, GroupType::structure([(Mutability::Var, list.nullable())]));
    group.define(list, GroupType::array((Mutability::Var, node.nullable())));
    let types = group.build().unwrap();
    let (node, list) = (types[0].as_concrete_struct().unwrap(), types[1].as_concrete_array().unwrap());
    let mut store = Store::new(&engine, ());
    let first = StructRef::new(&mut store, node, &[Val::AnyRef(None)]).unwrap();
    let all = ArrayRef::new(&mut store, list, &first.into(), 5).unwrap();
    first.set_field(&mut store, 0, all.into()).unwrap();
    let error = first.set_field(&mut store, 0, first.into()).unwrap_err();
    assert!(error.to_string().contains("type mismatch"), "{error}");
    store.gc().unwrap();
    let Val::AnyRef(Some(found)) = all.get(&mut store, 4).unwrap() else { panic!() };
    assert!(found.ref_eq(&store, &first.to_anyref()).unwrap());
    drop(types);
    assert_eq!(engine.live_types(), 2, "the store holds them");
}
