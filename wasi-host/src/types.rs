//! Numbers and structures of the witx that several functions share.

use crate::errno::Errno;

/// witx: `$filetype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileType {
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDgram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl From<rustix::fs::FileType> for FileType {
    fn from(host: rustix::fs::FileType) -> FileType {
        use rustix::fs::FileType as Host;
        match host {
            Host::RegularFile => FileType::RegularFile,
            Host::Directory => FileType::Directory,
            Host::Symlink => FileType::SymbolicLink,
            Host::CharacterDevice => FileType::CharacterDevice,
            Host::BlockDevice => FileType::BlockDevice,
            // Which kind of socket only an open descriptor can tell.
            Host::Socket => FileType::SocketStream,
            // preview1 has no type for a FIFO.
            Host::Fifo | Host::Unknown => FileType::Unknown,
        }
    }
}

/// Defines a set of flags whose unknown bits are an error.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident : $($flag:ident = $bit:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name(u16);

        impl $name {
            $(
                #[allow(dead_code, reason = "known to the guest even where it changes nothing here")]
                pub const $flag: $name = $name(1 << $bit);
            )+
            const ALL: u16 = 0 $( | 1 << $bit )+;

            /// The flags in `raw`, `INVAL` when there are bits of no known flag.
            pub fn from_guest(raw: u32) -> Result<$name, Errno> {
                match u16::try_from(raw) {
                    Ok(bits) if bits & !Self::ALL == 0 => Ok($name(bits)),
                    _ => Err(Errno::Inval),
                }
            }

            /// Whether any flag of `other` is set.
            pub fn has(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            #[allow(dead_code, reason = "not every set of flags is also reported")]
            pub fn bits(self) -> u16 {
                self.0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = $name;
            fn bitor(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
        }
    };
}
pub(crate) use flags;

flags! {
    /// witx: `$fdflags`.
    FdFlags: APPEND = 0, DSYNC = 1, NONBLOCK = 2, RSYNC = 3, SYNC = 4
}

flags! {
    /// witx: `$lookupflags`.
    LookupFlags: SYMLINK_FOLLOW = 0
}

flags! {
    /// witx: `$oflags`.
    OpenFlags: CREAT = 0, DIRECTORY = 1, EXCL = 2, TRUNC = 3
}

flags! {
    /// witx: `$fstflags`.
    TimeFlags: ATIM = 0, ATIM_NOW = 1, MTIM = 2, MTIM_NOW = 3
}

/// witx: `$filestat`, 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileStat {
    pub dev: u64,
    pub ino: u64,
    pub file_type: FileType,
    pub nlink: u64,
    pub size: u64,
    /// Nanoseconds since 1970; an earlier time counts as 0.
    pub atim: u64,
    pub mtim: u64,
    pub ctim: u64,
}

impl FileStat {
    /// A stream of the embedder, with nothing behind it that has a number or a time.
    pub const STREAM: FileStat =
        FileStat { dev: 0, ino: 0, file_type: FileType::Unknown, nlink: 1, size: 0, atim: 0, mtim: 0, ctim: 0 };

    pub fn from_host(stat: &rustix::fs::Stat) -> FileStat {
        FileStat {
            dev: stat.st_dev,
            ino: stat.st_ino,
            file_type: rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
            #[allow(clippy::unnecessary_cast, reason = "the width differs between platforms")]
            nlink: stat.st_nlink as u64,
            size: stat.st_size as u64,
            atim: nanoseconds(stat.st_atime, stat.st_atime_nsec),
            mtim: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            ctim: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    pub fn encode(&self) -> [u8; 64] {
        let mut out = [0; 64];
        out[0..8].copy_from_slice(&self.dev.to_le_bytes());
        out[8..16].copy_from_slice(&self.ino.to_le_bytes());
        out[16] = self.file_type as u8;
        out[24..32].copy_from_slice(&self.nlink.to_le_bytes());
        out[32..40].copy_from_slice(&self.size.to_le_bytes());
        out[40..48].copy_from_slice(&self.atim.to_le_bytes());
        out[48..56].copy_from_slice(&self.mtim.to_le_bytes());
        out[56..64].copy_from_slice(&self.ctim.to_le_bytes());
        out
    }
}

fn nanoseconds(seconds: i64, nanos: u64) -> u64 {
    u64::try_from(seconds).map_or(0, |s| s.saturating_mul(1_000_000_000).saturating_add(nanos))
}
