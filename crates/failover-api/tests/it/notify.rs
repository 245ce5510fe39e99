//! Receivers are told at once that a commit landed, and nobody waits for them.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::api::{Reply, Server};
use crate::support::hook::{Hook, Told};
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{PATIENCE, feed, poll};
use crate::support::scene::{Scene, ready};
use tempfile::TempDir;

/// A folder with a receivers file and tokens, as it is mounted.
pub(crate) struct Receivers {
    folder: TempDir,
}

impl Receivers {
    /// A file with this text, and a file `token` with this token.
    pub(crate) fn new(text: &str, token: &str) -> Self {
        let receivers = Self { folder: TempDir::new().unwrap() };
        receivers.write("token", token);
        receivers.write("receivers.yaml", text);
        receivers
    }

    /// Replaces a file at once.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.folder.path().join(".new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    /// The receivers file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("receivers.yaml")
    }

    /// A server on the scene that tells them.
    fn serve(&self, scene: &Scene) -> Server {
        let file = self.file();
        ready(Server::start(
            scene.arguments(scene.repository.path(), &[OsStr::new("--receivers"), file.as_os_str()]),
        ))
    }
}

/// An entry for a Flux `Receiver` behind the hook.
pub(crate) fn flux(name: &str, hook: &Hook) -> String {
    format!(
        "- name: {name}\n  flux: {{namespace: flux-system, name: failover, address: '{}'}}\n  token_file: token\n",
        hook.url()
    )
}

/// What `sha256sum` makes of this.
fn sha256(text: &str) -> String {
    let sum = feed(&mut Command::new("sha256sum"), text.as_bytes()).stdout;
    String::from_utf8(sum).unwrap()[..64].to_owned()
}

/// The told body's signature, computed by another program.
fn openssl_signature(told: &Told, token: &str) -> String {
    let mut openssl = Command::new("openssl");
    let printed = feed(openssl.args(["dgst", "-sha256", "-hmac", token, "-r"]), &told.body).stdout;
    format!("sha256={}", &String::from_utf8(printed).unwrap()[..64])
}

/// The operation of a move's answer, once it is as wanted.
fn operation(server: &Server, answer: &Reply, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/operations/{}", answer.json["operation_id"].as_str().unwrap());
    server.wait_until(&path, |reply| wanted(&reply.json), PATIENCE).json
}

/// The step in which the receiver is told.
fn told_step<'a>(operation: &'a Value, receiver: &str) -> Option<&'a Value> {
    let steps = operation["steps"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == "told" && step["receiver"] == receiver)
}

fn is_told(receiver: &str, outcome: &str) -> impl Fn(&Value) -> bool {
    move |operation| told_step(operation, receiver).is_some_and(|step| step["outcome"] == outcome)
}

/// The value of a metric with these labels.
fn metric(server: &Server, sample: &str) -> f64 {
    let text = server.get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
}

#[test]
fn flux_is_told_at_its_own_path_with_a_signature_that_it_accepts() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &hook)), "s3cr3t");
    let server = receivers.serve(&scene);
    let reply = server.promote("sonarr");
    let told = hook.wait(1).remove(0);
    let digest = sha256("s3cr3tfailoverflux-system");
    assert_eq!(told.line, format!("POST /hook/{digest}"));
    assert_eq!(told.header("x-signature"), Some(openssl_signature(&told, "s3cr3t").as_str()));
    assert_eq!(told.header("content-type"), Some("application/json"));
    let commit = reply.commit();
    assert_eq!(
        told.json(),
        json!({
            "source": "failover-api", "revision": format!("main@sha1:{commit}"), "commit": commit,
            "services": ["sonarr"], "to": "backup", "operation_id": reply.json["operation_id"],
        })
    );
    let operation = operation(&server, &reply, is_told("flux", "told"));
    assert_eq!(operation["state"], "committed");
    assert_eq!(told_step(&operation, "flux").unwrap()["tries"], 1);
    let sample = "failover_api_receiver_deliveries_total{receiver=\"flux\",result=\"told\"}";
    assert_eq!(metric(&server, sample), 1.);
    // What changes nothing is told to nobody.
    assert_eq!(server.promote("sonarr").json["changed"], false);
    server.get("/api/services?x=1").assert_problem(400, "invalid-request");
    server.demote("sonarr").commit();
    assert_eq!(hook.wait(2)[1].json()["to"], "primary");
    assert_eq!(hook.told().len(), 2);
    let log = server.log().join("\n");
    assert!(!log.contains("s3cr3t") && !log.contains(&digest), "{log}");
}

#[test]
fn one_that_hangs_delays_no_answer_no_move_and_no_other() {
    let (scene, slow, quick) = (Scene::new(&["radarr", "sonarr"]), Hook::start(), Hook::start());
    slow.hold();
    let receivers =
        Receivers::new(&format!("receivers:\n{}{}", flux("slow", &slow), flux("quick", &quick)), "t");
    let server = receivers.serve(&scene);
    let first = server.promote("sonarr");
    first.commit();
    slow.wait(1);
    let second = server.promote("radarr");
    let third = server.demote("sonarr");
    assert_eq!(quick.wait(3)[2].json()["commit"], third.commit());
    operation(&server, &third, is_told("quick", "told"));
    // The slow one has not even answered the first.
    assert_eq!(slow.told().len(), 1);
    slow.release();
    // On a very slow machine its time for an answer was over.
    operation(&server, &first, |first| {
        is_told("slow", "told")(first) || is_told("slow", "superseded")(first)
    });
    // Of what came meanwhile only the newest is worth telling.
    assert_eq!(slow.wait(2)[1].json()["commit"], third.commit());
    operation(&server, &second, is_told("slow", "superseded"));
    operation(&server, &third, is_told("slow", "told"));
    assert_eq!(slow.told().len(), 2);
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &hook)), "t");
    let server = receivers.serve(&scene);
    hook.answer_with([503, 429]);
    let reply = server.promote("sonarr");
    let told = operation(&server, &reply, is_told("flux", "told"));
    assert_eq!(told_step(&told, "flux").unwrap()["tries"], 3, "{told}");
    assert_eq!(server.get("/api/health").json["status"], "ok");

    hook.answer_with([404]);
    let reply = server.demote("sonarr");
    let failed = operation(&server, &reply, is_told("flux", "failed"));
    let step = told_step(&failed, "flux").unwrap();
    assert_eq!(step["tries"], 1, "{failed}");
    assert!(step["detail"].as_str().unwrap().starts_with("it answered 404"), "{failed}");
    assert_eq!(failed["state"], "committed");
    let health = server.get("/api/health").json;
    assert_eq!(
        (&health["status"], &health["problems"][0]["code"]),
        (&"degraded".into(), &"receiver-failed".into())
    );
    assert_eq!(
        metric(&server, "failover_api_receiver_deliveries_total{receiver=\"flux\",result=\"failed\"}"),
        1.
    );

    // A redirect is not followed: the signature is for one.
    hook.answer_with([302]);
    let reply = server.promote("sonarr");
    operation(&server, &reply, is_told("flux", "failed"));
    let reply = server.demote("sonarr");
    operation(&server, &reply, is_told("flux", "told"));
    assert_eq!(server.get("/api/health").json["status"], "ok");
    assert_eq!(hook.told().len(), 6);
}

#[test]
fn a_newer_commit_takes_the_place_of_one_that_is_tried_again() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &hook)), "t");
    let server = receivers.serve(&scene);
    hook.answer_with([500; 1]);
    let first = server.promote("sonarr");
    operation(&server, &first, |operation| told_step(operation, "flux").is_some());
    let second = server.demote("sonarr");
    let told = operation(&server, &second, is_told("flux", "told"));
    assert_eq!(told_step(&told, "flux").unwrap()["tries"], 1);
    // The first was told again before the second came, or never.
    let first = operation(&server, &first, |operation| {
        ["told", "superseded"].iter().any(|outcome| is_told("flux", outcome)(operation))
    });
    let last = hook.told().pop().unwrap();
    assert_eq!(last.json()["commit"], second.commit(), "{first}");
}

#[test]
fn a_rotated_token_and_a_changed_file_need_no_restart() {
    let (scene, old, new) = (Scene::new(&["sonarr"]), Hook::start(), Hook::start());
    let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &old)), "first");
    let server = receivers.serve(&scene);
    server.promote("sonarr").commit();
    assert_eq!(old.wait(1)[0].line, format!("POST /hook/{}", sha256("firstfailoverflux-system")));

    let seen = server.log().len();
    receivers.write("token", "second");
    let loaded = |event: &Value| event["message"] == "receivers loaded";
    server.next_log(seen, PATIENCE, loaded).unwrap();
    server.demote("sonarr").commit();
    let told = old.wait(2).remove(1);
    assert_eq!(told.line, format!("POST /hook/{}", sha256("secondfailoverflux-system")));
    assert_eq!(told.header("x-signature"), Some(openssl_signature(&told, "second").as_str()));

    // A file with a mistake changes nothing, and health says where the mistake is.
    receivers.write("receivers.yaml", "receivers:\n- {name: flux, flx: {}}\n");
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "degraded", PATIENCE).json;
    assert_eq!(health["problems"][0]["code"], "receivers-invalid");
    assert!(health["problems"][0]["detail"].as_str().unwrap().contains("2:3: "), "{health}");
    assert_eq!(metric(&server, "failover_api_receivers_valid"), 0.);
    server.promote("sonarr").commit();
    old.wait(3);

    let seen = server.log().len();
    receivers.write("receivers.yaml", &format!("receivers:\n{}", flux("other", &new)));
    server.next_log(seen, PATIENCE, loaded).unwrap();
    server.demote("sonarr").commit();
    new.wait(1);
    assert_eq!((old.told().len(), server.get("/api/health").json["status"].as_str()), (3, Some("ok")));
    let metrics = server.get("/metrics").text;
    assert!(!metrics.contains("receiver=\"flux\"") && metrics.contains("receiver=\"other\""), "{metrics}");
}

#[test]
fn one_without_its_token_is_named_and_the_others_are_told() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let text = format!(
        "receivers:\n- {{name: lost, url: '{0}/lost', type: generic-hmac, token_file: nowhere}}\n\
         - {{name: plain, url: '{0}/s3cr3t?x=1', type: generic}}\n",
        hook.url()
    );
    let receivers = Receivers::new(&text, "");
    let server = receivers.serve(&scene);
    let health = server.get("/api/health").json;
    assert_eq!(health["problems"][0]["code"], "receiver-failed", "{health}");
    assert_eq!(health["problems"][0]["receiver"], "lost");
    server.promote("sonarr").commit();
    let told = hook.wait(1).remove(0);
    assert_eq!((told.line.as_str(), told.header("x-signature")), ("POST /s3cr3t?x=1", None));
    // It comes within the time that one commit is told for.
    receivers.write("nowhere", "late");
    let told = hook.wait(2).remove(1);
    assert_eq!(told.line, "POST /lost");
    assert_eq!(told.header("x-signature"), Some(openssl_signature(&told, "late").as_str()));
    poll("health is well again", PATIENCE, || {
        let health = server.get("/api/health").text;
        if health.contains("receiver-failed") { Err(health) } else { Ok(()) }
    });
}

#[test]
fn over_https_only_one_with_a_certificate_that_the_ca_file_vouches_for_is_told() {
    let (scene, https) = (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Open));
    https.handle_with_script(
        "#!/bin/sh\ncat > \"$HOME/told.new\"\nmv \"$HOME/told.new\" \"$HOME/told\"\nprintf 'Status: 204 No Content\\r\\n\\r\\n'\n",
    );
    let entry = |name: &str, ca: &str| {
        format!("- {{name: {name}, url: 'https://{}/hook', type: generic, ca_file: {ca}}}\n", https.address())
    };
    let (good, bad) = (https.file("ca.crt"), https.file("other-ca.crt"));
    let text = format!(
        "receivers:\n{}{}",
        entry("good", good.to_str().unwrap()),
        entry("bad", bad.to_str().unwrap())
    );
    let receivers = Receivers::new(&text, "");
    let server = receivers.serve(&scene);
    let reply = server.promote("sonarr");
    let told = operation(&server, &reply, |operation| {
        is_told("good", "told")(operation) && is_told("bad", "retrying")(operation)
    });
    let told = told_step(&told, "bad").unwrap();
    assert!(told["detail"].as_str().unwrap().contains("certificate"), "{told}");
    let body: Value = serde_json::from_slice(&fs::read(https.file("told")).unwrap()).unwrap();
    assert_eq!(body["commit"], reply.json["commit"]);
}

#[test]
fn a_bad_file_at_the_start_keeps_nothing_from_moving() {
    let scene = Scene::new(&["sonarr"]);
    let receivers = Receivers::new("receivers: {}\n", "");
    let server = receivers.serve(&scene);
    assert_eq!(server.get("/api/health").json["problems"][0]["code"], "receivers-invalid");
    server.promote("sonarr").commit();
    fs::remove_file(receivers.file()).unwrap();
    server.wait_until("/api/health", |reply| reply.text.contains("cannot be read"), PATIENCE);
}
