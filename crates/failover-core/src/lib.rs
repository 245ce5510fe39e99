//! What a failover changes in Git, decided without any I/O.
//!
//! Modules are declared in their order: each uses only those above it.

pub mod name;
pub mod yaml;
pub mod code;
pub mod field;
pub mod manifest;
