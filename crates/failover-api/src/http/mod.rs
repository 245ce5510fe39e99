//! The HTTP interface. It knows the pipeline, never Git.

mod request_id;
mod problem;
mod answer;
mod rendered;
mod state;
mod guard;
mod options;
mod services;
mod moves;
mod health;
mod server;
mod router;
mod local;

pub use local::{Local, Reply};
pub use router::serve;
pub use state::AppState;
