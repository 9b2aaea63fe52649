//! What an uncaught exception says: by what a program of TeaVM exports for that, or by the names of what was thrown.

use heapwood::surfaces::teavm;
use heapwood::{Exception, Store};

/// `Uncaught exception: Class: message` with its causes a line each; the tag's number where names are missing.
pub fn describe<T: 'static>(store: &mut Store<T>, exception: &Exception) -> String {
    if let Some(described) = teavm::describe(store, exception) {
        return described;
    }
    match exception.describe(store) {
        Ok(Some(text)) => format!("Uncaught exception: {text}"),
        _ => exception.to_string(),
    }
}
