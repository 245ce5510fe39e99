//! A move while it happens: each step stands in the journal and in the log, with the same ids.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::{OperationId, Role, ServiceName};

use super::journal::Journal;
use super::model::{Operation, State, Step};
use crate::clock;
use crate::metrics::Verb;

/// A move that is followed. Remembered from its first step on: one that has nothing to do leaves no trace.
#[derive(Debug, Clone)]
pub struct Tracked {
    journal: Arc<Journal>,
    first: Arc<Operation>,
    /// The services that the newest plan moves.
    services: Arc<Mutex<Vec<ServiceName>>>,
}

impl Tracked {
    /// Follows what was just asked for.
    #[must_use]
    pub fn new(journal: Arc<Journal>, first: Operation) -> Self {
        let first = Arc::new(first);
        let services = Arc::new(Mutex::new(first.services.clone()));
        Self { journal, first, services }
    }

    /// Its id.
    #[must_use]
    pub fn operation_id(&self) -> &OperationId {
        &self.first.operation_id
    }

    /// The request that asked for it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.first.request_id.as_deref()
    }

    /// The services it moves.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceName> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where it moves them; nowhere if it holds or releases them.
    #[must_use]
    pub fn to(&self) -> Option<Role> {
        self.first.to
    }

    /// What was asked for, as metrics name it.
    #[must_use]
    pub fn verb(&self) -> Verb {
        self.first.verb()
    }

    /// It is decided which services move.
    pub fn planned(&self, services: Vec<ServiceName>, step: Step) {
        self.log(&step);
        self.services.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&services);
        self.journal.change(&self.first, |operation| {
            operation.services = services;
            operation.take(step, clock::exact_now());
        });
    }

    /// Takes a step down.
    pub fn step(&self, step: Step) {
        self.log(&step);
        self.journal.change(&self.first, |operation| operation.take(step, clock::exact_now()));
    }

    /// The remote branch holds its commit.
    pub fn landed(&self) {
        self.journal.change(&self.first, |operation| {
            (operation.state, operation.code, operation.detail) = (State::Committed, None, None);
            operation.updated = clock::exact_now();
        });
    }

    /// Nobody knows yet whether its commit landed.
    pub fn in_doubt(&self, detail: &str) {
        self.end(State::InDoubt, Some(Code::OutcomeUnknown), detail);
    }

    /// Nothing of it is on the branch.
    pub fn failed(&self, code: Option<Code>, detail: &str) {
        self.end(State::Failed, code, detail);
    }

    /// It had nothing left to do; noted only of a move that has begun.
    pub fn unchanged(&self) {
        if self.journal.get(self.operation_id()).is_some() {
            self.end(State::Unchanged, None, "the services were there already");
        }
    }

    fn end(&self, state: State, code: Option<Code>, detail: &str) {
        self.journal.change(&self.first, |operation| {
            (operation.state, operation.code) = (state, code);
            operation.detail = Some(detail.to_owned());
            operation.updated = clock::exact_now();
        });
    }

    fn log(&self, step: &Step) {
        let operation_id = self.operation_id().as_str();
        let request_id = self.request_id();
        match step {
            Step::Planned { base, files, milliseconds } => {
                let files = files.len();
                tracing::info!(operation_id, request_id, step = "planned", %base, files, milliseconds, "move planned");
            }
            Step::Committed { commit, parent, milliseconds } => {
                tracing::info!(operation_id, request_id, step = "committed", %commit, %parent, milliseconds, "commit made");
            }
            Step::Pushed { commit, outcome, detail, milliseconds } => {
                tracing::info!(operation_id, request_id, step = "pushed", %commit, outcome, detail, milliseconds, "push ended");
            }
            Step::Settled { commit, outcome: outcome @ "given-up" } => {
                tracing::error!(operation_id, request_id, step = "settled", %commit, outcome, "a push without an answer was never settled; look into the branch");
            }
            Step::Settled { commit, outcome } => {
                tracing::info!(operation_id, request_id, step = "settled", %commit, outcome, "a push without an answer was settled");
            }
            Step::Told { receiver, outcome: outcome @ "told", tries, detail, milliseconds } => {
                tracing::info!(operation_id, request_id, step = "told", %receiver, outcome, tries, detail, milliseconds, "receiver told");
            }
            Step::Told { receiver, outcome: outcome @ "superseded", tries, detail, milliseconds } => {
                tracing::info!(operation_id, request_id, step = "told", %receiver, outcome, tries, detail, milliseconds, "receiver is told of a newer commit");
            }
            Step::Told { receiver, outcome, tries, detail, milliseconds } => {
                tracing::warn!(operation_id, request_id, step = "told", %receiver, outcome, tries, detail, milliseconds, "receiver not told");
            }
        }
    }
}

/// A duration as steps and logs have it.
#[must_use]
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
