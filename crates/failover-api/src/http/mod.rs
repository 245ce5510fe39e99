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
mod batch;
mod health;
mod server;
mod router;

pub use router::serve;
pub use state::AppState;
