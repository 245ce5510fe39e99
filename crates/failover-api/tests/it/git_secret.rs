//! `--git-secret` without a cluster, which is how a start on another machine looks. With one: `scripts/e2e`.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::process::{PATIENCE, said};
use crate::support::scene::Scene;
use crate::support::tokens::Token;

/// A server that should read a Secret, with these variables.
fn start(scene: &Scene, folder: &TempDir, variables: &[(&str, &str)], more: &[&str]) -> Server {
    let mut program = Command::new("env");
    program.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    program.arg(env!("CARGO_BIN_EXE_failover-api"));
    let mut arguments = vec!["--repo".into(), "https://127.0.0.1:9/x.git".into()];
    arguments.extend(["--config".into(), scene.config().into_os_string()]);
    arguments.extend(["--cache-dir".into(), folder.path().join("cache").into_os_string()]);
    arguments.extend(["--git-secret", "flux-system/flux-system"].iter().chain(more).map(OsString::from));
    Server::start_program(program, "trace", arguments)
}

fn assert_waits(server: &Server, status: u16, code: &str, said: &str) {
    let wanted = |reply: &crate::support::api::Reply| {
        reply.json["problems"][0]["code"] == code
            && reply.json["problems"][0]["detail"].as_str().is_some_and(|detail| detail.contains(said))
    };
    let health = server.wait_until("/api/health", wanted, PATIENCE);
    assert_eq!(health.json["status"], "unavailable", "{}", health.text);
    assert_eq!(server.get("/livez").status, 200);
    server.get("/readyz").assert_problem(status, code);
    server.promote("sonarr").assert_problem(status, code);
}

#[test]
fn a_start_without_a_cluster_is_a_start_and_says_what_is_missing() {
    let (scene, folder) = (Scene::new(&["sonarr"]), TempDir::new().unwrap());
    let token = Token::new("alice", "operate");
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, &token.line).unwrap();
    let tokens = ["--token-file", tokens.to_str().unwrap()];
    let kubeconfig = folder.path().join("kubeconfig");
    let path = kubeconfig.to_str().unwrap();

    let server = start(&scene, &folder, &[("HOME", "/nonexistent")], &tokens).authorized(&token.header);
    assert_waits(&server, 503, "cluster-not-configured", "this is no pod");
    drop(server);
    // In a pod whose token is not mounted, somebody must be told of the token and not of a kubeconfig.
    let pod =
        [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "9"), ("KUBECONFIG", path)];
    let server = start(&scene, &folder, &pod, &tokens).authorized(&token.header);
    assert_waits(&server, 503, "cluster-not-configured", "failed to read");
    drop(server);
    // Nothing of a file that holds credentials is shown, whatever is wrong with it; and a repaired one is read.
    fs::write(&kubeconfig, "users: [{name: canary, user: {token: canary}}\ncanary: [").unwrap();
    let server = start(&scene, &folder, &[("KUBECONFIG", path)], &tokens).authorized(&token.header);
    assert_waits(&server, 503, "cluster-not-configured", "the kubeconfig is not one");
    let good = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n\
                clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\nusers: [{name: u, user: {token: canary}}]\n";
    fs::write(&kubeconfig, good).unwrap();
    assert_waits(&server, 502, "cluster-unreachable", "Connection refused");
    for line in server.log() {
        assert!(!line.contains("canary"), "{line}");
    }
}

#[test]
fn one_source_of_credentials_is_enough_and_a_secret_has_a_namespace() {
    let refused = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        command.env_clear().args(["serve", "--repo", "https://127.0.0.1:9/x.git"]).args(arguments);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        said(&output)
    };
    let both = refused(&["--git-secret", "flux-system/flux-system", "--git-secret-dir", "/tmp"]);
    assert!(both.contains("cannot be used with"), "{both}");
    let bare = refused(&["--git-secret", "flux-system"]);
    assert!(bare.contains("must be NAMESPACE/NAME"), "{bare}");
}
