//! People are sent messages of what happened: after the push, in order, and nobody waits for them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::{Reply, Server};
use crate::support::cli::Cli;
use crate::support::hook::{Answer, Hook, Told};
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::{Scene, ready};

/// A folder with a notifications file and what it names, as it is mounted.
pub(crate) struct Notifications {
    folder: TempDir,
}

impl Notifications {
    pub(crate) fn new(items: &str) -> Self {
        let notifications = Self { folder: TempDir::new().unwrap() };
        notifications.list(items);
        notifications
    }

    /// Replaces the list.
    pub(crate) fn list(&self, items: &str) {
        self.write("notifications.yaml", &format!("notifications:\n{items}"));
    }

    /// Replaces a file at once.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.folder.path().join(".new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("notifications.yaml")
    }

    /// A server on the scene that sends them.
    pub(crate) fn serve(&self, scene: &Scene) -> Server {
        self.serve_looking(scene, "1h")
    }

    /// The same, which looks at the repository so often.
    pub(crate) fn serve_looking(&self, scene: &Scene, poll: &str) -> Server {
        let file = self.file();
        let mut arguments =
            scene.arguments(scene.repository.path(), &[OsStr::new("--notifications"), file.as_os_str()]);
        let every = arguments.iter().position(|argument| argument == "--poll").unwrap() + 1;
        arguments[every] = poll.into();
        ready(Server::start(arguments))
    }
}

/// An entry for a webhook of one's own.
pub(crate) fn webhook(name: &str, hook: &Hook, more: &str) -> String {
    format!("- {{name: {name}, type: webhook, url: '{}/{name}'{more}}}\n", hook.url())
}

fn operation(server: &Server, answer: &Reply, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/operations/{}", answer.json["operation_id"].as_str().unwrap());
    server.wait_until(&path, |reply| wanted(&reply.json), PATIENCE).json
}

fn step<'a>(operation: &'a Value, notification: &str) -> Option<&'a Value> {
    let mut steps = operation["steps"].as_array().unwrap().iter();
    steps.rfind(|step| step["step"] == "notified" && step["notification"] == notification)
}

fn is(notification: &str, outcome: &str) -> impl Fn(&Value) -> bool {
    move |operation| step(operation, notification).is_some_and(|step| step["outcome"] == outcome)
}

fn metric(server: &Server, sample: &str) -> f64 {
    let text = server.get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
}

/// The message that was posted to this path.
fn to<'a>(told: &'a [Told], line: &str) -> &'a Told {
    let found: Vec<_> = told.iter().filter(|told| told.line == line).collect();
    let [one] = found[..] else {
        panic!("{line}: {:?}", told.iter().map(|told| &told.line).collect::<Vec<_>>())
    };
    one
}

#[test]
fn each_service_gets_its_own_form_and_the_reason_stays_a_reason() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    let url = hook.url();
    let notifications = Notifications::new(&format!(
        "- {{name: own, type: webhook, url: '{url}/own?x=1', token_file: bearer, headers: {{X-Team: night}}}}\n\
         - name: made\n  type: webhook\n  url: {url}/made\n  content_type: text/plain\n  template: |\n    {{{{ title }}}}: {{{{ reason }}}}\n\
         - {{name: phone, type: ntfy, url: '{url}/my-topic', token_file: bearer}}\n\
         - {{name: discord, type: discord, url_file: discord}}\n\
         - {{name: slack, type: slack, url_file: slack}}\n\
         - {{name: gotify, type: gotify, url: '{url}/sub/', token_file: gotify}}\n"
    ));
    notifications.write("bearer", "tk_b3ar3r\n");
    notifications.write("gotify", "g0t1fy");
    notifications.write("discord", &format!("{url}/api/webhooks/1/s3cr3t?thread_id=7\n"));
    notifications.write("slack", &format!("{url}/services/T/B/s3cr3t"));
    let server = notifications.serve(&scene);
    let reason = "\"}], @everyone <!channel> **\\ \u{1F525} ü";
    let body = json!({ "reason": reason }).to_string();
    let reply = server.post("/api/failover/sonarr/promote", &body, &[("content-type", "application/json")]);
    let commit = reply.commit().to_owned();
    let told = hook.wait(6);

    let own = to(&told, "POST /own?x=1");
    assert_eq!(
        (own.header("authorization"), own.header("x-team")),
        (Some("Bearer tk_b3ar3r"), Some("night"))
    );
    let message = own.json();
    assert_eq!((&message["event"], &message["commit"]), (&json!("moved"), &json!(commit)));
    assert_eq!((&message["reason"], &message["services"]), (&json!(reason), &json!(["sonarr"])));
    assert_eq!(message["revision"], format!("main@sha1:{commit}"));
    assert_eq!(
        (&message["to"], &message["requested_by"]),
        (&json!("backup"), &json!("unauthenticated (127.0.0.1)"))
    );
    assert_eq!(message["operation_id"], reply.json["operation_id"]);
    let made = to(&told, "POST /made");
    assert_eq!(made.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(
        String::from_utf8(made.body.clone()).unwrap().trim_end(),
        format!("sonarr moved to backup: {reason}")
    );
    let phone = to(&told, "POST /");
    assert_eq!(phone.header("authorization"), Some("Bearer tk_b3ar3r"));
    assert_eq!(
        (&phone.json()["topic"], &phone.json()["title"]),
        (&json!("my-topic"), &json!("sonarr moved to backup"))
    );
    let discord = to(&told, "POST /api/webhooks/1/s3cr3t?thread_id=7&wait=true").json();
    assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
    assert!(
        discord["content"]
            .as_str()
            .unwrap()
            .contains(r#"Reason\: "}\], \@everyone \<!channel\> \*\*\\ 🔥 ü"#),
        "{discord}"
    );
    let slack = to(&told, "POST /services/T/B/s3cr3t").json();
    let text = slack["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!"), "{text}");
    let gotify = to(&told, "POST /sub/message");
    assert_eq!(gotify.header("x-gotify-key"), Some("g0t1fy"));
    assert!(gotify.json()["message"].as_str().unwrap().contains(reason));

    let names = ["own", "made", "phone", "discord", "slack", "gotify"];
    let followed =
        operation(&server, &reply, |operation| names.iter().all(|name| is(name, "told")(operation)));
    assert_eq!(followed["state"], "committed");
    assert_eq!(metric(&server, "failover_api_notifications_total{notification=\"own\",result=\"told\"}"), 1.);
    assert_eq!(metric(&server, "failover_api_notification_targets"), 6.);
    // What changes nothing is told to nobody.
    server.promote("sonarr").assert_unchanged();
    server.demote("sonarr").commit();
    assert_eq!(hook.wait(12).len(), 12);
    let log = server.log().join("\n");
    for secret in ["s3cr3t", "tk_b3ar3r", "g0t1fy"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn one_that_hangs_delays_no_answer_no_move_and_no_other_and_hears_all_in_order() {
    let (scene, slow, quick) = (Scene::new(&["radarr", "sonarr"]), Hook::start(), Hook::start());
    slow.hold();
    let notifications =
        Notifications::new(&format!("{}{}", webhook("slow", &slow, ""), webhook("quick", &quick, "")));
    let server = notifications.serve(&scene);
    let moves = [server.promote("sonarr"), server.promote("radarr"), server.demote("sonarr")];
    let commits: Vec<&str> = moves.iter().map(Reply::commit).collect();
    let told = quick.wait(3);
    assert_eq!(told.iter().map(|told| told.json()["commit"].clone()).collect::<Vec<_>>(), commits);
    assert_eq!(slow.wait(1).len(), 1);
    slow.release();
    operation(&server, &moves[2], is("slow", "told"));
    // On a very slow machine the time for the first answer was over, and the first was told twice.
    let mut told: Vec<Value> = slow.told().iter().map(|told| told.json()["commit"].clone()).collect();
    told.dedup();
    assert_eq!(told, commits);
}

#[test]
fn a_hostile_one_is_tried_again_where_that_may_help() {
    let (scene, hook) = (Scene::new(&["radarr", "sonarr"]), Hook::start());
    let notifications = Notifications::new(&webhook("hook", &hook, ""));
    let mut server = notifications.serve(&scene);
    hook.answer_as([
        Answer::Cut,
        Answer::Closed,
        Answer::Full(429, "retry-after: 1\r\n".to_owned(), String::new()),
        Answer::Full(429, String::new(), "{\"retry_after\": 0.1}".to_owned()),
        Answer::Endless,
    ]);
    let (first, second) = (server.promote("sonarr"), server.promote("radarr"));
    // The second waits for the first.
    operation(&server, &second, is("hook", "told"));
    let first = operation(&server, &first, is("hook", "told"));
    assert_eq!(step(&first, "hook").unwrap()["tries"], 5, "{first}");
    let services: Vec<Value> = hook.told().iter().map(|told| told.json()["services"][0].clone()).collect();
    assert_eq!(services, ["sonarr", "sonarr", "sonarr", "sonarr", "sonarr", "radarr"]);
    assert_eq!(metric(&server, "failover_api_notification_attempts_total{notification=\"hook\"}"), 6.);

    // A redirect is not followed, and what is wrong with the message stays wrong.
    for (status, words) in
        [(302, "it answered 302; give the address"), (400, "check its type, address and template")]
    {
        hook.answer_with([status]);
        let reply = if status == 302 { server.demote("sonarr") } else { server.promote("sonarr") };
        let failed = operation(&server, &reply, is("hook", "failed"));
        let failed = step(&failed, "hook").unwrap();
        assert_eq!(failed["tries"], 1);
        assert!(failed["detail"].as_str().unwrap().contains(words), "{failed}");
    }
    let health = server.get("/api/health").json;
    assert_eq!(health["problems"][0]["code"], "notification-failed", "{health}");
    assert_eq!(
        (&health["status"], &health["problems"][0]["notification"]),
        (&json!("degraded"), &json!("hook"))
    );
    let seen = hook.told().len();
    // Longer than anybody would wait: not tried again, and left alone.
    hook.answer_as([Answer::Full(429, "retry-after: 18446744073709551615\r\n".to_owned(), String::new())]);
    let reply = server.demote("sonarr");
    operation(&server, &reply, is("hook", "failed"));
    assert_eq!(hook.told().len(), seen + 1);
    assert_eq!(hook.told()[seen].json()["missed"], 2);
    server.promote("sonarr").commit();
    assert_eq!(
        metric(&server, "failover_api_notifications_total{notification=\"hook\",result=\"failed\"}"),
        3.
    );
    assert!(server.terminate().success());
    assert_eq!(hook.told().len(), seen + 1);
}

#[test]
fn too_many_that_wait_are_dropped_and_the_next_one_says_so() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    hook.hold();
    let notifications = Notifications::new(&webhook("hook", &hook, ""));
    let server = notifications.serve(&scene);
    let mut commits = vec![server.promote("sonarr").commit().to_owned()];
    hook.wait(1);
    for number in 1..68 {
        let reply = if number % 2 == 1 { server.demote("sonarr") } else { server.promote("sonarr") };
        commits.push(reply.commit().to_owned());
    }
    assert_eq!(
        metric(&server, "failover_api_notifications_total{notification=\"hook\",result=\"dropped\"}"),
        3.
    );
    server.wait_log("a message was dropped", |event| {
        event["message"] == "notification not sent" && event["outcome"] == "dropped"
    });
    hook.release();
    let told = poll("all are told", PATIENCE, || {
        let mut told: Vec<(String, u64)> = hook
            .told()
            .iter()
            .map(|told| told.json())
            .map(|told| (told["commit"].as_str().unwrap().to_owned(), told["missed"].as_u64().unwrap()))
            .collect();
        told.dedup_by_key(|told| told.0.clone());
        if told.len() == 65 { Ok(told) } else { Err(told.len().to_string()) }
    });
    // The first was on its way; the three behind it are the ones that are missing.
    let expected: Vec<&String> = commits.iter().take(1).chain(commits.iter().skip(4)).collect();
    assert_eq!(told.iter().map(|told| &told.0).collect::<Vec<_>>(), expected);
    assert_eq!(told.iter().map(|told| told.1).collect::<Vec<_>>()[..3], [0, 3, 0]);
}

#[test]
fn files_that_change_need_no_restart_and_one_with_a_mistake_changes_nothing() {
    let (scene, old, new) = (Scene::new(&["sonarr"]), Hook::start(), Hook::start());
    let notifications = Notifications::new("- {name: chat, type: slack, url_file: address}\n");
    let server = notifications.serve(&scene);
    let health = server.get("/api/health").json;
    assert_eq!(health["problems"][0]["code"], "notification-failed");
    assert!(
        health["problems"][0]["detail"].as_str().unwrap().contains("its url_file cannot be read"),
        "{health}"
    );
    let loaded = |event: &Value| event["message"] == "notifications loaded";
    let load = |name: &str, text: &str| {
        let seen = server.log().len();
        notifications.write(name, text);
        server.next_log(seen, PATIENCE, loaded).unwrap();
    };
    load("address", &format!("{}/one", old.url()));
    assert_eq!(server.get("/api/health").json["status"], "ok");
    server.promote("sonarr").commit();
    assert_eq!(old.wait(1)[0].line, "POST /one");
    load("address", &format!("{}/two", new.url()));
    server.demote("sonarr").commit();
    assert_eq!(new.wait(1)[0].line, "POST /two");

    let template =
        "- name: chat\n  type: webhook\n  url: http://h/x\n  template: |\n    {\"a\": {{ tilte }}}\n";
    notifications.list(template);
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "degraded", PATIENCE).json;
    assert_eq!(health["problems"][0]["code"], "notifications-invalid");
    let detail = health["problems"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("6:14: ") && detail.contains("did you mean 'title'?"), "{detail}");
    assert_eq!(metric(&server, "failover_api_notifications_valid"), 0.);
    server.promote("sonarr").commit();
    new.wait(2);
    let seen = server.log().len();
    notifications.list(&webhook("other", &old, ""));
    server.next_log(seen, PATIENCE, loaded).unwrap();
    server.demote("sonarr").commit();
    old.wait(2);
    let metrics = server.get("/metrics").text;
    assert!(
        !metrics.contains("notification=\"chat\"") && metrics.contains("notification=\"other\""),
        "{metrics}"
    );
    assert_eq!((new.told().len(), server.get("/api/health").json["status"].as_str()), (2, Some("ok")));
}

#[test]
fn over_https_only_a_certificate_that_the_ca_file_vouches_for_will_do() {
    let (scene, https) = (Scene::new(&["sonarr"]), HttpsServer::start_new(Access::Open));
    https.handle_with_script(
        "#!/bin/sh\ncat > \"$HOME/told.new\"\nmv \"$HOME/told.new\" \"$HOME/told\"\nprintf 'Status: 204 No Content\\r\\n\\r\\n'\n",
    );
    let entry = |name: &str, ca: &Path| {
        format!(
            "- {{name: {name}, type: discord, url: 'https://{}/hook', ca_file: {}}}\n",
            https.address(),
            ca.display()
        )
    };
    let items = entry("good", &https.file("ca.crt")) + &entry("bad", &https.file("other-ca.crt"));
    let server = Notifications::new(&items).serve(&scene);
    let reply = server.promote("sonarr");
    let told = operation(&server, &reply, |told| is("good", "told")(told) && is("bad", "retrying")(told));
    let bad = step(&told, "bad").unwrap();
    assert!(bad["detail"].as_str().unwrap().contains("certificate"), "{bad}");
    let body: Value = serde_json::from_slice(&fs::read(https.file("told")).unwrap()).unwrap();
    assert!(body["content"].as_str().unwrap().contains("sonarr moved to backup"), "{body}");
}

#[test]
fn one_that_hangs_does_not_keep_the_server_from_ending() {
    let (scene, hook) = (Scene::new(&["sonarr"]), Hook::start());
    hook.hold();
    let notifications = Notifications::new(&webhook("hook", &hook, ""));
    let mut server = notifications.serve(&scene);
    server.promote("sonarr").commit();
    hook.wait(1);
    server.demote("sonarr").commit();
    assert!(server.terminate().success());
    assert!(server.log().join("\n").contains("notifications were still being told"), "{:?}", server.log());
}

#[test]
fn a_test_message_says_that_it_is_one_and_how_that_went() {
    let (folder, hook) = (TempDir::new().unwrap(), Hook::start());
    let items = webhook("good", &hook, "") + "- {name: lost, type: slack, url_file: nowhere}\n";
    let notifications = Notifications::new(&items);
    let file = notifications.file();
    let file = file.to_str().unwrap();
    let cli = Cli::new(folder.path());
    let said = cli.run(["notify", "test", "--notifications", file, "good"]).ended(0);
    assert_eq!(said.stdout, "good: sent\n");
    let message = hook.wait(1)[0].json();
    assert_eq!((&message["event"], &message["title"]), (&json!("test"), &json!("TEST: nothing was moved")));
    let said = cli.run(["notify", "test", "--notifications", file]).ended(4);
    assert!(
        said.stdout.starts_with("good: sent\nlost: not sent: its url_file cannot be read"),
        "{}",
        said.stdout
    );
    hook.answer_with([401]);
    let said = cli.run(["notify", "test", "--notifications", file, "good"]).ended(4);
    assert_eq!(said.stdout, "good: not sent: it answered 401; check its token and address\n");
    cli.run(["notify", "test", "--notifications", file, "nobody"])
        .ended(2)
        .told("has no notification nobody");
    notifications.list("- {name: a, type: slck, url_file: s}\n");
    cli.run(["notify", "test", "--notifications", file])
        .ended(2)
        .told("2:19: type of notification 1 is 'slck'");
}
