//! What is in `deploy/` is taken by a real API server, and becomes pods.

use std::collections::BTreeMap;

use super::control_plane::ControlPlane;
use super::scene::{Cluster, base, overlay};
use serde_json::Value;

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
fn every_component_and_the_example_pass_a_server_side_dry_run_and_are_applied() {
    let plane = ControlPlane::start();
    plane.define_kinds();
    plane.admin(["create", "namespace", "flux-system"]);
    plane.admin(["apply", "-f", base().join("namespace.yaml").to_str().unwrap()]);
    let components = [
        "receiver",
        "notifications",
        "signing",
        "prometheus",
        "ingress-traefik",
        "kubernetes-auth",
        "image-automation",
    ];
    let folder = base().parent().unwrap().join("components");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), components.len(), "a component is not applied");
    let overlay = overlay(&components);
    let folder = overlay.path().to_str().unwrap();
    plane.admin(["apply", "--server-side", "--dry-run=server", "-k", folder]);
    plane.admin(["apply", "--server-side", "-k", folder]);
    let homelab = base().parent().unwrap().join("overlays/homelab");
    plane.admin(["apply", "--dry-run=server", "-k", homelab.to_str().unwrap()]);
    plane.admin(["apply", "--dry-run=server", "-f", homelab.join("flux.yaml").to_str().unwrap()]);
    let deployment = plane.object(["get", "deployment", "failover-api", "-n", "failover-api"]);
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    for name in ["KUBERNETES_AUTH", "SIGNING_KEY", "GIT_SECRET", "RECEIVERS", "NOTIFICATIONS"] {
        let name = format!("FAILOVER_API_{name}");
        assert!(variables.iter().any(|variable| variable["name"] == name), "{name}: {variables:?}");
    }
    let binding = plane.object(["get", "clusterrolebinding", "failover-api-auth-delegator"]);
    assert_eq!(binding["subjects"][0]["namespace"], "failover-api", "{binding}");
    // What it may in the namespace of the Secret is still one thing.
    let role = plane.object(["get", "role", "failover-api-git-secret", "-n", "flux-system"]);
    assert_eq!(role["rules"][0]["verbs"], serde_json::json!(["get"]), "{role}");
}

#[test]
fn the_overlay_for_a_second_instance_is_applied_beside_the_first() {
    let plane = ControlPlane::start();
    plane.admin(["create", "namespace", "flux-system"]);
    plane.admin(["apply", "-k", base().to_str().unwrap()]);
    let before = plane.object(["get", "deployment,role,rolebinding,configmap,networkpolicy", "-A"]);
    let second = base().parent().unwrap().join("overlays/second");
    let second = second.to_str().unwrap();
    plane.admin(["create", "namespace", "failover-api-second"]);
    plane.admin(["apply", "--server-side", "--dry-run=server", "-k", second]);
    plane.admin(["apply", "--server-side", "-k", second]);
    // The first one lost nothing to it.
    for object in before["items"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
        let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
        let after = plane.object(["get", &kind, &name, "-n", &namespace]);
        for part in ["spec", "data", "rules", "subjects", "roleRef"] {
            assert_eq!(after[part], object[part], "{kind} {namespace}/{name}");
        }
    }
    let role = plane.object(["get", "role", "failover-api-second-git-secret", "-n", "flux-system"]);
    assert_eq!(role["rules"][0]["verbs"], serde_json::json!(["get"]), "{role}");
    let account = "--as=system:serviceaccount:failover-api-second:failover-api";
    let may = ["auth", "can-i", "get", "secret/flux-system", "-n", "flux-system", account];
    assert_eq!(plane.admin(may).trim(), "yes");
    plane.wait_for(&["pods", "-n", "failover-api-second"], |pod| {
        (pod["spec"]["serviceAccountName"] == "failover-api").then_some(())
    });
}

#[test]
fn the_deployment_becomes_two_pods_that_admission_lets_in() {
    let cluster = Cluster::start();
    let mut pods = BTreeMap::new();
    cluster.plane.wait_for(&["pods", "-n", "failover-api"], |pod| {
        pods.insert(pod["metadata"]["name"].as_str()?.to_owned(), pod.clone());
        (pods.len() == 2).then_some(())
    });
    for pod in pods.values() {
        let spec = &pod["spec"];
        assert_eq!(spec["serviceAccountName"], "failover-api", "{pod}");
        assert!(spec["priority"].as_i64().unwrap() > 0, "{pod}");
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        let token =
            mounts.iter().find(|mount| mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount");
        assert!(token.is_some(), "the pod is given no token: {pod}");
    }
}
