//! Everybody who is told something, of both kinds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use failover_core::code::{Class, Code};
use failover_core::config::{Config, Notification};
use failover_core::name::{CommitId, ObjectName, Revision, Role, ServiceName};
use failover_core::notice::{Event, LeftBehind, Notice};
use tokio::time::Instant;

use super::engine::{Engine, Failing};
use super::listed::ListProblem;
use super::listener::Listener;
use super::messenger::{Message, Messenger};
use super::receiver::{Landed, Receiver};
use super::repeats::Repeats;
use crate::clock;
use crate::metrics::Metrics;
use crate::operations::Tracked;

/// The files that say who is told.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Receivers.
    pub receivers: Option<PathBuf>,
    /// Notifications.
    pub notifications: Option<PathBuf>,
}

/// How a list is.
#[derive(Debug, Clone)]
pub struct ListState {
    /// How many are in force.
    pub count: usize,
    /// Why its file as it is now is not in force.
    pub problem: Option<ListProblem>,
    /// Those that cannot be told, or were not told the newest.
    pub failing: Vec<Failing>,
}

/// See the module.
#[derive(Debug)]
pub struct Notifier {
    receivers: Arc<Engine<Receiver>>,
    messengers: Arc<Engine<Messenger>>,
    repeats: Repeats,
}

impl Notifier {
    /// Tells those that the files name, as they are at any time; nobody without any.
    #[must_use]
    pub fn start(lists: Lists, metrics: &Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            receivers: Engine::start(lists.receivers, Arc::clone(metrics)),
            messengers: Engine::start(lists.notifications, Arc::clone(metrics)),
            repeats: Repeats::default(),
        })
    }

    /// How the receivers are.
    #[must_use]
    pub fn receivers(&self) -> ListState {
        state(&self.receivers)
    }

    /// How the notifications are.
    #[must_use]
    pub fn notifications(&self) -> ListState {
        state(&self.messengers)
    }

    /// Services that notifications name and this config does not have, each with the notification.
    #[must_use]
    pub fn strangers(&self, config: &Config) -> Vec<(ObjectName, ServiceName)> {
        let state = self.messengers.state();
        let named = state.listeners.iter().flat_map(|messenger| {
            let Notification { name, services, .. } = &messenger.notification;
            services.iter().flatten().map(move |service| (name.clone(), service.clone()))
        });
        named.filter(|(_, service)| config.get(service).is_none()).collect()
    }

    /// Begins to tell everybody that the branch holds the move's commit, and returns at once. A hold or a release moves
    /// nothing, and nobody is told of it.
    pub fn landed(&self, tracked: &Tracked, revision: &Revision, link: Option<String>) {
        let Some(to) = tracked.to() else { return };
        let news =
            Landed { services: tracked.services(), tracked: tracked.clone(), revision: revision.clone() };
        self.receivers.tell(news, |_| true);
        self.repeats.forget(tracked.asked_for(), to);
        let notice = Notice {
            left_behind: tracked.left_behind(),
            commit: Some(revision.commit.clone()),
            revision: Some(revision.clone()),
            link,
            ..of(Event::Moved, tracked, to)
        };
        self.send(notice, Some(tracked));
    }

    /// Begins to tell that a move did not happen, if that is news for more than the caller. One without a code is one
    /// that was told to be in doubt, and then it always is.
    pub fn refused(&self, tracked: &Tracked, code: Option<Code>, detail: &str, hint: Option<&str>) {
        let Some(to) = tracked.to() else { return };
        let is_news =
            |code| matters(code) && self.repeats.is_new(tracked.asked_for(), to, code, Instant::now());
        if !code.is_none_or(is_news) {
            return;
        }
        let notice = Notice {
            code,
            detail: Some(detail.to_owned()),
            hint: hint.map(str::to_owned),
            ..of(Event::Refused, tracked, to)
        };
        self.send(notice, Some(tracked));
    }

    /// Begins to tell that nobody knows whether a move's commit landed.
    pub fn in_doubt(&self, tracked: &Tracked, commit: Option<&CommitId>, detail: &str) {
        let Some(to) = tracked.to() else { return };
        let hint = "look for the operation in GET /api/history; never assume that nothing happened";
        let notice = Notice {
            commit: commit.cloned(),
            code: Some(Code::OutcomeUnknown),
            detail: Some(detail.to_owned()),
            hint: Some(hint.to_owned()),
            ..of(Event::OutcomeUnknown, tracked, to)
        };
        self.send(notice, Some(tracked));
    }

    /// Begins to tell what happened to the config, or to the view of the repository.
    pub fn server(&self, event: Event, why: Option<(Code, String, &str)>) {
        let mut notice = Notice::new(event, clock::now());
        if let Some((code, detail, hint)) = why {
            (notice.code, notice.detail, notice.hint) = (Some(code), Some(detail), Some(hint.to_owned()));
        }
        self.send(notice, None);
    }

    fn send(&self, notice: Notice, tracked: Option<&Tracked>) {
        let message = Message { notice: notice.clone(), tracked: tracked.cloned() };
        self.messengers.tell(message, |messenger| messenger.notification.wants(&notice));
    }

    /// Lets requests that are under way end, and makes none again.
    pub async fn shut_down(&self, limit: Duration) {
        tokio::join!(self.receivers.shut_down(limit), self.messengers.shut_down(limit));
    }
}

fn state<L: Listener>(engine: &Engine<L>) -> ListState {
    let state = engine.state();
    ListState { count: state.listeners.len(), problem: state.problem, failing: engine.failing() }
}

fn of(event: Event, tracked: &Tracked, to: Role) -> Notice {
    Notice {
        services: tracked.services(),
        to: Some(to),
        reason: tracked.reason().cloned(),
        requested_by: tracked.requested_by().cloned(),
        operation_id: Some(tracked.operation_id().clone()),
        ..Notice::new(event, clock::now())
    }
}

/// Whether a move that ended with this code is news for more than its caller: what a check decided, what is wrong with the
/// repository's files, and what the world said. What the caller alone can put right is not, nor what passes by itself.
fn matters(code: Code) -> bool {
    match code.class() {
        Class::Refusal => code != Code::ExpectationFailed,
        Class::Problem => {
            code.http_status() == 422 && !matches!(code, Code::NothingSelected | Code::IdempotencyKeyReused)
        }
        Class::Failure => !matches!(
            code,
            Code::Busy
                | Code::RateLimited
                | Code::ShuttingDown
                | Code::AuthenticationUnavailable
                | Code::TooManyStreams
        ),
    }
}

/// What a partial batch leaves behind, as messages name it.
#[must_use]
pub fn left_behind(refused: &[failover_core::change::Refused]) -> Vec<LeftBehind> {
    refused.iter().map(|one| LeftBehind { service: one.service.clone(), code: one.code() }).collect()
}
