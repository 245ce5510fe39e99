//! What is wrong between a config and a repository, one thing at a time.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use failover_core::audit::{At, Level, Notice, Rule, audit};
use failover_core::config;
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath, Revision};
use failover_core::restraint::{HoldsFile, Restraints};
use failover_core::scan::scan;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};

const CONFIG: &str = "\
services:
  sonarr:
    namespace: media
    deployment: sonarr
    volume_name: data
    primary_pvc: sonarr
    backup_pvc: sonarr-backup
    node_label_key: kubernetes.io/hostname
    primary_node_label: k3s-w1
    backup_node_label: k3s-w2
";

fn pod(kind: &str, name: &str, claim: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: media}}\nspec:\n  template:\n    spec:\n      nodeSelector:\n        \
         kubernetes.io/hostname: k3s-w1\n      volumes:\n        - name: data\n          persistentVolumeClaim:\n            claimName: {claim}\n"
    )
}

fn claim(name: &str, size: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: media}}\nspec:\n  resources: {{requests: {{storage: {size}}}}}\n"
    )
}

fn volume(name: &str, claim: &str, node: &str, size: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  capacity: {{storage: {size}}}\n  claimRef: {{namespace: media, name: {claim}}}\n  \
         nodeAffinity:\n    required:\n      nodeSelectorTerms:\n        - matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]\n"
    )
}

/// A repository that nothing is wrong with.
fn good() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("app.yaml", pod("Deployment", "sonarr", "sonarr")),
        ("primary.yaml", claim("sonarr", "10Gi")),
        ("backup.yaml", claim("sonarr-backup", "10Gi")),
        ("pv-1.yaml", volume("pv-1", "sonarr", "k3s-w1", "10Gi")),
        ("pv-2.yaml", volume("pv-2", "sonarr-backup", "k3s-w2", "20Gi")),
    ])
}

fn tree(files: &BTreeMap<&str, String>) -> Tree {
    let blob = BlobId::new("0".repeat(40)).unwrap();
    let path = |name: &str| RepoPath::new(name).unwrap();
    let listed = files.iter().map(|(name, text)| {
        let facts = Arc::new(FileFacts::read(name, text.as_bytes()));
        (path(name), ListedFile { blob: blob.clone(), facts })
    });
    let sources = files.iter().map(|(name, text)| (path(name), Arc::new(Source::new(text.as_str()))));
    let revision =
        Revision { branch: BranchName::new("main").unwrap(), commit: CommitId::new("0".repeat(40)).unwrap() };
    Tree {
        revision,
        sources: sources.collect(),
        listing: Arc::new(Listing::new(listed.collect())),
        restraints: Restraints::default(),
    }
}

fn notices(files: &BTreeMap<&str, String>) -> Vec<Notice> {
    audit(&config::parse(CONFIG).unwrap(), &tree(files))
}

/// The good repository with files put in or, with an empty text, taken out gives exactly these notices.
#[track_caller]
fn gives(changes: &[(&'static str, String)], expected: &[(Rule, Level, &str)]) {
    let mut files = good();
    for (name, text) in changes {
        files.insert(name, text.clone());
        if text.is_empty() {
            files.remove(name);
        }
    }
    let found = notices(&files);
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(notice, (rule, level, words))| {
            notice.rule.as_str() == rule.as_str()
                && notice.level == *level
                && format!("{} {}", notice.detail, notice.hint).contains(words)
        });
    assert!(fits, "{found:#?}\nexpected {expected:?}");
}

#[test]
fn a_good_repository_gives_nothing() {
    gives(&[], &[]);
}

#[test]
fn each_thing_that_is_wrong_is_told_with_its_rule() {
    use Level::{Error, Warning};
    use Rule::*;
    let code = |text: &str| {
        Code(failover_core::code::Code::ALL.iter().copied().find(|code| code.as_str() == text).unwrap())
    };
    gives(&[("backup.yaml", String::new())], &[(ClaimMissing, Error, "did you mean sonarr")]);
    gives(
        &[("backup.yaml", String::new()), ("primary.yaml", String::new())],
        &[(ClaimMissing, Warning, "media/sonarr of"), (ClaimMissing, Warning, "media/sonarr-backup of")],
    );
    gives(
        &[("backup.yaml", claim("sonarr-backup", "5Gi"))],
        &[(CapacityDiffers, Error, "10Gi and sonarr-backup for 5Gi")],
    );
    gives(&[("backup.yaml", claim("sonarr-backup", "10240Mi"))], &[]);
    gives(
        &[("pv-2.yaml", volume("pv-2", "sonarr-backup", "k3s-w2", "9Gi"))],
        &[(VolumeTooSmall, Error, "pv-2 has 9Gi")],
    );
    gives(
        &[("pv-2.yaml", volume("pv-2", "sonarr-backup", "k3s-w3", "10Gi"))],
        &[(
            WrongNode,
            Error,
            "hostname is k3s-w2, but its volume pv-2 is where kubernetes.io/hostname is k3s-w3",
        )],
    );
    gives(
        &[("pv-2.yaml", volume("pv-2", "sonarr-backup", "k3s-w1", "10Gi"))],
        &[(WrongNode, Error, "k3s-w1"), (SameNode, Error, "pv-1 and pv-2")],
    );
    gives(
        &[("job.yaml", pod("StatefulSet", "indexer", "sonarr-backup"))],
        &[(ClaimShared, Error, "StatefulSet indexer")],
    );
    gives(
        &[
            ("other.yaml", pod("Deployment", "radarr", "radarr")),
            ("other-claims.yaml", claim("radarr", "1Gi") + "---\n" + &claim("radarr-backup", "1Gi")),
        ],
        &[(AppLeftOut, Error, "Deployment media/radarr mounts radarr, and there is radarr-backup")],
    );
    // An app that mounts both uses the second as something else.
    let both = pod("Deployment", "radarr", "radarr")
        + "        - name: dumps\n          persistentVolumeClaim: {claimName: radarr-backup}\n";
    gives(&[("other.yaml", both), ("other-claims.yaml", claim("radarr-backup", "1Gi"))], &[]);
    // So does one whose claims a job copies between.
    let dump = pod("StatefulSet", "dump", "radarr")
        + "        - name: to\n          persistentVolumeClaim: {claimName: radarr-backup}\n";
    gives(
        &[
            ("other.yaml", pod("Deployment", "radarr", "radarr")),
            ("dump.yaml", dump),
            ("other-claims.yaml", claim("radarr-backup", "1Gi")),
        ],
        &[],
    );
    gives(
        &[("app.yaml", pod("Deployment", "sonar", "sonarr"))],
        &[(code("manifest-not-found"), Error, "near"), (ClaimShared, Error, "Deployment sonar")],
    );
    let renamed = pod("Deployment", "sonarr", "sonarr").replace("name: data", "name: config");
    gives(&[("app.yaml", renamed)], &[(code("field-not-found"), Error, "the list has config")]);
    let odd = pod("Deployment", "sonarr", "sonarr-old");
    gives(
        &[("app.yaml", odd)],
        &[
            (Finding(failover_core::check::Check::MixedState), Warning, "disagree"),
            (Finding(failover_core::check::Check::UnexpectedValue), Error, "sonarr-old"),
        ],
    );
}

#[test]
fn a_notice_says_where() {
    let mut files = good();
    files.insert("pv-2.yaml", "\n".to_owned() + &volume("pv-2", "sonarr-backup", "k3s-w3", "10Gi"));
    files.remove("backup.yaml");
    let found = notices(&files);
    assert!(matches!(&found[0].at, At::Config(place) if place.line == 2), "{found:#?}");
    assert!(
        matches!(&found[1].at, At::File(path, place) if path.as_str() == "pv-2.yaml" && place.line == 2),
        "{found:#?}"
    );
}

#[test]
fn what_a_scan_does_not_propose_it_says_with_the_reason() {
    let mut files = good();
    let without_volumes = |name: &str| pod("Deployment", name, name) + "---\n" + &claim(name, "1Gi");
    files.insert(
        "unknown.yaml",
        without_volumes("a").replace("k3s-w1", "k3s-w9") + "---\n" + &claim("a-backup", "1Gi"),
    );
    files.insert("other.yaml", without_volumes("b") + "---\n" + &claim("b-backup", "2Gi"));
    let proposal = scan(&tree(&files));
    assert_eq!(proposal.services.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["sonarr"]);
    let reasons: Vec<&str> = proposal.left_out.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("kubernetes.io/hostname=k3s-w9")), "{reasons:?}");
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    // Each reason stands in the text, which stays a config.
    let config = config::parse(&proposal.text).unwrap();
    assert_eq!(config.services().len(), 1);
    assert_eq!(proposal.text.matches("# left out: ").count(), 2);
    assert!(scan(&tree(&BTreeMap::new())).services.is_empty());
}

#[test]
fn what_is_held_is_proposed_all_the_same() {
    for holds in ["holds: [{all: true, owner: bob, reason: test}]", "holds: {"] {
        let holds = Arc::new(HoldsFile::read(holds.as_bytes()));
        let held = Tree { restraints: Restraints { holds, ..Restraints::default() }, ..tree(&good()) };
        assert_eq!(scan(&held).services.len(), 1);
    }
}
