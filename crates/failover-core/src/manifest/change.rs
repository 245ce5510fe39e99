//! What an edit is asked to do.

use crate::field::{FieldPath, Insert, Value};

/// One field that gets a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The document, from 0.
    pub document: usize,
    /// The field.
    pub path: FieldPath,
    /// Its new value.
    pub value: Value,
    /// Which missing keys may be added.
    pub insert: Insert,
}
