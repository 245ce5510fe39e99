//! A Git command at the other end of a byte stream: on this machine, or behind SSH.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use failover_core::code::Code;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::error::RemoteError;
use super::service::{ProtocolVersion, Service, Via, environment};
use super::ssh::{SshCommand, Version};
use super::work_tree::WorkTree;

/// More words on standard error than these, in bytes, are read and dropped.
const MAX_WORDS: usize = 64 * 1024;
/// A command that closed its output gets this long to say why and to end.
const GRACE: Duration = Duration::from_millis(500);

/// Where Git's server programs are started.
#[derive(Debug)]
pub(super) enum Launcher {
    /// On this machine, for a repository in this folder.
    Local(PathBuf),
    /// On this machine, for a clone whose files follow its branch.
    Clone(WorkTree),
    /// On the other side of an SSH connection.
    Ssh(Box<SshCommand>),
}

impl Launcher {
    /// The version of the files that a program started now is reached with.
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Local(_) | Self::Clone(_) => Version::default(),
            Self::Ssh(ssh) => ssh.version(),
        }
    }

    /// Starts the program.
    pub(super) fn start(
        &self,
        service: Service,
        version: ProtocolVersion,
        via: Via,
    ) -> Result<RemoteCommand, RemoteError> {
        let mut command = match self {
            Self::Local(folder) => {
                let mut command = Command::new("git");
                // The program's own name is not always in the PATH; this one is.
                command.arg(service.program().trim_start_matches("git-")).arg(folder);
                command.env_clear().envs(environment()).env("GIT_CONFIG_GLOBAL", "/dev/null");
                command
            }
            Self::Clone(clone) => clone.command(service),
            Self::Ssh(ssh) => ssh.command(service, via)?,
        };
        if version == ProtocolVersion::Second {
            command.env("GIT_PROTOCOL", "version=2");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let started = command.spawn().map_err(|error| {
            let program = command.as_std().get_program().to_string_lossy().into_owned();
            RemoteError::new(Code::GitMissing, format!("{program} could not be started: {error}"))
        });
        let mut child = started?;
        let stderr = tokio::spawn(keep(child.stderr.take()));
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(RemoteCommand { stdin, stdout, rest: Rest { child, stderr } }),
            _ => Err(RemoteError::new(Code::GitMissing, "a program was started without its pipes")),
        }
    }
}

/// A running server program. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct RemoteCommand {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) rest: Rest,
}

/// What remains of a program when its pipes are used elsewhere.
#[derive(Debug)]
pub(super) struct Rest {
    child: Child,
    stderr: JoinHandle<String>,
}

impl Rest {
    /// What the program said on standard error, after it closed its output.
    pub(super) async fn last_words(mut self) -> String {
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.kill();
        }
        // A stray grandchild could keep the pipe open: it is not waited for.
        match tokio::time::timeout(GRACE, self.stderr).await {
            Ok(Ok(words)) => words,
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }

    /// Ends the program; whoever waits for its output sees the end.
    pub(super) fn kill(&mut self) {
        // With what it started, which may hold its pipes. It may have ended already, which is what is wanted.
        let group = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.child.start_kill();
    }
}

async fn keep(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let room = MAX_WORDS.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..read.min(room)]);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
