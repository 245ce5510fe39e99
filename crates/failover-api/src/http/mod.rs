//! The HTTP interface. It knows the pipeline, never Git.

mod request_id;
mod problem;
mod answer;
mod rendered;
mod state;
mod guard;
mod webhook;
mod options;
mod services;
mod moves;
mod health;
mod operations;
mod events;
mod metrics;
mod server;
mod route;
mod answers;
mod examples;
mod openapi;
mod routes;
mod router;

pub use router::serve;
pub use routes::openapi_document;
pub use state::AppState;
