//! News on their way to listeners. No listener waits for another, and nobody waits for a listener.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use failover_core::name::ObjectName;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::listed::Listed;
use super::listener::{Listener, Progress, Queue};
use crate::metrics::{Delivery, Metrics};
use crate::operations::milliseconds;
use crate::reload;

/// See the module.
#[derive(Debug)]
pub(super) struct Engine<L: Listener> {
    pub(super) metrics: Arc<Metrics>,
    state: watch::Receiver<Listed<L>>,
    desks: Mutex<BTreeMap<ObjectName, Desk<L::News>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What is known of one listener's news.
#[derive(Debug)]
struct Desk<N> {
    waiting: VecDeque<Item<N>>,
    /// Told when something new waits.
    newer: Arc<Notify>,
    /// Whether a task tells it what waits.
    works: bool,
    /// News that may not have arrived since the last that did.
    missed: u64,
    /// Why the newest was not told.
    failing: Option<String>,
    /// Until when it wants to be left alone.
    quiet: Option<Instant>,
}

/// News, and when they happened.
#[derive(Debug)]
pub(super) struct Item<N> {
    pub(super) news: Arc<N>,
    pub(super) at: Instant,
}

/// How telling ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) delivery: Delivery,
    pub(super) tries: u32,
    pub(super) detail: String,
}

/// A listener that could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Its name.
    pub name: ObjectName,
    /// Why.
    pub detail: String,
}

impl<N> Default for Desk<N> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            newer: Arc::default(),
            works: false,
            missed: 0,
            failing: None,
            quiet: None,
        }
    }
}

impl<L: Listener> Engine<L> {
    /// Tells those that the file names, as it is at any time; nobody without one.
    pub(super) fn start(file: Option<PathBuf>, metrics: Arc<Metrics>) -> Arc<Self> {
        let nobody = Listed::nobody(Arc::clone(&metrics));
        let state = match file {
            Some(file) => reload::follow(file, nobody),
            None => watch::channel(nobody).1,
        };
        Arc::new(Self {
            metrics,
            state,
            desks: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// The file as it is.
    pub(super) fn state(&self) -> Listed<L> {
        self.state.borrow().clone()
    }

    /// Those that cannot be told, or were not told the newest.
    pub(super) fn failing(&self) -> Vec<Failing> {
        let desks = self.desks();
        let why = |listener: &L| {
            let failed = || desks.get(listener.name()).and_then(|desk| desk.failing.clone());
            let detail = listener.trouble().map(str::to_owned).or_else(failed)?;
            Some(Failing { name: listener.name().clone(), detail })
        };
        self.state.borrow().listeners.iter().filter_map(why).collect()
    }

    /// Begins to tell the news to those who want them, and returns at once.
    pub(super) fn tell(self: &Arc<Self>, news: L::News, wants: impl Fn(&L) -> bool) {
        let (news, at) = (Arc::new(news), Instant::now());
        for listener in self.state().listeners.iter().filter(|listener| wants(listener)) {
            let name = listener.name();
            let mut desks = self.desks();
            let desk = desks.entry(name.clone()).or_default();
            let (most, over) = match L::QUEUE {
                Queue::Newest => (1, Delivery::Superseded),
                Queue::InOrder(most) => (most, Delivery::Dropped),
            };
            let left_out = if desk.waiting.len() >= most { desk.waiting.pop_front() } else { None };
            desk.waiting.push_back(Item { news: Arc::clone(&news), at });
            desk.newer.notify_one();
            let works = std::mem::replace(&mut desk.works, true);
            if over == Delivery::Dropped && left_out.is_some() {
                desk.missed += 1;
            }
            drop(desks);
            if let Some(left_out) = left_out {
                let detail = match over {
                    Delivery::Dropped => format!("{most} others waited"),
                    Delivery::Told | Delivery::Failed | Delivery::Superseded => String::new(),
                };
                self.done(name, &left_out, &Ended { delivery: over, tries: 0, detail });
            }
            if !works {
                self.tasks.spawn(Arc::clone(self).work(name.clone()));
            }
        }
    }

    /// What is told next, and how much was missed before it. The task that asks ends when there is nothing, and then
    /// another may begin.
    pub(super) fn next(&self, name: &ObjectName) -> Option<(Item<L::News>, u64)> {
        let mut desks = self.desks();
        let desk = desks.get_mut(name)?;
        let item = desk.waiting.pop_front();
        desk.works = item.is_some();
        Some((item?, std::mem::take(&mut desk.missed)))
    }

    /// Whether something else waits.
    pub(super) fn waits(&self, name: &ObjectName) -> bool {
        self.desks().get(name).is_some_and(|desk| !desk.waiting.is_empty())
    }

    /// Returns when something newer waits that takes the place of what is told.
    pub(super) async fn superseded(&self, name: &ObjectName) {
        if L::QUEUE != Queue::Newest {
            std::future::pending::<()>().await;
        }
        while !self.waits(name) {
            // What came between the two looks has left its mark there.
            let Some(newer) = self.desks().get(name).map(|desk| Arc::clone(&desk.newer)) else { return };
            newer.notified().await;
        }
    }

    /// Until when the listener wants to be left alone.
    pub(super) fn quiet(&self, name: &ObjectName) -> Option<Instant> {
        self.desks().get(name).and_then(|desk| desk.quiet)
    }

    /// The listener wants to be left alone for so long, or not any more.
    pub(super) fn set_quiet(&self, name: &ObjectName, after: Option<Duration>) {
        if let Some(desk) = self.desks().get_mut(name) {
            desk.quiet = after.map(|after| Instant::now() + after);
        }
    }

    /// Takes down how telling one piece of news ended; `missed` earlier ones were to be told with it.
    pub(super) fn ended(&self, name: &ObjectName, item: &Item<L::News>, missed: u64, ended: &Ended) {
        if let Some(desk) = self.desks().get_mut(name) {
            match ended.delivery {
                Delivery::Told => desk.failing = None,
                Delivery::Failed => {
                    desk.failing = Some(ended.detail.clone());
                    desk.missed += missed + 1;
                }
                Delivery::Superseded | Delivery::Dropped => {}
            }
        }
        self.done(name, item, ended);
    }

    fn done(&self, name: &ObjectName, item: &Item<L::News>, ended: &Ended) {
        let took = item.at.elapsed();
        // Who is no longer listed is no longer counted.
        if self.state.borrow().named(name).is_some() {
            L::counted(&self.metrics).delivery(name, ended.delivery, took);
        }
        self.progress(name, item, ended.delivery.as_str(), ended.tries, &ended.detail);
    }

    pub(super) fn progress(
        &self,
        name: &ObjectName,
        item: &Item<L::News>,
        outcome: &'static str,
        tries: u32,
        detail: &str,
    ) {
        let milliseconds = milliseconds(item.at.elapsed());
        L::progress(&item.news, name, Progress { outcome, tries, detail, milliseconds });
    }

    /// Whether nothing is tried again.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Returns when nothing is tried again.
    pub(super) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Lets requests that are under way end, tells what waits once, and makes no request again.
    pub(super) async fn shut_down(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            let waiting: usize = self.desks().values().map(|desk| desk.waiting.len()).sum();
            tracing::warn!(waiting, "{} were still being told at the end of the shutdown's time", L::MANY);
        }
    }

    fn desks(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Desk<L::News>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
