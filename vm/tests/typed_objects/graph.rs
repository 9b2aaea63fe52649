//! Random programs over a graph of typed objects, and what they do to objects of a model.

use crate::module;
use crate::random::Random;
use heapwood_derive::{GcEnum, GcStruct};
use heapwood_vm::*;
use std::collections::{BTreeMap, HashMap};

/// Objects that a program holds at a time.
const HELD_MAX: usize = 20;

#[derive(GcStruct)]
struct Item {
    #[wasm(mutable)]
    val: i64,
    #[wasm(mutable)]
    next: Option<Ref<Item>>,
    #[wasm(mutable)]
    items: Option<Ref<Items>>,
    #[wasm(mutable)]
    data: Option<Ref<AnyRef>>,
    id: u16,
}

/// An item with one more field.
#[derive(GcStruct)]
#[wasm(extends = Item)]
struct Special {
    #[wasm(mutable)]
    val: i64,
    #[wasm(mutable)]
    next: Option<Ref<Item>>,
    #[wasm(mutable)]
    items: Option<Ref<Items>>,
    #[wasm(mutable)]
    data: Option<Ref<AnyRef>>,
    id: u16,
    #[wasm(mutable)]
    weight: f64,
}

type Items = GcArray<Option<Ref<Item>>>;
type Bytes = GcArray<u8>;

#[derive(GcEnum, Clone, Copy)]
enum Object<'s> {
    Special(Local<'s, Special>),
    Item(Local<'s, Item>),
    Items(Local<'s, Items>),
    Bytes(Local<'s, Bytes>),
}

impl<'s> Object<'s> {
    fn any(self) -> Local<'s, AnyRef> {
        match self {
            Object::Special(special) => special.to_any(),
            Object::Item(item) => item.to_any(),
            Object::Items(items) => items.to_any(),
            Object::Bytes(bytes) => bytes.to_any(),
        }
    }

    fn item(self) -> Option<Local<'s, Item>> {
        match self {
            Object::Special(special) => Some(special.upcast()),
            Object::Item(item) => Some(item),
            _ => None,
        }
    }

    /// In an inner scope.
    fn within<'i>(self, outer: &Outer<'i, 's>) -> Object<'i> {
        match self {
            Object::Special(special) => Object::Special(outer.local(special)),
            Object::Item(item) => Object::Item(outer.local(item)),
            Object::Items(items) => Object::Items(outer.local(items)),
            Object::Bytes(bytes) => Object::Bytes(outer.local(bytes)),
        }
    }
}

const TEXT: &str = "(module
    (rec
      (type $Item (sub (struct (field (mut i64)) (field (mut (ref null $Item))) (field (mut (ref null $items)))
        (field (mut anyref)) (field i16))))
      (type $items (array (mut (ref null $Item))))
      (type $Special (sub final $Item (struct (field (mut i64)) (field (mut (ref null $Item)))
        (field (mut (ref null $items))) (field (mut anyref)) (field i16) (field (mut f64))))))
    (type $bytes (array (mut i8))))";

/// What objects are made of.
pub struct Types {
    item: Bound<Item>,
    special: Bound<Special>,
    items: Bound<Items>,
    bytes: Bound<Bytes>,
}

impl Types {
    pub fn new(engine: &Engine) -> Types {
        let module = module(engine, TEXT);
        Types {
            item: module.bind().unwrap(),
            special: module.bind().unwrap(),
            items: module.bind_array("items").unwrap(),
            bytes: module.bind_array("bytes").unwrap(),
        }
    }
}

/// What stands in a field of `any`.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Data {
    Null,
    Small(i32),
    Object(usize),
}

#[derive(Clone, Debug)]
enum Model {
    Item { val: i64, next: Option<usize>, items: Option<usize>, data: Data, id: u16, weight: Option<f64> },
    Items(Vec<Option<usize>>),
    Bytes(Vec<u8>),
}

pub struct Program<'t> {
    types: &'t Types,
    random: Random,
    objects: Vec<Model>,
    held: Vec<(usize, Root<AnyRef>)>,
    /// Operations so far, by their names.
    pub done: BTreeMap<&'static str, u64>,
}

/// Objects of a scope, by their numbers.
type Here<'s> = Vec<(usize, Object<'s>)>;

impl<'t> Program<'t> {
    pub fn new(types: &'t Types, seed: u64) -> Program<'t> {
        Program { types, random: Random(seed), objects: Vec::new(), held: Vec::new(), done: BTreeMap::new() }
    }

    fn count(&mut self, name: &'static str) {
        *self.done.entry(name).or_default() += 1;
    }

    /// So many scopes, after each of which some of its objects are held.
    pub fn run(&mut self, store: &mut Store<()>, scopes: u32) {
        for _ in 0..scopes {
            store
                .scope(|s| {
                    s.bind(&self.types.special)?;
                    s.bind(&self.types.items)?;
                    s.bind(&self.types.bytes)?;
                    let mut here = self.held_objects(s)?;
                    let before = here.len();
                    for _ in 0..self.random.below(12) + 1 {
                        self.step(s, &mut here, 2)?;
                    }
                    for (number, object) in here.split_off(before) {
                        if self.random.below(3) > 0 {
                            self.held.push((number, s.root(object.any())));
                        }
                    }
                    Ok(())
                })
                .unwrap();
            while self.held.len() > HELD_MAX || self.random.below(8) == 0 && !self.held.is_empty() {
                let dropped = self.random.below(self.held.len() as u32);
                drop(self.held.swap_remove(dropped as usize));
                self.count("drop");
            }
            if self.random.below(4) == 0 {
                store.gc().unwrap();
                self.count("gc");
            }
        }
        store
            .scope(|s| {
                let held = self.held_objects(s)?;
                let mut seen = HashMap::new();
                held.into_iter().for_each(|(number, object)| self.compare(s, number, object, &mut seen));
                Ok(())
            })
            .unwrap();
    }

    fn held_objects<'s>(&self, s: &mut Scope<'s, ()>) -> Result<Here<'s>> {
        let held = self.held.iter();
        held.map(|(number, root)| Ok((*number, root.local(s)?.downcast(s).expect("one of these types")))).collect()
    }

    /// One operation, or some in an inner scope.
    fn step<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>, depth: u32) -> Result<()> {
        match self.random.below(12) {
            0 | 1 => self.new_item(s, here),
            2 => self.new_special(s, here),
            3 => self.new_items(s, here),
            4 => self.new_bytes(s, here),
            5 => self.set_number(s, here),
            6 => self.set_next(s, here),
            7 => self.set_items(s, here),
            8 => self.set_data(s, here),
            9 => self.set_element(s, here),
            10 if depth > 0 => {
                self.count("inner");
                let mut found = Vec::new();
                s.inner(|s, outer| {
                    let mut inner: Here<'_> =
                        here.iter().map(|(number, object)| (*number, object.within(&outer))).collect();
                    for _ in 0..4 {
                        self.step(s, &mut inner, depth - 1)?;
                    }
                    if let Some((number, object)) = inner.pop() {
                        found.push((number, s.root(object.any())));
                    }
                    Ok(())
                })?;
                for (number, root) in found {
                    here.push((number, root.local(s)?.downcast(s).expect("one of these types")));
                }
                Ok(())
            }
            _ => {
                self.follow(s, here);
                Ok(())
            }
        }
    }

    fn pick<'s, T>(&mut self, here: &Here<'s>, choose: impl Fn(Object<'s>) -> Option<T>) -> Option<(usize, T)> {
        let mut fit: Vec<_> =
            here.iter().filter_map(|(number, object)| choose(*object).map(|chosen| (*number, chosen))).collect();
        match fit.len() {
            0 => None,
            len => Some(fit.swap_remove(self.random.below(len as u32) as usize)),
        }
    }

    fn item<'s>(&mut self, here: &Here<'s>) -> Option<(usize, Local<'s, Item>)> {
        self.pick(here, Object::item)
    }

    fn items<'s>(&mut self, here: &Here<'s>) -> Option<(usize, Local<'s, Items>)> {
        self.pick(here, |object| match object {
            Object::Items(items) => Some(items),
            _ => None,
        })
    }

    /// Something for a field of `any`.
    fn data<'s>(&mut self, s: &mut Scope<'s, ()>, here: &Here<'s>) -> Result<(Data, Option<Local<'s, AnyRef>>)> {
        Ok(match self.random.below(4) {
            0 => (Data::Null, None),
            1 => {
                let value = self.random.below(1 << 20) as i32 - (1 << 19);
                (Data::Small(value), Some(s.i31(value)?.to_any()))
            }
            _ => match self.pick(here, Some) {
                Some((number, object)) => (Data::Object(number), Some(object.any())),
                None => (Data::Null, None),
            },
        })
    }

    fn add<'s>(&mut self, here: &mut Here<'s>, model: Model, object: Object<'s>) {
        here.push((self.objects.len(), object));
        self.objects.push(model);
    }

    fn new_item<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        self.count("new item");
        let (next, items, (data, any)) = (self.item(here), self.items(here), self.data(s, here)?);
        let (val, id) = (self.random.next() as i64, self.random.next() as u16);
        let made = self.types.item.alloc(s, val, next.map(|n| n.1), items.map(|i| i.1), any, id)?;
        let (next, items) = (next.map(|n| n.0), items.map(|i| i.0));
        self.add(here, Model::Item { val, next, items, data, id, weight: None }, Object::Item(made));
        Ok(())
    }

    fn new_special<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        self.count("new special");
        let (next, weight) = (self.item(here), f64::from(self.random.below(1000)) / 8.0);
        let made = self.types.special.alloc(s, -1, next.map(|n| n.1), None, None, 7, weight)?;
        let next = next.map(|n| n.0);
        let model = Model::Item { val: -1, next, items: None, data: Data::Null, id: 7, weight: Some(weight) };
        self.add(here, model, Object::Special(made));
        Ok(())
    }

    fn new_items<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        self.count("new items");
        let (item, len) = (self.item(here), self.random.of(&[0, 1, 5, 70, 3_000, 9_000]));
        let made = self.types.items.alloc(s, len, item.map(|i| i.1))?;
        self.add(here, Model::Items(vec![item.map(|i| i.0); len as usize]), Object::Items(made));
        Ok(())
    }

    fn new_bytes<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        self.count("new bytes");
        let len = self.random.of(&[0, 3, 100, 40_000]);
        let bytes: Vec<u8> = (0..len).map(|_| self.random.next() as u8).collect();
        let made = self.types.bytes.from_slice(s, &bytes)?;
        self.add(here, Model::Bytes(bytes), Object::Bytes(made));
        Ok(())
    }

    fn set_number<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        let Some((number, object)) = self.pick(here, Some) else { return Ok(()) };
        self.count("set number");
        let random = self.random.next();
        match (&mut self.objects[number], object) {
            (Model::Item { weight: Some(weight), .. }, Object::Special(special)) => {
                *weight = random as f64;
                special.set_weight(s, *weight);
            }
            (Model::Item { val, .. }, Object::Item(item)) => {
                *val = val.wrapping_add(random as i64);
                item.set_val(s, item.val(s).wrapping_add(random as i64));
            }
            (Model::Bytes(model), Object::Bytes(bytes)) if !model.is_empty() => {
                let index = random as usize % model.len();
                model[index] ^= 1;
                bytes.set(s, index as u32, bytes.get_number(s, index as u32) ^ 1);
                let end = (index + 20).min(model.len());
                model[index..end].iter_mut().for_each(|byte| *byte = byte.wrapping_add(3));
                bytes.with_slice(s, |bytes| {
                    bytes[index..end].iter().for_each(|byte| byte.set(byte.get().wrapping_add(3)));
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn set_next<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        let (Some((number, item)), other) = (self.item(here), self.item(here)) else { return Ok(()) };
        self.count("set next");
        item.set_next(s, other.map(|o| o.1));
        let Model::Item { next, .. } = &mut self.objects[number] else { panic!() };
        *next = other.map(|o| o.0);
        Ok(())
    }

    fn set_items<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        let (Some((number, item)), other) = (self.item(here), self.items(here)) else { return Ok(()) };
        self.count("set items");
        item.set_items(s, other.map(|o| o.1));
        let Model::Item { items, .. } = &mut self.objects[number] else { panic!() };
        *items = other.map(|o| o.0);
        Ok(())
    }

    fn set_data<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        let Some((number, item)) = self.item(here) else { return Ok(()) };
        self.count("set data");
        let (value, any) = self.data(s, here)?;
        item.set_data(s, any);
        let Model::Item { data, .. } = &mut self.objects[number] else { panic!() };
        *data = value;
        Ok(())
    }

    fn set_element<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) -> Result<()> {
        let (Some((number, array)), item) = (self.items(here), self.item(here)) else { return Ok(()) };
        let len = array.len(s);
        if len == 0 {
            return Ok(());
        }
        self.count("set element");
        let (start, some) = (self.random.below(len), self.random.below(4) > 0);
        let Model::Items(model) = &mut self.objects[number] else { panic!() };
        assert_eq!(model.len(), len as usize);
        if some {
            array.set(s, start, item.map(|i| i.1));
            model[start as usize] = item.map(|i| i.0);
        } else {
            array.fill(s, start, len - start, item.map(|i| i.1))?;
            model[start as usize..].fill(item.map(|i| i.0));
        }
        Ok(())
    }

    /// Goes where a reference leads to.
    fn follow<'s>(&mut self, s: &mut Scope<'s, ()>, here: &mut Here<'s>) {
        let Some((number, object)) = self.pick(here, Some) else { return };
        self.count("follow");
        let choice = self.random.next() as usize;
        let found = match (&self.objects[number], object.item(), object) {
            (Model::Item { next, items, data, .. }, Some(item), _) => match choice % 3 {
                0 => same(*next, item.next(s).map(Local::to_any)),
                1 => same(*items, item.items(s).map(Local::to_any)),
                _ => match (data, item.data(s)) {
                    (Data::Null, None) => None,
                    (Data::Small(value), Some(any)) => {
                        assert_eq!(any.cast::<I31Ref>(s).unwrap().value(s), *value);
                        None
                    }
                    (Data::Object(number), any) => same(Some(*number), any),
                    (data, any) => panic!("{any:?} instead of {data:?}"),
                },
            },
            (Model::Items(items), _, Object::Items(array)) if !items.is_empty() => {
                let index = choice % items.len();
                same(items[index], array.get(s, index as u32).map(Local::to_any))
            }
            _ => None,
        };
        if let Some((number, any)) = found {
            here.push((number, any.downcast(s).expect("one of these types")));
        }
    }

    /// What is reached from an object is what the model says, and the same object exactly if the number is the same.
    fn compare<'s>(
        &self,
        s: &mut Scope<'s, ()>,
        number: usize,
        object: Object<'s>,
        seen: &mut HashMap<usize, Local<'s, AnyRef>>,
    ) {
        let mut waiting = vec![(number, object.any())];
        while let Some((number, any)) = waiting.pop() {
            if let Some(known) = seen.insert(number, any) {
                assert!(known.ref_eq(s, any), "object {number} twice");
                continue;
            }
            let object: Object<'_> = any.downcast(s).expect("one of these types");
            match (&self.objects[number], object) {
                (Model::Items(model), Object::Items(array)) => {
                    assert_eq!(model.len(), array.len(s) as usize);
                    for (index, number) in (0..).zip(model) {
                        waiting.extend(same(*number, array.get(s, index).map(Local::to_any)));
                    }
                }
                (Model::Bytes(model), Object::Bytes(bytes)) => assert!(bytes.iter(s).eq(model.iter().copied())),
                (Model::Item { val, next, items, data, id, weight }, object) => {
                    let item = object.item().expect("an item");
                    assert_eq!((item.val(s), item.id(s)), (*val, *id), "object {number}");
                    let found = match object {
                        Object::Special(special) => Some(special.weight(s)),
                        _ => None,
                    };
                    assert_eq!(found, *weight, "object {number}");
                    waiting.extend(same(*next, item.next(s).map(Local::to_any)));
                    waiting.extend(same(*items, item.items(s).map(Local::to_any)));
                    match (data, item.data(s)) {
                        (Data::Object(number), any) => waiting.extend(same(Some(*number), any)),
                        (Data::Small(value), Some(any)) => {
                            assert_eq!(any.cast::<I31Ref>(s).unwrap().value(s), *value);
                        }
                        (data, any) => assert!(*data == Data::Null && any.is_none(), "{any:?} instead of {data:?}"),
                    }
                }
                (model, _) => panic!("object {number} is no {model:?}"),
            }
        }
    }
}

/// An object where the model has one.
fn same<'s>(number: Option<usize>, found: Option<Local<'s, AnyRef>>) -> Option<(usize, Local<'s, AnyRef>)> {
    assert_eq!(number.is_some(), found.is_some(), "{found:?} instead of object {number:?}");
    number.zip(found)
}

/// Makes many items, forgets most of them and moves references to the others about, while blocks that have become
/// sparse are evacuated. Returns how many were.
pub fn thin_out(engine: &Engine) -> u64 {
    const ITEMS: u32 = 60_000;
    const CHUNK: u32 = 500;
    let types = Types::new(engine);
    let mut store = Store::new(engine, ());
    let mut random = Random(3);
    let all = store.scope(|s| types.items.alloc(s, ITEMS, None).map(|all| s.root(all))).unwrap();
    let mut alive = vec![None; ITEMS as usize];
    let mut evacuated = 0;
    for round in 0..3i64 {
        for chunk in 0..ITEMS / CHUNK {
            store
                .scope(|s| {
                    let all = all.local(s)?;
                    for index in chunk * CHUNK..(chunk + 1) * CHUNK {
                        if alive[index as usize].is_none() {
                            let made = types.item.alloc(s, round << 32 | i64::from(index), None, None, None, 1)?;
                            all.set(s, index, Some(made));
                            alive[index as usize] = Some((round, None::<u32>));
                        }
                    }
                    Ok(())
                })
                .unwrap();
        }
        for index in 0..ITEMS {
            if random.below(5) > 0 {
                store.scope(|s| all.local(s).map(|all| all.set(s, index, None))).unwrap();
                alive[index as usize] = None;
            }
        }
        for _ in 0..1500 {
            store
                .scope(|s| {
                    let all = all.local(s)?;
                    // Old from the start, and dead with the scope.
                    types.bytes.alloc(s, 40_000, 1)?;
                    for _ in 0..20 {
                        let (from, to) = (random.below(ITEMS), random.below(ITEMS));
                        if alive[from as usize].is_some() && alive[to as usize].is_some() {
                            let (item, next) = (all.get(s, from).unwrap(), all.get(s, to));
                            item.set_next(s, next);
                            alive[from as usize].as_mut().unwrap().1 = Some(to);
                        }
                    }
                    Ok(())
                })
                .unwrap();
        }
        for chunk in 0..ITEMS / CHUNK {
            store
                .scope(|s| {
                    let all = all.local(s)?;
                    for index in chunk * CHUNK..(chunk + 1) * CHUNK {
                        let found = all.get(s, index).map(|item| item.val(s));
                        let model = alive[index as usize];
                        assert_eq!(found, model.map(|(round, _)| round << 32 | i64::from(index)));
                        if let Some((_, Some(next))) = model {
                            let next_item = all.get(s, index).unwrap().next(s).unwrap();
                            assert_eq!(next_item.val(s) as u32, next);
                        }
                    }
                    Ok(())
                })
                .unwrap();
        }
        let stats = store.gc_stats();
        println!(
            "round {round}: {} minors, {} markings, {} blocks",
            stats.minors, stats.markings, stats.evacuated_blocks
        );
        evacuated = stats.evacuated_blocks;
    }
    evacuated
}
