//! Every kind of Git host that a test can run against.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::dulwich::DulwichServer;
use super::git::git;
use super::https::{Access, HttpsServer};
use super::process::run;
use super::scene::Scene;
use super::secret::Secret;
use super::sshd::SshServer;

/// How a repository is reached, and whose Git serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Git, by its path on this machine.
    Local,
    /// Git over SSH.
    Ssh,
    /// Git over HTTPS, with name and password.
    Https,
    /// JGit over SSH.
    JgitSsh,
    /// dulwich over SSH.
    DulwichSsh,
    /// dulwich over HTTPS, with name and password.
    DulwichHttps,
}

/// What the Git of JGit needs beside what its own package names.
const JGIT: &str = "JGIT_CLASSPATH=/usr/share/java/org.eclipse.jgit.lfs.jar:\
    /usr/share/java/org.eclipse.jgit.http.apache.jar:/usr/share/java/httpclient.jar:/usr/share/java/httpcore.jar:\
    /usr/share/java/slf4j-nop.jar";

enum Server {
    None,
    Ssh(SshServer),
    Https(HttpsServer),
    Dulwich(DulwichServer),
}

/// A running Git host that serves every repository of this machine to whoever has the credentials.
pub(crate) struct Host {
    kind: Kind,
    server: Server,
    secret: Secret,
}

impl Host {
    /// Starts, and returns when the host answers.
    pub(crate) fn start_new(kind: Kind) -> Self {
        let server = match kind {
            Kind::Local => Server::None,
            Kind::Ssh => Server::Ssh(SshServer::start_new()),
            Kind::JgitSsh | Kind::DulwichSsh => Server::Ssh(SshServer::start_with(|service| {
                format!("#!/bin/sh\n{}\n", program(kind, service))
            })),
            Kind::Https => Server::Https(HttpsServer::start_new(Access::Basic)),
            Kind::DulwichHttps => Server::Dulwich(DulwichServer::start_new()),
        };
        Self::with(kind, server)
    }

    /// An SSH host on which somebody else is faster once: `script` runs when the first push has been told of the
    /// branch and has begun to say what it wants, before that is heard.
    pub(crate) fn start_racing(kind: Kind, script: &str) -> Self {
        let sshd = SshServer::start_with(|service| {
            let program = program(kind, service);
            if service == "upload-pack" {
                return format!("#!/bin/sh\n{program}\n");
            }
            // A client that wants nothing says 0000 and goes.
            format!(
                "#!/bin/sh\n{{\n  first=$HOME/first.$$\n  head -c 4 >\"$first\"\n  \
                 if [ \"$(cat \"$first\")\" != 0000 ] && mv \"$HOME/race\" \"$HOME/raced\" 2>/dev/null; then\n    \
                 sh \"$HOME/raced\" >&2\n  fi\n  cat \"$first\" -\n}} | {program}\n"
            )
        });
        fs::write(sshd.file("race"), script).unwrap();
        Self::with(kind, Server::Ssh(sshd))
    }

    fn with(kind: Kind, server: Server) -> Self {
        let secret = Secret::new(match &server {
            Server::None => Vec::new(),
            Server::Ssh(sshd) => sshd.secret(),
            Server::Https(https) => https.secret(),
            Server::Dulwich(dulwich) => dulwich.secret(),
        });
        Self { kind, server, secret }
    }

    /// Arguments for a server under test that reaches the scene's repository through this host.
    pub(crate) fn arguments(&self, scene: &Scene) -> Vec<OsString> {
        let url = self.url(scene.repository.path());
        match &self.server {
            Server::None => scene.local(),
            Server::Ssh(_) => scene.arguments(
                Path::new(&url),
                &[
                    "--ssh-key".as_ref(),
                    self.secret.file("identity").as_ref(),
                    "--known-hosts".as_ref(),
                    self.secret.file("known_hosts").as_ref(),
                ],
            ),
            Server::Https(_) | Server::Dulwich(_) => scene.with_secret(&url, &self.secret),
        }
    }

    /// The URL of the repository in this folder of the machine.
    pub(crate) fn url(&self, path: &Path) -> String {
        match &self.server {
            Server::None => path.to_str().unwrap().to_owned(),
            Server::Ssh(sshd) => sshd.url(path),
            Server::Https(https) => https.url(path),
            Server::Dulwich(dulwich) => dulwich.url(path),
        }
    }

    /// Git's own client in `folder`, with this host's credentials.
    pub(crate) fn git(&self, folder: &Path) -> Command {
        self.secret.git(folder)
    }

    /// What the host knows its users by.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The host disappears with its connections; a path on this machine cannot.
    pub(crate) fn stop(&mut self) {
        match &mut self.server {
            Server::None => panic!("a local path has no server to stop"),
            Server::Ssh(sshd) => sshd.stop(),
            Server::Https(https) => https.stop(),
            Server::Dulwich(dulwich) => dulwich.stop(),
        }
    }

    /// Ends [`Self::stop`].
    pub(crate) fn start(&mut self) {
        match &mut self.server {
            Server::None => {}
            Server::Ssh(sshd) => sshd.start(),
            Server::Https(https) => https.start(),
            Server::Dulwich(dulwich) => dulwich.start(),
        }
    }

    /// The host lets our credentials read and no longer write.
    pub(crate) fn forbid_writing(&self, scene: &Scene) {
        match &self.server {
            Server::Ssh(sshd) => sshd.authorize_key_for_reading(),
            Server::Https(_) => {
                run(git(scene.repository.path()).args(["config", "http.receivepack", "false"]));
            }
            Server::None | Server::Dulwich(_) => panic!("{:?} cannot do that", self.kind),
        }
    }

    /// Ends [`Self::forbid_writing`].
    pub(crate) fn allow_writing(&self, scene: &Scene) {
        match &self.server {
            Server::Ssh(sshd) => sshd.authorize_key(),
            Server::Https(_) => {
                run(git(scene.repository.path()).args(["config", "--unset", "http.receivepack"]));
            }
            Server::None | Server::Dulwich(_) => {}
        }
    }

    /// What the host has logged, for messages.
    pub(crate) fn log(&self) -> String {
        match &self.server {
            Server::None => String::new(),
            Server::Ssh(sshd) => sshd.log(),
            Server::Https(https) => https.log() + &https.access_log().join("\n"),
            Server::Dulwich(dulwich) => dulwich.log(),
        }
    }
}

/// What serves one session over SSH, as a shell runs it.
fn program(kind: Kind, service: &str) -> String {
    match kind {
        Kind::JgitSsh => format!("exec env {JGIT} jgit {service} \"$@\""),
        Kind::DulwichSsh => format!("exec dul-{service} \"$@\""),
        Kind::Local | Kind::Ssh | Kind::Https | Kind::DulwichHttps => format!("exec git {service} \"$@\""),
    }
}

impl SshServer {
    /// The credentials that are let in, as the files of a Secret.
    pub(crate) fn secret(&self) -> Vec<(&'static str, Vec<u8>)> {
        let files = [("identity", self.key()), ("known_hosts", self.known_hosts())];
        files.into_iter().map(|(name, path)| (name, fs::read(path).unwrap())).collect()
    }
}

impl Scene {
    /// Arguments for a server that reaches the repository at `url` with the credentials of a Secret.
    pub(crate) fn with_secret(&self, url: &str, secret: &Secret) -> Vec<OsString> {
        self.arguments(Path::new(url), &["--git-secret-dir".as_ref(), secret.path().as_ref()])
    }
}
