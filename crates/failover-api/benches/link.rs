//! How long a move takes at a distance: next to clones, next to Git with everything kept warm, and next to the least that a
//! push can take. All in one run. See docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and panics rather than report wrong ones"
)]

use std::time::Duration;

use serde_json::{Value, json};

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;
#[path = "link/samples.rs"]
mod samples;
#[path = "link/cluster.rs"]
mod cluster;
#[path = "link/line.rs"]
mod line;
#[path = "link/flows.rs"]
mod flows;
#[path = "link/floor.rs"]
mod floor;
#[path = "link/web.rs"]
mod web;
#[path = "link/small.rs"]
mod small;
#[path = "link/batch.rs"]
mod batch;
#[path = "link/large.rs"]
mod large;

pub(crate) const WARM_UP_ROUNDS: usize = 2;
pub(crate) const ROUNDS: usize = 15;

fn main() {
    // The library, used in this process, starts ssh through this program's own file.
    failover_api::git::run_as_ssh_if_asked().unwrap();
    // `cargo test --all-targets` runs benchmarks too, unoptimized and to no purpose.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p failover-api --bench link");
        return;
    }
    let mut targets = Vec::new();
    let small = small::run(&mut targets);
    let batch = batch::run(&mut targets);
    let large = large::run(&mut targets);
    println!();
    for target in &targets {
        println!("{}", target.line());
    }
    let targets: Vec<Value> = targets.iter().map(samples::Target::json).collect();
    println!("{}", json!({ "small": small, "batch": batch, "large": large, "targets": targets }));
}

fn print_memory(when: &str, processes: &[(String, u64)]) {
    let total: u64 = processes.iter().map(|(_, bytes)| bytes).sum();
    let each: Vec<String> = processes.iter().map(|(name, bytes)| format!("{name} {bytes}")).collect();
    println!("{:<44} {total} bytes: {}", format!("resident memory {when}"), each.join(", "));
}

fn milliseconds(time: Duration) -> u128 {
    time.as_millis()
}
