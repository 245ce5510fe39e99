//! Changes the values of fields in a text, byte by byte, and lets nothing out that is not proven.

use super::change::{Change, Splice, SpliceKind};
use super::error::{FieldError, FieldErrorKind};
use super::find::{Found, Slot, find};
use super::insert::{Additions, behind_key};
use super::scalar::{self, Context, Scalar};
use super::verify;
use crate::code::{Code, Problem};
use crate::field::{FieldPath, Insert};
use crate::yaml::{self, Node, Place, ScalarStyle};

const BOM: &str = "\u{feff}";

/// A text with its changes made and proven; only what proves it makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    text: String,
    splices: Vec<Splice>,
}

impl Edited {
    /// What another proof than that of [`edit`] stands behind.
    pub(super) fn new(text: String, splices: Vec<Splice>) -> Self {
        Self { text, splices }
    }

    /// The new text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The new text, by value.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// What was changed, in the order of the text; empty when every field had its value already.
    #[must_use]
    pub fn splices(&self) -> &[Splice] {
        &self.splices
    }
}

/// Why a text is not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not YAML that can be read without doubt.
    #[error("the file cannot be read as YAML: {message}")]
    Unreadable {
        /// What is wrong.
        message: String,
        /// Where, if the reader knows.
        place: Option<Place>,
        /// Whether the text looks like a template that is not filled in yet.
        template: bool,
    },
    /// A field cannot be changed.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Two changes are about the same bytes.
    #[error("the field {path} would be changed in two ways at once")]
    Contradiction {
        /// The second of the two.
        path: FieldPath,
        /// Where it is.
        place: Place,
    },
    /// The new text could not be proven to differ in the changed fields only.
    #[error("the edit is not proven: {message}")]
    Unverified {
        /// What could not be proven.
        message: String,
        /// The first place that would have been changed.
        place: Option<Place>,
    },
}

impl EditError {
    /// The stable name of the reason.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::ManifestUnreadable,
            Self::Field(error) => error.code(),
            Self::Contradiction { .. } => Code::FieldUneditable,
            Self::Unverified { .. } => Code::EditUnverified,
        }
    }

    /// Where in the file, if that is known.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Unreadable { place, .. } | Self::Unverified { place, .. } => *place,
            Self::Field(error) => Some(error.place),
            Self::Contradiction { place, .. } => Some(*place),
        }
    }

    /// The problem as answers show it; the caller adds the file.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let hint = match self {
            Self::Unreadable { template: true, .. } => {
                "the file looks like a template; point the setting at the values that fill it in"
            }
            Self::Unreadable { .. } => "correct the file here; nothing in it is edited until it can be read",
            Self::Field(error) => error.hint(),
            Self::Contradiction { .. } => "remove one of the two settings",
            Self::Unverified { .. } => "make this change by hand, and please report the manifest",
        };
        Problem { place: self.place(), ..Problem::new(self.code(), self.to_string(), hint) }
    }
}

/// Makes all `changes` in the text of one file, or none. Bytes that no change is about stay as they are. A
/// field that has its value already is left alone, in whatever form it is written.
///
/// # Errors
/// The first reason against it: an unreadable text, a field that cannot be changed, or a result that could
/// not be proven.
pub fn edit(text: &str, changes: &[Change]) -> Result<Edited, EditError> {
    // Parsers disagree about the byte-order mark, so none of them gets to see it.
    let (mark, body) = text.strip_prefix(BOM).map_or(("", text), |body| (BOM, body));
    has_no_foreign_character(body)?;
    let documents = yaml::parse(body).map_err(|error| unreadable(body, error.message, Some(error.place)))?;
    edit_body(mark, body, &documents, changes)
}

/// The same for a text whose `documents` were read before; they must be those of this very text.
///
/// # Errors
/// As [`edit`].
pub(crate) fn edit_documents(
    text: &str,
    documents: &[Node],
    changes: &[Change],
) -> Result<Edited, EditError> {
    // The documents count a mark that the parsers must not see.
    if text.starts_with(BOM) {
        return edit(text, changes);
    }
    has_no_foreign_character(text)?;
    edit_body("", text, documents, changes)
}

fn has_no_foreign_character(body: &str) -> Result<(), EditError> {
    match foreign_character(body) {
        None => Ok(()),
        Some((message, place)) => Err(unreadable(body, message.to_owned(), Some(place))),
    }
}

pub(super) fn unreadable(body: &str, message: String, place: Option<Place>) -> EditError {
    EditError::Unreadable { message, place, template: body.contains("{{") }
}

fn edit_body(mark: &str, body: &str, documents: &[Node], changes: &[Change]) -> Result<Edited, EditError> {
    let old = verify::values(documents, body).map_err(|(message, place)| unreadable(body, message, place))?;
    let mut placed = Vec::new();
    let mut additions = Additions::default();
    let mut made = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let found = find(documents, change.document, &change.path)?;
        if is_repeated(&changes[..index], change, found.place())? {
            continue;
        }
        match found {
            Found::Value(slot) if slot.value == Scalar::Value(change.value.clone()) => continue,
            Found::Value(slot) => {
                slot.editable.clone()?;
                placed.push((replace(body, &slot, change)?, &change.path));
                made.push((change, SpliceKind::Replace));
            }
            Found::Gap(gap) => {
                let allowed = match change.insert {
                    Insert::Never => 0,
                    Insert::LastKey => 1,
                    Insert::LastTwoKeys => 2,
                };
                if gap.keys.len() > allowed {
                    return Err(gap.refused(&change.path).into());
                }
                gap.editable.clone()?;
                additions.add(gap, change);
                made.push((change, SpliceKind::Insert));
            }
        }
    }
    additions.place(body, documents, &mut placed)?;
    let splices = in_order(placed)?;

    let new = apply(body, &splices);
    verify::verify(body, old, &new, &splices, changes, &made).map_err(|message| EditError::Unverified {
        message,
        place: splices.first().map(|splice| splice.place),
    })?;
    let shift = |splice: Splice| {
        let range = splice.range.start + mark.len()..splice.range.end + mark.len();
        Splice { range, ..splice }
    };
    Ok(Edited { text: format!("{mark}{new}"), splices: splices.into_iter().map(shift).collect() })
}

/// The splices in the order of the text. Two that touch the same place come from two paths to one field.
fn in_order(mut placed: Vec<(Splice, &FieldPath)>) -> Result<Vec<Splice>, EditError> {
    placed.sort_by_key(|(splice, _)| (splice.range.start, splice.range.end));
    for pair in placed.windows(2) {
        let ((before, _), (after, path)) = (&pair[0], &pair[1]);
        if after.range.start < before.range.end || after.range.start == before.range.start {
            return Err(EditError::Contradiction { path: (*path).clone(), place: after.place });
        }
    }
    Ok(placed.into_iter().map(|(splice, _)| splice).collect())
}

/// The first character on which YAML readers part ways: a carriage return alone, which only some take for a line
/// break, or a control character, at which the reader that proves the edit may even stop.
fn foreign_character(text: &str) -> Option<(&'static str, Place)> {
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let (at, message) = text.char_indices().find_map(|(at, c)| match c {
        '\r' if !text[at + 1..].starts_with('\n') => Some((at, "a line ends in a carriage return alone")),
        c if control(c) => Some((at, "it has a control character")),
        _ => None,
    })?;
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[..at].matches('\n').count() + 1;
    Some((message, Place { line, column: text[line_start..at].chars().count() + 1 }))
}

/// Whether `change` is among those `before` already; a different value for the same field, or for a part of
/// it, contradicts it.
fn is_repeated(before: &[Change], change: &Change, place: Place) -> Result<bool, EditError> {
    let path = change.path.segments();
    for other in before.iter().filter(|other| other.document == change.document) {
        let known = other.path.segments();
        if known == path && other.value == change.value {
            return Ok(true);
        }
        if known.starts_with(path) || path.starts_with(known) {
            return Err(EditError::Contradiction { path: change.path.clone(), place });
        }
    }
    Ok(false)
}

fn replace(text: &str, slot: &Slot<'_>, change: &Change) -> Result<Splice, FieldError> {
    let node = slot.node;
    // An alias gives way to a value of its own; it has no quotes to keep.
    let style = node.style().unwrap_or(ScalarStyle::Plain);
    let written = scalar::write(&change.value, Context::of(slot.flow, slot.key.style()), style);
    let (range, replacement) = if node.span.is_empty() {
        let (at, before) = behind_key(text, slot.key, node, slot.flow).ok_or_else(|| FieldError {
            path: change.path.clone(),
            place: slot.key.place,
            kind: FieldErrorKind::KeyForm,
        })?;
        (at..at, format!("{before}{written}"))
    } else {
        (node.span.clone(), written)
    };
    Ok(Splice { range, replacement, kind: SpliceKind::Replace, place: node.place })
}

pub(super) fn apply(text: &str, splices: &[Splice]) -> String {
    let mut new = String::with_capacity(text.len() + 64);
    let mut from = 0;
    for splice in splices {
        new.push_str(&text[from..splice.range.start]);
        new.push_str(&splice.replacement);
        from = splice.range.end;
    }
    new.push_str(&text[from..]);
    new
}
