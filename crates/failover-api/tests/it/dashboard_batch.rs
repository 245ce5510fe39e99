//! Many services at once, in a real browser, as a person moves them.

use crate::support::browser::{Browser, ENTER, NOT_OK, Scripts};
use crate::support::git::Repository;
use crate::support::inspect::inspect;
use crate::support::scene::{Scene, config, manifest, manifest_path, moved, shared};
use crate::support::tokens::{Token, with_token};

const SPACE: &str = " ";

/// Services of which bazarr moves after sonarr.
fn in_order(names: &[&str]) -> Scene {
    let entries = config(names).replacen(
        "    primary_pvc: pvc-bazarr\n",
        "    primary_pvc: pvc-bazarr\n    after: [sonarr]\n",
        1,
    );
    Scene::with(Repository::of(names), &entries)
}

/// The same with claims that are declared, and jellyfin's shared through an anchor.
fn with_a_bad_one(names: &[&str]) -> Scene {
    let scene = in_order(names);
    scene.repository.commit_foreign(
        &manifest_path("jellyfin"),
        shared("jellyfin").as_bytes(),
        "Share a claim",
    );
    scene
}

/// The texts of the elements, in their order.
fn texts(browser: &Browser, selector: &str) -> Vec<String> {
    let found = browser.script(&format!(
        "return [...document.querySelectorAll({selector:?})].map(e => e.textContent.trim())"
    ));
    serde_json::from_value(found).unwrap()
}

fn trailer(scene: &Scene, key: &str) -> Vec<String> {
    let trailers = scene.repository.trailers(&scene.repository.tip()).into_iter();
    trailers.filter(|(name, _)| name == key).map(|(_, value)| value).collect()
}

#[test]
fn a_person_moves_several_services_there_and_everything_back() {
    let names = ["bazarr", "jellyfin", "radarr", "sonarr"];
    let scene = in_order(&names);
    let alice = Token::new("alice", "operate");
    let (server, _tokens) = with_token(&scene, &alice, false);
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    // Nothing is selected yet: said, and nothing asked for.
    browser.click("#plan-backup");
    browser.wait_text("#picked", "Select services first");
    browser.click("#pick-sonarr");
    browser.click("#pick-bazarr");
    browser.click("#pick-radarr");
    browser.wait_text("#picked", "3 selected");
    assert_eq!(browser.script("return document.getElementById('pick-all').indeterminate"), true);
    browser.click("#plan-backup");
    browser.wait_text("h1", "Move 3 services to backup");
    browser.wait_text("#plan .lead", "One commit on main moves 3 services to backup, in 3 files.");
    assert_eq!(texts(&browser, ".moves summary strong"), ["radarr", "sonarr", "bazarr"]);
    let diff = texts(&browser, ".diff").join("\n");
    for name in ["radarr", "sonarr", "bazarr"] {
        assert!(diff.contains(&format!("+            claimName: 'pvc-{name}-backup'")), "{diff}");
    }
    browser.write("#reason", "k3s-w1 is down");
    browser.write("#token", &alice.secret);
    browser.click("#move button");
    browser.wait_text("#confirm", "Move 3 services to backup?");
    browser.wait_text("#confirm-reason", "k3s-w1 is down");
    assert_eq!(texts(&browser, "#confirm ol li"), ["radarr", "sonarr", "bazarr"]);
    assert_eq!(scene.repository.commit_count(), 1);
    browser.script("const b = document.getElementById('confirm-ask'); b.click(); b.click(); b.click();");
    browser.wait_text("#outcome", "Done: 3 services are set to backup");
    browser.wait_text("#outcome", "Moved, in this order: radarr, sonarr, bazarr");
    assert_eq!(scene.repository.commit_count(), 2);
    assert_eq!(trailer(&scene, "Service"), ["radarr", "sonarr", "bazarr"]);
    for name in ["radarr", "sonarr", "bazarr"] {
        assert_eq!(scene.text(name), moved(name));
    }
    assert_eq!(scene.text("jellyfin"), manifest("jellyfin"));

    // Back: everything on the node, whatever it is called there.
    browser.click("#outcome .first");
    browser.wait_text("[data-service=sonarr] .badge", "Backup");
    browser.choose("#which", "Everything on backup (3)");
    browser.click("#plan-primary");
    browser.wait_text("h1", "Move everything on backup to primary");
    browser.click("#move button");
    browser.wait_text("#confirm", "Move 3 services to primary?");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: 3 services are set to primary");
    for name in names {
        assert_eq!(scene.text(name), manifest(name));
    }
    assert_eq!(trailer(&scene, "Selection"), ["from_node_label=backup"]);
    browser.click("header a[href='/history']");
    browser.wait_text("#history", "radarr, sonarr, bazarr (everything on backup was asked for) to primary");
    browser.wait_text("#history", "k3s-w1 is down");

    // Every service: two are there already once they have been moved by somebody else.
    let promoted = |name: &str| {
        server
            .request("POST", &format!("/api/failover/{name}/promote"), "", &alice.headers())
            .commit()
            .to_owned()
    };
    promoted("radarr");
    browser.open(&server.url("/plan?which=all&to=backup"));
    browser.wait_text("#plan .lead", "moves 3 services to backup, in 3 files. 1 is there already.");
    promoted("sonarr");
    browser.wait_text("#moved-on", "The repository has changed");
    browser.click("#moved-on a");
    browser.wait_text("#plan .lead", "moves 2 services to backup, in 2 files. 2 are there already.");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: 2 services are set to backup");
    browser.wait_text("#outcome", "There already: radarr, sonarr");
    browser.open(&server.url("/plan?which=all&to=backup"));
    browser.wait_text("#plan .lead", "Nothing to do: every one of them is at backup already.");
    // Nobody is on that node any more, which the page that emptied it hears of.
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn one_bad_service_stops_all_until_the_rest_is_asked_for() {
    let names = ["bazarr", "jellyfin", "sonarr"];
    let scene = with_a_bad_one(&names);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.click("#pick-all");
    browser.wait_text("#picked", "3 selected");
    browser.click("#plan-backup");
    browser.wait_text(
        "#plan .lead",
        "Nothing would be moved: it is all or nothing, and something is against 1 service.",
    );
    browser.wait_text("[data-refused=jellyfin]", "field-anchored");
    browser.wait_text("[data-refused=jellyfin] .hint", "value out at this place");
    assert_eq!(browser.script("return document.getElementById('move')"), serde_json::Value::Null);

    browser.click("#replan");
    browser.wait_text(
        "#plan .lead",
        "One commit on main moves 2 services to backup, in 2 files. 1 is refused and left as it is.",
    );
    browser.wait_text("[data-refused=jellyfin]", "field-anchored");
    // The button does what is shown: another choice is another plan.
    browser.click("#partial-box");
    assert_eq!(browser.script("return document.getElementById('act').checkVisibility()"), false);
    browser.click("#partial-box");
    browser.click("#move button");
    browser.wait_text("#confirm", "Move 2 services to backup?");
    browser.wait_text("#confirm", "Left where it is: 1 service.");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: 2 services are set to backup, 1 refused");
    browser.wait_text("#outcome .findings", "jellyfin field-anchored");
    assert_eq!(scene.repository.commit_count(), 3);
    assert_eq!(scene.text("jellyfin"), shared("jellyfin"));
    assert_eq!((scene.text("sonarr"), scene.text("bazarr")), (moved("sonarr"), moved("bazarr")));
    assert_eq!(trailer(&scene, "Refused"), ["jellyfin (field-anchored)"]);
    browser.click("header a[href='/history']");
    browser.wait_text("#history", "sonarr, bazarr to backup");
    browser.wait_text("#history .refused", "Refused and left where they were: jellyfin");
    browser.assert_quiet(&[]);

    // What goes wrong only after the plan was shown: all or nothing says so, and everything stays.
    browser.open(&server.url("/plan?service=bazarr&service=sonarr&to=primary"));
    browser.wait_text("h1", "Move 2 services to primary");
    scene.repository.commit_foreign(&manifest_path("bazarr"), shared("bazarr").as_bytes(), "Share a claim");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed");
    browser.wait_text("#outcome", "bazarr");
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn a_check_that_blocks_one_of_several_is_overridden_by_its_box() {
    let scene = in_order(&["radarr", "sonarr"]);
    let odd = manifest("radarr").replace("'pvc-radarr'", "'pvc-old'");
    scene.repository.commit_foreign(&manifest_path("radarr"), odd.as_bytes(), "By hand");
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/plan?which=all&to=backup"));
    browser.wait_text("#plan .lead", "A check blocks it, so it would be refused as it is.");
    browser.wait_text("#overrides label", "Override unexpected-value (radarr)");
    browser.click("#move button");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Nothing was committed");
    assert_eq!(scene.repository.commit_count(), 2);
    browser.click("#overrides input");
    browser.click("#move button");
    browser.wait_text("#confirm-force", "unexpected-value");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: 2 services are set to backup");
    assert_eq!(trailer(&scene, "Forced"), ["unexpected-value (radarr)"]);
    assert_eq!((scene.text("radarr"), scene.text("sonarr")), (moved("radarr"), moved("sonarr")));
    browser.assert_quiet(&[NOT_OK]);
}

#[test]
fn the_keyboard_is_enough_for_several() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.tab_to("Select all 2");
    browser.press(SPACE);
    browser.wait_text("#picked", "2 selected");
    browser.tab_to("Plan failover");
    browser.press(&ENTER.to_string());
    browser.wait_text("h1", "Move 2 services to backup");
    browser.tab_to("radarr");
    browser.press(&ENTER.to_string());
    browser.wait_text(".moves details[open] .changes", "pvc-radarr-backup");
    browser.tab_to("Move 2 services to backup…");
    // Enter that is held down a moment too long must not confirm as well.
    browser.press(&ENTER.to_string());
    browser.wait_text("#confirm", "Move 2 services to backup?");
    assert_eq!(browser.focused(), "Cancel");
    browser.tab_to("Move 2 services to backup");
    browser.press(&ENTER.to_string());
    browser.wait_text("#outcome", "Done: 2 services are set to backup");
    assert!(browser.focused().starts_with("Done: 2 services are set to backup"), "{}", browser.focused());
    browser.assert_quiet(&[]);
}

#[test]
fn a_selection_outlives_what_happens_meanwhile() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.click("#pick-sonarr");
    browser.click("#pick-radarr");
    server.promote("jellyfin").commit();
    browser.wait_text("[data-service=jellyfin] .badge", "Backup");
    browser.wait_text("#picked", "2 selected");
    let picked =
        browser.script("return [...document.querySelectorAll('[name=service]:checked')].map(b => b.value)");
    assert_eq!(picked, serde_json::json!(["radarr", "sonarr"]));
    assert_eq!(browser.focused(), "Select radarr", "the focus stays where it is");
    // One way to choose at a time: the last one counts.
    browser.choose("#which", "Every service (3)");
    assert_eq!(browser.script("return document.querySelectorAll('[name=service]:checked').length"), 0);
    browser.click("#pick-sonarr");
    assert_eq!(browser.script("return document.getElementById('which').value"), "selected");
    browser.assert_quiet(&[]);
}

#[test]
fn several_are_planned_without_scripts() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    let server = scene.serve();
    let browser = Browser::start(Scripts::Off);
    browser.open(&server.url("/"));
    browser.click("#pick-radarr");
    browser.click("#pick-sonarr");
    browser.click("#plan-backup");
    browser.wait_text("h1", "Move 2 services to backup");
    browser.wait_text(".diff", "pvc-radarr-backup");
    browser.wait_text("noscript", r#"-d '{"services":["radarr","sonarr"],"to":"backup"}' '…/api/failover'"#);
    assert_eq!(browser.script("return document.getElementById('move').checkVisibility()"), false);
    browser.click("#partial-box");
    browser.click("#replan");
    browser.wait_text("noscript", r#""partial":true"#);
    browser.open(&server.url("/"));
    browser.choose("#which", "Everything on primary (3)");
    browser.click("#plan-backup");
    browser.wait_text("h1", "Move everything on primary to backup");
    browser.assert_quiet(&[]);
}

#[test]
fn pages_for_many_can_be_used_by_everybody() {
    let names = ["bazarr", "jellyfin", "lidarr", "radarr", "sonarr", "tautulli"];
    let scene = with_a_bad_one(&names);
    let odd = manifest("tautulli").replace("'pvc-tautulli'", "'pvc-old'");
    scene.repository.commit_foreign(&manifest_path("tautulli"), odd.as_bytes(), "By hand");
    let server = scene.serve();
    server.promote("lidarr").commit();
    let browser = Browser::start(Scripts::On);
    browser.open(&server.url("/"));
    browser.click("#pick-radarr");
    browser.click("#pick-sonarr");
    browser.wait_text("#picked", "2 selected");
    inspect(&browser, "many-services");
    for (name, path) in [
        ("many-refused", "/plan?which=all&to=backup"),
        ("many-partial", "/plan?which=all&to=backup&partial=true"),
        ("many-blocked", "/plan?service=radarr&service=tautulli&to=backup"),
        ("many-nothing", "/plan?which=on:backup&to=backup"),
        ("many-wrong", "/plan?to=backup"),
    ] {
        browser.open(&server.url(path));
        browser.wait_text("h1", "");
        inspect(&browser, name);
    }
    browser.open(&server.url("/plan?which=all&to=backup&partial=true"));
    browser.click(".moves li:first-child summary");
    browser.write("#reason", "k3s-w1 is down");
    browser.click("#move button");
    browser.wait_text("#confirm", "Move 3 services to backup?");
    inspect(&browser, "many-confirm");
    browser.click("#confirm-ask");
    browser.wait_text("#outcome", "Done: 3 services are set to backup, 2 refused");
    inspect(&browser, "many-done");
    browser.open(&server.url("/history"));
    browser.wait_text("#history", "(every service was asked for)");
    inspect(&browser, "many-history");
    browser.assert_quiet(&[NOT_OK]);
}
