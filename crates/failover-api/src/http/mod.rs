//! The HTTP interface. It knows the pipeline, never Git.

mod answer;
mod guard;
mod health;
mod moves;
mod options;
mod problem;
mod request_id;
mod router;
mod services;

pub use router::{AppState, serve};
