//! One engine: whichever way a move is asked for, the answer and the commit are the same.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cli::{Cli, normal};
use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::{Scene, config, manifest_path, shared};
use crate::support::sshd::SshServer;

/// The commit at the tip but for its times, its operation and who asked for it.
fn commit(repository: &Path) -> String {
    let text = String::from_utf8(run(git(repository).args(["cat-file", "commit", "main"])).stdout).unwrap();
    let own = ["Timestamp: ", "Requested-By: ", "Operation-Id: "];
    let lines = text.lines().filter(|line| !own.iter().any(|key| line.starts_with(key)));
    let timeless = lines.map(|line| match line.split_once("> ") {
        Some((person, _)) if person.starts_with("author ") || person.starts_with("committer ") => person,
        _ => line,
    });
    timeless.collect::<Vec<_>>().join("\n")
}

/// An answer but for what differs from one move to the next.
#[track_caller]
fn same(answer: &str) -> Value {
    let text = normal(answer);
    let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    answer.as_object_mut().unwrap().remove("request_id");
    answer
}

fn requested_by(scene: &Scene) -> String {
    let trailers = scene.repository.trailers("main");
    trailers.into_iter().find(|(key, _)| key == "Requested-By").unwrap().1
}

#[test]
fn a_move_gives_the_same_commit_by_server_remote_and_clone() {
    // Each has its own repository, and all of them begin with the same commit.
    let [curl, served, remote, cloned] = [(); 4].map(|()| Scene::new(&["radarr", "sonarr"]));
    let sshd = SshServer::start_new();
    let typed = ["promote", "sonarr", "--yes", "-o", "json", "--reason", "k3s-w1 is down"];
    let typed = [&typed[..], &["--idempotency-key", "abc-1", "--expect", "primary"]].concat();
    let told = |cli: Cli, more: &[&str]| cli.run([&typed[..], more].concat()).ended(0).stdout;

    let body = r#"{"reason": "k3s-w1 is down", "expect": "primary"}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "abc-1")];
    let answer = same(&curl.serve().post("/api/failover/sonarr/promote", body, &headers).text);

    let server = served.serve();
    let by_server = told(Cli::new(Path::new("/")), &["--server", &server.url("")]);

    // As on a person's machine: the address alone, and what is in their own SSH configuration.
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let (hosts, key) = (sshd.known_hosts(), sshd.key());
    let own = format!("UserKnownHostsFile {}\nIdentityFile {}\n", hosts.display(), key.display());
    std::fs::write(home.path().join(".ssh/config"), own).unwrap();
    let folder = remote.config().parent().unwrap().to_owned();
    let cli = Cli::new(&folder).with("HOME", home.path());
    let by_remote = told(cli, &["--repo", &sshd.url(remote.repository.path())]);

    let clone = TempDir::new().unwrap();
    run(git(clone.path()).arg("clone").arg("-q").arg(cloned.repository.path()).arg("."));
    let config = cloned.config();
    let here = ["--repo", ".", "--push", "--config", config.to_str().unwrap()];
    let by_clone = told(Cli::new(clone.path()), &here);

    let commits = [&curl, &served, &remote, &cloned].map(|scene| commit(scene.repository.path()));
    assert!(commits[0].contains("\n\nAutomated failover: sonarr to backup node\n"), "{}", commits[0]);
    assert!(commits[0].contains("\nReason: k3s-w1 is down\n"), "{}", commits[0]);
    assert!(commits[0].contains("\nIdempotency-Key: abc-1"), "{}", commits[0]);
    assert!(commits.iter().all(|other| *other == commits[0]), "{commits:#?}");
    assert_eq!(commit(clone.path()), commits[0]);

    assert_eq!(same(&by_server), answer);
    assert_eq!(same(&by_remote), answer);
    // Only a clone has something to add: whether its branch is pushed, and how far it is ahead.
    let mut of_clone = same(&by_clone);
    assert_eq!(of_clone.as_object_mut().unwrap().remove("pushed"), Some(true.into()));
    assert_eq!(of_clone.as_object_mut().unwrap().remove("ahead"), Some(0.into()));
    assert_eq!(of_clone, answer);

    assert_eq!(requested_by(&curl), "unauthenticated (127.0.0.1)");
    assert_eq!(requested_by(&served), requested_by(&curl));
    assert!(requested_by(&remote).starts_with("alice@"), "{}", requested_by(&remote));
    assert!(requested_by(&remote).ends_with(" (command line)"), "{}", requested_by(&remote));
    assert_eq!(requested_by(&remote), requested_by(&cloned));
}

/// A plan without who asks for it.
fn nobodys(mut answer: Value) -> Value {
    if let Some(message) = answer["message"].as_str() {
        let lines = message.lines().filter(|line| !line.starts_with("Requested-By: "));
        answer["message"] = lines.collect::<Vec<_>>().join("\n").into();
    }
    answer
}

#[test]
fn a_partial_batch_gives_the_same_commit_by_server_remote_and_clone() {
    let names = ["bazarr", "jellyfin", "radarr", "sonarr"];
    let entries = config(&names).replacen("  jellyfin:", "    after: [sonarr]\n  jellyfin:", 1);
    let [curl, served, remote, cloned] = [(); 4].map(|()| {
        let scene = Scene::with(Repository::of(&names), &entries);
        scene.repository.commit_foreign(&manifest_path("jellyfin"), shared("jellyfin").as_bytes(), "Share");
        scene
    });
    let [own, server] = [curl.serve(), served.serve()];
    let sshd = SshServer::start_new();
    let by_server = Cli::new(Path::new("/")).with("FAILOVER_API_SERVER", server.url(""));
    let (hosts, key) = (sshd.known_hosts(), sshd.key());
    let by_remote = Cli::new(remote.config().parent().unwrap())
        .with("FAILOVER_API_REPO", sshd.url(remote.repository.path()))
        .with("FAILOVER_API_KNOWN_HOSTS", hosts)
        .with("FAILOVER_API_SSH_KEY", key);
    let clone = TempDir::new().unwrap();
    run(git(clone.path()).arg("clone").arg("-q").arg(cloned.repository.path()).arg("."));
    let by_clone =
        Cli::new(clone.path()).with("FAILOVER_API_REPO", ".").with("FAILOVER_API_CONFIG", cloned.config());
    let headers = [("content-type", "application/json"), ("idempotency-key", "night-1")];
    for (code, typed, body) in [
        (
            0,
            &["promote", "--all", "--partial", "--dry-run"][..],
            r#"{"all": true, "to": "backup", "partial": true, "dry-run": true}"#,
        ),
        (2, &["promote", "--all", "--yes"], r#"{"all": true, "to": "backup"}"#),
        (
            6,
            &[
                "promote",
                "--from-node-label",
                "primary",
                "--partial",
                "--yes",
                "-r",
                "k3s-w1 is down",
                "--idempotency-key",
                "night-1",
            ],
            r#"{"from_node_label": "primary", "to": "backup", "partial": true, "reason": "k3s-w1 is down"}"#,
        ),
        // One name, and still a line for it.
        (
            0,
            &["demote", "radarr", "--partial", "--yes"],
            r#"{"services": ["radarr"], "to": "primary", "partial": true}"#,
        ),
    ] {
        let keyed = if typed.contains(&"--idempotency-key") { &headers[..] } else { &headers[..1] };
        let answer = nobodys(same(&own.post("/api/failover", body, keyed).text));
        for (cli, moves) in [
            (&by_server, false),
            (&by_remote, false),
            (&by_clone, code != 2 && !typed.contains(&"--dry-run")),
        ] {
            let more: &[&str] = if moves { &["--push"] } else { &[] };
            let said = cli.run([typed, &["-o", "json"], more].concat()).ended(code).stdout;
            let mut said = nobodys(same(&said));
            assert_eq!(said.as_object_mut().unwrap().remove("pushed"), moves.then_some(true.into()));
            assert_eq!(said.as_object_mut().unwrap().remove("ahead"), moves.then_some(0.into()));
            assert_eq!(said, answer, "{typed:?}");
        }
        // Their parents are what the moves before made.
        let text = |repository| {
            let text = commit(repository);
            text.lines().filter(|line| !line.starts_with("parent ")).collect::<Vec<_>>().join("\n")
        };
        let commits = [&curl, &served, &remote, &cloned].map(|scene| text(scene.repository.path()));
        assert!(commits.iter().all(|other| *other == commits[0]), "{commits:#?}");
        assert_eq!(text(clone.path()), commits[0]);
        if code == 6 {
            for words in [
                "Selection: from_node_label=primary",
                "Refused: jellyfin (field-anchored)",
                "Reason: k3s-w1 is down",
            ] {
                assert!(commits[0].contains(words), "{}", commits[0]);
            }
            let order = ["Service: radarr", "Service: sonarr", "Service: bazarr"]
                .map(|line| commits[0].find(line).unwrap());
            assert!(order.is_sorted(), "{}", commits[0]);
        }
    }
}

#[test]
fn several_services_give_the_same_commit_and_answers_by_server_and_remote() {
    let [curl, served, direct] = [(); 3].map(|()| Scene::new(&["radarr", "sonarr"]));
    let server = served.serve();
    let own = curl.serve();
    let by_server = Cli::new(Path::new("/")).with("FAILOVER_API_SERVER", server.url(""));
    let (folder, repo) = (direct.config().parent().unwrap().to_owned(), direct.repository.path().to_owned());
    let by_remote = Cli::new(&folder).with("FAILOVER_API_REPO", repo);
    let headers = [("content-type", "application/json")];
    for (typed, body) in [
        (
            &["--dry-run"][..],
            r#"{"services": ["sonarr", "radarr"], "to": "backup", "dry-run": true, "reason": "x"}"#,
        ),
        (&["--yes"], r#"{"services": ["sonarr", "radarr"], "to": "backup", "reason": "x"}"#),
    ] {
        let typed = [&["promote", "sonarr", "radarr", "-o", "json", "-r", "x"][..], typed].concat();
        let answer = nobodys(same(&own.post("/api/failover", body, &headers).text));
        assert_eq!(answer["services"].as_array().unwrap().len(), 2, "{answer}");
        for cli in [&by_server, &by_remote] {
            assert_eq!(nobodys(same(&cli.run(&typed).ended(0).stdout)), answer, "{typed:?}");
        }
    }
    let commits = [&curl, &served, &direct].map(|scene| commit(scene.repository.path()));
    assert!(commits[0].contains("\nAutomated failover: radarr, sonarr to backup node\n"), "{}", commits[0]);
    assert!(commits.iter().all(|other| *other == commits[0]), "{commits:#?}");
}

/// The holds file at the tip, but for what differs from one hold to the next.
fn held(repository: &Path) -> String {
    let text = run(git(repository).args(["show", "main:.failover-api/holds"])).stdout;
    let text = String::from_utf8(text).unwrap();
    let own = ["    owner: ", "    since: "];
    text.lines().filter(|line| !own.iter().any(|key| line.starts_with(key))).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_hold_is_the_same_by_server_remote_and_clone() {
    let [served, remote, cloned] = [(); 3].map(|()| Scene::new(&["radarr", "sonarr"]));
    let server = served.serve();
    let by_server = Cli::new(Path::new("/")).with("FAILOVER_API_SERVER", server.url(""));
    let folder = remote.config().parent().unwrap().to_owned();
    let by_remote = Cli::new(&folder).with("FAILOVER_API_REPO", remote.repository.path());
    let clone = TempDir::new().unwrap();
    run(git(clone.path()).arg("clone").arg("-q").arg(cloned.repository.path()).arg("."));
    let by_clone =
        Cli::new(clone.path()).with("FAILOVER_API_REPO", ".").with("FAILOVER_API_CONFIG", cloned.config());
    let ways =
        [(&by_server, &served, &[][..]), (&by_remote, &remote, &[]), (&by_clone, &cloned, &["--push"])];
    for (cli, _, push) in ways {
        let until = ["--until", "2099-01-01T00:00:00Z", "--idempotency-key", "abc-1"];
        let typed = [&["hold", "sonarr", "radarr", "-y", "-r", "new disk", "-o", "json"][..], &until, push];
        let held = cli.run(typed.concat()).ended(0).json();
        assert_eq!((&held["changed"], &held["replayed"]), (&true.into(), &false.into()), "{held}");
        let again = cli.run(typed.concat()).ended(0).json();
        assert_eq!((&again["commit"], &again["replayed"]), (&held["commit"], &true.into()), "{again}");
        assert_eq!(cli.run(["holds", "-o", "json"]).ended(0).json()["count"], 2);
        let _ = cli.run(["promote", "sonarr", "-y"]).ended(3).told("new disk");
    }
    let [first, second, third] = ways.map(|(_, scene, _)| {
        let text = commit(scene.repository.path());
        // The owner and the time stand in the file, and so in what its name is made from.
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("tree ")).collect();
        (text.join("\n"), held(scene.repository.path()))
    });
    assert!(first.0.contains("\nAutomated hold: radarr, sonarr\n\nReason: new disk\n"), "{}", first.0);
    assert_eq!((&second, &third), (&first, &first));
    assert!(clone.path().join(".failover-api/holds").exists());
    for (cli, scene, push) in ways {
        let typed = [&["release", "sonarr", "radarr", "-y", "-o", "json"][..], push].concat();
        assert_eq!(cli.run(&typed).ended(0).json()["holds"], Value::Array(Vec::new()));
        assert_eq!(scene.repository.commit_count(), 3);
        assert_eq!(cli.run(&typed).ended(0).json()["changed"], false);
    }
    assert!(!clone.path().join(".failover-api").exists());
    // What the clone's owner has put there is not lost.
    std::fs::create_dir(clone.path().join(".failover-api")).unwrap();
    std::fs::write(clone.path().join(".failover-api/holds"), "mine\n").unwrap();
    let _ = by_clone.run(["hold", "sonarr", "-y", "-r", "x"]).ended(3).told("work-tree-changed");
    let mine = std::fs::read_to_string(clone.path().join(".failover-api/holds")).unwrap();
    assert_eq!(mine, "mine\n");
}

#[test]
fn every_answer_is_the_same_with_and_without_a_server() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    server.promote("radarr").commit();
    let cli = Cli::new(scene.config().parent().unwrap());
    let (url, repo) = (server.url(""), scene.repository.path().to_str().unwrap().to_owned());
    let ways = [["--repo", &repo], ["--server", &url]];
    for (code, typed, path) in [
        (0, &["services"][..], "/api/services"),
        (0, &["status", "radarr"], "/api/failover/radarr/status"),
        (1, &["status", "radarr", "--expect", "primary"], "/api/failover/radarr/status?expect=primary"),
        (2, &["status", "nothing"], "/api/failover/nothing/status"),
        (2, &["status", "a b/..?x"], "/api/failover/a%20b%2F..%3Fx/status"),
        (0, &["history"], "/api/history"),
        (0, &["holds"], "/api/holds"),
        (0, &["history", "sonarr", "--limit", "7"], "/api/history?service=sonarr&limit=7"),
        (0, &["promote", "sonarr", "--dry-run"], "/api/failover/sonarr/promote?dry-run=true"),
        (2, &["demote", "nothing", "--dry-run"], "/api/failover/nothing/demote?dry-run=true"),
        (
            3,
            &[
                "promote",
                "sonarr",
                "--dry-run",
                "-r",
                "a & b",
                "--force",
                "key-added,mixed-state",
                "--expect",
                "backup",
            ],
            "/api/failover/sonarr/promote?dry-run=true&reason=a+%26+b&force=key-added,mixed-state&expect=backup",
        ),
    ] {
        let own = server.get(path);
        for way in ways {
            let said = cli.run([typed, &["-o", "json"], &way].concat()).ended(code).stdout;
            assert_eq!(same(&said), same(&own.text), "{typed:?} {way:?}");
        }
    }
    // Byte for byte, but for how long ago it was seen.
    let said = cli.run(["services", "-o", "json", "--repo", &repo]).stdout;
    assert_eq!(normal(&said), normal(&server.get("/api/services").text));
    for (form, accept) in [("diff", "text/x-diff"), ("patch", "text/x-patch")] {
        let path = "/api/failover/sonarr/promote?dry-run=true";
        let own = undated(&server.request("GET", path, "", &[("accept", accept)]).text);
        assert!(own.contains("claimName"), "{own}");
        for way in ways {
            let typed = ["promote", "sonarr", "--dry-run", "-o", form];
            let said = cli.run([&typed[..], &way].concat()).ended(0).stdout;
            assert_eq!(undated(&said), own, "{way:?}");
        }
    }
}

/// A patch without the date of the mail.
fn undated(patch: &str) -> String {
    let lines = patch.lines().filter(|line| !line.starts_with("Date: "));
    normal(&lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn yaml_holds_what_json_holds() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    server.promote("sonarr").commit();
    let (cli, url) = (Cli::new(Path::new("/")), server.url(""));
    for typed in [&["services"][..], &["status", "sonarr"], &["status", "sonarr", "radarr"], &["history"]] {
        let said = |form| normal(&cli.run([typed, &["-o", form, "--server", &url]].concat()).ended(0).stdout);
        let json: Value = serde_json::from_str(&said("json")).unwrap();
        let yaml: Value = yaml_serde::from_str(&said("yaml")).unwrap();
        assert_eq!(yaml, json, "{typed:?}");
    }
}
