//! Mistakes of a newcomer: what is said leads to the cure.

use crate::support::api::Server;
use crate::support::git::Repository;
use crate::support::scene::{Scene, config, manifest, manifest_path, ready};

#[test]
fn a_root_that_is_not_there_is_one_problem_with_the_folder_that_is_meant() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let mut arguments = scene.local();
    arguments.extend(["--root", "cluster/homelab"].map(Into::into));
    let server = ready(Server::start(arguments));
    let health = server.get("/api/health").json;
    let problems = health["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{health}");
    assert_eq!(problems[0]["code"], "manifest-not-found");
    assert!(problems[0].get("service").is_none(), "{health}");
    let said = |problem: &serde_json::Value| {
        assert!(problem["detail"].as_str().unwrap().contains("cluster/homelab"), "{problem}");
        assert!(problem["hint"].as_str().unwrap().contains("near: clusters/homelab"), "{problem}");
    };
    said(&problems[0]);
    let reply = server.promote("sonarr");
    reply.assert_problem(422, "manifest-not-found");
    said(&reply.json);

    // The folder comes to be, and everything is well without a restart.
    let moved = [
        ("cluster/homelab/sonarr.yaml", manifest("sonarr")),
        ("cluster/homelab/radarr.yaml", manifest("radarr")),
    ];
    for (path, text) in moved {
        scene.repository.commit_foreign(path, text.as_bytes(), "Move the folder");
    }
    server.promote("sonarr").commit();
    assert_eq!(server.get("/api/health").json["status"], "ok");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let broken = (1..=12).map(|number| (format!("apps/broken-{number:02}.yaml"), "a: [\n".to_owned()));
    let good = (manifest_path("sonarr"), manifest("sonarr"));
    let scene = Scene::with(Repository::new(broken.chain([good])), &config(&["sonarr"]));
    let server = scene.serve();
    let repository = &server.get("/api/health").json["repository"];
    assert_eq!(repository["unreadable_files"], 12, "{repository}");
    let named: Vec<_> = (1..=10).map(|number| format!("apps/broken-{number:02}.yaml")).collect();
    assert_eq!(repository["unreadable"], serde_json::json!(named));
    let page = server.get("/health").text;
    assert!(page.contains("apps/broken-10.yaml") && !page.contains("apps/broken-11.yaml"), "{page}");
}

#[test]
fn a_stateful_set_that_makes_its_claims_is_told_what_to_do_instead() {
    let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: postgres, namespace: media}\nspec:\n  template:\n    spec:\n      \
                nodeSelector: {role: primary}\n      containers: [{name: postgres, volumeMounts: [{name: data, mountPath: /data}]}]\n  \
                volumeClaimTemplates:\n    - metadata: {name: data}\n      spec: {accessModes: [ReadWriteOnce]}\n";
    let config = config(&["postgres"]).replace("deployment:", "statefulset:");
    for volumes in ["", "      volumes: [{name: tmp, emptyDir: {}}]\n"] {
        let text = text.replace("      containers:", &format!("{volumes}      containers:"));
        let scene = Scene::with(Repository::new([("apps/postgres.yaml", text)]), &config);
        let server = scene.serve();
        let reply = server.promote("postgres");
        reply.assert_problem(422, "field-not-found");
        let hint = reply.json["hint"].as_str().unwrap();
        assert!(hint.contains("volumeClaimTemplates (data)") && hint.contains("docs/config.md"), "{hint}");
    }
}
