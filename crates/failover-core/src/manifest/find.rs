//! Finds a field in a parsed document and says what it holds and whether it may be changed.

use std::collections::{HashMap, HashSet};

use super::scalar::{self, Scalar};
use crate::code::{Code, Problem};
use crate::field::{FieldPath, Segment, Value};
use crate::name::nearest;
use crate::yaml::{Node, NodeValue, Place, ScalarStyle};

/// What a document has at a field path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The field is there.
    Present {
        /// Its value, read through aliases and `<<`.
        value: Scalar,
        /// Where the value is written; for an alias, where the alias stands.
        place: Place,
        /// Whether it can be changed, or why not.
        editable: Result<(), FieldError>,
    },
    /// The field is not there, but a mapping on the way to it is.
    Absent {
        /// Where the deepest mapping begins that is there.
        place: Place,
        /// How many keys are missing, the last one included.
        missing: usize,
        /// Whether that mapping can be changed, or why not.
        editable: Result<(), FieldError>,
    },
}

/// A field that cannot be read, or not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {path} {kind}")]
pub struct FieldError {
    /// The field.
    pub path: FieldPath,
    /// Where the reason stands in the file.
    pub place: Place,
    /// The reason.
    pub kind: FieldErrorKind,
}

/// Why a field cannot be read or changed; worded to follow "the field x ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldErrorKind {
    /// The file has fewer documents.
    #[error("is sought in document {}, which the file does not have", .0 + 1)]
    NoDocument(usize),
    /// A key on the way, or the last one, is missing.
    #[error("is not there: {key:?} is missing{}", list(" here; there is ", near))]
    NoKey {
        /// The first missing key.
        key: String,
        /// Keys that are there, nearest first.
        near: Vec<String>,
    },
    /// No item of the list fits the selector.
    #[error("is not there: no item has {selector}{}", list("; the list has ", found))]
    NoItem {
        /// The selector.
        selector: Segment,
        /// What the list's items have instead, nearest first.
        found: Vec<String>,
    },
    /// More than one item fits the selector.
    #[error("is not unique: {count} items have {selector}")]
    ManyItems {
        /// The selector.
        selector: Segment,
        /// How many items fit.
        count: usize,
    },
    /// A mapping on the way has the key twice.
    #[error("is not unique: the key {0:?} is there more than once")]
    DuplicateKey(String),
    /// A key without quotes that is not a text for the API server.
    #[error("has the key {0:?}, which Kubernetes does not read as that text without quotes")]
    KeyType(String),
    /// A list, a scalar … stands where the path needs something else.
    #[error("cannot be reached: {at} needs {needed} here, and there is {found}")]
    WrongParent {
        /// The step of the path.
        at: Segment,
        /// What the step needs.
        needed: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// The field holds more than a scalar.
    #[error("is {0}, not a single value")]
    NotScalar(&'static str),
    /// The value is filled in later, by Flux or Helm.
    #[error("is filled in by a template ({0})")]
    Templated(String),
    /// The value or something around it has an anchor that an alias uses.
    #[error("is inside a value that is used elsewhere too, through a YAML anchor")]
    Shared,
    /// The path goes through `*alias`.
    #[error("is written elsewhere: an alias stands on the way to it")]
    ThroughAlias,
    /// The key comes from `<<` only.
    #[error("is written elsewhere: it comes from a merge key (<<)")]
    Inherited,
    /// An explicit tag stands on the value or around it.
    #[error("has an explicit YAML tag on it or around it")]
    Tagged,
    /// `|` or `>`.
    #[error("is a block scalar (| or >)")]
    BlockScalar,
    /// `? key`, or an anchor or tag on a key where a line would have to be added.
    #[error("cannot be added here: a key has an unusual form (?, an anchor or a tag)")]
    KeyForm,
}

fn list(before: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(", ")) }
}

impl FieldError {
    /// The stable name of the reason.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.kind {
            FieldErrorKind::NoDocument(_) | FieldErrorKind::NoKey { .. } | FieldErrorKind::NoItem { .. } => {
                Code::FieldNotFound
            }
            FieldErrorKind::DuplicateKey(_) => Code::ManifestUnreadable,
            FieldErrorKind::Templated(_) => Code::FieldTemplated,
            FieldErrorKind::Shared | FieldErrorKind::ThroughAlias | FieldErrorKind::Inherited => {
                Code::FieldAnchored
            }
            FieldErrorKind::ManyItems { .. }
            | FieldErrorKind::KeyType(_)
            | FieldErrorKind::WrongParent { .. }
            | FieldErrorKind::NotScalar(_)
            | FieldErrorKind::Tagged
            | FieldErrorKind::BlockScalar
            | FieldErrorKind::KeyForm => Code::FieldUneditable,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            FieldErrorKind::NoDocument(_) => "Read the file again; it has changed.",
            FieldErrorKind::NoKey { .. } => {
                "Add the field to the manifest once by hand, or correct the path."
            }
            FieldErrorKind::NoItem { .. } => "Correct the name in the config or in the manifest.",
            FieldErrorKind::ManyItems { .. } => "Give the items different names, or select by another key.",
            FieldErrorKind::DuplicateKey(_) => {
                "Remove one of the two; which one counts depends on the reader."
            }
            FieldErrorKind::KeyType(_) => "Put the key in quotes in the manifest.",
            FieldErrorKind::WrongParent { .. } | FieldErrorKind::NotScalar(_) => {
                "Correct the path; use [key=value] to choose an item of a list."
            }
            FieldErrorKind::Templated(_) => {
                "Point a setting at the place where the variable gets its value, or write the value here."
            }
            FieldErrorKind::Shared | FieldErrorKind::ThroughAlias | FieldErrorKind::Inherited => {
                "Write the value out at this place, without anchor, alias or merge key."
            }
            FieldErrorKind::Tagged => "Remove the tag; put a text in quotes instead.",
            FieldErrorKind::BlockScalar => "Write the value on one line, in quotes if need be.",
            FieldErrorKind::KeyForm => {
                "Write the keys in the usual form (key: value), or add the field by hand."
            }
        }
    }

    /// The problem as answers show it; the caller adds the file.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem { place: Some(self.place), ..Problem::new(self.code(), self.to_string(), self.hint()) }
    }
}

/// Reads a field of a document, through aliases and merge keys.
///
/// # Errors
/// Why the field cannot be read. That it is not there is an error only where nothing could be added: a list
/// item is missing, a mapping on the way is something else.
pub fn read(documents: &[Node], document: usize, path: &FieldPath) -> Result<Field, FieldError> {
    Ok(match find(documents, document, path)? {
        Found::Value(slot) => {
            Field::Present { value: slot.value, place: slot.node.place, editable: slot.editable }
        }
        Found::Gap(gap) => {
            Field::Absent { place: gap.parent.place, missing: gap.keys.len(), editable: gap.editable }
        }
    })
}

/// A field in the node tree.
pub(super) enum Found<'a> {
    Value(Slot<'a>),
    Gap(Gap<'a>),
}

/// A field that is there.
pub(super) struct Slot<'a> {
    /// The key in front of it.
    pub(super) key: &'a Node,
    /// The value as it stands there, so perhaps an alias.
    pub(super) node: &'a Node,
    pub(super) value: Scalar,
    /// Whether it stands within `{…}`.
    pub(super) flow: bool,
    pub(super) editable: Result<(), FieldError>,
}

/// A field that is not there.
pub(super) struct Gap<'a> {
    /// The deepest mapping that is there, or the null in its place.
    pub(super) parent: &'a Node,
    /// The key in front of it; an item of a list and the root have none.
    pub(super) parent_key: Option<&'a Node>,
    /// Whether the parent stands within `{…}` or `[…]`.
    pub(super) flow: bool,
    /// The missing keys, in the order of the path.
    pub(super) keys: Vec<&'a str>,
    /// Keys that are there, nearest first.
    near: Vec<String>,
    pub(super) editable: Result<(), FieldError>,
}

impl Found<'_> {
    /// Where the value is, or the mapping that lacks it.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Value(slot) => slot.node.place,
            Self::Gap(gap) => gap.parent.place,
        }
    }
}

impl Gap<'_> {
    /// The error for a caller that must not add the missing keys.
    pub(super) fn refused(&self, path: &FieldPath) -> FieldError {
        let key = self.keys.first().copied().unwrap_or_default().to_owned();
        let kind = FieldErrorKind::NoKey { key, near: self.near.clone() };
        FieldError { path: path.clone(), place: self.parent.place, kind }
    }
}

pub(super) fn find<'a>(
    documents: &'a [Node],
    document: usize,
    path: &'a FieldPath,
) -> Result<Found<'a>, FieldError> {
    let fail = |place, kind| FieldError { path: path.clone(), place, kind };
    let Some(root) = documents.get(document) else {
        return Err(fail(Place { line: 1, column: 1 }, FieldErrorKind::NoDocument(document)));
    };
    let anchors = Anchors::of(root);
    let mut at = Step { key: None, node: root, flow: false, barrier: None };
    anchors.note(&mut at);
    let segments = path.segments();
    for (index, segment) in segments.iter().enumerate() {
        let holder = anchors.resolve(at.node);
        let wrong = |needed| {
            let at = segment.clone();
            fail(holder.place, FieldErrorKind::WrongParent { at, needed, found: describe(holder) })
        };
        if let Some(template) = template(holder) {
            return Err(fail(holder.place, FieldErrorKind::Templated(template)));
        }
        match (segment, &holder.value) {
            (Segment::Key(name), NodeValue::Mapping { flow, .. }) => {
                at.flow |= *flow;
                let own = anchors.own(holder, name).map_err(|(node, kind)| fail(node.place, kind))?;
                let inherited = || anchors.inherited(holder, name, &mut HashSet::new());
                if let Some((key, value)) = own {
                    (at.key, at.node) = (Some(key), value);
                } else if let Some((key, value)) = inherited() {
                    (at.key, at.node) = (Some(key), value);
                    at.barrier.get_or_insert((holder, FieldErrorKind::Inherited));
                } else {
                    return gap(at, path, index);
                }
            }
            (Segment::Key(_), NodeValue::Scalar { .. })
                if index > 0 && holder.is_null() && !holder.tagged =>
            {
                return gap(at, path, index);
            }
            (Segment::Key(_), _) => return Err(wrong("a mapping")),
            (Segment::Item { key, value }, NodeValue::Sequence { flow, items }) => {
                at.flow |= *flow;
                at.key = None;
                at.node = anchors
                    .select(items, key, value)
                    .map_err(|(node, kind)| fail(node.unwrap_or(holder).place, kind))?;
            }
            (Segment::Item { .. }, _) => return Err(wrong("a list")),
        }
        if index + 1 < segments.len() {
            anchors.note(&mut at);
        }
    }
    slot(&anchors, at, path)
}

/// One step on the way to a field.
struct Step<'a> {
    key: Option<&'a Node>,
    node: &'a Node,
    flow: bool,
    /// The first thing that forbids a change, and the node it is about.
    barrier: Option<(&'a Node, FieldErrorKind)>,
}

impl Step<'_> {
    fn editable(&self, path: &FieldPath) -> Result<(), FieldError> {
        match &self.barrier {
            None => Ok(()),
            Some((node, kind)) => {
                Err(FieldError { path: path.clone(), place: node.place, kind: kind.clone() })
            }
        }
    }
}

fn gap<'a>(at: Step<'a>, path: &'a FieldPath, index: usize) -> Result<Found<'a>, FieldError> {
    let mut keys = Vec::new();
    let mut item = false;
    for segment in &path.segments()[index..] {
        match segment {
            Segment::Key(key) => keys.push(key.as_str()),
            Segment::Item { .. } => item = true,
        }
    }
    let names = at.node.entries().iter().filter_map(|(key, _)| key.as_text());
    let near = nearest(keys.first().copied().unwrap_or_default(), names);
    let near = near.into_iter().map(str::to_owned).collect();
    let editable = at.editable(path);
    let gap = Gap { parent: at.node, parent_key: at.key, flow: at.flow, keys, near, editable };
    // A missing list item cannot be made up from a selector.
    if item { Err(gap.refused(path)) } else { Ok(Found::Gap(gap)) }
}

fn slot<'a>(anchors: &Anchors<'a>, mut at: Step<'a>, path: &FieldPath) -> Result<Found<'a>, FieldError> {
    let target = anchors.resolve(at.node);
    let fail = |kind| FieldError { path: path.clone(), place: at.node.place, kind };
    let template = template(target);
    let NodeValue::Scalar { text, style } = &target.value else {
        let kind = template.map_or(FieldErrorKind::NotScalar(describe(target)), FieldErrorKind::Templated);
        return Err(fail(kind));
    };
    let Some(key) = at.key else {
        return Err(fail(FieldErrorKind::NotScalar("an item of a list")));
    };
    let is_alias = matches!(at.node.value, NodeValue::Alias(_));
    let shared = at.node.anchor.is_some_and(|anchor| anchors.aliased.contains(&anchor));
    let barrier = if let Some(template) = template {
        Some(FieldErrorKind::Templated(template))
    } else if shared {
        Some(FieldErrorKind::Shared)
    } else if at.node.tagged {
        Some(FieldErrorKind::Tagged)
    } else if !is_alias && matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
        Some(FieldErrorKind::BlockScalar)
    } else {
        None
    };
    if let (Some(kind), None) = (barrier, &at.barrier) {
        at.barrier = Some((at.node, kind));
    }
    let value = if target.tagged { Scalar::Other(text.clone()) } else { scalar::read(text, *style) };
    Ok(Found::Value(Slot { key, node: at.node, value, flow: at.flow, editable: at.editable(path) }))
}

/// The template that fills the node in, if one does: Flux' `${…}` or Helm's `{{…}}`. Without quotes the
/// latter is a flow mapping in a flow mapping.
fn template(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::Scalar { text, .. } if text.contains("${") || text.contains("{{") => Some(text.clone()),
        NodeValue::Mapping { flow: true, entries }
            if entries
                .first()
                .is_some_and(|(key, _)| key.as_text().is_none() && !key.entries().is_empty()) =>
        {
            Some("{{ … }}".to_owned())
        }
        NodeValue::Scalar { .. }
        | NodeValue::Mapping { .. }
        | NodeValue::Sequence { .. }
        | NodeValue::Alias(_) => None,
    }
}

fn describe(node: &Node) -> &'static str {
    match &node.value {
        NodeValue::Scalar { .. } if node.is_null() => "nothing",
        NodeValue::Scalar { .. } => "a single value",
        NodeValue::Mapping { .. } => "a mapping",
        NodeValue::Sequence { .. } => "a list",
        NodeValue::Alias(_) => "an alias",
    }
}

/// The anchors of a document and which of them are used.
struct Anchors<'a> {
    nodes: HashMap<usize, &'a Node>,
    aliased: HashSet<usize>,
}

type Entry<'a> = (&'a Node, &'a Node);

impl<'a> Anchors<'a> {
    fn of(root: &'a Node) -> Self {
        let mut anchors = Self { nodes: HashMap::new(), aliased: HashSet::new() };
        root.walk(&mut |node| {
            if let Some(anchor) = node.anchor {
                anchors.nodes.insert(anchor, node);
            }
            if let NodeValue::Alias(target) = node.value {
                anchors.aliased.insert(target);
            }
        });
        anchors
    }

    fn resolve(&self, node: &'a Node) -> &'a Node {
        match node.value {
            NodeValue::Alias(target) => self.nodes.get(&target).copied().unwrap_or(node),
            NodeValue::Scalar { .. } | NodeValue::Mapping { .. } | NodeValue::Sequence { .. } => node,
        }
    }

    /// Remembers what forbids a change below the node that `step` has reached.
    fn note(&self, step: &mut Step<'a>) {
        let node = step.node;
        let kind = if matches!(node.value, NodeValue::Alias(_)) {
            FieldErrorKind::ThroughAlias
        } else if node.anchor.is_some_and(|anchor| self.aliased.contains(&anchor)) {
            FieldErrorKind::Shared
        } else if node.tagged {
            FieldErrorKind::Tagged
        } else {
            return;
        };
        step.barrier.get_or_insert((node, kind));
    }

    /// The entry that the mapping itself has.
    fn own(&self, mapping: &'a Node, name: &str) -> Result<Option<Entry<'a>>, (&'a Node, FieldErrorKind)> {
        let mut fitting =
            mapping.entries().iter().filter(|(key, _)| self.resolve(key).as_text() == Some(name));
        let Some((key, value)) = fitting.next() else { return Ok(None) };
        if let Some((again, _)) = fitting.next() {
            return Err((again, FieldErrorKind::DuplicateKey(name.to_owned())));
        }
        if let NodeValue::Scalar { style, .. } = &self.resolve(key).value {
            let read = scalar::read(name, *style);
            let is_name = matches!(&read, Scalar::Value(value @ (Value::String(_) | Value::Int(_)))
                if value.to_string() == name);
            // A key `<<` is no field, it merges another mapping in.
            let merges = name == "<<" && *style == ScalarStyle::Plain;
            if !is_name || merges {
                return Err((key, FieldErrorKind::KeyType(name.to_owned())));
            }
        }
        Ok(Some((key, value)))
    }

    /// The entry that comes from `<<`. `seen` holds the mappings that were searched already.
    fn inherited(&self, mapping: &'a Node, name: &str, seen: &mut HashSet<usize>) -> Option<Entry<'a>> {
        if !seen.insert(mapping.span.start) {
            return None;
        }
        let (_, base) = mapping.entries().iter().find(|(key, _)| {
            matches!(&key.value, NodeValue::Scalar { text, style: ScalarStyle::Plain } if text == "<<")
        })?;
        let base = self.resolve(base);
        let bases = if base.items().is_empty() { std::slice::from_ref(base) } else { base.items() };
        bases.iter().map(|base| self.resolve(base)).find_map(|base| {
            let own = base.entries().iter().find(|(key, _)| key.as_text() == Some(name));
            own.map(|(key, value)| (key, value)).or_else(|| self.inherited(base, name, seen))
        })
    }

    /// The one item whose `key` is `value`.
    fn select(
        &self,
        items: &'a [Node],
        key: &str,
        value: &str,
    ) -> Result<&'a Node, (Option<&'a Node>, FieldErrorKind)> {
        let selector = || Segment::Item { key: key.to_owned(), value: value.to_owned() };
        let mut names = Vec::new();
        let mut fitting = Vec::new();
        for item in items {
            let mapping = self.resolve(item);
            let own = self.own(mapping, key).map_err(|(node, kind)| (Some(node), kind))?;
            let entry = own.or_else(|| self.inherited(mapping, key, &mut HashSet::new()));
            let Some(name) = entry.and_then(|(_, node)| self.resolve(node).as_text()) else { continue };
            names.push(name);
            if name == value {
                fitting.push(item);
            }
        }
        match fitting.as_slice() {
            [item] => Ok(item),
            [] => {
                let mut found = nearest(value, names.iter().copied());
                let rest: Vec<&str> = names.iter().copied().filter(|name| !found.contains(name)).collect();
                found.extend(rest);
                let found = found.into_iter().take(8).map(str::to_owned).collect();
                Err((None, FieldErrorKind::NoItem { selector: selector(), found }))
            }
            [_, again, ..] => {
                let count = fitting.len();
                Err((Some(again), FieldErrorKind::ManyItems { selector: selector(), count }))
            }
        }
    }
}
