//! The branch as this process knows it: the remote, the current mirror, and the rule when to throw the mirror away.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::{BranchName, CommitId};
use tokio::time::Instant;

use super::cache::Cache;
use super::error::RemoteError;
use super::mirror::Mirror;
use super::objects::MirrorError;
use super::porcelain::PushOutcome;
use super::remote::{ObjectFormat, Remote};
use super::ssh::SshSettings;
use super::url::RemoteUrl;

/// The longest that one fetch may take, building the mirror anew included.
pub const FETCH_LIMIT: Duration = Duration::from_secs(15);
/// The longest that one push may take; `git push` waits for the server's hooks.
const PUSH_LIMIT: Duration = Duration::from_secs(12);
/// More loose objects than these, each a page of memory-backed storage, and the mirror is built anew.
const MANY_LOOSE_OBJECTS: usize = 2000;

/// Which branch of which repository.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The remote.
    pub url: RemoteUrl,
    /// The branch; the remote's HEAD when `None`.
    pub branch: Option<BranchName>,
    /// How to reach it over SSH.
    pub ssh: Option<SshSettings>,
    /// Where the mirror is kept; the system's temporary folder when `None`.
    pub cache: Option<PathBuf>,
}

/// The branch and its mirror. Remote operations run one at a time: the caller holds the lock that sees to it.
#[derive(Debug)]
pub struct Repository {
    remote: Remote,
    /// The branch that the operator named.
    configured: Option<BranchName>,
    branch: Mutex<Option<BranchName>>,
    mirror: Mutex<Option<Arc<Mirror>>>,
    cache: Cache,
}

impl Repository {
    /// Prepares everything; touches no network.
    ///
    /// # Errors
    /// The cache folder cannot be used.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let cache = Cache::make(settings.cache)?;
        let remote = Remote::new(settings.url, settings.ssh.as_ref(), cache.path())?;
        Ok(Self {
            remote,
            branch: Mutex::new(settings.branch.clone()),
            configured: settings.branch,
            mirror: Mutex::new(None),
            cache,
        })
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

    /// Brings the mirror to the branch's tip and returns it, with the mirror that holds it.
    ///
    /// # Errors
    /// Why the remote could not be read.
    pub async fn fetch(&self, deadline: Instant) -> Result<(Arc<Mirror>, CommitId), RemoteError> {
        let fetched = self.fetch_branch(deadline).await;
        if fetched.as_ref().is_err_and(|error| error.code == Code::BranchNotFound) {
            // The remote's HEAD may name another branch by now.
            self.branch.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.configured);
        }
        fetched
    }

    async fn fetch_branch(&self, deadline: Instant) -> Result<(Arc<Mirror>, CommitId), RemoteError> {
        let deadline = deadline.min(Instant::now() + FETCH_LIMIT);
        let branch = match self.branch() {
            Some(branch) => branch,
            None => {
                let branch = self.remote.default_branch(deadline).await?;
                *self.branch.lock().unwrap_or_else(PoisonError::into_inner) = Some(branch.clone());
                branch
            }
        };
        if let Some(mirror) =
            self.mirror().filter(|mirror| mirror.loose_objects(MANY_LOOSE_OBJECTS) < MANY_LOOSE_OBJECTS)
        {
            match self.remote.fetch(mirror.folder(), &branch, deadline).await {
                Ok(()) => match mirror.tip(&branch) {
                    Ok(tip) => return Ok((mirror, tip)),
                    Err(error) => tracing::warn!(%error, "rebuilding the local copy"),
                },
                Err(error) if error.code == Code::CacheFailed => {
                    tracing::warn!(%error, "rebuilding the local copy")
                }
                Err(error) => return Err(error),
            }
        }
        self.rebuild(&branch, deadline).await
    }

    async fn rebuild(
        &self,
        branch: &BranchName,
        deadline: Instant,
    ) -> Result<(Arc<Mirror>, CommitId), RemoteError> {
        match self.build(branch, ObjectFormat::Sha1, deadline).await {
            // The remote says which hash it uses only when it is the other one.
            Err(error) if error.detail.contains("mismatched algorithms") => {
                self.build(branch, ObjectFormat::Sha256, deadline).await
            }
            built => built,
        }
    }

    async fn build(
        &self,
        branch: &BranchName,
        format: ObjectFormat,
        deadline: Instant,
    ) -> Result<(Arc<Mirror>, CommitId), RemoteError> {
        // Temporary folders get cleaned: ours may be gone.
        let folder = std::fs::create_dir_all(self.cache.path())
            .and_then(|()| tempfile::Builder::new().prefix("mirror-").tempdir_in(self.cache.path()))
            .map_err(|error| {
                RemoteError::new(Code::CacheFailed, format!("the local copy could not be made: {error}"))
            })?;
        self.remote.init(folder.path(), format, deadline).await?;
        self.remote.fetch(folder.path(), branch, deadline).await?;
        let mirror = Arc::new(Mirror::open(folder.path()).map_err(cache_failed)?);
        let tip = mirror.tip(branch).map_err(cache_failed)?;
        let folder = folder.keep();
        let old = self.mirror.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::clone(&mirror));
        tracing::debug!(folder = %folder.display(), "built the local copy");
        if let Some(old) = old {
            remove(old.folder());
        }
        Ok((mirror, tip))
    }

    /// Pushes `commit`, whose one parent is `expected`, and on success moves the mirror along.
    pub async fn push(
        &self,
        mirror: &Mirror,
        commit: &CommitId,
        expected: &CommitId,
        deadline: Instant,
    ) -> PushOutcome {
        let Some(branch) = self.branch() else {
            return PushOutcome::Failed(RemoteError::new(Code::ViewMissing, "the branch is not known yet"));
        };
        let deadline = deadline.min(Instant::now() + PUSH_LIMIT);
        let outcome = self.remote.push(mirror.folder(), &branch, commit, expected, deadline).await;
        if outcome == PushOutcome::Accepted
            && let Err(error) = mirror.set_tip(&branch, commit)
        {
            // The next fetch brings the commit back.
            tracing::warn!(%error, "the local branch did not follow the push");
        }
        outcome
    }
}

fn cache_failed(error: MirrorError) -> RemoteError {
    RemoteError::new(Code::CacheFailed, error.to_string())
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "an old local copy could not be removed");
    }
}
