//! What every handler can use.

use std::sync::Arc;

use crate::pipeline::Pipeline;

/// The largest request body, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// What every handler can use.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The way to Git.
    pub pipeline: Arc<Pipeline>,
    /// Answer moves that come from other machines although nobody is authenticated.
    pub allow_unauthenticated: bool,
}
