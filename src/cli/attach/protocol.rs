//! What is said over the socket of a process: both sides use it.
//!
//! 1. The process says [`GREETING`].
//! 2. The client sends one request, a line; with some of them a descriptor, to which the process writes.
//! 3. The process answers `ok LENGTH` and so many bytes, or `error MESSAGE`, each as a line, and closes.
//!
//! Lines end with `\n` and have at most [`LINE_BYTES_MAX`] bytes.

use crate::cli::gc_report::LogFormat;
use crate::cli::profile::ProfileFormat;
use clap::ValueEnum;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// What a process says first: who it is, and the number of the protocol.
pub const GREETING: &str = "heapwood 1";
/// Most bytes of a line.
pub const LINE_BYTES_MAX: usize = 1024;
/// Descriptors that may come with a line; what is more of them is closed.
const DESCRIPTORS_MAX: usize = 4;

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Figures of the heap so far, as JSON.
    Stats,
    /// Where the guest is.
    Stack,
    /// The objects of the heap by type, so many types.
    Histogram { rows: usize },
    /// Writes a snapshot of the heap to the descriptor that comes with it.
    Snapshot,
    /// Collects everything, beside the program.
    Gc,
    /// Logs pauses from now on: to the descriptor that comes with it, or else to the program's standard error.
    GcLogOn { format: LogFormat },
    /// Logs no more pauses.
    GcLogOff,
    /// Samples the guest's stack from now on.
    ProfileStart { interval_us: u64 },
    /// Ends that, and gives the profile out, in a form.
    ProfileStop { format: ProfileFormat },
    /// Samples allocations from now on.
    AllocationsStart { mean_bytes: u64 },
    /// Ends that, and gives the profile out.
    AllocationsStop,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Stats => f.write_str("stats"),
            Request::Stack => f.write_str("stack"),
            Request::Histogram { rows } => write!(f, "histogram {rows}"),
            Request::Snapshot => f.write_str("snapshot"),
            Request::Gc => f.write_str("gc"),
            Request::GcLogOn { format } => write!(f, "gc-log on {}", name_of(format)),
            Request::GcLogOff => f.write_str("gc-log off"),
            Request::ProfileStart { interval_us } => write!(f, "profile start {interval_us}"),
            // As it was before there were others.
            Request::ProfileStop { format: ProfileFormat::Collapsed } => f.write_str("profile stop"),
            Request::ProfileStop { format } => write!(f, "profile stop {}", name_of(format)),
            Request::AllocationsStart { mean_bytes } => write!(f, "allocations start {mean_bytes}"),
            Request::AllocationsStop => f.write_str("allocations stop"),
        }
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Request, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let request = match words[..] {
            ["stats"] => Some(Request::Stats),
            ["stack"] => Some(Request::Stack),
            ["histogram", rows] => rows.parse().ok().map(|rows| Request::Histogram { rows }),
            ["snapshot"] => Some(Request::Snapshot),
            ["gc"] => Some(Request::Gc),
            ["gc-log", "on", format] => {
                LogFormat::from_str(format, false).ok().map(|format| Request::GcLogOn { format })
            }
            ["gc-log", "off"] => Some(Request::GcLogOff),
            ["profile", "start", us] => number(us).map(|interval_us| Request::ProfileStart { interval_us }),
            ["profile", "stop"] => Some(Request::ProfileStop { format: ProfileFormat::Collapsed }),
            ["profile", "stop", format] => {
                ProfileFormat::from_str(format, false).ok().map(|format| Request::ProfileStop { format })
            }
            ["allocations", "start", bytes] => number(bytes).map(|mean_bytes| Request::AllocationsStart { mean_bytes }),
            ["allocations", "stop"] => Some(Request::AllocationsStop),
            _ => None,
        };
        request.ok_or_else(|| format!("`{}` is no request", heapwood::cut(line, 100)))
    }
}

/// What a format is called.
fn name_of(format: &impl ValueEnum) -> String {
    format.to_possible_value().expect("no format is hidden").get_name().to_owned()
}

/// A number that is not 0.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number != 0)
}

/// One end of a connection.
pub struct Connection {
    stream: UnixStream,
    /// Bytes that were read behind a line.
    rest: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Connection {
    pub fn new(stream: UnixStream) -> Connection {
        Connection { stream, rest: Vec::new(), descriptors: Vec::new() }
    }

    /// The next line, without its end. It has to be there until `deadline`, if there is one.
    ///
    /// # Errors
    /// It is too long, no text, not whole, or comes too late.
    pub fn read_line(&mut self, deadline: Option<Instant>) -> io::Result<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).take(end).collect();
                return String::from_utf8(line).map_err(|_| wrong("a line that is no text"));
            }
            if self.rest.len() >= LINE_BYTES_MAX {
                return Err(wrong(format!("a line of more than {LINE_BYTES_MAX} bytes")));
            }
            let mut bytes = [0; LINE_BYTES_MAX];
            match self.receive(&mut bytes[..LINE_BYTES_MAX - self.rest.len()], deadline)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.rest.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// So many bytes that follow.
    ///
    /// # Errors
    /// There are not so many.
    pub fn read_bytes(&mut self, count: u64, output: &mut dyn io::Write) -> io::Result<()> {
        let of_rest = usize::try_from(count).unwrap_or(usize::MAX).min(self.rest.len());
        output.write_all(&self.rest[..of_rest])?;
        self.rest.drain(..of_rest);
        let mut left = count - of_rest as u64;
        let mut bytes = vec![0; 1 << 16];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            match self.receive(&mut bytes[..most], None)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    output.write_all(&bytes[..count])?;
                    left -= count as u64;
                }
            }
        }
        Ok(())
    }

    /// A descriptor that came with what was read so far.
    pub fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop()
    }

    fn receive(&mut self, bytes: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [IoSliceMut::new(bytes)];
        let received = loop {
            self.stream.set_read_timeout(deadline.map(left_until).transpose()?)?;
            match recvmsg(&self.stream, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                received => break received?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                // One is enough for any request.
                self.descriptors = descriptors.take(1).collect();
            }
        }
        Ok(received.bytes)
    }

    /// Writes a line, with a descriptor.
    ///
    /// # Errors
    /// The other side is gone.
    pub fn write_line(&mut self, line: &str, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let descriptors = descriptor.into_iter().collect::<Vec<_>>();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(wrong("there is no room for a descriptor"));
        }
        let line = format!("{line}\n");
        let sent = sendmsg(&self.stream, &[IoSlice::new(line.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
        self.write_bytes(&line.as_bytes()[sent..], None)
    }

    /// Writes bytes, until `deadline` if there is one.
    ///
    /// # Errors
    /// The other side is gone, or does not read.
    pub fn write_bytes(&mut self, mut bytes: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(deadline.map(left_until).transpose()?)?;
            match io::Write::write(&mut self.stream, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What is left of the time.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    // No time at all would mean to wait for ever.
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_read_as_it_is_written() {
        let formats = LogFormat::value_variants().iter().map(|format| Request::GcLogOn { format: *format });
        let others = [
            Request::Stats,
            Request::Stack,
            Request::Histogram { rows: 7 },
            Request::Snapshot,
            Request::Gc,
            Request::GcLogOff,
            Request::ProfileStart { interval_us: 1000 },
            Request::AllocationsStart { mean_bytes: u64::MAX },
            Request::AllocationsStop,
        ];
        let profiles = ProfileFormat::value_variants().iter().map(|format| Request::ProfileStop { format: *format });
        for request in others.into_iter().chain(formats).chain(profiles) {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let lines = "|stat|stats |stats stats| stats|histogram|histogram x|histogram -1|profile start 0|profile start|profile stop xml|profile stop Pprof|\
            allocations start 99999999999999999999|gc-log on html|gc-log|Stats|stack\0";
        for line in lines.split('|') {
            assert!(line.parse::<Request>().is_err_and(|error| error.ends_with("is no request")), "{line}");
        }
        assert!("x".repeat(1000).parse::<Request>().is_err_and(|error| error.len() < 200));
    }
}
