//! Replaces files in a Git tree by changing nothing but their ids in the raw tree objects, so that modes, names in
//! any encoding and the order of entries cannot change.

use std::collections::BTreeMap;

use failover_core::name::RepoPath;
use gix::ObjectId;

use super::commit::NewObjects;
use super::objects::{MirrorError, read_object};

/// The id of the tree `root` with each file in `files` replaced by a blob. Every file must be there.
pub(super) fn replace_files(
    repository: &gix::Repository,
    new: &mut NewObjects,
    root: ObjectId,
    files: &BTreeMap<&RepoPath, ObjectId>,
) -> Result<ObjectId, MirrorError> {
    let files: Vec<(Vec<&str>, ObjectId)> =
        files.iter().map(|(path, blob)| (path.as_str().split('/').collect(), *blob)).collect();
    let files: Vec<(&[&str], ObjectId)> =
        files.iter().map(|(parts, blob)| (parts.as_slice(), *blob)).collect();
    replace(repository, new, root, &files)
}

fn replace(
    repository: &gix::Repository,
    new: &mut NewObjects,
    tree: ObjectId,
    files: &[(&[&str], ObjectId)],
) -> Result<ObjectId, MirrorError> {
    let mut data = read_object(repository, tree, gix::objs::Kind::Tree)?;
    let mut by_name: BTreeMap<&str, Vec<(&[&str], ObjectId)>> = BTreeMap::new();
    for (path, blob) in files {
        if let Some((name, rest)) = path.split_first() {
            by_name.entry(name).or_default().push((rest, *blob));
        }
    }
    for (name, below) in by_name {
        let entry = Entry::find(&data, name, tree.as_bytes().len())
            .ok_or_else(|| MirrorError::Damaged(format!("{name} is not in tree {tree}")))?;
        let replacement = match below.as_slice() {
            [([], blob)] if entry.is_file => *blob,
            below if !entry.is_file && below.iter().all(|(path, _)| !path.is_empty()) => replace(
                repository,
                new,
                ObjectId::try_from(&data[entry.id.clone()])
                    .map_err(|error| MirrorError::Damaged(error.to_string()))?,
                below,
            )?,
            _ => {
                return Err(MirrorError::Damaged(format!(
                    "{name} in tree {tree} is not what was planned on"
                )));
            }
        };
        data[entry.id].copy_from_slice(replacement.as_bytes());
    }
    new.add(gix::objs::Kind::Tree, data)
}

/// One entry of a raw tree: `<mode> <name>\0<id>`.
struct Entry {
    /// Where its id stands.
    id: std::ops::Range<usize>,
    /// A file, executable or not; links and submodules are never edited.
    is_file: bool,
}

impl Entry {
    fn find(data: &[u8], name: &str, id_length: usize) -> Option<Self> {
        let mut start = 0;
        while start < data.len() {
            let space = start + data[start..].iter().position(|byte| *byte == b' ')?;
            let nul = space + data[space..].iter().position(|byte| *byte == 0)?;
            let id = nul + 1..nul + 1 + id_length;
            if id.end > data.len() {
                return None;
            }
            let mode = &data[start..space];
            if &data[space + 1..nul] == name.as_bytes() {
                let is_tree = mode.starts_with(b"40000") || mode.starts_with(b"040000");
                let is_file = mode.starts_with(b"100");
                return (is_tree || is_file).then_some(Self { id, is_file });
            }
            start = id.end;
        }
        None
    }
}
