//! The local, bare, shallow copy of one branch. A cache: whatever is wrong with it, it is thrown away and fetched anew.

use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::path::{Path, PathBuf};

use failover_core::history::CommitRecord;
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath};
use gix::ObjectId;
use gix::objs::{Kind, TreeRefIter};
use jiff::Timestamp;

use super::objects::{MirrorError, damaged, object_id, read_object, write_object};
use super::tree_edit::replace_files;

/// How many commits back the mirror reaches, and with it history, idempotency keys and "already done by".
pub(super) const DEPTH: usize = 250;

/// Who commits are made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    name: String,
    email: String,
}

impl std::str::FromStr for Author {
    type Err = String;

    /// Reads `Name <email>`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.strip_suffix('>').and_then(|rest| rest.split_once(" <"));
        let (name, email) = parts.ok_or("must be written as: Name <email>")?;
        let plain = |part: &str| {
            !part.trim().is_empty() && !part.chars().any(|c| c.is_control() || matches!(c, '<' | '>'))
        };
        if plain(name) && plain(email) {
            Ok(Self { name: name.trim().to_owned(), email: email.trim().to_owned() })
        } else {
            Err("must be written as: Name <email>".to_owned())
        }
    }
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// The local copy. All its methods block for milliseconds at most and never touch the network.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    repository: gix::ThreadSafeRepository,
}

impl Mirror {
    /// Opens the bare repository in `folder`, which must be ours alone.
    pub(super) fn open(folder: &Path) -> Result<Self, MirrorError> {
        let repository = gix::open_opts(folder, gix::open::Options::isolated())
            .map_err(|error| MirrorError::Damaged(error.to_string()))?;
        Ok(Self { folder: folder.to_owned(), repository: repository.into_sync() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The branch's commit, checked to be there with its tree.
    pub(super) fn tip(&self, branch: &BranchName) -> Result<CommitId, MirrorError> {
        let repository = self.repository.to_thread_local();
        let name = format!("refs/heads/{branch}");
        let mut reference = repository.find_reference(name.as_str()).map_err(damaged)?;
        let id = reference.peel_to_id().map_err(damaged)?.detach();
        let tree = commit_tree(&repository, id)?;
        read_object(&repository, tree, Kind::Tree)?;
        commit_id(id)
    }

    /// Moves the local branch to `commit`, which the remote accepted.
    pub(super) fn set_tip(&self, branch: &BranchName, commit: &CommitId) -> Result<(), MirrorError> {
        let repository = self.repository.to_thread_local();
        let id = object_id(commit.as_str())?;
        let any = gix::refs::transaction::PreviousValue::Any;
        let name = format!("refs/heads/{branch}");
        repository
            .reference(name, id, any, "")
            .map(drop)
            .map_err(|error| MirrorError::Write(error.to_string()))
    }

    /// Every YAML and JSON file below `root` (the whole tree when `None`), links and submodules left out.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn manifest_files(
        &self,
        commit: &CommitId,
        root: Option<&RepoPath>,
    ) -> Result<BTreeMap<RepoPath, BlobId>, MirrorError> {
        let repository = self.repository.to_thread_local();
        let tree = commit_tree(&repository, object_id(commit.as_str())?)?;
        let mut files = BTreeMap::new();
        let mut pending = vec![(String::new(), tree)];
        while let Some((folder, tree)) = pending.pop() {
            let data = read_object(&repository, tree, Kind::Tree)?;
            for entry in TreeRefIter::from_bytes(&data, repository.object_hash()) {
                let entry = entry.map_err(damaged)?;
                // A name that is not UTF-8 cannot be configured and is left alone.
                let Ok(name) = std::str::from_utf8(entry.filename) else { continue };
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if entry.mode.is_tree() {
                    if may_hold(&path, root) {
                        pending.push((path, entry.oid.to_owned()));
                    }
                } else if entry.mode.is_blob()
                    && is_manifest(name)
                    && root.is_none_or(|root| is_below(&path, root))
                    && let (Ok(path), Ok(blob)) = (RepoPath::new(path), BlobId::new(entry.oid.to_string()))
                {
                    files.insert(path, blob);
                }
            }
        }
        Ok(files)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn blob(&self, id: &BlobId) -> Result<Vec<u8>, MirrorError> {
        read_object(&self.repository.to_thread_local(), object_id(id.as_str())?, Kind::Blob)
    }

    /// The commits that `tip` reaches, newest first, as far back as the mirror goes.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn commits(&self, tip: &CommitId) -> Result<Vec<CommitRecord>, MirrorError> {
        let repository = self.repository.to_thread_local();
        let mut records = Vec::new();
        let mut seen = HashSet::new();
        // Newest first; of equally old ones the one that was reached first, which is the descendant.
        let mut pending = BinaryHeap::new();
        let start = object_id(tip.as_str())?;
        pending.push((i64::MAX, std::cmp::Reverse(0), start));
        seen.insert(start);
        while let Some((_, _, id)) = pending.pop() {
            let record = match read_commit(&repository, id) {
                Ok(record) => record,
                // Beyond the shallow boundary.
                Err(_) if id != start => continue,
                Err(error) => return Err(error),
            };
            for parent in &record.parents {
                let parent = object_id(parent.as_str())?;
                if seen.insert(parent) && repository.has_object(parent) {
                    let time = read_commit(&repository, parent).map_or(0, |parent| parent.time.as_second());
                    pending.push((time, std::cmp::Reverse(seen.len()), parent));
                }
            }
            records.push(record);
            if records.len() == DEPTH {
                break;
            }
        }
        Ok(records)
    }

    /// Writes a commit whose one parent is `base` and in which exactly `files` differ. No branch moves.
    ///
    /// # Errors
    /// The mirror is damaged or cannot be written.
    pub fn write_commit(
        &self,
        base: &CommitId,
        files: &BTreeMap<&RepoPath, &[u8]>,
        message: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<CommitId, MirrorError> {
        let repository = self.repository.to_thread_local();
        let parent = object_id(base.as_str())?;
        let mut blobs = BTreeMap::new();
        for (path, content) in files {
            blobs.insert(*path, write_object(&repository, Kind::Blob, content)?);
        }
        let tree = replace_files(&repository, commit_tree(&repository, parent)?, &blobs)?;
        let time = now.as_second();
        let text = format!(
            "tree {tree}\nparent {parent}\nauthor {author} {time} +0000\ncommitter {author} {time} +0000\n\n{message}"
        );
        let id = write_object(&repository, Kind::Commit, text.as_bytes())?;
        commit_id(id)
    }

    /// How many loose objects there are, counted up to `enough`: each takes a page of memory-backed storage.
    pub(super) fn loose_objects(&self, enough: usize) -> usize {
        let folders = std::fs::read_dir(self.folder.join("objects")).into_iter().flatten().flatten();
        let fan_out = folders.filter(|entry| entry.file_name().len() == 2);
        fan_out.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten()).take(enough).count()
    }
}

/// Whether the folder `path` can hold files below `root`, or lies below it.
fn may_hold(path: &str, root: Option<&RepoPath>) -> bool {
    root.is_none_or(|root| {
        path == root.as_str() || is_below(path, root) || root.as_str().starts_with(&format!("{path}/"))
    })
}

fn is_below(path: &str, root: &RepoPath) -> bool {
    path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

fn is_manifest(name: &str) -> bool {
    name == "Kustomization" || [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
}

fn commit_id(id: ObjectId) -> Result<CommitId, MirrorError> {
    CommitId::new(id.to_string()).map_err(damaged)
}

fn commit_tree(repository: &gix::Repository, id: ObjectId) -> Result<ObjectId, MirrorError> {
    RawCommit::read(&read_object(repository, id, Kind::Commit)?).map(|commit| commit.tree)
}

fn read_commit(repository: &gix::Repository, id: ObjectId) -> Result<CommitRecord, MirrorError> {
    let data = read_object(repository, id, Kind::Commit)?;
    let commit = RawCommit::read(&data)?;
    let (author, _) = person(commit.author);
    let (committer, seconds) = person(commit.committer);
    Ok(CommitRecord {
        id: commit_id(id)?,
        parents: commit.parents.into_iter().map(commit_id).collect::<Result<_, _>>()?,
        author,
        committer,
        time: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
        message: String::from_utf8_lossy(commit.message).into_owned(),
    })
}

/// A commit taken apart by its lines alone: other people's commits may have names and times that no strict reader
/// takes, and history must not end there.
struct RawCommit<'a> {
    tree: ObjectId,
    parents: Vec<ObjectId>,
    author: &'a [u8],
    committer: &'a [u8],
    message: &'a [u8],
}

impl<'a> RawCommit<'a> {
    fn read(data: &'a [u8]) -> Result<Self, MirrorError> {
        let (mut tree, mut parents) = (None, Vec::new());
        let (mut author, mut committer) = (&data[..0], &data[..0]);
        let mut rest = data;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if line.is_empty() {
                break;
            }
            let id = |hex: &[u8]| ObjectId::from_hex(hex).map_err(damaged);
            if let Some(hex) = line.strip_prefix(b"tree ") {
                tree = Some(id(hex)?);
            } else if let Some(hex) = line.strip_prefix(b"parent ") {
                parents.push(id(hex)?);
            } else if let Some(name) = line.strip_prefix(b"author ") {
                author = name;
            } else if let Some(name) = line.strip_prefix(b"committer ") {
                committer = name;
            }
        }
        let tree = tree.ok_or_else(|| MirrorError::Damaged("a commit has no tree".to_owned()))?;
        Ok(Self { tree, parents, author, committer, message: rest })
    }
}

/// `Name <email>`, and the seconds since 1970 that follow it.
fn person(line: &[u8]) -> (String, i64) {
    let text = String::from_utf8_lossy(line);
    let mut parts = text.rsplitn(3, ' ');
    let (_zone, seconds, name) = (parts.next(), parts.next(), parts.next());
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    match (name, seconds) {
        (Some(name), Some(seconds)) => (name.to_owned(), seconds),
        _ => (text.into_owned(), 0),
    }
}
