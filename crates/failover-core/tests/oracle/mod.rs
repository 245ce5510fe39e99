//! Judges an edit from outside: compares every leaf of the file before and after, and undoes the splices.
//! Shared with the fuzz target.

use std::collections::BTreeMap;

use failover_core::field::{FieldPath, Segment, Value};
use failover_core::manifest::{Change, Edited};
use serde::Deserialize;
use yaml_serde::Value as Tree;

#[expect(clippy::unwrap_used, reason = "a judge that cannot read an accepted text has found a fault")]
fn trees(text: &str) -> Vec<Tree> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    yaml_serde::Deserializer::from_str(text).map(|document| Tree::deserialize(document).unwrap()).collect()
}

/// Every leaf by its path; an empty mapping or list is a leaf too.
fn leaves(path: &[String], tree: &Tree, found: &mut BTreeMap<Vec<String>, String>) {
    let mut below = |step: String, child: &Tree| {
        let path: Vec<String> = path.iter().cloned().chain([step]).collect();
        leaves(&path, child, found);
    };
    match tree {
        Tree::Mapping(entries) if !entries.is_empty() => {
            entries.iter().for_each(|(key, value)| below(name(key), value));
        }
        Tree::Sequence(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, item)| below(format!("#{index}"), item));
        }
        Tree::Tagged(tagged) => below(format!("!{}", tagged.tag), &tagged.value),
        leaf @ (Tree::Null
        | Tree::Bool(_)
        | Tree::Number(_)
        | Tree::String(_)
        | Tree::Sequence(_)
        | Tree::Mapping(_)) => {
            found.insert(path.to_vec(), format!("{leaf:?}"));
        }
    }
}

fn name(key: &Tree) -> String {
    match key {
        Tree::String(text) => text.clone(),
        other @ (Tree::Null
        | Tree::Bool(_)
        | Tree::Number(_)
        | Tree::Sequence(_)
        | Tree::Mapping(_)
        | Tree::Tagged(_)) => serde_json::to_string(other).unwrap_or_else(|_| format!("{other:?}")),
    }
}

/// The path with positions in place of selectors; `None` if an item is only known through a merge key.
fn positions(mut tree: &Tree, path: &FieldPath) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    for segment in path.segments() {
        match segment {
            Segment::Key(key) => {
                let entries = tree.as_mapping();
                let child = entries.and_then(|entries| entries.iter().find(|(name_, _)| name(name_) == *key));
                tree = child.map_or(&Tree::Null, |(_, child)| child);
                steps.push(key.clone());
            }
            Segment::Item { key, value } => {
                let fits = |item: &Tree| item.get(key).is_some_and(|own| name(own) == *value);
                let index = tree.as_sequence()?.iter().position(fits)?;
                tree = &tree[index];
                steps.push(format!("#{index}"));
            }
        }
    }
    Some(steps)
}

/// Panics unless `edited` is `old` with exactly `change` made.
#[expect(clippy::unwrap_used, reason = "splices outside the text are a fault that must show")]
pub(crate) fn judge(old: &str, edited: &Edited, change: &Change) {
    let mut undone = edited.text().to_owned();
    let mut shift = 0_isize;
    let mut places = Vec::new();
    for splice in edited.splices() {
        let start = splice.range.start.checked_add_signed(shift).unwrap();
        places.push((start..start + splice.replacement.len(), &old[splice.range.clone()]));
        shift += splice.replacement.len() as isize - splice.range.len() as isize;
    }
    for (range, before) in places.into_iter().rev() {
        undone.replace_range(range, before);
    }
    assert_eq!(undone, old, "the splices do not undo to the old text");

    let (before, after) = (trees(old), trees(edited.text()));
    assert_eq!(before.len(), after.len(), "documents");
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        if index != change.document {
            assert_eq!(before, after, "document {index} changed");
            continue;
        }
        let Some(target) = positions(before, &change.path) else { continue };
        let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
        leaves(&[], before, &mut was);
        leaves(&[], after, &mut is);
        if !edited.splices().is_empty() {
            let expected = match &change.value {
                Value::String(text) => Tree::String(text.clone()),
                Value::Bool(value) => Tree::Bool(*value),
                Value::Int(value) => Tree::Number((*value).into()),
            };
            assert_eq!(is.remove(&target), Some(format!("{expected:?}")), "the field itself");
            // What stood in its place, or the empty mapping that it went into.
            was.retain(|path, leaf| {
                !(*path == target
                    || (target.starts_with(path) && matches!(leaf.as_str(), "Null" | "Mapping {}")))
            });
        }
        assert_eq!(was, is, "other fields changed");
    }
}
