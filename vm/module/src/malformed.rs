//! Decoding without validation: what the specification calls malformed.
//!
//! wasmparser's readers refuse what its grammar does not allow. Two rules of the binary format are checked by its
//! validator instead, so they stand here again: section ids, and the data count section before instructions that name
//! data segments.

use crate::{Features, ModuleError};
use wasmparser::{FromReader, FunctionBody, Operator, Parser, Payload, SectionLimited};

/// Why `bytes` cannot be decoded, if they cannot. A module that decodes may still be invalid.
pub fn is_malformed(bytes: &[u8], features: Features) -> Option<ModuleError> {
    decode_only(bytes, features).err()
}

fn decode_only(bytes: &[u8], features: Features) -> Result<(), ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(features.wasm());
    let mut has_data_count = false;
    for payload in parser.parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => items(section)?,
            Payload::ImportSection(section) => section.into_imports().try_for_each(|import| import.map(drop))?,
            Payload::FunctionSection(section) => items(section)?,
            Payload::TableSection(section) => items(section)?,
            Payload::MemorySection(section) => items(section)?,
            Payload::TagSection(section) => items(section)?,
            Payload::GlobalSection(section) => items(section)?,
            Payload::ExportSection(section) => items(section)?,
            Payload::ElementSection(section) => items(section)?,
            Payload::DataCountSection { .. } => has_data_count = true,
            Payload::DataSection(section) => items(section)?,
            Payload::CodeSectionEntry(body) => function_body(&body, has_data_count)?,
            Payload::UnknownSection { id, range, .. } => {
                return Err(ModuleError::at(range.start, format!("malformed section id: {id}")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn items<'a, T: FromReader<'a>>(section: SectionLimited<'a, T>) -> Result<(), ModuleError> {
    section.into_iter().try_for_each(|item| item.map(drop).map_err(ModuleError::from))
}

fn function_body(body: &FunctionBody<'_>, has_data_count: bool) -> Result<(), ModuleError> {
    for local in body.get_locals_reader()? {
        local?;
    }
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        let names_data = matches!(
            operator,
            Operator::MemoryInit { .. }
                | Operator::DataDrop { .. }
                | Operator::ArrayNewData { .. }
                | Operator::ArrayInitData { .. }
        );
        if names_data && !has_data_count {
            return Err(ModuleError::at(offset, "data count section required"));
        }
    }
    Ok(reader.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    const HEADER: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn garbage_is_malformed_and_errors_have_offsets() {
        let malformed = |bytes: &[u8]| is_malformed(bytes, Features::default()).map(|error| error.to_string());
        assert_eq!(malformed(HEADER), None);
        assert!(malformed(b"").unwrap().ends_with("(at offset 0x0)"));
        assert!(malformed(b"garbage.").unwrap().contains("magic"));
        let unknown = [HEADER, &[14, 0]].concat();
        assert_eq!(malformed(&unknown).unwrap(), "malformed section id: 14 (at offset 0xa)");
    }

    /// Every prefix of a module, and the module with every byte changed, is an answer and no panic.
    #[test]
    fn damaged_modules_are_answered() {
        let text = r#"(module
            (rec (type $s (sub (struct (field (mut i32)) (field (ref null $a))))) (type $a (array (mut (ref null $s)))))
            (type $t (sub final $s (struct (field (mut i32)) (field (ref null $a)) (field v128))))
            (import "m" "f" (func (param (ref $t)))) (import "m" "g" (global i32))
            (memory 1 2) (table 3 funcref) (tag (param i32))
            (global (ref $s) (struct.new $s (i32.add (global.get 0) (i32.const 1)) (ref.null $a)))
            (global (mut v128) (v128.const i64x2 1 2))
            (func $f (export "f") (param i32) (result i32) (local $t (ref null $t)) (i32.load offset=4 (local.get 0)))
            (func (drop (ref.func $f)) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)))
            (elem (i32.const 0) func $f) (elem declare (ref null func) (ref.null func))
            (data $d "abc") (data (i32.const 8) "def"))"#;
        let bytes = wat::parse_str(text).unwrap();
        let answer = |bytes: &[u8]| {
            let malformed = is_malformed(bytes, Features::default()).is_some();
            let valid = decode(bytes.into(), Features::default()).and_then(|module| module.validate_bodies());
            assert!(!(malformed && valid.is_ok()), "a malformed module is not valid");
            if let Ok(info) = valid {
                let names = info.names();
                let _ = (names.module(), names.function(1), names.local(1, 0), names.field(0, 0), names.ty(0));
                crate::ContextLayout::new(&info);
            }
        };
        for end in 0..bytes.len() {
            answer(&bytes[..end]);
        }
        let mut damaged = bytes.clone();
        for place in 0..bytes.len() {
            for value in [0, 1, 0x40, 0x63, 0x7f, 0x80, 0xff, bytes[place] ^ 1, bytes[place].wrapping_add(1)] {
                damaged[place] = value;
                answer(&damaged);
            }
            damaged[place] = bytes[place];
        }
    }
}
