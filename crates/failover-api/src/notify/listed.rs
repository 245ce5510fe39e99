//! A file that lists listeners, and the files that it names: read, and read again when they change.

use std::path::Path;
use std::sync::Arc;

use failover_core::config::ConfigErrors;

use super::listener::Listener;
use crate::metrics::Metrics;
use crate::reload::{Files, Followed};

/// The listeners in force, and what is wrong with the file if they are not its.
#[derive(Debug, Clone)]
pub(super) struct Listed<L> {
    pub(super) listeners: Arc<Vec<L>>,
    /// Why the file as it is now is not in force.
    pub(super) problem: Option<ListProblem>,
    metrics: Arc<Metrics>,
}

/// Why a file that lists listeners is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListProblem {
    /// The file cannot be read.
    #[error("the {what} file cannot be read: {reason}")]
    Unreadable {
        /// What it lists.
        what: &'static str,
        /// What the operating system said.
        reason: String,
    },
    /// The file says something that cannot be.
    #[error("{0}")]
    Invalid(#[from] ConfigErrors),
}

impl<L: Listener> Listed<L> {
    /// Nobody yet.
    pub(super) fn nobody(metrics: Arc<Metrics>) -> Self {
        Self { listeners: Arc::default(), problem: None, metrics }
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &failover_core::name::ObjectName) -> Option<&L> {
        self.listeners.iter().find(|listener| listener.name() == name)
    }
}

impl<L: Listener> Followed for Listed<L> {
    type Found = Result<Vec<L>, ListProblem>;

    fn judge(path: &Path, text: Result<&str, &str>, others: &mut Files) -> Self::Found {
        match text {
            Ok(text) => Ok(L::parse(text, path.parent().unwrap_or(Path::new(".")), others)?),
            Err(reason) => Err(ListProblem::Unreadable { what: L::MANY, reason: reason.to_owned() }),
        }
    }

    /// Puts a good list into force; a bad one is only told of.
    fn take(&mut self, found: Self::Found, _path: &Path) {
        let kind = L::ONE;
        match found {
            Ok(listeners) => {
                let counted = L::counted(&self.metrics);
                let old = std::mem::replace(&mut self.listeners, Arc::new(listeners));
                old.iter()
                    .filter(|old| self.named(old.name()).is_none())
                    .for_each(|gone| counted.forget(gone.name()));
                for listener in self.listeners.iter() {
                    let name = listener.name();
                    counted.expect(name);
                    if let Some(problem) = listener.trouble() {
                        tracing::error!(kind, %name, problem, "a listener cannot be told");
                    } else if let Some(warning) = listener.warning() {
                        tracing::warn!(kind, %name, "{warning}");
                    }
                }
                tracing::info!(listeners = self.listeners.len(), "{} loaded", L::MANY);
                self.problem = None;
            }
            Err(problem) => {
                let problems = problem.to_string().replace('\n', "; ");
                let kept = !self.listeners.is_empty();
                tracing::error!(problems, last_good_kept = kept, "{} refused", L::MANY);
                self.problem = Some(problem);
            }
        }
    }
}
