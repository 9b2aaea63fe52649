//! The `heapwood` command line.
fn main() {}
