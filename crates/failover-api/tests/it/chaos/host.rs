//! What is behind the proxies: how servers reach the repository, and what can go wrong there.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::support::api::Server;
use crate::support::https::{Access, HttpsServer};
use crate::support::proxy::Proxy;
use crate::support::scene::Scene;
use crate::support::secret::Secret;
use crate::support::sshd::SshServer;

pub(crate) trait Host: Sync {
    /// Where a proxy reaches it.
    fn address(&self) -> SocketAddr;

    /// Arguments for a server that reaches the scene's repository through the proxy.
    fn arguments(&self, scene: &Scene, proxy: &Proxy) -> Vec<OsString>;

    /// Shell for a hook that cuts the connection it serves. It does nothing for a push that came another way.
    fn hang_up(&self) -> &'static str;

    /// Misbehaves in a way of its own, and says how.
    fn misbehave(&self, random: &mut Rng) -> &'static str;

    /// Ends a server at once.
    fn kill(&self, server: &mut Server) {
        server.kill();
    }

    /// Returns when nothing that a client has started runs any more.
    fn wait_idle(&self);
}

impl Host for SshServer {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn arguments(&self, scene: &Scene, proxy: &Proxy) -> Vec<OsString> {
        scene.ssh_with(&self.url_through(proxy, scene.repository.path()), &self.key(), self)
    }

    fn hang_up(&self) -> &'static str {
        r#"p=${SSH_CONNECTION:+$$}
while [ "${p:-1}" -gt 1 ]; do
  case $(cat /proc/$p/comm) in sshd*) kill -9 $p; break ;; esac
  p=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$p/status)
done"#
    }

    fn misbehave(&self, random: &mut Rng) -> &'static str {
        if random.u8(0..3) > 0 {
            self.kill_sessions();
            return "sessions killed";
        }
        self.freeze();
        thread::sleep(Duration::from_millis(random.u64(100..600)));
        self.thaw();
        "frozen"
    }

    fn wait_idle(&self) {
        self.wait_idle();
    }
}

/// A web server, and what servers show it.
pub(crate) struct Web {
    server: HttpsServer,
    secret: Secret,
}

impl Web {
    pub(crate) fn start_new() -> Self {
        let server = HttpsServer::start_new(Access::Basic);
        let secret = Secret::new(server.secret());
        Self { server, secret }
    }
}

impl Host for Web {
    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn arguments(&self, scene: &Scene, proxy: &Proxy) -> Vec<OsString> {
        scene.with_secret(&self.server.url_at(proxy.address(), scene.repository.path()), &self.secret)
    }

    /// The lines break often enough; a web server serves many connections by one process.
    fn hang_up(&self) -> &'static str {
        "sleep 0.2"
    }

    fn misbehave(&self, random: &mut Rng) -> &'static str {
        if random.bool() {
            self.server.fall_sick(503, u64::from(random.bool()));
            thread::sleep(Duration::from_millis(random.u64(50..400)));
            self.server.recover();
            return "sick";
        }
        self.server.freeze();
        thread::sleep(Duration::from_millis(random.u64(100..600)));
        self.server.thaw();
        "frozen"
    }

    fn wait_idle(&self) {
        self.server.wait_idle();
    }
}

/// A repository on this machine: there is no line, and servers are killed and hooks hang up all the same.
pub(crate) struct Local {
    /// What the proxies lead to, though nobody uses them.
    nobody: TcpListener,
}

impl Local {
    pub(crate) fn new() -> Self {
        Self { nobody: TcpListener::bind("127.0.0.1:0").unwrap() }
    }
}

impl Host for Local {
    fn address(&self) -> SocketAddr {
        self.nobody.local_addr().unwrap()
    }

    fn arguments(&self, scene: &Scene, _proxy: &Proxy) -> Vec<OsString> {
        scene.local()
    }

    /// People have a time zone, and servers have none.
    fn hang_up(&self) -> &'static str {
        "[ -n \"$TZ\" ] || kill -9 $PPID"
    }

    fn misbehave(&self, _random: &mut Rng) -> &'static str {
        "nothing"
    }

    /// What a server had started goes on without it, as when only one program of a machine dies; killed in the wrong
    /// moment, Git's own would leave a lock that nobody but a person may remove.
    fn kill(&self, server: &mut Server) {
        server.kill_and_wait_for_children();
    }

    /// Those who kill servers wait for what they leave behind.
    fn wait_idle(&self) {}
}
