//! The branch's single writer in this process. Between processes the remote's compare-and-swap decides.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::{Code, Problem};
use failover_core::name::{CommitId, RepoPath, Revision};
use tokio::sync::{MutexGuard, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::doubt::Doubt;
use super::moved::blocking;
use super::wanted::{Wanted, plan_on};
use super::{MoveError, Observers};
use crate::git::{
    Author, FETCH_LIMIT, Found, Mirror, MirrorError, NewCommit, PushOutcome, RemoteError, Repository, Signer,
};
use crate::metrics;
use crate::operations::{Step, Tracked, milliseconds};
use crate::source::ConfigState;
use crate::view::{self, View};

/// What the pipeline needs to be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who commits are made by.
    pub author: Author,
    /// The folder that is searched for manifests; the whole repository when `None`.
    pub root: Option<RepoPath>,
    /// How often the remote is looked at when nobody asks.
    pub poll: Duration,
    /// Who signs them; nobody when `None`.
    pub signer: Option<Signer>,
    /// What is wrong with where the credentials come from, if they come from anywhere but files.
    pub credentials: Option<watch::Receiver<Option<Problem>>>,
}

/// See the module.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) settings: Settings,
    pub(super) repository: Repository,
    pub(super) observers: Observers,
    pub(super) config: watch::Receiver<ConfigState>,
    pub(super) view: watch::Sender<Option<Arc<View>>>,
    pub(super) failure: watch::Sender<Option<RemoteError>>,
    /// Why the last push was refused; `None` when it was not.
    pub(super) refusal: watch::Sender<Option<RemoteError>>,
    reader: Arc<Mutex<view::Reader>>,
    /// Held while the remote is read or written.
    writer: tokio::sync::Mutex<()>,
    /// Held while a plan is made that only is shown: anybody may ask for it, and it takes a core and, of a large
    /// manifest, many megabytes.
    planning: Semaphore,
    /// Pushes without an answer.
    pub(super) doubts: Mutex<Vec<Doubt>>,
    pub(super) moves: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Pipeline {
    /// Starts to read the remote in the background.
    #[must_use]
    pub fn start(
        settings: Settings,
        repository: Repository,
        config: watch::Receiver<ConfigState>,
        observers: Observers,
    ) -> Arc<Self> {
        let pipeline = Self::idle(settings, repository, config, observers);
        tokio::spawn(Arc::clone(&pipeline).sound_alarms());
        let followed = Arc::clone(&pipeline);
        tokio::spawn(async move {
            // A defect there must not leave a server that answers from a view that nobody renews.
            while let Err(error) = tokio::spawn(Arc::clone(&followed).follow()).await {
                tracing::error!(%error, "following the remote ended abnormally; starting again");
                tokio::time::sleep(FIRST_RETRY).await;
            }
        });
        pipeline
    }

    /// A pipeline that looks at the remote only when it is asked to.
    #[must_use]
    pub fn idle(
        settings: Settings,
        repository: Repository,
        config: watch::Receiver<ConfigState>,
        observers: Observers,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            repository,
            observers,
            config,
            view: watch::Sender::new(None),
            failure: watch::Sender::new(None),
            refusal: watch::Sender::new(None),
            reader: Arc::default(),
            writer: tokio::sync::Mutex::new(()),
            planning: Semaphore::new(PLANS_AT_ONCE),
            doubts: Mutex::default(),
            moves: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Looks at the remote now.
    ///
    /// # Errors
    /// It cannot be read, or there is no valid config.
    pub async fn look(&self, limit: Duration) -> Result<Arc<View>, MoveError> {
        let deadline = Instant::now() + limit;
        let lock = self.lock(deadline).await?;
        Ok(self.fetch(&lock, deadline).await?.1)
    }

    /// What a move would do, on the newest view. Touches nothing.
    ///
    /// # Errors
    /// As a move, but for the remote; or too many plans are being made.
    pub async fn dry_run<W: Wanted>(&self, wanted: &W) -> Result<(W::Plan, Arc<View>), MoveError> {
        let turn = tokio::time::timeout(PLANNING_LIMIT, self.planning.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let detail = "earlier plans were still being made";
            return Err(MoveError::problem(
                Code::Busy,
                detail,
                "ask again; what is carried out does not wait for them",
            ));
        };
        let view = self.view.borrow().clone().ok_or_else(|| self.no_view())?;
        let plan = plan_on(&view, wanted).await??;
        Ok((plan, view))
    }

    /// The branch holds the move's commit: says so to everybody who wants to know, without waiting for them.
    pub(super) fn landed(&self, tracked: &Tracked, commit: &CommitId) {
        tracked.landed();
        if let Some(branch) = self.repository.branch() {
            let link = self.commit_pages().map(|pages| pages.page(commit));
            self.observers.notifier.landed(tracked, &Revision { branch, commit: commit.clone() }, link);
        }
    }

    /// Takes no more moves and waits for the one that is under way.
    pub async fn shut_down(&self, limit: Duration) {
        self.stop.cancel();
        self.moves.close();
        let end = Instant::now() + limit;
        if tokio::time::timeout_at(end, self.moves.wait()).await.is_err() {
            tracing::error!("an operation was still under way at the end of the shutdown's time");
        } else if tokio::time::timeout_at(end, self.repository.quiet()).await.is_err() {
            tracing::warn!("the Git host's hooks were still running at the end of the shutdown's time");
        }
        self.observers.notifier.shut_down(TELLING_LIMIT).await;
    }

    pub(super) async fn lock(&self, deadline: Instant) -> Result<MutexGuard<'_, ()>, MoveError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(shutting_down()),
            lock = tokio::time::timeout_at(deadline, self.writer.lock()) => lock.map_err(|_| {
                MoveError::problem(Code::Busy, "earlier operations were still under way", "ask again; nothing was committed")
            }),
        }
    }

    /// Looks at the remote and publishes what it finds.
    pub(super) async fn fetch(
        &self,
        lock: &MutexGuard<'_, ()>,
        deadline: Instant,
    ) -> Result<(Arc<Mirror>, Arc<View>), MoveError> {
        let mut looked = self.fetch_once(lock, deadline).await;
        if is_damage(&looked) {
            self.repository.discard_mirror();
            looked = self.fetch_once(lock, deadline).await;
        }
        if let Err(MoveError::Remote(error)) = &looked {
            tracing::warn!(code = %error.code, %error, "the remote could not be read");
            self.failure.send_replace(Some(error.clone()));
            if self.view.borrow().is_none()
                && let Some(problem) = self.credentials_problem()
            {
                return Err(MoveError::Problems(vec![problem]));
            }
        }
        looked
    }

    async fn fetch_once(
        &self,
        _lock: &MutexGuard<'_, ()>,
        deadline: Instant,
    ) -> Result<(Arc<Mirror>, Arc<View>), MoveError> {
        let started = Instant::now();
        let found = self.repository.fetch(deadline).await;
        self.observers.metrics.step(metrics::Step::Fetch, started.elapsed());
        self.observers.metrics.fetch(found.is_ok());
        let Found { mirror, tip, push_refused } = found?;
        if let Some(error) = push_refused.as_ref().filter(|error| self.failure().as_ref() != Some(*error)) {
            tracing::warn!(code = %error.code, %error, "the remote can be read but takes no pushes");
        }
        self.failure.send_replace(push_refused);
        let known = self.view.borrow().clone();
        let view = self.publish(&mirror, tip, started).await?;
        if let Some(old) = known.filter(|old| !view.commits.contains(&old.tree.revision.commit)) {
            let (old, new) = (&old.tree.revision, &view.tree.revision);
            tracing::warn!(%old, %new, "the branch was rewritten, or moved on very far");
        }
        Ok((mirror, view))
    }

    /// Puts a new config into force on the commit that is known, while the remote cannot be read.
    async fn apply_config(&self, _lock: &MutexGuard<'_, ()>) {
        let known = self.view.borrow().clone();
        let (Some(view), Some(mirror)) = (known, self.repository.mirror()) else { return };
        if let Err(error) = self.publish(&mirror, view.tree.revision.commit.clone(), view.seen).await {
            tracing::warn!(%error, "the new config could not be applied");
        }
    }

    /// Pushes once, and says in the log how that went. With a push that was accepted comes the view of its commit, if
    /// it could be read.
    pub(super) async fn push_once(
        &self,
        mirror: &Arc<Mirror>,
        commit: &Arc<NewCommit>,
        tracked: &Tracked,
        deadline: Instant,
    ) -> (PushOutcome, Option<View>) {
        let started = Instant::now();
        let operation_id = tracked.operation_id().as_str();
        let request_id = tracked.request_id();
        tracing::info!(operation_id, request_id, commit = %commit.id(), parent = %commit.parent(), "push begins");
        let ahead = tokio::spawn(self.read_ahead(mirror, commit, started));
        let outcome = self.repository.push(commit, deadline).await;
        let took = started.elapsed();
        self.observers.metrics.step(metrics::Step::Push, took);
        self.observers.metrics.push(outcome.as_str());
        tracked.step(Step::Pushed {
            commit: commit.id().clone(),
            outcome: outcome.as_str(),
            detail: outcome.detail().to_owned(),
            milliseconds: milliseconds(took),
        });
        match &outcome {
            PushOutcome::Accepted => drop(self.refusal.send_replace(None)),
            PushOutcome::Refused(error) => drop(self.refusal.send_replace(Some(error.clone()))),
            // The next look that goes well says that this is over.
            PushOutcome::Failed(error) => drop(self.failure.send_replace(Some(error.clone()))),
            PushOutcome::LostRace | PushOutcome::Unknown(_) => {}
        }
        if outcome != PushOutcome::Accepted {
            return (outcome, None);
        }
        let view = match ahead.await {
            Ok(Ok(Ok(view))) => self.repository.follow(mirror, commit).map(|()| view),
            Ok(Ok(Err(error))) => Err(error),
            // A computation that ended abnormally is in the log.
            Ok(Err(_)) | Err(_) => Ok(None),
        };
        // The next fetch brings the commit back.
        let view =
            view.inspect_err(|error| tracing::warn!(%error, "the local branch did not follow the push"));
        (outcome, view.unwrap_or_default())
    }

    /// Takes a commit into the mirror and reads its view, while the push is under way: the answer to a push that was
    /// accepted need not wait for that. Nobody is shown the view before.
    fn read_ahead(
        &self,
        mirror: &Arc<Mirror>,
        commit: &Arc<NewCommit>,
        seen: Instant,
    ) -> impl Future<Output = Result<Result<Option<View>, MirrorError>, MoveError>> + Send + 'static {
        let (mirror, commit, reader) = (Arc::clone(mirror), Arc::clone(commit), Arc::clone(&self.reader));
        let (config, branch) = (self.current_config(), self.repository.branch());
        let root = self.settings.root.clone();
        blocking(move || {
            mirror.take_in(&commit)?;
            let (Some(config), Some(branch)) = (config, branch) else { return Ok(None) };
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            // What is wrong with the mirror is told when the view is read after the push.
            Ok(reader.read(config, &mirror, branch, commit.id().clone(), root.as_ref(), seen).ok())
        })
    }

    /// Brings the view to `commit`, which the remote took: to `ahead` if that is the view of the config in force. That
    /// the view cannot follow changes nothing about the commit.
    pub(super) async fn follow_push(
        &self,
        _lock: &MutexGuard<'_, ()>,
        commit: &CommitId,
        pushed: Instant,
        ahead: Option<View>,
    ) -> Option<Arc<View>> {
        // The remote answered: an earlier failure is over.
        self.failure.send_replace(None);
        if let (Some(view), Some(config)) = (ahead, self.current_config())
            && Arc::ptr_eq(&view.config, &config)
        {
            return Some(self.announce(view));
        }
        let mirror = self.repository.mirror()?;
        let view = self.publish(&mirror, commit.clone(), pushed).await;
        view.inspect_err(|error| tracing::warn!(%error, "the view did not follow the push")).ok()
    }

    /// Makes and publishes the view of `commit`, which the remote had at `seen`.
    pub(super) async fn publish(
        &self,
        mirror: &Arc<Mirror>,
        commit: CommitId,
        seen: Instant,
    ) -> Result<Arc<View>, MoveError> {
        let config = self.config.borrow().config.clone().ok_or_else(|| self.no_view())?;
        let branch = self.repository.branch().ok_or_else(|| self.no_view())?;
        let known = self.view.borrow().clone();
        if let Some(old) =
            known.filter(|old| old.tree.revision.commit == commit && Arc::ptr_eq(&old.config, &config))
        {
            let same = View {
                config,
                tree: old.tree.clone(),
                commits: old.commits.clone(),
                events: old.events.clone(),
                problems: old.problems.clone(),
                seen,
            };
            return Ok(self.announce(same));
        }
        let (reader, mirror, root) =
            (Arc::clone(&self.reader), Arc::clone(mirror), self.settings.root.clone());
        let read = blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.read(config, &mirror, branch, commit, root.as_ref(), seen)
        });
        let view = read.await?.map_err(|error| view::mirror_failed(&error))?;
        Ok(self.announce(view))
    }

    fn announce(&self, view: View) -> Arc<View> {
        let view = Arc::new(view);
        let old = self.view.borrow().clone();
        let is_new = old.as_ref().is_none_or(|old| old.tree.revision != view.tree.revision);
        if is_new {
            let (files, unreadable) = view.tree.listing.counts();
            tracing::info!(revision = %view.tree.revision, files, unreadable, "repository read");
        }
        let before = old.as_ref().map(|old| &old.tree.restraints.holds);
        if before != Some(&view.tree.restraints.holds) {
            match view.tree.restraints.holds.known() {
                Ok(holds) if before.is_some() || holds.iter().next().is_some() => {
                    tracing::info!(holds = holds.iter().count(), "the holds are others");
                }
                Ok(_) => {}
                Err(problems) => {
                    for problem in problems {
                        tracing::error!(code = %problem.code, %problem, hint = problem.hint, "the holds file cannot be read, so nothing is moved");
                    }
                }
            }
        }
        for (service, problem) in &view.problems {
            let known =
                old.as_ref().is_some_and(|old| old.problems.contains(&(service.clone(), problem.clone())));
            if !known {
                tracing::warn!(%service, code = %problem.code, %problem, hint = problem.hint, "a service cannot be moved");
            }
        }
        self.view.send_replace(Some(Arc::clone(&view)));
        view
    }

    /// Keeps the view young and the way for the next push open, and makes the view anew when the config changes.
    async fn follow(self: Arc<Self>) {
        let mut config = self.config.clone();
        let mut pause = FIRST_RETRY;
        loop {
            let looked = Instant::now();
            let failure = match self.lock(looked + self.settings.poll.max(FETCH_LIMIT)).await {
                Ok(lock) => {
                    // A first copy of a large repository takes as long as it takes.
                    let failure = self.fetch(&lock, looked + Duration::from_secs(3600)).await.err();
                    if failure.is_some() {
                        self.apply_config(&lock).await;
                    }
                    failure
                }
                Err(_) => None,
            };
            // A host that is sick is asked less and less often, and by each replica at other times.
            let wait = match &failure {
                None => self.settings.poll,
                Some(MoveError::Remote(error)) => jittered(pause).max(error.retry_after.unwrap_or_default()),
                Some(_) => jittered(pause),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = config.changed() => if changed.is_err() { tokio::time::sleep(wait).await },
                () = self.repository.disarmed(), if failure.is_none() => {
                    // A server that ends idle conversations soon is not held to them.
                    if looked.elapsed() < SHORT_LIVED {
                        pause = longer(pause, self.settings.poll);
                        tokio::time::sleep(jittered(pause)).await;
                        continue;
                    }
                }
                () = self.stop.cancelled() => return,
            }
            pause = if failure.is_some() { longer(pause, self.settings.poll) } else { FIRST_RETRY };
        }
    }
}

/// How many plans are made at a time that are only shown.
const PLANS_AT_ONCE: usize = 2;
/// How long somebody waits for a turn.
const PLANNING_LIMIT: Duration = Duration::from_secs(10);
/// How long receivers that are being told can hold up the end of the process.
const TELLING_LIMIT: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// A conversation with the server that ends by itself sooner than this was not cut off by chance.
const SHORT_LIVED: Duration = Duration::from_secs(20);

/// Whether the mirror could not be read although the remote could.
fn is_damage<T>(looked: &Result<T, MoveError>) -> bool {
    matches!(looked, Err(MoveError::Remote(error)) if error.code == Code::CacheFailed)
}

pub(super) fn shutting_down() -> MoveError {
    MoveError::problem(
        Code::ShuttingDown,
        "the server is stopping; nothing was committed",
        "ask another replica, or ask again",
    )
}

/// Somewhere between half of the pause and all of it.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.)
}

/// The pause after one more failure.
fn longer(pause: Duration, longest: Duration) -> Duration {
    pause.saturating_mul(2).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_any_length_leaves_a_pause_that_ends() {
        let poll = Duration::from_secs(30);
        let last = (0..10_000).fold(FIRST_RETRY, |pause, _| longer(pause, poll));
        assert_eq!(last, poll);
    }
}
