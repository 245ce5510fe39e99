//! The text of manifests: read a field, change it byte by byte, prove the change.

mod scalar;
mod error;
mod anchors;
mod find;
mod insert;
mod edit;
mod verify;

pub use edit::{Change, EditError, Edited, Splice, SpliceKind, edit};
pub use error::{FieldError, FieldErrorKind};
pub use find::{Field, read};
pub use scalar::Scalar;
