//! Moves of this process, step by step, and changes as they happen.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::support::api::Server;
use crate::support::events::Events;
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, manifest_path, moved, ready};
use crate::support::tokens::Token;
use crate::support::volume::Volume;

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

/// An address of this machine that is not the usual one.
fn neighbour(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2 + number)
}

#[test]
fn no_address_takes_the_streams_of_others_and_a_place_that_is_left_is_free() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let is_in = |events: &Events| events.head.starts_with("HTTP/1.1 200 ");
    // One that asks for as many as there are gets its share.
    let greedy: Vec<Events> = (0..32).map(|_| Events::follow_as(&server, neighbour(0), &[])).collect();
    assert_eq!(greedy.iter().filter(|events| is_in(events)).count(), 8);
    let refused = greedy.iter().find(|events| !is_in(events)).unwrap();
    assert!(
        refused.head.starts_with("HTTP/1.1 503 ") && refused.head.contains("retry-after: "),
        "{}",
        refused.head
    );
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("\nfailover_api_event_subscribers 8\n"), "{metrics}");
    let own = Events::follow(&server);
    assert!(is_in(&own), "{}", own.head);

    // So it takes several addresses to leave no place.
    let others: Vec<Events> = (1..4)
        .flat_map(|number| [number; 8])
        .map(|number| Events::follow_as(&server, neighbour(number), &[]))
        .collect();
    assert_eq!(others.iter().filter(|events| is_in(events)).count(), 23);
    let turned_away = server.get("/api/events");
    turned_away.assert_problem(503, "too-many-streams");
    assert!(turned_away.text.contains("32 connections follow"), "{}", turned_away.text);
    assert!(turned_away.headers.contains_key("retry-after"));
    server.get("/api/events?x=1").assert_problem(400, "invalid-request");
    drop((greedy, others, own));
    server.wait_until(
        "/metrics",
        |reply| reply.text.contains("\nfailover_api_event_subscribers 0\n"),
        PATIENCE,
    );
    let all: Vec<Events> = (0..8).map(|_| Events::follow(&server)).collect();
    assert!(all.iter().all(is_in));
    let turned_away = server.get("/api/events");
    turned_away.assert_problem(503, "too-many-streams");
    assert!(turned_away.text.contains("8 connections of 127.0.0.1"), "{}", turned_away.text);
}

#[test]
fn a_stream_ends_as_soon_as_its_token_is_taken_away() {
    let scene = Scene::new(&["sonarr"]);
    let (alice, bob) = (Token::new("alice", "read"), Token::new("bob", "operate"));
    let mut volume = Volume::new("tokens", &format!("{}\n{}\n", alice.line, bob.line));
    let mut arguments = scene.local();
    arguments.extend(["--token-file".into(), volume.file().into(), "--require-token-for-reads".into()]);
    let server = ready(Server::start(arguments));
    let follow = |token: &Token| {
        let mut events = Events::follow_as(&server, Ipv4Addr::LOCALHOST, &token.headers());
        assert_eq!(events.next().unwrap().0, "view", "{}", events.head);
        events
    };
    let (mut of_alice, mut of_bob) = (follow(&alice), follow(&bob));
    // A version that nobody can read takes nothing away.
    volume.publish(Some("nonsense"));
    server.wait_log("the refusal", |event| event["message"] == "tokens refused");
    volume.publish(Some(&bob.line));
    assert_eq!(of_alice.next(), None);
    let denied = Events::follow_as(&server, Ipv4Addr::LOCALHOST, &alice.headers());
    assert!(denied.head.starts_with("HTTP/1.1 401 "), "{}", denied.head);
    // Who still has a token goes on and hears what happens, so it was not the age of the streams that ended the other.
    let moved = server.post("/api/failover/sonarr/promote", "", &bob.headers());
    of_bob.find("view", |view| view["revision"] == format!("main@sha1:{}", moved.commit()));
    // The last one that goes ends the rest.
    volume.publish(Some("# nobody\n"));
    while of_bob.next().is_some() {}
}
