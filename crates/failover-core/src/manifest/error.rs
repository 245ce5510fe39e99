//! Why a field cannot be read or changed.

use crate::code::{Code, Problem};
use crate::field::{FieldPath, Segment};
use crate::yaml::Place;

/// A field that cannot be read, or not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {path} {kind}")]
pub struct FieldError {
    /// The field.
    pub path: FieldPath,
    /// Where the reason stands in the file.
    pub place: Place,
    /// The reason.
    pub kind: FieldErrorKind,
}

/// Why a field cannot be read or changed; worded to follow "the field x ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldErrorKind {
    /// The file has fewer documents.
    #[error("is sought in document {}, which the file does not have", .0 + 1)]
    NoDocument(usize),
    /// A key on the way, or the last one, is missing.
    #[error("is not there: {key:?} is missing{}", list(" here; there is ", near))]
    NoKey {
        /// The first missing key.
        key: String,
        /// Keys that are there, nearest first.
        near: Vec<String>,
    },
    /// No item of the list fits the selector.
    #[error("is not there: no item has {selector}{}", list("; the list has ", found))]
    NoItem {
        /// The selector.
        selector: Segment,
        /// What the list's items have instead, nearest first.
        found: Vec<String>,
    },
    /// More than one item fits the selector.
    #[error("is not unique: {count} items have {selector}")]
    ManyItems {
        /// The selector.
        selector: Segment,
        /// How many items fit.
        count: usize,
    },
    /// A mapping on the way has the key twice.
    #[error("is not unique: the key {0:?} is there more than once")]
    DuplicateKey(String),
    /// A key without quotes that is not a text for the API server.
    #[error("has the key {0:?}, which Kubernetes does not read as that text without quotes")]
    KeyType(String),
    /// A list, a scalar … stands where the path needs something else.
    #[error("cannot be reached: {at} needs {needed} here, and there is {found}")]
    WrongParent {
        /// The step of the path.
        at: Segment,
        /// What the step needs.
        needed: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// The field holds more than a scalar.
    #[error("is {0}, not a single value")]
    NotScalar(&'static str),
    /// The value is filled in later, by Flux or Helm.
    #[error("is filled in by a template ({0})")]
    Templated(String),
    /// The value or something around it has an anchor that an alias uses.
    #[error("is inside a value that is used elsewhere too, through a YAML anchor")]
    Shared,
    /// The path goes through `*alias`.
    #[error("is written elsewhere: an alias stands on the way to it")]
    ThroughAlias,
    /// The key comes from `<<` only.
    #[error("is written elsewhere: it comes from a merge key (<<)")]
    Inherited,
    /// An explicit tag stands on the value, on a key or around them.
    #[error("has an explicit YAML tag on it or around it")]
    Tagged,
    /// The path selects an item by the value of this very field.
    #[error("is what its list item is selected by; changed, it would not be found again")]
    SelectsItem,
    /// `|` or `>`.
    #[error("is a block scalar (| or >)")]
    BlockScalar,
    /// `? key`, or an anchor or tag on a key that the new text would have to stand next to.
    #[error("cannot be written here: a key has an unusual form (?, an anchor or a tag)")]
    KeyForm,
}

fn list(before: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(", ")) }
}

impl FieldError {
    /// The stable name of the reason.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.kind {
            FieldErrorKind::NoDocument(_) | FieldErrorKind::NoKey { .. } | FieldErrorKind::NoItem { .. } => {
                Code::FieldNotFound
            }
            FieldErrorKind::DuplicateKey(_) => Code::ManifestUnreadable,
            FieldErrorKind::Templated(_) => Code::FieldTemplated,
            FieldErrorKind::Shared | FieldErrorKind::ThroughAlias | FieldErrorKind::Inherited => {
                Code::FieldAnchored
            }
            FieldErrorKind::ManyItems { .. }
            | FieldErrorKind::KeyType(_)
            | FieldErrorKind::WrongParent { .. }
            | FieldErrorKind::NotScalar(_)
            | FieldErrorKind::Tagged
            | FieldErrorKind::SelectsItem
            | FieldErrorKind::BlockScalar
            | FieldErrorKind::KeyForm => Code::FieldUneditable,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            FieldErrorKind::NoDocument(_) => "read the file again; it has changed",
            FieldErrorKind::NoKey { .. } => "add the field to the manifest once by hand, or correct the path",
            FieldErrorKind::NoItem { .. } => "correct the name in the config or in the manifest",
            FieldErrorKind::ManyItems { .. } => "give the items different names, or select by another key",
            FieldErrorKind::DuplicateKey(_) => {
                "remove one of the two; which one counts depends on the reader"
            }
            FieldErrorKind::KeyType(_) => "put the key in quotes in the manifest",
            FieldErrorKind::WrongParent { .. } | FieldErrorKind::NotScalar(_) => {
                "correct the path; use [key=value] to choose an item of a list"
            }
            FieldErrorKind::Templated(_) => {
                "point a setting at the place where the variable gets its value, or write the value here"
            }
            FieldErrorKind::Shared | FieldErrorKind::ThroughAlias | FieldErrorKind::Inherited => {
                "write the value out at this place, without anchor, alias or merge key"
            }
            FieldErrorKind::Tagged => "remove the tag; put a text in quotes instead",
            FieldErrorKind::SelectsItem => "select the item by another key",
            FieldErrorKind::BlockScalar => "write the value on one line, in quotes if need be",
            FieldErrorKind::KeyForm => {
                "write the keys in the usual form (key: value), or add the field by hand"
            }
        }
    }

    /// The problem as answers show it; the caller adds the file.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem { place: Some(self.place), ..Problem::new(self.code(), self.to_string(), self.hint()) }
    }
}
