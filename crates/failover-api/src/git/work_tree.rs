//! A clone on this machine, in which the branch that is checked out moves together with its files.
//!
//! Git itself does that (`receive.denyCurrentBranch=updateInstead`), and a `push-to-checkout` hook of ours says when it
//! may: changes that are not committed stay as they are, and where the new commit touches such a file nothing moves.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gix::head::Kind;
use gix::state::InProgress;
use tokio::process::Command;

use super::service::{Service, environment};

/// Git runs it with the new commit as its argument, before the branch moves. What it says goes to standard error.
const HOOK: &str = r#"#!/bin/sh
set -u
# Git runs this in its own folder, and names of files count from where one is.
cd "$GIT_WORK_TREE" || exit 1
folder=$(git rev-parse --git-dir) || exit 1
for underway in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD BISECT_LOG rebase-merge rebase-apply; do
    if [ -e "$folder/$underway" ]; then
        echo "a merge, rebase, cherry-pick, revert or bisect is under way ($underway)" >&2
        exit 1
    fi
done
git symbolic-ref -q HEAD >/dev/null || { echo "no branch is checked out" >&2; exit 1; }
git update-index -q --ignore-submodules --refresh >/dev/null
touched() { git diff-tree -r -z --no-renames --name-only HEAD "$1" --; }
changed=$(touched "$1" | xargs -0 git --literal-pathspecs diff-index --name-only HEAD --) || exit 1
if [ -n "$changed" ]; then
    echo "changed and not committed: $changed" >&2
    exit 1
fi
# Git writes over files that are ignored.
added() { git diff-tree -r -z --no-renames --diff-filter=A --name-only HEAD "$1" --; }
lying=$(added "$1" | xargs -0 sh -c 'for one; do if [ -e "$one" ] || [ -L "$one" ]; then echo "$one"; fi; done' sh) || exit 1
if [ -n "$lying" ]; then
    echo "not tracked by Git, and in the way: $lying" >&2
    exit 1
fi
exec git read-tree -u -m HEAD "$1"
"#;

/// A clone with the hook for it.
#[derive(Debug)]
pub(super) struct WorkTree {
    folder: PathBuf,
    hooks: PathBuf,
}

/// Why no branch of a clone is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Branchless {
    /// This is under way.
    Underway(&'static str),
    /// HEAD is at this commit.
    Detached(String),
    /// The branch that HEAD names has no commit.
    Unborn(String),
    /// It cannot be told.
    Unknown,
}

impl WorkTree {
    /// Writes the hook into `own`, a folder of ours.
    pub(super) fn new(folder: &Path, own: &Path) -> std::io::Result<Self> {
        let hooks = own.join("hooks");
        std::fs::create_dir_all(&hooks)?;
        let mut options = std::fs::File::options();
        options.create(true).truncate(true).write(true).mode(0o700);
        options.open(hooks.join("push-to-checkout"))?.write_all(HOOK.as_bytes())?;
        Ok(Self { folder: folder.to_owned(), hooks })
    }

    /// Why no branch of the clone is checked out. Blocks for as long as it takes to read a few small files.
    pub(super) fn branchless(&self) -> Branchless {
        let Ok(repository) = gix::open(&self.folder) else { return Branchless::Unknown };
        if let Some(underway) = repository.state() {
            return Branchless::Underway(match underway {
                InProgress::ApplyMailbox | InProgress::ApplyMailboxRebase => "an application of patches",
                InProgress::Bisect => "a bisect",
                InProgress::CherryPick | InProgress::CherryPickSequence => "a cherry-pick",
                InProgress::Merge => "a merge",
                InProgress::Rebase | InProgress::RebaseInteractive => "a rebase",
                InProgress::Revert | InProgress::RevertSequence => "a revert",
            });
        }
        match repository.head().map(|head| head.kind) {
            Ok(Kind::Detached { target, .. }) => Branchless::Detached(target.to_hex_with_len(12).to_string()),
            Ok(Kind::Unborn(name)) => Branchless::Unborn(name.shorten().to_string()),
            Ok(Kind::Symbolic(_)) | Err(_) => Branchless::Unknown,
        }
    }

    /// The clone's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command that runs a server program on the clone. It sees the user's own Git configuration, as `git merge`
    /// would: filters and line ends of the files may depend on it.
    pub(super) fn command(&self, service: Service) -> Command {
        let mut command = Command::new("git");
        command.args(["-c", "receive.denyCurrentBranch=updateInstead", "-c"]);
        command.arg(format!("core.hooksPath={}", self.hooks.display()));
        command.arg(service.program().trim_start_matches("git-")).arg(&self.folder);
        let own =
            ["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];
        let own = own.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(environment()).env_remove("GIT_CONFIG_NOSYSTEM").envs(own);
        command
    }
}

/// The folder of the clone that `path` is or lies in; `None` where it is, or lies in, a bare repository or nothing.
pub(super) fn clone_at(path: &Path) -> Option<PathBuf> {
    let inside = path.ends_with(".git").then(|| path.parent()).flatten().unwrap_or(path);
    let folder = inside.ancestors().find(|folder| is_bare(folder) || folder.join(".git").exists())?;
    (!is_bare(folder)).then(|| folder.to_owned())
}

fn is_bare(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}
