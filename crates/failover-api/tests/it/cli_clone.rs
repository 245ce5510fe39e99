//! Moves in a clone: the commit is on the branch that is checked out, the files follow, and nobody's changes are lost.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::cli::{Cli, Said};
use crate::support::git::{Repository, git};
use crate::support::process::run;
use crate::support::scene::{Scene, config, manifest, manifest_path, moved};

/// A clone of a scene's repository.
struct Clone {
    scene: Scene,
    folder: TempDir,
}

impl Clone {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let services = ["radarr", "sonarr"];
        let files = services.iter().map(|service| (manifest_path(service), manifest(service)));
        let others =
            [("README.md".to_owned(), "ours\n".to_owned()), ("notes/a.txt".to_owned(), "a\n".to_owned())];
        let scene = Scene::with(Repository::new(files.chain(others)), &config(&services));
        let folder = TempDir::new().unwrap();
        let url = format!("file://{}", scene.repository.path().display());
        run(git(folder.path()).args(["clone", "-q"]).args(options).arg(url).arg("."));
        Self { scene, folder }
    }

    fn git(&self, arguments: &[&str]) -> String {
        String::from_utf8(run(git(self.folder.path()).args(arguments)).stdout).unwrap().trim_end().to_owned()
    }

    fn file(&self, service: &str) -> PathBuf {
        self.folder.path().join(manifest_path(service))
    }

    fn text(&self, service: &str) -> String {
        fs::read_to_string(self.file(service)).unwrap()
    }

    fn run_in(&self, folder: &Path, arguments: &[&str]) -> Said {
        let config = self.scene.config();
        let typed = [arguments, &["--repo", ".", "--config", config.to_str().unwrap()]].concat();
        Cli::new(folder).with("GIT_CONFIG_GLOBAL", "/dev/null").run(typed)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_in(self.folder.path(), arguments)
    }
}

#[test]
fn the_commit_is_on_the_branch_and_the_files_follow() {
    let clone = Clone::new();
    let before = clone.git(&["rev-parse", "HEAD"]);
    let said = clone.run(&["promote", "sonarr", "--yes"]).ended(0).told("is not pushed");
    assert!(said.stdout.contains("on the branch main of the clone"), "{}", said.stdout);
    assert_eq!(clone.text("sonarr"), moved("sonarr"));
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
    assert_eq!(clone.git(&["rev-parse", "HEAD^"]), before);
    assert_eq!(clone.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!(clone.git(&["log", "-1", "--format=%an <%ae>"]), "failover-api <failover-api@cluster.local>");
    // Nothing is pushed unless that is asked for.
    assert_eq!(clone.scene.repository.tip(), before);
    assert_eq!(clone.run(&["status", "sonarr", "--expect", "backup"]).code, 0);
    clone.run(&["demote", "sonarr", "--yes"]).ended(0);
    assert_eq!(clone.text("sonarr"), manifest("sonarr"));
    assert_eq!(clone.git(&["diff", "--stat", &before]), "");
    clone.git(&["fsck", "--strict"]);
}

#[test]
fn changes_that_are_not_committed_are_kept_where_they_are() {
    let clone = Clone::new();
    // Changed, staged, staged and changed again, new, and removed: none of it touched by the move.
    fs::write(clone.folder.path().join("README.md"), "changed\n").unwrap();
    fs::write(clone.file("radarr"), "staged\n").unwrap();
    clone.git(&["add", "."]);
    fs::write(clone.file("radarr"), "and changed again\n").unwrap();
    fs::write(clone.folder.path().join("new.txt"), "new\n").unwrap();
    fs::remove_file(clone.folder.path().join("notes/a.txt")).unwrap();
    let before = clone.git(&["status", "--porcelain"]);
    let staged = clone.git(&["diff", "--cached"]);
    clone.run(&["promote", "sonarr", "--yes"]).ended(0);
    assert_eq!(clone.text("sonarr"), moved("sonarr"));
    assert_eq!(clone.git(&["status", "--porcelain"]), before);
    assert_eq!(clone.git(&["diff", "--cached"]), staged);
    assert_eq!(clone.git(&["show", "--format=", "--name-only", "HEAD"]), manifest_path("sonarr"));
}

#[test]
fn a_move_that_would_touch_them_is_refused() {
    let clone = Clone::new();
    let tip = clone.git(&["rev-parse", "HEAD"]);
    let path = clone.file("sonarr");
    let refused = |what: &str| {
        let before = (clone.git(&["status", "--porcelain"]), fs::read(&path).ok());
        assert_ne!(before.0, "", "{what}");
        let said = clone.run(&["promote", "sonarr", "radarr", "--yes", "-o", "json"]).ended(3);
        assert_eq!(said.json()["code"], "work-tree-changed", "{what}: {}", said.stdout);
        let _ = said.told("commit or stash").told(&manifest_path("sonarr"));
        assert_eq!(clone.git(&["rev-parse", "HEAD"]), tip, "{what}");
        assert_eq!((clone.git(&["status", "--porcelain"]), fs::read(&path).ok()), before, "{what}");
        assert_eq!(clone.text("radarr"), manifest("radarr"), "{what}");
    };
    fs::write(&path, "mine\n").unwrap();
    refused("changed");
    clone.git(&["add", "."]);
    refused("staged");
    fs::write(&path, manifest("sonarr")).unwrap();
    refused("staged and changed back");
    clone.git(&["reset", "-q", "--hard"]);
    fs::remove_file(&path).unwrap();
    refused("removed");
    clone.git(&["rm", "-q", "--cached", &manifest_path("sonarr")]);
    refused("removed from the index");
    clone.git(&["reset", "-q", "--hard"]);
    clone.run(&["promote", "sonarr", "radarr", "--yes"]).ended(0);
    assert_eq!((clone.text("sonarr"), clone.text("radarr")), (moved("sonarr"), moved("radarr")));
}

#[test]
fn a_file_that_git_does_not_know_is_not_written_over() {
    let clone = Clone::new();
    let file = clone.folder.path().join(".failover-api/holds");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "mine\n").unwrap();
    let tip = clone.git(&["rev-parse", "HEAD"]);
    for ignored in ["", "/.failover-api/\n"] {
        fs::write(clone.folder.path().join(".git/info/exclude"), ignored).unwrap();
        let said = clone.run(&["hold", "sonarr", "--reason", "a test", "--yes", "-o", "json"]).ended(3);
        assert_eq!(said.json()["code"], "work-tree-changed", "{}", said.stdout);
        let _ = said.told(".failover-api/holds");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");
        assert_eq!(clone.git(&["rev-parse", "HEAD"]), tip);
    }
    fs::remove_file(&file).unwrap();
    clone.run(&["hold", "sonarr", "--reason", "a test", "--yes"]).ended(0);
    assert!(fs::read_to_string(&file).unwrap().contains("sonarr"));
}

#[test]
fn a_file_that_was_only_touched_counts_as_clean() {
    let clone = Clone::new();
    let path = clone.file("sonarr");
    fs::remove_file(&path).unwrap();
    fs::write(&path, manifest("sonarr")).unwrap();
    clone.run(&["promote", "sonarr", "--yes"]).ended(0);
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
}

#[test]
fn nothing_moves_in_the_middle_of_a_merge_or_a_rebase() {
    let clone = Clone::new();
    clone.git(&["checkout", "-q", "-b", "other"]);
    fs::write(clone.folder.path().join("README.md"), "theirs\n").unwrap();
    clone.git(&["commit", "-q", "-a", "-m", "theirs"]);
    clone.git(&["checkout", "-q", "main"]);
    fs::write(clone.folder.path().join("README.md"), "mine\n").unwrap();
    clone.git(&["commit", "-q", "-a", "-m", "mine"]);
    let tip = clone.git(&["rev-parse", "main"]);
    for underway in [&["merge", "other"][..], &["cherry-pick", "other"], &["rebase", "other"]] {
        assert!(!git(clone.folder.path()).args(underway).output().unwrap().status.success());
        let said = clone.run(&["promote", "sonarr", "--yes", "--branch", "main"]).ended(3);
        let _ = said.told("under way").told("work-tree-changed");
        assert_eq!(clone.git(&["rev-parse", "main"]), tip);
        // Without a branch that is named, too: a rebase has none checked out.
        let said = clone.run(&["promote", "sonarr", "--yes"]).ended(3).told("(work-tree-changed)");
        let why = if underway[0] == "rebase" { "no branch is checked out" } else { "_HEAD)" };
        let _ = said.told(why).told("is under way").told("end what is under way");
        assert_eq!(clone.git(&["rev-parse", "main"]), tip);
        assert_eq!(clone.text("sonarr"), manifest("sonarr"));
        clone.git(&[underway[0], "--abort"]);
    }
    // No branch is checked out, so none is taken for the one that is meant.
    clone.git(&["checkout", "-q", "--detach"]);
    let at = format!("its HEAD is at commit {}", &tip[..12]);
    for asked in [&["promote", "sonarr", "--yes"][..], &["services"]] {
        let said = clone.run(asked).ended(4).told("no branch is checked out in the clone").told(&at);
        let _ = said.told("git switch").told("--branch").told("branch-not-found");
    }
    // Scripts get the answer whole, also where nothing could be asked.
    for asked in [
        &["promote", "sonarr", "--yes"][..],
        &["promote", "sonarr", "--dry-run"],
        &["hold", "sonarr", "-r", "new disk", "--yes"],
        &["services"],
        &["status", "sonarr", "--expect", "primary"],
        &["history"],
    ] {
        let said = clone.run(&[asked, &["-o", "json"]].concat()).ended(4);
        assert_eq!(said.json()["code"], "branch-not-found", "{asked:?}");
    }
    clone.git(&["checkout", "-q", "--orphan", "fresh"]);
    let _ = clone.run(&["promote", "sonarr", "--yes"]).ended(4).told("fresh has none yet");
    clone.git(&["checkout", "-q", "-f", "main"]);
    // A branch that is named and not checked out moves without the files.
    clone.git(&["checkout", "-q", "other"]);
    clone.run(&["promote", "sonarr", "--yes", "--branch", "main"]).ended(0);
    assert_eq!(clone.git(&["rev-parse", "main^"]), tip);
    assert_eq!(clone.text("sonarr"), manifest("sonarr"));
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_clone_is_found_from_its_folders_its_work_trees_and_shallow() {
    let clone = Clone::new();
    clone.run_in(&clone.folder.path().join("clusters/homelab"), &["promote", "sonarr", "-y"]).ended(0);
    assert_eq!(clone.text("sonarr"), moved("sonarr"));

    let git_folder = ["promote", "radarr", "-y", "--config"].map(str::to_owned);
    let config = clone.scene.config().to_str().unwrap().to_owned();
    let git_folder = git_folder.into_iter().chain([config, "--repo".to_owned(), ".git".to_owned()]);
    Cli::new(clone.folder.path()).run(git_folder).ended(0);
    assert_eq!(clone.text("radarr"), moved("radarr"));
    clone.run(&["demote", "radarr", "-y"]).ended(0);

    let second = TempDir::new().unwrap();
    let tree = second.path().join("tree");
    clone.git(&["worktree", "add", "-q", "-b", "beside", tree.to_str().unwrap()]);
    clone.run_in(&tree, &["promote", "radarr", "-y"]).ended(0);
    let text =
        |folder: &Path, service: &str| fs::read_to_string(folder.join(manifest_path(service))).unwrap();
    assert_eq!((text(&tree, "radarr"), clone.text("radarr")), (moved("radarr"), manifest("radarr")));
    assert_eq!(
        clone.git(&["log", "-1", "--format=%s", "beside"]),
        "Automated failover: radarr to backup node"
    );
    assert_eq!(clone.git(&["status", "--porcelain"]), "");

    let shallow = Clone::with(&["--depth", "1"]);
    shallow.run(&["promote", "sonarr", "-y", "--push"]).ended(0);
    assert_eq!(shallow.scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn it_is_pushed_where_that_is_asked_for_and_told_truly() {
    let clone = Clone::new();
    let said = clone.run(&["promote", "sonarr", "--yes", "--push"]).ended(0).stdout;
    assert!(said.ends_with("pushed to main of origin\n"), "{said}");
    assert_eq!(clone.scene.repository.tip(), clone.git(&["rev-parse", "HEAD"]));
    assert_eq!(clone.scene.text("sonarr"), moved("sonarr"));

    // Somebody was faster: the commit is in the clone, and nowhere else.
    let foreign = clone.scene.repository.commit_foreign("other.yaml", b"x: 1\n", "Somebody else");
    let said = clone.run(&["demote", "sonarr", "--yes", "--push", "-o", "json"]).ended(4);
    assert_eq!((&said.json()["changed"], &said.json()["pushed"]), (&true.into(), &false.into()));
    let said = said.told("refused").told("git pull --rebase");
    assert!(!said.stderr.contains("pushed to"), "{}", said.stderr);
    assert_eq!(clone.scene.repository.tip(), foreign);
    assert_eq!(clone.text("sonarr"), manifest("sonarr"));
    assert_eq!(said.json()["ahead"], 1);
    // To say that it is there already is not the whole truth.
    let again = clone.run(&["demote", "sonarr", "--yes"]).ended(0).told("is not pushed");
    assert!(again.stdout.contains("nothing was committed"), "{}", again.stdout);
    let again = clone.run(&["demote", "sonarr", "--yes", "-o", "json"]).ended(0).json();
    assert_eq!(
        (&again["changed"], &again["pushed"], &again["ahead"]),
        (&false.into(), &false.into(), &1.into())
    );
    let table = clone.run(&["promote", "radarr", "--yes", "--push"]).ended(4);
    assert!(!table.stdout.contains("pushed to"), "{}", table.stdout);
    // What was left is pushed by the next call, though it has nothing else to do.
    clone.git(&["pull", "-q", "--rebase"]);
    clone.run(&["demote", "sonarr", "--yes", "--push"]).ended(0);
    assert_eq!(clone.scene.text("sonarr"), manifest("sonarr"));
    assert_eq!(clone.scene.text("radarr"), moved("radarr"));
    let again = clone.run(&["demote", "sonarr", "--yes"]).ended(0);
    assert!(!again.stderr.contains("is not pushed"), "{}", again.stderr);

    // A hook of the host says no.
    clone.scene.repository.install_hook("pre-receive", "#!/bin/sh\necho not on a Friday >&2\nexit 1\n");
    let _ = clone.run(&["promote", "sonarr", "--yes", "--push"]).ended(4).told("not on a Friday");
    // Nothing is committed that could not be pushed anyway.
    let tip = clone.git(&["rev-parse", "HEAD"]);
    clone.git(&["branch", "--unset-upstream"]);
    let _ = clone.run(&["demote", "sonarr", "--yes", "--push"]).ended(2).told("follows no remote branch");
    assert_eq!(clone.git(&["rev-parse", "HEAD"]), tip);
}

#[test]
fn the_owners_hooks_and_environment_are_left_alone() {
    let clone = Clone::new();
    let hook = clone.folder.path().join(".git/hooks/post-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    crate::support::process::install_script(&hook, "#!/bin/sh\ntouch ran\n");
    let before = clone.git(&["config", "--list", "--local"]);
    // As in a hook of another repository.
    let elsewhere = TempDir::new().unwrap();
    let config = clone.scene.config();
    let cli = Cli::new(clone.folder.path()).with("GIT_DIR", elsewhere.path()).with("GIT_INDEX_FILE", "/x");
    cli.run(["promote", "sonarr", "-y", "--repo", ".", "--config", config.to_str().unwrap()]).ended(0);
    assert_eq!(clone.text("sonarr"), moved("sonarr"));
    assert_eq!(clone.git(&["config", "--list", "--local"]), before);
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_server_does_not_move_the_files_of_a_clone() {
    let clone = Clone::new();
    let server = crate::support::scene::ready(crate::support::api::Server::start(
        clone.scene.arguments(clone.folder.path(), &[]),
    ));
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-refused");
    assert_eq!(clone.text("sonarr"), manifest("sonarr"));
}
