//! Functions that need no frame, or none up to an early exit, as large as those may be: of three parameters, with three
//! operands at once. With few registers some of them need a frame after all. Random expressions, against a model.

use crate::in_all_modes;
use crate::lab::{Lab, bits};
use heapwood_vm::Val;
use std::fmt::Write;

in_all_modes!(functions_without_a_frame_agree_with_the_model);

const PARAMS: usize = 3;
/// Operands at once.
const HEIGHT: u32 = 3;
const OPERATORS: usize = 9;
const FUNCTIONS: usize = 150;

/// Names of operations; what they mean is in [`Number::apply`].
const OPERATIONS: [&str; 3] = ["add", "sub", "mul"];

/// A type of numbers.
trait Number: Copy {
    const NAME: &'static str;
    const LESS: &'static str;
    const ARGUMENTS: [Self; PARAMS];
    fn apply(self, operation: usize, other: Self) -> Self;
    fn is_less(self, other: Self) -> bool;
    fn val(self) -> Val;
}

macro_rules! integers {
    ($($ty:ty, $name:literal, $val:ident;)*) => {$(
        impl Number for $ty {
            const NAME: &'static str = $name;
            const LESS: &'static str = "lt_s";
            const ARGUMENTS: [$ty; PARAMS] = [3, <$ty>::MIN + 5, 0x1234_567];
            fn apply(self, operation: usize, other: $ty) -> $ty {
                [<$ty>::wrapping_add, <$ty>::wrapping_sub, <$ty>::wrapping_mul][operation](self, other)
            }
            fn is_less(self, other: $ty) -> bool {
                self < other
            }
            fn val(self) -> Val {
                Val::$val(self)
            }
        }
    )*};
}
integers! { i32, "i32", I32; i64, "i64", I64; }

impl Number for f64 {
    const NAME: &'static str = "f64";
    const LESS: &'static str = "lt";
    // Small enough that no result is infinite.
    const ARGUMENTS: [f64; PARAMS] = [0.5, -3.25, 1.0 / 3.0];
    fn apply(self, operation: usize, other: f64) -> f64 {
        match operation {
            0 => self + other,
            1 => self - other,
            _ => self * other,
        }
    }
    fn is_less(self, other: f64) -> bool {
        self < other
    }
    fn val(self) -> Val {
        Val::F64(self.to_bits())
    }
}

enum Expression {
    Get(usize),
    Tee(usize, Box<Expression>),
    Apply(usize, Box<[Expression; 2]>),
}

struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % count
    }

    /// An expression of at most `height` operands at once, and of some `operators`.
    fn expression(&mut self, height: u32, operators: usize) -> Expression {
        let param = self.below(PARAMS);
        if operators == 0 || height == 1 {
            return Expression::Get(param);
        }
        if self.below(6) == 0 {
            return Expression::Tee(param, Box::new(self.expression(height, operators - 1)));
        }
        // The second operand is computed above the first.
        let left = operators / 2 - self.below(1 + operators / 4);
        let operands = [self.expression(height, left), self.expression(height - 1, operators - 1 - left)];
        Expression::Apply(self.below(OPERATIONS.len()), Box::new(operands))
    }
}

impl Expression {
    fn text(&self, ty: &str) -> String {
        match self {
            Expression::Get(param) => format!("(local.get {param})"),
            Expression::Tee(param, value) => format!("(local.tee {param} {})", value.text(ty)),
            Expression::Apply(operation, operands) => {
                format!("({ty}.{} {} {})", OPERATIONS[*operation], operands[0].text(ty), operands[1].text(ty))
            }
        }
    }

    fn value<N: Number>(&self, params: &mut [N; PARAMS]) -> N {
        match self {
            Expression::Get(param) => params[*param],
            Expression::Tee(param, value) => {
                params[*param] = value.value(params);
                params[*param]
            }
            Expression::Apply(operation, operands) => {
                let first = operands[0].value(params);
                first.apply(*operation, operands[1].value(params))
            }
        }
    }
}

fn functions_without_a_frame_agree_with_the_model(mode: usize) {
    check::<i32>(mode);
    check::<i64>(mode);
    check::<f64>(mode);
}

/// For each expression a function of its own, and one that returns it early if it is less than another one, else calls
/// and returns a third.
fn check<N: Number>(mode: usize) {
    let (mut random, ty) = (Random(0x9e37_79b9_7f4a_7c15), N::NAME);
    let (mut text, mut wanted) = (String::from("(module (func $nothing)"), Vec::new());
    for name in 0..FUNCTIONS {
        let [whole, early, late] = [OPERATORS; 3].map(|operators| random.expression(HEIGHT, operators));
        let limit = random.expression(HEIGHT - 1, 2);
        let head = format!("(param {ty} {ty} {ty}) (result {ty})");
        let (a, b, c, d) = (whole.text(ty), early.text(ty), late.text(ty), limit.text(ty));
        writeln!(
            text,
            r#"(func (export "whole {name}") {head} {a})
               (func (export "early {name}") {head}
                 (if ({ty}.{} {b} {d}) (then (return {b})))
                 (call $nothing)
                 {c})"#,
            N::LESS
        )
        .unwrap();
        let params = &mut N::ARGUMENTS.clone();
        let first = whole.value(params);
        *params = N::ARGUMENTS;
        let is_less = early.value(params).is_less(limit.value(params));
        wanted.push([first, if is_less { early.value(params) } else { late.value(params) }]);
    }
    let mut lab = Lab::new(mode, &[], &(text.clone() + ")"));
    for (name, wanted) in wanted.into_iter().enumerate() {
        for (kind, wanted) in ["whole", "early"].iter().zip(wanted) {
            let found = lab.call(&format!("{kind} {name}"), &N::ARGUMENTS.map(N::val));
            assert_eq!(found, Ok(vec![bits(&wanted.val())]), "{kind} {name} of {ty}:\n{text}");
        }
    }
}
