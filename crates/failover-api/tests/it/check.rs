//! `check` and `scan` on a real clone.

use std::path::Path;
use std::process::{Command, Output};

use failover_core::yaml;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::{Scene, config, manifest, manifest_path};

fn failover_api(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    command.env_clear().envs(git(folder).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn claims(service: &str) -> String {
    let claim = |name: String| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: media}}\nspec:\n  resources:\n    requests: {{storage: 1Gi}}\n"
        )
    };
    claim(format!("pvc-{service}")) + "---\n" + &claim(format!("pvc-{service}-backup"))
}

/// A repository with two services and their claims, and a clone of it.
fn cloned() -> (Repository, TempDir) {
    let files = ["radarr", "sonarr"].into_iter().flat_map(|service| {
        [(manifest_path(service), manifest(service)), (format!("storage/{service}.yaml"), claims(service))]
    });
    let repository = Repository::new(files);
    let clone = TempDir::new().unwrap();
    run(git(clone.path()).arg("clone").arg("-q").arg(repository.path()).arg("."));
    (repository, clone)
}

#[test]
fn holds_that_protect_nothing_are_found() {
    let (_repository, clone) = cloned();
    std::fs::write(clone.path().join("services.yaml"), config(&["radarr", "sonarr"])).unwrap();
    let holds = clone.path().join(".failover-api/holds");
    std::fs::create_dir(holds.parent().unwrap()).unwrap();
    let check = |text: &str| {
        std::fs::write(&holds, text).unwrap();
        said(&failover_api(clone.path(), &["check"]))
    };
    let good = "holds:\n- {service: sonarr, owner: a, reason: b}\n- {all: true, owner: a, reason: b}\n";
    assert_eq!(check(good).0, Some(0), "{}", check(good).1);
    let (code, text) = check(&good.replace("sonarr", "sonar"));
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(".failover-api/holds:2:13: error: the hold of a is on sonar")
            && text.contains("did you mean sonarr?"),
        "{text}"
    );
    assert!(text.contains("[hold-unknown]"), "{text}");
    let (code, text) = check(&good.replace("owner", "ownr"));
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(".failover-api/holds:2:21: error: ") && text.contains("[holds-unreadable]"),
        "{text}"
    );
    // The same of a commit.
    run(git(clone.path()).args(["add", ".failover-api"]));
    run(git(clone.path()).args(["commit", "-q", "-m", "Hold"]));
    std::fs::remove_file(&holds).unwrap();
    assert_eq!(said(&failover_api(clone.path(), &["check"])).0, Some(0));
    let (code, text) = said(&failover_api(clone.path(), &["check", "--commit", "HEAD"]));
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn what_is_scanned_passes_the_check_and_moves_there_and_back() {
    let (repository, clone) = cloned();
    let scanned = failover_api(clone.path(), &["scan"]);
    assert!(scanned.status.success(), "{}", said(&scanned).1);
    let proposed = String::from_utf8(scanned.stdout).unwrap();
    // The same for scripts, and in short for people.
    let json: Value =
        serde_json::from_slice(&failover_api(clone.path(), &["scan", "-o", "json"]).stdout).unwrap();
    let whole: Value = yaml_serde::from_str(&proposed).unwrap();
    assert_eq!((&json["count"], json["left_out"].as_array().map(Vec::len)), (&2.into(), Some(0)), "{json:#}");
    for one in json["services"].as_array().unwrap() {
        assert_eq!(one["entry"], whole["services"][one["name"].as_str().unwrap()], "{one:#}");
        let evidence = one["evidence"].as_array().unwrap();
        assert!(
            !evidence.is_empty() && evidence.iter().all(|line| proposed.contains(line.as_str().unwrap())),
            "{one:#}"
        );
    }
    let (code, text) = said(&failover_api(clone.path(), &["scan", "-o", "table"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.starts_with("radarr: Deployment media/radarr\n  ")
            && text.contains("\n2 proposed from the work tree of "),
        "{text}"
    );
    std::fs::write(clone.path().join("services.yaml"), &proposed).unwrap();
    let (code, text) = said(&failover_api(clone.path(), &["check", "--strict"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 services held against the work tree of "), "{text}");

    let scene = Scene::with(repository, &proposed);
    let server = scene.serve();
    let before = scene.repository.tip();
    for to in ["backup", "primary"] {
        let body = format!(r#"{{"all": true, "to": "{to}"}}"#);
        server.post("/api/failover", &body, &[("content-type", "application/json")]).commit();
    }
    let diff = run(git(scene.repository.path()).args(["diff", "--raw", &before, "main"]));
    assert!(diff.stdout.is_empty(), "{diff:?}");
}

#[test]
fn what_is_wrong_is_shown_to_people_to_scripts_and_to_github() {
    let (_repository, clone) = cloned();
    let folder = clone.path();
    std::fs::write(folder.join("services.yaml"), config(&["sonarr"])).unwrap();
    let file = folder.join("storage/sonarr.yaml");
    let smaller = std::fs::read_to_string(&file).unwrap().replacen("1Gi", "2Gi", 1);
    std::fs::write(&file, smaller).unwrap();

    let (code, text) = said(&failover_api(folder, &["check"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("storage/sonarr.yaml:8:1: error: sonarr: pvc-sonarr asks for 2Gi and pvc-sonarr-backup for 1Gi [capacity-differs]"), "{text}");
    assert!(text.contains("[app-left-out]"), "{text}");
    assert!(text.trim_end().ends_with("2 errors, 0 warnings"), "{text}");

    let json = failover_api(folder, &["check", "--output", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["errors"], &json["services"]), (&2.into(), &1.into()), "{json:#}");
    let notice = &json["notices"][0];
    assert_eq!(notice["rule"], "capacity-differs");
    assert_eq!(
        (&notice["file"], &notice["line"], &notice["service"]),
        (&"storage/sonarr.yaml".into(), &8.into(), &"sonarr".into())
    );

    // YAML holds what JSON holds, and the lines for people have two names.
    let yaml = failover_api(folder, &["check", "-o", "yaml"]);
    assert_eq!(yaml_serde::from_slice::<Value>(&yaml.stdout).unwrap(), json);
    let lines = ["table", "text"].map(|form| said(&failover_api(folder, &["check", "-o", form])));
    assert_eq!((&lines[0], &lines[1]), (&(code, text.clone()), &(code, text)));

    let (_, text) = said(&failover_api(folder, &["check", "-o", "github"]));
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with(
            "::error file=storage/sonarr.yaml,line=8,col=1,title=failover-api capacity-differs::sonarr: "
        ),
        "{first}"
    );

    // The commit is as it was; only the app that is left out is still wrong. From any folder in the clone.
    let (code, text) = said(&failover_api(
        &folder.join("storage"),
        &["check", "--commit", "HEAD", "--config", "../services.yaml"],
    ));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("held against commit ") && text.contains("1 errors"), "{text}");
    std::fs::write(folder.join("services.yaml"), config(&["radarr", "sonarr"])).unwrap();
    let (code, text) = said(&failover_api(folder, &["check", "--commit", "main"]));
    assert_eq!(code, Some(0), "{text}");
    // What is ignored is not read.
    std::fs::write(folder.join(".gitignore"), "/storage/\n").unwrap();
    run(git(folder).args(["rm", "-q", "-r", "--cached", "storage"]));
    let (code, text) = said(&failover_api(folder, &["check"]));
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(&failover_api(folder, &["check", "--strict"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("warning: sonarr: no manifest declares the claim media/pvc-sonarr of"), "{text}");
}

#[test]
fn a_config_with_mistakes_and_a_folder_without_a_clone_are_told_apart() {
    let (_repository, clone) = cloned();
    let wrong = config(&["sonarr"]).replace("backup_pvc", "backup_pcv");
    std::fs::write(clone.path().join("services.yaml"), wrong).unwrap();
    let (code, text) = said(&failover_api(clone.path(), &["check"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("services.yaml:7:5: error: unknown key 'backup_pcv'"), "{text}");
    assert!(text.contains("[config-invalid]"), "{text}");

    let empty = TempDir::new().unwrap();
    for (folder, arguments, words) in [
        (empty.path(), vec!["check"], "--repo"),
        (empty.path(), vec!["scan"], "--repo"),
        (clone.path(), vec!["check", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (clone.path(), vec!["check", "--commit", "no-such"], "--commit"),
        (clone.path(), vec!["check", "--commit=--output=x"], "--commit"),
        (clone.path(), vec!["scan", "--root", "clusters/nothing"], "no app"),
        (clone.path(), vec!["scan", "--root", "clusters/nothing", "-o", "json"], "\"count\": 0"),
        (clone.path(), vec!["check", "-o", "xml"], "table"),
    ] {
        let (code, text) = said(&failover_api(folder, &arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}

#[test]
fn the_hook_runs_as_pre_commit_runs_it() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let hooks = std::fs::read_to_string(top.join(".pre-commit-hooks.yaml")).unwrap();
    let hooks = yaml::parse(&hooks).unwrap();
    let [hook] = hooks[0].items() else { panic!("one hook is expected") };
    let entry = hook.get("entry").unwrap().as_text().unwrap();
    assert_eq!(hook.get("pass_filenames").unwrap().as_text(), Some("false"));
    let (_repository, clone) = cloned();
    std::fs::write(clone.path().join("services.yaml"), config(&["radarr", "sonarr"])).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_failover-api"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    // Git runs hooks with variables that name the repository they belong to.
    let mut hook = Command::new("sh");
    hook.args(["-c", entry]).current_dir(clone.path()).env("PATH", path);
    hook.envs([("GIT_DIR", "/nonexistent"), ("GIT_INDEX_FILE", "/nonexistent/index")]);
    let (code, text) = said(&hook.output().unwrap());
    assert_eq!(code, Some(0), "{text}");
}
