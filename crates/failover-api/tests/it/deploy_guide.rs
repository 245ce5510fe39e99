//! `deploy/README.md`, followed by somebody who believes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use failover_core::config;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::deployment::{
    Build, COMPONENTS, NAME, base, build, documents, kustomize, overlay_with_everything, root, text, with,
};
use crate::support::process::run;
use crate::support::scene::{Scene, ready};

#[test]
fn the_guide_names_what_is_there() {
    let guide = fs::read_to_string(root().join("deploy/README.md")).unwrap();
    for component in COMPONENTS {
        assert!(guide.contains(&format!("\n| `{component}` |")), "no component {component}");
    }
    let version = env!("CARGO_PKG_VERSION");
    for line in guide.lines().filter(|line| line.contains(".tar") && line.contains("failover-api-")) {
        assert!(line.contains(&format!("failover-api-{version}-amd64.tar")), "{line}");
    }
    let base = base();
    assert_eq!(base.container()["image"], format!("localhost/failover-api:{version}"));
    // The Secrets that the guide has people make are those that the pod mounts.
    for secret in [
        "failover-api-tokens",
        "failover-api-receiver",
        "failover-api-signing-key",
        "failover-api-notifications",
    ] {
        let mounted = with(&COMPONENTS).pod()["volumes"].to_string().contains(&format!("\"{secret}\""));
        assert!(mounted && guide.contains(secret), "{secret}");
    }
}

/// The script of the guide's step with this number.
fn step(number: usize) -> String {
    let guide = fs::read_to_string(root().join("deploy/README.md")).unwrap();
    let (_, text) = guide.split_once(&format!("\n**{number}. ")).unwrap();
    text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// As Flux's own generator does where a path has no kustomization: every folder below that has one is built, every other manifest too.
fn as_flux_generates(folder: &Path) -> Build {
    let mut resources = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.join("kustomization.yaml").exists() {
                resources.push(path);
            } else if path.is_dir() {
                pending.push(path);
            } else {
                resources.push(path);
            }
        }
    }
    let below = |path: &PathBuf| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    let resources: Vec<_> = resources.iter().map(below).collect();
    fs::write(folder.join("kustomization.yaml"), json!({"resources": resources}).to_string()).unwrap();
    build(folder)
}

#[test]
fn the_guide_followed_word_for_word_leaves_flux_well() {
    let home = TempDir::new().unwrap();
    let flux_system = home.path().join("home-cluster/clusters/homelab/flux-system");
    fs::create_dir_all(&flux_system).unwrap();
    let bash = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).env("HOME", home.path()).current_dir(root());
        String::from_utf8(run(&mut command).stdout).unwrap()
    };
    bash(&step(2));
    fs::write(flux_system.join("kustomization.yaml"), "resources: [failover-api.yaml]\n").unwrap();
    // Nothing but the one object is where the cluster's own Kustomization looks.
    let cluster = as_flux_generates(&home.path().join("home-cluster/clusters/homelab"));
    assert_eq!(cluster.0.len(), 1, "{cluster:?}");
    let path = text(&cluster.only("Kustomization")["spec"]["path"]).to_owned();
    let own = build(&home.path().join("home-cluster").join(path));
    assert_eq!(own.environment()["FAILOVER_API_ROOT"], "clusters/homelab");
    // What the guide shows is that folder.
    let shown = step(3).replace("kubectl kustomize", &format!("{} build", kustomize().display()));
    assert_eq!(documents(&bash(&shown)), own.0);
}

#[test]
fn the_token_of_the_guide_is_one_that_the_server_knows() {
    let home = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_failover-api")).parent().unwrap();
    let mut paths = vec![program.to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let step = step(5);
    let script = step.split("kubectl ").next().unwrap();
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(home.path());
    run(command.env("HOME", home.path()).env("PATH", std::env::join_paths(paths).unwrap()));
    let token = fs::read_to_string(home.path().join(".config/failover-api/token")).unwrap();
    let scene = Scene::new(&["sonarr"]);
    let mut arguments = scene.local();
    arguments.extend(["--token-file".into(), home.path().join("tokens").into()]);
    let server = ready(Server::start(arguments));
    let header = format!("Bearer {}", token.trim());
    server.post("/api/failover/sonarr/promote", "", &[("authorization", &header)]).commit();
}

#[test]
fn a_second_one_shares_no_object_with_the_first() {
    let second = build(&root().join("deploy/overlays/second"));
    let place = |object: &Value| {
        let metadata = &object["metadata"];
        [&object["kind"], &metadata["namespace"], &metadata["name"]].map(Value::to_string)
    };
    let first: BTreeSet<_> = overlay_with_everything().0.iter().map(place).collect();
    assert_eq!(second.0.len(), base().0.len());
    for object in &second.0 {
        assert!(!first.contains(&place(object)), "{object}");
    }
    let own = &second.only("Namespace")["metadata"]["name"];
    for object in second.0.iter().filter(|object| object["metadata"].get("namespace").is_some()) {
        let namespace = &object["metadata"]["namespace"];
        let of_flux = matches!(text(&object["kind"]), "Role" | "RoleBinding");
        assert_eq!(namespace, if of_flux { "flux-system" } else { text(own) }, "{object}");
    }
    let (role, binding) = (second.only("Role"), second.only("RoleBinding"));
    assert_eq!(role["rules"], base().only("Role")["rules"]);
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(binding["subjects"], json!([{"kind": "ServiceAccount", "name": NAME, "namespace": own}]));
    assert_eq!(second.pod()["priorityClassName"], second.only("PriorityClass")["metadata"]["name"]);
    // Rules about other namespaces are as they were.
    let egress = |build: &Build| build.named("NetworkPolicy", "failover-api-egress")["spec"].clone();
    assert_eq!(egress(&second), egress(&base()));
    assert_ne!(second.environment()["FAILOVER_API_REPO"], base().environment()["FAILOVER_API_REPO"]);
    let services = text(&second.only("ConfigMap")["data"]["services.yaml"]);
    config::parse(services).unwrap_or_else(|errors| panic!("{errors}"));
}
