//! Reading and writing what descriptors stand for.

use super::GrantError;
use crate::ctx::WasiCtx;
use crate::fd::At;
use crate::rights::Rights;

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
                return Err(crate::Errno::Io.into());
            }
        }
        Ok(())
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
