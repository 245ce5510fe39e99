//! From an intent to a commit on the remote branch, exactly once.

mod attempt;
mod committed;
mod error;
mod writer;

pub use committed::Committed;
pub use error::MoveError;
pub use writer::{Moved, Pipeline, Settings};
