//! Good configs, and properties of reading any text.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::fmt::Write as _;
use std::time::Duration;

use failover_core::config::{Config, Service, SettingKind, parse};
use failover_core::field::{Insert, Value};
use failover_core::name::{Role, ServiceName};
use proptest::prelude::*;

#[track_caller]
fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn service<'c>(config: &'c Config, name: &str) -> &'c Service {
    config.get(&ServiceName::new(name).unwrap()).unwrap()
}

/// `Kind namespace/name field: primary -> backup`, one line per setting.
fn shown(service: &Service) -> Vec<String> {
    let line = |setting: &failover_core::config::Setting| {
        let target = &setting.target;
        format!(
            "{} {}/{} {}: {} -> {}",
            target.kind,
            target.namespace,
            target.name,
            setting.field,
            setting.value(Role::Primary),
            setting.value(Role::Backup)
        )
    };
    service.settings.iter().map(line).collect()
}

/// The seven keys that users know, for `names`.
fn seed(names: &[&str]) -> String {
    names.iter().fold("services:\n".to_owned(), |mut text, name| {
        write!(
            text,
            "  {name}:\n    namespace: media\n    deployment: {name}\n    volume_name: {name}-data\n    \
             primary_pvc: pvc-{name}\n    backup_pvc: pvc-{name}-backup\n    primary_node_label: primary\n    \
             backup_node_label: backup\n"
        )
        .unwrap();
        text
    })
}

#[test]
fn the_seven_keys_stand_for_two_settings() {
    let text = seed(&["sonarr"]).replace("deployment: sonarr", "deployment: sonarr     # or statefulset");
    let config = good(&text);
    let sonarr = service(&config, "sonarr");
    assert_eq!(
        shown(sonarr),
        [
            "Deployment media/sonarr spec.template.spec.nodeSelector.role: primary -> backup",
            "Deployment media/sonarr spec.template.spec.volumes.[name=sonarr-data].persistentVolumeClaim.claimName: \
             pvc-sonarr -> pvc-sonarr-backup",
        ]
    );
    let [node, claim] = sonarr.settings.as_slice() else { panic!("{sonarr:?}") };
    assert_eq!((node.kind, node.insert), (SettingKind::Node, Insert::LastTwoKeys));
    assert_eq!((claim.kind, claim.insert), (SettingKind::Claim, Insert::Never));
    let placement = sonarr.workload.as_ref().unwrap().placement.as_ref().unwrap();
    assert_eq!(placement.backup_claim.as_str(), "pvc-sonarr-backup");
    assert_eq!(placement.node_label_key.as_str(), "role");
}

#[test]
fn a_whole_household_of_apps_is_read() {
    let names = [
        "bazarr",
        "calibre-web",
        "deluge",
        "emby",
        "flaresolverr",
        "grafana",
        "homepage",
        "immich",
        "jellyfin",
        "jellyseerr",
        "lidarr",
        "mylar3",
        "nzbget",
        "overseerr",
        "plex",
        "prowlarr",
        "qbittorrent",
        "radarr",
        "readarr",
        "sabnzbd",
        "sonarr",
        "tautulli",
        "whisparr",
    ];
    let config = good(&seed(&names));
    assert_eq!(config.services().map(|service| service.name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(config.nearest("sonar"), ["sonarr"]);
    assert!(config.get(&ServiceName::new("sonar").unwrap()).is_none());
}

#[test]
fn pods_are_found_where_each_kind_has_them() {
    for (key, field) in [
        ("statefulset", "StatefulSet media/sonarr spec.template.spec.nodeSelector.role"),
        ("daemonset", "DaemonSet media/sonarr spec.template.spec.nodeSelector.role"),
        ("cronjob", "CronJob media/sonarr spec.jobTemplate.spec.template.spec.nodeSelector.role"),
    ] {
        let config = good(&seed(&["sonarr"]).replace("deployment", key));
        assert!(shown(service(&config, "sonarr"))[0].starts_with(field), "{key}");
    }
}

#[test]
fn defaults_give_way_to_the_service() {
    let defaults = "defaults:\n  node_label_key: kubernetes.io/hostname\n  path: apps\n  cooldown: 10m\n  \
                    max_data_age: 1h30m\n";
    let own = "    node_label_key: zone\n    path: apps/radarr.yaml\n    cooldown: 90s\n";
    let config = good(&format!("{defaults}{}{own}", seed(&["sonarr", "radarr"])));
    let (sonarr, radarr) = (service(&config, "sonarr"), service(&config, "radarr"));
    assert!(shown(sonarr)[0].contains(r"nodeSelector.kubernetes\.io/hostname:"));
    assert!(shown(radarr)[0].contains("nodeSelector.zone:"));
    let path = |service: &Service| service.settings[1].target.path.as_ref().unwrap().to_string();
    assert_eq!((path(sonarr), path(radarr)), ("apps".to_owned(), "apps/radarr.yaml".to_owned()));
    assert_eq!(sonarr.cooldown, Some(Duration::from_secs(600)));
    assert_eq!(radarr.cooldown, Some(Duration::from_secs(90)));
    assert_eq!(radarr.max_data_age, Some(Duration::from_secs(5400)));
}

#[test]
fn settings_are_typed_and_follow_the_short_form() {
    let text = seed(&["sonarr"])
        + "    path: apps/sonarr
    settings:
      - target: {kind: ReplicationSource, name: sonarr-sync, namespace: volsync}
        field: spec.paused
        primary: false
        backup: true
      - target: {kind: Deployment, name: sonarr}
        field: spec.replicas
        primary: 1
        backup: 0
      - target: {kind: ConfigMap, name: sonarr, path: other}
        field: data.role
        primary: 'true'
        backup: ''
";
    let config = good(&text);
    let [_, _, paused, replicas, role] = service(&config, "sonarr").settings.as_slice() else { panic!() };
    assert_eq!((&paused.primary, &paused.backup), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!((paused.kind, paused.insert), (SettingKind::Field, Insert::LastKey));
    assert_eq!(paused.target.namespace.as_str(), "volsync");
    assert!(paused.target.path.is_none());
    assert_eq!((&replicas.primary, &replicas.backup), (&Value::Int(1), &Value::Int(0)));
    assert_eq!(replicas.target.path.as_ref().unwrap().as_str(), "apps/sonarr");
    assert_eq!(role.target.path.as_ref().unwrap().as_str(), "other");
    assert_eq!((&role.primary, &role.backup), (&Value::String("true".into()), &Value::String(String::new())));
}

#[test]
fn a_service_may_use_settings_alone() {
    let settings = "    settings:\n      - target: {kind: HelmRelease, name: sonarr, namespace: media}\n        \
                    field: spec.values.persistence.config.existingClaim\n        primary: a\n        backup: b\n";
    let config = good(&format!("services:\n  sonarr:\n{settings}"));
    assert_eq!(service(&config, "sonarr").namespace.as_str(), "media");
    assert!(service(&config, "sonarr").workload.is_none());
    let config =
        good(&format!("services:\n  sonarr:\n    namespace: tv\n    helmrelease: sonarr\n{settings}"));
    let sonarr = service(&config, "sonarr");
    assert_eq!(sonarr.namespace.as_str(), "tv");
    let workload = sonarr.workload.as_ref().unwrap();
    assert_eq!((workload.target.kind.as_str(), workload.placement.is_none()), ("HelmRelease", true));
    assert_eq!(shown(sonarr).len(), 1);
}

#[test]
fn aliases_and_merges_are_followed() {
    let text = "services:
  sonarr: &base
    namespace: &ns media
    deployment: sonarr
    volume_name: data
    primary_pvc: sonarr-a
    backup_pvc: sonarr-b
    primary_node_label: primary
    backup_node_label: backup
  radarr:
    <<: *base
    deployment: radarr
    primary_pvc: radarr-a
    backup_pvc: radarr-b
  lidarr:
    <<: [{namespace: tv, cooldown: 1m}, *base]
    deployment: lidarr
    primary_pvc: lidarr-a
    backup_pvc: lidarr-b
  readarr: {<<: *base, namespace: *ns, deployment: readarr, primary_pvc: readarr-a, backup_pvc: readarr-b}
";
    let config = good(text);
    assert!(shown(service(&config, "radarr"))[1].starts_with("Deployment media/radarr"));
    assert!(shown(service(&config, "radarr"))[1].ends_with("radarr-a -> radarr-b"));
    assert_eq!(service(&config, "lidarr").namespace.as_str(), "tv");
    assert_eq!(service(&config, "readarr").namespace.as_str(), "media");
    // The same text as another writer would leave it.
    assert_eq!(good(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), config);
}

/// Pieces that configs are made of, to reach deeper than random characters do.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "services:",
            "defaults:",
            "\n",
            "\n  ",
            "\n    ",
            "\n      - ",
            "settings:",
            "target:",
            "field: ",
            "a.[b=c].d",
            "primary: ",
            "backup: ",
            "namespace: ",
            "deployment: ",
            "helmrelease: ",
            "&a ",
            "*a",
            "<<: ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            "a: ",
            "'",
            "\"",
            "~",
            "yes",
            "1",
            "10m",
            "!!str ",
            "---\n",
            "#",
            "|",
            ">",
            "? ",
            "\u{feff}",
            "ü",
            "\t",
            "path: ",
            "kind: ",
            "name: ",
            "pvc-a",
            "primary_pvc: ",
            "backup_pvc: ",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ]
}

/// A service as the config can say it: kind key, label key, claims, path, cooldown in seconds, replicas.
fn entry() -> impl Strategy<Value = (&'static str, Option<&'static str>, Option<u64>, Option<i64>, bool)> {
    (
        prop::sample::select(vec!["deployment", "statefulset", "daemonset", "cronjob"]),
        prop::option::of(prop::sample::select(vec!["zone", "kubernetes.io/hostname"])),
        prop::option::of(1..1_000_000_u64),
        prop::option::of(any::<i64>()),
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn no_text_panics_and_every_problem_has_its_line(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        match parse(&text) {
            Ok(config) => prop_assert!(config.services().len() > 0),
            Err(errors) => {
                prop_assert!(!errors.as_slice().is_empty());
                prop_assert!(errors.as_slice().is_sorted());
                prop_assert_eq!(errors.to_string().lines().count(), errors.as_slice().len());
            }
        }
    }

    #[test]
    fn damage_to_a_good_config_does_not_panic(at in 0..1000_usize, with in piece()) {
        let mut text = seed(&["sonarr", "radarr", "lidarr"]);
        let at = at % text.len();
        text.replace_range(at..=at, &with);
        if let Ok(config) = parse(&text) {
            prop_assert!((1..=3).contains(&config.services().len()));
        }
    }

    #[test]
    fn a_config_is_read_as_it_was_written(
        entries in prop::collection::btree_map("[a-z]([a-z0-9-]{0,8}[a-z0-9])?", entry(), 1..12)
    ) {
        let mut text = "services:\n".to_owned();
        let mut expected = Vec::new();
        for (name, (kind, label_key, cooldown, replicas, flow)) in &entries {
            let mut pairs = vec![
                ("namespace".to_owned(), "\"ns\"".to_owned()),
                ((*kind).to_owned(), format!("'{name}'")),
                ("volume_name".to_owned(), "data".to_owned()),
                ("primary_pvc".to_owned(), format!("a-{name}")),
                ("backup_pvc".to_owned(), format!("b-{name}")),
                ("primary_node_label".to_owned(), "one".to_owned()),
                ("backup_node_label".to_owned(), "two".to_owned()),
            ];
            pairs.extend(label_key.map(|key| ("node_label_key".to_owned(), key.to_owned())));
            pairs.extend(cooldown.map(|seconds| ("cooldown".to_owned(), format!("{seconds}s"))));
            pairs.extend(replicas.map(|count| ("settings".to_owned(), format!(
                "[{{target: {{kind: X, name: x-{name}}}, field: spec.replicas, primary: {count}, backup: '{count}'}}]"
            ))));
            let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            if *flow {
                writeln!(text, "  \"{name}\": {{{}}}", pairs.join(", ")).unwrap();
            } else {
                writeln!(text, "  \"{name}\":\n    {}", pairs.join("\n    ")).unwrap();
            }
            let label_key = label_key.unwrap_or("role").replace('.', "\\.");
            expected.push((name.clone(), label_key, cooldown.map(Duration::from_secs), *replicas));
        }
        let config = good(&text);
        let found: Vec<_> = config
            .services()
            .map(|service| {
                let field = service.settings[0].field.to_string();
                let (_, key) = field.split_once("nodeSelector.").unwrap();
                let replicas = service.settings.get(2).map(|setting| match setting.primary {
                    Value::Int(count) => count,
                    Value::String(_) | Value::Bool(_) => panic!("{setting:?}"),
                });
                (service.name.to_string(), key.to_owned(), service.cooldown, replicas)
            })
            .collect();
        prop_assert_eq!(found, expected);
        for service in config.services() {
            let name = &service.name;
            let claims = format!("claimName: a-{name} -> b-{name}");
            prop_assert!(shown(service)[1].ends_with(&claims));
        }
    }
}
