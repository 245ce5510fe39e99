//! The Git hosts of the kit, as Git's own client sees them.

use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::support::git::Repository;
use crate::support::hosts::{Host, Kind};
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{PATIENCE, install_script, poll, run, said};
use crate::support::secret::Secret;

fn sample() -> Repository {
    Repository::new([("apps/a.yaml", "a: 1\n"), ("README.md", "# a\n")])
}

fn ls_remote(secret: &Secret, url: &str) -> Output {
    secret.git(Path::new("/")).args(["ls-remote", url]).output().unwrap()
}

fn assert_refused(output: &Output, words: &str) {
    assert!(!output.status.success(), "{}", said(output));
    assert!(said(output).contains(words), "{}", said(output));
}

#[test]
fn https_lets_in_whom_it_should_and_nobody_else() {
    let repository = sample();
    for (access, refusal) in [
        (Access::Open, None),
        (Access::OpenForReading, None),
        (Access::Basic, Some("Authentication failed")),
        (Access::Bearer, Some("could not read Username")),
        (Access::ClientCertificate, Some("alert")),
    ] {
        let server = HttpsServer::start_new(access);
        let url = server.url(repository.path());
        let listed = ls_remote(&Secret::new(server.secret()), &url);
        assert!(said(&listed).contains(&repository.tip()), "{access:?}: {}\n{}", said(&listed), server.log());
        let unknown = ls_remote(&Secret::new(server.secret_of_another_authority()), &url);
        assert_refused(&unknown, "certificate verification failed");
        let misnamed = ls_remote(&Secret::new(server.secret()), &server.misnamed_url(repository.path()));
        assert_refused(&misnamed, "does not match target host name");
        if let Some(refusal) = refusal {
            assert_refused(&ls_remote(&Secret::new(server.wrong_secret()), &url), refusal);
        }
    }
}

#[test]
fn https_takes_pushes_of_those_who_may() {
    for access in
        [Access::Open, Access::OpenForReading, Access::Basic, Access::Bearer, Access::ClientCertificate]
    {
        let repository = sample();
        let server = HttpsServer::start_new(access);
        let url = server.url(repository.path());
        let (secret, folder) = (Secret::new(server.secret()), TempDir::new().unwrap());
        run(secret.git(folder.path()).args(["clone", "-q", &url, "."]));
        run(secret.git(folder.path()).args(["commit", "-q", "--allow-empty", "-m", "Second"]));
        if access == Access::OpenForReading {
            let nobody = Secret::new([server.secret().swap_remove(0)]);
            assert_refused(
                &nobody.git(folder.path()).args(["push", "origin", "main"]).output().unwrap(),
                "could not read Username",
            );
        }
        run(secret.git(folder.path()).args(["push", "-q", "origin", "main"]));
        assert_eq!(repository.log("%s"), "Second\nInitial commit", "{access:?}");
    }
}

#[test]
fn https_knows_a_new_password_at_once() {
    let repository = sample();
    let server = HttpsServer::start_new(Access::Basic);
    let url = server.url(repository.path());
    let secret = Secret::new(server.secret());
    server.set_password("another");
    assert_refused(&ls_remote(&secret, &url), "Authentication failed");
    let mut files = server.secret();
    files.iter_mut().filter(|(name, _)| *name == "password").for_each(|(_, value)| *value = "another".into());
    secret.replace(files);
    assert!(ls_remote(&secret, &url).status.success());
}

#[test]
fn https_stops_and_starts_freezes_and_cuts_connections() {
    let repository = sample();
    let mut server = HttpsServer::start_new(Access::Basic);
    let (url, secret) = (server.url(repository.path()), Secret::new(server.secret()));
    server.stop();
    assert_refused(&ls_remote(&secret, &url), "Failed to connect");
    server.start();
    assert!(ls_remote(&secret, &url).status.success());
    server.freeze();
    let late =
        secret.git(Path::new("/")).args(["ls-remote", "-q", &url]).stdout(Stdio::null()).spawn().unwrap();
    server.thaw();
    assert!(late.wait_with_output().unwrap().status.success());
    server.kill_connections();
    assert!(ls_remote(&secret, &url).status.success());
    server.wait_access("the request is in the log", |line| {
        line.starts_with("200 ") && line.contains("/info/refs?service=git-upload-pack")
    });
}

#[test]
fn https_says_when_to_come_back() {
    let repository = sample();
    let server = HttpsServer::start_new(Access::Basic);
    let (url, secret) = (server.url(repository.path()), Secret::new(server.secret()));
    for status in [503, 429] {
        server.fall_sick(status, 7);
        assert_refused(&ls_remote(&secret, &url), &format!("The requested URL returned error: {status}"));
    }
    let asked = format!("GET {}/info/refs?service=git-upload-pack", repository.path().display());
    assert_eq!(server.turned_away(), [asked.clone(), asked]);
    server.recover();
    assert!(ls_remote(&secret, &url).status.success());
    assert_eq!(server.turned_away().len(), 2);
}

on_hosts! {
    clones_and_pushes: local ssh https jgit_ssh dulwich_ssh dulwich_https;
    refuses_strangers: ssh https jgit_ssh dulwich_ssh dulwich_https;
    serves_sha256_objects: local ssh https;
    reports_before_a_slow_hook_ends: local ssh https;
    refuses_a_lost_race: local ssh https jgit_ssh dulwich_ssh dulwich_https;
}

/// A clone of the repository through the host.
fn clone(host: &Host, repository: &Repository) -> TempDir {
    let folder = TempDir::new().unwrap();
    let url = host.url(repository.path());
    let output = host.git(folder.path()).args(["clone", "-q", &url, "."]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", said(&output), host.log());
    folder
}

fn commit(host: &Host, folder: &TempDir, message: &str) {
    run(host.git(folder.path()).args(["commit", "-q", "--allow-empty", "-m", message]));
}

fn push(host: &Host, folder: &TempDir) -> Output {
    host.git(folder.path()).args(["push", "origin", "main"]).output().unwrap()
}

fn clones_and_pushes(kind: Kind) {
    let (repository, host) = (sample(), Host::start_new(kind));
    let (first, second) = (clone(&host, &repository), clone(&host, &repository));
    commit(&host, &first, "Second");
    let pushed = push(&host, &first);
    assert!(pushed.status.success(), "{}\n{}", said(&pushed), host.log());
    assert_eq!(repository.log("%s"), "Second\nInitial commit");
    run(host.git(second.path()).args(["pull", "-q", "--ff-only"]));
    let seen = run(host.git(second.path()).args(["log", "-1", "--format=%s"]));
    assert_eq!(said(&seen), "Second\n");
    repository.fsck().unwrap();
}

fn refuses_strangers(kind: Kind) {
    let (repository, host) = (sample(), Host::start_new(kind));
    let stranger = match kind {
        Kind::Ssh | Kind::JgitSsh | Kind::DulwichSsh => {
            Secret::new([("known_hosts", std::fs::read(host.secret().file("known_hosts")).unwrap())])
        }
        Kind::Local | Kind::Https | Kind::DulwichHttps => {
            Secret::new([("ca.crt", std::fs::read(host.secret().file("ca.crt")).unwrap())])
        }
    };
    let listed = ls_remote(&stranger, &host.url(repository.path()));
    assert!(!listed.status.success(), "{}", said(&listed));
}

fn serves_sha256_objects(kind: Kind) {
    let (repository, host) = (Repository::new_sha256([("a", "a")]), Host::start_new(kind));
    let folder = clone(&host, &repository);
    commit(&host, &folder, "Second");
    let pushed = push(&host, &folder);
    assert!(pushed.status.success(), "{}", said(&pushed));
    assert_eq!((repository.tip().len(), repository.log("%s").lines().next()), (64, Some("Second")));
}

/// The report of a push comes through while the post-receive hook still runs.
fn reports_before_a_slow_hook_ends(kind: Kind) {
    let (repository, host) = (sample(), Host::start_new(kind));
    let folder = clone(&host, &repository);
    commit(&host, &folder, "Second");
    let (go, trace) = (folder.path().join("go"), folder.path().join("trace"));
    let script = format!(
        "#!/bin/sh\nwhile [ ! -e '{0}' ] && [ -d '{1}' ]; do sleep 0.05; done\n",
        go.display(),
        folder.path().display()
    );
    repository.install_hook("post-receive", &script);
    let mut push = host.git(folder.path());
    push.env("GIT_TRACE_PACKET", &trace).args(["push", "-q", "origin", "main"]).stderr(Stdio::piped());
    let pushing = push.spawn().unwrap();
    poll("the report", PATIENCE, || {
        let trace = std::fs::read_to_string(&trace).unwrap_or_default();
        if trace.contains("unpack ok") { Ok(()) } else { Err(trace) }
    });
    std::fs::write(go, "").unwrap();
    let pushed = pushing.wait_with_output().unwrap();
    assert!(pushed.status.success(), "{}", said(&pushed));
}

/// Somebody pushes between the host's advertisement and our command: the host must compare before it swaps.
fn refuses_a_lost_race(kind: Kind) {
    let (repository, host) = (sample(), Host::start_new(kind));
    let (slow, fast) = (clone(&host, &repository), clone(&host, &repository));
    commit(&host, &fast, "Fast");
    commit(&host, &slow, "Slow");
    let script = format!(
        "#!/bin/sh\nunset GIT_DIR\nexec git -C '{}' push -q '{}' main\n",
        fast.path().display(),
        repository.path().display()
    );
    install_script(&slow.path().join(".git/hooks/pre-push"), &script);
    let pushed = push(&host, &slow);
    assert_eq!(repository.log("%s"), "Fast\nInitial commit", "{}", said(&pushed));
    // dulwich tells the loser that it won.
    let tells_the_truth = !matches!(kind, Kind::DulwichSsh | Kind::DulwichHttps);
    assert_eq!(!pushed.status.success(), tells_the_truth, "{}", said(&pushed));
}
