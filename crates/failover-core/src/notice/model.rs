//! One message's content, before any service's form.

use jiff::Timestamp;
use serde::Serialize;

use crate::code::Code;
use crate::name::{Actor, CommitId, OperationId, Reason, Revision, Role, ServiceName};

/// What somebody can want to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A commit landed.
    Moved,
    /// A move did not happen, or is not known to have happened.
    Refused,
    /// The config file became bad or good.
    Config,
    /// The repository cannot be read, or can again.
    View,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 4] = [Self::Moved, Self::Refused, Self::Config, Self::View];

    /// As the notifications file has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::Config => "config",
            Self::View => "view",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The branch holds the move's commit.
    Moved,
    /// Nothing of the move is on the branch.
    Refused,
    /// The move's commit may be on the branch, now or later.
    OutcomeUnknown,
    /// The config file as it is now is not in force.
    ConfigInvalid,
    /// The config file as it is now is in force again.
    ConfigValid,
    /// The repository has not been read for a long time.
    ViewStale,
    /// The repository was read again.
    ViewFresh,
    /// Somebody tries whether messages arrive.
    Test,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Moved,
        Self::Refused,
        Self::OutcomeUnknown,
        Self::ConfigInvalid,
        Self::ConfigValid,
        Self::ViewStale,
        Self::ViewFresh,
        Self::Test,
    ];

    /// Who is told of it; a test is sent to whoever is named.
    #[must_use]
    pub fn occasion(self) -> Option<Occasion> {
        match self {
            Self::Moved => Some(Occasion::Moved),
            Self::Refused | Self::OutcomeUnknown => Some(Occasion::Refused),
            Self::ConfigInvalid | Self::ConfigValid => Some(Occasion::Config),
            Self::ViewStale | Self::ViewFresh => Some(Occasion::View),
            Self::Test => None,
        }
    }

    /// How much it matters that somebody looks soon.
    #[must_use]
    pub fn urgency(self) -> Urgency {
        match self {
            Self::Moved | Self::ConfigValid | Self::ViewFresh | Self::Test => Urgency::Normal,
            Self::Refused | Self::ConfigInvalid | Self::ViewStale => Urgency::High,
            Self::OutcomeUnknown => Urgency::Highest,
        }
    }
}

/// How much it matters that somebody looks soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// For the record.
    Normal,
    /// Something does not work.
    High,
    /// Somebody has to find something out.
    Highest,
}

/// A service that a partial batch did not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftBehind {
    /// Its name.
    pub service: ServiceName,
    /// Why.
    pub code: Code,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// When.
    pub time: Timestamp,
    /// The services it is about; none where they were not chosen yet.
    pub services: Vec<ServiceName>,
    /// Services of the same move that stayed where they were although they should have moved.
    pub left_behind: Vec<LeftBehind>,
    /// Where to.
    pub to: Option<Role>,
    /// Why, in the words of whoever asked.
    pub reason: Option<Reason>,
    /// Who asked.
    pub requested_by: Option<Actor>,
    /// The move.
    pub operation_id: Option<OperationId>,
    /// The commit.
    pub commit: Option<CommitId>,
    /// The branch and the commit.
    pub revision: Option<Revision>,
    /// Where people can look at the commit.
    pub link: Option<String>,
    /// Why not.
    pub code: Option<Code>,
    /// The same in words.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Notice {
    /// A message that says no more than what happened and when.
    #[must_use]
    pub fn new(event: Event, time: Timestamp) -> Self {
        Self {
            event,
            time,
            services: Vec::new(),
            left_behind: Vec::new(),
            to: None,
            reason: None,
            requested_by: None,
            operation_id: None,
            commit: None,
            revision: None,
            link: None,
            code: None,
            detail: None,
            hint: None,
        }
    }

    /// A message about made-up services: for trying templates, and whether messages arrive.
    #[must_use]
    pub fn example(event: Event, time: Timestamp) -> Self {
        let service = |name: &str| ServiceName::new(name).ok();
        let plain = Self::new(event, time);
        let of_a_move = || Self {
            services: ["sonarr", "radarr"].into_iter().filter_map(service).collect(),
            to: Some(Role::Backup),
            reason: Reason::new("node \"k3s-w1\" is down").ok(),
            requested_by: Actor::new("alice").ok(),
            operation_id: OperationId::new("01a20b7a-95ac-73c0-9820-79d78200b931").ok(),
            ..plain.clone()
        };
        let commit = CommitId::new("5b75f80181c5f33fea8362e2f49f66d852d62707").ok();
        match event {
            Event::Moved | Event::Test => Self {
                left_behind: service("jellyfin")
                    .map(|service| LeftBehind { service, code: Code::FieldAnchored })
                    .into_iter()
                    .collect(),
                revision: commit
                    .clone()
                    .zip("main".parse().ok())
                    .map(|(commit, branch)| Revision { branch, commit }),
                commit,
                link: Some(
                    "https://git.example.org/me/home/commit/5b75f80181c5f33fea8362e2f49f66d852d62707"
                        .to_owned(),
                ),
                ..of_a_move()
            },
            Event::Refused => Self {
                code: Some(Code::CheckBlocked),
                detail: Some("PersistentVolumeClaim media/pvc-sonarr-backup is declared nowhere".to_owned()),
                hint: Some("look at the evidence".to_owned()),
                ..of_a_move()
            },
            Event::OutcomeUnknown => Self {
                commit,
                code: Some(Code::OutcomeUnknown),
                detail: Some("the connection died during the push".to_owned()),
                hint: Some("look for the operation in GET /api/history".to_owned()),
                ..of_a_move()
            },
            Event::ConfigInvalid => Self {
                code: Some(Code::ConfigInvalid),
                detail: Some(
                    "3:5: unknown key 'deploymnt' in service sonarr (did you mean 'deployment'?)".to_owned(),
                ),
                hint: Some("repair the config file; it is read again by itself".to_owned()),
                ..plain
            },
            Event::ViewStale => Self {
                code: Some(Code::ViewStale),
                detail: Some("the repository was last read 154 seconds ago".to_owned()),
                hint: Some("see GET /api/health, and the server's log".to_owned()),
                ..plain
            },
            Event::ConfigValid | Event::ViewFresh => plain,
        }
    }
}
