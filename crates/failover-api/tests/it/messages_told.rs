//! What people are told, and what they are not.

use std::fs;

use serde_json::{Value, json};

use crate::messages::{Notifications, webhook};
use crate::support::hook::{Hook, Told};
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::{Scene, manifest, manifest_path};

const ALL: &str = ", events: [moved, refused, config, view]";

fn events(told: &[Told]) -> Vec<String> {
    told.iter().map(|told| told.json()["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_move_that_does_not_happen_is_told_once_and_a_callers_mistake_never() {
    let (scene, hook) = (Scene::new(&["radarr", "sonarr"]), Hook::start());
    let notifications = Notifications::new(&webhook("hook", &hook, ", events: [refused]"));
    let odd = manifest("sonarr").replace("'pvc-sonarr'", "'pvc-old'");
    scene.repository.commit_foreign(&manifest_path("sonarr"), odd.as_bytes(), "By hand");
    let server = notifications.serve(&scene);
    for _ in 0..3 {
        server.promote("sonarr").assert_problem(409, "check-blocked");
    }
    server.promote("sonar").assert_problem(404, "service-not-found");
    server
        .post("/api/failover/radarr/promote?expect=backup", "", &[])
        .assert_problem(412, "expectation-failed");
    server.promote("radarr").commit();
    scene.repository.install_hook("pre-receive", "#!/bin/sh\necho 'frozen for \"now\"' >&2\nexit 1\n");
    let refused = server.demote("radarr");
    refused.assert_problem(502, "remote-refused");
    let told = hook.wait(2);
    let codes: Vec<Value> = told.iter().map(|told| told.json()["code"].clone()).collect();
    assert_eq!(codes, ["check-blocked", "remote-refused"]);
    let first = told[0].json();
    assert_eq!(
        (&first["event"], &first["commit"], &first["services"]),
        (&json!("refused"), &json!(null), &json!(["sonarr"]))
    );
    assert!(first["detail"].as_str().unwrap().contains("pvc-old") && first["hint"].is_string(), "{first}");
    assert_eq!(first["title"], "sonarr not moved to backup: check-blocked");
    assert!(told[1].json()["detail"].as_str().unwrap().contains("frozen for"), "{}", told[1].json());
    // In the other direction it is another refusal, and it comes last.
    server.post("/api/failover/sonarr/demote?expect=mixed", "", &[]).assert_problem(409, "check-blocked");
    assert_eq!(hook.wait(3)[2].json()["to"], "primary");
    assert_eq!(hook.told().len(), 3);
}

#[test]
fn a_config_that_is_refused_and_repaired_is_told() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let notifications = Notifications::new(&webhook("hook", &hook, ALL));
    let server = notifications.serve(&scene);
    let good = fs::read_to_string(scene.config()).unwrap();
    fs::write(scene.config(), good.replace("deployment:", "deploymnt:")).unwrap();
    let bad = hook.wait(1)[0].json();
    assert_eq!((&bad["event"], &bad["code"]), (&json!("config-invalid"), &json!("config-invalid")));
    assert!(bad["detail"].as_str().unwrap().contains("did you mean 'deployment'?"), "{bad}");
    fs::write(scene.config(), &good).unwrap();
    hook.wait(2);
    server.promote("sonarr").commit();
    assert_eq!(events(&hook.wait(3)), ["config-invalid", "config-valid", "moved"]);
}

#[test]
fn a_repository_that_cannot_be_read_for_long_is_told_and_so_is_its_return() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let notifications = Notifications::new(&webhook("hook", &hook, ", events: [view]"));
    let server = notifications.serve_looking(&scene, "1s");
    let away = scene.repository.path().with_extension("away");
    fs::rename(scene.repository.path(), &away).unwrap();
    // A minute and three polls.
    let stale = poll("the view is told to be old", PATIENCE * 3, || {
        hook.told().first().map(Told::json).ok_or_else(|| server.get("/api/health").text)
    });
    assert_eq!((&stale["event"], &stale["code"]), (&json!("view-stale"), &json!("view-stale")));
    fs::rename(&away, scene.repository.path()).unwrap();
    assert_eq!(events(&hook.wait(2)), ["view-stale", "view-fresh"]);
}

#[test]
fn a_replica_that_only_saw_the_commit_says_nothing() {
    let (scene, mine, theirs) = (Scene::new(&["radarr", "sonarr"]), Hook::start(), Hook::start());
    let (ours, others) =
        (Notifications::new(&webhook("a", &mine, ALL)), Notifications::new(&webhook("a", &theirs, ALL)));
    let (server, other) = (ours.serve(&scene), others.serve(&scene));
    let commit = server.promote("sonarr").commit().to_owned();
    // It looks, and finds the other's commit.
    let seen = other.promote("sonarr");
    seen.assert_unchanged();
    assert_eq!(seen.json["commit"], commit);
    other.promote("radarr").commit();
    assert_eq!(theirs.wait(1)[0].json()["services"], json!(["radarr"]));
    assert_eq!((theirs.told().len(), mine.wait(1).len()), (1, 1));
}

#[test]
fn only_moves_of_its_services_are_told_and_what_stayed_behind_is_named() {
    let (scene, hook) = (Scene::new(&["jellyfin", "radarr", "sonarr"]), Hook::start());
    let shared = manifest("radarr").replace("'pvc-radarr'", "\"${CLAIM}\"");
    scene.repository.commit_foreign(&manifest_path("radarr"), shared.as_bytes(), "Template");
    let notifications = Notifications::new(&webhook("hook", &hook, ", services: [sonarr, sonar]"));
    let server = notifications.serve(&scene);
    server.wait_log("a name that is none", |event| {
        event["message"] == "a notification names a service that is not configured"
            && (&event["notification"], &event["service"]) == (&json!("hook"), &json!("sonar"))
    });
    server.promote("jellyfin").commit();
    let body = json!({ "services": ["radarr", "sonarr"], "to": "backup", "partial": true }).to_string();
    server.post("/api/failover", &body, &[("content-type", "application/json")]).commit();
    let told = hook.wait(1)[0].json();
    assert_eq!(told["services"], json!(["sonarr"]));
    assert_eq!(told["left_behind"], json!([{ "service": "radarr", "code": "field-templated" }]));
    assert!(told["text"].as_str().unwrap().contains("Left behind: radarr (field-templated)"), "{told}");
    assert_eq!(hook.told().len(), 1);
}
