//! What this process knows: one config and one commit of the branch, read together, never mixed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use failover_core::brake;
use failover_core::check::{self, Finding};
use failover_core::code::{Code, Problem};
use failover_core::config::{Config, HOLDS_PATH};
use failover_core::history::{self, CommitRecord, Event};
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath, Revision, Role, ServiceName};
use failover_core::restraint::{HoldsFile, Restraints};
use failover_core::topology::ServiceState;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree, is_kustomization};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::git::{Lying, Mirror, MirrorError, RemoteError};

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

    /// Everything found about moving a service of this view to `to`.
    #[must_use]
    pub fn findings(&self, state: &ServiceState<'_>, to: Role, now: Timestamp) -> Vec<Finding> {
        let mut found = brake::findings(state, to, &self.tree.restraints, now);
        found.extend(check::findings(state, to, &self.tree));
        found
    }
}

/// Reads views, and remembers what it learned about the files of the last one.
#[derive(Debug, Default)]
pub struct Reader {
    /// The commit and the root that the listing is of.
    listed: Option<(CommitId, Option<RepoPath>)>,
    listing: Arc<Listing>,
    records: Vec<CommitRecord>,
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
        let (mut files, changes) = self.changes(mirror, &commit, root)?;
        for (path, blob) in changes {
            let Some(blob) = blob else {
                files.remove(&path);
                continue;
            };
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
        let listing = Arc::new(match root {
            Some(root) if files.is_empty() => {
                let elsewhere = mirror.manifest_changes(None, &commit, None)?;
                Listing::nowhere(root, elsewhere.iter().map(|(path, _)| path))
            }
            Some(_) | None => self.listing.renew(files),
        });
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
        let records = mirror.commits(&commit, &self.records)?;
        let events = history::events(&records);
        let commits = records.iter().map(|record| record.id.clone()).collect();
        (self.listing, self.sources, self.records) = (Arc::clone(&listing), kept, records);
        self.listed = Some((commit.clone(), root.cloned()));
        // Wherever manifests are searched, it lies at the top.
        let holds = match RepoPath::new(HOLDS_PATH) {
            Ok(path) => mirror.file_at(&commit, &path)?,
            Err(_) => Lying::Other,
        };
        let restraints = Restraints {
            holds: Arc::new(holds_file(holds)),
            failovers: Arc::new(history::failovers(&self.records, &events)),
            last_moves: Arc::new(history::last_moves(&events)),
        };
        let tree = Tree { revision: Revision { branch, commit }, listing, sources, restraints };
        let problems = config.services().flat_map(|service| {
            let problems = ServiceState::read(service, &tree).problems;
            problems.into_iter().map(|problem| (service.name.clone(), problem))
        });
        let problems = problems.collect();
        Ok(View { config, tree, commits, events, problems, seen })
    }

    /// Files that are known, and where those of `commit` differ from them.
    #[expect(clippy::type_complexity, reason = "two lists of files, used once")]
    fn changes(
        &self,
        mirror: &Mirror,
        commit: &CommitId,
        root: Option<&RepoPath>,
    ) -> Result<(BTreeMap<RepoPath, ListedFile>, Vec<(RepoPath, Option<BlobId>)>), MirrorError> {
        if let Some((known, _)) = self.listed.as_ref().filter(|(_, known)| known.as_ref() == root) {
            // A mirror that was made anew, or a branch that was rewritten, may not hold the commit that is known.
            if let Ok(changes) = mirror.manifest_changes(Some(known), commit, root) {
                return Ok((self.listing.files().clone(), changes));
            }
        }
        Ok((BTreeMap::new(), mirror.manifest_changes(None, commit, root)?))
    }
}

/// The holds file, by what lies in its place.
#[must_use]
pub fn holds_file(lying: Lying) -> HoldsFile {
    match lying {
        Lying::Nothing => HoldsFile::default(),
        Lying::File(bytes) => HoldsFile::read(&bytes),
        Lying::Other => HoldsFile::not_a_file(),
    }
}

/// The failure of a mirror, as an answer.
pub fn mirror_failed(error: &MirrorError) -> RemoteError {
    RemoteError::new(Code::CacheFailed, error.to_string())
}
