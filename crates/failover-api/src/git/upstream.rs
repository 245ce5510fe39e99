//! Where a clone's branch goes when its owner says `git push`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use failover_core::name::{BranchName, CommitId};

use super::error::quote;

/// A branch of a clone with the remote branch that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    folder: PathBuf,
    branch: BranchName,
    remote: String,
    /// The full name of the branch at the remote.
    reference: String,
}

/// Why a clone's branch was not pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The branch follows no branch of a remote.
    #[error("the branch {0} of the clone follows no remote branch")]
    None(BranchName),
    /// The remote said no.
    #[error("the push was refused, and the commit is in the clone only; git said: {0}")]
    Rejected(String),
    /// Git failed in another way, and may have pushed before it did.
    #[error("git push failed; git said: {0}")]
    Failed(String),
    /// Git could not be started.
    #[error("git cannot be started: {0}")]
    Git(String),
}

impl Upstream {
    /// What `branch` of the clone in `folder` follows, by the owner's own Git configuration.
    ///
    /// # Errors
    /// It follows nothing, or Git cannot be asked.
    pub fn of(folder: &Path, branch: &BranchName) -> Result<Self, UpstreamError> {
        let setting = |name: &str| {
            let output = git(folder, &["config", "--get", &format!("branch.{branch}.{name}")])?;
            let value = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() && !value.is_empty() && value != "." && !value.starts_with('-') {
                Ok(value)
            } else {
                Err(UpstreamError::None(branch.clone()))
            }
        };
        let (remote, reference) = (setting("remote")?, setting("merge")?);
        Ok(Self { folder: folder.to_owned(), branch: branch.clone(), remote, reference })
    }

    /// How many commits of the branch the clone knows of that the remote does not have; `None` where it cannot tell.
    #[must_use]
    pub fn ahead(&self) -> Option<usize> {
        let range = format!("{0}@{{upstream}}..refs/heads/{0}", self.branch);
        let output = git(&self.folder, &["rev-list", "--count", &range]).ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }

    /// Pushes `commit` and what it builds on, with the owner's own credentials; never by force.
    ///
    /// # Errors
    /// The remote did not take it, or it is not known whether it did.
    pub fn push(&self, commit: &CommitId) -> Result<(), UpstreamError> {
        let what = format!("{commit}:{}", self.reference);
        let output = git(&self.folder, &["push", "--porcelain", &self.remote, &what])?;
        if output.status.success() {
            return Ok(());
        }
        let (report, words) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let rejected = report.lines().find(|line| line.starts_with("!\t"));
        Err(match rejected {
            Some(line) => UpstreamError::Rejected(quote(&format!("{}\n{words}", line.replace('\t', " ")))),
            None => UpstreamError::Failed(quote(&words)),
        })
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let branch = self.reference.strip_prefix("refs/heads/").unwrap_or(&self.reference);
        write!(f, "{} of {}", branch, self.remote)
    }
}

/// The owner's git in the owner's environment: it may ask for a passphrase on the terminal.
fn git(folder: &Path, arguments: &[&str]) -> Result<Output, UpstreamError> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(arguments).env("LC_ALL", "C");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    git.stdin(Stdio::null()).output().map_err(|error| UpstreamError::Git(error.to_string()))
}
