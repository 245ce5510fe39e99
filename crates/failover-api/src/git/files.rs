//! The manifests of a clone on this machine: those of its work tree, or those of one of its commits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use failover_core::name::{BlobId, RepoPath};

use super::manifests::{self, Lying, is_manifest, manifest_changes};
use super::objects::{object_id, read_object};

/// Each manifest with its content's id, if Git has one, and its bytes.
pub type Files = BTreeMap<RepoPath, (Option<BlobId>, Vec<u8>)>;

/// The top folder of the clone that `path` is in.
///
/// # Errors
/// There is no clone, or Git refuses to work in it.
pub fn top_of(path: &Path) -> Result<PathBuf, String> {
    let printed = git(path, &["rev-parse", "--show-toplevel"])?;
    let text =
        String::from_utf8(printed).map_err(|_| "the path of the clone is not UTF-8 text".to_owned())?;
    Ok(PathBuf::from(text.trim_end_matches('\n')))
}

/// The manifests of the work tree as they are now, those that are not committed included and those that are ignored
/// left out. Symbolic links are not followed: Flux does not, either.
///
/// # Errors
/// Git refuses, or a file cannot be read.
pub fn work_tree(top: &Path, root: Option<&RepoPath>) -> Result<Files, String> {
    let listed = git(top, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut files = Files::new();
    for name in listed.split(|byte| *byte == 0) {
        // A name that is not UTF-8 cannot be configured and is left alone.
        let Some(path) = std::str::from_utf8(name).ok().and_then(|name| RepoPath::new(name).ok()) else {
            continue;
        };
        if !is_manifest(path.file_name()) || !root.is_none_or(|root| is_below(&path, root)) {
            continue;
        }
        let file = top.join(path.as_str());
        // One that is removed but still in the index has no metadata.
        if std::fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file()) {
            let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            files.insert(path, (None, bytes));
        }
    }
    Ok(files)
}

/// The manifests of the commit that `name` means, such as `HEAD` or `origin/main`, with the commit's id.
///
/// # Errors
/// There is no such commit, or it cannot be read.
pub fn commit(top: &Path, name: &str, root: Option<&RepoPath>) -> Result<(String, Files), String> {
    let parse = |what: &str| -> Result<String, String> {
        let arguments = ["rev-parse", "--verify", "--end-of-options", what];
        let printed = git(top, &arguments)?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    };
    let id = parse(&format!("{name}^{{commit}}"))?;
    let tree = parse(&format!("{id}^{{tree}}"))?;
    let failed = |error: &dyn std::fmt::Display| format!("commit {id} cannot be read: {error}");
    let repository = gix::open(top).map_err(|error| failed(&error))?;
    let tree = object_id(&tree).map_err(|error| failed(&error))?;
    let listed = manifest_changes(&repository, None, tree, root).map_err(|error| failed(&error))?;
    let mut files = Files::new();
    for (path, blob) in listed {
        let Some(blob) = blob else { continue };
        let object = object_id(blob.as_str()).map_err(|error| failed(&error))?;
        let bytes =
            read_object(&repository, object, gix::objs::Kind::Blob).map_err(|error| failed(&error))?;
        files.insert(path, (Some(blob), bytes));
    }
    Ok((id, files))
}

/// What lies at `path` in the commit that `name` means, or in the work tree.
///
/// # Errors
/// There is no such commit, or it cannot be read.
pub fn file_at(top: &Path, name: Option<&str>, path: &RepoPath) -> Result<Lying, String> {
    let Some(name) = name else {
        let file = top.join(path.as_str());
        let folder_is_one = file.parent().is_none_or(|folder| {
            std::fs::symlink_metadata(folder).map_or(true, |metadata| metadata.is_dir())
        });
        return match std::fs::symlink_metadata(&file) {
            Ok(metadata) if metadata.is_file() && folder_is_one => {
                let bytes = std::fs::read(&file);
                bytes.map(Lying::File).map_err(|error| format!("{}: {error}", file.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lying::Nothing),
            Ok(_) | Err(_) => Ok(Lying::Other),
        };
    };
    let what = format!("{name}^{{tree}}");
    let printed = git(top, &["rev-parse", "--verify", "--end-of-options", &what])?;
    let failed = |error: &dyn std::fmt::Display| format!("commit {name} cannot be read: {error}");
    let repository = gix::open(top).map_err(|error| failed(&error))?;
    let tree = object_id(String::from_utf8_lossy(&printed).trim()).map_err(|error| failed(&error))?;
    manifests::file_at(&repository, tree, path).map_err(|error| failed(&error))
}

fn is_below(path: &RepoPath, root: &RepoPath) -> bool {
    path.as_str().strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// What `git` prints in a folder. A hook's variables name the hook's repository, which need not be this one.
fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null());
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    let output =
        command.env("LC_ALL", "C").output().map_err(|error| format!("git cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("git {} in {}: {}", arguments.join(" "), folder.display(), said.trim()))
}
