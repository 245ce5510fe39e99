//! The text of manifests: read a field, change it byte by byte, prove the change.

mod scalar;
mod error;
mod anchors;
mod find;
mod change;
mod insert;
mod verify;
mod edit;
mod embedded;

pub use change::{Change, Splice, SpliceKind};
pub(crate) use edit::edit_documents;
pub use edit::{EditError, Edited, edit};
pub use embedded::{Embedded, edit_patch};
pub use error::{FieldError, FieldErrorKind};
pub use find::{Field, read};
pub use scalar::Scalar;
