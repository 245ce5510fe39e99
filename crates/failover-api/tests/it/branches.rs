//! Branches that are not there: no move ever makes one.

use crate::support::api::Server;
use crate::support::git::git;
use crate::support::hosts::{Host, Kind};
use crate::support::process::{PATIENCE, run};
use crate::support::scene::{Scene, manifest, manifest_path, moved, ready};
use crate::support::sshd::SshServer;

fn refs(scene: &Scene) -> String {
    let refs = run(git(scene.repository.path()).args(["for-each-ref", "--format=%(refname)"])).stdout;
    String::from_utf8(refs).unwrap()
}

fn a_branch_that_was_deleted_is_not_made_again_by_a_move(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let server = ready(Server::start(host.arguments(&scene)));
    let tip = server.promote("sonarr").commit().to_owned();
    scene.repository.delete_branch();
    // What is kept for the next push was told of the branch when it was there.
    for _ in 0..2 {
        server.demote("sonarr").assert_problem(502, "branch-not-found");
        assert_eq!(refs(&scene), "", "{}", host.log());
    }
    assert_eq!(server.status("sonarr").json["active"], "backup");
    run(git(scene.repository.path()).args(["update-ref", "refs/heads/main", &tip]));
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (manifest("sonarr"), 3));
}

fn a_head_that_names_no_branch_waits_for_it(kind: Kind) {
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let head = |name: &str| run(git(scene.repository.path()).args(["symbolic-ref", "HEAD", name]));
    head("refs/heads/nobody-made-it");
    let server = Server::start(host.arguments(&scene));
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    let problem = &health.json["problems"][0];
    assert_eq!(problem["code"], "branch-not-found", "{}", health.text);
    assert!(problem["hint"].as_str().unwrap().contains("--branch"), "{}", health.text);
    server.promote("sonarr").assert_problem(502, "branch-not-found");
    assert_eq!(refs(&scene), "refs/heads/main\n");
    head("refs/heads/main");
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (moved("sonarr"), 2));
}

on_hosts! {
    a_branch_that_was_deleted_is_not_made_again_by_a_move: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    a_head_that_names_no_branch_waits_for_it: local ssh https jgit_ssh;
}

#[test]
fn a_host_that_gives_out_an_older_branch_than_it_announces_is_not_believed() {
    let scene = Scene::new(&["sonarr"]);
    let copy = tempfile::TempDir::new().unwrap();
    run(git(copy.path()).args(["clone", "-q", "--bare"]).arg(scene.repository.path()).arg("."));
    let lagging = copy.path().display();
    let sshd = SshServer::start_with(|program| match program {
        "upload-pack" => format!("#!/bin/sh\nexec git upload-pack {lagging}\n"),
        program => format!("#!/bin/sh\nexec git {program} \"$1\"\n"),
    });
    let server = ready(Server::start(scene.ssh(&sshd)));
    // Somebody moves the service by hand, and the copy does not have that yet: there is something to demote.
    let foreign =
        scene.repository.commit_foreign(&manifest_path("sonarr"), moved("sonarr").as_bytes(), "By hand");
    server.demote("sonarr").assert_problem(502, "remote-failed");
    assert_eq!(scene.repository.tip(), foreign);
    run(git(copy.path()).args(["fetch", "-q"]).arg(scene.repository.path()).arg("+main:main"));
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}
