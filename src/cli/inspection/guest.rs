//! Asking the guest: a function that its thread runs at a safe point.

use heapwood::{Inspection, Inspector, InspectorError};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long the guest has to come to a safe point.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// What the guest's thread says.
enum Said<R> {
    Begun,
    Answer(R),
}

/// Has the guest's thread do something, and returns what that says. A request that was given up does nothing.
///
/// # Errors
/// The guest comes to no safe point, or has ended.
pub fn ask<R: Send + 'static>(
    inspector: &Inspector,
    request: impl FnOnce(&mut Inspection<'_>) -> R + Send + 'static,
) -> Result<R, String> {
    let (says, said) = mpsc::channel();
    // Gone when nobody waits any more.
    let asker = Arc::new(());
    let is_wanted: Weak<()> = Arc::downgrade(&asker);
    let asked = inspector.ask(move |guest| {
        if is_wanted.strong_count() > 0 && says.send(Said::Begun).is_ok() {
            let _ = says.send(Said::Answer(request(guest)));
        }
    });
    asked.map_err(|error| match error {
        InspectorError::Closed => ENDED.to_owned(),
        other => other.to_string(),
    })?;
    match said.recv_timeout(ANSWERED_WITHIN) {
        Ok(Said::Answer(answer)) => return Ok(answer),
        Ok(Said::Begun) => {}
        Err(RecvTimeoutError::Disconnected) => return Err(ENDED.to_owned()),
        Err(RecvTimeoutError::Timeout) => {
            let seconds = ANSWERED_WITHIN.as_secs();
            return Err(format!("the guest came to no safe point for {seconds} s: a host function takes long"));
        }
    }
    // However long it takes, it is under way.
    match said.recv() {
        Ok(Said::Answer(answer)) => Ok(answer),
        _ => Err(ENDED.to_owned()),
    }
}

const ENDED: &str = "the program has ended";
