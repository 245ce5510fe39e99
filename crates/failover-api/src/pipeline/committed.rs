//! The proof that a move is on the remote branch.

use failover_core::history::Event;
use failover_core::name::{CommitId, OperationId};

/// The remote branch holds this commit. Only an accepted push, or a look at the remote, can make one, and nothing
/// else may be reported as success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    commit: CommitId,
    operation: OperationId,
}

impl Committed {
    /// The server reported that the branch moved to `commit`.
    pub(super) fn accepted(commit: CommitId, operation: OperationId) -> Self {
        Self { commit, operation }
    }

    /// `event` was read from the remote branch.
    pub(super) fn found(event: &Event) -> Option<Self> {
        Some(Self { commit: event.commit.clone(), operation: event.operation_id.clone()? })
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// The move's id, as the commit's trailer has it.
    #[must_use]
    pub fn operation(&self) -> &OperationId {
        &self.operation
    }
}
