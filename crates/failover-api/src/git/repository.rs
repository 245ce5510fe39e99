//! The branch as this process knows it: the remote, the current mirror, and the rule when to throw the mirror away.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::{BranchName, CommitId};
use tokio::time::Instant;

use super::cache::CacheFolder;
use super::commit::NewCommit;
use super::commit_page::CommitPages;
use super::error::RemoteError;
use super::mirror::Mirror;
use super::objects::MirrorError;
use super::outcome::PushOutcome;
use super::remote::{FETCH_LIMIT, Remote};
use super::secret::SecretFolder;
use super::ssh::SshSettings;
use super::url::RemoteUrl;

/// The longest that making the mirror anew may take: a large repository over a thin line.
const BUILD_LIMIT: Duration = Duration::from_secs(300);
/// The longest that one push may take until the server's report; hooks that decide about it included.
const PUSH_LIMIT: Duration = Duration::from_secs(12);

/// Which branch of which repository.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The remote.
    pub url: RemoteUrl,
    /// The branch; the remote's HEAD when `None`.
    pub branch: Option<BranchName>,
    /// How to reach it over SSH.
    pub ssh: Option<SshSettings>,
    /// What a web server wants to see.
    pub secret: SecretFolder,
    /// Where the mirror is kept; the system's temporary folder when `None`.
    pub cache: Option<PathBuf>,
}

/// The branch as it was found.
#[derive(Debug)]
pub struct Found {
    /// The mirror that holds it.
    pub mirror: Arc<Mirror>,
    /// Its commit.
    pub tip: CommitId,
    /// Why nothing can be pushed, where the remote said so.
    pub push_refused: Option<RemoteError>,
}

/// The branch and its mirror. Remote operations run one at a time: the caller holds the lock that sees to it.
#[derive(Debug)]
pub struct Repository {
    remote: Remote,
    commit_pages: Option<CommitPages>,
    /// The branch that the operator named.
    configured: Option<BranchName>,
    branch: Mutex<Option<BranchName>>,
    mirror: Mutex<Option<Arc<Mirror>>>,
    /// Until when the host wants to be left alone, and what it said.
    paused: Mutex<Option<(Instant, RemoteError)>>,
    cache: CacheFolder,
}

impl Repository {
    /// Prepares everything; touches no network.
    ///
    /// # Errors
    /// The cache folder cannot be used.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let cache = CacheFolder::make(settings.cache)?;
        let remote = Remote::new(&settings.url, settings.ssh.as_ref(), settings.secret, cache.path())?;
        Ok(Self {
            remote,
            commit_pages: CommitPages::of(&settings.url),
            branch: Mutex::new(settings.branch.clone()),
            configured: settings.branch,
            mirror: Mutex::new(None),
            paused: Mutex::new(None),
            cache,
        })
    }

    /// Where the Git host shows its commits, if that is known.
    pub fn commit_pages(&self) -> Option<&CommitPages> {
        self.commit_pages.as_ref()
    }

    /// The branch, once it is known.
    pub fn branch(&self) -> Option<BranchName> {
        self.branch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mirror, once there is one.
    pub fn mirror(&self) -> Option<Arc<Mirror>> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Throws the mirror away: something in it is missing or wrong, and a fetch would not bring it back.
    pub fn discard_mirror(&self) {
        let old = self.mirror.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(old) = old {
            remove(old.folder());
        }
    }

    /// Looks where the branch is, and brings the mirror there.
    ///
    /// # Errors
    /// Why the remote could not be read.
    pub async fn fetch(&self, deadline: Instant) -> Result<Found, RemoteError> {
        self.not_paused()?;
        let fetched = self.fetch_branch(deadline).await;
        if let Err(error) = &fetched {
            self.heed(error);
            if error.code == Code::BranchNotFound {
                // The remote's HEAD may name another branch by now.
                self.branch.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.configured);
            }
        }
        fetched
    }

    async fn fetch_branch(&self, deadline: Instant) -> Result<Found, RemoteError> {
        let soon = deadline.min(Instant::now() + FETCH_LIMIT);
        let branch = match self.branch() {
            Some(branch) => branch,
            None => {
                let branch = self.remote.default_branch(soon).await.map_err(|error| self.veiled(error))?;
                *self.branch.lock().unwrap_or_else(PoisonError::into_inner) = Some(branch.clone());
                branch
            }
        };
        let mut sight = self.remote.look(&branch, soon).await.map_err(|error| self.veiled(error))?;
        sight.push_refused = sight.push_refused.map(|error| self.veiled(error));
        let long = deadline.min(Instant::now() + BUILD_LIMIT);
        let tip = sight.tip.ok_or_else(|| {
            RemoteError::new(Code::BranchNotFound, format!("the remote has no branch {branch}"))
        })?;
        let push_refused = sight.push_refused;
        if let Some(mirror) = self.mirror() {
            match mirror.tip(&branch) {
                Ok(known) if known == tip => return Ok(Found { mirror, tip, push_refused }),
                Ok(_) if mirror.is_scattered() => tracing::debug!("the local copy is scattered"),
                Ok(_) => {
                    match self.remote.fetch(&mirror, &branch, long).await.map_err(|error| self.veiled(error))
                    {
                        Ok(()) => match mirror.tip(&branch) {
                            Ok(fetched) => {
                                reaches(&mirror, &fetched, &tip)?;
                                return Ok(Found { mirror, tip: fetched, push_refused });
                            }
                            Err(error) => tracing::warn!(%error, "rebuilding the local copy"),
                        },
                        // Damage has too many words to be told from a remote that fails; a fresh copy tells them apart.
                        Err(error) if matches!(error.code, Code::CacheFailed | Code::RemoteFailed) => {
                            tracing::warn!(%error, "rebuilding the local copy");
                        }
                        Err(error) => {
                            if error.code == Code::RemoteTimeout {
                                // Whoever was given up may still write into it.
                                self.discard_mirror();
                            }
                            return Err(error);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "rebuilding the local copy"),
            }
        }
        let (mirror, fetched) = self.build(&branch, sight.format, long).await?;
        reaches(&mirror, &fetched, &tip)?;
        Ok(Found { mirror, tip: fetched, push_refused })
    }

    async fn build(
        &self,
        branch: &BranchName,
        format: gix::hash::Kind,
        deadline: Instant,
    ) -> Result<(Arc<Mirror>, CommitId), RemoteError> {
        // Temporary folders get cleaned: ours may be gone.
        let folder = std::fs::create_dir_all(self.cache.path())
            .and_then(|()| tempfile::Builder::new().prefix("mirror-").tempdir_in(self.cache.path()))
            .map_err(|error| {
                RemoteError::new(Code::CacheFailed, format!("the local copy could not be made: {error}"))
            })?;
        let mirror = Arc::new(Mirror::init(folder.path(), format).map_err(cache_failed)?);
        self.remote.fetch(&mirror, branch, deadline).await.map_err(|error| self.veiled(error))?;
        let tip = mirror.tip(branch).map_err(cache_failed)?;
        let folder = folder.keep();
        let old = self.mirror.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::clone(&mirror));
        tracing::debug!(folder = %folder.display(), "built the local copy");
        if let Some(old) = old {
            remove(old.folder());
        }
        Ok((mirror, tip))
    }

    /// Pushes `commit` if the branch is at its parent.
    pub async fn push(&self, commit: &NewCommit, deadline: Instant) -> PushOutcome {
        let Some(branch) = self.branch() else {
            return RemoteError::new(Code::ViewMissing, "the branch is not known yet").into();
        };
        if let Err(error) = self.not_paused() {
            return error.into();
        }
        let deadline = deadline.min(Instant::now() + PUSH_LIMIT);
        let mut outcome = self.remote.push(&branch, commit, deadline).await;
        if let Some(detail) = outcome.detail_mut() {
            self.remote.veil(detail);
        }
        if let PushOutcome::Refused(error) | PushOutcome::Failed(error) = &outcome {
            self.heed(error);
        }
        outcome
    }

    /// Moves the mirror's branch to `commit`, which the remote took and which the mirror has taken in.
    ///
    /// # Errors
    /// The mirror could not be written; the next fetch brings the commit again.
    pub fn follow(&self, mirror: &Mirror, commit: &NewCommit) -> Result<(), MirrorError> {
        self.branch().map_or(Ok(()), |branch| mirror.set_tip(&branch, commit.id()))
    }

    /// Returns when the way for the next push should be opened again.
    pub async fn disarmed(&self) {
        self.remote.disarmed().await;
    }

    /// Waits until the remote's hooks behind earlier pushes are done.
    pub async fn quiet(&self) {
        self.remote.quiet().await;
    }

    /// A host may repeat what it was sent, a hook its whole environment.
    fn veiled(&self, mut error: RemoteError) -> RemoteError {
        self.remote.veil(&mut error.detail);
        error
    }

    /// Remembers that the host wants to be left alone.
    fn heed(&self, error: &RemoteError) {
        if let Some(pause) = error.retry_after {
            let end = Instant::now() + pause;
            *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, error.clone()));
        }
    }

    /// What the host said when it wants to be left alone.
    fn not_paused(&self) -> Result<(), RemoteError> {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &*paused {
            Some((end, error)) if now < *end => {
                let left = Duration::from_secs((*end - now).as_secs() + 1);
                Err(RemoteError { retry_after: Some(left), ..error.clone() })
            }
            _ => {
                *paused = None;
                Ok(())
            }
        }
    }
}

/// Whether what was fetched is what the look saw, or came after it. A host that gives out objects from a copy that lags
/// behind would have the branch decided on as it was.
fn reaches(mirror: &Mirror, fetched: &CommitId, seen: &CommitId) -> Result<(), RemoteError> {
    if fetched == seen {
        return Ok(());
    }
    let commits = mirror.commits(fetched, &[]).map_err(cache_failed)?;
    if commits.iter().any(|commit| commit.id == *seen) {
        return Ok(());
    }
    let detail = format!(
        "the Git host says that the branch is at {seen}, and gives out {fetched}, which does not hold it"
    );
    Err(RemoteError::new(Code::RemoteFailed, detail))
}

fn cache_failed(error: MirrorError) -> RemoteError {
    RemoteError::new(Code::CacheFailed, error.to_string())
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "an old local copy could not be removed");
    }
}
