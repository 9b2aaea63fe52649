//! What programs of Dart's target `wasm --standalone` ask of their host, as far as it needs no engine.
//!
//! Numbers as text (`number`), strings as sequences of units (`text`), regular expressions (`regexp`) and a thread for
//! those that may never end (`worker`), tasks that wait for their turn (`event_loop`). The
//! functions that programs import are in `heapwood::surfaces::dart`.

mod event_loop;
mod number;
mod regexp;
mod text;
mod worker;

pub use event_loop::{EventLoop, TimerId};
pub use number::{f64_to_exponential, f64_to_fixed, f64_to_precision, f64_to_string, i64_to_string, parse_double};
pub use regexp::{RegExp, RegExpFlags, RegExpMatch};
pub use text::{
    UNITS_MAX, escape_pattern, index_of, json_encode, last_index_of, replace_all, to_lower_case, to_upper_case,
    units_of_code,
};
pub use worker::{NoResult, Running, Waker, Worker};
