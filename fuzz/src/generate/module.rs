//! What a module imports, defines and exports.

use super::func::FuncGen;
use super::world::{BOUNDARY, World};
use super::{Cut, Kind, helpers};
use crate::rng::Rng;
use crate::types::Ty::*;
use crate::types::*;
use std::collections::HashMap;
use wasm_encoder::{self as w, Instruction as I};

/// Slots of the table of functions for each family.
pub const FAMILY_SLOTS: u32 = 8;
/// Elements of the other tables.
pub const TABLE_SLOTS: u32 = 12;

/// Where something is imported from.
pub type Import = Option<(String, String)>;

/// Memory or table, and offset, of a segment that is active.
pub type Active = Option<(u32, u32)>;
/// A constant expression.
pub type Code = Vec<I<'static>>;

/// What a function is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The host's; it collects, or mixes its arguments into results.
    Host,
    /// The host's; it calls the `callback` of a module.
    Reenter,
    /// The host's; it throws.
    HostThrow,
    /// Another module's.
    Foreign,
    /// Called by the host.
    Entry,
    /// Called by name.
    Normal,
    /// Stands in tables, calls others by name only if they are no higher.
    Leaf,
    /// Called by the host in the middle of a call.
    Callback,
    /// Of `helpers`.
    Helper,
}

/// A function.
#[derive(Clone, Debug)]
pub struct FuncDecl {
    /// Index of its type.
    pub ty: u32,
    /// What it is for.
    pub role: Role,
    /// Where it comes from.
    pub import: Import,
    /// Locals behind the parameters, and code.
    pub body: Option<(Vec<Ty>, Vec<I<'static>>)>,
}

/// A memory.
#[derive(Clone, Debug)]
pub struct MemDecl {
    /// 64-bit addresses.
    pub wide: bool,
    /// Bytes that it has at least.
    pub bytes: u32,
    /// Pages at first and at most.
    pub pages: (u64, u64),
    /// Pages of one byte.
    pub byte_pages: bool,
    /// Where it comes from.
    pub import: Import,
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableDecl {
    /// Type of its elements.
    pub ty: Ty,
    /// 64-bit indices.
    pub wide: bool,
    /// Elements that it has at least.
    pub len: u32,
    /// It holds the families' functions.
    pub families: bool,
    /// Where it comes from.
    pub import: Import,
}

/// A global.
#[derive(Clone, Debug)]
pub struct GlobalDecl {
    /// Type of its value.
    pub ty: Ty,
    /// Whether it can be set.
    pub mutable: bool,
    /// Where it comes from.
    pub import: Import,
    /// Its first value.
    pub init: Vec<I<'static>>,
    /// Bodies may read or set it.
    pub free: bool,
}

/// A module that is being made, or has been.
pub struct Module<'w> {
    /// What all modules share.
    pub world: &'w World,
    /// The types of the world, and more behind them.
    pub types: Types,
    /// Number of the module.
    pub index: usize,
    /// It uses `try` and not `try_table`.
    pub legacy: bool,
    /// Functions by index.
    pub funcs: Vec<FuncDecl>,
    /// Memories by index.
    pub mems: Vec<MemDecl>,
    /// Tables by index.
    pub tables: Vec<TableDecl>,
    /// Globals by index.
    pub globals: Vec<GlobalDecl>,
    /// Types of tags by index, and where they come from.
    pub tags: Vec<(u32, Import)>,
    /// Data segments: bytes, and memory and offset if active.
    pub datas: Vec<(Vec<u8>, Active)>,
    /// Element segments: type, items, and table and offset if active.
    pub elems: Vec<(Ty, Vec<Code>, Active)>,
    /// Globals that never are null, by type.
    pub non_null: HashMap<u32, u32>,
    /// Helpers that were made.
    pub helpers: HashMap<helpers::Key, u32>,
    /// Globals of the run: fuel, depth, digest, operators.
    pub infra: Infra,
    /// The global that holds an exception, in modules that have such references.
    pub exception: Option<u32>,
    /// What is left out.
    pub cut: &'w Cut,
    /// Names of parts, in order.
    pub parts: Vec<u64>,
}

/// Indices of what every module has.
#[derive(Clone, Copy, Default, Debug)]
pub struct Infra {
    /// Operators that are left.
    pub fuel: u32,
    /// Calls that are guarded by depth.
    pub depth: u32,
    /// What was observed.
    pub digest: u32,
    /// Operators that were executed, those of the current call aside.
    pub operators: u32,
    /// The function that digests an object.
    pub digest_func: u32,
}

/// A module that is done.
pub struct Plan {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its functions by index; bodies are gone.
    pub funcs: Vec<FuncDecl>,
    /// Its memories.
    pub mems: Vec<MemDecl>,
    /// Its tables.
    pub tables: Vec<TableDecl>,
    /// Its globals.
    pub globals: Vec<GlobalDecl>,
    /// Its tags.
    pub tags: Vec<(u32, Import)>,
    /// Its types.
    pub types: Types,
}

impl Plan {
    /// Exports that are looked at in the end.
    pub fn observed(&self) -> Vec<(String, Kind, char)> {
        let mems = (0..).zip(&self.mems).filter(|(_, mem)| mem.import.is_none());
        let tables = (0..).zip(&self.tables).filter(|(_, table)| table.import.is_none());
        let number = |ty| matches!(ty, I32 | I64 | F32 | F64);
        let globals = (0..).zip(&self.globals).filter(|(_, global)| global.import.is_none() && number(global.ty));
        (mems.map(|(index, _): (u32, _)| (format!("m{index}"), Kind::Memory, ' ')))
            .chain(tables.map(|(index, _): (u32, _)| (format!("t{index}"), Kind::Table, ' ')))
            .chain(globals.map(|(index, global): (u32, _)| {
                (format!("g{index}"), Kind::Global, super::letter(&self.types, global.ty))
            }))
            .collect()
    }

    /// Tags that are exported, with the letters of their payload.
    pub fn exported_tags(&self) -> Vec<(String, String)> {
        let own = (0..).zip(&self.tags).filter(|(_, (_, import))| import.is_none());
        own.map(|(index, (ty, _)): (u32, _)| (format!("e{index}"), super::letters(&self.types, self.types.sig(*ty).0)))
            .collect()
    }
}

/// Makes module `index`, which may import from those before it.
pub fn make(world: &World, before: &[Plan], index: usize, seed: u64, cut: &Cut, parts: &mut Vec<u64>) -> Plan {
    let mut rng = Rng::new(seed);
    let mut module = Module {
        world,
        types: world.types.clone(),
        index,
        legacy: rng.percent(30),
        funcs: Vec::new(),
        mems: Vec::new(),
        tables: Vec::new(),
        globals: Vec::new(),
        tags: Vec::new(),
        datas: Vec::new(),
        elems: Vec::new(),
        non_null: HashMap::new(),
        helpers: HashMap::new(),
        infra: Infra::default(),
        exception: None,
        cut,
        parts: Vec::new(),
    };
    module.import(before, &mut rng);
    module.define(before, &mut rng);
    module.make_bodies(&mut rng);
    parts.append(&mut module.parts);
    let bytes = module.encode();
    let funcs = module.funcs.into_iter().map(|func| FuncDecl { body: None, ..func }).collect();
    let Module { mems, tables, globals, tags, types, .. } = module;
    Plan { bytes, funcs, mems, tables, globals, tags, types }
}

fn from(module: usize, name: String) -> Import {
    Some((format!("m{module}"), name))
}

impl Module<'_> {
    fn import(&mut self, before: &[Plan], rng: &mut Rng) {
        let host = |name: String| Some(("h".to_owned(), name));
        for (index, ty) in self.world.host.iter().enumerate() {
            self.funcs.push(FuncDecl { ty: *ty, role: Role::Host, import: host(format!("f{index}")), body: None });
        }
        let ints = self.types.func(&[I32], &[I32]);
        for name in ["reenter", "guarded"] {
            let import = host(format!("{name}{}", rng.below(self.index as u32 + 2)));
            self.funcs.push(FuncDecl { ty: ints, role: Role::Reenter, import, body: None });
        }
        let taker = self.types.func(&[I32], &[]);
        let import = host("throw".to_owned());
        self.funcs.push(FuncDecl { ty: taker, role: Role::HostThrow, import, body: None });
        let nothing = self.types.func(&[], &[]);
        self.funcs.push(FuncDecl { ty: nothing, role: Role::Host, import: host("gc".to_owned()), body: None });
        self.tags.push((taker, host("tag".to_owned())));
        for (number, plan) in before.iter().enumerate() {
            self.import_from(number, plan, rng);
        }
    }

    fn import_from(&mut self, number: usize, plan: &Plan, rng: &mut Rng) {
        let shared = self.world.types.defs.len() as u32;
        for (index, func) in plan.funcs.iter().enumerate() {
            let known = func.ty < shared && matches!(func.role, Role::Normal | Role::Leaf) && func.import.is_none();
            if known && rng.percent(60) {
                let import = from(number, format!("f{index}"));
                self.funcs.push(FuncDecl { ty: func.ty, role: Role::Foreign, import, body: None });
            }
        }
        for (index, mem) in plan.mems.iter().enumerate() {
            if mem.import.is_none() && self.mems.len() < 3 && rng.percent(60) {
                self.mems.push(MemDecl { import: from(number, format!("m{index}")), ..mem.clone() });
            }
        }
        for (index, table) in plan.tables.iter().enumerate() {
            if table.import.is_none() && self.tables.len() < 5 && rng.percent(60) {
                self.tables.push(TableDecl { import: from(number, format!("t{index}")), ..table.clone() });
            }
        }
        for (index, (ty, import)) in plan.tags.iter().enumerate() {
            if import.is_none() && *ty < shared && rng.percent(80) {
                self.tags.push((*ty, from(number, format!("e{index}"))));
            }
        }
        for (index, global) in plan.globals.iter().enumerate() {
            let infra = number == 0 && index < 4;
            if global.import.is_none() && (infra || global.free && rng.percent(25)) {
                let import = from(number, format!("g{index}"));
                self.globals.push(GlobalDecl { import, init: Vec::new(), ..global.clone() });
            }
        }
    }

    fn define(&mut self, before: &[Plan], rng: &mut Rng) {
        self.infra = Infra { fuel: 0, depth: 1, digest: 2, operators: 3, digest_func: 0 };
        let digest_type = self.types.func(&[null(Heap::Any), I32], &[I64]);
        if self.index == 0 {
            let fuel = self.world.fuel;
            for (ty, init) in
                [(I32, I::I32Const(fuel)), (I32, I::I32Const(0)), (I64, I::I64Const(0)), (I64, I::I64Const(0))]
            {
                self.globals.push(GlobalDecl { ty, mutable: true, import: None, init: vec![init], free: false });
            }
        } else {
            let digest = before[0].funcs.iter().position(|func| func.role == Role::Helper).expect("the digest");
            self.infra.digest_func = self.funcs.len() as u32;
            let import = from(0, format!("f{digest}"));
            self.funcs.push(FuncDecl { ty: digest_type, role: Role::Helper, import, body: None });
        }
        self.define_functions(rng);
        if self.index == 0 {
            self.infra.digest_func = self.funcs.len() as u32;
            self.funcs.push(FuncDecl { ty: digest_type, role: Role::Helper, import: None, body: None });
        }
        self.define_memories(rng);
        self.define_tables(rng);
        for ty in self.world.tags.iter() {
            if self.tags.len() < 2 || rng.percent(50) {
                self.tags.push((*ty, None));
            }
        }
        self.define_globals(rng);
        self.define_segments(rng);
    }

    fn define_functions(&mut self, rng: &mut Rng) {
        for _ in 0..rng.range(1, 3) {
            let mut list = |least: u32, most: u32| -> Vec<Ty> {
                (0..rng.range(least, most)).map(|_| *rng.pick(&BOUNDARY)).collect()
            };
            let (params, mut results) = (list(0, 5), list(0, 2));
            results.insert(0, I64);
            let ty = self.types.func(&params, &results);
            self.funcs.push(FuncDecl { ty, role: Role::Entry, import: None, body: None });
        }
        for _ in 0..rng.range(1, 3) {
            let ty = *rng.pick(&self.world.signatures);
            self.funcs.push(FuncDecl { ty, role: Role::Normal, import: None, body: None });
        }
        for ty in self.world.families.clone() {
            self.funcs.push(FuncDecl { ty, role: Role::Leaf, import: None, body: None });
        }
        let ty = self.types.func(&[I32], &[I32]);
        self.funcs.push(FuncDecl { ty, role: Role::Callback, import: None, body: None });
    }

    fn define_memories(&mut self, rng: &mut Rng) {
        let count = if self.mems.is_empty() { rng.range(1, 2) } else { rng.range(0, 1) };
        for _ in 0..count {
            let wide = rng.percent(35);
            let pages = if rng.one_in(5) { 2 } else { 1 };
            let byte_pages = self.world.ours_only && rng.one_in(4);
            let mem = if byte_pages {
                let bytes = rng.range(40_000, 70_000);
                MemDecl { wide, bytes, pages: (bytes as u64, bytes as u64 + 100), byte_pages, import: None }
            } else {
                MemDecl { wide, bytes: pages << 16, pages: (pages as u64, pages as u64 + 1), byte_pages, import: None }
            };
            self.mems.push(mem);
        }
    }

    fn define_tables(&mut self, rng: &mut Rng) {
        if !self.tables.iter().any(|table| table.families) {
            let len = FAMILY_SLOTS * self.world.families.len() as u32;
            let wide = rng.percent(30);
            self.tables.push(TableDecl { ty: null(Heap::Func), wide, len, families: true, import: None });
        }
        let types = [
            null(Heap::Any),
            null(Heap::Extern),
            null(Heap::T(0)),
            null(Heap::Eq),
            null(Heap::T(self.world.families[0])),
        ];
        for _ in 0..rng.range(0, 2) {
            let wide = rng.percent(30);
            self.tables.push(TableDecl {
                ty: *rng.pick(&types),
                wide,
                len: TABLE_SLOTS,
                families: false,
                import: None,
            });
        }
    }

    fn define_globals(&mut self, rng: &mut Rng) {
        let objects: Vec<u32> = self.world.structs.iter().chain(&self.world.arrays).copied().collect();
        for ty in objects {
            let init = self.constant(some(Heap::T(ty)), 1, rng);
            self.non_null.insert(ty, self.globals.len() as u32);
            self.globals.push(GlobalDecl { ty: some(Heap::T(ty)), mutable: false, import: None, init, free: true });
        }
        if !self.legacy {
            self.exception = Some(self.globals.len() as u32);
            let init = vec![I::RefNull(Heap::Exn.encode())];
            self.globals.push(GlobalDecl { ty: null(Heap::Exn), mutable: true, import: None, init, free: false });
        }
        for ty in self.world.values.clone() {
            let init = self.constant(ty, 1, rng);
            self.globals.push(GlobalDecl { ty, mutable: rng.percent(90), import: None, init, free: true });
        }
    }

    fn define_segments(&mut self, rng: &mut Rng) {
        let mut bytes = |count: u32| -> Vec<u8> { (0..count).map(|_| rng.next() as u8).collect() };
        let passive = [bytes(64), bytes(300), bytes(0)];
        let active = bytes(200);
        for mem in 0..self.mems.len() as u32 {
            let room = self.mems[mem as usize].bytes - 200;
            let at = *rng.pick(&[0, 64, room, room / 2]);
            self.datas.push((active.clone(), Some((mem, at))));
        }
        self.datas.extend(passive.into_iter().map(|bytes| (bytes, None)));
        for table in 0..self.tables.len() as u32 {
            let TableDecl { ty, families, import, .. } = self.tables[table as usize].clone();
            if families {
                self.define_families(table, import.is_some(), rng);
            } else {
                let items = (0..rng.range(2, TABLE_SLOTS)).map(|_| self.constant(ty, 1, rng)).collect();
                self.elems.push((ty, items, Some((table, 0))));
            }
            let items = (0..6).map(|_| self.constant(ty, 1, rng)).collect();
            self.elems.push((ty, items, None));
        }
        for array in self.world.arrays.clone() {
            let ty = self.types.element(array).ty();
            if ty.is_ref() {
                let items = (0..8).map(|_| self.constant(ty, 1, rng)).collect();
                self.elems.push((ty, items, None));
            }
        }
    }

    fn define_families(&mut self, table: u32, imported: bool, rng: &mut Rng) {
        for (number, ty) in self.world.families.clone().into_iter().enumerate() {
            let func = self.leaf(ty);
            let mut items = vec![vec![I::RefFunc(func)]; FAMILY_SLOTS as usize];
            if imported {
                items.truncate(rng.range(1, 4) as usize);
            }
            self.elems.push((null(Heap::Func), items, Some((table, number as u32 * FAMILY_SLOTS))));
        }
    }

    /// The leaf of a family.
    pub fn leaf(&self, ty: u32) -> u32 {
        let own = self.funcs.iter().position(|func| func.role == Role::Leaf && func.ty == ty);
        own.expect("a leaf of each family") as u32
    }

    /// A constant expression of a type.
    pub fn constant(&mut self, ty: Ty, depth: u32, rng: &mut Rng) -> Vec<I<'static>> {
        let (nullable, heap) = match ty {
            Ref(nullable, heap) => (nullable, heap),
            _ => return super::expr::number(ty, rng).into_iter().collect(),
        };
        if nullable && (depth == 0 || rng.percent(30)) {
            let heap = if rng.percent(50) { heap } else { self.types.bottom(heap) };
            return vec![I::RefNull(heap.encode())];
        }
        match heap {
            Heap::I31 | Heap::None => vec![super::expr::number(I32, rng).remove(0), I::RefI31],
            Heap::Any | Heap::Eq if depth == 0 || rng.percent(40) => {
                vec![super::expr::number(I32, rng).remove(0), I::RefI31]
            }
            Heap::Any | Heap::Eq | Heap::Struct => {
                let ty = *rng.pick(&self.world.structs);
                self.constant(some(Heap::T(ty)), depth, rng)
            }
            Heap::Array => {
                let ty = *rng.pick(&self.world.arrays);
                self.constant(some(Heap::T(ty)), depth, rng)
            }
            Heap::Extern | Heap::NoExtern => {
                let mut code = self.constant(some(Heap::Any), depth.saturating_sub(1), rng);
                code.push(I::ExternConvertAny);
                code
            }
            Heap::Func | Heap::NoFunc => vec![I::RefFunc(self.leaf(*rng.pick(&self.world.families)))],
            Heap::Exn | Heap::NoExn => panic!("exceptions have no constants"),
            Heap::T(index) => self.constant_object(index, depth.saturating_sub(1), rng),
        }
    }

    fn constant_object(&mut self, index: u32, depth: u32, rng: &mut Rng) -> Vec<I<'static>> {
        let mut code = Vec::new();
        match self.types.defs[index as usize].kind.clone() {
            crate::types::Kind::Struct(fields) => {
                if self.types.has_default(index) && (fields.len() > 20 || rng.one_in(3)) {
                    code.push(I::StructNewDefault(index));
                } else {
                    fields.iter().for_each(|field| code.extend(self.constant(field.ty(), depth, rng)));
                    code.push(I::StructNew(index));
                }
            }
            crate::types::Kind::Array(field) => {
                let length = rng.range(4, 12);
                if rng.percent(50) {
                    (0..length).for_each(|_| code.extend(self.constant(field.ty(), depth, rng)));
                    code.push(I::ArrayNewFixed { array_type_index: index, array_size: length });
                } else if self.types.has_default(index) && rng.percent(50) {
                    code.extend([I::I32Const(length as i32), I::ArrayNewDefault(index)]);
                } else {
                    code.extend(self.constant(field.ty(), depth, rng));
                    code.extend([I::I32Const(length as i32), I::ArrayNew(index)]);
                }
            }
            // A family's function, of its own type where one exists.
            crate::types::Kind::Func(..) => code.push(I::RefFunc(self.leaf(index))),
        }
        code
    }

    fn make_bodies(&mut self, rng: &mut Rng) {
        for index in 0..self.funcs.len() as u32 {
            let seed = rng.next();
            if self.funcs[index as usize].import.is_some() {
                continue;
            }
            let body = match self.funcs[index as usize].role {
                Role::Helper => helpers::digest_body(self, index),
                _ => FuncGen::new(self, index, seed).body(),
            };
            self.funcs[index as usize].body = Some(body);
        }
        let ty = self.types.func(&[], &[I64]);
        let body = helpers::final_digest(self);
        self.funcs.push(FuncDecl { ty, role: Role::Helper, import: None, body: Some(body) });
    }

    fn encode(&self) -> Vec<u8> {
        let mut imports = w::ImportSection::new();
        let mut exports = w::ExportSection::new();
        let (mut functions, mut code) = (w::FunctionSection::new(), w::CodeSection::new());
        for (index, func) in self.funcs.iter().enumerate() {
            match &func.import {
                Some((module, name)) => {
                    imports.import(module, name, w::EntityType::Function(func.ty));
                }
                None => {
                    functions.function(func.ty);
                    exports.export(&format!("f{index}"), w::ExportKind::Func, index as u32);
                    if func.role == Role::Callback {
                        exports.export("callback", w::ExportKind::Func, index as u32);
                    }
                    let (locals, body) = func.body.as_ref().expect("all bodies are made");
                    let mut function = w::Function::new_with_locals_types(locals.iter().map(|ty| ty.encode()));
                    body.iter().for_each(|instruction| {
                        function.instruction(instruction);
                    });
                    function.instruction(&I::End);
                    code.function(&function);
                }
            }
        }
        exports.export("digest", w::ExportKind::Func, self.funcs.len() as u32 - 1);
        let mut tables = w::TableSection::new();
        for (index, table) in self.tables.iter().enumerate() {
            let ty = w::TableType {
                element_type: table.ty.encode_ref(),
                table64: table.wide,
                minimum: table.len as u64,
                maximum: Some(table.len as u64 + 20),
                shared: false,
            };
            match &table.import {
                Some((module, name)) => {
                    imports.import(module, name, ty);
                }
                None => {
                    tables.table(ty);
                    exports.export(&format!("t{index}"), w::ExportKind::Table, index as u32);
                }
            }
        }
        let mut memories = w::MemorySection::new();
        for (index, mem) in self.mems.iter().enumerate() {
            let ty = w::MemoryType {
                minimum: mem.pages.0,
                maximum: Some(mem.pages.1),
                memory64: mem.wide,
                shared: false,
                page_size_log2: mem.byte_pages.then_some(0),
            };
            match &mem.import {
                Some((module, name)) => {
                    imports.import(module, name, ty);
                }
                None => {
                    memories.memory(ty);
                    exports.export(&format!("m{index}"), w::ExportKind::Memory, index as u32);
                }
            }
        }
        let mut globals = w::GlobalSection::new();
        for (index, global) in self.globals.iter().enumerate() {
            let ty = w::GlobalType { val_type: global.ty.encode(), mutable: global.mutable, shared: false };
            match &global.import {
                Some((module, name)) => {
                    imports.import(module, name, ty);
                }
                None => {
                    globals.global(ty, &expression(&global.init));
                    exports.export(&format!("g{index}"), w::ExportKind::Global, index as u32);
                }
            }
        }
        let mut tags = w::TagSection::new();
        for (index, (ty, import)) in self.tags.iter().enumerate() {
            let ty = w::TagType { kind: w::TagKind::Exception, func_type_idx: *ty };
            match import {
                Some((module, name)) => {
                    imports.import(module, name, ty);
                }
                None => {
                    tags.tag(ty);
                    exports.export(&format!("e{index}"), w::ExportKind::Tag, index as u32);
                }
            }
        }
        let mut module = w::Module::new();
        module.section(&self.types.encode()).section(&imports).section(&functions).section(&tables).section(&memories);
        module.section(&tags).section(&globals).section(&exports).section(&self.encode_elems());
        module
            .section(&w::DataCountSection { count: self.datas.len() as u32 })
            .section(&code)
            .section(&self.encode_datas());
        module.finish()
    }

    fn encode_elems(&self) -> w::ElementSection {
        let mut section = w::ElementSection::new();
        for (ty, items, active) in &self.elems {
            let items: Vec<_> = items.iter().map(|item| expression(item)).collect();
            let elements = w::Elements::Expressions(ty.encode_ref(), items.into());
            match active {
                Some((table, offset)) => {
                    let offset = offset_of(self.tables[*table as usize].wide, *offset);
                    section.active(Some(*table), &offset, elements);
                }
                None => {
                    section.passive(elements);
                }
            }
        }
        section
    }

    fn encode_datas(&self) -> w::DataSection {
        let mut section = w::DataSection::new();
        for (bytes, active) in &self.datas {
            match active {
                Some((mem, offset)) => {
                    let offset = offset_of(self.mems[*mem as usize].wide, *offset);
                    section.active(*mem, &offset, bytes.iter().copied());
                }
                None => {
                    section.passive(bytes.iter().copied());
                }
            }
        }
        section
    }
}

fn offset_of(wide: bool, offset: u32) -> w::ConstExpr {
    if wide { w::ConstExpr::i64_const(offset as i64) } else { w::ConstExpr::i32_const(offset as i32) }
}

fn expression(code: &[I<'static>]) -> w::ConstExpr {
    let mut bytes = Vec::new();
    code.iter().for_each(|instruction| w::Encode::encode(instruction, &mut bytes));
    w::ConstExpr::raw(bytes)
}
