//! The JSON Schema of the config: as checked in, and of one mind with the program about what is good and what is not.

#![expect(clippy::disallowed_methods, reason = "a test reads the documents")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use failover_core::config;
use serde_json::Value;

const GOOD: &str = "\
services:
  sonarr:
    namespace: media
    deployment: sonarr
    volume_name: sonarr-data
    primary_pvc: pvc-sonarr
    backup_pvc: pvc-sonarr-backup
    primary_node_label: primary
    backup_node_label: backup
";

const ALONE: &str = "\
services:
  sonarr:
    settings:
      - target: {kind: Deployment, name: sonarr, namespace: media}
        field: spec.replicas
        primary: 1
        backup: 0
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the schema finds wrong.
fn mistakes(text: &str) -> Vec<String> {
    let value: Value = yaml_serde::from_str(text).unwrap();
    let validator = jsonschema::draft202012::new(&config::schema()).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_is_checked_in() {
    let checked_in = std::fs::read_to_string(root().join("docs/services.schema.json")).unwrap();
    let schema = format!("{:#}\n", config::schema());
    assert!(checked_in == schema, "stale: failover-api schema > docs/services.schema.json");
    jsonschema::meta::validate(&config::schema()).unwrap();
}

#[test]
fn good_configs_are_good() {
    let mut texts = vec![GOOD.to_owned(), ALONE.to_owned()];
    texts.push(std::fs::read_to_string(root().join("crates/failover-api/demo/services.yaml")).unwrap());
    let document = std::fs::read_to_string(root().join("docs/config.md")).unwrap();
    let blocks = document.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    // The manifest around a config is not what editors check by this schema.
    let configs = blocks.filter(|block| block.contains("services:") && !block.contains("kind: ConfigMap"));
    texts.extend(configs.map(str::to_owned));
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    for scenario in std::fs::read_dir(scenarios).unwrap() {
        texts.push(std::fs::read_to_string(scenario.unwrap().path().join("services.yaml")).unwrap());
    }
    assert!(texts.len() > 15, "{}", texts.len());
    for text in texts {
        assert!(config::parse(&text).is_ok(), "{text}");
        assert!(mistakes(&text).is_empty(), "{text}\n{:#?}", mistakes(&text));
    }
}

#[test]
fn bad_configs_are_bad_for_both() {
    let helm = ALONE.replace("    settings:", "    namespace: media\n    helmrelease: sonarr\n    settings:");
    assert!(mistakes(&helm).is_empty() && config::parse(&helm).is_ok(), "{:?}", mistakes(&helm));
    for (good, old, new) in [
        (GOOD, "backup_pvc:", "backup_pcv:"),
        (GOOD, "    backup_pvc: pvc-sonarr-backup\n", ""),
        (GOOD, "    namespace: media\n", ""),
        (GOOD, "    deployment: sonarr\n", ""),
        (GOOD, "    deployment: sonarr\n", "    deployment: sonarr\n    statefulset: sonarr\n"),
        (GOOD, "    deployment: sonarr\n", "    helmrelease: sonarr\n"),
        (GOOD, "namespace: media", "namespace: Media"),
        (GOOD, "namespace: media", "namespace: 7"),
        (GOOD, "namespace: media", "namespace:"),
        (GOOD, "volume_name: sonarr-data", "volume_name: sonarr.data"),
        (GOOD, "  sonarr:\n", "  Sonarr:\n"),
        (GOOD, "primary_node_label: primary", "primary_node_label: true"),
        (GOOD, "services:", "sevrices:"),
        (GOOD, "services:", "defaults: {namespace: media}\nservices:"),
        (GOOD, "services:", "defaults: {cooldown: 10}\nservices:"),
        (GOOD, "services:", "defaults: {cooldown: 0s}\nservices:"),
        (GOOD, "services:", "defaults: {cooldown: 1m1h}\nservices:"),
        (GOOD, "services:", "defaults: {path: /apps}\nservices:"),
        (GOOD, "services:", "defaults: {node_label_key: 'a b'}\nservices:"),
        (ALONE, "kind: Deployment, ", ""),
        (ALONE, "kind: Deployment", "kind: deployment"),
        (ALONE, "        backup: 0\n", ""),
        (ALONE, "backup: 0", "backup: [0]"),
        (ALONE, "backup: 0", "backup: '${REPLICAS}'"),
        (ALONE, "backup: 0", "backup: 0\n        role: x"),
        (helm.as_str(), "    namespace: media\n", ""),
    ] {
        assert!(good.contains(old), "{old}");
        let bad = good.replacen(old, new, 1);
        assert!(config::parse(&bad).is_err(), "{bad}");
        assert!(!mistakes(&bad).is_empty(), "{bad}");
    }
    for bad in ["services: {}\n", "services: []\n", "{}\n", "[]\n"] {
        assert!(config::parse(bad).is_err() && !mistakes(bad).is_empty(), "{bad}");
    }
}
