//! The config file: read, checked, and read again when it changes. The last good config stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use failover_core::config::{self, Config, ConfigErrors};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use tokio::sync::watch;

use crate::reload::{self, Files, Followed};

/// The config in force, and what is wrong with the file if it is not the one.
#[derive(Debug, Clone, Default)]
pub struct ConfigState {
    /// The last good config.
    pub config: Option<Arc<Config>>,
    /// Counts the good configs that were loaded.
    pub generation: u64,
    /// Names the content of the last good config, the same in every process that has it in force.
    pub digest: Option<Digest>,
    /// Why the file as it is now is not in force.
    pub problem: Option<ConfigProblem>,
}

/// The first 12 hexadecimal digits of a file's SHA-256, as `sha256sum` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest(String);

impl Digest {
    /// That of a file with this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = digest(&SHA256, text.as_bytes());
        Self(digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Why a config file is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    /// The file cannot be read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file says something that cannot be.
    #[error("{0}")]
    Invalid(#[from] ConfigErrors),
}

/// Reads `path` now and keeps looking at it in the background.
#[must_use]
pub fn watch(path: PathBuf) -> watch::Receiver<ConfigState> {
    reload::follow(path, ConfigState::default())
}

impl Followed for ConfigState {
    type Found = Result<(Config, Digest), ConfigProblem>;

    fn judge(path: &Path, text: Result<&str, &str>, _others: &mut Files) -> Self::Found {
        match text {
            Ok(text) => Ok((config::parse(text)?, Digest::of(text))),
            Err(reason) => {
                Err(ConfigProblem::Unreadable { path: path.to_owned(), reason: reason.to_owned() })
            }
        }
    }

    /// Puts a good config into force; a bad one is only told of.
    fn take(&mut self, found: Self::Found, path: &Path) {
        match found {
            Ok((config, digest)) => {
                self.generation += 1;
                self.digest = Some(digest);
                if config.services().any(|service| service.max_data_age.is_some()) {
                    tracing::warn!("max_data_age is checked but nothing acts on it in this version");
                }
                tracing::info!(
                    services = config.services().len(),
                    generation = self.generation,
                    "config loaded"
                );
                self.config = Some(Arc::new(config));
                self.problem = None;
            }
            Err(problem) => {
                let problems = problem.to_string().replace('\n', "; ");
                let kept = self.config.is_some();
                tracing::error!(file = %path.display(), problems, last_good_config_kept = kept, "config refused");
                self.problem = Some(problem);
            }
        }
    }
}
