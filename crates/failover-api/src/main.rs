//! The `failover-api` program.
fn main() {}
