//! What is counted, its text, and its document.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::messages::{Notifications, webhook};
use crate::notify::{Receivers, flux};
use crate::support::api::Server;
use crate::support::hook::Hook;
use crate::support::openmetrics::{Family, parse};
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, ready};

fn read(server: &Server) -> BTreeMap<String, Family> {
    let reply = server.get("/metrics");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    parse(&reply.text)
}

/// The one sample with these labels.
fn value(metrics: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = metrics.values().flat_map(|family| &family.samples);
    let wanted = samples.filter(|sample| {
        sample.name == name
            && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|known| known == value))
    });
    let found: Vec<f64> = wanted.map(|sample| sample.value).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0]
}

#[test]
fn what_happens_is_counted() {
    let (scene, hook) = (Scene::new(&["radarr", "sonarr"]), Hook::start());
    let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &hook)), "t");
    let file = receivers.file();
    let server = ready(Server::start(
        scene.arguments(scene.repository.path(), &[OsStr::new("--receivers"), file.as_os_str()]),
    ));
    let before = read(&server);
    let operations = |metrics: &_, verb, result| {
        value(metrics, "failover_api_operations_total", &[("verb", verb), ("result", result)])
    };
    let role = |metrics: &_, service| {
        value(metrics, "failover_api_service_active", &[("service", service), ("namespace", "media")])
    };
    // What has not happened yet is there, and zero.
    assert_eq!(
        (operations(&before, "promote", "changed"), operations(&before, "demote", "unknown")),
        (0., 0.)
    );
    assert_eq!((role(&before, "sonarr"), role(&before, "radarr")), (1., 1.));
    let fetches = |metrics: &_, result| value(metrics, "failover_api_fetches_total", &[("result", result)]);
    assert!(fetches(&before, "ok") >= 1. && fetches(&before, "failed") == 0.);

    server.promote("sonarr").commit();
    server.promote("sonarr");
    server
        .post("/api/failover/radarr/promote?expect=backup", "", &[])
        .assert_problem(412, "expectation-failed");
    server.promote("nobody").assert_problem(404, "service-not-found");
    let path = "/api/failover/0123456789abcdef/status";
    server.get(path).assert_problem(404, "service-not-found");
    server.get("/0123456789abcdef").assert_problem(404, "route-not-found");
    server.request("PATCH", "/api/services", "", &[]).assert_problem(405, "method-not-allowed");
    hook.wait(1);
    let told = "failover_api_receiver_deliveries_total{receiver=\"flux\",result=\"told\"} 1\n";
    server.wait_until("/metrics", |reply| reply.text.contains(told), PATIENCE);
    let after = read(&server);
    for (verb, result, count) in [
        ("promote", "changed", 1.),
        ("promote", "unchanged", 1.),
        ("promote", "refused", 1.),
        ("promote", "problem", 1.),
        ("demote", "changed", 0.),
    ] {
        assert_eq!(operations(&after, verb, result), count, "{verb} {result}");
    }
    assert_eq!((role(&after, "sonarr"), role(&after, "radarr")), (2., 1.));
    let steps = |step| value(&after, "failover_api_step_duration_seconds_count", &[("step", step)]);
    assert_eq!((steps("push"), steps("commit")), (1., 1.));
    assert!(steps("plan") >= 3. && steps("fetch") >= 2.);
    assert_eq!(value(&after, "failover_api_pushes_total", &[("result", "accepted")]), 1.);
    let now = failover_api::clock::now().as_second();
    let looked = value(&after, "failover_api_last_fetch_timestamp_seconds", &[]);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are few enough")]
    let now = now as f64;
    assert!((now - 3600.0..=now + 1.).contains(&looked), "{looked} {now}");
    assert!(value(&after, "failover_api_view_age_seconds", &[]) < 3600.);

    let requests = |route, method, status| {
        let labels = [("route", route), ("method", method), ("status", status)];
        value(&after, "failover_api_http_requests_total", &labels)
    };
    let promote = "/api/failover/{service}/promote";
    assert_eq!((requests(promote, "POST", "2xx"), requests(promote, "POST", "4xx")), (2., 2.));
    assert_eq!(requests("/api/failover/{service}/status", "GET", "4xx"), 1.);
    assert_eq!((requests("other", "GET", "4xx"), requests("/api/services", "other", "4xx")), (1., 1.));
    // Nothing that a caller made up is a label.
    assert!(!server.get("/metrics").text.contains("0123456789abcdef"));
}

#[test]
fn a_config_that_is_refused_shows() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let metrics = read(&server);
    let config = |metrics: &_| {
        (
            value(metrics, "failover_api_config_valid", &[]),
            value(metrics, "failover_api_config_generation", &[]),
        )
    };
    assert_eq!(config(&metrics), (1., 1.));
    fs::write(scene.config(), "services: []").unwrap();
    server.wait_until("/metrics", |reply| reply.text.contains("\nfailover_api_config_valid 0\n"), PATIENCE);
    assert_eq!(config(&read(&server)), (0., 1.));
}

#[test]
fn before_the_repository_is_read_there_is_no_age() {
    let scene = Scene::new(&["sonarr"]);
    let server =
        Server::start(scene.arguments(scene.repository.path(), &["--branch", "nowhere"].map(OsStr::new)));
    server.wait_until(
        "/metrics",
        |reply| reply.text.contains("\nfailover_api_fetches_total{result=\"failed\"} 1\n"),
        PATIENCE,
    );
    let metrics = read(&server);
    assert!(!metrics.contains_key("failover_api_view_age_seconds"));
    assert!(!metrics.contains_key("failover_api_service_active"));
}

#[test]
fn the_document_and_the_program_know_the_same_metrics() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &hook)), "t");
    let people = Notifications::new(&webhook("people", &hook, ""));
    let (receivers_file, people_file) = (receivers.file(), people.file());
    let lists = [
        OsStr::new("--receivers"),
        receivers_file.as_os_str(),
        OsStr::new("--notifications"),
        people_file.as_os_str(),
    ];
    let server = ready(Server::start(scene.arguments(scene.repository.path(), &lists)));
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let document = fs::read_to_string(document).unwrap();
    let mut documented = BTreeSet::new();
    for row in document.lines().filter(|line| line.starts_with("| `") && line.contains(" | ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{row}") };
        let labels: BTreeSet<String> = labels
            .split(", ")
            .map(|label| label.replace('`', ""))
            .filter(|label| !label.is_empty())
            .collect();
        assert!(!meaning.is_empty(), "{row}");
        assert!(documented.insert((name.replace('`', ""), kind.to_owned(), labels)), "twice: {row}");
    }
    let mut known = BTreeSet::new();
    for (name, family) in read(&server) {
        assert!(!family.samples.is_empty(), "{name} has no samples, so its labels are not seen");
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels = family.samples.iter().flat_map(|sample| sample.labels.keys().cloned());
        let labels = labels.filter(|label| label != "le").collect();
        known.insert((format!("{name}{suffix}"), family.kind, labels));
    }
    assert_eq!(documented, known);
    // And what the document says to watch for exists.
    let watched = document.split("## What to watch").nth(1).unwrap();
    let words = watched.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<&str> = words.filter(|word| word.starts_with("failover_api_")).collect();
    assert!(names.len() >= 6);
    for name in names {
        assert!(documented.iter().any(|(known, _, _)| known == name), "{name}");
    }
}
