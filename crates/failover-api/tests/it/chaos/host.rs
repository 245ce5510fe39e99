//! What is behind the proxies: how servers reach the repository, and what can go wrong there.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::support::proxy::Proxy;
use crate::support::scene::Scene;
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
