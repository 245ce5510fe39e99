//! The decision: which bytes change, in which files, with which message. No I/O, no clock; the same for a dry run
//! and for a move.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;

use crate::brake::{self, Overtaken};
use crate::change::{Move, Refused, pending};
use crate::check::{self, Check, Finding, Verdict};
use crate::code::{Code, Problem};
use crate::config::{Config, Service, SettingKind};
use crate::field::Value;
use crate::intent::{Expectation, Intent, Selection};
use crate::manifest::{self, Change};
use crate::message::{self, Parts};
use crate::name::{BlobId, LabelValue, RepoPath, Revision, Role, ServiceName, nearest};
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
    /// Each service with the fields that change, in the order of the config's `after`.
    pub moves: Vec<Move>,
    /// The services that a partial move leaves where they are.
    pub refused: Vec<Refused>,
    /// Each file that changes, in path order.
    pub files: Vec<FileChange>,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// The findings that stop the move: they block and the caller does not override them.
    pub blocked_by: Vec<Finding>,
    /// Why the alarm that asks for the move is no reason to move anything; the plan is empty then.
    pub overtaken: Option<Overtaken>,
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

    fn of_old_alarm(overtaken: Overtaken, to: Role, tree: &Tree) -> Self {
        Self {
            base: tree.revision.clone(),
            to,
            moves: Vec::new(),
            refused: Vec::new(),
            files: Vec::new(),
            findings: Vec::new(),
            blocked_by: Vec::new(),
            overtaken: Some(overtaken),
            message: String::new(),
        }
    }
}

/// Decides how to carry out `intent` on `tree`.
///
/// # Errors
/// Every problem of every service that stands in the way; nothing is ever left out of a plan silently. A partial move
/// is rejected only when it has nothing to be about.
///
/// An alarm that is older than the last move of a service moves nothing, whatever else stands against it.
pub fn plan(config: &Config, intent: &Intent, tree: &Tree, now: Timestamp) -> Result<Plan, Rejection> {
    let (states, mut refused) = select(config, intent, tree)?;
    if refused.is_empty()
        && let Some(began) = intent.alarm_began
        && let Some(overtaken) =
            brake::overtaken(states.iter().map(ServiceState::name), began, &tree.restraints)
    {
        return Ok(Plan::of_old_alarm(overtaken, intent.to, tree));
    }
    // Who cannot read what is held must take everything for held.
    tree.restraints.holds.known().map_err(Rejection::Problems)?;
    if let Some(unmet) = intent.expect.as_ref().and_then(|expected| unmet(expected, tree)) {
        let is_all = refused.is_empty() || intent.partial;
        return Err(if is_all { Rejection::Expectation(unmet) } else { rejection(&refused, vec![unmet]) });
    }
    let mut kept: Vec<&ServiceState<'_>> = Vec::new();
    let mut findings = Vec::new();
    let mut blocked_by = Vec::new();
    let mut against = Vec::new();
    for state in &states {
        if !state.problems.is_empty() {
            refused.push(Refused { service: state.name().clone(), problems: state.problems.clone() });
            continue;
        }
        if let Some(problem) = intent.expect.as_ref().and_then(|expected| elsewhere(expected, state)) {
            against.push(problem.of(state.name()));
            continue;
        }
        let mut found = brake::findings(state, intent.to, &tree.restraints, now);
        found.extend(check::findings(state, intent.to, tree));
        found.extend(stays(state, intent));
        let is_blocking =
            |finding: &&Finding| finding.verdict == Verdict::Block && !intent.force.contains(&finding.check);
        let blocking: Vec<Finding> = found.iter().filter(is_blocking).cloned().collect();
        findings.extend(found);
        if intent.partial && !blocking.is_empty() {
            against.extend(blocking.iter().map(blocks));
            continue;
        }
        blocked_by.extend(blocking);
        kept.push(state);
    }
    let files = loop {
        let (files, failed) = edit_files(&kept, intent.to, tree);
        if failed.is_empty() {
            break files;
        }
        kept.retain(|state| failed.iter().all(|refused| refused.service != *state.name()));
        refused.extend(failed);
        // All of it or nothing: what the others would become no longer matters.
        if !intent.partial {
            break Vec::new();
        }
    };
    let stands_against = !refused.is_empty() || !against.is_empty();
    if stands_against && !intent.partial {
        if refused.is_empty() && blocked_by.is_empty() {
            return Err(Rejection::Expectation(together(against)));
        }
        against.extend(blocked_by.iter().map(blocks));
        return Err(rejection(&refused, against));
    }
    for problem in against {
        let Some(service) = problem.service.as_deref().cloned() else { continue };
        match refused.iter_mut().find(|one| one.service == service) {
            Some(one) => one.problems.push(problem),
            None => refused.push(Refused { service, problems: vec![problem] }),
        }
    }
    let moves: Vec<Move> = kept.iter().map(|state| Move::new(state, intent.to)).collect();
    let is_moved = |finding: &&Finding| moves.iter().any(|one| one.service == finding.service);
    let is_forced =
        |finding: &&Finding| finding.verdict == Verdict::Block && intent.force.contains(&finding.check);
    let forced: Vec<&Finding> = findings.iter().filter(is_forced).filter(is_moved).collect();
    let parts = Parts { moves: &moves, refused: &refused, forced: &forced };
    let message = message::compose(intent, parts, now);
    let (base, to) = (tree.revision.clone(), intent.to);
    Ok(Plan { base, to, moves, refused, files, findings, blocked_by, overtaken: None, message })
}

/// The services that `intent` is about, in their order, and the names that are none.
fn select<'a>(
    config: &'a Config,
    intent: &Intent,
    tree: &Tree,
) -> Result<(Vec<ServiceState<'a>>, Vec<Refused>), Rejection> {
    let read = |service: &'a Service| ServiceState::read(service, tree);
    let nothing = |detail: String, hint: String| {
        Err(Rejection::Problems(vec![Problem::new(Code::NothingSelected, detail, hint)]))
    };
    match &intent.services {
        Selection::Named(names) if names.is_empty() => {
            nothing("the list of services is empty".to_owned(), "name the services to move".to_owned())
        }
        Selection::Named(names) => {
            let unknown = names.iter().filter(|name| config.get(name).is_none());
            let unknown = unknown.map(|name| {
                let problem = unknown_service(config, name.as_str());
                let problem = if names.len() > 1 { problem.of(name) } else { problem };
                Refused { service: name.clone(), problems: vec![problem] }
            });
            let known = config.in_order().filter(|service| names.contains(&service.name));
            Ok((known.map(read).collect(), unknown.collect()))
        }
        Selection::All => Ok((config.in_order().map(read).collect(), Vec::new())),
        Selection::OnNode(label) => {
            let states: Vec<_> = config.in_order().map(read).filter(|state| is_on(state, label)).collect();
            if !states.is_empty() {
                return Ok((states, Vec::new()));
            }
            let labels: BTreeSet<String> = config.services().flat_map(node_labels).collect();
            let hint = if labels.contains(label.as_str()) {
                "services can be there but none is now; GET /api/services says where they are".to_owned()
            } else {
                let near = nearest(label.as_str(), labels.iter().map(String::as_str));
                let near =
                    if near.is_empty() { labels.iter().map(String::as_str).take(8).collect() } else { near };
                format!("no service of the config can be there; the node labels are {}", near.join(", "))
            };
            nothing(format!("no service is on a node with the label {label}"), hint)
        }
    }
}

/// Whether a node setting has this value; one that cannot be read and may have it counts.
#[must_use]
pub fn is_on(state: &ServiceState<'_>, label: &LabelValue) -> bool {
    let is_label = |value: &Value| matches!(value, Value::String(text) if text == label.as_str());
    let mut nodes = state.service.settings.iter().filter(|setting| setting.kind == SettingKind::Node);
    nodes.any(|setting| match state.settings.iter().find(|read| *read.setting == *setting) {
        Some(read) => read.current.as_ref().is_some_and(is_label),
        None => is_label(&setting.primary) || is_label(&setting.backup),
    })
}

/// Whoever empties a node must be told of a service that this role does not take off it.
fn stays(state: &ServiceState<'_>, intent: &Intent) -> Option<Finding> {
    let Selection::OnNode(label) = &intent.services else { return None };
    let mut nodes = state.service.settings.iter().filter(|setting| setting.kind == SettingKind::Node);
    let stays = nodes.any(|setting| setting.value(intent.to).to_string() == label.as_str());
    stays.then(|| Finding {
        check: Check::StaysOnNode,
        verdict: Verdict::Warn,
        service: state.name().clone(),
        detail: format!(
            "the {} role of {} is on a node with the label {label}, too; only its {} role is elsewhere",
            intent.to,
            state.name(),
            intent.to.other()
        ),
    })
}

fn node_labels(service: &Service) -> impl Iterator<Item = String> {
    let nodes = service.settings.iter().filter(|setting| setting.kind == SettingKind::Node);
    nodes.flat_map(|setting| [setting.primary.to_string(), setting.backup.to_string()])
}

fn rejection(refused: &[Refused], against: Vec<Problem>) -> Rejection {
    // A single service's problems need not repeat its name.
    let problems = refused.iter().flat_map(|one| {
        one.problems.iter().map(|problem| match (&problem.service, problem.code) {
            (None, Code::ServiceNotFound) => problem.clone(),
            _ => problem.clone().of(&one.service),
        })
    });
    let mut problems: Vec<Problem> = problems.chain(against).collect();
    // The first one decides the status, and a hold only does where nothing else stands against the move.
    problems.sort_by_key(|problem| problem.code == Code::Held);
    Rejection::Problems(problems)
}

/// A finding that blocks, among the problems of other services.
fn blocks(finding: &Finding) -> Problem {
    let hint = format!("look at the evidence; to go on regardless ask again with force={}", finding.check);
    Problem::new(finding.check.code(), finding.detail.clone(), hint).of(&finding.service)
}

/// Several services that are not where they were believed to be.
fn together(mut problems: Vec<Problem>) -> Problem {
    let details: Vec<String> = problems.iter().map(|problem| problem.detail.clone()).collect();
    match (problems.pop(), problems.is_empty()) {
        (Some(only), true) => Problem { service: None, ..only },
        _ => expectation(details.join("; ")),
    }
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

fn expectation(detail: String) -> Problem {
    let hint = "look at the status, then ask again with what it shows";
    Problem::new(Code::ExpectationFailed, detail, hint)
}

/// That the branch is not where the caller saw it.
fn unmet(expected: &Expectation, tree: &Tree) -> Option<Problem> {
    let (is_met, seen) = match expected {
        Expectation::Active(_) => return None,
        Expectation::Commit(commit) => (tree.revision.commit == *commit, commit.as_str()),
        Expectation::Revision(revision) => (tree.revision.to_string() == *revision, revision.as_str()),
    };
    (!is_met).then(|| expectation(format!("the branch is at {}, not at {seen}", tree.revision)))
}

/// That the service is not where the caller saw it.
fn elsewhere(expected: &Expectation, state: &ServiceState<'_>) -> Option<Problem> {
    match expected {
        Expectation::Active(active) if state.active() != *active => {
            Some(expectation(format!("{} is {}, not {active}", state.name(), state.active())))
        }
        Expectation::Active(_) | Expectation::Commit(_) | Expectation::Revision(_) => None,
    }
}

/// Every file that changes, and the services whose files cannot be changed.
fn edit_files(states: &[&ServiceState<'_>], to: Role, tree: &Tree) -> (Vec<FileChange>, Vec<Refused>) {
    let mut changes: BTreeMap<&RepoPath, Vec<(&ServiceName, Placed)>> = BTreeMap::new();
    for state in states {
        for (setting, value) in pending(state, to) {
            let change = Change {
                document: setting.found.document,
                path: setting.setting.field.clone(),
                value: value.clone(),
                insert: setting.setting.insert,
            };
            let placed = Placed { patch: setting.found.patch, change };
            changes.entry(&setting.found.path).or_default().push((state.name(), placed));
        }
    }
    let edits: Vec<Edit<'_>> = changes
        .into_iter()
        .filter_map(|(path, changes)| {
            let (source, listed) = (tree.sources.get(path)?, tree.listing.file(path)?);
            Some(Edit { path, source, blob: &listed.blob, changes })
        })
        .collect();
    let mut files = Vec::new();
    let mut refused: Vec<Refused> = Vec::new();
    for (edit, made) in edits.iter().zip(make_all(&edits)) {
        match made {
            Ok(file) => files.push(file),
            Err(problem) => {
                for (service, problem) in edit.culprits(&problem) {
                    match refused.iter_mut().find(|one| one.service == *service) {
                        Some(one) => one.problems.push(problem),
                        None => refused.push(Refused { service: service.clone(), problems: vec![problem] }),
                    }
                }
            }
        }
    }
    (files, refused)
}

/// A change of the file itself, or of the patch at this position in a kustomization.
#[derive(Debug, Clone)]
struct Placed {
    patch: Option<usize>,
    change: Change,
}

/// Everything that changes in one file.
struct Edit<'t> {
    path: &'t RepoPath,
    source: &'t Source,
    blob: &'t BlobId,
    changes: Vec<(&'t ServiceName, Placed)>,
}

impl<'t> Edit<'t> {
    fn make(&self) -> Result<FileChange, Problem> {
        let changes: Vec<Placed> = self.changes.iter().map(|(_, change)| change.clone()).collect();
        self.make_some(&changes)
    }

    /// The services that cannot be moved alone either, or all of the file if each could: they cannot together.
    fn culprits(&self, together: &Problem) -> Vec<(&'t ServiceName, Problem)> {
        let mut services: Vec<&ServiceName> = self.changes.iter().map(|(service, _)| *service).collect();
        services.dedup();
        if let [only] = services[..] {
            return vec![(only, together.clone())];
        }
        let alone = services.iter().filter_map(|service| {
            let own = self.changes.iter().filter(|(of, _)| of == service).map(|(_, change)| change.clone());
            let problem = self.make_some(&own.collect::<Vec<_>>()).err()?;
            Some((*service, problem))
        });
        let alone: Vec<_> = alone.collect();
        if !alone.is_empty() {
            return alone;
        }
        services.into_iter().map(|service| (service, together.clone())).collect()
    }

    fn make_some(&self, changes: &[Placed]) -> Result<FileChange, Problem> {
        let before = self.source.text();
        let of = |patch: Option<usize>| -> Vec<Change> {
            changes.iter().filter(|one| one.patch == patch).map(|one| one.change.clone()).collect()
        };
        let patches: BTreeSet<usize> = changes.iter().filter_map(|one| one.patch).collect();
        let edited = match self.source.documents() {
            Ok(documents) if patches.is_empty() => manifest::edit_documents(before, documents, &of(None)),
            Ok(_) | Err(_) => manifest::edit(before, &of(None)),
        };
        // Each patch is a text of its own, and they are edited one after the other.
        let edited = patches
            .into_iter()
            .fold(edited, |edited, patch| manifest::edit_patch(edited?.text(), patch, &of(Some(patch))));
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
