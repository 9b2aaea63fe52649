//! How much memory this process may have: physical memory, and the limits of the control groups that it is in.
//!
//! 1. `/proc/self/cgroup` names the groups, `/proc/self/mountinfo` where their files are: of version 2, where one group
//!    has all controllers, and of version 1, where the memory controller has a hierarchy of its own
//!    (`cgroups(7)`, the kernel's `Documentation/admin-guide/cgroup-v2.rst`).
//! 2. A group is within those around it, and the smallest limit holds: all are read, up to the mount point.
//! 3. In a container a mount may begin inside of the hierarchy (its root in `mountinfo`), and the group's own name may
//!    be one that only the outside knows. Then the mount point is the group.

use crate::raw::backing::physical_bytes;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Bytes of memory that this process may use, as of the first call: the smaller of physical memory and the limits of
/// its control groups.
pub fn available_bytes() -> u64 {
    static AVAILABLE: LazyLock<u64> =
        LazyLock::new(|| physical_bytes().min(group_limit_bytes(Path::new("/")).unwrap_or(u64::MAX)));
    *AVAILABLE
}

/// A place where a hierarchy of control groups is mounted.
#[derive(PartialEq, Eq, Debug)]
struct Mount {
    /// The group that the mount point shows.
    root: String,
    point: PathBuf,
    /// The file of a group that holds its limit.
    limit_file: &'static str,
}

/// The smallest limit of the groups that this process is in. All files are looked for below `files`.
fn group_limit_bytes(files: &Path) -> Option<u64> {
    let groups = read_to_string(files.join("proc/self/cgroup")).ok()?;
    let mounts = read_to_string(files.join("proc/self/mountinfo")).ok()?;
    let limits = mounts.lines().filter_map(mount).filter_map(|mount| {
        let group = groups.lines().find_map(|line| group_of(line, mount.limit_file))?;
        limit_bytes(files, &mount, group)
    });
    limits.min()
}

const LIMIT_FILE_V1: &str = "memory.limit_in_bytes";
const LIMIT_FILE_V2: &str = "memory.max";

/// A line of `mountinfo`: `ID PARENT DEVICE ROOT POINT OPTIONS [FIELD…] - TYPE SOURCE SUPER_OPTIONS`.
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let limit_file = match (kind.next()?, kind.nth(1)?) {
        ("cgroup2", _) => LIMIT_FILE_V2,
        ("cgroup", options) if options.split(',').any(|option| option == "memory") => LIMIT_FILE_V1,
        _ => return None,
    };
    Some(Mount { root: unescaped(root), point: unescaped(point).into(), limit_file })
}

/// The name of the group in a line of `/proc/self/cgroup` (`NUMBER:CONTROLLERS:NAME`), if it is of that hierarchy.
fn group_of<'l>(line: &'l str, limit_file: &str) -> Option<&'l str> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, name) = (fields.next()?, fields.next()?, fields.next()?);
    let is_memory = match limit_file {
        LIMIT_FILE_V2 => number == "0" && controllers.is_empty(),
        _ => controllers.split(',').any(|controller| controller == "memory"),
    };
    is_memory.then_some(name)
}

/// The smallest limit of a group and those around it, as far as the mount shows them.
fn limit_bytes(files: &Path, mount: &Mount, group: &str) -> Option<u64> {
    let below = match mount.root.as_str() {
        "/" => Some(group),
        root => group.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    let below = below.unwrap_or("").trim_start_matches('/');
    let point = files.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
    // A group outside of the namespace is named by a way up.
    let is_inside = !Path::new(below).components().any(|part| part == std::path::Component::ParentDir);
    let lowest = if is_inside { point.join(below) } else { point.clone() };
    let around = lowest.ancestors().take_while(|folder| folder.starts_with(&point));
    let limit = |folder: &Path| read_to_string(folder.join(mount.limit_file)).ok()?.trim().parse().ok();
    around.filter_map(limit).min()
}

/// A name in `mountinfo`, where a space, a tab, a line's end and a backslash are three octal digits behind a backslash.
fn unescaped(text: &str) -> String {
    let (space, tab, line, slash) = ("\\040", "\\011", "\\012", "\\134");
    text.replace(space, " ").replace(tab, "\t").replace(line, "\n").replace(slash, "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine as its files show it.
    struct Machine(PathBuf);

    impl Machine {
        fn new(name: &str, groups: &str, mounts: &str, limits: &[(&str, &str)]) -> Machine {
            let folder = std::env::temp_dir().join(format!("heapwood-machine-{name}-{}", std::process::id()));
            let write = |path: &str, text: &str| {
                let path = folder.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            };
            write("proc/self/cgroup", groups);
            write("proc/self/mountinfo", mounts);
            limits.iter().for_each(|(path, limit)| write(path, limit));
            Machine(folder)
        }

        fn limit(&self) -> Option<u64> {
            group_limit_bytes(&self.0)
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const V2: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_smallest_limit_of_nested_groups_holds() {
        let files = |inner, outer| {
            let limits = [
                ("sys/fs/cgroup/app.slice/job/memory.max", inner),
                ("sys/fs/cgroup/app.slice/memory.max", outer),
                ("sys/fs/cgroup/other/memory.max", "1"),
            ];
            Machine::new("nested", "0::/app.slice/job\n", V2, &limits).limit()
        };
        assert_eq!(files("67108864\n", "max\n"), Some(64 << 20));
        assert_eq!(files("max\n", "33554432\n"), Some(32 << 20));
        assert_eq!(files("67108864\n", "33554432\n"), Some(32 << 20));
        assert_eq!(files("max\n", "max\n"), None);
    }

    #[test]
    fn the_memory_controller_of_version_1_has_its_own_hierarchy() {
        let mounts = "34 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      35 30 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n";
        let groups = "5:cpu,cpuacct:/here\n4:memory:/jobs/one\n0::/unused\n";
        let limits = [
            ("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/memory/here/memory.limit_in_bytes", "1\n"),
        ];
        assert_eq!(Machine::new("v1", groups, mounts, &limits).limit(), Some(128 << 20));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount_point() {
        let mounts = "35 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let limits = [("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n")];
        for group in ["4:memory:/docker/abc\n", "4:memory:/somewhere/else\n", "4:memory:/../outside\n"] {
            assert_eq!(Machine::new("container", group, mounts, &limits).limit(), Some(1 << 20), "{group}");
        }
        let below = [("sys/fs/cgroup/memory/part/memory.limit_in_bytes", "524288\n"), limits[0]];
        assert_eq!(Machine::new("part", "4:memory:/docker/abc/part\n", mounts, &below).limit(), Some(1 << 19));
        // A name that only begins alike is no group below it.
        assert_eq!(Machine::new("alike", "4:memory:/docker/abcd\n", mounts, &limits).limit(), Some(1 << 20));
    }

    #[test]
    fn odd_files_are_no_limit() {
        for (groups, mounts) in [("", ""), ("0::\n", "29\n"), ("0::/a\n", ""), ("nonsense", V2), ("0::/gone\n", V2)] {
            assert_eq!(Machine::new("odd", groups, mounts, &[]).limit(), None, "{groups:?}");
        }
        let spaced = "29 23 0:26 / /mnt/a\\040b rw - cgroup2 none rw\n";
        let limits = [("mnt/a b/memory.max", "4096\n")];
        assert_eq!(Machine::new("spaced", "0::/\n", spaced, &limits).limit(), Some(4096));
    }
}
