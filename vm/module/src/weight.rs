//! What a module takes of memory once it is decoded, told from its sections before anything is decoded.
//!
//! Small items weigh much more than their bytes: a type of seven bytes takes some 800, in the validator, in our own
//! form and in the engine's registry together. So a budget for compiling has to know them before the validator reads
//! them. The weights were measured as the growth of a process that compiles 100,000 of each; `tests/compile_memory.rs`
//! compares.

use crate::Features;
use wasmparser::{Chunk, CompositeInnerType, FromReader, Parser, Payload, SectionLimited, TypeSectionReader};

/// A defined type, without its parts.
const TYPE: u64 = 864;
/// A field of a struct, an array's element, a parameter or a result.
const TYPE_PART: u64 = 56;
const IMPORT: u64 = 448;
/// A function without its code.
const FUNCTION: u64 = 160;
const TABLE: u64 = 256;
const TAG: u64 = 16;
const GLOBAL: u64 = 48;
const EXPORT: u64 = 192;
/// An element segment without its items, which weigh no more than 16 bytes for each of the section's.
const ELEMENT_SEGMENT: u64 = 64;
const DATA_SEGMENT: u64 = 48;
const CUSTOM_SECTION: u64 = 96;

/// Bytes that decoding and validating a module takes, but for function bodies and the module's own bytes. Of a
/// malformed module, what stands before the place that is malformed counts.
pub fn decoded_bytes(bytes: &[u8], features: Features) -> u64 {
    let mut parser = Parser::new(0);
    parser.set_features(features.wasm());
    let (mut rest, mut sum) = (bytes, 0);
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(rest, true) {
        sum += weight(&payload);
        rest = &rest[consumed..];
        match payload {
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                let Some(behind) = rest.get(size as usize..) else { break };
                rest = behind;
            }
            Payload::End(_) => break,
            _ => {}
        }
    }
    sum
}

fn weight(payload: &Payload<'_>) -> u64 {
    match payload {
        Payload::TypeSection(section) => types(section),
        Payload::ImportSection(section) => items(section, IMPORT),
        Payload::FunctionSection(section) => items(section, FUNCTION),
        Payload::TableSection(section) => items(section, TABLE),
        Payload::TagSection(section) => items(section, TAG),
        Payload::GlobalSection(section) => items(section, GLOBAL),
        Payload::ExportSection(section) => items(section, EXPORT),
        Payload::ElementSection(section) => items(section, ELEMENT_SEGMENT),
        Payload::DataSection(section) => items(section, DATA_SEGMENT),
        Payload::CustomSection(_) => CUSTOM_SECTION,
        _ => 0,
    }
}

/// A section's items; an item has a byte at least, whatever number the section names.
fn items<'a, T: FromReader<'a>>(section: &SectionLimited<'a, T>, each: u64) -> u64 {
    u64::from(section.count()).min(section.range().len() as u64) * each
}

fn types(section: &TypeSectionReader<'_>) -> u64 {
    let groups = section.clone().into_iter().map_while(Result::ok);
    groups.map(|group| group.types().map(|ty| TYPE + TYPE_PART * parts(&ty.composite_type.inner)).sum::<u64>()).sum()
}

fn parts(ty: &CompositeInnerType) -> u64 {
    match ty {
        CompositeInnerType::Func(ty) => (ty.params().len() + ty.results().len()) as u64,
        CompositeInnerType::Struct(ty) => ty.fields.len() as u64,
        CompositeInnerType::Array(_) | CompositeInnerType::Cont(_) => 1,
    }
}
