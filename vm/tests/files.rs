//! Files that modules, images and checkpoints come from: what an error says of one that is none, or cannot be read.

use heapwood_vm::*;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder of this process that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("heapwood-files-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn with(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[allow(unsafe_code, reason = "nothing that is read here is an image that would be taken")]
fn deserialize(path: &Path) -> Result<()> {
    // SAFETY: of what is refused nothing runs.
    unsafe { Module::deserialize_file(&Engine::default(), path) }.map(drop)
}

#[allow(unsafe_code, reason = "nothing that is read here is a checkpoint that would be taken")]
fn load_checkpoint(path: &Path) -> Result<()> {
    // SAFETY: of what is refused nothing is used.
    unsafe { Checkpoint::<()>::load(&Linker::new(&Engine::default()), &[], path) }.map(drop)
}

/// A way to read a file, with its name.
type Way = (&'static str, fn(&Path) -> Result<()>);

const WAYS: [Way; 4] = [
    ("from_file", |path| Module::from_file(&Engine::default(), path).map(drop)),
    ("deserialize_file", deserialize),
    ("detect_precompiled_file", |path| Engine::detect_precompiled_file(path).map(drop)),
    ("Checkpoint::load", load_checkpoint),
];

#[test]
fn what_cannot_be_read_is_named_with_its_cause() {
    let folder = Folder::new("unread");
    let pipe = folder.0.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let (missing, device) = (folder.0.join("missing"), PathBuf::from("/dev/null"));
    for (path, why) in [
        (&missing, "No such file"),
        (&folder.0, "this is a directory, where a regular file is expected"),
        (&pipe, "this is a pipe, where a regular file is expected"),
        (&device, "this is a device, where a regular file is expected"),
    ] {
        for (name, read) in WAYS {
            let error = read(path).unwrap_err();
            for message in [error.to_string(), format!("{error:#}"), format!("{error:?}")] {
                assert!(message.starts_with(&format!("{}: {why}", path.display())), "{name}: {message}");
            }
            let expected = if *path == missing { io::ErrorKind::NotFound } else { io::ErrorKind::InvalidInput };
            assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), expected, "{name}");
            // A context stands before both, and alone where a line has to be short.
            let error = error.context("the plugin");
            assert_eq!(error.to_string(), "the plugin");
            assert!(format!("{error:#}").starts_with(&format!("the plugin: {}: {why}", path.display())), "{error:#}");
        }
    }
}

#[test]
fn what_is_no_module_is_named() {
    let (folder, engine) = (Folder::new("others"), Engine::default());
    let image = engine.precompile_module(b"\0asm\x01\0\0\0").unwrap();
    let saved = folder.0.join("saved");
    Store::new(&engine, ()).checkpoint().unwrap().save(&saved).unwrap();
    for (name, contents, words) in [
        ("image", &image[..], "this is a precompiled module; `Module::deserialize` takes it"),
        ("saved", &fs::read(&saved).unwrap(), "this is a saved checkpoint; `Checkpoint::load` takes it"),
        ("packed", b"\x1f\x8b\x08\0\0\0\0\0", "this is data that gzip has compressed"),
        ("native", b"\x7fELF\x02\x01\x01\0", "this is an ELF file"),
        ("empty", b"", "this is an empty file"),
        ("other", b"\x01\x02\x03", "this is a file that begins with 01 02 03"),
        ("component", b"\0asm\x0d\0\x01\0", "this is a component of the component model"),
    ] {
        let path = folder.with(name, contents);
        let error = Module::from_file(&engine, &path).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Module(_)));
        let message = error.to_string();
        assert!(message.starts_with(&format!("{}: {words}", path.display())), "{message}");
        for error in [
            Module::new(&engine, contents).unwrap_err(),
            Module::validate(&engine, contents).unwrap_err(),
            engine.precompile_module(contents).unwrap_err(),
        ] {
            assert!(error.to_string().starts_with(words), "{error}");
        }
    }
    // The text format, where a binary is expected: always here, and in `Module::new` without the feature `wat`.
    for text in ["(module)", " \n;; of a module\n(module)"] {
        let error = Module::from_binary(&engine, text.as_bytes()).unwrap_err();
        assert!(
            error.to_string().starts_with("this is a module in the text format; `Module::new` takes it"),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_image_or_checkpoint_is_named() {
    let folder = Folder::new("images");
    for (name, contents, [image, saved]) in [
        ("module", &b"\0asm\x01\0\0\0"[..], ["it is a module that has to be compiled", "but a module"]),
        ("packed", b"\x1f\x8b\x08\0\0\0\0\0", ["it is none, but data that gzip", "but data that gzip"]),
        ("text", b"(module)", ["it is none, but a module in the text format", "but a module in the text format"]),
    ] {
        let path = folder.with(name, contents);
        for (read, words) in [(deserialize as fn(&Path) -> _, image), (load_checkpoint, saved)] {
            let message = read(&path).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{}: ", path.display())) && message.contains(words), "{message}");
        }
    }
}
