//! `doctor` tells what would stand in the way of a move, and what it could not look at.

use std::path::Path;

use serde_json::Value;

use crate::support::cli::Cli;
use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::{Scene, config, manifest, manifest_path};
use crate::support::sshd::SshServer;

/// The verdict of each check, with how the command ended.
fn examine(cli: &Cli, more: &[&str]) -> (i32, Vec<(String, String)>, String) {
    let said = cli.run([&["doctor", "-o", "json"][..], more].concat());
    let answer = said.json();
    let line = |line: &Value| {
        (line["check"].as_str().unwrap().to_owned(), line["verdict"].as_str().unwrap().to_owned())
    };
    let checks = answer["checks"].as_array().unwrap();
    assert_eq!(answer["ok"], said.code == 0, "{answer}");
    for check in checks {
        let wrong = matches!(check["verdict"].as_str(), Some("fail" | "warn"));
        assert!(!wrong || check["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{check}");
    }
    (said.code, checks.iter().map(line).collect(), said.stdout)
}

/// `(check, verdict)` pairs as they are written here.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        pair.split_once('=').map(|(check, verdict)| (check.to_owned(), verdict.to_owned())).unwrap()
    };
    text.split(", ").map(pair).collect()
}

#[test]
fn each_step_to_a_host_behind_ssh_has_a_line() {
    let scene = Scene::new(&["sonarr"]);
    let mut sshd = SshServer::start_new();
    let url = sshd.url(scene.repository.path());
    let (key, wrong, hosts) = (sshd.key(), sshd.wrong_key(), sshd.known_hosts());
    let cli = Cli::new(scene.config().parent().unwrap());
    let with = |key: &Path, url: &str| {
        let typed =
            ["--repo", url, "--ssh-key", key.to_str().unwrap(), "--known-hosts", hosts.to_str().unwrap()];
        let (code, lines, text) = examine(&cli, &typed);
        (code, lines, text)
    };
    let all = "programs=pass, reach=pass, host key=pass, login=pass, repository=pass, branch=pass, write=pass, config=pass, clock=pass, holds=pass, service sonarr=pass";
    let (code, lines, text) = with(&key, &url);
    assert_eq!((code, lines), (0, pairs(all)), "{text}");
    // Nothing that follows a failure is said to be well.
    let after = |failed: &str| {
        let steps = ["programs", "reach", "host key", "login", "repository", "branch", "write"];
        let at = steps.iter().position(|step| *step == failed).unwrap();
        let verdict = |index: usize| match index.cmp(&at) {
            std::cmp::Ordering::Less => "pass",
            std::cmp::Ordering::Equal => "fail",
            std::cmp::Ordering::Greater => "skip",
        };
        let lines = steps.iter().enumerate().map(|(index, step)| format!("{step}={}", verdict(index)));
        pairs(&(lines.collect::<Vec<_>>().join(", ") + ", config=pass, services=skip"))
    };
    let (code, lines, text) = with(&wrong, &url);
    assert_eq!((code, lines), (1, after("login")), "{text}");
    let (_, lines, text) = with(&key, &sshd.url(Path::new("/nowhere")));
    assert_eq!(lines, after("repository"), "{text}");
    sshd.authorize_key_for_reading();
    let (code, lines, text) = with(&key, &url);
    assert_eq!((code, lines), (1, pairs(&all.replace("write=pass", "write=fail"))), "{text}");
    assert!(text.contains("write access"), "{text}");
    sshd.authorize_key();
    sshd.rotate_host_key();
    let (_, lines, text) = with(&key, &url);
    assert_eq!(lines, after("host key"), "{text}");
    sshd.stop();
    let (_, lines, text) = with(&key, &url);
    assert_eq!(lines, after("reach"), "{text}");
    // Nothing was pushed by all this.
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn no_configuration_of_a_person_lets_an_unknown_host_in() {
    let scene = Scene::new(&["sonarr"]);
    let sshd = SshServer::start_new();
    let home = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let hosts = home.path().join("hosts");
    let own = format!(
        "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile {}\n  IdentityFile {}\n",
        hosts.display(),
        sshd.key().display()
    );
    std::fs::write(home.path().join(".ssh/config"), own).unwrap();
    let url = sshd.url(scene.repository.path());
    let cli =
        Cli::new(scene.config().parent().unwrap()).with("HOME", home.path()).with("FAILOVER_API_REPO", url);
    let _ = cli.run(["promote", "sonarr", "--yes"]).ended(4).told("host-key-unknown");
    assert!(!hosts.exists(), "a host key was learned");
    std::fs::copy(sshd.known_hosts(), &hosts).unwrap();
    cli.run(["promote", "sonarr", "--yes"]).ended(0);
    assert_eq!(scene.repository.commit_count(), 2);
}

#[test]
fn the_config_and_every_service_have_a_line() {
    let odd = manifest("radarr").replace("'pvc-radarr'", "pvc-other");
    let template = manifest("lidarr").replace("{role: primary}", "{role: '${ROLE}'}");
    let files = [
        (manifest_path("sonarr"), manifest("sonarr")),
        (manifest_path("radarr"), odd),
        (manifest_path("lidarr"), template),
    ];
    let scene = Scene::with(Repository::new(files), &config(&["bazarr", "lidarr", "radarr", "sonarr"]));
    let folder = scene.config().parent().unwrap().to_owned();
    let cli = Cli::new(&folder).with("FAILOVER_API_REPO", scene.repository.path());
    let (code, lines, text) = examine(&cli, &[]);
    let expected = "programs=pass, repository=pass, branch=pass, write=pass, config=pass, clock=pass, holds=pass, service bazarr=fail, service lidarr=fail, service radarr=warn, service sonarr=pass";
    assert_eq!((code, lines), (1, pairs(expected)), "{text}");
    assert!(text.contains("field-templated") && text.contains("unexpected-value"), "{text}");

    std::fs::write(folder.join("two.yaml"), config(&["sonarr"]).replace("backup_pvc", "backup_pcv")).unwrap();
    let (code, lines, text) = examine(&cli, &["--config", "two.yaml"]);
    let expected =
        "programs=pass, repository=pass, branch=pass, write=pass, config=fail, config=fail, services=skip";
    assert_eq!((code, lines), (1, pairs(expected)), "{text}");
    assert!(text.contains("two.yaml: 2:3"), "{text}");
    let (_, lines, text) = examine(&cli, &["--config-in-repo", "x.yaml"]);
    assert_eq!(lines[4..], pairs("config=fail, services=skip"), "{text}");
    let (_, lines, text) = examine(&cli, &["--branch", "nowhere", "--config-in-repo", "x.yaml"]);
    let expected = "programs=pass, repository=pass, branch=fail, write=skip, config=skip, services=skip";
    assert_eq!(lines, pairs(expected), "{text}");
    std::fs::write(folder.join("key"), "no key").unwrap();
    let (_, lines, text) = examine(&cli, &["--signing-key", "key"]);
    assert_eq!(lines[0], ("signing key".to_owned(), "fail".to_owned()), "{text}");
    let _ = Cli::new(&folder).run(["doctor"]).ended(2).told("--repo");
}

#[test]
fn a_clock_that_is_behind_and_a_clone_with_changes_are_warned_of() {
    let scene = Scene::new(&["sonarr"]);
    let folder = tempfile::TempDir::new().unwrap();
    run(git(folder.path()).arg("clone").arg("-q").arg(scene.repository.path()).arg("."));
    let config = scene.config();
    let cli = Cli::new(folder.path()).with("FAILOVER_API_CONFIG", &config).with("FAILOVER_API_REPO", ".");
    cli.run(["promote", "sonarr", "-y"]).ended(0);
    let mut later = git(folder.path());
    later.env("GIT_COMMITTER_DATE", "2099-01-01T00:00:00Z");
    run(later.args(["commit", "-q", "--amend", "--no-edit"]));
    std::fs::write(folder.path().join(manifest_path("sonarr")), "mine\n").unwrap();
    let (code, lines, text) = examine(&cli, &[]);
    let expected = "programs=pass, repository=pass, branch=pass, write=pass, work tree=warn, config=pass, clock=warn, holds=pass, service sonarr=pass";
    assert_eq!((code, lines), (0, pairs(expected)), "{text}");
}

#[test]
fn a_server_is_asked_how_it_is() {
    let odd = manifest("radarr").replace("kind: Deployment", "kind: StatefulSet");
    let files = [(manifest_path("sonarr"), manifest("sonarr")), (manifest_path("radarr"), odd)];
    let scene = Scene::with(Repository::new(files), &config(&["radarr", "sonarr"]));
    let server = scene.serve();
    let cli = Cli::new(Path::new("/"));
    let (code, lines, text) = examine(&cli, &["--server", &server.url("")]);
    assert_eq!(
        (code, lines),
        (1, pairs("server=pass, clock=pass, repository=pass, service radarr=fail")),
        "{text}"
    );
    scene.repository.commit_foreign(&manifest_path("radarr"), manifest("radarr").as_bytes(), "Repair");
    server.promote("sonarr").commit();
    let (code, lines, text) = examine(&cli, &["--server", &server.url("")]);
    assert_eq!((code, lines), (0, pairs("server=pass, clock=pass, repository=pass, health=pass")), "{text}");
    drop(server);
    let (code, lines, text) = examine(&cli, &["--server", "http://127.0.0.1:1"]);
    assert_eq!((code, lines), (1, pairs("server=fail")), "{text}");
    let said = cli.run(["doctor", "--server", "http://127.0.0.1:1"]).ended(1).stdout;
    assert!(said.starts_with("fail  server  the server http://127.0.0.1:1 does not answer"), "{said}");
}
