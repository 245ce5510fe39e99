//! The config file while the server runs, changed as the kubelet changes a mounted ConfigMap.

use crate::support::api::Server;
use crate::support::process::{PATIENCE, run};
use crate::support::scene::{Scene, config, moved, ready};
use crate::support::volume::Volume;

fn serve(scene: &Scene, volume: &Volume) -> Server {
    let mut arguments = scene.local();
    let at = arguments.iter().position(|argument| argument == "--config").unwrap();
    arguments[at + 1] = volume.file().into();
    Server::start(arguments)
}

fn wait_for(server: &Server, generation: u64, valid: bool) -> serde_json::Value {
    let wanted = |reply: &crate::support::api::Reply| {
        let config = &reply.json["config"];
        config["generation"] == generation && config["valid"] == valid
    };
    server.wait_until("/api/health", wanted, PATIENCE).json
}

#[test]
fn replicas_that_have_the_same_config_name_it_alike() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let (old, new) = (config(&["sonarr"]), config(&["radarr", "sonarr"]));
    let mut volume = Volume::new("services.yaml", &old);
    let server = ready(serve(&scene, &volume));
    let sum = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let output = run(std::process::Command::new("sha256sum").arg(file.path()));
        String::from_utf8(output.stdout).unwrap()[..12].to_owned()
    };
    assert_eq!(wait_for(&server, 1, true)["config"]["digest"], sum(&old));
    volume.publish(Some("services: {}\n"));
    assert_eq!(wait_for(&server, 1, false)["config"]["digest"], sum(&old), "what is in force counts");
    volume.publish(Some(&new));
    assert_eq!(wait_for(&server, 2, true)["config"]["digest"], sum(&new));
    // One that was started later has loaded fewer versions, and has the same.
    let later = ready(serve(&scene, &volume));
    assert_eq!(wait_for(&later, 1, true)["config"]["digest"], sum(&new));
}

#[test]
fn a_swapped_volume_is_read_and_a_bad_version_keeps_the_last_good_one() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let mut volume = Volume::new("services.yaml", &config(&["sonarr"]));
    let server = ready(serve(&scene, &volume));
    server.promote("radarr").assert_problem(404, "service-not-found");

    volume.publish(Some(&config(&["radarr", "sonarr"])));
    wait_for(&server, 2, true);
    assert_eq!(server.get("/api/health").json["services"], 2);
    server.promote("radarr").commit();
    assert_eq!(scene.text("radarr"), moved("radarr"));

    let misspelt = config(&["sonarr"]).replace("backup_pvc", "backup_pcv");
    let mut generation = 2;
    for (bad, line) in [
        (Some(misspelt.as_str()), Some(2)),
        (Some("services: {}\n"), Some(1)),
        (Some(""), Some(1)),
        (None, None),
    ] {
        volume.publish(bad);
        let health = wait_for(&server, generation, false);
        assert_eq!(health["status"], "degraded");
        assert_eq!(health["problems"][0]["code"], "config-invalid", "{health}");
        assert_eq!(health["config"]["problems"][0]["line"].as_u64(), line, "{health}");
        let services = server.get("/api/services").json;
        assert_eq!(services["count"], 2);
        assert!(services["config_problem"].is_string(), "whoever moves must know: {services}");
        assert_eq!(server.get("/readyz").status, 200);
        // A good one in between, so that each bad one is seen by itself.
        volume.publish(Some(&config(&["radarr", "sonarr"])));
        generation += 1;
        assert_eq!(wait_for(&server, generation, true)["status"], "ok");
    }
}

#[test]
fn a_config_that_is_wrong_or_missing_at_the_start_is_waited_for() {
    let scene = Scene::new(&["sonarr"]);
    let mut volume = Volume::new("services.yaml", "services:\n  sonarr:\n    namespce: media\n");
    let server = serve(&scene, &volume);
    let health = server.get("/api/health").json;
    assert_eq!((&health["status"], &health["services"]), (&"unavailable".into(), &0.into()), "{health}");
    assert_eq!(health["config"]["problems"][0]["line"], 2, "{health}");
    assert!(health.to_string().contains("namespace"), "the nearest key is suggested: {health}");
    assert_eq!(server.get("/livez").status, 200);
    server.get("/readyz").assert_problem(503, "config-invalid");
    server.promote("sonarr").assert_problem(503, "config-invalid");
    volume.publish(None);
    let vanished = |reply: &crate::support::api::Reply| reply.text.contains("cannot be read");
    server.wait_until("/api/health", vanished, PATIENCE);
    volume.publish(Some(&config(&["sonarr"])));
    ready(server).promote("sonarr").commit();
}
