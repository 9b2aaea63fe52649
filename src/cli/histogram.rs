//! The objects of a heap by type, as a table.

use heapwood::{HeapHistogram, brief};
use std::fmt::Write;

/// The types with the most bytes, so many of them, and what there is of all.
pub fn table(histogram: &HeapHistogram, rows_max: usize) -> String {
    let mut table = format!("{:>12} {:>14}  type\n", "objects", "bytes");
    let rows = histogram.rows();
    for row in rows.iter().take(rows_max) {
        let _ = writeln!(table, "{:>12} {:>14}  {}", row.objects(), row.bytes(), brief(row.type_name()));
    }
    if rows.len() > rows_max {
        let left = &rows[rows_max..];
        let objects: u64 = left.iter().map(|row| row.objects()).sum();
        let bytes: u64 = left.iter().map(|row| row.bytes()).sum();
        let _ = writeln!(table, "{objects:>12} {bytes:>14}  ({} other types)", left.len());
    }
    let _ = writeln!(table, "{:>12} {:>14}  (all)", histogram.objects(), histogram.bytes());
    table
}
