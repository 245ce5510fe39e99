//! The proof of an edit, by a parser of another family: the new text must mean the old one with just the changes.

use serde::Deserialize as _;
use yaml_serde::Value as Yaml;

use super::change::Change;
use super::error::EditError;
use super::splice::Splice;
use crate::field::{Segment, Value};
use crate::yaml::{self, Node, NodeValue};

/// The most nodes that aliases may stand for in one document: more would cost the second parser its memory.
const MAX_ALIASED: usize = 100_000;

/// Proves that `new` is `old` with `changes` made.
pub(super) fn verify(old: &str, new: &str, changes: &[Change], splices: &[Splice]) -> Result<(), EditError> {
    let unverified = |why: &str| EditError::Unverified(why.to_owned());
    // The first parser stops deep nesting and counts aliases before the second one sees them.
    for document in yaml::parse(old)?.iter().chain(&yaml::parse(new)?) {
        if aliased_nodes(document) > MAX_ALIASED {
            return Err(unverified("aliases stand for too many values"));
        }
    }
    let mut expected = parse(old)?;
    for change in changes {
        let document =
            expected.get_mut(change.document).ok_or_else(|| unverified("a document is missing"))?;
        set(document, change.path.segments(), &change.value)
            .ok_or_else(|| unverified("the second parser does not find the field"))?;
    }
    let actual = parse(new)?;
    if actual.len() != expected.len() {
        return Err(unverified("the number of documents changed"));
    }
    if actual != expected {
        return Err(unverified("another value changed too"));
    }
    for change in changes {
        let field = actual.get(change.document).and_then(|document| get(document, change.path.segments()));
        if field != Some(&yaml_value(&change.value)) {
            return Err(unverified("the field does not have the value"));
        }
    }
    splices.iter().try_for_each(|splice| reads_back(splice, changes))
}

fn parse(text: &str) -> Result<Vec<Yaml>, EditError> {
    // A byte-order mark would count as a column there.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    yaml_serde::Deserializer::from_str(text)
        .map(Yaml::deserialize)
        .collect::<Result<_, _>>()
        .map_err(|error| EditError::Unverified(format!("the second parser cannot read the file: {error}")))
}

fn yaml_value(value: &Value) -> Yaml {
    match value {
        Value::String(text) => Yaml::String(text.clone()),
        Value::Bool(value) => Yaml::Bool(*value),
        Value::Int(value) => Yaml::Number((*value).into()),
    }
}

fn set(node: &mut Yaml, path: &[Segment], value: &Value) -> Option<()> {
    let Some((segment, rest)) = path.split_first() else {
        *node = yaml_value(value);
        return Some(());
    };
    match segment {
        Segment::Key(key) => {
            if node.is_null() {
                *node = Yaml::Mapping(yaml_serde::Mapping::new());
            }
            let mapping = node.as_mapping_mut()?;
            let key = Yaml::String(key.clone());
            if !mapping.contains_key(&key) {
                mapping.insert(key.clone(), Yaml::Null);
            }
            set(mapping.get_mut(&key)?, rest, value)
        }
        Segment::Item { key, value: name } => {
            let mut items = node.as_sequence_mut()?.iter_mut().filter(|item| is_named(item, key, name));
            let item = items.next()?;
            if items.next().is_some() {
                return None;
            }
            set(item, rest, value)
        }
    }
}

fn get<'y>(node: &'y Yaml, path: &[Segment]) -> Option<&'y Yaml> {
    path.iter().try_fold(node, |node, segment| match segment {
        Segment::Key(key) => node.as_mapping()?.get(key.as_str()),
        Segment::Item { key, value } => node.as_sequence()?.iter().find(|item| is_named(item, key, value)),
    })
}

fn is_named(item: &Yaml, key: &str, name: &str) -> bool {
    match item.as_mapping().and_then(|mapping| mapping.get(key)) {
        Some(Yaml::String(text)) => text == name,
        Some(Yaml::Number(number)) => number.to_string() == name,
        Some(Yaml::Bool(value)) => value.to_string() == name,
        _ => false,
    }
}

/// How many nodes the aliases of `document` stand for, aliases inside them included.
fn aliased_nodes(document: &Node) -> usize {
    let mut sizes = std::collections::HashMap::new();
    let mut aliased = 0;
    size(document, &mut sizes, &mut aliased);
    aliased
}

fn size(node: &Node, sizes: &mut std::collections::HashMap<usize, usize>, aliased: &mut usize) -> usize {
    let mut total = 1_usize;
    for (key, value) in node.entries() {
        total = total.saturating_add(size(key, sizes, aliased)).saturating_add(size(value, sizes, aliased));
    }
    for item in node.items() {
        total = total.saturating_add(size(item, sizes, aliased));
    }
    if let NodeValue::Alias(target) = node.value {
        // An anchor is defined before its alias; one around it would be a cycle, which both parsers refuse.
        total = sizes.get(&target).copied().unwrap_or(MAX_ALIASED + 1);
        *aliased = aliased.saturating_add(total);
    }
    if let Some(anchor) = node.anchor {
        sizes.insert(anchor, total);
    }
    total
}

/// The written value must be read with the intended type by the rules of the API server, which the second parser
/// does not follow.
fn reads_back(splice: &Splice, changes: &[Change]) -> Result<(), EditError> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Typed {
        Bool(bool),
        Int(i64),
        String(String),
    }
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let text = format!("[{}]\n", splice.scalar);
    let read: Vec<Typed> = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
        EditError::Unverified(format!("the written value {} cannot be read: {error}", splice.scalar))
    })?;
    let read = match &read[..] {
        [Typed::Bool(value)] => Some(Value::Bool(*value)),
        [Typed::Int(value)] => Some(Value::Int(*value)),
        [Typed::String(text)] => Some(Value::String(text.clone())),
        _ => None,
    };
    if read.is_some_and(|read| changes.iter().any(|change| change.value == read)) {
        Ok(())
    } else {
        Err(EditError::Unverified(format!("the API server would read {} as something else", splice.scalar)))
    }
}
