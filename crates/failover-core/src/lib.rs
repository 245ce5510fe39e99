//! What a failover changes in Git, decided without any I/O.
//!
//! Modules are declared in their order: each uses only those above it.

pub mod name;
pub mod yaml;
pub mod code;
pub mod field;
pub mod notice;
pub mod config;
pub mod restraint;
pub mod manifest;
pub mod workload;
pub mod tree;
pub mod inventory;
pub mod topology;
pub mod change;
pub mod check;
pub mod brake;
pub mod intent;
pub mod message;
pub mod plan;
pub mod holding;
pub mod render;
pub mod history;
pub mod audit;
pub mod scan;
