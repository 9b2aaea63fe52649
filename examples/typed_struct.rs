//! A struct of the guest as a Rust struct: people with a name, an age and a friend, made by host and guest, read and
//! written by both at the speed of loads and stores, and kept by the host beyond the scopes in which it looks at them.
//!
//! `cargo run --release --example typed_struct`

use heapwood::{Bound, Engine, Func, GcArray, GcStruct, Instance, Local, Module, Ref, Result, Root, Scope, Store};
use std::hint::black_box;
use std::time::Instant;

/// `$Person` of the guest: `module.bind` looks for a type of this name and compares the fields.
#[derive(GcStruct)]
struct Person {
    name: Ref<GcArray<u8>>,
    #[wasm(mutable)]
    age: i32,
    #[wasm(mutable)]
    friend: Option<Ref<Person>>,
}

/// The guest celebrates birthdays along a chain of friends, and makes people by calling the host.
const GUEST: &str = r#"(module
    (type $text (array (mut i8)))
    (type $Person (struct
        (field $name (ref $text)) (field $age (mut i32)) (field $friend (mut (ref null $Person)))))
    (type $hire (func (param i32) (result (ref $Person))))
    (import "host" "hire" (func $hire (type $hire)))
    (func (export "birthday") (param $of (ref null $Person)) (result i32) (local $count i32)
        (loop $next
            (if (i32.eqz (ref.is_null (local.get $of)))
                (then
                    (struct.set $Person $age (local.get $of)
                        (i32.add (struct.get $Person $age (local.get $of)) (i32.const 1)))
                    (local.set $count (i32.add (local.get $count) (i32.const 1)))
                    (local.set $of (struct.get $Person $friend (local.get $of)))
                    (br $next))))
        (local.get $count))
    (func (export "team") (param $size i32) (result (ref null $Person))
        (local $team (ref null $Person)) (local $new (ref null $Person))
        (loop $next
            (local.set $new (call $hire (local.get $size)))
            (struct.set $Person $friend (local.get $new) (local.get $team))
            (local.set $team (local.get $new))
            (br_if $next (local.tee $size (i32.sub (local.get $size) (i32.const 1)))))
        (local.get $team)))"#;

/// What makes people and their names.
#[derive(Clone)]
struct People {
    person: Bound<Person>,
    text: Bound<GcArray<u8>>,
}

impl People {
    fn new(module: &Module) -> Result<People> {
        Ok(People { person: module.bind()?, text: module.bind_array("text")? })
    }

    fn make<'s, D>(&self, s: &mut Scope<'s, D>, name: &str, age: i32) -> Result<Local<'s, Person>> {
        let name = self.text.from_slice(s, name.as_bytes())?;
        self.person.alloc(s, name, age, None)
    }
}

fn name_of<'s>(s: &mut Scope<'s, ()>, person: Local<'s, Person>) -> Result<String> {
    let text = person.name(s);
    let mut bytes = vec![0; text.len(s) as usize];
    text.copy_to_slice(s, 0, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(GUEST).expect("a module in the text format"))?;
    let people = People::new(&module)?;
    let mut store = Store::new(&engine, ());

    // A host function that makes an object for the guest.
    let makes = people.clone();
    let ty = module.types().named("hire").expect("a type of the guest");
    let ty = ty.as_concrete_func().expect("a function type").clone();
    let hire = Func::new(&mut store, ty, move |mut caller, args, results| {
        let number = args[0].i32().expect("the parameter");
        let made: Root<_> = caller.scope(|s| {
            let made = makes.make(s, &format!("worker {number}"), 20 + number)?;
            Ok(s.root(made.to_any()))
        })?;
        results[0] = made.to_rooted(&mut caller)?.into();
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[hire.into()])?;

    // Two friends, of whom one leaves the scope as an owned handle.
    let grace = store.scope(|s| {
        let ada = people.make(s, "Ada", 36)?;
        let grace = people.make(s, "Grace", 85)?;
        grace.set_friend(s, Some(ada));
        ada.set_age(s, ada.age(s) + 1);
        Ok(s.root(grace))
    })?;
    store.gc()?;

    // The guest changes them.
    let birthday = instance.get_func(&mut store, "birthday").expect("an export");
    let team = instance.get_func(&mut store, "team").expect("an export");
    let lines = store.scope(|s| {
        let grace = grace.local(s)?;
        let mut results = [heapwood::Val::I32(0)];
        let args = [grace.to_rooted(s).into()];
        birthday.call(&mut *s, &args, &mut results)?;
        assert_eq!(results[0].i32(), Some(2));
        let ada = grace.friend(s).expect("a friend");
        assert_eq!((grace.age(s), ada.age(s)), (86, 38));

        // A chain that the guest has made of objects of the host.
        team.call(&mut *s, &[heapwood::Val::I32(3)], &mut results)?;
        let heapwood::Val::AnyRef(Some(first)) = results[0] else { panic!("a team: {results:?}") };
        let mut at = first.local_as::<Person>(s)?;
        let mut lines = Vec::new();
        while let Some(person) = at {
            lines.push(format!("{} is {}", name_of(s, person)?, person.age(s)));
            at = person.friend(s);
        }
        Ok(lines)
    })?;
    assert_eq!(lines, ["worker 1 is 21", "worker 2 is 22", "worker 3 is 23"]);

    let [read, write, made] = figures(&mut store, &people, &grace)?;
    Ok(format!("{read:.1} ns to read a field, {write:.1} ns to write it, {made:.1} ns for a new person"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok typed_struct {}", run()?);
    Ok(())
}

/// Nanoseconds of a read, a write and a new object.
fn figures(store: &mut Store<()>, people: &People, grace: &Root<Person>) -> Result<[f64; 3]> {
    const ROUNDS: i32 = 1_000_000;
    let nanoseconds = |start: Instant| start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
    store.scope(|s| {
        let grace = grace.local(s)?;
        let (mut sum, start) = (0i32, Instant::now());
        for _ in 0..ROUNDS {
            sum = sum.wrapping_add(black_box(grace).age(s));
        }
        let read = nanoseconds(start);
        black_box(sum);
        let start = Instant::now();
        for round in 0..ROUNDS {
            black_box(grace).set_age(s, round);
        }
        let write = nanoseconds(start);
        assert_eq!(grace.age(s), ROUNDS - 1);
        let (name, start) = (grace.name(s), Instant::now());
        for _ in 0..ROUNDS / 1000 {
            s.inner(|s, outer| {
                for round in 0..1000 {
                    black_box(people.person.alloc(s, outer.local(name), round, None)?);
                }
                Ok(())
            })?;
        }
        Ok([read, write, nanoseconds(start)])
    })
}
