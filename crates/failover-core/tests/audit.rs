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
        let facts = Arc::new(FileFacts::read(path(name).file_name(), text.as_bytes()));
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

const CLAIM_OF_APP: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: \"${APP}\"}\nspec: {resources: {requests: {storage: \"${SIZE:=10Gi}\"}}}\n";

/// Apps of one namespace that share a component, which declares a claim for each: as home clusters have VolSync. `flux` are
/// lines of the first one's `postBuild`.
fn with_component(by_flux: bool, flux: &str) -> BTreeMap<&'static str, String> {
    let build = |name: &str, post_build: &str| {
        let components = if by_flux { "\n  components: [../../components/volsync]" } else { "" };
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: media}}\nspec:\n  path: ./apps/{name}\n  targetNamespace: media{components}\n  postBuild:\n{post_build}"
        )
    };
    let own = if by_flux { "" } else { "components: [../../components/volsync]\n" };
    let list = |files: &str| format!("{own}resources: [{files}]\n");
    BTreeMap::from([
        ("components/volsync/kustomization.yaml", "kind: Component\nresources: [claim.yaml]\n".to_owned()),
        ("components/volsync/claim.yaml", CLAIM_OF_APP.to_owned()),
        ("flux/sonarr.yaml", build("sonarr", flux)),
        ("flux/radarr.yaml", build("radarr", "    substitute: {APP: radarr, SIZE: 1Gi}\n")),
        ("apps/sonarr/kustomization.yaml", list("app.yaml, claim.yaml")),
        ("apps/sonarr/app.yaml", pod("Deployment", "sonarr", "sonarr")),
        ("apps/sonarr/claim.yaml", claim("sonarr-backup", "10Gi")),
        ("apps/radarr/kustomization.yaml", list("app.yaml")),
        ("apps/radarr/app.yaml", pod("Deployment", "radarr", "${APP}")),
        ("volumes.yaml", volume("pv-2", "sonarr-backup", "k3s-w2", "20Gi")),
    ])
}

#[test]
fn claims_that_a_component_declares_for_each_app_are_known() {
    for by_flux in [true, false] {
        let files = with_component(by_flux, "    substitute: {APP: sonarr}\n");
        assert_eq!(notices(&files), [], "by Flux: {by_flux}");
        let proposal = scan(&tree(&files));
        let names: Vec<&str> = proposal.services.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["sonarr"], "{}", proposal.text);
        assert!(proposal.text.contains("sonarr (components/volsync/claim.yaml:1)"), "{}", proposal.text);
        // Without the component nothing declares it, and the size is that of each app.
        let mut without = files.clone();
        without.insert("components/volsync/claim.yaml", String::new());
        assert_eq!(notices(&without)[0].rule, Rule::ClaimMissing);
        let small = with_component(by_flux, "    substitute: {APP: sonarr, SIZE: 1Gi}\n");
        assert_eq!(notices(&small)[0].rule, Rule::CapacityDiffers);
        // From a Secret it may be anything, and that is no error.
        let told_elsewhere =
            with_component(by_flux, "    substituteFrom: [{kind: Secret, name: settings}]\n");
        let found = notices(&told_elsewhere);
        assert!(
            found.len() == 1
                && (found[0].rule, found[0].level) == (Rule::ClaimMissing, Level::Warning)
                && found[0]
                    .detail
                    .contains("cannot be told: components/volsync/claim.yaml:1 declares ${APP}"),
            "{found:#?}"
        );
    }
}

#[test]
fn the_claims_of_a_chart_are_where_its_pods_are() {
    let mut files = good();
    files.remove("app.yaml");
    files.insert("release.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: sonarr, namespace: flux-system}\nspec:\n  targetNamespace: media\n  values:\n    nodeSelector: {kubernetes.io/hostname: k3s-w1}\n    persistence: {config: {existingClaim: sonarr}}\n".to_owned());
    let proposal = scan(&tree(&files));
    assert_eq!(proposal.services.len(), 1, "{}", proposal.text);
    let config = config::parse(&proposal.text).unwrap();
    assert_eq!(audit(&config, &tree(&files)), []);
}

#[test]
fn a_claim_that_is_an_alias_is_not_taken_for_a_second_mount() {
    let mut files = good();
    files.remove("app.yaml");
    files.insert("release.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: &app sonarr, namespace: media}\nspec:\n  values:\n    nodeSelector: {kubernetes.io/hostname: k3s-w1}\n    persistence: {config: {existingClaim: *app}}\n".to_owned());
    let proposal = scan(&tree(&files));
    let reasons: Vec<_> = proposal.left_out.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(!reasons.iter().any(|reason| reason.contains("too, which no setting moves")), "{reasons:?}");
}

#[test]
fn an_app_that_says_that_it_stays_is_not_asked_for() {
    let mut files = good();
    let app = pod("Deployment", "radarr", "radarr");
    files.insert("claims.yaml", claim("radarr", "1Gi") + "---\n" + &claim("radarr-backup", "1Gi"));
    files.insert("other.yaml", app.clone());
    let found = notices(&files);
    assert_eq!((found.len(), found[0].rule), (1, Rule::AppLeftOut));
    assert!(found[0].hint.contains("failover-api/ignore: \"true\""), "{found:#?}");
    let marked = |value: &str| {
        let annotation = format!("namespace: media, annotations: {{failover-api/ignore: \"{value}\"}}}}");
        app.replace("namespace: media}", &annotation)
    };
    files.insert("other.yaml", marked("true"));
    assert_eq!(notices(&files), []);
    let proposal = scan(&tree(&files));
    assert_eq!(proposal.services.len(), 1, "{}", proposal.text);
    assert!(
        proposal.text.contains("# left out: Deployment media/radarr: it has the annotation"),
        "{}",
        proposal.text
    );
    files.insert("other.yaml", marked("false"));
    assert_eq!(notices(&files)[0].rule, Rule::AppLeftOut);
}

#[test]
fn every_app_with_a_claim_that_gets_no_entry_is_named() {
    let release = |name: &str, more: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}, namespace: media}}\nspec:\n{more}"
        )
    };
    let values =
        |claim: &str| format!("  values: {{persistence: {{config: {{existingClaim: \"{claim}\"}}}}}}\n");
    let patch = "resources: [lone.yaml]\npatches:\n  - patch: |-\n      kind: Deployment\n      metadata: {name: lone}\n      spec: {template: {spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: other}}]}}}\n";
    let files = BTreeMap::from([
        ("tpl.yaml", release("bazarr", &values("{{ .Release.Name }}"))),
        ("from.yaml", release("plex", "  valuesFrom: [{kind: ConfigMap, name: plex-values}]\n")),
        ("variable.yaml", release("qbittorrent", &values("${APP}"))),
        ("sts.yaml", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: postgres, namespace: media}\nspec:\n  volumeClaimTemplates: [{metadata: {name: data}}]\n  template: {spec: {containers: []}}\n".to_owned()),
        ("lone.yaml", pod("Deployment", "lone", "lone")),
        ("bare.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bare, namespace: media}\nspec: {template: {spec: {containers: []}}}\n".to_owned()),
        ("over/kustomization.yaml", patch.to_owned()),
    ]);
    let proposal = scan(&tree(&files));
    let left: BTreeMap<&str, &str> =
        proposal.left_out.iter().map(|(app, reason)| (app.as_str(), reason.as_str())).collect();
    for (app, words) in [
        ("HelmRelease media/bazarr", "existingClaim is {{ .Release.Name }}, and what fills that in"),
        ("HelmRelease media/plex", "plex-values (valuesFrom)"),
        ("HelmRelease media/qbittorrent", "existingClaim is ${APP}"),
        ("StatefulSet media/postgres", "volumeClaimTemplates (data)"),
        ("Deployment media/lone", "no second claim is declared for lone in media, such as lone-backup"),
        ("patches in over/kustomization.yaml", "path (docs/config.md)"),
    ] {
        assert!(left.get(app).is_some_and(|reason| reason.contains(words)), "{app}: {left:#?}");
    }
    assert_eq!(left.len(), 6, "{left:#?}");
}

#[test]
fn a_variable_that_fills_in_more_than_the_field_is_not_proposed() {
    let flux = |variables: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: apps, namespace: flux-system}}\nspec: {{path: ./apps, postBuild: {{substitute: {{{variables}}}}}}}\n"
        )
    };
    let app = |name: &str, claim: &str| {
        pod("Deployment", name, claim).replace("hostname: k3s-w1", "hostname: ${NODE}")
    };
    let mut files = BTreeMap::from([
        ("flux.yaml", flux("NODE: k3s-w1, CLAIM: web")),
        ("apps/web.yaml", app("web", "${CLAIM}")),
        (
            "apps/claims.yaml",
            claim("web", "1Gi")
                + "---\n"
                + &claim("web-backup", "1Gi")
                + "---\n"
                + &volume("pv", "web-backup", "k3s-w2", "1Gi"),
        ),
    ]);
    let proposal = scan(&tree(&files));
    assert!(proposal.text.contains("field: spec.postBuild.substitute.NODE"), "{}", proposal.text);
    // A second app that would be dragged along.
    files.insert("apps/db.yaml", app("db", "db"));
    let proposal = scan(&tree(&files));
    assert_eq!(proposal.services, [], "{}", proposal.text);
    let (app, reason) = &proposal.left_out[1];
    assert_eq!(app, "Deployment media/web");
    assert!(reason.contains("NODE fills in more than that (apps/db.yaml:8, apps/web.yaml:8)"), "{reason}");
}
