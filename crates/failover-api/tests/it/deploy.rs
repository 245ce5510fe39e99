//! What is in `deploy/`, as Kustomize builds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use failover_core::config;
use serde_json::{Value, json};

use crate::support::deployment::{
    COMPONENTS, NAME, base, builds, documents, list, mebibytes, overlay, overlay_with_everything, root, text,
    with,
};
use crate::support::process::run;
use crate::support::scene::Scene;

fn help() -> String {
    let output = run(Command::new(env!("CARGO_BIN_EXE_failover-api")).args(["serve", "--help"]));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_build_is_whole_and_holds_no_secret() {
    for (name, build) in builds() {
        let mut seen = BTreeSet::new();
        for object in &build.0 {
            let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
            let place = (kind, metadata["namespace"].as_str(), text(&metadata["name"]));
            assert!(seen.insert(place), "{name}: {place:?} is there twice");
            assert_ne!(kind, "Secret", "{name}");
            assert_eq!(
                metadata["labels"]["app.kubernetes.io/name"], NAME,
                "{name}: {place:?} has no label that says whose it is"
            );
            let cluster_wide =
                matches!(kind, "Namespace" | "PriorityClass" | "ClusterRole" | "ClusterRoleBinding");
            let of_flux =
                matches!(kind, "Role" | "RoleBinding" | "Receiver" | "ImageRepository" | "ImagePolicy");
            let namespace = match (cluster_wide, of_flux) {
                (true, _) => None,
                (false, true) => Some("flux-system"),
                (false, false) => Some(NAME),
            };
            assert_eq!(place.1, namespace, "{name}: {place:?}");
        }
        let config_maps: BTreeSet<_> =
            build.all("ConfigMap").map(|object| text(&object["metadata"]["name"])).collect();
        let volumes = list(&build.pod()["volumes"]);
        for volume in volumes {
            let projected = volume["projected"]["sources"].as_array();
            let sources = projected.map_or_else(|| vec![volume], |sources| sources.iter().collect());
            for source in sources {
                if let Some(config_map) = source.get("configMap") {
                    assert!(config_maps.contains(text(&config_map["name"])), "{name}: {volume}");
                }
                if let Some(secret) = source.get("secret") {
                    // Made by hand: what can run without it must start without it.
                    assert!(
                        secret["optional"] == true || secret["secretName"] == "failover-api-signing-key",
                        "{name}: {volume}"
                    );
                }
            }
        }
    }
}

#[test]
fn nothing_moves_objects_into_another_namespace() {
    let mut folders = vec![root().join("deploy")];
    let mut kustomizations = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                for document in documents(&fs::read_to_string(&path).unwrap()) {
                    let is_kustomize = document["apiVersion"]
                        .as_str()
                        .is_some_and(|version| version.starts_with("kustomize."));
                    if is_kustomize {
                        kustomizations += 1;
                        assert!(document.get("namespace").is_none(), "{}", path.display());
                        assert!(document["spec"].get("targetNamespace").is_none(), "{}", path.display());
                    }
                }
            }
        }
    }
    assert_eq!(kustomizations, 4 + COMPONENTS.len());
}

#[test]
fn the_only_right_is_to_get_the_git_secret() {
    let base = base();
    let role = base.only("Role");
    let rules = json!([
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["flux-system"], "verbs": ["get"]}
    ]);
    assert_eq!(role["rules"], rules);
    let secret = base.environment()["FAILOVER_API_GIT_SECRET"].to_owned();
    assert_eq!(secret, format!("{}/flux-system", text(&role["metadata"]["namespace"])));
    let binding = base.only("RoleBinding");
    assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"]);
    assert_eq!(binding["roleRef"]["kind"], "Role");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(binding["subjects"], json!([{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}]));
    assert_eq!(base.pod()["serviceAccountName"], NAME);
    assert_eq!(base.only("ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(base.pod()["automountServiceAccountToken"], true);

    for (name, build) in builds() {
        assert_eq!(build.only("Role"), role, "{name}");
        assert_eq!(build.only("RoleBinding"), binding, "{name}");
        let granted: Vec<_> =
            build.all("ClusterRoleBinding").map(|binding| &binding["roleRef"]["name"]).collect();
        let asks_who_calls = build.environment().contains_key("FAILOVER_API_KUBERNETES_AUTH");
        let expected: &[&str] = if asks_who_calls { &["system:auth-delegator"] } else { &[] };
        assert_eq!(granted, expected, "{name}");
        for role in build.all("ClusterRole") {
            for rule in list(&role["rules"]) {
                let keys: Vec<_> = rule.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(BTreeSet::from_iter(keys), BTreeSet::from(["nonResourceURLs", "verbs"]), "{name}");
            }
        }
    }
}

#[test]
fn the_pod_may_do_nothing_that_it_need_not() {
    let labels = &base().only("Namespace")["metadata"]["labels"].clone();
    for mode in ["enforce", "audit", "warn"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "restricted");
    }
    for (name, build) in builds() {
        let (pod, container) = (build.pod(), build.container());
        let of_pod = json!({
            "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        assert_eq!(pod["securityContext"], of_pod, "{name}");
        let of_container = json!({
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container["securityContext"], of_container, "{name}");
        for shared in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
            assert!(pod.get(shared).is_none(), "{name}: {shared}");
        }
        assert_eq!(pod["enableServiceLinks"], false, "{name}");

        let volumes: BTreeMap<_, _> =
            list(&pod["volumes"]).iter().map(|volume| (text(&volume["name"]), volume)).collect();
        let mounts = list(&container["volumeMounts"]);
        assert_eq!(volumes.len(), mounts.len(), "{name}");
        for mount in mounts {
            let volume = volumes[text(&mount["name"])];
            assert!(mount.get("subPath").is_none(), "{name}: {mount} would never change again");
            if mount["mountPath"] == "/tmp" {
                assert_eq!(volume["emptyDir"]["medium"], "Memory", "{name}");
                // What is measured, and what may be in memory besides.
                let needed = mebibytes(&volume["emptyDir"]["sizeLimit"]) + 96;
                assert!(mebibytes(&container["resources"]["limits"]["memory"]) >= needed, "{name}");
            } else {
                assert_eq!(mount["readOnly"], true, "{name}: {mount}");
                assert!(
                    volume.get("emptyDir").is_none() && volume.get("hostPath").is_none(),
                    "{name}: {volume}"
                );
            }
        }
        assert!(container["resources"]["requests"]["memory"].is_string(), "{name}");
        assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
    }
}

#[test]
fn one_replica_is_left_whatever_happens_to_the_other() {
    let base = base();
    let deployment = &base.only("Deployment")["spec"];
    assert_eq!(deployment["replicas"], 2);
    assert_eq!(deployment["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    assert_eq!(base.only("PodDisruptionBudget")["spec"]["minAvailable"], 1);
    let pod = base.pod();
    let apart = &pod["affinity"]["podAntiAffinity"];
    // Required, the third pod of an update would find no place on two nodes and wait for ever.
    assert!(apart.get("requiredDuringSchedulingIgnoredDuringExecution").is_none());
    let term = &apart["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
    let spread = &pod["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(spread["whenUnsatisfiable"], "ScheduleAnyway");
    let tolerations: BTreeMap<_, _> = list(&pod["tolerations"])
        .iter()
        .map(|toleration| (text(&toleration["key"]), toleration["tolerationSeconds"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        tolerations,
        BTreeMap::from([("node.kubernetes.io/not-ready", 30), ("node.kubernetes.io/unreachable", 30)])
    );
    assert_eq!(pod["priorityClassName"], base.only("PriorityClass")["metadata"]["name"]);

    let router = fs::read_to_string(root().join("crates/failover-api/src/http/router.rs")).unwrap();
    let (_, limit) = router.split_once("SHUTDOWN_LIMIT: Duration = Duration::from_secs(").unwrap();
    let shutdown: u64 = limit.split(')').next().unwrap().parse().unwrap();
    let before = base.container()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > before + shutdown);
}

#[test]
fn everything_that_selects_finds_the_pod_and_its_port() {
    for (name, build) in builds() {
        let labels = &build.only("Deployment")["spec"]["template"]["metadata"]["labels"];
        let mut selectors = vec![
            &build.only("Deployment")["spec"]["selector"]["matchLabels"],
            &build.only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            &build.only("Service")["spec"]["selector"],
        ];
        let pods = build.all("NetworkPolicy").filter(|policy| policy["metadata"]["name"] != "default-deny");
        selectors.extend(pods.map(|policy| &policy["spec"]["podSelector"]["matchLabels"]));
        for selector in selectors {
            assert_eq!(selector, labels, "{name}");
        }
        let port = &build.container()["ports"][0];
        let listen = build.environment()["FAILOVER_API_LISTEN"];
        assert_eq!(listen, format!("0.0.0.0:{}", port["containerPort"]), "{name}");
        let service = &build.only("Service")["spec"];
        assert_eq!(service["type"], "ClusterIP");
        assert_eq!(service["ports"][0]["port"], 80);
        assert_eq!(service["ports"][0]["targetPort"], port["name"]);
        for path in
            build.all("Ingress").flat_map(|ingress| list(&ingress["spec"]["rules"][0]["http"]["paths"]))
        {
            assert_eq!(path["backend"]["service"], json!({"name": NAME, "port": {"name": "http"}}), "{name}");
        }
    }
}

#[test]
fn nobody_calls_and_is_called_but_for_what_is_named() {
    let base = base();
    let deny = &base.named("NetworkPolicy", "default-deny")["spec"];
    assert_eq!(deny, &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    assert!(base.all("NetworkPolicy").all(|policy| policy["spec"].get("ingress").is_none()));
    let egress = list(&base.named("NetworkPolicy", "failover-api-egress")["spec"]["egress"]);
    let ports =
        egress.iter().flat_map(|rule| list(&rule["ports"])).map(|port| port["port"].as_u64().unwrap());
    assert_eq!(BTreeSet::from_iter(ports), BTreeSet::from([22, 53, 443, 6443]));
    for (name, build) in builds() {
        for policy in build.all("NetworkPolicy") {
            for rule in policy["spec"]["ingress"].as_array().into_iter().flatten() {
                for from in list(&rule["from"]) {
                    assert!(from["namespaceSelector"]["matchLabels"].is_object(), "{name}: {policy}");
                }
            }
        }
    }
}

#[test]
fn the_variables_are_flags_and_the_files_are_where_they_are_mounted() {
    let help = help();
    let known =
        |variable: &str| ["=", "]"].iter().any(|end| help.contains(&format!("[env: {variable}{end}")));
    let image = fs::read_to_string(root().join("scripts/image.py")).unwrap();
    for (name, build) in builds() {
        let container = build.container();
        assert_eq!(container["args"], json!(["serve"]), "{name}");
        let mounts: Vec<_> =
            list(&container["volumeMounts"]).iter().map(|mount| text(&mount["mountPath"])).collect();
        for (variable, value) in build.environment() {
            assert!(known(variable), "{name}: no flag has {variable}");
            if value.starts_with('/') {
                let folder = if mounts.contains(&value) { value } else { value.rsplit_once('/').unwrap().0 };
                assert!(mounts.contains(&folder), "{name}: nothing is mounted for {variable}={value}");
            }
        }
        for mount in mounts.iter().filter_map(|path| path.strip_prefix("/etc/failover-api/")) {
            // A read-only root file system takes no new folders; some runtimes want to find them.
            assert!(image.contains(&format!("\"{mount}\"")), "the image has no folder {mount}");
        }
    }
}

#[test]
fn the_probes_and_the_scrapes_name_routes() {
    let server = Scene::new(&["sonarr"]).serve();
    let base = base();
    for (probe, path) in
        [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        let get = &base.container()[probe]["httpGet"];
        assert_eq!(get, &json!({"path": path, "port": "http"}), "{probe}");
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let prometheus = with(&["prometheus"]);
    let endpoint = &prometheus.only("ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["port"], base.only("Service")["spec"]["ports"][0]["name"]);
    assert_eq!(server.get(text(&endpoint["path"])).status, 200);
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_is_documented() {
    let prometheus = with(&["prometheus"]);
    let mut expressions = Vec::new();
    for group in list(&prometheus.only("PrometheusRule")["spec"]["groups"]) {
        expressions.extend(list(&group["rules"]).iter().map(|rule| text(&rule["expr"]).to_owned()));
    }
    let alerts = expressions.len();
    let dashboard = prometheus.named("ConfigMap", "failover-api-dashboard");
    let dashboard: Value = serde_json::from_str(text(&dashboard["data"]["failover-api.json"])).unwrap();
    for panel in list(&dashboard["panels"]) {
        expressions.extend(list(&panel["targets"]).iter().map(|target| text(&target["expr"]).to_owned()));
    }
    assert!(alerts > 5 && expressions.len() > alerts + 5);
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words
            .filter(|word| word.starts_with("failover_api_") || word.starts_with("process_"))
            .map(str::to_owned)
            .collect()
    };
    let used: BTreeSet<_> = expressions.iter().flat_map(|expression| words(expression)).collect();
    assert!(expressions.iter().all(|expression| !words(expression).is_empty()), "{expressions:?}");
    let documented = words(&fs::read_to_string(root().join("docs/metrics.md")).unwrap());
    // A histogram is documented once and read as three.
    let base_name = |name: &String| name.trim_end_matches("_bucket").to_owned();
    let missing: Vec<_> = used
        .iter()
        .filter(|name| !documented.contains(*name) && !documented.contains(&base_name(name)))
        .collect();
    assert!(missing.is_empty(), "docs/metrics.md knows nothing of {missing:?}");
}

#[test]
fn the_configs_of_the_deployment_are_good() {
    for (build, services) in [(base(), vec!["sonarr"]), (overlay(), vec!["sonarr", "radarr"])] {
        let map = build.named("ConfigMap", "failover-api-services");
        let config = text(&map["data"]["services.yaml"]);
        config::parse(config).unwrap_or_else(|errors| panic!("{errors}\n{config}"));
        for service in services {
            assert!(config.contains(&format!("\n  {service}:\n")), "{config}");
        }
    }
}

#[test]
fn the_overlay_changes_what_it_says_and_its_flux_object_leads_to_it() {
    let overlay = overlay();
    let environment = overlay.environment();
    assert_eq!(environment["FAILOVER_API_ROOT"], "clusters/homelab");
    assert_ne!(environment["FAILOVER_API_REPO"], base().environment()["FAILOVER_API_REPO"]);
    // Nothing waits for a Secret that nobody has made yet.
    assert!(!environment.contains_key("FAILOVER_API_RECEIVERS"));
    assert!(overlay.all("Receiver").chain(overlay.all("Ingress")).next().is_none());
    let everything = overlay_with_everything();
    assert!(everything.environment().contains_key("FAILOVER_API_RECEIVERS"));
    assert_eq!(everything.only("Ingress")["spec"]["rules"][0]["host"], "failover.home.example.org");
    let egress = everything.named("NetworkPolicy", "failover-api-egress").to_string();
    assert!(egress.contains("2222") && egress.contains("kube-dns"), "{egress}");
    let text_of = |file: &str| fs::read_to_string(root().join("deploy/overlays/homelab").join(file)).unwrap();
    let flux = &documents(&text_of("flux.yaml"))[0];
    assert_eq!(flux["spec"]["path"], "./failover-api/overlays/homelab");
    assert!(flux["spec"].get("dependsOn").is_none());
    // Flux changes the value before the marker.
    for marker in ["name", "tag"] {
        let marker = format!("# {{\"$imagepolicy\": \"flux-system:failover-api:{marker}\"}}");
        assert!(text_of("kustomization.yaml").contains(&marker), "{marker}");
    }
    let policy = with(&["image-automation"]);
    assert_eq!(policy.only("ImagePolicy")["metadata"]["name"], "failover-api");
}

#[test]
fn the_list_of_notifications_is_one_that_the_server_takes() {
    let build = with(&["notifications"]);
    let text = text(&build.named("ConfigMap", "failover-api-notifications")["data"]["notifications.yaml"]);
    assert_eq!(config::parse_notifications(text).unwrap().len(), 2);
    let file = std::path::Path::new(build.environment()["FAILOVER_API_NOTIFICATIONS"]);
    let mounts = list(&build.container()["volumeMounts"]);
    assert!(mounts.iter().any(|mount| mount["mountPath"] == file.parent().unwrap().to_str().unwrap()));
}
