//! A commit that is ready to be pushed. Its objects are in memory: a push needs no disk, and a repeated one is the same.

use failover_core::name::CommitId;
use gix::ObjectId;
use gix::objs::Kind;
use send_pack::pack::{ObjectKind, pack};

use super::objects::MirrorError;

/// A commit with one parent, and every object that its parent's repository lacks.
pub struct NewCommit {
    id: CommitId,
    parent: CommitId,
    objects: Vec<(Kind, ObjectId, Vec<u8>)>,
    pack: Vec<u8>,
}

impl std::fmt::Debug for NewCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewCommit({} on {})", self.id, self.parent)
    }
}

impl NewCommit {
    /// The commit.
    #[must_use]
    pub fn id(&self) -> &CommitId {
        &self.id
    }

    /// Its one parent, at which the branch must be.
    #[must_use]
    pub fn parent(&self) -> &CommitId {
        &self.parent
    }

    pub(super) fn pack(&self) -> &[u8] {
        &self.pack
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        self.objects.iter().map(|(kind, _, data)| (*kind, data.as_slice()))
    }
}

/// Objects that no repository has yet.
#[derive(Debug)]
pub(super) struct NewObjects {
    format: gix::hash::Kind,
    objects: Vec<(Kind, ObjectId, Vec<u8>)>,
}

impl NewObjects {
    pub(super) fn new(format: gix::hash::Kind) -> Self {
        Self { format, objects: Vec::new() }
    }

    pub(super) fn add(&mut self, kind: Kind, data: Vec<u8>) -> Result<ObjectId, MirrorError> {
        let id = gix::objs::compute_hash(self.format, kind, &data)
            .map_err(|error| MirrorError::Write(error.to_string()))?;
        self.objects.push((kind, id, data));
        Ok(id)
    }

    /// All of them as the commit `id`, which was added last.
    pub(super) fn into_commit(self, id: CommitId, parent: CommitId) -> Result<NewCommit, MirrorError> {
        let kind = |kind: Kind| match kind {
            Kind::Commit | Kind::Tag => ObjectKind::Commit,
            Kind::Tree => ObjectKind::Tree,
            Kind::Blob => ObjectKind::Blob,
        };
        let objects = self.objects.iter().map(|(of, _, data)| (kind(*of), data.as_slice()));
        let pack = pack(objects, self.format).map_err(|error| MirrorError::Write(error.to_string()))?;
        Ok(NewCommit { id, parent, objects: self.objects, pack })
    }
}
