//! The labels' values that this program makes up itself: few, and stable.

use prometheus_client::encoding::EncodeLabelSet;

/// What is asked of the branch, as the routes and commands name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Services are moved to their backup node.
    Promote,
    /// Services are moved to their primary node.
    Demote,
    /// Services are held where they are.
    Hold,
    /// Services are held no more.
    Release,
}

impl Verb {
    pub(super) const ALL: [Self; 4] = [Self::Promote, Self::Demote, Self::Hold, Self::Release];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// This call's commit is on the branch.
    Changed,
    /// Everything was there already.
    Unchanged,
    /// An earlier call with the same key had made the commit.
    Replayed,
    /// The request, the config or a file was wrong.
    Problem,
    /// A check decided against it.
    Refused,
    /// The server or the Git host failed.
    Failed,
    /// It is not known whether the commit landed.
    Unknown,
}

impl Outcome {
    pub(super) const ALL: [Self; 7] = [
        Self::Changed,
        Self::Unchanged,
        Self::Replayed,
        Self::Problem,
        Self::Refused,
        Self::Failed,
        Self::Unknown,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Replayed => "replayed",
            Self::Problem => "problem",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Deciding what changes.
    Plan,
    /// Making the commit.
    Commit,
    /// Pushing it, until the server's word.
    Push,
    /// Looking at the remote and reading what is new.
    Fetch,
}

impl Step {
    pub(super) const ALL: [Self; 4] = [Self::Plan, Self::Commit, Self::Push, Self::Fetch];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Commit => "commit",
            Self::Push => "push",
            Self::Fetch => "fetch",
        }
    }
}

/// What became of telling somebody something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It took it.
    Told,
    /// It did not, and is not asked again.
    Failed,
    /// Something newer took its place.
    Superseded,
    /// Too much waited.
    Dropped,
}

impl Delivery {
    /// As labels and operations show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Dropped => "dropped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabels {
    pub(super) verb: &'static str,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StepLabels {
    pub(super) step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) route: String,
    pub(super) method: &'static str,
    pub(super) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) route: String,
    pub(super) method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ServiceLabels {
    pub(super) namespace: String,
    pub(super) service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
}
