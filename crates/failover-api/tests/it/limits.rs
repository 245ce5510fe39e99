//! What never ends is not waited for without end: pipes in place of files, hooks that keep a server from stopping, and
//! a server that ended before its ssh began.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::api::{Reply, Server};
use crate::support::process::{PATIENCE, run, said};
use crate::support::scene::{Scene, config, ready};
use crate::support::sshd::SshServer;
use crate::support::tokens::Token;

/// A pipe that nobody writes into.
fn pipe(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    run(Command::new("mkfifo").arg(&path));
    path
}

/// Puts a file where something else was.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

fn with(scene: &Scene, flag: &str, path: &Path) -> Vec<OsString> {
    scene.arguments(scene.repository.path(), &[flag.as_ref(), path.as_os_str()])
}

/// Waits until health has a problem of this code, which is that there is no file.
fn assert_no_file(server: &Server, code: &str) {
    let wanted = |reply: &Reply| {
        let mut problems = reply.json["problems"].as_array().unwrap().iter();
        problems.any(|problem| {
            problem["code"] == code && problem["detail"].as_str().unwrap().contains("it is not a file")
        })
    };
    server.wait_until("/api/health", wanted, PATIENCE);
}

#[test]
fn a_pipe_in_place_of_the_config_is_refused_and_a_file_in_its_place_is_read() {
    let (scene, folder) = (Scene::new(&["sonarr"]), TempDir::new().unwrap());
    let path = pipe(&folder, "services.yaml");
    let mut arguments = scene.local();
    let at = arguments.iter().position(|argument| argument == "--config").unwrap();
    arguments[at + 1] = path.clone().into();
    let server = Server::start(arguments);
    assert_no_file(&server, "config-invalid");
    put(&path, &config(&["sonarr"]));
    let server = ready(server);
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    // Also while the server runs, and the last good one stays in force.
    run(Command::new("mkfifo").arg(path.with_extension("pipe")));
    fs::rename(path.with_extension("pipe"), &path).unwrap();
    assert_no_file(&server, "config-invalid");
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_pipe_in_place_of_the_tokens_lets_nobody_in_and_a_file_in_its_place_is_read() {
    let (scene, folder) = (Scene::new(&["sonarr"]), TempDir::new().unwrap());
    let (path, token) = (pipe(&folder, "tokens"), Token::new("alice", "operate"));
    let server = ready(Server::start(with(&scene, "--token-file", &path))).authorized(&token.header);
    assert_no_file(&server, "tokens-invalid");
    assert_eq!(server.promote("sonarr").json["changed"], serde_json::Value::Null);
    assert_eq!(scene.repository.commit_count(), 1);
    put(&path, &token.line);
    server.wait_until("/api/health", |reply| reply.json["status"] == "ok", PATIENCE);
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_pipe_in_place_of_the_receivers_keeps_nothing_from_moving() {
    let (scene, folder) = (Scene::new(&["sonarr"]), TempDir::new().unwrap());
    let path = pipe(&folder, "receivers.yaml");
    let server = ready(Server::start(with(&scene, "--receivers", &path)));
    assert_no_file(&server, "receivers-invalid");
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_pipe_among_the_files_of_a_secret_is_told_of() {
    let (scene, folder) = (Scene::new(&["sonarr"]), TempDir::new().unwrap());
    pipe(&folder, "password");
    fs::write(folder.path().join("username"), "me").unwrap();
    let mut arguments = with(&scene, "--git-secret-dir", folder.path());
    let at = arguments.iter().position(|argument| argument == "--repo").unwrap();
    arguments[at + 1] = "https://127.0.0.1:9/x.git".into();
    let server = Server::start(arguments);
    assert_no_file(&server, "credentials-rejected");
}

#[test]
fn a_pipe_in_place_of_the_signing_key_signs_nothing_and_is_not_waited_for() {
    let (scene, folder) = (Scene::new(&["sonarr"]), TempDir::new().unwrap());
    let path = pipe(&folder, "key");
    let server = ready(Server::start(with(&scene, "--signing-key", &path)));
    let reply = server.promote("sonarr");
    assert!(reply.text.contains("it is not a file"), "{}", reply.text);
    assert_eq!((reply.status >= 400, scene.repository.commit_count()), (true, 1), "{}", reply.text);
}

#[test]
fn a_hook_that_never_ends_keeps_no_server_from_stopping() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    // What lies behind a push is waited for, but not for longer than Kubernetes waits for a pod.
    scene.repository.install_hook("post-receive", "#!/bin/sh\nsleep 600\n");
    let mut server = ready(Server::start(scene.ssh(&sshd)));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert!(server.terminate().success());
    let log = server.log().join("\n");
    assert!(log.contains("hooks were still running at the end of the shutdown's time"), "{log}");
}

/// This program as it is started to become ssh, by a parent of this number.
fn as_ssh(parent: u32) -> Output {
    let mut ssh = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    ssh.env("FAILOVER_API_SSH_SHIM_CONFIG", "/dev/null").arg("-V");
    ssh.env("FAILOVER_API_SSH_SHIM_PARENT", parent.to_string()).output().unwrap()
}

#[test]
fn an_ssh_whose_server_ended_before_it_began_does_not_begin() {
    let own = as_ssh(std::process::id());
    assert!(own.status.success() && said(&own).contains("OpenSSH"), "{}", said(&own));
    // The kernel ends a child with its parent only once it was asked to, and by then this one was somebody else's.
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let orphan = as_ssh(gone.id());
    assert!(!orphan.status.success(), "{}", said(&orphan));
    assert!(said(&orphan).contains("the server that started it is gone"), "{}", said(&orphan));
    assert!(!said(&orphan).contains("OpenSSH"), "{}", said(&orphan));
}
