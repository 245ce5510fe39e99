//! What every handler can use.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::rendered::Rendered;
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
    /// Answer moves that come from other machines although nobody is authenticated.
    pub allow_unauthenticated: bool,
    /// What is rendered of the newest view.
    pub(super) rendered: Arc<Rendered>,
    /// Who may still follow the events.
    pub(super) subscribers: Arc<Semaphore>,
}

impl AppState {
    /// The state of a server that has answered nothing yet.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, allow_unauthenticated: bool) -> Self {
        let subscribers = Arc::new(Semaphore::new(MAX_SUBSCRIBERS));
        Self { pipeline, allow_unauthenticated, rendered: Arc::default(), subscribers }
    }
}
