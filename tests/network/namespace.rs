//! A separate network with its own names, for a program and for a test beside it. Some of its addresses drop everything
//! that is sent to them. Outside of it only two files of `ip netns` change, and they are removed with it.

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

/// The network. Dropping it removes it.
pub(crate) struct Namespace {
    name: String,
    /// The files that `ip netns exec` shows in `/etc`, such as `/etc/hosts`.
    etc: PathBuf,
}

impl Namespace {
    /// Makes a network with the addresses `own`, each with its prefix. `hosts` has all names that are known in it.
    /// Packets to the `dead` addresses are dropped.
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
        // No other name server is asked.
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
            // Nobody has this link address, so nobody receives what is sent there.
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

    /// Returns a command that runs this one inside, under its own process id.
    pub(crate) fn command(&self, inner: &Command) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(inner.get_program())
            .args(inner.get_args());
        command
    }

    /// Runs `test` on a thread inside. Threads that it starts are inside too.
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
        // A missing file need not be removed. The folder above may have the files of others.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
        let _ = fs::remove_dir_all(&self.etc);
        let _ = self.etc.parent().map(fs::remove_dir);
    }
}
