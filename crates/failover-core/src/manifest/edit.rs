//! One field read, several fields changed.

use super::change::Change;
use super::error::EditError;
use super::locate::{Located, locate, referenced};
use super::scalar::plain_value;
use super::splice::{Splice, splice};
use super::verify::verify;
use crate::field::{FieldPath, Insert, Value};
use crate::yaml::{self, Anchors, Node, NodeValue, Place, ScalarStyle};

/// A field as a manifest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// It has a value.
    Present {
        /// The value with its type.
        value: Value,
        /// Where it is written.
        place: Place,
    },
    /// It is not there, left empty or null.
    Absent {
        /// The nearest place that is there.
        place: Place,
    },
}

/// A text whose every byte beside the planned values is the old one's, proven by a second parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    text: String,
    splices: Vec<Splice>,
}

impl Edited {
    /// The new text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// The new text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was changed, in the order of the text; nothing when every value was there.
    #[must_use]
    pub fn splices(&self) -> &[Splice] {
        &self.splices
    }
}

/// Reads a field, also through aliases and merge keys.
///
/// # Errors
/// The path leads nowhere, or the value cannot be known.
pub fn read(documents: &[Node], document: usize, path: &FieldPath) -> Result<Field, EditError> {
    let root = documents.get(document).ok_or(EditError::NoDocument(document))?;
    let anchors = Anchors::of(root);
    let located = locate(root, &anchors, path)?;
    let Some(value) = current(&located, &anchors, path)? else {
        return Ok(Field::Absent { place: located.last().place });
    };
    Ok(Field::Present { value, place: located.last().place })
}

/// Gives every change's field its value. What is not exactly understood is refused.
///
/// # Errors
/// The first change that is not made, and why; or that the result could not be proven right.
pub fn edit(text: &str, changes: &[Change]) -> Result<Edited, EditError> {
    let documents = yaml::parse(text)?;
    refuse_old_line_breaks(text)?;
    let mut splices = Vec::new();
    for change in changes {
        let root = documents.get(change.document).ok_or(EditError::NoDocument(change.document))?;
        let anchors = Anchors::of(root);
        let located = locate(root, &anchors, &change.path)?;
        if current(&located, &anchors, &change.path)?.as_ref() == Some(&change.value) {
            continue;
        }
        refuse_uneditable(root, &located, change)?;
        splices.push(splice(text, &change.path, &located, &change.value)?);
    }
    splices.sort_by_key(|splice| splice.range.start);
    let edited = Edited { text: apply(text, &splices)?, splices };
    if !edited.splices.is_empty() {
        verify(text, &edited.text, changes, &edited.splices)?;
    }
    Ok(edited)
}

/// The value that is there; `None` when it is missing or null.
fn current(
    located: &Located<'_, '_>,
    anchors: &Anchors<'_>,
    path: &FieldPath,
) -> Result<Option<Value>, EditError> {
    if !located.missing.is_empty() {
        return Ok(None);
    }
    let written = located.last();
    let node = anchors.resolve(written);
    let uneditable = |why: String| EditError::Uneditable { field: path.clone(), place: written.place, why };
    let NodeValue::Scalar { text, style } = &node.value else {
        return Err(uneditable("it is not a single value".to_owned()));
    };
    if node.is_null() && !node.tagged {
        return Ok(None);
    }
    if node.tagged {
        return Err(uneditable("it has a tag".to_owned()));
    }
    if text.contains("${") || text.contains("{{") {
        return Err(EditError::Templated { field: path.clone(), place: written.place, text: text.clone() });
    }
    if *style != ScalarStyle::Plain {
        return Ok(Some(Value::String(text.clone())));
    }
    let unclear =
        || uneditable(format!("readers disagree about the type of the plain value {text}; put it in quotes"));
    plain_value(text).map(Some).ok_or_else(unclear)
}

fn refuse_uneditable(root: &Node, located: &Located<'_, '_>, change: &Change) -> Result<(), EditError> {
    let field = || change.path.clone();
    let anchored = |node: &Node, why| EditError::Anchored { field: field(), place: node.place, why };
    if let Some((node, why)) = located.shared {
        return Err(anchored(node, why));
    }
    let targets = referenced(root);
    if let Some(node) =
        located.chain.iter().find(|node| node.anchor.is_some_and(|anchor| targets.contains(&anchor)))
    {
        return Err(anchored(node, "it lies under an anchor (&name) that is used elsewhere"));
    }
    let last = located.last();
    let uneditable =
        |why: &str| EditError::Uneditable { field: field(), place: last.place, why: why.to_owned() };
    if last.tagged {
        return Err(uneditable("it has a tag"));
    }
    if let NodeValue::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } = last.value {
        return Err(uneditable("it is a block of text (| or >)"));
    }
    let missing = if located.missing.is_empty() && last.is_null() { 1 } else { located.missing.len() };
    let allowed = match change.insert {
        Insert::Never => 0,
        Insert::LastKey => 1,
        Insert::LastTwoKeys => 2,
    };
    if missing > allowed {
        let path: Vec<String> = located.missing.iter().map(ToString::to_string).collect();
        let why =
            if path.is_empty() { "it is empty".to_owned() } else { format!("{} is missing", path.join(".")) };
        return Err(EditError::NotFound { field: field(), place: last.place, why });
    }
    Ok(())
}

/// A lone carriage return ends a line for YAML but not for Git and editors.
fn refuse_old_line_breaks(text: &str) -> Result<(), EditError> {
    let lone = text.match_indices('\r').find(|(at, _)| !text[at + 1..].starts_with('\n'));
    match lone {
        None => Ok(()),
        Some((at, _)) => Err(EditError::Unreadable(yaml::YamlError {
            place: Place { line: 1 + text[..at].matches('\n').count(), column: 1 },
            message: "a carriage return without line feed ends a line".to_owned(),
        })),
    }
}

fn apply(text: &str, splices: &[Splice]) -> Result<String, EditError> {
    let mut new = String::with_capacity(text.len() + 64);
    let mut copied = 0;
    for splice in splices {
        let kept = text.get(copied..splice.range.start);
        new.push_str(
            kept.ok_or_else(|| EditError::Unverified("two changes touch the same bytes".to_owned()))?,
        );
        new.push_str(&splice.replacement);
        copied = splice.range.end;
    }
    new.push_str(
        text.get(copied..)
            .ok_or_else(|| EditError::Unverified("a change ends outside the text".to_owned()))?,
    );
    Ok(new)
}
