//! The pages as a server sends them; what a browser makes of them is tested beside.

use crate::support::api::{Reply, Server};
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, config, manifest, manifest_path, ready};
use crate::support::tokens::Token;
use crate::support::volume::Volume;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
const PAGES: [&str; 12] = [
    "/",
    "/services/sonarr",
    "/services/sonarr/promote",
    "/services/sonarr/demote",
    "/plan?which=all&to=backup",
    "/holds",
    "/hold?service=sonarr",
    "/hold?all=true",
    "/release?service=sonarr",
    "/release?all=true",
    "/history",
    "/health",
];

fn visit(server: &Server, path: &str) -> Reply {
    server.request("GET", path, "", &[BROWSER])
}

/// The addresses of what the page is made of.
fn assets(page: &str) -> Vec<&str> {
    let found: Vec<_> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(found.len(), 3, "{page}");
    found
}

#[test]
fn every_page_is_closed_to_other_peoples_scripts_and_moves_nothing() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    for path in PAGES.into_iter().chain(["/services/nowhere", "/nowhere", "/?state=odd", "/history?limit=0"])
    {
        let page = visit(&server, path);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "{path}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(
            (&page.headers["cache-control"], &page.headers["x-content-type-options"]),
            (&"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
        );
        assert!(page.headers.get("set-cookie").is_none());
        for inline in [" style=", " onclick=", "<style", "javascript:"] {
            assert!(!page.text.contains(inline), "{path} has {inline}: {}", page.text);
        }
        assert_eq!(page.text.matches("<script").count(), 1, "{}", page.text);
        assert_eq!(page.text.matches("<h1").count(), 1, "{}", page.text);
    }
    for path in PAGES {
        assert_eq!(visit(&server, path).status, 200, "{path}");
        let reply = server.post(path, "", &[BROWSER]);
        assert_eq!((reply.status, &reply.json["code"]), (405, &"method-not-allowed".into()), "{path}");
    }
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn what_pages_are_made_of_is_kept_by_its_version() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let page = visit(&server, "/").text;
    for address in assets(&page) {
        let asset = server.get(address);
        assert_eq!(asset.status, 200);
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable", "{address}");
        let (path, _) = address.split_once('?').unwrap();
        for other in [path.to_owned(), format!("{path}?v=other")] {
            assert_eq!(server.get(&other).headers["cache-control"], "no-store", "{other}");
        }
    }
}

#[test]
fn a_no_is_a_page_for_people_and_a_document_for_programs() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    for (path, status, code) in [
        ("/services/sonar", 404, "service-not-found"),
        ("/services/sonar/promote", 404, "service-not-found"),
        ("/nowhere", 404, "route-not-found"),
        ("/?sort=name", 400, "invalid-request"),
        ("/history?limit=none", 400, "invalid-request"),
        ("/plan", 400, "invalid-request"),
        ("/plan?to=backup", 422, "nothing-selected"),
        ("/plan?to=elsewhere&which=all", 400, "invalid-request"),
        ("/plan?to=backup&to=backup&which=all", 400, "invalid-request"),
        ("/plan?to=backup&which=all&service=sonarr", 400, "invalid-request"),
        ("/plan?to=backup&which=some", 400, "invalid-request"),
        ("/plan?to=backup&which=on:no+such", 400, "invalid-request"),
        ("/plan?to=backup&which=on:primery", 422, "nothing-selected"),
        ("/plan?to=backup&service=Sonarr!", 400, "invalid-request"),
        ("/plan?to=backup&service=sonar", 404, "service-not-found"),
        ("/plan?to=backup&which=all&partial=yes", 400, "invalid-request"),
        ("/plan?to=backup&which=all&force=key-added", 400, "invalid-request"),
        ("/hold", 422, "nothing-selected"),
        ("/hold?service=sonar", 404, "service-not-found"),
        ("/hold?service=Sonarr!", 400, "invalid-request"),
        ("/hold?service=sonarr&all=true", 400, "invalid-request"),
        ("/release?all=yes", 400, "invalid-request"),
        ("/release?service=sonar", 404, "service-not-found"),
        ("/holds?service=sonarr", 400, "invalid-request"),
    ] {
        let page = visit(&server, path);
        assert_eq!(page.status, status, "{path}");
        assert!(page.text.contains(&format!("data-code=\"{code}\"")), "{path}: {}", page.text);
        assert!(page.text.contains("class=\"hint\""), "{path}: {}", page.text);
        server.get(path).assert_problem(status, code);
    }
    // The API answers browsers as it answers everybody.
    server
        .request("GET", "/api/failover/sonar/status", "", &[BROWSER])
        .assert_problem(404, "service-not-found");
}

#[test]
fn closed_reads_show_nothing_but_a_place_for_the_token() {
    let scene = Scene::new(&["sonarr"]);
    let reader = Token::new("reader", "read");
    let volume = Volume::new("tokens", &reader.line);
    let mut arguments = scene.local();
    arguments.extend(["--token-file".into(), volume.file().into(), "--require-token-for-reads".into()]);
    let server = ready(Server::start(arguments));
    for path in PAGES.into_iter().chain(["/nowhere", "/services/nowhere"]) {
        let page = visit(&server, path);
        assert_eq!(
            (page.status, page.headers["www-authenticate"].to_str().unwrap()),
            (401, "Bearer"),
            "{path}"
        );
        assert!(page.text.contains("This dashboard needs a token"), "{}", page.text);
        for secret in ["sonarr", "main@", "media"] {
            assert!(!page.text.contains(secret), "{path} tells {secret}: {}", page.text);
        }
        for address in assets(&page.text) {
            assert_eq!(server.get(address).status, 200, "{address}");
        }
        server.get(path).assert_problem(401, "token-missing");
    }
    let page = server.request("GET", "/", "", &[BROWSER, reader.headers()[0]]);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("sonarr"));
}

#[test]
fn pages_say_what_is_wrong_with_the_server() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    assert!(!visit(&server, "/").text.contains("class=\"banner\" aria-label"));
    std::fs::write(scene.config(), "services: {sonarr: {namespace: Media}}\n").unwrap();
    server.wait_until("/api/health", |reply| reply.json["config"]["valid"] == false, PATIENCE);
    let page = visit(&server, "/services/sonarr/promote").text;
    assert!(page.contains("class=\"banner\" aria-label"), "{page}");
    let health = visit(&server, "/health").text;
    assert!(
        health.contains("Degraded") && health.contains("config-invalid") && health.contains("Line 1, column"),
        "{health}"
    );
}

#[test]
fn a_server_that_has_read_nothing_yet_says_why() {
    let scene = Scene::new(&["sonarr"]);
    std::fs::write(scene.config(), "services: {}\n").unwrap();
    let server = Server::start(scene.local());
    server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    let page = visit(&server, "/");
    assert_eq!(page.status, 503);
    assert!(page.text.contains("data-code=\"config-invalid\""), "{}", page.text);
    let health = visit(&server, "/health");
    assert_eq!(health.status, 200);
    assert!(health.text.contains("Unavailable"), "{}", health.text);
}

#[test]
fn fifty_services_are_a_small_page() {
    let names: Vec<String> = (1..=50).map(|number| format!("service-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let files = names.iter().map(|name| (manifest_path(name), manifest(name)));
    let scene = Scene::with(crate::support::git::Repository::new(files), &config(&names));
    let server = scene.serve();
    let page = visit(&server, "/").text;
    assert_eq!(page.matches("<li data-service=").count(), 50);
    let rest: usize = assets(&page).iter().map(|address| server.get(address).text.len()).sum();
    assert!(page.len() < 40_000 && rest < 36_000, "{} bytes and {rest} once", page.len());
    // A name or a state chooses some of them, without a script.
    assert_eq!(visit(&server, "/?name=service-1").text.matches("<li data-service=").count(), 10);
    server.promote("service-07").commit();
    let backup = visit(&server, "/?state=backup&name=").text;
    assert_eq!(backup.matches("<li data-service=").count(), 1);
    assert!(backup.contains("data-service=\"service-07\" data-active=\"backup\""), "{backup}");

    // Moved at once they are counted and folded, and every one of them is there.
    let body = r#"{"all": true, "to": "backup"}"#;
    server.post("/api/failover", body, &[("content-type", "application/json")]).commit();
    let history = visit(&server, "/history").text;
    assert!(history.contains("<strong>49 services</strong> (every service was asked for)"), "{history}");
    assert!(history.contains("<summary>All 49, in their order</summary>"), "{history}");
    assert!(names.iter().all(|name| history.contains(name)) && history.len() < 8_000, "{history}");
    let plan = visit(&server, "/plan?which=all&to=primary").text;
    assert!(plan.contains("<details><summary>50 services</summary><ol class=\"moves\">"), "{plan}");
    assert_eq!(plan.matches("<details class=\"file\">").count(), 50, "{plan}");
    assert!(!plan.contains(" open"), "{plan}");
    assert!(plan.len() < 120_000, "{}", plan.len());
}
