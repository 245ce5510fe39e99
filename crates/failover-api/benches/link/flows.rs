//! Ways to move a service. Each has a repository of its own and does the same change in it, there and back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cluster::Change;
use crate::line::{Line, Master};
use crate::support::api::{Reply, Server};
use crate::support::git::{BRANCH, git};
use crate::support::process::{self, PATIENCE, Pid, poll, run};
use crate::support::scene::{Scene, ready};
use crate::support::sshd::SshServer;

/// What our servers log: beside the usual, when the next push can go out at once.
pub(crate) const LEVELS: &str = "info,failover_api::git::remote=debug";
/// The event of that.
pub(crate) const ARMED: &str = "the next push can go out at once";
/// And the one that takes it back.
const DISARMED: &str = "the server ended the conversation that was kept for the next push";

/// One way to move a service.
pub(crate) trait Flow {
    /// Moves the service to its other node, and says how long that took. What must be so before and after it is seen to
    /// outside that time.
    fn go(&mut self) -> Duration;

    /// The repository in which it moves.
    fn scene(&self) -> &Scene;
}

pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

/// Who does without everything: a fresh clone for each move.
pub(crate) struct CloneEach {
    pub(crate) scene: Scene,
    pub(crate) line: Line,
    pub(crate) change: Change,
    pub(crate) at_backup: bool,
}

impl Flow for CloneEach {
    fn go(&mut self) -> Duration {
        let Self { scene, line, change, at_backup } = self;
        let text = change.to(!*at_backup);
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let ((), time) = timed(|| {
            run(git(path).env("GIT_SSH_COMMAND", &line.ssh).args(["clone", "-q", &line.url, "."]));
            fs::write(path.join(&change.path), text).unwrap();
            run(git(path).args(["commit", "-q", "-a", "-m", "Move sonarr"]));
            run(git(path).env("GIT_SSH_COMMAND", &line.ssh).args(["push", "-q", "origin", BRANCH]));
        });
        assert_eq!(scene.repository.tip(), head(path));
        *at_backup = !*at_backup;
        time
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}

/// Who keeps a clone and an SSH connection, and pushes without a look.
pub(crate) struct WarmGit {
    scene: Scene,
    /// Before the line, so that it does not complain of its end.
    master: Master,
    line: Line,
    change: Change,
    folder: TempDir,
    at_backup: bool,
}

impl WarmGit {
    pub(crate) fn new(scene: Scene, line: Line, change: Change) -> Self {
        let master = Master::start(&line);
        let folder = TempDir::new().unwrap();
        let ssh = master.ssh_command(&line);
        run(git(folder.path()).env("GIT_SSH_COMMAND", ssh).args(["clone", "-q", &line.url, "."]));
        Self { scene, line, master, change, folder, at_backup: false }
    }
}

impl Flow for WarmGit {
    fn go(&mut self) -> Duration {
        self.master.assert_open();
        let ssh = self.master.ssh_command(&self.line);
        let text = self.change.to(!self.at_backup);
        let path = self.folder.path();
        let ((), time) = timed(|| {
            fs::write(path.join(&self.change.path), text).unwrap();
            run(git(path).args(["commit", "-q", "-a", "-m", "Move sonarr"]));
            let mut push = git(path);
            push.env("GIT_SSH_COMMAND", ssh).args(["push", "-q", "--no-verify", "--force-with-lease"]);
            run(push.args(["origin", &format!("HEAD:refs/heads/{BRANCH}")]));
        });
        self.master.assert_open();
        assert_eq!(self.scene.repository.tip(), head(path));
        self.at_backup = !self.at_backup;
        time
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}

/// How a server of ours is found by a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It has a conversation open in which the push can go out.
    Armed,
    /// The same, but somebody else has pushed, and it does not know of that.
    Overtaken,
    /// It has just lost every connection, and has none again.
    Cold,
}

/// A running server, asked over HTTP.
pub(crate) struct Ours {
    before: Before,
    scene: Scene,
    line: Line,
    pub(crate) server: Server,
    service: String,
    /// In the environment of everything that the SSH server runs.
    home: String,
    at_backup: bool,
    /// How many lines the log had before the last push.
    seen: usize,
    foreign: usize,
}

impl Ours {
    /// Returns when the server is ready.
    pub(crate) fn new(before: Before, scene: Scene, line: Line, sshd: &SshServer, service: &str) -> Self {
        let arguments = scene.ssh_with(&line.url, &sshd.key(), sshd);
        let server = ready(Server::start_logging(LEVELS, arguments));
        let home = format!("HOME={}", sshd.file("x").parent().unwrap().display());
        let service = service.to_owned();
        Self { before, scene, line, server, service, home, at_backup: false, seen: 0, foreign: 0 }
    }

    /// Waits until the push can go out at once: the server says so, and the program of Git that it will talk to runs.
    pub(crate) fn wait_armed(&self) {
        let armed = self.server.next_log(self.seen, PATIENCE, |event| event["message"] == ARMED);
        assert!(armed.is_some(), "{}", self.server.log().join("\n"));
        let log = self.server.log();
        let last = log.iter().rposition(|line| line.contains(ARMED)).unwrap();
        assert!(!log[last..].iter().any(|line| line.contains(DISARMED)), "{}", log.join("\n"));
        let repository = self.scene.repository.path().to_str().unwrap();
        poll("one receive-pack waits", PATIENCE, || {
            let waiting = process::with_environment(&self.home).filter(|pid| {
                let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let words = String::from_utf8_lossy(&words).into_owned();
                words.starts_with("git-receive-pack\0") && words.contains(repository)
            });
            let count = waiting.count();
            if count == 1 { Ok(()) } else { Err(format!("{count} of them")) }
        });
    }

    /// Breaks the line until the server has no connection left.
    fn lose_connections(&self) {
        let root = self.pid();
        poll("every ssh ends", PATIENCE, || {
            self.line.proxy.cut();
            let left = process::tree(root).len() - 1;
            if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
        });
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.server.id().try_into().unwrap()).unwrap()
    }

    /// What the server keeps running, itself first: names and resident memory in bytes.
    pub(crate) fn memory(&self) -> Vec<(String, u64)> {
        self.wait_armed();
        let tree = process::tree(self.pid()).into_iter();
        tree.map(|pid| (process::name(pid), process::memory(pid).now)).collect()
    }

    fn ask(&mut self) -> (Reply, Duration) {
        self.seen = self.server.log().len();
        let moved = timed(|| {
            if self.at_backup {
                self.server.demote(&self.service)
            } else {
                self.server.promote(&self.service)
            }
        });
        assert_eq!(self.scene.repository.tip(), moved.0.commit());
        self.at_backup = !self.at_backup;
        moved
    }

    /// How many lines of the log since the last push began say this.
    fn said(&self, what: &str) -> usize {
        self.server.log()[self.seen..].iter().filter(|line| line.contains(what)).count()
    }
}

impl Flow for Ours {
    fn go(&mut self) -> Duration {
        loop {
            self.wait_armed();
            match self.before {
                Before::Armed => {}
                Before::Overtaken => {
                    self.foreign += 1;
                    let text = format!("{}\n", self.foreign);
                    self.scene.repository.commit_foreign("notes.txt", text.as_bytes(), "Note");
                }
                Before::Cold => self.lose_connections(),
            }
            let (_, time) = self.ask();
            // The log of the server is that of the move, whatever thread reads it.
            self.wait_armed();
            let pushes = if self.before == Before::Overtaken { 2 } else { 1 };
            assert_eq!(self.said("\"push begins\""), pushes);
            let log = self.server.log();
            let between = log[self.seen..].iter().take_while(|line| !line.contains("\"push begins\""));
            // A server that has lost its connections looks at the branch by itself; then a move does not find it cold.
            if between.filter(|line| line.contains(ARMED)).count() == 0 {
                return time;
            }
            assert_eq!(self.before, Before::Cold);
        }
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}

pub(crate) fn head(folder: &Path) -> String {
    let head = run(git(folder).args(["rev-parse", "HEAD"])).stdout;
    String::from_utf8(head).unwrap().trim_end().to_owned()
}

/// The newest commit's message.
pub(crate) fn newest_message(scene: &Scene) -> String {
    let log = run(git(scene.repository.path()).args(["log", "-1", "--format=%B", BRANCH]));
    String::from_utf8(log.stdout).unwrap()
}

/// How many objects the newest commit brought.
pub(crate) fn new_objects(scene: &Scene) -> usize {
    let range = format!("{BRANCH}~1..{BRANCH}");
    let list = run(git(scene.repository.path()).args(["rev-list", "--objects", &range]));
    String::from_utf8(list.stdout).unwrap().lines().count()
}
