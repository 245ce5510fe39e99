//! Pushes of which nobody knows for a while whether they landed.

use std::thread::{self, JoinHandle};

use serde_json::Value;
use ureq::Agent;

use crate::messages::{Notifications, webhook};
use crate::notify::{Receivers, flux};
use crate::support::api::Server;
use crate::support::hook::Hook;
use crate::support::process::PATIENCE;
use crate::support::proxy::Proxy;
use crate::support::scene::{Gate, Scene, manifest_path, moved, ready};
use crate::support::sshd::SshServer;

/// A server whose line to the repository has been cut while a push was in the host's hook, until its caller was told that
/// nobody knows what became of it.
struct InDoubt {
    scene: Scene,
    sshd: SshServer,
    proxy: Proxy,
    server: Server,
    gate: Gate,
    answer: Value,
    /// A receiver of the first server.
    hook: Hook,
    _receivers: Receivers,
    /// Somebody who is told everything.
    person: Hook,
    _notifications: Notifications,
}

const KEY: (&str, &str) = ("idempotency-key", "night-1");

/// Asks for a move on a thread of its own, patient enough for every deadline of the server.
fn ask(server: &Server, path: &str) -> JoinHandle<(u16, Value)> {
    let url = server.url(path);
    thread::spawn(move || {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE * 2))
            .build()
            .into();
        let mut answer = agent.post(&url).header(KEY.0, KEY.1).send_empty().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap(),
        )
    })
}

impl InDoubt {
    fn reach() -> Self {
        let (scene, sshd) = (Scene::new(&["radarr", "sonarr"]), SshServer::start_new());
        let proxy = Proxy::start(sshd.address());
        let url = sshd.url_through(&proxy, scene.repository.path());
        let hook = Hook::start();
        let receivers = Receivers::new(&format!("receivers:\n{}", flux("flux", &hook)), "t");
        let person = Hook::start();
        let notifications = Notifications::new(&webhook("person", &person, ", events: [moved, refused]"));
        let mut arguments = scene.ssh_with(&url, &sshd.key(), &sshd);
        arguments.extend(["--receivers".into(), receivers.file().into_os_string()]);
        arguments.extend(["--notifications".into(), notifications.file().into_os_string()]);
        let server = ready(Server::start(arguments));
        let gate = Gate::install(&scene);
        let caller = ask(&server, "/api/failover/sonarr/promote");
        gate.wait();
        proxy.interrupt();
        let (status, answer) = caller.join().unwrap();
        assert_eq!((status, &answer["code"]), (504, &"outcome-unknown".into()), "{answer}");
        let told = person.wait(1)[0].json();
        assert_eq!(
            (&told["event"], &told["commit"], &told["operation_id"]),
            (&"outcome-unknown".into(), &answer["commit"], &answer["operation_id"])
        );
        let (_receivers, _notifications) = (receivers, notifications);
        let doubt =
            Self { scene, sshd, proxy, server, gate, answer, hook, _receivers, person, _notifications };
        assert!(doubt.operation().len() > 30 && doubt.commit().len() == 40, "{}", doubt.answer);
        let health = doubt.server.get("/api/health").json;
        assert_eq!(health["status"], "degraded");
        let listed: Vec<_> = health["problems"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|problem| problem["code"] == "outcome-unknown")
            .collect();
        assert_eq!(listed.len(), 1, "{health}");
        assert_eq!(
            (&listed[0]["operation_id"], &listed[0]["commit"]),
            (&doubt.answer["operation_id"], &doubt.answer["commit"])
        );
        doubt
    }

    fn operation(&self) -> &str {
        self.answer["operation_id"].as_str().unwrap()
    }

    fn commit(&self) -> &str {
        self.answer["commit"].as_str().unwrap()
    }

    /// The move as the first server has followed it.
    fn followed(&self, state: &str) -> Value {
        let path = format!("/api/operations/{}", self.operation());
        self.server.wait_until(&path, |reply| reply.json["state"] == state, PATIENCE).json
    }

    fn promote_sonarr_again(&self, server: &Server) -> crate::support::api::Reply {
        server.post("/api/failover/sonarr/promote", "", &[KEY])
    }

    fn wait_settled(&self, outcome: &str) {
        let settled = self.server.wait_log("the push is settled", |event| {
            event["message"] == "a push without an answer was settled"
        });
        assert_eq!(
            (&settled["outcome"], &settled["operation_id"]),
            (&outcome.into(), &self.answer["operation_id"])
        );
        let health = self.server.wait_until("/api/health", |reply| reply.json["status"] == "ok", PATIENCE);
        assert!(!health.text.contains("outcome-unknown"), "{}", health.text);
    }
}

#[test]
fn a_push_that_landed_unseen_is_found_by_itself_and_by_everybody_who_asks_again() {
    let doubt = InDoubt::reach();
    // Nobody is told anything else while it is not known, whether they ask for this move or for another.
    let again = doubt.promote_sonarr_again(&doubt.server);
    again.assert_problem(504, "outcome-unknown");
    assert_eq!(
        (&again.json["operation_id"], &again.json["commit"]),
        (&doubt.answer["operation_id"], &doubt.answer["commit"])
    );
    doubt.server.promote("radarr").assert_problem(503, "busy");
    doubt.server.demote("sonarr").assert_problem(503, "busy");
    assert_eq!(doubt.scene.repository.commit_count(), 1);

    assert_eq!(doubt.followed("in-doubt")["code"], "outcome-unknown");
    assert!(doubt.server.get("/metrics").text.contains("\nfailover_api_doubts 1\n"));
    assert!(doubt.hook.told().is_empty());

    doubt.gate.open();
    doubt.sshd.wait_idle();
    assert_eq!(doubt.scene.repository.tip(), doubt.commit());
    doubt.proxy.restore();
    doubt.wait_settled("landed");
    // Flux hears of it as soon as it is known.
    let told = doubt.hook.wait(1).remove(0).json();
    assert_eq!((&told["commit"], &told["services"][0]), (&doubt.answer["commit"], &"sonarr".into()));
    let told = doubt.person.wait(2).remove(1).json();
    assert_eq!((&told["event"], &told["commit"]), (&"moved".into(), &doubt.answer["commit"]));
    let followed = doubt.followed("committed");
    assert_eq!((&followed["commit"], followed.get("code")), (&doubt.answer["commit"], None), "{followed}");
    let settled =
        followed["steps"].as_array().unwrap().iter().find(|step| step["step"] == "settled").unwrap();
    assert_eq!(settled["outcome"], "landed");
    let tip = doubt.scene.repository.tip();
    let replica = ready(Server::start(doubt.scene.ssh(&doubt.sshd)));
    for server in [&doubt.server, &replica] {
        let reply = doubt.promote_sonarr_again(server);
        assert_eq!(
            (reply.commit(), reply.json["operation_id"].as_str()),
            (doubt.commit(), Some(doubt.operation()))
        );
    }
    drop(replica);
    // What a restart knows is in the repository.
    let restarted = ready(Server::start(doubt.scene.ssh(&doubt.sshd)));
    assert_eq!(doubt.promote_sonarr_again(&restarted).commit(), doubt.commit());
    assert_eq!((doubt.scene.repository.tip(), doubt.scene.repository.commit_count()), (tip, 2));
    assert_eq!(doubt.scene.text("sonarr"), moved("sonarr"));
    doubt.scene.repository.fsck().unwrap();
}

#[test]
fn a_push_that_the_branch_overtook_never_landed_and_is_made_once_when_asked_again() {
    let doubt = InDoubt::reach();
    doubt.gate.refuse();
    doubt.sshd.wait_idle();
    doubt.gate.open();
    let foreign = doubt.scene.repository.commit_foreign("README.md", b"hello", "Unrelated");
    let seen = doubt.server.log().len();
    doubt.proxy.restore();
    // The next move of anything settles the earlier one before it decides.
    let radarr = doubt.server.promote("radarr").commit().to_owned();
    let log = doubt.server.log().split_off(seen);
    let place = |words: &str| {
        log.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {log:?}"))
    };
    assert!(place("a push without an answer was settled") < place("push begins"), "{log:?}");
    doubt.wait_settled("never-landed");
    assert_eq!(doubt.followed("failed")["commit"], doubt.answer["commit"]);
    assert_eq!(doubt.hook.wait(1)[0].json()["commit"], radarr);
    let told: Vec<_> = doubt.person.wait(3).iter().map(|told| told.json()["title"].clone()).collect();
    let titles =
        ["sonarr: not known whether moved to backup", "sonarr not moved to backup", "radarr moved to backup"];
    assert_eq!(told, titles);
    let reply = doubt.promote_sonarr_again(&doubt.server);
    let commit = reply.commit().to_owned();
    assert!(commit != doubt.commit());
    assert_eq!(
        doubt.scene.repository.log("%H").lines().take(3).collect::<Vec<_>>(),
        [&commit, &radarr, &foreign]
    );
    let replica = ready(Server::start(doubt.scene.ssh(&doubt.sshd)));
    for server in [&doubt.server, &replica] {
        assert_eq!(doubt.promote_sonarr_again(server).commit(), commit);
    }
    assert_eq!(doubt.scene.repository.commit_count(), 4);
    assert_eq!(doubt.scene.text("sonarr"), moved("sonarr"));
    assert_eq!(
        String::from_utf8(doubt.scene.repository.show(&format!("main:{}", manifest_path("radarr")))).unwrap(),
        moved("radarr")
    );
}
