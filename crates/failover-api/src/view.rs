//! What this process knows: one config and one commit of the branch, read together, never mixed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use failover_core::code::{Code, Problem};
use failover_core::config::Config;
use failover_core::history::{self, Event};
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath, Revision, ServiceName};
use failover_core::topology::ServiceState;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree, is_kustomization};
use tokio::time::Instant;

use crate::git::{Mirror, MirrorError, RemoteError};

/// The branch at one commit as one config sees it.
#[derive(Debug)]
pub struct View {
    /// The config.
    pub config: Arc<Config>,
    /// The repository's files.
    pub tree: Tree,
    /// The branch's commits, newest first, as far back as the mirror reaches.
    pub commits: Vec<CommitId>,
    /// What happened, newest first, as far back as the mirror reaches.
    pub events: Vec<Event>,
    /// Why services cannot be moved as things are, each reason with its service.
    pub problems: Vec<(ServiceName, Problem)>,
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

/// Reads views, and remembers what it learned about the files of the last one.
#[derive(Debug, Default)]
pub struct Reader {
    listing: Arc<Listing>,
    sources: HashMap<BlobId, Arc<Source>>,
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
        // What a file says also depends on whether Kustomize takes it for its own.
        let mut read: HashMap<(BlobId, bool), Arc<FileFacts>> = HashMap::new();
        let mut files = BTreeMap::new();
        for (path, blob) in mirror.manifest_files(&commit, root)? {
            let facts = match self.listing.file(&path).filter(|known| known.blob == blob) {
                Some(known) => Arc::clone(&known.facts),
                None => {
                    let key = (blob.clone(), is_kustomization(path.file_name()));
                    match read.get(&key) {
                        Some(known) => Arc::clone(known),
                        None => {
                            let facts = Arc::new(FileFacts::read(path.file_name(), &mirror.blob(&blob)?));
                            read.insert(key, Arc::clone(&facts));
                            facts
                        }
                    }
                }
            };
            files.insert(path, ListedFile { blob, facts });
        }
        let listing = Arc::new(self.listing.renew(files));
        let mut sources = BTreeMap::new();
        let mut kept = HashMap::new();
        for path in listing.needed(&config) {
            let Some(file) = listing.file(&path) else { continue };
            let source = match self.sources.get(&file.blob) {
                Some(known) => Arc::clone(known),
                None => match String::from_utf8(mirror.blob(&file.blob)?) {
                    Ok(text) => Arc::new(Source::new(text)),
                    Err(_) => continue,
                },
            };
            kept.insert(file.blob.clone(), Arc::clone(&source));
            sources.insert(path, source);
        }
        let records = mirror.commits(&commit)?;
        let events = history::events(&records);
        let commits = records.into_iter().map(|record| record.id).collect();
        (self.listing, self.sources) = (Arc::clone(&listing), kept);
        let tree = Tree { revision: Revision { branch, commit }, listing, sources };
        let problems = config.services().flat_map(|service| {
            let problems = ServiceState::read(service, &tree).problems;
            problems.into_iter().map(|problem| (service.name.clone(), problem))
        });
        let problems = problems.collect();
        Ok(View { config, tree, commits, events, problems, seen })
    }
}

/// The failure of a mirror, as an answer.
pub fn mirror_failed(error: &MirrorError) -> RemoteError {
    RemoteError::new(Code::CacheFailed, error.to_string())
}
