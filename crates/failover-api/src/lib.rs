//! `failover-api`: moves stateful Kubernetes apps to their other node by committing to Git.
//!
//! Modules are declared in their order: each uses only those above it.

pub mod clock;
pub mod metrics;
pub mod operations;
pub mod reload;
pub mod source;
pub mod auth;
pub mod notify;
pub mod git;
pub mod cluster;
pub mod view;
pub mod pipeline;
pub mod http;
pub mod telemetry;
pub mod cli;
