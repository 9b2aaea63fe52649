use super::*;
use crate::testing::{Groups, Model, Random, random_groups};
use crate::{Features, LazyTypes, decode};
use proptest::prelude::*;
use std::hash::{BuildHasherDefault, Hasher};

/// Every key collides.
#[derive(Default)]
struct Constant;

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        0
    }
    fn write(&mut self, _: &[u8]) {}
}

fn section<S: BuildHasher>(groups: &Groups, hasher: S) -> TypeSection {
    let mut builder = TypeSectionBuilder::with_hasher(hasher);
    for group in groups {
        builder.push_group(group.iter().cloned());
    }
    builder.finish()
}

fn agrees_with_model(module: Groups, section: &TypeSection) -> Result<(), TestCaseError> {
    let modules = [module];
    let model = Model::new(&modules);
    for a in model.locations() {
        prop_assert!(section.canonical[a.1 as usize] <= a.1);
        for b in model.locations() {
            prop_assert_eq!(section.is_equal(a.1, b.1), model.is_equal(a, b), "equality of {} and {}", a.1, b.1);
            prop_assert_eq!(section.is_subtype(a.1, b.1), model.is_subtype(a, b), "{} below {}", a.1, b.1);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn equality_and_subtyping_are_those_of_the_model(seed: u64, groups in 1usize..12) {
        let module = random_groups(&mut Random(seed), groups);
        let section = section(&module, RandomState::new());
        agrees_with_model(module, &section)?;
    }

    #[test]
    fn hash_collisions_change_nothing(seed: u64, groups in 1usize..12) {
        let module = random_groups(&mut Random(seed), groups);
        let section = section(&module, BuildHasherDefault::<Constant>::default());
        agrees_with_model(module, &section)?;
    }

    #[test]
    fn layouts_extend_those_of_supertypes(seed: u64, groups in 1usize..12) {
        let module = random_groups(&mut Random(seed), groups);
        let section = section(&module, RandomState::new());
        for (index, ty) in section.types.iter().enumerate() {
            let Some(parent) = ty.supertype else { continue };
            let (child, parent) = (&section.layouts[index], &section.layouts[parent as usize]);
            prop_assert!(child.offsets.starts_with(&parent.offsets));
            prop_assert!(child.kinds.starts_with(&parent.kinds));
            prop_assert!(child.end >= parent.end);
        }
    }
}

fn types(text: &str) -> LazyTypes {
    decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info.types
}

#[test]
fn isomorphic_groups_are_equal_and_mixed_ones_are_not() {
    let section = types(
        "(module
            (rec (type (struct (field (ref 1)))) (type (struct (field (ref 0)))))
            (rec (type (struct (field (ref 3)))) (type (struct (field (ref 2)))))
            (rec (type (struct (field (ref 0)))) (type (struct (field (ref 4)))))
            (type (func (param (ref null 1)))) (type (func (param (ref null 3)))) (type (func (param (ref 3)))))",
    );
    assert_eq!(section.canonical, [0, 1, 0, 1, 4, 5, 6, 6, 8]);
}

#[test]
fn heap_types_form_four_hierarchies() {
    use HeapType::*;
    let section = types(
        "(module
            (type $s (sub (struct))) (type $t (sub $s (struct (field i32))))
            (type $a (array i8)) (type $f (func)))",
    );
    let (s, t, a, f) = (Type(0), Type(1), Type(2), Type(3));
    let chains: [&[HeapType]; 7] = [
        &[None, t, s, Struct, Eq, Any],
        &[None, a, Array, Eq, Any],
        &[None, I31, Eq, Any],
        &[NoFunc, f, Func],
        &[NoExtern, Extern],
        &[NoExn, Exn],
        &[s, Struct],
    ];
    let all = [Any, Eq, I31, Struct, Array, None, Func, NoFunc, Extern, NoExtern, Exn, NoExn, s, t, a, f];
    for x in all {
        for y in all {
            let below = chains.iter().any(|chain| {
                let place = |heap| chain.iter().position(|other| *other == heap);
                matches!((place(x), place(y)), (Some(x), Some(y)) if x <= y)
            });
            assert_eq!(section.heap_is_subtype(x, y), below, "{x:?} below {y:?}");
            let (null_x, null_y) = (RefType::new(true, x), RefType::new(true, y));
            assert_eq!(section.ref_is_subtype(null_x, null_y), below);
            assert_eq!(section.ref_is_subtype(null_x.non_null(), null_y), below);
            assert!(!section.ref_is_subtype(null_x, null_y.non_null()));
        }
    }
    assert!(!section.val_is_subtype(ValType::I32, ValType::I64));
}
