//! The health, read from the very answer that the API gives.

use failover_core::code::Code;
use serde::Deserialize;

use crate::http::{self, Answer, AppState};

/// How well the server is.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    pub(super) status: Status,
    pub(super) version: String,
    pub(super) services: usize,
    pub(super) revision: Option<String>,
    pub(super) view_age_seconds: Option<u64>,
    pub(super) config: Config,
    pub(super) repository: Repository,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    Starting,
    Degraded,
    Unavailable,
}

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) generation: u64,
    pub(super) valid: bool,
    pub(super) problems: Vec<ConfigProblem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ConfigProblem {
    pub(super) message: String,
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    pub(super) hint: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) files: usize,
    pub(super) unreadable_files: usize,
    /// The first of them.
    pub(super) unreadable: Vec<String>,
}

/// What is wrong, and what to do.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) detail: String,
    pub(super) hint: String,
    /// The service that it is about, if it is about one.
    pub(super) service: Option<String>,
    /// Who was not told of something, if it is that.
    receiver: Option<String>,
    notification: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<usize>,
}

impl Problem {
    /// Whether services are moved all the same.
    pub(super) fn leaves_moves_alone(&self) -> bool {
        Code::from_name(&self.code).is_some_and(Code::leaves_moves_alone)
    }

    /// Who was not told of something.
    pub(super) fn untold(&self) -> Option<&str> {
        self.notification.as_deref().or(self.receiver.as_deref())
    }
}

impl Report {
    /// Reads the health of this server.
    pub(super) fn read(state: &AppState) -> Result<Self, Answer> {
        serde_json::from_value(http::report(state)).map_err(|error| {
            let detail = format!("the health is not as the pages expect it: {error}");
            Answer::problem(Code::Internal, detail, "report the defect; GET /api/health has the health")
        })
    }

    /// What is wrong with the server itself, not with one service.
    pub(super) fn of_the_server(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.service.is_none())
    }
}
