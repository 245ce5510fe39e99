//! What people see: each scenario is kept as a transcript in `transcripts/`.

use std::process::Command;

use crate::support::cli::Cli;
use crate::support::git::Repository;
use crate::support::process::run;
use crate::support::scene::{Scene, config, manifest, manifest_path, shared};

/// The folder of the config, with the repository under a name of its own.
fn cli(scene: &Scene) -> Cli {
    let folder = scene.config().parent().unwrap().to_owned();
    std::os::unix::fs::symlink(scene.repository.path(), folder.join("cluster.git")).unwrap();
    let path = scene.repository.path().canonicalize().unwrap();
    Cli::new(&folder).naming(path.display().to_string(), "/cluster.git")
}

#[test]
fn a_service_is_moved_there_and_back() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    cli.record(&["services"]).ended(0);
    cli.record(&["status", "sonarr"]).ended(0);
    cli.record(&["promote", "sonarr", "--dry-run"]).ended(0);
    cli.record(&["promote", "sonarr", "--yes", "--reason", "k3s-w1 is down"]).ended(0);
    cli.record(&["promote", "sonarr", "--yes"]).ended(0);
    cli.record(&["services"]).ended(0);
    cli.record(&["status", "sonarr", "--expect", "backup"]).ended(0);
    cli.record(&["status", "sonarr", "radarr", "--expect", "backup"]).ended(1);
    cli.record(&["demote", "sonarr", "-y"]).ended(0);
    cli.record(&["history"]).ended(0);
    cli.record(&["history", "sonarr", "--limit", "1"]).ended(0);
    cli.record(&["history", "radarr"]).ended(0);
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    cli.compare("there-and-back");
}

#[test]
fn a_service_is_held_and_released() {
    let scene = Scene::new(&["radarr", "sonarr"]);
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    cli.record(&["holds"]).ended(0);
    let until = ["--until", "2099-01-01T00:00:00Z"];
    let why = ["--reason", "new disk in k3s-w2"];
    cli.record(&[&["hold", "sonarr", "--dry-run"], &until[..], &why].concat()).ended(0);
    cli.record(&[&["hold", "sonarr", "--yes"], &until[..], &why].concat()).ended(0);
    cli.record(&["hold", "--all", "-y", "-r", "memory test"]).ended(0);
    cli.record(&["holds"]).ended(0);
    cli.record(&["services"]).ended(0);
    cli.record(&["status", "sonarr"]).ended(0);
    cli.record(&["promote", "sonarr", "--yes"]).ended(3);
    cli.record(&["release", "--all", "--yes"]).ended(0);
    cli.record(&["release", "sonarr", "--yes", "--reason", "the disk is in"]).ended(0);
    cli.record(&["release", "sonarr", "--yes"]).ended(0);
    cli.record(&["history"]).ended(0);
    // What is wrong.
    cli.record(&["hold", "sonar", "-y", "-r", "x"]).ended(2);
    cli.record(&["hold", "sonarr", "-y"]).ended(2);
    cli.record(&["hold", "-y", "-r", "x"]).ended(2);
    cli.record(&["hold", "sonarr", "--all", "-y", "-r", "x"]).ended(2);
    cli.record(&["hold", "sonarr", "-y", "-r", "x", "--for", "1d"]).ended(2);
    cli.record(&["hold", "sonarr", "-y", "-r", "x", "--until", "2020-01-01T00:00:00Z"]).ended(2);
    cli.record(&["release", "sonar", "-y"]).ended(2);
    scene.repository.commit_foreign(".failover-api/holds", b"holds: [", "Break it");
    cli.record(&["services"]).ended(0);
    cli.record(&["holds"]).ended(2);
    cli.record(&["promote", "sonarr", "--yes"]).ended(2);
    cli.compare("holds");
}

#[test]
fn several_services_are_one_commit() {
    let scene = Scene::new(&["bazarr", "lidarr", "radarr", "sonarr"]);
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    cli.record(&["promote", "sonarr", "radarr", "bazarr", "lidarr", "--yes"]).ended(0);
    cli.record(&["history"]).ended(0);
    // All or nothing: one that is not configured keeps the others where they are.
    cli.record(&["demote", "sonarr", "raddar", "--yes"]).ended(2);
    assert_eq!(scene.repository.commit_count(), 2);
    cli.compare("several");
}

#[test]
fn a_whole_node_and_everything_move_with_what_stays_told() {
    let names = ["bazarr", "jellyfin", "lidarr", "radarr", "sonarr"];
    let entries = config(&names).replacen("  jellyfin:", "    after: [sonarr]\n  jellyfin:", 1);
    let scene = Scene::with(Repository::of(&names), &entries);
    let odd = shared("jellyfin");
    scene.repository.commit_foreign(&manifest_path("jellyfin"), odd.as_bytes(), "Share a claim");
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    cli.record(&["promote", "--all", "--yes"]).ended(2);
    assert_eq!(scene.repository.commit_count(), 2);
    cli.record(&["promote", "lidarr", "--yes"]).ended(0);
    cli.record(&["promote", "--all", "--partial", "--dry-run"]).ended(0);
    let on_node = ["promote", "--from-node-label", "primary", "--partial", "--yes", "-r", "k3s-w1 is down"];
    cli.record(&on_node).ended(6);
    assert_eq!(scene.repository.commit_count(), 4);
    // The one that is left can not be moved: nothing happens, and that is no success.
    cli.record(&on_node).ended(2);
    cli.record(&["promote", "--all", "--partial", "--yes", "-o", "json"]).ended(2);
    cli.record(&["history"]).ended(0);
    cli.record(&["demote", "--from-node-label", "backup", "--yes"]).ended(0);
    cli.record(&["demote", "jellyfin", "sonarr", "--yes"]).ended(0);
    for name in names.iter().filter(|name| **name != "jellyfin") {
        assert_eq!(scene.text(name), manifest(name));
    }
    assert_eq!(scene.repository.commit_count(), 5);
    // What is asked for in more than one way, in none, or is nowhere.
    cli.record(&["promote", "--all", "sonarr", "--yes"]).ended(2);
    cli.record(&["promote", "--all", "--from-node-label", "primary", "--yes"]).ended(2);
    cli.record(&["promote", "--partial", "--yes"]).ended(2);
    cli.record(&["promote", "--from-node-label", "primery", "--yes"]).ended(2);
    cli.record(&["promote", "--from-node-label", "no such", "--yes"]).ended(2);
    cli.compare("selection");
}

#[test]
fn hundreds_of_services_are_told_in_short() {
    let names: Vec<String> = (1..=40).map(|number| format!("app-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::with(Repository::of(&names), &config(&names));
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    cli.record(&["promote", "--all", "--dry-run"]).ended(0);
    cli.record(&["promote", "--all", "--yes"]).ended(0);
    cli.record(&["history"]).ended(0);
    cli.compare("many");
}

#[test]
fn scripts_get_the_answers_as_json_and_yaml() {
    let scene = Scene::new(&["sonarr"]);
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    for form in ["json", "yaml"] {
        cli.record(&["services", "-o", form]).ended(0);
        cli.record(&["status", "sonarr", "-o", form]).ended(0);
        cli.record(&["promote", "sonarr", "--dry-run", "-o", form]).ended(0);
        cli.record(&["promote", "sonarr", "--yes", "-o", form]).ended(0);
        cli.record(&["promote", "sonarr", "--yes", "-o", form]).ended(0);
        cli.record(&["history", "-o", form]).ended(0);
        cli.record(&["promote", "nothing", "--yes", "-o", form]).ended(2);
        cli.record(&["demote", "sonarr", "--yes", "-o", form]).ended(0);
    }
    cli.record(&["promote", "sonarr", "--dry-run", "-o", "diff"]).ended(0);
    let patch =
        cli.record(&["promote", "sonarr", "--dry-run", "-o", "patch", "-r", "k3s-w1 is down"]).ended(0);
    // A mail has the time of its sending.
    let date = patch.stdout.lines().find(|line| line.starts_with("Date: ")).unwrap().to_owned();
    cli.naming(date, "Date: Thu, 15 Jan 2026 14:32:15 +0000").compare("scripts");
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let odd = manifest("sonarr").replace("'pvc-sonarr'", "pvc-other");
    let scene = Scene::with(Repository::new([(manifest_path("sonarr"), odd)]), &config(&["sonarr"]));
    let folder = scene.config().parent().unwrap().to_owned();
    std::fs::write(folder.join("bad.yaml"), config(&["sonarr"]).replace("backup_pvc", "backup_pcv")).unwrap();
    std::fs::write(folder.join("other.yaml"), config(&["radarr"])).unwrap();
    let mut cli = cli(&scene);
    let mut says = |code, arguments: &[&str]| drop(cli.record(arguments).ended(code));
    says(2, &["services"]);
    says(2, &["services", "--repo", "cluster.git", "--server", "http://127.0.0.1:1"]);
    says(2, &["services", "--repo", "nowhere"]);
    says(2, &["services", "--repo", "cluster.git", "--token", "x"]);
    says(4, &["services", "--repo", "/dev/null"]);
    for (code, arguments) in [
        (2, &["services", "--config", "nowhere.yaml"][..]),
        (2, &["services", "--config", "bad.yaml"]),
        (2, &["services", "--config-in-repo", "nowhere.yaml"]),
        (4, &["services", "--branch", "nowhere"]),
        (2, &["services", "-o", "xml"]),
        (2, &["status", "radarr"]),
        (2, &["status", "Sonarr!/../x"]),
        (2, &["status", "sonarr", "--expect", "elsewhere"]),
        (2, &["status", "sonarr", "radarr", "--watch"]),
        (0, &["status", "--config", "other.yaml", "radarr"]),
        (2, &["promote", "sonarr"]),
        (3, &["promote", "sonarr", "--yes"]),
        (3, &["promote", "sonarr", "--yes", "-o", "json"]),
        (0, &["promote", "sonarr", "--dry-run"]),
        (2, &["promote", "sonarr", "--yes", "--force", "unexpected"]),
        (3, &["promote", "sonarr", "--yes", "--expect", "primary"]),
        (2, &["promote", "sonarr", "--yes", "--expect", "main"]),
        (2, &["promote", "sonarr", "--yes", "--reason", "two\nlines"]),
        (2, &["promote", "sonarr", "--yes", "--idempotency-key", "a b"]),
        (2, &["promote", "sonarr", "--yes", "-o", "diff"]),
        (2, &["promote", "sonarr", "--yes", "--push"]),
        (2, &["promote", "sonarr", "--dry-run", "--push"]),
        (2, &["promote", "--config", "other.yaml", "radarr", "--yes"]),
        (2, &["history", "--limit", "0"]),
        (0, &["promote", "sonarr", "-y", "--force", "unexpected-value", "--idempotency-key", "k1"]),
        (0, &["promote", "sonarr", "-y", "--idempotency-key", "k1"]),
        (2, &["demote", "sonarr", "-y", "--idempotency-key", "k1"]),
    ] {
        says(code, &[arguments, &["--repo", "cluster.git"]].concat());
    }
    assert_eq!(scene.repository.commit_count(), 2);
    cli.compare("wrong");
}

#[test]
fn the_config_is_read_from_a_config_map_here_and_in_the_repository() {
    let text: String = config(&["sonarr"]).lines().map(|line| format!("    {line}\n")).collect();
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: services\n  namespace: failover-api\ndata:\n  services.yaml: |\n{text}"
    );
    let path = "clusters/homelab/failover-api/configmap.yaml";
    let files = [
        (manifest_path("sonarr"), manifest("sonarr")),
        (path.to_owned(), map.clone()),
        ("bad.yaml".to_owned(), map.replace("backup_pvc", "backup_pcv")),
        ("notes.txt".to_owned(), map.clone()),
    ];
    let scene = Scene::with(Repository::new(files), &map);
    let mut cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git").with("FAILOVER_API_CONFIG", "x.yaml");
    cli.record(&["services", "--config", "services.yaml"]).ended(0);
    // What is written down outweighs the environment.
    cli.record(&["services", "--config-in-repo", path]).ended(0);
    cli.record(&["promote", "sonarr", "--yes", "--config-in-repo", path]).ended(0);
    cli.record(&["services", "--config-in-repo", "bad.yaml"]).ended(2);
    cli.record(&["services", "--config-in-repo", "notes.txt"]).ended(2);
    cli.record(&["services", "--config-in-repo", "../x"]).ended(2);
    cli.record(&["services", "--config-in-repo", path, "--config", "services.yaml"]).ended(2);
    cli.compare("config-map");
    // The server reads it, too.
    scene.serve().promote("sonarr").assert_unchanged();
}

#[test]
fn an_author_cannot_steer_a_terminal() {
    let scene = Scene::new(&["sonarr"]);
    let cli = cli(&scene).with("FAILOVER_API_REPO", "cluster.git");
    let commit = cli.run(["promote", "sonarr", "-y", "-o", "json"]).ended(0).json()["commit"].clone();
    let message = format!(
        "Revert \"Automated failover: sonarr to backup node\"\n\nThis reverts commit {}.",
        commit.as_str().unwrap()
    );
    let mut git = crate::support::git::git(scene.repository.path());
    git.env("GIT_AUTHOR_NAME", "x\u{1b}[2J\u{202e}gone").args([
        "commit-tree",
        "-p",
        "main",
        "main^{tree}",
        "-m",
        &message,
    ]);
    let evil = String::from_utf8(run(&mut git).stdout).unwrap();
    run(crate::support::git::git(scene.repository.path()).args([
        "update-ref",
        "refs/heads/main",
        evil.trim(),
    ]));
    let said = cli.run(["history"]).ended(0).stdout;
    assert!(said.contains("x\u{fffd}[2J\u{fffd}gone") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn it_is_a_plugin_of_kubectl_by_its_name() {
    let folder = tempfile::TempDir::new().unwrap();
    let plugin = folder.path().join("kubectl-failover");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_failover-api"), &plugin).unwrap();
    let cli = Cli::new(folder.path());
    let say = |arguments: &[&str]| crate::support::cli::said(&mut cli.program(&plugin, arguments));
    let help = say(&["promote", "--help"]).ended(0).stdout;
    assert!(help.contains("Usage: kubectl failover promote [OPTIONS]"), "{help}");
    let _ = say(&["promte"]).ended(2).told("Usage: kubectl failover");
    let scene = Scene::new(&["sonarr"]);
    let (repo, config) = (scene.repository.path().to_str().unwrap(), scene.config());
    let wrong = say(&["status", "sonar", "--repo", repo, "--config", config.to_str().unwrap()]);
    let _ = wrong.ended(2).told("`kubectl failover services` lists all");
    let script = say(&["completions", "bash"]).ended(0).stdout;
    assert!(script.contains("complete -F _kubectl__failover") && script.contains("promote"), "{script}");
    // kubectl finds it in the PATH, where there is one.
    if let Ok(kubectl) = Command::new("sh").args(["-c", "command -v kubectl"]).output()
        && kubectl.status.success()
    {
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let kubectl = String::from_utf8(kubectl.stdout).unwrap();
        let mut command = cli.program(std::path::Path::new(kubectl.trim()), ["failover", "--version"]);
        let said = crate::support::cli::said(command.env("PATH", path)).ended(0);
        assert!(said.stdout.contains(env!("CARGO_PKG_VERSION")), "{said:?}");
    }
}

#[test]
fn every_shell_gets_its_completions() {
    let cli = Cli::new(std::path::Path::new("/"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = cli.run(["completions", shell]).ended(0).stdout;
        assert!(script.contains("doctor") && script.contains("config-in-repo"), "{shell}");
    }
    let _ = cli.run(["completions", "csh"]).ended(2).told("bash");
    // The script is one that the shell takes.
    let script = cli.run(["completions", "bash"]).stdout;
    crate::support::process::feed(Command::new("bash").arg("-n"), script.as_bytes());
}
