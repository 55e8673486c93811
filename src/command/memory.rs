//! How much memory a process of this machine may take: what control groups (version 2) and the kernel say.

use std::fs::read_to_string;
use std::path::Path;

use dp2stage::engine::Machine;

use crate::config::{Config, Workers};

/// What each of `sharing` workers on this machine has. Where nobody tells, memory has no limit.
pub fn worker_machine(config: &Config, sharing: usize) -> Machine {
    let Workers { threads, memory_bytes, .. } = &config.workers;
    let share = || available().map_or(u64::MAX, |bytes| bytes / sharing.max(1) as u64);
    Machine {
        memory_bytes: if *memory_bytes > 0 { *memory_bytes } else { share() },
        threads: if *threads > 0 { *threads } else { std::thread::available_parallelism().map_or(1, usize::from) },
    }
}

/// Bytes that are free for this process: what the kernel can hand out, within the limits of its control
/// groups. `None` where neither is told.
fn available() -> Option<u64> {
    let free = read_to_string("/proc/meminfo").ok().and_then(|text| free(&text));
    let group = read_to_string("/proc/self/cgroup").ok().and_then(|text| group(&text).map(str::to_owned));
    let limit = group.and_then(|group| limit(Path::new("/sys/fs/cgroup"), &group));
    free.into_iter().chain(limit).min()
}

/// `MemAvailable` of `/proc/meminfo`.
fn free(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The control group of a process, from the one line that version 2 has in `/proc/self/cgroup`.
fn group(lines: &str) -> Option<&str> {
    lines.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The least limit of a group and of the groups around it; `max` is no limit.
fn limit(root: &Path, group: &str) -> Option<u64> {
    let folder = root.join(group);
    let around = folder.ancestors().take_while(|folder| folder.starts_with(root));
    around.filter_map(|folder| read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(free("MemTotal: 9 kB\nMemAvailable:   24028 kB\n"), Some(24028 * 1024));
        assert_eq!(free("MemTotal: 9 kB\n"), None);
        assert_eq!(group("12:pids:/x\n0::/system.slice/dp2stage.service\n"), Some("system.slice/dp2stage.service"));
        assert_eq!(group("12:pids:/x\n"), None);
    }

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cgroup");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(limit(&root, "a/b"), None);
        std::fs::write(folder.path().join("memory.max"), "1\n").unwrap();
        std::fs::write(root.join("memory.max"), "max\n").unwrap();
        std::fs::write(root.join("a/memory.max"), "7000\n").unwrap();
        std::fs::write(root.join("a/b/memory.max"), "max\n").unwrap();
        assert_eq!(limit(&root, "a/b"), Some(7000));
        std::fs::write(root.join("a/b/memory.max"), "5000\n").unwrap();
        assert_eq!(limit(&root, "a/b"), Some(5000));
    }
}
