//! Holds and cooldowns: what must not be moved is not, whichever replica is asked.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::{Reply, Server};
use crate::support::events::Events;
use crate::support::git::{Repository, git};
use crate::support::process::{PATIENCE, feed, run};
use crate::support::scene::{Scene, config, manifest, manifest_path, moved, ready};

const JSON: (&str, &str) = ("content-type", "application/json");
const FILE: &str = ".failover-api/holds";

fn hold(server: &Server, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
    server.post("/api/holds", &body.to_string(), &headers)
}

fn sonarr() -> Value {
    json!({"services": ["sonarr"], "reason": "new disk in k3s-w2", "for": "4h"})
}

fn release(server: &Server, query: &str) -> Reply {
    server.request("DELETE", &format!("/api/holds?{query}"), "", &[])
}

fn force(server: &Server, verb: &str, service: &str, check: &str) -> Reply {
    server.post(&format!("/api/failover/{service}/{verb}?force={check}"), "", &[])
}

fn is_there(scene: &Scene) -> bool {
    let listed = run(git(scene.repository.path()).args(["ls-tree", "-r", "--name-only", "main"])).stdout;
    String::from_utf8(listed).unwrap().lines().any(|line| line == FILE)
}

#[test]
fn a_hold_stops_every_replica_and_a_release_frees_them() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let (one, other) = (scene.serve(), scene.serve());
    let held = hold(&one, &sonarr(), &[]);
    assert_eq!(held.json["lines"], json!([{"service": "sonarr", "outcome": "held"}]), "{}", held.text);
    assert_eq!(scene.repository.tip(), held.commit());
    let text = String::from_utf8(scene.repository.show(&format!("main:{FILE}"))).unwrap();
    assert!(text.contains("  - service: sonarr\n    owner: \"unauthenticated (127.0.0.1)\"\n"), "{text}");
    let trailers = scene.repository.trailers("main");
    assert!(trailers.iter().any(|(key, value)| key == "Hold" && value == "sonarr"), "{trailers:?}");
    assert!(trailers.iter().any(|(key, _)| key == "Until"));

    // The other one had not seen it, and asks the branch before it says no.
    let refused = other.promote("sonarr");
    refused.assert_problem(423, "held");
    assert!(refused.text.contains("new disk in k3s-w2") && refused.text.contains("force=held"));
    assert_eq!(refused.json["findings"][0]["check"], "held");
    other.promote("radarr").commit();
    for server in [&one, &other] {
        let list = server.get("/api/services").json;
        assert_eq!(list["services"][1]["holds"][0]["in_force"], true, "{list}");
        assert_eq!(list["services"][0].get("holds"), None);
        let status = server.status("sonarr").json;
        assert_eq!(
            (&status["findings"][0]["check"], &status["findings"][0]["verdict"]),
            (&json!("held"), &json!("block"))
        );
        assert_eq!(server.get("/api/health").json["holds"], json!({"in_force": 1, "expired": 0}));
        let metrics = server.get("/metrics").text;
        assert!(
            metrics.contains("failover_api_service_held{namespace=\"media\",service=\"sonarr\"} 1\n"),
            "{metrics}"
        );
        assert!(metrics.contains("failover_api_service_held{namespace=\"media\",service=\"radarr\"} 0\n"));
        let plan = server.get("/api/failover/sonarr/promote?dry-run=true").json;
        assert_eq!(plan["blocked_by"][0]["check"], "held");
    }
    let service = one.get("/services/sonarr").text;
    let until = held.json["holds"][0]["until"].as_str().unwrap().replace('T', " ");
    assert!(service.contains(&format!("<span class=\"moment\">{} UTC</span>", &until[..16])), "{service}");
    // A view that one replica has not renewed is no excuse: a page shows what it knows.
    assert!(other.get("/").text.contains("held"));

    // Who knows better goes on, and the commit says so.
    force(&other, "promote", "sonarr", "held").commit();
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert!(scene.repository.log("%B").starts_with("Automated failover: sonarr"));
    let trailers = scene.repository.trailers("main");
    assert!(trailers.contains(&("Forced".to_owned(), "held (sonarr)".to_owned())), "{trailers:?}");
    // What is there already is not moved, so nothing holds it back.
    one.promote("sonarr").assert_unchanged();

    let released = release(&other, "services=sonarr&reason=the+disk+is+in");
    assert_eq!(released.json["lines"], json!([{"service": "sonarr", "outcome": "released"}]));
    assert!(!is_there(&scene) && released.json["holds"] == json!([]));
    let again = release(&one, "services=sonarr");
    assert_eq!((again.status, &again.json["changed"]), (200, &json!(false)), "{}", again.text);
    assert_eq!(again.json["commit"].as_str(), Some(released.commit()));
    one.demote("sonarr").commit();

    let history = one.get("/api/history?service=sonarr").json;
    let kinds: Vec<&str> =
        history["history"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["move", "release", "move", "hold"]);
    assert_eq!(history["history"][3]["reason"], "new disk in k3s-w2");
    assert_eq!(one.status("sonarr").json["last_operation"]["kind"], "move");
    let operations = one.get("/api/operations").json;
    assert!(
        operations["operations"].as_array().unwrap().iter().any(|one| one["kind"] == "hold"),
        "{operations}"
    );
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

#[test]
fn a_file_that_cannot_be_read_stops_everything_until_somebody_repairs_it() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let bad =
        "holds:\n  - service: sonarr\n    owner: alice\n    reason: disk\n    untill: 2099-01-01T00:00:00Z\n";
    scene.repository.commit_foreign(FILE, bad.as_bytes(), "Hold by hand");
    let server = scene.serve();
    let tip = scene.repository.tip();
    for reply in [
        server.promote("radarr"),
        force(&server, "promote", "sonarr", "held"),
        server.post("/api/failover", r#"{"all": true, "to": "backup", "partial": true}"#, &[JSON]),
        hold(&server, &sonarr(), &[]),
        release(&server, "services=sonarr"),
        server.get("/api/holds"),
    ] {
        reply.assert_problem(422, "holds-unreadable");
        let problem = &reply.json["problems"][0];
        assert_eq!(
            (&problem["file"], &problem["line"], &problem["column"]),
            (&json!(FILE), &json!(5), &json!(5)),
            "{}",
            reply.text
        );
        assert!(problem["detail"].as_str().unwrap().contains("untill"), "{problem}");
    }
    assert_eq!(scene.repository.tip(), tip);
    let health = server.get("/api/health").json;
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["problems"][0]["code"], "holds-unreadable", "{health}");
    assert_eq!(health["holds"], json!({"in_force": null, "expired": null}));
    assert_eq!(server.get("/api/services").json["holds_problems"][0]["code"], "holds-unreadable");
    assert!(
        server
            .get("/metrics")
            .text
            .contains("failover_api_service_held{namespace=\"media\",service=\"radarr\"} 1\n")
    );
    assert!(server.get("/").text.contains("untill"));
    server.wait_log("that nobody can read it", |event| {
        event["message"] == "the holds file cannot be read, so nothing is moved"
    });

    // An operator repairs it with an editor, and needs no restart.
    scene.repository.commit_foreign(FILE, bad.replace("untill", "until").as_bytes(), "Repair");
    server.promote("radarr").commit();
    server.promote("sonarr").assert_problem(423, "held");
    assert_eq!(server.get("/api/health").json["holds"]["in_force"], 1);

    // Something else in its place is no better than a file that cannot be read.
    let link = "blob\nmark :1\ndata 4\nelse\ncommit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\nM 120000 :1 .failover-api/holds\n";
    feed(git(scene.repository.path()).args(["fast-import", "--quiet"]), link.as_bytes());
    server.demote("radarr").assert_problem(422, "holds-unreadable");
}

#[test]
fn a_hold_that_is_over_or_odd_is_shown_and_only_its_end_counts() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let text = "holds:\n- {service: sonarr, owner: alice, reason: disk, until: 2020-01-01T00:00:00Z}\n- {service: radarr, owner: bob, reason: test, since: 2099-01-01T00:00:00Z, until: 2098-01-01T00:00:00Z}\n- {service: lidarr, owner: bob, reason: test}\n";
    scene.repository.commit_foreign(FILE, text.as_bytes(), "Hold by hand");
    let server = scene.serve();
    let holds = server.get("/api/holds").json;
    let shown = |service: &str| {
        holds["holds"].as_array().unwrap().iter().find(|one| one["service"] == service).unwrap().clone()
    };
    assert_eq!(shown("sonarr")["in_force"], false);
    assert_eq!(
        (&shown("radarr")["in_force"], &shown("radarr")["note"]),
        (&json!(true), &json!("it ends before it begins"))
    );
    assert_eq!(shown("lidarr")["note"], "no service of this name is configured");
    assert_eq!(server.get("/api/health").json["holds"], json!({"in_force": 2, "expired": 1}));
    server.promote("sonarr").commit();
    server.promote("radarr").assert_problem(423, "held");
    // Anybody may take the place of a hold that is over, and of no other.
    hold(&server, &sonarr(), &[]).commit();
    let mut radarr = sonarr();
    radarr["services"] = json!(["radarr"]);
    let refused = hold(&server, &radarr, &[]);
    refused.assert_problem(423, "held");
    assert!(refused.text.contains("held by bob"), "{}", refused.text);
    release(&server, "services=lidarr").commit();
}

#[test]
fn a_hold_that_ends_while_nobody_commits_is_over_in_every_answer() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let mut body = sonarr();
    body["for"] = json!("2s");
    hold(&server, &body, &[]).commit();
    server.wait_until(
        "/api/services",
        |reply| reply.json["services"][0]["holds"][0]["in_force"] == false,
        PATIENCE,
    );
    server.wait_until(
        "/api/failover/sonarr/status",
        |reply| reply.json["findings"][0]["check"] != "held",
        PATIENCE,
    );
    assert!(server.get("/metrics").text.contains("service=\"sonarr\"} 0\n"));
    server.promote("sonarr").commit();
}

#[test]
fn a_repeated_request_is_carried_out_once() {
    let scene = Scene::new(&["sonarr"]);
    let (one, other) = (scene.serve(), scene.serve());
    let key = [("idempotency-key", "night-1")];
    let first = hold(&one, &sonarr(), &key);
    let again = hold(&other, &sonarr(), &key);
    assert_eq!((again.commit(), &again.json["replayed"]), (first.commit(), &json!(true)), "{}", again.text);
    assert_eq!(again.json["lines"], first.json["lines"]);
    let promote = other.post("/api/failover/sonarr/promote?force=held", "", &key);
    promote.assert_problem(422, "idempotency-key-reused");
    assert!(promote.text.contains("which held sonarr"), "{}", promote.text);
    let mut all = sonarr();
    all.as_object_mut().unwrap().remove("services");
    all["all"] = json!(true);
    let [mut longer, mut fixed, mut endless, mut because] = [sonarr(), sonarr(), sonarr(), sonarr()];
    longer["for"] = json!("5h");
    fixed.as_object_mut().unwrap().remove("for");
    endless.clone_from(&fixed);
    fixed["until"] = json!("2099-01-01T00:00:00Z");
    because["reason"] = json!("another disk");
    let mut radarr = sonarr();
    radarr["services"] = json!(["radarr"]);
    for another in [&longer, &fixed, &endless, &because, &radarr, &all] {
        let refused = hold(&other, another, &key);
        refused.assert_problem(422, "idempotency-key-reused");
        let held = "which held sonarr for 4h (new disk in k3s-w2)";
        assert!(refused.text.contains(held), "{another}: {}", refused.text);
    }
    assert_eq!(scene.repository.tip(), first.commit());
    hold(&other, &all, &[]).commit();
    assert_eq!(other.get("/api/holds").json["count"], 2);
    let released = release(&one, "all=true");
    assert_eq!(released.json["holds"][0]["service"], "sonarr", "{}", released.text);
}

#[test]
fn a_hold_and_a_move_at_once_end_in_one_true_order() {
    let scene = Scene::new(&["sonarr"]);
    let (one, other) = (scene.serve(), scene.serve());
    for round in 0..6 {
        let start = Barrier::new(2);
        let (held, moved) = thread::scope(|scope| {
            let held = scope.spawn(|| {
                start.wait();
                hold(&one, &sonarr(), &[])
            });
            let moved = scope.spawn(|| {
                start.wait();
                other.promote("sonarr")
            });
            (held.join().unwrap(), moved.join().unwrap())
        });
        let hold = held.commit().to_owned();
        if moved.status == 200 {
            // Then it came first.
            let order = ["merge-base", "--is-ancestor", moved.commit(), &hold];
            run(git(scene.repository.path()).args(order));
        } else {
            moved.assert_problem(423, "held");
        }
        assert!(scene.repository.is_linear(), "round {round}");
        release(&other, "services=sonarr").commit();
        one.demote("sonarr");
    }
    scene.repository.fsck().unwrap();
}

fn cooling(services: &[&str]) -> String {
    format!("defaults:\n  cooldown: 2h\n{}", config(services))
}

#[test]
fn a_failover_is_followed_by_a_cooldown_and_a_failback_is_not() {
    let files = [(manifest_path("sonarr"), manifest("sonarr")), (manifest_path("radarr"), moved("radarr"))];
    let scene = Scene::with(Repository::new(files), &cooling(&["radarr", "sonarr"]));
    let server = scene.serve();
    assert!(!server.log().iter().any(|line| line.contains("nothing acts on")), "{:?}", server.log());
    server.promote("sonarr").commit();
    server.promote("sonarr").assert_unchanged();
    let refused = server.demote("sonarr");
    refused.assert_problem(423, "held");
    assert_eq!(refused.json["findings"][0]["check"], "cooldown", "{}", refused.text);
    assert_eq!(server.status("sonarr").json["cooldown"]["commit"].as_str().map(str::len), Some(40));

    // The branch remembers it, not the process.
    let restarted = scene.serve();
    restarted.demote("sonarr").assert_problem(423, "held");
    let back = force(&restarted, "demote", "sonarr", "cooldown");
    back.commit();
    let trailers = scene.repository.trailers("main");
    assert!(trailers.contains(&("Forced".to_owned(), "cooldown (sonarr)".to_owned())), "{trailers:?}");
    // A service that goes to and fro is what a cooldown is for.
    server.promote("sonarr").assert_problem(423, "held");

    // The way back is planned, and arms nothing.
    server.demote("radarr").commit();
    server.promote("radarr").commit();
    server.demote("radarr").assert_problem(423, "held");
}

/// A commit that moved sonarr to backup, by another clock.
fn moved_at(scene: &Scene, at: &str) {
    let message = format!(
        "Automated failover: sonarr to backup node\n\nTimestamp: {at}\nService: sonarr\nRole: backup\nOperation-Id: op-{}\n",
        &at[..4]
    );
    scene.repository.commit_foreign(&manifest_path("sonarr"), moved("sonarr").as_bytes(), &message);
}

#[test]
fn a_wrong_clock_neither_ends_a_cooldown_nor_makes_it_last_for_ever() {
    let now = failover_api::clock::now();
    let files = || [(manifest_path("sonarr"), manifest("sonarr"))];
    // A replica whose clock is half an hour ahead.
    let scene = Scene::with(Repository::new(files()), &cooling(&["sonarr"]));
    moved_at(&scene, &(now + std::time::Duration::from_secs(1800)).to_string());
    scene.serve().demote("sonarr").assert_problem(423, "held");
    // One that is not to be believed at all.
    let scene = Scene::with(Repository::new(files()), &cooling(&["sonarr"]));
    moved_at(&scene, "2099-01-01T00:00:00Z");
    let server = scene.serve();
    let finding = server.status("sonarr").json["findings"][0].clone();
    assert_eq!((&finding["check"], &finding["verdict"]), (&json!("cooldown"), &json!("warn")), "{finding}");
    server.demote("sonarr").commit();
}

#[test]
fn a_cooldown_that_reaches_further_back_than_the_commits_is_told_of() {
    let scene =
        Scene::with(Repository::new([(manifest_path("sonarr"), manifest("sonarr"))]), &cooling(&["sonarr"]));
    let server = scene.serve();
    server.promote("sonarr").commit();
    // So many commits later the failover is out of sight.
    let now = failover_api::clock::now().as_second();
    let mut stream = String::new();
    for number in 0..300 {
        let from = if number == 0 { "from refs/heads/main^0\n" } else { "" };
        stream.push_str(&format!("commit refs/heads/main\ncommitter A <a@b> {now} +0000\ndata 1\nx\n{from}M 100644 inline notes.txt\ndata <<E\n{number}\nE\n"));
    }
    feed(git(scene.repository.path()).args(["fast-import", "--quiet"]), stream.as_bytes());
    let fresh = scene.serve();
    let finding = fresh.status("sonarr").json["findings"][0].clone();
    assert_eq!((&finding["check"], &finding["verdict"]), (&json!("cooldown"), &json!("warn")), "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains("is not known"), "{finding}");
    let moved = fresh.demote("sonarr");
    moved.commit();
    assert_eq!(moved.json["findings"][0]["check"], "cooldown");
}

#[test]
fn a_batch_leaves_out_what_is_held_only_when_it_may() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    let server = scene.serve();
    hold(&server, &sonarr(), &[]).commit();
    let all = server.post("/api/failover", r#"{"all": true, "to": "backup"}"#, &[JSON]);
    all.assert_problem(423, "held");
    let partial = server.post("/api/failover", r#"{"all": true, "to": "backup", "partial": true}"#, &[JSON]);
    assert_eq!(
        partial.json["counts"],
        json!({"moved": 2, "already_there": 0, "refused": 1}),
        "{}",
        partial.text
    );
    let line = partial.json["services"].as_array().unwrap().iter().find(|line| line["service"] == "sonarr");
    assert_eq!(line.unwrap()["code"], "held");
    // When something else stands against it, too, that decides.
    let odd = manifest("sonarr").replace("'pvc-sonarr'", "'pvc-old'");
    scene.repository.commit_foreign(&manifest_path("sonarr"), odd.as_bytes(), "By hand");
    server.promote("sonarr").assert_problem(409, "check-blocked");
    server
        .post("/api/failover", r#"{"all": true, "to": "backup", "partial": true}"#, &[JSON])
        .assert_problem(409, "check-blocked");
    force(&server, "promote", "sonarr", "unexpected-value").assert_problem(423, "held");
    // A monitor is refused like anybody.
    let alarm = server.post("/api/failover/sonarr/promote?webhook=any&force=unexpected-value", "", &[]);
    alarm.assert_problem(423, "held");
}

#[test]
fn a_dry_run_shows_the_very_commit_and_changes_nothing() {
    let scene = Scene::new(&["sonarr"]);
    // The file lies at the top, wherever manifests are searched.
    let mut arguments = scene.local();
    arguments.extend(["--root", "clusters"].map(Into::into));
    let server = ready(Server::start(arguments));
    let mut body = sonarr();
    body["dry-run"] = json!(true);
    let tip = scene.repository.tip();
    let shown = hold(&server, &body, &[]);
    assert_eq!(
        (&shown.json["dry_run"], &shown.json["changed"]),
        (&json!(true), &json!(true)),
        "{}",
        shown.text
    );
    let clone = TempDir::new().unwrap();
    run(git(clone.path()).arg("clone").arg("-q").arg(scene.repository.path()).arg("."));
    let patch = hold(&server, &body, &[("accept", "text/x-patch")]).text;
    feed(git(clone.path()).arg("am").arg("-q"), patch.as_bytes());
    assert_eq!(scene.repository.tip(), tip);
    run(git(clone.path()).args(["push", "-q"]));
    server.promote("sonarr").assert_problem(423, "held");
    assert_eq!(server.get("/api/history").json["history"][0]["kind"], "hold");
    let diff =
        server.request("DELETE", "/api/holds?services=sonarr&dry-run=true", "", &[("accept", "text/x-diff")]);
    assert!(
        diff.text.contains("deleted file mode 100644\n--- a/.failover-api/holds\n+++ /dev/null\n"),
        "{}",
        diff.text
    );
    feed(git(clone.path()).arg("apply"), diff.text.as_bytes());
    assert!(!clone.path().join(FILE).exists());
}

#[test]
fn whoever_listens_hears_of_a_hold() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let mut events = Events::follow(&server);
    events.find("view", |_| true);
    hold(&server, &sonarr(), &[]).commit();
    let heard = events.find("holds", |_| true);
    assert_eq!(heard["holds"][0]["service"], "sonarr", "{heard}");
    scene.repository.commit_foreign(FILE, b"holds: [", "Break it");
    server.promote("sonarr").assert_problem(422, "holds-unreadable");
    assert_eq!(events.find("holds", |_| true)["problems"][0]["code"], "holds-unreadable");
}
