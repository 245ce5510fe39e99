//! Why a field cannot be read, or is not edited.

use crate::code::{Code, Problem};
use crate::field::FieldPath;
use crate::yaml::{Place, YamlError};

/// Why a field cannot be read, or is not edited. Refusing is always right; guessing never is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] YamlError),
    /// The document is not there.
    #[error("the file has no document {0}")]
    NoDocument(usize),
    /// A step of the path leads nowhere.
    #[error("{field} cannot be followed: {why}")]
    NotFound {
        /// The field.
        field: FieldPath,
        /// Where the path ended.
        place: Place,
        /// What is missing or in the way there.
        why: String,
    },
    /// The value is filled in by a template when it is applied.
    #[error("{field} is {text:?}, which a template fills in")]
    Templated {
        /// The field.
        field: FieldPath,
        /// The value.
        place: Place,
        /// As written.
        text: String,
    },
    /// Other places of the document share the value.
    #[error("{field} shares its value with other places: {why}")]
    Anchored {
        /// The field.
        field: FieldPath,
        /// The anchor, alias or merge key.
        place: Place,
        /// How it is shared.
        why: &'static str,
    },
    /// The value is written in a form that is not edited.
    #[error("{field} is not edited: {why}")]
    Uneditable {
        /// The field.
        field: FieldPath,
        /// The value.
        place: Place,
        /// The form.
        why: String,
    },
    /// The edited text is not the old one with just this change.
    #[error("the edit could not be proven right: {0}")]
    Unverified(String),
}

impl EditError {
    /// Where in the file.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Unreadable(error) => error.place,
            Self::NotFound { place, .. }
            | Self::Templated { place, .. }
            | Self::Anchored { place, .. }
            | Self::Uneditable { place, .. } => *place,
            Self::NoDocument(_) | Self::Unverified(_) => Place { line: 1, column: 1 },
        }
    }

    /// As a problem of the file, which the caller names.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, hint) = match self {
            Self::Unreadable(_) => (Code::ManifestUnreadable, "repair the file, then try again"),
            Self::NoDocument(_) => (Code::Internal, "this is a defect; please report it"),
            Self::NotFound { .. } => (
                Code::FieldNotFound,
                "compare volume_name, node_label_key and settings in the config with the manifest",
            ),
            Self::Templated { .. } => (
                Code::FieldTemplated,
                "write the value itself into the manifest, or configure a setting for the place where the template takes it from",
            ),
            Self::Anchored { .. } => (
                Code::FieldAnchored,
                "write the value out where it is used, without anchor, alias or merge key",
            ),
            Self::Uneditable { .. } => {
                (Code::FieldUneditable, "write the value as a plain or quoted text on one line")
            }
            Self::Unverified(_) => (
                Code::EditUnverified,
                "nothing was changed; simplify the YAML around the field, and please report the file",
            ),
        };
        Problem::new(code, self.to_string(), hint)
    }
}
