//! Error codes of preview1 as those of `wasi:filesystem`.

use heapwood_wasi::Errno;

/// The number of the case of `error-code`.
pub(super) fn code(errno: Errno) -> u64 {
    // In the order of the interface. What it has no word for is an error of input or output.
    const CODES: [Errno; 37] = [
        Errno::Acces,
        Errno::Again,
        Errno::Already,
        Errno::BadF,
        Errno::Busy,
        Errno::DeadLk,
        Errno::DQuot,
        Errno::Exist,
        Errno::FBig,
        Errno::IlSeq,
        Errno::InProgress,
        Errno::Intr,
        Errno::Inval,
        Errno::Io,
        Errno::IsDir,
        Errno::Loop,
        Errno::MLink,
        Errno::MsgSize,
        Errno::NameTooLong,
        Errno::NoDev,
        Errno::NoEnt,
        Errno::NoLck,
        Errno::NoMem,
        Errno::NoSpc,
        Errno::NotDir,
        Errno::NotEmpty,
        Errno::NotRecoverable,
        Errno::NotSup,
        Errno::NoTty,
        Errno::NxIo,
        Errno::Overflow,
        Errno::Perm,
        Errno::Pipe,
        Errno::RoFs,
        Errno::SPipe,
        Errno::TxtBsy,
        Errno::XDev,
    ];
    const IO: u64 = 13;
    let errno = match errno {
        Errno::NotCapable => Errno::Perm,
        Errno::NoSys => Errno::NotSup,
        errno => errno,
    };
    CODES.iter().position(|code| *code == errno).map_or(IO, |place| place as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_interface() {
        for (errno, number) in
            [(Errno::Acces, 0), (Errno::Inval, 12), (Errno::NoEnt, 20), (Errno::NotCapable, 31), (Errno::XDev, 36)]
        {
            assert_eq!(code(errno), number, "{errno:?}");
        }
        assert_eq!((code(Errno::NotSock), code(Errno::NoSys), code(Errno::Fault)), (13, 27, 13));
    }
}
