//! Many services in one commit.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::api::{Reply, Server};
use crate::support::cli::Cli;
use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::{Scene, ask, config, manifest, manifest_path, moved, shared};

const JSON: (&str, &str) = ("content-type", "application/json");

fn post(server: &Server, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
    server.post("/api/failover", &body.to_string(), &headers)
}

/// The services with this outcome, in the answer's order.
fn with_outcome<'r>(reply: &'r Reply, outcome: &str) -> Vec<&'r str> {
    let lines = reply.json["services"].as_array().unwrap().iter();
    lines.filter(|line| line["outcome"] == outcome).map(|line| line["service"].as_str().unwrap()).collect()
}

#[test]
fn several_services_move_in_one_commit_and_back_byte_for_byte() {
    let services = ["jellyfin", "radarr", "sonarr"];
    let scene = Scene::new(&services);
    let server = scene.serve();
    let body =
        json!({"services": ["sonarr", "jellyfin", "radarr"], "to": "backup", "reason": "k3s-w1 is down"});
    let reply = post(&server, &body, &[]);
    assert_eq!(scene.repository.tip(), reply.commit());
    assert_eq!(with_outcome(&reply, "moved"), services);
    assert_eq!(reply.json["counts"], json!({"moved": 3, "already_there": 0, "refused": 0}));
    assert_eq!(reply.json["services"][2]["changes"].as_array().unwrap().len(), 2, "{}", reply.text);
    assert_eq!(scene.repository.commit_count(), 2);
    for service in services {
        assert_eq!(scene.text(service), moved(service));
    }
    // Nothing to do is said as such, with the commit that did it.
    let again = post(&server, &body, &[]);
    assert_eq!((again.status, again.json["changed"].as_bool()), (200, Some(false)), "{}", again.text);
    assert_eq!(again.json["commit"], reply.json["commit"]);
    assert_eq!(with_outcome(&again, "already-there"), services);

    post(&server, &json!({"all": true, "to": "primary"}), &[]).commit();
    for service in services {
        assert_eq!(scene.text(service), manifest(service));
    }
    let history = server.get("/api/history").json;
    assert_eq!(history["history"][0]["selection"], "all");
    assert_eq!(history["history"][1]["services"], json!(services));
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

#[test]
fn what_blocks_a_batch_is_said_with_the_services() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    for service in ["radarr", "sonarr"] {
        let odd = manifest(service).replace("{role: primary}", "{role: elsewhere}");
        scene.repository.commit_foreign(&manifest_path(service), odd.as_bytes(), "By hand");
    }
    let server = scene.serve();
    let reply = post(&server, &json!({"all": true, "to": "backup"}), &[]);
    reply.assert_problem(409, "check-blocked");
    let detail = reply.json["detail"].as_str().unwrap();
    for service in ["radarr", "sonarr"] {
        assert!(detail.contains(&format!("{service}: {}:", manifest_path(service))), "{detail}");
    }
    // One alone needs no name before it.
    let alone = server.promote("sonarr");
    assert!(alone.json["detail"].as_str().unwrap().starts_with(&manifest_path("sonarr")), "{}", alone.text);
    let cli = Cli::new(scene.config().parent().unwrap()).with("FAILOVER_API_REPO", scene.repository.path());
    let said = cli.run(["promote", "--all", "--yes"]).ended(3);
    let said =
        said.told("radarr: clusters/").told("sonarr: clusters/").told("  unknown target-claim (jellyfin): ");
    assert!(said.stderr.contains("--force unexpected-value"), "{}", said.stderr);

    // With something else against it: the detail quotes the first.
    let held = "holds: [{all: true, owner: bob, reason: memory test}]";
    scene.repository.commit_foreign(".failover-api/holds", held.as_bytes(), "Hold by hand");
    scene.repository.commit_foreign(&manifest_path("radarr"), shared("radarr").as_bytes(), "By hand");
    let reply = post(&server, &json!({"all": true, "to": "backup"}), &[]);
    reply.assert_problem(422, "field-anchored");
    assert!(reply.json["detail"].as_str().unwrap().starts_with("radarr: clusters/"), "{}", reply.text);
    let said = cli.run(["promote", "--all", "--yes"]).ended(2);
    let _ = said.told("error: sonarr: every service is held by bob").told("error: radarr: clusters/");
}

#[test]
fn one_bad_service_stops_all_and_everything_against_it_is_said_at_once() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    scene.repository.commit_foreign(&manifest_path("radarr"), shared("radarr").as_bytes(), "Share");
    let odd = manifest("sonarr").replace("'pvc-sonarr'", "'pvc-old'");
    let tip = scene.repository.commit_foreign(&manifest_path("sonarr"), odd.as_bytes(), "By hand");
    let server = scene.serve();
    let body = json!({"services": ["jellyfin", "radarr", "sonarr", "sonar"], "to": "backup"});
    let reply = post(&server, &body, &[]);
    reply.assert_problem(404, "service-not-found");
    let problems = reply.json["problems"].as_array().unwrap();
    let codes: BTreeSet<_> = problems
        .iter()
        .map(|problem| (problem["service"].as_str().unwrap(), problem["code"].as_str().unwrap()))
        .collect();
    let expected =
        [("radarr", "field-anchored"), ("sonar", "service-not-found"), ("sonarr", "check-blocked")];
    assert_eq!(codes, BTreeSet::from(expected), "{}", reply.text);
    assert_eq!(scene.repository.tip(), tip);

    // The rest moves when that is asked for, with a line for each.
    let mut body = body;
    body["partial"] = json!(true);
    let reply = post(&server, &body, &[]);
    let commit = reply.commit().to_owned();
    assert_eq!(with_outcome(&reply, "moved"), ["jellyfin"]);
    assert_eq!(
        BTreeSet::from_iter(with_outcome(&reply, "refused")),
        BTreeSet::from(["radarr", "sonar", "sonarr"])
    );
    for line in reply.json["services"].as_array().unwrap().iter().filter(|line| line["outcome"] == "refused")
    {
        assert!(line["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{line}");
        assert!(
            expected.contains(&(line["service"].as_str().unwrap(), line["code"].as_str().unwrap())),
            "{line}"
        );
    }
    assert_eq!(scene.text("jellyfin"), moved("jellyfin"));
    assert_eq!(scene.text("sonarr"), odd);
    let trailers = scene.repository.trailers(&commit);
    let refused: Vec<_> =
        trailers.iter().filter(|(key, _)| key == "Refused").map(|(_, value)| value.as_str()).collect();
    assert_eq!(refused.len(), 3, "{trailers:?}");
    assert!(refused.contains(&"sonarr (check-blocked)"), "{refused:?}");

    // Nothing is left that could move: that is no success.
    let again = post(&server, &body, &[]);
    assert_ne!(again.status, 200, "{}", again.text);
    let problems = again.json["problems"].as_array().unwrap();
    let named: BTreeSet<_> = problems.iter().map(|problem| problem["service"].as_str().unwrap()).collect();
    assert_eq!((problems.len(), named), (3, BTreeSet::from(["radarr", "sonar", "sonarr"])), "{}", again.text);
    assert_eq!(scene.repository.tip(), commit);
}

#[test]
fn everything_on_a_node_moves_and_what_is_elsewhere_stays() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    let server = scene.serve();
    server.promote("radarr").commit();
    let body = json!({"from_node_label": "primary", "to": "backup"});
    let reply = post(&server, &body, &[("idempotency-key", "night-1")]);
    let commit = reply.commit().to_owned();
    assert_eq!(with_outcome(&reply, "moved"), ["jellyfin", "sonarr"]);
    // Nobody is there any more; the key still says what was done.
    let empty = post(&server, &body, &[]);
    empty.assert_problem(422, "nothing-selected");
    assert!(empty.json["hint"].as_str().unwrap().contains("GET /api/services"), "{}", empty.text);
    let replayed = post(&scene.serve(), &body, &[("idempotency-key", "night-1")]);
    assert_eq!((replayed.commit(), &replayed.json["replayed"]), (commit.as_str(), &json!(true)));
    assert_eq!(with_outcome(&replayed, "moved"), ["jellyfin", "sonarr"]);
    let other = json!({"all": true, "to": "backup"});
    post(&server, &other, &[("idempotency-key", "night-1")]).assert_problem(422, "idempotency-key-reused");
    let near = post(&server, &json!({"from_node_label": "primery", "to": "backup"}), &[]);
    near.assert_problem(422, "nothing-selected");
    assert!(near.json["hint"].as_str().unwrap().contains("primary"), "{}", near.text);
}

#[test]
fn a_key_finds_a_batch_although_a_service_of_it_was_there_already() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    let server = scene.serve();
    server.promote("radarr").commit();
    let body = json!({"services": ["radarr", "sonarr"], "to": "backup"});
    let key = [("idempotency-key", "night-2")];
    let commit = post(&server, &body, &key).commit().to_owned();
    server.demote("sonarr").commit();
    let tip = scene.repository.tip();
    let replayed = post(&scene.serve(), &body, &key);
    assert_eq!(replayed.commit(), commit);
    assert_eq!(with_outcome(&replayed, "moved"), ["sonarr"]);
    assert_eq!(with_outcome(&replayed, "already-there"), ["radarr"]);
    for other in [json!(["sonarr"]), json!(["radarr", "sonarr", "jellyfin"])] {
        let body = json!({"services": other, "to": "backup"});
        post(&server, &body, &key).assert_problem(422, "idempotency-key-reused");
    }
    server.post("/api/failover/sonarr/promote", "", &key).assert_problem(422, "idempotency-key-reused");
    assert_eq!(scene.repository.tip(), tip);
}

#[test]
fn a_key_of_a_partial_batch_is_no_answer_to_a_caller_who_wants_all() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    scene.repository.commit_foreign(&manifest_path("radarr"), shared("radarr").as_bytes(), "Share");
    let server = scene.serve();
    let key = [("idempotency-key", "night-3")];
    let partial = json!({"all": true, "to": "backup", "partial": true});
    let commit = post(&server, &partial, &key).commit().to_owned();
    let replayed = post(&server, &partial, &key);
    assert_eq!((replayed.commit(), with_outcome(&replayed, "refused")), (commit.as_str(), vec!["radarr"]));
    post(&server, &json!({"all": true, "to": "backup"}), &key).assert_problem(422, "idempotency-key-reused");
}

#[test]
fn a_dry_run_of_a_batch_changes_nothing_in_three_forms() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    scene.repository.commit_foreign(&manifest_path("radarr"), shared("radarr").as_bytes(), "Share");
    let server = scene.serve();
    let tip = scene.repository.tip();
    let mut body = json!({"all": true, "to": "backup", "dry-run": true, "partial": true});
    let reply = post(&server, &body, &[]);
    assert_eq!((reply.status, &reply.json["dry_run"]), (200, &json!(true)), "{}", reply.text);
    assert_eq!(reply.json["counts"], json!({"would_move": 1, "already_there": 0, "refused": 1}));
    assert_eq!(with_outcome(&reply, "would-move"), ["sonarr"]);
    let diff = post(&server, &body, &[("accept", "text/x-diff")]);
    assert_eq!(reply.json["diff"], diff.text);
    let patch = post(&server, &body, &[("accept", "text/x-patch")]);
    assert!(
        patch.text.contains("Subject: [PATCH] Automated failover: sonarr to backup node"),
        "{}",
        patch.text
    );
    body["partial"] = json!(false);
    post(&server, &body, &[]).assert_problem(422, "field-anchored");
    // The query takes the options of every move, but nothing that selects.
    let query = server.post("/api/failover?dry-run=true", r#"{"all": true, "to": "primary"}"#, &[JSON]);
    assert_eq!((query.status, &query.json["changed"]), (200, &json!(false)), "{}", query.text);
    server
        .post("/api/failover?all=true", r#"{"to": "primary"}"#, &[JSON])
        .assert_problem(422, "nothing-selected");
    assert_eq!(scene.repository.tip(), tip);
}

#[test]
fn what_is_wrong_with_a_batch_is_said_all_at_once() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let tip = scene.repository.tip();
    for (body, status, code, words) in [
        (
            json!({"services": ["sonarr", "radarr", "sonarr"], "to": "backup"}),
            400,
            "invalid-request",
            "sonarr twice",
        ),
        (json!({"services": [], "to": "backup"}), 422, "nothing-selected", "all"),
        (json!({"to": "backup"}), 422, "nothing-selected", "from_node_label"),
        (json!({"all": false, "to": "backup"}), 422, "nothing-selected", "from_node_label"),
        (json!({"all": true}), 400, "invalid-request", "'to' is missing"),
        (json!({"all": true, "to": "both"}), 400, "invalid-request", "primary or backup"),
        (
            json!({"all": true, "services": ["sonarr"], "to": "backup"}),
            400,
            "invalid-request",
            "more than one way",
        ),
        (json!({"services": "sonarr", "to": "backup"}), 400, "invalid-body", "list of names"),
        (json!({"services": [1], "to": "backup"}), 400, "invalid-body", "list of names"),
        (json!({"services": ["So narr"], "to": "backup"}), 400, "invalid-request", "So narr"),
        (json!({"all": "yes", "to": "backup"}), 400, "invalid-body", "boolean"),
        (json!({"from_node_label": "a b", "to": "backup"}), 400, "invalid-request", "label value"),
        (json!({"all": true, "to": "backup", "forse": []}), 400, "invalid-request", "force"),
        (
            json!({"all": true, "to": "backup", "from-nodelabel": "x"}),
            400,
            "invalid-request",
            "from_node_label",
        ),
        (json!({"al": true, "to": "backup"}), 422, "nothing-selected", "all"),
    ] {
        let reply = post(&server, &body, &[]);
        reply.assert_problem(status, code);
        assert!(reply.text.contains(words), "{body}: {}", reply.text);
    }
    let many = post(&server, &json!({"services": ["sonarr", "sonarr"], "reason": 5, "all": 1}), &[]);
    assert_eq!(many.json["problems"].as_array().unwrap().len(), 4, "{}", many.text);
    server
        .post("/api/failover", r#"{"all": true, "all": true, "to": "backup"}"#, &[JSON])
        .assert_problem(400, "invalid-request");
    server.post("/api/failover", "all", &[JSON]).assert_problem(400, "invalid-body");
    server.post("/api/failover", "{}", &[]).assert_problem(415, "unsupported-media-type");
    assert_eq!(server.get("/api/failover").status, 405);
    assert_eq!(scene.repository.tip(), tip);
}

#[test]
fn a_batch_and_single_moves_race_from_two_replicas_and_each_is_true() {
    let services: Vec<String> = (0..12).map(|number| format!("app-{number:02}")).collect();
    let names: Vec<&str> = services.iter().map(String::as_str).collect();
    let scene = Scene::new(&names);
    let (first, second) = (scene.serve(), scene.serve());
    for to in ["backup", "primary"] {
        let verb = if to == "backup" { "promote" } else { "demote" };
        let before = scene.repository.commit_count();
        let batch = std::thread::scope(|scope| {
            let batch = scope.spawn(|| post(&first, &json!({"all": true, "to": to}), &[]));
            let singles: Vec<_> = names
                .iter()
                .take(4)
                .map(|name| ask(&second, &format!("/api/failover/{name}/{verb}")))
                .collect();
            let singles: Vec<Value> = singles.into_iter().map(|single| single.join().unwrap()).collect();
            let batch = batch.join().unwrap();
            // Whoever came second found the rest, or nothing, to do; nobody lost anything.
            let made = singles.iter().filter(|single| single["changed"] == true).count();
            let by_batch = with_outcome(&batch, "moved").len();
            assert_eq!(by_batch + made, names.len(), "{}\n{singles:?}", batch.text);
            assert!(singles.iter().all(|single| single["changed"].is_boolean()), "{singles:?}");
            assert_eq!(scene.repository.commit_count(), before + made + 1);
            batch
        });
        assert_eq!(batch.status, 200, "{}", batch.text);
        for name in &names {
            let expected = if to == "backup" { moved(name) } else { manifest(name) };
            assert_eq!(scene.text(name), expected);
        }
    }
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

#[test]
fn five_hundred_services_in_one_commit_stay_readable() {
    let services: Vec<String> = (0..500).map(|number| format!("app-{number:03}")).collect();
    let names: Vec<&str> = services.iter().map(String::as_str).collect();
    let scene = Scene::new(&names);
    let server = scene.serve();
    let body = json!({"from_node_label": "primary", "to": "backup", "reason": "k3s-w1 is down"});
    let reply = post(&server, &body, &[]);
    let commit = reply.commit().to_owned();
    assert_eq!(with_outcome(&reply, "moved"), names);
    let message = scene.repository.log("%B");
    assert!(
        message.starts_with(
            "Automated failover: 500 services to backup node\n\nReason: k3s-w1 is down\n\nMoves 500 of 500 services, in this order: app-000, app-001, app-002,\n"
        ),
        "{}",
        &message[..400]
    );
    let trailers = scene.repository.trailers(&commit);
    let of = |key: &str| -> Vec<&str> {
        trailers.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(of("Service"), names);
    assert_eq!(of("PVC").len(), 500);
    assert_eq!(of("Selection"), ["from_node_label=primary"]);
    let history = server.get("/api/history?service=app-499").json;
    assert_eq!(history["history"][0]["commit"], commit.as_str());
    assert_eq!(history["history"][0]["services"].as_array().unwrap().len(), 500);

    let back = post(&scene.serve(), &json!({"all": true, "to": "primary"}), &[]);
    let diff =
        run(git(scene.repository.path()).args(["diff", "--raw", &format!("{commit}~1"), back.commit()]));
    assert!(diff.stdout.is_empty(), "{diff:?}");
    // A person reverts the one commit; history says of each service where it went.
    let reverted = scene.repository.revert(back.commit());
    let after = post(&server, &json!({"all": true, "to": "backup"}), &[]);
    assert_eq!(
        (&after.json["changed"], &after.json["commit"]),
        (&json!(false), &json!(reverted)),
        "{}",
        &after.text[..300]
    );
}

#[test]
fn services_come_in_the_order_that_the_config_gives_them() {
    let names = ["app", "database", "proxy"];
    let files = names.iter().map(|name| (manifest_path(name), manifest(name)));
    let ordered = config(&names)
        .replace("  app:\n", "  app:\n    after: [database]\n")
        .replace("  database:\n", "  database:\n    after:\n      - proxy\n");
    let scene = Scene::with(Repository::new(files), &ordered);
    let server = scene.serve();
    let reply = post(&server, &json!({"services": ["app", "proxy", "database"], "to": "backup"}), &[]);
    assert_eq!(with_outcome(&reply, "moved"), ["proxy", "database", "app"]);
    assert_eq!(
        scene.repository.log("%s").lines().next(),
        Some("Automated failover: proxy, database, app to backup node")
    );
    // What is not moved still orders what comes behind it.
    let reply = post(&server, &json!({"services": ["app", "proxy"], "to": "primary"}), &[]);
    assert_eq!(with_outcome(&reply, "moved"), ["proxy", "app"]);
}
