//! Messages from one store to another: bytes in a bounded queue.

use super::{AsContextMut, Caller, Store, StoreContextMut, StoreOpaque};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Where messages for a store are left, from any thread. Cheap to clone; made by [`Store::open_inbox`].
///
/// Messages come out in the order in which they went in. A queue that is full refuses: nobody waits, and nothing that
/// was accepted is lost while the store lives.
///
/// ```
/// # use heapwood_vm::{Engine, InboxError, Store};
/// let engine = Engine::default();
/// let mut receiver = Store::new(&engine, ());
/// let inbox = receiver.open_inbox(16, 2);
/// inbox.send(b"one").unwrap();
/// inbox.send(b"two").unwrap();
/// assert!(matches!(inbox.send(b"three"), Err(InboxError::Full { messages_max: 2, .. })));
/// assert_eq!(receiver.receive().as_deref(), Some(&b"one"[..]));
/// drop(receiver);
/// assert_eq!(inbox.send(b"four"), Err(InboxError::Closed));
/// ```
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    bytes_max: usize,
    messages_max: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Box<[u8]>>,
    bytes: usize,
    is_closed: bool,
}

/// Why a message was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InboxError {
    /// So many messages or bytes wait already that one of these limits is in the way. There may be room once the store
    /// has received some.
    Full {
        /// Messages that the inbox takes.
        messages_max: usize,
        /// Bytes that the inbox takes.
        bytes_max: usize,
    },
    /// The message alone has more bytes than the inbox takes.
    TooLong {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes that the inbox takes.
        bytes_max: usize,
    },
    /// The store is gone, or has opened another inbox.
    Closed,
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InboxError::Full { messages_max, bytes_max } => {
                write!(f, "the inbox is full: it takes {messages_max} messages and {bytes_max} bytes")
            }
            InboxError::TooLong { bytes, bytes_max } => {
                write!(f, "a message of {bytes} bytes for an inbox that takes {bytes_max}")
            }
            InboxError::Closed => f.write_str("the inbox is closed: its store is gone, or has opened another one"),
        }
    }
}

impl std::error::Error for InboxError {}

impl Inbox {
    /// Leaves a copy of a message.
    ///
    /// # Errors
    /// The inbox is full or closed, or the message is longer than the inbox; the message is not left then.
    pub fn send(&self, message: &[u8]) -> Result<(), InboxError> {
        let Shared { bytes_max, messages_max, queue } = &*self.0;
        if message.len() > *bytes_max {
            return Err(InboxError::TooLong { bytes: message.len(), bytes_max: *bytes_max });
        }
        let mut queue = queue.lock();
        if queue.is_closed {
            return Err(InboxError::Closed);
        }
        if queue.messages.len() >= *messages_max || message.len() > bytes_max - queue.bytes {
            return Err(InboxError::Full { messages_max: *messages_max, bytes_max: *bytes_max });
        }
        queue.bytes += message.len();
        queue.messages.push_back(message.into());
        Ok(())
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.0.queue.lock().messages.len()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("messages", &self.len()).finish_non_exhaustive()
    }
}

/// A store's own end of its inbox, which closes with it.
pub(super) struct OpenInbox(Inbox);

impl OpenInbox {
    fn receive(&self) -> Option<Box<[u8]>> {
        let mut queue = self.0.0.queue.lock();
        let message = queue.messages.pop_front()?;
        queue.bytes -= message.len();
        Some(message)
    }
}

impl Drop for OpenInbox {
    fn drop(&mut self) {
        *self.0.0.queue.lock() = Queue { is_closed: true, ..Queue::default() };
    }
}

impl StoreOpaque {
    fn receive(&self) -> Option<Box<[u8]>> {
        self.inbox().as_ref().and_then(OpenInbox::receive)
    }
}

impl<T: 'static> Store<T> {
    /// Opens the store's inbox, in which at most `messages_max` messages of together at most `bytes_max` bytes wait. An
    /// inbox that was open before closes, and what waited there is dropped.
    pub fn open_inbox(&mut self, bytes_max: usize, messages_max: usize) -> Inbox {
        let inbox = Inbox(Arc::new(Shared { bytes_max, messages_max, queue: Mutex::default() }));
        self.opaque_mut().set_inbox(OpenInbox(inbox.clone()));
        inbox
    }

    /// The message that has waited longest in the store's inbox; none if none waits, or if no inbox was opened.
    pub fn receive(&mut self) -> Option<Box<[u8]>> {
        self.opaque().receive()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// The message that has waited longest, as of [`Store::receive`].
    pub fn receive(&mut self) -> Option<Box<[u8]>> {
        self.opaque().receive()
    }
}

impl<T: 'static> Caller<'_, T> {
    /// The message that has waited longest in the inbox of the guest's store, as of [`Store::receive`].
    pub fn receive(&mut self) -> Option<Box<[u8]>> {
        self.as_context_mut().opaque().receive()
    }
}
