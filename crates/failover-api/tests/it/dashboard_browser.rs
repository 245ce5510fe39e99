//! The pages in a real browser, used as a person uses them.

use crate::messages::{Notifications, webhook};
use crate::support::api::Server;
use crate::support::browser::{Browser, ENTER, NOT_OK, Scripts};
use crate::support::git::git;
use crate::support::hook::Hook;
use crate::support::inspect::inspect;
use crate::support::process::{PATIENCE, poll, run};
use crate::support::proxy::Proxy;
use crate::support::scene::{Gate, Scene, config, manifest, manifest_path, moved, ready};
use crate::support::sshd::SshServer;
use crate::support::tokens::{Token, with_token};

#[test]
fn a_person_moves_a_service_and_sees_that_it_moved() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let alice = Token::new("alice", "operate");
    let (server, _tokens) = with_token(&scene, &alice, false);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.wait_text("[data-service=sonarr] .badge", "Primary");
    browser.click("[data-service=sonarr] .button");
    browser.wait_text("h1", "Move sonarr to backup");
    let diff = browser.text(".diff");
    assert!(
        diff.contains("-            claimName: 'pvc-sonarr'")
            && diff.contains("+            claimName: 'pvc-sonarr-backup'"),
        "{diff}"
    );
    let [added, plain] = [".diff ins", ".diff"].map(|selector| {
        browser
            .script(&format!("return getComputedStyle(document.querySelector({selector:?})).backgroundColor"))
    });
    assert_ne!(added, plain, "the diff has no colours");

    // A wrong token is said, asked for again, and moves nothing.
    browser.write("#reason", "k3s-w1 is down");
    browser.write("#token", "fo_wrong");
    browser.click("#move button");
    browser.wait_text("#confirm", "Move sonarr to backup?");
    browser.wait_text("#confirm li:last-child code:last-child", "pvc-sonarr-backup");
    browser.wait_text("#confirm-reason", "k3s-w1 is down");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed");
    browser.wait_text("#token-note", "does not know this token");
    browser.assert_quiet(&[NOT_OK]);
    assert_eq!(scene.repository.commit_count(), 1);

    // The right one moves it. Clicking as fast as one can moves it once.
    browser.write("#token", &alice.secret);
    browser.click("#move button");
    browser.script("const b = document.getElementById('confirm-ask'); b.click(); b.click(); b.click();");
    browser.wait_text("#outcome", "Done: sonarr is set to backup");
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (moved("sonarr"), 2));
    let is_the_move = |line: &&String| line.contains("\"answered\"") && line.contains("POST");
    assert_eq!(server.log().iter().filter(is_the_move).count(), 1, "{:?}", server.log());
    let trailers = scene.repository.trailers(&scene.repository.tip());
    assert!(trailers.iter().any(|(name, _)| name == "Idempotency-Key"), "{trailers:?}");
    browser.wait_text(".title .badge", "Backup");
    browser.click("#outcome .first");
    browser.wait_text("h1", "sonarr");
    browser.wait_text(".title .badge", "Backup");
    browser.wait_text("#settings + ul", "pvc-sonarr-backup");
    browser.click("header a[href='/history']");
    browser.wait_text("#history", "sonarr to backup");
    let history = browser.text("#history");
    assert!(
        history.contains("k3s-w1 is down")
            && history.contains("alice")
            && history.contains(&scene.repository.tip()[..10]),
        "{history}"
    );

    // The token is known in this tab until it is forgotten, and nowhere else.
    browser.open(&server.url("/services/sonarr/demote"));
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: sonarr is set to primary");
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (manifest("sonarr"), 3));
    let kept =
        browser.script("return [document.cookie, localStorage.length, sessionStorage.length, location.href]");
    assert_eq!(kept, serde_json::json!(["", 0, 1, server.url("/services/sonarr/demote")]));
    browser.click("#sign-out");
    browser.wait_text("h1", "Move sonarr to primary");
    poll("the token is gone", PATIENCE, || {
        let kept = browser.script("return sessionStorage.length");
        if kept == 0 { Ok(()) } else { Err(kept.to_string()) }
    });
    browser.assert_quiet(&[]);
}

#[test]
fn the_keyboard_is_enough() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.tab_to("Skip to the content");
    browser.press(&ENTER.to_string());
    browser.tab_to("sonarr");
    browser.tab_to("Plan move");
    browser.press(&ENTER.to_string());
    browser.wait_text("h1", "Move sonarr to backup");
    browser.tab_to("Reason");
    browser.press("night");
    browser.tab_to("Move sonarr to backup");
    // Enter that is held down a moment too long must not confirm as well.
    browser.press(&ENTER.to_string());
    browser.wait_text("#confirm", "Move sonarr to backup?");
    assert_eq!(browser.focused(), "Cancel");
    browser.press(&ENTER.to_string());
    assert_eq!(scene.repository.commit_count(), 1);
    assert_eq!(browser.focused(), "Move sonarr to backup…", "the focus goes back to where it was");
    browser.press(&ENTER.to_string());
    browser.tab_to("Move sonarr to backup");
    browser.press(&ENTER.to_string());
    browser.wait_text("#outcome", "Done: sonarr is set to backup");
    assert!(browser.focused().starts_with("Done: sonarr is set to backup"), "{}", browser.focused());
    browser.tab_to("See the history");
    browser.press(&ENTER.to_string());
    browser.wait_text("#history", "night");
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    browser.assert_quiet(&[]);
}

#[test]
fn reading_works_without_scripts() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    server
        .post(
            "/api/failover/radarr/promote",
            r#"{"reason": "k3s-w1 is down"}"#,
            &[("content-type", "application/json")],
        )
        .commit();
    let browser = Browser::start(Scripts::Off);
    browser.open(&server.url("/"));
    browser.wait_text("[data-service=radarr]", "Backup");
    browser.wait_text("[data-service=sonarr]", "Primary");
    browser.wait_text("#freshness", "UTC");
    browser.click("[data-service=sonarr] h2 a");
    browser.wait_text("#settings + ul", "pvc-sonarr");
    browser.click(".actions .first");
    browser.wait_text(".diff", "pvc-sonarr-backup");
    browser.wait_text("noscript", "/api/failover/sonarr/promote");
    assert_eq!(
        browser.script("return document.getElementById('move').checkVisibility()"),
        false,
        "a button that does nothing"
    );
    browser.click("header a[href='/history']");
    browser.wait_text("#history", "k3s-w1 is down");
    browser.click("header a[href='/health']");
    browser.wait_text("#health", "Well");
    browser.assert_quiet(&[]);
}

#[test]
fn closed_reads_ask_for_the_token_once() {
    let scene = Scene::new(&["sonarr"]);
    let alice = Token::new("alice", "operate");
    let (server, mut tokens) = with_token(&scene, &alice, true);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/services/sonarr"));
    browser.wait_text("#sign-in", "This dashboard needs a token");
    browser.write("#token", "fo_wrong");
    browser.press(&ENTER.to_string());
    browser.wait_text("#sign-in-error", "does not know this token");
    browser.write("#token", &format!("\u{E009}a\u{E000}{}", alice.secret));
    browser.press(&ENTER.to_string());
    browser.wait_text("h1", "sonarr");
    browser.wait_text(".title .badge", "Primary");
    browser.click(".actions .first");
    browser.wait_text("h1", "Move sonarr to backup");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: sonarr is set to backup");
    assert!(
        scene
            .repository
            .trailers(&scene.repository.tip())
            .contains(&("Requested-By".to_owned(), "alice".to_owned()))
    );
    browser.click("header a[href='/']");
    browser.wait_text("[data-service=sonarr] .badge", "Backup");

    // A token that is taken away shows nothing any more.
    tokens.publish(Some(&Token::new("bob", "read").line));
    browser.wait_text("#sign-in", "This dashboard needs a token");
    assert_eq!(browser.script("return document.body.innerText.includes('sonarr')"), false);
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn an_open_page_stays_true() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.wait_text("[data-service=sonarr] .badge", "Primary");
    browser.script("document.querySelector('[data-service=sonarr] h2 a').focus()");
    server.promote("sonarr").commit();
    browser.wait_text("[data-service=sonarr] .badge", "Backup");
    let said = browser.script("return document.getElementById('said').textContent");
    assert_eq!(said, "sonarr is backup now.");
    assert_eq!(browser.focused(), "sonarr", "the focus stays where it is");

    // A plan does not change under the hand that is about to confirm it.
    browser.open(&server.url("/services/radarr/promote"));
    browser.wait_text("h1", "Move radarr to backup");
    server.promote("radarr").commit();
    browser.wait_text("#moved-on", "The repository has changed");
    browser.wait_text(".diff", "pvc-radarr-backup");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed");
    browser.wait_text("#outcome", "expectation-failed");
    assert_eq!(scene.repository.commit_count(), 3);
    browser.click("#moved-on a");
    browser.wait_text("#plan", "Nothing to do");
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn a_silent_server_is_not_taken_for_a_no() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let address = server.url("").trim_start_matches("http://").parse().unwrap();
    let line = Proxy::start(address);
    let gate = Gate::install(&scene);
    let browser = Browser::start(Scripts::On);
    browser.open(&format!("http://{}/services/sonarr/promote", line.address()));
    browser.click("#move button");
    browser.click("#confirm-ask");
    gate.wait();
    line.interrupt();
    browser.wait_text("#outcome", "It is not known whether the move happened");
    gate.open();
    line.restore();
    browser.click("#outcome button");
    browser.wait_text("#outcome", "Done by an earlier request: sonarr was set to backup");
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (moved("sonarr"), 2));
    browser.assert_quiet(&["net::ERR_"]);
}

#[test]
fn an_unknown_outcome_is_shown_as_unknown_and_asked_again_with_its_key() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let proxy = Proxy::start(sshd.address());
    let url = sshd.url_through(&proxy, scene.repository.path());
    let server = ready(Server::start(scene.ssh_with(&url, &sshd.key(), &sshd)));
    let gate = Gate::install(&scene);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/services/sonarr/promote"));
    browser.click("#move button");
    browser.click("#confirm-ask");
    gate.wait();
    proxy.interrupt();
    // The server needs a minute to give up; a test of that length has been waited for by the poll of another kind.
    server.next_log(0, PATIENCE * 2, |event| event["code"] == "outcome-unknown").unwrap();
    browser.wait_text("#outcome", "It is not known whether the move happened");
    browser.wait_text("#outcome", "do not assume that nothing happened");
    gate.open();
    sshd.wait_idle();
    // Also after the page was left and opened again.
    browser.open(&server.url("/"));
    browser.wait_text("#banner", "it is not known yet whether operation");
    browser.open(&server.url("/services/sonarr/promote"));
    browser.wait_text("#outcome", "It is not known whether the move happened");
    proxy.restore();
    server.wait_log("settled", |event| event["message"] == "a push without an answer was settled");
    browser.click("#outcome button");
    browser.wait_text("#outcome", "Done by an earlier request: sonarr was set to backup");
    assert_eq!((scene.text("sonarr"), scene.repository.commit_count()), (moved("sonarr"), 2));
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn a_message_that_did_not_arrive_is_no_failed_move() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let notifications = Notifications::new(&webhook("ntfy", &hook, ""));
    let server = notifications.serve(&scene);
    hook.answer_with([410]);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/services/sonarr/promote"));
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: sonarr is set to backup");
    server.wait_until(
        "/api/health",
        |reply| reply.json["problems"][0]["code"] == "notification-failed",
        PATIENCE,
    );
    browser.open(&server.url("/services/sonarr/demote"));
    browser.wait_text("#banner .notice", "Telling ntfy failed; moves are made all the same: ");
    inspect(&browser, "untold");
    browser.open(&server.url("/"));
    browser.wait_text("#banner .notice", "410");
    assert_eq!(browser.script("return document.querySelectorAll('#banner .banner').length"), 0);
    browser.open(&server.url("/health"));
    browser.wait_text("#health .warn", "notification-failed");
    inspect(&browser, "untold-health");
    // What keeps services from being moved is loud still, and beside it.
    std::fs::write(scene.config(), "services: {sonarr: {namespace: Media}}\n").unwrap();
    server.wait_until("/api/health", |reply| reply.json["config"]["valid"] == false, PATIENCE);
    browser.open(&server.url("/"));
    browser.wait_text("#banner .banner", "namespace of service sonarr");
    browser.wait_text("#banner .notice", "Telling ntfy failed");
    inspect(&browser, "untold-and-problem");
    browser.assert_quiet(&[]);
}

const HOSTILE: &str =
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&amp;\"'";

#[test]
fn text_from_outside_stays_text() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let body = serde_json::json!({ "reason": HOSTILE }).to_string();
    let commit = server.post("/api/failover/sonarr/promote", &body, &[("content-type", "application/json")]);
    let reverted = commit.commit().to_owned();
    // A commit as no honest Git writes it: an author with markup for a name.
    let repository = scene.repository.path();
    let read = |arguments: &[&str]| {
        String::from_utf8(run(git(repository).args(arguments)).stdout).unwrap().trim().to_owned()
    };
    let name = "<script>document.title='owned'</script> \"&quot; <x@x> 1768478400 +0000";
    let tree = read(&["rev-parse", "main~1^{tree}"]);
    let raw = format!(
        "tree {tree}\nparent {reverted}\nauthor {name}\ncommitter {name}\n\nRevert \"{HOSTILE}\"\n\nThis reverts commit {reverted}.\n"
    );
    let id = crate::support::process::feed(
        git(repository).args(["hash-object", "-t", "commit", "-w", "--stdin", "--literally"]),
        raw.as_bytes(),
    );
    run(git(repository).args([
        "update-ref",
        "refs/heads/main",
        String::from_utf8(id.stdout).unwrap().trim(),
    ]));
    let look = server.post("/api/failover/sonarr/demote", "", &[]);
    assert_eq!(look.json["changed"], false, "{}", look.text);

    let browser = Browser::start(Scripts::On);
    for path in [
        "/",
        "/services/sonarr",
        "/history",
        "/services/sonarr/promote",
        "/?name=%3Cscript%3E",
        "/services/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/?%3Cimg%20src=x%3E=1",
    ] {
        browser.open(&server.url(path));
        browser.wait_text("h1", "");
        assert_eq!(browser.script("return document.title.includes('owned') || document.querySelectorAll('main script, main img').length > 0"), false, "{path}");
    }
    browser.open(&server.url("/history"));
    browser.wait_text("#history", HOSTILE);
    browser.wait_text("#history", "<script>document.title='owned'</script>");
    // The same by way of the script that puts pages together.
    browser.open(&server.url("/services/sonarr/promote"));
    browser.write("#reason", HOSTILE);
    browser.click("#move button");
    browser.wait_text("#confirm-reason", HOSTILE);
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done");
    assert_eq!(browser.script("return document.title.includes('owned')"), false);
    browser.assert_quiet(&[NOT_OK]);
}

/// A repository in which something is in every state.
fn every_state() -> Scene {
    let names = ["bazarr", "jellyfin", "lidarr", "postgres", "prowlarr", "radarr", "sonarr", "tautulli"];
    let files = names.map(|name| {
        let text = match name {
            "lidarr" => manifest(name).replace("{role: primary}", "{role: backup}"),
            "prowlarr" => manifest(name).replace("{role: primary}", "{role: '${ROLE}'}"),
            "tautulli" => manifest(name).replace("'pvc-tautulli'", "'pvc-old'"),
            _ => manifest(name),
        };
        (manifest_path(name), text)
    });
    // Only the claims of bazarr come from elsewhere.
    let claims = names[1..].iter().map(|name| {
        let claim = |claim: &str| format!("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {claim}, namespace: media}}\n");
        let both = claim(&format!("pvc-{name}")) + &claim(&format!("pvc-{name}-backup"));
        (format!("clusters/homelab/apps/media/{name}/pvc.yaml"), both)
    });
    let holds =
        "holds:\n- {service: postgres, owner: alice, reason: new disk, until: 2099-01-01T00:00:00Z}\n";
    let holds = [(".failover-api/holds".to_owned(), holds.to_owned())];
    let files = files.into_iter().chain(claims).chain(holds);
    Scene::with(crate::support::git::Repository::new(files), &config(&names))
}

#[test]
fn every_page_can_be_used_by_everybody() {
    let scene = every_state();
    let alice = Token::new("alice", "operate");
    let (server, _tokens) = with_token(&scene, &alice, false);
    let headers = [("content-type", "application/json"), alice.headers()[0]];
    for (path, reason) in [
        ("radarr/promote", "k3s-w1 is down"),
        ("sonarr/promote", "k3s-w1 is down"),
        ("radarr/demote", "k3s-w1 is back"),
    ] {
        let body = serde_json::json!({ "reason": reason }).to_string();
        server.post(&format!("/api/failover/{path}"), &body, &headers).commit();
    }
    let browser = Browser::start(Scripts::On);
    for (name, path) in [
        ("services", "/"),
        ("service", "/services/sonarr"),
        ("service-mixed", "/services/lidarr"),
        ("service-unknown", "/services/prowlarr"),
        ("plan", "/services/jellyfin/promote"),
        ("plan-blocked", "/services/tautulli/promote"),
        ("plan-nothing", "/services/sonarr/promote"),
        ("plan-impossible", "/services/prowlarr/promote"),
        ("history", "/history"),
        ("health", "/health"),
        ("nowhere", "/nowhere"),
    ] {
        browser.open(&server.url(path));
        browser.wait_text("h1", "");
        inspect(&browser, name);
    }
    browser.open(&server.url("/services/jellyfin/promote"));
    browser.write("#reason", "k3s-w1 is down");
    browser.write("#token", &alice.secret);
    browser.click("#move button");
    browser.wait_text("#confirm", "Move jellyfin to backup?");
    inspect(&browser, "confirm");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done");
    inspect(&browser, "done");
    browser.open(&server.url("/services/tautulli/promote"));
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed");
    inspect(&browser, "refused");
    // Whoever knows better says so.
    browser.click("#overrides input");
    browser.click("#move button");
    browser.wait_text("#confirm-force", "unexpected-value");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: tautulli is set to backup");
    let trailers = scene.repository.trailers(&scene.repository.tip());
    assert!(
        trailers.iter().any(|(name, value)| name == "Forced" && value.contains("unexpected-value")),
        "{trailers:?}"
    );
    browser.assert_quiet(&[NOT_OK]);

    let (closed, _tokens) = with_token(&scene, &alice, true);
    let stranger = Browser::start(Scripts::On);
    stranger.open(&closed.url("/"));
    stranger.wait_text("#sign-in", "token");
    inspect(&stranger, "sign-in");
}
