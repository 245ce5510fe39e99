//! The config file: read, checked, and read again when it changes. The last good config stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use failover_core::config::{self, Config, ConfigErrors};
use tokio::sync::watch;

/// How often the file is looked at. A mounted ConfigMap changes by a swap of symbolic links, which reading by
/// path always follows and file notifications often miss.
const INTERVAL: Duration = Duration::from_secs(1);

/// The config in force, and what is wrong with the file if it is not the one.
#[derive(Debug, Clone, Default)]
pub struct ConfigState {
    /// The last good config.
    pub config: Option<Arc<Config>>,
    /// Counts the good configs that were loaded.
    pub generation: u64,
    /// Why the file as it is now is not in force.
    pub problem: Option<ConfigProblem>,
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
    let mut reader = Reader { path, last: None };
    let mut state = ConfigState::default();
    if let Some(found) = reader.look() {
        state.take(found, &reader.path);
    }
    let (sender, receiver) = watch::channel(state);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !sender.is_closed() {
            ticks.tick().await;
            // Read on a thread of its own: a mounted file can hang, and a defect must not end the watching.
            let (path, mut looking) = (reader.path.clone(), reader.clone());
            let found = tokio::task::spawn_blocking(move || {
                let found = looking.look();
                (looking, found)
            });
            match found.await {
                Ok((looked, Some(found))) => {
                    reader = looked;
                    sender.send_modify(|state| state.take(found, &path));
                }
                Ok((_, None)) => {}
                Err(error) => {
                    tracing::error!(%error, "reading the config ended abnormally");
                    let reason = "reading it ended abnormally; please report the file".to_owned();
                    reader.last = read(&path).into();
                    sender.send_modify(|state| {
                        state.problem = Some(ConfigProblem::Unreadable { path: path.clone(), reason });
                    });
                }
            }
        }
    });
    receiver
}

#[derive(Debug, Clone)]
struct Reader {
    path: PathBuf,
    /// What the last look found, so that a file is judged once.
    last: Option<Result<String, String>>,
}

impl Reader {
    /// What the file says; `None` when it is as it was.
    fn look(&mut self) -> Option<Result<Config, ConfigProblem>> {
        let found = read(&self.path);
        if self.last.as_ref() == Some(&found) {
            return None;
        }
        let parsed = match &found {
            Ok(text) => config::parse(text).map_err(ConfigProblem::Invalid),
            Err(reason) => Err(ConfigProblem::Unreadable { path: self.path.clone(), reason: reason.clone() }),
        };
        self.last = Some(found);
        Some(parsed)
    }
}

impl ConfigState {
    /// Puts a good config into force; a bad one is only told of.
    fn take(&mut self, found: Result<Config, ConfigProblem>, path: &Path) {
        match found {
            Ok(config) => {
                self.generation += 1;
                if config
                    .services()
                    .any(|service| service.cooldown.is_some() || service.max_data_age.is_some())
                {
                    tracing::warn!(
                        "cooldown and max_data_age are checked but nothing acts on them in this version"
                    );
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

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
}
