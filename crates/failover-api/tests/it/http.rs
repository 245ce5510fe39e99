//! Bad requests, and what an answer always carries.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::json;

use crate::support::api::{Reply, Server};
use crate::support::git::Repository;
use crate::support::process::{PATIENCE, run};
use crate::support::scene::{Scene, config, manifest, manifest_path};

const PROMOTE: &str = "/api/failover/sonarr/promote";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_get_or_another_method_never_moves_anything() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    for path in [PROMOTE, "/api/failover/sonarr/promote?dry-run=false", "/api/failover/sonarr/demote"] {
        let reply = server.get(path);
        reply.assert_problem(405, "method-not-allowed");
        assert_eq!(reply.headers["allow"], "POST");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let reply = server.request(method, PROMOTE, "", &[]);
        reply.assert_problem(405, "method-not-allowed");
        assert!(reply.headers["allow"].to_str().unwrap().contains("POST"));
    }
    server.request("POST", "/api/services", "", &[]).assert_problem(405, "method-not-allowed");
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn what_is_not_there_is_answered_with_what_is_near() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    for path in ["/api/failover/sonar/status", "/api/failover/sonar/promote?dry-run=true"] {
        let reply = server.get(path);
        reply.assert_problem(404, "service-not-found");
        assert!(reply.json["hint"].as_str().unwrap().contains("sonarr"), "{}", reply.text);
    }
    server.promote("SONARR").assert_problem(404, "service-not-found");
    server.promote("..%2F..%2Fetc").assert_problem(404, "service-not-found");
    server.promote("%ff").assert_problem(404, "service-not-found");
    server.promote(&"x".repeat(3000)).assert_problem(404, "service-not-found");
    for path in ["/index.html", "/api", "/api/failover/sonarr", "/nowhere"] {
        server.get(path).assert_problem(404, "route-not-found");
    }
}

#[test]
fn bad_options_are_all_reported_and_nothing_moves() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let reply =
        server.post(&format!("{PROMOTE}?dryrun=true&expect=sideways&force=everything&reason="), "", &[]);
    reply.assert_problem(400, "invalid-request");
    assert_eq!(reply.json["problems"].as_array().unwrap().len(), 4, "{}", reply.text);
    assert!(reply.json["hint"].as_str().unwrap().contains("dry-run"), "{}", reply.text);
    for (query, headers) in [
        ("?dry-run=yes", &[][..]),
        ("?reason=a&reason=b", &[]),
        ("?reason=a%0AOperation-Id:%20x", &[]),
        ("", &[("idempotency-key", "")]),
        ("", &[("idempotency-key", "two words")]),
    ] {
        let reply = server.post(&format!("{PROMOTE}{query}"), "", headers);
        reply.assert_problem(400, "invalid-request");
    }
    for (status, code, body, headers) in [
        (400, "invalid-body", "{", &[JSON][..]),
        (400, "invalid-body", "[]", &[JSON]),
        (400, "invalid-body", r#"{"dry-run": "true"}"#, &[JSON]),
        (400, "invalid-body", r#"{"reason": 7}"#, &[JSON]),
        (400, "invalid-body", r#"{"dry-run": null}"#, &[JSON]),
        (400, "invalid-request", r#"{"dry-run": true, "dry-run": false}"#, &[JSON]),
        (400, "invalid-request", r#"{"reasn": "x"}"#, &[JSON]),
        (400, "invalid-request", r#"{"reason": "a\nb"}"#, &[JSON]),
        (415, "unsupported-media-type", r#"{"reason": "x"}"#, &[("content-type", "text/plain")]),
        (415, "unsupported-media-type", "reason=x", &[]),
        (413, "body-too-large", &format!("{{\"reason\": \"{}\"}}", "x".repeat(70_000)), &[JSON]),
    ] {
        server.post(PROMOTE, body, headers).assert_problem(status, code);
    }
    for path in [
        "/api/history?limit=0",
        "/api/history?limit=x",
        "/api/history?sevice=sonarr",
        "/api/services?x=1",
        "/api/failover/sonarr/status?expect=north",
    ] {
        server.get(path).assert_problem(400, "invalid-request");
    }
    let dry_run = format!("{PROMOTE}?dry-run=true");
    server.request("GET", &dry_run, "", &[("accept", "image/png")]).assert_problem(406, "not-acceptable");
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn a_page_of_another_site_cannot_move_services() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let own = server.url("");
    for headers in [
        [("origin", "http://evil.example")],
        [("origin", "null")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        server.post(PROMOTE, "", &headers).assert_problem(403, "cross-origin");
    }
    // A name that was made to resolve to this machine, so that the browser sees one origin.
    let rebound = [
        ("host", "evil.example:8080"),
        ("origin", "http://evil.example:8080"),
        ("sec-fetch-site", "same-origin"),
    ];
    server.post(PROMOTE, "", &rebound).assert_problem(403, "cross-origin");
    assert_eq!(scene.repository.commit_count(), 1);
    server.post(PROMOTE, "", &[("host", "LOCALHOST:1"), ("sec-fetch-site", "none")]).commit();
    server.post("/api/failover/sonarr/demote", "", &[("origin", &own)]).commit();
}

#[test]
fn request_ids_are_kept_made_and_logged() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    for (method, path, id) in [
        ("GET", "/api/services", "call-6"),
        ("GET", "/api/failover/nobody/status", "call-7"),
        ("POST", "/api/failover/sonarr/promote?dry-run=true", "call-8"),
    ] {
        let reply = server.request(method, path, "", &[("x-request-id", id)]);
        assert_eq!(reply.headers["x-request-id"], id);
    }
    let answered = |id: &'static str, status: u16| {
        move |event: &serde_json::Value| event["span"]["request_id"] == id && event["status"] == status
    };
    server.wait_log("the refusal", answered("call-7", 404));
    server.wait_log("what could have moved something", answered("call-8", 200));
    assert!(!server.log().iter().any(|line| line.contains("call-6")), "reads would fill the log");
    let spoofed = server.request("GET", "/api/services", "", &[("x-request-id", "a b\u{fc}")]);
    assert_ne!(spoofed.headers["x-request-id"], "a b\u{fc}");
    assert!(spoofed.headers["x-request-id"].len() >= 32);
}

#[test]
fn the_root_limits_the_search_and_the_author_is_the_operators() {
    let elsewhere = format!("# A copy.\n{}", manifest("sonarr"));
    let repository = Repository::new([
        (manifest_path("sonarr"), manifest("sonarr")),
        ("staging/sonarr.yaml".to_owned(), elsewhere),
    ]);
    let scene = Scene::with(repository, &config(&["sonarr"]));
    scene.serve().promote("sonarr").assert_problem(422, "manifest-ambiguous");
    let mut arguments = scene.local();
    arguments
        .extend(["--root", "./clusters/", "--author", "Night Shift <night@example.org>"].map(Into::into));
    let server = crate::support::scene::ready(Server::start(arguments));
    server.promote("sonarr").commit();
    assert_eq!(
        scene.repository.log("%an <%ae>|%cn <%ce>").lines().next(),
        Some("Night Shift <night@example.org>|Night Shift <night@example.org>")
    );
}

#[test]
fn bytes_that_are_no_http_do_no_harm() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let address = server.url("").trim_start_matches("http://").to_owned();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn many_requests_leave_no_memory_behind() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let ask = |rounds| {
        for _ in 0..rounds {
            server.get("/api/services");
            server.get("/api/failover/sonarr/promote?dry-run=true");
            server.post(PROMOTE, "{", &[JSON]);
        }
    };
    ask(50);
    let before = server.memory();
    ask(300);
    let after = server.memory();
    // Far above what an allocator keeps, far below what a leak of every answer would take.
    let some = 16 * 1024 * 1024;
    assert!(after.now < before.now + some && after.peak < before.peak + some, "{before:?} became {after:?}");
}

#[test]
fn plans_that_anybody_may_ask_for_are_made_one_after_another() {
    let mut large = manifest("sonarr");
    for number in 0..1500 {
        large += &format!(
            "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: media}}"
        );
    }
    let repository = Repository::new([(manifest_path("sonarr"), large.as_str())]);
    let scene = Scene::with(repository, &config(&["sonarr"]));
    let server = scene.serve();
    let first = server.get("/api/failover/sonarr/promote?dry-run=true");
    assert_eq!(first.status, 200, "{}", first.text);
    let before = server.memory();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let reply = server.get("/api/failover/sonarr/promote?dry-run=true");
                assert!(reply.status == 200 || reply.json["code"] == "busy", "{}", reply.text);
            });
        }
    });
    let after = server.memory();
    // Forty at once take several times as much.
    assert!(after.peak < before.peak + 48 * 1024 * 1024, "{before:?} became {after:?}");
}

#[test]
fn one_address_leaves_connections_for_others() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let address = server.url("").trim_start_matches("http://").to_owned();
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // The last of them is ended at once, so the server has seen them all.
    let mut last = idle.last().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(last.read(&mut [0]), Ok(0) | Err(_)));
    let url = server.url("/livez");
    let probe = run(Command::new("curl").args(["-sS", "--max-time", "10", "--interface", "127.0.0.2", &url]));
    assert!(String::from_utf8_lossy(&probe.stdout).contains("\"ok\""), "{probe:?}");
}

#[test]
fn a_client_that_never_finishes_its_request_is_let_go() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn a_copy_of_a_kustomization_under_another_name_hides_nothing() {
    let bare = manifest("sonarr").replace("  namespace: media\n", "");
    let kustomization = "namespace: media\nresources: [deployment.yaml]\n";
    let repository = Repository::new([
        ("apps/deployment.yaml", bare.as_str()),
        ("apps/kustomization-old.yaml", kustomization),
        ("apps/kustomization.yaml", kustomization),
    ]);
    let scene = Scene::with(repository, &config(&["sonarr"]));
    scene.serve().promote("sonarr").commit();
}

#[test]
fn what_was_answered_before_is_true_when_it_is_asked_again() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let status = "/api/failover/sonarr/status";
    let ask = |path: &str| {
        let reply = server.get(path);
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.text, format!("{:#}\n", reply.json), "in the form of every other answer");
        reply.json
    };
    let first = [ask("/api/services"), ask(status)];

    // The view grows older, and nothing else changes.
    for (path, mut first) in ["/api/services", status].into_iter().zip(first) {
        let older =
            |reply: &Reply| reply.json["view_age_seconds"].as_u64() > first["view_age_seconds"].as_u64();
        let again = server.wait_until(path, older, PATIENCE).json;
        first["view_age_seconds"] = again["view_age_seconds"].clone();
        assert_eq!(again, first);
    }

    // A move is seen by whoever asks after its answer, in every answer.
    for (to, active) in [("promote", "backup"), ("demote", "primary")] {
        let moved = server.post(&format!("/api/failover/sonarr/{to}"), "", &[]);
        let revision = format!("main@sha1:{}", moved.commit());
        let (list, one) = (ask("/api/services"), ask(status));
        assert_eq!((&list["revision"], &one["revision"]), (&json!(revision), &json!(revision)));
        assert_eq!((&list["services"][1]["active"], &one["active"]), (&json!(active), &json!(active)));
        assert_eq!(one["last_operation"]["commit"], *moved.commit());
        assert_eq!(ask("/api/failover/radarr/status")["revision"], revision);
        assert_eq!(ask(&format!("{status}?expect={active}"))["expected"], active);
        let other = server.get(&format!("{status}?expect=mixed"));
        assert_eq!((other.status, &other.json["expected"]), (409, &json!("mixed")));
        assert!(ask(status).get("expected").is_none(), "what one caller expects is not another's");
    }

    // A config that is refused changes no view; one that is good changes it.
    std::fs::write(scene.config(), "services: {}\n").unwrap();
    server.wait_until("/api/health", |reply| reply.json["config"]["valid"] == false, PATIENCE);
    assert!(ask("/api/services")["config_problem"].is_string());
    assert!(ask(status)["config_problem"].is_string());
    std::fs::write(scene.config(), config(&["sonarr"])).unwrap();
    server.wait_until("/api/services", |reply| reply.json["count"] == 1, PATIENCE);
    assert!(ask("/api/services").get("config_problem").is_none());
    assert!(ask(status).get("config_problem").is_none());
    server.status("radarr").assert_problem(404, "service-not-found");
}
