//! Decoding without validation: what the specification calls malformed.

use crate::{Features, ModuleError};
use wasmparser::{Parser, Payload};

/// Why `bytes` cannot be decoded, if they cannot. A module that decodes may still be invalid.
pub fn is_malformed(bytes: &[u8], features: Features) -> Option<ModuleError> {
    decode_only(bytes, features).err()
}

fn decode_only(bytes: &[u8], features: Features) -> Result<(), ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(features.wasm());
    for payload in parser.parse_all(bytes) {
        read(payload?)?;
    }
    Ok(())
}

/// Reads every item of a section, and every instruction of a body or constant expression.
fn read(payload: Payload<'_>) -> Result<(), wasmparser::Error> {
    match payload {
        Payload::TypeSection(section) => items(section),
        Payload::ImportSection(section) => section.into_imports().try_for_each(|import| import.map(drop)),
        Payload::FunctionSection(section) => items(section),
        Payload::TableSection(section) => items(section),
        Payload::MemorySection(section) => items(section),
        Payload::TagSection(section) => items(section),
        Payload::GlobalSection(section) => items(section),
        Payload::ExportSection(section) => items(section),
        Payload::ElementSection(section) => items(section),
        Payload::DataSection(section) => items(section),
        Payload::CodeSectionEntry(body) => {
            for local in body.get_locals_reader()? {
                local?;
            }
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                reader.read()?;
            }
            reader.finish()
        }
        _ => Ok(()),
    }
}

fn items<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
) -> Result<(), wasmparser::Error> {
    section.into_iter().try_for_each(|item| item.map(drop))
}
