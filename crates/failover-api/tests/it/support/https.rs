//! A real web server on loopback: lighttpd with TLS, and Git's own CGI program behind it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::certificates;
use super::daemon::{Daemon, free_port, server_program};
use super::process::{PATIENCE, install_script, poll, run};

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody reads and writes.
    Open,
    /// Everybody reads; writing takes a name and a password.
    OpenForReading,
    /// Name and password.
    Basic,
    /// A bearer token.
    Bearer,
    /// A certificate of our authority.
    ClientCertificate,
}

/// The name that [`Access::Basic`] knows.
pub(crate) const USERNAME: &str = "flux";
/// The password that [`Access::Basic`] knows until [`HttpsServer::set_password`]; it has what is easily spoilt.
pub(crate) const PASSWORD: &str = "pa:ss w%20rd+/=\u{fc}";
/// The token that [`Access::Bearer`] knows.
pub(crate) const TOKEN: &str = "glpat-Zm9yLXRlc3Rz_0.1~x+/==";

/// A web server for the user who runs the tests, root or not. Killed with all that it runs when dropped.
pub(crate) struct HttpsServer {
    /// Before the folder, so that it ends before its files do.
    daemon: Daemon,
    folder: TempDir,
    port: u16,
    access: Access,
}

impl HttpsServer {
    /// Starts with an authority of its own, and returns when the server listens.
    pub(crate) fn start_new(access: Access) -> Self {
        let folder = TempDir::new().unwrap();
        let daemon = Daemon::new(mark(folder.path()));
        let mut server = Self { daemon, folder, port: free_port(), access };
        certificates::make(server.folder.path());
        for folder in ["empty", "uploads"] {
            fs::create_dir(server.file(folder)).unwrap();
        }
        fs::write(server.file("gitconfig"), "[http]\n\treceivepack = true\n").unwrap();
        server.set_password(PASSWORD);
        server.handle_with(&git_http_backend());
        fs::write(server.file("lighttpd.conf"), server.config()).unwrap();
        server.start();
        server
    }

    /// Sessions get a home without start-up files. The handler is a link, so that it can change without a restart.
    fn config(&self) -> String {
        let folder = self.folder.path().display();
        let port = self.port;
        let (name, value) =
            mark(self.folder.path()).split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
        let basic = "auth.require = (\"\" => (\"method\" => \"basic\", \"realm\" => \"git\", \"require\" => \"valid-user\"))";
        let access = match self.access {
            Access::Open => String::new(),
            Access::OpenForReading => format!(
                "$HTTP[\"querystring\"] =~ \"service=git-receive-pack\" {{ {basic} }}\n\
                 $HTTP[\"url\"] =~ \"/git-receive-pack$\" {{ {basic} }}\n"
            ),
            Access::Basic => format!("{basic}\n"),
            // Nobody has a password, so that whoever has no token has no other way in.
            Access::Bearer => format!(
                "$REQUEST_HEADER[\"Authorization\"] != \"Bearer {TOKEN}\" {{\n\
                 auth.backend.plain.userfile = \"/dev/null\"\n{basic}\n}}\n"
            ),
            Access::ClientCertificate => format!(
                "ssl.verifyclient.activate = \"enable\"\nssl.verifyclient.enforce = \"enable\"\n\
                 ssl.verifyclient.ca-file = \"{folder}/ca.crt\"\n"
            ),
        };
        format!(
            "server.document-root = \"{folder}/empty\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
             server.modules = (\"mod_alias\", \"mod_setenv\", \"mod_auth\", \"mod_authn_file\", \"mod_cgi\", \
             \"mod_accesslog\", \"mod_openssl\")\n\
             server.upload-dirs = (\"{folder}/uploads\")\nserver.errorlog = \"{folder}/log\"\n\
             server.max-keep-alive-idle = 600\nserver.max-keep-alive-requests = 65535\n\
             server.stream-response-body = 1\nserver.stat-cache-engine = \"disable\"\n\
             accesslog.filename = \"|exec cat >> '{folder}/access_log'\"\n\
             accesslog.format = \"%s %{{remote}}p %r\"\n\
             ssl.engine = \"enable\"\nssl.pemfile = \"{folder}/server.crt\"\nssl.privkey = \"{folder}/server.key\"\n\
             alias.url = (\"/\" => \"{folder}/handler/\")\ncgi.assign = (\"\" => \"\")\n\
             setenv.add-environment = (\"PATH\" => \"/usr/local/bin:/usr/bin:/bin\", \"LC_ALL\" => \"C\", \
             \"HOME\" => \"{folder}\", \"GIT_CONFIG_NOSYSTEM\" => \"1\", \"GIT_CONFIG_GLOBAL\" => \"{folder}/gitconfig\", \
             \"GIT_PROJECT_ROOT\" => \"/\", \"GIT_HTTP_EXPORT_ALL\" => \"1\", \"{name}\" => \"{value}\")\n\
             auth.backend = \"plain\"\nauth.backend.plain.userfile = \"{folder}/users\"\n{access}"
        )
    }

    /// Starts on the same port with the same certificates, after [`Self::stop`].
    pub(crate) fn start(&mut self) {
        let mut lighttpd = Command::new(server_program("lighttpd"));
        lighttpd.env_clear().env("PATH", "/usr/bin:/bin").arg("-D").arg("-f").arg(self.file("lighttpd.conf"));
        let said = self.file("stderr");
        lighttpd.stderr(fs::File::options().create(true).append(true).open(&said).unwrap());
        let address = ("127.0.0.1", self.port);
        self.daemon.start(
            &mut lighttpd,
            || fs::read_to_string(&said).unwrap(),
            || TcpStream::connect(address).map(drop).map_err(|error| error.to_string()),
        );
    }

    /// The server disappears with its connections and everything that it runs.
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

    /// Cuts all connections, and serves again when this returns. A receive-pack that has the whole push is left alone
    /// and completes it.
    pub(crate) fn kill_connections(&mut self) {
        self.daemon.behead();
        self.start();
    }

    /// Lets this password in and no other, from the next request on.
    pub(crate) fn set_password(&self, password: &str) {
        let users = self.file("users");
        fs::write(users.with_extension("new"), format!("{USERNAME}:{password}\n")).unwrap();
        fs::rename(users.with_extension("new"), users).unwrap();
    }

    /// Everything is answered with this status and `Retry-After`, until [`Self::recover`].
    pub(crate) fn fall_sick(&self, status: u16, retry_after_seconds: u64) {
        let script = format!(
            "#!/bin/sh\necho \"$REQUEST_METHOD $REQUEST_URI\" >> '{}'\n\
             printf 'Status: {status}\\r\\nRetry-After: {retry_after_seconds}\\r\\nContent-Type: text/plain\\r\\n\\r\\nnot now\\n'\n",
            self.file("turned_away").display()
        );
        install_script(&self.file("sick"), &script);
        self.handle_with(&self.file("sick"));
    }

    /// Answers with this CGI program, which finds itself in the server's folder as its home.
    pub(crate) fn handle_with_script(&self, script: &str) {
        install_script(&self.file("script"), script);
        self.handle_with(&self.file("script"));
    }

    /// Ends [`Self::fall_sick`].
    pub(crate) fn recover(&self) {
        self.handle_with(&git_http_backend());
    }

    /// The requests that were turned away by the sick server, as `METHOD /path?query`.
    pub(crate) fn turned_away(&self) -> Vec<String> {
        let lines = fs::read_to_string(self.file("turned_away")).unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The URL of the repository in this folder of the machine.
    pub(crate) fn url(&self, path: &Path) -> String {
        self.url_at(self.address(), path)
    }

    /// The same by another way to the server.
    pub(crate) fn url_at(&self, address: SocketAddr, path: &Path) -> String {
        format!("https://{address}{}", path.display())
    }

    /// Waits until everything that a client has started has ended.
    pub(crate) fn wait_idle(&self) {
        self.daemon.wait_idle(&["cat"]);
    }

    /// The same server by a name that is not in its certificate.
    pub(crate) fn misnamed_url(&self, path: &Path) -> String {
        format!("https://localhost:{}{}", self.port, path.display())
    }

    /// The credentials that are let in, as the files of a Secret.
    pub(crate) fn secret(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut files = vec![("ca.crt", self.read("ca.crt"))];
        match self.access {
            Access::Open => {}
            Access::OpenForReading | Access::Basic => {
                files.extend([("username", USERNAME.into()), ("password", PASSWORD.into())]);
            }
            Access::Bearer => files.push(("bearerToken", TOKEN.into())),
            Access::ClientCertificate => {
                files.extend([("tls.crt", self.read("client.crt")), ("tls.key", self.read("client.key"))]);
            }
        }
        files
    }

    /// Credentials of the same kind that are not let in.
    pub(crate) fn wrong_secret(&self) -> Vec<(&'static str, Vec<u8>)> {
        let wrong = |(name, right): (&'static str, Vec<u8>)| match name {
            "password" | "bearerToken" => (name, b"wrong".to_vec()),
            "tls.crt" => (name, self.read("other-client.crt")),
            "tls.key" => (name, self.read("other-client.key")),
            _ => (name, right),
        };
        self.secret().into_iter().map(wrong).collect()
    }

    /// The right credentials with an authority that did not sign the server's certificate.
    pub(crate) fn secret_of_another_authority(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut files = self.secret();
        files[0].1 = self.read("other-ca.crt");
        files
    }

    /// One line for each request since the server was first started: status, the client's port, and the request line.
    pub(crate) fn access_log(&self) -> Vec<String> {
        let lines = fs::read_to_string(self.file("access_log")).unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }

    /// Waits until the access log has a line like this.
    pub(crate) fn wait_access(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        poll(what, PATIENCE, || {
            let log = self.access_log();
            if log.iter().any(|line| wanted(line)) { Ok(()) } else { Err(log.join("\n")) }
        });
    }

    /// What the server itself has logged since it was first started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// A file in the folder of the server's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    fn handle_with(&self, program: &Path) {
        symlink(program, self.file("handler.new")).unwrap();
        fs::rename(self.file("handler.new"), self.file("handler")).unwrap();
    }
}

/// What the environment of every CGI program holds.
fn mark(folder: &Path) -> String {
    format!("FAILOVER_TEST_HTTPS={}", folder.display())
}

fn git_http_backend() -> PathBuf {
    let folder = run(Command::new("git").arg("--exec-path")).stdout;
    Path::new(String::from_utf8(folder).unwrap().trim_end()).join("git-http-backend")
}
