//! Moving services through every kind of Git host: what holds for one holds for all.

use std::process::Command;

use tempfile::TempDir;

use crate::support::api::{Reply, Server};
use crate::support::git::{Repository, git};
use crate::support::hosts::{Host, Kind};
use crate::support::process::{PATIENCE, run};
use crate::support::scene::{Scene, config, manifest, manifest_path, moved, ready};

on_hosts! {
    there_and_back_restores_every_byte: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_foreign_commit_that_came_first_is_kept: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_race_lost_at_the_last_moment_is_planned_again: ssh jgit_ssh dulwich_ssh;
    a_key_gives_one_answer_on_every_server: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_hook_that_refuses_is_quoted: local ssh https;
    a_slow_hook_after_the_push_keeps_nobody_waiting: local ssh https;
    who_may_only_read_is_told_so: ssh https jgit_ssh dulwich_ssh;
    a_host_that_comes_up_late_is_read: ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_repository_that_is_not_there_is_named: ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_branch_that_is_deleted_and_made_again_is_followed: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    an_empty_repository_waits_for_its_first_commit: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_rewritten_history_is_followed: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    sha256_objects_are_moved_like_any_other: local ssh https;
    everything_else_in_the_tree_stays: local ssh https jgit_ssh dulwich_ssh dulwich_https;
}

/// A server that has read the scene's repository through the host.
fn serve(host: &Host, scene: &Scene) -> Server {
    ready(Server::start(host.arguments(scene)))
}

/// A server that cannot read its repository, for this reason.
fn waiting(server: Server, code: &str) -> Server {
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    assert_eq!(health.json["problems"][0]["code"], code, "{}", health.text);
    server.get("/readyz").assert_problem(502, code);
    server.promote("sonarr").assert_problem(502, code);
    server
}

/// The answer is of the newest commit on the branch, and the branch is whole.
fn assert_at_tip(scene: &Scene, reply: &Reply) {
    assert_eq!(scene.repository.tip(), reply.commit());
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

fn there_and_back_restores_every_byte(kind: Kind) {
    let (scene, host) = (Scene::new(&["radarr", "sonarr"]), Host::start_new(kind));
    let server = serve(&host, &scene);
    let before = scene.repository.tip();
    assert_at_tip(&scene, &server.promote("sonarr"));
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_at_tip(&scene, &server.promote("radarr"));
    assert_at_tip(&scene, &server.demote("sonarr"));
    assert_at_tip(&scene, &server.demote("radarr"));
    let diff = run(git(scene.repository.path()).args(["diff", "--raw", &before, "main"]));
    assert!(diff.stdout.is_empty(), "{diff:?}");
    assert_eq!(scene.repository.commit_count(), 5);
}

fn a_foreign_commit_that_came_first_is_kept(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let server = serve(&host, &scene);
    let changed = manifest("sonarr").replace("# where its data is", "# Anna was here");
    for (verb, text) in [("promote", moved("sonarr")), ("demote", manifest("sonarr"))] {
        // The server has just been told of the tip, and still it is not the tip any more.
        let foreign = if verb == "promote" {
            scene.repository.commit_foreign(&manifest_path("sonarr"), changed.as_bytes(), "Comment")
        } else {
            scene.repository.commit_foreign("README.md", b"hello", "Unrelated")
        };
        let reply = server.post(&format!("/api/failover/sonarr/{verb}"), "", &[]);
        assert_at_tip(&scene, &reply);
        assert_eq!(scene.repository.log("%P").lines().next(), Some(foreign.as_str()));
        assert_eq!(scene.text("sonarr"), text.replace("# where its data is", "# Anna was here"));
    }
    assert_eq!(scene.repository.commit_count(), 5);
}

/// Somebody is faster between the host's word on the branch and ours on the push: only the host can see that.
fn a_race_lost_at_the_last_moment_is_planned_again(kind: Kind) {
    let scene = Scene::new(&["sonarr"]);
    let path = scene.repository.path();
    let foreign = run(git(path).args(["commit-tree", "main^{tree}", "-p", "main", "-m", "Faster"])).stdout;
    let foreign = String::from_utf8(foreign).unwrap().trim_end().to_owned();
    let script = format!("git --git-dir='{}' update-ref refs/heads/main {foreign}\n", path.display());
    let host = Host::start_racing(kind, &script);
    let server = serve(&host, &scene);
    let reply = server.promote("sonarr");
    assert_at_tip(&scene, &reply);
    assert_eq!(scene.repository.log("%P").lines().next(), Some(foreign.as_str()), "{}", host.log());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

fn a_key_gives_one_answer_on_every_server(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let key = [("idempotency-key", "night-1")];
    let (first, second) = (serve(&host, &scene), serve(&host, &scene));
    let path = "/api/failover/sonarr/promote";
    let original = first.post(path, "", &key);
    let commit = original.commit().to_owned();
    first.demote("sonarr").commit();
    let tip = scene.repository.tip();
    drop(first);
    for server in [second, serve(&host, &scene)] {
        let repeated = server.post(path, "", &key);
        assert_eq!(repeated.commit(), commit);
        assert_eq!(repeated.json["replayed"], true);
        assert_eq!(repeated.json["operation_id"], original.json["operation_id"]);
        server.post("/api/failover/sonarr/demote", "", &key).assert_problem(422, "idempotency-key-reused");
    }
    assert_eq!(scene.repository.tip(), tip);
}

fn a_hook_that_refuses_is_quoted(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let server = serve(&host, &scene);
    let before = scene.repository.tip();
    scene.repository.install_hook("pre-receive", "#!/bin/sh\necho 'no changes on a Friday' >&2\nexit 1\n");
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-refused");
    assert!(reply.json["detail"].as_str().unwrap().contains("no changes on a Friday"), "{}", reply.text);
    assert_eq!(scene.repository.tip(), before);
    // An update hook decides on one branch, and the report names it.
    run(Command::new("rm").arg(scene.repository.path().join("hooks/pre-receive")));
    scene.repository.install_hook("update", "#!/bin/sh\necho 'not this branch'\nexit 1\n");
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-refused");
    assert!(reply.json["detail"].as_str().unwrap().contains("not this branch"), "{}", reply.text);
    assert_eq!(scene.repository.tip(), before);
    run(Command::new("rm").arg(scene.repository.path().join("hooks/update")));
    assert_at_tip(&scene, &server.promote("sonarr"));
}

fn a_slow_hook_after_the_push_keeps_nobody_waiting(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let server = serve(&host, &scene);
    let gate = TempDir::new().unwrap();
    let go = gate.path().join("go");
    // Once the folder is gone, nobody will open the gate any more.
    let script = format!(
        "#!/bin/sh\necho 'deploying' >&2\nwhile [ ! -e '{}' ] && [ -d '{}' ]; do sleep 0.05; done\n",
        go.display(),
        gate.path().display()
    );
    scene.repository.install_hook("post-receive", &script);
    assert_at_tip(&scene, &server.promote("sonarr"));
    // The same call with the same hook still running: the next push does not wait for it either.
    assert_at_tip(&scene, &server.demote("sonarr"));
    let unknown = |line: &String| line.contains(r#""outcome":"unknown""#);
    assert!(!server.log().iter().any(unknown), "the host's report was not taken for its word");
    std::fs::write(go, "").unwrap();
    assert_eq!(scene.repository.commit_count(), 3);
}

fn who_may_only_read_is_told_so(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    host.forbid_writing(&scene);
    let server = serve(&host, &scene);
    let before = scene.repository.tip();
    assert_eq!(server.status("sonarr").json["active"], "primary");
    assert_eq!(server.get("/api/failover/sonarr/promote?dry-run=true").json["changed"], true);
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-refused");
    // A web server has only a status for it; SSH hosts have words of their own.
    if kind != Kind::Https {
        let detail = reply.json["detail"].as_str().unwrap();
        assert!(detail.contains("deploy key does not have write access"), "{}", reply.text);
    }
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(scene.repository.tip(), before);
    host.allow_writing(&scene);
    assert_at_tip(&scene, &server.promote("sonarr"));
}

fn a_host_that_comes_up_late_is_read(kind: Kind) {
    let (scene, mut host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    host.stop();
    let server = waiting(Server::start(host.arguments(&scene)), "remote-unreachable");
    host.start();
    let server = ready(server);
    assert_at_tip(&scene, &server.promote("sonarr"));
    host.stop();
    let reply = server.demote("sonarr");
    if reply.status == 504 {
        // A conversation was open, and the request was handed over before anybody noticed its end. What became of it
        // is found out once the host is back, and may be that it was carried out.
        reply.assert_problem(504, "outcome-unknown");
        host.start();
        assert_eq!(server.demote("sonarr").status, 200);
    } else {
        reply.assert_problem(502, "remote-unreachable");
        assert_eq!(server.status("sonarr").json["active"], "backup");
        host.start();
        assert_at_tip(&scene, &server.demote("sonarr"));
    }
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (manifest("sonarr"), 3));
}

fn a_repository_that_is_not_there_is_named(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let hidden = scene.repository.path().with_extension("hidden");
    std::fs::rename(scene.repository.path(), &hidden).unwrap();
    // dulwich says so only at the end of a long stack trace.
    let code = if kind == Kind::DulwichSsh { "remote-failed" } else { "repository-not-found" };
    let server = waiting(Server::start(host.arguments(&scene)), code);
    std::fs::rename(&hidden, scene.repository.path()).unwrap();
    assert_at_tip(&scene, &ready(server).promote("sonarr"));
}

fn a_branch_that_is_deleted_and_made_again_is_followed(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let server = serve(&host, &scene);
    server.promote("sonarr").commit();
    scene.repository.delete_branch();
    server.demote("sonarr").assert_problem(502, "branch-not-found");
    // Another history altogether, in which the service is at home.
    let root = scene.repository.commit_foreign(
        &manifest_path("sonarr"),
        manifest("sonarr").as_bytes(),
        "Start over",
    );
    let reply = server.promote("sonarr");
    assert_at_tip(&scene, &reply);
    assert_eq!(scene.repository.log("%P").lines().next(), Some(root.as_str()));
    assert_eq!(scene.repository.commit_count(), 2);
}

fn an_empty_repository_waits_for_its_first_commit(kind: Kind) {
    let scene = Scene::with(Repository::new_empty(), &config(&["sonarr"]));
    let host = Host::start_new(kind);
    let server = waiting(Server::start(host.arguments(&scene)), "branch-not-found");
    scene.repository.commit_foreign(&manifest_path("sonarr"), manifest("sonarr").as_bytes(), "First");
    assert_at_tip(&scene, &ready(server).promote("sonarr"));
    assert_eq!(scene.repository.commit_count(), 2);
}

fn a_rewritten_history_is_followed(kind: Kind) {
    let (scene, host) = (Scene::new(&["radarr", "sonarr"]), Host::start_new(kind));
    let server = serve(&host, &scene);
    let removed = server.promote("sonarr").commit().to_owned();
    let rewound = scene.repository.force_push_back(1);
    assert_at_tip(&scene, &server.promote("radarr"));
    assert_eq!(scene.repository.log("%P").lines().next(), Some(rewound.as_str()));
    assert!(!scene.repository.log("%H").contains(&removed));
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    let amended = scene.repository.amend("Reviewed");
    assert_at_tip(&scene, &server.demote("radarr"));
    assert_eq!(scene.repository.log("%P").lines().next(), Some(amended.as_str()));
}

fn sha256_objects_are_moved_like_any_other(kind: Kind) {
    let repository = Repository::new_sha256([(manifest_path("sonarr"), manifest("sonarr"))]);
    let scene = Scene::with(repository, &config(&["sonarr"]));
    let host = Host::start_new(kind);
    let server = serve(&host, &scene);
    let promoted = server.promote("sonarr");
    assert_at_tip(&scene, &promoted);
    assert_eq!(promoted.commit().len(), 64);
    scene.repository.commit_foreign("README.md", b"hello", "Unrelated");
    assert_at_tip(&scene, &server.demote("sonarr"));
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

/// What a program that checks files out, or reads paths as text, would spoil.
fn a_tree_of_odd_things() -> Repository {
    let data = |text: &str| format!("data {}\n{text}\n", text.len());
    let file = |mode: &str, path: &str, text: &str| format!("M {mode} inline {path}\n{}", data(text));
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let folder = "clusters/homelab/apps/media/sonarr";
    let stream = [
        "commit refs/heads/main\ncommitter Alice <alice@home.example> 1768478400 +0000\n".to_owned(),
        data("Odd things"),
        file("100644", &manifest_path("sonarr"), &manifest("sonarr")),
        file("100644", ".gitattributes", "* text=auto eol=crlf\n*.iso filter=lfs diff=lfs merge=lfs -text\n"),
        file("100644", ".gitmodules", "[submodule \"chart\"]\n\tpath = chart\n\turl = ../chart.git\n"),
        "M 160000 1111111111111111111111111111111111111111 chart\n".to_owned(),
        file("100755", &format!("{folder}/run.sh"), "#!/bin/sh\n"),
        file("120000", &format!("{folder}/link.yaml"), "deployment.yaml"),
        file("120000", "dangling", "../nowhere/at all"),
        file("100644", &format!("{folder}/disk.iso"), pointer),
        file("100644", &format!("\"{folder}/latin1-\\344\\366\\374.txt\""), "bytes"),
        file("100644", "\"\\377\\376/\\001.yaml\"", "a: 1\n"),
        file("100644", "\"two\\nlines\"", "\r\n\r\n"),
        file("100644", &format!("{folder}.yaml"), "sorts: before the folder\n"),
        file("100644", &format!("{folder}-"), ""),
        file("100644", "-rf", "an option?\n"),
    ];
    Repository::import(stream.concat().as_bytes())
}

fn everything_else_in_the_tree_stays(kind: Kind) {
    let scene = Scene::with(a_tree_of_odd_things(), &config(&["sonarr"]));
    let listing = || {
        let listed = run(git(scene.repository.path()).args(["ls-tree", "-r", "-t", "-z", "main"])).stdout;
        let changes = |entry: &[u8]| {
            let path = entry.splitn(2, |byte| *byte == b'\t').nth(1).unwrap_or_default();
            !path.is_empty() && manifest_path("sonarr").as_bytes().starts_with(path)
        };
        let entries = listed.split(|byte| *byte == 0).filter(|entry| !changes(entry));
        entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect::<Vec<_>>()
    };
    let tree = || run(git(scene.repository.path()).args(["rev-parse", "main^{tree}"])).stdout;
    let (before, root) = (listing(), tree());
    assert!(before.len() > 12, "{before:?}");
    let host = Host::start_new(kind);
    let server = serve(&host, &scene);
    server.promote("sonarr").commit();
    assert_eq!(listing(), before);
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    server.demote("sonarr").commit();
    assert_eq!(tree(), root);
}
