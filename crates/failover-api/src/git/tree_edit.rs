//! Edits files in a Git tree by changing nothing but their own entries in the raw tree objects, so that the modes of others,
//! names in any encoding and the order of entries cannot change.

use std::collections::BTreeMap;
use std::ops::Range;

use failover_core::name::RepoPath;
use gix::ObjectId;
use gix::objs::Kind;

use super::commit::NewObjects;
use super::objects::{MirrorError, read_object};

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileEdit {
    /// It is there, and gets this content.
    Replace(ObjectId),
    /// It gets this content, and is made with its folders if it is not there.
    Put(ObjectId),
    /// It is there, and goes, with the folders that it leaves empty.
    Remove,
}

/// The id of the tree `root` with each file in `files` edited.
pub(super) fn edit_files(
    repository: &gix::Repository,
    new: &mut NewObjects,
    root: ObjectId,
    files: &BTreeMap<&RepoPath, FileEdit>,
) -> Result<ObjectId, MirrorError> {
    let files: Vec<(Vec<&str>, FileEdit)> =
        files.iter().map(|(path, edit)| (path.as_str().split('/').collect(), *edit)).collect();
    let files: Vec<(&[&str], FileEdit)> =
        files.iter().map(|(parts, edit)| (parts.as_slice(), *edit)).collect();
    match edit(repository, new, Some(root), &files)? {
        Some(tree) => Ok(tree),
        // A commit's tree may be empty, unlike a folder.
        None => new.add(Kind::Tree, Vec::new()),
    }
}

/// The tree after the edits; `None` when nothing is left in it.
fn edit(
    repository: &gix::Repository,
    new: &mut NewObjects,
    tree: Option<ObjectId>,
    files: &[(&[&str], FileEdit)],
) -> Result<Option<ObjectId>, MirrorError> {
    let mut data = match tree {
        Some(tree) => read_object(repository, tree, Kind::Tree)?,
        None => Vec::new(),
    };
    let id_length = repository.object_hash().len_in_bytes();
    let mut by_name: BTreeMap<&str, Vec<(&[&str], FileEdit)>> = BTreeMap::new();
    for (path, edit) in files {
        if let Some((name, rest)) = path.split_first() {
            by_name.entry(name).or_default().push((rest, *edit));
        }
    }
    for (name, below) in by_name {
        let entry = Entry::find(&data, name, id_length);
        let is_new = below.iter().all(|(_, edit)| matches!(edit, FileEdit::Put(_)));
        let unplanned = || MirrorError::Damaged(format!("{name} in a tree is not what was planned on"));
        let replacement = match (below.as_slice(), &entry) {
            ([([], FileEdit::Replace(blob) | FileEdit::Put(blob))], Some(entry)) if entry.is_file => {
                Some(*blob)
            }
            ([([], FileEdit::Remove)], Some(entry)) if entry.is_file => None,
            ([([], FileEdit::Put(blob))], None) => Some(*blob),
            (below, Some(entry)) if entry.is_folder && below.iter().all(|(path, _)| !path.is_empty()) => {
                let folder = ObjectId::try_from(&data[entry.id.clone()])
                    .map_err(|error| MirrorError::Damaged(error.to_string()))?;
                edit(repository, new, Some(folder), below)?
            }
            (below, None) if is_new && below.iter().all(|(path, _)| !path.is_empty()) => {
                edit(repository, new, None, below)?
            }
            _ => return Err(unplanned()),
        };
        match (entry, replacement) {
            (Some(entry), Some(id)) => data[entry.id].copy_from_slice(id.as_bytes()),
            (Some(entry), None) => drop(data.drain(entry.whole)),
            (None, Some(id)) => {
                let is_folder = below.iter().all(|(path, _)| !path.is_empty());
                insert(&mut data, name, is_folder, id).ok_or_else(unplanned)?;
            }
            (None, None) => {}
        }
    }
    if data.is_empty() { Ok(None) } else { new.add(Kind::Tree, data).map(Some) }
}

/// Puts a new entry where Git's order wants it: by name, a folder's as if it ended with a slash.
fn insert(data: &mut Vec<u8>, name: &str, is_folder: bool, id: ObjectId) -> Option<()> {
    let key = |name: &[u8], is_folder: bool| [name, if is_folder { &b"/"[..] } else { b"" }].concat();
    let own = key(name.as_bytes(), is_folder);
    let mut at = 0;
    while at < data.len() {
        let entry = Entry::at(data, at, id.as_bytes().len())?;
        if key(&data[entry.name.clone()], entry.is_folder) > own {
            break;
        }
        at = entry.whole.end;
    }
    let mode = if is_folder { "40000" } else { "100644" };
    let entry = [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat();
    data.splice(at..at, entry);
    Some(())
}

/// One entry of a raw tree: `<mode> <name>\0<id>`.
struct Entry {
    /// All of it.
    whole: Range<usize>,
    /// Where its name stands.
    name: Range<usize>,
    /// Where its id stands.
    id: Range<usize>,
    /// A file, executable or not; links and submodules are never edited.
    is_file: bool,
    is_folder: bool,
}

impl Entry {
    /// The file or folder of this name.
    fn find(data: &[u8], name: &str, id_length: usize) -> Option<Self> {
        let mut start = 0;
        while start < data.len() {
            let entry = Self::at(data, start, id_length)?;
            if &data[entry.name.clone()] == name.as_bytes() {
                return Some(entry);
            }
            start = entry.whole.end;
        }
        None
    }

    /// The entry that begins at `start`.
    fn at(data: &[u8], start: usize, id_length: usize) -> Option<Self> {
        let space = start + data[start..].iter().position(|byte| *byte == b' ')?;
        let nul = space + data[space..].iter().position(|byte| *byte == 0)?;
        let id = nul + 1..nul + 1 + id_length;
        if id.end > data.len() {
            return None;
        }
        let mode = &data[start..space];
        let is_folder = mode.starts_with(b"40000") || mode.starts_with(b"040000");
        let is_file = mode.starts_with(b"100");
        Some(Self { whole: start..id.end, name: space + 1..nul, id, is_file, is_folder })
    }
}
