//! Serving clients, whatever they do: so many at a time, each with so much time for its request and for reading the
//! answer. None of them costs the guest anything before its request is whole.

use super::answers;
use super::socket::Socket;
use super::subject::Subject;
use crate::cli::attach::protocol::{Connection, GREETING, LINE_BYTES_MAX, Request};
use heapwood::cut;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Clients that are served at a time.
const CLIENTS_MAX: usize = 8;
/// How long a client has for its request.
const REQUESTED_WITHIN: Duration = Duration::from_secs(5);
/// How long a client has for reading an answer.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// How long the next connection waits if the system has no descriptor for it.
const PATIENCE: Duration = Duration::from_millis(100);

/// Those who are served, until this is dropped.
pub struct Clients {
    is_over: Arc<AtomicBool>,
}

/// A client's place among those that are served.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(served: &Arc<AtomicUsize>) -> Option<Place> {
        if served.fetch_add(1, Ordering::SeqCst) >= CLIENTS_MAX {
            served.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        Some(Place(served.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clients {
    /// Serves those that connect from now on.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn serve(socket: &Socket, subject: Arc<Subject>) -> io::Result<Clients> {
        let (listener, is_over) = (socket.listener()?, Arc::new(AtomicBool::new(false)));
        let ended = is_over.clone();
        Builder::new().name("inspection".to_owned()).spawn(move || accept(&listener, &ended, &subject))?;
        Ok(Clients { is_over })
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // The thread ends with the process; whoever connects until then is sent away.
        self.is_over.store(true, Ordering::SeqCst);
    }
}

fn accept(listener: &UnixListener, is_over: &AtomicBool, subject: &Arc<Subject>) {
    let served = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            std::thread::sleep(PATIENCE);
            continue;
        };
        if let Err(refusal) = admit(stream, &served, subject) {
            // It takes no more than what a new connection has room for, and nobody waits for it.
            let (stream, message) = refusal;
            let _ = stream.set_nonblocking(true);
            let _ = io::Write::write(&mut &stream, format!("error {message}\n").as_bytes());
        }
    }
}

/// Serves a client on a thread of its own, or says why not.
fn admit(
    stream: UnixStream,
    served: &Arc<AtomicUsize>,
    subject: &Arc<Subject>,
) -> Result<(), (UnixStream, &'static str)> {
    let is_ours = socket_peercred(&stream).is_ok_and(|peer| peer.uid == geteuid() || peer.uid.is_root());
    if !is_ours {
        return Err((stream, "the program is another user's"));
    }
    let Some(place) = Place::take(served) else {
        return Err((stream, "too many clients are attached already"));
    };
    let subject = subject.clone();
    let serve = move || {
        let _place = place;
        // A client that goes, or does not read, is none of our concern.
        let _ = serve(&mut Connection::new(stream), &subject);
    };
    // Without a thread the connection is closed, with the place that it had.
    let _ = Builder::new().name("inspection".to_owned()).spawn(serve);
    Ok(())
}

fn serve(client: &mut Connection, subject: &Subject) -> io::Result<()> {
    let deadline = Instant::now() + REQUESTED_WITHIN;
    client.write_bytes(format!("{GREETING}\n").as_bytes(), Some(deadline))?;
    let answer = match client.read_line(Some(deadline)) {
        Ok(line) => line.parse::<Request>().and_then(|request| {
            let descriptor = client.take_descriptor();
            answers::answer(&request, descriptor, subject)
        }),
        Err(error) => Err(format!("a request is a line: {error}")),
    };
    let deadline = Some(Instant::now() + READ_WITHIN);
    match answer {
        Ok(bytes) => {
            client.write_bytes(format!("ok {}\n", bytes.len()).as_bytes(), deadline)?;
            client.write_bytes(&bytes, deadline)
        }
        Err(message) => {
            let mut message = cut(&message, LINE_BYTES_MAX).to_string();
            message.truncate(message.floor_char_boundary(LINE_BYTES_MAX - "error \n".len()));
            client.write_bytes(format!("error {message}\n").as_bytes(), deadline)
        }
    }
}
