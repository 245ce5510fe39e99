//! What this process knows: one config and one commit of the branch, read together, never mixed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use failover_core::code::Code;
use failover_core::config::Config;
use failover_core::history::{self, Event};
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath, Revision};
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};
use tokio::time::Instant;

use crate::git::{Mirror, MirrorError, RemoteError};

/// The branch at one commit as one config sees it.
#[derive(Debug)]
pub struct View {
    /// The config.
    pub config: Arc<Config>,
    /// The repository's files.
    pub tree: Tree,
    /// What happened, newest first, as far back as the mirror reaches.
    pub events: Vec<Event>,
    /// When the remote was last seen to be at this commit.
    pub seen: Instant,
}

impl View {
    /// Seconds since the remote was last seen to be at this commit.
    #[must_use]
    pub fn age_seconds(&self) -> u64 {
        self.seen.elapsed().as_secs()
    }
}

/// Reads views, and remembers what it learned about a file by the file's content.
#[derive(Debug, Default)]
pub struct Reader {
    facts: HashMap<(BlobId, bool), Arc<FileFacts>>,
}

impl Reader {
    /// The view of `commit`. Blocks for as long as it takes to read what is new in it.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn read(
        &mut self,
        config: Arc<Config>,
        mirror: &Mirror,
        branch: BranchName,
        commit: CommitId,
        root: Option<&RepoPath>,
        seen: Instant,
    ) -> Result<View, MirrorError> {
        let mut facts = HashMap::new();
        let mut files = BTreeMap::new();
        for (path, blob) in mirror.manifest_files(&commit, root)? {
            // What a file says also depends on whether Kustomize takes it for its own.
            let key = (blob.clone(), path.file_name().starts_with(['k', 'K']));
            let known = match self.facts.get(&key) {
                Some(known) => Arc::clone(known),
                None => Arc::new(FileFacts::read(path.file_name(), &mirror.blob(&blob)?)),
            };
            facts.insert((blob.clone(), key.1), Arc::clone(&known));
            files.insert(path, ListedFile { blob, facts: known });
        }
        // Facts of files that are gone are forgotten.
        self.facts = facts;
        let listing = Listing::new(files);
        let mut sources = BTreeMap::new();
        for path in listing.needed(&config) {
            if let Some(file) = listing.file(&path)
                && let Ok(text) = String::from_utf8(mirror.blob(&file.blob)?)
            {
                sources.insert(path, Arc::new(Source::new(text)));
            }
        }
        let events = history::events(&mirror.commits(&commit)?);
        let tree = Tree { revision: Revision { branch, commit }, listing: Arc::new(listing), sources };
        Ok(View { config, tree, events, seen })
    }
}

/// The failure of a mirror, as an answer.
pub fn mirror_failed(error: &MirrorError) -> RemoteError {
    RemoteError { code: Code::CacheFailed, detail: error.to_string() }
}
