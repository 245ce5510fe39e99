//! A move and what has been done for it so far.

use failover_core::code::Code;
use failover_core::holding::{HoldIntent, Scopes, Verb};
use failover_core::intent::{Intent, Selection};
use failover_core::name::{
    Actor, CommitId, IdempotencyKey, ObjectName, OperationId, Reason, RepoPath, Revision, Role, ServiceName,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::metrics;

/// More steps than this are counted but not kept: a branch that is never at rest can cost a move many pushes.
pub(super) const MAX_STEPS: usize = 100;

/// A move.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Operation {
    /// Its id, as the commit's trailer has it.
    pub operation_id: OperationId,
    /// The request that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What it does.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// The services that it moves, holds or releases. Until it is planned those that were named, and none where they were chosen otherwise.
    pub services: Vec<ServiceName>,
    /// How they were chosen, where they were not named: `all`, or `from_node_label=` and the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Where it moves them; not of a hold or a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Role>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Actor>,
    /// The caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// When it was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started: Timestamp,
    /// When the newest step was taken.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated: Timestamp,
    /// The commit that was pushed last, or that is on the branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The same in words, or what is known of a push in doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What has been done, in order. Telling a receiver, or sending a message, is one step, which is brought up to date.
    pub steps: Vec<Taken>,
    /// Steps that were taken but are not in `steps`.
    #[serde(skip_serializing_if = "is_zero")]
    pub steps_left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It moves services.
    Move,
    /// It holds services where they are.
    Hold,
    /// It releases services that are held.
    Release,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being planned, committed or pushed.
    UnderWay,
    /// The remote branch holds its commit.
    Committed,
    /// Nobody knows yet whether its commit landed.
    InDoubt,
    /// Nothing of it is on the branch.
    Failed,
    /// Somebody else brought the services there first; nothing of it is on the branch.
    Unchanged,
}

impl State {
    /// Whether nothing more is going to happen to the commit.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Committed | Self::Failed | Self::Unchanged)
    }
}

/// A step and when it was taken.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Taken {
    /// When it ended.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// What it was.
    #[serde(flatten)]
    pub step: Step,
}

/// What is done for a move. Later versions know more steps.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// What changes was decided.
    Planned {
        /// The commit that it changes.
        base: Revision,
        /// The files.
        files: Vec<RepoPath>,
        /// How long it took.
        milliseconds: u64,
    },
    /// The commit was made; nobody but this process has it.
    Committed {
        /// The commit.
        commit: CommitId,
        /// Its parent.
        parent: CommitId,
        /// How long it took.
        milliseconds: u64,
    },
    /// It was pushed.
    Pushed {
        /// The commit.
        commit: CommitId,
        /// `accepted`, `lost-race`, `refused`, `failed` or `unknown`.
        outcome: &'static str,
        /// What the remote said, where it did not simply take it.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
        /// How long it took.
        milliseconds: u64,
    },
    /// What became of a push without an answer is known.
    Settled {
        /// The commit.
        commit: CommitId,
        /// `landed`, `never-landed` or `given-up`.
        outcome: &'static str,
    },
    /// A receiver was told that the commit landed.
    Told {
        /// The receiver's name.
        receiver: ObjectName,
        /// `told`, `retrying`, `failed` or `superseded`.
        outcome: &'static str,
        /// How many requests were made.
        tries: u32,
        /// Why it is not told yet, or never will be.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
        /// Since the commit landed.
        milliseconds: u64,
    },
    /// A message about it was sent.
    Notified {
        /// The notification's name.
        notification: ObjectName,
        /// `told`, `retrying`, `failed` or `dropped`.
        outcome: &'static str,
        /// How many requests were made.
        tries: u32,
        /// Why it is not told yet, or never will be.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
        /// Since there was something to tell.
        milliseconds: u64,
    },
}

impl Operation {
    /// A move that was just asked for.
    #[must_use]
    pub fn new(intent: &Intent, request_id: Option<String>, now: Timestamp) -> Self {
        let (services, selection) = match &intent.services {
            Selection::Named(names) => (names.iter().cloned().collect(), None),
            chosen @ (Selection::OnNode(_) | Selection::All) => (Vec::new(), Some(chosen.to_string())),
        };
        Self {
            operation_id: intent.operation.clone(),
            request_id,
            kind: Kind::Move,
            state: State::UnderWay,
            services,
            selection,
            to: Some(intent.to),
            reason: intent.reason.clone(),
            requested_by: intent.requested_by.clone(),
            idempotency_key: intent.idempotency_key.clone(),
            started: now,
            updated: now,
            commit: None,
            code: None,
            detail: None,
            steps: Vec::new(),
            steps_left_out: 0,
        }
    }

    /// A hold or release that was just asked for.
    #[must_use]
    pub fn of_hold(intent: &HoldIntent, request_id: Option<String>, now: Timestamp) -> Self {
        let (services, selection) = match &intent.scopes {
            Scopes::Named(names) => (names.iter().cloned().collect(), None),
            Scopes::All => (Vec::new(), Some("all".to_owned())),
        };
        Self {
            operation_id: intent.operation.clone(),
            request_id,
            kind: match intent.verb() {
                Verb::Hold => Kind::Hold,
                Verb::Release => Kind::Release,
            },
            state: State::UnderWay,
            services,
            selection,
            to: None,
            reason: intent.reason().cloned(),
            requested_by: Some(intent.requested_by.clone()),
            idempotency_key: intent.idempotency_key.clone(),
            started: now,
            updated: now,
            commit: None,
            code: None,
            detail: None,
            steps: Vec::new(),
            steps_left_out: 0,
        }
    }

    /// What was asked for, as metrics name it.
    #[must_use]
    pub fn verb(&self) -> metrics::Verb {
        match (self.kind, self.to) {
            (Kind::Hold, _) => metrics::Verb::Hold,
            (Kind::Release, _) => metrics::Verb::Release,
            (Kind::Move, Some(Role::Primary)) => metrics::Verb::Demote,
            (Kind::Move, _) => metrics::Verb::Promote,
        }
    }

    /// Takes a step down.
    pub(super) fn take(&mut self, step: Step, now: Timestamp) {
        self.updated = now;
        match &step {
            Step::Committed { commit, .. } | Step::Pushed { commit, .. } | Step::Settled { commit, .. } => {
                self.commit = Some(commit.clone());
            }
            Step::Planned { .. } | Step::Told { .. } | Step::Notified { .. } => {}
        }
        let same = |taken: &&mut Taken| match (&taken.step, &step) {
            (Step::Told { receiver: known, .. }, Step::Told { receiver, .. }) => known == receiver,
            (Step::Notified { notification: known, outcome, .. }, Step::Notified { notification, .. }) => {
                known == notification && *outcome == "retrying"
            }
            _ => false,
        };
        if let Some(known) = self.steps.iter_mut().find(same) {
            *known = Taken { time: now, step };
        } else if self.steps.len() < MAX_STEPS
            || matches!(step, Step::Told { .. } | Step::Notified { .. } | Step::Settled { .. })
        {
            self.steps.push(Taken { time: now, step });
        } else {
            self.steps_left_out += 1;
        }
    }
}
