//! What can go wrong with a tenant.

use super::{Resource, TenantId};
use crate::Error;
use std::fmt;

/// Why something of a tenant failed. The tenant is still there and usable in each case, and no other one notices.
#[derive(Debug)]
#[non_exhaustive]
pub enum TenantError {
    /// There is no such tenant: it was never there, or it was unregistered or evicted.
    Unknown(TenantId),
    /// The tenant is at work, in another thread or further up in this one. Nobody waits for it.
    Busy(TenantId),
    /// A limit of the tenant's [`Quota`](super::Quota) was in the way.
    Quota {
        /// What the limit is for.
        resource: Resource,
        /// The limit.
        limit: u64,
        /// What the tenant would have had, where that is a number: memories, tables, instances and code.
        wanted: Option<u64>,
        /// The guest's end, with its backtrace, where it came so far.
        error: Option<Error>,
    },
    /// Everything else: the guest trapped, threw, or a host function of its failed; an import or export is missing or
    /// of another type; the module is not valid; the system has no memory left.
    Guest(Error),
}

/// Why a message was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// There is no such tenant, be it the sender or the receiver.
    Unknown(TenantId),
    /// As many messages or bytes wait for the receiver as its limit allows. There may be room when it has received
    /// some.
    Full(TenantId),
    /// The message alone is longer than what the receiver's inbox takes.
    TooLong {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes of the longest message that the receiver takes.
        bytes_max: usize,
    },
}

impl fmt::Display for TenantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TenantError::Unknown(id) => write!(f, "there is no {id}"),
            TenantError::Busy(id) => write!(f, "{id} is at work"),
            TenantError::Quota { resource, limit, wanted: Some(wanted), .. } => {
                write!(f, "{wanted} {resource}: the tenant may have {limit}")
            }
            TenantError::Quota { resource, limit, wanted: None, .. } => {
                write!(f, "more {resource} than the {limit} that the tenant may have")
            }
            TenantError::Guest(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TenantError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TenantError::Quota { error: Some(error), .. } => Some(&**error),
            TenantError::Guest(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Unknown(id) => write!(f, "there is no {id}"),
            SendError::Full(id) => write!(f, "the inbox of {id} is full"),
            SendError::TooLong { bytes, bytes_max } => {
                write!(f, "a message of {bytes} bytes for an inbox that takes {bytes_max}")
            }
        }
    }
}

impl std::error::Error for SendError {}
