//! Each folder in `scenarios/` is a test: a config, a repository and a list of steps give `expected.txt`.
//!
//! `UPDATE_SCENARIOS=1 cargo test -p failover-core --test scenarios` writes the files anew; read what changed.

#![expect(clippy::disallowed_methods, reason = "a test reads its folders")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use failover_core::change::Refused;
use failover_core::check::Check;
use failover_core::config::{self, Config, HOLDS_PATH};
use failover_core::history::{self, CommitRecord};
use failover_core::intent::{Expectation, Intent, Selection};
use failover_core::name::{
    Actor, BlobId, BranchName, CommitId, IdempotencyKey, LabelValue, OperationId, Reason, RepoPath, Revision,
    Role, ServiceName,
};
use failover_core::plan::{self, Plan, Rejection};
use failover_core::render;
use failover_core::restraint::{HoldsFile, Restraints};
use failover_core::topology::ServiceState;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};
use jiff::Timestamp;

/// One line of `steps.yaml`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Step {
    promote: Option<String>,
    demote: Option<String>,
    partial: bool,
    reason: Option<String>,
    requested_by: Option<String>,
    expect: Option<String>,
    force: Vec<String>,
    key: Option<String>,
    /// When, if it is not the usual time.
    at: Option<Timestamp>,
    /// When the alarm began that asks for it.
    alarm_began: Option<Timestamp>,
}

#[test]
fn every_scenario_gives_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut scenarios: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scenarios.sort();
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let actual = run(scenario);
        let file = scenario.join("expected.txt");
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            std::fs::write(&file, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if actual != expected {
            wrong.push(format!("{}:\n{}", scenario.display(), line_diff(&expected, &actual)));
        }
    }
    assert!(scenarios.len() >= 10, "only {} scenarios were found", scenarios.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn line_diff(expected: &str, actual: &str) -> String {
    similar::TextDiff::from_lines(expected, actual).unified_diff().header("expected", "actual").to_string()
}

fn run(scenario: &Path) -> String {
    let text = |name: &str| std::fs::read_to_string(scenario.join(name)).unwrap();
    let config = config::parse(&text("services.yaml"))
        .unwrap_or_else(|errors| panic!("{}: {errors}", scenario.display()));
    let steps: Vec<Step> = yaml_serde::from_str(&text("steps.yaml")).unwrap();
    let mut files = read_folder(&scenario.join("repo"));
    let original = files.clone();
    let mut out = String::new();
    let mut commits: Vec<CommitRecord> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let mut tree = tree(&config, &files, index);
        let events = history::events(&commits);
        tree.restraints.failovers = Arc::new(history::failovers(&commits, &events));
        tree.restraints.last_moves = Arc::new(history::last_moves(&events));
        let (intent, title) = intent(step, index);
        writeln!(out, "==== {title}").unwrap();
        for service in config.services() {
            let is_named = match &intent.services {
                Selection::Named(names) => names.contains(&service.name),
                Selection::OnNode(_) | Selection::All => true,
            };
            if is_named {
                writeln!(out, "{} is {}", service.name, ServiceState::read(service, &tree).active()).unwrap();
            }
        }
        let now = step.at.unwrap_or_else(|| "2026-01-15T14:32:15Z".parse().unwrap());
        match plan::plan(&config, &intent, &tree, now) {
            Err(rejection) => write_rejection(&mut out, &rejection),
            Ok(plan) => {
                write_plan(&mut out, &plan);
                if plan.blocked_by.is_empty() && !plan.is_empty() {
                    let (id, author) = (plan.base.commit, "failover-api <failover-api@cluster.local>");
                    commits.insert(
                        0,
                        CommitRecord {
                            id,
                            parents: Vec::new(),
                            author: author.to_owned(),
                            committer: author.to_owned(),
                            time: now,
                            message: plan.message,
                        },
                    );
                    for file in plan.files {
                        files.insert(file.path, file.after.into_bytes());
                    }
                }
            }
        }
    }
    let same = if files == original { "byte for byte as at the start" } else { "changed" };
    writeln!(out, "==== at the end the repository is {same}").unwrap();
    out
}

fn write_rejection(out: &mut String, rejection: &Rejection) {
    let problems = match rejection {
        Rejection::Problems(problems) => problems.as_slice(),
        Rejection::Expectation(problem) => std::slice::from_ref(problem),
    };
    for problem in problems {
        writeln!(out, "rejected: {} {problem}\n  hint: {}", problem.code, problem.hint).unwrap();
    }
}

fn write_plan(out: &mut String, plan: &Plan) {
    for finding in &plan.findings {
        let verdict = serde_json::to_value(finding.verdict).unwrap();
        writeln!(out, "{} {}: {}", verdict.as_str().unwrap(), finding.check, finding.detail).unwrap();
    }
    for finding in &plan.blocked_by {
        writeln!(out, "BLOCKED by {}", finding.check).unwrap();
    }
    for Refused { service, problems } in &plan.refused {
        for problem in problems {
            writeln!(out, "{service} stays: {} {problem}\n  hint: {}", problem.code, problem.hint).unwrap();
        }
    }
    if let Some(overtaken) = &plan.overtaken {
        writeln!(out, "nothing changes: {}", overtaken.sentence()).unwrap();
    } else if plan.is_empty() {
        writeln!(out, "nothing changes").unwrap();
    } else {
        writeln!(out, "---- message\n{}---- diff\n{}", plan.message, render::unified_diff(plan)).unwrap();
    }
}

/// Names, `all`, or `node LABEL`.
fn selection(text: &str) -> Selection {
    match text.strip_prefix("node ") {
        Some(label) => Selection::OnNode(LabelValue::new(label).unwrap()),
        None if text == "all" => Selection::All,
        None => text.split(", ").map(|name| ServiceName::new(name).unwrap()).collect(),
    }
}

fn intent(step: &Step, index: usize) -> (Intent, String) {
    let (names, to, verb) = match (&step.promote, &step.demote) {
        (Some(names), None) => (names, Role::Backup, "promote"),
        (None, Some(names)) => (names, Role::Primary, "demote"),
        _ => panic!("a step promotes or demotes"),
    };
    let intent = Intent {
        services: selection(names),
        to,
        partial: step.partial,
        reason: step.reason.as_ref().map(|reason| Reason::new(reason).unwrap()),
        requested_by: step.requested_by.as_ref().map(|actor| Actor::new(actor).unwrap()),
        expect: step.expect.as_ref().map(|expect| Expectation::parse(expect).unwrap()),
        alarm_began: step.alarm_began,
        force: step.force.iter().map(|name| Check::from_name(name).unwrap()).collect::<BTreeSet<_>>(),
        operation: OperationId::new(format!("operation-{}", index + 1)).unwrap(),
        idempotency_key: step.key.as_ref().map(|key| IdempotencyKey::new(key).unwrap()),
    };
    (intent, format!("{verb} {names}"))
}

fn read_folder(folder: &Path) -> BTreeMap<RepoPath, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(RepoPath::new(name).unwrap(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn tree(config: &Config, files: &BTreeMap<RepoPath, Vec<u8>>, index: usize) -> Tree {
    let manifests = files.iter().filter(|(path, _)| path.as_str() != HOLDS_PATH);
    let listed = manifests.map(|(path, bytes)| {
        let facts = Arc::new(FileFacts::read(path.file_name(), bytes));
        (path.clone(), ListedFile { blob: BlobId::new(format!("{:040x}", bytes.len())).unwrap(), facts })
    });
    let listing = Listing::new(listed.collect());
    let sources = listing.needed(config).into_iter().map(|path| {
        let text = String::from_utf8(files[&path].clone()).unwrap();
        (path, Arc::new(Source::new(text)))
    });
    let holds = files.iter().find(|(path, _)| path.as_str() == HOLDS_PATH);
    let holds = holds.map(|(_, bytes)| HoldsFile::read(bytes)).unwrap_or_default();
    let restraints = Restraints { holds: Arc::new(holds), ..Restraints::default() };
    let commit = CommitId::new(format!("{:040x}", index + 1)).unwrap();
    let revision = Revision { branch: BranchName::new("main").unwrap(), commit };
    Tree { revision, sources: sources.collect(), listing: Arc::new(listing), restraints }
}
