//! Rec groups of the host's making: what a module could define is the same type, anything else is refused.

use heapwood_vm::*;
use std::fmt::Write;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The type of a field: a number, a packed one, an abstract reference, or a reference to type `n` of the module.
#[derive(Clone, Copy, PartialEq)]
enum Storage {
    I8,
    I64,
    Any,
    Eq,
    Ref { ty: usize, nullable: bool },
}

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
    match random.below(8) {
        0 if packed => Storage::I8,
        0 | 1 => Storage::I64,
        2 => Storage::Any,
        3 => Storage::Eq,
        _ => Storage::Ref { ty: random.below(types), nullable: random.one_in(2) },
    }
}

/// A structure; often that of the supertype with something added or changed.
fn composite(random: &mut Random, above: Option<&Composite>, types: usize) -> Composite {
    let fresh = |random: &mut Random| match random.below(4) {
        0 => Composite::Array(random.one_in(2), storage(random, types, true)),
        1 => {
            let (params, results) = (random.below(3), random.below(3));
            let mut list = |count| (0..count).map(|_| storage(random, types, false)).collect();
            Composite::Func(list(params), list(results))
        }
        _ => {
            Composite::Struct((0..random.below(4)).map(|_| (random.one_in(2), storage(random, types, true))).collect())
        }
    };
    let Some(above) = above.filter(|_| !random.one_in(8)) else { return fresh(random) };
    let mut copy = above.clone();
    match &mut copy {
        Composite::Struct(fields) => {
            if !fields.is_empty() && random.one_in(3) {
                let at = random.below(fields.len());
                fields[at].1 = storage(random, types, true);
            }
            (0..random.below(3)).for_each(|_| fields.push((random.one_in(2), storage(random, types, true))));
        }
        Composite::Array(_, element) if random.one_in(3) => *element = storage(random, types, true),
        Composite::Func(params, results) if random.one_in(3) => {
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
    for _ in 0..1 + random.below(3) {
        let start = before.len();
        let members = 1 + random.below(4);
        let mut group = Vec::new();
        for index in 0..members {
            let supertype = (start + index > 0 && random.one_in(2)).then(|| random.below(start + index));
            let above = supertype.map(|supertype| before[supertype].clone());
            let composite = composite(random, above.as_ref(), start + members);
            before.push(composite.clone());
            group.push(Definition { is_final: random.one_in(6), supertype, composite });
        }
        groups.push(group);
    }
    groups
}

fn text(groups: &[Vec<Definition>]) -> String {
    let storage = |storage: &Storage| match storage {
        Storage::I8 => "i8".to_owned(),
        Storage::I64 => "i64".to_owned(),
        Storage::Any => "anyref".to_owned(),
        Storage::Eq => "eqref".to_owned(),
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
                Storage::I8 => StorageType::I8.into(),
                Storage::I64 => ValType::I64.into(),
                Storage::Any => ValType::ANYREF.into(),
                Storage::Eq => ValType::Ref(RefType::new(true, HeapType::Eq)).into(),
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
    let (mut same, mut refused) = (0, 0);
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
            }
            Err(error) => {
                let refusal = built.expect_err(&format!("seed {seed}: {error}\n{text}"));
                assert!(matches!(refusal.kind(), ErrorKind::Usage(_)), "{refusal}");
                refused += 1;
            }
        }
        assert_eq!(engine.live_types(), 0, "seed {seed}: nothing is left");
    }
    println!("{same} groups as in a module, {refused} refused");
    assert!(same > 800 && refused > 800, "{same}, {refused}");
}
