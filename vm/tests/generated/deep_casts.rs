//! Casts in hierarchies of any depth, with a model: the way to a descriptor's display ends at depth 8, and what lies
//! deeper asks the runtime.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::*;
use std::fmt::Write;

in_all_modes!(casts_at_every_depth);

/// Types, each below one of those before it. They are of one recursion group, so that no two of them are equal.
struct Tree {
    above: Vec<Option<usize>>,
}

impl Tree {
    /// A chain of `depth` types below the root, and twins that leave it at every depth and go on for a while.
    fn new(depth: usize) -> Tree {
        let mut above: Vec<Option<usize>> = vec![None];
        above.extend((0..depth).map(Some));
        for at in 0..depth {
            above.push(Some(at));
            for _ in 0..at % 4 {
                above.push(Some(above.len() - 1));
            }
        }
        Tree { above }
    }

    fn is_below(&self, ty: usize, other: usize) -> bool {
        std::iter::successors(Some(ty), |ty| self.above[*ty]).any(|ty| ty == other)
    }

    fn depth(&self, ty: usize) -> usize {
        std::iter::successors(Some(ty), |ty| self.above[*ty]).count() - 1
    }

    /// A module that makes an object of each type, and has each question about each type.
    fn module(&self) -> String {
        let mut text = "(module (rec".to_owned();
        for (ty, above) in self.above.iter().enumerate() {
            let above = above.map(|above| format!("$t{above}")).unwrap_or_default();
            write!(text, " (type $t{ty} (sub {above} (struct (field i32))))").unwrap();
        }
        text.push(')');
        for ty in 0..self.above.len() {
            writeln!(text, r#"(func (export "make {ty}") (result anyref) (struct.new $t{ty} (i32.const {ty})))"#)
                .unwrap();
            for (form, body) in FORMS.iter().enumerate() {
                let body = body.replace("TYPE", &format!("(ref $t{ty})"));
                writeln!(text, r#"(func (export "{form} {ty}") (param anyref) (result i32) {body})"#).unwrap();
            }
        }
        text + ")"
    }
}

/// Questions about a reference: 1 if it is of the type, 0 if not; the last one traps.
const FORMS: [&str; 5] = [
    "(ref.test TYPE (local.get 0))",
    "(if (result i32) (ref.test TYPE (local.get 0)) (then (i32.const 1)) (else (i32.const 0)))",
    "(block $yes (result TYPE) (drop (br_on_cast $yes anyref TYPE (local.get 0))) (return (i32.const 0))) (drop) (i32.const 1)",
    "(block $no (result anyref) (drop (br_on_cast_fail $no anyref TYPE (local.get 0))) (return (i32.const 1))) (drop) (i32.const 0)",
    "(drop (ref.cast TYPE (local.get 0))) (i32.const 1)",
];

fn casts_at_every_depth(mode: usize) {
    let (mut yes, mut no, mut deep_no) = (0, 0, 0);
    for depth in [7, 8, 9, 24] {
        let tree = Tree::new(depth);
        let types = 0..tree.above.len();
        let mut lab = Lab::new(mode, &[], &tree.module());
        let objects: Vec<Val> = types.clone().map(|ty| lab.make(&format!("make {ty}"))).collect();
        for target in types {
            for (form, text) in FORMS.iter().enumerate() {
                let func = lab.func(&format!("{form} {target}"));
                for (ty, object) in objects.iter().enumerate() {
                    let is_below = tree.is_below(ty, target);
                    let got = lab.values(func, &[*object]).map(|results| results[0].i32().unwrap());
                    let wanted = match (is_below, form) {
                        (false, 4) => Err(TrapKind::CastFailure),
                        (is_below, _) => Ok(i32::from(is_below)),
                    };
                    assert_eq!(got, wanted, "{text} of type {ty} to type {target}, depth {}", tree.depth(target));
                    yes += usize::from(is_below);
                    no += usize::from(!is_below);
                    deep_no += usize::from(!is_below && tree.depth(target) >= 8);
                }
            }
        }
    }
    println!("{yes} casts fit, {no} do not, {deep_no} of them to a type of depth 8 and more");
    assert!(yes > 5_000 && deep_no > 10_000, "{yes}, {no}, {deep_no}");
}
