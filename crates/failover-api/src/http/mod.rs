//! The HTTP interface. It knows the pipeline, never Git.

mod request_id;
mod problem;
mod answer;
mod hold_answer;
mod rendered;
mod state;
mod guard;
mod webhook;
mod options;
mod services;
mod moves;
mod batch;
mod holds;
mod health;
mod operations;
mod events;
mod metrics;
mod pages;
mod server;
mod route;
mod hold_answers;
mod answers;
mod examples;
mod openapi;
mod routes;
mod router;
mod local;

pub(crate) use health::report;
pub use local::{Local, Reply};
pub use pages::Pages;
pub(crate) use problem::Answer;
pub(crate) use request_id::Said;
pub use router::serve;
pub use routes::openapi_document;
pub(crate) use services::{Parameters, newest};
pub use state::AppState;
