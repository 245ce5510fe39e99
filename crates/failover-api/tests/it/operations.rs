//! Moves of this process, step by step, and changes as they happen.

use serde_json::Value;

use crate::support::events::Events;
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, manifest_path, moved};

fn steps(operation: &Value) -> Vec<&str> {
    operation["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[test]
fn a_move_is_told_step_by_step() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let body = r#"{"reason": "k3s-w1 is down"}"#;
    let headers =
        [("content-type", "application/json"), ("idempotency-key", "night-1"), ("x-request-id", "call-7")];
    let reply = server.post("/api/failover/sonarr/promote", body, &headers);
    let id = reply.json["operation_id"].as_str().unwrap();
    let operation = server.get(&format!("/api/operations/{id}")).json;
    assert_eq!(operation["operation_id"], id);
    assert_eq!(operation["commit"], reply.commit());
    for (key, value) in [
        ("request_id", "call-7"),
        ("state", "committed"),
        ("to", "backup"),
        ("reason", "k3s-w1 is down"),
        ("idempotency_key", "night-1"),
        ("requested_by", "unauthenticated (127.0.0.1)"),
    ] {
        assert_eq!(operation[key], value, "{key}: {operation}");
    }
    assert_eq!(steps(&operation), ["planned", "committed", "pushed"]);
    assert_eq!(operation["steps"][0]["files"][0], manifest_path("sonarr"));
    assert_eq!(operation["steps"][2]["outcome"], "accepted");
    // As texts they have no order: zeros at the end are left out.
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let times: Vec<_> =
        operation["steps"].as_array().unwrap().iter().map(|step| time(&step["time"])).collect();
    assert!(times.is_sorted() && time(&operation["started"]) <= times[0], "{operation}");
    // The log has the same steps with the same ids.
    for message in ["move planned", "commit made", "push begins", "push ended"] {
        let event = server.wait_log(message, |event| event["message"] == message);
        assert_eq!((&event["operation_id"], &event["request_id"]), (&id.into(), &"call-7".into()), "{event}");
    }

    let other = server.promote("radarr");
    let list = server.get("/api/operations").json;
    assert_eq!(list["count"], 2);
    assert_eq!(list["operations"][0]["operation_id"], other.json["operation_id"], "the newest is first");
    let of_one = server.get("/api/operations?service=sonarr&limit=1").json;
    assert_eq!((&of_one["count"], &of_one["operations"][0]), (&1.into(), &list["operations"][1]));
    for path in ["/api/operations?limit=0", "/api/operations?limit=201", "/api/operations?sevice=x"] {
        server.get(path).assert_problem(400, "invalid-request");
    }
}

#[test]
fn what_did_nothing_leaves_no_trace_and_what_failed_says_why() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let headers = [("idempotency-key", "night-1")];
    let first = server.post("/api/failover/sonarr/promote", "", &headers);
    server.promote("sonarr");
    assert_eq!(server.post("/api/failover/sonarr/promote", "", &headers).json["replayed"], true);
    server.get("/api/failover/sonarr/demote?dry-run=true");
    let list = server.get("/api/operations").json;
    assert_eq!(
        (&list["count"], &list["operations"][0]["commit"]),
        (&1.into(), &first.json["commit"]),
        "{list}"
    );

    server
        .post("/api/failover/sonarr/demote?expect=primary", "", &[])
        .assert_problem(412, "expectation-failed");
    scene.repository.install_hook("pre-receive", "#!/bin/sh\necho 'not by you' >&2\nexit 1\n");
    server.demote("sonarr").assert_problem(502, "remote-refused");
    let list = server.get("/api/operations").json;
    let states: Vec<_> = list["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| (operation["state"].as_str().unwrap(), operation["code"].as_str()))
        .collect();
    assert_eq!(
        states,
        [("failed", Some("remote-refused")), ("failed", Some("expectation-failed")), ("committed", None)]
    );
    assert_eq!(steps(&list["operations"][0]), ["planned", "committed", "pushed"]);
    assert_eq!(list["operations"][0]["steps"][2]["outcome"], "refused");
    assert_eq!(steps(&list["operations"][1]), [""; 0]);
}

#[test]
fn a_move_that_another_committer_made_needless_says_so() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    // The server's view is older, so it plans, and its push comes second.
    scene.repository.commit_foreign(&manifest_path("sonarr"), moved("sonarr").as_bytes(), "By hand");
    let answer = server.promote("sonarr").json;
    assert_eq!(answer["changed"], false, "{answer}");
    let list = server.get("/api/operations").json;
    assert_eq!(list["operations"][0]["state"], "unchanged", "{list}");
    let commit = &list["operations"][0]["commit"];
    assert_eq!(list["operations"][0]["steps"][2]["outcome"], "lost-race", "{list}");
    assert!(commit != &Value::Null && commit != &answer["commit"], "{list}");
}

#[test]
fn what_another_process_did_is_in_history() {
    let scene = Scene::new(&["sonarr"]);
    let reply = scene.serve().promote("sonarr");
    let restarted = scene.serve();
    assert_eq!(restarted.get("/api/operations").json["count"], 0);
    let id = reply.json["operation_id"].as_str().unwrap();
    let unknown = restarted.get(&format!("/api/operations/{id}"));
    unknown.assert_problem(404, "operation-not-found");
    assert_eq!(unknown.json["commit"], reply.json["commit"]);
    for id in ["0198-nobody", "..%2f", "%ff", "A"] {
        let unknown = restarted.get(&format!("/api/operations/{id}"));
        unknown.assert_problem(404, "operation-not-found");
        assert_eq!(unknown.json.get("commit"), None);
    }
}

#[test]
fn changes_are_heard_as_they_happen() {
    let scene = Scene::new(&["sonarr"]);
    let mut server = scene.serve();
    let mut events = Events::follow(&server);
    assert!(
        events.head.starts_with("HTTP/1.1 200 ") && events.head.contains("text/event-stream"),
        "{}",
        events.head
    );
    let before = scene.repository.tip();
    let view = events.find("view", |_| true);
    assert_eq!(view["revision"], format!("main@sha1:{before}"));
    let reply = server.promote("sonarr");
    let revision = format!("main@sha1:{}", reply.commit());
    let (mut under_way, mut committed, mut seen) = (false, false, false);
    while !(under_way && committed && seen) {
        let (name, data) = events.next().unwrap();
        match name.as_str() {
            "operation" => {
                assert_eq!(data["operation_id"], reply.json["operation_id"]);
                under_way |= data["state"] == "under-way";
                committed |= data["state"] == "committed";
            }
            "view" => seen |= data["revision"] == revision,
            other => panic!("{other}: {data}"),
        }
    }
    // A stop lets go of the listener at once, with a proper end.
    assert!(server.terminate().success());
    while events.next().is_some() {}
}

#[test]
fn too_many_listeners_are_turned_away_and_a_place_that_is_left_is_free() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let mut all: Vec<Events> = (0..32).map(|_| Events::follow(&server)).collect();
    assert!(all.iter().all(|events| events.head.starts_with("HTTP/1.1 200 ")));
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("\nfailover_api_event_subscribers 32\n"), "{metrics}");
    let turned_away = server.get("/api/events");
    turned_away.assert_problem(503, "too-many-streams");
    assert!(turned_away.headers.contains_key("retry-after"));
    server.get("/api/events?x=1").assert_problem(400, "invalid-request");
    all.clear();
    server.wait_until(
        "/metrics",
        |reply| reply.text.contains("\nfailover_api_event_subscribers 0\n"),
        PATIENCE,
    );
    assert!(Events::follow(&server).head.starts_with("HTTP/1.1 200 "));
}
