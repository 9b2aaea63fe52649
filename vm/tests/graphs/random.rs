//! From a seed to a program.

use super::program::*;

/// Most elements of a fixed array.
const FIXED_MAX: usize = 40;

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let (structs, arrays) = types(&mut random);
    let mut program = Program { structs, arrays, funcs: Vec::new(), segment: Vec::new(), data: Vec::new() };
    program.data = (0..DATA_BYTES).map(|_| random.next() as u8).collect();
    for _ in 0..10 {
        program.segment.push(match random.below(4) {
            0 => Item::I31(random.next() as i32 >> 1),
            1 => Item::Null,
            2 => Item::Array(random.below(program.arrays.len()), random.below(5) as u32),
            _ => Item::Struct(random.below(program.structs.len())),
        });
    }
    let funcs = 3 + random.below(4);
    for _ in 0..funcs {
        let mut maker = Maker { random: &mut random, program: &program, funcs };
        let count = 4 + maker.random.below(10);
        let body = maker.body(count, 3);
        program.funcs.push(body);
    }
    program
}

/// Struct 0 is a node {any, i32, struct 0}, struct 1 a closure {function, any}, array 0 of any, array 1 of bytes.
fn types(random: &mut Random) -> (Vec<StructType>, Vec<Kind>) {
    let (struct_count, array_count) = (4 + random.below(6), 4 + random.below(4));
    let any_kind = |random: &mut Random| match random.below(14) {
        0 => Kind::I8,
        1 => Kind::I16,
        2 | 3 => Kind::I32,
        4 => Kind::I64,
        5 => Kind::F64,
        6..9 => Kind::Any,
        9..11 => Kind::Struct(random.below(struct_count)),
        11 => Kind::Array(random.below(array_count)),
        12 => Kind::Extern,
        _ => Kind::Func,
    };
    let field = |kind| Field { kind, mutable: true };
    let mut structs = vec![
        StructType { parent: None, fields: vec![field(Kind::Any), field(Kind::I32), field(Kind::Struct(0))] },
        StructType { parent: None, fields: vec![field(Kind::Func), field(Kind::Any)] },
    ];
    while structs.len() < struct_count {
        let parent = (random.below(3) > 0).then(|| random.below(structs.len()));
        let mut fields: Vec<Field> = parent.map_or(Vec::new(), |parent| structs[parent].fields.clone());
        let wide = if random.below(10) == 0 { 40 } else { 6 };
        for _ in 0..random.below(wide) {
            fields.push(Field { kind: any_kind(random), mutable: random.below(5) > 0 });
        }
        structs.push(StructType { parent, fields });
    }
    let mut arrays = vec![Kind::Any, Kind::I8];
    while arrays.len() < array_count {
        arrays.push(match any_kind(random) {
            Kind::Func => Kind::Struct(0),
            kind => kind,
        });
    }
    (structs, arrays)
}

/// Makes statements.
struct Maker<'a> {
    random: &'a mut Random,
    program: &'a Program,
    funcs: usize,
}

impl Maker<'_> {
    fn body(&mut self, count: usize, depth: u32) -> Vec<Stmt> {
        (0..count).map(|_| self.stmt(depth)).collect()
    }

    fn stmt(&mut self, depth: u32) -> Stmt {
        match self.random.below(48) {
            0..9 => Stmt::SetRef(self.reg(), self.reference(3)),
            9..12 => Stmt::SetInt(self.random.below(INTS), self.int(2)),
            12..15 => Stmt::Mix(self.int(2)),
            15..20 => self.set_field(),
            20..24 => self.set_elem(),
            24 => self.fill(),
            25 | 26 => self.copy(),
            27 | 28 => Stmt::SetGlobal(self.random.below(GLOBALS), self.reference(2)),
            29 => Stmt::SetTable(self.simple(2), self.reference(2)),
            30 => match self.random.below(3) {
                0 => Stmt::TableFill(self.simple(1), self.simple(1), self.reference(2)),
                1 => Stmt::TableCopy(self.simple(1), self.simple(1), self.simple(1)),
                _ => Stmt::TableGrow(self.random.below(200) as u32, self.reference(2)),
            },
            31 => Stmt::SetExtern(self.random.below(EXTERNS), self.reference(2)),
            32 => Stmt::HostPut(self.simple(1), self.reference(2)),
            33 if self.random.below(4) == 0 => Stmt::Collect(self.random.below(3) as u32),
            34..37 if depth > 0 => {
                let (then, other) = (1 + self.random.below(3), self.random.below(3));
                Stmt::If(self.int(2), self.body(then, depth - 1), self.body(other, depth - 1))
            }
            37..39 if depth > 0 => {
                let count = 1 + self.random.below(4);
                Stmt::Loop(1 + self.random.below(6) as u32, self.body(count, depth - 1))
            }
            39..42 if depth > 0 => {
                let count = 1 + self.random.below(4);
                let catch = self.random.pick(&[Catch::Tag, Catch::TagRef, Catch::All, Catch::AllRef]);
                Stmt::Try(catch, self.reg(), self.body(count, depth - 1))
            }
            42 => Stmt::Throw(self.int(2), self.reference(2), self.simple(2)),
            43 => Stmt::Rethrow(self.int(2)),
            44 => Stmt::TailCall(self.int(2), self.random.below(self.funcs), Box::new(self.args(2))),
            45 => Stmt::Deep(self.random.below(4000) as u32, self.random.below(2) == 0, self.reg()),
            _ => Stmt::SetRef(self.reg(), self.call(2)),
        }
    }

    fn reg(&mut self) -> usize {
        self.random.below(REFS)
    }

    fn struct_type(&mut self) -> usize {
        self.random.below(self.program.structs.len())
    }

    fn array_type(&mut self) -> usize {
        self.random.below(self.program.arrays.len())
    }

    /// A field of any type that `wanted` likes; none if its type has no such field.
    fn field(&mut self, wanted: impl Fn(&Field) -> bool) -> Option<(FieldOf, Kind)> {
        let ty = self.struct_type();
        let fields: Vec<usize> = (0..self.program.structs[ty].fields.len())
            .filter(|at| wanted(&self.program.structs[ty].fields[*at]))
            .collect();
        let field = *fields.get(self.random.below(fields.len()))?;
        Some((FieldOf { ty, field }, self.program.structs[ty].fields[field].kind))
    }

    fn set_field(&mut self) -> Stmt {
        match self.field(|field| field.mutable) {
            Some((field, kind)) => Stmt::SetField(self.object(field.ty), field, self.value(kind, 3)),
            None => Stmt::Mix(self.int(3)),
        }
    }

    fn set_elem(&mut self) -> Stmt {
        let ty = self.array_type();
        Stmt::SetElem(self.array(ty), ty, self.simple(2), self.value(self.program.arrays[ty], 3))
    }

    fn fill(&mut self) -> Stmt {
        let ty = self.array_type();
        Stmt::Fill(self.reg(), ty, self.simple(1), self.simple(1), self.value(self.program.arrays[ty], 0))
    }

    fn copy(&mut self) -> Stmt {
        let (dst, other) = (self.reg(), self.reg());
        let src = if self.random.below(3) == 0 { dst } else { other };
        Stmt::Copy { ty: self.array_type(), dst, src, at: self.simple(1), from: self.simple(1), len: self.simple(1) }
    }

    /// Something that may be of a struct type, often enough.
    fn object(&mut self, ty: usize) -> Ref {
        match self.random.below(4) {
            0 => self.new_struct(ty, 1),
            _ => self.reference(1),
        }
    }

    fn array(&mut self, ty: usize) -> Ref {
        match self.random.below(4) {
            0 => self.new_array(ty, 1),
            _ => self.reference(1),
        }
    }

    fn value(&mut self, kind: Kind, depth: u32) -> Value {
        match kind {
            Kind::Func => Value::Func((self.random.below(4) > 0).then(|| self.random.below(self.funcs))),
            Kind::Struct(ty) if depth > 0 && self.random.below(2) == 0 => Value::Ref(self.new_struct(ty, depth - 1)),
            Kind::Array(ty) if depth > 0 && self.random.below(2) == 0 => Value::Ref(self.new_array(ty, depth - 1)),
            kind if kind.is_int() => Value::Int(self.int(depth.min(1))),
            _ => Value::Ref(self.reference(depth.saturating_sub(1))),
        }
    }

    fn new_struct(&mut self, ty: usize, depth: u32) -> Ref {
        if self.random.below(5) == 0 {
            return Ref::Default(ty);
        }
        let kinds: Vec<Kind> = self.program.structs[ty].fields.iter().map(|field| field.kind).collect();
        let depth = if kinds.len() > 8 { 0 } else { depth };
        Ref::Struct(ty, kinds.into_iter().map(|kind| self.value(kind, depth)).collect())
    }

    fn new_array(&mut self, ty: usize, depth: u32) -> Ref {
        let kind = self.program.arrays[ty];
        let large = self.random.below(12) == 0;
        let from = self.random.below(5) as u32;
        let new = match self.random.below(6) {
            0 => NewArray::Default(self.simple(1), large),
            1 | 2 => NewArray::Filled(self.simple(1), large, Box::new(self.value(kind, depth.min(1)))),
            3 if matches!(kind, Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64) => {
                NewArray::Data(from, self.random.below(7) as u32)
            }
            3 if kind == Kind::Any => NewArray::Elem(from, self.random.below(6) as u32),
            _ => {
                let most = if self.random.below(10) == 0 { FIXED_MAX } else { 5 };
                let depth = if most > 5 { 0 } else { depth };
                NewArray::Fixed((0..self.random.below(most)).map(|_| self.value(kind, depth)).collect())
            }
        };
        Ref::Array(ty, new)
    }

    fn args(&mut self, depth: u32) -> Args {
        Args { a: self.reference(depth), b: self.reference(depth), i: self.int(depth.min(1)) }
    }

    fn call(&mut self, depth: u32) -> Ref {
        let callee = match self.random.below(8) {
            0 => Callee::Host,
            1 | 2 => Callee::Indirect(Box::new(self.simple(1))),
            3 => match self.field(|field| field.kind == Kind::Func) {
                Some((field, _)) => Callee::Field(self.reg(), field),
                None => Callee::Direct(0),
            },
            _ => Callee::Direct(self.random.below(self.funcs)),
        };
        Ref::Call(callee, Box::new(self.args(depth)))
    }

    fn reference(&mut self, depth: u32) -> Ref {
        if depth == 0 {
            return match self.random.below(10) {
                0 => Ref::Null,
                1 => Ref::Global(self.random.below(GLOBALS)),
                2 => Ref::I31(Box::new(self.simple(1))),
                3 => Ref::Table(Box::new(self.simple(1))),
                _ => Ref::Reg(self.reg()),
            };
        }
        match self.random.below(26) {
            0..5 => {
                let ty = self.struct_type();
                self.new_struct(ty, depth - 1)
            }
            5..9 => {
                let ty = self.array_type();
                self.new_array(ty, depth - 1)
            }
            9..12 => match self.field(|field| !field.kind.is_int() && field.kind != Kind::Func) {
                Some((field, _)) => Ref::Field(Box::new(self.reference(depth - 1)), field),
                None => Ref::Reg(self.reg()),
            },
            12..14 => {
                let ty = self.array_type();
                let ty = if self.program.arrays[ty].is_int() { 0 } else { ty };
                Ref::Elem(Box::new(self.array(ty)), ty, Box::new(self.simple(1)))
            }
            14 => self.call(depth - 1),
            15 => Ref::RoundTrip(Box::new(self.reference(depth - 1))),
            16 => Ref::Select(
                Box::new(self.reference(depth - 1)),
                Box::new(self.reference(depth - 1)),
                Box::new(self.int(1)),
            ),
            17 => {
                Ref::If(Box::new(self.int(1)), Box::new(self.reference(depth - 1)), Box::new(self.reference(depth - 1)))
            }
            18 => Ref::Cast(Kind::Struct(self.struct_type()), Box::new(self.reference(depth - 1))),
            19 => Ref::Cast(Kind::Array(self.array_type()), Box::new(self.reference(depth - 1))),
            20 => Ref::Extern(self.random.below(EXTERNS)),
            21 => Ref::Host(Box::new(self.simple(1))),
            22 => Ref::HostValue(Box::new(self.simple(1))),
            _ => self.reference(0),
        }
    }

    /// An integer that needs no object.
    fn simple(&mut self, depth: u32) -> Int {
        match self.random.below(6) {
            0 | 1 => Int::Const(self.random.next() as i32 >> self.random.below(31)),
            2 if depth > 0 => Int::Add(Box::new(self.simple(depth - 1)), Box::new(self.simple(depth - 1))),
            3 if depth > 0 => Int::Mul(Box::new(self.simple(depth - 1)), Box::new(self.simple(depth - 1))),
            _ => Int::Local(self.random.below(INTS)),
        }
    }

    fn int(&mut self, depth: u32) -> Int {
        if depth == 0 {
            return self.simple(1);
        }
        let reference = |maker: &mut Self| Box::new(maker.reference(depth - 1));
        match self.random.below(16) {
            0..3 => self.simple(2),
            3 | 4 => match self.field(|field| field.kind.is_int()) {
                Some((field, _)) => Int::Field(reference(self), field),
                None => Int::TableSize,
            },
            5 => {
                let ty = self.array_type();
                let ty = if self.program.arrays[ty].is_int() { ty } else { 1 };
                Int::Elem(reference(self), ty, Box::new(self.simple(1)))
            }
            6 => Int::Len(reference(self), self.array_type()),
            7 => Int::I31(reference(self)),
            8 => Int::Eq(reference(self), reference(self)),
            9 => Int::Test(reference(self), Kind::Struct(self.struct_type())),
            10 => Int::Test(reference(self), Kind::Array(self.array_type())),
            11 => Int::IsNull(reference(self)),
            12 => Int::Sum(reference(self), 1 + self.random.below(3) as u32),
            13 => Int::Xor(Box::new(self.int(depth - 1)), Box::new(self.int(depth - 1))),
            14 => Int::Add(Box::new(self.int(depth - 1)), Box::new(self.int(depth - 1))),
            _ => Int::Mul(Box::new(self.int(depth - 1)), Box::new(self.simple(1))),
        }
    }
}

/// A sequence of numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 7
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 20) as usize) % end.max(1)
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}
