//! The moves of this process, step by step. In memory: what lasts is in the repository.

mod model;
mod journal;
mod tracked;

pub use journal::{CAPACITY, Journal};
pub use model::{Kind, Operation, State, Step, Taken};
pub use tracked::{Tracked, milliseconds};
