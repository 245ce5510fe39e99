//! What every handler can use.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::rendered::Rendered;
use crate::auth::Admission;
use crate::pipeline::Pipeline;

/// The largest request body, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// How many may follow the events at a time: each keeps a connection.
pub(super) const MAX_SUBSCRIBERS: usize = 32;

/// What every handler can use.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The way to Git.
    pub pipeline: Arc<Pipeline>,
    /// How callers are told apart.
    pub admission: Admission,
    /// What is rendered of the newest view.
    pub(super) rendered: Arc<Rendered>,
    /// Who may still follow the events.
    pub(super) subscribers: Arc<Semaphore>,
}

impl AppState {
    /// The state of a server that has answered nothing yet.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, admission: Admission) -> Self {
        let subscribers = Arc::new(Semaphore::new(MAX_SUBSCRIBERS));
        Self { pipeline, admission, rendered: Arc::default(), subscribers }
    }
}
