//! Who is told at once that a commit landed, so that nobody waits for Flux's next look. Best effort: Flux looks by
//! itself, too.

mod target;
mod source;
mod delivery;
mod notifier;
mod worker;

pub use notifier::{Failing, Notifier};
pub use source::{ReceiversProblem, ReceiversState};
