//! Single objects of the local copy, checked when they are read.

use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::objs::Kind;
use gix::odb::pack::Bundle;
use gix::odb::pack::bundle::write::Options;

/// The local copy cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// An object is missing, of another kind, or does not have the content that its id promises.
    #[error("the local copy of the repository is damaged: {0}")]
    Damaged(String),
    /// The copy could not be written.
    #[error("the local copy of the repository could not be written: {0}")]
    Write(String),
}

pub(super) fn damaged(error: impl std::fmt::Display) -> MirrorError {
    MirrorError::Damaged(error.to_string())
}

pub(super) fn object_id(hex: &str) -> Result<ObjectId, MirrorError> {
    ObjectId::from_hex(hex.as_bytes()).map_err(damaged)
}

/// The object's content, checked against its id: gix does not check what it reads.
pub(super) fn read_object(
    repository: &gix::Repository,
    id: ObjectId,
    kind: Kind,
) -> Result<Vec<u8>, MirrorError> {
    let object = repository.find_object(id).map_err(damaged)?;
    if object.kind != kind {
        return Err(MirrorError::Damaged(format!("{id} is a {}, not a {kind}", object.kind)));
    }
    let data = object.detach().data;
    let actual = gix::objs::compute_hash(id.kind(), kind, &data).map_err(damaged)?;
    if actual == id {
        Ok(data)
    } else {
        Err(MirrorError::Damaged(format!("{id} has the content of {actual}")))
    }
}

pub(super) fn write_object(
    repository: &gix::Repository,
    kind: Kind,
    data: &[u8],
) -> Result<ObjectId, MirrorError> {
    use gix::objs::Write as _;
    repository.objects.write_buf(kind, data).map_err(|error| MirrorError::Write(error.to_string()))
}

/// Keeps a whole pack as it is.
pub(super) fn write_pack(repository: &gix::Repository, mut pack: &[u8]) -> Result<(), MirrorError> {
    let failed = |error: &dyn std::fmt::Display| MirrorError::Write(error.to_string());
    let written = Bundle::write_to_directory(
        &mut pack,
        Some(&repository.objects.store_ref().path().join("pack")),
        &mut gix::progress::Discard,
        &AtomicBool::new(false),
        None::<gix::OdbHandle>,
        repository.object_hash(),
        Options { thread_limit: Some(1), ..Options::default() },
    );
    let written = written.map_err(|error| failed(&error))?;
    // It says that the pack must not be collected, and nobody collects here.
    written.keep_path.map_or(Ok(()), std::fs::remove_file).map_err(|error| failed(&error))
}
