//! People who commit to the same branch, and now and then rewrite it.

use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use fastrand::Rng;
use tempfile::TempDir;

use super::SERVICES;
use super::replica::Pace;
use crate::support::audit::{Forced, Ledger};
use crate::support::git::{BRANCH, Repository, git};
use crate::support::process::{run, said};
use crate::support::scene::manifest_path;

/// One person's clone, in which they work again and again.
pub(crate) struct Person<'a> {
    folder: TempDir,
    name: &'static str,
    ledger: &'a Mutex<Ledger>,
    /// Makes everything that they do new.
    round: u64,
}

impl<'a> Person<'a> {
    pub(crate) fn new(name: &'static str, repository: &Repository, ledger: &'a Mutex<Ledger>) -> Self {
        let folder = TempDir::new().unwrap();
        run(git(folder.path()).args(["clone", "-q", "--template="]).arg(repository.path()).arg("."));
        Self { folder, name, ledger, round: 0 }
    }

    /// Adds a file each time.
    pub(crate) fn take_notes(mut self, pace: &Pace, mut random: Rng) {
        while !pace.after_moves(2, &mut random) {
            self.round += 1;
            self.commit_and_push("Note", |person| person.write_note("notes"));
        }
    }

    /// Changes lines around ours, and files next to ours.
    pub(crate) fn tag_images(mut self, pace: &Pace, mut random: Rng) {
        while !pace.after_moves(3, &mut random) {
            self.round += 1;
            let path = manifest_path(SERVICES[random.usize(..SERVICES.len())]);
            self.commit_and_push("Tag an image", |person| {
                let manifest = person.folder.path().join(&path);
                let text = std::fs::read_to_string(&manifest).unwrap();
                let (head, rest) = text.split_once('\n').unwrap();
                let head = head.split(", image").next().unwrap();
                let text = format!("{head}, image tag 1.{}\n{rest}", person.round);
                std::fs::write(&manifest, text).unwrap();
                let values = format!("image: {{tag: 1.{}}}\n", person.round);
                std::fs::write(manifest.with_file_name("values.yaml"), values).unwrap();
            });
        }
    }

    /// Removes the newest commit, or replaces it, by force.
    pub(crate) fn rewrite(mut self, pace: &Pace, mut random: Rng) {
        while !pace.after_moves(3, &mut random) {
            self.round += 1;
            let old = self.pull();
            if self.read(&["rev-list", "--count", "-3", "HEAD"]) != "3" {
                continue;
            }
            match random.u8(0..4) {
                0..2 => drop(run(self.git().args(["reset", "-q", "--hard", "HEAD~1"]))),
                2 => drop(run(self.git().args(["commit", "-q", "--amend", "--no-edit", "--allow-empty"]))),
                _ => {
                    run(self.git().args(["reset", "-q", "--hard", "HEAD~1"]));
                    self.write_note("instead");
                    self.commit("Instead");
                }
            }
            let new = self.read(&["rev-parse", "HEAD"]);
            let begun = Instant::now();
            if self.push(&old) {
                let forced = Forced { old, new, span: (begun, Instant::now()) };
                self.ledger.lock().unwrap().forced.push(forced);
            }
        }
    }

    /// As people do: again, when another push was faster.
    fn commit_and_push(&self, message: &str, edit: impl Fn(&Self)) {
        for _ in 0..100 {
            let old = self.pull();
            edit(self);
            self.commit(message);
            if self.push(&old) {
                let id = self.read(&["rev-parse", "HEAD"]);
                self.ledger.lock().unwrap().foreign.push(id);
                return;
            }
        }
        panic!("a hundred pushes were overtaken");
    }

    fn write_note(&self, folder: &str) {
        let path = self.folder.path().join(format!("{folder}/{}.md", self.round));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "note").unwrap();
    }

    /// The branch as it is now, and its tip.
    fn pull(&self) -> String {
        run(self.git().args(["fetch", "-q", "origin", BRANCH]));
        run(self.git().args(["reset", "-q", "--hard", "FETCH_HEAD"]));
        self.read(&["rev-parse", "HEAD"])
    }

    fn commit(&self, message: &str) {
        run(self.git().args(["add", "-A"]));
        run(self.git().args(["commit", "-q", "-m", message]));
    }

    /// Replaces the tip `old`, and nothing else; `false` when another push was faster. A push that is only fast-forward
    /// could bring back what somebody has removed.
    fn push(&self, old: &str) -> bool {
        let lease = format!("--force-with-lease={BRANCH}:{old}");
        let target = format!("HEAD:refs/heads/{BRANCH}");
        let output = self.git().args(["push", "-q", &lease, "origin", &target]).output().unwrap();
        let text = said(&output);
        let overtaken = ["[rejected]", "cannot lock ref", "failed to update ref"];
        assert!(output.status.success() || overtaken.iter().any(|t| text.contains(t)), "push: {text}");
        output.status.success()
    }

    fn read(&self, arguments: &[&str]) -> String {
        String::from_utf8(run(self.git().args(arguments)).stdout).unwrap().trim_end().to_owned()
    }

    fn git(&self) -> Command {
        let mut git = git(self.folder.path());
        // Names tell commits apart that are alike otherwise: an amended one, above all.
        git.env("GIT_COMMITTER_NAME", format!("{} {}", self.name, self.round));
        git
    }
}
