//! How many reads one server answers, and what a large repository costs it. See docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and panics rather than report wrong ones"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use support::api::Server;
use support::git::{BRANCH, Repository};
use support::process::run;
use support::scene::{Scene, config, manifest, manifest_path, ready};

const SERVICES: usize = 50;
/// Threads that ask, each over several connections.
const THREADS: usize = 2;
/// Connections of a thread. It asks on all of them, then reads the answers one after the other.
const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);
/// Files of the large repository, besides those of the services.
const FILES: usize = 20_000;
const MOVES: usize = 10;

fn main() {
    // `cargo test --all-targets` runs benchmarks too, unoptimized and to no purpose.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p failover-api --bench reads");
        return;
    }
    let names: Vec<String> = (0..SERVICES).map(|number| format!("app-{number}")).collect();
    let services: Vec<&str> = names.iter().map(String::as_str).collect();
    let answers = answers(&services);
    let large = large_repository(&services);
    println!("{}", json!({ "services": SERVICES, "answers": answers, "large_repository": large }));
}

fn answers(services: &[&str]) -> Value {
    let scene = Scene::new(services);
    let server = scene.serve();
    for service in &services[..3] {
        server.promote(service).commit();
    }
    let list = vec!["/api/services".to_owned()];
    let each =
        |rest: &str| services.iter().map(|name| format!("/api/failover/{name}/{rest}")).collect::<Vec<_>>();
    let statuses = each("status");
    let both = statuses.iter().flat_map(|status| [list[0].clone(), status.clone()]).collect();
    println!(
        "{SERVICES} services, {} connections of {THREADS} threads, {} s each\n",
        THREADS * CONNECTIONS,
        TIME.as_secs()
    );
    println!(
        "{:<32} {:>9} {:>8} {:>8} {:>8} {:>11} {:>10}",
        "", "requests/s", "p50 ms", "p99 ms", "max ms", "server us", "bytes"
    );
    let mut rows = Vec::new();
    for (title, paths) in [
        ("GET /livez", vec!["/livez".to_owned()]),
        ("GET /api/services", list),
        ("GET …/status", statuses),
        ("both in turn", both),
        ("dry run", each("promote?dry-run=true")),
    ] {
        drive(&server, &paths, WARM_UP);
        let load = drive(&server, &paths, TIME);
        println!(
            "{title:<32} {:>9.0} {:>8.2} {:>8.2} {:>8.2} {:>11.1} {:>10}",
            load.per_second, load.p50, load.p99, load.max, load.server_us, load.bytes
        );
        rows.push(json!({
            "what": title, "per_second": load.per_second.round(), "p50_ms": load.p50, "p99_ms": load.p99,
            "max_ms": load.max, "server_us": load.server_us, "bytes": load.bytes,
        }));
    }
    // What was asked again and again is still true.
    server.demote(services[0]).commit();
    let now = server.get("/api/services").json;
    assert_eq!(now["revision"], format!("{BRANCH}@sha1:{}", scene.repository.tip()));
    assert_eq!(now["services"][0]["active"], "primary");
    let memory = server.memory();
    println!("\nresident memory: {} bytes, at most {}\n", memory.now, memory.peak);
    json!({ "rows": rows, "memory_bytes": { "now": memory.now, "peak": memory.peak } })
}

/// What came of asking for a while.
struct Load {
    per_second: f64,
    p50: f64,
    p99: f64,
    max: f64,
    /// Processor time of the server for each request, in microseconds.
    server_us: f64,
    /// The mean size of an answer's body.
    bytes: usize,
}

/// Asks for the paths in turn until the time is over.
fn drive(server: &Server, paths: &[String], time: Duration) -> Load {
    let address = server.url("").trim_start_matches("http://").to_owned();
    let requests: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes())
        .collect();
    let used = processor_time(server);
    let begun = Instant::now();
    let results: Vec<(Vec<Duration>, usize)> = thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn({
                    let (address, requests) = (&address, &requests);
                    move || ask(address, requests, number, begun + time)
                })
            })
            .collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let elapsed = begun.elapsed();
    let used = processor_time(server) - used;
    let bytes: usize = results.iter().map(|(_, bytes)| bytes).sum();
    let mut times: Vec<Duration> = results.into_iter().flat_map(|(times, _)| times).collect();
    times.sort();
    let at = |part: f64| {
        let index = ((times.len() - 1) as f64 * part) as usize;
        (times[index].as_secs_f64() * 1e5).round() / 1e2
    };
    let count = times.len() as f64;
    Load {
        per_second: count / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        max: at(1.0),
        server_us: (used.as_secs_f64() * 1e7 / count).round() / 10.,
        bytes: bytes / times.len(),
    }
}

/// How long each answer took, and how many bytes they had together.
fn ask(address: &str, requests: &[Vec<u8>], start: usize, end: Instant) -> (Vec<Duration>, usize) {
    let connect = |_| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
    let mut buffer = vec![0; 1 << 20];
    let (mut times, mut bytes, mut next) = (Vec::new(), 0, start);
    while Instant::now() < end {
        let mut asked = Vec::with_capacity(CONNECTIONS);
        for connection in &mut connections {
            asked.push(Instant::now());
            connection.write_all(&requests[next % requests.len()]).unwrap();
            next += 1;
        }
        for (connection, asked) in connections.iter_mut().zip(asked) {
            bytes += read_answer(connection, &mut buffer);
            times.push(asked.elapsed());
        }
    }
    (times, bytes)
}

/// The size of the body of a good answer.
fn read_answer(connection: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    let (head, body) = loop {
        let read = connection.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server ended the connection");
        filled += read;
        if let Some(head) = buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = std::str::from_utf8(&buffer[..head]).unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            break (head + 4, length.parse::<usize>().unwrap());
        }
    };
    while filled < head + body {
        let read = connection.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server ended the connection");
        filled += read;
    }
    assert!(filled == head + body && buffer[..filled].ends_with(b"}\n"));
    body
}

/// Processor time that the server has used so far.
fn processor_time(server: &Server) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let frequency = run(Command::new("getconf").arg("CLK_TCK")).stdout;
    let frequency: f64 = String::from_utf8(frequency).unwrap().trim().parse().unwrap();
    Duration::from_secs_f64(ticks as f64 / frequency)
}

/// The same services in a repository of many other manifests.
fn large_repository(services: &[&str]) -> Value {
    let mut stream = Vec::new();
    write!(
        stream,
        "commit refs/heads/{BRANCH}\ncommitter a <a@home.example> 1768478400 +0000\ndata 5\nfirst\n"
    )
    .unwrap();
    let mut add = |path: &str, text: &str| {
        write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap()
    };
    for service in services {
        add(&manifest_path(service), &manifest(service));
    }
    for number in 0..FILES / 2 {
        let (folder, other) =
            (format!("others/group-{}/tool-{number}", number % 100), format!("tool-{number}"));
        add(&format!("{folder}/deployment.yaml"), &manifest(&other));
        add(&format!("{folder}/kustomization.yaml"), "resources: [deployment.yaml]\n");
    }
    let scene = Scene::with(Repository::import(&stream), &config(services));
    let begun = Instant::now();
    let server = ready(Server::start(scene.local()));
    let start = begun.elapsed();
    assert_eq!(server.get("/api/health").json["repository"]["files"], FILES + services.len());
    let memory = server.memory();
    let mut times: Vec<Duration> = (0..MOVES)
        .map(|number| {
            let begun = Instant::now();
            server.promote(services[number]).commit();
            begun.elapsed()
        })
        .collect();
    times.sort();
    let last = server.memory();
    let milliseconds = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.;
    println!("{} files, repository on this machine", FILES + services.len());
    println!("start until ready         {:>8.1} ms", milliseconds(start));
    println!("move, median of {MOVES}        {:>8.1} ms", milliseconds(times[MOVES / 2]));
    println!(
        "resident memory: {} bytes, at most {}; after the moves {}, at most {}\n",
        memory.now, memory.peak, last.now, last.peak
    );
    json!({
        "files": FILES + services.len(),
        "start_ms": milliseconds(start),
        "move_ms": milliseconds(times[MOVES / 2]),
        "memory_bytes": { "now": last.now, "peak": last.peak },
    })
}
