//! A log that is kept in several files of a bounded size, as `-Xlog` of Java VMs with `filesize` and `filecount` does.
//!
//! 1. FILE has the newest lines. What is written at once stays together: if it would make FILE larger than the size,
//!    FILE becomes FILE.0, the next time FILE.1 and so on, and FILE begins anew; after the last number FILE.0 is
//!    replaced. Numbers have as many digits as the last one, so that names sort.
//! 2. A piece that is larger than the size has a file of its own.
//! 3. If FILE cannot be renamed, or is not the file that was written any more, that is said once, and the log goes on
//!    in the file that it has: no line is lost.

use crate::cli::output;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Error, ErrorKind, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Sizes and numbers of the files of a log.
#[derive(Clone, Copy)]
pub struct Rotation {
    /// Most bytes of a file, but for a piece that is larger.
    pub file_bytes: NonZeroU64,
    /// Files beside FILE: from 1 on.
    pub count: u32,
}

/// FILE and those that it becomes.
pub struct RotatingLog {
    /// What messages call it.
    name: String,
    path: PathBuf,
    rotation: Rotation,
    file: File,
    written: u64,
    /// The number that FILE becomes next.
    next: u32,
    /// Whether renaming was refused.
    is_stuck: bool,
}

impl RotatingLog {
    /// An empty FILE.
    ///
    /// # Errors
    /// It is no regular file: what else has that name would be renamed. Or the system refuses.
    pub fn create(name: String, path: &Path, rotation: Rotation) -> io::Result<RotatingLog> {
        let has_other_kind = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            found => !found?.is_file(),
        };
        if has_other_kind {
            return Err(Error::new(ErrorKind::InvalidInput, "only a regular file is renamed, and no link or device"));
        }
        let file = File::create(path)?;
        Ok(RotatingLog { name, path: path.to_owned(), rotation, file, written: 0, next: 0, is_stuck: false })
    }

    /// FILE becomes the next numbered file, and begins anew.
    fn rotate(&mut self) -> io::Result<()> {
        let same = |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        if !same(&fs::symlink_metadata(&self.path)?, &self.file.metadata()?) {
            return Err(Error::other("another file has its name now"));
        }
        fs::rename(&self.path, self.numbered(self.next))?;
        self.file = File::create_new(&self.path)?;
        self.next = (self.next + 1) % self.rotation.count;
        self.written = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let digits = (self.rotation.count - 1).to_string().len();
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number:0digits$}"));
        name.into()
    }
}

impl Write for RotatingLog {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.write_all(piece).map(|()| piece.len())
    }

    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        let length = self.written.saturating_add(piece.len() as u64);
        if self.written > 0
            && length > self.rotation.file_bytes.get()
            && !self.is_stuck
            && let Err(error) = self.rotate()
        {
            self.is_stuck = true;
            output::refused(&self.name, &error);
        }
        self.file.write_all(piece)?;
        self.written += piece.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that keeps two files of ten bytes beside FILE, in a folder of its own.
    fn log(name: &str) -> (PathBuf, RotatingLog) {
        let folder = std::env::temp_dir().join(format!("heapwood-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let rotation = Rotation { file_bytes: NonZeroU64::new(10).unwrap(), count: 2 };
        let log = RotatingLog::create("a log".to_owned(), &folder.join("log"), rotation).unwrap();
        (folder, log)
    }

    fn files(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[track_caller]
    fn assert_files(folder: &Path, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(files(folder), expected);
    }

    #[test]
    fn pieces_stay_whole_and_the_oldest_file_goes() {
        let (folder, mut log) = log("rotates");
        for piece in ["12345\n", "678\n"] {
            log.write_all(piece.as_bytes()).unwrap();
        }
        // Ten bytes fit.
        assert_files(&folder, &[("log", "12345\n678\n")]);
        log.write_all(b"\n").unwrap();
        assert_files(&folder, &[("log", "\n"), ("log.0", "12345\n678\n")]);
        // One that is larger than any file is alone.
        log.write_all(b"a line of more than ten\n").unwrap();
        log.write_all(b"b\n").unwrap();
        assert_files(&folder, &[("log", "b\n"), ("log.0", "a line of more than ten\n"), ("log.1", "\n")]);
        log.write_all(b"0123456789").unwrap();
        assert_files(&folder, &[("log", "0123456789"), ("log.0", "a line of more than ten\n"), ("log.1", "b\n")]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_others_took_away_or_replaced_is_written_on() {
        for is_replaced in [false, true] {
            let (folder, mut log) = log(if is_replaced { "replaced" } else { "taken" });
            log.write_all(b"first\n").unwrap();
            fs::rename(folder.join("log"), folder.join("moved")).unwrap();
            if is_replaced {
                fs::write(folder.join("log"), "another's").unwrap();
            }
            for piece in ["second\n", "third\n", "fourth\n"] {
                log.write_all(piece.as_bytes()).unwrap();
            }
            let mut expected = vec![("moved", "first\nsecond\nthird\nfourth\n")];
            expected.extend(is_replaced.then_some(("log", "another's")));
            expected.sort_unstable();
            assert_files(&folder, &expected);
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
