//! A check, its verdict, and what it found.

use std::fmt;

use crate::code::Code;
use crate::name::ServiceName;

/// A check, by the name that a caller overrides it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Somebody holds the service where it is.
    Held,
    /// The service was failed over not long ago.
    Cooldown,
    /// A field has a value that the config does not know.
    UnexpectedValue,
    /// The settings of a service disagree.
    MixedState,
    /// A missing key is added.
    KeyAdded,
    /// The claim that the service moves to is in the repository.
    TargetClaim,
    /// The edited file is part of several builds.
    SeveralBuilds,
    /// No build lists the edited file.
    NotBuilt,
    /// Something on the way to the cluster sets the edited field once more: a patch, a replacement, a count of replicas.
    KustomizePatch,
    /// A variable that Flux fills in stands elsewhere than in the service's field, too.
    VariableShared,
    /// Files that cannot be read may hide another manifest of the same name.
    UnreadableFiles,
    /// The service was chosen because it is on a node, and the role that it goes to is on the same one.
    StaysOnNode,
    /// The pod goes on to mount the claim that is left, by another field.
    ClaimStillMounted,
    /// Another workload mounts the claim that goes live.
    ClaimInUse,
    /// Something besides the node selector keeps the pod off the node that it goes to.
    NodeExcluded,
    /// A `HelmRelease` overrides the edited value elsewhere in its values.
    ValuesOverridden,
    /// A `HelmRelease` patches what its chart makes of the edited value.
    PostRenderers,
    /// SOPS has a checksum of the edited document, which is wrong after the move.
    SopsMac,
    /// VolSync goes on to write into the claim that goes live, or to copy from the one that is left.
    ReplicationRuns,
    /// Flux takes the move back when the app is slow to start.
    RollsBack,
    /// Flux does not apply what is committed.
    Suspended,
    /// A new pod starts only after the old one is gone, which a dead node never says.
    WaitsForOldPod,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 22] = [
        Self::Held,
        Self::Cooldown,
        Self::UnexpectedValue,
        Self::MixedState,
        Self::KeyAdded,
        Self::TargetClaim,
        Self::SeveralBuilds,
        Self::NotBuilt,
        Self::KustomizePatch,
        Self::VariableShared,
        Self::UnreadableFiles,
        Self::StaysOnNode,
        Self::ClaimStillMounted,
        Self::ClaimInUse,
        Self::NodeExcluded,
        Self::ValuesOverridden,
        Self::PostRenderers,
        Self::SopsMac,
        Self::ReplicationRuns,
        Self::RollsBack,
        Self::Suspended,
        Self::WaitsForOldPod,
    ];

    /// As answers and requests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Cooldown => "cooldown",
            Self::UnexpectedValue => "unexpected-value",
            Self::MixedState => "mixed-state",
            Self::KeyAdded => "key-added",
            Self::TargetClaim => "target-claim",
            Self::SeveralBuilds => "several-builds",
            Self::NotBuilt => "not-built",
            Self::KustomizePatch => "kustomize-patch",
            Self::VariableShared => "variable-shared",
            Self::UnreadableFiles => "unreadable-files",
            Self::StaysOnNode => "stays-on-node",
            Self::ClaimStillMounted => "claim-still-mounted",
            Self::ClaimInUse => "claim-in-use",
            Self::NodeExcluded => "node-excluded",
            Self::ValuesOverridden => "values-overridden",
            Self::PostRenderers => "post-renderers",
            Self::SopsMac => "sops-mac",
            Self::ReplicationRuns => "replication-runs",
            Self::RollsBack => "rolls-back",
            Self::Suspended => "suspended",
            Self::WaitsForOldPod => "waits-for-old-pod",
        }
    }

    /// The code of an answer that says no for this reason.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Held | Self::Cooldown => Code::Held,
            Self::UnexpectedValue
            | Self::MixedState
            | Self::KeyAdded
            | Self::TargetClaim
            | Self::SeveralBuilds
            | Self::NotBuilt
            | Self::KustomizePatch
            | Self::VariableShared
            | Self::UnreadableFiles
            | Self::StaysOnNode
            | Self::ClaimStillMounted
            | Self::ClaimInUse
            | Self::NodeExcluded
            | Self::ValuesOverridden
            | Self::PostRenderers
            | Self::SopsMac
            | Self::ReplicationRuns
            | Self::RollsBack
            | Self::Suspended
            | Self::WaitsForOldPod => Code::CheckBlocked,
        }
    }

    /// The check of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl schemars::JsonSchema for Check {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A check, by the name that a caller overrides it with.",
            "type": "string",
            "enum": Self::ALL,
        })
    }
}

impl serde::Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// What a check decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Look at it; the move goes on.
    Warn,
    /// The move stops unless the caller overrides this check by name.
    Block,
    /// The repository cannot tell.
    Unknown,
}

/// One check's verdict on one service, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// What it decided.
    pub verdict: Verdict,
    /// The service.
    pub service: ServiceName,
    /// The evidence, in one sentence.
    pub detail: String,
}
