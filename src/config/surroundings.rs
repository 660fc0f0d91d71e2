//! The surroundings of a gateway, as far as a warning depends on them: a container, and the limits of open files and of
//! memory. It must not know the settings.

use std::{env, fs, path::Path};

use rlimit::Resource;

use super::memory_limit::memory_limit;

/// The place where a gateway runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// True in a container, where loopback is the container's own, not the machine's.
    pub in_container: bool,
    /// The most files and sockets that the process may ever have open. `None` if that is unknown.
    pub open_files: Option<u64>,
    /// The most bytes of memory that the process may have. `None` if that is unknown.
    pub memory: Option<u64>,
}

impl Surroundings {
    /// Returns the surroundings of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            in_container: env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                || is_container(Path::new("/")),
            open_files: Resource::NOFILE.get_hard().ok(),
            memory: Some(memory_limit()),
        }
    }
}

/// Returns true if the file system below `root` is that of a container. Docker and Podman leave a file in it, and with
/// the first version of control groups their names show.
fn is_container(root: &Path) -> bool {
    let marks = [".dockerenv", "run/.containerenv"];
    let cgroup = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    marks.iter().any(|mark| root.join(mark).exists()) || cgroup.lines().any(is_of_container)
}

/// Returns true if a line of `/proc/self/cgroup` names a container.
fn is_of_container(line: &str) -> bool {
    let scopes = ["docker-", "libpod-", "crio-", "cri-containerd-"];
    line.split(['/', ':']).any(|part| {
        let is_scope =
            part.ends_with(".scope") && scopes.iter().any(|scope| part.starts_with(scope));
        part == "docker" || part.starts_with("kubepods") || is_scope
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_of_a_container_is_seen_and_a_machine_has_none() {
        for (file, text, is) in [
            (".dockerenv", "", true),
            ("run/.containerenv", "engine=\"podman-5\"", true),
            ("proc/self/cgroup", "12:pids:/docker/0123abcd\n", true),
            (
                "proc/self/cgroup",
                "0::/kubepods.slice/kubepods-burstable.slice/x\n",
                true,
            ),
            (
                "proc/self/cgroup",
                "4:memory:/kubepods/besteffort/x\n",
                true,
            ),
            (
                "proc/self/cgroup",
                "0::/machine.slice/libpod-0123abcd.scope\n",
                true,
            ),
            ("proc/self/cgroup", "0::/\n", false),
            (
                "proc/self/cgroup",
                "0::/system.slice/docker.service\n",
                false,
            ),
            (
                "proc/self/cgroup",
                "0::/user.slice/user-1000.slice/session-2.scope\n",
                false,
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            assert_eq!(is_container(root.path()), is, "{file:?} {text}");
        }
    }
}
