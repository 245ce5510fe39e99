//! Times a clone for each request against our warm promote, on the same repository over the same SSH server.
//!
//! `cargo bench -p failover-api --bench promote`; see `docs/benchmarks.md`.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking, and so does what it is made of")]
#![expect(clippy::panic, reason = "part of the test kit")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use support::api::Server;
use support::git::{Repository, git};
use support::process::run;
use support::scene::{Scene, config, manifest, manifest_path, ready};
use support::sshd::SshServer;

const WARM_UP: usize = 2;
const ROUNDS: usize = 20;
/// Apps and commits of a grown home cluster.
const APPS: usize = 50;
const COMMITS: usize = 500;

fn main() {
    let sshd = SshServer::start_new();
    let config = config(&["sonarr", "radarr"]);
    // Each flow has a repository of its own, with the same content.
    let [ours, overtaken, naive] = [(); 3].map(|()| Scene::with(grown_repository(), &config));
    let begun = Instant::now();
    let server = ready(Server::start(ours.ssh(&sshd)));
    let start_to_ready = begun.elapsed();
    let second = ready(Server::start(overtaken.ssh(&sshd)));
    let before = ours.repository.commit_count();

    let mut times = [const { Vec::new() }; 3];
    for round in 0..WARM_UP + ROUNDS {
        overtaken.repository.commit_foreign("notes.md", round.to_string().as_bytes(), "Note");
        // The flows take turns, so that whatever else the machine does meets all of them.
        let measured = [
            timed(|| promote(&server, &ours, round)),
            timed(|| promote(&second, &overtaken, round)),
            timed(|| naive_move(&naive, &sshd, round)),
        ];
        for (times, time) in times.iter_mut().zip(measured).filter(|_| round >= WARM_UP) {
            times.push(time);
        }
    }
    let dry_run =
        median_of(|| assert_eq!(server.get("/api/failover/sonarr/promote?dry-run=true").status, 200));
    let list = median_of(|| assert_eq!(server.get("/api/services").status, 200));

    // A flow that did nothing would be fast: each made a commit in every round, and nothing else did.
    let rounds = WARM_UP + ROUNDS;
    for (scene, each) in [(&ours, 1), (&overtaken, 2), (&naive, 1)] {
        assert_eq!(
            scene.repository.commit_count(),
            before + each * rounds,
            "not every move is on the branch"
        );
        scene.repository.fsck().unwrap();
    }

    let memory = server.memory();
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_failover-api")).unwrap().len();
    println!("{APPS} apps, {COMMITS} commits, {ROUNDS} rounds, OpenSSH on loopback");
    let medians = times.each_mut().map(|times| median(times));
    for (name, times) in
        ["warm promote", "… after a foreign commit", "clone, edit, commit, push"].iter().zip(&times)
    {
        println!(
            "{name:<26} median {:>7.1} ms   least {:>7.1} ms",
            millis(times[times.len() / 2]),
            millis(times[0])
        );
    }
    let ratio = |index: usize| medians[2].as_secs_f64() / medians[index].as_secs_f64();
    println!("ratio of the medians       {:.1}   after a foreign commit {:.1}", ratio(0), ratio(1));
    println!("dry run                    median {:>7.1} ms", millis(dry_run));
    println!("list of services           median {:>7.1} ms", millis(list));
    println!("start to ready             {:>14.1} ms", millis(start_to_ready));
    println!(
        "resident memory            {:>14.1} MiB (most {:.1})",
        mebibytes(memory.now),
        mebibytes(memory.peak)
    );
    println!("binary                     {:>14.1} MiB", mebibytes(binary));
}

/// A move by our server, proven by the remote.
fn promote(server: &Server, scene: &Scene, round: usize) {
    let reply = if round.is_multiple_of(2) { server.promote("sonarr") } else { server.demote("sonarr") };
    assert!(scene.repository.tip() == reply.commit(), "the commit is not on the branch");
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn median_of(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| timed(&mut work)).collect();
    median(&mut times)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// What a script does for each request: all of it anew, over a connection of its own.
fn naive_move(scene: &Scene, sshd: &SshServer, round: usize) {
    let folder = tempfile::TempDir::new().unwrap();
    let ssh = format!(
        "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=yes \
         -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null",
        sshd.key().display(),
        sshd.known_hosts().display(),
    );
    let url = sshd.url(scene.repository.path());
    let command = |arguments: &[&str]| {
        run(git(folder.path()).env("GIT_SSH_COMMAND", &ssh).args(arguments));
    };
    command(&["clone", "-q", "--template=", &url, "."]);
    let file = folder.path().join(manifest_path("radarr"));
    let text = std::fs::read_to_string(&file).unwrap();
    let (from, to) = if round.is_multiple_of(2) { ("primary", "backup") } else { ("backup", "primary") };
    std::fs::write(&file, text.replace(&format!("{{role: {from}}}"), &format!("{{role: {to}}}"))).unwrap();
    command(&["commit", "-q", "-a", "-m", "Move radarr"]);
    command(&["push", "-q", "origin", "HEAD:refs/heads/main"]);
}

/// A repository of `APPS` apps and `COMMITS` commits, each of which touched one app.
fn grown_repository() -> Repository {
    let mut names: Vec<String> = (2..APPS).map(|number| format!("app-{number}")).collect();
    names.extend(["sonarr", "radarr"].map(str::to_owned));
    let files = names.iter().flat_map(|name| {
        let pvc = format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: pvc-{name}, namespace: media}}\n"
        );
        let folder = format!("clusters/homelab/apps/media/{name}");
        let kustomization = "resources: [deployment.yaml, pvc.yaml]\n".to_owned();
        [
            (manifest_path(name), manifest(name)),
            (format!("{folder}/pvc.yaml"), pvc),
            (format!("{folder}/kustomization.yaml"), kustomization),
        ]
    });
    let repository = Repository::new(files);
    import_history(repository.path(), &names);
    repository
}

fn import_history(path: &Path, names: &[String]) {
    let mut stream = String::new();
    for number in 1..COMMITS {
        let name = &names[number % (names.len() - 2)];
        let text = format!("{}\n# revision {number}\n", manifest(name));
        let message = format!("Update {name}");
        let from = if number == 1 { "from refs/heads/main^0\n" } else { "" };
        write!(
            stream,
            "commit refs/heads/main\ncommitter Alice <alice@home.example> {} +0000\ndata {}\n{message}\n{from}M 100644 inline {}\ndata {}\n{text}\n",
            1_768_500_000 + number * 3600,
            message.len(),
            manifest_path(name),
            text.len(),
        )
        .unwrap();
    }
    let mut import: Command = git(path);
    let mut child = import.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), stream.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "the history could not be made");
}
