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

use super::edit::{Change, Splice};
use super::find::{Found, find};
use super::scalar::Scalar;
use crate::field::{FieldPath, Segment, Value};
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

/// Proves that `new` is `old` with exactly `changes` made and that each written scalar is read as intended.
///
/// # Errors
/// What could not be proven.
pub(super) fn verify(
    old_text: &str,
    mut old: Vec<Tree>,
    new_text: &str,
    splices: &[Splice],
    changes: &[&Change],
) -> Result<(), String> {
    if !is_spliced(old_text, new_text, splices) {
        return Err("bytes outside the changed places differ".to_owned());
    }
    let documents = yaml::parse(new_text).map_err(|error| format!("the result is not readable: {error}"))?;
    let new = values(&documents, new_text)
        .map_err(|(message, _)| format!("the result is not readable: {message}"))?;
    for change in changes {
        let tree = old.get_mut(change.document);
        if tree.is_none_or(|tree| !set(tree, change.path.segments(), &change.value)) {
            return Err(format!("a second reader does not find the field {}", change.path));
        }
    }
    if old != new {
        return Err("more or something else than the fields would change".to_owned());
    }
    changes.iter().try_for_each(|change| reads_as_intended(&documents, new_text, change))
}

/// Whether `new` is `old` with the splices made and nothing else.
fn is_spliced(old: &str, new: &str, splices: &[Splice]) -> bool {
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

/// Sets the field in the tree; `false` if the way to it is not there.
fn set(tree: &mut Tree, path: &[Segment], value: &Value) -> bool {
    let Some((segment, rest)) = path.split_first() else {
        *tree = match value {
            Value::String(text) => Tree::String(text.clone()),
            Value::Bool(value) => Tree::Bool(*value),
            Value::Int(value) => Tree::Number((*value).into()),
        };
        return true;
    };
    match segment {
        Segment::Key(name) => {
            // A null stands for a mapping that has no entries yet.
            if tree.is_null() {
                *tree = Tree::Mapping(yaml_serde::Mapping::new());
            }
            let Tree::Mapping(mapping) = tree else { return false };
            match mapping.iter_mut().find(|(key, _)| is_text(key, name)) {
                Some((_, child)) => set(child, rest, value),
                None => {
                    let mut child = Tree::Null;
                    let done = set(&mut child, rest, value);
                    mapping.insert(Tree::String(name.clone()), child);
                    done
                }
            }
        }
        Segment::Item { key, value: wanted } => {
            let Tree::Sequence(items) = tree else { return false };
            let mut fitting = items.iter_mut().filter(|item| has(item, key, wanted));
            match (fitting.next(), fitting.next()) {
                (Some(item), None) => set(item, rest, value),
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

/// Reads the field back from the new text, and its bytes with a third reader.
fn reads_as_intended(documents: &[Node], text: &str, change: &Change) -> Result<(), String> {
    let path: &FieldPath = &change.path;
    let unreadable = || format!("the field {path} does not read as {:?}", change.value.to_string());
    let Ok(Found::Value(slot)) = find(documents, change.document, path) else { return Err(unreadable()) };
    let written = text.get(slot.node.span.clone()).ok_or_else(unreadable)?;
    let key = text.get(slot.key.span.clone()).ok_or_else(unreadable)?;
    let flow = slot.flow;
    let key_is_text = match api_read(key, flow) {
        Some(Read::String(_)) => true,
        Some(Read::Int(_)) => true,
        Some(Read::Bool(_) | Read::Other) | None => matches!(slot.key.value, NodeValue::Alias(_)),
    };
    let value_fits = match (api_read(written, flow), &change.value) {
        (Some(Read::String(read)), Value::String(wanted)) => read == *wanted,
        (Some(Read::Bool(read)), Value::Bool(wanted)) => read == *wanted,
        (Some(Read::Int(read)), Value::Int(wanted)) => read == i128::from(*wanted),
        (Some(Read::String(_) | Read::Bool(_) | Read::Int(_) | Read::Other) | None, _) => false,
    };
    if key_is_text && value_fits && slot.value == Scalar::Value(change.value.clone()) {
        Ok(())
    } else {
        Err(unreadable())
    }
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
