//! Messages between tenants: each has an inbox, which all others reach without waiting for what it does.

use super::{SendError, TenantId};
use crate::{Inbox, InboxError};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes in front of a message that name its sender.
const SENDER_BYTES: usize = size_of::<u64>();

/// A message, and who sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The sender, which may be gone by now.
    pub from: TenantId,
    /// What it sent.
    pub bytes: Vec<u8>,
}

/// The inboxes of all tenants.
#[derive(Clone, Default)]
pub(super) struct Post(Arc<RwLock<HashMap<TenantId, Address>>>);

#[derive(Clone)]
struct Address {
    inbox: Inbox,
    bytes_max: usize,
}

impl Post {
    pub fn open(&self, id: TenantId, inbox: Inbox, bytes_max: usize) {
        self.0.write().insert(id, Address { inbox, bytes_max });
    }

    pub fn close(&self, id: TenantId) {
        self.0.write().remove(&id);
    }

    /// How many messages wait for a tenant.
    pub fn waiting(&self, id: TenantId) -> usize {
        self.address(id).map_or(0, |address| address.inbox.len())
    }

    fn address(&self, id: TenantId) -> Option<Address> {
        self.0.read().get(&id).cloned()
    }

    pub fn send(&self, from: TenantId, to: TenantId, bytes: &[u8]) -> Result<(), SendError> {
        self.address(from).ok_or(SendError::Unknown(from))?;
        let Address { inbox, bytes_max } = self.address(to).ok_or(SendError::Unknown(to))?;
        let bytes_max = bytes_max.saturating_sub(SENDER_BYTES);
        if bytes.len() > bytes_max {
            return Err(SendError::TooLong { bytes: bytes.len(), bytes_max });
        }
        let message = [&u64::from(from).to_le_bytes(), bytes].concat();
        inbox.send(&message).map_err(|error| match error {
            InboxError::Closed => SendError::Unknown(to),
            InboxError::TooLong { .. } => SendError::TooLong { bytes: bytes.len(), bytes_max },
            _ => SendError::Full(to),
        })
    }
}

impl Message {
    /// What came out of an inbox that only [`Post::send`] fills.
    pub(super) fn unpack(message: &[u8]) -> Option<Message> {
        let (from, bytes) = message.split_first_chunk()?;
        Some(Message { from: u64::from_le_bytes(*from).into(), bytes: bytes.to_vec() })
    }
}
