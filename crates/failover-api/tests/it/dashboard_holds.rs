//! Holds in a real browser: made, seen, in the way, and released.

use serde_json::json;

use crate::support::api::Server;
use crate::support::browser::{Browser, ENTER, NOT_OK, Scripts};
use crate::support::inspect::inspect;
use crate::support::process::{PATIENCE, poll};
use crate::support::proxy::Proxy;
use crate::support::scene::{Gate, Scene, manifest, moved, ready};
use crate::support::tokens::{Token, with_token};
use crate::support::volume::Volume;

const FILE: &str = ".failover-api/holds";

fn marks(browser: &Browser, service: &str) -> String {
    let script = format!("return document.querySelector('[data-service={service}] .name').innerText");
    browser.script(&script).as_str().unwrap().to_owned()
}

fn hold(server: &Server, body: &serde_json::Value, token: &Token) {
    let headers = [("content-type", "application/json"), token.headers()[0]];
    server.post("/api/holds", &body.to_string(), &headers).commit();
}

#[test]
fn a_person_holds_a_service_is_refused_its_move_releases_it_and_moves_it() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let alice = Token::new("alice", "operate");
    let (server, _tokens) = with_token(&scene, &alice, false);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    assert!(!marks(&browser, "sonarr").contains("Held"));
    browser.click("[data-service=sonarr] h2 a");
    browser.click(".actions a[href='/hold?service=sonarr']");
    browser.wait_text("h1", "Hold sonarr");
    // Without a reason nothing is asked; a wrong token is said, and holds nothing.
    browser.write("#token", "fo_wrong");
    browser.click("#hold button");
    assert_eq!(browser.script("return document.getElementById('confirm').open"), false);
    browser.write("#reason", "new disk in k3s-w2");
    browser.choose("#for", "1 day");
    browser.click("#hold button");
    browser.wait_text("#confirm", "Hold sonarr?");
    browser.wait_text("#confirm-reason", "new disk in k3s-w2");
    browser.wait_text("#confirm-for", "1 day");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed");
    browser.wait_text("#token-note", "does not know this token");
    assert_eq!(scene.repository.commit_count(), 1);

    // Clicking as fast as one can holds it once.
    browser.write("#token", &alice.secret);
    browser.click("#hold button");
    browser.script("const b = document.getElementById('confirm-ask'); b.click(); b.click(); b.click();");
    browser.wait_text("#outcome", "Done: sonarr is held until 20");
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (manifest("sonarr"), 2));
    let trailers = scene.repository.trailers(&scene.repository.tip());
    assert!(trailers.contains(&("Hold".to_owned(), "sonarr".to_owned())), "{trailers:?}");
    assert!(trailers.iter().any(|(name, _)| name == "Idempotency-Key"), "{trailers:?}");
    let held = server.get("/api/holds").json;
    let until = |name: &str| held["holds"][0][name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(until("until") - until("since"), jiff::SignedDuration::from_hours(24), "{held}");
    assert_eq!(held["holds"][0]["owner"], "alice", "{held}");
    browser.click("#outcome .first");
    browser.wait_text("[data-held=sonarr]", "sonarr is held by alice until 20");
    browser.click("header a[href='/']");
    browser.wait_text("[data-service=sonarr] .name", "Held");
    assert!(!marks(&browser, "radarr").contains("Held"));

    // It is in the way of a move, which says why and what to do.
    browser.click("[data-service=sonarr] .button");
    browser.wait_text("#overrides", "held");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed: A hold or a cooldown stands against it.");
    browser.wait_text("#outcome", "new disk in k3s-w2");
    browser.wait_text("#outcome .hint", "force=held");
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));

    browser.click(".back a");
    browser.click("[data-held=sonarr] a[href='/release?service=sonarr']");
    browser.wait_text("#plan", "sonarr is held by alice until 20");
    browser.write("#reason", "the disk & its cable are in");
    browser.click("#release button");
    browser.wait_text("#confirm", "Release sonarr?");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: sonarr is released");
    assert!(scene.repository.log("%B").contains("Reason: the disk & its cable are in\n"));
    browser.click("#outcome .first");
    browser.wait_text("#held", "Nothing is held.");
    browser.click("header a[href='/']");
    browser.wait_text("[data-service=sonarr]", "Primary");
    assert!(!marks(&browser, "sonarr").contains("Held"));
    browser.click("[data-service=sonarr] .button");
    browser.wait_text("h1", "Move sonarr to backup");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: sonarr is set to backup");
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (moved("sonarr"), 4));
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn a_hold_of_somebody_else_stays_until_it_is_released() {
    let scene = Scene::new(&["sonarr"]);
    let [alice, bob] = ["alice", "bob"].map(|name| Token::new(name, "operate"));
    let volume = Volume::new("tokens", &format!("{}\n{}\n", alice.line, bob.line));
    let mut arguments = scene.local();
    arguments.extend(["--token-file".into(), volume.file().into()]);
    let server = ready(Server::start(arguments));
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/hold?service=sonarr"));
    browser.wait_text("h1", "Hold sonarr");
    browser.write("#reason", "memory test");
    browser.write("#token", &alice.secret);
    // Bob was faster: the page says so, and does not change under the hand that writes.
    hold(&server, &json!({"services": ["sonarr"], "reason": "new disk", "for": "4h"}), &bob);
    browser.wait_text("#moved-on", "What is held has changed.");
    browser.click("#hold button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed: A hold or a cooldown stands against it.");
    browser.wait_text("#outcome", "sonarr is held by bob");
    browser.wait_text("#outcome .hint", "release it first");
    browser.click("#moved-on a");
    browser.wait_text("#plan", "It is held already.");
    assert_eq!(scene.repository.commit_count(), 2);

    // Anybody who may hold may release, and history shows who did.
    browser.click("[data-held=sonarr] a[href='/release?service=sonarr']");
    browser.click("#release button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: sonarr is released");
    browser.open(&server.url("/release?service=sonarr"));
    browser.wait_text("#plan, .lead", "Nothing to do: there is no hold on sonarr.");
    browser.open(&server.url("/history"));
    browser.wait_text("#history", "asked for by alice");
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn an_open_page_hears_of_a_hold_and_of_its_end() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.wait_text("[data-service=sonarr]", "Primary");
    // The stream says where things are when it begins, so the page has heard of what was before.
    server.wait_until("/metrics", |reply| reply.text.contains("event_subscribers 1\n"), PATIENCE);
    let said = || browser.script("return document.getElementById('said').textContent");
    let body = json!({"services": ["sonarr"], "reason": "night", "for": "4h"}).to_string();
    server.post("/api/holds", &body, &[("content-type", "application/json")]).commit();
    browser.wait_text("[data-service=sonarr] .name", "Held");
    assert_eq!(said(), "sonarr is primary and held now.");
    server.request("DELETE", "/api/holds?services=sonarr", "", &[]).commit();
    poll("the mark goes", PATIENCE, || match marks(&browser, "sonarr") {
        text if text.contains("Held") => Err(text),
        _ => Ok(()),
    });
    assert_eq!(said(), "sonarr is primary now.");
    browser.assert_quiet(&[]);
}

#[test]
fn every_service_is_held_and_every_plan_says_so() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    let plans = [
        "/services/sonarr/promote",
        "/plan?which=all&to=backup",
        "/plan?service=radarr&service=sonarr&to=backup&partial=true",
    ];
    for path in plans {
        browser.open(&server.url(path));
        browser.wait_text("h1", "Move");
        assert_eq!(
            browser.script(
                "return document.querySelectorAll('main [aria-label=\"Everything is held\"]').length"
            ),
            0,
            "{path}"
        );
    }
    browser.click("header a[href='/holds']");
    browser.wait_text("#held", "Nothing is held.");
    browser.click("#held a[href='/hold?all=true']");
    browser.wait_text("h1", "Hold every service");
    browser.write("#reason", "memory test of both nodes");
    browser.choose("#for", "Until it is released");
    browser.click("#hold button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: every service is held until it is released");
    assert!(
        String::from_utf8(scene.repository.show(&format!("main:{FILE}"))).unwrap().contains("- all: true")
    );
    for path in plans {
        browser.open(&server.url(path));
        browser.wait_text("main .banner", "Every service is held by unauthenticated (127.0.0.1) until it is released: memory test of both nodes");
    }
    // Whoever has the plan open hears of its end.
    browser.click("main .banner a");
    browser.click("[data-held='every service'] a[href='/release?all=true']");
    browser.click("#release button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: every service is released");
    browser.open(&server.url("/"));
    browser.wait_text("[data-service=sonarr]", "Primary");
    assert!(!marks(&browser, "sonarr").contains("Held"));
    browser.assert_quiet(&[]);
}

#[test]
fn the_keyboard_is_enough_to_hold_and_to_release() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/services/sonarr"));
    browser.tab_to("Hold\nsonarr");
    browser.press(&ENTER.to_string());
    browser.wait_text("h1", "Hold sonarr");
    browser.tab_to("Reason");
    browser.press("night");
    browser.tab_to("For how long");
    browser.press("1 w");
    browser.tab_to("Hold sonarr");
    // Enter that is held down a moment too long must not confirm as well.
    browser.press(&ENTER.to_string());
    browser.wait_text("#confirm-for", "1 week");
    assert_eq!(browser.focused(), "Cancel");
    browser.press(&ENTER.to_string());
    assert_eq!(scene.repository.commit_count(), 1);
    browser.press(&ENTER.to_string());
    browser.tab_to("Hold sonarr");
    browser.press(&ENTER.to_string());
    browser.wait_text("#outcome", "Done: sonarr is held until 20");
    assert!(browser.focused().starts_with("Done: sonarr is held"), "{}", browser.focused());
    browser.tab_to("See the holds");
    browser.press(&ENTER.to_string());
    browser.wait_text("#held", "night");
    browser.tab_to("Release");
    browser.press(&ENTER.to_string());
    browser.wait_text("h1", "Release sonarr");
    browser.tab_to("Release sonarr");
    browser.press(&ENTER.to_string());
    browser.tab_to("Release sonarr");
    browser.press(&ENTER.to_string());
    browser.wait_text("#outcome", "Done: sonarr is released");
    browser.assert_quiet(&[]);
}

#[test]
fn a_hold_without_an_answer_is_asked_for_again_with_its_key() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let line = Proxy::start(server.url("").trim_start_matches("http://").parse().unwrap());
    let browser = Browser::start(Scripts::On);
    let mut commits = 1;
    for (path, doubt, done) in [
        ("/hold?service=sonarr", "the hold was made", "Done by an earlier request: sonarr was held"),
        (
            "/release?service=sonarr",
            "the hold was released",
            "Done by an earlier request: sonarr was released",
        ),
    ] {
        let gate = Gate::install(&scene);
        browser.open(&format!("http://{}{path}", line.address()));
        browser.write("#reason", "night");
        browser.click("#act form button");
        browser.click("#confirm-ask");
        gate.wait();
        line.interrupt();
        browser.wait_text("#outcome", &format!("It is not known whether {doubt}"));
        gate.open();
        line.restore();
        browser.click("#outcome button");
        browser.wait_text("#outcome", done);
        commits += 1;
        assert_eq!(scene.repository.commit_count(), commits);
    }
    browser.assert_quiet(&["net::ERR_"]);
}

#[test]
fn a_read_only_server_offers_neither_holds_nor_releases() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let text = "holds:\n- {service: sonarr, owner: alice, reason: disk}\n";
    scene.repository.commit_foreign(FILE, text.as_bytes(), "Hold by hand");
    let mut arguments = scene.local();
    arguments.push("--read-only".into());
    let server = ready(Server::start(arguments));
    let browser = Browser::start(Scripts::On);
    for path in ["/services/sonarr", "/services/radarr", "/holds"] {
        browser.open(&server.url(path));
        browser.wait_text("h1", "");
        let links =
            browser.script("return document.querySelectorAll('a[href*=hold\\\\?], a[href*=release]').length");
        assert_eq!(links, 0, "{path}");
    }
    browser.wait_text("[data-held=sonarr]", "sonarr is held by alice until it is released: disk");
    for path in
        ["/hold?all=true", "/release?service=sonarr", "/services/radarr/promote", "/plan?which=all&to=backup"]
    {
        browser.open(&server.url(path));
        browser.wait_text("#read-only", "This server is read-only");
        assert_eq!(
            browser.script("return document.querySelectorAll('main form:not(#partial)').length"),
            0,
            "{path}"
        );
    }
    browser.assert_quiet(&[]);
}

#[test]
fn holds_are_read_without_scripts_and_asked_of_the_api() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::Off);
    browser.open(&server.url("/services/sonarr"));
    browser.click(".actions a[href='/hold?service=sonarr']");
    browser.wait_text(
        "noscript",
        r#"-d '{"services":["sonarr"],"reason":"new disk in k3s-w2","for":"4h"}' '…/api/holds'"#,
    );
    assert_eq!(browser.script("return document.getElementById('hold').checkVisibility()"), false);
    let body = json!({"services": ["sonarr"], "reason": "new disk in k3s-w2", "for": "4h"}).to_string();
    server.post("/api/holds", &body, &[("content-type", "application/json")]).commit();
    browser.open(&server.url("/holds"));
    browser.wait_text("[data-held=sonarr]", "new disk in k3s-w2");
    browser.click("[data-held=sonarr] .button");
    browser.wait_text("noscript", "curl -X DELETE");
    browser.wait_text("noscript", "'…/api/holds?services=sonarr'");
    browser.assert_quiet(&[]);
}

#[test]
fn pages_of_holds_can_be_used_by_everybody() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    let text = "holds:\n- {all: true, owner: bob, reason: memory test of both nodes, until: 2099-01-01T00:00:00Z}\n- {service: lidarr, owner: bob, reason: old}\n- {service: radarr, owner: bob, reason: disk, until: 2020-01-01T00:00:00Z}\n- {service: sonarr, owner: alice, reason: a new disk in k3s-w2 and a cable that is longer than the old one}\n";
    let alice = Token::new("alice", "operate");
    let (server, _tokens) = with_token(&scene, &alice, false);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/holds"));
    browser.wait_text("#held", "Nothing is held.");
    inspect(&browser, "holds-none");
    browser.open(&server.url("/services/sonarr"));
    inspect(&browser, "hold-offered");
    scene.repository.commit_foreign(FILE, text.as_bytes(), "Hold by hand");
    // A move looks at the branch, and is refused.
    server
        .request("POST", "/api/failover/jellyfin/promote", "", &alice.headers())
        .assert_problem(423, "held");
    for (name, path) in [
        ("holds", "/holds"),
        ("hold-service", "/services/sonarr"),
        ("hold-over", "/services/radarr"),
        ("hold", "/hold?service=jellyfin"),
        ("hold-renew", "/hold?service=sonarr"),
        ("hold-all", "/hold?all=true"),
        ("release", "/release?service=sonarr"),
        ("release-nothing", "/release?service=jellyfin"),
        ("hold-listing", "/"),
        ("hold-plan", "/services/sonarr/promote"),
        ("hold-many", "/plan?which=all&to=backup"),
        ("hold-wrong", "/hold"),
    ] {
        browser.open(&server.url(path));
        browser.wait_text("h1", "");
        inspect(&browser, name);
    }
    browser.open(&server.url("/hold?all=true"));
    browser.write("#reason", "night");
    browser.write("#token", &alice.secret);
    browser.click("#hold button");
    browser.wait_text("#confirm", "Hold every service?");
    inspect(&browser, "hold-confirm");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "held by bob");
    inspect(&browser, "hold-refused");
    browser.open(&server.url("/release?all=true"));
    browser.click("#release button");
    browser.wait_text("#confirm", "Release every service?");
    inspect(&browser, "release-confirm");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: every service is released");
    inspect(&browser, "release-done");
    browser.assert_quiet(&[NOT_OK]);
}
