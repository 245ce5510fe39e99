//! Every YAML file under the searched root at one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::facts::FileFacts;
use super::kustomize::{self, Builds};
use crate::config::Config;
use crate::name::{BlobId, RepoPath, Revision};
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
    /// Where the objects of each kind are: the file, and which of its objects.
    pub(super) by_kind: BTreeMap<String, Vec<(RepoPath, usize)>>,
    pub(super) builds: Builds,
    /// Files that kustomizations use as patches.
    pub(super) patches: BTreeSet<RepoPath>,
}

impl Listing {
    /// Works out which kustomizations build which file.
    #[must_use]
    pub fn new(files: BTreeMap<RepoPath, ListedFile>) -> Self {
        let mut kustomizations = Vec::new();
        let mut flux = Vec::new();
        let mut by_kind: BTreeMap<String, Vec<(RepoPath, usize)>> = BTreeMap::new();
        for (path, file) in &files {
            match &*file.facts {
                FileFacts::Kustomization(kustomization) => kustomizations.push((path, kustomization)),
                FileFacts::Manifests(documents) => {
                    for (index, document) in documents.iter().enumerate() {
                        by_kind.entry(document.kind.clone()).or_default().push((path.clone(), index));
                    }
                    flux.extend(
                        documents.iter().filter_map(|document| Some((path, document.flux.as_ref()?))),
                    );
                }
                FileFacts::Unreadable { .. } => {}
            }
        }
        let patches = kustomizations
            .iter()
            .flat_map(|(path, kustomization)| kustomization.patch_files(kustomize::folder_of(path)))
            .collect();
        let paths: BTreeSet<&RepoPath> = files.keys().collect();
        let builds = kustomize::follow(kustomizations.into_iter(), flux.into_iter(), &paths);
        Self { files, by_kind, builds, patches }
    }

    /// The files whose text a plan for any service of `config` needs.
    #[must_use]
    pub fn needed(&self, config: &Config) -> BTreeSet<RepoPath> {
        let targets = config.services().flat_map(|service| &service.settings);
        targets.filter_map(|setting| self.find(&setting.target).ok()).map(|found| found.path).collect()
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(&self, path: &RepoPath) -> Option<&ListedFile> {
        self.files.get(path)
    }

    /// How many files are listed, and how many of them cannot be read.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let unreadable =
            self.files.values().filter(|file| matches!(*file.facts, FileFacts::Unreadable { .. })).count();
        (self.files.len(), unreadable)
    }
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
