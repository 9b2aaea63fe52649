//! Error codes of preview1 and how the host's errors become them.

use std::io;

macro_rules! errnos {
    ($( $(#[doc = $doc:literal])+ $name:ident = $value:literal $(<= $($host:ident)|+)? ; )+) => {
        /// An error code as the guest sees it (witx: `$errno`). `Success` is 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno {
            $( $(#[doc = $doc])+ $name = $value, )+
        }

        impl std::fmt::Display for Errno {
            /// What it means: the first part of its documentation, in small letters.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let text = match self { $( Errno::$name => concat!($($doc),+), )+ };
                let text = text.trim().split([';', ':', '.']).next().unwrap_or_default();
                let (first, rest) = text.split_at(text.len().min(1));
                write!(f, "{}{rest}", first.to_lowercase())
            }
        }

        impl From<rustix::io::Errno> for Errno {
            fn from(host: rustix::io::Errno) -> Errno {
                $( $( $( if host == rustix::io::Errno::$host { return Errno::$name; } )+ )? )+
                // A host error that preview1 has no word for.
                Errno::Io
            }
        }
    };
}

errnos! {
    /// No error.
    Success = 0;
    /// Argument list too long.
    TooBig = 1 <= TOOBIG;
    /// Permission denied.
    Acces = 2 <= ACCESS;
    /// Address in use.
    AddrInUse = 3 <= ADDRINUSE;
    /// Address not available.
    AddrNotAvail = 4 <= ADDRNOTAVAIL;
    /// Address family not supported.
    AfNoSupport = 5 <= AFNOSUPPORT;
    /// Resource unavailable, or the operation would block.
    Again = 6 <= AGAIN;
    /// Connection already in progress.
    Already = 7 <= ALREADY;
    /// Bad file descriptor.
    BadF = 8 <= BADF;
    /// Bad message.
    BadMsg = 9 <= BADMSG;
    /// Device or resource busy.
    Busy = 10 <= BUSY;
    /// Operation cancelled.
    Canceled = 11 <= CANCELED;
    /// No child processes.
    Child = 12 <= CHILD;
    /// Connection aborted.
    ConnAborted = 13 <= CONNABORTED;
    /// Connection refused.
    ConnRefused = 14 <= CONNREFUSED;
    /// Connection reset.
    ConnReset = 15 <= CONNRESET;
    /// Resource deadlock would occur.
    DeadLk = 16 <= DEADLK;
    /// Destination address required.
    DestAddrReq = 17 <= DESTADDRREQ;
    /// Mathematics argument out of domain.
    Dom = 18 <= DOM;
    /// Reserved by preview1.
    DQuot = 19 <= DQUOT;
    /// File exists.
    Exist = 20 <= EXIST;
    /// Bad address: a guest pointer or length leaves the memory.
    Fault = 21 <= FAULT;
    /// File too large.
    FBig = 22 <= FBIG;
    /// Host is unreachable.
    HostUnreach = 23 <= HOSTUNREACH;
    /// Identifier removed.
    IdRm = 24 <= IDRM;
    /// Illegal byte sequence: a string is not UTF-8.
    IlSeq = 25 <= ILSEQ;
    /// Operation in progress.
    InProgress = 26 <= INPROGRESS;
    /// Interrupted function.
    Intr = 27 <= INTR;
    /// Invalid argument.
    Inval = 28 <= INVAL;
    /// Input or output error.
    Io = 29 <= IO;
    /// Socket is connected.
    IsConn = 30 <= ISCONN;
    /// Is a directory.
    IsDir = 31 <= ISDIR;
    /// Too many levels of symbolic links.
    Loop = 32 <= LOOP;
    /// File descriptor value too large.
    MFile = 33 <= MFILE;
    /// Too many links.
    MLink = 34 <= MLINK;
    /// Message too large.
    MsgSize = 35 <= MSGSIZE;
    /// Reserved by preview1.
    Multihop = 36 <= MULTIHOP;
    /// File name too long.
    NameTooLong = 37 <= NAMETOOLONG;
    /// Network is down.
    NetDown = 38 <= NETDOWN;
    /// Connection aborted by the network.
    NetReset = 39 <= NETRESET;
    /// Network unreachable.
    NetUnreach = 40 <= NETUNREACH;
    /// Too many files open in the system.
    NFile = 41 <= NFILE;
    /// No buffer space available.
    NoBufs = 42 <= NOBUFS;
    /// No such device.
    NoDev = 43 <= NODEV;
    /// No such file or directory.
    NoEnt = 44 <= NOENT;
    /// Executable file format error.
    NoExec = 45 <= NOEXEC;
    /// No locks available.
    NoLck = 46 <= NOLCK;
    /// Reserved by preview1.
    NoLink = 47 <= NOLINK;
    /// Not enough space in memory.
    NoMem = 48 <= NOMEM;
    /// No message of the desired type.
    NoMsg = 49 <= NOMSG;
    /// Protocol not available.
    NoProtoOpt = 50 <= NOPROTOOPT;
    /// No space left on the device.
    NoSpc = 51 <= NOSPC;
    /// Function not supported.
    NoSys = 52 <= NOSYS;
    /// The socket is not connected.
    NotConn = 53 <= NOTCONN;
    /// Not a directory.
    NotDir = 54 <= NOTDIR;
    /// Directory not empty.
    NotEmpty = 55 <= NOTEMPTY;
    /// State not recoverable.
    NotRecoverable = 56 <= NOTRECOVERABLE;
    /// Not a socket.
    NotSock = 57 <= NOTSOCK;
    /// Not supported.
    NotSup = 58 <= NOTSUP | OPNOTSUPP;
    /// Inappropriate I/O control operation.
    NoTty = 59 <= NOTTY;
    /// No such device or address.
    NxIo = 60 <= NXIO;
    /// Value too large to be stored in its type.
    Overflow = 61 <= OVERFLOW;
    /// Previous owner died.
    OwnerDead = 62 <= OWNERDEAD;
    /// Operation not permitted; also a path that leads out of its directory.
    Perm = 63 <= PERM;
    /// Broken pipe.
    Pipe = 64 <= PIPE;
    /// Protocol error.
    Proto = 65 <= PROTO;
    /// Protocol not supported.
    ProtoNoSupport = 66 <= PROTONOSUPPORT;
    /// Protocol wrong type for the socket.
    Prototype = 67 <= PROTOTYPE;
    /// Result too large.
    Range = 68 <= RANGE;
    /// Read-only file system; also any change below a read-only preopen.
    RoFs = 69 <= ROFS;
    /// Invalid seek: the descriptor has no position.
    SPipe = 70 <= SPIPE;
    /// No such process.
    Srch = 71 <= SRCH;
    /// Reserved by preview1.
    Stale = 72 <= STALE;
    /// Connection timed out.
    TimedOut = 73 <= TIMEDOUT;
    /// Text file busy.
    TxtBsy = 74 <= TXTBSY;
    /// Cross-device link.
    XDev = 75 <= XDEV;
    /// Capabilities insufficient: the descriptor lacks a right.
    NotCapable = 76;
}

impl Errno {
    /// The number that the guest receives, 0 to 76.
    pub fn raw(self) -> u16 {
        self as u16
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        if let Some(host) = rustix::io::Errno::from_io_error(&error) {
            return host.into();
        }
        match error.kind() {
            io::ErrorKind::NotFound => Errno::NoEnt,
            // Path resolution reports an escape from the directory like this.
            io::ErrorKind::PermissionDenied => Errno::Perm,
            io::ErrorKind::AlreadyExists => Errno::Exist,
            io::ErrorKind::WouldBlock => Errno::Again,
            io::ErrorKind::BrokenPipe => Errno::Pipe,
            io::ErrorKind::InvalidInput => Errno::Inval,
            io::ErrorKind::TimedOut => Errno::TimedOut,
            io::ErrorKind::Interrupted => Errno::Intr,
            io::ErrorKind::StorageFull => Errno::NoSpc,
            io::ErrorKind::FileTooLarge => Errno::FBig,
            io::ErrorKind::Unsupported => Errno::NotSup,
            io::ErrorKind::OutOfMemory => Errno::NoMem,
            _ => Errno::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_witx_order() {
        assert_eq!(Errno::Acces.raw(), 2);
        assert_eq!(Errno::BadF.raw(), 8);
        assert_eq!(Errno::Fault.raw(), 21);
        assert_eq!(Errno::Inval.raw(), 28);
        assert_eq!(Errno::NotSock.raw(), 57);
        assert_eq!(Errno::Pipe.raw(), 64);
        assert_eq!(Errno::NotCapable.raw(), 76);
    }

    #[test]
    fn codes_are_said_in_words() {
        assert_eq!(Errno::BadF.to_string(), "bad file descriptor");
        assert_eq!(Errno::RoFs.to_string(), "read-only file system");
        assert_eq!(Errno::SPipe.to_string(), "invalid seek");
    }

    #[test]
    fn host_errors_keep_their_meaning() {
        assert_eq!(Errno::from(rustix::io::Errno::LOOP), Errno::Loop);
        assert_eq!(Errno::from(io::Error::from_raw_os_error(rustix::io::Errno::PIPE.raw_os_error())), Errno::Pipe);
        assert_eq!(Errno::from(io::Error::from(io::ErrorKind::PermissionDenied)), Errno::Perm);
    }
}
