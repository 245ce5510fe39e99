//! Who is told of what happened: receivers at once of each commit, so that nobody waits for Flux's next look, and people
//! by messages. One engine delivers to both, and nobody waits for it. Best effort: Flux looks by itself, too.

mod reach;
mod delivery;
mod listener;
mod listed;
mod engine;
mod worker;
mod receiver;
mod messenger;
mod repeats;
mod notifier;
mod trial;

pub use engine::Failing;
pub use listed::ListProblem;
pub use notifier::{ListState, Lists, Notifier, left_behind};
pub use trial::{Tried, try_out};
