//! References: objects are made, read, written, cast and converted.

use super::func::FuncGen;
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::Instruction as I;

impl FuncGen<'_, '_> {
    /// A reference that is not null, in one or two instructions.
    pub fn fallback_ref(&mut self, heap: Heap) {
        match heap {
            Heap::T(index) => match self.m.non_null.get(&index) {
                Some(global) => self.emit(I::GlobalGet(*global)),
                None => self.emit(I::RefFunc(self.m.leaf(index))),
            },
            Heap::Struct => self.fallback_ref(Heap::T(self.m.world.structs[1])),
            Heap::Array => self.fallback_ref(Heap::T(self.m.world.arrays[1])),
            Heap::Func => self.fallback_ref(Heap::T(self.m.world.families[0])),
            Heap::Extern => self.all([I::I32Const(9), I::RefI31, I::ExternConvertAny]),
            Heap::Any | Heap::Eq | Heap::I31 => self.all([I::I32Const(-5), I::RefI31]),
            Heap::Exn => self.exception(false, 0),
            _ => panic!("{heap:?} has no values"),
        }
    }

    /// A reference.
    pub fn reference(&mut self, nullable: bool, heap: Heap, depth: u32) {
        if nullable && self.rng.one_in(14) {
            return self.constant(Ref(true, heap));
        }
        match heap {
            Heap::I31 => {
                self.operand(I32, depth);
                self.emit(I::RefI31);
            }
            Heap::Any => match self.rng.below(10) {
                0 | 1 => {
                    self.reference_to_extern(depth);
                    self.emit(I::AnyConvertExtern);
                    if !nullable {
                        self.or_else(heap);
                    }
                }
                2 => self.operand(some(Heap::I31), depth),
                3 => self.table_element(heap, nullable, depth),
                _ => self.some_object(depth),
            },
            Heap::Eq => match self.rng.below(6) {
                0 | 1 => self.reference(false, Heap::I31, depth),
                2 => self.cast(nullable, heap, depth),
                _ => self.some_object(depth),
            },
            Heap::Struct => {
                let ty = *self.rng.pick(&self.m.world.structs);
                self.reference(false, Heap::T(ty), depth);
            }
            Heap::Array => {
                let ty = *self.rng.pick(&self.m.world.arrays);
                self.reference(false, Heap::T(ty), depth);
            }
            Heap::Func => match self.rng.below(3) {
                0 => self.table_element(heap, nullable, depth),
                _ => {
                    let family = *self.rng.pick(&self.m.world.families);
                    self.reference(false, Heap::T(family), depth);
                }
            },
            Heap::Extern => {
                self.reference_to_extern(depth);
                if !nullable {
                    self.or_else(heap);
                }
            }
            Heap::Exn => self.exception(nullable, depth),
            Heap::T(index) => self.defined(index, nullable, depth),
            _ => self.constant(Ref(true, heap)),
        }
    }

    fn reference_to_extern(&mut self, depth: u32) {
        if self.rng.percent(50) {
            self.operand(null(Heap::Any), depth);
            self.emit(I::ExternConvertAny);
        } else {
            self.leaf(null(Heap::Extern));
        }
    }

    fn some_object(&mut self, depth: u32) {
        let list = if self.rng.percent(50) { &self.m.world.structs } else { &self.m.world.arrays };
        let ty = *self.rng.pick(list);
        self.reference(false, Heap::T(ty), depth);
    }

    /// What is on the stack, or something else if it is null: `br_on_non_null` or `br_on_null` or by compare.
    pub fn or_else(&mut self, heap: Heap) {
        let (from, to) = (null(heap), some(heap));
        let local = self.take(from);
        self.emit(I::LocalSet(local));
        if self.rng.percent(50) {
            let block = self.block_type(&[], &[to]);
            self.open(I::Block(block), &[to]);
            self.nullable(local, heap);
            self.emit(I::BrOnNonNull(0));
            self.fallback_ref(heap);
            self.close();
        } else {
            let outer = self.block_type(&[], &[to]);
            self.open(I::Block(outer), &[to]);
            self.open(I::Block(wasm_encoder::BlockType::Empty), &[]);
            self.nullable(local, heap);
            self.all([I::BrOnNull(0), I::Br(1)]);
            self.close();
            self.fallback_ref(heap);
            self.close();
        }
        self.give(local);
    }

    /// A local's value in some place, or null.
    fn nullable(&mut self, local: u32, heap: Heap) {
        if self.rng.one_in(12) {
            self.emit(I::RefNull(heap.encode()));
        } else {
            self.emit(I::LocalGet(local));
            self.transport(null(heap));
        }
    }

    fn table_element(&mut self, heap: Heap, nullable: bool, depth: u32) {
        match self.table_of(null(heap), false) {
            Some(table) => {
                self.table_get(table, depth);
                if !nullable {
                    self.or_else(heap);
                }
            }
            None => self.fallback_ref(heap),
        }
    }

    fn defined(&mut self, index: u32, nullable: bool, depth: u32) {
        match self.m.types.defs[index as usize].kind.clone() {
            Kind::Func(..) => match self.rng.below(4) {
                0 => self.cast(nullable, Heap::T(index), depth),
                1 => self.leaf(Ref(nullable, Heap::T(index))),
                _ => {
                    let leaf = self.m.leaf(index);
                    self.emit(I::RefFunc(leaf));
                    if self.rng.one_in(8) {
                        self.emit(I::RefAsNonNull);
                    }
                }
            },
            kind => match self.rng.below(12) {
                0 | 1 => self.cast(nullable, Heap::T(index), depth),
                2 => self.leaf(Ref(nullable, Heap::T(index))),
                3 => self.fallback_ref(Heap::T(index)),
                _ => match kind {
                    Kind::Struct(fields) => self.new_struct(index, &fields, depth),
                    Kind::Array(field) => self.new_array(index, field, depth),
                    Kind::Func(..) => unreachable!("done above"),
                },
            },
        }
    }

    fn new_struct(&mut self, index: u32, fields: &[Field], depth: u32) {
        if fields.len() > 20 && !self.rng.one_in(30) || self.rng.percent(15) {
            if self.m.types.has_default(index) {
                self.emit(I::StructNewDefault(index));
            } else {
                self.fallback_ref(Heap::T(index));
            }
            return;
        }
        let depth = if fields.len() > 6 { 1.min(depth) } else { depth };
        for field in fields {
            if fields.len() > 20 { self.leaf(field.ty()) } else { self.operand(field.ty(), depth - 1) }
        }
        self.emit(I::StructNew(index));
    }

    /// A length: small, or now and then close to where arrays are allocated in another way.
    fn array_length(&mut self, field: Field) -> u32 {
        if !self.rng.one_in(60) {
            return self.rng.range(4, 24);
        }
        let bytes = match field.storage {
            Storage::I8 => 1,
            Storage::I16 => 2,
            Storage::Val(I64 | F64) => 8,
            Storage::Val(V128) => 16,
            Storage::Val(_) => 4,
        };
        let threshold = *self.rng.pick(&[1 << 10, 4 << 10, 16 << 10, 32 << 10, 64 << 10]);
        let length = threshold / bytes + self.rng.below(9) - 6;
        self.extra(length / 16);
        length
    }

    fn new_array(&mut self, index: u32, field: Field, depth: u32) {
        let default = self.m.types.has_default(index);
        match self.rng.below(10) {
            0..=2 => {
                let length = if self.rng.one_in(40) { self.rng.range(40, 300) } else { self.rng.range(4, 9) };
                for _ in 0..length {
                    if length > 9 { self.leaf(field.ty()) } else { self.operand(field.ty(), 1) }
                }
                self.emit(I::ArrayNewFixed { array_type_index: index, array_size: length });
            }
            3 | 4 if default => {
                let length = self.array_length(field);
                self.emit(I::I32Const(length as i32));
                self.transport(I32);
                self.emit(I::ArrayNewDefault(index));
            }
            5 | 6 if !field.ty().is_ref() => {
                let data = self.passive_data().min(self.m.datas.len() as u32 - 2);
                self.emit(I::I32Const(0));
                self.transport(I32);
                self.emit(I::I32Const(4));
                self.transport(I32);
                self.emit(I::ArrayNewData { array_type_index: index, array_data_index: data });
            }
            5 | 6 => match self.elem_of(field.ty()) {
                Some(array_elem_index) => {
                    self.emit(I::I32Const(1));
                    self.transport(I32);
                    self.emit(I::I32Const(4));
                    self.transport(I32);
                    self.emit(I::ArrayNewElem { array_type_index: index, array_elem_index });
                }
                None => self.fallback_ref(Heap::T(index)),
            },
            _ => {
                self.operand(field.ty(), depth);
                if self.rng.percent(30) {
                    self.operand(I32, 1);
                    self.all([I::I32Const(7), I::I32And, I::I32Const(4), I::I32Add]);
                } else {
                    let length = self.array_length(field);
                    self.emit(I::I32Const(length as i32));
                }
                self.transport(I32);
                self.emit(I::ArrayNew(index));
            }
        }
    }

    /// A passive segment of at least six elements of a type.
    fn elem_of(&mut self, ty: Ty) -> Option<u32> {
        let fits = |(of, items, active): &(Ty, Vec<_>, Option<_>)| {
            active.is_none() && items.len() >= 6 && self.m.types.below(*of, ty)
        };
        self.m.elems.iter().position(fits).map(|index| index as u32)
    }

    /// An object of a type, which is not null though its static type may say that it might be.
    pub fn object(&mut self, index: u32, depth: u32) {
        if self.risk() {
            return self.operand(null(Heap::T(index)), depth);
        }
        match self.rng.below(8) {
            0..=3 => match self.free_local(some(Heap::T(index)), false) {
                Some(local) => self.emit(I::LocalGet(local)),
                None => self.fallback_ref(Heap::T(index)),
            },
            4 => {
                self.expr(null(Heap::T(index)), depth - 1);
                self.or_else(Heap::T(index));
            }
            5 => self.fallback_ref(Heap::T(index)),
            _ => self.expr(some(Heap::T(index)), depth - 1),
        }
        if self.rng.percent(50) {
            self.transport(null(Heap::T(index)));
            if self.rng.one_in(6) {
                self.emit(I::RefAsNonNull);
            }
        }
    }

    /// A cast that succeeds, mostly from far above.
    fn cast(&mut self, nullable: bool, heap: Heap, depth: u32) {
        let top = self.m.types.top(heap);
        let (from, to) = (null(top), Ref(nullable, heap));
        if heap == top {
            self.expr(to, depth - 1);
            return;
        }
        match self.rng.below(5) {
            0 | 1 => {
                // The right type goes up and comes back.
                self.expr(some(heap), depth - 1);
                self.transport(from);
                self.emit(if nullable { I::RefCastNullable(heap.encode()) } else { I::RefCastNonNull(heap.encode()) });
            }
            2 if self.risk() => {
                self.operand(from, depth);
                self.emit(if nullable { I::RefCastNullable(heap.encode()) } else { I::RefCastNonNull(heap.encode()) });
            }
            3 => {
                // Anything; if it is not of the type, something of the type.
                let block = self.block_type(&[], &[to]);
                self.open(I::Block(block), &[to]);
                self.operand(from, depth);
                self.emit(I::BrOnCast {
                    relative_depth: 0,
                    from_ref_type: from.encode_ref(),
                    to_ref_type: to.encode_ref(),
                });
                self.emit(I::Drop);
                self.fallback_ref(heap);
                self.close();
            }
            _ => {
                let rest = self.rest(from, to);
                let outer = self.block_type(&[], &[to]);
                self.open(I::Block(outer), &[to]);
                let inner = self.block_type(&[], &[rest]);
                self.open(I::Block(inner), &[rest]);
                self.operand(from, depth);
                self.emit(I::BrOnCastFail {
                    relative_depth: 0,
                    from_ref_type: from.encode_ref(),
                    to_ref_type: to.encode_ref(),
                });
                self.emit(I::Br(1));
                self.close();
                self.emit(I::Drop);
                self.fallback_ref(heap);
                self.close();
            }
        }
    }

    /// The type of what is left when a cast from one to the other failed.
    fn rest(&self, from: Ty, to: Ty) -> Ty {
        match (from, to) {
            (Ref(_, heap), Ref(true, _)) => Ref(false, heap),
            _ => from,
        }
    }

    /// A field or element of this type.
    pub fn field_value(&mut self, ty: Ty, depth: u32) {
        let (mut structs, mut arrays) = (Vec::new(), Vec::new());
        for index in &self.m.world.structs {
            for (number, field) in self.m.types.fields(*index).iter().enumerate().take(300) {
                if self.m.types.below(field.ty(), ty) {
                    structs.push((*index, number as u32, *field));
                }
            }
        }
        for index in &self.m.world.arrays {
            let field = self.m.types.element(*index);
            if self.m.types.below(field.ty(), ty) {
                arrays.push((*index, field));
            }
        }
        if !structs.is_empty() && (arrays.is_empty() || self.rng.percent(50)) {
            let (index, number, field) = *self.rng.pick(&structs);
            self.object(index, depth);
            let instruction = self.struct_get(index, number, field);
            self.emit(instruction);
        } else if !arrays.is_empty() {
            let (index, field) = *self.rng.pick(&arrays);
            self.object(index, depth);
            self.array_index(depth);
            let signed = self.rng.percent(50);
            self.emit(match (field.is_packed(), signed) {
                (false, _) => I::ArrayGet(index),
                (true, true) => I::ArrayGetS(index),
                (true, false) => I::ArrayGetU(index),
            });
        } else {
            self.leaf(ty);
        }
    }

    /// `struct.get` or a kin of it.
    pub fn struct_get(&mut self, struct_type_index: u32, field_index: u32, field: Field) -> I<'static> {
        match (field.is_packed(), self.rng.percent(50)) {
            (false, _) => I::StructGet { struct_type_index, field_index },
            (true, true) => I::StructGetS { struct_type_index, field_index },
            (true, false) => I::StructGetU { struct_type_index, field_index },
        }
    }

    /// An index that every array has.
    fn array_index(&mut self, depth: u32) {
        if self.risk() {
            return self.operand(I32, depth);
        }
        if self.rng.percent(35) {
            let index = self.rng.below(4);
            self.emit(I::I32Const(index as i32));
        } else {
            self.operand(I32, depth.min(2));
            self.all([I::I32Const(3), I::I32And]);
        }
        self.transport(I32);
    }

    /// An i32 that says something about references, memories or tables.
    pub fn question(&mut self, depth: u32) {
        let references = [Heap::Any, Heap::Eq, Heap::Struct, Heap::Array, Heap::I31];
        match self.rng.below(12) {
            0 | 1 => {
                let refs: Vec<Ty> = self.m.world.values.iter().copied().filter(|ty| ty.is_ref()).collect();
                let ty = *self.rng.pick(&refs);
                self.operand(ty, depth);
                self.emit(I::RefIsNull);
            }
            2 | 3 => {
                let (a, b) = (*self.rng.pick(&references[1..]), *self.rng.pick(&references[1..]));
                self.operand(null(a), depth);
                if self.rng.one_in(3) {
                    let local = self.take(null(a));
                    self.all([I::LocalTee(local), I::LocalGet(local)]);
                    self.give(local);
                } else {
                    self.operand(null(b), depth);
                }
                self.emit(I::RefEq);
            }
            4..=6 => {
                let from = *self.rng.pick(&references);
                let below: Vec<Heap> = (references.into_iter())
                    .chain(self.m.world.structs.iter().chain(&self.m.world.arrays).map(|ty| Heap::T(*ty)))
                    .chain([Heap::None])
                    .filter(|heap| self.m.types.heap_below(*heap, Heap::Any))
                    .collect();
                let to = *self.rng.pick(&below);
                self.operand(null(from), depth);
                let first = self.rng.percent(50);
                self.emit(if first { I::RefTestNullable(to.encode()) } else { I::RefTestNonNull(to.encode()) });
            }
            7 => {
                let family = Heap::T(*self.rng.pick(&self.m.world.families));
                self.operand(null(Heap::Func), depth);
                let first = self.rng.percent(50);
                self.emit(if first { I::RefTestNullable(family.encode()) } else { I::RefTestNonNull(family.encode()) });
            }
            8 | 9 => {
                let ty = *self.rng.pick(&self.m.world.arrays);
                self.object(ty, depth);
                self.emit(I::ArrayLen);
            }
            _ => {
                if self.risk() {
                    self.operand(null(Heap::I31), depth);
                } else {
                    self.operand(some(Heap::I31), depth);
                    self.transport(null(Heap::I31));
                }
                let first = self.rng.percent(50);
                self.emit(if first { I::I31GetS } else { I::I31GetU });
            }
        }
    }

    /// A statement that sets a field.
    pub fn set_field(&mut self) {
        let index = *self.rng.pick(&self.m.world.structs);
        let fields = self.m.types.fields(index).to_vec();
        let places: Vec<usize> = (0..fields.len()).filter(|number| fields[*number].mutable).collect();
        if places.is_empty() {
            return;
        }
        let number = *self.rng.pick(&places);
        self.object(index, 3);
        self.operand(fields[number].ty(), 3);
        self.emit(I::StructSet { struct_type_index: index, field_index: number as u32 });
    }

    /// A statement that sets elements.
    pub fn set_element(&mut self) {
        let index = *self.rng.pick(&self.m.world.arrays);
        let field = self.m.types.element(index);
        if !field.mutable {
            return;
        }
        let small = |gen_: &mut Self, most: u32| {
            let value = gen_.rng.below(most + 1);
            gen_.emit(I::I32Const(value as i32));
            gen_.transport(I32);
        };
        self.object(index, 3);
        match self.rng.below(10) {
            0..=4 => {
                self.array_index(3);
                self.operand(field.ty(), 3);
                self.emit(I::ArraySet(index));
            }
            5 | 6 => {
                small(self, 1);
                self.operand(field.ty(), 3);
                small(self, 3);
                self.emit(I::ArrayFill(index));
            }
            7 | 8 => {
                let types = &self.m.types;
                let fits = |from: &u32| match (types.element(*from).storage, field.storage) {
                    (Storage::Val(a), Storage::Val(b)) => types.below(a, b),
                    (a, b) => a == b,
                };
                let from: Vec<u32> = self.m.world.arrays.iter().copied().filter(fits).collect();
                let source = *self.rng.pick(&from);
                small(self, 1);
                self.object(source, 2);
                small(self, 1);
                small(self, 3);
                self.emit(I::ArrayCopy { array_type_index_dst: index, array_type_index_src: source });
            }
            _ if field.ty().is_ref() => {
                small(self, 1);
                small(self, 2);
                small(self, 3);
                match self.elem_of(field.ty()) {
                    Some(array_elem_index) => self.emit(I::ArrayInitElem { array_type_index: index, array_elem_index }),
                    None => self.all([I::Drop, I::Drop, I::Drop, I::Drop]),
                }
            }
            _ => {
                let data = self.passive_data().min(self.m.datas.len() as u32 - 2);
                small(self, 1);
                small(self, 20);
                small(self, 2);
                self.emit(I::ArrayInitData { array_type_index: index, array_data_index: data });
            }
        }
    }

    /// A branch out of an empty block that depends on a reference.
    pub fn branch_on_reference(&mut self, label: usize) {
        let refs: Vec<Ty> = self.m.world.values.iter().copied().filter(|ty| ty.is_ref()).collect();
        let ty = *self.rng.pick(&refs);
        let Ref(_, heap) = ty else { unreachable!("references only") };
        self.operand(ty, 2);
        let depth = self.depth(label);
        self.emit(I::BrOnNull(depth));
        self.consume(some(heap));
    }
}
