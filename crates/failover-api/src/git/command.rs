//! Runs one `git` command: hermetic, with a deadline, in a process group of its own.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// More output than this, in bytes, is read and dropped.
const MAX_OUTPUT: usize = 256 * 1024;
/// After the deadline a command gets this long to remove its lock files before it is killed.
const GRACE: Duration = Duration::from_millis(500);

/// How commands are run: which repository, and over which SSH connection.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub(super) ssh: Option<SshEnvironment>,
}

/// What makes `git` use our ssh.
#[derive(Debug, Clone)]
pub(super) struct SshEnvironment {
    /// This program, which then becomes ssh: a shell is not needed.
    pub(super) shim: PathBuf,
    /// The file with the configuration that it uses.
    pub(super) config: PathBuf,
    /// What stands in that file.
    pub(super) text: Arc<str>,
}

impl SshEnvironment {
    /// Writes the configuration where it is missing: temporary folders get cleaned.
    pub(super) fn prepare(&self) -> std::io::Result<()> {
        if self.config.exists() {
            return Ok(());
        }
        if let Some(folder) = self.config.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.config, self.text.as_bytes())
    }
}

/// The variable that turns this program into ssh, with the ssh configuration as its value.
pub(super) const SHIM_VARIABLE: &str = "FAILOVER_API_SSH_SHIM_CONFIG";

/// What a command left behind.
#[derive(Debug)]
pub(super) struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Whether we ended it at the deadline.
    pub(super) timed_out: bool,
}

/// Why a command did not run at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStarted {
    /// Our own files could not be written.
    #[error("the SSH configuration could not be written: {0}")]
    Prepare(std::io::Error),
    /// The program could not be started.
    #[error("the git program could not be started: {0}")]
    Spawn(std::io::Error),
}

impl Finished {
    /// A command whose end could not be observed.
    fn lost(error: std::io::Error) -> Self {
        Self { code: None, stdout: String::new(), stderr: error.to_string(), timed_out: false }
    }
}

impl Runner {
    /// Runs `git` with `arguments` until `deadline`.
    pub(super) async fn run<I, S>(&self, arguments: I, deadline: Instant) -> Result<Finished, NotStarted>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        if let Some(ssh) = &self.ssh {
            ssh.prepare().map_err(NotStarted::Prepare)?;
        }
        let mut command = Command::new("git");
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(NotStarted::Spawn)?;
        // From here on the command may have done anything: what goes wrong is no word about the remote.
        Ok(finish(child, deadline).await.unwrap_or_else(Finished::lost))
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())),
            ("HOME", "/nonexistent".into()),
            ("LC_ALL", "C".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
        ];
        if let Some(ssh) = &self.ssh {
            variables.push(("GIT_SSH", ssh.shim.clone().into()));
            variables.push(("GIT_SSH_VARIANT", "ssh".into()));
            variables.push((SHIM_VARIABLE, ssh.config.clone().into()));
        }
        variables
    }
}

async fn finish(mut child: Child, deadline: Instant) -> std::io::Result<Finished> {
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let stdout = tokio::spawn(drain(child.stdout.take()));
    let stderr = tokio::spawn(drain(child.stderr.take()));
    let (status, timed_out) = match tokio::time::timeout_at(deadline, child.wait()).await {
        Ok(status) => (status?, false),
        Err(_) => {
            signal(group, Signal::TERM);
            let ended = tokio::time::timeout(GRACE, child.wait()).await;
            // Also when git itself has ended: a child of it may hold the connection.
            signal(group, Signal::KILL);
            (if let Ok(status) = ended { status? } else { child.wait().await? }, true)
        }
    };
    // A stray grandchild outside the group could keep a pipe open: do not wait for it.
    let text = |drained: Result<Result<Vec<u8>, _>, _>| {
        drained
            .ok()
            .and_then(Result::ok)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    let stdout = text(tokio::time::timeout(GRACE, stdout).await);
    let stderr = text(tokio::time::timeout(GRACE, stderr).await);
    Ok(Finished { code: status.code(), stdout, stderr, timed_out })
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // The group may be gone already, which is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return kept };
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let room = MAX_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    kept
}
