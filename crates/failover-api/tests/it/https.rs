//! Moving services in a repository behind a real web server: credentials, certificates, connections.

use std::collections::BTreeSet;

use crate::support::api::{Reply, Server};
use crate::support::https::{Access, HttpsServer, PASSWORD, TOKEN, USERNAME};
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::{Gate, Scene, ask, manifest, moved, ready};
use crate::support::secret::Secret;
use crate::support::sshd::SshServer;

/// A server on the scene's repository behind the host.
fn start(scene: &Scene, https: &HttpsServer, secret: &Secret) -> Server {
    Server::start(scene.with_secret(&https.url(scene.repository.path()), secret))
}

/// A host, the credentials that it takes, and a server that has read the scene's repository with them.
fn serve(scene: &Scene, access: Access) -> (HttpsServer, Secret, Server) {
    let https = HttpsServer::start_new(access);
    let secret = Secret::new(https.secret());
    let server = ready(start(scene, &https, &secret));
    (https, secret, server)
}

/// The server cannot read its repository, for this reason.
fn assert_waits(server: &Server, code: &str) {
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    assert_eq!(health.json["problems"][0]["code"], code, "{}", health.text);
    assert_eq!(server.get("/livez").status, 200);
    server.get("/readyz").assert_problem(502, code);
    server.promote("sonarr").assert_problem(502, code);
}

/// The answer tells of the one commit that was made, at the tip of the branch.
fn assert_moved_once(scene: &Scene, answer: &serde_json::Value) {
    assert_eq!(answer["changed"], true, "{answer}");
    assert_eq!(scene.repository.tip(), answer["commit"].as_str().unwrap());
    assert_eq!(scene.repository.commit_count(), 2);
    scene.repository.fsck().unwrap();
}

/// Asks again until the move is made.
fn promote_at_last(server: &Server) -> Reply {
    poll("the move is made", PATIENCE, || {
        let reply = server.promote("sonarr");
        if reply.status == 200 { Ok(reply) } else { Err(reply.text) }
    })
}

#[test]
fn every_kind_of_credential_moves_there_and_back() {
    for access in
        [Access::Open, Access::OpenForReading, Access::Basic, Access::Bearer, Access::ClientCertificate]
    {
        let scene = Scene::new(&["sonarr"]);
        let (_https, _secret, server) = serve(&scene, access);
        assert_eq!(server.promote("sonarr").commit(), scene.repository.tip(), "{access:?}");
        assert_eq!(scene.text("sonarr"), moved("sonarr"));
        assert_eq!(server.demote("sonarr").commit(), scene.repository.tip(), "{access:?}");
        assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    }
}

#[test]
fn wrong_credentials_are_named_and_replaced_ones_are_used_without_a_restart() {
    for access in [Access::Basic, Access::Bearer, Access::ClientCertificate] {
        let scene = Scene::new(&["sonarr"]);
        let https = HttpsServer::start_new(access);
        let secret = Secret::new(https.wrong_secret());
        let server = start(&scene, &https, &secret);
        assert_waits(&server, "credentials-rejected");
        secret.replace(https.secret());
        assert_eq!(promote_at_last(&server).commit(), scene.repository.tip());
    }
}

#[test]
fn missing_credentials_are_named() {
    for access in [Access::Basic, Access::Bearer, Access::ClientCertificate] {
        let scene = Scene::new(&["sonarr"]);
        let https = HttpsServer::start_new(access);
        let authority = https.secret().swap_remove(0);
        let secret = Secret::new([authority]);
        assert_waits(&start(&scene, &https, &secret), "credentials-rejected");
    }
}

#[test]
fn credentials_that_are_needed_only_for_writing_are_missed_only_then() {
    let scene = Scene::new(&["sonarr"]);
    let https = HttpsServer::start_new(Access::OpenForReading);
    let secret = Secret::new([https.secret().swap_remove(0)]);
    let server = ready(start(&scene, &https, &secret));
    let before = scene.repository.tip();
    assert_eq!(server.status("sonarr").json["active"], "primary");
    server.promote("sonarr").assert_problem(502, "credentials-rejected");
    assert_eq!((server.get("/readyz").status, scene.repository.tip()), (200, before));
    secret.replace(https.secret());
    assert_eq!(promote_at_last(&server).commit(), scene.repository.tip());
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_named() {
    let scene = Scene::new(&["sonarr"]);
    let https = HttpsServer::start_new(Access::Basic);
    let secret = Secret::new(https.secret_of_another_authority());
    let server = start(&scene, &https, &secret);
    assert_waits(&server, "certificate-unknown");
    // Nothing is said to a host that nobody vouches for, least of all the password.
    assert!(https.access_log().iter().all(|line| !line.contains("/info/refs")), "{:?}", https.access_log());
    secret.replace(https.secret());
    promote_at_last(&server).commit();

    // Without a file of authorities, those of the machine are asked, and they do not know this host.
    let mut files = https.secret();
    files.remove(0);
    assert_waits(&start(&scene, &https, &Secret::new(files)), "certificate-unknown");
}

#[test]
fn a_certificate_for_another_name_is_not_taken() {
    let scene = Scene::new(&["sonarr"]);
    let https = HttpsServer::start_new(Access::Basic);
    let url = https.misnamed_url(scene.repository.path());
    let secret = Secret::new(https.secret());
    let server = Server::start(scene.with_secret(&url, &secret));
    assert_waits(&server, "certificate-unknown");
}

#[test]
fn a_rotated_password_is_picked_up_without_a_restart() {
    let scene = Scene::new(&["sonarr"]);
    let (https, secret, server) = serve(&scene, Access::Basic);
    server.promote("sonarr").commit();
    https.set_password("second");
    server.demote("sonarr").assert_problem(502, "credentials-rejected");
    assert_eq!(server.status("sonarr").json["active"], "backup");
    let rotated = |(name, value): (&'static str, Vec<u8>)| match name {
        "password" => (name, b"second".to_vec()),
        _ => (name, value),
    };
    secret.replace(https.secret().into_iter().map(rotated));
    poll("the new password is used", PATIENCE, || {
        let reply = server.demote("sonarr");
        if reply.status == 200 { Ok(()) } else { Err(reply.text) }
    });
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    assert_eq!(scene.repository.commit_count(), 3);
}

#[test]
fn no_credential_is_ever_logged_or_answered() {
    for access in [Access::Basic, Access::Bearer, Access::ClientCertificate] {
        let scene = Scene::new(&["sonarr"]);
        let https = HttpsServer::start_new(access);
        let secret = Secret::new(https.secret());
        let server = ready(start(&scene, &https, &secret));
        server.promote("sonarr").commit();
        https.fall_sick(503, 30);
        let failed = server.demote("sonarr");
        let said = [failed.text, server.get("/api/health").text, server.log().join("\n")].concat();
        // The second is what a request carries: name and password as one word of base64.
        let mut secrets = vec![PASSWORD.to_owned(), "Zmx1eDpwYTpzcyB3JTIwcmQrLz3DvA".into(), TOKEN.into()];
        let key = std::fs::read_to_string(https.file("client.key")).unwrap();
        secrets.extend(key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
        for secret in secrets {
            assert!(!said.contains(&secret), "{access:?}: {secret} was shown");
        }
        assert!(!said.contains(&format!("{USERNAME}:")), "{access:?}");
    }
}

#[test]
fn connections_are_kept_and_made_anew_when_they_are_lost() {
    let scene = Scene::new(&["sonarr"]);
    let (mut https, _secret, server) = serve(&scene, Access::Basic);
    let round = || {
        server.promote("sonarr").commit();
        server.demote("sonarr").commit();
    };
    let ports = |https: &HttpsServer| -> BTreeSet<String> {
        let requests = https.access_log();
        requests.iter().filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect()
    };
    let warm = |https: &HttpsServer| {
        poll("a round makes no connection", PATIENCE, || {
            let before = ports(https);
            round();
            if ports(https) == before { Ok(()) } else { Err(https.access_log().join("\n")) }
        });
    };
    warm(&https);
    https.kill_connections();
    round();
    warm(&https);
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}

#[test]
fn a_push_whose_connection_dies_in_the_hook_is_made_once() {
    let scene = Scene::new(&["sonarr"]);
    let (mut https, _secret, server) = serve(&scene, Access::Basic);
    let gate = Gate::install(&scene);
    let caller = ask(&server, "/api/failover/sonarr/promote");
    gate.wait();
    https.kill_connections();
    server.wait_log("the outcome is unknown", |event| event["outcome"] == "unknown");
    gate.open();
    assert_moved_once(&scene, &caller.join().unwrap());
}

#[test]
fn a_frozen_host_hangs_neither_reads_nor_the_process() {
    let scene = Scene::new(&["sonarr"]);
    let (https, _secret, mut server) = serve(&scene, Access::Basic);
    server.promote("sonarr").commit();
    https.freeze();
    let caller = ask(&server, "/api/failover/sonarr/demote");
    for _ in 0..20 {
        assert_eq!(server.get("/livez").status, 200);
        assert_eq!(server.status("sonarr").json["active"], "backup");
    }
    let answer = caller.join().unwrap();
    let code = answer["code"].as_str().unwrap();
    assert!(["remote-unreachable", "remote-timeout", "outcome-unknown"].contains(&code), "{answer}");
    https.thaw();
    let again = server.demote("sonarr");
    assert_eq!((again.status, scene.text("sonarr")), (200, manifest("sonarr")), "{}", again.text);
    assert_eq!(scene.repository.commit_count(), 3);
    assert!(server.terminate().success());
}

#[test]
fn a_sick_host_is_left_alone_for_as_long_as_it_asks() {
    for status in [503, 429] {
        let scene = Scene::new(&["sonarr"]);
        let (https, _secret, server) = serve(&scene, Access::Basic);
        https.fall_sick(status, 9_223_372_036_854_775_807);
        let refused = || {
            let reply = server.promote("sonarr");
            reply.assert_problem(502, "remote-unreachable");
            let seconds =
                reply.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let seconds: u32 = seconds.unwrap_or_else(|| panic!("no Retry-After: {}", reply.text));
            // A gateway that names a day may be back in a moment.
            assert!((1..=60).contains(&seconds), "{seconds}");
            https.turned_away().len()
        };
        let seen = refused();
        assert!((1..=2).contains(&seen), "{:?}", https.turned_away());
        for _ in 0..10 {
            assert_eq!(refused(), seen, "{:?}", https.turned_away());
        }
        assert_eq!(server.status("sonarr").json["active"], "primary");
        assert_eq!(scene.repository.commit_count(), 1);
    }
}

#[test]
fn a_host_that_recovers_is_asked_again() {
    let scene = Scene::new(&["sonarr"]);
    let (https, _secret, server) = serve(&scene, Access::Basic);
    https.fall_sick(503, 1);
    server.promote("sonarr").assert_problem(502, "remote-unreachable");
    https.recover();
    assert_eq!(promote_at_last(&server).commit(), scene.repository.tip());
}

#[test]
fn an_ssh_key_and_known_hosts_come_from_the_same_kind_of_secret() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let right = sshd.secret();
    let wrong = [("identity", std::fs::read(sshd.wrong_key()).unwrap()), right[1].clone()];
    let secret = Secret::new(wrong);
    let server = Server::start(scene.with_secret(&sshd.url(scene.repository.path()), &secret));
    assert_waits(&server, "ssh-key-rejected");
    secret.replace(right);
    assert_eq!(promote_at_last(&server).commit(), scene.repository.tip());
}

#[test]
fn an_address_with_a_password_is_refused() {
    let scene = Scene::new(&["sonarr"]);
    let https = HttpsServer::start_new(Access::Basic);
    let url = https.url(scene.repository.path()).replace("https://", "https://flux:hunter2@");
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_failover-api"));
    let secret = Secret::new(https.secret());
    let arguments = scene.with_secret(&url, &secret);
    let output = serve.env_clear().arg("serve").args(arguments).output().unwrap();
    let said = crate::support::process::said(&output);
    assert!(!output.status.success() && said.contains("password") && !said.contains("hunter2"), "{said}");
}
