//! A repository as large as they get.

use std::fmt::Write as _;

use crate::support::api::Server;
use crate::support::git::{Repository, git};
use crate::support::hosts::{Host, Kind};
use crate::support::process::run;
use crate::support::scene::{Scene, config, manifest, manifest_path, moved, ready};

const COMMITS: usize = 50_000;
const FILES: usize = 20_000;
/// How far back the local copy reaches.
const DEPTH: usize = 250;

/// What `git fast-import` reads: all files in the first commit, and one of them changed in each other one.
fn stream() -> String {
    let mut stream = String::new();
    let file = |stream: &mut String, path: &str, text: &str| {
        write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
    };
    let config_map = |number: usize, value: usize| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{number}\n  namespace: media\ndata:\n  value: '{value}'\n"
        )
    };
    for commit in 0..COMMITS {
        let message = format!("Change {commit}");
        let time = 1_700_000_000 + commit;
        write!(
            stream,
            "commit refs/heads/main\ncommitter Alice <alice@home.example> {time} +0000\ndata {}\n{message}\n",
            message.len()
        )
        .unwrap();
        let path = |number: usize| format!("clusters/c{}/apps/a{}/c{number}.yaml", number % 20, number % 400);
        if commit == 0 {
            for number in 0..FILES {
                file(&mut stream, &path(number), &config_map(number, 0));
            }
            for service in ["radarr", "sonarr"] {
                file(&mut stream, &manifest_path(service), &manifest(service));
            }
        } else {
            let number = commit * 7 % FILES;
            file(&mut stream, &path(number), &config_map(number, commit));
        }
    }
    stream
}

#[test]
fn a_large_repository_is_moved_like_any_other() {
    let scene = Scene::with(Repository::import(stream().as_bytes()), &config(&["radarr", "sonarr"]));
    assert_eq!(scene.repository.commit_count(), COMMITS);
    let host = Host::start_new(Kind::Ssh);
    let server = ready(Server::start(host.arguments(&scene)));
    let health = server.get("/api/health").json;
    assert_eq!(health["repository"]["files"], FILES + 2, "{health}");
    let read = server.memory();
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    // Somebody else's move, as deep as history reaches, and one that is deeper.
    let old = scene.repository.tip();
    for _ in 0..3 {
        let commits: String = (0..DEPTH / 3)
            .map(|_| "commit refs/heads/main\ncommitter Bob <b@c.d> 1790000000 +0000\ndata 1\nx\n\n")
            .collect();
        let commits = commits.replacen("\ndata 1\nx\n", "\ndata 1\nx\nfrom refs/heads/main^0\n", 1);
        crate::support::process::feed(
            git(scene.repository.path()).args(["fast-import", "--quiet"]),
            commits.as_bytes(),
        );
        assert_eq!(server.promote("radarr").commit(), scene.repository.tip());
        assert_eq!(server.demote("radarr").commit(), scene.repository.tip());
    }
    let history = server.get("/api/history?limit=250").json;
    let shown = history["history"].as_array().unwrap();
    assert!(!shown.iter().any(|event| event["commit"] == old.as_str()), "history is deeper than documented");
    assert!(shown.len() >= 5, "{history}");
    // A forced push to a commit of which the local copy has never heard.
    let far = scene.repository.force_push_back(DEPTH * 4);
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.repository.log("%P").lines().next(), Some(far.as_str()));
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(server.get("/api/health").json["status"], "ok");
    let end = server.memory();
    let megabytes = |bytes: u64| bytes / (1 << 20);
    println!(
        "{COMMITS} commits, {FILES} files: {} MB when read (peak {} MB), {} MB at the end (peak {} MB)",
        megabytes(read.now),
        megabytes(read.peak),
        megabytes(end.now),
        megabytes(end.peak)
    );
    run(git(scene.repository.path()).args(["fsck", "--connectivity-only", "--no-dangling"]));
}
