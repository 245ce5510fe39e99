//! Who wants which services where, and why.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::check::Check;
use crate::name::{Actor, CommitId, IdempotencyKey, LabelValue, OperationId, Reason, Role, ServiceName};
use crate::topology::Active;

/// One request to move services.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Which services.
    pub services: Selection,
    /// Where to.
    pub to: Role,
    /// Move those that can be moved and say why the others cannot, instead of all or nothing.
    pub partial: bool,
    /// Why.
    pub reason: Option<Reason>,
    /// Who.
    pub requested_by: Option<Actor>,
    /// What the caller believes to be true now.
    pub expect: Option<Expectation>,
    /// When the alarm began that asks for this by itself. Whoever moved a service after that knew of it, so the alarm is
    /// no reason to move anything.
    pub alarm_began: Option<Timestamp>,
    /// Checks whose block the caller overrides.
    pub force: BTreeSet<Check>,
    /// Names this move; the same in every attempt.
    pub operation: OperationId,
    /// Recognises a repeated request.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Which services a request is about. What is not a name is looked up on the very commit that is planned on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Named(BTreeSet<ServiceName>),
    /// Every service that a node setting holds to this label value now.
    OnNode(LabelValue),
    /// Every service of the config.
    All,
}

impl From<ServiceName> for Selection {
    fn from(name: ServiceName) -> Self {
        Self::Named(BTreeSet::from([name]))
    }
}

impl FromIterator<ServiceName> for Selection {
    fn from_iter<I: IntoIterator<Item = ServiceName>>(names: I) -> Self {
        Self::Named(names.into_iter().collect())
    }
}

/// As the caller asked: `from_node_label=k3s-w1`, `all`, or the names.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(names) => {
                let names: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
                f.write_str(&names.join(", "))
            }
            Self::OnNode(label) => write!(f, "from_node_label={label}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// What the caller saw before asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Every service was here.
    Active(Active),
    /// The branch was at this commit.
    Commit(CommitId),
    /// The branch of this name was at this commit: a revision as answers show it.
    Revision(String),
}

impl Expectation {
    /// Reads `primary`, `backup`, `mixed`, `unknown`, a full commit id or a revision such as `main@sha1:…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "primary" => Some(Self::Active(Active::Primary)),
            "backup" => Some(Self::Active(Active::Backup)),
            "mixed" => Some(Self::Active(Active::Mixed)),
            "unknown" => Some(Self::Active(Active::Unknown)),
            other => match other.rsplit_once(':') {
                Some((_, id)) => CommitId::new(id).ok().map(|_| Self::Revision(other.to_owned())),
                None => CommitId::new(other).ok().map(Self::Commit),
            },
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(active) => write!(f, "{active}"),
            Self::Commit(commit) => write!(f, "commit {commit}"),
            Self::Revision(revision) => f.write_str(revision),
        }
    }
}
