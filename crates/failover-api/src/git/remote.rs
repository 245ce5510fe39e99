//! The one remote branch: fetched and pushed with the `git` program.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use failover_core::code::Code;
use failover_core::name::{BranchName, CommitId};
use tokio::time::Instant;

use super::command::{Finished, NotStarted, Runner};
use super::error::{RemoteError, classify, quote};
use super::mirror::DEPTH;
use super::porcelain::{PushOutcome, push_outcome};
use super::ssh::{Master, SshSettings};
use super::url::RemoteUrl;

/// Memory-backed and rebuilt on any doubt: no maintenance, no hooks, no syncing.
const CONFIG: &str = "\
[gc]
\tauto = 0
[core]
\thooksPath = /dev/null
\tfsync = none
\tfsmonitor = false
[protocol]
\tversion = 2
[fetch]
\tunpackLimit = 100
[submodule]
\trecurse = false
";

/// Which hash names the objects of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectFormat {
    Sha1,
    Sha256,
}

/// A remote repository and how to reach it.
#[derive(Debug)]
pub(super) struct Remote {
    url: RemoteUrl,
    runner: Runner,
    master: Option<Master>,
}

impl Remote {
    /// Connects in the background; returns at once. `folder` is for the connection's own files.
    pub(super) fn new(url: RemoteUrl, ssh: Option<&SshSettings>, folder: &Path) -> std::io::Result<Self> {
        let (master, environment) = match (&url, ssh) {
            (RemoteUrl::Ssh { .. }, Some(settings)) => {
                let (master, environment) = Master::start(settings, &url, folder)?;
                (Some(master), Some(environment))
            }
            (RemoteUrl::Local(_), _) | (RemoteUrl::Ssh { .. }, None) => (None, None),
        };
        Ok(Self { url, runner: Runner { ssh: environment }, master })
    }

    /// Makes an empty bare repository in `folder`, which must exist.
    pub(super) async fn init(
        &self,
        folder: &Path,
        format: ObjectFormat,
        deadline: Instant,
    ) -> Result<(), RemoteError> {
        let format = match format {
            ObjectFormat::Sha1 => "--object-format=sha1",
            ObjectFormat::Sha256 => "--object-format=sha256",
        };
        let arguments = [
            git_dir(folder),
            "init".into(),
            "--quiet".into(),
            "--bare".into(),
            "--template=".into(),
            format.into(),
        ];
        let finished = self.run(arguments, deadline).await?;
        if finished.code != Some(0) {
            let detail = format!("the local copy could not be made: {}", quote(&finished.stderr));
            return Err(RemoteError::new(Code::CacheFailed, detail));
        }
        let config = folder.join("config");
        let written =
            std::fs::read_to_string(&config).and_then(|text| std::fs::write(&config, text + CONFIG));
        written.map_err(|error| {
            RemoteError::new(Code::CacheFailed, format!("the local copy could not be configured: {error}"))
        })
    }

    /// The branch that the remote's HEAD names.
    pub(super) async fn default_branch(&self, deadline: Instant) -> Result<BranchName, RemoteError> {
        let arguments = [
            "ls-remote".as_ref(),
            "--symref".as_ref(),
            "--".as_ref(),
            self.url.as_git_argument(),
            "HEAD".as_ref(),
        ];
        let finished = self.contact(arguments, deadline).await?;
        let name = finished
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        name.and_then(|name| BranchName::new(name).ok()).ok_or_else(|| {
            RemoteError::new(
                Code::BranchNotFound,
                "the remote's HEAD names no branch; the repository may be empty",
            )
        })
    }

    /// Brings the branch into the bare repository in `folder`.
    pub(super) async fn fetch(
        &self,
        folder: &Path,
        branch: &BranchName,
        deadline: Instant,
    ) -> Result<(), RemoteError> {
        // Always with a depth: after a forced push a plain fetch into a shallow repository loads all of history.
        let arguments = [
            git_dir(folder),
            "fetch".into(),
            "--no-tags".into(),
            "--no-write-fetch-head".into(),
            "--no-auto-maintenance".into(),
            "--quiet".into(),
            format!("--depth={DEPTH}").into(),
            "--".into(),
            self.url.as_git_argument().to_owned(),
            format!("+refs/heads/{branch}:refs/heads/{branch}").into(),
        ];
        self.contact(arguments, deadline).await.map(drop)
    }

    /// Moves the branch from `expected` to `commit`, whose only parent must be `expected`, or not at all.
    pub(super) async fn push(
        &self,
        folder: &Path,
        branch: &BranchName,
        commit: &CommitId,
        expected: &CommitId,
        deadline: Instant,
    ) -> PushOutcome {
        // The lease alone would allow a rewind, the fast-forward rule alone would bring back removed commits.
        let arguments = [
            git_dir(folder),
            "push".into(),
            "--porcelain".into(),
            "--no-verify".into(),
            format!("--force-with-lease=refs/heads/{branch}:{expected}").into(),
            "--".into(),
            self.url.as_git_argument().to_owned(),
            format!("{commit}:refs/heads/{branch}").into(),
        ];
        match self.run(arguments, deadline).await {
            Err(error) => PushOutcome::Failed(error),
            Ok(finished) => {
                if finished.timed_out {
                    self.drop_connection();
                }
                push_outcome(&finished, branch.as_str())
            }
        }
    }

    /// Runs a command that reads from the remote.
    async fn contact<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        deadline: Instant,
    ) -> Result<Finished, RemoteError> {
        let finished = self.run(arguments, deadline).await?;
        match finished {
            Finished { code: Some(0), timed_out: false, .. } => Ok(finished),
            Finished { timed_out: true, .. } => {
                self.drop_connection();
                Err(RemoteError::new(Code::RemoteTimeout, "the Git remote did not answer in time"))
            }
            Finished { stderr, .. } => Err(classify(&stderr)),
        }
    }

    async fn run<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        deadline: Instant,
    ) -> Result<Finished, RemoteError> {
        self.runner.run(arguments, deadline).await.map_err(|error| match error {
            NotStarted::Prepare(_) => RemoteError::new(Code::CacheFailed, error.to_string()),
            NotStarted::Spawn(_) => RemoteError::new(Code::GitMissing, error.to_string()),
        })
    }

    fn drop_connection(&self) {
        if let Some(master) = &self.master {
            master.restart();
        }
    }
}

fn git_dir(folder: &Path) -> OsString {
    let mut argument = OsString::from("--git-dir=");
    argument.push(folder);
    argument
}
