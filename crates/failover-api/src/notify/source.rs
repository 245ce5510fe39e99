//! The receivers file and the files that it names: read, and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use failover_core::config::{ConfigErrors, parse_receivers};
use tokio::sync::watch;

use super::target::{Target, read_file};
use crate::metrics::Metrics;

/// How often the files are looked at; see the config's.
const INTERVAL: Duration = Duration::from_secs(1);

/// The receivers in force, and what is wrong with the file if they are not its.
#[derive(Debug, Clone, Default)]
pub struct ReceiversState {
    pub(super) targets: Arc<Vec<Target>>,
    /// Why the file as it is now is not in force.
    pub problem: Option<ReceiversProblem>,
}

/// Why a receivers file is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiversProblem {
    /// The file cannot be read.
    #[error("the receivers file cannot be read: {0}")]
    Unreadable(String),
    /// The file says something that cannot be.
    #[error("{0}")]
    Invalid(#[from] ConfigErrors),
}

impl ReceiversState {
    /// How many receivers are in force.
    #[must_use]
    pub fn count(&self) -> usize {
        self.targets.len()
    }
}

/// Reads the file now and keeps looking at it in the background.
pub(super) fn watch(path: PathBuf, metrics: Arc<Metrics>) -> watch::Receiver<ReceiversState> {
    let mut state = ReceiversState::default();
    let mut last = look(&path);
    take(&mut state, &last, &metrics);
    let (sender, receiver) = watch::channel(state);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !sender.is_closed() {
            ticks.tick().await;
            let path = path.clone();
            // On a thread of its own, as the config: a mounted file can hang.
            match tokio::task::spawn_blocking(move || look(&path)).await {
                Ok(found) if found != last => {
                    sender.send_modify(|state| take(state, &found, &metrics));
                    last = found;
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "reading the receivers ended abnormally"),
            }
        }
    });
    receiver
}

fn look(path: &Path) -> Result<Vec<Target>, ReceiversProblem> {
    let bytes = read_file(path).map_err(ReceiversProblem::Unreadable)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ReceiversProblem::Unreadable("it is not UTF-8 text".to_owned()))?;
    let receivers = parse_receivers(&text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(receivers.iter().map(|receiver| Target::read(receiver, folder)).collect())
}

/// Puts good receivers into force; a bad file is only told of.
fn take(state: &mut ReceiversState, found: &Result<Vec<Target>, ReceiversProblem>, metrics: &Metrics) {
    match found {
        Ok(targets) => {
            let is_there = |target: &Target| targets.iter().any(|new| new.name == target.name);
            state
                .targets
                .iter()
                .filter(|old| !is_there(old))
                .for_each(|gone| metrics.no_receiver(&gone.name));
            for target in targets {
                metrics.receiver(&target.name);
                if let Err(problem) = &target.way {
                    tracing::error!(receiver = %target.name, problem, "a receiver cannot be told");
                } else if target.token_ends_with_a_line() {
                    tracing::warn!(receiver = %target.name, "the token ends with a line break, which is part of it, as it is for Flux");
                }
            }
            tracing::info!(receivers = targets.len(), "receivers loaded");
            *state = ReceiversState { targets: Arc::new(targets.clone()), problem: None };
        }
        Err(problem) => {
            let problems = problem.to_string().replace('\n', "; ");
            let kept = !state.targets.is_empty();
            tracing::error!(problems, last_good_receivers_kept = kept, "receivers refused");
            state.problem = Some(problem.clone());
        }
    }
}
