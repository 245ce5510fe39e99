//! What hundreds of services in one commit cost next to one service, step by step, and how large what people see of it gets.
//! See docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and panics rather than report wrong ones"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;
#[path = "link/samples.rs"]
#[expect(dead_code, reason = "the other benchmark has targets")]
mod samples;

use samples::Samples;
use support::api::Server;
use support::git::{Repository, git};
use support::process::{PATIENCE, run};
use support::proxy::Proxy;
use support::scene::{Scene, config, ready};
use support::sshd::SshServer;

const SERVICES: usize = 500;
const ROUND_TRIP: Duration = Duration::from_millis(20);
const WARM_UP_ROUNDS: usize = 2;
/// A round moves there and back.
const ROUNDS: usize = 8;
/// The server says when its next push can go out at once.
const LEVELS: &str = "info,failover_api::git::remote=debug";
const ARMED: &str = "the next push can go out at once";
/// What an operation says of each move.
const STEPS: [&str; 3] = ["planned", "committed", "pushed"];

/// One way to move, and how long each part of it took.
struct Row {
    name: &'static str,
    body: Value,
    services: usize,
    total: Samples,
    steps: [Samples; STEPS.len()],
    /// Of the newest move.
    answer_bytes: usize,
    commit: String,
}

fn main() {
    // `cargo test --all-targets` runs benchmarks too, unoptimized and to no purpose.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p failover-api --bench many");
        return;
    }
    let names: Vec<String> = (0..SERVICES).map(|number| format!("app-{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::with(Repository::of(&names), &config(&names));
    let sshd = SshServer::start_new();
    let line = Proxy::with_round_trip(sshd.address(), ROUND_TRIP);
    let url = sshd.url_through(&line, scene.repository.path());
    let server = ready(Server::start_logging(LEVELS, scene.ssh_with(&url, &sshd.key(), &sshd)));
    let row = |name, body, services| Row {
        name,
        body,
        services,
        total: Samples::default(),
        steps: Default::default(),
        answer_bytes: 0,
        commit: String::new(),
    };
    let mut rows = [
        row("1 service", json!({ "services": [names[0]] }), 1),
        row("500 services", json!({ "all": true }), SERVICES),
    ];
    let mut seen = 0;
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        for row in &mut rows {
            for to in ["backup", "primary"] {
                row.go(to, &server, &scene, &mut seen, round >= WARM_UP_ROUNDS);
            }
        }
    }
    assert_eq!(scene.repository.commit_count(), 1 + rows.len() * 2 * (WARM_UP_ROUNDS + ROUNDS));
    scene.repository.fsck().unwrap();

    println!(
        "{SERVICES} services in files of their own, 20 ms, POST /api/failover; medians in ms of {} moves\n",
        ROUNDS * 2
    );
    println!(
        "{:<16} {:>9} {:>9} {:>9} {:>9} {:>12} {:>12}",
        "", "answer", "plan", "commit", "push", "answer bytes", "commit bytes"
    );
    let mut found = Vec::new();
    for row in &rows {
        let commit_bytes = row.commit_bytes(&scene);
        let [plan, commit, push] = [0, 1, 2].map(|step| row.steps[step].median());
        let total = row.total.median();
        println!(
            "{:<16} {total:>9.1} {plan:>9.1} {commit:>9.1} {push:>9.1} {:>12} {commit_bytes:>12}",
            row.name, row.answer_bytes
        );
        found.push(json!({
            "services": row.services, "answer": row.total.json(), "plan": row.steps[0].json(), "commit": row.steps[1].json(),
            "push": row.steps[2].json(), "answer_bytes": row.answer_bytes, "commit_bytes": commit_bytes,
        }));
    }
    println!("{:<16} {:>9.2}", "500 / 1", rows[1].total.median() / rows[0].total.median());
    println!("\n{}\n", head(&scene));
    let pages = pages(&server);
    println!("{}", json!({ "moves": found, "pages": pages }));
}

impl Row {
    /// Moves the services, and keeps how long that took if it counts.
    fn go(&mut self, to: &str, server: &Server, scene: &Scene, seen: &mut usize, counts: bool) {
        let armed = server.next_log(*seen, PATIENCE, |event| event["message"] == ARMED);
        assert!(armed.is_some(), "{}", server.log().join("\n"));
        *seen = server.log().len();
        let mut body = self.body.clone();
        body["to"] = json!(to);
        body["reason"] = json!("k3s-w1 is down");
        let begun = Instant::now();
        let reply = server.post("/api/failover", &body.to_string(), &[("content-type", "application/json")]);
        let time = begun.elapsed();
        assert_eq!(reply.commit(), scene.repository.tip());
        assert_eq!(reply.json["counts"], json!({ "moved": self.services, "already_there": 0, "refused": 0 }));
        self.answer_bytes = reply.text.len();
        self.commit = reply.commit().to_owned();
        let id = reply.json["operation_id"].as_str().unwrap();
        let operation = server.get(&format!("/api/operations/{id}")).json;
        let steps = operation["steps"].as_array().unwrap();
        assert_eq!(
            steps.iter().map(|step| step["step"].as_str().unwrap()).collect::<Vec<_>>(),
            STEPS,
            "{operation:#}"
        );
        if counts {
            self.total.add(time);
            for (samples, step) in self.steps.iter_mut().zip(steps) {
                samples.add(Duration::from_millis(step["milliseconds"].as_u64().unwrap()));
            }
        }
    }

    /// The size of the newest commit, whose trailers name each service.
    fn commit_bytes(&self, scene: &Scene) -> usize {
        let services =
            scene.repository.trailers(&self.commit).into_iter().filter(|(key, _)| key == "Service");
        assert_eq!(services.count(), self.services);
        run(git(scene.repository.path()).args(["cat-file", "commit", &self.commit])).stdout.len()
    }
}

/// What `git log -1` begins with.
fn head(scene: &Scene) -> String {
    let text = run(git(scene.repository.path()).args(["log", "-1", "main"])).stdout;
    let text = String::from_utf8(text).unwrap();
    text.lines().take(16).collect::<Vec<_>>().join("\n")
}

/// The pages that show all of them.
fn pages(server: &Server) -> Value {
    println!("{:<40} {:>9} {:>12}", "", "median ms", "bytes");
    let pages = ["/", "/plan?which=all&to=backup", "/history"].map(|path| {
        let mut samples = Samples::default();
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let page = server.get(path);
            samples.add(begun.elapsed());
            assert_eq!(page.status, 200, "{path}");
            bytes = page.text.len();
        }
        println!("{path:<40} {:>9.1} {bytes:>12}", samples.median());
        json!({ "page": path, "time": samples.json(), "bytes": bytes })
    });
    json!(pages)
}
