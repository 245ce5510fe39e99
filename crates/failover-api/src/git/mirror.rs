//! The local, bare, shallow copy of one branch. A cache: whatever is wrong with it, it is thrown away and fetched anew.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use failover_core::history::CommitRecord;
use failover_core::name::{BlobId, BranchName, CommitId, RepoPath};
use gix::ObjectId;
use gix::objs::Kind;
use jiff::Timestamp;

use super::commit::{NewCommit, NewObjects};
use super::manifests::{Lying, file_at, manifest_changes};
use super::objects::{MirrorError, damaged, object_id, read_object, write_object, write_pack};
use super::signing::{Signer, SigningError};
use super::tree_edit::{FileEdit, edit_files};

/// How many commits back the mirror reaches, and with it history, idempotency keys and "already done by".
pub(super) const DEPTH: usize = 250;

/// More objects than these are kept in one pack: each file costs more than what is in it.
const MANY_OBJECTS: usize = 32;
const MANY_LOOSE_OBJECTS: usize = 2000;
/// Each fetch that brings something makes two files.
const MANY_PACK_FILES: usize = 200;
/// How many packs gix can hold open: more than there ever are before the mirror is made anew.
const SLOTS: u16 = 1024;

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

/// Why a commit could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// What it builds on cannot be read.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// It must be signed and cannot be.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// What a commit does to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// It is there, and gets this content.
    Replace(Vec<u8>),
    /// It gets this content, whether it is there or not.
    Put(Vec<u8>),
    /// It is there, and goes.
    Remove,
}

/// The local copy. All its methods block for milliseconds at most and never touch the network.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    repository: gix::ThreadSafeRepository,
}

impl Mirror {
    /// Makes an empty bare repository in `folder`, which must be empty and ours alone.
    pub(super) fn init(folder: &Path, format: gix::hash::Kind) -> Result<Self, MirrorError> {
        let create = gix::create::Options { object_hash: Some(format), ..gix::create::Options::default() };
        let slots = gix::odb::store::init::Slots::Given(SLOTS);
        let open = gix::open::Options::isolated().object_store_slots(slots);
        let repository = gix::ThreadSafeRepository::init_opts(folder, gix::create::Kind::Bare, create, open);
        let repository = repository.map_err(|error| MirrorError::Write(error.to_string()))?;
        Ok(Self { folder: folder.to_owned(), repository })
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

    /// Moves the local branch to `commit`, which the remote accepted and which was taken in.
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

    /// Where the YAML and JSON files below `root` (the whole tree when `None`), links and submodules left out, differ
    /// between two commits; all files of `new` when there is no `old` one. `None` stands for a file that is gone.
    /// Folders that are the same in both are not read.
    ///
    /// # Errors
    /// The mirror is damaged, or does not reach back to `old`.
    pub fn manifest_changes(
        &self,
        old: Option<&CommitId>,
        new: &CommitId,
        root: Option<&RepoPath>,
    ) -> Result<Vec<(RepoPath, Option<BlobId>)>, MirrorError> {
        let repository = self.repository.to_thread_local();
        let tree = |commit: &CommitId| commit_tree(&repository, object_id(commit.as_str())?);
        manifest_changes(&repository, old.map(tree).transpose()?, tree(new)?, root)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn blob(&self, id: &BlobId) -> Result<Vec<u8>, MirrorError> {
        read_object(&self.repository.to_thread_local(), object_id(id.as_str())?, Kind::Blob)
    }

    /// The commits that `tip` reaches, newest first, as far back as the mirror goes. Those that are `known` already
    /// are not read.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn commits(&self, tip: &CommitId, known: &[CommitRecord]) -> Result<Vec<CommitRecord>, MirrorError> {
        let repository = self.repository.to_thread_local();
        let known: HashMap<&str, &CommitRecord> =
            known.iter().map(|record| (record.id.as_str(), record)).collect();
        let read = |id: ObjectId| match known.get(id.to_string().as_str()) {
            Some(record) => Ok((*record).clone()),
            None => read_commit(&repository, id),
        };
        let mut records = Vec::new();
        let mut seen = HashSet::new();
        // Newest first; of equally old ones the one that was reached first, which is the descendant.
        let mut pending = BinaryHeap::new();
        let start = object_id(tip.as_str())?;
        pending.push((i64::MAX, std::cmp::Reverse(0), start));
        seen.insert(start);
        while let Some((_, _, id)) = pending.pop() {
            let record = match read(id) {
                Ok(record) => record,
                // Beyond the shallow boundary.
                Err(_) if id != start => continue,
                Err(error) => return Err(error),
            };
            for parent in &record.parents {
                let parent = object_id(parent.as_str())?;
                if seen.insert(parent) {
                    let time = match known.get(parent.to_string().as_str()) {
                        Some(record) => record.time.as_second(),
                        None if !repository.has_object(parent) => continue,
                        None => read_commit(&repository, parent).map_or(0, |parent| parent.time.as_second()),
                    };
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

    /// What lies at `path` in a commit.
    ///
    /// # Errors
    /// The mirror is damaged.
    pub fn file_at(&self, commit: &CommitId, path: &RepoPath) -> Result<Lying, MirrorError> {
        let repository = self.repository.to_thread_local();
        file_at(&repository, commit_tree(&repository, object_id(commit.as_str())?)?, path)
    }

    /// Makes a commit whose one parent is `base` and in which exactly `files` differ. Nothing is written.
    ///
    /// # Errors
    /// The mirror is damaged, or the commit cannot be signed.
    pub fn new_commit(
        &self,
        base: &CommitId,
        files: &BTreeMap<RepoPath, Edit>,
        message: &str,
        author: &Author,
        signer: Option<&Signer>,
        now: Timestamp,
    ) -> Result<NewCommit, CommitError> {
        let repository = self.repository.to_thread_local();
        let parent = object_id(base.as_str())?;
        let mut new = NewObjects::new(repository.object_hash());
        let mut edits = BTreeMap::new();
        for (path, edit) in files {
            let edit = match edit {
                Edit::Replace(content) => FileEdit::Replace(new.add(Kind::Blob, content.clone())?),
                Edit::Put(content) => FileEdit::Put(new.add(Kind::Blob, content.clone())?),
                Edit::Remove => FileEdit::Remove,
            };
            edits.insert(path, edit);
        }
        let tree = edit_files(&repository, &mut new, commit_tree(&repository, parent)?, &edits)?;
        let time = now.as_second();
        let head = format!(
            "tree {tree}\nparent {parent}\nauthor {author} {time} +0000\ncommitter {author} {time} +0000\n"
        );
        let unsigned = format!("{head}\n{message}");
        let text = match signer {
            None => unsigned,
            Some(signer) => {
                let signature = signer.sign(unsigned.as_bytes())?;
                // A header's value goes on in lines that begin with a space.
                let signature = signature.trim_end().replace('\n', "\n ");
                let header = if repository.object_hash() == gix::hash::Kind::Sha1 {
                    "gpgsig"
                } else {
                    "gpgsig-sha256"
                };
                format!("{head}{header} {signature}\n\n{message}")
            }
        };
        let id = commit_id(new.add(Kind::Commit, text.into_bytes())?)?;
        Ok(new.into_commit(id, base.clone())?)
    }

    /// Takes in the objects of a commit. No branch leads to them yet.
    ///
    /// # Errors
    /// They could not be written.
    pub fn take_in(&self, commit: &NewCommit) -> Result<(), MirrorError> {
        let repository = self.repository.to_thread_local();
        if commit.objects().count() > MANY_OBJECTS {
            return write_pack(&repository, commit.pack());
        }
        for (kind, data) in commit.objects() {
            write_object(&repository, kind, data)?;
        }
        Ok(())
    }

    /// The repository, for a fetch.
    pub(super) fn repository(&self) -> gix::ThreadSafeRepository {
        self.repository.clone()
    }

    /// Whether so much has come in bit by bit that a fresh copy is better: each loose object takes a page of
    /// memory-backed storage, and each pack a file's handle.
    pub(super) fn is_scattered(&self) -> bool {
        let packs = std::fs::read_dir(self.folder.join("objects/pack")).into_iter().flatten().count();
        packs >= MANY_PACK_FILES || self.loose_objects(MANY_LOOSE_OBJECTS) >= MANY_LOOSE_OBJECTS
    }

    /// How many loose objects there are, counted up to `enough`.
    fn loose_objects(&self, enough: usize) -> usize {
        let folders = std::fs::read_dir(self.folder.join("objects")).into_iter().flatten().flatten();
        let fan_out = folders.filter(|entry| entry.file_name().len() == 2);
        fan_out.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten()).take(enough).count()
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// Two commits between which things become other things.
    const HISTORY: &str = "commit refs/heads/main
mark :1
committer a <a> 1 +0000
data 0
M 100644 inline kept/same.yaml
data 1
1
M 100644 inline kept/other.yaml
data 1
1
M 100644 inline kept/mode.yaml
data 1
1
M 100644 inline gone/a/b.yaml
data 1
1
M 100644 inline gone.yaml
data 1
1
M 120000 inline link.yaml
data 1
1
M 100644 inline file.yaml
data 1
1
M 100644 inline folder.yaml/in.yaml
data 1
1
M 100644 inline notes.txt
data 1
1
commit refs/heads/main
committer a <a> 2 +0000
data 0
M 100644 inline kept/other.yaml
data 1
2
M 100755 inline kept/mode.yaml
data 1
1
D gone
D gone.yaml
M 100644 inline link.yaml
data 1
1
M 100644 inline new/a/b.json
data 1
1
D file.yaml
M 100644 inline file.yaml/in.yaml
data 1
1
D folder.yaml
M 100644 inline folder.yaml
data 1
1
M 100644 inline notes.txt
data 1
2
";

    #[test]
    fn changes_lead_from_one_commits_files_to_the_others() {
        let folder = tempfile::TempDir::new().unwrap();
        let mirror = Mirror::init(folder.path(), gix::hash::Kind::Sha1).unwrap();
        let mut import = Command::new("git");
        import.arg("--git-dir").arg(folder.path()).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut child = import.spawn().unwrap();
        child.stdin.take().unwrap().write_all(HISTORY.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        let new = mirror.tip(&BranchName::new("main").unwrap()).unwrap();
        let old = mirror.commits(&new, &[]).unwrap()[1].id.clone();
        for root in [None, Some(RepoPath::new("kept").unwrap()), Some(RepoPath::new("gone/a").unwrap())] {
            let changes = |old, new| mirror.manifest_changes(old, new, root.as_ref()).unwrap();
            let files = |commit| changes(None, commit).into_iter().collect::<BTreeMap<_, _>>();
            for (from, to) in [(&old, &new), (&new, &old), (&new, &new)] {
                let mut there = files(from);
                for (path, blob) in changes(Some(from), to) {
                    assert_ne!(there.get(&path), Some(&blob), "{path} is no change");
                    there.insert(path, blob);
                }
                there.retain(|_, blob| blob.is_some());
                assert_eq!(there, files(to));
            }
        }
        assert_eq!(mirror.manifest_changes(None, &new, None).unwrap().len(), 7);
    }

    #[test]
    fn what_is_taken_in_is_there_whether_little_or_much() {
        for count in [1, MANY_OBJECTS + 1] {
            let folder = tempfile::TempDir::new().unwrap();
            let mirror = Mirror::init(folder.path(), gix::hash::Kind::Sha256).unwrap();
            let mut new = NewObjects::new(gix::hash::Kind::Sha256);
            let texts = (0..count).map(|number| format!("text {number}").into_bytes());
            let blobs: Vec<_> =
                texts.map(|text| (new.add(Kind::Blob, text.clone()).unwrap(), text)).collect();
            let id = commit_id(blobs[0].0).unwrap();
            let commit = new.into_commit(id.clone(), id).unwrap();
            // The same commit is pushed, and taken in, again when an answer was lost.
            for _ in 0..2 {
                mirror.take_in(&commit).unwrap();
                for (id, text) in &blobs {
                    assert_eq!(mirror.blob(&BlobId::new(id.to_string()).unwrap()).unwrap(), *text);
                }
            }
            let packs = std::fs::read_dir(folder.path().join("objects/pack")).unwrap().count();
            assert_eq!(packs, if count > MANY_OBJECTS { 2 } else { 0 });
        }
    }
}
