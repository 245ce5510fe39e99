//! Telling one listener one piece of news, until it takes note or the time is over.

use std::sync::Arc;
use std::time::Duration;

use failover_core::name::ObjectName;
use tokio::time::Instant;

use super::delivery::{self, NotTold};
use super::engine::{Ended, Engine, Item};
use super::listener::{Listener, Queue};
use crate::metrics::Delivery;

const FIRST_PAUSE: Duration = Duration::from_millis(500);

impl<L: Listener> Engine<L> {
    /// Tells the listener whatever waits for it; returns when nothing does.
    pub(super) async fn work(self: Arc<Self>, name: ObjectName) {
        while let Some((item, missed)) = self.next(&name) {
            let ended = self.deliver(&name, &item, missed).await;
            self.ended(&name, &item, missed, &ended);
        }
    }

    async fn deliver(&self, name: &ObjectName, item: &Item<L::News>, missed: u64) -> Ended {
        let end = item.at + L::LIMIT;
        let mut pause = FIRST_PAUSE;
        // Who asked to be left alone is, also by the next news.
        if let Some(quiet) = self.quiet(name).filter(|quiet| *quiet > Instant::now()) {
            let ended = |delivery, detail: &str| Ended { delivery, tries: 0, detail: detail.to_owned() };
            tokio::select! {
                () = tokio::time::sleep_until(quiet.min(end)) => {}
                () = self.stopping() => return ended(Delivery::Failed, "the server stops"),
                () = self.superseded(name) => return ended(Delivery::Superseded, ""),
            }
        }
        for tries in 1.. {
            let ended = |delivery, detail| Ended { delivery, tries, detail };
            let asked = self.ask(name, item, missed).await;
            self.set_quiet(name, asked.as_ref().err().and_then(|failed| failed.after));
            let failed = match asked {
                Ok(()) => return ended(Delivery::Told, String::new()),
                Err(failed) => failed,
            };
            if L::QUEUE == Queue::Newest && self.waits(name) {
                return ended(Delivery::Superseded, failed.detail);
            }
            let wait = jittered(pause).max(failed.after.unwrap_or_default());
            if !failed.again || self.is_stopping() || Instant::now() + wait >= end {
                return ended(Delivery::Failed, failed.detail);
            }
            self.progress(name, item, "retrying", tries, &failed.detail);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stopping() => return ended(Delivery::Failed, "the server stops".to_owned()),
                () = self.superseded(name) => return ended(Delivery::Superseded, failed.detail),
            }
            pause = (pause * 2).min(L::LONGEST_PAUSE);
        }
        // The range has no end that anybody reaches.
        Ended { delivery: Delivery::Failed, tries: u32::MAX, detail: String::new() }
    }

    /// Asks the listener once, as it is now.
    async fn ask(&self, name: &ObjectName, item: &Item<L::News>, missed: u64) -> Result<(), NotTold> {
        let Some(listener) = self.state().named(name).cloned() else {
            return Err(NotTold::for_good(format!("it is no longer in the {} file", L::MANY)));
        };
        let (news, metrics) = (Arc::clone(&item.news), Arc::clone(&self.metrics));
        let asked = tokio::task::spawn_blocking(move || {
            let request = listener.request(&news, missed)?;
            L::counted(&metrics).attempt(listener.name());
            delivery::post(&request, L::meaning)
        });
        asked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "telling a {} ended abnormally", L::ONE);
            Err(NotTold::for_good("the request ended abnormally; please report it".to_owned()))
        })
    }
}

/// Somewhere between half of the pause and all of it.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.)
}
