//! From the call to the pod on the other node, with the cluster of `failover-api demo` as its repository has it: Flux applies
//! our commit, and the scheduler and the volumes' nodes agree with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, thread};

use serde_json::{Value, json};

use super::control_plane::ControlPlane;
use super::flux::{Flux, revision};
use super::nodes::{Node, ready};
use super::pod::Pod;
use super::scene::Cluster;
use crate::support::api::Reply;
use crate::support::daemon::{Daemon, free_port};
use crate::support::git::Repository;
use crate::support::scene::Scene;

/// What the demo's config can move: namespace, kind and name.
const APPS: [(&str, &str, &str); 4] = [
    ("media", "deployment", "sonarr"),
    ("media", "deployment", "radarr"),
    ("media", "deployment", "jellyfin"),
    ("databases", "statefulset", "postgres"),
];

/// The demo's home cluster, with every app at its primary node.
struct Home {
    flux: Flux,
    server: Pod,
    kustomize: Option<Daemon>,
    _scheduler: Daemon,
    primary: Node,
    backup: Node,
}

impl Home {
    /// With the demo's repository, after these changes.
    fn start(change: impl FnOnce(&Repository)) -> Self {
        let repository = Repository::from_folder(&demo().join("repo"));
        change(&repository);
        let config = fs::read_to_string(demo().join("services.yaml")).unwrap();
        let cluster = Cluster::start_with(Scene::with(repository, &config));
        let plane = &cluster.plane;
        let primary = Node::join(plane, "k3s-w1", "primary");
        let backup = Node::join(plane, "k3s-w2", "backup");
        let scheduler = plane.start_scheduler();
        define_volsync(plane);
        let flux = Flux::start(cluster, "s3cr3t");
        let kustomize = start_kustomize(&flux.cluster.plane);
        // The demo's own; what it has beside the apps is of kinds that nobody defined, and holds nothing back.
        let kustomizations = demo().join("repo/clusters/homelab/flux-system/apps.yaml");
        flux.cluster.plane.admin(["apply", "-f", kustomizations.to_str().unwrap()]);
        let server = flux.pod();
        let home = Self { flux, server, kustomize: Some(kustomize), _scheduler: scheduler, primary, backup };
        home.wait_for_applied(&home.repository().tip());
        home.wait_for_pods(&every_app(), "primary");
        home
    }

    fn plane(&self) -> &ControlPlane {
        &self.flux.cluster.plane
    }

    fn repository(&self) -> &Repository {
        &self.flux.cluster.scene.repository
    }

    /// Every file of the branch, as one name.
    fn tree(&self) -> String {
        self.repository().log("%T").lines().next().unwrap().to_owned()
    }

    fn promote(&self, app: &str) -> Reply {
        self.server.server.promote(app)
    }

    fn demote(&self, app: &str) -> Reply {
        self.server.server.demote(app)
    }

    /// Moves everything that is at one node to the other one, in one commit.
    fn move_all(&self, from: &str, to: &str) -> Reply {
        let body = json!({"from_node_label": from, "to": to}).to_string();
        self.server.server.post("/api/failover", &body, &[("content-type", "application/json")])
    }

    /// Returns when Flux has applied this commit.
    fn wait_for_applied(&self, commit: &str) {
        let wanted = revision(commit);
        self.plane().wait_for(&["kustomization", "apps", "-n", "flux-system"], |apps| {
            (apps["status"]["lastAppliedRevision"] == wanted).then_some(())
        });
    }

    /// Returns when each of these apps has a pod that is ready at its node of this role, with its claim of this role.
    fn wait_for_pods(&self, apps: &[&str], role: &str) {
        let mut left = apps.to_owned();
        self.plane().wait_for(&["pods", "--all-namespaces"], |pod| {
            left.retain(|app| {
                let serves = is_of(pod, app)
                    && pod["spec"]["nodeName"] == self.node(role)
                    && has_claim(&pod["spec"], app, role)
                    && pod["metadata"]["deletionTimestamp"].is_null()
                    && ready(pod) == Some("True");
                !serves
            });
            left.is_empty().then_some(())
        });
    }

    /// Returns when a pod of the app is to end at the primary node, where nobody ends it.
    fn wait_for_terminating(&self, app: &str) {
        let pod = self.plane().wait_for(&["pods", "--all-namespaces"], |pod| {
            (is_of(pod, app) && pod["metadata"]["deletionTimestamp"].is_string()).then(|| pod.clone())
        });
        assert_eq!(pod["spec"]["nodeName"], self.primary.name, "{pod:#}");
        assert_eq!(pod["status"]["phase"], "Running", "{pod:#}");
    }

    fn node(&self, role: &str) -> &'static str {
        if role == "primary" { self.primary.name } else { self.backup.name }
    }

    /// The pods of an app, those that are on their way out too.
    fn pods(&self, app: &str) -> Vec<Value> {
        let pods = self.plane().object(["get", "pods", "--all-namespaces"]);
        pods["items"].as_array().unwrap().iter().filter(|pod| is_of(pod, app)).cloned().collect()
    }

    /// The workload that the API server has.
    fn workload(&self, app: &str) -> Value {
        let (namespace, kind, _) = place(app);
        self.plane().object(["get", kind, app, "-n", namespace])
    }

    /// Returns when the API server has the workload as it is to be at this role, and the controllers have seen that.
    fn wait_for_workload(&self, app: &str, role: &str) {
        let (namespace, kind, _) = place(app);
        self.plane().wait_for(&[kind, app, "-n", namespace], |workload| {
            let seen = workload["status"]["observedGeneration"] == workload["metadata"]["generation"];
            (seen && is_at(workload, app, role)).then_some(())
        });
    }

    /// Moves by `go`, waits until these apps serve at their node of this role, and says how long that took.
    #[expect(clippy::print_stderr, reason = "docs/e2e.md reports it")]
    fn follow(&self, apps: &[&str], role: &str, go: impl FnOnce(&Self) -> Reply) {
        let asked = Instant::now();
        let answer = go(self);
        let (call, answered) = (asked.elapsed().as_secs_f64(), Instant::now());
        self.wait_for_applied(answer.commit());
        let applied = answered.elapsed().as_secs_f64();
        self.wait_for_pods(apps, role);
        let ready = answered.elapsed().as_secs_f64();
        let apps_moved = apps.join(", ");
        eprintln!(
            "{apps_moved} to {role}: answered in {call:.2} s, then applied in {applied:.1} s and ready in {ready:.1} s"
        );
        for app in apps {
            assert!(is_at(&self.workload(app), app, role), "{app}");
        }
    }

    fn said(&self) -> String {
        let programs =
            ["kustomize-controller", "kube-scheduler", "k3s-w1", "k3s-w2", "kube-controller-manager"];
        let said = programs.map(|name| format!("== {name}\n{}", self.plane().said(name)));
        said.join("\n")
    }
}

impl Drop for Home {
    #[expect(clippy::print_stderr, reason = "the controllers know why a test failed")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

/// The repository and the config of `failover-api demo`.
fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo")
}

fn every_app() -> [&'static str; 4] {
    APPS.map(|(_, _, app)| app)
}

fn place(app: &str) -> (&'static str, &'static str, &'static str) {
    APPS.into_iter().find(|(_, _, name)| *name == app).unwrap()
}

/// The demo's replication objects are taken as they are: VolSync's own definitions are not at hand.
fn define_volsync(plane: &ControlPlane) {
    for kind in ["ReplicationSource", "ReplicationDestination"] {
        let singular = kind.to_lowercase();
        let plural = format!("{singular}s");
        plane.apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.volsync.backube")},
            "spec": {
                "group": "volsync.backube", "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": singular},
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    }},
                }],
            },
        }));
    }
}

fn start_kustomize(plane: &ControlPlane) -> Daemon {
    let health = free_port();
    let flag = |name: &str, port: u16| format!("--{name}=127.0.0.1:{port}");
    let arguments = [flag("health-addr", health), flag("metrics-addr", free_port())];
    plane.start_flux("kustomize-controller", &arguments, health)
}

fn is_of(pod: &Value, app: &str) -> bool {
    pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(&format!("{app}-")))
}

/// Whether a pod or a pod's template names the app's claim of this role, and not that of the other one.
fn has_claim(pod: &Value, app: &str, role: &str) -> bool {
    let (primary, backup) = (format!("pvc-{app}"), format!("pvc-{app}-backup"));
    let (own, other) = if role == "primary" { (primary, backup) } else { (backup, primary) };
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let claims: Vec<_> =
        volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str()).collect();
    claims.contains(&own.as_str()) && !claims.contains(&other.as_str())
}

fn is_at(workload: &Value, app: &str, role: &str) -> bool {
    let pod = &workload["spec"]["template"]["spec"];
    pod["nodeSelector"]["role"] == role && has_claim(pod, app, role)
}

#[test]
fn the_app_moves_to_the_other_node() {
    let home = Home::start(|_| ());
    let before = home.tree();
    // Our own two replicas got a node each.
    let mut nodes = BTreeSet::new();
    home.plane().wait_for(&["pods", "-n", "failover-api"], |pod| {
        if ready(pod)? == "True" {
            nodes.insert(pod["spec"]["nodeName"].as_str()?.to_owned());
        }
        (nodes.len() == 2).then_some(())
    });

    for (role, go) in [("backup", Home::promote as fn(&Home, &str) -> Reply), ("primary", Home::demote)] {
        home.follow(&["sonarr"], role, |home| go(home, "sonarr"));
        // Its strategy is `Recreate`: there was no moment with two.
        assert_eq!(home.pods("sonarr").len(), 1, "{:#?}", home.pods("sonarr"));
    }
    assert_eq!(home.tree(), before);

    for (from, to) in [("primary", "backup"), ("backup", "primary")] {
        home.follow(&every_app(), to, |home| home.move_all(from, to));
    }
    assert_eq!((home.tree(), home.repository().commit_count()), (before, 5));
}

/// What docs/runbooks/node-down.md says of a night with a dead node, and what it says to do.
#[test]
fn the_node_is_dead_and_its_apps_move() {
    let rolling = "clusters/homelab/apps/media/jellyfin/deployment.yaml";
    let mut home = Home::start(|repository| {
        let text = String::from_utf8(repository.show(&format!("main:{rolling}"))).unwrap();
        let changed = text.replace("  strategy: {type: Recreate}\n", "");
        assert_ne!(changed, text);
        repository.commit_foreign(rolling, changed.as_bytes(), "Roll jellyfin");
    });
    let before = home.tree();
    // Long, as health checks are where nobody thought of such a night.
    let checks = json!({"spec": {"timeout": "1h", "healthChecks": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sonarr", "namespace": "media"},
    ]}});
    let patch = ["patch", "kustomization", "apps", "-n", "flux-system", "--type=merge", "-p"];
    home.plane().admin(patch.into_iter().chain([checks.to_string().as_str()]));
    home.plane().wait_for(&["kustomization", "apps", "-n", "flux-system"], |apps| {
        let seen = apps["status"]["observedGeneration"] == apps["metadata"]["generation"];
        (seen && ready(apps)? == "True").then_some(())
    });

    let died = Instant::now();
    let plane = &home.flux.cluster.plane;
    home.primary.die(plane);
    say("the node is unreachable", died);

    // `Recreate` waits for a pod of which nobody will ever hear that it ended.
    let stuck = home.promote("sonarr");
    home.wait_for_workload("sonarr", "backup");
    home.wait_for_terminating("sonarr");
    assert_eq!(home.pods("sonarr").len(), 1, "{:#?}", home.pods("sonarr"));

    // The health check of that commit holds back the next one.
    let asked = Instant::now();
    let answer = home.promote("jellyfin");
    home.flux.wait_for_fetched(answer.commit());
    let apps = home.plane().object(["get", "kustomization", "apps", "-n", "flux-system"]);
    assert_eq!(apps["status"]["lastAttemptedRevision"], revision(stuck.commit()), "{apps:#}");
    assert_eq!(ready(&apps), Some("Unknown"), "{apps:#}");
    assert!(is_at(&home.workload("jellyfin"), "jellyfin", "primary"));
    let answer = home.promote("postgres");
    home.flux.wait_for_fetched(answer.commit());
    // Another controller begins with the newest commit. The default strategy starts a pod before the old one is gone.
    home.kustomize = None;
    home.kustomize = Some(start_kustomize(home.plane()));
    home.wait_for_workload("jellyfin", "backup");
    home.wait_for_pods(&["jellyfin"], "backup");
    say("jellyfin is Ready on the other node, after a restart of kustomize-controller", asked);
    home.wait_for_terminating("jellyfin");
    // What has one pod at a time, has it on the dead node.
    home.wait_for_workload("postgres", "backup");
    for app in ["sonarr", "postgres"] {
        let pods = home.pods(app);
        assert_eq!((pods.len(), &pods[0]["spec"]["nodeName"]), (1, &"k3s-w1".into()), "{pods:#?}");
    }

    // The node is off, and somebody says so.
    let taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    let tainted = Instant::now();
    home.plane().admin(["taint", "nodes", "k3s-w1", taint]);
    home.wait_for_pods(&["sonarr", "postgres"], "backup");
    say("sonarr and postgres are Ready on the other node, after the taint", tainted);
    home.wait_for_applied(answer.commit());
    home.follow(&["radarr"], "backup", |home| home.move_all("primary", "backup"));
    // Our own replica there was given up by itself.
    home.plane().wait_for(&["deployment", "failover-api", "-n", "failover-api"], |deployment| {
        (deployment["status"]["availableReplicas"] == 2).then_some(())
    });

    home.plane().admin(["taint", "nodes", "k3s-w1", &format!("{taint}-")]);
    let plane = &home.flux.cluster.plane;
    home.primary.return_home(plane);
    home.follow(&every_app(), "primary", |home| home.move_all("backup", "primary"));
    assert_eq!(home.tree(), before);
}

/// Kubernetes waits for a pod that cannot start before it makes the one that could (kubernetes/kubernetes#67250).
#[test]
fn a_stateful_set_whose_pod_is_pending_moves_when_that_pod_is_deleted() {
    let home = Home::start(|_| ());
    let delete = ["delete", "pod", "postgres-0", "-n", "databases"];
    home.plane().admin(["cordon", "k3s-w1"]);
    home.plane().admin(delete);
    let pending = |pod: &Value| {
        let waits = is_of(pod, "postgres") && pod["metadata"]["deletionTimestamp"].is_null();
        let mut conditions = pod["status"]["conditions"].as_array()?.iter();
        (waits && conditions.any(|condition| condition["reason"] == "Unschedulable")).then_some(())
    };
    home.plane().wait_for(&["pods", "-n", "databases"], pending);

    let answer = home.promote("postgres");
    home.wait_for_applied(answer.commit());
    home.wait_for_workload("postgres", "backup");
    let [pod] = home.pods("postgres").try_into().unwrap();
    assert!(has_claim(&pod["spec"], "postgres", "primary") && pending(&pod).is_some(), "{pod:#}");
    home.plane().admin(delete);
    home.wait_for_pods(&["postgres"], "backup");
}

#[expect(clippy::print_stderr, reason = "docs/e2e.md reports it")]
fn say(what: &str, since: Instant) {
    eprintln!("{what}: {:.1} s", since.elapsed().as_secs_f64());
}
