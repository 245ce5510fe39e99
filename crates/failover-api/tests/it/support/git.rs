//! A real Git remote, and the people who commit to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{feed, install_script, run, said};

/// The branch that everybody works on.
pub(crate) const BRANCH: &str = "main";

/// `git` that knows nothing of this machine and its user.
pub(crate) fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.env_clear();
    git.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    git.envs([
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Alice"),
        ("GIT_AUTHOR_EMAIL", "alice@home.example"),
        ("GIT_AUTHOR_DATE", "2026-01-15T12:00:00Z"),
        ("GIT_COMMITTER_NAME", "Alice"),
        ("GIT_COMMITTER_EMAIL", "alice@home.example"),
        ("GIT_COMMITTER_DATE", "2026-01-15T12:00:00Z"),
    ]);
    git.arg("-C").arg(folder);
    // Housekeeping in the background would outlive the folder.
    git.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    git
}

/// A bare repository with the branch `main`, removed when dropped.
pub(crate) struct Repository {
    folder: TempDir,
    object_format: &'static str,
}

/// One person's checkout.
struct Checkout {
    folder: TempDir,
}

impl Repository {
    /// One commit that holds these files, given as (path, content).
    pub(crate) fn new<P: AsRef<Path>, B: AsRef<[u8]>>(files: impl IntoIterator<Item = (P, B)>) -> Self {
        Self::filled("sha1", |folder| write_all(folder, files))
    }

    /// The same in a repository whose objects are named by SHA-256.
    pub(crate) fn new_sha256<P: AsRef<Path>, B: AsRef<[u8]>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Self {
        Self::filled("sha256", |folder| write_all(folder, files))
    }

    /// One commit that holds the files of a folder.
    pub(crate) fn from_folder(source: &Path) -> Self {
        Self::filled("sha1", |folder| {
            run(Command::new("cp").arg("-R").arg(source.join(".")).arg(folder));
        })
    }

    /// What a stream for `git fast-import` describes.
    pub(crate) fn import(stream: &[u8]) -> Self {
        let repository = Self::empty("sha1");
        feed(git(repository.path()).args(["fast-import", "--quiet"]), stream);
        repository
    }

    /// A repository without a branch, until [`Self::commit_foreign`].
    pub(crate) fn new_empty() -> Self {
        Self::empty("sha1")
    }

    fn filled(object_format: &'static str, fill: impl FnOnce(&Path)) -> Self {
        let repository = Self::empty(object_format);
        let checkout = repository.checkout();
        fill(checkout.folder.path());
        checkout.commit("Initial commit");
        run(&mut checkout.push("HEAD", false));
        repository
    }

    fn empty(object_format: &'static str) -> Self {
        let repository = Self { folder: TempDir::new().unwrap(), object_format };
        let bare = repository.folder.path();
        let format = format!("--object-format={object_format}");
        run(git(bare).args(["init", "-q", "--bare", "--template=", "-b", BRANCH, &format]));
        // The server is stricter than the default: a malformed object does not get in.
        run(git(bare).args(["config", "receive.fsckObjects", "true"]));
        run(git(bare).args(["config", "receive.autogc", "false"]));
        // A record of every tip that ever was, which a bare repository does not keep by itself.
        run(git(bare).args(["config", "core.logAllRefUpdates", "true"]));
        repository
    }

    /// The folder of the bare repository.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The commit at the tip of the branch.
    pub(crate) fn tip(&self) -> String {
        self.read(&["rev-parse", BRANCH])
    }

    /// The log of the branch, newest first, in a format of `git log`.
    pub(crate) fn log(&self, format: &str) -> String {
        self.read(&["log", &format!("--format={format}"), BRANCH])
    }

    /// The exact bytes of `revision:path`.
    pub(crate) fn show(&self, object: &str) -> Vec<u8> {
        run(git(self.path()).args(["cat-file", "blob", object])).stdout
    }

    /// How many commits the branch has.
    pub(crate) fn commit_count(&self) -> usize {
        self.read(&["rev-list", "--count", BRANCH]).parse().unwrap()
    }

    /// No merges, and one commit without a parent.
    pub(crate) fn is_linear(&self) -> bool {
        let roots = self.read(&["rev-list", "--count", "--max-parents=0", BRANCH]);
        let merges = self.read(&["rev-list", "--count", "--merges", BRANCH]);
        roots == "1" && merges == "0"
    }

    /// What `git fsck` finds wrong.
    pub(crate) fn fsck(&self) -> Result<(), String> {
        let output = git(self.path()).args(["fsck", "--strict", "--full", "--no-dangling"]).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(said(&output)) }
    }

    /// The trailers of a commit, as Git itself reads them.
    pub(crate) fn trailers(&self, commit: &str) -> Vec<(String, String)> {
        let message = run(git(self.path()).args(["log", "-1", "--format=%B", commit])).stdout;
        let mut parse = git(self.path());
        parse.args(["interpret-trailers", "--parse"]);
        let parsed = String::from_utf8(feed(&mut parse, &message).stdout).unwrap();
        let pairs = parsed.lines().map(|line| line.split_once(": ").unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Lets a script decide on pushes, for example as `pre-receive`.
    pub(crate) fn install_hook(&self, name: &str, script: &str) {
        let path = self.path().join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        install_script(&path, script);
    }

    /// Somebody else changes a file. Like people do, they try again when another push was faster.
    pub(crate) fn commit_foreign(&self, path: &str, content: &[u8], message: &str) -> String {
        for _ in 0..100 {
            let checkout = self.checkout();
            write(&checkout.folder.path().join(path), content);
            let id = checkout.commit(message);
            let output = checkout.push("HEAD", false).output().unwrap();
            let text = said(&output);
            if output.status.success() {
                return id;
            }
            let overtaken =
                ["[rejected]", "cannot lock ref", "failed to update ref"].iter().any(|t| text.contains(t));
            assert!(overtaken, "push: {text}");
        }
        panic!("a hundred pushes were overtaken");
    }

    /// Somebody reverts a commit.
    pub(crate) fn revert(&self, commit: &str) -> String {
        let checkout = self.checkout();
        run(git(checkout.folder.path()).args(["revert", "--no-edit", commit]));
        run(&mut checkout.push("HEAD", false));
        self.tip()
    }

    /// Somebody rewrites the newest commit's message, and pushes by force.
    pub(crate) fn amend(&self, message: &str) -> String {
        let checkout = self.checkout();
        run(git(checkout.folder.path()).args(["commit", "-q", "--amend", "-m", message]));
        run(&mut checkout.push("HEAD", true));
        self.tip()
    }

    /// Somebody removes the newest `commits` from the branch.
    pub(crate) fn force_push_back(&self, commits: usize) -> String {
        run(&mut self.checkout().push(&format!("HEAD~{commits}"), true));
        self.tip()
    }

    /// Somebody deletes the branch.
    pub(crate) fn delete_branch(&self) {
        run(git(self.path()).args(["update-ref", "-d", &format!("refs/heads/{BRANCH}")]));
    }

    fn checkout(&self) -> Checkout {
        let folder = TempDir::new().unwrap();
        // An empty repository does not tell a clone which format it has.
        run(git(folder.path())
            .env("GIT_DEFAULT_HASH", self.object_format)
            .args(["clone", "-q", "--template="])
            .arg(self.path())
            .arg("."));
        Checkout { folder }
    }

    fn read(&self, arguments: &[&str]) -> String {
        let output = run(git(self.path()).args(arguments));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

impl Checkout {
    fn commit(&self, message: &str) -> String {
        let folder = self.folder.path();
        run(git(folder).args(["add", "-A"]));
        run(git(folder).args(["commit", "-q", "--allow-empty", "-m", message]));
        let id = run(git(folder).args(["rev-parse", "HEAD"])).stdout;
        String::from_utf8(id).unwrap().trim_end().to_owned()
    }

    fn push(&self, what: &str, force: bool) -> Command {
        let mut push = git(self.folder.path());
        push.args(["push", "-q"]).args(force.then_some("--force"));
        push.args(["origin", &format!("{what}:refs/heads/{BRANCH}")]);
        push
    }
}

fn write_all<P: AsRef<Path>, B: AsRef<[u8]>>(folder: &Path, files: impl IntoIterator<Item = (P, B)>) {
    for (path, content) in files {
        write(&folder.join(path), content.as_ref());
    }
}

fn write(path: &PathBuf, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
