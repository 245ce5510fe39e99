//! What happened, read back from commit messages. There is no other record.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::intent::{Intent, Selection};
use crate::message::{self, Trailers};
use crate::name::{CommitId, IdempotencyKey, OperationId, Role, ServiceName};

/// A commit as Git has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRecord {
    /// Its id.
    pub id: CommitId,
    /// Its parents.
    pub parents: Vec<CommitId>,
    /// Author, as `Name <email>`.
    pub author: String,
    /// Committer, as `Name <email>`; another than the author when somebody amended, rebased or picked the commit.
    pub committer: String,
    /// When it was committed.
    pub time: Timestamp,
    /// The whole message.
    pub message: String,
}

/// What a commit did to services.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Event {
    /// The commit.
    pub commit: CommitId,
    /// When it was committed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub kind: EventKind,
    /// The services it moved.
    pub services: Vec<ServiceName>,
    /// Services that were asked for and were there already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub already_there: Vec<ServiceName>,
    /// Services that were asked for and could not be moved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<ServiceName>,
    /// How the services were chosen, when it was not by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Where it moved them; `None` when the commits it undoes are out of sight.
    pub to: Option<Role>,
    /// Why, as the caller said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// The move's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
    /// The caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// The commit's author.
    pub author: String,
    /// Who rewrote the commit after it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewritten_by: Option<String>,
}

/// What kind of commit touched a service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind {
    /// A move that was asked of this product.
    Move,
    /// A person undid a move with `git revert`; its `to` is where the services went back to.
    Revert {
        /// The commit that was undone, when the message names it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reverts: Option<CommitId>,
    },
    /// A person repeated a move with `git cherry-pick -x`.
    CherryPick {
        /// The commit that was repeated.
        of: CommitId,
    },
}

impl Event {
    /// Whether this is what `intent` asks for: the same services to the same role. One that left services behind is
    /// an answer only to those who allow that.
    #[must_use]
    pub fn answers(&self, intent: &Intent) -> bool {
        let same = match &intent.services {
            Selection::Named(names) => {
                let all = self.services.iter().chain(&self.already_there).chain(&self.refused);
                self.selection.is_none() && all.collect::<BTreeSet<_>>() == names.iter().collect()
            }
            chosen @ (Selection::OnNode(_) | Selection::All) => {
                self.selection.as_ref() == Some(&chosen.to_string())
            }
        };
        same && self.to.is_none_or(|to| to == intent.to) && (intent.partial || self.refused.is_empty())
    }
}

/// The events in `commits`, in their order (newest first).
#[must_use]
pub fn events(commits: &[CommitRecord]) -> Vec<Event> {
    let mut by_commit: HashMap<&CommitId, Event> = HashMap::new();
    for commit in commits.iter().rev() {
        if let Some(event) = read(commit, &by_commit) {
            by_commit.insert(&commit.id, event);
        }
    }
    commits.iter().filter_map(|commit| by_commit.remove(&commit.id)).collect()
}

/// The move with this operation id. A revert or a repeated move is not the move itself.
#[must_use]
pub fn find_operation<'a>(events: &'a [Event], id: &OperationId) -> Option<&'a Event> {
    events.iter().find(|event| event.kind == EventKind::Move && event.operation_id.as_ref() == Some(id))
}

/// The move that a caller asked for with this key.
#[must_use]
pub fn find_key<'a>(events: &'a [Event], key: &IdempotencyKey) -> Option<&'a Event> {
    events.iter().find(|event| event.kind == EventKind::Move && event.idempotency_key.as_ref() == Some(key))
}

/// The newest event of `service`.
#[must_use]
pub fn last_of<'a>(events: &'a [Event], service: &ServiceName) -> Option<&'a Event> {
    events.iter().find(|event| event.services.contains(service))
}

fn read(commit: &CommitRecord, older: &HashMap<&CommitId, Event>) -> Option<Event> {
    let subject = commit.message.lines().next().unwrap_or_default();
    let base = Event {
        commit: commit.id.clone(),
        time: commit.time,
        kind: EventKind::Move,
        services: Vec::new(),
        already_there: Vec::new(),
        refused: Vec::new(),
        selection: None,
        to: None,
        reason: None,
        requested_by: None,
        operation_id: None,
        idempotency_key: None,
        author: commit.author.clone(),
        rewritten_by: (commit.committer != commit.author).then(|| commit.committer.clone()),
    };
    if subject.starts_with("Revert \"") || subject.starts_with("Reapply \"") {
        return read_revert(commit, subject, base, older);
    }
    let trailers = Trailers::read(&commit.message)?;
    let kind = picked_from(&commit.message).map_or(EventKind::Move, |of| EventKind::CherryPick { of });
    Some(Event {
        kind,
        to: trailers.role.or_else(|| message::role_in_subject(subject)),
        services: trailers.services,
        already_there: trailers.already_there,
        refused: trailers.refused,
        selection: trailers.selection,
        reason: message::reason_in(&commit.message),
        requested_by: trailers.requested_by,
        operation_id: Some(trailers.operation_id),
        idempotency_key: trailers.idempotency_key,
        ..base
    })
}

fn read_revert(
    commit: &CommitRecord,
    subject: &str,
    base: Event,
    older: &HashMap<&CommitId, Event>,
) -> Option<Event> {
    let reverts = commit_after(&commit.message, "This reverts commit ");
    if let Some(undone) = reverts.as_ref().and_then(|id| older.get(id)) {
        let kind = EventKind::Revert { reverts: reverts.clone() };
        return Some(Event {
            kind,
            services: undone.services.clone(),
            to: undone.to.map(Role::other),
            ..base
        });
    }
    // The undone commit is out of sight: its subject is quoted in this one's, once for each revert.
    let quoted = subject.get(subject.find(message::SUBJECT)?..)?;
    let flips = subject.matches("Revert \"").count() + subject.matches("Revert \\\"").count();
    let to = message::role_in_subject(quoted.trim_end_matches(['"', '\\']));
    let to = if flips % 2 == 1 { to.map(Role::other) } else { to };
    Some(Event {
        kind: EventKind::Revert { reverts },
        services: message::services_in_subject(quoted),
        to,
        ..base
    })
}

fn picked_from(message: &str) -> Option<CommitId> {
    commit_after(message, "(cherry picked from commit ")
}

fn commit_after(message: &str, marker: &str) -> Option<CommitId> {
    let rest = message.lines().find_map(|line| line.trim().strip_prefix(marker))?;
    CommitId::new(rest.split(|c: char| !c.is_ascii_hexdigit()).next()?).ok()
}
