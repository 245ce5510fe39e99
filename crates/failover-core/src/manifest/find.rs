//! Finds a field in a parsed document and says what it holds and whether it may be changed.

use super::anchors::Anchors;
use super::error::{FieldError, FieldErrorKind};
use super::scalar::{self, Scalar};
use crate::field::{FieldPath, Segment};
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
    at.note(&anchors);
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
                if let Some((key, value)) = own {
                    (at.key, at.node) = (Some(key), value);
                } else if let Some((key, value)) = anchors.inherited(holder, name) {
                    at.barrier.get_or_insert((at.node, FieldErrorKind::Inherited));
                    (at.key, at.node) = (Some(key), value);
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
            at.note(&anchors);
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
    /// Remembers what forbids a change below the node that the step has reached.
    fn note(&mut self, anchors: &Anchors<'_>) {
        let kind = if matches!(self.node.value, NodeValue::Alias(_)) {
            FieldErrorKind::ThroughAlias
        } else if anchors.is_shared(self.node) {
            FieldErrorKind::Shared
        } else if self.node.tagged {
            FieldErrorKind::Tagged
        } else {
            return;
        };
        self.barrier.get_or_insert((self.node, kind));
    }

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
    let own = at.node.style();
    if let Some(template) = template {
        at.barrier.get_or_insert((at.node, FieldErrorKind::Templated(template)));
    }
    // An alias in the place of the value may give way to a value of its own; nobody else sees that.
    if own.is_some() {
        at.note(anchors);
    }
    if let [.., Segment::Item { key, .. }, Segment::Key(name)] = path.segments()
        && key == name
    {
        at.barrier.get_or_insert((at.node, FieldErrorKind::SelectsItem));
    }
    if matches!(own, Some(ScalarStyle::Literal | ScalarStyle::Folded)) {
        at.barrier.get_or_insert((at.node, FieldErrorKind::BlockScalar));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Value;
    use crate::yaml;

    fn field(text: &str, path: &str) -> Result<Field, FieldError> {
        read(&yaml::parse(text).unwrap(), 0, &FieldPath::parse(path).unwrap())
    }

    fn value(text: &str, path: &str) -> (Scalar, Option<FieldErrorKind>) {
        match field(text, path) {
            Ok(Field::Present { value, editable, .. }) => (value, editable.err().map(|error| error.kind)),
            other => panic!("{text:?} {path}: {other:?}"),
        }
    }

    #[test]
    fn a_field_is_read_also_where_it_must_not_be_changed() {
        let text = |text: &str| Scalar::Value(Value::String(text.into()));
        let shared =
            "base: &b {claim: pvc-a}\nall:\n  <<: *b\none: *b\nlist:\n- name: &n d\n- *b\nname: *n\n";
        assert_eq!(value(shared, "base.claim"), (text("pvc-a"), Some(FieldErrorKind::Shared)));
        assert_eq!(value(shared, "all.claim"), (text("pvc-a"), Some(FieldErrorKind::Inherited)));
        assert_eq!(value(shared, "one.claim"), (text("pvc-a"), Some(FieldErrorKind::ThroughAlias)));
        assert_eq!(value(shared, "name"), (text("d"), None));
        assert_eq!(value("a: yes\n", "a"), (Scalar::Value(Value::Bool(true)), None));
        assert_eq!(value("a: 1.5\n", "a"), (Scalar::Other("1.5".into()), None));
        assert_eq!(value("a:\n", "a"), (Scalar::Null, None));
        assert_eq!(value("a: |\n  x\n", "a"), (text("x\n"), Some(FieldErrorKind::BlockScalar)));
        assert_eq!(value("a: !!str 5\n", "a"), (Scalar::Other("5".into()), Some(FieldErrorKind::Tagged)));
        assert_eq!(value("a: ${X}\n", "a"), (text("${X}"), Some(FieldErrorKind::Templated("${X}".into()))));
    }

    #[test]
    fn an_absent_field_says_how_much_of_its_path_is_missing() {
        for (text, path, line, missing) in [
            ("spec:\n  a: 1\n", "spec.b", 2, 1),
            ("spec:\n  a: 1\n", "spec.nodeSelector.role", 2, 2),
            ("spec:\n", "spec.nodeSelector.role", 1, 2),
            ("a: 1\n", "spec.template.spec.x", 1, 4),
        ] {
            match field(text, path) {
                Ok(Field::Absent { place, missing: keys, editable: Ok(()) }) => {
                    assert_eq!((place.line, keys), (line, missing), "{text:?} {path}");
                }
                other => panic!("{text:?} {path}: {other:?}"),
            }
        }
        assert!(field("a: 1\n", "list.[name=d].x").is_err());
    }
}
