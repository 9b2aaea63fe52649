//! Host surfaces: what compilers of garbage-collected languages expect of the host that runs their programs. The crate
//! knows nothing about the engine; `heapwood::surfaces` joins the two.
//!
//! A surface has the grants of a [`WasiCtx`](heapwood_wasi::WasiCtx): arguments, environment, streams, files below
//! preopened directories, clocks and random bytes, so that a program reaches no more through it than through WASI.
//!
//! Layout: `units` is text in UTF-16 units; `string_table` reads strings of a custom section; `civil` is the calendar
//! and `time_zone` local time; `moonbit` is the surface of MoonBit's target wasm-gc, `teavm` that of TeaVM's, `dart`
//! what that of Dart's standalone target needs beside an engine.

mod civil;
pub mod dart;
pub mod moonbit;
mod string_table;
pub mod teavm;
mod time_zone;
mod units;

pub use string_table::parse_string_table;
pub use time_zone::{LocalTime, TimeZone, WallClock};
