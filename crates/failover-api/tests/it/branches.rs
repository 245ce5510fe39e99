//! Branches that are not there: no move ever makes one.

use crate::support::api::Server;
use crate::support::git::git;
use crate::support::hosts::{Host, Kind};
use crate::support::process::{PATIENCE, run};
use crate::support::scene::{Scene, manifest, moved, ready};

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
