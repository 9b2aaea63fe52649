//! Allocation profiles: which functions allocate which types, from samples (`heapwood_gc`'s `sampling`).
//!
//! The slow paths of allocation ask the heap whether a point lies under the object that is allocated; if so, the frames
//! are walked and counted under the object's type, which is read from the instruction at the innermost frame.

use super::stacks::{SampledFrame, Stacks, push_name, write_lines};
use crate::module::Module;
use std::io::{self, Write};

/// Type of a site whose instruction names none.
const NO_TYPE: u32 = u32::MAX;

/// Points by stack and type.
#[derive(Debug)]
pub(crate) struct AllocProfiler {
    mean_bytes: u64,
    /// At the end of a stack is the type, as (module, type index).
    points: Stacks<(u32, u32)>,
}

impl AllocProfiler {
    /// A profile with a point for every `mean_bytes` bytes, on average.
    pub fn new(mean_bytes: u64) -> AllocProfiler {
        AllocProfiler { mean_bytes, points: Stacks::new() }
    }

    /// Counts points at a stack, innermost frame first.
    pub fn add<'a>(&mut self, frames: impl Iterator<Item = SampledFrame<'a>>, points: u64) {
        self.points.add(frames, points, |innermost| match innermost {
            Some((number, frame)) => (number, allocated_type(frame.module, frame.offset).unwrap_or(NO_TYPE)),
            None => (0, NO_TYPE),
        });
    }

    /// Writes the points as collapsed stacks, `outer;inner;[type] bytes` on each line, and those that no frame claims.
    pub fn write(&self, unclaimed: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.points.lines(|line, (module, ty)| {
            line.push('[');
            // A stack without frames has no module.
            let name = (ty != NO_TYPE).then(|| self.points.module_at(module).info().names().ty(ty)).flatten();
            match name {
                Some(name) => push_name(line, name),
                None if ty == NO_TYPE => line.push_str("other"),
                None => line.push_str(&format!("type {ty}")),
            }
            line.push(']');
        });
        if unclaimed > 0 {
            lines.push(("(host)".to_owned(), unclaimed));
        }
        lines.iter_mut().for_each(|(_, points)| *points *= self.mean_bytes);
        write_lines(lines, output)
    }
}

/// The type index that the allocating instruction at an offset of the module names.
fn allocated_type(module: &Module, offset: u32) -> Option<u32> {
    const GC_PREFIX: u8 = 0xfb;
    /// `struct.new`, `struct.new_default`, `array.new`, `array.new_default`, `…fixed`, `…data`, `…elem`.
    const ALLOCATIONS: [u32; 7] = [0, 1, 6, 7, 8, 9, 10];
    let bytes = module.info().bytes.get(offset as usize..)?;
    let mut rest = bytes.strip_prefix(&[GC_PREFIX])?;
    let opcode = leb_u32(&mut rest)?;
    ALLOCATIONS.contains(&opcode).then(|| leb_u32(&mut rest))?
}

fn leb_u32(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}
