//! Replacing or inserting bytes.

use std::ops::Range;

use super::error::EditError;
use super::locate::Located;
use super::scalar::write;
use crate::field::{FieldPath, Segment, Value};
use crate::yaml::{Node, NodeValue, Place, ScalarStyle};

/// One change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// The bytes that go; empty for an insertion.
    pub range: Range<usize>,
    /// What comes in their place.
    pub replacement: String,
    /// Whether a value is replaced or keys are added.
    pub kind: SpliceKind,
    /// Where it is.
    pub place: Place,
    /// The value as it is written, within the replacement.
    pub(super) scalar: String,
}

/// What a splice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpliceKind {
    /// A value takes the place of another.
    Replace,
    /// Missing keys are added with their value.
    Insert,
}

/// The splice that gives the field at `located` its new value.
pub(super) fn splice(
    text: &str,
    field: &FieldPath,
    located: &Located<'_, '_>,
    value: &Value,
) -> Result<Splice, EditError> {
    let context = Context { text, field, located };
    let (range, replacement, kind, scalar) =
        if located.missing.is_empty() { context.replace(value)? } else { context.insert(value)? };
    Ok(Splice { range, replacement, kind, place: located.last().place, scalar })
}

type Parts = (Range<usize>, String, SpliceKind, String);

struct Context<'a> {
    text: &'a str,
    field: &'a FieldPath,
    located: &'a Located<'a, 'a>,
}

impl Context<'_> {
    fn uneditable(&self, place: Place, why: &str) -> EditError {
        EditError::Uneditable { field: self.field.clone(), place, why: why.to_owned() }
    }

    fn replace(&self, value: &Value) -> Result<Parts, EditError> {
        let node = self.located.last();
        let style = match &node.value {
            NodeValue::Scalar { style, .. } => *style,
            NodeValue::Alias(_) => ScalarStyle::Plain,
            NodeValue::Mapping { .. } | NodeValue::Sequence { .. } => {
                return Err(self.uneditable(node.place, "it is not a single value"));
            }
        };
        let scalar = write(value, style);
        if node.is_null() && node.span.is_empty() {
            let at = self.after_colon()?;
            return Ok((at..at, format!(" {scalar}"), SpliceKind::Replace, scalar));
        }
        Ok((node.span.clone(), scalar.clone(), SpliceKind::Replace, scalar))
    }

    fn insert(&self, value: &Value) -> Result<Parts, EditError> {
        let parent = self.located.last();
        let mut keys = Vec::new();
        for segment in self.located.missing {
            match segment {
                Segment::Key(key) => keys.push(key.as_str()),
                Segment::Item { .. } => return Err(self.uneditable(parent.place, "list items are not added")),
            }
        }
        match &parent.value {
            NodeValue::Mapping { flow: true, entries } => self.add_to_flow(parent, entries, &keys, value),
            NodeValue::Mapping { flow: false, entries } => self.add_to_block(parent, entries, &keys, value),
            NodeValue::Scalar { .. } if parent.is_null() => {
                let (inner, scalar) = flow_entry(&keys, value, ScalarStyle::Plain);
                let mapping = format!("{{{inner}}}");
                if parent.span.is_empty() {
                    let at = self.after_colon()?;
                    return Ok((at..at, format!(" {mapping}"), SpliceKind::Insert, scalar));
                }
                Ok((parent.span.clone(), mapping, SpliceKind::Insert, scalar))
            }
            NodeValue::Scalar { .. } | NodeValue::Sequence { .. } | NodeValue::Alias(_) => {
                Err(self.uneditable(parent.place, "its parent is not a mapping"))
            }
        }
    }

    fn add_to_flow(
        &self,
        parent: &Node,
        entries: &[(Node, Node)],
        keys: &[&str],
        value: &Value,
    ) -> Result<Parts, EditError> {
        let inside = self.text.get(parent.span.start + 1..parent.span.end.saturating_sub(1));
        let Some((first, _)) = entries.first() else {
            if !inside.is_some_and(|inside| inside.trim().is_empty()) {
                return Err(self.uneditable(parent.place, "the empty mapping around it holds a comment"));
            }
            let (inner, scalar) = flow_entry(keys, value, ScalarStyle::Plain);
            let at = parent.span.start + 1;
            return Ok((at..at, inner, SpliceKind::Insert, scalar));
        };
        self.plain_key(first)?;
        let style = match first.value {
            NodeValue::Scalar { style: ScalarStyle::DoubleQuoted, .. } => ScalarStyle::DoubleQuoted,
            NodeValue::Scalar { .. }
            | NodeValue::Mapping { .. }
            | NodeValue::Sequence { .. }
            | NodeValue::Alias(_) => ScalarStyle::Plain,
        };
        let (inner, scalar) = flow_entry(keys, value, style);
        let at = first.span.start;
        Ok((at..at, format!("{inner}, "), SpliceKind::Insert, scalar))
    }

    fn add_to_block(
        &self,
        parent: &Node,
        entries: &[(Node, Node)],
        keys: &[&str],
        value: &Value,
    ) -> Result<Parts, EditError> {
        let Some((first, _)) = entries.first() else {
            return Err(self.uneditable(parent.place, "its parent is an empty mapping"));
        };
        self.plain_key(first)?;
        let line_start = self.text[..first.span.start].rfind('\n').map_or(0, |at| at + 1);
        let before = &self.text[line_start..first.span.start];
        let indent = " ".repeat(first.place.column - 1);
        let own_line = before.chars().all(|c| c == ' ');
        let key_line = self.located.key.filter(|key| key.place.line < first.place.line && own_line);
        let step =
            self.located.key.map_or(2, |key| first.place.column.saturating_sub(key.place.column).clamp(1, 8));
        // Directly below the parent's key, so that comments above the first key stay with it; where the first key
        // shares its line, before it.
        let at = match key_line {
            Some(key) => self.text[key.span.end..].find('\n').map(|end| key.span.end + end + 1),
            None => Some(first.span.start),
        };
        let at = at.ok_or_else(|| self.uneditable(parent.place, "its parent has no line of its own"))?;
        let neighbour = if key_line.is_some() { &self.text[..at] } else { &self.text[at..] };
        let newline = if neighbour.find('\n').is_some_and(|end| neighbour[..end].ends_with('\r')) {
            "\r\n"
        } else {
            "\n"
        };

        let scalar = write(value, ScalarStyle::Plain);
        let mut lines = String::new();
        for (depth, key) in keys.iter().enumerate() {
            if depth > 0 || key_line.is_some() {
                lines.push_str(&indent);
            }
            lines.push_str(&" ".repeat(depth * step));
            lines.push_str(&key_text(key, ScalarStyle::Plain));
            lines.push(':');
            if depth + 1 == keys.len() {
                lines.push(' ');
                lines.push_str(&scalar);
            }
            lines.push_str(newline);
        }
        if key_line.is_none() {
            lines.push_str(&indent);
        }
        Ok((at..at, lines, SpliceKind::Insert, scalar))
    }

    /// Keys are added only beside a key that is written as a plain `key: value`.
    fn plain_key(&self, first: &Node) -> Result<(), EditError> {
        let before = self.text[..first.span.start].trim_end_matches(' ');
        let explicit = before.ends_with('?');
        if explicit || first.tagged || first.anchor.is_some() || first.as_text().is_none() {
            return Err(
                self.uneditable(first.place, "the mapping around it has a key in a form that is not edited")
            );
        }
        Ok(())
    }

    /// Behind the colon of the last key reached, whose value is left empty.
    fn after_colon(&self) -> Result<usize, EditError> {
        let place = self.located.last().place;
        let key = self.located.key.ok_or_else(|| self.uneditable(place, "it has no key of its own"))?;
        let rest = &self.text[key.span.end..];
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        if rest[spaces..].starts_with(':') && self.located.last().anchor.is_none() {
            Ok(key.span.end + spaces + 1)
        } else {
            Err(self.uneditable(place, "its key is in a form that is not edited"))
        }
    }
}

fn key_text(key: &str, style: ScalarStyle) -> String {
    write(&Value::String(key.to_owned()), style)
}

/// `a: {b: value}` for the keys a and b, and how the value is written in it.
fn flow_entry(keys: &[&str], value: &Value, style: ScalarStyle) -> (String, String) {
    let scalar = write(value, style);
    let entry = keys.iter().rev().fold(String::new(), |inner, key| {
        let key = key_text(key, style);
        if inner.is_empty() { format!("{key}: {scalar}") } else { format!("{key}: {{{inner}}}") }
    });
    (entry, scalar)
}
