//! The auditor itself: it objects to each kind of wrong, and to nothing where all is well.

use std::fs;
use std::time::Instant;

use crate::support::audit::{Answer, Call, Forced, Ledger, Objection as O, audit};
use crate::support::git::{Repository, git};
use crate::support::process::run;

const PATH: &str = "apps/a.yaml";

/// A branch with moves of ours, commits of others and pushes by force, and what is said of it.
struct Book {
    repository: Repository,
    ledger: Ledger,
}

impl Book {
    /// Nothing is wrong in it.
    fn clean() -> Self {
        let mut book = Self::new();
        book.moved("first", "op-1", "backup");
        book.noted("notes/1");
        book.moved("second", "op-2", "primary");
        // Somebody removes our newest commit; asked again it is done again.
        book.forced(|repository| repository.force_push_back(1));
        book.moved("third", "op-3", "primary");
        book.noted("notes/2");
        book.forced(|repository| repository.amend("Somebody changed their mind"));
        book.called("unchanged", "primary", vec![Answer::Unchanged]);
        book.called("failed", "backup", vec![Answer::Failed("remote-conflict".to_owned())]);
        // A server died after its push: the next one finds the commit.
        let found = book.commit("doubt", "op-4", "backup");
        book.called("doubt", "backup", vec![Answer::Nothing, Answer::Unknown, found]);
        // The same, but the commit was removed before anybody could find it.
        book.commit("lost", "op-5", "primary");
        book.forced(|repository| repository.force_push_back(1));
        let again = book.commit("lost", "op-6", "primary");
        book.called("lost", "primary", vec![Answer::Nothing, again]);
        book
    }

    fn new() -> Self {
        let repository = Repository::new([(PATH, "# a\nrole: primary # here\n"), ("README.md", "# a\n")]);
        Self { repository, ledger: Ledger::default() }
    }

    /// A move that was asked for, done, and answered.
    fn moved(&mut self, key: &str, operation: &str, to: &str) {
        let answer = self.commit(key, operation, to);
        self.called(key, to, vec![answer]);
    }

    /// Only the commit of a move, and the answer that tells of it.
    fn commit(&self, key: &str, operation: &str, to: &str) -> Answer {
        let before = String::from_utf8(self.repository.show(&format!("main:{PATH}"))).unwrap();
        let [old, new] = edit(to);
        let message = message(key, operation);
        let id = self.repository.commit_foreign(PATH, before.replace(&old, &new).as_bytes(), &message);
        Answer::Changed { commit: id, operation: operation.to_owned() }
    }

    fn called(&mut self, key: &str, to: &str, answers: Vec<Answer>) {
        let ([old, new], now) = (edit(to), Instant::now());
        let (key, path) = (key.to_owned(), PATH.to_owned());
        self.ledger.calls.push(Call { key, path, edits: vec![(old, new)], answers, span: (now, now) });
    }

    fn noted(&mut self, path: &str) {
        self.ledger.foreign.push(self.repository.commit_foreign(path, b"note", "Note"));
    }

    fn forced(&mut self, force: impl Fn(&Repository) -> String) {
        let (old, begun) = (self.repository.tip(), Instant::now());
        let new = force(&self.repository);
        self.ledger.forced.push(Forced { old, new, span: (begun, Instant::now()) });
    }

    fn call(&mut self, key: &str) -> &mut Call {
        self.ledger.calls.iter_mut().find(|call| call.key == key).unwrap()
    }

    fn answered(&mut self, key: &str) -> (String, String) {
        match self.call(key).answers.last() {
            Some(Answer::Changed { commit, operation }) => (commit.clone(), operation.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// The branch is moved as no push could.
    fn update_ref(&self, to: &str) {
        run(git(self.repository.path()).args(["update-ref", "refs/heads/main", to]));
    }

    #[track_caller]
    fn assert(&self, mut wanted: Vec<O>) {
        wanted.sort();
        assert_eq!(audit(self.repository.path(), &self.ledger), wanted);
    }
}

fn edit(to: &str) -> [String; 2] {
    let from = if to == "backup" { "primary" } else { "backup" };
    [format!("role: {from}"), format!("role: {to}")]
}

fn message(key: &str, operation: &str) -> String {
    format!("Move a\n\nRole: any\nOperation-Id: {operation}\nIdempotency-Key: {key}\n")
}

#[test]
fn audit_finds_nothing_where_nothing_is_wrong() {
    Book::clean().assert(vec![]);
}

#[test]
fn audit_sees_a_push_by_force_that_nobody_declared() {
    let mut book = Book::clean();
    let forced = book.ledger.forced.remove(1);
    let removed = book.ledger.foreign.last().unwrap().clone();
    book.assert(vec![
        O::ForcedByNobody(forced.new.clone()),
        O::Stranger(forced.new),
        O::ForeignLost(removed),
    ]);
}

#[test]
fn audit_sees_a_push_by_force_that_never_was() {
    let mut book = Book::clean();
    let (old, now) = (book.repository.tip(), Instant::now());
    book.ledger.forced.push(Forced { old, new: "nowhere".to_owned(), span: (now, now) });
    book.assert(vec![O::ForcedInVain("nowhere".to_owned())]);
}

#[test]
fn audit_sees_a_lost_foreign_commit() {
    let mut book = Book::clean();
    book.ledger.foreign.push("nowhere".to_owned());
    book.assert(vec![O::ForeignLost("nowhere".to_owned())]);
}

#[test]
fn audit_sees_a_removed_commit_that_is_brought_back() {
    let mut book = Book::clean();
    book.noted("notes/3");
    let removed = book.repository.tip();
    book.forced(|repository| repository.force_push_back(1));
    book.assert(vec![]);
    book.update_ref(&removed);
    book.assert(vec![O::BroughtBack(removed)]);
    // One of ours may land late, but not after its caller was answered.
    let mut book = Book::clean();
    book.moved("late", "op-late", "backup");
    let (removed, _) = book.answered("late");
    book.forced(|repository| repository.force_push_back(1));
    book.update_ref(&removed);
    book.assert(vec![O::BroughtBack(removed)]);
    book.call("late").span.1 = Instant::now();
    book.assert(vec![]);
}

#[test]
fn audit_sees_a_merge_and_a_second_root() {
    let mut book = Book::clean();
    let tree = format!("{}^{{tree}}", book.repository.tip());
    let commit = |parents: &[&str]| {
        let made = run(git(book.repository.path())
            .args(["commit-tree", &tree, "-m", "Odd"])
            .args(parents.iter().flat_map(|parent| ["-p", parent])));
        String::from_utf8(made.stdout).unwrap().trim_end().to_owned()
    };
    let (merge, root) = (commit(&["main", "main~2"]), commit(&[]));
    book.update_ref(&merge);
    book.ledger.foreign.push(merge.clone());
    book.assert(vec![O::NotLinear(merge.clone())]);
    book.update_ref(&root);
    let objections = audit(book.repository.path(), &book.ledger);
    assert!(objections.contains(&O::ForcedByNobody(root)), "{objections:?}");
    assert!(objections.contains(&O::ForeignLost(merge)), "{objections:?}");
}

#[test]
fn audit_sees_what_is_done_twice() {
    let mut book = Book::clean();
    let again = book.commit("third", "op-3", "backup");
    let commit = book.repository.tip();
    book.call("third").answers.push(again);
    book.assert(vec![
        O::KeyTwice("third".to_owned()),
        O::OperationTwice("op-3".to_owned()),
        O::WrongEdit(commit),
    ]);
    let book = Book::clean();
    book.commit("first", "op-1-again", "primary");
    book.assert(vec![O::KeyTwice("first".to_owned()), O::Untold(book.repository.tip())]);
}

#[test]
fn audit_sees_an_answer_without_its_commit() {
    let mut book = Book::clean();
    let (commit, operation) = book.answered("third");
    book.called("other", "primary", vec![Answer::Changed { commit: commit.clone(), operation }]);
    book.assert(vec![O::AnswerWrong(commit)]);
    let mut book = Book::clean();
    let Some(Answer::Changed { operation, .. }) = book.call("third").answers.last_mut() else { panic!() };
    *operation = "op-9".to_owned();
    let (commit, _) = book.answered("third");
    book.assert(vec![O::AnswerWrong(commit.clone()), O::Untold(commit)]);
    let mut book = Book::clean();
    book.moved("late", "op-late", "backup");
    let (commit, _) = book.answered("late");
    book.repository.force_push_back(1);
    book.assert(vec![O::AnswerLost(commit), O::ForcedByNobody(book.repository.tip())]);
}

#[test]
fn audit_sees_a_commit_that_was_denied() {
    for answer in [Answer::Unchanged, Answer::Failed("busy".to_owned())] {
        let mut book = Book::clean();
        book.call("first").answers = vec![answer];
        let denied = book.repository.log("%H %s").lines().rev().nth(1).unwrap()[..40].to_owned();
        book.assert(vec![O::Denied("first".to_owned()), O::Untold(denied)]);
    }
    // Also when it was there for a while only.
    let mut book = Book::clean();
    let Answer::Changed { commit, .. } = book.commit("failed", "op-late", "backup") else { panic!() };
    book.forced(|repository| repository.force_push_back(1));
    book.assert(vec![O::Denied("failed".to_owned()), O::Untold(commit)]);
}

#[test]
fn audit_sees_what_its_caller_does_not_know() {
    for answers in [
        vec![],
        vec![Answer::Unknown],
        vec![Answer::Nothing],
        vec![Answer::Nothing, Answer::Failed("busy".to_owned())],
    ] {
        let mut book = Book::clean();
        book.called("never", "backup", answers.clone());
        book.assert(vec![O::Unsettled("never".to_owned())]);
    }
}

#[test]
fn audit_sees_commits_that_nobody_was_told_of() {
    let book = Book::clean();
    book.commit("unheard-of", "op-8", "backup");
    book.assert(vec![O::Untold(book.repository.tip())]);
    book.repository.commit_foreign("notes/3", b"note", "Note");
    let ours = book.repository.log("%H").lines().nth(1).unwrap().to_owned();
    book.assert(vec![O::Stranger(book.repository.tip()), O::Untold(ours)]);
}

#[test]
fn audit_sees_a_commit_that_changes_too_much() {
    for (path, content) in [
        ("README.md", "# a\nmore\n"),
        (PATH, "# a\nrole: backup\n"),
        (PATH, "# b\nrole: backup # here\n"),
        ("apps/b.yaml", "b"),
    ] {
        let mut book = Book::new();
        let id = book.repository.commit_foreign(path, content.as_bytes(), &message("key", "op"));
        let operation = "op".to_owned();
        book.called("key", "backup", vec![Answer::Changed { commit: id.clone(), operation }]);
        book.assert(vec![O::WrongEdit(id)]);
    }
    // Nothing changed at all.
    let mut book = Book::new();
    book.moved("key", "op", "primary");
    book.assert(vec![O::WrongEdit(book.repository.tip())]);
}

#[test]
fn audit_sees_a_gap_in_the_record() {
    let book = Book::clean();
    let record = book.repository.path().join("logs/refs/heads/main");
    let whole = fs::read_to_string(&record).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |gap: usize| {
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != gap);
        fs::write(&record, kept.map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
    };
    without(1);
    let after = lines[2].split(' ').next().unwrap().to_owned();
    book.assert(vec![O::RecordBroken(after)]);
    without(lines.len() - 1);
    let objections = audit(book.repository.path(), &book.ledger);
    assert!(objections.contains(&O::RecordBroken(book.repository.tip())), "{objections:?}");
}

#[test]
fn audit_sees_damage() {
    let book = Book::clean();
    let blob = run(git(book.repository.path()).args(["rev-parse", "main:README.md"])).stdout;
    let (folder, file) = std::str::from_utf8(&blob).unwrap().trim_end().split_at(2);
    fs::remove_file(book.repository.path().join("objects").join(folder).join(file)).unwrap();
    let objections = audit(book.repository.path(), &book.ledger);
    let [O::Damaged(text)] = &objections[..] else { panic!("{objections:?}") };
    assert!(text.contains("missing blob"), "{text}");
}
