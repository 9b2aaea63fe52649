//! Types of interfaces: their core types, size and alignment.

use heapwood_wasi::ParamType;

/// A type; those that the functions of the surface have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    Bool,
    U8,
    U32,
    U64,
    Text,
    List(&'static Type),
    /// Also a record.
    Tuple(&'static [Type]),
    /// An enum of this many cases without contents.
    Enum(u32),
    /// This many flags, at most 32.
    Flags(u32),
    Variant(&'static [Option<Type>]),
    Option(&'static Type),
    Result(Option<&'static Type>, Option<&'static Type>),
    /// A handle that the guest gets.
    Own,
    /// A handle that the guest has and keeps.
    Borrow,
}

impl Type {
    /// Number of cases; 0 unless there are such with contents.
    pub fn cases(&self) -> u32 {
        match self {
            Type::Variant(cases) => cases.len() as u32,
            Type::Option(_) | Type::Result(..) => 2,
            _ => 0,
        }
    }

    /// The contents of a case.
    pub fn case(&self, number: u32) -> Option<&'static Type> {
        match (self, number) {
            (Type::Variant(cases), _) => cases.get(number as usize)?.as_ref(),
            (Type::Option(some), 1) => Some(some),
            (Type::Result(ok, _), 0) => *ok,
            (Type::Result(_, error), 1) => *error,
            _ => None,
        }
    }

    fn contents(&self) -> impl Iterator<Item = &'static Type> + '_ {
        (0..self.cases()).filter_map(|number| self.case(number))
    }

    /// Alignment in bytes.
    pub fn align(&self) -> u32 {
        match self {
            Type::Bool | Type::U8 | Type::Enum(_) => 1,
            Type::Flags(count) => flag_bytes(*count),
            Type::U64 => 8,
            Type::U32 | Type::Text | Type::List(_) | Type::Own | Type::Borrow => 4,
            Type::Tuple(fields) => fields.iter().map(Type::align).max().unwrap_or(1),
            Type::Variant(_) | Type::Option(_) | Type::Result(..) => {
                self.contents().map(Type::align).max().unwrap_or(1)
            }
        }
    }

    /// Size in bytes, a multiple of the alignment.
    pub fn size(&self) -> u32 {
        match self {
            Type::Text | Type::List(_) => 8,
            Type::Tuple(fields) => {
                let end = fields.iter().fold(0u32, |end, field| end.next_multiple_of(field.align()) + field.size());
                end.next_multiple_of(self.align())
            }
            Type::Variant(_) | Type::Option(_) | Type::Result(..) => {
                let largest = self.contents().map(Type::size).max().unwrap_or(0);
                (self.contents_offset() + largest).next_multiple_of(self.align())
            }
            _ => self.align(),
        }
    }

    /// Where the contents of a case lie: behind its number, one byte.
    pub fn contents_offset(&self) -> u32 {
        1u32.next_multiple_of(self.align())
    }

    /// Appends the core types as which a value is passed.
    pub fn flatten(&self, out: &mut Vec<ParamType>) {
        match self {
            Type::U64 => out.push(ParamType::I64),
            Type::Text | Type::List(_) => out.extend([ParamType::I32; 2]),
            Type::Tuple(fields) => fields.iter().for_each(|field| field.flatten(out)),
            Type::Variant(_) | Type::Option(_) | Type::Result(..) => {
                out.push(ParamType::I32);
                let start = out.len();
                for contents in self.contents() {
                    let mut flat = Vec::new();
                    contents.flatten(&mut flat);
                    join(out, start, &flat);
                }
            }
            _ => out.push(ParamType::I32),
        }
    }

    /// The core types of one value, in order, as the canonical ABI flattens it.
    pub fn flat(&self) -> Vec<ParamType> {
        let mut out = Vec::new();
        self.flatten(&mut out);
        out
    }
}

/// Cases share their places: one that takes both types is of the wider one.
fn join(out: &mut Vec<ParamType>, start: usize, flat: &[ParamType]) {
    for (place, ty) in flat.iter().enumerate() {
        match out.get_mut(start + place) {
            Some(joined) if *joined != *ty => *joined = ParamType::I64,
            Some(_) => {}
            None => out.push(*ty),
        }
    }
}

/// Bytes of so many flags.
pub(super) fn flag_bytes(count: u32) -> u32 {
    match count {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_variants_lie_as_the_canonical_abi_says() {
        const TIME: Type = Type::Tuple(&[Type::U64, Type::U32]);
        assert_eq!((TIME.size(), TIME.align()), (16, 8));
        assert_eq!((Type::Option(&TIME).size(), Type::Option(&TIME).contents_offset()), (24, 8));
        assert_eq!(Type::Result(None, None).size(), 1);
        let bytes = Type::Result(Some(&Type::Tuple(&[Type::List(&Type::U8), Type::Bool])), Some(&Type::Enum(37)));
        assert_eq!((bytes.size(), bytes.align(), bytes.contents_offset()), (16, 4, 4));
        assert_eq!((Type::Flags(6).size(), Type::Flags(9).size(), Type::Flags(17).size()), (1, 2, 4));
    }

    #[test]
    fn cases_share_core_values() {
        use ParamType::{I32, I64};
        const TIME: Type = Type::Tuple(&[Type::U64, Type::U32]);
        assert_eq!(Type::Variant(&[None, None, Some(TIME)]).flat(), [I32, I64, I32]);
        assert_eq!(Type::Result(Some(&Type::U64), Some(&Type::Enum(3))).flat(), [I32, I64]);
        assert_eq!(Type::Result(Some(&Type::Text), Some(&Type::U64)).flat(), [I32, I64, I32]);
    }
}
