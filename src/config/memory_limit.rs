//! Reads how much memory this process may have: the least of the limits of its control groups (version 2 and 1) and the
//! machine's memory. It must not know who asks.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The memory that is assumed if it is unknown: a small machine's.
const UNKNOWN: u64 = 1 << 30;

/// Returns the memory that this process may have, in bytes.
pub(super) fn memory_limit() -> u64 {
    limit(|path| fs::read_to_string(path).ok()).unwrap_or(UNKNOWN)
}

/// Returns the same for a system whose files `read` returns; `None` if no file says it.
fn limit(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let groups = groups(&read)
        .into_iter()
        .flat_map(|group| group.limits(&read));
    groups.chain(machine).min()
}

/// Returns the machine's memory, by `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The version of a hierarchy of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// This process's own group in one hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    version: Version,
    /// The directory where the hierarchy is mounted. Nothing above it is a group.
    top: PathBuf,
    /// The group's own directory.
    own: PathBuf,
}

impl Group {
    /// Returns the limits of this group and of each group around it. Files with `max`, or without a value, set no
    /// limit. An unset limit of version 1 is larger than any machine's memory.
    fn limits(&self, read: impl Fn(&Path) -> Option<String>) -> Vec<u64> {
        let around = self.own.ancestors();
        let around = around.take_while(|group| group.starts_with(&self.top));
        let name = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        let mut limits: Vec<u64> = around
            .filter_map(|group| read(&group.join(name))?.trim().parse().ok())
            .collect();
        if self.version == Version::One {
            // It includes groups around it that can't be seen from a container.
            let stat = read(&self.own.join("memory.stat")).unwrap_or_default();
            let hierarchical = stat
                .lines()
                .find_map(|line| line.strip_prefix("hierarchical_memory_limit "));
            limits.extend(hierarchical.and_then(|limit| limit.trim().parse::<u64>().ok()));
        }
        limits
    }
}

/// Returns this process's groups in all hierarchies that may bound memory.
fn groups(read: &impl Fn(&Path) -> Option<String>) -> Vec<Group> {
    let file = |path| read(Path::new(path)).unwrap_or_default();
    let (paths, mounts) = (file("/proc/self/cgroup"), file("/proc/self/mountinfo"));
    let path_of = |version| paths.lines().find_map(|line| path(line, version));
    mounts
        .lines()
        .filter_map(|line| {
            let (version, root, top) = mount(line)?;
            let path = path_of(version)?;
            let below = match Path::new(path).strip_prefix(&root) {
                Ok(below) => below,
                // A container may see only its own group, under a path that only the host knows.
                Err(_) if root.parent().is_some() && !root.starts_with("/..") => Path::new(""),
                Err(_) => return None,
            };
            let own = if below.as_os_str().is_empty() {
                top.clone()
            } else {
                top.join(below)
            };
            Some(Group { version, top, own })
        })
        .collect()
}

/// Returns the path that a line of `/proc/self/cgroup` gives for this version.
fn path(line: &str, version: Version) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let is_it = match version {
        Version::One => controllers.split(',').any(|name| name == "memory"),
        Version::Two => number == "0" && controllers.is_empty(),
    };
    is_it.then_some(path)
}

/// Reads a line of `/proc/self/mountinfo`: the version of a hierarchy, the group that is mounted, and where.
fn mount(line: &str) -> Option<(Version, PathBuf, PathBuf)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::Two,
        "cgroup" => {
            let mut options = kind.nth(1)?.split(',');
            options
                .any(|option| option == "memory")
                .then_some(Version::One)?
        }
        _ => return None,
    };
    let mut place = place.split(' ').skip(3);
    let (root, top) = (place.next()?, place.next()?);
    Some((version, unescaped(root), unescaped(top)))
}

/// Unescapes a path: the kernel writes spaces, tabs, line ends and backslashes in octal.
fn unescaped(path: &str) -> PathBuf {
    let known = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let path = known.iter().fold(path.to_owned(), |path, (octal, plain)| {
        path.replace(octal, plain)
    });
    path.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn of(files: &[(&str, &str)]) -> Option<u64> {
        let files: HashMap<_, _> = files.iter().copied().collect();
        limit(|path| files.get(path.to_str()?).map(ToString::to_string))
    }

    const MACHINE: (&str, &str) = (
        "/proc/meminfo",
        "MemTotal:        1048576 kB\nMemFree: 1 kB\n",
    );
    const TWO: &str =
        "24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const ONE: &str = "31 1 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                       33 1 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn the_machine_is_the_limit_where_no_group_is() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[MACHINE]), Some(1024 * MIB));
        let group = ("/proc/self/cgroup", "0::/a\n");
        let mounts = ("/proc/self/mountinfo", TWO);
        assert_eq!(of(&[MACHINE, group, mounts]), Some(1024 * MIB));
        let max = ("/sys/fs/cgroup/a/memory.max", "max\n");
        assert_eq!(of(&[MACHINE, group, mounts, max]), Some(1024 * MIB));
        let more = ("/sys/fs/cgroup/a/memory.max", "9223372036854771712\n");
        assert_eq!(of(&[MACHINE, group, mounts, more]), Some(1024 * MIB));
    }

    #[test]
    fn the_own_group_and_those_around_it_count_in_both_versions() {
        for (own, mounts, path, name) in [
            ("0::/pod/one\n", TWO, "/sys/fs/cgroup", "memory.max"),
            (
                "4:cpu:/\n3:hugetlb,memory:/pod/one\n0::/\n",
                ONE,
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
            ),
        ] {
            let base = [
                MACHINE,
                ("/proc/self/cgroup", own),
                ("/proc/self/mountinfo", mounts),
            ];
            for (group, around, expected) in [
                ("268435456\n", "max\n", 256),
                ("268435456\n", "134217728\n", 128),
                ("max\n", "134217728\n", 128),
                ("9223372036854771712\n", "536870912", 512),
            ] {
                let (one, pod) = (
                    format!("{path}/pod/one/{name}"),
                    format!("{path}/pod/{name}"),
                );
                let files = [&base[..], &[(&*one, group), (&*pod, around)]].concat();
                assert_eq!(of(&files), Some(expected * MIB), "{own} {group} {around}");
            }
        }
    }

    #[test]
    fn a_group_of_version_one_knows_what_groups_around_it_allow() {
        let stat = "cache 1\nhierarchical_memory_limit 67108864\ntotal_cache 1\n";
        let files = [
            MACHINE,
            ("/proc/self/cgroup", "3:memory:/pod/one\n"),
            (
                "/proc/self/mountinfo",
                "33 1 0:30 /pod/one /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            ),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("/sys/fs/cgroup/memory/memory.stat", stat),
        ];
        assert_eq!(of(&files), Some(64 * MIB));
    }

    #[test]
    fn a_hierarchy_may_be_mounted_anywhere_and_show_a_part_of_it() {
        for (path, root, own) in [
            // Its namespace begins at the group.
            ("/", "/", "/mnt/my groups"),
            // The host's path; the container sees only its own group.
            ("/docker/x", "/docker/x", "/mnt/my groups"),
            ("/docker/x/y", "/docker/x", "/mnt/my groups/y"),
            ("/system.slice/x", "/docker/x", "/mnt/my groups"),
        ] {
            let mounts = format!("24 1 0:22 {root} /mnt/my\\040groups rw - cgroup2 none rw\n");
            let file = format!("{own}/memory.max");
            let files = [
                MACHINE,
                ("/proc/self/cgroup", &*format!("0::{path}\n")),
                ("/proc/self/mountinfo", &*mounts),
                (&*file, "33554432\n"),
            ];
            assert_eq!(of(&files), Some(32 * MIB), "{path} {root}");
        }
        // The group of another container, beside its own.
        let files = [
            MACHINE,
            ("/proc/self/cgroup", "0::/\n"),
            (
                "/proc/self/mountinfo",
                "24 1 0:22 /../x /mnt rw - cgroup2 none rw\n",
            ),
            ("/mnt/memory.max", "33554432\n"),
        ];
        assert_eq!(of(&files), Some(1024 * MIB));
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let files = [
            ("/proc/meminfo", "MemTotal: many\n"),
            ("/proc/self/cgroup", "0::/a\nx\n:\n"),
            (
                "/proc/self/mountinfo",
                "- cgroup2\n1 2 - cgroup2 x\n - \n24 1 0:22 / /c rw - cgroup2 none rw\n",
            ),
            ("/c/a/memory.max", "-1\n"),
        ];
        assert_eq!(of(&files), None);
    }
}
