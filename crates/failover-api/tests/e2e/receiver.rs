//! Flux's Receiver takes our word, and Flux fetches the commit at once.

use serde_json::Value;

use super::flux::Flux;
use super::scene::Cluster;
use crate::support::api::{Reply, Server};
use crate::support::process::{PATIENCE, poll};

/// The step of the move's operation in which Flux was told, when it is as wanted.
fn told(server: &Server, answer: &Reply, outcome: &str) -> Value {
    let path = format!("/api/operations/{}", answer.json["operation_id"].as_str().unwrap());
    let step = |reply: &Reply| {
        let mut steps = reply.json["steps"].as_array()?.iter();
        steps.find(|step| step["step"] == "told" && step["outcome"] == outcome).cloned()
    };
    let operation = server.wait_until(&path, |reply| step(reply).is_some(), PATIENCE);
    assert_eq!(operation.json["state"], "committed", "{}", operation.text);
    step(&operation).unwrap()
}

/// How many commits had this result.
fn counted(server: &Server, result: &str) -> u32 {
    let sample = format!("failover_api_receiver_deliveries_total{{receiver=\"flux\",result=\"{result}\"}} ");
    let text = server.get("/metrics").text;
    text.lines().find_map(|line| line.strip_prefix(&sample)).unwrap().parse().unwrap()
}

#[test]
fn flux_is_told_of_a_move_and_has_the_commit_long_before_it_would_look() {
    let flux = Flux::start(Cluster::start(), "s3cr3t");
    let pod = flux.pod();
    assert!(flux.repository()["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].is_null());
    for there in [true, false] {
        let answer = if there { pod.server.promote("sonarr") } else { pod.server.demote("sonarr") };
        flux.wait_for_fetched(answer.commit());
        assert_eq!(told(&pod.server, &answer, "told")["tries"], 1);
        let asked = |source: &Value| {
            let asked = source["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].as_str()?;
            // It was not fetched for another reason.
            (source["status"]["lastHandledReconcileAt"] == asked).then_some(())
        };
        flux.cluster.plane.wait_for(&["gitrepository", "flux-system", "-n", "flux-system"], asked);
    }
    assert_eq!((counted(&pod.server, "told"), counted(&pod.server, "failed")), (2, 0));
    assert_eq!(pod.server.get("/api/health").json["status"], "ok");
}

#[test]
fn what_flux_will_not_take_costs_the_poke_alone_and_its_tokens_change_without_a_restart() {
    let flux = Flux::start(Cluster::start(), "t0ken-1");
    flux.set_token_of_server("t0ken-0");
    let pod = flux.pod();
    let server = &pod.server;
    let before = flux.repository();
    let answer = server.promote("sonarr");
    let commit = answer.commit().to_owned();
    let step = told(server, &answer, "failed");
    assert!(step["detail"].as_str().unwrap().starts_with("it answered 404"), "{step}");
    assert_eq!((counted(server, "told"), counted(server, "failed")), (0, 1));
    assert_eq!(flux.cluster.scene.repository.tip(), commit);
    // Flux was not moved by it.
    assert_eq!(flux.repository()["metadata"], before["metadata"]);
    let problem = &server.get("/api/health").json["problems"][0];
    assert_eq!((&problem["code"], &problem["receiver"]), (&"receiver-failed".into(), &"flux".into()));

    let reloaded = |change: &dyn Fn()| {
        let seen = server.log().len();
        change();
        server.next_log(seen, PATIENCE, |event| event["message"] == "receivers loaded").unwrap();
    };
    reloaded(&|| flux.set_token_of_server("t0ken-1"));
    let answer = server.demote("sonarr");
    told(server, &answer, "told");
    flux.wait_for_fetched(answer.commit());
    assert_eq!(server.get("/api/health").json["status"], "ok");

    // A rotation, Flux's side first.
    let old = flux.hook();
    flux.set_token_of_flux("t0ken-2");
    assert_eq!(flux.poke(&old), 404);
    reloaded(&|| flux.set_token_of_server("t0ken-2"));
    let answer = server.promote("sonarr");
    told(server, &answer, "told");
    flux.wait_for_fetched(answer.commit());

    // What passes is waited for.
    flux.suspend_receiver(true);
    poll("the Receiver is suspended", PATIENCE, || match flux.poke(&flux.hook()) {
        503 => Ok(()),
        other => Err(format!("{other}")),
    });
    let answer = server.demote("sonarr");
    told(server, &answer, "retrying");
    flux.suspend_receiver(false);
    assert!(told(server, &answer, "told")["tries"].as_u64().unwrap() > 1);
    flux.wait_for_fetched(answer.commit());
    assert_eq!((counted(server, "told"), counted(server, "failed")), (3, 1));
    let log = server.log().join("\n");
    for secret in ["t0ken-", &flux.hook()] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
