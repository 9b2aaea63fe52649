//! Turns modules of the text format into binaries: `wat2wasm FOLDER FILE.wat...` writes `FOLDER/FILE.wasm`.

use std::fs;
use std::path::Path;

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder for the binaries");
    fs::create_dir_all(&folder).expect("a folder");
    for file in args {
        let bytes = wat::parse_file(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let name = Path::new(&file).file_stem().expect("a file's name");
        fs::write(Path::new(&folder).join(name).with_extension("wasm"), bytes).expect("written");
    }
}
