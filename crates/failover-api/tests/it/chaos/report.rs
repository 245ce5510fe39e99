//! What happened, in a line; and when something is wrong, all that is known about it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

use super::replica::Replica;
use crate::support::audit::{Answer, Ledger, Objection};
use crate::support::git::git;
use crate::support::process::run;
use crate::support::proxy::Fault;

pub(crate) struct Summary<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) replicas: &'a [Replica],
    /// How often the host misbehaved in each way.
    pub(crate) misbehaved: &'a BTreeMap<&'static str, usize>,
}

impl Summary<'_> {
    /// Calls whose last answer is such a one.
    pub(crate) fn calls(&self, wanted: fn(&Answer) -> bool) -> usize {
        self.ledger.calls.iter().filter(|call| call.answers.last().is_some_and(wanted)).count()
    }

    pub(crate) fn changed(&self) -> usize {
        self.calls(|answer| matches!(answer, Answer::Changed { .. }))
    }

    fn faults(&self) -> BTreeMap<&'static str, usize> {
        let mut faults = self.misbehaved.clone();
        for fault in self.replicas.iter().flat_map(|replica| replica.proxy.met()) {
            let kind = match fault {
                Fault::Cut => "cut",
                Fault::Halve => "halved",
                Fault::Stall(_) => "stalled",
                Fault::Delay(_) => "delayed",
            };
            *faults.entry(kind).or_default() += 1;
        }
        faults
    }

    fn failures(&self) -> BTreeMap<&str, usize> {
        let mut failures = BTreeMap::new();
        for call in self.ledger.calls.iter().filter(|call| !call.is_in_doubt()) {
            if let Some(Answer::Failed(code)) = call.answers.last() {
                *failures.entry(code.as_str()).or_default() += 1;
            }
        }
        failures
    }
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ledger { calls, foreign, forced } = self.ledger;
        let (failed, faults) = (list(&self.failures()), list(&self.faults()));
        let unchanged = self.calls(|answer| matches!(answer, Answer::Unchanged));
        let doubtful = calls.iter().filter(|call| call.is_in_doubt()).count();
        let kills: usize = self.replicas.iter().map(|replica| replica.kept().kills).sum();
        write!(
            f,
            "{} operations: {} changed, {unchanged} unchanged, failed [{failed}], {doubtful} unknown then settled; \
             {kills} servers killed, lines [{faults}]; {} foreign commits, {} forced pushes",
            calls.len(),
            self.changed(),
            foreign.len(),
            forced.len(),
        )
    }
}

fn list(counts: &BTreeMap<&str, usize>) -> String {
    let entries: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    entries.join(", ")
}

/// Everything that is known about what an objection is about: calls, steps of the branch, what servers logged.
pub(crate) fn evidence(objection: &Objection, repository: &Path, ledger: &Ledger, logs: &[String]) -> String {
    let text = format!("{objection:?}");
    let name = text.split('"').nth(1).unwrap_or_default();
    let record = std::fs::read_to_string(repository.join("logs/refs/heads/main")).unwrap();
    // The commit's operation and key are the names that the servers' logs and the calls know.
    let log = run(git(repository).args(["log", "--reflog", "--format=%H %P %B%x00"])).stdout;
    let log = String::from_utf8(log).unwrap();
    let commits: Vec<&str> = log.split('\0').filter(|entry| entry.contains(name)).collect();
    let trailers = commits.iter().flat_map(|entry| entry.lines());
    let mut names: Vec<&str> = trailers
        .filter_map(|line| {
            line.strip_prefix("Operation-Id: ").or_else(|| line.strip_prefix("Idempotency-Key: "))
        })
        .collect();
    names.push(name);
    let about = |text: &str| names.iter().any(|name| text.contains(name));
    let calls = ledger.calls.iter().map(|call| format!("{call:?}"));
    let lines = calls
        .chain(ledger.forced.iter().map(|forced| format!("{forced:?}")))
        .chain(record.lines().map(str::to_owned))
        .chain(logs.iter().cloned());
    let lines: Vec<String> = lines.filter(|line| about(line)).collect();
    format!("{text}\n  {}\n  {}", commits.join("\n  "), lines.join("\n  "))
}
