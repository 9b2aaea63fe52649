//! Random programs of host operations, and what they do to objects of a model.

use crate::random::Random;
use crate::values::{Cell, Kind, Number, bits_of};
use heapwood_vm::*;
use std::collections::{BTreeMap, HashMap};

/// Objects that a program holds at a time.
const HELD_MAX: usize = 20;

/// The kinds of the fields of structs, or of an array's elements, and whether they can be written.
pub struct Shape {
    ty: Type,
    kinds: Vec<Kind>,
    is_mutable: bool,
}

enum Type {
    Struct(StructType),
    Array(ArrayType),
}

struct Object {
    shape: usize,
    cells: Vec<Cell>,
}

/// An object that the program holds between scopes.
struct Held {
    number: usize,
    root: Root<AnyRef>,
}

pub struct Program<'s> {
    shapes: &'s [Shape],
    random: Random,
    /// What lies around the sizes at which arrays are made in another way, in bytes.
    sizes: &'s [u32],
    func: Func,
    objects: Vec<Object>,
    held: Vec<Held>,
    /// Handles of the scope, by their objects.
    here: Vec<(usize, Rooted<AnyRef>)>,
    /// Operations so far, by their names.
    pub done: BTreeMap<&'static str, u64>,
}

/// The shapes of all programs: the first is that of nodes.
pub fn shapes(engine: &Engine) -> Vec<Shape> {
    let field = |kind: Kind, is_mutable: bool, node: Option<&StructType>| {
        let mutability = if is_mutable { Mutability::Var } else { Mutability::Const };
        FieldType::new(mutability, kind.storage(node))
    };
    let own: Vec<Kind> = Kind::NUMBERS.into_iter().chain([Kind::Any, Kind::Extern, Kind::Func]).collect();
    let node = StructType::new(engine, own.iter().map(|kind| field(*kind, true, None)));
    let mut shapes = vec![Shape { ty: Type::Struct(node.clone()), kinds: own, is_mutable: true }];
    let all = || Kind::NUMBERS.into_iter().chain(Kind::REFERENCES);
    for is_mutable in [true, false] {
        // Sixty fields of references and more, then all kinds in another order.
        let kinds: Vec<Kind> = [Kind::Node; 60].into_iter().chain(all()).collect();
        let ty = StructType::new(engine, kinds.iter().map(|kind| field(*kind, is_mutable, Some(&node))));
        shapes.push(Shape { ty: Type::Struct(ty), kinds, is_mutable });
        shapes.extend(all().map(|kind| {
            let ty = Type::Array(ArrayType::new(engine, field(kind, is_mutable, Some(&node))));
            Shape { ty, kinds: vec![kind], is_mutable }
        }));
    }
    shapes
}

/// Calls a function for the numbers that a slice of a kind has.
macro_rules! by_kind {
    ($kind:expr, $signed:expr, $object:ident.$function:ident($($arg:expr),*)) => {
        match ($kind, $signed) {
            (Kind::I8, true) => $object.$function::<i8>($($arg),*),
            (Kind::I8, false) => $object.$function::<u8>($($arg),*),
            (Kind::I16, true) => $object.$function::<i16>($($arg),*),
            (Kind::I16, false) => $object.$function::<u16>($($arg),*),
            (Kind::I32, true) => $object.$function::<i32>($($arg),*),
            (Kind::I32, false) => $object.$function::<u32>($($arg),*),
            (Kind::I64, true) => $object.$function::<i64>($($arg),*),
            (Kind::I64, false) => $object.$function::<u64>($($arg),*),
            (Kind::F32, _) => $object.$function::<f32>($($arg),*),
            (Kind::F64, _) => $object.$function::<f64>($($arg),*),
            (Kind::V128, _) => $object.$function::<u128>($($arg),*),
            (kind, _) => panic!("{kind:?} is no number"),
        }
    };
}

impl<'s> Program<'s> {
    pub fn new(shapes: &'s [Shape], seed: u64, sizes: &'s [u32], store: &mut Store<()>) -> Program<'s> {
        let func = Func::wrap(store, || {});
        let (random, done) = (Random(seed), BTreeMap::new());
        Program { shapes, random, sizes, func, objects: Vec::new(), held: Vec::new(), here: Vec::new(), done }
    }

    /// So many scopes, after each of which some of its objects are held.
    pub fn run(&mut self, store: &mut Store<()>, scopes: u32) {
        for _ in 0..scopes {
            let mut scope = RootScope::new(&mut *store);
            let held = self.held.iter().map(|held| (held.number, held.root.to_rooted(&mut scope).unwrap()));
            self.here = held.collect();
            for _ in 0..self.random.below(8) + 1 {
                self.step(&mut scope);
            }
            let made = std::mem::take(&mut self.here).split_off(self.held.len());
            for (number, handle) in made {
                if self.random.below(3) > 0 {
                    self.held.push(Held { number, root: handle.to_owned(&mut scope).unwrap() });
                }
            }
            drop(scope);
            while self.held.len() > HELD_MAX || self.random.below(8) == 0 && !self.held.is_empty() {
                let dropped = self.random.below(self.held.len() as u32);
                self.held.swap_remove(dropped as usize);
                *self.done.entry("drop").or_default() += 1;
            }
            if self.random.below(6) == 0 {
                store.gc().unwrap();
                *self.done.entry("gc").or_default() += 1;
            }
        }
        let mut scope = RootScope::new(&mut *store);
        let held: Vec<_> =
            self.held.iter().map(|held| (held.number, held.root.to_rooted(&mut scope).unwrap())).collect();
        let mut seen = HashMap::new();
        held.into_iter().for_each(|(number, handle)| self.compare(&mut scope, number, handle, &mut seen));
    }

    /// One operation. Values come before what they go to is looked at, since making them may move everything.
    fn step(&mut self, store: &mut impl AsContextMut<Data = ()>) {
        type Step<'s, S> = (&'static str, fn(&mut Program<'s>, &mut S) -> bool);
        let steps: [Step<'s, _>; 13] = [
            ("new struct", Program::new_struct),
            ("new array", Program::new_array),
            ("new fixed", Program::new_fixed),
            ("from slice", Program::array_of_slice),
            ("set field", Program::set_field),
            ("set", Program::set),
            ("fill", Program::fill),
            ("copy within", Program::copy_within),
            ("copy to slice", Program::copy_to_slice),
            ("copy from slice", Program::copy_from_slice),
            ("with slice", Program::with_slice),
            ("read", Program::read),
            ("compare", Program::compare_one),
        ];
        let (name, step) = self.random.of(&steps);
        if step(self, store) {
            *self.done.entry(name).or_default() += 1;
        }
    }

    // ---- what is chosen

    /// A value of a kind, for the host and for the model. May collect.
    fn value(&mut self, store: &mut impl AsContextMut<Data = ()>, kind: Kind) -> (Val, Cell) {
        if kind.is_number() {
            let bits = self.random.bits();
            return (kind.number(bits), Cell::Number(kind.stored(bits)));
        }
        let nodes: Vec<_> =
            self.here.iter().filter(|(number, _)| kind != Kind::Node || self.objects[*number].shape == 0).collect();
        let object = (!nodes.is_empty()).then(|| *nodes[self.random.below(nodes.len() as u32) as usize]);
        match (kind, self.random.below(4), object) {
            (Kind::Func, 1.., _) => (self.func.into(), Cell::Func),
            (Kind::Any | Kind::Extern, 1, _) => {
                let number = self.random.next() as i32 >> 2;
                let value = AnyRef::from_i31(store, number).unwrap();
                let value = if kind == Kind::Any { value.into() } else { value.to_extern().into() };
                (value, Cell::I31(number))
            }
            (Kind::Extern | Kind::Any, 2, _) => {
                let number = self.random.next() as u32;
                let value = ExternRef::new(store, number).unwrap();
                let value = if kind == Kind::Extern { value.into() } else { value.to_any().into() };
                (value, Cell::Host(number))
            }
            (Kind::Extern, 1.., Some((number, handle))) => (handle.to_extern().into(), Cell::Object(number)),
            (Kind::Any | Kind::Node, 1.., Some((number, handle))) => (handle.into(), Cell::Object(number)),
            _ => (kind.null(), Cell::Null),
        }
    }

    fn shape(&mut self, wanted: impl Fn(&Shape) -> bool) -> usize {
        let fitting: Vec<_> = (0..self.shapes.len()).filter(|shape| wanted(&self.shapes[*shape])).collect();
        self.random.of(&fitting)
    }

    /// An array's length: few elements, or about as many as make a size.
    fn length(&mut self, kind: Kind) -> u32 {
        if self.random.below(4) > 0 {
            return self.random.below(40);
        }
        let size = self.random.of(self.sizes) / kind.bytes();
        (size + self.random.below(5)).saturating_sub(2)
    }

    /// An object of the scope with a shape that is wanted.
    fn object(&mut self, wanted: impl Fn(&Shape) -> bool) -> Option<(usize, Rooted<AnyRef>)> {
        let fitting: Vec<_> = self.here.iter().filter(|(n, _)| wanted(&self.shapes[self.objects[*n].shape])).collect();
        (!fitting.is_empty()).then(|| *fitting[self.random.below(fitting.len() as u32) as usize])
    }

    fn array(&mut self, wanted: impl Fn(&Shape) -> bool) -> Option<(usize, Rooted<AnyRef>, Kind)> {
        let (number, handle) = self.object(|shape| matches!(shape.ty, Type::Array(_)) && wanted(shape))?;
        Some((number, handle, self.shapes[self.objects[number].shape].kinds[0]))
    }

    fn range(&mut self, number: usize) -> std::ops::Range<usize> {
        let len = self.objects[number].cells.len() as u32;
        let ends = [self.random.below(len + 1), self.random.below(len + 1)];
        let whole = self.random.below(3) == 0;
        if whole { 0..len as usize } else { ends[0].min(ends[1]) as usize..ends[0].max(ends[1]) as usize }
    }

    fn made(&mut self, shape: usize, cells: Vec<Cell>, handle: Rooted<AnyRef>) -> bool {
        self.here.push((self.objects.len(), handle));
        self.objects.push(Object { shape, cells });
        true
    }

    // ---- operations, which say whether they found something to be done to

    fn new_struct(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let shape = if self.random.below(2) == 0 { 0 } else { self.shape(|s| matches!(s.ty, Type::Struct(_))) };
        let shapes = self.shapes;
        let Type::Struct(ty) = &shapes[shape].ty else { panic!() };
        let (values, cells): (Vec<_>, _) = shapes[shape].kinds.iter().map(|kind| self.value(store, *kind)).unzip();
        let object = StructRef::new(&mut *store, ty, &values).unwrap();
        self.made(shape, cells, object.to_anyref())
    }

    fn new_array(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let (shapes, shape) = (self.shapes, self.shape(|shape| matches!(shape.ty, Type::Array(_))));
        let Type::Array(ty) = &shapes[shape].ty else { panic!() };
        let kind = shapes[shape].kinds[0];
        let ((value, cell), len) = (self.value(store, kind), self.length(kind));
        let array = ArrayRef::new(&mut *store, ty, &value, len).unwrap();
        self.made(shape, vec![cell; len as usize], array.to_anyref())
    }

    fn new_fixed(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let (shapes, shape) = (self.shapes, self.shape(|shape| matches!(shape.ty, Type::Array(_))));
        let Type::Array(ty) = &shapes[shape].ty else { panic!() };
        let kind = shapes[shape].kinds[0];
        // Few different ones: a host value takes an allocation, each of which may collect.
        let choices: Vec<_> = (0..8).map(|_| self.value(store, kind)).collect();
        let len = self.length(kind);
        let (values, cells): (Vec<_>, _) = (0..len).map(|_| self.random.of(&choices)).unzip();
        let array = ArrayRef::new_fixed(&mut *store, ty, &values).unwrap();
        self.made(shape, cells, array.to_anyref())
    }

    fn array_of_slice(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let shape = self.shape(|shape| matches!(shape.ty, Type::Array(_)) && shape.kinds[0].is_number());
        let (kind, is_signed) = (self.shapes[shape].kinds[0], self.random.below(2) == 0);
        by_kind!(kind, is_signed, self.slice_made_of(store, shape))
    }

    fn slice_made_of<T: Number>(&mut self, store: &mut impl AsContextMut<Data = ()>, shape: usize) -> bool {
        let shapes = self.shapes;
        let Type::Array(ty) = &shapes[shape].ty else { panic!() };
        let len = self.length(shapes[shape].kinds[0]);
        let numbers: Vec<T> = (0..len).map(|_| T::of(self.random.bits())).collect();
        let cells = numbers.iter().map(|number| Cell::Number(number.bits())).collect();
        let array = ArrayRef::from_slice(&mut *store, ty, &numbers).unwrap();
        self.made(shape, cells, array.to_anyref())
    }

    fn set_field(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let wanted = |shape: &Shape| matches!(shape.ty, Type::Struct(_)) && shape.is_mutable;
        let Some((number, handle)) = self.object(wanted) else { return false };
        let kinds = &self.shapes[self.objects[number].shape].kinds;
        let index = self.random.below(kinds.len() as u32) as usize;
        let (value, cell) = self.value(store, kinds[index]);
        handle.unwrap_struct(&*store).unwrap().set_field(&mut *store, index, value).unwrap();
        self.objects[number].cells[index] = cell;
        true
    }

    fn set(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let Some((number, handle, kind)) = self.array(|shape| shape.is_mutable) else { return false };
        let (len, (value, cell)) = (self.objects[number].cells.len() as u32, self.value(store, kind));
        if len == 0 {
            return false;
        }
        let index = self.random.below(len);
        handle.unwrap_array(&*store).unwrap().set(&mut *store, index, value).unwrap();
        self.objects[number].cells[index as usize] = cell;
        true
    }

    fn fill(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let Some((number, handle, kind)) = self.array(|shape| shape.is_mutable) else { return false };
        let (range, (value, cell)) = (self.range(number), self.value(store, kind));
        let array = handle.unwrap_array(&*store).unwrap();
        array.fill(&mut *store, range.start as u32, range.len() as u32, value).unwrap();
        self.objects[number].cells[range].fill(cell);
        true
    }

    fn copy_within(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let Some((number, handle, _)) = self.array(|shape| shape.is_mutable) else { return false };
        let (range, len) = (self.range(number), self.objects[number].cells.len());
        let target = self.random.below((len - range.len()) as u32 + 1);
        let array = handle.unwrap_array(&*store).unwrap();
        array.copy_within(&mut *store, range.start as u32..range.end as u32, target).unwrap();
        self.objects[number].cells.copy_within(range, target as usize);
        true
    }

    fn copy_to_slice(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let Some((number, handle, kind)) = self.array(|shape| shape.kinds[0].is_number()) else { return false };
        let is_signed = self.random.below(2) == 0;
        by_kind!(kind, is_signed, self.copy_to_slice_of(store, number, handle))
    }

    fn copy_to_slice_of<T: Number>(
        &mut self,
        store: &mut impl AsContextMut<Data = ()>,
        number: usize,
        handle: Rooted<AnyRef>,
    ) -> bool {
        let range = self.range(number);
        let mut numbers = vec![T::of(0); range.len()];
        let array = handle.unwrap_array(&*store).unwrap();
        array.copy_to_slice(&*store, range.start as u32, &mut numbers).unwrap();
        let cells = numbers.iter().map(|number| Cell::Number(number.bits()));
        assert!(cells.eq(self.objects[number].cells[range].iter().copied()));
        true
    }

    fn copy_from_slice(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let wanted = |shape: &Shape| shape.is_mutable && shape.kinds[0].is_number();
        let Some((number, handle, kind)) = self.array(wanted) else { return false };
        let is_signed = self.random.below(2) == 0;
        by_kind!(kind, is_signed, self.copy_from_slice_of(store, number, handle))
    }

    fn copy_from_slice_of<T: Number>(
        &mut self,
        store: &mut impl AsContextMut<Data = ()>,
        number: usize,
        handle: Rooted<AnyRef>,
    ) -> bool {
        let range = self.range(number);
        let numbers: Vec<T> = range.clone().map(|_| T::of(self.random.bits())).collect();
        let array = handle.unwrap_array(&*store).unwrap();
        array.copy_from_slice(&mut *store, range.start as u32, &numbers).unwrap();
        for (cell, number) in self.objects[number].cells[range].iter_mut().zip(numbers) {
            *cell = Cell::Number(number.bits());
        }
        true
    }

    fn with_slice(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let wanted = |shape: &Shape| shape.is_mutable && shape.kinds[0].is_number() && shape.kinds[0] != Kind::V128;
        let Some((number, handle, kind)) = self.array(wanted) else { return false };
        let is_signed = self.random.below(2) == 0;
        by_kind!(kind, is_signed, self.with_slice_of(store, number, handle))
    }

    fn with_slice_of<T: Number>(
        &mut self,
        store: &mut impl AsContextMut<Data = ()>,
        number: usize,
        handle: Rooted<AnyRef>,
    ) -> bool {
        let (range, array) = (self.range(number), handle.unwrap_array(&*store).unwrap());
        let (cells, random) = (&mut self.objects[number].cells, &mut self.random);
        let written = array.with_slice(&mut *store, |elements: &[std::cell::Cell<T>]| {
            assert!(elements.iter().map(|element| Cell::Number(element.get().bits())).eq(cells.iter().copied()));
            for (element, cell) in elements[range.clone()].iter().zip(&mut cells[range]) {
                element.set(T::of(random.bits()));
                *cell = Cell::Number(element.get().bits());
            }
            elements.len()
        });
        assert_eq!(written.unwrap(), cells.len());
        true
    }

    fn read(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let Some((number, handle)) = self.object(|_| true) else { return false };
        let len = self.objects[number].cells.len() as u32;
        if len == 0 {
            return false;
        }
        let index = self.random.below(len);
        let value = match handle.as_struct(&*store).unwrap() {
            Some(object) => object.field(&mut *store, index as usize),
            None => handle.unwrap_array(&*store).unwrap().get(&mut *store, index),
        };
        let cell = self.objects[number].cells[index as usize];
        self.compare_value(store, &value.unwrap(), cell, &mut Vec::new());
        true
    }

    fn compare_one(&mut self, store: &mut impl AsContextMut<Data = ()>) -> bool {
        let Some((number, handle)) = self.object(|_| true) else { return false };
        self.compare(store, number, handle, &mut HashMap::new());
        true
    }

    // ---- comparison

    /// Whatever an object leads to is as in the model; an object that was seen is the same again.
    fn compare(
        &self,
        store: &mut impl AsContextMut<Data = ()>,
        number: usize,
        handle: Rooted<AnyRef>,
        seen: &mut HashMap<usize, Rooted<AnyRef>>,
    ) {
        let mut waiting = vec![(number, handle)];
        while let Some((number, handle)) = waiting.pop() {
            if let Some(known) = seen.insert(number, handle) {
                assert!(handle.ref_eq(&*store, &known).unwrap(), "object {number} is two");
                continue;
            }
            let Object { shape, cells } = &self.objects[number];
            let values = match &self.shapes[*shape].ty {
                Type::Struct(ty) => {
                    let object = handle.unwrap_struct(&*store).unwrap();
                    assert_eq!(object.ty(&*store).unwrap(), *ty);
                    object.fields(&mut *store).unwrap().collect::<Vec<_>>()
                }
                Type::Array(ty) => {
                    let array = handle.unwrap_array(&*store).unwrap();
                    assert_eq!(array.ty(&*store).unwrap(), *ty);
                    assert_eq!(array.len(&*store).unwrap() as usize, cells.len());
                    array.elems(&mut *store).unwrap().collect()
                }
            };
            assert_eq!(values.len(), cells.len());
            for (value, cell) in values.iter().zip(cells) {
                self.compare_value(store, value, *cell, &mut waiting);
            }
        }
    }

    /// A value is as in the model; an object is left for later.
    fn compare_value(
        &self,
        store: &mut impl AsContextMut<Data = ()>,
        value: &Val,
        cell: Cell,
        waiting: &mut Vec<(usize, Rooted<AnyRef>)>,
    ) {
        let any = match value {
            Val::AnyRef(Some(value)) => Some(*value),
            Val::ExternRef(Some(value)) => Some(value.to_any()),
            _ => None,
        };
        let is_right = match (cell, any) {
            (Cell::Number(bits), _) => bits_of(value) == Some(bits),
            (Cell::Null, _) => value.is_null(),
            (Cell::Func, _) => value.ref_kind(&*store).unwrap() == Some(RefKind::Func),
            (Cell::I31(number), Some(any)) => any.as_i31(&*store).unwrap() == Some(number),
            (Cell::Host(number), Some(any)) => {
                let data = any.to_extern().data(store).unwrap().and_then(|data| data.downcast_ref::<u32>().copied());
                data == Some(number)
            }
            (Cell::Object(number), Some(any)) => {
                waiting.push((number, any));
                true
            }
            (_, None) => false,
        };
        assert!(is_right, "{value:?} is not {cell:?}");
    }
}
