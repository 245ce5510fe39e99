//! Following a field path through a document.

use std::collections::HashSet;

use super::error::EditError;
use crate::field::{FieldPath, Segment};
use crate::name::nearest;
use crate::yaml::{Anchors, Node, NodeValue};

/// Where a field path leads.
#[derive(Debug)]
pub(super) struct Located<'d, 'p> {
    /// The nodes from the root to the last one reached, as they are written.
    pub(super) chain: Vec<&'d Node>,
    /// The key of the last node reached, when it is the value of one.
    pub(super) key: Option<&'d Node>,
    /// The keys that are missing below it; none when the field is there.
    pub(super) missing: &'p [Segment],
    /// How the path left the place where it is written.
    pub(super) shared: Option<(&'d Node, &'static str)>,
}

impl<'d> Located<'d, '_> {
    /// The last node reached, as it is written.
    pub(super) fn last(&self) -> &'d Node {
        self.chain[self.chain.len() - 1]
    }
}

/// Follows `path` from `root`.
pub(super) fn locate<'d, 'p>(
    root: &'d Node,
    anchors: &Anchors<'d>,
    path: &'p FieldPath,
) -> Result<Located<'d, 'p>, EditError> {
    let mut found = Located { chain: vec![root], key: None, missing: &[], shared: None };
    for (index, segment) in path.segments().iter().enumerate() {
        let written = found.last();
        let node = anchors.resolve(written);
        if !std::ptr::eq(node, written) {
            found.shared.get_or_insert((written, "an alias (*name) stands on the way to it"));
        }
        let step = match segment {
            Segment::Key(key) => entry(node, key, anchors).map(|entry| match entry {
                Entry::Own(key, value) => Some((Some(key), value)),
                Entry::Merged(merge, value) => {
                    found.shared.get_or_insert((merge, "it comes from a merge key (<<)"));
                    Some((None, value))
                }
                Entry::Missing => None,
            }),
            Segment::Item { key, value } => item(node, key, value, anchors).map(|item| Some((None, item))),
        };
        match step.map_err(|why| EditError::NotFound { field: path.clone(), place: node.place, why })? {
            Some((key, value)) => {
                found.key = key;
                found.chain.push(value);
            }
            None => {
                found.missing = &path.segments()[index..];
                break;
            }
        }
    }
    Ok(found)
}

enum Entry<'d> {
    Own(&'d Node, &'d Node),
    Merged(&'d Node, &'d Node),
    Missing,
}

fn entry<'d>(node: &'d Node, key: &str, anchors: &Anchors<'d>) -> Result<Entry<'d>, String> {
    if node.is_null() {
        return Ok(Entry::Missing);
    }
    if !matches!(node.value, NodeValue::Mapping { .. }) {
        return Err(format!("{key} is looked for in something that is not a mapping"));
    }
    let mut own = node.entries().iter().filter(|(k, _)| anchors.resolve(k).as_text() == Some(key));
    match (own.next(), own.next()) {
        (Some(_), Some((second, _))) => {
            Err(format!("{key} stands there twice, again in line {}", second.place.line))
        }
        (Some((key, value)), None) => Ok(Entry::Own(key, value)),
        (None, _) => Ok(match (node.get("<<"), anchors.get(node, key)) {
            (Some(merge), Some(value)) => Entry::Merged(merge, value),
            (Some(_), None) | (None, _) => Entry::Missing,
        }),
    }
}

fn item<'d>(node: &'d Node, key: &str, value: &str, anchors: &Anchors<'d>) -> Result<&'d Node, String> {
    if !matches!(node.value, NodeValue::Sequence { .. }) {
        return Err(format!("[{key}={value}] is looked for in something that is not a list"));
    }
    let name_of = |item: &'d Node| anchors.get(item, key).and_then(Node::as_text);
    let mut matching = node.items().iter().filter(|item| name_of(item) == Some(value));
    match (matching.next(), matching.next()) {
        (Some(item), None) => Ok(item),
        (Some(_), Some(second)) => {
            Err(format!("two items have {key} {value:?}, the second in line {}", second.place.line))
        }
        (None, _) => {
            let names: Vec<&str> = node.items().iter().filter_map(name_of).collect();
            let near = nearest(value, names.iter().copied());
            let there = if near.is_empty() { names } else { near };
            Err(format!("no item has {key} {value:?}; there are: {}", there.join(", ")))
        }
    }
}

/// The anchors that aliases in `document` refer to.
pub(super) fn referenced(document: &Node) -> HashSet<usize> {
    let mut targets = HashSet::new();
    document.walk(&mut |node| {
        if let NodeValue::Alias(target) = node.value {
            targets.insert(target);
        }
    });
    targets
}
