//! Who hears of what the pipeline does.

use std::path::PathBuf;
use std::sync::Arc;

use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::operations::Journal;

/// Who hears of what the pipeline does; none of them can hold it up.
#[derive(Debug, Clone)]
pub struct Observers {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The moves, step by step.
    pub journal: Arc<Journal>,
    /// Who is told at once that a commit landed.
    pub notifier: Arc<Notifier>,
}

impl Observers {
    /// Observers that tell the receivers of this file; nobody without one.
    #[must_use]
    pub fn start(receivers: Option<PathBuf>) -> Self {
        let metrics = Arc::<Metrics>::default();
        let notifier = Notifier::start(receivers, Arc::clone(&metrics));
        Self { metrics, journal: Arc::default(), notifier }
    }
}
