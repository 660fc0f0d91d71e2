//! A network of its own with names of its own, for a program and for a test beside it. Some of its addresses swallow all that is
//! sent to them. Nothing outside of it changes but two files of `ip netns`, which go with it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rustix::{
    fd::AsFd as _,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::{
    has, is_root,
    program::{finish, which},
};

/// Removed when dropped.
pub(crate) struct Namespace {
    name: String,
    /// What `ip netns exec` shows as `/etc/hosts` and the like.
    etc: PathBuf,
}

impl Namespace {
    /// A network whose own addresses are `own`, each with its prefix, and in which `hosts` is all that is known of names. What is
    /// sent to `dead` addresses is swallowed.
    pub(crate) fn new(own: &[&str], dead: &[&str], hosts: &str) -> Option<Self> {
        if !has("root, to make a network,", is_root()) || !has("`ip`", which("ip").is_some()) {
            return None;
        }
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gather-{}-{count}", std::process::id());
        let namespace = Self {
            etc: Path::new("/etc/netns").join(&name),
            name,
        };
        let made = Command::new("ip")
            .args(["netns", "add", &namespace.name])
            .status();
        if !has(
            "a kernel that lets us make a network",
            made.unwrap().success(),
        ) {
            return None;
        }
        fs::create_dir_all(&namespace.etc).unwrap();
        fs::write(namespace.etc.join("hosts"), hosts).unwrap();
        // Nobody else is asked.
        fs::write(namespace.etc.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        for line in [
            "link set lo up",
            "link add out type veth peer name end",
            "link set end up",
            "link set out up",
        ] {
            namespace.ip(line);
        }
        for address in own {
            namespace.ip(&format!("address add {address} dev out"));
        }
        for address in dead {
            // Nobody has this link address, so nobody takes what is sent there.
            let nobody = "lladdr 02:00:00:00:00:01 nud permanent";
            namespace.ip(&format!("neighbour add {address} {nobody} dev out"));
        }
        Some(namespace)
    }

    fn ip(&self, line: &str) {
        let mut command = Command::new("ip");
        command.args(["-netns", &self.name]).args(line.split(' '));
        finish(command).expect(0);
    }

    /// Has this command run inside, under its own process number.
    pub(crate) fn command(&self, inner: &Command) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(inner.get_program())
            .args(inner.get_args());
        command
    }

    /// Runs `test` on a thread that is inside, and so are those that it starts.
    pub(crate) fn inside(&self, test: impl FnOnce() + Send) {
        let namespace = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let inside = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            test();
        };
        thread::scope(|scope| {
            if let Err(panic) = scope.spawn(inside).join() {
                std::panic::resume_unwind(panic);
            }
        });
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What isn't there need not be removed; others may have theirs in the folder above.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
        let _ = fs::remove_dir_all(&self.etc);
        let _ = self.etc.parent().map(fs::remove_dir);
    }
}
