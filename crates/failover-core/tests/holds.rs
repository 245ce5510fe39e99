//! Holds: what is written is read back, and who may change what.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use failover_core::brake;
use failover_core::check::{Check, Verdict};
use failover_core::code::Code;
use failover_core::config::{self, Config, Hold, Holds, Scope};
use failover_core::history::{CommitRecord, EventKind, events, failovers, find_key, find_operation, last_of};
use failover_core::holding::{self, End, HoldIntent, HoldOutcome, HoldPlan, Scopes, Wanted};
use failover_core::name::{
    Actor, BranchName, CommitId, IdempotencyKey, OperationId, Reason, Revision, ServiceName,
};
use failover_core::restraint::{Failover, Failovers, HoldsFile, Restraints};
use failover_core::tree::{Listing, Tree};
use failover_core::yaml::Place;
use jiff::Timestamp;
use proptest::prelude::*;

const CONFIG: &str = "defaults: {cooldown: 2h}\nservices:\n  sonarr: {namespace: media, deployment: sonarr, volume_name: d, primary_pvc: a, backup_pvc: b, primary_node_label: one, backup_node_label: two}\n  radarr: {namespace: media, deployment: radarr, volume_name: d, primary_pvc: c, backup_pvc: e, primary_node_label: one, backup_node_label: two}\n";
const NOW: &str = "2026-01-15T14:32:15Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn config() -> Config {
    config::parse(CONFIG).unwrap()
}

fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn tree(holds: Option<&str>) -> Tree {
    let revision =
        Revision { branch: BranchName::new("main").unwrap(), commit: CommitId::new("0".repeat(40)).unwrap() };
    let holds = Arc::new(holds.map(|text| HoldsFile::read(text.as_bytes())).unwrap_or_default());
    let restraints = Restraints { holds, ..Restraints::default() };
    Tree { revision, listing: Arc::new(Listing::default()), sources: BTreeMap::new(), restraints }
}

fn named(names: &[&str]) -> Scopes {
    Scopes::Named(names.iter().map(|one| name(one)).collect())
}

fn hold(scopes: Scopes, owner: &str, until: Option<&str>) -> HoldIntent {
    HoldIntent {
        scopes,
        wanted: wanted("new disk", until.map_or(End::Released, |until| End::Until(time(until)))),
        requested_by: Actor::new(owner).unwrap(),
        operation: OperationId::new("op-1").unwrap(),
        idempotency_key: Some(IdempotencyKey::new("key-1").unwrap()),
    }
}

fn wanted(reason: &str, end: End) -> Wanted {
    Wanted::Hold { reason: Reason::new(reason).unwrap(), end }
}

/// A hold on sonarr for so many hours from `now` on.
fn hold_for(hours: u64, now: &str) -> HoldIntent {
    let end = End::after(time(now), std::time::Duration::from_secs(hours * 3600)).unwrap();
    HoldIntent { wanted: wanted("new disk", end), ..hold(named(&["sonarr"]), "alice", None) }
}

fn release(scopes: Scopes) -> HoldIntent {
    HoldIntent { wanted: Wanted::Release { reason: None }, ..hold(scopes, "bob", None) }
}

fn plan(intent: &HoldIntent, holds: Option<&str>) -> HoldPlan {
    holding::plan(&config(), intent, &tree(holds), time(NOW)).unwrap()
}

fn refused(intent: &HoldIntent, holds: Option<&str>) -> Vec<Code> {
    let problems = holding::plan(&config(), intent, &tree(holds), time(NOW)).unwrap_err();
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn a_hold_is_written_in_one_form_and_its_release_leaves_no_file() {
    let held = plan(&hold(named(&["sonarr"]), "alice", Some("2026-01-15T18:00:00Z")), None);
    let text = held.after.clone().unwrap();
    assert!(text.ends_with(
        "holds:\n  - service: sonarr\n    owner: \"alice\"\n    reason: \"new disk\"\n    since: 2026-01-15T14:32:15Z\n    until: 2026-01-15T18:00:00Z\n"
    ), "{text}");
    assert_eq!(
        held.message,
        "Automated hold: sonarr\n\nReason: new disk\n\nTimestamp: 2026-01-15T14:32:15Z\nHold: sonarr\nUntil: 2026-01-15T18:00:00Z\nRequested-By: alice\nIdempotency-Key: key-1\nOperation-Id: op-1\n"
    );
    let released = plan(&release(named(&["sonarr"])), Some(&text));
    assert_eq!(released.lines, [(Scope::Service(name("sonarr")), HoldOutcome::Released)]);
    assert_eq!(released.after, None);
    let again = plan(&release(named(&["sonarr"])), None);
    assert!(again.is_empty());
}

#[test]
fn a_hold_is_renewed_by_its_owner_and_by_nobody_else() {
    let text = plan(&hold(named(&["sonarr"]), "alice", Some("2026-01-15T18:00:00Z")), None).after.unwrap();
    let same = plan(&hold(named(&["sonarr"]), "alice", Some("2026-01-15T18:00:00Z")), Some(&text));
    assert!(same.is_empty());
    let longer = plan(&hold(named(&["sonarr"]), "alice", None), Some(&text));
    assert!(!longer.is_empty() && longer.holds.iter().all(|hold| hold.until.is_none()));
    assert_eq!(refused(&hold(named(&["sonarr", "radarr"]), "bob", None), Some(&text)), [Code::Held]);
    // One that is over protects nothing.
    let old = text.replace("2026-01-15T18:00:00Z", "2026-01-15T14:00:00Z");
    let taken = plan(&hold(named(&["sonarr"]), "bob", None), Some(&old));
    assert_eq!(taken.holds.iter().map(|hold| hold.owner.as_str()).collect::<Vec<_>>(), ["bob"]);
    // The hold on every service is another one.
    let both = plan(&hold(Scopes::All, "bob", None), Some(&text));
    assert_eq!(both.holds.iter().count(), 2);
    let text = both.after.unwrap();
    assert_eq!(plan(&release(Scopes::All), Some(&text)).holds.iter().count(), 1);
}

#[test]
fn what_cannot_be_is_refused() {
    assert_eq!(refused(&hold(named(&["sonar"]), "alice", None), None), [Code::ServiceNotFound]);
    assert_eq!(refused(&release(named(&["sonar"])), None), [Code::ServiceNotFound]);
    assert_eq!(refused(&hold(named(&[]), "alice", None), None), [Code::NothingSelected]);
    assert_eq!(refused(&hold(Scopes::All, "alice", Some(NOW)), None), [Code::InvalidRequest]);
    // What nobody can read must not be written over.
    for intent in [hold(named(&["sonarr"]), "alice", None), release(Scopes::All)] {
        assert_eq!(refused(&intent, Some("holds: [")), [Code::HoldsUnreadable]);
    }
    // A hold that was misspelt by hand can be released.
    let misspelt = "holds: [{service: sonar, owner: a, reason: b}]";
    assert!(plan(&release(named(&["sonar"])), Some(misspelt)).after.is_none());
}

fn record(number: usize, at: &str, message: String) -> CommitRecord {
    let id = |number: usize| CommitId::new(format!("{number:040x}")).unwrap();
    CommitRecord {
        id: id(number),
        parents: vec![id(number - 1)],
        author: "a <a>".to_owned(),
        committer: "a <a>".to_owned(),
        time: time(at),
        message,
    }
}

const MOVE: &str = "Automated failover: sonarr to backup node\n\nTimestamp: 2026-01-15T12:00:00Z\nService: sonarr\nRole: backup\nOperation-Id: op-0\n";

#[test]
fn history_tells_holds_from_moves() {
    let held = plan(&hold(named(&["sonarr"]), "alice", None), None).message;
    let every = plan(&hold(Scopes::All, "alice", None), None).message.replace("op-1", "op-2");
    let revert = format!("Revert \"Automated hold: sonarr\"\n\nThis reverts commit {:040x}.\n", 3);
    // A line that somebody added to a move's trailers makes no hold of it.
    let moved = format!("{MOVE}Release: v1\n");
    let commits = [
        record(5, NOW, every),
        record(4, NOW, revert),
        record(3, NOW, held),
        record(2, "2026-01-15T12:00:09Z", moved),
    ];
    let found = events(&commits);
    let kinds: Vec<&EventKind> = found.iter().map(|event| &event.kind).collect();
    assert_eq!(kinds, [&EventKind::Hold, &EventKind::Release, &EventKind::Hold, &EventKind::Move]);
    assert_eq!(last_of(&found, &name("sonarr")).unwrap().kind, EventKind::Move);
    let key = IdempotencyKey::new("key-1").unwrap();
    let by_key = find_key(&found[2..], &key).unwrap();
    assert!(by_key.answers_hold(&hold(named(&["sonarr"]), "bob", None)));
    assert!(!by_key.answers_hold(&release(named(&["sonarr"]))));
    assert!(!by_key.answers_hold(&hold(named(&["radarr"]), "alice", None)));
    assert!(found[0].answers_hold(&hold(Scopes::All, "alice", None)));
    assert!(find_operation(&found, &OperationId::new("op-2").unwrap()).is_some());
    assert!(found[0].concerns(&name("radarr")) && !found[2].concerns(&name("radarr")));
    let failovers = failovers(&commits, &found);
    // By the trailer, not by when the commit was made; and the first commit's parent was not read.
    assert_eq!(failovers.newest[&name("sonarr")].at, time("2026-01-15T12:00:00Z"));
    assert_eq!(failovers.reach, Some(time("2026-01-15T12:00:09Z")));
}

#[test]
fn a_repeated_request_asks_for_the_same_hold_and_no_other() {
    let later = "2026-01-15T15:00:00Z";
    let sonarr = |until| hold(named(&["sonarr"]), "alice", until);
    let because = |reason: &str| HoldIntent { wanted: wanted(reason, End::Released), ..sonarr(None) };
    let asked = [
        sonarr(None),
        sonarr(Some("2026-01-15T18:32:15Z")),
        sonarr(Some("2026-01-15T18:00:00Z")),
        hold_for(4, NOW),
        hold_for(5, NOW),
        because(" another reason "),
        hold(named(&["radarr"]), "alice", None),
        hold(named(&["radarr", "sonarr"]), "alice", None),
        hold(Scopes::All, "alice", None),
    ];
    for (first, intent) in asked.iter().enumerate() {
        let event = events(&[record(1, NOW, plan(intent, None).message)]).remove(0);
        for (second, again) in asked.iter().enumerate() {
            assert_eq!(event.answers_hold(again), first == second, "{intent:?} and {again:?}");
        }
        // The same length is asked for again a little later.
        assert_eq!(event.answers_hold(&hold_for(4, later)), *intent == hold_for(4, NOW), "{intent:?}");
    }
    let message = plan(&hold_for(4, NOW), None).message;
    assert!(message.contains("\nUntil: 2026-01-15T18:32:15Z\nFor: 4h\nRequested-By: "), "{message}");
    let text = plan(&sonarr(None), None).after.unwrap();
    let why = |reason: Option<&str>| HoldIntent {
        wanted: Wanted::Release { reason: reason.map(|reason| Reason::new(reason).unwrap()) },
        ..release(named(&["sonarr"]))
    };
    let event = events(&[record(1, NOW, plan(&why(Some("done")), Some(&text)).message)]).remove(0);
    assert!(event.answers_hold(&why(Some("done"))));
    assert!(!event.answers_hold(&why(None)) && !event.answers_hold(&why(Some("gone"))));
}

fn cooldown(failover: Option<&str>, reach: Option<&str>) -> Restraints {
    let newest = failover.map(|at| {
        (name("sonarr"), Failover { commit: CommitId::new("1".repeat(40)).unwrap(), at: time(at) })
    });
    let failovers = Failovers { newest: newest.into_iter().collect(), reach: reach.map(time) };
    Restraints { failovers: Arc::new(failovers), ..Restraints::default() }
}

#[test]
fn a_cooldown_is_reckoned_or_said_to_be_unknown_and_ends_in_any_case() {
    let config = config();
    let sonarr = config.get(&name("sonarr")).unwrap();
    let until = |failover: Option<&str>, reach: Option<&str>| {
        brake::cooldown(sonarr, &cooldown(failover, reach), time(NOW)).map(|cooldown| cooldown.until)
    };
    assert_eq!(until(Some("2026-01-15T13:00:00Z"), None), Some(time("2026-01-15T15:00:00Z")));
    assert_eq!(until(Some("2026-01-15T12:32:15Z"), None), None);
    // A clock that is a little ahead, and one that is far ahead.
    assert_eq!(until(Some("2026-01-15T14:40:00Z"), None), Some(time("2026-01-15T16:40:00Z")));
    assert_eq!(until(Some("2099-01-15T14:40:00Z"), None), None);
    assert_eq!(until(None, Some("2026-01-15T14:00:00Z")), None);
    let next = |failover, reach| {
        brake::next_change(config.services(), &cooldown(failover, reach), time(NOW)).map(|at| at.to_string())
    };
    assert_eq!(next(Some("2026-01-15T13:00:00Z"), None).as_deref(), Some("2026-01-15T15:00:00Z"));
    assert_eq!(next(Some("2026-01-15T17:00:00Z"), None).as_deref(), Some("2026-01-15T15:00:00Z"));
    assert_eq!(next(None, Some("2026-01-15T14:00:00Z")).as_deref(), Some("2026-01-15T16:00:00Z"));
    assert_eq!(next(None, None), None);
}

#[test]
fn only_what_would_move_is_held_back() {
    const MANIFEST: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: sonarr, namespace: media}\nspec: {template: {spec: {nodeSelector: {role: one}, volumes: [{name: d, persistentVolumeClaim: {claimName: a}}]}}}\n";
    use failover_core::name::{BlobId, RepoPath, Role};
    use failover_core::topology::ServiceState;
    use failover_core::tree::{FileFacts, ListedFile, Source};
    let config = config();
    let path = RepoPath::new("sonarr.yaml").unwrap();
    let facts = Arc::new(FileFacts::read("sonarr.yaml", MANIFEST.as_bytes()));
    let file = ListedFile { blob: BlobId::new("0".repeat(40)).unwrap(), facts };
    let mut tree = tree(None);
    tree.listing = Arc::new(Listing::new(BTreeMap::from([(path.clone(), file)])));
    tree.sources = BTreeMap::from([(path, Arc::new(Source::new(MANIFEST)))]);
    let state = ServiceState::read(config.get(&name("sonarr")).unwrap(), &tree);
    let found = |to: Role, restraints: &Restraints| -> Vec<(Check, Verdict)> {
        let found = brake::findings(&state, to, restraints, time(NOW));
        found.into_iter().map(|finding| (finding.check, finding.verdict)).collect()
    };
    let mut held = cooldown(Some("2026-01-15T13:00:00Z"), None);
    let text = "holds: [{all: true, owner: a, reason: b}, {service: sonarr, owner: a, reason: b}, {service: radarr, owner: a, reason: b}]";
    held.holds = Arc::new(HoldsFile::read(text.as_bytes()));
    assert_eq!(
        found(Role::Backup, &held),
        [(Check::Held, Verdict::Block), (Check::Held, Verdict::Block), (Check::Cooldown, Verdict::Block)]
    );
    assert_eq!(found(Role::Primary, &held), []);
    for unknown in
        [cooldown(Some("2099-01-15T13:00:00Z"), None), cooldown(None, Some("2026-01-15T14:00:00Z"))]
    {
        assert_eq!(found(Role::Backup, &unknown), [(Check::Cooldown, Verdict::Warn)]);
    }
    assert_eq!(found(Role::Backup, &cooldown(None, Some("2026-01-15T12:00:00Z"))), []);
}

fn any_name() -> impl Strategy<Value = ServiceName> {
    let odd =
        prop::sample::select(vec!["all", "true", "123", "1e3", "null", "0x1f", "y", "2026-01-15", "1.5"]);
    let plain = "[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?(\\.[a-z0-9]{1,4})?";
    prop_oneof![plain.prop_map(|text| name(&text)), odd.prop_map(name)]
}

fn any_hold() -> impl Strategy<Value = Hold> {
    let text = || {
        prop_oneof![
            "\\PC{1,60}",
            any::<String>(),
            "[ \"'\\\\:#{}\\[\\],&*!|>%@`${}\u{feff}\u{2028}\u{85}-]{1,20}"
        ]
    };
    let actor = text().prop_filter_map("no actor", |text| Actor::new(text).ok());
    let reason = text().prop_filter_map("no reason", |text| Reason::new(text).ok());
    let time = || (-1_000_000_i64..4_000_000_000).prop_map(|second| Timestamp::from_second(second).unwrap());
    let scope = prop_oneof![Just(Scope::All), any_name().prop_map(Scope::Service)];
    let times = (prop::option::of(time()), prop::option::of(time()));
    (scope, actor, reason, times).prop_map(|(scope, owner, reason, (since, until))| {
        let place = Place { line: 1, column: 1 };
        Hold { scope, owner, reason, since, until, place }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(all in prop::collection::vec(any_hold(), 1..6)) {
        let mut holds = Holds::default();
        all.into_iter().for_each(|hold| holds.put(hold));
        let text = holds.text().unwrap();
        let read = Holds::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        // But for where it stands.
        let plain = |holds: &Holds| -> Vec<Hold> {
            holds.iter().map(|hold| Hold { place: Place { line: 1, column: 1 }, ..hold.clone() }).collect()
        };
        prop_assert_eq!(plain(&holds), plain(&read));
        prop_assert_eq!(read.text().unwrap(), text.clone());
        // Another reader of YAML sees the same texts.
        let other: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
        for (index, hold) in holds.iter().enumerate() {
            prop_assert_eq!(other["holds"][index]["reason"].as_str(), Some(hold.reason.as_str()));
            if let Scope::Service(name) = &hold.scope {
                prop_assert_eq!(other["holds"][index]["service"].as_str(), Some(name.as_str()));
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Holds::parse(&text);
        let _ = Holds::read(&bytes);
        let _ = Holds::parse(&format!("holds:\n- {{service: a, owner: b, reason: {text}}}\n"));
    }
}
