//! Writes results.

use super::types::{Type, flag_bytes};
use super::{Guest, Trap, Value};

/// Writes a value to where the guest wants its result.
pub(crate) fn lower<G: Guest>(ty: &Type, value: &Value, at: u32, guest: &mut G) -> Result<(), G::Error> {
    if !at.is_multiple_of(ty.align()) {
        return Err(Trap(format!("the place {at:#x} for a result is not aligned to {}", ty.align())).into());
    }
    // All of it, before any of its parts calls the guest.
    place(guest.memory(), at, ty.size())?;
    store(ty, value, at, guest)
}

/// The core value of a result that is one.
pub(crate) fn flat(value: &Value) -> u64 {
    match value {
        Value::Int(number) => *number,
        Value::Case(number, _) => u64::from(*number),
        other => unreachable!("{other:?} takes more than one core value"),
    }
}

/// `len` bytes of the memory.
fn place(memory: &mut [u8], at: u32, len: u32) -> Result<&mut [u8], Trap> {
    let (start, size) = (at as usize, memory.len());
    memory.get_mut(start..start + len as usize).ok_or_else(|| {
        Trap(format!("{len} bytes for a result at {at:#x} do not lie in the memory, which has {size} bytes"))
    })
}

/// Writes a value to a place that was checked; the guest may have changed its memory meanwhile, but none shrinks.
fn store<G: Guest>(ty: &Type, value: &Value, at: u32, guest: &mut G) -> Result<(), G::Error> {
    match (ty, value) {
        (Type::Tuple(fields), Value::Tuple(values)) => {
            let mut offset = 0u32;
            for (field, value) in fields.iter().zip(values) {
                offset = offset.next_multiple_of(field.align());
                store(field, value, at + offset, guest)?;
                offset += field.size();
            }
        }
        (Type::Variant(_) | Type::Option(_) | Type::Result(..), Value::Case(number, contents)) => {
            put(guest, at, &[*number as u8])?;
            if let (Some(case), Some(contents)) = (ty.case(*number), contents) {
                store(case, contents, at + ty.contents_offset(), guest)?;
            }
        }
        (Type::Text, Value::Text(text)) => bytes(text.as_bytes(), at, guest)?,
        (Type::List(_), Value::Bytes(list)) => bytes(list, at, guest)?,
        (Type::List(element), Value::List(list)) => {
            let start = allocate(element, list.len(), guest)?;
            for (place, value) in (0u32..).zip(list) {
                store(element, value, start + place * element.size(), guest)?;
            }
            put_pair(guest, at, start, list.len())?;
        }
        (Type::Flags(count), Value::Int(flags)) => put(guest, at, &flags.to_le_bytes()[..flag_bytes(*count) as usize])?,
        (_, Value::Int(number)) => put(guest, at, &number.to_le_bytes()[..ty.size() as usize])?,
        _ => unreachable!("{value:?} is no {ty:?}"),
    }
    Ok(())
}

fn put<G: Guest>(guest: &mut G, at: u32, bytes: &[u8]) -> Result<(), G::Error> {
    place(guest.memory(), at, bytes.len() as u32)?.copy_from_slice(bytes);
    Ok(())
}

/// Where a string or list lies, and how long it is.
fn put_pair<G: Guest>(guest: &mut G, at: u32, start: u32, len: usize) -> Result<(), G::Error> {
    put(guest, at, &start.to_le_bytes())?;
    put(guest, at + 4, &(len as u32).to_le_bytes())
}

fn bytes<G: Guest>(bytes: &[u8], at: u32, guest: &mut G) -> Result<(), G::Error> {
    let start = allocate(&Type::U8, bytes.len(), guest)?;
    put(guest, start, bytes)?;
    put_pair(guest, at, start, bytes.len())
}

/// Room for a list in the guest's memory.
fn allocate<G: Guest>(element: &Type, count: usize, guest: &mut G) -> Result<u32, G::Error> {
    let size = u32::try_from(count).ok().and_then(|count| count.checked_mul(element.size()));
    let size = size.ok_or_else(|| Trap(format!("a list of {count} elements does not fit a memory of 32 bits")))?;
    let start = guest.realloc(element.align(), size)?;
    if !start.is_multiple_of(element.align()) {
        return Err(
            Trap(format!("the guest made room at {start:#x}, which is not aligned to {}", element.align())).into()
        );
    }
    place(guest.memory(), start, size)?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out what comes behind 64.
    struct Heap {
        memory: Vec<u8>,
        next: u32,
    }

    impl Guest for Heap {
        type Error = Trap;

        fn memory(&mut self) -> &mut [u8] {
            &mut self.memory
        }

        fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Trap> {
            let start = self.next.next_multiple_of(align);
            self.next = start.wrapping_add(size);
            Ok(start)
        }
    }

    const NAMES: Type = Type::List(&Type::Tuple(&[Type::Text, Type::U64]));

    fn named(name: &str, number: u64) -> Value {
        Value::Tuple(vec![Value::Text(name.to_owned()), Value::Int(number)])
    }

    #[test]
    fn lists_of_records_with_strings() {
        let mut heap = Heap { memory: vec![0; 256], next: 64 };
        let ty = Type::Result(Some(&NAMES), Some(&Type::Enum(3)));
        let value = Value::Case(0, Some(Box::new(Value::List(vec![named("ab", 1), named("c", 2)]))));
        lower(&ty, &value, 8, &mut heap).unwrap();
        let words = |at: usize| u32::from_le_bytes(*heap.memory[at..].first_chunk().unwrap());
        assert_eq!((heap.memory[8], words(12), words(16)), (0, 64, 2));
        assert_eq!((words(64), words(68), words(72)), (96, 2, 1));
        assert_eq!((words(80), words(84), words(88)), (98, 1, 2));
        assert_eq!(&heap.memory[96..99], b"abc");
        lower(&ty, &Value::Case(1, Some(Box::new(Value::Int(2)))), 8, &mut heap).unwrap();
        assert_eq!((heap.memory[8], heap.memory[12]), (1, 2));
    }

    #[test]
    fn a_guest_that_lies_about_its_memory_traps() {
        let text = Value::Text("abc".to_owned());
        for (next, place, said) in [
            (254, 8, "do not lie in the memory"),
            (u32::MAX - 2, 8, "do not lie in the memory"),
            (64, 252, "do not lie in the memory"),
            (64, 0xffff_fffc, "do not lie in the memory"),
            (64, 10, "not aligned"),
        ] {
            let mut heap = Heap { memory: vec![0; 256], next: 64 };
            heap.next = next;
            let error = lower(&Type::Text, &text, place, &mut heap).unwrap_err();
            assert!(error.0.contains(said), "{next} {place}: {error}");
        }
        let mut heap = Heap { memory: vec![0; 256], next: 64 };
        struct Odd<'h>(&'h mut Heap);
        impl Guest for Odd<'_> {
            type Error = Trap;
            fn memory(&mut self) -> &mut [u8] {
                self.0.memory()
            }
            fn realloc(&mut self, _: u32, _: u32) -> Result<u32, Trap> {
                Ok(65)
            }
        }
        let error = lower(&NAMES, &Value::List(vec![named("a", 1)]), 8, &mut Odd(&mut heap)).unwrap_err();
        assert!(error.0.contains("made room at 0x41"), "{error}");
    }
}
