//! The decision: which bytes change, in which files, with which message. No I/O, no clock; the same for a dry run
//! and for a move.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;

use crate::change::{Move, pending};
use crate::check::{self, Finding, Verdict};
use crate::code::{Code, Problem};
use crate::config::Config;
use crate::intent::{Expectation, Intent};
use crate::manifest::{self, Change};
use crate::message;
use crate::name::{BlobId, RepoPath, Revision, Role};
use crate::topology::ServiceState;
use crate::tree::{Source, Tree};

/// From so many bytes on a plan's edits are shared out.
const MUCH: usize = 64 * 1024;
/// Among so many threads.
const THREADS: usize = 4;

/// A decided move: final, and only right on the commit it was made for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The commit that it changes.
    pub base: Revision,
    /// Where the services go.
    pub to: Role,
    /// Each service with the fields that change.
    pub moves: Vec<Move>,
    /// Each file that changes, in path order.
    pub files: Vec<FileChange>,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// The findings that stop the move: they block and the caller does not override them.
    pub blocked_by: Vec<Finding>,
    /// The commit message.
    pub message: String,
}

/// One file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: RepoPath,
    /// Its content on the base, by name.
    pub blob: BlobId,
    /// Its text on the base.
    pub before: Arc<str>,
    /// Its text after the move.
    pub after: String,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The request or the files are wrong; every problem found.
    Problems(Vec<Problem>),
    /// The caller saw something else than what is there.
    Expectation(Problem),
}

impl Plan {
    /// Whether anything changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Decides how to carry out `intent` on `tree`.
///
/// # Errors
/// Every problem that stands in the way; nothing is ever left out of a plan silently.
pub fn plan(config: &Config, intent: &Intent, tree: &Tree, now: Timestamp) -> Result<Plan, Rejection> {
    let states = read_states(config, intent, tree)?;
    if let Some(expected) = &intent.expect {
        meets(expected, &states, tree)?;
    }
    let files = edit_files(&states, intent.to, tree)?;
    let moves: Vec<Move> = states.iter().map(|state| Move::new(state, intent.to)).collect();
    let findings: Vec<Finding> =
        states.iter().flat_map(|state| check::findings(state, intent.to, tree)).collect();
    let blocked_by = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Block && !intent.force.contains(&finding.check))
        .cloned()
        .collect();
    let moved: Vec<&Move> = moves.iter().filter(|one| !one.changes.is_empty()).collect();
    let forced: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Block && intent.force.contains(&finding.check))
        .collect();
    let message = message::compose(intent, &moved, &forced, now);
    Ok(Plan { base: tree.revision.clone(), to: intent.to, moves, files, findings, blocked_by, message })
}

fn read_states<'a>(
    config: &'a Config,
    intent: &Intent,
    tree: &Tree,
) -> Result<Vec<ServiceState<'a>>, Rejection> {
    let mut states = Vec::new();
    let mut problems = Vec::new();
    for name in &intent.services {
        match config.get(name) {
            None => problems.push(unknown_service(config, name.as_str())),
            Some(service) => {
                let state = ServiceState::read(service, tree);
                problems.extend(state.problems.iter().cloned());
                states.push(state);
            }
        }
    }
    if problems.is_empty() { Ok(states) } else { Err(Rejection::Problems(problems)) }
}

/// The problem of a service that is not configured.
#[must_use]
pub fn unknown_service(config: &Config, name: &str) -> Problem {
    let near = config.nearest(name);
    let hint = if near.is_empty() {
        "GET /api/services lists the configured services".to_owned()
    } else {
        format!("did you mean {}? GET /api/services lists all", near.join(" or "))
    };
    Problem::new(Code::ServiceNotFound, format!("no service {name:?} is configured"), hint)
}

fn meets(expected: &Expectation, states: &[ServiceState<'_>], tree: &Tree) -> Result<(), Rejection> {
    let unmet = match expected {
        Expectation::Active(active) => states
            .iter()
            .find(|state| state.active() != *active)
            .map(|state| format!("{} is {}, not {active}", state.name(), state.active())),
        Expectation::Commit(commit) => (tree.revision.commit != *commit)
            .then(|| format!("the branch is at {}, not at {commit}", tree.revision)),
        Expectation::Revision(revision) => (tree.revision.to_string() != *revision)
            .then(|| format!("the branch is at {}, not at {revision}", tree.revision)),
    };
    match unmet {
        None => Ok(()),
        Some(detail) => Err(Rejection::Expectation(Problem::new(
            Code::ExpectationFailed,
            detail,
            "look at the status, then ask again with what it shows",
        ))),
    }
}

fn edit_files(states: &[ServiceState<'_>], to: Role, tree: &Tree) -> Result<Vec<FileChange>, Rejection> {
    let mut changes: BTreeMap<&RepoPath, Vec<Change>> = BTreeMap::new();
    for (setting, value) in states.iter().flat_map(|state| pending(state, to)) {
        changes.entry(&setting.found.path).or_default().push(Change {
            document: setting.found.document,
            path: setting.setting.field.clone(),
            value: value.clone(),
            insert: setting.setting.insert,
        });
    }
    let edits: Vec<Edit<'_>> = changes
        .into_iter()
        .filter_map(|(path, changes)| {
            let (source, listed) = (tree.sources.get(path)?, tree.listing.file(path)?);
            Some(Edit { path, source, blob: &listed.blob, changes })
        })
        .collect();
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for made in make_all(&edits) {
        match made {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(Rejection::Problems(problems)) }
}

/// Everything that changes in one file.
struct Edit<'t> {
    path: &'t RepoPath,
    source: &'t Source,
    blob: &'t BlobId,
    changes: Vec<Change>,
}

impl Edit<'_> {
    fn make(&self) -> Result<FileChange, Problem> {
        let before = self.source.text();
        let edited = match self.source.documents() {
            Ok(documents) => manifest::edit_documents(before, documents, &self.changes),
            Err(_) => manifest::edit(before, &self.changes),
        };
        match edited {
            Ok(edited) => Ok(FileChange {
                path: self.path.clone(),
                blob: self.blob.clone(),
                before: Arc::clone(before),
                after: edited.into_text(),
            }),
            Err(error) => Err(error.problem().in_file(self.path, error.place())),
        }
    }
}

/// Makes the edits, in their order. Each is proven by two parsers, before and after, and that is most of what a
/// plan takes: large ones share the processors.
fn make_all(edits: &[Edit<'_>]) -> Vec<Result<FileChange, Problem>> {
    if edits.iter().map(|edit| edit.source.text().len()).sum::<usize>() < MUCH {
        return edits.iter().map(Edit::make).collect();
    }
    thread::scope(|scope| {
        let shares = edits.chunks(edits.len().div_ceil(THREADS)).map(|share| {
            let work = move || share.iter().map(Edit::make).collect::<Vec<_>>();
            (work, thread::Builder::new().spawn_scoped(scope, work))
        });
        let shares: Vec<_> = shares.collect();
        let made = shares.into_iter().flat_map(|(work, started)| match started {
            Ok(thread) => thread.join().unwrap_or_else(|defect| resume_unwind(defect)),
            Err(_) => work(),
        });
        made.collect()
    })
}
