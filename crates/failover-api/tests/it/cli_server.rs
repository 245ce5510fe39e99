//! Commands through a server: what it is asked, what it is shown of its caller, and what is said when it does not answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;

use crate::support::api::Server;
use crate::support::cli::Cli;
use crate::support::process::{PATIENCE, Pid, Signal, poll, signal};
use crate::support::scene::{Gate, Scene, moved, ready};

/// A web server for one request, which it hands out; it answers with `answer` and nothing else.
fn once(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let request = read_request(&stream);
        (&stream).write_all(answer.as_bytes()).unwrap();
        request
    });
    (url, asked)
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while reader.read_line(&mut request).unwrap() > 2 {}
    let length = request.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

#[test]
fn the_token_is_shown_to_the_server_and_to_nobody_else() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("token"), "fo_from-file\n").unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    std::fs::write(folder.path().join("two"), "one two").unwrap();
    let cli = || Cli::new(folder.path()).with("FAILOVER_API_TOKEN", "fo_from-environment");
    for (typed, token) in [(&[][..], "fo_from-environment"), (&["--token", "token"], "fo_from-file")] {
        let (url, asked) = once(EMPTY);
        let said =
            cli().with("FAILOVER_API_SERVER", &url).run([&["services", "-o", "json"][..], typed].concat());
        let request = asked.join().unwrap();
        assert!(request.starts_with("GET /api/services HTTP/1.1\r\n"), "{request}");
        assert!(
            request.to_ascii_lowercase().contains(&format!("authorization: bearer {token}\r\n")),
            "{request}"
        );
        assert!(!said.stderr.contains("fo_") && !said.stdout.contains("fo_"), "{said:?}");
    }
    // It is not sent on to where a server points.
    let (elsewhere, _asked) = once(EMPTY);
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: {elsewhere}/api/services\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (url, asked) = once(Box::leak(answer.into_boxed_str()));
    let _ = cli().run(["services", "--server", &url]).ended(4).told("redirects are not followed");
    asked.join().unwrap();
    let wrong = |typed: &[&str]| cli().run([&["services"][..], typed].concat()).ended(2);
    // Who takes the flag for the place of the token itself must not find it on the screen.
    let said =
        wrong(&["--server", "http://x", "--token", "fo_hunter2"]).told("the file of --token cannot be read");
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    let _ = wrong(&["--server", "http://x", "--token", "empty"]).told("holds no token");
    let _ = wrong(&["--server", "http://x", "--token", "two"]).told("holds no token");
    for url in ["x", "ftp://x", "http://", "http:///x", "http://x?y", "http://a b", ""] {
        let _ = wrong(&["--server", url]).told("--server");
    }
    for url in ["http://me:hunter2@host", "https//me:hunter2@host"] {
        let said = wrong(&["--server", url]).told("--server: ");
        assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    }
    // What a server would pass over in silence is refused.
    let _ = wrong(&["--server", "http://x", "--branch", "main"]).told("--branch is for --repo");
    let _ =
        wrong(&["--server", "http://x", "--config-in-repo", "x.yaml"]).told("--config-in-repo is for --repo");
    // The environment's server gives way to a repository that is named.
    let _ = cli()
        .with("FAILOVER_API_SERVER", "http://127.0.0.1:1")
        .run(["services", "--repo", "/dev/null"])
        .ended(2)
        .told("services.yaml");
}

#[test]
fn a_move_is_asked_for_with_everything_that_was_typed() {
    let (url, asked) = once(EMPTY);
    let typed = [
        "promote",
        "sonarr",
        "-y",
        "-r",
        "k3s-w1 \"down\"",
        "--expect",
        "primary",
        "--force",
        "key-added,mixed-state",
        "--idempotency-key",
        "k-1",
    ];
    let _ = Cli::new(Path::new("/")).run([&typed[..], &["--server", &url]].concat());
    let request = asked.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/failover/sonarr/promote HTTP/1.1"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nidempotency-key: k-1\r\n"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"reason": "k3s-w1 \"down\"", "expect": "primary", "force": "key-added,mixed-state"})
    );
}

#[test]
fn a_server_moves_and_refuses_as_it_does_for_everybody() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let cli = Cli::new(Path::new("/")).with("FAILOVER_API_SERVER", server.url(""));
    let said = cli.run(["promote", "sonarr", "--yes", "--idempotency-key", "k"]).ended(0);
    assert!(said.stdout.contains("sonarr: moved to backup, commit"), "{}", said.stdout);
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    let again = cli.run(["promote", "sonarr", "--yes", "--idempotency-key", "k"]).ended(0);
    assert!(again.stdout.contains("by an earlier call with this key"), "{}", again.stdout);
    let _ =
        cli.run(["promote", "radarr", "--yes", "--idempotency-key", "k"]).ended(2).told("--idempotency-key");
    let _ = cli.run(["promote", "radarr", "--yes", "--push"]).ended(2).told("--push is for a clone");
    let _ = cli.run(["demote", "sonarr", "--yes", "--expect", "primary"]).ended(3).told("expectation-failed");
    assert_eq!(scene.repository.commit_count(), 2);
    // Several go in one commit, and one of them twice is that one.
    let said = cli.run(["promote", "sonarr", "radarr", "--yes"]).ended(0);
    assert!(said.stdout.contains("moved to backup, commit"), "{}", said.stdout);
    assert_eq!((scene.text("radarr"), scene.repository.commit_count()), (moved("radarr"), 3));
    let said = cli.run(["promote", "radarr", "radarr", "--yes"]).ended(0);
    assert!(said.stdout.contains("radarr: at backup already"), "{}", said.stdout);
    let _ = cli.run(["demote", "radarr", "nothing", "--yes"]).ended(2).told("service-not-found");
    assert_eq!(scene.repository.commit_count(), 3);
}

#[test]
fn a_server_that_does_not_answer_is_not_taken_for_one_that_did_nothing() {
    let gone = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let cli = Cli::new(Path::new("/"));
    let url = format!("http://{gone}");
    let _ = cli.run(["services", "--server", &url]).ended(4).told("does not answer");
    let _ = cli.run(["promote", "x", "--yes", "--server", &url]).ended(4).told("does not answer");
    // It has the request, and dies: nobody knows.
    let (url, asked) = once("");
    let _ = cli.run(["promote", "x", "--yes", "--server", &url]).ended(5).told("may have been carried out");
    asked.join().unwrap();
    // Something between here and there gives up: it may have passed the move on.
    for answer in [
        "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 3\r\nconnection: close\r\n\r\nnow",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nbreaks of",
        "HTTP/1.1 200 OK\r\ncontent-length: 900\r\nconnection: close\r\n\r\n{\"changed\": true",
    ] {
        let (url, asked) = once(answer);
        let _ =
            cli.run(["promote", "x", "--yes", "--server", &url]).ended(5).told("may have been carried out");
        asked.join().unwrap();
    }
    // A server that says so itself.
    let document = r#"{"code": "outcome-unknown", "detail": "the line broke", "hint": "ask again", "operation_id": "o-1"}"#;
    let answer = format!(
        "HTTP/1.1 504 x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
        document.len()
    );
    let (url, asked) = once(Box::leak(answer.into_boxed_str()));
    let _ = cli.run(["promote", "x", "--yes", "--server", &url]).ended(5).told("the operation is o-1");
    asked.join().unwrap();
    // Something else lives there.
    let (url, asked) = once("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
    let _ = cli.run(["services", "--server", &url]).ended(4).told("not one that this version understands");
    asked.join().unwrap();
    let (url, asked) = once("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
    let _ = cli.run(["services", "--server", &url]).ended(4).told("no problem document");
    asked.join().unwrap();
}

#[test]
fn a_watch_says_each_change_once() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let mut command = Cli::new(Path::new("/")).command(["services", "--watch", "--server", &server.url("")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || lines.next().unwrap().split_once(' ').unwrap().1.to_owned();
    assert_eq!([next(), next()], ["radarr primary", "sonarr primary"]);
    let commit = server.promote("sonarr").commit().to_owned();
    assert_eq!(next(), format!("sonarr primary -> backup {commit}"));
    server.demote("sonarr").commit();
    assert!(next().starts_with("sonarr backup -> primary "));
    signal(Pid::from_child(&child), Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_watch_of_a_repository_gives_scripts_a_line_of_json() {
    let scene = Scene::new(&["sonarr"]);
    let cli = Cli::new(scene.config().parent().unwrap());
    let repo = scene.repository.path().to_str().unwrap();
    let mut command = cli.command(["status", "sonarr", "--watch", "-o", "json", "--repo", repo]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut active =
        || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap()).unwrap()["active"].clone();
    assert_eq!(active(), "primary");
    cli.run(["promote", "sonarr", "-y", "--repo", repo]).ended(0);
    assert_eq!(active(), "backup");
    signal(Pid::from_child(&child), Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_takes_longer_than_a_moment_says_what_it_waits_for() {
    let scene = Scene::new(&["sonarr"]);
    let gate = Gate::install(&scene);
    let cli = Cli::new(scene.config().parent().unwrap());
    let repo = scene.repository.path().to_str().unwrap();
    let mut command = cli.command(["promote", "sonarr", "--yes", "-o", "json", "--repo", repo]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(
        said.next().unwrap(),
        format!("moving in {} …", scene.repository.path().canonicalize().unwrap().display())
    );
    gate.open();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["changed"].as_bool().unwrap()
    );
}

#[test]
fn an_interrupted_move_finds_out_what_became_of_it() {
    let scene = Scene::new(&["sonarr"]);
    let gate = Gate::install(&scene);
    let cli = Cli::new(scene.config().parent().unwrap());
    let repo = scene.repository.path().to_str().unwrap();
    let start = || {
        let mut command = cli.command(["promote", "sonarr", "--yes", "--repo", repo]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut child = start();
    gate.wait();
    signal(Pid::from_child(&child), Signal::INT);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("finding out what becomes of it")));
    gate.open();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("moved to backup, commit"));
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn a_hold_that_fails_does_not_speak_of_a_move() {
    let scene = Scene::new(&["sonarr"]);
    let cli = Cli::new(scene.config().parent().unwrap());
    let repo = scene.repository.path().to_str().unwrap().to_owned();
    let asked = [&["hold", "sonarr", "-r", "new disk", "--yes"][..], &["release", "sonarr", "--yes"]];
    let ended = |code: i32, more: &[&str]| {
        for asked in asked {
            let _ = cli.run([asked, more].concat()).ended(code).silent_of(" move");
        }
    };
    for answer in ["", "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 3\r\nconnection: close\r\n\r\nnow"] {
        for asked in asked {
            let (url, server) = once(answer);
            let said = cli.run([asked, &["--server", &url]].concat()).ended(5).silent_of(" move");
            let _ = said.told("may have been carried out");
            server.join().unwrap();
        }
    }
    let mut arguments = scene.local();
    arguments.push("--read-only".into());
    let server = ready(Server::start(arguments));
    ended(2, &["--server", &server.url("")]);
    ended(2, &["--server", &server.url(""), "--push"]);
    ended(2, &["--repo", &repo, "--push"]);

    cli.run(["hold", "sonarr", "-r", "x", "--yes", "--repo", &repo]).ended(0);
    scene.repository.install_hook("pre-receive", "#!/bin/sh\nexit 1\n");
    let refused = [&["hold", "sonarr", "-r", "y", "--yes"][..], &["release", "sonarr", "--yes"]];
    for asked in refused {
        let said = cli.run([asked, &["--repo", &repo]].concat()).ended(4).told("remote-refused");
        let _ = said.silent_of(" move");
    }
    let gate = Gate::install(&scene);
    let mut command = cli.command(["release", "sonarr", "--yes", "--repo", &repo]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    gate.wait();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    for words in ["Ctrl-C again", "it is not known whether"] {
        signal(Pid::from_child(&child), Signal::INT);
        let line = said.find(|line| line.contains(words)).unwrap();
        assert!(!line.contains(" move"), "{line}");
    }
    let status = poll("it ends", PATIENCE, || child.try_wait().unwrap().ok_or_else(String::new));
    assert_eq!(status.code(), Some(5));
    gate.open();
}

#[test]
fn who_does_not_wait_is_told_that_nobody_knows() {
    let scene = Scene::new(&["sonarr"]);
    let gate = Gate::install(&scene);
    let cli = Cli::new(scene.config().parent().unwrap());
    let repo = scene.repository.path().to_str().unwrap();
    let mut command = cli.command(["promote", "sonarr", "--yes", "--repo", repo]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    gate.wait();
    signal(Pid::from_child(&child), Signal::INT);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("Ctrl-C again")));
    signal(Pid::from_child(&child), Signal::INT);
    assert!(said.any(|line| line.contains("it is not known whether the commit landed")));
    let status = poll("it ends", PATIENCE, || child.try_wait().unwrap().ok_or_else(String::new));
    assert_eq!(status.code(), Some(5));
    gate.open();
}
