//! The SSH connection: our own OpenSSH configuration, and one master connection that we start, own and watch.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::RemoteError;
use super::service::{Service, Via, environment};
use super::ssh_user::{SshUser, put};

/// Unix socket addresses end at 107 bytes, and ssh appends 17 to the name while it starts.
const MAX_SOCKET_PATH: usize = 88;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often the key is looked at: Kubernetes itself takes a minute to bring a changed Secret.
const ROTATION_INTERVAL: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What SSH needs to know.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// The private key file; `None` where `config` says how to log in.
    pub key: Option<PathBuf>,
    /// The file of host keys that are trusted, nothing else is; `None` where `config` names one.
    pub known_hosts: Option<PathBuf>,
    /// The operator's own OpenSSH configuration, for jump hosts and keys in hardware. It cannot loosen what is set here.
    pub config: Option<PathBuf>,
    /// This program's own file: it becomes ssh when it is started for that.
    pub shim: PathBuf,
}

impl SshSettings {
    fn files(&self) -> Files {
        Files([&self.key, &self.known_hosts, &self.config].into_iter().flatten().cloned().collect())
    }
}

/// The files that connections are made with.
#[derive(Debug, Clone)]
struct Files(Vec<PathBuf>);

/// Tells one version of the files from the next: what was connected with another one has no right to be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Version(Vec<Option<(u64, i64, i64, u64)>>);

impl Files {
    fn version(&self) -> Version {
        let stamp = |path: &PathBuf| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
        };
        Version(self.0.iter().map(stamp).collect())
    }
}

/// The variable that turns this program into ssh, with the ssh configuration as its value.
const SHIM_VARIABLE: &str = "FAILOVER_API_SSH_SHIM_CONFIG";
/// The process that started it.
const PARENT_VARIABLE: &str = "FAILOVER_API_SSH_SHIM_PARENT";

/// Becomes ssh when this program was started for that, and returns only when it was not.
///
/// A program that dies cannot end its children; one that asks the kernel to be ended with its parent can be left alone.
///
/// # Errors
/// ssh could not be started.
pub fn run_as_ssh_if_asked() -> std::io::Result<()> {
    let Some(config) = std::env::var_os(SHIM_VARIABLE) else { return Ok(()) };
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    // A parent that died before that will not be told of any more.
    let parent = std::env::var(PARENT_VARIABLE).ok().and_then(|id| id.parse().ok());
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.is_some() && parent != now {
        return Err(std::io::Error::other("the server that started it is gone"));
    }
    let mut command = std::process::Command::new("ssh");
    command.arg("-F").arg(config).args(std::env::args_os().skip(1)).env_remove(SHIM_VARIABLE);
    command.env_remove(PARENT_VARIABLE);
    Err(command.exec())
}

/// The private key under a name of its own. Beside a key ssh looks for a file with `.pub` at the end of its name and offers
/// what stands there, also when it belongs to an older key, as it may in a Secret of which only `identity` was changed.
#[derive(Debug, Clone)]
struct Identity {
    key: PathBuf,
    link: PathBuf,
}

impl Identity {
    /// The link will be in `folder`.
    fn new(key: &Path, folder: &Path) -> std::io::Result<Self> {
        Ok(Self { key: std::path::absolute(key)?, link: folder.join("identity") })
    }

    /// Makes the link where it is missing or leads elsewhere.
    fn prepare(&self) -> std::io::Result<()> {
        if std::fs::read_link(&self.link).is_ok_and(|key| key == self.key) {
            return Ok(());
        }
        let folder = self.link.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let aside =
            tempfile::Builder::new().make_in(folder, |path| std::os::unix::fs::symlink(&self.key, path))?;
        aside.persist(&self.link).map(drop).map_err(|error| error.error)
    }

    /// The certificate of the key, where ssh would look for it beside the key itself. It may be missing.
    fn certificate(&self) -> String {
        format!("{}-cert.pub", self.key.display())
    }
}

/// The configuration that ssh runs with; it reads no other. Of each option the first value counts, so what comes in
/// by `Include` can only add.
fn configuration(
    settings: &SshSettings,
    identity: Option<&Identity>,
    destination: &str,
    socket: Option<&Path>,
) -> String {
    let host = destination.rsplit_once('@').map_or(destination, |(_, host)| host);
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| text.push_str(&format!("{words}\n"));
    if let Some(socket) = socket {
        // Only for the Git host itself: a jump host on the way to it has a connection of its own.
        line(format_args!("Host {host}\n  ControlMaster no\n  ControlPath \"{}\"", socket.display()));
    }
    line(format_args!("Host *"));
    if let Some(identity) = identity {
        line(format_args!(
            "  IdentityFile \"{}\"\n  CertificateFile \"{}\"\n  IdentitiesOnly yes\n  IdentityAgent none",
            identity.link.display(),
            identity.certificate()
        ));
    }
    if let Some(known_hosts) = &settings.known_hosts {
        line(format_args!(
            "  UserKnownHostsFile \"{}\"\n  GlobalKnownHostsFile /dev/null",
            known_hosts.display()
        ));
    }
    line(format_args!(
        "  BatchMode yes\n\
         \x20 StrictHostKeyChecking yes\n\
         \x20 UpdateHostKeys no\n\
         \x20 PreferredAuthentications publickey\n\
         \x20 GSSAPIAuthentication no\n\
         \x20 ConnectTimeout 5\n\
         \x20 ServerAliveInterval 2\n\
         \x20 ServerAliveCountMax 2\n\
         \x20 ForwardAgent no\n\
         \x20 ClearAllForwardings yes\n\
         \x20 Compression no\n\
         \x20 SendEnv GIT_PROTOCOL"
    ));
    if let Some(config) = &settings.config {
        // Ways in for a host key that is in no file of those above.
        line(format_args!("  NoHostAuthenticationForLocalhost no\n  VerifyHostKeyDNS no"));
        if settings.known_hosts.is_some() {
            line(format_args!("  KnownHostsCommand none"));
        }
        line(format_args!("  Include \"{}\"\nHost *", config.display()));
    }
    line(format_args!("  User git"));
    text
}

/// How ssh is started: with our configuration and nothing else that was lying about.
#[derive(Debug, Clone)]
struct Ssh {
    shim: PathBuf,
    /// The file with the configuration.
    config: PathBuf,
    /// What stands in that file.
    text: Arc<str>,
    /// `None` where the operator's configuration says how to log in.
    identity: Option<Identity>,
    destination: String,
    port: Option<u16>,
    /// Whether the operator's configuration may use their agent and home.
    personal: bool,
    /// Gives our user a name where it has none.
    user: Option<SshUser>,
}

impl Ssh {
    /// Writes the configuration where it is missing or not what it must be: in an empty file ssh would find nothing that
    /// holds it back.
    fn prepare(&self) -> std::io::Result<()> {
        put(&self.config, &self.text)?;
        self.identity.as_ref().map_or(Ok(()), Identity::prepare)?;
        self.user.as_ref().map_or(Ok(()), SshUser::prepare)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.shim);
        command.env_clear().envs(environment()).env(SHIM_VARIABLE, &self.config);
        command.env(PARENT_VARIABLE, std::process::id().to_string());
        if self.personal {
            let known = ["HOME", "SSH_AUTH_SOCK", "SHELL"];
            command.envs(known.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        }
        if let Some(user) = &self.user {
            command.envs(user.environment());
        }
        command.args(arguments);
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        command.arg("--").arg(&self.destination);
        command
    }
}

/// A repository behind SSH.
#[derive(Debug)]
pub(super) struct SshCommand {
    ssh: Ssh,
    path: String,
    files: Files,
    master: Master,
}

impl SshCommand {
    /// Starts the shared connection in the background; `folder` is for its files.
    pub(super) fn new(
        settings: &SshSettings,
        destination: &str,
        port: Option<u16>,
        path: &str,
        folder: &Path,
    ) -> std::io::Result<Self> {
        let socket = Some(folder.join("m")).filter(|socket| socket.as_os_str().len() <= MAX_SOCKET_PATH);
        if socket.is_none() {
            tracing::warn!(folder = %folder.display(), "path too long for a shared SSH connection; each command connects anew");
        }
        let identity = settings.key.as_ref().map(|key| Identity::new(key, folder)).transpose()?;
        let text = configuration(settings, identity.as_ref(), destination, socket.as_deref());
        let ssh = Ssh {
            shim: settings.shim.clone(),
            config: folder.join("ssh_config"),
            text: Arc::from(text),
            identity,
            destination: destination.to_owned(),
            port,
            personal: settings.config.is_some(),
            // A person may have an entry that is not in the file, and a home that their configuration speaks of.
            user: if settings.config.is_none() { SshUser::if_unnamed(folder) } else { None },
        };
        ssh.prepare()?;
        let files = settings.files();
        let master = Master::start(&ssh, socket, files.clone());
        Ok(Self { ssh, path: path.to_owned(), files, master })
    }

    /// The version of the key and the known hosts of now.
    pub(super) fn version(&self) -> Version {
        self.files.version()
    }

    /// The command that runs a server program for the repository.
    pub(super) fn command(&self, service: Service, via: Via) -> Result<Command, RemoteError> {
        let prepared = self.ssh.prepare();
        prepared.map_err(|error| {
            RemoteError::new(
                Code::CacheFailed,
                format!("the SSH configuration could not be written: {error}"),
            )
        })?;
        // A shared connection that was made with other files is left alone, and makes room for a new one.
        let outdated = self.master.is_outdated(&self.files.version());
        if outdated {
            self.reconnect();
        }
        let mut command = self.ssh.command(match via {
            Via::Shared if !outdated => &[],
            Via::Shared | Via::New => &["-o", "ControlPath=none"],
        });
        command.arg(format!("{} {}", service.program(), quoted(&self.path)));
        Ok(command)
    }

    /// Calls the key in ssh's words what the operator calls it.
    pub(super) fn name_key(&self, words: &mut String) {
        if let Some(Identity { key, link }) = &self.ssh.identity
            && let Some(link) = link.to_str()
        {
            *words = words.replace(link, &key.display().to_string());
        }
    }

    /// Drops the shared connection and makes a new one: after a deadline the old one may be dead.
    pub(super) fn reconnect(&self) {
        self.master.restart.notify_one();
    }
}

/// Quoted for the shell of the remote, as git does it.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''").replace('!', "'\\!'"))
}

/// The master connection. Commands use it when it is there and connect by themselves when it is not, so that
/// nothing depends on it but speed.
#[derive(Debug)]
struct Master {
    restart: Arc<Notify>,
    /// What the last connection was made with.
    made_with: Arc<Mutex<Option<Version>>>,
    stop: CancellationToken,
}

impl Drop for Master {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Master {
    fn start(ssh: &Ssh, socket: Option<PathBuf>, files: Files) -> Self {
        let (restart, made_with) = (Arc::new(Notify::new()), Arc::default());
        let master = Self { restart, made_with, stop: CancellationToken::new() };
        if let Some(socket) = socket {
            let (restart, made_with) = (Arc::clone(&master.restart), Arc::clone(&master.made_with));
            let watch = Watch { ssh: ssh.clone(), socket, restart, made_with, files };
            let stop = master.stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(watch.run()).await });
        }
        master
    }

    fn is_outdated(&self, version: &Version) -> bool {
        let made_with = self.made_with.lock().unwrap_or_else(PoisonError::into_inner);
        made_with.as_ref().is_some_and(|made_with| made_with != version)
    }
}

struct Watch {
    ssh: Ssh,
    socket: PathBuf,
    restart: Arc<Notify>,
    made_with: Arc<Mutex<Option<Version>>>,
    files: Files,
}

impl Watch {
    /// Returns when the key or the known hosts are not what they were.
    async fn rotated(&self, known: Version) {
        let mut ticks = tokio::time::interval(ROTATION_INTERVAL);
        while self.files.version() == known {
            ticks.tick().await;
        }
    }

    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let files = self.files.version();
            // A socket left behind by a killed master would keep every later connection cold.
            let _ = std::fs::remove_file(&self.socket);
            *self.made_with.lock().unwrap_or_else(PoisonError::into_inner) = Some(files.clone());
            match self.ssh.prepare().and_then(|()| self.command().spawn()) {
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
        let mut command = self.ssh.command(&["-N", "-o", "ControlMaster=yes"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_remotes_shell() {
        for (path, quoted_path) in
            [("/srv/it's", r"'/srv/it'\''s'"), ("a b!", r"'a b'\!''"), ("$(x)`", "'$(x)`'")]
        {
            assert_eq!(quoted(path), quoted_path);
        }
    }

    #[test]
    fn an_operators_configuration_comes_behind_what_must_hold() {
        let settings = SshSettings {
            key: None,
            known_hosts: Some("/hosts".into()),
            config: Some("/mine".into()),
            shim: "/shim".into(),
        };
        let text = configuration(&settings, None, "me@git.example.org", Some(Path::new("/tmp/m")));
        let place = |words: &str| text.find(words).unwrap();
        assert!(place("StrictHostKeyChecking yes") < place("Include \"/mine\""));
        assert!(place("UserKnownHostsFile") < place("Include") && place("Include") < place("User git"));
        assert!(
            place("Host git.example.org") < place("ControlPath") && place("ControlPath") < place("Host *")
        );
        assert!(!text.contains("IdentityFile"));
    }
}
