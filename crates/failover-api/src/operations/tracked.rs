//! A move while it happens: each step stands in the journal and in the log, with the same ids.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::{Actor, OperationId, Reason, Role, ServiceName};
use failover_core::notice::LeftBehind;

use super::journal::Journal;
use super::model::{Operation, State, Step};
use crate::clock;
use crate::metrics::Verb;

/// A move that is followed. Remembered from its first step on: one that has nothing to do leaves no trace.
#[derive(Debug, Clone)]
pub struct Tracked {
    journal: Arc<Journal>,
    first: Arc<Operation>,
    /// What the newest plan moves.
    planned: Arc<Mutex<Planned>>,
}

/// What a plan moves, and what it should have moved but cannot.
#[derive(Debug, Default)]
struct Planned {
    services: Vec<ServiceName>,
    left_behind: Vec<LeftBehind>,
}

impl Tracked {
    /// Follows what was just asked for.
    #[must_use]
    pub fn new(journal: Arc<Journal>, first: Operation) -> Self {
        let first = Arc::new(first);
        let planned = Planned { services: first.services.clone(), left_behind: Vec::new() };
        Self { journal, first, planned: Arc::new(Mutex::new(planned)) }
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
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).services.clone()
    }

    /// Services that it should have moved too, but cannot.
    #[must_use]
    pub fn left_behind(&self) -> Vec<LeftBehind> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).left_behind.clone()
    }

    /// What was asked for: the names, or how services were chosen otherwise.
    #[must_use]
    pub fn asked_for(&self) -> String {
        let named = || self.first.services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(",");
        self.first.selection.clone().unwrap_or_else(named)
    }

    /// Why, in the words of whoever asked.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.first.reason.as_ref()
    }

    /// Who asked.
    #[must_use]
    pub fn requested_by(&self) -> Option<&Actor> {
        self.first.requested_by.as_ref()
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
    pub fn planned(&self, services: Vec<ServiceName>, left_behind: Vec<LeftBehind>, step: Step) {
        self.log(&step);
        let planned = Planned { services: services.clone(), left_behind };
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = planned;
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

    /// Takes down how somebody is told of it, which may be long after it was forgotten here.
    pub fn told(&self, step: Step) {
        self.log(&step);
        if self.journal.get(self.operation_id()).is_some() {
            self.journal.change(&self.first, |operation| operation.take(step, clock::exact_now()));
        }
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
            Step::Notified { notification, outcome: outcome @ "told", tries, detail, milliseconds } => {
                tracing::info!(operation_id, request_id, step = "notified", %notification, outcome, tries, detail, milliseconds, "notification sent");
            }
            Step::Notified { notification, outcome, tries, detail, milliseconds } => {
                tracing::warn!(operation_id, request_id, step = "notified", %notification, outcome, tries, detail, milliseconds, "notification not sent");
            }
        }
    }
}

/// A duration as steps and logs have it.
#[must_use]
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
