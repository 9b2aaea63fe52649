//! What all modules of a program have in common.

use crate::rng::Rng;
use crate::types::Ty::*;
use crate::types::*;

/// Types that cross between guest and host.
pub const BOUNDARY: [Ty; 6] = [I32, I64, F32, F64, null(Heap::Extern), null(Heap::Any)];

/// What all modules of a program have in common.
pub struct World {
    /// Defined types.
    pub types: Types,
    /// Struct types.
    pub structs: Vec<u32>,
    /// Array types.
    pub arrays: Vec<u32>,
    /// Function types whose functions stand in tables: the second is above the third.
    pub families: Vec<u32>,
    /// Function types of functions that are called by name.
    pub signatures: Vec<u32>,
    /// Types of the host's functions.
    pub host: Vec<u32>,
    /// Types of values that a program works with. For each there are locals, globals and a function that passes it on.
    pub values: Vec<Ty>,
    /// Payload types of tags.
    pub tags: Vec<u32>,
    /// Whether vectors are used.
    pub simd: bool,
    /// Whether what V8 lacks is used.
    pub ours_only: bool,
    /// Once in so many places that may trap, one does.
    pub risk: u32,
    /// Whether frames have thousands of locals.
    pub big_frames: bool,
    /// Operators that a call from the host executes before everything returns.
    pub fuel: i32,
}

impl World {
    /// The world of a program.
    pub fn new(rng: &mut Rng, ours_only: bool) -> World {
        let mut world = World {
            types: Types::default(),
            structs: Vec::new(),
            arrays: Vec::new(),
            families: Vec::new(),
            signatures: Vec::new(),
            host: Vec::new(),
            values: Vec::new(),
            tags: Vec::new(),
            simd: rng.percent(75),
            ours_only,
            risk: if rng.percent(75) { 0 } else { rng.range(20, 150) },
            big_frames: rng.one_in(40),
            fuel: rng.range(120, 900) as i32,
        };
        world.make_objects(rng);
        world.make_values(rng);
        world.make_functions(rng);
        world
    }

    fn numbers(&self) -> &'static [Ty] {
        if self.simd { &[I32, I64, F32, F64, V128] } else { &[I32, I64, F32, F64] }
    }

    fn storage(&self, rng: &mut Rng, known: u32) -> Storage {
        let heap = |rng: &mut Rng| match rng.below(8) {
            0 | 1 => Heap::Any,
            2 => Heap::Eq,
            3 => *rng.pick(&[Heap::Struct, Heap::Array, Heap::I31]),
            4 => *rng.pick(&[Heap::Func, Heap::Extern]),
            _ if known > 0 => Heap::T(rng.below(known)),
            _ => Heap::Any,
        };
        match rng.below(10) {
            0 => Storage::I8,
            1 => Storage::I16,
            2..=5 => Storage::Val(*rng.pick(self.numbers())),
            6 if rng.one_in(3) && known > 0 => Storage::Val(some(Heap::T(rng.below(known)))),
            _ => Storage::Val(null(heap(rng))),
        }
    }

    fn fields(&self, rng: &mut Rng, count: u32, known: u32) -> Vec<Field> {
        (0..count).map(|_| Field { storage: self.storage(rng, known), mutable: rng.percent(85) }).collect()
    }

    fn make_objects(&mut self, rng: &mut Rng) {
        // A base, one below it, one that is large or not, and a pair that know each other.
        let count = rng.range(1, 6);
        let base = self.fields(rng, count, 0);
        self.types.defs.push(TypeDef { parent: None, is_final: false, kind: Kind::Struct(base.clone()) });
        let mut below = base;
        let count = rng.range(0, 5);
        below.extend(self.fields(rng, count, 1));
        self.types.defs.push(TypeDef { parent: Some(0), is_final: rng.percent(50), kind: Kind::Struct(below) });
        self.types.groups.push(2);
        let count = if rng.one_in(12) { *rng.pick(&[40, 130, 260, 600, 1990]) } else { rng.range(0, 14) };
        let fields = self.fields(rng, count, 2);
        self.types.add(TypeDef { parent: None, is_final: true, kind: Kind::Struct(fields) });
        let pair = |other: u32| {
            let field = Field { storage: Storage::Val(null(Heap::T(other))), mutable: true };
            let number = Field { storage: Storage::Val(I64), mutable: true };
            TypeDef { parent: None, is_final: true, kind: Kind::Struct(vec![field, number, field]) }
        };
        self.types.defs.extend([pair(4), pair(3)]);
        self.types.groups.push(2);
        self.structs = vec![0, 1, 2, 3, 4];
        let elements = [
            Storage::I8,
            Storage::I16,
            Storage::Val(I32),
            Storage::Val(I64),
            Storage::Val(F32),
            Storage::Val(F64),
            Storage::Val(if self.simd { V128 } else { I64 }),
            Storage::Val(null(Heap::Any)),
            Storage::Val(null(Heap::T(0))),
            Storage::Val(some(Heap::T(0))),
            Storage::Val(null(Heap::Func)),
            Storage::Val(null(Heap::Extern)),
            Storage::Val(null(Heap::Eq)),
        ];
        let mut from = rng.below(elements.len() as u32) as usize;
        let step = *rng.pick(&[1, 2, 3, 5]);
        for _ in 0..rng.range(4, 6) {
            let field = Field { storage: elements[from % elements.len()], mutable: rng.percent(92) };
            let array = self.types.add(TypeDef { parent: None, is_final: rng.percent(70), kind: Kind::Array(field) });
            self.arrays.push(array);
            from += step;
        }
    }

    fn make_values(&mut self, rng: &mut Rng) {
        self.values.extend_from_slice(self.numbers());
        self.values
            .extend([Heap::Any, Heap::Eq, Heap::I31, Heap::Struct, Heap::Array, Heap::Func, Heap::Extern].map(null));
        self.values.extend(self.structs.iter().chain(&self.arrays).map(|ty| null(Heap::T(*ty))));
        self.values.extend([some(Heap::T(0)), some(Heap::T(self.arrays[0])), some(Heap::I31), some(Heap::T(2))]);
        let families = rng.range(3, 3);
        for index in 0..families {
            let (params, results) = self.signature(rng);
            let (parent, params, results) = match index {
                2 => {
                    let (params, results) = self.types.sig(self.families[1]);
                    (Some(self.families[1]), params.to_vec(), results.to_vec())
                }
                _ => (None, params, results),
            };
            let def = TypeDef { parent, is_final: index != 1, kind: Kind::Func(params, results) };
            let ty = self.types.add(def);
            self.families.push(ty);
        }
        self.values.extend(self.families.clone().iter().map(|ty| null(Heap::T(*ty))));
    }

    /// Parameters and results, sometimes many.
    fn signature(&self, rng: &mut Rng) -> (Vec<Ty>, Vec<Ty>) {
        let mut list = |wide: &[u32], most: u32| -> Vec<Ty> {
            let count = if rng.one_in(10) { *rng.pick(wide) } else { rng.range(0, most) };
            (0..count)
                .map(|_| if rng.percent(50) { *rng.pick(self.numbers()) } else { *rng.pick(&self.values) })
                .collect()
        };
        (list(&[9, 17, 33, 70, 140, 300], 6), list(&[5, 9, 17, 40, 120], 3))
    }

    fn make_functions(&mut self, rng: &mut Rng) {
        for _ in 0..4 {
            let (params, results) = self.signature(rng);
            let ty = self.types.func(&params, &results);
            self.signatures.push(ty);
        }
        let mut boundary = |least: u32, most: u32, wide: u32| -> Vec<Ty> {
            let count = if rng.one_in(8) { wide } else { rng.range(least, most) };
            (0..count).map(|_| *rng.pick(&BOUNDARY)).collect()
        };
        for _ in 0..3 {
            let (params, results) = (boundary(0, 6, 24), boundary(0, 3, 12));
            let ty = self.types.func(&params, &results);
            self.host.push(ty);
        }
        for wide in [0, 1, 2, 40] {
            let count = if wide == 40 && rng.percent(80) { 3 } else { wide };
            let payload: Vec<Ty> = (0..count).map(|_| *rng.pick(&self.values)).collect();
            let ty = self.types.func(&payload, &[]);
            self.tags.push(ty);
        }
    }

    /// Parameters and results of the host's functions.
    pub fn host_signatures(&self) -> Vec<(Vec<Ty>, Vec<Ty>)> {
        let sig = |ty: &u32| {
            let (params, results) = self.types.sig(*ty);
            (params.to_vec(), results.to_vec())
        };
        self.host.iter().map(sig).collect()
    }
}
