//! The clone that `check` and `scan` read, and the config that `check` holds against it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use failover_core::config::HOLDS_PATH;
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath, Revision};
use failover_core::restraint::Restraints;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};

use super::repository::parse_root;
use crate::git::files;
use crate::view;

/// Which files are read.
#[derive(Debug, Args)]
pub(super) struct CloneFlags {
    /// A folder in a clone of the repository. Its work tree is read as it is, with what is not committed and without
    /// what is ignored.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    repo: PathBuf,
    /// Read this commit of the clone instead, such as HEAD or origin/main.
    #[arg(long, value_name = "REVISION")]
    commit: Option<String>,
    /// The folder to search for manifests [default: the whole repository].
    #[arg(long, value_name = "FOLDER", value_parser = parse_root)]
    root: Option<RepoPath>,
}

/// The files that were read.
pub(super) struct Clone {
    pub(super) tree: Tree,
    /// The clone's top folder.
    pub(super) top: PathBuf,
    /// What was read, in words.
    pub(super) what: String,
}

impl CloneFlags {
    /// Reads the files. Blocks.
    pub(super) fn read(&self) -> Result<Clone, String> {
        let top = files::top_of(&self.repo).map_err(|error| format!("--repo: {error}"))?;
        let (what, files) = match &self.commit {
            None => {
                let files = files::work_tree(&top, self.root.as_ref())?;
                (format!("the work tree of {}", top.display()), files)
            }
            Some(name) => {
                let (id, files) = files::commit(&top, name, self.root.as_ref())
                    .map_err(|error| format!("--commit: {error}"))?;
                (format!("commit {id} of {}", top.display()), files)
            }
        };
        let mut tree = tree(files)?;
        let path = RepoPath::new(HOLDS_PATH).map_err(|error| error.to_string())?;
        let holds = files::file_at(&top, self.commit.as_deref(), &path)?;
        tree.restraints.holds = Arc::new(view::holds_file(holds));
        Ok(Clone { tree, top, what })
    }
}

fn tree(files: files::Files) -> Result<Tree, String> {
    let nothing = "0".repeat(40);
    // What is only in a work tree has no id, and nothing here asks for it.
    let none = BlobId::new(nothing.as_str()).map_err(|error| error.to_string())?;
    let mut listed = BTreeMap::new();
    let mut sources = BTreeMap::new();
    for (path, (blob, bytes)) in files {
        let facts = Arc::new(FileFacts::read(path.file_name(), &bytes));
        listed.insert(path.clone(), ListedFile { blob: blob.unwrap_or_else(|| none.clone()), facts });
        if let Ok(text) = String::from_utf8(bytes) {
            sources.insert(path, Arc::new(Source::new(text)));
        }
    }
    let branch = BranchName::new("local").map_err(|error| error.to_string())?;
    let commit = CommitId::new(nothing).map_err(|error| error.to_string())?;
    let listing = Arc::new(Listing::new(listed));
    Ok(Tree { revision: Revision { branch, commit }, listing, sources, restraints: Restraints::default() })
}

/// How a file is named for somebody who looks at the repository's top.
pub(super) fn seen_from(top: &Path, file: &Path) -> String {
    let whole = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    whole.strip_prefix(top).unwrap_or(file).to_string_lossy().into_owned()
}
