//! The checker: after each instruction it recounts the values, and checks what open constructs expect of them.

use super::objects::EXN;
use super::parts::Compiler;
use crate::asm::Section;

impl Compiler<'_> {
    /// Panics if the state contradicts itself: a bug of the compiler, never of the input.
    pub(super) fn check_state(&self) {
        if self.flow.is_unreachable() {
            return;
        }
        self.values.check(self.cursor.op());
        self.check_control();
    }

    /// Checks that between instructions the cold section is not being written, and each legacy catch has its exception.
    fn check_control(&self) {
        assert_ne!(self.asm.section(), Section::Cold, "op {} ends in the cold section", self.cursor.op());
        for operand in self.flow.caught() {
            assert_eq!(self.values.type_of(operand), EXN, "operand {operand} of a catch");
        }
    }
}
