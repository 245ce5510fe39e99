//! From an intent to a commit on the remote branch, exactly once.

mod observers;
mod committed;
mod error;
mod doubt;
mod writer;
mod commit_pages;
mod state;
mod settle;
mod attempt;
mod alarm;

pub use commit_pages::CommitPages;
pub use committed::Committed;
pub use doubt::InDoubt;
pub use error::MoveError;
pub use observers::Observers;
pub use writer::{Moved, Pipeline, Settings, blocking};
