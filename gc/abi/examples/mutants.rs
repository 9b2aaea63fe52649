//! Prints the table of mutants for `.ci/mutants`: name, part, how the test ends, its program, its filter, what is
//! broken, with tabs between them.

use heapwood_gc_abi::mutant::MUTANTS;

fn main() {
    for row in MUTANTS {
        println!("{}\t{}\t{:?}\t{}\t{}\t{}", row.name, row.part, row.ends, row.program, row.test, row.broken);
    }
}
