//! Supertypes: casts in all directions, prefixes and choices, compared with what the types say.

use crate::{module, stress};
use heapwood_derive::{GcEnum, GcStruct};
use heapwood_vm::*;

/// A tree of types as a compiler of a language with classes makes it: a header, then the fields of the class.
const TEXT: &str = "(module (rec
    (type $Object (sub (struct (field (mut i32)))))
    (type $Animal (sub $Object (struct (field (mut i32)) (field (mut i64)))))
    (type $Dog (sub $Animal (struct (field (mut i32)) (field (mut i64)) (field (mut (ref null $Animal))))))
    (type $Puppy (sub final $Dog (struct (field (mut i32)) (field (mut i64)) (field (mut (ref null $Animal))) (field i8))))
    (type $Cat (sub final $Animal (struct (field (mut i32)) (field (mut i64)) (field (mut (ref null $Dog))))))
    (type $Stone (sub final $Object (struct (field (mut i32)) (field f32))))))";

#[derive(GcStruct)]
struct Object {
    #[wasm(mutable)]
    header: i32,
}

#[derive(GcStruct)]
#[wasm(extends = Object)]
struct Animal {
    #[wasm(mutable)]
    header: i32,
    #[wasm(mutable)]
    age: i64,
}

#[derive(GcStruct)]
#[wasm(extends = Animal)]
struct Dog {
    #[wasm(mutable)]
    header: i32,
    #[wasm(mutable)]
    age: i64,
    #[wasm(mutable)]
    friend: Option<Ref<Animal>>,
}

#[derive(GcStruct)]
#[wasm(extends = Dog)]
struct Puppy {
    #[wasm(mutable)]
    header: i32,
    #[wasm(mutable)]
    age: i64,
    #[wasm(mutable)]
    friend: Option<Ref<Animal>>,
    weeks: i8,
}

#[derive(GcStruct)]
#[wasm(extends = Animal)]
struct Cat {
    #[wasm(mutable)]
    header: i32,
    #[wasm(mutable)]
    age: i64,
    #[wasm(mutable)]
    enemy: Option<Ref<Dog>>,
}

#[derive(GcStruct)]
#[wasm(extends = Object)]
struct Stone {
    #[wasm(mutable)]
    header: i32,
    weight: f32,
}

#[derive(GcEnum)]
enum Thing<'s> {
    Puppy(Local<'s, Puppy>),
    Dog(Local<'s, Dog>),
    Cat(Local<'s, Cat>),
    Animal(Local<'s, Animal>),
    Stone(Local<'s, Stone>),
}

#[test]
fn casts_agree_with_the_declared_hierarchy() {
    let engine = stress();
    let module = module(&engine, TEXT);
    let (object, animal, dog) =
        (module.bind::<Object>().unwrap(), module.bind::<Animal>().unwrap(), module.bind::<Dog>().unwrap());
    let (puppy, cat, stone) =
        (module.bind::<Puppy>().unwrap(), module.bind::<Cat>().unwrap(), module.bind::<Stone>().unwrap());
    let mut store = Store::new(&engine, ());
    store
        .scope(|s| {
            let all = [
                object.alloc(s, 0)?.to_any(),
                animal.alloc(s, 1, 10)?.to_any(),
                dog.alloc(s, 2, 20, None)?.to_any(),
                puppy.alloc(s, 3, 30, None, 7)?.to_any(),
                cat.alloc(s, 4, 40, None)?.to_any(),
                stone.alloc(s, 5, 1.5)?.to_any(),
                s.i31(6)?.to_any(),
            ];
            // Which of Object, Animal, Dog, Puppy, Cat, Stone each is.
            let expected = ["100000", "110000", "111000", "111100", "110010", "100001", "000000"];
            for (any, expected) in all.into_iter().zip(expected) {
                let found = [
                    any.cast::<Object>(s).is_some(),
                    any.cast::<Animal>(s).is_some(),
                    any.cast::<Dog>(s).is_some(),
                    any.cast::<Puppy>(s).is_some(),
                    any.cast::<Cat>(s).is_some(),
                    any.cast::<Stone>(s).is_some(),
                ];
                let found: String = found.map(|is_one| if is_one { '1' } else { '0' }).iter().collect();
                assert_eq!(found, expected);
                assert_eq!(any.cast::<StructRef>(s).is_some(), expected.contains('1'));
                assert!(any.cast::<EqRef>(s).is_some() && any.cast::<AnyRef>(s).is_some());
                assert!(any.cast::<ArrayRef>(s).is_none());
                assert_eq!(any.cast::<I31Ref>(s).is_some(), !expected.contains('1'));
                if let Some(object) = any.cast::<Object>(s) {
                    // Up and down again is the same object, whose fields are where they were.
                    let header = object.header(s);
                    object.set_header(s, header + 100);
                    s.gc()?;
                    assert_eq!(any.cast::<Object>(s).unwrap().header(s), header + 100);
                    if let Some(animal) = object.cast::<Animal>(s) {
                        assert_eq!((animal.header(s), animal.age(s)), (header + 100, i64::from(header) * 10));
                    }
                }
            }
            let names: Vec<_> = all
                .into_iter()
                .map(|any| match any.downcast(s) {
                    Some(Thing::Puppy(puppy)) => format!("puppy of {} weeks", puppy.weeks(s)),
                    Some(Thing::Dog(dog)) => format!("dog of {}", dog.age(s)),
                    Some(Thing::Cat(cat)) => format!("cat of {}", cat.age(s)),
                    Some(Thing::Animal(animal)) => format!("animal of {}", animal.age(s)),
                    Some(Thing::Stone(stone)) => format!("stone of {}", stone.weight(s)),
                    None => "nothing".to_owned(),
                })
                .collect();
            assert_eq!(
                names,
                ["nothing", "animal of 10", "dog of 20", "puppy of 7 weeks", "cat of 40", "stone of 1.5", "nothing"]
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn references_go_up_without_a_check() {
    let engine = stress();
    let module = module(&engine, TEXT);
    let (puppy, cat) = (module.bind::<Puppy>().unwrap(), module.bind::<Cat>().unwrap());
    let mut store = Store::new(&engine, ());
    store
        .scope(|s| {
            let puppy = puppy.alloc(s, 1, 2, None, 3)?;
            let cat = cat.alloc(s, 4, 5, Some(puppy.upcast()))?;
            puppy.set_friend(s, Some(cat.upcast()));
            s.gc()?;
            let friend = puppy.upcast().friend(s).unwrap();
            assert_eq!((friend.age(s), friend.upcast().header(s)), (5, 4));
            let enemy = cat.enemy(s).unwrap();
            assert!(enemy.cast::<Puppy>(s).unwrap().ref_eq(s, puppy) && enemy.cast::<Cat>(s).is_none());
            let top: Local<'_, StructRef> = puppy.upcast().upcast().upcast().upcast();
            assert!(top.cast::<Puppy>(s).unwrap().ref_eq(s, puppy));
            // The types that fields and supertypes lead to are bound with the first object.
            assert!(top.cast::<Object>(s).is_some() && top.cast::<Animal>(s).is_some());
            Ok(())
        })
        .unwrap();
}

/// The header that all classes have, without what lies behind it.
#[test]
fn a_prefix_reads_what_all_have() {
    #[derive(GcStruct)]
    #[wasm(prefix, name = "Animal")]
    struct Header {
        #[wasm(mutable)]
        header: i32,
    }

    #[derive(GcStruct)]
    #[wasm(prefix, type_index = 1)]
    struct TooLong {
        #[wasm(mutable)]
        _header: i32,
        #[wasm(mutable)]
        _age: i64,
        _more: i8,
    }

    let engine = stress();
    let module = module(&engine, TEXT);
    let (header, puppy) = (module.bind::<Header>().unwrap(), module.bind::<Puppy>().unwrap());
    crate::says(module.bind::<TooLong>(), "type mismatch: `TooLong` has at least 3 fields, the struct type 2");
    let mut store = Store::new(&engine, ());
    store
        .scope(|s| {
            s.bind(&header)?;
            let puppy = puppy.alloc(s, 9, 2, None, 3)?;
            let part = puppy.cast::<Header>(s).unwrap();
            part.set_header(s, part.header(s) + 1);
            assert_eq!((puppy.header(s), puppy.age(s), puppy.weeks(s)), (10, 2, 3));
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_extended_has_to_be_the_supertype() {
    #[derive(GcStruct)]
    #[wasm(name = "Dog", extends = Stone)]
    struct Wrong {
        #[wasm(mutable)]
        _header: i32,
        #[wasm(mutable)]
        _age: i64,
        #[wasm(mutable)]
        _friend: Option<Ref<Animal>>,
    }

    #[derive(GcStruct)]
    #[wasm(name = "Object", extends = Stone)]
    struct Rootless {
        #[wasm(mutable)]
        _header: i32,
    }

    let engine = stress();
    let module = module(&engine, TEXT);
    crate::says(module.bind::<Wrong>(), "type mismatch: field 1 (`weight`) of `Stone`: expected f32, found (mut i64)");
    crate::says(module.bind::<Rootless>(), "type mismatch: `Rootless` extends `Stone`, the struct type nothing");
}
