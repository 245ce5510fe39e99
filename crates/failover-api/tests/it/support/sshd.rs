//! A real OpenSSH server on loopback, with its own keys.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use super::daemon::{Daemon, free_port, server_program};
use super::process::{self, PATIENCE, Pid, Signal, install_script, run, signal};
use super::proxy::Proxy;
use super::secret::ssh_command;

/// An SSH server for the user who runs the tests, root or not. Killed with all its sessions when dropped.
pub(crate) struct SshServer {
    /// Before the folder, so that it ends before its files do.
    daemon: Daemon,
    folder: TempDir,
    user: String,
    port: u16,
    /// An address of our own where port 22 is free, for URLs that cannot name a port.
    standard_port: Option<Ipv4Addr>,
    /// Ports of proxies, under which clients know the host key too.
    proxies: Mutex<Vec<u16>>,
}

impl SshServer {
    /// Starts with fresh keys, and returns when the server answers.
    pub(crate) fn start_new() -> Self {
        Self::start_programs(&[])
    }

    /// The same with scripts in place of Git's programs; each is made from the program's name without `git-`.
    pub(crate) fn start_with(script: impl Fn(&str) -> String) -> Self {
        Self::start_programs(&["receive-pack", "upload-pack"].map(|program| (program, script(program))))
    }

    fn start_programs(programs: &[(&str, String)]) -> Self {
        let port = free_port();
        let [high, low] = port.to_be_bytes();
        let own = Ipv4Addr::new(127, 0, high, low);
        let user =
            String::from_utf8(run(Command::new("id").arg("-un")).stdout).unwrap().trim_end().to_owned();
        let folder = TempDir::new().unwrap();
        let mut server = Self {
            daemon: Daemon::new(mark(folder.path())),
            folder,
            user,
            port,
            standard_port: TcpListener::bind((own, 22)).is_ok().then_some(own),
            proxies: Mutex::default(),
        };
        fs::create_dir(server.file("bin")).unwrap();
        for (program, script) in programs {
            install_script(&server.file("bin").join(format!("git-{program}")), script);
        }
        for key in ["host_key", "client_key", "wrong_key"] {
            server.generate_key(key);
        }
        server.authorize_key();
        server.pin_host_key();
        fs::write(server.file("sshd_config"), server.config()).unwrap();
        server.start();
        server
    }

    /// Sessions get a home without start-up files: a shell reads the user's even for a single command, and they can
    /// take longer than everything that is tested or timed.
    fn config(&self) -> String {
        let folder = self.folder.path().display();
        let port = self.port;
        let standard = self.standard_port.map(|own| format!("ListenAddress {own}:22\n")).unwrap_or_default();
        format!(
            "ListenAddress 127.0.0.1:{port}\n{standard}\
             HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\nPidFile none\n\
             PermitRootLogin yes\nStrictModes no\nUsePAM no\nUseDNS no\nPermitUserRC no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             AcceptEnv GIT_PROTOCOL\nMaxStartups 1000\nLogLevel VERBOSE\n\
             SetEnv HOME={folder} PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null {}\n",
            mark(self.folder.path())
        )
    }

    /// Starts on the same port with the same keys, after [`Self::stop`].
    pub(crate) fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.file("log")).unwrap();
        let config = self.file("sshd_config");
        let mut sshd = Command::new(server_program("sshd"));
        sshd.env_clear().arg("-f").arg(&config);
        // Releases that know penalties for failed logins would lock out the tests of failed logins.
        let no_penalties = "PerSourcePenalties=no";
        let mut probe = Command::new(sshd.get_program());
        probe.args(["-t", "-o", no_penalties, "-f"]).arg(config);
        if probe.output().unwrap().status.success() {
            sshd.args(["-o", no_penalties]);
        }
        sshd.args(["-D", "-e"]).stderr(log);
        let address = self.address();
        let said = self.file("log");
        self.daemon.start(
            &mut sshd,
            || fs::read_to_string(&said).unwrap(),
            || {
                let mut greeting = [0; 8];
                let greeted = TcpStream::connect(address).and_then(|mut stream| {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.read_exact(&mut greeting)
                });
                greeted.map_err(|error| error.to_string())?;
                if &greeting == b"SSH-2.0-" { Ok(()) } else { Err(format!("{greeting:?}")) }
            },
        );
    }

    /// The server disappears with its connections and everything that runs in them.
    pub(crate) fn stop(&mut self) {
        self.daemon.stop();
    }

    /// The server keeps its connections but does nothing until [`Self::thaw`].
    pub(crate) fn freeze(&self) {
        self.daemon.freeze();
    }

    /// Ends [`Self::freeze`].
    pub(crate) fn thaw(&self) {
        self.daemon.thaw();
    }

    /// Cuts all connections and says how many processes served them. Commands that run in them are left alone: a
    /// receive-pack that has the whole push completes it.
    pub(crate) fn kill_sessions(&self) -> usize {
        let tree = self.daemon.tree();
        let serving: Vec<Pid> =
            tree.into_iter().skip(1).filter(|pid| process::name(*pid).starts_with("sshd")).collect();
        serving.iter().for_each(|pid| signal(*pid, Signal::KILL));
        serving.len()
    }

    /// Waits until every session and everything that ran in one has ended by itself.
    pub(crate) fn wait_idle(&self) {
        self.daemon.wait_idle(&[]);
    }

    /// Restarts with another host key, which clients do not know until [`Self::pin_host_key`].
    pub(crate) fn rotate_host_key(&mut self) {
        self.stop();
        self.generate_key("host_key");
        self.start();
    }

    /// Writes `known_hosts` for the host key of now.
    pub(crate) fn pin_host_key(&self) {
        let key = fs::read_to_string(self.file("host_key.pub")).unwrap();
        let mut hosts = format!("[127.0.0.1]:{} {key}", self.port);
        let proxies = self.proxies.lock().unwrap();
        hosts.extend(proxies.iter().map(|port| format!("[127.0.0.1]:{port} {key}")));
        hosts.extend(self.standard_port.map(|own| format!("{own} {key}")));
        fs::write(self.known_hosts(), hosts).unwrap();
    }

    /// Lets the client key in.
    pub(crate) fn authorize_key(&self) {
        fs::copy(self.file("client_key.pub"), self.file("authorized_keys")).unwrap();
    }

    /// Lets the client key read and not write, as hosts do for a deploy key.
    pub(crate) fn authorize_key_for_reading(&self) {
        let command = "case $SSH_ORIGINAL_COMMAND in git-upload-pack*) eval exec $SSH_ORIGINAL_COMMAND;; esac; \
             echo ERROR: This deploy key does not have write access to this repository >&2; exit 1";
        let key = fs::read_to_string(self.file("client_key.pub")).unwrap();
        fs::write(self.file("authorized_keys"), format!("command=\"{command}\" {key}")).unwrap();
    }

    /// Lets no key in any more.
    pub(crate) fn revoke_key(&self) {
        fs::write(self.file("authorized_keys"), "").unwrap();
    }

    /// `ssh://user@127.0.0.1:port/path`.
    pub(crate) fn url(&self, path: &Path) -> String {
        format!("ssh://{}@{}{}", self.user, self.address(), path.display())
    }

    /// The same through a proxy to [`Self::address`], where the host key of now is pinned too.
    pub(crate) fn url_through(&self, proxy: &Proxy, path: &Path) -> String {
        self.proxies.lock().unwrap().push(proxy.address().port());
        self.pin_host_key();
        format!("ssh://{}@{}{}", self.user, proxy.address(), path.display())
    }

    /// Whom it lets in.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `user@address:path`, which always means port 22; `None` where that port needs rights that we do not have.
    pub(crate) fn scp_url(&self, path: &Path) -> Option<String> {
        self.standard_port.map(|own| format!("{}@{own}:{}", self.user, path.display()))
    }

    /// The private key that the server accepts.
    pub(crate) fn key(&self) -> PathBuf {
        self.file("client_key")
    }

    /// A private key that the server does not know.
    pub(crate) fn wrong_key(&self) -> PathBuf {
        self.file("wrong_key")
    }

    /// The file that pins the host key.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// What `GIT_SSH_COMMAND` must be for a Git that makes a new connection with this key each time.
    pub(crate) fn ssh_command(&self, key: &Path) -> String {
        ssh_command(key, &self.known_hosts())
    }

    /// What the server has logged since it was first started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap()
    }

    /// A file in the folder of the server's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn generate_key(&self, name: &str) {
        let path = self.file(name);
        let _ = fs::remove_file(&path);
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(path));
    }
}

/// What the environment of every session holds.
fn mark(folder: &Path) -> String {
    format!("FAILOVER_TEST_SSHD={}", folder.display())
}
