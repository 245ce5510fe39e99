//! The way from a client to the SSH server: a line of its own with a round trip time, and OpenSSH's own shared connection
//! over it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::process::{PATIENCE, poll};
use crate::support::proxy::Proxy;
use crate::support::sshd::SshServer;

/// A line to one repository behind the SSH server.
pub(crate) struct Line {
    pub(crate) proxy: Proxy,
    /// The repository's address through the line.
    pub(crate) url: String,
    /// `ssh` with the right keys, and a new connection each time.
    pub(crate) ssh: String,
    path: String,
}

impl Line {
    /// Before anybody connects: the file that pins the host key is written again.
    pub(crate) fn new(sshd: &SshServer, round_trip: Duration, repository: &Path) -> Self {
        let proxy = Proxy::with_round_trip(sshd.address(), round_trip);
        let url = sshd.url_through(&proxy, repository);
        Self { proxy, url, ssh: sshd.ssh_command(&sshd.key()), path: repository.display().to_string() }
    }

    /// `ssh` and its options for the destination, which come last.
    fn ssh(&self, options: &[&str]) -> Command {
        let mut words = self.ssh.split(' ');
        let mut ssh = Command::new(words.next().unwrap());
        ssh.args(words).args(options);
        let (destination, rest) = self.url.trim_start_matches("ssh://").rsplit_once(':').unwrap();
        ssh.args(["-p", rest.split('/').next().unwrap(), destination]);
        ssh
    }
}

/// A connection that commands share, kept open.
pub(crate) struct Master {
    child: Child,
    folder: TempDir,
}

impl Master {
    /// Returns when the connection is there.
    pub(crate) fn start(line: &Line) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("m");
        let path = format!("ControlPath={}", socket.display());
        let mut ssh = line.ssh(&["-N", "-o", "ControlMaster=yes", "-o", &path]);
        let child = ssh.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        poll("the shared connection", PATIENCE, || {
            if socket.exists() { Ok(()) } else { Err("no socket".to_owned()) }
        });
        Self { child, folder }
    }

    fn sharing(&self) -> String {
        format!("ControlPath={}", self.folder.path().join("m").display())
    }

    /// What `GIT_SSH_COMMAND` must be for a Git that uses the shared connection.
    pub(crate) fn ssh_command(&self, line: &Line) -> String {
        format!("{} -o ControlMaster=no -o {}", line.ssh, self.sharing())
    }

    /// A program for the line's repository, over the shared connection.
    pub(crate) fn open(&self, line: &Line, program: &str) -> Child {
        self.assert_open();
        let mut ssh = line.ssh(&["-o", "ControlMaster=no", "-o", &self.sharing()]);
        ssh.arg(format!("{program} '{}'", line.path));
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// A command that finds no shared connection silently makes one of its own.
    pub(crate) fn assert_open(&self) {
        assert!(self.folder.path().join("m").exists(), "the shared connection is gone");
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
