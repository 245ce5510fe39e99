//! Keeps the copy of the Secret what the Secret is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use failover_core::code::{Code, Problem};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::client::SecretClient;
use super::error::SecretError;
use super::files::{SecretCopy, Values};
use super::identity;
use super::name::SecretName;

/// How often the Secret is asked for. It is one small request, and a rotated key should not wait for long.
const INTERVAL: Duration = Duration::from_secs(15);
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The shortest time between two requests, however often somebody wants to know.
const SHORTEST: Duration = Duration::from_secs(2);

/// A Secret whose copy is kept up to date in the background.
#[derive(Debug, Clone)]
pub struct Follower {
    folder: PathBuf,
    problem: watch::Receiver<Option<Problem>>,
    soon: Arc<Notify>,
}

impl Follower {
    /// The folder with a file for each key of the Secret; empty until it was read.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why the copy may not be what the Secret is; `None` when it is.
    #[must_use]
    pub fn problem(&self) -> watch::Receiver<Option<Problem>> {
        self.problem.clone()
    }

    /// Asks for the Secret soon: somebody was turned away with the copy.
    pub fn look_soon(&self) {
        self.soon.notify_one();
    }

    /// Waits until the first request is answered, well or not, but not longer than this.
    pub async fn first_look(&self, limit: Duration) {
        let mut problem = self.problem.clone();
        // Whoever is late will be noticed as a problem of health.
        let _ = tokio::time::timeout(limit, problem.changed()).await;
    }
}

/// Reads `secret` now and again, and keeps `copy` like it. `needed` are the keys without which it is of no use.
#[must_use]
pub fn follow(secret: SecretName, needed: Vec<&'static str>, copy: SecretCopy) -> Follower {
    let not_yet = SecretError::Unreachable { reason: format!("it has not answered yet for Secret {secret}") };
    let (sender, problem) = watch::channel(Some(not_yet.problem()));
    let soon = Arc::new(Notify::new());
    let follower = Follower { folder: copy.path().to_owned(), problem, soon: Arc::clone(&soon) };
    let looking = Arc::new(Looking { secret, needed, copy, soon, problem: sender });
    tokio::spawn(async move {
        // A defect there must not leave a server with credentials that nobody renews.
        while let Err(error) = tokio::spawn(Arc::clone(&looking).look_forever()).await {
            tracing::error!(%error, "reading the Secret ended abnormally; starting again");
            tokio::time::sleep(INTERVAL).await;
        }
    });
    follower
}

struct Looking {
    secret: SecretName,
    needed: Vec<&'static str>,
    copy: SecretCopy,
    soon: Arc<Notify>,
    problem: watch::Sender<Option<Problem>>,
}

impl Looking {
    async fn look_forever(self: Arc<Self>) {
        let mut client = SecretClient::new(self.secret.clone());
        let mut pause = FIRST_RETRY;
        let mut prepared = None;
        while !self.problem.is_closed() {
            let looked = Instant::now();
            let result = match client.get().await {
                Ok(values) => Arc::clone(&self).take(values, &mut prepared).await,
                Err(error) => Err(error),
            };
            pause = if result.is_ok() { INTERVAL } else { (pause * 2).min(INTERVAL) };
            self.tell(result.err());
            tokio::select! {
                // By each replica at another time.
                () = tokio::time::sleep(pause.mul_f64(0.8 + fastrand::f64() * 0.4)) => {}
                () = self.soon.notified() => tokio::time::sleep_until(looked + SHORTEST).await,
            }
        }
    }

    /// Puts what was found into the files. `prepared` is what was made of which values the last time.
    async fn take(
        self: Arc<Self>,
        found: Values,
        prepared: &mut Option<(Values, Values)>,
    ) -> Result<(), SecretError> {
        let known = prepared.as_ref().filter(|(from, _)| *from == found).map(|(_, made)| made.clone());
        let (taking, raw) = (Arc::clone(&self), found.clone());
        // Opening a key with a passphrase takes a while, and a disk may hang.
        let work = tokio::task::spawn_blocking(move || {
            let usable = known.map_or_else(|| taking.usable(raw), |known| (known, None));
            let changed = taking.copy.update(&usable.0);
            (usable, changed)
        });
        let failed = |reason: String| SecretError::NotWritten { reason };
        let ((made, wrong), changed) = work.await.map_err(|error| failed(error.to_string()))?;
        let changed = changed.map_err(|error| failed(error.to_string()))?;
        if !changed.is_empty() {
            let keys: Vec<String> = changed.into_iter().collect();
            tracing::info!(secret = %self.secret, changed = keys.join(" "), "the Secret was copied");
        }
        // One that cannot be used is judged anew each time, so that it goes on being told of.
        *prepared = wrong.is_none().then_some((found, made));
        wrong.map_or(Ok(()), Err)
    }

    /// The values as Git's programs can use them, and why they cannot.
    fn usable(&self, Values(mut values): Values) -> (Values, Option<SecretError>) {
        let unusable = |reason| Some(SecretError::Unusable { secret: self.secret.clone(), reason });
        let missing: Vec<&str> =
            self.needed.iter().filter(|key| !values.contains_key(**key)).copied().collect();
        let mut wrong = None;
        if values.is_empty() {
            wrong = unusable("it has none of the keys that Flux knows for Git".to_owned());
        } else if !missing.is_empty() {
            wrong = unusable(format!("it has no {}", missing.join(" and no ")));
        }
        if self.needed.contains(&"identity")
            && let Some(identity) = values.remove("identity")
        {
            match identity::readable(&identity, values.get("password").map(Vec::as_slice)) {
                Ok(identity) => drop(values.insert("identity", identity)),
                Err(reason) => {
                    values.insert("identity", identity);
                    wrong = wrong.or_else(|| unusable(reason));
                }
            }
        }
        (Values(values), wrong)
    }

    /// Publishes how it is, and logs it when that is news.
    fn tell(&self, error: Option<SecretError>) {
        let problem = error.as_ref().map(SecretError::problem);
        let before = self.problem.send_replace(problem.clone());
        match (before, problem) {
            (before, Some(problem)) if before.as_ref() != Some(&problem) => {
                tracing::warn!(code = %problem.code, %problem, hint = problem.hint, "the Secret for Git could not be read");
            }
            (Some(_), None) => tracing::info!(secret = %self.secret, "the Secret for Git is read"),
            (Some(_), Some(_)) | (None, _) => {}
        }
    }
}

/// Whether credentials that were just renewed could be the answer to a remote's "no" with this code.
#[must_use]
pub fn may_be_outdated(code: Code) -> bool {
    matches!(
        code,
        Code::SshKeyRejected
            | Code::SshKeyUnusable
            | Code::HostKeyUnknown
            | Code::HostKeyChanged
            | Code::CredentialsRejected
            | Code::CertificateUnknown
            | Code::RepositoryNotFound
    )
}
