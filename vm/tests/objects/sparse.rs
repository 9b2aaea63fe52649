//! Objects that move out of sparse blocks while the host holds them from one another in all the ways it has.
//!
//! Next to each reference the model keeps the number that its object has to have; -1 stands for null.

use crate::random::Random;
use heapwood_vm::*;

const NODES: u32 = 100_000;

/// A host that makes nodes, forgets most of them, and moves references about.
pub struct Host {
    store: Store<()>,
    random: Random,
    node: StructType,
    anys: ArrayType,
    /// All nodes that are alive, by their numbers, and to which one each leads.
    all: Root<ArrayRef>,
    alive: Vec<bool>,
    links: Vec<i64>,
    /// Arrays of nodes.
    arrays: Vec<(Root<ArrayRef>, Vec<i64>)>,
}

fn field(mutability: Mutability, ty: ValType) -> FieldType {
    FieldType::new(mutability, ty.into())
}

impl Host {
    pub fn new(config: &Config) -> Host {
        let engine = Engine::new(config).unwrap();
        let mut store = Store::new(&engine, ());
        let node = [field(Mutability::Var, ValType::ANYREF), field(Mutability::Const, ValType::I64)];
        let node = StructType::new(&engine, node);
        let anys = ArrayType::new(&engine, field(Mutability::Var, ValType::ANYREF));
        let mut scope = RootScope::new(&mut store);
        let [all, copy] = [(); 2].map(|()| {
            let made = ArrayRef::new(&mut scope, &anys, &Val::AnyRef(None), NODES).unwrap();
            made.to_owned(&mut scope).unwrap()
        });
        for chunk in 0..NODES / 100 {
            let mut scope = RootScope::new(&mut scope);
            let all = all.to_rooted(&mut scope).unwrap();
            for number in chunk * 100..(chunk + 1) * 100 {
                let made = StructRef::new(&mut scope, &node, &[Val::AnyRef(None), Val::I64(number.into())]).unwrap();
                all.set(&mut scope, number, made.into()).unwrap();
            }
        }
        drop(scope);
        let (alive, none) = (vec![true; NODES as usize], vec![-1; NODES as usize]);
        let (links, arrays) = (none.clone(), vec![(copy, none)]);
        Host { store, random: Random(1), node, anys, all, alive, links, arrays }
    }

    /// Forgets four nodes of five, and all arrays but one, which is empty then.
    pub fn thin(&mut self) {
        let mut scope = RootScope::new(&mut self.store);
        let all = self.all.to_rooted(&mut scope).unwrap();
        for (number, alive) in (0..).zip(&mut self.alive) {
            if self.random.below(5) > 0 {
                all.set(&mut scope, number, Val::AnyRef(None)).unwrap();
                *alive = false;
            }
        }
        self.arrays.truncate(1);
        let (array, numbers) = &mut self.arrays[0];
        array.to_rooted(&mut scope).unwrap().fill(&mut scope, 0, NODES, Val::AnyRef(None)).unwrap();
        numbers.fill(-1);
    }

    /// A node that is alive, or null, and its number.
    fn any(&mut self, scope: &mut RootScope<&mut Store<()>>) -> (Val, i64) {
        let number = self.random.below(NODES);
        let value = self.all.to_rooted(&mut *scope).unwrap().get(&mut *scope, number).unwrap();
        (value, if self.alive[number as usize] { number.into() } else { -1 })
    }

    /// So many operations, each with garbage that makes collections come.
    pub fn work(&mut self, count: u32) {
        let mut store = std::mem::replace(&mut self.store, Store::new(&Engine::default(), ()));
        for _ in 0..count {
            let mut scope = RootScope::new(&mut store);
            let values: Vec<_> = (0..8).map(|_| self.any(&mut scope)).collect();
            // Old from the start, and dead with the scope.
            for len in [50, 5_000, 30_000] {
                ArrayRef::new(&mut scope, &self.anys, &values[0].0, len).unwrap();
            }
            self.operate(&mut scope, &values);
        }
        self.store = store;
    }

    fn operate(&mut self, scope: &mut RootScope<&mut Store<()>>, values: &[(Val, i64)]) {
        let (value, number) = values[0];
        let ends = [self.random.below(NODES + 1), self.random.below(NODES + 1)];
        let (start, end) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let copy = self.arrays[0].0.to_rooted(&mut *scope).unwrap();
        let copied = &mut self.arrays[0].1;
        match self.random.below(8) {
            0 | 1 => {
                for (value, number) in &values[1..] {
                    let index = self.random.below(NODES);
                    copy.set(&mut *scope, index, *value).unwrap();
                    copied[index as usize] = *number;
                }
            }
            2 => {
                copy.fill(&mut *scope, start, end - start, value).unwrap();
                copied[start as usize..end as usize].fill(number);
            }
            3 => {
                let target = self.random.below(NODES - (end - start) + 1);
                copy.copy_within(&mut *scope, start..end, target).unwrap();
                copied.copy_within(start as usize..end as usize, target as usize);
            }
            // Small and young, small and old, large.
            4 => self.keep(scope, [10, 6_000, 20_000], |scope, ty, len| {
                let elements: Vec<_> = (0..len).map(|index| values[index as usize % values.len()]).collect();
                let (elements, numbers): (Vec<_>, _) = elements.into_iter().unzip();
                (ArrayRef::new_fixed(scope, ty, &elements).unwrap(), numbers)
            }),
            5 => self.keep(scope, [10, 6_000, 20_000], |scope, ty, len| {
                (ArrayRef::new(scope, ty, &value, len).unwrap(), vec![number; len as usize])
            }),
            6 => {
                // A young node takes the place of one.
                let number = self.random.below(NODES);
                let made = StructRef::new(&mut *scope, &self.node, &[values[1].0, Val::I64(number.into())]).unwrap();
                let place = number as usize;
                if self.alive[place] {
                    return;
                }
                (self.alive[place], self.links[place]) = (true, values[1].1);
                self.all.to_rooted(&mut *scope).unwrap().set(&mut *scope, number, made.into()).unwrap();
            }
            _ => {
                for pair in values.windows(2) {
                    if let (Val::AnyRef(Some(from)), number) = pair[0] {
                        from.unwrap_struct(&*scope).unwrap().set_field(&mut *scope, 0, pair[1].0).unwrap();
                        self.links[number as usize] = pair[1].1;
                    }
                }
            }
        }
    }

    fn keep(
        &mut self,
        scope: &mut RootScope<&mut Store<()>>,
        lengths: [u32; 3],
        make: impl FnOnce(&mut RootScope<&mut Store<()>>, &ArrayType, u32) -> (Rooted<ArrayRef>, Vec<i64>),
    ) {
        let len = self.random.of(&lengths);
        let (made, numbers) = make(scope, &self.anys, len);
        self.arrays.push((made.to_owned(&mut *scope).unwrap(), numbers));
        if self.arrays.len() > 40 {
            let dropped = 1 + self.random.below(39);
            self.arrays.swap_remove(dropped as usize);
        }
    }

    /// Every reference leads to the object with its number, and nothing else was dropped.
    pub fn check(&mut self) {
        let mut scope = RootScope::new(&mut self.store);
        let expected: Vec<i64> =
            (0..).zip(&self.alive).map(|(number, alive)| if *alive { number } else { -1 }).collect();
        for (array, numbers) in self.arrays.iter().chain([&(self.all.clone(), expected)]) {
            let array = array.to_rooted(&mut scope).unwrap();
            for chunk in 0..numbers.len().div_ceil(1000) {
                let mut scope = RootScope::new(&mut scope);
                for (index, number) in (0..).zip(numbers).skip(chunk * 1000).take(1000) {
                    let found = array.get(&mut scope, index).unwrap();
                    assert_eq!(number_of(&mut scope, found), *number, "element {index}");
                    if *number >= 0 {
                        let Val::AnyRef(Some(node)) = found else { panic!() };
                        let next = node.unwrap_struct(&scope).unwrap().field(&mut scope, 0).unwrap();
                        assert_eq!(number_of(&mut scope, next), self.links[*number as usize], "field of {number}");
                    }
                }
            }
        }
    }

    /// Blocks that were evacuated so far.
    pub fn evacuated(&self) -> u64 {
        let stats = self.store.gc_stats();
        let (minors, markings, blocks) = (stats.minors, stats.markings, stats.evacuated_blocks);
        println!("{minors} minors, {markings} markings, {blocks} blocks evacuated in {} stops", stats.evacuations);
        blocks
    }
}

fn number_of(scope: &mut impl AsContextMut, value: Val) -> i64 {
    match value {
        Val::AnyRef(None) => -1,
        Val::AnyRef(Some(node)) => {
            node.unwrap_struct(&*scope).unwrap().field(scope, 1).unwrap().i64().expect("a number of 64 bits")
        }
        other => panic!("{other:?}"),
    }
}
