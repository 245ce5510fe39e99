//! From an intent to a commit on the remote branch, exactly once.

mod observers;
mod committed;
mod error;
mod doubt;
mod writer;
mod state;
mod settle;
mod attempt;

pub use committed::Committed;
pub use doubt::InDoubt;
pub use error::MoveError;
pub use observers::Observers;
pub use writer::{Moved, Pipeline, Settings, blocking};
