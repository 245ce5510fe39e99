//! Moving services in a repository on this machine.

use std::process::Command;

use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::{Gate, Scene, ask, manifest, manifest_path, moved, only_folder, ready};

#[test]
fn there_and_back_restores_every_byte() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let before = scene.repository.tip();

    let promoted = server.promote("sonarr");
    assert_eq!(scene.repository.tip(), promoted.commit());
    assert_eq!(promoted.json["from"], "primary");
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(server.status("sonarr").json["active"], "backup");

    let demoted = server.demote("sonarr");
    assert_eq!(scene.repository.tip(), demoted.commit());
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    let diff = run(git(scene.repository.path()).args(["diff", "--raw", &before, "main"]));
    assert!(diff.stdout.is_empty(), "{diff:?}");
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

#[test]
fn a_repeated_promote_stays_at_one_backup() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let first = server.promote("sonarr");
    for _ in 0..3 {
        let again = server.promote("sonarr");
        assert_eq!((again.status, again.json["changed"].as_bool()), (200, Some(false)), "{}", again.text);
        assert_eq!(again.json["commit"], first.json["commit"]);
    }
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(scene.repository.commit_count(), 2);
}

#[test]
fn two_services_moved_one_after_the_other_give_two_clean_commits() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    for service in ["radarr", "sonarr"] {
        let commit = server.promote(service).commit().to_owned();
        let files =
            run(git(scene.repository.path()).args(["diff", "--name-only", &format!("{commit}~1"), &commit]));
        assert_eq!(String::from_utf8_lossy(&files.stdout).trim(), manifest_path(service));
    }
    assert_eq!(
        scene.repository.log("%s"),
        "Automated failover: sonarr to backup node\nAutomated failover: radarr to backup node\nInitial commit"
    );
}

#[test]
fn git_reads_the_trailers_that_the_operator_expects() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let body = r#"{"reason": "k3s-w1 is down"}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "night-1")];
    let reply = server.post("/api/failover/sonarr/promote", body, &headers);
    let trailers = scene.repository.trailers(reply.commit());
    let value = |key: &str| trailers.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    assert_eq!(value("Service"), Some("sonarr"));
    assert_eq!(value("PVC"), Some("pvc-sonarr -> pvc-sonarr-backup"));
    assert_eq!(value("Node"), Some("primary -> backup"));
    assert_eq!(value("Role"), Some("backup"));
    assert_eq!(value("Idempotency-Key"), Some("night-1"));
    assert_eq!(value("Operation-Id"), reply.json["operation_id"].as_str());
    assert_eq!(
        scene.repository.log("%an <%ae>").lines().next(),
        Some("failover-api <failover-api@cluster.local>")
    );
    assert!(scene.repository.log("%b").starts_with("Reason: k3s-w1 is down\n\nTimestamp: 20"));
}

#[test]
fn a_foreign_commit_in_between_is_kept_and_planned_on() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let changed = manifest("sonarr").replace("# where its data is", "# Anna was here");
    let foreign = scene.repository.commit_foreign(&manifest_path("sonarr"), changed.as_bytes(), "Comment");
    let commit = server.promote("sonarr").commit().to_owned();
    assert_eq!(scene.repository.log("%P").lines().next(), Some(foreign.as_str()));
    assert_eq!(scene.text("sonarr"), moved("sonarr").replace("# where its data is", "# Anna was here"));
    assert_eq!(scene.repository.tip(), commit);
}

#[test]
fn somebody_else_did_it_already_and_the_stale_view_does_not_hide_it() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let foreign =
        scene.repository.commit_foreign(&manifest_path("sonarr"), moved("sonarr").as_bytes(), "By hand");
    let reply = server.promote("sonarr");
    assert_eq!((reply.status, reply.json["changed"].as_bool()), (200, Some(false)), "{}", reply.text);
    assert_eq!(scene.repository.tip(), foreign);
    // And the other way round: what the stale view takes for done is not.
    scene.repository.commit_foreign(&manifest_path("sonarr"), manifest("sonarr").as_bytes(), "Back by hand");
    server.promote("sonarr").commit();
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn a_dry_run_changes_nothing_and_its_diff_and_patch_are_the_move() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let before = scene.repository.tip();
    let path = "/api/failover/sonarr/promote?dry-run=true&reason=k3s-w1+is+down";
    let json = server.get(path);
    assert_eq!((json.status, json.json["changed"].as_bool()), (200, Some(true)), "{}", json.text);
    let diff = server.request("GET", path, "", &[("accept", "text/x-diff")]).text;
    assert_eq!(json.json["diff"], diff);
    let patch = server.request("GET", path, "", &[("accept", "text/x-patch")]).text;
    assert_eq!(server.post(path, "", &[]).json["dry_run"], true);
    assert_eq!(scene.repository.tip(), before);

    let clones = TempDir::new().unwrap();
    for (name, command, text) in [("diff", vec!["apply", "-"], diff), ("patch", vec!["am", "-q"], patch)] {
        let clone = clones.path().join(name);
        run(git(clones.path()).args(["clone", "-q"]).arg(scene.repository.path()).arg(&clone));
        let file = clones.path().join(format!("{name}.txt"));
        std::fs::write(&file, text).unwrap();
        run(git(&clone).args(command.iter().filter(|argument| **argument != "-")).arg(&file));
        let text = std::fs::read_to_string(clone.join(manifest_path("sonarr"))).unwrap();
        assert_eq!(text, moved("sonarr"), "{name}");
    }
    let log = run(git(&clones.path().join("patch")).args(["log", "-1", "--format=%an%n%B"]));
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(
        log.starts_with(
            "failover-api\nAutomated failover: sonarr to backup node\n\nReason: k3s-w1 is down\n\nTimestamp: "
        ),
        "{log}"
    );
}

#[test]
fn an_idempotency_key_gives_one_answer_on_every_server_and_after_a_restart() {
    let scene = Scene::new(&["sonarr"]);
    let key = [("idempotency-key", "night-1")];
    let (first, second) = (scene.serve(), scene.serve());
    let path = "/api/failover/sonarr/promote";
    let original = first.post(path, "", &key);
    let commit = original.commit().to_owned();
    // Somebody moves it back: the repeated call must not move it again.
    first.demote("sonarr").commit();
    let tip = scene.repository.tip();
    drop(first);
    for server in [second, scene.serve()] {
        let repeated = server.post(path, "", &key);
        assert_eq!(repeated.commit(), commit);
        assert_eq!(repeated.json["replayed"], true);
        assert_eq!((&repeated.json["service"], &repeated.json["to"]), (&"sonarr".into(), &"backup".into()));
        assert_eq!(repeated.json["operation_id"], original.json["operation_id"]);
        server.post("/api/failover/sonarr/demote", "", &key).assert_problem(422, "idempotency-key-reused");
    }
    assert_eq!(scene.repository.tip(), tip);
}

#[test]
fn an_expectation_that_is_not_met_stops_the_move() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let before = scene.repository.tip();
    server
        .post("/api/failover/sonarr/promote?expect=backup", "", &[])
        .assert_problem(412, "expectation-failed");
    let foreign = scene.repository.commit_foreign("README.md", b"hello", "Unrelated");
    server
        .post(&format!("/api/failover/sonarr/promote?expect={before}"), "", &[])
        .assert_problem(412, "expectation-failed");
    for other in [format!("trunk@sha1:{foreign}"), format!("main@sha256:{foreign}")] {
        server
            .post(&format!("/api/failover/sonarr/promote?expect={other}"), "", &[])
            .assert_problem(412, "expectation-failed");
    }
    assert_eq!(scene.repository.tip(), foreign);
    server.post(&format!("/api/failover/sonarr/promote?expect=main@sha1:{foreign}"), "", &[]).commit();
    server.post("/api/failover/sonarr/demote?expect=backup", "", &[]).commit();
    assert_eq!(server.get("/api/failover/sonarr/status?expect=primary").status, 200);
    assert_eq!(server.get("/api/failover/sonarr/status?expect=backup").status, 409);
}

#[test]
fn a_value_that_nobody_configured_stops_the_move_until_it_is_forced() {
    let scene = Scene::new(&["sonarr"]);
    let spoilt = manifest("sonarr").replace("'pvc-sonarr'", "'pvc-sonarr-backup-backup'");
    scene.repository.commit_foreign(&manifest_path("sonarr"), spoilt.as_bytes(), "Script");
    let server = scene.serve();
    assert_eq!(server.status("sonarr").json["active"], "mixed");
    let before = scene.repository.tip();
    let refused = server.promote("sonarr");
    refused.assert_problem(409, "check-blocked");
    assert!(refused.json["hint"].as_str().unwrap().contains("force=unexpected-value"), "{}", refused.text);
    assert_eq!(scene.repository.tip(), before);
    let forced = server.post(
        "/api/failover/sonarr/promote",
        r#"{"force": ["unexpected-value"]}"#,
        &[("content-type", "application/json")],
    );
    assert!(
        scene
            .repository
            .trailers(forced.commit())
            .contains(&("Forced".into(), "unexpected-value (sonarr)".into()))
    );
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn history_shows_what_people_did_to_our_commits() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let move_commit = server.promote("sonarr").commit().to_owned();
    let revert = scene.repository.revert(&move_commit);
    // The revert put the service back, which a move back finds done.
    let demoted = server.demote("sonarr");
    assert_eq!(demoted.json["changed"], false, "{}", demoted.text);
    assert_eq!(demoted.json["commit"], revert.as_str());
    let history = server.get("/api/history?service=sonarr");
    let events = history.json["history"].as_array().unwrap();
    assert_eq!(events.len(), 2, "{}", history.text);
    assert_eq!((&events[0]["kind"], &events[0]["to"]), (&"revert".into(), &"primary".into()));
    assert_eq!(events[0]["reverts"], move_commit.as_str());
    assert_eq!((&events[1]["kind"], &events[1]["to"]), (&"move".into(), &"backup".into()));

    let again = server.promote("sonarr").commit().to_owned();
    let message = run(git(scene.repository.path()).args(["log", "-1", "--format=%B", &again])).stdout;
    let message =
        format!("{}Acked-by: Anna\n", String::from_utf8(message).unwrap().trim_start_matches("Automated "));
    scene.repository.amend(&message.replacen("failover:", "Failover, reviewed:", 1));
    server.demote("sonarr").commit();
    let history = server.get("/api/history?service=sonarr&limit=2");
    assert_eq!(history.json["history"][1]["rewritten_by"], "Alice <alice@home.example>", "{}", history.text);
    assert_eq!(history.json["history"][1]["to"], "backup");
}

#[test]
fn a_rewound_branch_is_followed_and_what_was_removed_does_not_come_back() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let removed = server.promote("sonarr").commit().to_owned();
    let rewound = scene.repository.force_push_back(1);
    server.promote("radarr").commit();
    assert_eq!(scene.repository.log("%P").lines().next(), Some(rewound.as_str()));
    assert!(!scene.repository.log("%H").contains(&removed));
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

#[test]
fn a_repository_of_sha256_objects_is_moved_like_any_other() {
    let scene = Scene::with(
        Repository::new_sha256([(manifest_path("sonarr"), manifest("sonarr"))]),
        &crate::support::scene::config(&["sonarr"]),
    );
    let server = scene.serve();
    let promoted = server.promote("sonarr");
    assert_eq!(promoted.commit(), scene.repository.tip());
    assert_eq!(promoted.commit().len(), 64);
    assert!(promoted.json["revision"].as_str().unwrap().starts_with("main@sha256:"), "{}", promoted.text);
    server.demote("sonarr").commit();
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    scene.repository.fsck().unwrap();
}

#[test]
fn a_hook_that_refuses_is_quoted_and_nothing_is_committed() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let before = scene.repository.tip();
    scene.repository.install_hook("pre-receive", "#!/bin/sh\necho 'no changes on a Friday' >&2\nexit 1\n");
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-refused");
    assert!(reply.json["detail"].as_str().unwrap().contains("no changes on a Friday"), "{}", reply.text);
    assert_eq!(scene.repository.tip(), before);
    assert_eq!(server.status("sonarr").json["active"], "primary");
    // A look cannot tell that pushes are refused: only the push did.
    let health = server.get("/api/health");
    assert_eq!(health.json["status"], "degraded", "{}", health.text);
    assert_eq!(health.json["problems"][0]["code"], "remote-refused", "{}", health.text);
    scene.repository.install_hook("pre-receive", "#!/bin/sh\nexit 0\n");
    server.promote("sonarr").commit();
    assert_eq!(server.get("/api/health").json["status"], "ok");
}

#[test]
fn files_that_cannot_be_edited_are_named_with_line_and_column() {
    let services = ["gone", "twice", "broken", "templated", "anchored", "fine"];
    let file = |name: &str| manifest_path(name);
    let repository = Repository::new([
        (file("twice"), manifest("twice")),
        ("other/twice.yaml".to_owned(), manifest("twice")),
        (file("broken"), manifest("broken").replace("{role: primary}", "{role: primary")),
        (file("templated"), manifest("templated").replace("'pvc-templated'", "${CLAIM}")),
        (
            file("anchored"),
            manifest("anchored")
                .replace("'pvc-anchored'", "&claim 'pvc-anchored'")
                .replace("---\napiVersion: v1", "      hostname: *claim\n---\napiVersion: v1"),
        ),
        (file("fine"), manifest("fine")),
    ]);
    let scene = Scene::with(repository, &crate::support::scene::config(&services));
    let server = scene.serve();
    let before = scene.repository.tip();
    for (service, code, line) in [
        ("gone", "manifest-not-found", None),
        ("twice", "manifest-ambiguous", Some(3)),
        ("broken", "manifest-unreadable", Some(12)),
        ("templated", "field-templated", Some(15)),
        ("anchored", "field-anchored", Some(15)),
    ] {
        let reply = server.promote(service);
        reply.assert_problem(422, code);
        let problem = &reply.json["problems"][0];
        assert_eq!(problem["line"].as_u64(), line, "{}", reply.text);
        assert_eq!(problem["file"].is_string(), line.is_some(), "{}", reply.text);
    }
    assert_eq!(scene.repository.tip(), before);
    // Nobody has to move a service to learn that it cannot be moved.
    let health = server.get("/api/health").json;
    assert_eq!(health["status"], "degraded");
    assert_eq!(
        health["problems"].as_array().unwrap().iter().filter(|one| one["service"].is_string()).count(),
        4,
        "{health}"
    );
    server.wait_log("a warning", |event| event["service"] == "gone" && event["code"] == "manifest-not-found");
    // One bad service does not keep the others from moving, or from being listed.
    server.promote("fine").commit();
    let listed = server.get("/api/services");
    assert_eq!(listed.json["count"], 6);
    let unknown =
        listed.json["services"].as_array().unwrap().iter().filter(|one| one["active"] == "unknown").count();
    assert_eq!(unknown, 4, "{}", listed.text);
}

#[test]
fn shutdown_finishes_the_push_that_is_under_way() {
    let scene = Scene::new(&["sonarr"]);
    let mut server = scene.serve();
    let gate = Gate::install(&scene);
    let caller = ask(&server, "/api/failover/sonarr/promote");
    gate.wait();
    let mut stop = Command::new("kill");
    run(stop.arg("-TERM").arg(server.id().to_string()));
    server.wait_log("asked to stop", |event| event["message"] == "asked to stop");
    gate.open();
    let answer = caller.join().unwrap();
    assert_eq!(answer["commit"], scene.repository.tip().as_str());
    assert!(server.terminate().success());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn a_commit_that_was_undone_is_not_named_as_the_one_that_did_it() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    server.promote("sonarr").commit();
    server.demote("sonarr").commit();
    scene.repository.commit_foreign(&manifest_path("sonarr"), moved("sonarr").as_bytes(), "By hand");
    let reply = server.promote("sonarr");
    assert_eq!(
        (reply.json["changed"].as_bool(), &reply.json["commit"]),
        (Some(false), &serde_json::Value::Null),
        "{}",
        reply.text
    );
}

#[test]
fn a_commit_with_a_name_that_no_strict_reader_takes_ends_nothing() {
    let scene = Scene::new(&["sonarr"]);
    let bare = scene.repository.path();
    let read = |arguments: &[&str]| {
        String::from_utf8(run(git(bare).args(arguments)).stdout).unwrap().trim().to_owned()
    };
    let tree = read(&["rev-parse", "main^{tree}"]);
    let text = format!(
        "tree {tree}\nparent {}\nauthor A a@b 1700000000 +0000\ncommitter  <> x\n\nOdd\n",
        scene.repository.tip()
    );
    let file = TempDir::new().unwrap();
    std::fs::write(file.path().join("commit"), text).unwrap();
    let path = file.path().join("commit");
    let odd = read(&["hash-object", "-t", "commit", "--literally", "-w", path.to_str().unwrap()]);
    run(git(bare).args(["update-ref", "refs/heads/main", &odd]));
    let server = scene.serve();
    server.promote("sonarr").commit();
    server.demote("sonarr").commit();
    assert_eq!(server.get("/api/history").json["count"], 2);
}

#[test]
fn a_renamed_default_branch_is_followed() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    run(git(scene.repository.path()).args(["branch", "-m", "main", "trunk"]));
    server.promote("sonarr").assert_problem(502, "branch-not-found");
    let reply = server.promote("sonarr");
    reply.commit();
    assert!(reply.json["revision"].as_str().unwrap().starts_with("trunk@"), "{}", reply.text);
}

#[test]
fn one_damaged_object_of_the_cache_is_fetched_anew() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let cache = TempDir::new().unwrap();
    let mut arguments = scene.local();
    arguments.extend(["--cache-dir".into(), cache.path().into()]);
    let server = ready(Server::start(arguments));
    server.promote("radarr").commit();
    // The manifest that the next move reads, as the cache has it: its bytes are others than its name promises.
    let other = manifest("sonarr").replace("role: primary", "role: elsewhere");
    scene.repository.commit_foreign(
        &manifest_path("sonarr"),
        format!("# new\n{}", manifest("sonarr")).as_bytes(),
        "Comment",
    );
    let blob =
        run(git(scene.repository.path()).args(["rev-parse", &format!("main:{}", manifest_path("sonarr"))]))
            .stdout;
    let blob = String::from_utf8(blob).unwrap();
    let (folder, name) = blob.trim().split_at(2);
    let mirror = only_folder(&only_folder(cache.path()));
    let object = mirror.join("objects").join(folder).join(name);
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    let source = TempDir::new().unwrap();
    std::fs::write(source.path().join("other"), other).unwrap();
    run(git(source.path()).args(["init", "-q"]));
    let wrong = run(git(source.path()).args(["hash-object", "-w", "other"])).stdout;
    let wrong = String::from_utf8(wrong).unwrap();
    let (wrong_folder, wrong_name) = wrong.trim().split_at(2);
    std::fs::copy(source.path().join(".git/objects").join(wrong_folder).join(wrong_name), &object).unwrap();
    let reply = server.promote("sonarr");
    reply.commit();
    assert_eq!(scene.text("sonarr"), format!("# new\n{}", moved("sonarr")));
}
