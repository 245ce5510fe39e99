//! Adversarial cases for the edit engine: each gives a text, a field, a value, and the exact text or the code
//! of the refusal that must come out.

mod add;
mod refuse;
mod replace;
mod strings;

use failover_core::code::Code;
use failover_core::field::{FieldPath, Insert, Value};
use failover_core::manifest::{Change, edit};

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

fn case(text: &str, path: &str, value: impl IntoValue, expected: Result<String, Code>) -> Case {
    let path = FieldPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
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
