//! Which directories a module is given: those at the root of its container, in which the files of the image and the
//! pod's volumes lie, but for those of the kernel.
//!
//! The root itself is not given, since `/proc` is in it, where a process can write its own memory
//! (`/proc/self/mem`): a module would leave its sandbox, though not its container.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Where the kernel's file systems are mounted in containers.
const OF_THE_KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The directories at the root, in the order of their names, and the working directory as `.` if it is none that is
/// refused. One that the container's user must not read is left out.
pub fn granted() -> Vec<PathBuf> {
    let entries = fs::read_dir("/").into_iter().flatten().flatten();
    let mut directories: Vec<_> = entries.map(|entry| entry.path()).filter(|path| can_be_given(path)).collect();
    directories.sort();
    let working = Path::new(".");
    if can_be_given(working) {
        directories.push(working.to_owned());
    }
    directories
}

/// Whether a name leads to a directory that may be given and can be opened. Links are followed.
fn can_be_given(path: &Path) -> bool {
    let Ok(real) = path.canonicalize() else { return false };
    // A colon has a meaning in `--dir`.
    let has_colon = path.as_os_str().as_encoded_bytes().contains(&b':');
    real.is_dir() && !has_colon && is_of_the_container(&real) && File::open(&real).is_ok()
}

fn is_of_the_container(real: &Path) -> bool {
    real != Path::new("/") && !OF_THE_KERNEL.iter().any(|kernel| real.starts_with(kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_kernel_are_refused() {
        for (path, is_given) in
            [("/", false), ("/proc", false), ("/proc/self", false), ("/sys/fs", false), ("/dev/shm", false)]
                .into_iter()
                .chain([("/data", true), ("/process", true), ("/var/dev", true)])
        {
            assert_eq!(is_of_the_container(Path::new(path)), is_given, "{path}");
        }
    }

    #[test]
    fn links_are_followed() {
        let folder = std::env::temp_dir().join(format!("heapwood-shim-{}", std::process::id()));
        fs::create_dir_all(folder.join("real")).unwrap();
        for (name, target) in [("link", "real"), ("mem", "/proc/self"), ("root", "/"), ("gone", "nothing")] {
            std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
        }
        fs::create_dir(folder.join("a:ro")).unwrap();
        let given: Vec<_> = ["real", "link", "mem", "root", "gone", "a:ro"]
            .into_iter()
            .filter(|name| can_be_given(&folder.join(name)))
            .collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(given, ["real", "link"]);
    }
}
