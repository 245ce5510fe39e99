//! Patches that stand as text in a `kustomization.yaml`: read, and edited inside.
//!
//! Only literal block texts (`patch: |-`) are edited, since there each inner line is one line of the file.

use std::ops::Range;

use yaml_serde::Value as Tree;

use super::change::{Change, Splice};
use super::edit::{EditError, Edited, apply, edit, unreadable};
use super::verify::{is_spliced, values};
use crate::yaml::{self, Node, NodeValue, Place, ScalarStyle};

/// The text of one patch in a file.
#[derive(Debug, Clone, Copy)]
pub struct Embedded<'a> {
    /// The patch itself.
    pub text: &'a str,
    /// The line of the file where it begins, from 1.
    line: usize,
    /// How far its lines are indented, in bytes and in columns.
    indent: usize,
}

impl<'a> Embedded<'a> {
    /// The patch at this position in `patches`; `None` if there is none, or not in a form that can be edited.
    #[must_use]
    pub fn find(documents: &'a [Node], file: &str, index: usize) -> Option<Self> {
        Self::located(documents, file, index).map(|(embedded, _)| embedded)
    }

    /// The same with the bytes of each of its lines in the file, without indentation and line end.
    fn located(documents: &'a [Node], file: &str, index: usize) -> Option<(Self, Vec<Range<usize>>)> {
        let item = documents.first()?.get("patches")?.items().get(index)?;
        let node = item.get("patch")?;
        let NodeValue::Scalar { text, style: ScalarStyle::Literal } = &node.value else { return None };
        if node.anchor.is_some() || node.tagged || item.anchor.is_some() {
            return None;
        }
        let start = file.get(..node.span.start)?.rfind('\n').map_or(0, |end| end + 1);
        let first = file.get(start..)?.lines().next()?;
        let indent = first.len() - first.trim_start_matches(' ').len();
        let mut lines = Vec::new();
        let mut at = start;
        // What follows the last line end is no line of the block.
        for inner in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            let whole = file.get(at..)?.split_inclusive('\n').next()?;
            let line = whole.trim_end_matches('\n').trim_end_matches('\r');
            let content = at + indent.min(line.len())..at + line.len();
            let is_blank = inner.is_empty() && line.trim_matches(' ').is_empty();
            if !is_blank && (file.get(content.clone())? != inner || !line.starts_with(&" ".repeat(indent))) {
                return None;
            }
            lines.push(if is_blank { at + line.len()..at + line.len() } else { content });
            at += whole.len();
        }
        let line = file[..start].matches('\n').count() + 1;
        Some((Self { text, line, indent }, lines))
    }

    /// Where a place in the patch is in the file.
    #[must_use]
    pub fn place(&self, inner: Place) -> Place {
        Place { line: self.line + inner.line - 1, column: self.indent + inner.column }
    }
}

/// Makes all `changes` in the patch at `index`, or none. The patch is edited and proven as a text of its own; then it is
/// proven that the file is the old one with nothing but this patch replaced by that text.
///
/// # Errors
/// As [`edit`]; also a patch that is not a literal block text.
pub fn edit_patch(file: &str, index: usize, changes: &[Change]) -> Result<Edited, EditError> {
    let documents = yaml::parse(file).map_err(|error| unreadable(file, error.message, Some(error.place)))?;
    let refused = |message: &str| EditError::Unverified { message: message.to_owned(), place: None };
    let Some((patch, lines)) = Embedded::located(&documents, file, index) else {
        return Err(refused("the patch is not a block text (patch: |-) of its own"));
    };
    let inner = edit(patch.text, changes).map_err(|error| error.moved(|place| patch.place(place)))?;
    let newline = if file.contains("\r\n") { "\r\n" } else { "\n" };
    let mut splices = Vec::new();
    for splice in inner.splices() {
        let moved = outer(splice, &patch, &lines, newline);
        splices.push(moved.ok_or_else(|| refused("the place of the change in the file is not clear"))?);
    }
    let new = apply(file, &splices);
    prove(file, &documents, &new, index, inner.text(), &splices).map_err(|message| refused(&message))?;
    Ok(Edited::new(new, splices))
}

/// A splice of the patch as one of the file.
fn outer(splice: &Splice, patch: &Embedded<'_>, lines: &[Range<usize>], newline: &str) -> Option<Splice> {
    let indent = " ".repeat(patch.indent);
    let position = |offset: usize| {
        let before = patch.text.get(..offset)?;
        let line = lines.get(before.matches('\n').count())?;
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1);
        let at = line.start + column;
        (at <= line.end).then_some(at)
    };
    let place = patch.place(splice.place);
    let kind = splice.kind;
    let broken = splice.replacement.replace("\r\n", "\n");
    if splice.range.is_empty() && splice.range.start == patch.text.len() && patch.text.ends_with('\n') {
        // Behind the last line, in lines of its own: that last line's end stays before them.
        let at = lines.last()?.end;
        let added = broken.trim_end_matches('\n').replace('\n', &format!("{newline}{indent}"));
        return Some(Splice { range: at..at, replacement: format!("{newline}{indent}{added}"), kind, place });
    }
    let replacement = broken.replace('\n', &format!("{newline}{indent}"));
    let range = position(splice.range.start)?..position(splice.range.end)?;
    Some(Splice { range, replacement, kind, place })
}

/// Proves with both parsers that only the patch changed, and to what.
fn prove(
    old: &str,
    documents: &[Node],
    new: &str,
    index: usize,
    patch: &str,
    splices: &[Splice],
) -> Result<(), String> {
    if !is_spliced(old, new, splices) {
        return Err("bytes outside the changed places differ".to_owned());
    }
    let new_documents = yaml::parse(new).map_err(|error| format!("the result is not readable: {error}"))?;
    let read = Embedded::find(&new_documents, new, index).map(|embedded| embedded.text);
    if read != Some(patch) {
        return Err("the patch would read as something else".to_owned());
    }
    let mut before = values(documents, old).map_err(|(message, _)| message)?;
    let after = values(&new_documents, new).map_err(|(message, _)| message)?;
    let held = before.first_mut().and_then(|root| root.get_mut("patches")?.get_mut(index)?.get_mut("patch"));
    let Some(held) = held else { return Err("a second reader sees no such patch".to_owned()) };
    *held = Tree::String(patch.to_owned());
    if before == after {
        Ok(())
    } else {
        Err("more or something else than the patch would change".to_owned())
    }
}

impl EditError {
    /// The same with its places in another text.
    fn moved(self, to: impl Fn(Place) -> Place) -> Self {
        match self {
            Self::Unreadable { message, place, template } => {
                Self::Unreadable { message, place: place.map(to), template }
            }
            Self::Field(mut error) => {
                error.place = to(error.place);
                Self::Field(error)
            }
            Self::Contradiction { path, place } => Self::Contradiction { path, place: to(place) },
            Self::Unverified { message, place } => Self::Unverified { message, place: place.map(to) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{FieldPath, Insert, Value};

    const FILE: &str = "# top\nresources: [../base]\npatches:\n  - target: {kind: Deployment}\n    path: other.yaml\n  - patch: |-   # move\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: ü}\n\n      spec:\n        # where it is\n        nodeSelector: {role: primary}  # ü\n        volumes:\n        - name: data\n          claim: 'pvc-a'\n    target:\n      kind: Deployment\n";

    fn change(path: &str, value: &str) -> Change {
        let path = FieldPath::parse(path).unwrap();
        Change { document: 0, path, value: Value::String(value.into()), insert: Insert::LastTwoKeys }
    }

    #[test]
    fn a_patch_is_edited_inside_and_back() {
        let changes =
            [change("spec.nodeSelector.role", "backup"), change("spec.volumes.[name=data].claim", "pvc-b")];
        for file in
            [FILE.to_owned(), FILE.replace('\n', "\r\n"), FILE.replace("|-", "|"), FILE.replace("|-", "|+")]
        {
            let there = edit_patch(&file, 1, &changes).unwrap();
            assert_eq!(
                there.text(),
                file.replace("{role: primary}", "{role: backup}").replace("'pvc-a'", "'pvc-b'")
            );
            let back = [
                change("spec.nodeSelector.role", "primary"),
                change("spec.volumes.[name=data].claim", "pvc-a"),
            ];
            assert_eq!(edit_patch(there.text(), 1, &back).unwrap().text(), file);
            assert!(edit_patch(there.text(), 1, &changes).unwrap().splices().is_empty());
        }
    }

    #[test]
    fn a_key_can_be_added_in_a_patch() {
        for (block, end) in [("|", "\n"), ("|-", "\n"), ("|-", "")] {
            let file =
                format!("patches:\n- patch: {block}\n    kind: A\n    spec:\n      a: 1\n    empty:{end}");
            let added = edit_patch(&file, 0, &[change("spec.role", "x")]).unwrap();
            assert!(added.text().contains("    spec:\n      role: x\n      a: 1\n"), "{}", added.text());
            // Right or refused, and never something else.
            if let Ok(last) = edit_patch(&file, 0, &[change("empty.role", "x")]) {
                assert!(last.text().contains("    empty:\n      role: x"), "{}", last.text());
            }
        }
        // Readers differ about the end of a text whose last line has none.
        let file = "patches:\n- patch: |\n    spec:\n      a: 1";
        assert!(edit_patch(file, 0, &[change("spec.a", "x")]).is_err());
    }

    #[test]
    fn a_json_patch_is_edited_by_its_own_path() {
        let file = "patches:\n- target: {kind: Deployment, name: a}\n  patch: |\n    - op: replace\n      path: /spec/role\n      value: primary\n    - {op: replace, path: /spec/x, value: y}\n";
        let edited = edit_patch(file, 0, &[change("[path=/spec/role].value", "backup")]).unwrap();
        assert_eq!(edited.text(), file.replace("value: primary", "value: backup"));
    }

    #[test]
    fn other_forms_are_refused() {
        let text = |patch: &str| format!("patches:\n- patch: {patch}\n");
        for file in [
            text("\"a: b\""),
            text(">-\n    a: b"),
            text("&p |-\n    a: b"),
            text("!!str |-\n    a: b"),
            text("|-\n    a: &x b\n    c: *x"),
            "patches: []\n".to_owned(),
            "- a\n".to_owned(),
        ] {
            assert!(edit_patch(&file, 0, &[change("a", "z")]).is_err(), "{file}");
        }
        let error = edit_patch(FILE, 1, &[change("spec.volumes.[name=x].claim", "z")]).unwrap_err();
        assert_eq!(error.place().map(|place| (place.line, place.column)), Some((15, 11)));
    }
}
