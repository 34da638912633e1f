//! How much memory the server may use: a size, or a share of what this machine or container has.

use std::path::Path;

use super::size;
use crate::limit;

/// `memory_max` as configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemoryMax {
    Bytes(u64),
    /// Per cent of the host's memory or of the cgroup's limit, whichever is lower; 1 to 100.
    Percent(u64),
}

impl MemoryMax {
    pub(crate) fn from_bytes(bytes: u64) -> Option<Self> {
        (bytes >= limit::MEMORY_BYTES_MIN).then_some(MemoryMax::Bytes(bytes))
    }

    /// Reads `"1073741824"`, `"2GiB"` or `"75%"`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(share) = text.strip_suffix('%') else {
            return size::parse(text).and_then(Self::from_bytes);
        };
        let percent = share.parse().ok().filter(|percent| (1..=100).contains(percent));
        percent.map(MemoryMax::Percent)
    }

    /// Bytes on a machine that has `available_bytes`.
    pub(crate) fn bytes(self, available_bytes: u64) -> u64 {
        match self {
            MemoryMax::Bytes(bytes) => bytes,
            MemoryMax::Percent(percent) => available_bytes / 100 * percent,
        }
    }
}

impl MemoryMax {
    /// What is wrong with a size that a machine with `available_bytes` does not have.
    pub(crate) fn excess(self, available_bytes: u64) -> Option<String> {
        let wanted = self.bytes(available_bytes);
        let text = format!(
            "`memory_max` is {wanted} bytes, this machine or container has {available_bytes}: the system may end the server before \
             anything is refused"
        );
        (wanted > available_bytes).then_some(text)
    }
}

/// What the host has, or what the cgroup (version 2 or 1) grants where that is less. Files are looked up below `root`,
/// which is `/` outside of tests. Where nothing can be read (not Linux) a modest guess is returned.
pub(crate) fn available_bytes(root: &Path) -> u64 {
    let host = read(root, "proc/meminfo").and_then(|text| meminfo_total_bytes(&text));
    let granted = cgroup_limits_bytes(root);
    host.into_iter().chain(granted).min().unwrap_or(limit::MEMORY_BYTES_UNKNOWN)
}

fn read(root: &Path, path: &str) -> Option<String> {
    std::fs::read_to_string(root.join(path)).ok()
}

fn meminfo_total_bytes(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1_024)
}

/// The limits of this process's group and of every group above it: the lowest one binds.
fn cgroup_limits_bytes(root: &Path) -> Vec<u64> {
    let membership = read(root, "proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in membership.lines() {
        // `0::/path` in version 2, `7:memory:/path` in version 1.
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Inside a container the own group is often mounted as the root: the walk up ends there either way.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = read(root, &format!("{mount}/{}/{file}", group.display()));
            // "max", and version 1's near-2^63 for "no limit", are not below what the host has.
            limits.extend(limit.and_then(|text| text.trim().parse::<u64>().ok()));
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::{MemoryMax, available_bytes};
    use std::path::Path;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn bytes_and_shares_are_read() {
        assert_eq!(MemoryMax::parse("16777216"), Some(MemoryMax::Bytes(16 << 20)));
        assert_eq!(MemoryMax::parse("2GiB"), Some(MemoryMax::Bytes(2 << 30)));
        assert_eq!(MemoryMax::parse("512 MiB"), Some(MemoryMax::Bytes(512 << 20)));
        assert_eq!(MemoryMax::parse("75%"), Some(MemoryMax::Percent(75)));
        assert_eq!(MemoryMax::Percent(75).bytes(1_000), 750);
        for wrong in ["", "%", "0%", "101%", "-1%", "75 %", "16777215", "15MiB", "1GB"] {
            assert_eq!(MemoryMax::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn more_than_there_is_is_told() {
        assert_eq!(MemoryMax::Percent(100).excess(1 << 30), None);
        assert_eq!(MemoryMax::Bytes(1 << 30).excess(1 << 30), None);
        let told = MemoryMax::parse("99999TiB").unwrap().excess(1 << 30).unwrap();
        assert!(told.starts_with("`memory_max` is 109950"), "{told}");
        assert!(told.contains("has 1073741824:"), "{told}");
    }

    #[test]
    fn the_host_counts_without_a_cgroup() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/meminfo", "MemTotal:       2048 kB\nMemFree: 1 kB\n");
        assert_eq!(available_bytes(root.path()), 2_097_152);
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_binds_in_version_2() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/meminfo", "MemTotal: 8192 kB\n");
        write(root.path(), "proc/self/cgroup", "0::/pod/one\n");
        write(root.path(), "sys/fs/cgroup/pod/memory.max", "4096000\n");
        write(root.path(), "sys/fs/cgroup/pod/one/memory.max", "max\n");
        assert_eq!(available_bytes(root.path()), 4_096_000);
    }

    #[test]
    fn version_1_is_read_and_its_no_limit_ignored() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/meminfo", "MemTotal: 8192 kB\n");
        write(root.path(), "proc/self/cgroup", "9:cpu,cpuacct:/x\n7:memory:/x\n");
        write(root.path(), "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(available_bytes(root.path()), 8_388_608);
        write(root.path(), "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000000\n");
        assert_eq!(available_bytes(root.path()), 1_000_000);
    }
}
