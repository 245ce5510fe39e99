//! Adds missing keys: new lines, or new entries between braces.

use std::ops::Range;

use super::change::{Change, Splice, SpliceKind};
use super::error::{FieldError, FieldErrorKind};
use super::find::Gap;
use super::scalar::{self, Context};
use crate::field::{FieldPath, Value};
use crate::yaml::{Node, NodeValue, ScalarStyle};

/// The missing keys of all changes, by the mapping that gets them.
#[derive(Default)]
pub(super) struct Additions<'a>(Vec<Addition<'a>>);

struct Addition<'a> {
    gap: Gap<'a>,
    document: usize,
    path: &'a FieldPath,
    keys: Vec<(&'a str, New<'a>)>,
}

/// What a new key holds.
enum New<'a> {
    Value(&'a Value),
    Mapping(Vec<(&'a str, &'a Value)>),
}

impl<'a> Additions<'a> {
    /// Takes up a change whose gap is one or two keys.
    pub(super) fn add(&mut self, gap: Gap<'a>, change: &'a Change) {
        let at = self.0.iter().position(|known| std::ptr::eq(known.gap.parent, gap.parent));
        let keys = gap.keys.clone();
        let at = at.unwrap_or_else(|| {
            let (document, path) = (change.document, &change.path);
            self.0.push(Addition { gap, document, path, keys: Vec::new() });
            self.0.len() - 1
        });
        let known = &mut self.0[at].keys;
        match keys.as_slice() {
            [outer, inner, ..] => {
                let sibling = known.iter_mut().find_map(|(key, new)| match new {
                    New::Mapping(entries) if key == outer => Some(entries),
                    New::Mapping(_) | New::Value(_) => None,
                });
                match sibling {
                    Some(entries) if entries.iter().any(|(key, _)| key == inner) => {}
                    Some(entries) => entries.push((inner, &change.value)),
                    None => known.push((outer, New::Mapping(vec![(inner, &change.value)]))),
                }
            }
            [key] if known.iter().any(|(other, _)| other == key) => {}
            [key] => known.push((key, New::Value(&change.value))),
            [] => {}
        }
    }

    /// One splice for each mapping that gets keys, with a path that wants it.
    pub(super) fn place(
        self,
        text: &str,
        documents: &[Node],
        placed: &mut Vec<(Splice, &'a FieldPath)>,
    ) -> Result<(), FieldError> {
        for addition in self.0 {
            let step = documents.get(addition.document).map_or(2, indentation);
            let splice = addition.splice(text, step).ok_or_else(|| FieldError {
                path: addition.path.clone(),
                place: addition.gap.parent.place,
                kind: FieldErrorKind::KeyForm,
            })?;
            placed.push((splice, addition.path));
        }
        Ok(())
    }
}

impl Addition<'_> {
    /// `None` if a key here has a form that no line can be put next to.
    fn splice(&self, text: &str, step: usize) -> Option<Splice> {
        let parent = self.gap.parent;
        let (range, replacement) = match &parent.value {
            NodeValue::Mapping { flow: true, entries } => self.between_braces(text, entries)?,
            NodeValue::Mapping { flow: false, entries } => {
                let (first, _) = entries.first()?;
                self.before_first_line(text, first, step)?
            }
            NodeValue::Scalar { .. } if !parent.span.is_empty() => {
                (parent.span.clone(), format!("{{{}}}", self.in_braces(self.context(None))))
            }
            NodeValue::Scalar { .. } => self.below_key(text, step)?,
            NodeValue::Sequence { .. } | NodeValue::Alias(_) => return None,
        };
        Some(Splice { range, replacement, kind: SpliceKind::Insert, place: parent.place })
    }

    /// How entries between braces are written; `first` is the first key that is there.
    fn context(&self, first: Option<&Node>) -> Context {
        match first.or(self.gap.parent_key.filter(|_| self.gap.flow)) {
            Some(key) => Context::of(true, key.style()),
            None => Context::Flow,
        }
    }

    fn between_braces(&self, text: &str, entries: &[(Node, Node)]) -> Option<(Range<usize>, String)> {
        let span = &self.gap.parent.span;
        if !text[span.clone()].starts_with('{') {
            return None;
        }
        let inside = span.start + 1;
        let Some((first, _)) = entries.first() else {
            let written = self.in_braces(self.context(None));
            // `{ }` keeps its spaces on both sides.
            let spaced =
                text[inside..].starts_with(' ') && text[inside..].trim_start_matches(' ').starts_with('}');
            return Some((inside..inside, if spaced { format!(" {written}") } else { written }));
        };
        let written = self.in_braces(self.context(Some(first)));
        let line = line_start(text, first.span.start).max(inside);
        let indent = &text[line..first.span.start];
        if !indent.trim().is_empty() {
            return None;
        }
        if line == inside {
            return Some((first.span.start..first.span.start, format!("{written}, ")));
        }
        let at = above_comments(text, line, inside);
        Some((at..at, format!("{indent}{written},{}", line_break(text, at))))
    }

    fn in_braces(&self, context: Context) -> String {
        let entry = |key: &str, value: &Value| {
            scalar::write_key(key, context) + &scalar::write(value, context, ScalarStyle::Plain)
        };
        let written: Vec<String> = self
            .keys
            .iter()
            .map(|(key, new)| match new {
                New::Value(value) => entry(key, value),
                New::Mapping(entries) => {
                    let inner: Vec<String> = entries.iter().map(|(key, value)| entry(key, value)).collect();
                    format!("{}{{{}}}", scalar::write_key(key, context), inner.join(", "))
                }
            })
            .collect();
        written.join(", ")
    }

    /// The new lines, each with its indentation.
    fn lines(&self, indent: &str, step: usize) -> Vec<String> {
        let line = |indent: &str, key: &str, value: &Value| {
            let key = scalar::write_key(key, Context::Block);
            format!("{indent}{key}{}", scalar::write(value, Context::Block, ScalarStyle::Plain))
        };
        let mut lines = Vec::new();
        for (key, new) in &self.keys {
            match new {
                New::Value(value) => lines.push(line(indent, key, value)),
                New::Mapping(entries) => {
                    lines.push(format!("{indent}{}", scalar::write_key(key, Context::Block).trim_end()));
                    let inner = format!("{indent}{}", " ".repeat(step));
                    lines.extend(entries.iter().map(|(key, value)| line(&inner, key, value)));
                }
            }
        }
        lines
    }

    fn before_first_line(&self, text: &str, first: &Node, step: usize) -> Option<(Range<usize>, String)> {
        // An explicit key's question mark can stand on a line of its own.
        if self.gap.parent.span.start != first.span.start {
            return None;
        }
        let line = line_start(text, first.span.start);
        let before = &text[line..first.span.start];
        let indent = " ".repeat(key_column(before)?);
        let lines = self.lines(&indent, step);
        if before.contains('-') {
            let at = first.span.start;
            let newline = line_break(text, at);
            let lines: String = lines.iter().map(|line| format!("{line}{newline}")).collect();
            // The first line stands behind the dash already; the old first key moves to a line of its own.
            return Some((at..at, format!("{}{indent}", &lines[indent.len()..])));
        }
        // At the top of a document the comments belong to the file, elsewhere to the first key.
        let is_root = self.path.segments().len() == self.gap.keys.len();
        let limit = self.gap.parent_key.map_or(0, |key| key.span.end);
        let at = if is_root { line } else { above_comments(text, line, limit) };
        let newline = line_break(text, at);
        Some((at..at, lines.iter().map(|line| format!("{line}{newline}")).collect()))
    }

    /// Below `key:` that has no value yet.
    fn below_key(&self, text: &str, step: usize) -> Option<(Range<usize>, String)> {
        let key = self.gap.parent_key?;
        let (at, before) = behind_key(text, key, self.gap.parent, self.gap.flow)?;
        if self.gap.flow {
            return Some((at..at, format!("{before}{{{}}}", self.in_braces(self.context(None)))));
        }
        let column = key_column(&text[line_start(text, key.span.start)..key.span.start])?;
        let lines = self.lines(&" ".repeat(column + step), step);
        match text[at..].find('\n') {
            Some(end) => {
                let at = at + end + 1;
                let newline = line_break(text, at);
                Some((at..at, lines.iter().map(|line| format!("{line}{newline}")).collect()))
            }
            None => {
                let newline = line_break(text, text.len());
                let lines = lines.iter().map(|line| format!("{newline}{line}")).collect();
                Some((text.len()..text.len(), lines))
            }
        }
    }
}

/// The column of a key from 0, if only spaces and the dashes of list items stand before it on its line.
fn key_column(before: &str) -> Option<usize> {
    let usual = before.bytes().all(|b| matches!(b, b' ' | b'-'));
    (usual && !before.contains("--") && !before.ends_with('-')).then_some(before.len())
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// The start of the comments and empty lines directly above the line at `line`, but not above `limit`.
fn above_comments(text: &str, line: usize, limit: usize) -> usize {
    let mut at = line;
    while at > limit {
        let previous = line_start(text, at - 1);
        let content = text[previous..at].trim();
        if previous < limit || !(content.is_empty() || content.starts_with('#')) {
            break;
        }
        at = previous;
    }
    at
}

/// The line break used around `at`.
fn line_break(text: &str, at: usize) -> &'static str {
    let end = if text[..at].ends_with('\n') {
        Some(at - 1)
    } else {
        text[at..].find('\n').map(|end| at + end).or_else(|| text[..at].rfind('\n'))
    };
    if end.is_some_and(|end| text[..end].ends_with('\r')) { "\r\n" } else { "\n" }
}

/// How far the document indents a mapping in a mapping; 2 if it has none.
fn indentation(root: &Node) -> usize {
    let mut step = None;
    root.walk(&mut |node| {
        for (key, value) in node.entries() {
            let nested = matches!(&value.value, NodeValue::Mapping { flow: false, .. });
            if nested && value.place.line > key.place.line && step.is_none() {
                step = value.place.column.checked_sub(key.place.column).filter(|step| *step > 0);
            }
        }
    });
    step.unwrap_or(2)
}

/// Where a value that is left empty can be written, and what must stand before it; `None` after `? key`.
pub(super) fn behind_key(text: &str, key: &Node, empty: &Node, flow: bool) -> Option<(usize, &'static str)> {
    if empty.anchor.is_some() {
        return Some((empty.span.start, " "));
    }
    let rest = &text[key.span.end..];
    let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    if rest[gap..].starts_with(':') {
        return Some((key.span.end + gap + 1, " "));
    }
    (flow && rest.trim_start().starts_with([',', '}'])).then_some((key.span.end, ": "))
}
