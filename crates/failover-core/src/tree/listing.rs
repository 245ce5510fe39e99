//! Every YAML file under the searched root at one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::facts::FileFacts;
use super::index::Index;
use crate::code::{Code, Problem};
use crate::config::Config;
use crate::name::{BlobId, RepoPath, Revision, nearest};
use crate::restraint::Restraints;
use crate::yaml::{self, Node, YamlError};

/// One file of a [`Listing`].
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// The file's content, by name.
    pub blob: BlobId,
    /// What it says about itself.
    pub facts: Arc<FileFacts>,
}

/// Every YAML file under the root, with what is known about it.
#[derive(Debug, Default)]
pub struct Listing {
    pub(super) files: BTreeMap<RepoPath, ListedFile>,
    pub(super) index: Arc<Index>,
    /// Why there is nothing, where that is known.
    pub(super) nowhere: Option<Problem>,
}

impl Listing {
    /// Works out which kustomizations build which file.
    #[must_use]
    pub fn new(files: BTreeMap<RepoPath, ListedFile>) -> Self {
        let facts: Vec<_> = files.iter().map(|(path, file)| (path, &*file.facts)).collect();
        let index = Arc::new(Index::new(&facts));
        Self { files, index, nowhere: None }
    }

    /// Of a root that holds no manifest; `elsewhere` are the files that the repository has.
    #[must_use]
    pub fn nowhere<'a>(root: &RepoPath, elsewhere: impl IntoIterator<Item = &'a RepoPath>) -> Self {
        let folders: BTreeSet<&str> =
            elsewhere.into_iter().flat_map(|file| ancestors(file.as_str())).collect();
        let near = nearest(root.as_str(), folders.iter().copied());
        // Where nothing is alike, the folders that one would begin to look in.
        let top = folders.iter().copied().filter(|folder| !folder.contains('/'));
        let shown = if near.is_empty() { top.take(5).collect() } else { near };
        let hint = if shown.is_empty() {
            "correct --root; the repository has no folder with YAML or JSON files".to_owned()
        } else {
            format!("correct --root, or leave it out to search everywhere; near: {}", shown.join(", "))
        };
        let detail =
            format!("--root names the folder {root}, and the branch has no YAML or JSON file below that");
        Self { nowhere: Some(Problem::new(Code::ManifestNotFound, detail, hint)), ..Self::default() }
    }

    /// Why no manifest at all can be found, where the root is the reason.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.nowhere.as_ref()
    }

    /// The listing of `files`, which are mostly those of this one: what is known of them all is kept when each says
    /// of itself what it said before, as after a move.
    #[must_use]
    pub fn renew(&self, files: BTreeMap<RepoPath, ListedFile>) -> Self {
        let is_same = self.files.len() == files.len()
            && self.files.iter().zip(&files).all(|((old_path, old), (path, file))| {
                old_path == path && (Arc::ptr_eq(&old.facts, &file.facts) || old.facts == file.facts)
            });
        if is_same { Self { files, index: Arc::clone(&self.index), nowhere: None } } else { Self::new(files) }
    }

    /// The files whose text a plan for any service of `config` needs.
    #[must_use]
    pub fn needed(&self, config: &Config) -> BTreeSet<RepoPath> {
        let targets = config.services().flat_map(|service| &service.settings);
        let found = targets.filter_map(|setting| self.find(&setting.target).ok());
        found
            .flat_map(|found| {
                let changes = self.files_of_changes(&found);
                changes.into_iter().chain([found.path])
            })
            .collect()
    }

    /// Every file, by its path.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<RepoPath, ListedFile> {
        &self.files
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(&self, path: &RepoPath) -> Option<&ListedFile> {
        self.files.get(path)
    }

    /// How many files are listed, and how many of them cannot be read.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.files.len(), self.index.unreadable().len())
    }

    /// The kustomizations that cannot be read.
    #[must_use]
    pub fn unreadable_kustomizations(&self) -> &[RepoPath] {
        &self.index.unreadable_kustomizations
    }

    /// The files that cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> &[RepoPath] {
        self.index.unreadable()
    }
}

/// The folders that a file is in, the innermost first.
fn ancestors(file: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(file.rsplit_once('/'), |(folder, _)| folder.rsplit_once('/'))
        .map(|(folder, _)| folder)
}

/// The repository at one commit, with the text of every file that a plan may touch.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The branch and commit.
    pub revision: Revision,
    /// All files under the root.
    pub listing: Arc<Listing>,
    /// The files in [`Listing::needed`].
    pub sources: BTreeMap<RepoPath, Arc<Source>>,
    /// What the commit says against moves.
    pub restraints: Restraints,
}

/// A file's text, and its documents once somebody asked for them.
#[derive(Debug)]
pub struct Source {
    text: Arc<str>,
    documents: OnceLock<Result<Vec<Node>, YamlError>>,
}

impl Source {
    /// A file with this text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), documents: OnceLock::new() }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The documents; read once however often they are asked for.
    ///
    /// # Errors
    /// The text is not YAML that can be read.
    pub fn documents(&self) -> Result<&[Node], &YamlError> {
        self.documents.get_or_init(|| yaml::parse(&self.text)).as_deref()
    }
}
