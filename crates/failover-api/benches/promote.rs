//! How long a move takes, next to the same change made by hand: a fresh clone for each move.
//!
//! All in one run, against one repository behind one OpenSSH server on loopback. See docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and panics rather than report wrong ones"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use support::api::Server;
use support::git::{BRANCH, Repository, git};
use support::process::{self, Memory, Pid, run};
use support::scene::{Scene, ready};
use support::sshd::SshServer;

const STARTS: usize = 5;
const WARM_UP_ROUNDS: usize = 2;
const ROUNDS: usize = 30;
/// Commits before the first move.
const COMMITS: usize = 500;
/// Copies of the demo's cluster, each with namespaces of its own.
const CLUSTERS: usize = 4;
/// Apps that never move, and that the history is about.
const CHARTS: usize = 33;

/// Moved by hand.
const BY_HAND: &str = "sonarr";
const BY_HAND_FILE: &str = "clusters/homelab/apps/media/sonarr/deployment.yaml";
/// Moved by the server.
const BY_SERVER: &str = "postgres-3";

fn main() {
    // `cargo test --all-targets` runs benchmarks too, unoptimized and to no purpose.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p failover-api --bench promote");
        return;
    }
    let files = files();
    let scene = Scene::with(Repository::import(&history(&files)), &config());
    let sshd = SshServer::start_new();
    let arguments = scene.ssh(&sshd);
    let remote = &scene.repository;
    assert_eq!(remote.commit_count(), COMMITS);

    let mut start = Samples::default();
    let mut server = start.time(|| ready(Server::start(&arguments)));
    for _ in 1..STARTS {
        assert!(server.terminate().success());
        server = start.time(|| ready(Server::start(&arguments)));
    }

    let by_hand = ByHand { url: sshd.url(remote.path()), ssh: sshd.ssh_command(&sshd.key()) };
    let [mut hand, mut after_other, mut alone, mut dry_run, mut services] =
        std::array::from_fn(|_| Samples::default());
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        if round == WARM_UP_ROUNDS {
            for samples in [&mut hand, &mut after_other, &mut alone, &mut dry_run, &mut services] {
                samples.0.clear();
            }
        }
        let to_backup = round % 2 == 0;
        let folder = TempDir::new().unwrap();
        hand.time(|| by_hand.move_to(to_backup, folder.path()));
        assert_eq!(remote.tip(), head(folder.path()));
        // The commit made by hand is new to the server.
        let reply = after_other.time(|| server.promote(BY_SERVER));
        assert_eq!(remote.tip(), reply.commit());
        let reply = alone.time(|| server.demote(BY_SERVER));
        assert_eq!(remote.tip(), reply.commit());
        let path = format!("/api/failover/{BY_SERVER}/promote?dry-run=true");
        let reply = dry_run.time(|| server.get(&path));
        assert_eq!((reply.status, reply.json["changed"].as_bool()), (200, Some(true)), "{}", reply.text);
        let reply = services.time(|| server.get("/api/services"));
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.json["revision"], format!("{BRANCH}@sha1:{}", remote.tip()));
        // What was done by hand is a move, as the server sees it.
        let mut all = reply.json["services"].as_array().unwrap().iter();
        let moved = all.find(|service| service["name"] == BY_HAND).unwrap();
        assert_eq!(moved["active"], if to_backup { "backup" } else { "primary" });
    }

    // Each round made three commits, and nobody else made any.
    assert_eq!(remote.commit_count(), COMMITS + 3 * (WARM_UP_ROUNDS + ROUNDS));
    assert!(remote.is_linear());
    remote.fsck().unwrap();

    let memory = server.memory();
    let children = children(&server);
    let binary = fs::metadata(env!("CARGO_BIN_EXE_failover-api")).unwrap().len();
    println!("{} files, {COMMITS} commits at first, remote on loopback\n", files.len());
    let rows = [
        ("by hand: clone, edit, commit, push", "by_hand", &hand),
        ("move, somebody has pushed", "move_after_other_push", &after_other),
        ("move, nobody has pushed", "move", &alone),
        ("dry run", "dry_run", &dry_run),
        ("GET /api/services", "services", &services),
        ("start until ready", "start", &start),
    ];
    println!("{:<36} {:>10} {:>10} {:>10} {:>8}", "", "median ms", "min ms", "max ms", "samples");
    for (title, _, samples) in rows {
        let [min, median, max] = samples.summary();
        println!("{title:<36} {median:>10.1} {min:>10.1} {max:>10.1} {:>8}", samples.0.len());
    }
    let ratio = |samples: &Samples| hand.summary()[1] / samples.summary()[1];
    println!("\nby hand / move, somebody has pushed  {:.1}", ratio(&after_other));
    println!("by hand / move, nobody has pushed    {:.1}", ratio(&alone));
    let Memory { now, peak } = memory;
    println!("resident memory                      {now} bytes, at most {peak}");
    for (name, now) in &children {
        println!("resident memory of child {name:<11} {now} bytes");
    }
    println!("binary                               {binary} bytes");
    let times: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(_, key, samples)| {
            let [min, median, max] = samples.summary();
            (key, json!({ "median_ms": median, "min_ms": min, "max_ms": max, "samples": samples.0.len() }))
        })
        .collect();
    let json = json!({
        "files": files.len(),
        "commits": COMMITS,
        "times": times,
        "ratio": { "move_after_other_push": ratio(&after_other), "move": ratio(&alone) },
        "memory_bytes": { "now": now, "peak": peak },
        "children_bytes": children.iter().map(|(_, now)| now).sum::<u64>(),
        "binary_bytes": binary,
    });
    println!("{json}");
}

/// Who does without the server: a fresh clone for each move.
struct ByHand {
    url: String,
    /// A new connection for each command.
    ssh: String,
}

impl ByHand {
    /// Clones, edits, commits and pushes.
    fn move_to(&self, to_backup: bool, folder: &Path) {
        run(git(folder).env("GIT_SSH_COMMAND", &self.ssh).args(["clone", "-q", &self.url, "."]));
        let path = folder.join(BY_HAND_FILE);
        let mut text = fs::read_to_string(&path).unwrap();
        // A comment follows both values.
        for (primary, backup) in
            [("role: primary ", "role: backup "), ("claimName: pvc-sonarr ", "claimName: pvc-sonarr-backup ")]
        {
            let (from, to) = if to_backup { (primary, backup) } else { (backup, primary) };
            text = text.replace(from, to);
        }
        fs::write(path, text).unwrap();
        run(git(folder).args(["commit", "-q", "-a", "-m", "Move sonarr"]));
        run(git(folder).env("GIT_SSH_COMMAND", &self.ssh).args(["push", "-q", "origin", BRANCH]));
    }
}

fn head(folder: &Path) -> String {
    let head = run(git(folder).args(["rev-parse", "HEAD"])).stdout;
    String::from_utf8(head).unwrap().trim_end().to_owned()
}

#[derive(Default)]
struct Samples(Vec<Duration>);

impl Samples {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.push(start.elapsed());
        result
    }

    /// Minimum, median and maximum in milliseconds.
    fn summary(&self) -> [f64; 3] {
        let mut sorted = self.0.clone();
        sorted.sort();
        let half = sorted.len() / 2;
        let median = (sorted[half] + sorted[(sorted.len() - 1) / 2]) / 2;
        [sorted[0], median, sorted[sorted.len() - 1]].map(|time| (time.as_secs_f64() * 1e5).round() / 100.)
    }
}

/// What the server keeps running: names and resident memory in bytes.
fn children(server: &Server) -> Vec<(String, u64)> {
    let root = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    let children = process::tree(root).into_iter().skip(1);
    children.map(|pid| (process::name(pid), process::memory(pid).now)).collect()
}

/// The files of the first commit.
fn files() -> BTreeMap<String, String> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/repo");
    let listing = run(std::process::Command::new("find").arg(&demo).args(["-type", "f"])).stdout;
    let mut files = BTreeMap::new();
    for path in String::from_utf8(listing).unwrap().lines() {
        let content = fs::read_to_string(path).unwrap();
        let path = Path::new(path).strip_prefix(&demo).unwrap().to_str().unwrap();
        for cluster in 0..CLUSTERS {
            files.insert(in_cluster(cluster, path), in_cluster(cluster, &content));
        }
    }
    files.extend((0..CHARTS).map(|chart| (chart_path(chart), chart_text(chart, 0))));
    files
}

/// The demo's config once for each cluster, with the services numbered.
fn config() -> String {
    let demo = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/services.yaml")).unwrap();
    let mut config = "services:\n".to_owned();
    for cluster in 0..CLUSTERS {
        for line in demo.lines().skip(1) {
            let name = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'));
            match name.filter(|_| cluster > 0) {
                Some(name) => config += &format!("  {name}-{cluster}:\n"),
                None => config += &format!("{}\n", in_cluster(cluster, line)),
            }
        }
    }
    config
}

/// A path or text of the demo, moved to a cluster with other namespaces; the first cluster is the demo's own.
fn in_cluster(cluster: usize, text: &str) -> String {
    if cluster == 0 {
        return text.to_owned();
    }
    let text = text.replace("clusters/homelab", &format!("clusters/site-{cluster}"));
    let text = text.replace("media", &format!("media-{cluster}"));
    text.replace("databases", &format!("databases-{cluster}"))
}

fn chart_path(chart: usize) -> String {
    format!("clusters/homelab/apps/tools/tool-{chart}/helmrelease.yaml")
}

/// A Helm release that is like the many others in a homelab.
fn chart_text(chart: usize, version: usize) -> String {
    let name = format!("tool-{chart}");
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: {name}\n  namespace: tools\nspec:\n  interval: 30m\n  chart:\n    \
         spec:\n      chart: app-template\n      version: 4.{version}.0\n      sourceRef:\n        kind: HelmRepository\n        name: bjw-s\n  values:\n    \
         controllers:\n      {name}:\n        containers:\n          app:\n            image:\n              repository: ghcr.io/home-operations/{name}\n              \
         tag: 1.{version}.{chart}  # renovate\n            env:\n              TZ: Europe/Berlin\n            resources:\n              requests: {{cpu: 10m, memory: 64Mi}}\n    \
         service:\n      app:\n        controller: {name}\n        ports:\n          http:\n            port: {}\n    persistence:\n      config:\n        \
         existingClaim: pvc-{name}\n",
        8000 + chart
    )
}

/// The files, and then one new chart version for each commit, as a stream for `git fast-import`.
fn history(files: &BTreeMap<String, String>) -> Vec<u8> {
    let mut stream = Vec::new();
    commit(&mut stream, 0, "Initial commit", files.iter().map(|(path, text)| (path.clone(), text.clone())));
    for number in 1..COMMITS {
        let (chart, version) = (number % CHARTS, number / CHARTS + 1);
        let message = format!("chore(deps): update tool-{chart} to 4.{version}.0");
        commit(&mut stream, number, &message, [(chart_path(chart), chart_text(chart, version))]);
    }
    stream
}

fn commit(
    stream: &mut Vec<u8>,
    number: usize,
    message: &str,
    files: impl IntoIterator<Item = (String, String)>,
) {
    // An hour apart, until shortly before the kit's people begin.
    let time = 1_768_478_400 - 3600 * (COMMITS - number);
    write!(
        stream,
        "commit refs/heads/{BRANCH}\ncommitter renovate <bot@renovate.example> {time} +0000\ndata {}\n{message}\n",
        message.len()
    )
    .unwrap();
    for (path, text) in files {
        write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
    }
}
