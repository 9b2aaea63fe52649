//! Checks of the heap: the verifier, and the stress mode that calls for collections.

pub mod stress;
pub mod verifier;
