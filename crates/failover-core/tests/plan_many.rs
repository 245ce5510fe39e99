//! A plan for many services is the plans for each, put together.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use failover_core::code::Code;
use failover_core::config::{self, Config};
use failover_core::intent::Intent;
use failover_core::name::{BlobId, BranchName, CommitId, OperationId, RepoPath, Revision, Role, ServiceName};
use failover_core::plan::{Rejection, plan};
use failover_core::restraint::Restraints;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};
use jiff::Timestamp;

const SERVICES: usize = 60;

fn services() -> impl Iterator<Item = String> {
    (0..SERVICES).map(|number| format!("app-{number:02}"))
}

fn config() -> Config {
    let entry = |name: String| {
        format!(
            "  {name}:\n    namespace: media\n    deployment: {name}\n    volume_name: data\n    primary_pvc: {name}\n    backup_pvc: {name}-backup\n    \
             primary_node_label: primary\n    backup_node_label: backup\n"
        )
    };
    config::parse(&format!("services:\n{}", services().map(entry).collect::<String>())).unwrap()
}

/// `shared` says whether the claim's name is one that something else refers to.
fn tree(config: &Config, shared: impl Fn(&str) -> bool) -> Tree {
    // Large enough together to be shared out.
    let long = "# It was always so.\n".repeat(150);
    // A byte-order mark, which not every parser takes, stands in one of them.
    let mark = |name: &str| if name == "app-03" { "\u{feff}" } else { "" };
    let texts: BTreeMap<RepoPath, String> = services()
        .map(|name| {
            let (anchor, more) = if shared(&name) { ("&claim ", "  paused: *claim\n") } else { ("", "") };
            let text = format!(
                "{}{long}apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: media}}\nspec:\n  template:\n    spec:\n      \
                 nodeSelector: {{role: primary}}\n      volumes:\n        - name: data\n          persistentVolumeClaim: {{claimName: {anchor}{name}}}\n{more}",
                mark(&name)
            );
            (RepoPath::new(format!("apps/{name}.yaml")).unwrap(), text)
        })
        .collect();
    let blob = BlobId::new("0".repeat(40)).unwrap();
    let files = texts.iter().map(|(path, text)| {
        let facts = Arc::new(FileFacts::read(path.file_name(), text.as_bytes()));
        (path.clone(), ListedFile { blob: blob.clone(), facts })
    });
    let listing = Arc::new(Listing::new(files.collect()));
    let sources = texts.iter().map(|(path, text)| (path.clone(), Arc::new(Source::new(text.as_str()))));
    let sources: BTreeMap<_, _> = sources.collect();
    assert_eq!(listing.needed(config).len(), SERVICES);
    let commit = CommitId::new("0".repeat(40)).unwrap();
    Tree {
        revision: Revision { branch: BranchName::new("main").unwrap(), commit },
        listing,
        sources,
        restraints: Restraints::default(),
    }
}

fn intent(services: impl Iterator<Item = String>) -> Intent {
    Intent {
        services: services.map(|name| ServiceName::new(name).unwrap()).collect(),
        to: Role::Backup,
        partial: false,
        reason: None,
        requested_by: None,
        expect: None,
        alarm_began: None,
        force: BTreeSet::new(),
        operation: OperationId::new("one").unwrap(),
        idempotency_key: None,
    }
}

#[test]
fn many_files_change_as_each_would_alone_and_in_their_order() {
    let config = config();
    let tree = tree(&config, |_| false);
    let now = Timestamp::UNIX_EPOCH;
    let all = plan(&config, &intent(services()), &tree, now).unwrap();
    let each =
        services().flat_map(|name| plan(&config, &intent([name].into_iter()), &tree, now).unwrap().files);
    assert_eq!(all.files, each.collect::<Vec<_>>());
    assert_eq!(all.files.len(), SERVICES);
    for (file, name) in all.files.iter().zip(services()) {
        let moved = file.before.replace("role: primary", "role: backup");
        assert_eq!(
            file.after,
            moved.replace(&format!("claimName: {name}"), &format!("claimName: {name}-backup"))
        );
        assert_eq!(file.after.starts_with('\u{feff}'), name == "app-03");
    }
}

#[test]
fn every_file_that_stands_in_the_way_is_named_and_nothing_is_planned() {
    let config = config();
    let tree = tree(&config, |name| matches!(name, "app-07" | "app-52"));
    let Err(Rejection::Problems(problems)) = plan(&config, &intent(services()), &tree, Timestamp::UNIX_EPOCH)
    else {
        panic!("a shared value was planned to change");
    };
    let files: Vec<_> = problems.iter().map(|problem| problem.file.as_ref().unwrap().as_str()).collect();
    assert_eq!(files, ["apps/app-07.yaml", "apps/app-52.yaml"]);
    assert!(problems.iter().all(|problem| problem.code == Code::FieldAnchored), "{problems:?}");
}
