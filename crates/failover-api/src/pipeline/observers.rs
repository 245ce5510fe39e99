//! Who hears of what the pipeline does.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::notify::{Lists, Notifier};
use crate::operations::Journal;

/// Who hears of what the pipeline does; none of them can hold it up.
#[derive(Debug, Clone)]
pub struct Observers {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The moves, step by step.
    pub journal: Arc<Journal>,
    /// Who is told of what happened.
    pub notifier: Arc<Notifier>,
}

impl Observers {
    /// Observers that tell those whom these files list.
    #[must_use]
    pub fn start(lists: Lists) -> Self {
        let metrics = Arc::<Metrics>::default();
        let notifier = Notifier::start(lists, &metrics);
        Self { metrics, journal: Arc::default(), notifier }
    }
}
