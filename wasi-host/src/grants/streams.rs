//! Reading and writing what descriptors stand for.

use super::GrantError;
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::fd::At;
use crate::outcome::Failure;
use crate::rights::Rights;
use crate::types::FdFlags;

impl WasiCtx {
    /// Writes all bytes to a descriptor of the guest, as `fd_write` does: 1 is the output, 2 the error output, unless
    /// the guest made them something else. Waits where the descriptor does.
    ///
    /// # Errors
    /// The descriptor does not exist or cannot be written, or the system refuses; the guest is interrupted while this
    /// waits; nobody reads any more, and the guest ends at that
    /// ([`broken_pipe_exit`](crate::WasiCtxBuilder::broken_pipe_exit)).
    pub fn write_all(&mut self, fd: u32, mut bytes: &[u8]) -> Result<(), GrantError> {
        while !bytes.is_empty() {
            self.fds.get_mut(fd)?.require(Rights::FD_WRITE)?;
            let range = 0..bytes.len();
            let ranges = std::slice::from_ref(&range);
            let count = self.write(fd, bytes, ranges, At::Position)?;
            bytes = &bytes[count..];
            if count == 0 {
                return Err(Errno::Io.into());
            }
        }
        Ok(())
    }

    /// Writes what a descriptor takes without waiting, as [`WasiCtx::write_all`] writes all; how many bytes.
    ///
    /// ```
    /// use heapwood_wasi::{MemoryOutput, WasiCtx};
    /// let output = MemoryOutput::new(100);
    /// let mut wasi = WasiCtx::builder().stdout(output.clone()).build()?;
    /// assert_eq!(wasi.write_at_once(1, b"text")?, 4);
    /// assert_eq!(output.contents(), b"text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`WasiCtx::write_all`].
    pub fn write_at_once(&mut self, fd: u32, bytes: &[u8]) -> Result<usize, GrantError> {
        let descriptor = self.fds.get_mut(fd)?;
        descriptor.require(Rights::FD_WRITE)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let flags = descriptor.flags;
        descriptor.flags = flags | FdFlags::NONBLOCK;
        let range = 0..bytes.len();
        let written = self.write(fd, bytes, std::slice::from_ref(&range), At::Position);
        self.fds.get_mut(fd)?.flags = flags;
        match written {
            Err(Failure::Errno(Errno::Again)) => Ok(0),
            written => Ok(written?),
        }
    }

    /// Reads some bytes of a descriptor of the guest, as `fd_read` does: 0 is the input. Returns how many; none at the
    /// end. Waits where the descriptor does.
    ///
    /// # Errors
    /// The descriptor does not exist or cannot be read, or the system refuses; the guest is interrupted while this
    /// waits.
    pub fn read_some(&mut self, fd: u32, buffer: &mut [u8]) -> Result<usize, GrantError> {
        let descriptor = self.fds.get_mut(fd)?;
        descriptor.require(Rights::FD_READ)?;
        let range = 0..buffer.len();
        if range.is_empty() {
            return Ok(0);
        }
        Ok(descriptor.read(&self.interrupt, buffer, std::slice::from_ref(&range), At::Position)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StandardStream;
    use std::io::Read;

    /// A pipe takes so much and no more; what waits for it goes on when it is read.
    #[test]
    fn what_a_stream_does_not_take_at_once_is_left() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut wasi = WasiCtx::builder().stdio_fd(StandardStream::Output, writer).build().unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut taken = 0;
        loop {
            match wasi.write_at_once(1, &bytes[taken..]).unwrap() {
                0 => break,
                count => taken += count,
            }
        }
        assert!((4096..bytes.len()).contains(&taken), "{taken}");
        let thread = std::thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        wasi.write_all(1, &bytes[taken..]).unwrap();
        drop(wasi);
        assert!(thread.join().unwrap() == bytes);
    }

    #[test]
    fn what_is_refused_is_refused_without_waiting_too() {
        let mut wasi = WasiCtx::builder().build().unwrap();
        assert_eq!(wasi.write_at_once(0, b"x"), wasi.write_all(0, b"x").map(|()| 0));
        assert_eq!(wasi.write_at_once(9, b"x"), Err(GrantError::Refused(Errno::BadF)));
    }
}
