//! Why a move did not happen, or is not known to have happened.

use failover_core::check::Finding;
use failover_core::code::{Class, Code, Problem};
use failover_core::name::{CommitId, OperationId};
use failover_core::plan::Rejection;

use crate::git::RemoteError;

/// A move that did not end in success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveError {
    /// The request, the config or the repository's files are wrong. Nothing was committed.
    Problems(Vec<Problem>),
    /// A check decided against it. Nothing was committed.
    Refused {
        /// The decision.
        problem: Box<Problem>,
        /// The evidence.
        findings: Vec<Finding>,
    },
    /// The remote could not be read or did not take the commit. Nothing of ours is on the branch.
    Remote(RemoteError),
    /// The push may have landed, or may still land.
    OutcomeUnknown {
        /// What to look for.
        operation: OperationId,
        /// The commit that was pushed last.
        commit: CommitId,
        /// What is known.
        detail: String,
    },
}

impl MoveError {
    /// A problem that stands alone.
    pub fn problem(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Problems(vec![Problem::new(code, detail, hint)])
    }
}

impl MoveError {
    /// The first reason's stable name; every error has one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problems(problems) => problems.first().map(|problem| problem.code),
            Self::Refused { problem, .. } => Some(problem.code),
            Self::Remote(error) => Some(error.code),
            Self::OutcomeUnknown { .. } => Some(Code::OutcomeUnknown),
        }
    }

    /// What to do about the first reason.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Problems(problems) => problems.first().map(|problem| problem.hint.as_str()),
            Self::Refused { problem, .. } => Some(&problem.hint),
            Self::Remote(error) => Some(error.hint()),
            Self::OutcomeUnknown { .. } => None,
        }
    }

    /// What kind of "no" it is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.code().unwrap_or(Code::Internal).class()
    }
}

impl From<RemoteError> for MoveError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

impl From<Rejection> for MoveError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Problems(problems) => Self::Problems(problems),
            Rejection::Expectation(problem) => {
                Self::Refused { problem: Box::new(problem), findings: Vec::new() }
            }
        }
    }
}

impl std::fmt::Display for MoveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Problems(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { "; " } else { "" }, problem.named())?;
                }
                Ok(())
            }
            Self::Refused { problem, .. } => problem.fmt(f),
            Self::Remote(error) => error.fmt(f),
            Self::OutcomeUnknown { operation, detail, .. } => {
                write!(f, "it is not known whether operation {operation} landed: {detail}")
            }
        }
    }
}
