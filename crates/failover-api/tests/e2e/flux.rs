//! Flux's own controllers: its Receiver takes our word, and it fetches the commit at once.

use std::path::PathBuf;
use std::{fs, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::control_plane::ControlPlane;
use super::pod::Pod;
use super::scene::{Cluster, base, overlay};
use crate::support::api::{Reply, Server};
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::ready;

/// So long that nothing is fetched before the end of a test unless Flux is told.
const INTERVAL: &str = "1h";

/// A cluster with Flux, the component `receiver`, and a GitRepository that has been fetched.
struct Flux {
    cluster: Cluster,
    /// What is mounted into the pods from the component.
    receivers: TempDir,
    /// Of the Receivers.
    port: u16,
    _notification: Daemon,
    _source: Daemon,
}

impl Flux {
    fn start(token: &str) -> Self {
        let cluster = Cluster::start();
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
    fn set_token_of_flux(&self, token: &str) {
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
    fn hook(&self) -> String {
        let receiver = self.cluster.plane.object(["get", "receiver", "failover-api", "-n", "flux-system"]);
        receiver["status"]["webhookPath"].as_str().unwrap_or_default().to_owned()
    }

    /// What Flux answers to a request that is not signed.
    fn poke(&self, path: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.post(format!("http://127.0.0.1:{}{path}", self.port)).send("{}").unwrap().status().as_u16()
    }

    fn set_token_of_server(&self, token: &str) {
        let new = self.receivers.path().join(".new");
        fs::write(&new, token).unwrap();
        fs::rename(new, self.receivers.path().join("token")).unwrap();
    }

    fn suspend_receiver(&self, suspended: bool) {
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
    fn pod(&self) -> Pod {
        let file: PathBuf = self.receivers.path().join("receivers.yaml");
        let mut pod = self.cluster.pod_with(&["--receivers", file.to_str().unwrap()]);
        pod.server = ready(pod.server);
        pod
    }

    fn repository(&self) -> Value {
        self.cluster.plane.object(["get", "gitrepository", "flux-system", "-n", "flux-system"])
    }

    /// Returns when Flux has an artifact of this commit.
    fn wait_for_fetched(&self, commit: &str) {
        let wanted = format!("--for=jsonpath={{.status.artifact.revision}}=main@sha1:{commit}");
        let object = "gitrepository/flux-system";
        self.cluster.plane.admin(["wait", object, "-n", "flux-system", "--timeout=60s", &wanted]);
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

/// The step of the move's operation in which Flux was told, when it is as wanted.
fn told(server: &Server, answer: &Reply, outcome: &str) -> Value {
    let path = format!("/api/operations/{}", answer.json["operation_id"].as_str().unwrap());
    let step = |reply: &Reply| {
        let mut steps = reply.json["steps"].as_array()?.iter();
        steps.find(|step| step["step"] == "told" && step["outcome"] == outcome).cloned()
    };
    let operation = server.wait_until(&path, |reply| step(reply).is_some(), PATIENCE);
    assert_eq!(operation.json["state"], "committed", "{}", operation.text);
    step(&operation).unwrap()
}

/// How many commits had this result.
fn counted(server: &Server, result: &str) -> u32 {
    let sample = format!("failover_api_receiver_deliveries_total{{receiver=\"flux\",result=\"{result}\"}} ");
    let text = server.get("/metrics").text;
    text.lines().find_map(|line| line.strip_prefix(&sample)).unwrap().parse().unwrap()
}

#[test]
fn flux_is_told_of_a_move_and_has_the_commit_long_before_it_would_look() {
    let flux = Flux::start("s3cr3t");
    let pod = flux.pod();
    assert!(flux.repository()["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].is_null());
    for there in [true, false] {
        let answer = if there { pod.server.promote("sonarr") } else { pod.server.demote("sonarr") };
        flux.wait_for_fetched(answer.commit());
        assert_eq!(told(&pod.server, &answer, "told")["tries"], 1);
        let asked = |source: &Value| {
            let asked = source["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].as_str()?;
            // It was not fetched for another reason.
            (source["status"]["lastHandledReconcileAt"] == asked).then_some(())
        };
        flux.cluster.plane.wait_for(&["get", "gitrepository", "flux-system", "-n", "flux-system"], asked);
    }
    assert_eq!((counted(&pod.server, "told"), counted(&pod.server, "failed")), (2, 0));
    assert_eq!(pod.server.get("/api/health").json["status"], "ok");
}

#[test]
fn what_flux_will_not_take_costs_the_poke_alone_and_its_tokens_change_without_a_restart() {
    let flux = Flux::start("t0ken-1");
    flux.set_token_of_server("t0ken-0");
    let pod = flux.pod();
    let server = &pod.server;
    let before = flux.repository();
    let answer = server.promote("sonarr");
    let commit = answer.commit().to_owned();
    let step = told(server, &answer, "failed");
    assert!(step["detail"].as_str().unwrap().starts_with("it answered 404"), "{step}");
    assert_eq!((counted(server, "told"), counted(server, "failed")), (0, 1));
    assert_eq!(flux.cluster.scene.repository.tip(), commit);
    // Flux was not moved by it.
    assert_eq!(flux.repository()["metadata"], before["metadata"]);
    let problem = &server.get("/api/health").json["problems"][0];
    assert_eq!((&problem["code"], &problem["receiver"]), (&"receiver-failed".into(), &"flux".into()));

    let reloaded = |change: &dyn Fn()| {
        let seen = server.log().len();
        change();
        server.next_log(seen, PATIENCE, |event| event["message"] == "receivers loaded").unwrap();
    };
    reloaded(&|| flux.set_token_of_server("t0ken-1"));
    let answer = server.demote("sonarr");
    told(server, &answer, "told");
    flux.wait_for_fetched(answer.commit());
    assert_eq!(server.get("/api/health").json["status"], "ok");

    // A rotation, Flux's side first.
    let old = flux.hook();
    flux.set_token_of_flux("t0ken-2");
    assert_eq!(flux.poke(&old), 404);
    reloaded(&|| flux.set_token_of_server("t0ken-2"));
    let answer = server.promote("sonarr");
    told(server, &answer, "told");
    flux.wait_for_fetched(answer.commit());

    // What passes is waited for.
    flux.suspend_receiver(true);
    poll("the Receiver is suspended", PATIENCE, || match flux.poke(&flux.hook()) {
        503 => Ok(()),
        other => Err(format!("{other}")),
    });
    let answer = server.demote("sonarr");
    told(server, &answer, "retrying");
    flux.suspend_receiver(false);
    assert!(told(server, &answer, "told")["tries"].as_u64().unwrap() > 1);
    flux.wait_for_fetched(answer.commit());
    assert_eq!((counted(server, "told"), counted(server, "failed")), (3, 1));
    let log = server.log().join("\n");
    for secret in ["t0ken-", &flux.hook()] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
