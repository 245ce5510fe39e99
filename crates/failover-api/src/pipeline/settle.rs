//! What became of a push whose answer was lost is found out, never guessed.
//!
//! As long as the branch is where our commit's parent is, the lost push may land yet. Pushing the identical commit again
//! has one outcome whichever of the two lands. Once the branch has moved on without our commit, its old push is dead:
//! the branch is not where that push wants it to be.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::history;
use failover_core::name::IdempotencyKey;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::MoveError;
use super::doubt::{Doubt, InDoubt, Settled};
use super::writer::Pipeline;
use crate::git::PushOutcome;
use crate::operations::Step;

/// How long the identical commit is pushed again after its caller was told that nobody knows: no push lands later.
const DOUBT_LIMIT: Duration = Duration::from_secs(15 * 60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Pipeline {
    /// Looks for the commit on the branch, and pushes it again where it may land yet.
    pub(super) async fn settle(
        &self,
        lock: &MutexGuard<'_, ()>,
        doubt: &mut Doubt,
        deadline: Instant,
    ) -> Settled {
        let (mirror, view) = match self.fetch(lock, deadline).await {
            Ok(found) => found,
            // A branch that is not there is not where the push wants it to be.
            Err(MoveError::Remote(error)) if error.code == Code::BranchNotFound => return Settled::Dead,
            Err(error) => {
                doubt.why = format!("the remote could not be looked at: {error}");
                return Settled::InDoubt;
            }
        };
        if let Some(event) = history::find_operation(&view.events, doubt.operation()) {
            return Settled::Found(Box::new(event.clone()), view);
        }
        if view.tree.revision.commit != *doubt.commit.parent() {
            return Settled::Dead;
        }
        let pushed = Instant::now();
        match self.push_once(&mirror, &doubt.commit, &doubt.tracked, deadline).await.0 {
            PushOutcome::Accepted => Settled::Accepted(pushed),
            // No other answer to this push says what became of the first one.
            outcome @ (PushOutcome::LostRace
            | PushOutcome::Refused(_)
            | PushOutcome::Failed(_)
            | PushOutcome::Unknown(_)) => {
                doubt.why = format!("{}: {}", outcome.as_str(), outcome.detail());
                Settled::InDoubt
            }
        }
    }

    /// Remembers a push that could not be settled in its caller's time, and goes on settling it.
    pub(super) fn leave_in_doubt(self: &Arc<Self>, doubt: Doubt) {
        doubt.tracked.in_doubt(&doubt.why);
        self.observers.notifier.in_doubt(&doubt.tracked, Some(doubt.commit.id()), &doubt.why);
        let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        doubts.push(doubt);
        if doubts.len() == 1 {
            tokio::spawn(Arc::clone(self).settle_in_background());
        }
    }

    /// The moves of which nobody knows yet whether they landed.
    #[must_use]
    pub fn in_doubt(&self) -> Vec<InDoubt> {
        let doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |doubt: &Doubt| InDoubt {
            operation: doubt.operation().clone(),
            commit: doubt.commit.id().clone(),
            detail: doubt.why.clone(),
        };
        doubts.iter().map(shown).collect()
    }

    /// Settles what earlier moves left: nothing may be decided on a branch that one of them may still change.
    pub(super) async fn settle_earlier(
        self: &Arc<Self>,
        lock: &MutexGuard<'_, ()>,
        key: Option<&IdempotencyKey>,
        deadline: Instant,
    ) -> Result<(), MoveError> {
        loop {
            let first = self.doubts.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
            let Some(mut doubt) = first else { return Ok(()) };
            let settled = self.settle(lock, &mut doubt, deadline).await;
            if !self.record(lock, &doubt, settled).await {
                return Err(if doubt.key.is_some() && doubt.key.as_ref() == key {
                    doubt.error()
                } else {
                    MoveError::problem(
                        Code::Busy,
                        format!(
                            "it is not known yet whether the earlier operation {} landed: {}",
                            doubt.operation(),
                            doubt.why
                        ),
                        "ask again; nothing of this request was committed",
                    )
                });
            }
        }
    }

    /// Notes what became of a doubt, and answers whether that is known now.
    async fn record(&self, lock: &MutexGuard<'_, ()>, doubt: &Doubt, settled: Settled) -> bool {
        let commit = doubt.commit.id();
        let outcome = match settled {
            Settled::InDoubt => return false,
            Settled::Found(..) => "landed",
            Settled::Accepted(pushed) => {
                self.follow_push(lock, commit, pushed, None).await;
                "landed"
            }
            Settled::Dead => "never-landed",
        };
        doubt.tracked.step(Step::Settled { commit: commit.clone(), outcome });
        if outcome == "landed" {
            self.landed(&doubt.tracked, commit);
        } else {
            let detail = "the branch moved on without the commit, which can land no more";
            doubt.tracked.failed(None, detail);
            self.observers.notifier.refused(
                &doubt.tracked,
                None,
                detail,
                Some("ask again if it is still wanted"),
            );
        }
        let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        doubts.retain(|other| other.operation() != doubt.operation());
        true
    }

    async fn settle_in_background(self: Arc<Self>) {
        let end = Instant::now() + DOUBT_LIMIT;
        let mut pause = FIRST_PAUSE;
        while !self.stop.is_cancelled() && !self.in_doubt().is_empty() {
            if Instant::now() >= end {
                let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
                for doubt in doubts.drain(..) {
                    let commit = doubt.commit.id().clone();
                    let why = "it could not be found out within 15 minutes; look into the branch";
                    self.observers.notifier.in_doubt(&doubt.tracked, Some(&commit), why);
                    doubt.tracked.step(Step::Settled { commit, outcome: "given-up" });
                }
                return;
            }
            let deadline = Instant::now() + LONGEST_PAUSE;
            if let Ok(lock) = self.lock(deadline).await {
                // An error says that it is still in doubt, and is in the log.
                let _ = self.settle_earlier(&lock, None, deadline).await;
            }
            if let Some(doubt) = self.in_doubt().first() {
                tracing::warn!(operation_id = %doubt.operation, why = doubt.detail, "a push without an answer is still in doubt");
            }
            let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.);
            let _ = tokio::time::timeout(jittered, self.stop.cancelled()).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
