//! The custom section `metadata.code.branch_hint`: which way conditional branches usually go.
//!
//! Nothing depends on it. A section that is malformed, out of order or names what is not there is left out as a whole;
//! hints for other instructions than branches are found by nobody.

use std::ops::Range;
use wasmparser::{BinaryReader, BranchHintSectionReader};

pub(crate) const SECTION: &str = "metadata.code.branch_hint";

/// A hint for the `if` or `br_if` at an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BranchHint {
    /// Offset of the instruction from the beginning of the function's body, its local declarations included.
    pub offset: u32,
    /// The condition is usually true.
    pub likely: bool,
}

/// The hints of a module.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BranchHints {
    /// Hints by ascending offset in each function.
    hints: Vec<BranchHint>,
    /// Function index and its part of `hints`, ascending.
    functions: Vec<(u32, Range<u32>)>,
}

impl BranchHints {
    /// The hints of a function, by ascending offset.
    pub fn of(&self, function: u32) -> &[BranchHint] {
        match self.functions.binary_search_by_key(&function, |known| known.0) {
            Ok(at) => &self.hints[self.functions[at].1.start as usize..self.functions[at].1.end as usize],
            Err(_) => &[],
        }
    }

    /// Reads the section's contents; none if they are malformed. `functions` are those that the module defines.
    pub(crate) fn read(contents: &[u8], functions: Range<u32>) -> Option<BranchHints> {
        let mut all = BranchHints::default();
        for function in BranchHintSectionReader::new(BinaryReader::new(contents, 0)).ok()? {
            let function = function.ok()?;
            let ascends = all.functions.last().is_none_or(|last| last.0 < function.func);
            if !ascends || !functions.contains(&function.func) {
                return None;
            }
            let start = all.hints.len() as u32;
            for hint in function.hints {
                let hint = hint.ok()?;
                let ascends = all.hints[start as usize..].last().is_none_or(|last| last.offset < hint.func_offset);
                ascends.then_some(())?;
                all.hints.push(BranchHint { offset: hint.func_offset, likely: hint.taken });
            }
            all.functions.push((function.func, start..all.hints.len() as u32));
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Features, decode};

    fn likely(offset: u32) -> BranchHint {
        BranchHint { offset, likely: true }
    }

    #[test]
    fn hints_are_found_by_function_and_offset() {
        let text = "(module
            (func (import \"m\" \"f\"))
            (func)
            (func (param i32) (local i64)
              local.get 0
              (@metadata.code.branch_hint \"\\01\") if
                (block local.get 0 (@metadata.code.branch_hint \"\\00\") br_if 0)
              end)
            (func))";
        let info = decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info;
        // Three bytes of locals, two of local.get; two of if, two of block, two of local.get.
        let expected = [likely(5), BranchHint { offset: 11, likely: false }];
        assert_eq!(info.branch_hints.of(2), expected);
        assert!([0, 1, 3, 4].iter().all(|function| info.branch_hints.of(*function).is_empty()));
    }

    #[test]
    fn malformed_sections_hint_at_nothing() {
        let good = [2, 0, 1, 5, 1, 1, 1, 2, 3, 1, 0, 9, 1, 1];
        let hints = BranchHints::read(&good, 0..2).unwrap();
        assert_eq!(hints.of(0), [likely(5)]);
        assert_eq!(hints.of(1), [BranchHint { offset: 3, likely: false }, likely(9)]);
        assert_eq!(BranchHints::read(&good, 1..2), None, "function 0 is imported");
        assert_eq!(BranchHints::read(&good, 0..1), None, "there is no function 1");
        for len in 0..good.len() {
            assert_eq!(BranchHints::read(&good[..len], 0..2), None, "{len} bytes of it");
        }
        let wrong = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            BranchHints::read(&bytes, 0..2)
        };
        assert_eq!(wrong(4, 2), None, "a hint of two bytes");
        assert_eq!(wrong(5, 2), None, "neither likely nor unlikely");
        assert_eq!(wrong(6, 0), None, "a function twice");
        assert_eq!(wrong(11, 3), None, "an instruction twice");
        assert_eq!(wrong(11, 1), None, "instructions out of order");
        assert_eq!(wrong(7, 1), None, "bytes at the end");
    }

    /// A module with such a section is a module.
    #[test]
    fn a_malformed_section_is_no_error() {
        let section = |place: &str, contents: &str| {
            let text = format!(
                "(module (@custom \"{SECTION}\" ({place}) \"{contents}\")
                   (func (param i32) (if (local.get 0) (then))))"
            );
            decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info.branch_hints
        };
        let good = "\\01\\00\\01\\03\\01\\01";
        assert_eq!(section("before code", good).of(0), [likely(3)]);
        assert_eq!(section("before code", "\\ff\\ff").of(0), []);
        assert_eq!(section("after code", good).of(0), [], "behind the code it comes too late");
    }
}
