//! What the branch itself says against moves: holds, how recently services were failed over, and who moved them last.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::code::{Code, Problem};
use crate::config::{ConfigErrors, HOLDS_PATH, Holds};
use crate::name::{CommitId, RepoPath, ServiceName};

/// What one commit of the branch says against moves.
#[derive(Debug, Clone, Default)]
pub struct Restraints {
    /// The holds file.
    pub holds: Arc<HoldsFile>,
    /// The newest failovers.
    pub failovers: Arc<Failovers>,
    /// The newest move of each service, whoever made it, as far as the commits that are read reach.
    pub last_moves: Arc<BTreeMap<ServiceName, LastMove>>,
}

/// The commit that moved a service last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMove {
    /// The commit.
    pub commit: CommitId,
    /// When it was committed.
    pub at: Timestamp,
}

/// The holds file as one commit has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldsFile {
    /// Its text; `None` when there is no such file, or no text in it.
    pub text: Option<Arc<str>>,
    /// What it says. While that is not known nothing may be moved.
    pub holds: Result<Holds, ConfigErrors>,
}

impl Default for HoldsFile {
    /// There is no such file.
    fn default() -> Self {
        Self { text: None, holds: Ok(Holds::default()) }
    }
}

impl HoldsFile {
    /// Reads the file's content.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        Self { text: std::str::from_utf8(bytes).ok().map(Arc::from), holds: Holds::read(bytes) }
    }

    /// Something else than a file lies in its place.
    #[must_use]
    pub fn not_a_file() -> Self {
        Self { text: None, holds: Err(Holds::unreadable("there is something else than a file here")) }
    }

    /// The holds, or why it is not known what is held.
    ///
    /// # Errors
    /// One problem for each mistake in the file.
    pub fn known(&self) -> Result<&Holds, Vec<Problem>> {
        self.holds.as_ref().map_err(|errors| {
            let problem = |error: &crate::config::ConfigError| {
                let hint =
                    format!("{}; nothing is moved, held or released until the file can be read", error.hint);
                let problem = Problem::new(Code::HoldsUnreadable, error.message.clone(), hint);
                match RepoPath::new(HOLDS_PATH) {
                    Ok(path) => problem.in_file(&path, Some(error.place)),
                    Err(_) => problem,
                }
            };
            errors.as_slice().iter().map(problem).collect()
        })
    }
}

/// When services were moved to their backup node by this program, as far as the commits that are read reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failovers {
    /// The newest one of each service.
    pub newest: BTreeMap<ServiceName, Failover>,
    /// Older commits than this are not read; `None` when all are.
    pub reach: Option<Timestamp>,
}

/// A move to the backup node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    /// The commit.
    pub commit: CommitId,
    /// When, by the clock of whoever made it.
    pub at: Timestamp,
}
