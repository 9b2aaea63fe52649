//! Holds each operator to its row in the table of operators while it is compiled.

use super::parts::Compiler;
use crate::operators::{Facts, facts_of};
use wasmparser::{FrameKind, FrameStack, VisitOperator, VisitSimdOperator};

/// A visitor that declares an operator's facts before the compiler compiles it.
pub(super) struct Declared<'c, 'a>(pub(super) &'c mut Compiler<'a>);

impl FrameStack for Declared<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.0.current_frame()
    }
}

impl Compiler<'_> {
    /// Declares the facts of the operator that is compiled next, and asserts that there is a frame if it needs one.
    #[inline(always)]
    fn begin_operator(&mut self, facts: Facts) {
        self.cursor.declare(facts);
        if !facts.is_frameless() {
            assert!(self.values.is_framed(), "the analysis gave a frame to every operator that needs one");
        }
    }
}

macro_rules! visit_all {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(#[inline]
        fn $visit(&mut self $($(,$arg: $argty)*)?) {
            const FACTS: Facts = facts_of::$op;
            self.0.begin_operator(FACTS);
            self.0.$visit($($($arg),*)?);
        })*
    };
}

impl<'a> VisitOperator<'a> for Declared<'_, 'a> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_all);
}

impl<'a> VisitSimdOperator<'a> for Declared<'_, 'a> {
    wasmparser::for_each_visit_simd_operator!(visit_all);
}
