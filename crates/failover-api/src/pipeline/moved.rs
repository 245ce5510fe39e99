//! What became of a request, and computations on threads of their own.

use std::sync::Arc;

use failover_core::code::Code;
use failover_core::history::Event;
use failover_core::plan::Plan;

use super::{Committed, MoveError};
use crate::view::View;

/// What was wanted is done, or was done already.
#[derive(Debug, Clone)]
pub enum Moved<P = Plan> {
    /// This call made the commit, or an earlier call with the same key did.
    Changed {
        /// The proof.
        committed: Committed,
        /// The plan that was carried out; `None` for a repeated call, whose answer is read from history.
        plan: Option<Box<P>>,
        /// What history says of it, when it was read from there.
        event: Option<Box<Event>>,
        /// The view that holds the commit; `None` when it could not be read after the push.
        view: Option<Arc<View>>,
    },
    /// Everything was where it should be, on a tip seen after the call began.
    Unchanged {
        /// The empty plan.
        plan: Box<P>,
        /// The newest event that brought a service there.
        done_by: Option<Box<Event>>,
        /// The view.
        view: Arc<View>,
    },
}

impl<P> Moved<P> {
    pub(super) fn with_plan(self, plan: Box<P>) -> Self {
        match self {
            Self::Changed { committed, view, .. } => {
                Self::Changed { committed, plan: Some(plan), event: None, view }
            }
            Self::Unchanged { .. } => self,
        }
    }
}

/// Runs a computation on a thread of its own, so that it can take its time and even fail abnormally.
///
/// # Errors
/// It failed abnormally.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, MoveError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a computation ended abnormally");
        MoveError::problem(
            Code::Internal,
            "a computation ended abnormally",
            "read the server's log and report the defect",
        )
    })
}
