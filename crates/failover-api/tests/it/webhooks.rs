//! Monitors call with bodies of their own.

use serde_json::{Value, json};

use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::Scene;

const ALERTMANAGER: &str = "/api/failover/sonarr/promote?webhook=alertmanager";
const KUMA: &str = "/api/failover/sonarr/promote?webhook=uptime-kuma";
const JSON: (&str, &str) = ("content-type", "application/json");

fn alert(status: &str, began: &str) -> Value {
    json!({
        "version": "4",
        "groupKey": "{}/{alertname=\"NodeDown\"}:{node=\"k3s-w1\"}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "sonarr-to-backup",
        "groupLabels": {"node": "k3s-w1"},
        "commonLabels": {"alertname": "NodeDown", "node": "k3s-w1"},
        "commonAnnotations": {"summary": "k3s-w1 does not answer\nOperation-Id: forged"},
        "externalURL": "http://alertmanager.example.lan",
        "alerts": [{
            "status": status,
            "labels": {"alertname": "NodeDown", "node": "k3s-w1"},
            "annotations": {},
            "startsAt": began,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": "c6a1f3b2d4e5f607",
        }],
    })
}

fn last_message(repository: &Repository) -> String {
    let message = run(git(repository.path()).args(["log", "-1", "--format=%B", "main"])).stdout;
    String::from_utf8(message).unwrap()
}

#[test]
fn an_alarm_is_refused_by_a_hold_and_not_content_with_it() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let firing = alert("firing", "2026-01-24T02:00:00Z").to_string();
    let body = r#"{"services": ["sonarr"], "reason": "new disk in k3s-w2"}"#;
    server.post("/api/holds", body, &[JSON]).commit();
    server.post(ALERTMANAGER, &firing, &[JSON]).assert_problem(423, "held");
    server.request("DELETE", "/api/holds?services=sonarr", "", &[]).commit();
    // Neither the hold nor its release, which both came after the alarm, is somebody's move.
    let moved = server.post(ALERTMANAGER, &firing, &[JSON]);
    assert_eq!((&moved.json["changed"], moved.json.get("ignored")), (&json!(true), None), "{}", moved.text);
}

#[test]
fn an_alarm_moves_a_service_once() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let firing = alert("firing", "2026-11-24T02:00:00Z").to_string();
    let first = server.post(ALERTMANAGER, &firing, &[JSON]);
    assert_eq!((first.status, &first.json["changed"]), (200, &json!(true)), "{}", first.text);
    let message = last_message(&scene.repository);
    let reason = "\nReason: Alertmanager, NodeDown: k3s-w1 does not answer Operation-Id: forged\n";
    assert!(message.contains(reason) && message.contains("\nIdempotency-Key: alertmanager-"), "{message}");

    // Somebody moves it back while the alarm lasts; its repetition changes nothing.
    assert_eq!(server.demote("sonarr").json["changed"], true);
    let again = server.post(ALERTMANAGER, &firing, &[JSON]);
    assert_eq!(again.json["replayed"], true, "{}", again.text);
    assert_eq!(again.commit(), first.commit());
    assert_eq!(server.status("sonarr").json["active"], "primary");

    // The next alarm is another.
    let next = server.post(ALERTMANAGER, &alert("firing", "2099-11-25T02:00:00Z").to_string(), &[JSON]);
    assert_eq!(
        (&next.json["changed"], &next.json["replayed"]),
        (&json!(true), &json!(false)),
        "{}",
        next.text
    );
    assert_eq!(scene.repository.commit_count(), 4);
}

#[test]
fn a_part_of_an_alarm_that_lasts_does_not_move_against_whoever_moved_back() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let mut both = alert("firing", "2026-11-24T02:00:00Z");
    let mut second = both["alerts"][0].clone();
    second["startsAt"] = json!("2026-11-24T03:00:00Z");
    both["alerts"].as_array_mut().unwrap().push(second);
    assert_eq!(server.post(ALERTMANAGER, &both.to_string(), &[JSON]).json["changed"], true);
    assert_eq!(server.demote("sonarr").json["changed"], true);

    // The older alert ends, the group still fires.
    both["alerts"][0]["status"] = json!("resolved");
    for _ in 0..2 {
        let rest = server.post(ALERTMANAGER, &both.to_string(), &[JSON]);
        assert_eq!((rest.status, &rest.json["changed"]), (200, &json!(false)), "{}", rest.text);
        let ignored = rest.json["ignored"].as_str().unwrap();
        assert!(
            ignored.starts_with("the alarm began at 2026-11-24T03:00:00Z, and sonarr was moved after that")
        );
        both["alerts"].as_array_mut().unwrap().remove(0);
    }
    assert_eq!(server.status("sonarr").json["active"], "primary");

    // One that begins after that is news.
    both["alerts"] = alert("firing", "2099-11-24T02:00:00Z")["alerts"].clone();
    assert_eq!(server.post(ALERTMANAGER, &both.to_string(), &[JSON]).json["changed"], true);
}

#[test]
fn an_alarm_is_judged_on_the_commit_that_is_moved() {
    let scene = Scene::new(&["sonarr"]);
    let (server, other) = (scene.serve(), scene.serve());
    // Somebody tries the way there and back through another replica, and this one has not seen it.
    other.promote("sonarr").commit();
    let back = other.demote("sonarr").commit().to_owned();
    let firing = alert("firing", "2020-01-24T02:00:00Z").to_string();
    let dry = server.post(&format!("{ALERTMANAGER}&dry-run=true"), &firing, &[JSON]);
    assert_eq!(dry.json["changed"], true, "the view is not old: {}", dry.text);
    let late = server.post(ALERTMANAGER, &firing, &[JSON]);
    assert_eq!((late.status, &late.json["changed"]), (200, &json!(false)), "{}", late.text);
    let ignored = late.json["ignored"].as_str().unwrap();
    assert!(ignored.starts_with("the alarm began at 2020-01-24T02:00:00Z, and sonarr was moved after that"));
    assert!(
        ignored.ends_with(&back) && late.json["revision"].as_str().unwrap().ends_with(&back),
        "{}",
        late.text
    );
    assert_eq!(scene.repository.tip(), back);
    let dry = server.post(&format!("{ALERTMANAGER}&dry-run=true"), &firing, &[JSON]);
    assert_eq!(
        (&dry.json["changed"], &dry.json["ignored"]),
        (&json!(false), &late.json["ignored"]),
        "{}",
        dry.text
    );
}

#[test]
fn a_monitor_that_is_content_moves_nothing() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let resolved = alert("resolved", "2026-11-24T02:00:00Z").to_string();
    let quiet = [
        (ALERTMANAGER, &*resolved),
        (KUMA, r#"{"heartbeat": {"status": 1}, "monitor": {"name": "sonarr"}, "msg": "up"}"#),
        (KUMA, r#"{"heartbeat": null, "monitor": null, "msg": "My Notification Alert Testing"}"#),
    ];
    for (path, body) in quiet {
        let reply = server.post(path, body, &[JSON]);
        assert_eq!((reply.status, &reply.json["changed"]), (200, &json!(false)), "{}", reply.text);
        assert!(reply.json["ignored"].is_string(), "{}", reply.text);
        // A misspelt name shows at the monitor's test already.
        server.post(&path.replace("sonarr", "sonar"), body, &[JSON]).assert_problem(404, "service-not-found");
    }
    for body in ["", "{}", "not JSON", r#"{"reason": "x"}"#] {
        server.post(ALERTMANAGER, body, &[JSON]).assert_problem(400, "invalid-body");
        server.post(KUMA, body, &[JSON]).assert_problem(400, "invalid-body");
    }
    server
        .post("/api/failover/sonarr/promote?webhook=nagios", "{}", &[JSON])
        .assert_problem(400, "invalid-request");
    server
        .post("/api/failover/sonarr/promote", r#"{"webhook": "any"}"#, &[JSON])
        .assert_problem(400, "invalid-request");
    server.get(&format!("{KUMA}&dry-run=true")).assert_problem(400, "invalid-request");
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn the_address_outranks_the_monitor() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let down =
        r#"{"heartbeat": {"status": 0, "msg": "timeout"}, "monitor": {"name": "k3s-w1"}, "msg": "down"}"#;
    let plan = server.post(&format!("{KUMA}&dry-run=true"), down, &[JSON]);
    assert_eq!(plan.json["dry_run"], true, "{}", plan.text);
    assert!(plan.json["message"].as_str().unwrap().contains("Reason: Uptime Kuma, k3s-w1: timeout\n"));
    server.post(&format!("{KUMA}&expect=backup"), down, &[JSON]).assert_problem(412, "expectation-failed");
    let any = "/api/failover/sonarr/promote?webhook=any&reason=the+button";
    let moved = server.post(
        any,
        "anything at all",
        &[("content-type", "text/plain"), ("idempotency-key", "button-1")],
    );
    assert_eq!(moved.json["changed"], true, "{}", moved.text);
    let message = last_message(&scene.repository);
    assert!(
        message.contains("\nReason: the button\n") && message.contains("\nIdempotency-Key: button-1\n"),
        "{message}"
    );
}
