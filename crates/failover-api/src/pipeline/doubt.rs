//! Pushes whose answer was lost.

use std::sync::Arc;

use failover_core::history::Event;
use failover_core::name::{CommitId, IdempotencyKey, OperationId};
use tokio::time::Instant;

use super::MoveError;
use crate::git::NewCommit;
use crate::operations::Tracked;
use crate::view::View;

/// A commit that was pushed without an answer.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    pub(super) tracked: Tracked,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) commit: Arc<NewCommit>,
    /// What is known.
    pub(super) why: String,
}

/// A move of which nobody knows whether it landed.
#[derive(Debug, Clone)]
pub struct InDoubt {
    /// The move.
    pub operation: OperationId,
    /// The commit that may be on the branch, now or later.
    pub commit: CommitId,
    /// What is known.
    pub detail: String,
}

/// What became of a push without an answer.
#[derive(Debug)]
pub(super) enum Settled {
    /// It was seen on the branch.
    Found(Box<Event>, Arc<View>),
    /// The branch took it when it was pushed again.
    Accepted(Instant),
    /// The branch moved on without it, and it can land no more.
    Dead,
    /// Nobody can say yet.
    InDoubt,
}

impl Doubt {
    pub(super) fn operation(&self) -> &OperationId {
        self.tracked.operation_id()
    }

    pub(super) fn error(&self) -> MoveError {
        MoveError::OutcomeUnknown {
            operation: self.operation().clone(),
            commit: self.commit.id().clone(),
            detail: self.why.clone(),
        }
    }
}
