//! VolSync objects: what copies from a claim, or into one.

use crate::yaml::{Anchors, Node};

/// The part of a VolSync object that says what it copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// Whether it writes into the claim; otherwise it reads from it.
    pub into: bool,
    /// The claim, in the object's own namespace.
    pub claim: String,
    /// Whether it copies straight from or into the claim (`copyMethod: Direct`), without a snapshot.
    pub direct: bool,
    /// `spec.paused`, as written.
    pub paused: Option<String>,
    /// The mover, such as `rsyncTLS`.
    pub mover: String,
}

impl Replication {
    /// The mover is the one mapping of the spec besides the trigger; a destination names its claim there.
    pub(super) fn read<'a>(kind: &str, root: &'a Node, anchors: &Anchors<'a>) -> Option<Self> {
        let into = match kind {
            "ReplicationSource" => false,
            "ReplicationDestination" => true,
            _ => return None,
        };
        let spec = anchors.get(root, "spec")?;
        let text = |node: &'a Node, key: &str| Some(anchors.get(node, key)?.as_text()?.to_owned());
        let (mover, options) = spec.entries().iter().find_map(|(key, value)| {
            let value = anchors.resolve(value);
            let is_mover = !value.entries().is_empty() && key.as_text() != Some("trigger");
            is_mover.then_some((key.as_text()?.to_owned(), value))
        })?;
        let claim = if into { text(options, "destinationPVC")? } else { text(spec, "sourcePVC")? };
        let direct = text(options, "copyMethod").as_deref() == Some("Direct");
        Some(Self { into, claim, direct, paused: text(spec, "paused"), mover })
    }
}
