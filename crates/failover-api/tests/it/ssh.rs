//! Moving services in a repository behind a real SSH server, on good days and bad ones.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Mutex;

use crate::support::api::Server;
use crate::support::git::git;
use crate::support::process::{self, PATIENCE, Pid, poll, run};
use crate::support::scene::{Gate, Scene, ask, manifest, manifest_path, moved, only_folder, ready};
use crate::support::sshd::SshServer;

#[test]
fn there_and_back_over_ssh_restores_every_byte() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let server = ready(Server::start(scene.ssh(&sshd)));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    let foreign = scene.repository.commit_foreign("README.md", b"hello", "Unrelated");
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    assert!(scene.repository.log("%H").contains(&foreign));
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

#[test]
fn an_scp_style_address_works() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let Some(url) = sshd.scp_url(scene.repository.path()) else {
        panic!("port 22 of a loopback address cannot be used: run the tests as root or allow low ports")
    };
    let server = ready(Server::start(scene.ssh_with(&url, &sshd.key(), &sshd)));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn all_commands_share_one_connection_that_is_made_anew_when_it_is_lost() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let server = ready(Server::start(scene.ssh(&sshd)));
    let logins = || sshd.log().matches("Accepted publickey").count();
    // The first look may have come before the shared connection was there.
    let warm = |server: &Server| {
        poll("a move logs in no more", PATIENCE, || {
            let before = logins();
            server.promote("sonarr");
            server.demote("sonarr");
            if logins() == before { Ok(()) } else { Err(format!("{} logins", logins())) }
        });
    };
    warm(&server);
    assert!(sshd.kill_sessions() > 0);
    server.promote("sonarr").commit();
    server.demote("sonarr").commit();
    warm(&server);
}

#[test]
fn a_rotated_key_is_picked_up_without_a_restart() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    // As in a mounted Secret: the file is replaced, not written to.
    let folder = tempfile::TempDir::new().unwrap();
    let key = folder.path().join("identity");
    std::fs::copy(sshd.key(), &key).unwrap();
    let server = ready(Server::start(scene.ssh_with(&sshd.url(scene.repository.path()), &key, &sshd)));
    server.promote("sonarr").commit();
    let public = sshd.wrong_key().with_extension("pub");
    std::fs::copy(public, sshd.file("authorized_keys")).unwrap();
    std::fs::copy(sshd.wrong_key(), folder.path().join("new")).unwrap();
    std::fs::rename(folder.path().join("new"), &key).unwrap();
    server.wait_log("the new key is seen", |event| {
        event["message"].as_str().is_some_and(|text| text.contains("key or the known hosts changed"))
    });
    server.demote("sonarr").commit();
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

#[test]
fn each_reason_not_to_trust_or_be_trusted_has_its_own_code() {
    let scene = Scene::new(&["sonarr"]);
    let mut sshd = SshServer::start_new();
    let url = sshd.url(scene.repository.path());
    let failing = |arguments: Vec<std::ffi::OsString>, code: &str| {
        let server = Server::start(arguments);
        let health =
            server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
        assert_eq!(health.json["problems"][0]["code"], code, "{}", health.text);
        assert_eq!(server.get("/livez").status, 200);
        server.get("/readyz").assert_problem(502, code);
        server.promote("sonarr").assert_problem(502, code);
        server
    };
    failing(scene.ssh_with(&url, &sshd.wrong_key(), &sshd), "ssh-key-rejected");
    failing(scene.ssh_with(&url, &sshd.file("nowhere"), &sshd), "ssh-key-unusable");
    let missing = sshd.url(&scene.repository.path().join("missing"));
    failing(scene.ssh_with(&missing, &sshd.key(), &sshd), "repository-not-found");
    std::fs::write(sshd.known_hosts(), "").unwrap();
    failing(scene.ssh(&sshd), "host-key-unknown");
    sshd.pin_host_key();
    sshd.rotate_host_key();
    let waiting = failing(scene.ssh(&sshd), "host-key-changed");
    // Once the operator has pinned the new key, the server recovers by itself.
    sshd.pin_host_key();
    ready(waiting).promote("sonarr").commit();
}

#[test]
fn a_branch_that_is_not_there_is_named() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let mut arguments = scene.ssh(&sshd);
    arguments.extend(["--branch".into(), "production".into()]);
    let server = Server::start(arguments);
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    assert_eq!(health.json["problems"][0]["code"], "branch-not-found", "{}", health.text);
}

#[test]
fn a_remote_that_is_down_at_the_start_is_read_when_it_comes() {
    let scene = Scene::new(&["sonarr"]);
    let mut sshd = SshServer::start_new();
    sshd.stop();
    let server = Server::start(scene.ssh(&sshd));
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    assert_eq!(health.json["problems"][0]["code"], "remote-unreachable", "{}", health.text);
    server.get("/readyz").assert_problem(502, "remote-unreachable");
    server.get("/api/services").assert_problem(502, "remote-unreachable");
    sshd.start();
    ready(server).promote("sonarr").commit();
}

#[test]
fn a_remote_that_goes_down_leaves_reads_and_the_patch() {
    let scene = Scene::new(&["sonarr"]);
    let mut sshd = SshServer::start_new();
    let server = ready(Server::start(scene.ssh(&sshd)));
    let before = scene.repository.tip();
    sshd.stop();
    // As long as an ssh has not noticed, a push into it may have been heard.
    let root = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    poll("every ssh ends", PATIENCE, || {
        let left = process::tree(root).len() - 1;
        if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
    });
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-unreachable");
    assert!(reply.json["hint"].as_str().unwrap().contains("text/x-patch"), "{}", reply.text);
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(server.get("/readyz").status, 200);
    let status = server.status("sonarr");
    assert_eq!((status.status, &status.json["active"]), (200, &"primary".into()));
    assert!(status.json["view_age_seconds"].is_u64());
    let dry_run = "/api/failover/sonarr/promote?dry-run=true";
    assert!(
        server
            .request("GET", dry_run, "", &[("accept", "text/x-patch")])
            .text
            .contains("+            claimName: 'pvc-sonarr-backup'")
    );
    assert_eq!(server.get("/api/health").json["status"], "degraded");
    assert_eq!(scene.repository.tip(), before);
    sshd.start();
    server.promote("sonarr").commit();
    assert_eq!(server.get("/api/health").json["status"], "ok");
}

fn wait_for_unknown(server: &Server) {
    server.wait_log("the outcome is unknown", |event| event["outcome"] == "unknown");
}

#[test]
fn a_config_that_changes_while_the_remote_is_down_is_in_force_for_reads() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    std::fs::write(scene.config(), crate::support::scene::config(&["sonarr"])).unwrap();
    let mut sshd = SshServer::start_new();
    let server = ready(Server::start(scene.ssh(&sshd)));
    sshd.stop();
    std::fs::write(scene.config(), crate::support::scene::config(&["radarr", "sonarr"])).unwrap();
    server.wait_until("/api/services", |reply| reply.json["count"] == 2, PATIENCE);
    assert_eq!(server.status("radarr").json["active"], "primary");
}

#[test]
fn a_frozen_remote_hangs_neither_reads_nor_the_process() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let mut server = ready(Server::start(scene.ssh(&sshd)));
    server.promote("sonarr").commit();
    sshd.freeze();
    let caller = ask(&server, "/api/failover/sonarr/demote");
    for _ in 0..20 {
        assert_eq!(server.get("/livez").status, 200);
        assert_eq!(server.status("sonarr").json["active"], "backup");
    }
    let answer = caller.join().unwrap();
    let code = answer["code"].as_str().unwrap();
    assert!(["remote-unreachable", "remote-timeout", "outcome-unknown"].contains(&code), "{answer}");
    sshd.thaw();
    // Whatever became of the first call, the second one gives the truth, and nothing happened twice.
    let again = server.demote("sonarr");
    assert_eq!((again.status, scene.text("sonarr")), (200, manifest("sonarr")), "{}", again.text);
    assert_eq!(scene.repository.commit_count(), 3);
    assert!(server.terminate().success());
}

/// The answer tells of the one commit that was made, at the tip of the branch.
fn assert_moved_once(scene: &Scene, answer: &serde_json::Value) {
    assert_eq!(answer["changed"], true, "{answer}");
    assert_eq!(scene.repository.tip(), answer["commit"].as_str().unwrap());
    assert_eq!(scene.repository.commit_count(), 2);
    scene.repository.fsck().unwrap();
}

#[test]
fn a_push_whose_connection_dies_in_the_hook_is_found_on_the_branch() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let server = ready(Server::start(scene.ssh(&sshd)));
    let gate = Gate::install(&scene);
    let caller = ask(&server, "/api/failover/sonarr/promote");
    gate.wait();
    sshd.kill_sessions();
    // The connection is gone and the server's part goes on: nobody may say now that nothing happened.
    wait_for_unknown(&server);
    gate.open();
    assert_moved_once(&scene, &caller.join().unwrap());
}

#[test]
fn a_push_that_was_lost_with_the_cache_is_made_again_as_the_same_commit() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let cache = tempfile::TempDir::new().unwrap();
    let mut arguments = scene.ssh(&sshd);
    arguments.extend(["--cache-dir".into(), cache.path().into()]);
    let server = ready(Server::start(arguments));
    let gate = Gate::install(&scene);
    let caller = ask(&server, "/api/failover/sonarr/promote");
    gate.wait();
    sshd.kill_sessions();
    wait_for_unknown(&server);
    let folder = only_folder(cache.path());
    std::fs::remove_dir_all(only_folder(&folder).join("objects")).unwrap();
    gate.refuse();
    gate.open();
    assert_moved_once(&scene, &caller.join().unwrap());
}

#[test]
fn a_hook_that_outlives_the_deadline_leaves_one_commit_and_a_true_answer() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let server = ready(Server::start(scene.ssh(&sshd)));
    let gate = Gate::install(&scene);
    let caller = ask(&server, "/api/failover/sonarr/promote");
    wait_for_unknown(&server);
    gate.open();
    assert_moved_once(&scene, &caller.join().unwrap());
}

#[test]
fn a_cache_that_is_damaged_or_gone_is_made_anew() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let cache = tempfile::TempDir::new().unwrap();
    let mut arguments = scene.ssh(&sshd);
    arguments.extend(["--cache-dir".into(), cache.path().join("deep/cache").into()]);
    let server = ready(Server::start(arguments));
    server.promote("sonarr").commit();
    let folder = || only_folder(&cache.path().join("deep/cache"));
    let mirror = || only_folder(&folder());
    // Objects lost, the branch emptied, a lock left behind, the folder gone.
    std::fs::remove_dir_all(mirror().join("objects")).unwrap();
    server.demote("sonarr").commit();
    std::fs::write(mirror().join("refs/heads/main"), "").unwrap();
    server.promote("sonarr").commit();
    std::fs::write(mirror().join("shallow.lock"), "").unwrap();
    scene.repository.commit_foreign("README.md", b"hello", "Unrelated");
    server.demote("sonarr").commit();
    // The server may be putting a file there that it misses.
    let gone = folder();
    while std::fs::remove_dir_all(&gone).is_err_and(|error| error.kind() == ErrorKind::DirectoryNotEmpty) {}
    server.promote("sonarr").commit();
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(scene.repository.commit_count(), 7);
    scene.repository.fsck().unwrap();
}

#[test]
fn two_servers_and_a_hundred_opposite_requests_lose_and_repeat_nothing() {
    let (scene, sshd) = (Scene::new(&["radarr", "sonarr"]), SshServer::start_new());
    let servers = [ready(Server::start(scene.ssh(&sshd))), ready(Server::start(scene.ssh(&sshd)))];
    let replies = Mutex::new(Vec::new());
    let foreign = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (number, server) in servers.iter().enumerate() {
            for request in 0..50 {
                let replies = &replies;
                scope.spawn(move || {
                    let service = if request % 5 == 0 { "radarr" } else { "sonarr" };
                    let verb = if (request + number) % 2 == 0 { "promote" } else { "demote" };
                    let key = format!("{number}-{request}");
                    let path = format!("/api/failover/{service}/{verb}");
                    let reply = server.post(&path, "", &[("idempotency-key", &key)]);
                    replies.lock().unwrap().push((key, reply));
                });
            }
        }
        let (scene, foreign) = (&scene, &foreign);
        scope.spawn(move || {
            for number in 0..5 {
                let id = scene.repository.commit_foreign(&format!("notes/{number}.md"), b"note", "Note");
                foreign.lock().unwrap().push(id);
            }
        });
    });
    let commits: BTreeSet<String> = scene.repository.log("%H").lines().map(str::to_owned).collect();
    let messages = scene.repository.log("%B");
    let mut changed = 0;
    for (key, reply) in replies.into_inner().unwrap() {
        let trailer = format!("Idempotency-Key: {key}\n");
        match (reply.status, reply.json["changed"].as_bool()) {
            (200, Some(true)) => {
                changed += 1;
                assert!(commits.contains(reply.commit()), "{} is not on the branch", reply.text);
                assert_eq!(messages.matches(&trailer).count(), 1, "{key}");
                let operation = format!("Operation-Id: {}\n", reply.json["operation_id"].as_str().unwrap());
                assert_eq!(messages.matches(&operation).count(), 1, "{key}");
            }
            (200, Some(false)) => assert_eq!(messages.matches(&trailer).count(), 0, "{key}"),
            _ => {
                assert!(
                    matches!(reply.json["code"].as_str(), Some("remote-conflict" | "busy")),
                    "{}",
                    reply.text
                );
                assert_eq!(messages.matches(&trailer).count(), 0, "{key}: {}", reply.text);
            }
        }
    }
    assert!(changed >= 2, "only {changed} requests moved anything");
    assert_eq!(commits.len(), 1 + 5 + changed, "a commit that nobody was told of");
    for id in foreign.into_inner().unwrap() {
        assert!(commits.contains(&id), "the foreign commit {id} is lost");
    }
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
    // Only the two manifests and the notes were ever touched.
    let touched = run(git(scene.repository.path()).args(["log", "--format=", "--name-only", "main"]));
    for path in String::from_utf8(touched.stdout).unwrap().lines().filter(|line| !line.is_empty()) {
        assert!(
            path.starts_with("notes/")
                || [manifest_path("radarr"), manifest_path("sonarr")].contains(&path.to_owned()),
            "{path}"
        );
    }
}

#[test]
fn no_key_is_ever_logged_or_answered() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let server = Server::start(scene.ssh_with(&sshd.url(scene.repository.path()), &sshd.wrong_key(), &sshd));
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    let answer = server.promote("sonarr");
    let said = format!("{}\n{}\n{}", server.log().join("\n"), health.text, answer.text);
    let key = std::fs::read_to_string(sshd.wrong_key()).unwrap();
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!said.contains(line), "a line of the private key was shown");
    }
}
