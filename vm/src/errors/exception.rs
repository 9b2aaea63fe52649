//! Exceptions that nobody caught.

use crate::ids::{ExnRef, Root, Tag};
use std::fmt;

/// An exception on its way through the host. A host function that returns it as its error throws it again.
#[derive(Clone, Debug)]
pub struct Exception {
    tag: Tag,
    object: Root<ExnRef>,
}

impl Exception {
    pub(crate) fn from_root(tag: Tag, object: Root<ExnRef>) -> Exception {
        Exception { tag, object }
    }

    pub(crate) fn root(&self) -> &Root<ExnRef> {
        &self.object
    }

    /// The tag that the exception was thrown with.
    pub fn tag(&self) -> Tag {
        self.tag
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uncaught exception with tag {}", self.tag.number())
    }
}

impl std::error::Error for Exception {}
