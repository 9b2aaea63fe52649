//! Images that are not what they were.

use super::corpus::{SMALL, scratch};
use crate::{load, load_file};
use heapwood_vm::*;
use std::collections::BTreeSet;

const PAGE: usize = 4096;

fn small() -> (Engine, Vec<u8>) {
    let engine = Engine::default();
    let image = engine.precompile_module(&wat::parse_str(SMALL).unwrap()).unwrap();
    (engine, image)
}

/// Why the image is refused; none if it runs as it should.
fn refusal(engine: &Engine, image: &[u8]) -> Option<String> {
    match load(engine, image) {
        Ok(module) => {
            let mut store = Store::new(engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            assert_eq!(run.call(&mut store, 21).unwrap(), 42);
            None
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Precompiled(_)), "{error}");
            Some(error.to_string())
        }
    }
}

/// Header, terms, module, tables, and the zeroes behind them; then the code. Slots are filled in when it is loaded.
#[test]
fn every_byte_that_is_another_one_is_noticed() {
    let (engine, image) = small();
    assert_eq!(refusal(&engine, &image), None);
    assert_eq!(image.len() % PAGE, 0);
    let slots = image.len() - PAGE;
    let mut refusals = BTreeSet::new();
    // Of the slots, which are run, not all.
    for at in (0..slots).chain((slots..image.len()).step_by(61)) {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = image.clone();
            damaged[at] ^= flip;
            match refusal(&engine, &damaged) {
                Some(why) => {
                    assert!(at < slots, "byte {at} of the slots: {why}");
                    refusals.insert(why);
                }
                None => assert!(at >= slots, "byte {at} may be anything"),
            }
        }
    }
    for words in ["it is none", "made it, and this is", "its code is damaged", "the checksum of its tables", "cut off"]
    {
        assert!(refusals.iter().any(|why| why.contains(words)), "nothing was refused with `{words}`");
    }
}

#[test]
fn every_beginning_of_an_image_is_cut_off() {
    let (engine, image) = small();
    for len in 0..image.len() {
        let why = refusal(&engine, &image[..len]).unwrap_or_else(|| panic!("{len} bytes are enough"));
        let expected = if len < 8 { "it is none" } else { "it is cut off" };
        assert!(why.contains(expected), "{len} bytes: {why}");
    }
    for more in [1, 8, PAGE] {
        let why = refusal(&engine, &[&image[..], &vec![0; more]].concat()).unwrap();
        assert!(why.contains("bytes instead of"), "{why}");
    }
}

/// What lies behind the end of a short file is not touched.
#[test]
fn short_files_are_cut_off_too() {
    let (engine, image) = small();
    let path = scratch("short").join("image");
    let lengths = [0, 1, 8, 31, 96, PAGE - 1, PAGE, PAGE + 1, image.len() - PAGE, image.len() - 1];
    for len in lengths {
        std::fs::write(&path, &image[..len]).unwrap();
        let error = load_file(&engine, &path).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Precompiled(_)), "{len} bytes: {error}");
    }
    std::fs::write(&path, &image).unwrap();
    assert!(load_file(&engine, &path).is_ok());
    std::fs::remove_file(&path).unwrap();
    let error = load_file(&engine, &path).unwrap_err();
    let cause: &std::io::Error = error.downcast_ref().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn other_files_are_named() {
    let engine = Engine::default();
    for (bytes, words) in [
        (&b""[..], "it is none, but an empty file"),
        (b"\x7fELF\x02", "it is none, but an ELF file"),
        (b"\0asm\x01\0\0\0", "it is a module that has to be compiled"),
        (b"(module)", "it is none, but a module in the text format"),
    ] {
        assert!(refusal(&engine, bytes).unwrap().contains(words), "{words}");
        assert_eq!(Engine::detect_precompiled(bytes), None);
    }
    let error = Module::new(&engine, small().1).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Module(_)), "an image is no module: {error}");
}
