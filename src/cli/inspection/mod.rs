//! A program that runs can be asked from other processes (`heapwood attach`), through a socket.
//!
//! 1. `socket` makes the socket and takes it away, `clients` serves whoever comes, with bounds for all that a client
//!    may do; `answers` says what is answered.
//! 2. What concerns the store is asked of it by an `Inspector` (`guest`): so the guest is stopped for a bounded time at
//!    a safe point, snapshots excepted, and names and texts are made here, beside it.

mod answers;
mod clients;
mod descriptor;
mod guest;
mod socket;
mod subject;

pub use subject::Subject;

use super::output;
use anyhow::{Context, Result};
use clap::Args;
use clients::Clients;
use socket::Socket;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;

/// Where a program listens for `heapwood attach`.
#[derive(Args)]
pub struct InspectionOptions {
    /// Listen at this socket for `heapwood attach`; by default PID.sock in the directory HEAPWOOD_SOCKET_DIR, if that is
    /// set
    #[arg(long, value_name = "PATH")]
    inspect_socket: Option<PathBuf>,
}

/// The variable that names the directory of sockets.
const DIRECTORY: &str = "HEAPWOOD_SOCKET_DIR";

impl InspectionOptions {
    /// Serves clients from now on, if that is asked for, until the result is dropped.
    ///
    /// # Errors
    /// The socket cannot be made. They name the option, or the variable.
    pub fn serve(&self, subject: &Arc<Subject>) -> Result<Option<Server>> {
        let socket = match &self.inspect_socket {
            Some(path) => Socket::at(path).with_context(|| format!("--inspect-socket {}", path.display()))?,
            None => match std::env::var_os(DIRECTORY).filter(|name| !name.is_empty()) {
                Some(directory) => {
                    let made = Socket::in_directory(directory.as_ref());
                    made.with_context(|| format!("{DIRECTORY} {}", directory.display()))?
                }
                None => return Ok(None),
            },
        };
        let server = Clients::serve(&socket, subject.clone()).context("no thread for the inspection of the program")?;
        Ok(Some(Server { _clients: server, _socket: socket }))
    }
}

/// Prints the guest's stack and its heap on stderr, on a thread of its own: it may take a while until the guest comes
/// to a safe point. Without a thread nothing is told.
pub fn tell(subject: &Arc<Subject>) {
    let subject = subject.clone();
    let tell = move || {
        let said = answers::stack_text(&subject).and_then(|stack| Ok(stack + &answers::heap_line(&subject)?));
        output::print_error(&said.unwrap_or_else(|error| format!("heapwood: {error}\n")));
    };
    let _ = Builder::new().name("inspection".to_owned()).spawn(tell);
}

/// Serves clients while it is there.
pub struct Server {
    // First: nobody is accepted whose socket is gone.
    _clients: Clients,
    _socket: Socket,
}
