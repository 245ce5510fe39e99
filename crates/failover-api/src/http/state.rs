//! What every handler can use.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::places::Places;
use super::rendered::Rendered;
use crate::auth::Admission;
use crate::pipeline::Pipeline;

/// The largest request body, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// How many may follow the events at a time: each keeps a connection.
pub(super) const MAX_SUBSCRIBERS: usize = 32;
/// How many of them one address has, so that nobody keeps all others from following. Behind a proxy everybody has one
/// address; a page that finds no place looks at the health instead.
pub(super) const MAX_SUBSCRIBERS_OF_ONE: usize = 8;

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
    /// The same for each address.
    pub(super) subscriptions: Places,
}

impl AppState {
    /// The state of a server that has answered nothing yet.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, admission: Admission) -> Self {
        let subscribers = Arc::new(Semaphore::new(MAX_SUBSCRIBERS));
        let subscriptions = Places::new(MAX_SUBSCRIBERS_OF_ONE);
        Self { pipeline, admission, rendered: Arc::default(), subscribers, subscriptions }
    }
}
