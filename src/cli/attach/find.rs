//! The socket of a process, by its number: a process that listens at a socket has it among its descriptors, and the
//! system's table of sockets says where it is.

use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Set in a line of the table for a socket at which somebody listens.
const LISTENS: u64 = 1 << 16;

/// Where a process listens, as far as it does so in the file system.
///
/// # Errors
/// There is no such process, it is of another user, or listens nowhere.
pub fn sockets(pid: u32) -> Result<Vec<PathBuf>> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let inodes = match inodes(&process) {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no process {pid}"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!("process {pid} is another user's"),
        inodes => inodes.with_context(|| format!("process {pid}"))?,
    };
    let table = std::fs::read_to_string(process.join("net/unix")).with_context(|| format!("process {pid}"))?;
    let found: Vec<_> = table.lines().filter_map(|line| listening(line, &inodes)).collect();
    if found.is_empty() {
        bail!(
            "process {pid} cannot be inspected: it has no socket, which `--inspect-socket PATH` or the variable \
             HEAPWOOD_SOCKET_DIR makes when it starts"
        );
    }
    Ok(found.into_iter().map(|path| seen_from_here(&process, path)).collect())
}

/// The numbers of a process's sockets.
fn inodes(process: &Path) -> std::io::Result<HashSet<u64>> {
    let mut inodes = HashSet::new();
    for entry in std::fs::read_dir(process.join("fd"))? {
        // A descriptor may be closed meanwhile.
        let Ok(target) = entry.and_then(|entry| std::fs::read_link(entry.path())) else { continue };
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inodes.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok(inodes)
}

/// The path in a line of the table, `number: references protocol flags type state inode path`, if it is of one of these
/// sockets, and somebody listens there.
fn listening(line: &str, inodes: &HashSet<u64>) -> Option<PathBuf> {
    let mut rest = line;
    let mut words = [""; 7];
    for word in &mut words {
        let start = rest.trim_start();
        let end = start.find(' ').unwrap_or(start.len());
        (*word, rest) = start.split_at(end);
    }
    let path = rest.strip_prefix(' ').filter(|path| path.starts_with('/'))?;
    let flags = u64::from_str_radix(words[3], 16).ok()?;
    let is_it = flags & LISTENS != 0 && inodes.contains(&words[6].parse().ok()?);
    is_it.then(|| PathBuf::from(path))
}

/// A path of a process that may see other files than this one does.
fn seen_from_here(process: &Path, path: PathBuf) -> PathBuf {
    if path.exists() {
        return path;
    }
    let inside = process.join("root").join(path.strip_prefix("/").unwrap_or(&path));
    if inside.exists() { inside } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_of_sockets() {
        let inodes = HashSet::from([77]);
        let listening = |line: &str| listening(line, &inodes).map(|path| path.display().to_string());
        let line = |flags: &str, inode: u32, path: &str| {
            format!("ffff8880: 00000002 00000000 {flags} 0001 01 {inode:>5}{path}")
        };
        assert_eq!(listening(&line("00010000", 77, " /run/a b.sock")).as_deref(), Some("/run/a b.sock"));
        for other in [
            line("00000000", 77, " /run/a.sock"),
            line("00010000", 78, " /run/a.sock"),
            line("00010000", 77, ""),
            line("00010000", 77, " @abstract"),
            "Num       RefCount Protocol Flags    Type St Inode Path".to_owned(),
            String::new(),
        ] {
            assert_eq!(listening(&other), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_attached_to_is_said() {
        let said = |pid| sockets(pid).unwrap_err().to_string();
        assert_eq!(said(u32::MAX), format!("there is no process {}", u32::MAX));
    }
}
