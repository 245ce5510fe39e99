//! What history says about commits that people made of ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use failover_core::history::{CommitRecord, Event, EventKind, events, find_key, find_operation, last_of};
use failover_core::name::{CommitId, IdempotencyKey, OperationId, Role, ServiceName};

const US: &str = "failover-api <failover-api@cluster.local>";
const ANNA: &str = "Anna <anna@example.org>";
const MOVE: &str = "Automated failover: sonarr to backup node\n\nReason: k3s-w1 is down\n\nTimestamp: 2026-01-15T14:32:15Z\nService: sonarr\nPVC: pvc-sonarr -> pvc-sonarr-backup\nNode: primary -> backup\nRole: backup\nRequested-By: alice\nIdempotency-Key: night-1\nOperation-Id: op-1\n";

fn id(number: usize) -> CommitId {
    CommitId::new(format!("{number:040x}")).unwrap()
}

/// Commits in the order they were made, numbered from 1; the answer is newest first.
fn history(messages: &[(&str, &str)]) -> Vec<Event> {
    let mut commits: Vec<CommitRecord> = messages
        .iter()
        .enumerate()
        .map(|(index, (committer, message))| CommitRecord {
            id: id(index + 1),
            parents: vec![id(index)],
            author: if message.starts_with("Automated") { US } else { committer }.to_owned(),
            committer: (*committer).to_owned(),
            time: "2026-01-15T14:32:15Z".parse().unwrap(),
            message: (*message).to_owned(),
        })
        .collect();
    commits.reverse();
    events(&commits)
}

fn revert_of(subject: &str, commit: usize) -> String {
    format!("Revert \"{subject}\"\n\nThis reverts commit {}.\n", id(commit))
}

#[test]
fn a_move_is_read_back_whole() {
    let events = history(&[(ANNA, "Update the README"), (US, MOVE)]);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (event.commit.clone(), event.kind.clone(), event.to),
        (id(2), EventKind::Move, Some(Role::Backup))
    );
    assert_eq!(event.reason.as_deref(), Some("k3s-w1 is down"));
    assert_eq!(event.requested_by.as_deref(), Some("alice"));
    assert_eq!(event.rewritten_by, None);
    assert!(find_operation(&events, &OperationId::new("op-1").unwrap()).is_some());
    assert!(find_operation(&events, &OperationId::new("op-2").unwrap()).is_none());
    assert!(find_key(&events, &IdempotencyKey::new("night-1").unwrap()).is_some());
}

#[test]
fn an_amended_move_stays_a_move_and_says_who_touched_it() {
    let more = format!("{MOVE}Signed-off-by: Anna\n\nA paragraph that Anna added.\n");
    let crlf = MOVE.replace('\n', "\r\n").replacen("sonarr to backup node", "Sonarr moved!", 1);
    for message in [more, crlf] {
        let events = history(&[(ANNA, &message)]);
        assert_eq!(events.len(), 1, "{message}");
        assert_eq!(events[0].kind, EventKind::Move);
        assert_eq!(events[0].to, Some(Role::Backup));
        assert_eq!(events[0].rewritten_by.as_deref(), Some(ANNA));
        assert_eq!(events[0].operation_id, OperationId::new("op-1").ok());
    }
}

#[test]
fn a_revert_is_a_revert_and_a_reverted_revert_is_one_too() {
    let first = revert_of("Automated failover: sonarr to backup node", 1);
    let second = revert_of("Revert \"Automated failover: sonarr to backup node\"", 2);
    let reapply = second.replacen("Revert \"Revert \"", "Reapply \"", 1).replacen("node\"\"", "node\"", 1);
    for again in [second, reapply] {
        let events = history(&[(US, MOVE), (ANNA, &first), (ANNA, &again)]);
        assert_eq!(events.len(), 3);
        assert_eq!(events[1].kind, EventKind::Revert { reverts: Some(id(1)) });
        assert_eq!((events[1].to, events[1].author.as_str()), (Some(Role::Primary), ANNA));
        assert_eq!(
            (events[0].kind.clone(), events[0].to),
            (EventKind::Revert { reverts: Some(id(2)) }, Some(Role::Backup))
        );
        assert_eq!(last_of(&events, &ServiceName::new("sonarr").unwrap()).unwrap().commit, id(3));
        // A revert is never taken for the move itself.
        assert_eq!(find_operation(&events, &OperationId::new("op-1").unwrap()).unwrap().commit, id(1));
    }
}

#[test]
fn a_revert_of_a_commit_out_of_sight_is_read_from_its_subject() {
    for (subject, to) in [
        ("Automated failover: sonarr to backup node", Role::Primary),
        ("Automated failover: sonarr, radarr to primary node", Role::Backup),
        ("Revert \"Automated failover: sonarr to backup node\"", Role::Backup),
    ] {
        let events = history(&[(ANNA, &revert_of(subject, 900))]);
        assert_eq!(events.len(), 1, "{subject}");
        assert_eq!(events[0].to, Some(to), "{subject}");
        assert_eq!(events[0].services[0].as_str(), "sonarr");
    }
    assert!(history(&[(ANNA, &revert_of("Update the README", 900))]).is_empty());
}

#[test]
fn a_picked_move_is_not_the_move_itself() {
    let picked = format!("{MOVE}\n(cherry picked from commit {})\n", id(900));
    let events = history(&[(ANNA, &picked)]);
    assert_eq!(events[0].kind, EventKind::CherryPick { of: id(900) });
    assert!(find_operation(&events, &OperationId::new("op-1").unwrap()).is_none());
}

#[test]
fn what_only_looks_like_ours_is_left_out() {
    for message in [
        "Automated failover: sonarr to backup node\n",
        "Talk about Operation-Id: op-1\n",
        "x\n\nOperation-Id: op-1\n",
        "x\n\nService: sonarr\n\nOperation-Id: op-1\n",
        "x\n\nService: sonarr\nOperation-Id: NOT VALID\n",
        "",
    ] {
        assert!(history(&[(ANNA, message)]).is_empty(), "{message}");
    }
}
