//! What an edit is asked to do, and what it does to the bytes.

use std::ops::Range;

use crate::field::{FieldPath, Insert, Value};
use crate::yaml::Place;

/// One field and the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The document in the file, from 0; empty documents count.
    pub document: usize,
    /// The field.
    pub path: FieldPath,
    /// Its new value.
    pub value: Value,
    /// Which missing keys may be added.
    pub insert: Insert,
}

/// What happens to the bytes of a splice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpliceKind {
    /// A value that was there gets another one.
    Replace,
    /// Keys that were missing are added.
    Insert,
}

/// A range of the old text and what stands there in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Bytes of the old text; empty where only something is added.
    pub range: Range<usize>,
    /// What they become.
    pub replacement: String,
    /// Replaced or added.
    pub kind: SpliceKind,
    /// Where in the old text: the value, or the mapping that gets a key.
    pub place: Place,
}
