//! Images: a module with its compiled code as bytes, from which it is there again without compiling.
//!
//! 1. An image has the module's own bytes, for names, data and constant expressions; the module as it was decoded
//!    ([`ModuleInfo::write_form`], [`encode_section`]), so that the bytes are not read again; what is known of each
//!    address of the code (`rows`); and the code, relocated for the engine that made it.
//! 2. It says what it was made for (`terms`), and is taken where that holds. Checksums (`header`, `sum`) tell whether
//!    it is what it was.
//! 3. What depends on the place of the code is not in the image: slots are filled in when it is loaded. What depends on
//!    the engine's types is changed where they have other ids, and only there.
//!
//! An image in a file is mapped, so that its pages are read when they are needed, and shared by processes.

mod header;
mod rows;
pub(crate) mod stamp;
mod sum;
mod terms;

use super::ModuleInner;
use super::compile::{Relocator, Unplaced};
use super::tier::Tier;
use crate::engine::{Engine, Tiering};
use crate::errors::{Error, ErrorKind, Result};
use crate::registry::{ModuleTypes, RegistryError};
use crate::rt::code::{CodeImage, CodeLayout, CodeTables, FUNCTION_ALIGN, TypeRelocations, Words, type_value};
use crate::rt::image::{CodeMemory, Draft};
use crate::rt::mapping::PAGE_BYTES;
use header::{Header, Part};
use heapwood_gc_abi::Narrow;
use heapwood_jit::abi::{RelocationTarget, SafePoint};
use heapwood_module::{CompositeKind, ContextLayout, LazyTypes, ModuleBytes, ModuleInfo, encode_section, limits};
pub(super) use rows::ExceptionHeader;
use rows::{TableRow, TypeField, count, read_all, write_all};
use std::ops::Range;
use std::sync::Arc;
pub(crate) use sum::checksum;

/// Whether bytes begin like an image.
pub(super) fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(&header::MAGIC)
}

/// What the code of modules that an engine compiles depends on, as text; what an image says of itself.
pub(super) fn terms(engine: &Engine) -> String {
    terms::text(engine.config())
}

/// Whether an engine takes what says these terms of itself.
///
/// # Errors
/// It does not; why, in words.
pub(super) fn check_terms(engine: &Engine, text: &str) -> Result<(), String> {
    terms::check(text, engine.config())
}

/// The image of a compiled module.
///
/// # Errors
/// More than 2 GiB of code.
pub(super) fn write(engine: &Engine, module: &Unplaced) -> Result<Vec<u8>> {
    let Unplaced { info, functions, types, .. } = module;
    let layout = CodeLayout::new(functions)?;
    let (code_bytes, bytes) = (layout.code_bytes(), layout.bytes());
    let relocator = Relocator::new(engine, module.exceptions(), types)?;
    let fields: Vec<TypeField> =
        layout.type_relocations(functions).map(|(offset, target)| TypeField { offset, target }).collect();

    let mut image = header::begin();
    let terms = terms::text(engine.config());
    image.extend_from_slice(terms.as_bytes());
    image.extend_from_slice(&info.bytes);
    let (mut groups, mut form) = (Vec::new(), Vec::new());
    encode_section(&info.types, &mut groups);
    info.write_form(&mut form);
    write_all(&groups, &mut image);
    write_all(&form, &mut image);
    let mut code = vec![0; bytes];
    let words = Words { start: layout.code_bytes(), imported: info.imported_functions, defined: functions.len() };
    for (defined, function) in functions.iter().enumerate() {
        layout.write(defined, function, words, &relocator, &mut code);
    }
    let CodeTables { functions, safe_points, traps, inlined } = layout.tables(functions);
    let ids: Vec<u32> = types.ids().iter().map(|id| id.0).collect();
    let exceptions = relocator.exceptions();
    write_all(&functions, &mut image);
    write_all(&safe_points, &mut image);
    write_all(&traps, &mut image);
    write_all(&inlined, &mut image);
    write_all(&ids, &mut image);
    write_all(exceptions, &mut image);
    write_all(&fields, &mut image);
    image.resize(image.len().next_multiple_of(PAGE_BYTES), 0);
    let start = image.len();
    image.append(&mut code);
    let lengths = [
        terms.len().narrow(),
        info.bytes.len().narrow(),
        count(&groups),
        count(&form),
        count(&functions),
        count(&safe_points),
        count(&traps),
        count(&inlined),
        count(&ids),
        count(exceptions),
        count(&fields),
    ];
    header::finish(&mut image, lengths, start..start + code_bytes);
    Ok(image)
}

/// What is compared before an image is taken, beside its tables and terms.
#[derive(Clone, Copy)]
pub(super) enum Check<'m> {
    /// Nothing: the code is read when it runs.
    Tables,
    /// The code's own checksum, for which all of it is read.
    Code,
    /// The code's own checksum, and that the image is one of this module.
    CodeOf(&'m [u8]),
}

/// The module of an image.
///
/// # Errors
/// The image is none, is damaged, or was made for something else; the engine's types or the system's memory are used
/// up.
pub(super) fn load(engine: &Engine, mut draft: Draft, check: Check<'_>) -> Result<ModuleInner> {
    let image = draft.bytes();
    let header = Header::read(image).map_err(refused)?;
    let module = header.part(Part::Module);
    match check {
        Check::CodeOf(other) if other != &image[module.clone()] => return Err(refused("it is another module".into())),
        Check::CodeOf(_) | Check::Code => header.check_code(image).map_err(refused)?,
        Check::Tables => {}
    }
    let terms = std::str::from_utf8(&image[header.part(Part::Terms)]).map_err(|_| damaged("its terms are no text"))?;
    terms::check(terms, engine.config()).map_err(refused)?;
    let contents = Contents::read(&header, image).ok_or_else(|| damaged("a row of its tables cannot be"))?;
    let words = |part| image[header.part(part)].as_chunks::<4>().0;
    let types = engine.registry().register_words(words(Part::Groups)).map_err(|error| match error {
        RegistryError::Unreadable | RegistryError::Depth => damaged(&error.to_string()),
        RegistryError::Quota { .. } | RegistryError::Table(_) => Error::limit(error.to_string()),
    })?;
    let decoded = ModuleInfo::read_form(words(Part::Form), &image[module.clone()], &|index| types.kind(index));
    let mut info = decoded.ok_or_else(|| damaged("what it says of its module cannot be"))?;
    contents.check(&info, &types, header.code.len()).map_err(|what| damaged(&what))?;

    let relocator = Relocator::new(engine, contents.exceptions.iter().map(|exception| exception.ty), &types)?;
    contents.patch(&types, &relocator, &mut draft.bytes_mut()[header.code.clone()]);
    let groups = header.part(Part::Groups);
    let tier = (engine.config().tiering_mode() != Tiering::Off).then(Tier::of_image);
    let code = CodeImage::of_draft(draft, header.code, contents.tables, tier.is_some())?;
    let in_head = |range| ModuleBytes::new(HeadPart { memory: code.memory().clone(), range });
    info.bytes = in_head(module);
    info.types = LazyTypes::of_words(in_head(groups));
    let layout = ContextLayout::new(&info);
    Ok(ModuleInner::new(engine.clone(), info, layout, types, code, tier))
}

fn refused(what: String) -> Error {
    Error::from_kind(ErrorKind::Precompiled(what))
}

fn damaged(what: &str) -> Error {
    refused(format!("it is damaged: {what}"))
}

/// Bytes of the module in an image: its own, or words of its types.
struct HeadPart {
    memory: Arc<CodeMemory>,
    range: Range<usize>,
}

impl AsRef<[u8]> for HeadPart {
    fn as_ref(&self) -> &[u8] {
        self.memory.head(self.range.clone())
    }
}

/// The tables of an image.
struct Contents {
    tables: CodeTables,
    /// Ids of the module's types, as the code has them.
    types: Vec<u32>,
    exceptions: Vec<ExceptionHeader>,
    fields: Vec<TypeField>,
}

impl Contents {
    /// None if a row of them is impossible.
    fn read(header: &Header, image: &[u8]) -> Option<Contents> {
        fn table<R: TableRow>(header: &Header, image: &[u8], part: Part) -> Option<Vec<R>> {
            read_all(&image[header.part(part)])
        }
        let tables = CodeTables {
            functions: table(header, image, Part::Functions)?,
            safe_points: table(header, image, Part::SafePoints)?,
            traps: table(header, image, Part::Traps)?,
            inlined: table(header, image, Part::Inlined)?,
        };
        Some(Contents {
            tables,
            types: table(header, image, Part::Types)?,
            exceptions: table(header, image, Part::Exceptions)?,
            fields: table(header, image, Part::TypeFields)?,
        })
    }

    /// Whether the tables belong to the module, and name nothing beyond its code.
    fn check(&self, info: &ModuleInfo, types: &ModuleTypes, code_bytes: usize) -> Result<(), String> {
        let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let CodeTables { functions, safe_points, traps, .. } = &self.tables;
        holds(functions.len() == info.bodies.len(), "its functions are not those of the module")?;
        let mut end = 0;
        for function in functions {
            let is_placed = function.start >= end && function.start <= function.end;
            let is_aligned = (function.start as usize).is_multiple_of(FUNCTION_ALIGN);
            let has_frame = function.record.frame_bytes.max(function.record.ref_base) <= 2 * limits::FRAME_BYTES_MAX;
            holds(is_placed && is_aligned && has_frame, "a function is out of place")?;
            end = function.end;
        }
        let mut functions = (info.imported_functions..).zip(functions);
        let is_whole = functions.all(|(index, placed)| placed.has_code() || !info.is_entered_from_outside(index));
        holds(is_whole, "a function that is entered has no code")?;
        holds((end as usize) < code_bytes, "its functions are longer than its code")?;
        holds(self.tables.are_sorted(), "safe points or trap sites are not in order")?;
        let is_inside = |point: &SafePoint| {
            let is_handler = point.handler == SafePoint::NO_HANDLER || point.handler < end;
            point.pc <= end && is_handler && point.ref_count <= limits::FRAME_BYTES_MAX
        };
        holds(safe_points.iter().all(is_inside), "a safe point lies outside of its code")?;
        holds(traps.iter().all(|site| site.pc < end), "a trap site lies outside of its code")?;
        holds(self.tables.name_bodies(), "an inlined body is out of place")?;
        holds(self.types.len() == types.ids().len(), "its types are not those of the module")?;
        let is_tag = |ty: u32| types.kind(ty) == Some(CompositeKind::Func);
        let mut exceptions = self.exceptions.iter();
        holds(exceptions.all(|exception| is_tag(exception.ty)), "an exception has no function type")?;
        holds(self.exceptions.is_sorted_by_key(|exception| exception.ty), "its exceptions are not in order")?;
        let is_known = |field: &TypeField| {
            let is_inside = field.offset.checked_add(4).is_some_and(|behind| behind <= end);
            is_inside
                && match field.target {
                    RelocationTarget::TypeId(ty) | RelocationTarget::TypeHeader(ty) => (ty as usize) < self.types.len(),
                    RelocationTarget::ExceptionHeader(ty) => self.exception(ty).is_some(),
                    RelocationTarget::FunctionSlot(_) | RelocationTarget::CountingWord(_) => false,
                }
        };
        holds(self.fields.iter().all(is_known), "a field of its code depends on a type that is not there")
    }

    /// The header that the code has for exceptions of this function type.
    fn exception(&self, ty: u32) -> Option<u32> {
        let at = self.exceptions.binary_search_by_key(&ty, |exception| exception.ty).ok()?;
        Some(self.exceptions[at].header)
    }

    /// Writes the ids of this engine's types where the code has others.
    fn patch(&self, types: &ModuleTypes, relocator: &Relocator<'_>, code: &mut [u8]) {
        let are_same = types.ids().iter().map(|id| id.0).eq(self.types.iter().copied());
        if are_same && relocator.exceptions() == self.exceptions {
            return;
        }
        for field in &self.fields {
            let value = type_value(field.target, relocator).expect("fields that depend on types lead to no function");
            let is = type_value(field.target, self).expect("fields that depend on types lead to no function");
            if value != is {
                let at = field.offset as usize;
                code[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
}

/// What the code has.
impl TypeRelocations for Contents {
    fn type_id(&self, index: u32) -> u32 {
        self.types[index as usize]
    }

    fn exception_header(&self, index: u32) -> u32 {
        self.exception(index).expect("every field was checked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use header::LENGTHS_AT;

    const MODULE: &str = "(module
        (type $s (sub (struct (field (mut (ref null $s))))))
        (tag $e (param i32))
        (func (export \"f\") (param i32) (result (ref $s)) (block $caught (result i32) (try_table (catch $e $caught)
          (throw $e (i32.div_u (i32.const 1) (local.get 0)))) (unreachable)) (drop) (struct.new $s (ref.null $s))))";

    /// Behind a right checksum, the terms and tables may be anything, and so may what the image says of its module: no
    /// image is a panic, though none of these is what the compiler makes. (The module's own bytes are relied upon.)
    #[test]
    fn nothing_but_the_module_is_relied_upon() {
        let engine = Engine::default();
        let image = engine.precompile_module(&wat::parse_str(MODULE).unwrap()).unwrap();
        let header = Header::read(&image).unwrap();
        let (terms, module) = (header.part(Part::Terms), header.part(Part::Module));
        let end = header.part(Part::TypeFields).end;
        let (mut refused, mut taken) = (0, 0);
        for at in (LENGTHS_AT..terms.end).chain(module.end..end) {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut forged = image.clone();
                forged[at] = value;
                header::sum_again(&mut forged);
                match load(&engine, Draft::copy(&forged).unwrap(), Check::Tables) {
                    Ok(_) => taken += 1,
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::Precompiled(_)), "byte {at}: {error}");
                        refused += 1;
                    }
                }
            }
        }
        // Sizes of frames and places in the module are whatever they are.
        assert!(refused > 3000 && taken > 500, "{refused} were refused, {taken} taken");
    }

    /// A module with something of everything that a decoded module has.
    const EVERYTHING: &str = "(module
        (type $s (sub (struct (field (mut (ref null $s))) (field i8)))) (type $t (sub final $s (struct
          (field (mut (ref null $s))) (field i8) (field v128)))) (type $a (array (mut i16)))
        (rec (type $f (func (param i32 (ref null $g)) (result i64 f32))) (type $g (struct (field (ref null $f)))))
        (import \"m\" \"function\" (func (param i32))) (import \"m\" \"memory\" (memory 1 2))
        (import \"m\" \"global\" (global $i (ref null $s))) (import \"m\" \"table\" (table 1 9 funcref))
        (import \"\" \"tag\" (tag (param f64)))
        (tag $e (param (ref null $a)))
        (memory 1) (memory i64 2 3)
        (table 3 (ref null $s) (ref.null $s)) (table i64 0 funcref)
        (global $n (mut i32) (i32.const 3)) (global (export \"o\") (ref $t)
          (struct.new $t (ref.null $s) (i32.const 1) (v128.const i64x2 1 2)))
        (func $h (export \"h\") (param i32) (drop (i32.const 1)))
        (func (export \"t\") (throw $e (array.new_default $a (i32.const 3))))
        (start $begin) (func $begin)
        (elem (i32.const 0) $h) (elem declare func $begin) (elem $p anyref (ref.i31 (i32.const 5)) (ref.null any))
        (elem (table 1) (i32.const 1) (ref null $s) (ref.null $s))
        (data (i32.const 7) \"bytes\") (data $d \"more\") (data (memory 2) (i64.const 0) \"x\"))";

    /// Each byte of the types and of the decoded module, with every other value that one bit makes of it, behind a right
    /// checksum: an error, or a module that can be looked at as a whole. What is taken has other types, sizes or names.
    #[test]
    fn whatever_an_image_says_of_its_module_is_checked() {
        let engine = Engine::default();
        let image = engine.precompile_module(&wat::parse_str(EVERYTHING).unwrap()).unwrap();
        let header = Header::read(&image).unwrap();
        let whole = load(&engine, Draft::copy(&image).unwrap(), Check::Tables).unwrap();
        let text = format!("{:?}", whole.info);
        let live = engine.registry().live();
        let (mut refused, mut taken) = (0, 0);
        for at in header.part(Part::Groups).chain(header.part(Part::Form)) {
            for bit in 0..8 {
                let mut forged = image.clone();
                forged[at] ^= 1 << bit;
                let refusal = load(&engine, Draft::copy(&forged).unwrap(), Check::Tables).err();
                let is_sum = |error: &Error| error.to_string().contains("the checksum of its tables");
                assert!(refusal.is_some_and(|error| is_sum(&error)), "byte {at}, bit {bit} without a checksum");
                header::sum_again(&mut forged);
                match load(&engine, Draft::copy(&forged).unwrap(), Check::Tables) {
                    Ok(module) => {
                        assert_ne!(format!("{:?}", module.info), text, "byte {at}, bit {bit} means nothing");
                        taken += 1;
                    }
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::Precompiled(_)), "byte {at}, bit {bit}: {error}");
                        refused += 1;
                    }
                }
                assert_eq!(engine.registry().live(), live, "byte {at}, bit {bit} leaves types behind");
            }
        }
        assert!(refused > 5000 && taken > 500, "{refused} were refused, {taken} taken");
    }
}
