//! A cluster with Flux's own controllers, whose Receiver takes our word.

use std::path::PathBuf;
use std::{fs, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::control_plane::ControlPlane;
use super::pod::Pod;
use super::scene::{Cluster, base, overlay};
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::ready;

/// So long that nothing is fetched before the end of a test unless Flux is told.
const INTERVAL: &str = "1h";

/// A cluster with Flux, the component `receiver`, and a GitRepository that has been fetched.
pub(crate) struct Flux {
    pub(crate) cluster: Cluster,
    /// What is mounted into the pods from the component.
    receivers: TempDir,
    /// Of the Receivers.
    port: u16,
    _notification: Daemon,
    _source: Daemon,
}

impl Flux {
    /// Both sides know the token.
    pub(crate) fn start(cluster: Cluster, token: &str) -> Self {
        cluster.plane.define_kinds();
        let component = overlay(&["receiver"]);
        cluster.plane.admin(["apply", "-k", component.path().to_str().unwrap()]);
        let port = free_port();
        let (notification, source) = (start_notification(&cluster.plane, port), start_source(&cluster.plane));
        let receivers = TempDir::new().unwrap();
        let file = base().parent().unwrap().join("components/receiver/receivers.yaml");
        // There is no DNS of the cluster on this machine.
        let address = format!("name: failover-api, address: 'http://127.0.0.1:{port}'}}");
        let text = fs::read_to_string(file).unwrap().replace("name: failover-api}", &address);
        assert!(text.contains(&address), "{text}");
        fs::write(receivers.path().join("receivers.yaml"), text).unwrap();
        let flux = Self { cluster, receivers, port, _notification: notification, _source: source };
        flux.cluster.plane.apply(&json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"name": "flux-system", "namespace": "flux-system"},
            "spec": {
                "interval": INTERVAL, "url": flux.cluster.ssh_url(), "ref": {"branch": "main"},
                "secretRef": {"name": "flux-system"},
            },
        }));
        flux.set_token_of_flux(token);
        flux.set_token_of_server(token);
        flux.wait_for_fetched(&flux.cluster.scene.repository.tip());
        flux
    }

    /// Puts the token into Flux's Secret, and returns when requests for the old one's path are turned away and those for
    /// the new one's are looked at.
    pub(crate) fn set_token_of_flux(&self, token: &str) {
        let old = self.hook();
        self.cluster.plane.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": {"token": token},
            "metadata": {
                "name": "failover-api-receiver", "namespace": "flux-system",
                // Without it Flux looks at the Secret every ten minutes.
                "labels": {"reconcile.fluxcd.io/watch": "Enabled"},
            },
        }));
        poll("Flux knows the token", PATIENCE, || {
            let hook = self.hook();
            // Unsigned, so it is refused for its signature once its path is known.
            if hook != old && self.poke(&hook) == 400 { Ok(()) } else { Err(self.said()) }
        });
    }

    /// The path that Flux gave its Receiver; none as long as it has no token.
    pub(crate) fn hook(&self) -> String {
        let receiver = self.cluster.plane.object(["get", "receiver", "failover-api", "-n", "flux-system"]);
        receiver["status"]["webhookPath"].as_str().unwrap_or_default().to_owned()
    }

    /// What Flux answers to a request that is not signed.
    pub(crate) fn poke(&self, path: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.post(format!("http://127.0.0.1:{}{path}", self.port)).send("{}").unwrap().status().as_u16()
    }

    /// Puts the token into the file that the component mounts.
    pub(crate) fn set_token_of_server(&self, token: &str) {
        let new = self.receivers.path().join(".new");
        fs::write(&new, token).unwrap();
        fs::rename(new, self.receivers.path().join("token")).unwrap();
    }

    /// Flux takes nobody's word, or does again.
    pub(crate) fn suspend_receiver(&self, suspended: bool) {
        let patch = json!({"spec": {"suspend": suspended}}).to_string();
        self.cluster.plane.admin([
            "patch",
            "receiver",
            "failover-api",
            "-n",
            "flux-system",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }

    /// A ready pod with the component's receivers file.
    pub(crate) fn pod(&self) -> Pod {
        let file: PathBuf = self.receivers.path().join("receivers.yaml");
        let mut pod = self.cluster.pod_with(&["--receivers", file.to_str().unwrap()]);
        pod.server = ready(pod.server);
        pod
    }

    /// The GitRepository.
    pub(crate) fn repository(&self) -> Value {
        self.cluster.plane.object(["get", "gitrepository", "flux-system", "-n", "flux-system"])
    }

    /// Returns when Flux has an artifact of this commit.
    pub(crate) fn wait_for_fetched(&self, commit: &str) {
        let wanted = revision(commit);
        self.cluster.plane.wait_for(&["gitrepository", "flux-system", "-n", "flux-system"], |repository| {
            (repository["status"]["artifact"]["revision"] == wanted).then_some(())
        });
    }

    fn said(&self) -> String {
        ["notification-controller", "source-controller"].map(|name| self.cluster.plane.said(name)).join("\n")
    }
}

impl Drop for Flux {
    #[expect(clippy::print_stderr, reason = "the controllers know why a test failed")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

/// What Flux calls a commit.
pub(crate) fn revision(commit: &str) -> String {
    format!("main@sha1:{commit}")
}

fn start_notification(plane: &ControlPlane, port: u16) -> Daemon {
    let health = free_port();
    let flag = |name: &str, port: u16| format!("--{name}=127.0.0.1:{port}");
    let arguments = [
        flag("receiverAddr", port),
        flag("health-addr", health),
        flag("events-addr", free_port()),
        flag("metrics-addr", free_port()),
    ];
    plane.start_flux("notification-controller", &arguments, health)
}

fn start_source(plane: &ControlPlane) -> Daemon {
    let (health, storage) = (free_port(), free_port());
    let flag = |name: &str, port: u16| format!("--{name}=127.0.0.1:{port}");
    let folder = plane.folder("artifacts");
    let arguments = [
        format!("--storage-path={}", folder.display()),
        flag("storage-addr", storage),
        flag("storage-adv-addr", storage),
        flag("health-addr", health),
        flag("metrics-addr", free_port()),
    ];
    plane.start_flux("source-controller", &arguments, health)
}
