//! The text of manifests: read a field, change it byte by byte, prove the change.

mod scalar;
mod find;
mod insert;
mod edit;
mod verify;

pub use edit::{Change, EditError, Edited, Splice, SpliceKind, edit};
pub use find::{Field, FieldError, FieldErrorKind, read};
pub use scalar::Scalar;
