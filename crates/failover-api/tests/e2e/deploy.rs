//! What is in `deploy/` is taken by a real API server, and becomes pods.

use super::control_plane::ControlPlane;
use super::scene::{Cluster, base};

#[test]
fn the_base_passes_a_server_side_dry_run_and_is_applied() {
    let plane = ControlPlane::start();
    plane.admin(["create", "namespace", "flux-system"]);
    // Objects in a namespace that is not there yet pass no dry run.
    plane.admin(["apply", "-f", base().join("namespace.yaml").to_str().unwrap()]);
    let folder = base();
    let folder = folder.to_str().unwrap();
    let dry = plane.admin(["apply", "--server-side", "--dry-run=server", "-k", folder]);
    assert!(dry.contains("deployment.apps/failover-api serverside-applied (server dry run)"), "{dry}");
    plane.admin(["apply", "--server-side", "-k", folder]);
    // Twice is once.
    plane.admin(["apply", "--server-side", "-k", folder]);
    let rights = plane.object(["get", "role", "failover-api-git-secret", "-n", "flux-system"]);
    assert_eq!(rights["rules"].as_array().unwrap().len(), 1, "{rights}");
}

#[test]
fn the_components_are_applied_as_far_as_a_bare_cluster_knows_their_kinds() {
    let plane = ControlPlane::start();
    plane.admin(["create", "namespace", "flux-system"]);
    let folder = tempfile::TempDir::new().unwrap();
    // Kustomize takes no absolute path, but goes up as far as it must.
    let up = "../".repeat(folder.path().canonicalize().unwrap().components().count() - 1);
    let deploy = format!("{up}{}", base().parent().unwrap().strip_prefix("/").unwrap().display());
    let mut overlay = format!("resources:\n  - {deploy}/base\ncomponents:\n");
    for component in ["signing", "kubernetes-auth", "ingress-traefik"] {
        overlay += &format!("  - {deploy}/components/{component}\n");
    }
    std::fs::write(folder.path().join("kustomization.yaml"), overlay).unwrap();
    plane.admin(["apply", "--server-side", "-k", folder.path().to_str().unwrap()]);
    let deployment = plane.object(["get", "deployment", "failover-api", "-n", "failover-api"]);
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    for name in ["FAILOVER_API_KUBERNETES_AUTH", "FAILOVER_API_SIGNING_KEY", "FAILOVER_API_GIT_SECRET"] {
        assert!(variables.iter().any(|variable| variable["name"] == name), "{name}: {variables:?}");
    }
    let binding = plane.object(["get", "clusterrolebinding", "failover-api-auth-delegator"]);
    assert_eq!(binding["subjects"][0]["namespace"], "failover-api", "{binding}");
    // What it may in the namespace of the Secret is still one thing.
    let role = plane.object(["get", "role", "failover-api-git-secret", "-n", "flux-system"]);
    assert_eq!(role["rules"][0]["verbs"], serde_json::json!(["get"]), "{role}");
}

#[test]
fn the_deployment_becomes_two_pods_that_admission_lets_in() {
    let cluster = Cluster::start();
    let pods = cluster.plane.wait_for(&["get", "pods", "-n", "failover-api"], |pods| {
        let pods = pods["items"].as_array()?;
        (pods.len() == 2).then(|| pods.clone())
    });
    for pod in pods {
        let spec = &pod["spec"];
        assert_eq!(spec["serviceAccountName"], "failover-api", "{pod}");
        assert!(spec["priority"].as_i64().unwrap() > 0, "{pod}");
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        let token =
            mounts.iter().find(|mount| mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount");
        assert!(token.is_some(), "the pod is given no token: {pod}");
    }
}
