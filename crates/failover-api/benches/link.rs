//! How long a move takes at a distance: next to clones, next to Git with everything kept warm, and next to the least that a
//! push can take. All in one run. See docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and panics rather than report wrong ones"
)]

use std::time::Duration;

use serde_json::Value;

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

use samples::Target;

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
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut targets = Vec::new();
    let mut found = serde_json::Map::new();
    for (name, run) in
        [("small", small::run as fn(&mut Vec<Target>) -> Value), ("batch", batch::run), ("large", large::run)]
    {
        if parts.is_empty() || parts.iter().any(|part| part == name) {
            found.insert(name.to_owned(), run(&mut targets));
        }
    }
    println!();
    for target in &targets {
        println!("{}", target.line());
    }
    found.insert("targets".to_owned(), targets.iter().map(Target::json).collect());
    println!("{}", Value::Object(found));
}

fn print_memory(when: &str, processes: &[(String, u64)]) {
    let total: u64 = processes.iter().map(|(_, bytes)| bytes).sum();
    let each: Vec<String> = processes.iter().map(|(name, bytes)| format!("{name} {bytes}")).collect();
    println!("{:<44} {total} bytes: {}", format!("resident memory {when}"), each.join(", "));
}

fn milliseconds(time: Duration) -> u128 {
    time.as_millis()
}
