//! What machine this is, as far as measurements depend on it.

use std::fs::read_to_string;

/// The processor's name.
pub fn processor() -> Option<String> {
    let info = read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory of the machine in bytes.
pub fn memory_bytes() -> Option<u64> {
    let info = read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// Name and release of the kernel.
pub fn kernel() -> Option<String> {
    let release = read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(format!("Linux {}", release.trim()))
}

/// How many threads wanted to run in the last minute, on average.
pub fn load() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split_ascii_whitespace().next()?.parse().ok()
}
