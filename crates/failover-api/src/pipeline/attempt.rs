//! One intent on its way to the remote: plan, commit, push, and what follows when that does not simply work.

use std::sync::Arc;
use std::time::Duration;

use failover_core::code::{Class, Code};
use failover_core::config::written_duration;
use failover_core::history::{self, Event, EventKind};
use failover_core::name::{CommitId, IdempotencyKey, Role, ServiceName};
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::doubt::{Doubt, Settled};
use super::moved::{Moved, blocking};
use super::wanted::{Planned, Wanted, plan_on};
use super::writer::{Pipeline, shutting_down};
use super::{Committed, MoveError};
use crate::clock;
use crate::git::{CommitError, Mirror, NewCommit, PushOutcome, RemoteError};
use crate::metrics::{self, Outcome};
use crate::operations::{Step, Tracked, milliseconds};
use crate::view::{View, mirror_failed};

/// The longest that a caller waits for a move, in a queue or at the remote.
const MOVE_LIMIT: Duration = Duration::from_secs(60);
/// A branch so busy that this many pushes in a row came second is left to the caller.
const MAX_LOST_RACES: u32 = 20;
/// Failures of the server or of the mirror that are tried again.
const MAX_FAILURES: u32 = 4;
/// A failure this soon may be one broken connection; a later one has cost the caller enough.
const QUICK: Duration = Duration::from_secs(2);

impl Pipeline {
    /// Carries out what is `wanted`. It goes on when the caller stops waiting, since a push cannot be taken back.
    ///
    /// # Errors
    /// Why it did not happen, or that this is not known.
    pub async fn carry_out<W: Wanted>(
        self: &Arc<Self>,
        wanted: W,
        request_id: Option<String>,
    ) -> Result<Moved<W::Plan>, MoveError> {
        if self.stop.is_cancelled() {
            return Err(shutting_down());
        }
        let begun = wanted.begun(request_id, clock::exact_now());
        let tracked = Tracked::new(Arc::clone(&self.observers.journal), begun);
        let pipeline = Arc::clone(self);
        let asked = Instant::now();
        let followed = tracked.clone();
        let task = self.moves.spawn(async move {
            let deadline = asked + MOVE_LIMIT;
            let lock = pipeline.lock(deadline).await;
            let moved = match &lock {
                Ok(lock) => {
                    let (pipeline, tracked) = (&pipeline, &tracked);
                    Attempt { pipeline, lock, wanted: &wanted, tracked, deadline, asked }.run().await
                }
                Err(error) => Err(error.clone()),
            };
            // Before the next move can begin, so that the newest commit is told last.
            pipeline.take_down(&tracked, &moved);
            moved
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(operation_id = %followed.operation_id(), %error, "an operation ended abnormally");
            followed.in_doubt("the operation ended abnormally");
            self.observers.notifier.in_doubt(&followed, None, "the operation ended abnormally");
            self.observers.metrics.operation(followed.verb(), Outcome::Failed);
            Err(MoveError::problem(
                Code::Internal,
                "the operation ended abnormally; it is not known whether a commit landed",
                "look into GET /api/history, then read the server's log and report the defect",
            ))
        })
    }

    /// Takes down how a move ended, and has the receivers told of a new commit.
    fn take_down<P>(&self, tracked: &Tracked, moved: &Result<Moved<P>, MoveError>) {
        self.observers.metrics.operation(tracked.verb(), outcome(moved));
        match moved {
            // What an earlier call has done is its own story.
            Ok(Moved::Changed { committed, .. }) if committed.operation() == tracked.operation_id() => {
                self.landed(tracked, committed.commit());
            }
            Ok(_) => tracked.unchanged(),
            // The doubt, not its caller, knows how that goes on.
            Err(MoveError::OutcomeUnknown { .. }) => {}
            Err(error) => {
                let detail = error.to_string();
                tracked.failed(error.code(), &detail);
                self.observers.notifier.refused(tracked, error.code(), &detail, error.hint());
            }
        }
    }
}

/// A move under way; it holds the pipeline's lock.
struct Attempt<'p, W: Wanted> {
    pipeline: &'p Arc<Pipeline>,
    lock: &'p MutexGuard<'p, ()>,
    wanted: &'p W,
    tracked: &'p Tracked,
    deadline: Instant,
    /// When the call began; an answer about the branch must rest on a later look at it.
    asked: Instant,
}

/// What became of one push.
enum Next<P> {
    Done(Moved<P>),
    /// Nothing of ours is on the branch: plan again on what is there now.
    PlanAgain,
    /// The same, after a failure on this commit of the branch.
    Failed(CommitId, MoveError),
}

impl<W: Wanted> Attempt<'_, W> {
    async fn run(self) -> Result<Moved<W::Plan>, MoveError> {
        let key = self.wanted.idempotency_key();
        self.pipeline.settle_earlier(self.lock, key, self.deadline).await?;
        let mut races = 0;
        let mut failures = 0;
        let (mut mirror, mut view) = self.newest().await?;
        loop {
            let mut failed = None;
            // A plan that changes something proves itself by its push. Any other answer must rest on a tip that
            // was seen after the call began.
            match self.decide(&view).await {
                Ok(Decision::Push(plan)) => match self.push(&mirror, plan).await? {
                    Next::Done(moved) => return Ok(moved),
                    Next::PlanAgain => {
                        races += 1;
                        if races > MAX_LOST_RACES {
                            return Err(conflict());
                        }
                        self.pause(races).await?;
                    }
                    Next::Failed(base, error) => {
                        failures += 1;
                        if failures >= MAX_FAILURES {
                            return Err(error);
                        }
                        self.pause(failures).await?;
                        failed = Some(base);
                    }
                },
                Ok(Decision::Answer(moved)) if view.seen >= self.asked => return Ok(moved),
                Err(error) if view.seen >= self.asked => return Err(error),
                Ok(Decision::Answer(_)) | Err(_) => {}
            }
            (mirror, view) = self.look().await?;
            // Servers have many words for a branch that has moved on; that it has is the better witness.
            if failed.is_some_and(|base| base != view.tree.revision.commit) {
                failures -= 1;
                races += 1;
            }
        }
    }

    /// Looks at the remote, again when a connection broke: that is no reason to give up. A remote that takes its
    /// time to be unreachable, or asks to be left alone, is.
    async fn look(&self) -> Result<(Arc<Mirror>, Arc<View>), MoveError> {
        let mut tries = 1;
        loop {
            let begun = Instant::now();
            match self.pipeline.fetch(self.lock, self.deadline).await {
                Err(MoveError::Remote(error))
                    if tries < MAX_FAILURES
                        && matches!(error.code, Code::RemoteFailed | Code::RemoteUnreachable)
                        && error.retry_after.is_none()
                        && begun.elapsed() < QUICK =>
                {
                    tries += 1;
                    if self.pause(tries).await.is_err() {
                        return Err(MoveError::Remote(error));
                    }
                }
                looked => return looked,
            }
        }
    }

    /// The newest view if it is of the config in force, else a new one.
    async fn newest(&self) -> Result<(Arc<Mirror>, Arc<View>), MoveError> {
        let known = self.pipeline.view().borrow().clone();
        let config = self.pipeline.current_config();
        match (self.pipeline.repository.mirror(), known, config) {
            (Some(mirror), Some(view), Some(config)) if Arc::ptr_eq(&view.config, &config) => {
                Ok((mirror, view))
            }
            _ => self.look().await,
        }
    }

    async fn decide(&self, view: &Arc<View>) -> Result<Decision<W::Plan>, MoveError> {
        if let Some(event) = history::find_operation(&view.events, self.wanted.operation()) {
            return landed(event, view);
        }
        if let Some(key) = self.wanted.idempotency_key()
            && let Some(event) = history::find_key(&view.events, key)
        {
            return if self.wanted.is_answered_by(event) {
                landed(event, view)
            } else {
                Err(key_reused(key, event))
            };
        }
        let started = Instant::now();
        let planned = plan_on(view, self.wanted).await?;
        let took = started.elapsed();
        self.pipeline.observers.metrics.step(metrics::Step::Plan, took);
        let plan = Box::new(planned?);
        if let Some(refusal) = plan.refusal() {
            return Err(refusal);
        }
        if !plan.is_empty() {
            let step = Step::Planned {
                base: plan.base().clone(),
                files: plan.edits().into_keys().collect(),
                milliseconds: milliseconds(took),
            };
            self.tracked.planned(plan.services(), plan.left_behind(), step);
            return Ok(Decision::Push(plan));
        }
        let done_by = plan.done_by(&view.events).map(Box::new);
        Ok(Decision::Answer(Moved::Unchanged { plan, done_by, view: Arc::clone(view) }))
    }

    async fn push(&self, mirror: &Arc<Mirror>, plan: Box<W::Plan>) -> Result<Next<W::Plan>, MoveError> {
        let base = plan.base().commit.clone();
        let commit = match self.commit(mirror, &plan).await? {
            Ok(commit) => Arc::new(commit),
            Err(CommitError::Mirror(error)) => {
                self.pipeline.repository.discard_mirror();
                return Ok(Next::Failed(base, MoveError::Remote(mirror_failed(&error))));
            }
            Err(CommitError::Signing(error)) => {
                return Err(MoveError::problem(
                    Code::SigningFailed,
                    error.to_string(),
                    "repair the file that --signing-key names; nothing was committed",
                ));
            }
        };
        let pushed = Instant::now();
        let (outcome, view) = self.pipeline.push_once(mirror, &commit, self.tracked, self.deadline).await;
        match outcome {
            PushOutcome::Accepted => Ok(self.accepted(plan, &commit, pushed, view).await),
            PushOutcome::LostRace => Ok(Next::PlanAgain),
            PushOutcome::Failed(error) if error.code.is_transient() && error.retry_after.is_none() => {
                Ok(Next::Failed(base, MoveError::Remote(error)))
            }
            PushOutcome::Refused(error) | PushOutcome::Failed(error) => Err(MoveError::Remote(error)),
            PushOutcome::Unknown(why) => {
                let (tracked, key) = (self.tracked.clone(), self.wanted.idempotency_key().cloned());
                self.settle(plan, Doubt { tracked, key, commit, why }).await
            }
        }
    }

    async fn accepted(
        &self,
        plan: Box<W::Plan>,
        commit: &NewCommit,
        pushed: Instant,
        ahead: Option<View>,
    ) -> Next<W::Plan> {
        let committed = Committed::accepted(commit.id().clone(), self.wanted.operation().clone());
        let view = self.pipeline.follow_push(self.lock, commit.id(), pushed, ahead).await;
        Next::Done(Moved::Changed { committed, plan: Some(plan), event: None, view })
    }

    /// Finds out what became of a push whose answer was lost, for as long as the caller waits; and goes on without it.
    async fn settle(&self, plan: Box<W::Plan>, mut doubt: Doubt) -> Result<Next<W::Plan>, MoveError> {
        for doubts in 1.. {
            match self.pipeline.settle(self.lock, &mut doubt, self.deadline).await {
                Settled::Found(event, view) => {
                    let Decision::Answer(moved) = landed(&event, &view)? else { break };
                    return Ok(Next::Done(moved.with_plan(plan)));
                }
                Settled::Accepted(pushed) => {
                    return Ok(self.accepted(plan, &doubt.commit, pushed, None).await);
                }
                Settled::Dead => return Ok(Next::PlanAgain),
                Settled::InDoubt => {}
            }
            // The first wait is short, not none: a server that just cut us off may be about to finish.
            if self.pause(doubts + 1).await.is_err() {
                break;
            }
        }
        let error = doubt.error();
        self.pipeline.leave_in_doubt(doubt);
        Err(error)
    }

    async fn commit(
        &self,
        mirror: &Arc<Mirror>,
        plan: &W::Plan,
    ) -> Result<Result<NewCommit, CommitError>, MoveError> {
        let (mirror, settings) = (Arc::clone(mirror), self.pipeline.settings.clone());
        let (base, message) = (plan.base().commit.clone(), plan.message().to_owned());
        let edits = plan.edits();
        let time = clock::now();
        let started = Instant::now();
        let made = blocking(move || {
            mirror.new_commit(&base, &edits, &message, &settings.author, settings.signer.as_ref(), time)
        })
        .await;
        let took = started.elapsed();
        self.pipeline.observers.metrics.step(metrics::Step::Commit, took);
        if let Ok(Ok(commit)) = &made {
            let (commit, parent) = (commit.id().clone(), commit.parent().clone());
            self.tracked.step(Step::Committed { commit, parent, milliseconds: milliseconds(took) });
        }
        made
    }

    /// Waits a random while, longer after each loss; none before the first retry.
    async fn pause(&self, losses: u32) -> Result<(), MoveError> {
        if losses > 1 {
            let longest = 25_u64 << losses.min(6);
            let pause = Duration::from_millis(fastrand::u64(0..longest));
            tokio::time::sleep_until(self.deadline.min(Instant::now() + pause)).await;
        }
        if self.pipeline.stop.is_cancelled() {
            return Err(shutting_down());
        }
        if Instant::now() >= self.deadline {
            let detail = "the time for it was over before the remote took it; nothing was committed";
            return Err(MoveError::Remote(RemoteError::new(Code::RemoteTimeout, detail)));
        }
        Ok(())
    }
}

/// How a move ended, to be counted.
fn outcome<P>(moved: &Result<Moved<P>, MoveError>) -> Outcome {
    match moved {
        Ok(Moved::Changed { event: None, .. }) => Outcome::Changed,
        Ok(Moved::Changed { event: Some(_), .. }) => Outcome::Replayed,
        Ok(Moved::Unchanged { .. }) => Outcome::Unchanged,
        Err(error) => match error.class() {
            _ if matches!(error, MoveError::OutcomeUnknown { .. }) => Outcome::Unknown,
            Class::Problem => Outcome::Problem,
            Class::Refusal => Outcome::Refused,
            Class::Failure => Outcome::Failed,
        },
    }
}

enum Decision<P> {
    Push(Box<P>),
    Answer(Moved<P>),
}

fn landed<P>(event: &Event, view: &Arc<View>) -> Result<Decision<P>, MoveError> {
    let committed = Committed::found(event).ok_or_else(|| {
        MoveError::problem(Code::Internal, "a commit of ours has no operation id", "report the defect")
    })?;
    Ok(Decision::Answer(Moved::Changed {
        committed,
        plan: None,
        event: Some(Box::new(event.clone())),
        view: Some(Arc::clone(view)),
    }))
}

fn key_reused(key: &IdempotencyKey, event: &Event) -> MoveError {
    let services: Vec<&str> = match event.services.len() {
        0 => vec!["every service"],
        1..=3 => event.services.iter().map(ServiceName::as_str).collect(),
        _ => vec!["several services"],
    };
    let services = services.join(", ");
    let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let did = match event.kind {
        EventKind::Hold => {
            let end = match (event.length, event.until) {
                (Some(length), _) => format!("for {}", written_duration(length)),
                (None, Some(until)) => format!("until {until}"),
                (None, None) => "until it is released".to_owned(),
            };
            format!("held {services} {end}{reason}")
        }
        EventKind::Release => format!("released {services}{reason}"),
        EventKind::Move | EventKind::Revert { .. } | EventKind::CherryPick { .. } => {
            format!("moved {services} to {}", event.to.map_or("another node", Role::as_str))
        }
    };
    MoveError::problem(
        Code::IdempotencyKeyReused,
        format!("the key {key} belongs to commit {}, which {did}", event.commit),
        "use a new Idempotency-Key for each new request",
    )
}

fn conflict() -> MoveError {
    MoveError::problem(
        Code::RemoteConflict,
        "other commits kept arriving on the branch first; nothing was committed",
        "ask again; if it lasts, find out what commits so often",
    )
}
