//! From an intent to a commit on the remote branch, exactly once.

mod observers;
mod committed;
mod error;
mod moved;
mod wanted;
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
pub use moved::{Moved, blocking};
pub use observers::Observers;
pub use wanted::{Planned, Wanted};
pub use writer::{Pipeline, Settings};
