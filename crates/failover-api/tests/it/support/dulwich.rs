//! A web server with another Git than Git: dulwich.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::certificates;
use super::daemon::{Daemon, free_port};

/// The name and the password that are let in.
const USER: (&str, &str) = ("dul", "wich");

/// A web server for the user who runs the tests, root or not. It speaks HTTP/1.0: each request is a connection.
pub(crate) struct DulwichServer {
    /// Before the folder, so that it ends before its files do.
    daemon: Daemon,
    folder: TempDir,
    port: u16,
}

impl DulwichServer {
    /// Starts with an authority of its own, and returns when the server listens.
    pub(crate) fn start_new() -> Self {
        let folder = TempDir::new().unwrap();
        let mark = format!("FAILOVER_TEST_DULWICH={}", folder.path().display());
        let mut server = Self { daemon: Daemon::new(mark), folder, port: free_port() };
        certificates::make(server.folder.path());
        fs::write(server.file("users"), format!("{}:{}\n", USER.0, USER.1)).unwrap();
        server.start();
        server
    }

    /// Starts on the same port with the same certificates, after [`Self::stop`].
    pub(crate) fn start(&mut self) {
        // The system's own Python is the one that the package belongs to.
        let mut python = Command::new("/usr/bin/python3");
        python.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        python.args(["-c", include_str!("dulwich_https.py"), &self.port.to_string()]);
        python.args(["server.crt", "server.key", "users"]).current_dir(self.folder.path());
        let said = self.file("stderr");
        python.stderr(fs::File::options().create(true).append(true).open(&said).unwrap());
        let address = ("127.0.0.1", self.port);
        self.daemon.start(
            &mut python,
            || fs::read_to_string(&said).unwrap(),
            || TcpStream::connect(address).map(drop).map_err(|error| error.to_string()),
        );
    }

    /// The server disappears with its connections.
    pub(crate) fn stop(&mut self) {
        self.daemon.stop();
    }

    /// The URL of the repository in this folder of the machine.
    pub(crate) fn url(&self, path: &Path) -> String {
        format!("https://127.0.0.1:{}{}", self.port, path.display())
    }

    /// The credentials that are let in, as the files of a Secret.
    pub(crate) fn secret(&self) -> Vec<(&'static str, Vec<u8>)> {
        let authority = fs::read(self.file("ca.crt")).unwrap();
        vec![("ca.crt", authority), ("username", USER.0.into()), ("password", USER.1.into())]
    }

    /// What the server has logged since it was first started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("stderr")).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
