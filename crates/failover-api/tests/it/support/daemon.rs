//! A server program that the tests start, with everything that it starts itself.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use super::process::{self, PATIENCE, Pid, Signal, poll, signal};

/// Killed with everything that it started when dropped.
pub(crate) struct Daemon {
    mark: String,
    child: Option<Child>,
}

impl Daemon {
    /// Nothing runs yet. `mark` (`NAME=value`) is in the environment of what the daemon starts for its clients, so that
    /// it is found when the daemon itself is gone.
    pub(crate) fn new(mark: String) -> Self {
        Self { mark, child: None }
    }

    /// Starts the program in the foreground, and returns when `ready` says so.
    pub(crate) fn start(
        &mut self,
        command: &mut Command,
        log: impl Fn() -> String,
        mut ready: impl FnMut() -> Result<(), String>,
    ) {
        assert!(self.child.is_none(), "{command:?} runs already");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/test installs it"));
        poll("the server is ready", PATIENCE, || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{command:?} ended with {status}; scripts/test prepares a machine for it: {}", log());
            }
            ready()
        });
        self.child = Some(child);
    }

    /// The daemon disappears with its connections and everything that runs in them.
    pub(crate) fn stop(&mut self) {
        self.freeze();
        self.tree().into_iter().for_each(|pid| signal(pid, Signal::KILL));
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
        process::with_environment(&self.mark).for_each(|pid| signal(pid, Signal::KILL));
    }

    /// The daemon itself disappears, and with it its connections. What it had started for its clients goes on.
    pub(crate) fn behead(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(Pid::from_child(&child), Signal::KILL);
            child.wait().unwrap();
        }
    }

    /// The daemon keeps its connections but does nothing until [`Self::thaw`].
    pub(crate) fn freeze(&self) {
        // Asked again, because a process may start another one before the signal reaches it.
        poll("all is still", PATIENCE, || {
            let tree = self.tree();
            tree.iter().for_each(|pid| signal(*pid, Signal::STOP));
            if tree.iter().all(|pid| process::is_still(*pid)) { Ok(()) } else { Err(format!("{tree:?}")) }
        });
    }

    /// Ends [`Self::freeze`].
    pub(crate) fn thaw(&self) {
        self.tree().into_iter().for_each(|pid| signal(pid, Signal::CONT));
    }

    /// Waits until everything that the daemon started for its clients has ended by itself; `own` names its helpers.
    pub(crate) fn wait_idle(&self, own: &[&str]) {
        poll("all sessions end", PATIENCE, || {
            let left = process::with_environment(&self.mark).chain(self.tree().into_iter().skip(1));
            let names = left.map(process::name).filter(|name| !own.contains(&name.as_str()));
            let names: Vec<_> = names.collect();
            if names.is_empty() { Ok(()) } else { Err(names.join(" ")) }
        });
    }

    /// The daemon and everything below it, itself first.
    pub(crate) fn tree(&self) -> Vec<Pid> {
        self.child.as_ref().map(|child| process::tree(Pid::from_child(child))).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The full path of a program that may be outside an ordinary user's PATH, as servers are.
pub(crate) fn server_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join(name));
    programs
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("no {name}: run scripts/test, which installs it"))
}

/// A port below those the kernel gives to outgoing connections, so that it is still ours after a restart.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() * 37 % 12_000;
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (start + step) % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
