//! Adversarial cases for the edit engine: each gives a text, a field, a value, and the exact text or the code
//! of the refusal that must come out.

mod add;
mod refuse;
mod replace;
mod strings;

use failover_core::code::Code;
use failover_core::field::{FieldPath, Insert, Value};
use failover_core::manifest::{Change, SpliceKind, edit};

/// One case.
pub struct Case {
    text: String,
    change: Change,
    expected: Result<String, Code>,
}

/// A value, from the literal that a table has.
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::String(self.to_owned())
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Int(self)
    }
}

#[expect(clippy::expect_used, reason = "a wrong path in a table is a fault of the table")]
fn case(text: &str, path: &str, value: impl IntoValue, expected: Result<String, Code>) -> Case {
    let path = FieldPath::parse(path).expect(path);
    let value = value.into_value();
    let change = Change { document: 0, path, value, insert: Insert::LastTwoKeys };
    Case { text: text.to_owned(), change, expected }
}

/// The edit must give exactly `expected`.
pub fn ok(text: &str, path: &str, value: impl IntoValue, expected: &str) -> Case {
    case(text, path, value, Ok(expected.to_owned()))
}

/// The edit must be refused with `code`.
pub fn no(text: &str, path: &str, value: impl IntoValue, code: Code) -> Case {
    case(text, path, value, Err(code))
}

/// `@` in the template stands for `old`, which must become `new`.
pub fn swap(template: &str, path: &str, old: &str, value: impl IntoValue, new: &str) -> Case {
    ok(&template.replace('@', old), path, value, &template.replace('@', new))
}

impl Case {
    /// The same in another document of the text.
    pub fn doc(mut self, document: usize) -> Self {
        self.change.document = document;
        self
    }

    /// The same with other permission to add keys.
    pub fn insert(mut self, insert: Insert) -> Self {
        self.change.insert = insert;
        self
    }

    /// The same with another code of the refusal.
    pub fn with(mut self, code: Code) -> Self {
        self.expected = Err(code);
        self
    }

    fn run(&self) -> Result<(), String> {
        let changes = std::slice::from_ref(&self.change);
        let what = || format!("{:?}\n    {} = {:?}", self.text, self.change.path, self.change.value);
        match (edit(&self.text, changes), &self.expected) {
            (Ok(edited), Ok(expected)) if edited.text() == expected => {
                let again = edit(expected, changes).map_err(|error| format!("{}: again: {error}", what()))?;
                if again.splices().is_empty() { Ok(()) } else { Err(format!("{}: changed again", what())) }
            }
            (Err(error), Err(code)) if error.code() == *code => {
                let problem = error.problem();
                let complete =
                    !problem.detail.is_empty() && !problem.hint.is_empty() && error.place().is_some();
                if complete { Ok(()) } else { Err(format!("{}: no place or hint: {error:?}", what())) }
            }
            (Ok(edited), expected) => {
                Err(format!("{}\n    expected {expected:?}\n    got      {:?}", what(), edited.text()))
            }
            (Err(error), expected) => {
                Err(format!("{}\n    expected {expected:?}\n    got      {}: {error}", what(), error.code()))
            }
        }
    }
}

#[test]
fn every_case_gives_its_exact_text_or_its_refusal() {
    let classes = [
        ("replace", replace::cases()),
        ("add", add::cases()),
        ("strings", strings::cases()),
        ("refuse", refuse::cases()),
    ];
    let mut failed = Vec::new();
    let mut count = 0;
    for (class, cases) in classes {
        println!("{class}: {} cases", cases.len());
        count += cases.len();
        failed.extend(cases.iter().filter_map(|case| case.run().err().map(|why| format!("{class}: {why}"))));
    }
    assert!(failed.is_empty(), "{} of {count} cases failed:\n\n{}", failed.len(), failed.join("\n\n"));
    assert!(count >= 325, "only {count} cases");
}

/// Changes of the first document, in the form of the tables.
fn changes<const N: usize>(fields: [(&str, &str); N]) -> Vec<Change> {
    fields.map(|(path, value)| ok("", path, value, "").change).to_vec()
}

#[test]
fn all_changes_of_a_file_are_made_at_once() {
    for (text, fields, expected) in [
        ("a: 1\nb: 2\n", [("b", "y2"), ("a", "x1")], "a: x1\nb: y2\n"),
        ("s:\n  c: d\n", [("s.e", "f"), ("s.g", "h")], "s:\n  e: f\n  g: h\n  c: d\n"),
        ("s:\n  c: d\n", [("s.m.e", "f"), ("s.m.g", "h")], "s:\n  m:\n    e: f\n    g: h\n  c: d\n"),
        ("s:\n  c: d\n", [("s.m.e", "f"), ("s.c", "h")], "s:\n  m:\n    e: f\n  c: h\n"),
        ("s: {}\n", [("s.e", "f"), ("s.g", "h")], "s: {e: f, g: h}\n"),
        ("s:\n", [("s.m.e", "f"), ("s.g", "h")], "s:\n  m:\n    e: f\n  g: h\n"),
        ("s: {c: d}\n", [("s.m.e", "f"), ("s.m.g", "h")], "s: {m: {e: f, g: h}, c: d}\n"),
        ("- name: d\n  v: x\n", [("[name=d].w", "z"), ("[name=d].v", "w")], "- w: z\n  name: d\n  v: w\n"),
        ("a: 1\n", [("a", "x"), ("a", "x")], "a: x\n"),
        ("s:\n  c: d\n", [("s.e", "f"), ("s.e", "f")], "s:\n  e: f\n  c: d\n"),
        ("s:\n  k:\n", [("s.k.e", "f"), ("s.g", "h")], "s:\n  g: h\n  k:\n    e: f\n"),
    ] {
        let changes = changes(fields);
        let edited = edit(text, &changes).unwrap();
        assert_eq!(edited.text(), expected);
        assert!(edit(expected, &changes).unwrap().splices().is_empty());
    }
}

#[test]
fn changes_that_contradict_each_other_are_refused() {
    for (text, fields) in [
        ("a: 1\n", [("a", "x"), ("a", "z")]),
        ("a:\n", [("a", "x"), ("a.b", "z")]),
        ("a:\n", [("a.b.c", "x"), ("a.b", "z")]),
        ("a: {}\n", [("a.b", "x"), ("a.b", "z")]),
        ("- {name: d, id: e, v: 1}\n", [("[name=d].v", "x"), ("[id=e].v", "z")]),
        ("- {name: d, id: e, v: x}\n", [("[name=d].v", "x"), ("[id=e].v", "z")]),
        ("- {name: d, id: e}\n", [("[name=d].v", "x"), ("[id=e].v", "z")]),
        ("- {name: d, v: 1}\n", [("[name=d].name", "x"), ("[name=d].v", "z")]),
    ] {
        assert!(edit(text, &changes(fields)).is_err(), "{text}");
    }
}

#[test]
fn one_refusal_stops_all_changes_and_a_broken_sibling_document_too() {
    let all = changes([("a", "x"), ("b", "x")]);
    assert_eq!(edit("a: 1\nb: |\n  y\n", &all).unwrap_err().code(), Code::FieldUneditable);
    assert_eq!(edit("a: 1\nb: 1\n---\nc: 1\nc: 2\n", &all).unwrap_err().code(), Code::ManifestUnreadable);
    assert_eq!(edit("c: 1\nc: 2\n", &[]).unwrap_err().code(), Code::ManifestUnreadable);
}

#[test]
fn a_refusal_names_what_is_there_and_where() {
    let text = "s:\n  volumes:\n  - name: config\n  - name: data\n    claim: x\n  clame: y\n";
    let volume = edit(text, &changes([("s.volumes.[name=dta].claim", "z")])).unwrap_err().problem();
    assert!(volume.detail.contains("data, config"), "{}", volume.detail);
    assert_eq!(volume.place.map(|place| place.line), Some(3));
    let mut claim = changes([("s.claim", "z")]);
    claim[0].insert = Insert::Never;
    let claim = edit(text, &claim).unwrap_err().problem();
    assert!(claim.detail.contains("there is clame"), "{}", claim.detail);
    assert_eq!(claim.place.map(|place| (place.line, place.column)), Some((2, 3)));
}

#[test]
fn splices_point_into_the_old_text_behind_its_byte_order_mark() {
    let text = "\u{feff}a: old\nb:\n";
    let edited = edit(text, &changes([("a", "new"), ("b.c", "d")])).unwrap();
    let splices = edited.splices();
    assert_eq!(splices.len(), 2);
    assert_eq!((splices[0].kind, &text[splices[0].range.clone()]), (SpliceKind::Replace, "old"));
    assert_eq!((splices[1].kind, splices[1].range.clone()), (SpliceKind::Insert, text.len()..text.len()));
    assert_eq!(splices[1].place.line, 2);
}
