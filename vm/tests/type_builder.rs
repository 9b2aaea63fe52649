//! Rec groups of the host: the same types as those of a module, refused where a module would be.

#[path = "objects/values.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod values;

use heapwood_vm::*;
use values::Random;

/// A member as a random choice has it, which becomes a type of the host and text of a module.
#[derive(Clone)]
struct Member {
    /// 0: struct, 1: array, 2: function.
    shape: u32,
    fields: Vec<Field>,
    results: usize,
    is_final: bool,
    supertype: Option<usize>,
}

/// What a field holds, and whether it is mutable.
#[derive(Clone, Copy)]
struct Field {
    is_mutable: bool,
    storage: Storage,
}

#[derive(Clone, Copy)]
enum Storage {
    Plain(usize),
    /// To a member.
    Own(usize, bool),
    /// To the type outside of the group.
    Outer(bool),
}

const PLAIN: [&str; 10] =
    ["i32", "i64", "f32", "f64", "v128", "anyref", "(ref eq)", "(ref null struct)", "(ref none)", "externref"];

fn plain(index: usize) -> ValType {
    let reference = |nullable, heap| ValType::Ref(RefType::new(nullable, heap));
    match index {
        0 => ValType::I32,
        1 => ValType::I64,
        2 => ValType::F32,
        3 => ValType::F64,
        4 => ValType::V128,
        5 => ValType::ANYREF,
        6 => reference(false, HeapType::Eq),
        7 => reference(true, HeapType::Struct),
        8 => reference(false, HeapType::None),
        9 => ValType::EXTERNREF,
        _ => panic!("there are ten"),
    }
}

impl Storage {
    fn any(random: &mut Random, members: usize) -> Storage {
        match random.below(3) {
            0 => Storage::Plain(random.below(10) as usize),
            1 => Storage::Own(random.below(members as u32) as usize, random.below(2) > 0),
            _ => Storage::Outer(random.below(2) > 0),
        }
    }

    fn text(self) -> String {
        let null = |nullable| if nullable { "null " } else { "" };
        match self {
            Storage::Plain(index) => PLAIN[index].to_owned(),
            Storage::Own(index, nullable) => format!("(ref {}$m{index})", null(nullable)),
            Storage::Outer(nullable) => format!("(ref {}$outer)", null(nullable)),
        }
    }

    fn of_host(self, members: &[GroupMember], outer: &HeapType) -> GroupStorage {
        match self {
            Storage::Plain(index) => plain(index).into(),
            Storage::Own(index, true) => members[index].nullable(),
            Storage::Own(index, false) => members[index].non_null(),
            Storage::Outer(nullable) => ValType::Ref(RefType::new(nullable, outer.clone())).into(),
        }
    }
}

impl Member {
    fn any(random: &mut Random, before: &[Member], members: usize) -> Member {
        let supertype = (random.below(2) > 0 && !before.is_empty()).then(|| random.below(before.len() as u32) as usize);
        let shape = match supertype {
            Some(base) if random.below(8) > 0 => before[base].shape,
            _ => random.of(&[0, 0, 1, 2]),
        };
        let count = if shape == 1 { 1 } else { random.below(4) as usize };
        let field =
            |random: &mut Random| Field { is_mutable: random.below(2) > 0, storage: Storage::any(random, members) };
        // Most subtypes have what they extend, with a change here and there.
        let mut fields = match supertype {
            Some(base) if before[base].shape == shape => before[base].fields.clone(),
            _ => (0..count).map(|_| field(random)).collect(),
        };
        if let (true, Some(last)) = (random.below(3) == 0, fields.last_mut()) {
            *last = field(random);
        }
        if supertype.is_some() && shape == 0 && random.below(2) > 0 {
            fields.push(field(random));
        }
        let results = match supertype {
            Some(base) if before[base].shape == shape => before[base].results,
            _ => random.below(2) as usize,
        };
        Member { shape, results: results.min(fields.len()), fields, is_final: random.below(5) == 0, supertype }
    }

    fn text(&self, index: usize) -> String {
        let list = |word: &str, fields: &[Field]| -> String {
            fields.iter().map(|field| format!(" ({word} {})", field.storage.text())).collect()
        };
        let with_mut = |field: &Field| match field.is_mutable {
            true => format!("(mut {})", field.storage.text()),
            false => field.storage.text(),
        };
        let (results, params) = self.fields.split_at(self.results);
        let shape = match self.shape {
            0 => {
                let fields: String = self.fields.iter().map(|field| format!(" (field {})", with_mut(field))).collect();
                format!("(struct{fields})")
            }
            1 => format!("(array {})", with_mut(&self.fields[0])),
            _ => format!("(func{}{})", list("param", params), list("result", results)),
        };
        let is_final = if self.is_final { "final " } else { "" };
        let base = self.supertype.map(|base| format!("$m{base} ")).unwrap_or_default();
        format!("(type $m{index} (sub {is_final}{base}{shape}))")
    }

    fn of_host(&self, members: &[GroupMember], outer: &HeapType) -> GroupType {
        let storage = |field: &Field| field.storage.of_host(members, outer);
        let field =
            |field: &Field| (if field.is_mutable { Mutability::Var } else { Mutability::Const }, storage(field));
        let (results, params) = self.fields.split_at(self.results);
        let mut ty = match self.shape {
            0 => GroupType::structure(self.fields.iter().map(field)),
            1 => GroupType::array(field(&self.fields[0])),
            _ => GroupType::func(params.iter().map(storage), results.iter().map(storage)),
        };
        if !self.is_final {
            ty = ty.open();
        }
        match self.supertype {
            Some(base) => ty.extends(members[base]),
            None => ty,
        }
    }
}

/// Random groups, of which the compiler's validation and the builder think the same.
#[test]
fn groups_of_the_host_are_those_of_modules() {
    let engine = Engine::default();
    let (mut right, mut wrong, mut subtypes) = (0, 0, 0);
    for seed in 0..3000 {
        let mut random = Random(seed);
        let count = 1 + random.below(5) as usize;
        let mut members: Vec<Member> = Vec::new();
        for _ in 0..count {
            let member = Member::any(&mut random, &members, count);
            members.push(member);
        }
        let text: String = members.iter().enumerate().map(|(index, member)| member.text(index)).collect();
        let text = format!("(module (type $outer (sub (struct (field i64)))) (rec {text}))");
        let module = Module::new(&engine, wat::parse_str(&text).unwrap());
        let outer =
            Module::new(&engine, wat::parse_str("(module (type (sub (struct (field i64)))))").unwrap()).unwrap();
        let outer = outer.types().get(0).unwrap();
        let mut group = TypeBuilder::new(&engine);
        let declared: Vec<_> = members.iter().map(|_| group.declare()).collect();
        for (member, place) in members.iter().zip(&declared) {
            group.define(*place, member.of_host(&declared, &outer));
        }
        match (group.build(), module) {
            (Ok(types), Ok(module)) => {
                assert_eq!(types, module.types().iter().skip(1).collect::<Vec<_>>(), "{text}");
                right += 1;
                subtypes += usize::from(members.iter().any(|member| member.supertype.is_some()));
            }
            (Err(error), Err(_)) => {
                assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
                wrong += 1;
            }
            (built, module) => panic!("seed {seed}: {built:?} and {module:?} of {text}"),
        }
    }
    println!("{right} groups, {subtypes} with subtypes, {wrong} wrong ones");
    assert!(
        right > 800 && subtypes > 300 && wrong > 300,
        "{right} groups, {subtypes} with subtypes, {wrong} wrong ones"
    );
    assert_eq!(engine.live_types(), 0);
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
