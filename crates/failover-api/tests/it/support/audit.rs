//! An auditor who believes nobody: it holds what was said against what Git's own record shows.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Instant;

use super::git::{BRANCH, git};
use super::process::{run, said};

/// What people and servers say that they did.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ledger {
    /// Every move that was asked for.
    pub(crate) calls: Vec<Call>,
    /// Every commit that somebody else pushed.
    pub(crate) foreign: Vec<String>,
    /// Every push by force.
    pub(crate) forced: Vec<Forced>,
}

/// One move, asked for with one key until it was settled.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) key: String,
    /// The only file that it may change.
    pub(crate) path: String,
    /// What it may change there: each text becomes the other one.
    pub(crate) edits: Vec<(String, String)>,
    pub(crate) answers: Vec<Answer>,
    /// When it was first asked, and last answered.
    pub(crate) span: (Instant, Instant),
}

/// What the caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, changed.
    Changed { commit: String, operation: String },
    /// 200, unchanged.
    Unchanged,
    /// An answer that says that nothing was committed, with its code.
    Failed(String),
    /// An answer that says that this is not known.
    Unknown,
    /// None: the server died.
    Nothing,
}

/// A push that replaced the tip `old` by `new`.
#[derive(Debug, Clone)]
pub(crate) struct Forced {
    pub(crate) old: String,
    pub(crate) new: String,
    /// When it began, and ended.
    pub(crate) span: (Instant, Instant),
}

/// What is wrong, with the commit, operation or key that shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Objection {
    /// The record of the tips has a gap after this commit.
    RecordBroken(String),
    /// The branch became this, and nobody says that they forced it.
    ForcedByNobody(String),
    /// Somebody says that they forced the branch to this, and it never was.
    ForcedInVain(String),
    /// A commit with several parents, or a second one with none.
    NotLinear(String),
    /// Somebody's commit is gone, and no forced push removed it.
    ForeignLost(String),
    /// A commit that a forced push removed is there again.
    BroughtBack(String),
    /// An operation is twice in one history.
    OperationTwice(String),
    /// A key is twice in one history.
    KeyTwice(String),
    /// A commit that a caller was told of is not on the branch, and no forced push removed it.
    AnswerLost(String),
    /// A commit that a caller was told of has another key or operation.
    AnswerWrong(String),
    /// The key is on the branch, and its caller was told that nothing was committed.
    Denied(String),
    /// The key's caller does not know what became of the move.
    Unsettled(String),
    /// A commit of an operation that nobody was told of.
    Untold(String),
    /// A commit of nobody.
    Stranger(String),
    /// A commit of ours changes something else, or otherwise, than it may.
    WrongEdit(String),
    /// What `git fsck` says.
    Damaged(String),
}

use Objection as O;

impl Call {
    /// Something may have happened that the caller was not told of.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer, Answer::Unknown | Answer::Nothing))
    }

    /// Whoever was once in doubt needs to hear of a look at the branch, not of one more failure.
    pub(crate) fn is_settled(&self) -> bool {
        match self.answers.last() {
            Some(Answer::Changed { .. } | Answer::Unchanged) => true,
            Some(Answer::Failed(_)) => !self.is_in_doubt(),
            Some(Answer::Unknown | Answer::Nothing) | None => false,
        }
    }
}

/// Everything that is wrong in a bare repository which keeps a record of its tips, sorted.
pub(crate) fn audit(repository: &Path, ledger: &Ledger) -> Vec<Objection> {
    let commits = read_commits(repository);
    let mut audit = Audit {
        ledger,
        commits: &commits,
        calls: ledger.calls.iter().map(|call| (call.key.as_str(), call)).collect(),
        chain: Vec::new(),
        on_branch: HashMap::new(),
        operations: HashMap::new(),
        keys: HashMap::new(),
        removed: HashMap::new(),
        ever: HashSet::new(),
        objections: Vec::new(),
    };
    let steps = read_steps(repository);
    let mut last = None;
    for (old, new) in &steps {
        if last.is_some_and(|last| last != old) {
            audit.objections.push(O::RecordBroken(old.clone()));
        }
        audit.step(old, new);
        last = Some(new);
    }
    let tip = String::from_utf8(run(git(repository).args(["rev-parse", BRANCH])).stdout).unwrap();
    if last.is_none_or(|last| last != tip.trim_end()) {
        audit.objections.push(O::RecordBroken(tip.trim_end().to_owned()));
    }
    audit.people(&steps);
    audit.callers();
    audit.commits(repository);
    let checked =
        git(repository).args(["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]).output();
    let checked = checked.unwrap();
    if !checked.status.success() || !said(&checked).trim().is_empty() {
        audit.objections.push(O::Damaged(said(&checked)));
    }
    audit.objections.sort();
    audit.objections.dedup();
    audit.objections
}

struct Commit {
    parents: Vec<String>,
    operation: Option<String>,
    key: Option<String>,
    changes: Vec<Change>,
}

struct Change {
    /// Mode and object, before and after.
    before: (String, String),
    after: (String, String),
    path: String,
}

struct Audit<'a> {
    ledger: &'a Ledger,
    commits: &'a HashMap<String, Commit>,
    calls: HashMap<&'a str, &'a Call>,
    /// The history of the tip after the steps so far, oldest first, and each commit's place in it.
    chain: Vec<&'a str>,
    on_branch: HashMap<&'a str, usize>,
    /// How often each is in that history.
    operations: HashMap<&'a str, usize>,
    keys: HashMap<&'a str, usize>,
    /// Commits that are not on the branch any more, and who says that they removed them.
    removed: HashMap<&'a str, Option<&'a Forced>>,
    /// Commits that were on the branch at some time.
    ever: HashSet<&'a str>,
    objections: Vec<Objection>,
}

impl<'a> Audit<'a> {
    /// The branch went from one tip to another.
    fn step(&mut self, old: &str, new: &'a str) {
        let mut added = Vec::new();
        let mut next = Some(new);
        while let Some(id) = next.filter(|id| !self.on_branch.contains_key(id)) {
            added.push(id);
            let commits = self.commits;
            next = commits.get(id).and_then(|commit| commit.parents.first()).map(String::as_str);
        }
        let kept = next.map_or(0, |base| self.on_branch[base] + 1);
        if kept < self.chain.len() {
            let forced = self.ledger.forced.iter().find(|forced| forced.old == old && forced.new == new);
            if forced.is_none() {
                self.objections.push(O::ForcedByNobody(new.to_owned()));
            }
            for id in self.chain.split_off(kept) {
                self.on_branch.remove(id);
                self.count(id, false);
                self.removed.insert(id, forced);
            }
        }
        for id in added.into_iter().rev() {
            self.add(id);
        }
    }

    fn add(&mut self, id: &'a str) {
        let parents = self.commits.get(id).map_or(0, |commit| commit.parents.len());
        if parents != usize::from(!self.chain.is_empty()) {
            self.objections.push(O::NotLinear(id.to_owned()));
        }
        if let Some(forced) = self.removed.remove(id)
            && !self.is_asked_during(id, forced)
        {
            self.objections.push(O::BroughtBack(id.to_owned()));
        }
        self.on_branch.insert(id, self.chain.len());
        self.chain.push(id);
        self.ever.insert(id);
        self.count(id, true);
    }

    /// A server that still has to find out what became of its commit cannot know that it was there for a moment:
    /// before its caller is answered it may land after the forced push as well as before it.
    fn is_asked_during(&self, id: &str, forced: Option<&Forced>) -> bool {
        let call = self.commits[id].key.as_deref().and_then(|key| self.calls.get(key));
        match (call, forced) {
            (Some(call), Some(forced)) => call.span.0 < forced.span.1 && forced.span.0 < call.span.1,
            (None, _) | (_, None) => false,
        }
    }

    fn count(&mut self, id: &str, added: bool) {
        let Some(commit) = self.commits.get(id) else { return };
        for (counts, name, objection) in [
            (&mut self.operations, &commit.operation, O::OperationTwice as fn(String) -> Objection),
            (&mut self.keys, &commit.key, O::KeyTwice),
        ] {
            let Some(name) = name else { continue };
            let count = counts.entry(name).or_default();
            *count = if added { *count + 1 } else { *count - 1 };
            if *count > 1 {
                self.objections.push(objection(name.clone()));
            }
        }
    }

    /// It is on the branch, or was until somebody says that they removed it.
    fn is_accounted_for(&self, id: &str) -> bool {
        self.on_branch.contains_key(id) || self.removed.get(id).is_some_and(Option::is_some)
    }

    fn people(&mut self, steps: &[(String, String)]) {
        for id in &self.ledger.foreign {
            if !self.is_accounted_for(id) {
                self.objections.push(O::ForeignLost(id.clone()));
            }
        }
        let steps: HashSet<_> = steps.iter().map(|(old, new)| (old, new)).collect();
        let in_vain = self.ledger.forced.iter().filter(|forced| !steps.contains(&(&forced.old, &forced.new)));
        self.objections.extend(in_vain.map(|forced| O::ForcedInVain(forced.new.clone())));
    }

    fn callers(&mut self) {
        let keys: HashSet<&str> =
            self.ever.iter().filter_map(|id| self.commits.get(*id)?.key.as_deref()).collect();
        for call in &self.ledger.calls {
            if !call.is_settled() {
                self.objections.push(O::Unsettled(call.key.clone()));
            }
            for answer in &call.answers {
                let Answer::Changed { commit: id, operation } = answer else { continue };
                if !self.is_accounted_for(id) {
                    self.objections.push(O::AnswerLost(id.clone()));
                }
                let right = self.commits.get(id).is_some_and(|commit| {
                    commit.key.as_ref() == Some(&call.key) && commit.operation.as_ref() == Some(operation)
                });
                if !right {
                    self.objections.push(O::AnswerWrong(id.clone()));
                }
            }
            let denied = |answer: &Answer| matches!(answer, Answer::Unchanged | Answer::Failed(_));
            if call.answers.iter().all(denied) && keys.contains(call.key.as_str()) {
                self.objections.push(O::Denied(call.key.clone()));
            }
        }
    }

    /// Who made each commit, and whether they may.
    fn commits(&mut self, repository: &Path) {
        let people: HashSet<&str> = self.ledger.foreign.iter().map(String::as_str).collect();
        let forced: HashSet<&str> = self.ledger.forced.iter().map(|forced| forced.new.as_str()).collect();
        let mut edits = Vec::new();
        for id in &self.ever {
            let Some(commit) = self.commits.get(*id) else { continue };
            if people.contains(id) || commit.parents.is_empty() {
                continue;
            }
            let Some(operation) = &commit.operation else {
                if !forced.contains(id) {
                    self.objections.push(O::Stranger((*id).to_owned()));
                }
                continue;
            };
            let call = commit.key.as_deref().and_then(|key| self.calls.get(key));
            let told = |answer: &Answer| matches!(answer, Answer::Changed { operation: told, .. } if told == operation);
            let Some(call) = call.filter(|call| call.is_in_doubt() || call.answers.iter().any(told)) else {
                self.objections.push(O::Untold((*id).to_owned()));
                continue;
            };
            match &commit.changes[..] {
                [change] if change.path == call.path && change.before.0 == change.after.0 => {
                    edits.push((*id, call, &change.before.1, &change.after.1));
                }
                _ => self.objections.push(O::WrongEdit((*id).to_owned())),
            }
        }
        let blobs = read_blobs(repository, edits.iter().flat_map(|edit| [edit.2, edit.3]));
        for (id, call, before, after) in edits {
            let wanted =
                call.edits.iter().fold(blobs[before].clone(), |text, (old, new)| text.replace(old, new));
            if before == after || blobs[after] != wanted {
                self.objections.push(O::WrongEdit(id.to_owned()));
            }
        }
    }
}

/// Every step of the branch, as the repository recorded it: old and new tip.
fn read_steps(repository: &Path) -> Vec<(String, String)> {
    let record = fs::read_to_string(repository.join("logs/refs/heads").join(BRANCH)).unwrap();
    let step = |line: &str| {
        let mut ids = line.split(' ').map(str::to_owned);
        (ids.next().unwrap(), ids.next().unwrap())
    };
    record.lines().map(step).collect()
}

/// Every commit that was ever on the branch, and their ancestors.
fn read_commits(repository: &Path) -> HashMap<String, Commit> {
    let format = ["Operation-Id", "Idempotency-Key"]
        .map(|key| format!("%x00%(trailers:key={key},valueonly,separator=%x2C)"))
        .concat();
    let format = format!("--format=%x01%H%x00%P{format}%x00");
    let mut log = git(repository);
    log.args(["log", "--reflog", BRANCH, "--raw", "--no-abbrev", "--no-renames", &format]);
    let text = String::from_utf8(run(&mut log).stdout).unwrap();
    let commit = |entry: &str| {
        let mut fields = entry.split('\0').map(str::to_owned);
        let mut next = || fields.next().unwrap();
        let (id, parents, operation, key, changes) = (next(), next(), next(), next(), next());
        let commit = Commit {
            parents: parents.split_whitespace().map(str::to_owned).collect(),
            operation: Some(operation).filter(|text| !text.is_empty()),
            key: Some(key).filter(|text| !text.is_empty()),
            changes: changes.lines().filter_map(read_change).collect(),
        };
        (id, commit)
    };
    text.split('\u{1}').skip(1).map(commit).collect()
}

/// `:mode mode object object status<tab>path`
fn read_change(line: &str) -> Option<Change> {
    let (facts, path) = line.strip_prefix(':')?.split_once('\t')?;
    let mut facts = facts.split(' ').map(str::to_owned);
    let modes = (facts.next()?, facts.next()?);
    let objects = (facts.next()?, facts.next()?);
    Some(Change { before: (modes.0, objects.0), after: (modes.1, objects.1), path: path.to_owned() })
}

fn read_blobs<'b>(repository: &Path, ids: impl Iterator<Item = &'b String>) -> HashMap<String, String> {
    let mut list = tempfile::tempfile().unwrap();
    ids.for_each(|id| writeln!(list, "{id}").unwrap());
    list.rewind().unwrap();
    let output = run(git(repository).args(["cat-file", "--batch"]).stdin(list)).stdout;
    let mut rest = &output[..];
    let mut blobs = HashMap::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let (id, size) = (head.split(' ').next().unwrap(), head.rsplit(' ').next().unwrap());
        let (blob, more) = rest[end + 1..].split_at(size.parse().unwrap());
        blobs.insert(id.to_owned(), String::from_utf8(blob.to_vec()).unwrap());
        rest = &more[1..];
    }
    blobs
}
