//! What the pipeline knows, for whoever asks.

use std::sync::Arc;

use failover_core::code::{Code, Problem};
use failover_core::config::Config;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::MoveError;
use super::writer::Pipeline;
use crate::git::{Author, RemoteError, SigningError};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::operations::Journal;
use crate::source::ConfigState;
use crate::view::View;

impl Pipeline {
    /// The newest view; changes are announced.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Option<Arc<View>>> {
        self.view.subscribe()
    }

    /// Why the last look at the remote failed; `None` when it did not.
    #[must_use]
    pub fn failure(&self) -> Option<RemoteError> {
        self.failure.borrow().clone()
    }

    /// The same, as it changes: told of after each look.
    #[must_use]
    pub fn failures(&self) -> watch::Receiver<Option<RemoteError>> {
        self.failure.subscribe()
    }

    /// Why the credentials may be missing or out of date.
    #[must_use]
    pub fn credentials_problem(&self) -> Option<Problem> {
        self.settings.credentials.as_ref().and_then(|problem| problem.borrow().clone())
    }

    /// Why the last push was refused; `None` when it was not. A look cannot tell whether the next one will be.
    #[must_use]
    pub fn refusal(&self) -> Option<RemoteError> {
        self.refusal.borrow().clone()
    }

    /// Why the next commit could not be signed.
    #[must_use]
    pub fn signing_problem(&self) -> Option<SigningError> {
        self.settings.signer.as_ref().and_then(|signer| signer.check().err())
    }

    /// Who commits are made by.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.settings.author
    }

    /// A view older than this, in seconds, means that something is wrong: several looks in a row were missed.
    #[must_use]
    pub fn stale_seconds(&self) -> u64 {
        60 + 3 * self.settings.poll.as_secs()
    }

    /// Whether no more moves are taken.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Cancelled when no more moves are taken.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.observers.metrics
    }

    /// The moves of this process, step by step.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.observers.journal
    }

    /// Who is told at once that a commit landed.
    #[must_use]
    pub fn notifier(&self) -> &Notifier {
        &self.observers.notifier
    }

    /// The state of the config file.
    #[must_use]
    pub fn config(&self) -> ConfigState {
        self.config.borrow().clone()
    }

    /// Why there is no view.
    #[must_use]
    pub fn no_view(&self) -> MoveError {
        let state = self.config();
        if state.config.is_none() {
            let why =
                state.problem.map_or_else(|| "it is being read".to_owned(), |problem| problem.to_string());
            return MoveError::problem(
                Code::ConfigInvalid,
                format!("there is no valid config: {why}"),
                "repair the config file; it is read again by itself",
            );
        }
        // Without credentials the remote says no, and that is not the reason.
        if let Some(problem) = self.credentials_problem() {
            return MoveError::Problems(vec![problem]);
        }
        match self.failure() {
            Some(error) => MoveError::Remote(error),
            None => MoveError::problem(
                Code::ViewMissing,
                "the repository has not been read yet",
                "ask again in a few seconds",
            ),
        }
    }

    /// The config in force.
    #[must_use]
    pub fn current_config(&self) -> Option<Arc<Config>> {
        self.config.borrow().config.clone()
    }
}
