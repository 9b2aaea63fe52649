//! What a program computes, on plain Rust data: nothing here knows of memory or collections.

use super::program::*;

/// A reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Any {
    Null,
    I31(i32),
    Object(u32),
    Host(i32),
}

/// What a field or element holds.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Int(i32),
    Ref(Any),
    Func(Option<usize>),
}

#[derive(Debug)]
enum Object {
    Struct(usize, Vec<Cell>),
    Array(usize, Vec<Cell>),
}

/// An exception: with the payload of the one tag.
#[derive(Clone, Copy, Debug)]
struct Thrown(Any, i32);

type Eval<T> = Result<T, Thrown>;

/// A tail call: of which function, with what.
type Tail = (usize, Any, Any, i32);

/// Calls of the host that may be under way; one more does nothing.
pub const HOST_DEPTH: u32 = 8;

/// The state of an instance.
pub struct Model<'p> {
    program: &'p Program,
    objects: Vec<Object>,
    globals: [Any; GLOBALS],
    externs: [Any; EXTERNS],
    table: Vec<Any>,
    segment: Vec<Any>,
    host: [Any; HOST_PLACES as usize],
    host_depth: u32,
    fuel: i32,
    mask: i32,
    hash: i32,
}

/// A call's registers.
struct Frame {
    refs: [Any; REFS],
    ints: [i32; INTS],
    caught: Option<Thrown>,
}

impl<'p> Model<'p> {
    /// An instance.
    pub fn new(program: &'p Program) -> Model<'p> {
        let mut model = Model {
            program,
            objects: Vec::new(),
            globals: [Any::Null; GLOBALS],
            externs: [Any::Null; EXTERNS],
            table: vec![Any::Null; TABLE as usize],
            segment: Vec::new(),
            host: [Any::Null; HOST_PLACES as usize],
            host_depth: 0,
            fuel: 0,
            mask: 0,
            hash: 0,
        };
        for (index, global) in program.segment.iter().take(GLOBALS).enumerate() {
            model.globals[index] = model.item(global);
        }
        model.segment = program.segment.iter().map(|item| model.item(item)).collect();
        model
    }

    /// What the export returns.
    pub fn run(&mut self, fuel: i32, mask: i32) -> i32 {
        (self.fuel, self.mask, self.hash) = (fuel, mask, 0);
        if let Ok((reference, number)) = self.call(0, self.globals[0], self.globals[1], 5) {
            self.mix(number);
            let sum = self.sum(reference, 3);
            self.mix(sum);
        }
        for index in 0..GLOBALS {
            let sum = self.sum(self.globals[index], 3);
            self.mix(sum);
        }
        for index in 0..TABLE as usize {
            let sum = self.sum(self.table[index], 2);
            self.mix(sum);
        }
        self.hash
    }

    /// Objects made so far.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    fn mix(&mut self, value: i32) {
        self.hash = self.hash.wrapping_mul(31).wrapping_add(value);
    }

    fn item(&mut self, item: &Item) -> Any {
        match *item {
            Item::I31(value) => i31(value),
            Item::Null => Any::Null,
            Item::Struct(ty) => self.default_struct(ty),
            Item::Array(ty, len) => {
                let cell = default(self.program.arrays[ty]);
                self.make(Object::Array(ty, vec![cell; len as usize]))
            }
        }
    }

    fn make(&mut self, object: Object) -> Any {
        self.objects.push(object);
        Any::Object(self.objects.len() as u32 - 1)
    }

    fn default_struct(&mut self, ty: usize) -> Any {
        let cells = self.program.structs[ty].fields.iter().map(|field| default(field.kind)).collect();
        self.make(Object::Struct(ty, cells))
    }

    fn call(&mut self, func: usize, a: Any, b: Any, i: i32) -> Eval<(Any, i32)> {
        let (mut func, mut args) = (func, (a, b, i));
        // A tail call is another turn.
        loop {
            self.fuel -= 1;
            if self.fuel < 0 {
                return Ok((args.0, 0));
            }
            let mut frame = Frame { refs: [Any::Null; REFS], ints: [0; INTS], caught: None };
            (frame.refs[0], frame.refs[1], frame.ints[0]) = args;
            let program = self.program;
            match self.block(&mut frame, &program.funcs[func])? {
                None => return Ok((frame.refs[0], frame.ints[1])),
                Some((next, a, b, i)) => (func, args) = (next, (a, b, i)),
            }
        }
    }

    /// Runs statements; a tail call ends them.
    fn block(&mut self, frame: &mut Frame, body: &[Stmt]) -> Eval<Option<Tail>> {
        for stmt in body {
            match stmt {
                Stmt::If(condition, then, other) => {
                    let taken = self.int(frame, condition)? & 1 != 0;
                    if let Some(tail) = self.block(frame, if taken { then } else { other })? {
                        return Ok(Some(tail));
                    }
                }
                Stmt::Loop(count, body) => {
                    for _ in 0..*count {
                        self.fuel -= 1;
                        if self.fuel < 0 {
                            break;
                        }
                        if let Some(tail) = self.block(frame, body)? {
                            return Ok(Some(tail));
                        }
                    }
                }
                Stmt::Try(catch, reg, body) => match self.block(frame, body) {
                    Ok(None) => {}
                    Err(thrown) => self.handle(frame, *catch, *reg, thrown),
                    other => return other,
                },
                Stmt::TailCall(condition, func, args) => {
                    if self.rarely(frame, condition)? {
                        let (a, b, i) = self.args(frame, args)?;
                        return Ok(Some((*func, a, b, i)));
                    }
                }
                stmt => self.simple(frame, stmt)?,
            }
        }
        Ok(None)
    }

    fn handle(&mut self, frame: &mut Frame, catch: Catch, reg: usize, thrown: Thrown) {
        match catch {
            Catch::All => self.mix(9),
            Catch::AllRef => frame.caught = Some(thrown),
            Catch::Tag | Catch::TagRef => {
                frame.refs[reg] = thrown.0;
                self.mix(thrown.1);
                if catch == Catch::TagRef {
                    frame.caught = Some(thrown);
                }
            }
        }
    }

    fn rarely(&mut self, frame: &mut Frame, condition: &Int) -> Eval<bool> {
        Ok(self.int(frame, condition)? & 7 == 3)
    }

    fn simple(&mut self, frame: &mut Frame, stmt: &Stmt) -> Eval<()> {
        match stmt {
            Stmt::SetRef(reg, value) => frame.refs[*reg] = self.reference(frame, value)?,
            Stmt::SetInt(reg, value) => frame.ints[*reg] = self.int(frame, value)?,
            Stmt::Mix(value) => {
                let value = self.int(frame, value)?;
                self.mix(value);
            }
            Stmt::SetField(object, FieldOf { ty, field }, value) => {
                let object = self.reference(frame, object)?;
                if let Some(object) = self.as_struct(object, *ty) {
                    let cell = self.cell(frame, self.program.structs[*ty].fields[*field].kind, value)?;
                    self.cells(object)[*field] = cell;
                }
            }
            Stmt::SetElem(array, ty, index, value) => {
                let array = self.reference(frame, array)?;
                if let Some(array) = self.as_array(array, *ty).filter(|array| !self.cells(*array).is_empty()) {
                    let at = self.int(frame, index)? as u32 as usize % self.cells(array).len();
                    let cell = self.cell(frame, self.program.arrays[*ty], value)?;
                    self.cells(array)[at] = cell;
                }
            }
            Stmt::Fill(reg, ty, at, len, value) => {
                if let Some(array) = self.as_array(frame.refs[*reg], *ty) {
                    let size = self.cells(array).len();
                    let (at, _, len) = self.clamp(frame, size, size, [at, at, len])?;
                    let cell = self.cell(frame, self.program.arrays[*ty], value)?;
                    self.cells(array)[at..at + len].fill(cell);
                }
            }
            Stmt::Copy { ty, dst, src, at, from, len } => {
                let (dst, src) = (self.as_array(frame.refs[*dst], *ty), self.as_array(frame.refs[*src], *ty));
                if let (Some(dst), Some(src)) = (dst, src) {
                    let sizes = (self.cells(dst).len(), self.cells(src).len());
                    let (at, from, len) = self.clamp(frame, sizes.0, sizes.1, [at, from, len])?;
                    let cells = self.cells(src)[from..from + len].to_vec();
                    self.cells(dst)[at..at + len].copy_from_slice(&cells);
                }
            }
            Stmt::SetGlobal(index, value) => self.globals[*index] = self.reference(frame, value)?,
            Stmt::SetTable(index, value) => {
                let at = self.place(frame, index)?;
                self.table[at] = self.reference(frame, value)?;
            }
            Stmt::TableFill(at, len, value) => {
                let value = self.reference(frame, value)?;
                let size = self.table.len();
                let (at, _, len) = self.clamp(frame, size, size, [at, at, len])?;
                self.table[at..at + len].fill(value);
            }
            Stmt::TableCopy(at, from, len) => {
                let size = self.table.len();
                let (at, from, len) = self.clamp(frame, size, size, [at, from, len])?;
                self.table.copy_within(from..from + len, at);
            }
            Stmt::TableGrow(by, value) => {
                let value = self.reference(frame, value)?;
                let (old, new) = (self.table.len(), self.table.len() + *by as usize);
                if new <= TABLE_MAX as usize {
                    self.table.resize(new, value);
                    self.mix(old as i32);
                } else {
                    self.mix(-1);
                }
            }
            Stmt::SetExtern(index, value) => self.externs[*index] = self.reference(frame, value)?,
            Stmt::HostPut(index, value) => {
                let at = self.int(frame, index)? as u32 % HOST_PLACES;
                self.host[at as usize] = self.reference(frame, value)?;
            }
            Stmt::Collect(_) => {}
            Stmt::Throw(condition, value, number) => {
                if self.rarely(frame, condition)? {
                    let value = self.reference(frame, value)?;
                    return Err(Thrown(value, self.int(frame, number)?));
                }
            }
            Stmt::Rethrow(condition) => {
                if let (true, Some(thrown)) = (self.rarely(frame, condition)?, frame.caught) {
                    return Err(thrown);
                }
            }
            Stmt::Deep(depth, throws, reg) => {
                self.fuel -= DEEP_FUEL;
                if self.fuel >= 0 {
                    match self.deep(*depth as i32 & self.mask, *throws, frame.refs[*reg]) {
                        Ok(node) => frame.refs[*reg] = node,
                        Err(Thrown(reference, number)) => {
                            self.mix(number);
                            frame.refs[*reg] = reference;
                        }
                    }
                }
            }
            Stmt::If(..) | Stmt::Loop(..) | Stmt::Try(..) | Stmt::TailCall(..) => unreachable!("run by `block`"),
        }
        Ok(())
    }

    fn deep(&mut self, n: i32, throws: bool, reference: Any) -> Eval<Any> {
        let mine = self.make(Object::Struct(0, vec![Cell::Ref(reference), Cell::Int(n), Cell::Ref(Any::Null)]));
        let Any::Object(object) = mine else { unreachable!("it was just made") };
        if n == 0 {
            return if throws { Err(Thrown(mine, 3)) } else { Ok(mine) };
        }
        match self.deep(n - 1, throws, mine) {
            Ok(below) => self.cells(object as usize)[2] = Cell::Ref(below),
            Err(thrown) if n % 64 != 0 => return Err(thrown),
            Err(Thrown(caught, number)) => {
                self.cells(object as usize)[0] = Cell::Ref(caught);
                self.mix(number);
            }
        }
        self.mix(n);
        Ok(mine)
    }

    fn args(&mut self, frame: &mut Frame, args: &Args) -> Eval<(Any, Any, i32)> {
        Ok((self.reference(frame, &args.a)?, self.reference(frame, &args.b)?, self.int(frame, &args.i)?))
    }

    /// A position in `to`, one in `from`, and a length that fits both.
    fn clamp(
        &mut self,
        frame: &mut Frame,
        to: usize,
        from: usize,
        [at, start, len]: [&Int; 3],
    ) -> Eval<(usize, usize, usize)> {
        let at = self.int(frame, at)? as u32 as usize % (to + 1);
        let start = self.int(frame, start)? as u32 as usize % (from + 1);
        let most = (to - at).min(from - start);
        Ok((at, start, self.int(frame, len)? as u32 as usize % (most + 1)))
    }

    fn place(&mut self, frame: &mut Frame, index: &Int) -> Eval<usize> {
        Ok(self.int(frame, index)? as u32 as usize % self.table.len())
    }

    fn cells(&mut self, object: usize) -> &mut Vec<Cell> {
        match &mut self.objects[object] {
            Object::Struct(_, cells) | Object::Array(_, cells) => cells,
        }
    }

    fn as_struct(&self, reference: Any, of: usize) -> Option<usize> {
        let Any::Object(object) = reference else { return None };
        match &self.objects[object as usize] {
            Object::Struct(ty, _) if is_subtype(&self.program.structs, *ty, of) => Some(object as usize),
            _ => None,
        }
    }

    fn as_array(&self, reference: Any, of: usize) -> Option<usize> {
        let Any::Object(object) = reference else { return None };
        matches!(&self.objects[object as usize], Object::Array(ty, _) if *ty == of).then_some(object as usize)
    }

    fn cell(&mut self, frame: &mut Frame, kind: Kind, value: &Value) -> Eval<Cell> {
        Ok(match value {
            Value::Int(int) if kind == Kind::I64 => {
                Cell::Int(fold((self.int(frame, int)? as i64).wrapping_mul(0x1_0000_0001)))
            }
            Value::Int(int) => Cell::Int(self.int(frame, int)?),
            Value::Func(func) => Cell::Func(*func),
            Value::Ref(reference) => {
                let reference = self.reference(frame, reference)?;
                Cell::Ref(self.as_kind(kind, reference))
            }
        })
    }

    fn as_kind(&self, kind: Kind, reference: Any) -> Any {
        let fits = match kind {
            Kind::Struct(ty) => self.as_struct(reference, ty).is_some(),
            Kind::Array(ty) => self.as_array(reference, ty).is_some(),
            _ => true,
        };
        if fits { reference } else { Any::Null }
    }

    fn reference(&mut self, frame: &mut Frame, reference: &Ref) -> Eval<Any> {
        Ok(match reference {
            Ref::Null => Any::Null,
            Ref::Reg(reg) => frame.refs[*reg],
            Ref::Global(index) => self.globals[*index],
            Ref::Table(index) => {
                let at = self.place(frame, index)?;
                self.table[at]
            }
            Ref::Extern(index) => self.externs[*index],
            Ref::Host(index) => self.host[(self.int(frame, index)? as u32 % HOST_PLACES) as usize],
            Ref::HostValue(value) => Any::Host(self.int(frame, value)?),
            Ref::I31(value) => i31(self.int(frame, value)?),
            Ref::Struct(ty, values) => {
                let mut cells = Vec::with_capacity(values.len());
                for (index, value) in values.iter().enumerate() {
                    cells.push(self.cell(frame, self.program.structs[*ty].fields[index].kind, value)?);
                }
                self.make(Object::Struct(*ty, cells))
            }
            Ref::Default(ty) => self.default_struct(*ty),
            Ref::Array(ty, new) => {
                let cells = self.new_array(frame, self.program.arrays[*ty], new)?;
                self.make(Object::Array(*ty, cells))
            }
            Ref::Field(object, FieldOf { ty, field }) => {
                let object = self.reference(frame, object)?;
                self.as_struct(object, *ty).map_or(Any::Null, |object| self.cells(object)[*field].reference())
            }
            Ref::Elem(array, ty, index) => {
                let array = self.reference(frame, array)?;
                match self.as_array(array, *ty) {
                    Some(array) if !self.cells(array).is_empty() => {
                        let at = self.int(frame, index)? as u32 as usize % self.cells(array).len();
                        self.cells(array)[at].reference()
                    }
                    _ => Any::Null,
                }
            }
            Ref::Call(callee, args) => self.call_by(frame, callee, args)?,
            Ref::RoundTrip(inner) => self.reference(frame, inner)?,
            Ref::Select(a, b, condition) => {
                let (a, b) = (self.reference(frame, a)?, self.reference(frame, b)?);
                if self.int(frame, condition)? & 1 != 0 { a } else { b }
            }
            Ref::If(condition, a, b) => {
                let taken = self.int(frame, condition)? & 1 != 0;
                self.reference(frame, if taken { a } else { b })?
            }
            Ref::Cast(kind, inner) => {
                let inner = self.reference(frame, inner)?;
                self.as_kind(*kind, inner)
            }
        })
    }

    fn call_by(&mut self, frame: &mut Frame, callee: &Callee, args: &Args) -> Eval<Any> {
        let (a, b, i) = self.args(frame, args)?;
        let func = match callee {
            Callee::Direct(func) => *func,
            Callee::Indirect(index) => self.int(frame, index)? as u32 as usize % self.program.funcs.len(),
            Callee::Field(reg, FieldOf { ty, field }) => {
                let object = self.as_struct(frame.refs[*reg], *ty);
                match object.map(|object| self.cells(object)[*field]) {
                    Some(Cell::Func(Some(func))) => func,
                    _ => return Ok(a),
                }
            }
            Callee::Host if self.host_depth == HOST_DEPTH => {
                self.mix(i);
                return Ok(a);
            }
            Callee::Host => 0,
        };
        let by_host = matches!(callee, Callee::Host) as u32;
        self.host_depth += by_host;
        let result = self.call(func, a, b, i);
        self.host_depth -= by_host;
        let (reference, number) = result?;
        self.mix(number);
        Ok(reference)
    }

    fn length(&mut self, frame: &mut Frame, length: &Int, large: bool) -> Eval<usize> {
        let mask = if large { self.mask } else { 15 };
        Ok((self.int(frame, length)? & mask) as usize)
    }

    fn new_array(&mut self, frame: &mut Frame, kind: Kind, new: &NewArray) -> Eval<Vec<Cell>> {
        Ok(match new {
            NewArray::Default(length, large) => vec![default(kind); self.length(frame, length, *large)?],
            NewArray::Filled(length, large, value) => {
                let cell = self.cell(frame, kind, value)?;
                vec![cell; self.length(frame, length, *large)?]
            }
            NewArray::Fixed(values) => {
                let mut cells = Vec::with_capacity(values.len());
                for value in values {
                    cells.push(self.cell(frame, kind, value)?);
                }
                cells
            }
            NewArray::Data(at, len) => (0..*len as usize).map(|index| self.datum(kind, *at as usize, index)).collect(),
            NewArray::Elem(at, len) => {
                self.segment[*at as usize..(*at + *len) as usize].iter().map(|item| Cell::Ref(*item)).collect()
            }
        })
    }

    fn datum(&self, kind: Kind, at: usize, index: usize) -> Cell {
        let bytes = |size: usize| &self.program.data[at + index * size..at + (index + 1) * size];
        Cell::Int(match kind {
            Kind::I8 => bytes(1)[0] as i32,
            Kind::I16 => u16::from_le_bytes(bytes(2).try_into().unwrap()) as i32,
            Kind::I32 => i32::from_le_bytes(bytes(4).try_into().unwrap()),
            Kind::I64 => fold(i64::from_le_bytes(bytes(8).try_into().unwrap())),
            kind => panic!("{kind:?} is not read from data"),
        })
    }

    fn int(&mut self, frame: &mut Frame, int: &Int) -> Eval<i32> {
        Ok(match int {
            Int::Const(value) => *value,
            Int::Local(reg) => frame.ints[*reg],
            Int::Add(a, b) => self.int(frame, a)?.wrapping_add(self.int(frame, b)?),
            Int::Mul(a, b) => self.int(frame, a)?.wrapping_mul(self.int(frame, b)?),
            Int::Xor(a, b) => self.int(frame, a)? ^ self.int(frame, b)?,
            Int::Field(object, FieldOf { ty, field }) => {
                let object = self.reference(frame, object)?;
                let kind = self.program.structs[*ty].fields[*field].kind;
                self.as_struct(object, *ty).map_or(-1, |object| self.cells(object)[*field].int(kind, *field))
            }
            Int::Elem(array, ty, index) => {
                let array = self.reference(frame, array)?;
                match self.as_array(array, *ty) {
                    None => -3,
                    Some(array) if self.cells(array).is_empty() => -2,
                    Some(array) => {
                        let at = self.int(frame, index)? as u32 as usize % self.cells(array).len();
                        let kind = self.program.arrays[*ty];
                        self.cells(array)[at].int(kind, *ty)
                    }
                }
            }
            Int::Len(array, ty) => {
                let array = self.reference(frame, array)?;
                self.as_array(array, *ty).map_or(-4, |array| self.cells(array).len() as i32)
            }
            Int::I31(reference) => match self.reference(frame, reference)? {
                Any::I31(value) => value & 0x7fff_ffff,
                _ => -5,
            },
            Int::Eq(a, b) => {
                let eq = |any| if matches!(any, Any::Host(_)) { Any::Null } else { any };
                (eq(self.reference(frame, a)?) == eq(self.reference(frame, b)?)) as i32
            }
            Int::Test(reference, kind) => {
                let reference = self.reference(frame, reference)?;
                (self.as_kind(*kind, reference) != Any::Null) as i32
            }
            Int::IsNull(reference) => (self.reference(frame, reference)? == Any::Null) as i32,
            Int::Sum(reference, depth) => {
                let reference = self.reference(frame, reference)?;
                self.sum(reference, *depth as i32)
            }
            Int::TableSize => self.table.len() as i32,
        })
    }

    fn sum(&self, reference: Any, depth: i32) -> i32 {
        let object = match reference {
            Any::Null => return 7,
            Any::I31(value) => return value.wrapping_mul(3).wrapping_add(1),
            Any::Host(value) => return value.wrapping_add(13),
            Any::Object(object) => &self.objects[object as usize],
        };
        let step = |hash: i32, part: i32| hash.wrapping_mul(31).wrapping_add(part);
        match object {
            Object::Struct(ty, cells) => {
                let fields = &self.program.structs[*ty].fields;
                cells.iter().zip(fields).enumerate().fold(100 + *ty as i32, |hash, (number, (cell, field))| {
                    step(hash, self.part(cell, field.kind, number, number >= SUMMED_FIELDS, depth))
                })
            }
            Object::Array(ty, cells) => {
                let kind = self.program.arrays[*ty];
                let chosen = cells.iter().step_by(cells.len() / 8 + 1);
                chosen.fold(cells.len() as i32, |hash, cell| step(hash, self.part(cell, kind, *ty, false, depth)))
            }
        }
    }

    fn part(&self, cell: &Cell, kind: Kind, number: usize, shallow: bool, depth: i32) -> i32 {
        match *cell {
            Cell::Int(_) => cell.int(kind, number),
            Cell::Func(func) => func.is_none() as i32,
            Cell::Ref(reference) if depth > 0 && !shallow => self.sum(reference, depth - 1),
            Cell::Ref(reference) => (reference == Any::Null) as i32,
        }
    }
}

impl Cell {
    fn reference(self) -> Any {
        match self {
            Cell::Ref(reference) => reference,
            other => panic!("{other:?} is no reference"),
        }
    }

    /// What is read of a number: packed ones with and without sign in turns.
    fn int(self, kind: Kind, number: usize) -> i32 {
        let Cell::Int(value) = self else { panic!("{self:?} is no number") };
        match kind {
            Kind::I8 if number.is_multiple_of(2) => value as i8 as i32,
            Kind::I8 => value as u8 as i32,
            Kind::I16 if number.is_multiple_of(2) => value as i16 as i32,
            Kind::I16 => value as u16 as i32,
            _ => value,
        }
    }
}

fn default(kind: Kind) -> Cell {
    match kind {
        Kind::Func => Cell::Func(None),
        kind if kind.is_int() => Cell::Int(0),
        _ => Cell::Ref(Any::Null),
    }
}

/// The halves together, as the guest reads an i64; such cells hold that from the start.
fn fold(value: i64) -> i32 {
    (value ^ (value >> 32)) as i32
}

fn i31(value: i32) -> Any {
    Any::I31(value << 1 >> 1)
}
