//! Telling one receiver of one commit, until it takes note or the time is over.

use std::sync::Arc;
use std::time::Duration;

use failover_core::name::ObjectName;
use tokio::time::Instant;

use super::delivery::{self, NotTold};
use super::notifier::{Landed, Notifier};
use crate::metrics::Delivery;
use crate::operations::{Step, milliseconds};

/// How long a receiver is told of one commit. Flux looks by itself after its interval, a minute for most.
const LIMIT: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Notifier {
    /// Tells the receiver whatever waits for it; returns when nothing does.
    pub(super) async fn work(self: Arc<Self>, name: ObjectName) {
        while let Some(landed) = self.next(&name) {
            let (delivery, tries, detail) = self.deliver(&name, &landed).await;
            self.done(&name, &landed, delivery, tries, detail);
        }
    }

    async fn deliver(&self, name: &ObjectName, landed: &Arc<Landed>) -> (Delivery, u32, String) {
        let end = landed.at + LIMIT;
        let mut pause = FIRST_PAUSE;
        for tries in 1.. {
            let failed = match self.ask(name, landed).await {
                Ok(()) => return (Delivery::Told, tries, String::new()),
                Err(failed) => failed,
            };
            if self.waits(name) {
                return (Delivery::Superseded, tries, failed.detail);
            }
            let wait = jittered(pause).max(failed.after.unwrap_or_default());
            if !failed.again || self.is_stopping() || Instant::now() + wait >= end {
                return (Delivery::Failed, tries, failed.detail);
            }
            landed.tracked.step(Step::Told {
                receiver: name.clone(),
                outcome: "retrying",
                tries,
                detail: failed.detail.clone(),
                milliseconds: milliseconds(landed.at.elapsed()),
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stopping() => return (Delivery::Failed, tries, "the server stops".to_owned()),
                () = self.newer(name) => return (Delivery::Superseded, tries, failed.detail),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // The range has no end that anybody reaches.
        (Delivery::Failed, u32::MAX, String::new())
    }

    /// Asks the receiver once, as it is now.
    async fn ask(&self, name: &ObjectName, landed: &Arc<Landed>) -> Result<(), NotTold> {
        let never = |detail: String| NotTold { detail, again: false, after: None };
        let targets = self.state().targets;
        let target = targets.iter().find(|target| target.name == *name);
        let target = target.ok_or_else(|| never("it is no longer in the receivers file".to_owned()))?;
        // A token that is missing may be there in a moment.
        let way = target.way.clone().map_err(|detail| NotTold { detail, again: true, after: None })?;
        self.metrics.attempt(name);
        let landed = Arc::clone(landed);
        let asked = tokio::task::spawn_blocking(move || delivery::post(&way, &landed.news().body())).await;
        asked.unwrap_or_else(|error| {
            tracing::error!(%error, "telling a receiver ended abnormally");
            Err(never("the request ended abnormally; please report it".to_owned()))
        })
    }
}

/// Somewhere between half of the pause and all of it.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.)
}
