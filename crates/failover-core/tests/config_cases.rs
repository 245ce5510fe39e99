//! Bad configs with the exact places of what is wrong in them.

#![expect(clippy::expect_used, reason = "a test's helpers fail the test")]

use failover_core::config::{MAX_CONFIG_BYTES, parse};

/// Line, column, and a part of the message or its hint.
type Expected<'a> = &'a [(usize, usize, &'a str)];

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

#[track_caller]
fn refused(text: &str, expected: Expected<'_>) {
    let errors = parse(text).expect_err("the config is wrong");
    let found: Vec<_> = errors
        .as_slice()
        .iter()
        .map(|error| (error.place.line, error.place.column, error.to_string()))
        .collect();
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|((line, column, text), (want_line, want_column, part))| {
            (line, column) == (want_line, want_column) && text.contains(part)
        });
    assert!(fits, "{text}\nfound:\n{errors}\nexpected:\n{expected:#?}");
}

/// The good config with one line replaced.
#[track_caller]
fn with(old: &str, new: &str, expected: Expected<'_>) {
    assert!(GOOD.contains(old), "{old}");
    refused(&GOOD.replacen(old, new, 1), expected);
}

/// The good config with `more` behind it.
#[track_caller]
fn and(more: &str, expected: Expected<'_>) {
    refused(&format!("{GOOD}{more}"), expected);
}

/// The good config as the data of a ConfigMap.
fn config_map(text: &str) -> String {
    let text: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  services.yaml: |\n{text}")
}

#[test]
fn a_config_in_a_config_map_is_read_and_its_mistakes_are_placed_in_the_manifest() {
    assert_eq!(parse(&config_map(GOOD)), parse(GOOD));
    let after_another =
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\n{}", config_map(GOOD));
    assert_eq!(parse(&after_another), parse(GOOD));
    let quoted = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  services.yaml: {GOOD:?}\n");
    assert_eq!(parse(&quoted), parse(GOOD));

    let misspelt = GOOD.replace("backup_pvc", "backup_pcv");
    refused(&config_map(&misspelt), &[(7, 7, "backup_pvc"), (12, 9, "unknown key")]);
    // Blank lines and comments count, and the column is that of the manifest.
    let commented = format!("\n# ours\n\n{misspelt}");
    refused(&config_map(&commented), &[(10, 7, "backup_pvc"), (15, 9, "unknown key")]);
    // A text that is not written out in lines has no places in the file.
    let quoted = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  services.yaml: {:?}\n", "services: 1\n");
    refused(&quoted, &[(4, 18, "in services.yaml, line 1, column 11: 'services' must be a mapping")]);
}

#[test]
fn a_manifest_without_one_config_is_refused() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  service.yaml: x\n";
    refused(other, &[(1, 1, "no ConfigMap in this manifest holds services.yaml")]);
    refused("apiVersion: v1\nkind: Secret\ndata: {services.yaml: x}\n", &[(1, 1, "no ConfigMap")]);
    let twice = format!("{}---\n{}", config_map(GOOD), config_map(GOOD));
    refused(&twice, &[(20, 3, "more than one ConfigMap")]);
    refused("apiVersion: v1\nkind: ConfigMap\ndata: {services.yaml: {a: b}}\n", &[(3, 23, "is not a text")]);
    refused(&config_map(&config_map(GOOD)), &[(6, 5, "a Kubernetes manifest")]);
}

#[test]
fn the_good_config_is_good() {
    assert_eq!(parse(GOOD).unwrap().services().len(), 1);
}

#[test]
fn a_text_that_is_no_config_is_refused() {
    refused("", &[(1, 1, "the config is empty")]);
    refused("# nothing\n", &[(1, 1, "the config is empty")]);
    refused("---\n", &[(1, 4, "the config is empty")]);
    refused("services:\n", &[(1, 1, "the config has no services")]);
    refused("services: {}\n", &[(1, 1, "the config has no services")]);
    refused("services: ~\n", &[(1, 1, "an empty config never replaces a good one")]);
    refused("defaults:\n  cooldown: 10m\n", &[(1, 1, "the config has no 'services'")]);
    refused("just words\n", &[(1, 1, "the config must be a mapping")]);
    refused("services: [sonarr]\n", &[(1, 11, "'services' must be a mapping")]);
    refused("services:\n  sonarr: sonarr\n", &[(2, 11, "service sonarr must be a mapping")]);
    refused("services: [\n", &[(1, 11, "this is not YAML")]);
    refused("services:\n\tsonarr:\n", &[(2, 2, "this is not YAML")]);
    refused("a: *nowhere\n", &[(1, 4, "this is not YAML")]);
    refused(&"[".repeat(10_000), &[(1, 256, "this is not YAML")]);
    refused(&" ".repeat(MAX_CONFIG_BYTES + 1), &[(1, 1, "at most 1048576 are read")]);
    and("---\nservices: {}\n", &[(11, 1, "more than one YAML document")]);
    refused(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  services.yaml: |\n    services: {}\n",
        &[(6, 5, "the config has no services")],
    );
}

#[test]
fn keys_are_checked() {
    with("namespace:", "namespce:", &[(2, 3, "has no 'namespace'"), (3, 5, "did you mean 'namespace'?")]);
    with("backup_pvc:", "backup-pvc:", &[(2, 3, "no 'backup_pvc'"), (7, 5, "did you mean 'backup_pvc'?")]);
    and("    zzz: 1\n", &[(10, 5, "unknown key 'zzz' in service sonarr (the keys here are deployment,")]);
    and("service: {}\n", &[(10, 1, "did you mean 'services'?")]);
    and(
        "    namespace: tv\n",
        &[(10, 5, "'namespace' of service sonarr is given twice, first at line 3, column 5")],
    );
    and("  sonarr: {}\n", &[(10, 3, "'sonarr' of 'services' is given twice, first at line 2, column 3")]);
    and("services: {}\n", &[(10, 1, "'services' of the config is given twice, first at line 1, column 1")]);
    and("    [a]: b\n", &[(10, 5, "the key of service sonarr is not a text")]);
    and("    on: b\n", &[(10, 5, "the key 'on' of service sonarr is not a text")]);
    with("sonarr:", "42:", &[(2, 3, "the key '42' of 'services' is not a text")]);
    with("sonarr:", "Sonarr:", &[(2, 3, "the service name is 'Sonarr' (it must be at most 253")]);
    with(
        "    namespace: media\n    deployment: sonarr\n",
        "    deployment: sonarr\n",
        &[(2, 3, "service sonarr has no 'namespace' (add 'namespace:' with its value)")],
    );
    with("    volume_name: sonarr-data\n", "", &[(2, 3, "has no 'volume_name'")]);
    with("    deployment: sonarr\n", "", &[(2, 3, "names no workload")]);
    and("    statefulset: sonarr\n", &[(10, 5, "has both 'deployment' and 'statefulset'")]);
    refused(
        "services:\n  a: {deployment: a}\n",
        &[
            (2, 3, "has no 'backup_node_label'"),
            (2, 3, "has no 'backup_pvc'"),
            (2, 3, "has no 'namespace'"),
            (2, 3, "has no 'primary_node_label'"),
            (2, 3, "has no 'primary_pvc'"),
            (2, 3, "has no 'volume_name'"),
        ],
    );
    refused("services:\n  a: {namespace: b}\n", &[(2, 3, "names no workload")]);
}

#[test]
fn values_are_checked() {
    with("primary_pvc: pvc-sonarr", "primary_pvc: 12", &[(6, 18, "12 is a number (quote it: \"12\")")]);
    with("label: primary", "label: yes", &[(8, 25, "yes is a boolean (quote it: \"yes\")")]);
    with("label: primary", "label: true", &[(8, 25, "true is a boolean")]);
    with("label: primary", "label: 2026-01-16", &[(8, 25, "2026-01-16 is a date")]);
    with("label: primary", "label: 1_0", &[(8, 25, "1_0 is a number")]);
    with("label: primary", "label:", &[(8, 5, "primary_node_label of service sonarr is empty")]);
    with("label: primary", "label: !!str 1", &[(8, 31, "has a YAML tag")]);
    with("label: primary", "label: [primary]", &[(8, 25, "must be a single value")]);
    with("namespace: media", "namespace: Media", &[(3, 16, "'Media' (it must be at most 63 characters")]);
    with("namespace: media", "namespace: \"a\\nb\"", &[(3, 16, "is 'a\\nb'")]);
    with(
        "deployment: sonarr",
        "deployment: son_arr",
        &[(4, 17, "deployment of service sonarr is 'son_arr'")],
    );
    with("volume_name: sonarr-data", "volume_name: a.b", &[(5, 18, "RFC 1123 label")]);
    with("label: primary", "label: -x", &[(8, 25, "label value")]);
    with(
        "pvc: pvc-sonarr\n",
        "pvc: pvc-sonarr-backup\n",
        &[(7, 17, "the same claim 'pvc-sonarr-backup' for both")],
    );
    with("label: backup", "label: primary", &[(9, 24, "the same node label 'primary' for both roles")]);
    and("    node_label_key: a/b/c\n", &[(10, 21, "it must be a label key")]);
    and("    path: ../apps\n", &[(10, 11, "it must be a relative path inside the repository")]);
    and("    cooldown: 90\n", &[(10, 15, "'90', which is not a duration (write hours")]);
    and("    max_data_age: 1 day\n", &[(10, 19, "is '1 day', which is not a duration")]);
    and("    max_data_age: {}\n", &[(10, 19, "must be a single value")]);
}

#[test]
fn defaults_are_checked() {
    and("defaults: 10m\n", &[(10, 11, "defaults must be a mapping")]);
    and("defaults:\n  cooldwn: 10m\n", &[(11, 3, "did you mean 'cooldown'?")]);
    and("defaults:\n  cooldown: soon\n", &[(11, 13, "cooldown of defaults is 'soon'")]);
    and("defaults:\n  settings: []\n", &[(11, 3, "unknown key 'settings' in defaults")]);
    and("defaults:\n  node_label_key: ''\n", &[(11, 19, "it must be a label key")]);
}

#[test]
fn settings_are_checked() {
    let list = |items: &str| format!("    settings:\n{items}");
    let one = |field: &str, primary: &str, backup: &str| {
        list(&format!(
            "      - target: {{kind: ReplicationSource, name: sonarr}}\n        field: {field}\n        \
             primary: {primary}\n        backup: {backup}\n"
        ))
    };
    assert!(parse(&format!("{GOOD}{}", one("spec.paused", "false", "true"))).is_ok());
    and("    settings: {}\n", &[(10, 15, "settings of service sonarr must be a list")]);
    and("    settings: []\n", &[(10, 5, "settings of service sonarr has no items")]);
    and(&list("      - x\n"), &[(11, 9, "setting 1 of service sonarr must be a mapping")]);
    and(
        &list("      - {}\n"),
        &[
            (11, 9, "has no 'backup'"),
            (11, 9, "has no 'field'"),
            (11, 9, "has no 'primary'"),
            (11, 9, "has no 'target'"),
        ],
    );
    and(
        &list("      - {target: {kind: deployment}, field: a.b, primary: x, backup: w, role: z}\n"),
        &[
            (11, 10, "the target of setting 1 of service sonarr has no 'name'"),
            (11, 25, "'deployment'"),
            (11, 73, "unknown key 'role'"),
        ],
    );
    and(&one("a..b", "1", "2"), &[(12, 16, "it has an empty part")]);
    and(&one("a.0.b", "1", "2"), &[(12, 16, "name the item instead")]);
    and(&one("metadata.name", "a", "b"), &[(12, 16, "by which the manifest is found")]);
    and(&one("a.b", "2", "2"), &[(14, 17, "the same value '2' for both roles")]);
    and(&one("a.b", "1.5", "2"), &[(13, 18, "1.5 is a number (quote it")]);
    and(&one("a.b", "yes", "'no'"), &[(13, 18, "yes is a boolean")]);
    and(&one("a.b", "", "x"), &[(13, 9, "primary of setting 1 of service sonarr is empty")]);
    and(&one("a.b", "'${X}'", "x"), &[(13, 18, "is a template")]);
    and(&one("a.b", "\"x\\ny\"", "x"), &[(13, 18, "write the final value on one line")]);
    and(&one("a.b", "[1]", "x"), &[(13, 18, "must be a single value")]);
}

#[test]
fn settings_alone_need_a_namespace_for_each_target() {
    let settings = "    settings:\n      - {target: {kind: A, name: a}, field: f, primary: 1, backup: 2}\n      \
         - {target: {kind: B, name: b}, field: f, primary: 1, backup: 2}\n";
    refused(&format!("services:\n  a:\n{settings}"), &[(2, 3, "has no 'namespace'")]);
    refused(
        &format!("services:\n  a:\n    namespace: x\n    path: apps\n{settings}    node_label_key: k\n"),
        &[(4, 5, "'path' has no use in service a"), (8, 5, "'node_label_key' has no use")],
    );
}

#[test]
fn a_helm_release_needs_settings() {
    with("deployment:", "helmrelease:", &[(5, 5, "spec.values.persistence.ID.existingClaim")]);
    refused(
        "services:\n  a:\n    namespace: x\n    helmrelease: a\n    node_label_key: k\n",
        &[(2, 3, "has no 'settings'"), (5, 5, "'node_label_key' has no use")],
    );
}

#[test]
fn services_are_checked_against_each_other() {
    let other = |workload: &str, primary: &str, backup: &str| {
        format!(
            "  radarr:\n    namespace: media\n    deployment: {workload}\n    volume_name: data\n    primary_pvc: \
             {primary}\n    backup_pvc: {backup}\n    primary_node_label: primary\n    backup_node_label: backup\n"
        )
    };
    and(
        &other("radarr", "pvc-sonarr", "pvc-b"),
        &[(
            14,
            18,
            "primary claim of service radarr and the primary claim of service sonarr (line 6, column 18)",
        )],
    );
    and(
        &other("radarr", "pvc-sonarr-backup", "pvc-sonarr"),
        &[
            (14, 18, "the backup claim of service sonarr (line 7, column 17)"),
            (15, 17, "(line 6, column 18)"),
        ],
    );
    and(
        &other("sonarr", "pvc-a", "pvc-b"),
        &[(
            10,
            3,
            "nodeSelector.role of Deployment media/sonarr is set by service radarr and already by service sonarr (line 2, column 3)",
        )],
    );
    // Found although the entry has another problem.
    and(
        &other("radarr", "pvc-sonarr", "pvc-b").replace("volume_name: data", "volume_name: _"),
        &[(13, 18, "RFC 1123 label"), (14, 18, "is the primary claim of service radarr")],
    );
    assert!(parse(&format!("{GOOD}{}", other("radarr", "pvc-a", "pvc-b"))).is_ok());
    let elsewhere = other("radarr", "pvc-sonarr", "pvc-b").replace("media", "tv");
    assert!(parse(&format!("{GOOD}{elsewhere}")).is_ok());
    and(
        "    settings:\n      - {target: {kind: Deployment, name: sonarr}, \
         field: spec.template.spec.nodeSelector.role, primary: a, backup: b}\n",
        &[(11, 59, "already by service sonarr (line 2, column 3)")],
    );
    and(
        "  radarr:\n    namespace: media\n    helmrelease: radarr\n    settings:\n      - {target: {kind: \
         HelmRelease, name: radarr}, field: spec.values.persistence.c.existingClaim, primary: pvc-sonarr, backup: b}\n",
        &[(14, 110, "claim pvc-sonarr in namespace media is the primary claim of service radarr")],
    );
}

#[test]
fn what_aliases_bring_is_checked_and_bounded() {
    refused(
        "services:\n  a: &a\n    zzz: 1\n    namespace: x\n    deployment: a\n    volume_name: v\n    primary_pvc: \
         a1\n    backup_pvc: a2\n    primary_node_label: p\n    backup_node_label: b\n  b:\n    <<: *a\n    \
         deployment: b\n    primary_pvc: b1\n    backup_pvc: b2\n",
        &[(3, 5, "unknown key 'zzz' in service a"), (3, 5, "unknown key 'zzz' in service b")],
    );
    refused("services:\n  a: &a\n    <<: *a\n", &[(3, 9, "nests too deep")]);
    refused("services:\n  a:\n    <<: word\n", &[(3, 9, "the mapping of '<<' must be a mapping")]);
    refused(
        "services:\n  a:\n    <<: {}\n    <<: {}\n    namespace: x\n",
        &[(2, 3, "names no workload"), (4, 5, "service a has '<<' twice")],
    );
    let keys: String = (0..400).map(|n| format!("    k{n}: 1\n")).collect();
    let aliases: String = (0..400).map(|n| format!("  s{n}: *a\n")).collect();
    let errors = parse(&format!("services:\n  a: &a\n{keys}{aliases}")).unwrap_err();
    assert!(errors.to_string().contains("more than 100000 keys"));
}

#[test]
fn problems_are_one_line_each_in_the_order_of_the_text_and_serialize() {
    let text = GOOD.replace("media", r#""a\nb""#).replace("backup_pvc: pvc-sonarr-backup", "backup_pvc: 1");
    let errors = parse(&text).unwrap_err();
    let shown = errors.to_string();
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let json = serde_json::to_value(&errors).unwrap();
    assert_eq!(json[1]["line"], 7);
    assert_eq!(json[1]["column"], 17);
    assert_eq!(json[1]["hint"], "quote it: \"1\"");
}

#[test]
fn an_order_names_services_and_has_no_circle() {
    let config = |afters: [&str; 3]| {
        let entry = |name: &str, after: &str| {
            let short = GOOD.split_once("sonarr:\n").map_or("", |(_, rest)| rest).replace("sonarr", name);
            let after = if after.is_empty() { String::new() } else { format!("    after: {after}\n") };
            format!("  {name}:\n{after}{short}")
        };
        let entries = ["a", "b", "c"].iter().zip(afters).map(|(name, after)| entry(name, after));
        format!("services:\n{}", entries.collect::<String>())
    };
    let order = |afters| -> Vec<String> {
        let config = parse(&config(afters)).expect("the config is good");
        config.in_order().map(|service| service.name.to_string()).collect()
    };
    assert_eq!(order(["", "", ""]), ["a", "b", "c"]);
    assert_eq!(order(["[c]", "", ""]), ["b", "c", "a"]);
    assert_eq!(order(["[b, c]", "[c]", ""]), ["c", "b", "a"]);
    refused(&config(["[c]", "", "[b, bb]"]), &[(20, 16, "did you mean 'b'")]);
    refused(&config(["[a]", "", ""]), &[(3, 13, "service a comes after itself")]);
    refused(&config(["", "[c]", "[a, b]"]), &[(11, 13, "b after c after b")]);
    refused(&config(["[b]", "[c]", "[a]"]), &[(3, 13, "a after b after c after a")]);
    refused(&config(["[b, b]", "", ""]), &[(3, 16, "after b twice")]);
    refused(&config(["b", "", ""]), &[(3, 12, "must be a list")]);
    refused(&config(["[true, B]", "", ""]), &[(3, 13, "quote it"), (3, 19, "RFC 1123")]);
}
