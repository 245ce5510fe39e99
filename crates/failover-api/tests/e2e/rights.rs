//! The ServiceAccount may get one Secret, and nothing else.

use serde_json::{Value, json};

use super::scene::Cluster;
use crate::support::process::said;
use crate::support::scene::ready;

/// What must not be allowed: verb, resource, namespace, and the same as a real request.
const DENIED: [(&str, &str, &str, &[&str]); 21] = [
    ("list", "secrets", "flux-system", &["get", "secrets"]),
    ("watch", "secrets", "flux-system", &["get", "secrets", "--watch-only"]),
    ("get", "secrets/other", "flux-system", &["get", "secret", "other"]),
    (
        "update",
        "secrets/flux-system",
        "flux-system",
        &["label", "--overwrite", "--local=false", "secret", "flux-system", "a=b"],
    ),
    (
        "patch",
        "secrets/flux-system",
        "flux-system",
        &["patch", "secret", "flux-system", "-p", "{\"data\":null}"],
    ),
    ("delete", "secrets/flux-system", "flux-system", &["delete", "secret", "flux-system"]),
    ("create", "secrets", "flux-system", &["create", "secret", "generic", "new"]),
    ("get", "configmaps", "flux-system", &["get", "configmap", "kube-root-ca.crt"]),
    ("get", "secrets/flux-system", "failover-api", &["get", "secret", "flux-system"]),
    ("list", "secrets", "failover-api", &["get", "secrets"]),
    ("get", "secrets/failover-api-tokens", "failover-api", &["get", "secret", "failover-api-tokens"]),
    ("get", "configmaps", "failover-api", &["get", "configmap", "failover-api-services"]),
    ("get", "pods", "failover-api", &["get", "pod", "any"]),
    ("list", "pods", "media", &["get", "pods"]),
    (
        "patch",
        "deployments.apps",
        "failover-api",
        &["patch", "deployment", "failover-api", "-p", "{\"spec\":{\"replicas\":0}}"],
    ),
    ("get", "deployments.apps", "failover-api", &["get", "deployment", "failover-api"]),
    ("create", "serviceaccounts/token", "failover-api", &["create", "token", "failover-api"]),
    ("get", "nodes", "", &["get", "nodes"]),
    ("list", "persistentvolumeclaims", "media", &["get", "persistentvolumeclaims"]),
    ("list", "namespaces", "", &["get", "namespaces"]),
    ("create", "tokenreviews.authentication.k8s.io", "", &["create", "-f", "/dev/stdin"]),
];

#[test]
fn it_may_get_the_one_secret_and_is_denied_everything_else() {
    let cluster = Cluster::start();
    let plane = &cluster.plane;
    for (namespace, name) in
        [("flux-system", "other"), ("failover-api", "flux-system"), ("failover-api", "failover-api-tokens")]
    {
        plane.admin(["create", "secret", "generic", name, "-n", namespace, "--from-literal=key=canary"]);
    }
    plane.admin(["create", "namespace", "media"]);
    let may = plane.account(&["auth", "can-i", "get", "secrets/flux-system", "-n", "flux-system"]);
    assert_eq!(said(&may).trim(), "yes");
    let got = plane.account(&["get", "secret", "flux-system", "-n", "flux-system", "-o", "name"]);
    assert_eq!(said(&got).trim(), "secret/flux-system");
    for (verb, resource, namespace, request) in DENIED {
        let scope: &[&str] = if namespace.is_empty() { &[] } else { &["-n", namespace] };
        let may = plane.account(&[&["auth", "can-i", verb, resource][..], scope].concat());
        // A resource without a namespace is warned of.
        let answer = String::from_utf8(may.stdout.clone()).unwrap();
        assert_eq!((answer.trim(), may.status.code()), ("no", Some(1)), "{verb} {resource}: {}", said(&may));
        if request.contains(&"-f") {
            continue;
        }
        let done = plane.account(&[request, scope].concat());
        assert!(!done.status.success(), "{request:?} in {namespace}: {}", said(&done));
        assert!(said(&done).contains("orbidden"), "{request:?} in {namespace}: {}", said(&done));
    }
    assert_eq!(
        cluster.plane.object(["get", "secret", "other", "-n", "flux-system"])["data"]["key"],
        "Y2FuYXJ5"
    );
}

#[test]
fn it_has_no_right_that_is_not_listed_here() {
    let cluster = Cluster::start();
    for namespace in ["flux-system", "failover-api", "kube-system", "default"] {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), review.to_string()).unwrap();
        let path = file.path().to_str().unwrap();
        let output = cluster.plane.account(&["create", "--validate=false", "-o", "json", "-f", path]);
        let review: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        let rules = review["status"]["resourceRules"].as_array().unwrap();
        // What every authenticated caller may: ask what it may.
        let own = |rule: &&Value| {
            let groups = rule["apiGroups"].as_array().unwrap();
            !groups.iter().all(|group| group == "authorization.k8s.io" || group == "authentication.k8s.io")
        };
        let more: Vec<&Value> = rules.iter().filter(own).collect();
        if namespace == "flux-system" {
            let secret = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["flux-system"]});
            assert_eq!(more, [&secret], "{namespace}");
        } else {
            assert!(more.is_empty(), "{namespace}: {more:?}");
        }
        assert_eq!(review["status"]["incomplete"], false);
    }
}

#[test]
fn the_server_asks_for_the_one_secret_and_nothing_else() {
    let cluster = Cluster::start();
    let pod = cluster.pod();
    let server = ready(pod.server);
    assert_eq!(server.promote("sonarr").commit(), cluster.scene.repository.tip());
    // By a second look, too.
    crate::support::process::poll("it asks again", crate::support::process::PATIENCE, || {
        let asked = cluster.plane.audited();
        if asked.len() >= 2 { Ok(()) } else { Err(asked.join("; ")) }
    });
    for asked in cluster.plane.audited() {
        assert_eq!(asked, "get /api/v1/namespaces/flux-system/secrets/flux-system");
    }
}
