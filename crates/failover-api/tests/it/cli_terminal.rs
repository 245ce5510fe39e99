//! What a person sees at a terminal, which `script` (util-linux) makes.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use crate::support::cli::Cli;
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::{Scene, manifest, moved, shared};

/// A command with a terminal of its own.
struct Terminal {
    child: Child,
    shown: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Terminal {
    fn start(cli: &Cli, line: &str) -> Self {
        let line = format!("{} {line}", env!("CARGO_BIN_EXE_failover-api"));
        let mut script =
            cli.program("script".as_ref(), ["--quiet", "--return", "--command", &line, "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let shown = std::sync::Arc::<std::sync::Mutex<String>>::default();
        let mut output = child.stdout.take().unwrap();
        let seen = std::sync::Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, shown }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until it shows this.
    fn wait_for(&self, words: &str) {
        poll(words, PATIENCE, || if self.shown().contains(words) { Ok(()) } else { Err(self.shown()) });
    }

    fn types(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// How it ended, with all that it showed.
    fn end(mut self) -> (Option<i32>, String) {
        let status =
            poll("the command ends", PATIENCE, || self.child.try_wait().unwrap().ok_or_else(|| self.shown()));
        (status.code(), self.shown())
    }
}

fn cli(scene: &Scene) -> Cli {
    let folder = scene.config().parent().unwrap().to_owned();
    Cli::new(&folder)
        .with("FAILOVER_API_REPO", scene.repository.path())
        .with("TERM", "xterm")
        .with("SHELL", "/bin/sh")
}

#[test]
fn the_change_is_shown_before_anybody_is_asked() {
    let scene = Scene::new(&["sonarr"]);
    let mut terminal = Terminal::start(&cli(&scene), "promote sonarr");
    terminal.wait_for("? [y/N] ");
    let shown = terminal.shown();
    let diff = shown.find("+            claimName: 'pvc-sonarr-backup'").expect(&shown);
    let finding = shown.find("target-claim").expect(&shown);
    let question = shown.find("commit this on main of").expect(&shown);
    assert!(finding < question && diff < question, "{shown}");
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    terminal.types("y\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("sonarr: moved to backup,"), "{shown}");
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn the_question_says_how_many_move_and_how_many_stay() {
    let scene = Scene::new(&["jellyfin", "radarr", "sonarr"]);
    for (typed, words) in [
        ("promote --all", "commit this move of all 3 services of the config on main of "),
        ("promote --from-node-label primary", "commit this move of all 3 services on primary on main of "),
        ("promote radarr sonarr", "commit this move of 2 services on main of "),
    ] {
        let mut terminal = Terminal::start(&cli(&scene), typed);
        terminal.wait_for("? [y/N] ");
        terminal.types("n\n");
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(1), "{shown}");
        assert!(shown.contains(words) && shown.contains("services to backup, in this order:"), "{shown}");
    }
    let path = crate::support::scene::manifest_path("jellyfin");
    scene.repository.commit_foreign(&path, shared("jellyfin").as_bytes(), "Share a claim");
    let odd = manifest("radarr").replace("'pvc-radarr'", "pvc-other");
    scene.repository.commit_foreign(&crate::support::scene::manifest_path("radarr"), odd.as_bytes(), "Odd");
    let (code, shown) = Terminal::start(&cli(&scene), "promote radarr sonarr").end();
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("add --force unexpected-value, or --partial to move the others"), "{shown}");

    let mut terminal = Terminal::start(&cli(&scene), "promote --all --partial");
    terminal.wait_for("commit this move of 1 of all 3 services of the config (2 refused) on main of ");
    assert!(terminal.shown().contains("refused, and left where they are:"), "{}", terminal.shown());
    terminal.types("y\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(6), "{shown}");
    assert!(shown.contains("sonarr: moved to backup,"), "{shown}");
    assert_eq!((scene.text("sonarr"), scene.text("radarr")), (moved("sonarr"), odd));

    // Nobody is asked about nothing, and what is against each is no success.
    let (code, shown) = Terminal::start(&cli(&scene), "promote --from-node-label primary --partial").end();
    assert_eq!(code, Some(2), "{shown}");
    assert!(!shown.contains("[y/N]") && shown.contains("nothing is left that can be moved"), "{shown}");
    assert!(shown.contains("(field-anchored)") && shown.contains("(check-blocked)"), "{shown}");
    assert_eq!(scene.repository.commit_count(), 4);
}

#[test]
fn anything_but_yes_is_no() {
    let scene = Scene::new(&["sonarr"]);
    for (keys, code, words) in [
        ("\n", 1, "nothing was committed"),
        ("n\n", 1, "nothing was committed"),
        ("yep\n", 1, "nothing was committed"),
        // The end of the input, and Ctrl-C.
        ("\u{4}", 1, "nothing was committed"),
        ("\u{3}", 130, "interrupted; nothing was committed"),
    ] {
        let mut terminal = Terminal::start(&cli(&scene), "promote sonarr");
        terminal.wait_for("? [y/N] ");
        terminal.types(keys);
        let (ended, shown) = terminal.end();
        assert_eq!(ended, Some(code), "{keys:?}: {shown}");
        assert!(shown.contains(words), "{keys:?}: {shown}");
    }
    assert_eq!(scene.repository.commit_count(), 1);
}

#[test]
fn nobody_is_asked_when_there_is_nothing_to_decide() {
    let scene = Scene::new(&["sonarr"]);
    let (code, shown) = Terminal::start(&cli(&scene), "demote sonarr").end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("at primary already") && !shown.contains("[y/N]"), "{shown}");
    let odd = manifest("sonarr").replace("'pvc-sonarr'", "pvc-other");
    scene.repository.commit_foreign(&crate::support::scene::manifest_path("sonarr"), odd.as_bytes(), "Odd");
    let (code, shown) = Terminal::start(&cli(&scene), "promote sonarr").end();
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("add --force unexpected-value") && !shown.contains("[y/N]"), "{shown}");
    assert_eq!(scene.repository.commit_count(), 2);
}

#[test]
fn a_server_whose_view_is_old_moves_nothing_that_nobody_saw() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    // The server has not seen that somebody moved it, so its plan for the way back is empty.
    scene.repository.commit_foreign(
        &crate::support::scene::manifest_path("sonarr"),
        moved("sonarr").as_bytes(),
        "By hand",
    );
    let cli = Cli::new("/".as_ref()).with("FAILOVER_API_SERVER", server.url("")).with("TERM", "xterm");
    let mut terminal = Terminal::start(&cli, "demote sonarr");
    terminal.wait_for("? [y/N] ");
    assert_eq!(scene.repository.commit_count(), 2);
    terminal.types("yes\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

#[test]
fn colours_are_for_terminals_and_those_who_want_them() {
    let scene = Scene::new(&["sonarr"]);
    let shown = |cli: Cli| Terminal::start(&cli, "services").end().1;
    assert!(shown(cli(&scene)).contains("\u{1b}[32mprimary\u{1b}[0m"), "{}", shown(cli(&scene)));
    assert!(!shown(cli(&scene).with("NO_COLOR", "1")).contains('\u{1b}'));
    assert!(!shown(cli(&scene).with("TERM", "dumb")).contains('\u{1b}'));
    assert!(shown(cli(&scene).with("NO_COLOR", "")).contains('\u{1b}'));
    assert!(!cli(&scene).run(["services"]).stdout.contains('\u{1b}'));
    // Scripts get no colours even there.
    let (_, json) = Terminal::start(&cli(&scene), "services -o json").end();
    assert!(!json.contains('\u{1b}') && json.starts_with('{'), "{json}");
}

#[test]
fn a_watch_is_drawn_again_when_something_changed() {
    let scene = Scene::new(&["sonarr"]);
    let server = scene.serve();
    let cli = Cli::new("/".as_ref()).with("FAILOVER_API_SERVER", server.url("")).with("TERM", "xterm");
    let mut terminal = Terminal::start(&cli, "services --watch");
    terminal.wait_for("Ctrl-C ends this");
    assert!(terminal.shown().contains("\u{1b}[H\u{1b}[2J"));
    server.promote("sonarr").commit();
    terminal.wait_for("\u{1b}[33mbackup\u{1b}[0m");
    terminal.types("\u{3}");
    assert_eq!(terminal.end().0, Some(130));
}
