//! Proves an edit with parsers that had no part in it.
//!
//! `yaml_serde` comes from libyaml, as does the reader of the API server; it sees the whole file before and
//! after. It follows YAML 1.2 and takes a bare `yes` for a text, so every scalar that was written is read once
//! more with the rules of YAML 1.1, which are those of the API server.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use yaml_serde::Value as Tree;

use super::change::{Change, Splice, SpliceKind};
use super::find::{Found, Slot, find};
use super::scalar::Scalar;
use crate::field::{Segment, Value};
use crate::yaml::{self, Node, NodeValue, Place};

/// How many nodes aliases may stand for in one file. Real manifests stay below a hundred; a small file can
/// reach billions.
const MAX_ALIASED: usize = 100_000;

/// Every document of `text`, which was parsed into `documents` before: that parser stops at deep nesting, on
/// which `yaml_serde` would spend minutes.
///
/// # Errors
/// What is wrong and where.
pub(super) fn values(documents: &[Node], text: &str) -> Result<Vec<Tree>, (String, Option<Place>)> {
    let mut total = 0_usize;
    for document in documents {
        total = total.saturating_add(aliased(document));
        if total > MAX_ALIASED {
            return Err(("its aliases stand for too much".to_owned(), Some(document.place)));
        }
    }
    yaml_serde::Deserializer::from_str(text).map(Tree::deserialize).collect::<Result<_, _>>().map_err(
        |error| {
            let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
            (error.to_string(), place)
        },
    )
}

/// How many nodes the aliases of a document stand for; the maximum for one that contains itself.
fn aliased(root: &Node) -> usize {
    // An alias refers back, so one pass in the order of the text knows every size before it is used. An
    // anchor whose node is still open is missing from the map: an alias to it contains itself.
    fn size(node: &Node, sizes: &mut HashMap<usize, usize>, extra: &mut usize) -> usize {
        let own = match &node.value {
            NodeValue::Alias(target) => {
                let size = sizes.get(target).copied().unwrap_or(usize::MAX);
                *extra = extra.saturating_add(size);
                size
            }
            NodeValue::Scalar { .. } | NodeValue::Mapping { .. } | NodeValue::Sequence { .. } => {
                let mut own = 1_usize;
                for (key, value) in node.entries() {
                    own = own.saturating_add(size(key, sizes, extra));
                    own = own.saturating_add(size(value, sizes, extra));
                }
                for item in node.items() {
                    own = own.saturating_add(size(item, sizes, extra));
                }
                own
            }
        };
        if let Some(anchor) = node.anchor {
            sizes.insert(anchor, own);
        }
        own
    }
    let mut extra = 0;
    size(root, &mut HashMap::new(), &mut extra);
    extra
}

/// Proves that `new` is `old` with exactly the `made` changes, and that every field of `changes` has its value,
/// also for the API server.
///
/// # Errors
/// What could not be proven.
pub(super) fn verify(
    old_text: &str,
    mut old: Vec<Tree>,
    new_text: &str,
    splices: &[Splice],
    changes: &[Change],
    made: &[(&Change, SpliceKind)],
) -> Result<(), String> {
    if !is_spliced(old_text, new_text, splices) {
        return Err("bytes outside the changed places differ".to_owned());
    }
    let documents = yaml::parse(new_text).map_err(|error| format!("the result is not readable: {error}"))?;
    let new = values(&documents, new_text)
        .map_err(|(message, _)| format!("the result is not readable: {message}"))?;
    for (change, kind) in made {
        let tree = old.get_mut(change.document);
        if tree.is_none_or(|tree| !set(tree, change.path.segments(), &change.value, *kind)) {
            return Err(format!("a second reader sees something else at the field {}", change.path));
        }
    }
    if old != new {
        return Err("more or something else than the fields would change".to_owned());
    }
    // Those that were not made had their value already, and must have kept it.
    for change in changes {
        let fits = match find(&documents, change.document, &change.path) {
            Ok(Found::Value(slot)) if slot.value == Scalar::Value(change.value.clone()) => {
                let kind = made.iter().find(|(other, _)| *other == change).map(|(_, kind)| *kind);
                kind.is_none_or(|kind| is_read_by_api(&slot, new_text, &change.value, kind))
            }
            Ok(Found::Value(_) | Found::Gap(_)) | Err(_) => false,
        };
        if !fits {
            return Err(format!(
                "the field {} would not read as {:?}",
                change.path,
                change.value.to_string()
            ));
        }
    }
    Ok(())
}

/// Whether `new` is `old` with the splices made and nothing else.
pub(super) fn is_spliced(old: &str, new: &str, splices: &[Splice]) -> bool {
    let mut rest = new;
    let mut from = 0;
    for splice in splices {
        let kept = old.get(from..splice.range.start);
        let after = kept.and_then(|kept| rest.strip_prefix(kept));
        let Some(after) = after.and_then(|after| after.strip_prefix(splice.replacement.as_str())) else {
            return false;
        };
        rest = after;
        from = splice.range.end;
    }
    old.get(from..) == Some(rest)
}

/// Sets the field in the tree; `false` if the way to it is not there, or if this reader sees more than a scalar
/// where one is replaced, or a field where one is added.
fn set(tree: &mut Tree, path: &[Segment], value: &Value, kind: SpliceKind) -> bool {
    let Some((segment, rest)) = path.split_first() else {
        let is_scalar = !matches!(tree, Tree::Mapping(_) | Tree::Sequence(_) | Tree::Tagged(_));
        *tree = match value {
            Value::String(text) => Tree::String(text.clone()),
            Value::Bool(value) => Tree::Bool(*value),
            Value::Int(value) => Tree::Number((*value).into()),
        };
        return is_scalar;
    };
    match segment {
        Segment::Key(name) => {
            // A null stands for a mapping that has no entries yet.
            if tree.is_null() && kind == SpliceKind::Insert {
                *tree = Tree::Mapping(yaml_serde::Mapping::new());
            }
            let Tree::Mapping(mapping) = tree else { return false };
            let known = mapping.iter_mut().find(|(key, _)| is_text(key, name));
            match (known, kind) {
                (Some(_), SpliceKind::Insert) if rest.is_empty() => false,
                (Some((_, child)), _) => set(child, rest, value, kind),
                (None, SpliceKind::Replace) => false,
                (None, SpliceKind::Insert) => {
                    let mut child = Tree::Null;
                    let done = set(&mut child, rest, value, kind);
                    mapping.insert(Tree::String(name.clone()), child);
                    done
                }
            }
        }
        Segment::Item { key, value: wanted } => {
            let Tree::Sequence(items) = tree else { return false };
            let mut fitting = items.iter_mut().filter(|item| has(item, key, wanted));
            match (fitting.next(), fitting.next()) {
                (Some(item), None) => set(item, rest, value, kind),
                _ => false,
            }
        }
    }
}

/// Whether the mapping, or one that it merges in, has `key` with the text `wanted`.
fn has(tree: &Tree, key: &str, wanted: &str) -> bool {
    let Tree::Mapping(mapping) = tree else { return false };
    match mapping.iter().find(|(name, _)| is_text(name, key)) {
        Some((_, value)) => is_text(value, wanted),
        None => match mapping.get("<<") {
            Some(Tree::Sequence(bases)) => bases.iter().any(|base| has(base, key, wanted)),
            Some(base) => has(base, key, wanted),
            None => false,
        },
    }
}

fn is_text(tree: &Tree, text: &str) -> bool {
    match tree {
        Tree::String(own) => own == text,
        Tree::Number(number) => number.to_string() == text,
        Tree::Bool(value) => value.to_string() == text,
        Tree::Null | Tree::Sequence(_) | Tree::Mapping(_) | Tree::Tagged(_) => false,
    }
}

/// Whether a third reader, with the API server's rules, takes the written bytes for the value, and those of an
/// added key for a key.
fn is_read_by_api(slot: &Slot<'_>, text: &str, value: &Value, kind: SpliceKind) -> bool {
    let read = |node: &Node| text.get(node.span.clone()).and_then(|written| api_read(written, slot.flow));
    let is_key = match kind {
        SpliceKind::Replace => true,
        SpliceKind::Insert => matches!(read(slot.key), Some(Read::String(_))),
    };
    let is_value = match (read(slot.node), value) {
        (Some(Read::String(read)), Value::String(wanted)) => read == *wanted,
        (Some(Read::Bool(read)), Value::Bool(wanted)) => read == *wanted,
        (Some(Read::Int(read)), Value::Int(wanted)) => read == i128::from(*wanted),
        (Some(Read::String(_) | Read::Bool(_) | Read::Int(_) | Read::Other) | None, _) => false,
    };
    is_key && is_value
}

/// A scalar as the API server's YAML rules read it.
enum Read {
    String(String),
    Bool(bool),
    Int(i128),
    Other,
}

fn api_read(written: &str, flow: bool) -> Option<Read> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let document = if flow { format!("[{written}]") } else { format!("- {written}\n") };
    let mut items: Vec<Read> = serde_saphyr::from_str_with_options(&document, options).ok()?;
    if items.len() == 1 { items.pop() } else { None }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadVisitor)
    }
}

struct ReadVisitor;

impl Visitor<'_> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
        Ok(Read::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read, E> {
        Ok(Read::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Read, E> {
        Ok(Read::Int(value.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<Read, E> {
        Ok(Read::String(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{FieldPath, Insert};

    /// Whether `new` passes as `old` with the field `a` set to `value`.
    fn proves(old: &str, new: &str, range: std::ops::Range<usize>, replacement: &str, value: Value) -> bool {
        let path = FieldPath::of_keys(["a"]);
        let change = Change { document: 0, path, value, insert: Insert::LastKey };
        let place = Place { line: 1, column: 1 };
        let replacement = replacement.to_owned();
        let kind = if range.is_empty() { SpliceKind::Insert } else { SpliceKind::Replace };
        let splice = Splice { range, replacement, kind, place };
        let tree = values(&yaml::parse(old).unwrap(), old).unwrap();
        verify(old, tree, new, &[splice], std::slice::from_ref(&change), &[(&change, kind)]).is_ok()
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn only_the_planned_change_passes() {
        assert!(proves("a: x\nb: 1\n", "a: z\nb: 1\n", 3..4, "z", text("z")));
        assert!(!proves("a: x\nb: 1\n", "a: z\nb: 2\n", 3..4, "z", text("z")), "a byte elsewhere");
        assert!(!proves("a: x # c\n", "a: z # d\n", 3..4, "z", text("z")), "a comment");
        assert!(!proves("a: x\n", "a: z\n", 3..4, "q", text("z")), "another splice");
        assert!(!proves("a: x\nb: 1\n", "a: z\nb: 2\n", 3..9, "z\nb: 2", text("z")), "a second field");
        assert!(!proves("a: x\n", "a: z\n---\n", 3..5, "z\n---\n", text("z")), "a document more");
        assert!(!proves("a: x\nb: x\n", "a: x\nb: z\n", 8..9, "z", text("z")), "the wrong field");
        assert!(!proves("a: {b: 1}\n", "a: z\n", 3..9, "z", text("z")), "more than a scalar");
        assert!(!proves("b: 1\n", "a: z\n", 0..4, "a: z", text("z")), "a field that was not there");
        assert!(!proves("a: x\n", "a: [\n", 3..4, "[", text("[")), "unreadable");
    }

    #[test]
    fn a_value_must_have_its_type_for_the_api_server() {
        for bare in ["yes", "on", "y", "1_000", "0b1", "010"] {
            assert!(!proves("a: x\n", &format!("a: {bare}\n"), 3..4, bare, text(bare)), "{bare}");
            let quoted = format!("\"{bare}\"");
            assert!(proves("a: x\n", &format!("a: {quoted}\n"), 3..4, &quoted, text(bare)), "{bare}");
        }
        // Readers differ about odd capitals; one of the two in doubt is enough to refuse.
        assert!(!proves("a: x\n", "a: tRuE\n", 3..4, "tRuE", text("tRuE")));
        assert!(!proves("a: x\n", "a: \"5\"\n", 3..4, "\"5\"", Value::Int(5)));
        assert!(!proves("a: x\n", "a: 5\n", 3..4, "5", text("5")));
        assert!(!proves("b: 1\n", "on: 1\nb: 1\n", 0..0, "on: 1\n", Value::Int(1)));
    }

    #[test]
    fn aliases_that_stand_for_too_much_are_not_expanded() {
        let size = |text: &str| aliased(&yaml::parse(text).unwrap()[0]);
        assert_eq!(size("a: &a [1, 2]\nb: *a\nc: [*a, *a]\n"), 9);
        assert_eq!(size("a: &a [*a]\n"), usize::MAX);
        let text = "a: &a [1]\n".to_owned() + "b: [" + &"*a, ".repeat(60_000) + "]\n";
        assert!(values(&yaml::parse(&text).unwrap(), &text).is_err());
    }
}
