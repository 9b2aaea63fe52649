//! Which features a module needs, and which of them are missing.
//!
//! 1. A module that is invalid with all features is invalid, and no feature is blamed for it.
//! 2. Else a scan finds what it needs ([`crate::detect`]).
//! 3. Before a feature is blamed, validation without it has to fail: what is named is needed, and it is enough.

use crate::decode::validate;
use crate::{Features, ModuleError, detect::scan, what_it_is};

/// First bytes of a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What a module needs, whether or not it is on anywhere.
///
/// # Errors
/// The module is invalid even with all features.
pub fn detect(bytes: &[u8]) -> Result<Features, ModuleError> {
    validate_with_all(bytes)?;
    scan(bytes)
}

/// Completes the `error` for which a module was refused with the features `on`: if it were valid with others, says
/// with which, else what is wrong with it apart from them.
pub fn explain(bytes: &[u8], on: Features, error: ModuleError) -> ModuleError {
    if bytes.starts_with(COMPONENT) {
        return ModuleError::at(4, "this is a component of the component model, where a core module is expected");
    }
    if let Some(what) = what_it_is(bytes) {
        return ModuleError::at(0, format!("this is {what}"));
    }
    match missing(bytes, on) {
        Ok(missing) => ModuleError { missing, ..error },
        Err(invalid) => invalid,
    }
}

/// Validates with all features of ours, and if that fails, with those that Heapwood does not have.
fn validate_with_all(bytes: &[u8]) -> Result<(), ModuleError> {
    validate(bytes, Features::all()).or_else(|error| validate(bytes, Features::named()).map_err(|_| error))
}

/// The least set of features that makes the module valid together with `on`.
fn missing(bytes: &[u8], on: Features) -> Result<Features, ModuleError> {
    validate_with_all(bytes)?;
    let is_valid = |extra: Features| validate(bytes, on.union(extra)).is_ok();
    let mut missing = scan(bytes)?.missing_in(on);
    if !is_valid(missing) {
        missing = Features::named().missing_in(on);
    }
    for feature in missing.iter() {
        if is_valid(missing.without(feature)) {
            missing = missing.without(feature);
        }
    }
    Ok(missing)
}
