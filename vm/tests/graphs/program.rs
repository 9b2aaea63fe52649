//! Abstract programs over graphs of objects, at random: what `emit` writes as WebAssembly and `model` interprets.
//!
//! A program has types (all in one rec group), functions of type (anyref anyref i32) -> (anyref i32) with six registers
//! for references and three for integers, globals, tables and segments. Nothing traps: accesses are guarded by casts,
//! indices are taken modulo lengths, and a counter of fuel ends calls and loops.

/// Registers for references.
pub const REFS: usize = 6;
/// Registers for integers.
pub const INTS: usize = 3;
/// Globals of type anyref.
pub const GLOBALS: usize = 8;
/// Globals of type externref.
pub const EXTERNS: usize = 3;
/// Elements of the table at first, a power of two.
pub const TABLE: u32 = 16;
/// Elements that the table grows to.
pub const TABLE_MAX: u32 = 3000;
/// Places that the host keeps references in.
pub const HOST_PLACES: u32 = 8;
/// Bytes of the data segment.
pub const DATA_BYTES: usize = 64;

/// Fields of an object whose references a sum follows.
pub const SUMMED_FIELDS: usize = 8;
/// Fuel that a deep recursion takes.
pub const DEEP_FUEL: i32 = 20;

/// What a field or element holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    I8,
    I16,
    I32,
    I64,
    F64,
    Any,
    Struct(usize),
    Array(usize),
    Extern,
    Func,
}

impl Kind {
    /// Whether it is read and written as an integer.
    pub fn is_int(self) -> bool {
        matches!(self, Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 | Kind::F64)
    }
}

/// A field and whether it may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    pub kind: Kind,
    pub mutable: bool,
}

/// A struct type. Supertypes have lower numbers.
#[derive(Clone, Debug)]
pub struct StructType {
    pub parent: Option<usize>,
    pub fields: Vec<Field>,
}

/// A place in an object: of a struct type, a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldOf {
    pub ty: usize,
    pub field: usize,
}

/// Integers. The first ones are simple: they neither look at objects nor call.
#[derive(Clone, Debug)]
pub enum Int {
    Const(i32),
    Local(usize),
    Add(Box<Int>, Box<Int>),
    Mul(Box<Int>, Box<Int>),
    Xor(Box<Int>, Box<Int>),
    Field(Box<Ref>, FieldOf),
    Elem(Box<Ref>, usize, Box<Int>),
    Len(Box<Ref>, usize),
    I31(Box<Ref>),
    Eq(Box<Ref>, Box<Ref>),
    Test(Box<Ref>, Kind),
    IsNull(Box<Ref>),
    Sum(Box<Ref>, u32),
    TableSize,
}

/// References, of type anyref.
#[derive(Clone, Debug)]
pub enum Ref {
    Null,
    Reg(usize),
    Global(usize),
    Table(Box<Int>),
    Extern(usize),
    Host(Box<Int>),
    HostValue(Box<Int>),
    I31(Box<Int>),
    Struct(usize, Vec<Value>),
    Default(usize),
    Array(usize, NewArray),
    Field(Box<Ref>, FieldOf),
    Elem(Box<Ref>, usize, Box<Int>),
    Call(Callee, Box<Args>),
    RoundTrip(Box<Ref>),
    Select(Box<Ref>, Box<Ref>, Box<Int>),
    If(Box<Int>, Box<Ref>, Box<Ref>),
    Cast(Kind, Box<Ref>),
}

/// What a function is called with.
#[derive(Clone, Debug)]
pub struct Args {
    pub a: Ref,
    pub b: Ref,
    pub i: Int,
}

/// How a function is called.
#[derive(Clone, Debug)]
pub enum Callee {
    Direct(usize),
    /// Through the table of functions.
    Indirect(Box<Int>),
    /// By the function in a field of a register's object, if there is one.
    Field(usize, FieldOf),
    /// By the host, who calls function 0.
    Host,
}

/// How an array is made; lengths are simple.
#[derive(Clone, Debug)]
pub enum NewArray {
    Default(Int, bool),
    Filled(Int, bool, Box<Value>),
    Fixed(Vec<Value>),
    /// From the data segment: offset, length.
    Data(u32, u32),
    /// From the element segment.
    Elem(u32, u32),
}

/// What is stored, by the kind of the place.
#[derive(Clone, Debug)]
pub enum Value {
    Int(Int),
    Ref(Ref),
    Func(Option<usize>),
}

/// What a handler does with an exception.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Catch {
    Tag,
    TagRef,
    All,
    AllRef,
}

/// Statements.
#[derive(Clone, Debug)]
pub enum Stmt {
    SetRef(usize, Ref),
    SetInt(usize, Int),
    Mix(Int),
    SetField(Ref, FieldOf, Value),
    SetElem(Ref, usize, Int, Value),
    /// Of a register: type, position, length, value.
    Fill(usize, usize, Int, Int, Value),
    /// Of registers: type, from register to register, positions, length.
    Copy {
        ty: usize,
        dst: usize,
        src: usize,
        at: Int,
        from: Int,
        len: Int,
    },
    SetGlobal(usize, Ref),
    SetTable(Int, Ref),
    TableFill(Int, Int, Ref),
    TableCopy(Int, Int, Int),
    TableGrow(u32, Ref),
    SetExtern(usize, Ref),
    HostPut(Int, Ref),
    Collect(u32),
    If(Int, Vec<Stmt>, Vec<Stmt>),
    Loop(u32, Vec<Stmt>),
    Try(Catch, usize, Vec<Stmt>),
    Throw(Int, Ref, Int),
    Rethrow(Int),
    TailCall(Int, usize, Box<Args>),
    /// Recursion `n` deep that keeps a node in each frame; the bottom returns or throws.
    Deep(u32, bool, usize),
}

/// What an element segment holds.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    I31(i32),
    Struct(usize),
    Array(usize, u32),
    Null,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    pub structs: Vec<StructType>,
    pub arrays: Vec<Kind>,
    pub funcs: Vec<Vec<Stmt>>,
    pub segment: Vec<Item>,
    pub data: Vec<u8>,
}

/// Whether struct type `ty` is `of` or a subtype of it.
pub fn is_subtype(structs: &[StructType], mut ty: usize, of: usize) -> bool {
    loop {
        if ty == of {
            return true;
        }
        match structs[ty].parent {
            Some(parent) => ty = parent,
            None => return false,
        }
    }
}
