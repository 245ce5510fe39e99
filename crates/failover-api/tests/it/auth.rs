//! Who may move services, and who may see them.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::support::api::{Reply, Server};
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, ready};
use crate::support::tokens::Token;
use crate::support::volume::Volume;

const PROMOTE: &str = "/api/failover/sonarr/promote";

/// Arguments for a server of the scene with these tokens.
fn with_tokens(scene: &Scene, file: &Path, more: &[&str]) -> Vec<OsString> {
    let mut arguments = scene.local();
    arguments.extend(["--token-file".into(), file.into()]);
    arguments.extend(more.iter().map(Into::into));
    arguments
}

fn serve(scene: &Scene, file: &Path, more: &[&str]) -> Server {
    ready(Server::start(with_tokens(scene, file, more)))
}

/// The reply asks for a token.
fn assert_challenged(reply: &Reply, code: &str) {
    reply.assert_problem(401, code);
    assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{reply:?}");
}

#[test]
fn only_a_known_token_moves_services_and_its_name_is_in_the_commit() {
    let scene = Scene::new(&["sonarr"]);
    let [alice, grafana, nobody] = [("alice", "operate"), ("grafana", "read"), ("nobody", "operate")]
        .map(|(name, role)| Token::new(name, role));
    let list = format!("# may move\n{}\n\n{} # may look\n", alice.line, grafana.line);
    let volume = Volume::new("tokens", &list);
    let server = serve(&scene, &volume.file(), &[]);

    assert_challenged(&server.promote("sonarr"), "token-missing");
    for header in ["", "Bearer", "Bearer ", "Basic YWxpY2U6eA==", "Bearer a b", &nobody.secret] {
        assert_challenged(&server.post(PROMOTE, "", &[("authorization", header)]), "token-missing");
    }
    let twice = [("authorization", alice.header.as_str()), ("authorization", alice.header.as_str())];
    assert_challenged(&server.post(PROMOTE, "", &twice), "token-missing");
    assert_challenged(&server.post(PROMOTE, "", &nobody.headers()), "token-unknown");
    let query = format!("{PROMOTE}?access_token={}", alice.secret);
    assert_challenged(&server.post(&query, "", &[]), "token-missing");
    server.post(PROMOTE, "", &grafana.headers()).assert_problem(403, "role-too-small");
    // Whoever has no token does not even learn which routes and services there are.
    for path in ["/api/services", "/nowhere", "/api/failover/other/promote", "/livez"] {
        assert_challenged(&server.post(path, "", &[]), "token-missing");
    }
    assert_eq!(scene.repository.commit_count(), 1);

    // Reads are open, and nobody looks at their tokens.
    assert_eq!(server.get("/api/services").status, 200);
    let plan = server.request("GET", &format!("{PROMOTE}?dry-run=true"), "", &nobody.headers());
    assert_eq!(plan.status, 200);

    server.post(PROMOTE, "", &alice.headers()).commit();
    let lower = [("authorization", alice.header.replace("Bearer", "bearer "))];
    server.post("/api/failover/sonarr/demote", "", &lower.each_ref().map(|(n, v)| (*n, v.as_str()))).commit();
    let history = server.get("/api/history?limit=1").json;
    assert_eq!(history["history"][0]["requested_by"], "alice");
    assert!(scene.repository.log("%B").contains("Requested-By: alice\n"));
    server
        .wait_log("the caller's name", |event| event["span"]["caller"] == "alice" && event["status"] == 200);

    let log = server.log().join("\n");
    for token in [&alice, &grafana, &nobody] {
        assert!(!log.contains(&token.secret) && !log.contains(&token.line), "{log}");
    }
}

#[test]
fn reads_can_be_closed_but_for_probes() {
    let scene = Scene::new(&["sonarr"]);
    let [alice, grafana, nobody] = [("alice", "operate"), ("grafana", "read"), ("nobody", "read")]
        .map(|(name, role)| Token::new(name, role));
    let volume = Volume::new("tokens", &format!("{}\n{}\n", alice.line, grafana.line));
    let server = serve(&scene, &volume.file(), &["--require-token-for-reads"]);
    let dry_run = format!("{PROMOTE}?dry-run=true");
    // Also routes that there are not: what does not exist is nobody's business either.
    for path in [
        "/api/services",
        "/api/failover/sonarr/status",
        &dry_run,
        "/api/history",
        "/api/health",
        "/metrics",
        "/",
    ] {
        assert_challenged(&server.get(path), "token-missing");
        assert_challenged(&server.request("GET", path, "", &nobody.headers()), "token-unknown");
        for token in [&alice, &grafana] {
            let reply = server.request("GET", path, "", &token.headers());
            assert!(matches!(reply.status, 200 | 404), "{path}: {}", reply.text);
        }
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.get(path).status, 200);
    }
    server.post(PROMOTE, "", &grafana.headers()).assert_problem(403, "role-too-small");
    server.post(PROMOTE, "", &alice.headers()).commit();
}

#[test]
fn tokens_are_read_again_and_a_bad_version_keeps_the_last_good_one() {
    let scene = Scene::new(&["sonarr"]);
    let [old, new] = [(); 2].map(|()| Token::new("alice", "operate"));
    let mut volume = Volume::new("tokens", &old.line);
    let server = serve(&scene, &volume.file(), &[]);
    let dry_run = format!("{PROMOTE}?dry-run=true");
    let status = |token: &Token| server.post(&dry_run, "", &token.headers()).status;
    let health = |wanted: &str| {
        let found = |reply: &Reply| reply.json["status"] == wanted;
        server.wait_until("/api/health", found, PATIENCE).json
    };
    let loaded = |seen, tokens: u64| {
        let event = server.next_log(seen, PATIENCE, |event| {
            event["message"] == "tokens loaded" && event["tokens"] == tokens
        });
        assert!(event.is_some(), "{}", server.log().join("\n"));
    };
    assert_eq!((status(&old), status(&new)), (200, 401));

    // Both while the caller changes over, then only the new one.
    let seen = server.log().len();
    volume.publish(Some(&format!("{}\n{}\n", old.line, new.line)));
    loaded(seen, 2);
    assert_eq!((status(&old), status(&new)), (200, 200));
    let seen = server.log().len();
    volume.publish(Some(&new.line));
    loaded(seen, 1);
    assert_eq!((status(&old), status(&new)), (401, 200));

    // A version with mistakes, here the token instead of its hash, changes nothing and is not shown; nor is one that is gone.
    for bad in [Some(format!("{}\nbob operate {}\n", new.line, old.secret)), None] {
        volume.publish(bad.as_deref());
        let degraded = health("degraded");
        assert_eq!(degraded["problems"][0]["code"], "tokens-invalid", "{degraded}");
        assert!(degraded["problems"][0]["detail"].as_str().unwrap().contains("last good"), "{degraded}");
        assert_eq!(degraded["problems"][0]["detail"].as_str().unwrap().contains("line 2"), bad.is_some());
        assert!(!degraded.to_string().contains(&old.secret));
        server.wait_log("the refusal", |event| event["last_good_tokens_kept"] == true);
        assert_eq!((status(&old), status(&new)), (401, 200));
        volume.publish(Some(&new.line));
        health("ok");
    }

    // Whoever takes out the last token wants nobody to get in.
    volume.publish(Some("# nobody\n"));
    let degraded = health("degraded");
    assert_eq!(degraded["problems"][0]["code"], "tokens-invalid", "{degraded}");
    server.post(PROMOTE, "", &new.headers()).assert_problem(503, "tokens-invalid");
    assert_challenged(&server.promote("sonarr"), "token-missing");
    assert!(!server.log().join("\n").contains(&old.secret));
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn without_a_usable_file_nobody_moves_anything_and_that_is_said() {
    let scene = Scene::new(&["sonarr"]);
    let alice = Token::new("alice", "operate");
    for text in [Some(""), Some("# later\n"), Some("alice operate\n"), None] {
        let mut volume = Volume::new("tokens", text.unwrap_or_default());
        if text.is_none() {
            volume.publish(None);
        }
        let server = serve(&scene, &volume.file(), &[]);
        server.wait_log("the loud word", |event| {
            let said = event["message"].as_str().unwrap_or_default();
            event["level"] == "ERROR" && said.contains("NOBODY CAN MOVE SERVICES")
        });
        assert_challenged(&server.promote("sonarr"), "token-missing");
        server.post(PROMOTE, "", &alice.headers()).assert_problem(503, "tokens-invalid");
        let health = server.get("/api/health").json;
        assert_eq!(
            (&health["status"], &health["problems"][0]["code"]),
            (&"degraded".into(), &"tokens-invalid".into())
        );
        assert_eq!(scene.repository.commit_count(), 1);
        if text.is_none() {
            volume.publish(Some(&alice.line));
            server.wait_log("the repair", |event| event["message"] == "tokens loaded");
            server.post(PROMOTE, "", &alice.headers()).commit();
        }
    }
}

#[test]
fn a_page_needs_the_same_origin_also_with_a_token_and_the_host_may_have_any_name() {
    let scene = Scene::new(&["sonarr"]);
    let alice = Token::new("alice", "operate");
    let volume = Volume::new("tokens", &alice.line);
    let server = serve(&scene, &volume.file(), &[]);
    let token = ("authorization", alice.header.as_str());
    for foreign in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        server.post(PROMOTE, "", &[token, foreign]).assert_problem(403, "cross-origin");
    }
    let rebound = [("host", "evil.example:8080"), ("origin", "http://evil.example:8080")];
    assert_challenged(&server.post(PROMOTE, "", &rebound), "token-missing");
    assert_eq!(scene.repository.commit_count(), 1);
    let behind_an_ingress = [
        token,
        ("host", "failover.example.org"),
        ("origin", "https://failover.example.org"),
        ("sec-fetch-site", "same-origin"),
    ];
    server.post(PROMOTE, "", &behind_an_ingress).commit();
}

#[test]
fn moves_and_wrong_tokens_are_limited_and_the_good_get_through() {
    let scene = Scene::new(&["sonarr"]);
    let [alice, bob, nobody] = ["alice", "bob", "nobody"].map(|name| Token::new(name, "operate"));
    let volume = Volume::new("tokens", &format!("{}\n{}\n", alice.line, bob.line));
    let server = serve(&scene, &volume.file(), &[]);
    let dry_run = format!("{PROMOTE}?dry-run=true");
    let until_limited = |token: &Token| {
        let replies = std::iter::repeat_with(|| server.post(&dry_run, "", &token.headers()));
        let mut replies = replies.take(100_000).enumerate();
        let (count, reply) = replies.find(|(_, reply)| reply.status == 429).unwrap();
        reply.assert_problem(429, "rate-limited");
        let wait: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=2).contains(&wait), "{wait}");
        count
    };
    let wrong = until_limited(&nobody);
    assert!(wrong >= 20, "{wrong}");
    assert_eq!(
        server.post(&dry_run, "", &alice.headers()).status,
        200,
        "the address is also that of a proxy"
    );
    let moves = until_limited(&alice);
    assert!(moves >= 100, "an operator moves fifty services there and back: {moves}");
    assert_eq!(server.post(&dry_run, "", &bob.headers()).status, 200, "another caller is another");
    assert_eq!(server.request("GET", &dry_run, "", &alice.headers()).status, 200, "reads are not limited");
}

#[test]
fn a_read_only_server_shows_everything_and_moves_nothing_for_anybody() {
    let scene = Scene::new(&["sonarr"]);
    let alice = Token::new("alice", "operate");
    let volume = Volume::new("tokens", &alice.line);
    let mut arguments = scene.local();
    arguments.push("--read-only".into());
    let open = ready(Server::start(arguments));
    let closed = serve(&scene, &volume.file(), &["--read-only", "--require-token-for-reads"]);
    for server in [&open, &closed] {
        for path in [
            PROMOTE,
            "/api/failover/sonarr/demote",
            "/api/failover",
            "/api/failover/sonarr/promote?dry-run=true",
        ] {
            server.post(path, "", &alice.headers()).assert_problem(403, "read-only");
        }
        let plan = server.request("GET", &format!("{PROMOTE}?dry-run=true"), "", &alice.headers());
        assert_eq!((plan.status, plan.json["changed"].as_bool()), (200, Some(true)), "{}", plan.text);
        let page = server.request("GET", "/services/sonarr/promote", "", &alice.headers()).text;
        assert!(page.contains("read-only") && !page.contains("confirm-ask"), "{page}");
    }
    // It is not a way around the tokens for reads.
    assert_challenged(&closed.get("/api/services"), "token-missing");
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for (arguments, named) in [
        (&["--require-token-for-reads"][..], "--token-file"),
        (&["--token-file", "tokens", "--allow-unauthenticated-moves"], "--token-file"),
        (&["--read-only", "--allow-unauthenticated-moves"], "--read-only"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        let output = command.env_clear().args(["serve", "--repo", "/"]).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn the_token_command_refuses_names_and_roles_that_the_file_would_not_take() {
    for arguments in [&["system:alice", "--role", "read"][..], &["alice", "--role", "admin"], &["alice"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        let output = command.env_clear().arg("token").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    let token = Token::new("alice", "operate");
    assert!(token.secret.starts_with("fo_") && token.secret.len() == 46, "{}", token.secret);
    assert!(token.line.starts_with("alice operate sha256:"));
}
