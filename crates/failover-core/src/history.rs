//! What happened, read back from commit messages. There is no other record.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::holding::{End, HoldIntent, HoldTrailers, Scopes, Verb, Wanted};
use crate::intent::{Intent, Selection};
use crate::message::{self, Trailers};
use crate::name::{CommitId, IdempotencyKey, OperationId, Role, ServiceName};
use crate::restraint::{Failover, Failovers, LastMove};

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
    /// The services that it moved, held or released; none where it was about every service.
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
    /// Where it moved them; `None` when the commits it undoes are out of sight, and of a hold or a release.
    pub to: Option<Role>,
    /// Until when it holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// For how long it holds them, when it was asked for so.
    #[serde(skip)]
    pub length: Option<Duration>,
    /// When the move was planned, by the clock of whoever made it.
    #[serde(skip)]
    pub planned: Option<Timestamp>,
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
    /// Services are held where they are.
    Hold,
    /// Services are held no more.
    Release,
}

impl EventKind {
    /// Whether it says where services are.
    #[must_use]
    pub fn is_move(&self) -> bool {
        match self {
            Self::Move | Self::Revert { .. } | Self::CherryPick { .. } => true,
            Self::Hold | Self::Release => false,
        }
    }

    /// Whether it is the work of this program, as it was asked for.
    fn is_own(&self) -> bool {
        match self {
            Self::Move | Self::Hold | Self::Release => true,
            Self::Revert { .. } | Self::CherryPick { .. } => false,
        }
    }
}

impl From<Verb> for EventKind {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Hold => Self::Hold,
            Verb::Release => Self::Release,
        }
    }
}

impl Event {
    /// Whether this is what `intent` asks for: the same services to the same role. One that left services behind is
    /// an answer only to those who allow that.
    #[must_use]
    pub fn answers(&self, intent: &Intent) -> bool {
        if !self.kind.is_move() {
            return false;
        }
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

    /// Whether this is what `intent` asks for: the same of the same services, for the same reason, with the same end. A hold
    /// that is asked for by its length ends at another time with each repetition; then the length counts.
    #[must_use]
    pub fn answers_hold(&self, intent: &HoldIntent) -> bool {
        let same = match &intent.scopes {
            Scopes::All => self.selection.as_deref() == Some(EVERY),
            Scopes::Named(names) => {
                let all = self.services.iter().chain(&self.already_there);
                self.selection.is_none() && all.collect::<BTreeSet<_>>() == names.iter().collect()
            }
        };
        let same_end = match &intent.wanted {
            Wanted::Release { .. } => true,
            Wanted::Hold { end: End::For { length, .. }, .. } => self.length == Some(*length),
            Wanted::Hold { end: end @ (End::Released | End::Until(_)), .. } => {
                self.length.is_none() && self.until == end.until()
            }
        };
        // As it is read back from a commit.
        let reason = intent.reason().map(|reason| reason.as_str().trim());
        same && same_end && self.reason.as_deref() == reason && self.kind == EventKind::from(intent.verb())
    }

    /// Whether it is about `service`, by its name or with every other.
    #[must_use]
    pub fn concerns(&self, service: &ServiceName) -> bool {
        let every = !self.kind.is_move() && self.selection.as_deref() == Some(EVERY);
        every || self.services.contains(service)
    }
}

/// A hold or a release that is about every service.
const EVERY: &str = "all";

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

/// The move, hold or release with this operation id. A revert or a repeated move is not the move itself.
#[must_use]
pub fn find_operation<'a>(events: &'a [Event], id: &OperationId) -> Option<&'a Event> {
    events.iter().find(|event| event.kind.is_own() && event.operation_id.as_ref() == Some(id))
}

/// The move, hold or release that a caller asked for with this key.
#[must_use]
pub fn find_key<'a>(events: &'a [Event], key: &IdempotencyKey) -> Option<&'a Event> {
    events.iter().find(|event| event.kind.is_own() && event.idempotency_key.as_ref() == Some(key))
}

/// The newest event that moved `service`.
#[must_use]
pub fn last_of<'a>(events: &'a [Event], service: &ServiceName) -> Option<&'a Event> {
    events.iter().find(|event| event.kind.is_move() && event.services.contains(service))
}

/// The newest event that moved each service, by its name.
#[must_use]
pub fn last_moves(events: &[Event]) -> BTreeMap<ServiceName, LastMove> {
    let mut newest = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind.is_move()) {
        for service in &event.services {
            let last = || LastMove { commit: event.commit.clone(), at: event.time };
            newest.entry(service.clone()).or_insert_with(last);
        }
    }
    newest
}

/// When services were failed over, read from the `events` in `commits`, newest first.
///
/// Only moves that were asked of this program count, not what people made of them, and not the way back.
#[must_use]
pub fn failovers(commits: &[CommitRecord], events: &[Event]) -> Failovers {
    let mut newest = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == EventKind::Move && event.to == Some(Role::Backup))
    {
        for service in &event.services {
            let failover =
                || Failover { commit: event.commit.clone(), at: event.planned.unwrap_or(event.time) };
            newest.entry(service.clone()).or_insert_with(failover);
        }
    }
    let known: HashSet<&CommitId> = commits.iter().map(|commit| &commit.id).collect();
    let is_cut = |commit: &&CommitRecord| commit.parents.iter().any(|parent| !known.contains(parent));
    let reach = commits.iter().filter(is_cut).map(|commit| commit.time).max();
    Failovers { newest, reach }
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
        until: None,
        length: None,
        planned: None,
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
    if let Some(trailers) = HoldTrailers::read(&commit.message) {
        return Some(held(trailers, base));
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
        planned: trailers.timestamp,
        ..base
    })
}

fn held(trailers: HoldTrailers, base: Event) -> Event {
    let (services, selection) = match trailers.scopes {
        Scopes::All => (Vec::new(), Some(EVERY.to_owned())),
        Scopes::Named(names) => {
            (names.into_iter().filter(|name| !trailers.already_there.contains(name)).collect(), None)
        }
    };
    Event {
        kind: trailers.verb.into(),
        services,
        selection,
        already_there: trailers.already_there.into_iter().collect(),
        until: trailers.until,
        length: trailers.length,
        reason: trailers.reason,
        requested_by: trailers.requested_by,
        operation_id: Some(trailers.operation_id),
        idempotency_key: trailers.idempotency_key,
        ..base
    }
}

fn read_revert(
    commit: &CommitRecord,
    subject: &str,
    base: Event,
    older: &HashMap<&CommitId, Event>,
) -> Option<Event> {
    let reverts = commit_after(&commit.message, "This reverts commit ");
    if let Some(undone) = reverts.as_ref().and_then(|id| older.get(id)) {
        let undoes = match undone.kind {
            EventKind::Hold => Some(Verb::Release),
            EventKind::Release => Some(Verb::Hold),
            EventKind::Move | EventKind::Revert { .. } | EventKind::CherryPick { .. } => None,
        };
        if let Some(verb) = undoes {
            let (services, selection) = (undone.services.clone(), undone.selection.clone());
            return Some(Event { kind: verb.into(), services, selection, ..base });
        }
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
