//! Tests made of tables: instructions × operands × places. What is expected comes from small models written here, never
//! from the engine. Each class was a real bug of some engine.

#[path = "../common/mod.rs"]
mod common;
mod lab;
#[path = "../common/random.rs"]
mod random;

mod bases;
mod block_copies;
mod casts;
mod confusion;
mod deep_casts;
mod division;
mod ends;
mod folds;
mod hot_loops;
mod joins;
mod leaves;
mod lengths;
mod operands;
mod overwrites;
mod prefixes;
mod pretenured;
mod shifts;
mod slow_paths;
mod stores;
mod subtype_imports;
mod upper_halves;
mod widths;

/// A test for each mode of a function that takes the mode's number.
#[macro_export]
macro_rules! in_all_modes {
    ($($check:ident),*) => {
        $(mod $check {
            #[test] fn default() { super::$check(0) }
            #[test] fn nursery64k() { super::$check(1) }
            #[test] fn stress1() { super::$check(2) }
            #[test] fn mem64_slow() { super::$check(3) }
            #[test] fn inline() { super::$check(4) }
        })*
    };
}
