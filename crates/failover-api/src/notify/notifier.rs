//! Commits that landed, on their way to the receivers: the newest one for each, and no receiver waits for another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::name::{ObjectName, Revision, Role, ServiceName};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::delivery::News;
use super::source::{self, ReceiversState};
use crate::metrics::{Delivery, Metrics};
use crate::operations::{Step, Tracked, milliseconds};

/// See the module.
#[derive(Debug)]
pub struct Notifier {
    pub(super) metrics: Arc<Metrics>,
    state: watch::Receiver<ReceiversState>,
    /// One for each receiver that is being told.
    slots: Mutex<BTreeMap<ObjectName, Slot>>,
    /// Why the last commit could not be told.
    failing: Mutex<BTreeMap<ObjectName, String>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What is told to a receiver next.
#[derive(Debug, Default)]
struct Slot {
    waiting: Option<Arc<Landed>>,
    newer: Arc<Notify>,
}

/// A commit of ours that the branch holds.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) tracked: Tracked,
    to: Role,
    services: Vec<ServiceName>,
    revision: String,
    commit: String,
    pub(super) at: Instant,
}

/// A receiver that could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Its name.
    pub receiver: ObjectName,
    /// Why.
    pub detail: String,
}

impl Landed {
    pub(super) fn news(&self) -> News<'_> {
        News {
            revision: &self.revision,
            commit: &self.commit,
            services: &self.services,
            to: self.to,
            operation: self.tracked.operation_id(),
        }
    }
}

impl Notifier {
    /// Tells those that the file names, as it is at any time; nobody without one.
    #[must_use]
    pub fn start(file: Option<PathBuf>, metrics: Arc<Metrics>) -> Arc<Self> {
        let state = match file {
            Some(file) => source::watch(file, Arc::clone(&metrics)),
            None => watch::channel(ReceiversState::default()).1,
        };
        Arc::new(Self {
            metrics,
            state,
            slots: Mutex::default(),
            failing: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// The receivers file as it is.
    #[must_use]
    pub fn state(&self) -> ReceiversState {
        self.state.borrow().clone()
    }

    /// The receivers that cannot be told, or were not told of the last commit.
    #[must_use]
    pub fn failing(&self) -> Vec<Failing> {
        let failed = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let why = |(receiver, way): (&ObjectName, Option<&String>)| {
            let detail = way.or_else(|| failed.get(receiver))?.clone();
            Some(Failing { receiver: receiver.clone(), detail })
        };
        let targets = self.state().targets;
        targets.iter().filter_map(|target| why((&target.name, target.way.as_ref().err()))).collect()
    }

    /// Begins to tell all receivers that the branch is at `revision`, and returns at once. A hold or a release changes
    /// nothing in the cluster, and they are not told of it.
    pub fn tell(self: &Arc<Self>, tracked: &Tracked, revision: &Revision) {
        let Some(to) = tracked.to() else { return };
        let landed = Arc::new(Landed {
            services: tracked.services(),
            tracked: tracked.clone(),
            to,
            revision: revision.to_string(),
            commit: revision.commit.to_string(),
            at: Instant::now(),
        });
        for target in self.state().targets.iter() {
            let name = &target.name;
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let works = slots.contains_key(name);
            let slot = slots.entry(name.clone()).or_default();
            let older = slot.waiting.replace(Arc::clone(&landed));
            slot.newer.notify_one();
            drop(slots);
            if let Some(older) = older {
                self.done(name, &older, Delivery::Superseded, 0, String::new());
            }
            if !works {
                self.tasks.spawn(Arc::clone(self).work(name.clone()));
            }
        }
    }

    /// What is to be told next. The task that asks ends when there is nothing, and then another may begin.
    pub(super) fn next(&self, name: &ObjectName) -> Option<Arc<Landed>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = slots.get_mut(name).and_then(|slot| slot.waiting.take());
        if waiting.is_none() {
            slots.remove(name);
        }
        waiting
    }

    /// Whether something newer waits.
    pub(super) fn waits(&self, name: &ObjectName) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(name).is_some_and(|slot| slot.waiting.is_some())
    }

    /// Returns when something newer waits.
    pub(super) async fn newer(&self, name: &ObjectName) {
        while !self.waits(name) {
            // What came between the two looks has left its mark there.
            let Some(newer) = self.mark(name) else { return };
            newer.notified().await;
        }
    }

    fn mark(&self, name: &ObjectName) -> Option<Arc<Notify>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(name).map(|slot| Arc::clone(&slot.newer))
    }

    /// Takes down how telling a receiver ended.
    pub(super) fn done(
        &self,
        name: &ObjectName,
        landed: &Landed,
        delivery: Delivery,
        tries: u32,
        detail: String,
    ) {
        let took = landed.at.elapsed();
        self.metrics.delivery(name, delivery, took);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match delivery {
            Delivery::Told => drop(failing.remove(name)),
            Delivery::Failed => drop(failing.insert(name.clone(), detail.clone())),
            Delivery::Superseded => {}
        }
        drop(failing);
        let (receiver, outcome) = (name.clone(), delivery.as_str());
        landed.tracked.step(Step::Told {
            receiver,
            outcome,
            tries,
            detail,
            milliseconds: milliseconds(took),
        });
    }

    /// Whether nothing is tried again.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Returns when nothing is tried again.
    pub(super) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Lets requests that are under way end, and makes no others again.
    pub async fn shut_down(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!("a receiver was still being told at the end of the shutdown's time");
        }
    }
}
