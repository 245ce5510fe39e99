//! The SSH connection: our own OpenSSH configuration, and one master connection that we start, own and watch.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::command::{SHIM_VARIABLE, SshEnvironment};
use super::url::RemoteUrl;

/// Unix socket addresses end at 107 bytes, and ssh appends 17 to the name while it starts.
const MAX_SOCKET_PATH: usize = 88;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often the key is looked at: Kubernetes itself takes a minute to bring a changed Secret.
const ROTATION_INTERVAL: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What SSH needs to know.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// The private key file.
    pub key: PathBuf,
    /// The file of host keys that are trusted; nothing else is.
    pub known_hosts: PathBuf,
    /// This program's own file: git starts it instead of ssh, and it becomes ssh.
    pub shim: PathBuf,
}

/// Becomes ssh when git started this program for that, and returns only when it did not.
///
/// Git can start a program without arguments of its own (`GIT_SSH`) but needs a shell for one with arguments
/// (`GIT_SSH_COMMAND`), and the image has no shell.
///
/// # Errors
/// ssh could not be started.
pub fn run_as_ssh_if_asked() -> std::io::Result<()> {
    let Some(config) = std::env::var_os(SHIM_VARIABLE) else { return Ok(()) };
    // When git or the server is killed, its ssh must not stay behind.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    let mut command = std::process::Command::new("ssh");
    command.arg("-F").arg(config).args(std::env::args_os().skip(1)).env_remove(SHIM_VARIABLE);
    Err(command.exec())
}

/// The configuration that ssh runs with; it reads no other.
fn configuration(settings: &SshSettings, socket: Option<&Path>) -> String {
    let control = socket.map_or_else(String::new, |socket| {
        format!("  ControlMaster no\n  ControlPath \"{}\"\n", socket.display())
    });
    format!(
        "Host *\n\
         {control}\
         \x20 User git\n\
         \x20 IdentityFile \"{key}\"\n\
         \x20 IdentitiesOnly yes\n\
         \x20 IdentityAgent none\n\
         \x20 BatchMode yes\n\
         \x20 StrictHostKeyChecking yes\n\
         \x20 UserKnownHostsFile \"{known_hosts}\"\n\
         \x20 GlobalKnownHostsFile /dev/null\n\
         \x20 UpdateHostKeys no\n\
         \x20 PreferredAuthentications publickey\n\
         \x20 GSSAPIAuthentication no\n\
         \x20 ConnectTimeout 5\n\
         \x20 ServerAliveInterval 2\n\
         \x20 ServerAliveCountMax 2\n\
         \x20 ForwardAgent no\n\
         \x20 ClearAllForwardings yes\n\
         \x20 Compression no\n",
        key = settings.key.display(),
        known_hosts = settings.known_hosts.display(),
    )
}

/// The master connection. Commands use it when it is there and connect by themselves when it is not, so that
/// nothing depends on it but speed.
#[derive(Debug)]
pub(super) struct Master {
    restart: Arc<Notify>,
    stop: CancellationToken,
}

impl Drop for Master {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Master {
    /// Writes the configuration into `folder` and starts the master in the background.
    pub(super) fn start(
        settings: &SshSettings,
        remote: &RemoteUrl,
        folder: &Path,
    ) -> std::io::Result<(Self, SshEnvironment)> {
        let socket = Some(folder.join("m")).filter(|socket| socket.as_os_str().len() <= MAX_SOCKET_PATH);
        if socket.is_none() {
            tracing::warn!(folder = %folder.display(), "path too long for a shared SSH connection; each command connects anew");
        }
        let config = folder.join("ssh_config");
        let text = Arc::from(configuration(settings, socket.as_deref()));
        let environment = SshEnvironment { shim: settings.shim.clone(), config, text };
        environment.prepare()?;
        let master = Self { restart: Arc::new(Notify::new()), stop: CancellationToken::new() };
        if let (Some(socket), RemoteUrl::Ssh { destination, port, .. }) = (socket, remote) {
            let watch = Watch {
                environment: environment.clone(),
                socket,
                destination: destination.clone(),
                port: *port,
                restart: Arc::clone(&master.restart),
                files: [settings.key.clone(), settings.known_hosts.clone()],
            };
            let stop = master.stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(watch.run()).await });
        }
        Ok((master, environment))
    }

    /// Drops the connection and makes a new one: after a deadline the old one may be dead.
    pub(super) fn restart(&self) {
        self.restart.notify_one();
    }
}

struct Watch {
    environment: SshEnvironment,
    socket: PathBuf,
    destination: String,
    port: Option<u16>,
    restart: Arc<Notify>,
    /// The key and the known hosts: when they change, the connection was made with what no longer holds.
    files: [PathBuf; 2],
}

/// Tells one version of a file from the next; `None` when it is not there.
type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}

impl Watch {
    /// Returns when the key or the known hosts are not what they were.
    async fn rotated(&self, known: [Stamp; 2]) {
        let mut ticks = tokio::time::interval(ROTATION_INTERVAL);
        while self.files.each_ref().map(|path| stamp(path)) == known {
            ticks.tick().await;
        }
    }

    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let files = self.files.each_ref().map(|path| stamp(path));
            // A socket left behind by a killed master would keep every later connection cold.
            let _ = std::fs::remove_file(&self.socket);
            match self.environment.prepare().and_then(|()| self.command().spawn()) {
                Ok(mut child) => {
                    tokio::select! {
                        status = child.wait() => tracing::debug!(?status, "shared SSH connection ended"),
                        () = self.restart.notified() => {
                            let _ = child.kill().await;
                            tracing::debug!("shared SSH connection dropped");
                            continue;
                        }
                        () = self.rotated(files) => {
                            tracing::info!("the SSH key or the known hosts changed; connecting anew");
                            let _ = child.kill().await;
                            continue;
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "shared SSH connection could not be started"),
            }
            if started.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.environment.shim);
        command.args(["-N", "-o", "ControlMaster=yes"]);
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        command
            .arg("--")
            .arg(&self.destination)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("LC_ALL", "C")
            .env(SHIM_VARIABLE, &self.environment.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}
