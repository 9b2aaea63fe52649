//! How many values instructions take and give that name a type, a label or a count: two bytes of a block, a call or a
//! branch pass a thousand, and one of `struct.new` takes ten thousand. All the rest takes and gives some few.

use super::Analysis;
use heapwood_gc_abi::Narrow;
use heapwood_module::{ModuleInfo, TypeIndex};
use wasmparser::BlockType;

/// The values that an operator passes, which is validated. `$info` is the module, and the analysis knows the labels.
macro_rules! passed {
    ($analysis:ident $info:ident Block $ty:ident) => {
        of_block($info, $ty).total()
    };
    ($analysis:ident $info:ident Loop $ty:ident) => {
        of_block($info, $ty).total()
    };
    ($analysis:ident $info:ident If $ty:ident) => {
        of_block($info, $ty).total()
    };
    ($analysis:ident $info:ident Try $ty:ident) => {
        of_block($info, $ty).total()
    };
    ($analysis:ident $info:ident TryTable $table:ident) => {
        of_block($info, $table.ty).total()
            + $table.catches.iter().map(|catch| $analysis.of_label(catch_label(catch))).sum::<u64>()
    };
    ($analysis:ident $info:ident Catch $tag:ident) => {
        of_type($info, $info.tags[$tag as usize])
    };
    ($analysis:ident $info:ident Throw $tag:ident) => {
        of_type($info, $info.tags[$tag as usize])
    };
    ($analysis:ident $info:ident Call $f:ident) => {
        of_type($info, $info.functions[$f as usize])
    };
    ($analysis:ident $info:ident ReturnCall $f:ident) => {
        of_type($info, $info.functions[$f as usize])
    };
    ($analysis:ident $info:ident CallIndirect $ty:ident $table:ident) => {
        of_type($info, $ty)
    };
    ($analysis:ident $info:ident ReturnCallIndirect $ty:ident $table:ident) => {
        of_type($info, $ty)
    };
    ($analysis:ident $info:ident CallRef $ty:ident) => {
        of_type($info, $ty)
    };
    ($analysis:ident $info:ident ReturnCallRef $ty:ident) => {
        of_type($info, $ty)
    };
    ($analysis:ident $info:ident Return) => {
        $analysis.of_label($analysis.depth())
    };
    ($analysis:ident $info:ident Br $depth:ident) => {
        $analysis.of_label($depth)
    };
    ($analysis:ident $info:ident BrIf $depth:ident) => {
        $analysis.of_label($depth)
    };
    ($analysis:ident $info:ident BrTable $targets:ident) => {
        $targets
            .targets()
            .filter_map(Result::ok)
            .chain([$targets.default()])
            .map(|depth| $analysis.of_label(depth))
            .sum::<u64>()
    };
    ($analysis:ident $info:ident BrOnNull $depth:ident) => {
        $analysis.of_label($depth)
    };
    ($analysis:ident $info:ident BrOnNonNull $depth:ident) => {
        $analysis.of_label($depth)
    };
    ($analysis:ident $info:ident BrOnCast $depth:ident $from:ident $to:ident) => {
        $analysis.of_label($depth)
    };
    ($analysis:ident $info:ident BrOnCastFail $depth:ident $from:ident $to:ident) => {
        $analysis.of_label($depth)
    };
    ($analysis:ident $info:ident StructNew $ty:ident) => {
        $info.types.fields($ty).len() as u64
    };
    ($analysis:ident $info:ident ArrayNewFixed $ty:ident $count:ident) => {
        u64::from($count)
    };
    ($analysis:ident $info:ident $op:ident $($arg:ident)*) => {
        0u64
    };
}
pub(super) use passed;

/// Values that a block takes and gives.
#[derive(Clone, Copy)]
pub(super) struct Arity {
    params: u32,
    results: u32,
}

impl Arity {
    pub(super) fn total(self) -> u64 {
        u64::from(self.params) + u64::from(self.results)
    }

    /// Values that a branch takes to the block's label.
    pub(super) fn of_label(self, is_loop: bool) -> u32 {
        if is_loop { self.params } else { self.results }
    }
}

pub(super) fn of_block(info: &ModuleInfo, ty: BlockType) -> Arity {
    match ty {
        BlockType::Empty => Arity { params: 0, results: 0 },
        BlockType::Type(_) => Arity { params: 0, results: 1 },
        BlockType::FuncType(index) => of_function(info, index),
    }
}

/// Those of a function are at most a thousand each.
pub(super) fn of_function(info: &ModuleInfo, ty: TypeIndex) -> Arity {
    let ty = info.types.func(ty);
    Arity { params: ty.params.len().narrow(), results: ty.results.len().narrow() }
}

pub(super) fn of_type(info: &ModuleInfo, ty: TypeIndex) -> u64 {
    of_function(info, ty).total()
}

impl Analysis {
    /// Frames that are open, but for the function's own: the depth of its label.
    pub(super) fn depth(&self) -> u32 {
        self.state.frames.len().saturating_sub(1).narrow()
    }

    /// Values that a branch takes to a label.
    pub(super) fn of_label(&self, depth: u32) -> u64 {
        let frames = &self.state.frames;
        let frame = frames.len().checked_sub(1 + depth as usize).and_then(|index| frames.get(index));
        frame.map_or(0, |frame| frame.label_values.into())
    }
}
