//! Exceptions that nobody caught.

use crate::ids::{ExnRef, Root, Tag};
use std::fmt;
use std::sync::Arc;

/// An exception on its way through the host. A host function that returns it as its error throws it again.
#[derive(Clone, Debug)]
pub struct Exception {
    tag: Tag,
    /// The tag's name, as a message shows it.
    name: Option<Arc<str>>,
    object: Root<ExnRef>,
}

impl Exception {
    pub(crate) fn from_root(tag: Tag, name: Option<Arc<str>>, object: Root<ExnRef>) -> Exception {
        Exception { tag, name, object }
    }

    pub(crate) fn root(&self) -> &Root<ExnRef> {
        &self.object
    }

    /// The tag that the exception was thrown with.
    pub fn tag(&self) -> Tag {
        self.tag
    }
}

/// Says which tag it has: by its name in a module of the store, be it of the name section or of an export, else by its
/// number among the tags of the store.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "uncaught exception with tag `{name}`"),
            None => write!(f, "uncaught exception with tag {}", self.tag.number()),
        }
    }
}

impl std::error::Error for Exception {}
