//! Which files of a tree are manifests, and where two trees differ in them.

use std::collections::BTreeMap;

use failover_core::name::{BlobId, RepoPath};
use gix::ObjectId;
use gix::objs::tree::EntryMode;
use gix::objs::{Kind, TreeRefIter};

use super::objects::{MirrorError, damaged, read_object};

/// Where the manifests below `root` differ between two trees; all of `new` when there is no `old` one. `None` stands for
/// a file that is gone.
pub(super) fn manifest_changes(
    repository: &gix::Repository,
    old: Option<ObjectId>,
    new: ObjectId,
    root: Option<&RepoPath>,
) -> Result<Vec<(RepoPath, Option<BlobId>)>, MirrorError> {
    let mut changes = Vec::new();
    let mut pending = vec![(String::new(), old, Some(new))];
    while let Some((folder, old, new)) = pending.pop() {
        if old == new {
            continue;
        }
        let (old, new) = (Folder::read(repository, old)?, Folder::read(repository, new)?);
        let (old, new) = (old.entries(repository)?, new.entries(repository)?);
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        for name in new.keys().chain(gone) {
            let (before, after) = (old.get(name), new.get(name));
            // A name that is not UTF-8 cannot be configured and is left alone.
            let Ok(name) = std::str::from_utf8(name) else { continue };
            if before == after {
                continue;
            }
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let tree =
                |entry: Option<&Entry>| entry.filter(|entry| entry.mode.is_tree()).map(|entry| entry.id);
            let (tree_before, tree_after) = (tree(before), tree(after));
            if tree_before != tree_after && may_hold(&path, root) {
                pending.push((path.clone(), tree_before, tree_after));
            }
            if is_manifest(name) && root.is_none_or(|root| is_below(&path, root)) {
                let blob = |entry: Option<&Entry>| {
                    let blob = entry.filter(|entry| entry.mode.is_blob())?;
                    BlobId::new(blob.id.to_string()).ok()
                };
                let (blob_before, blob_after) = (blob(before), blob(after));
                if blob_before != blob_after
                    && let Ok(path) = RepoPath::new(path)
                {
                    changes.push((path, blob_after));
                }
            }
        }
    }
    Ok(changes)
}

/// What lies at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lying {
    /// Nothing.
    Nothing,
    /// A file with this content.
    File(Vec<u8>),
    /// A link, a submodule or a folder; or one of its folders is none.
    Other,
}

/// What lies at `path` below `tree`.
pub(super) fn file_at(
    repository: &gix::Repository,
    tree: ObjectId,
    path: &RepoPath,
) -> Result<Lying, MirrorError> {
    let mut tree = tree;
    let mut parts = path.as_str().split('/').peekable();
    while let Some(part) = parts.next() {
        let folder = Folder::read(repository, Some(tree))?;
        let entries = folder.entries(repository)?;
        let Some(entry) = entries.get(part.as_bytes()) else { return Ok(Lying::Nothing) };
        match (parts.peek().is_some(), entry.mode) {
            (true, mode) if mode.is_tree() => tree = entry.id,
            (false, mode) if mode.is_blob() => {
                return Ok(Lying::File(read_object(repository, entry.id, Kind::Blob)?));
            }
            (_, _) => return Ok(Lying::Other),
        }
    }
    Ok(Lying::Nothing)
}

/// A raw tree; nothing where there is no folder.
struct Folder(Vec<u8>);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mode: EntryMode,
    id: ObjectId,
}

impl Folder {
    fn read(repository: &gix::Repository, tree: Option<ObjectId>) -> Result<Self, MirrorError> {
        tree.map_or(Ok(Self(Vec::new())), |tree| read_object(repository, tree, Kind::Tree).map(Self))
    }

    fn entries(&self, repository: &gix::Repository) -> Result<BTreeMap<&[u8], Entry>, MirrorError> {
        let entries = TreeRefIter::from_bytes(&self.0, repository.object_hash());
        let entries = entries.map(|entry| {
            let entry = entry.map_err(damaged)?;
            let name: &[u8] = entry.filename;
            Ok((name, Entry { mode: entry.mode, id: entry.oid.to_owned() }))
        });
        entries.collect()
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

/// Whether a file of this name may hold manifests.
pub(super) fn is_manifest(name: &str) -> bool {
    name == "Kustomization" || [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
}
