//! Reads arguments.

use super::types::Type;
use super::{Trap, Value};

/// The arguments of a call: `raw` are its core values, an i32 extended by zeros.
pub(crate) fn lift(params: &[Type], raw: &[u64], memory: &[u8]) -> Result<Vec<Value>, Trap> {
    let mut raw = raw.iter().copied();
    params.iter().map(|ty| value(ty, &mut raw, memory)).collect()
}

fn value(ty: &Type, raw: &mut dyn Iterator<Item = u64>, memory: &[u8]) -> Result<Value, Trap> {
    let mut next = || raw.next().unwrap_or(0);
    let mut next32 = || u64::from(next() as u32);
    Ok(match ty {
        Type::Bool => Value::Int(u64::from(next32() != 0)),
        Type::U8 => Value::Int(next32() & 0xff),
        Type::U32 | Type::Own | Type::Borrow => Value::Int(next32()),
        Type::U64 => Value::Int(next()),
        Type::Enum(cases) => Value::Int(case(next32(), *cases)?),
        Type::Flags(count) => Value::Int(next32() & (u64::MAX >> (64 - count.max(&1)))),
        Type::Text => {
            let bytes = slice(memory, next32(), next32(), 1, 1)?;
            let text = std::str::from_utf8(bytes).map_err(|_| Trap("a string is not UTF-8".to_owned()))?;
            Value::Text(text.to_owned())
        }
        Type::List(element) => {
            let bytes = slice(memory, next32(), next32(), element.size(), element.align())?;
            list(element, bytes)
        }
        Type::Tuple(fields) => {
            Value::Tuple(fields.iter().map(|field| value(field, raw, memory)).collect::<Result<_, _>>()?)
        }
        Type::Variant(_) | Type::Option(_) | Type::Result(..) => variant(ty, raw, memory)?,
    })
}

fn case(number: u64, cases: u32) -> Result<u64, Trap> {
    match number < u64::from(cases) {
        true => Ok(number),
        false => Err(Trap(format!("there is no case {number} of {cases}"))),
    }
}

fn variant(ty: &Type, raw: &mut dyn Iterator<Item = u64>, memory: &[u8]) -> Result<Value, Trap> {
    let number = case(u64::from(raw.next().unwrap_or(0) as u32), ty.cases())? as u32;
    // The places of all cases, of which this one has the first.
    let places: Vec<u64> = raw.take(ty.flat().len() - 1).collect();
    let contents = ty.case(number).map(|contents| value(contents, &mut places.into_iter(), memory)).transpose()?;
    Ok(Value::Case(number, contents.map(Box::new)))
}

/// `count` elements of `size` bytes.
fn slice(memory: &[u8], start: u64, count: u64, size: u32, align: u32) -> Result<&[u8], Trap> {
    let len = count * u64::from(size);
    if !start.is_multiple_of(align.into()) {
        return Err(Trap(format!("a list at {start:#x} is not aligned to {align}")));
    }
    let range = usize::try_from(start).ok().zip(usize::try_from(start + len).ok());
    range.and_then(|(start, end)| memory.get(start..end)).ok_or_else(|| {
        Trap(format!("{len} bytes at {start:#x} do not lie in the memory, which has {} bytes", memory.len()))
    })
}

fn list(element: &Type, bytes: &[u8]) -> Value {
    match element {
        Type::U8 => Value::Bytes(bytes.to_vec()),
        // Whatever lists functions take besides is one of handles.
        _ => {
            let handle = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            Value::List(bytes.chunks_exact(4).map(|bytes| Value::Int(handle(bytes).into())).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Type = Type::Tuple(&[Type::U64, Type::U32]);

    #[test]
    fn values_are_what_their_core_values_say() {
        let types = [
            Type::Text,
            Type::Variant(&[None, None, Some(TIME)]),
            Type::Result(Some(&Type::U64), Some(&Type::U8)),
            Type::Flags(3),
            Type::List(&Type::U32),
        ];
        let raw = [1, 2, 2, 7, 8, 1, 0x1_0000_0105, 0xff, 4, 1];
        let memory = *b"-hi-\x09\x00\x00\x00";
        let expected = [
            Value::Text("hi".to_owned()),
            Value::Case(2, Some(Box::new(Value::Tuple(vec![Value::Int(7), Value::Int(8)])))),
            Value::Case(1, Some(Box::new(Value::Int(5)))),
            Value::Int(7),
            Value::List(vec![Value::Int(9)]),
        ];
        assert_eq!(lift(&types, &raw, &memory).unwrap(), expected);
        // A case without contents leaves the places of the others.
        let rest = lift(&[types[1], Type::U32], &[0, 7, 8, 3], &memory).unwrap();
        assert_eq!(rest, [Value::Case(0, None), Value::Int(3)]);
    }

    #[test]
    fn what_lies_outside_of_the_memory_traps() {
        let memory = [0xff; 16];
        let refused = |ty: Type, raw: &[u64]| lift(&[ty], raw, &memory).unwrap_err().0;
        for raw in [[0, 17], [16, 1], [17, 0], [0xffff_ffff, 0xffff_ffff], [8, 0x8000_0000]] {
            assert!(refused(Type::Text, &raw).contains("do not lie in the memory"), "{raw:?}");
            assert!(refused(Type::List(&Type::U8), &raw).contains("do not lie in the memory"), "{raw:?}");
        }
        assert!(refused(Type::List(&Type::U32), &[0, 0x4000_0001]).contains("do not lie in the memory"));
        assert!(refused(Type::List(&Type::U32), &[2, 1]).contains("not aligned"));
        assert!(refused(Type::Text, &[0, 1]).contains("UTF-8"));
        assert!(refused(Type::Enum(6), &[6]).contains("case 6"));
        assert!(refused(Type::Result(None, None), &[2]).contains("case 2"));
        assert_eq!(lift(&[Type::Text], &[16, 0], &memory), Ok(vec![Value::Text(String::new())]));
    }
}
