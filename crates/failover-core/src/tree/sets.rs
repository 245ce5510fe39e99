//! Whether something that Kustomize does to an object sets one of its fields.

use crate::field::{FieldPath, Segment, pointer};
use crate::yaml::{Anchors, Node};

/// What can be said about a question to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    No,
    Maybe,
    Yes,
}

impl Answer {
    fn any(answers: impl Iterator<Item = Self>) -> Self {
        answers.max().unwrap_or(Self::No)
    }
}

/// One step to a field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Key(String),
    /// The item of a list whose `key` has this value.
    Item {
        key: String,
        value: String,
    },
    /// The item of a list at this position.
    At(usize),
    /// Every item of a list.
    Every,
}

/// The field of the object that a setting sets. In a list of operations (RFC 6902) it is what the operation's path names.
pub(super) fn parts(field: &FieldPath) -> Vec<Part> {
    let part = |segment: &Segment| match segment {
        Segment::Key(key) => Part::Key(key.clone()),
        Segment::Item { key, value } => Part::Item { key: key.clone(), value: value.clone() },
    };
    let Some((path, rest)) = field.operation() else { return field.segments().iter().map(part).collect() };
    let named = pointer(path).map(|part| match part.parse() {
        Ok(index) => Part::At(index),
        Err(_) => Part::Key(part),
    });
    named.chain(rest.iter().map(part)).collect()
}

/// Whether a strategic merge patch sets the field. `lists_merge` is whether lists of the kind are merged by a key of
/// their items, as those of Kubernetes' own kinds are, and not replaced as a whole.
pub(super) fn merged(patch: &Node, field: &[Part], lists_merge: bool) -> Answer {
    // Others, such as tolerations, are replaced as a whole also in Kubernetes' own kinds.
    let merging = [
        "containers",
        "env",
        "ephemeralContainers",
        "hostAliases",
        "imagePullSecrets",
        "initContainers",
        "ports",
        "topologySpreadConstraints",
        "volumeDevices",
        "volumeMounts",
        "volumes",
    ];
    let list = field.iter().zip(field.iter().skip(1)).find_map(|(list, item)| match (list, item) {
        (Part::Key(list), Part::Item { .. } | Part::At(_) | Part::Every) => Some(list.as_str()),
        (_, _) => None,
    });
    let lists_merge = lists_merge && list.is_none_or(|list| merging.contains(&list));
    merged_below(&Anchors::of(patch), patch, field, lists_merge)
}

fn merged_below<'a>(anchors: &Anchors<'a>, node: &'a Node, field: &[Part], lists_merge: bool) -> Answer {
    let node = anchors.resolve(node);
    let directive = |node| anchors.get(node, "$patch").and_then(Node::as_text);
    if matches!(directive(node), Some("delete" | "replace")) {
        return Answer::Yes;
    }
    let Some((part, rest)) = field.split_first() else { return Answer::Yes };
    let is_mapping = matches!(node.value, crate::yaml::NodeValue::Mapping { .. });
    let is_list = matches!(node.value, crate::yaml::NodeValue::Sequence { .. });
    match part {
        Part::Key(key) if is_mapping => {
            anchors.get(node, key).map_or(Answer::No, |value| merged_below(anchors, value, rest, lists_merge))
        }
        Part::Item { key, value } if is_list && lists_merge => {
            Answer::any(node.items().iter().map(
                |item| match anchors.get(item, key).and_then(Node::as_text) {
                    Some(text) if text == value => merged_below(anchors, item, rest, lists_merge),
                    Some(_) => Answer::No,
                    None if directive(anchors.resolve(item)) == Some("replace") => Answer::Yes,
                    None => Answer::Maybe,
                },
            ))
        }
        // Which item that is depends on what else was merged.
        Part::At(_) | Part::Every if is_list && lists_merge => Answer::Maybe,
        // The patch puts something else there, or takes it away.
        Part::Key(_) | Part::Item { .. } | Part::At(_) | Part::Every => Answer::Yes,
    }
}

/// Whether operations (RFC 6902) put items into the list that the field is in, or take some out, but for its end.
pub(super) fn shifts(operations: &Node, field: &[Part]) -> bool {
    let anchors = Anchors::of(operations);
    operations.items().iter().any(|item| shift(&anchors, item, field))
}

fn shift<'a>(anchors: &Anchors<'a>, operation: &'a Node, field: &[Part]) -> bool {
    let Some(list) = field.iter().position(|part| !matches!(part, Part::Key(_))) else { return false };
    let text = |key: &str| anchors.get(operation, key).and_then(Node::as_text);
    let is_item = |key: &str| {
        let path: Vec<String> = pointer(text(key).unwrap_or_default()).collect();
        path.len() == list + 1 && path.last().is_some_and(|last| last != "-")
    };
    !matches!(text("op"), Some("replace" | "test")) && (is_item("path") || is_item("from"))
}

/// Whether operations (RFC 6902) set the field, or make the build fail once it is another one; `own` is the object as its manifest has it, where that is known.
pub(super) fn operated(operations: &Node, field: &[Part], own: Option<&Node>) -> Answer {
    let anchors = Anchors::of(operations);
    let (mut own, mut answer) = (own, Answer::No);
    for item in operations.items() {
        let text = |key: &str| anchors.get(item, key).and_then(Node::as_text);
        let at = |key: &str| text(key).map_or(Answer::Maybe, |path| pointed(path, field, own, text("op")));
        answer = answer.max(match text("op") {
            Some("move") => at("path").max(at("from")),
            Some(_) => at("path"),
            None => Answer::Maybe,
        });
        if shift(&anchors, item, field) {
            own = None;
        }
    }
    answer
}

fn pointed(path: &str, field: &[Part], own: Option<&Node>, operation: Option<&str>) -> Answer {
    let path: Vec<String> = pointer(path).collect();
    let mut answer = Answer::Yes;
    for (at, part) in path.iter().enumerate() {
        let here = match field.get(at) {
            // Below a value: not to be had, and the build fails.
            None => return Answer::Maybe,
            Some(Part::Key(key)) if key == part => Answer::Yes,
            Some(Part::Key(_)) => Answer::No,
            // Something is put before an item or behind all; the item stays what it is.
            Some(_) if part == "-" || (at + 1 == path.len() && operation == Some("add")) => Answer::No,
            // Some count from the end by numbers below zero.
            Some(_) if part.parse::<usize>().is_err() => Answer::Maybe,
            Some(Part::At(index)) if part.parse() == Ok(*index) => Answer::Yes,
            Some(Part::At(_)) => Answer::No,
            Some(Part::Every) => Answer::Yes,
            Some(Part::Item { .. }) => match own.and_then(|own| position(own, &field[..=at])) {
                Some(index) if part.parse() == Ok(index) => Answer::Yes,
                Some(_) => Answer::No,
                None => Answer::Maybe,
            },
        };
        answer = answer.min(here);
        if answer == Answer::No {
            break;
        }
    }
    answer
}

/// At which position the item is that the last part chooses.
fn position(own: &Node, field: &[Part]) -> Option<usize> {
    let anchors = Anchors::of(own);
    let (last, above) = field.split_last()?;
    let list = above.iter().try_fold(own, |node, part| match part {
        Part::Key(key) => anchors.get(node, key),
        Part::Item { .. } => anchors.resolve(node).items().iter().find(|item| is_item(&anchors, item, part)),
        Part::At(index) => anchors.resolve(node).items().get(*index),
        Part::Every => None,
    })?;
    anchors.resolve(list).items().iter().position(|item| is_item(&anchors, item, last))
}

fn is_item<'a>(anchors: &Anchors<'a>, item: &'a Node, part: &Part) -> bool {
    let Part::Item { key, value } = part else { return false };
    anchors.get(item, key).and_then(Node::as_text) == Some(value)
}

/// Whether a field path as Kustomize's replacements have it names the field, or what it stands in; `own` is the object as
/// its manifest has it, where that is known.
pub(super) fn named(path: &str, field: &[Part], own: Option<&Node>) -> Answer {
    let mut answer = Answer::Yes;
    for (at, part) in replaced_parts(path).iter().enumerate() {
        let here = match (field.get(at), part) {
            (None, _) => Answer::Maybe,
            (Some(own), part) if own == part => Answer::Yes,
            (Some(Part::Item { key, .. }), Part::Item { key: other, .. }) if key == other => Answer::No,
            (Some(Part::Key(_)), Part::Key(_)) | (Some(Part::At(_)), Part::At(_)) => Answer::No,
            (Some(Part::Key(_)), _) => Answer::No,
            (Some(_), Part::Every) => Answer::Yes,
            (Some(Part::Item { .. }), Part::At(index)) => {
                match own.and_then(|own| position(own, &field[..=at])) {
                    Some(own) if own == *index => Answer::Yes,
                    Some(_) => Answer::No,
                    None => Answer::Maybe,
                }
            }
            (Some(_), _) => Answer::Maybe,
        };
        answer = answer.min(here);
    }
    answer
}

/// `spec.template.spec.containers.[name=app].env.0.value`, with dots of keys escaped or the key in brackets.
fn replaced_parts(path: &str) -> Vec<Part> {
    let (mut parts, mut word, mut chars) = (Vec::new(), String::new(), path.chars().peekable());
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'.') => word.extend(chars.next()),
            '.' if depth == 0 => parts.push(std::mem::take(&mut word)),
            '[' | ']' => {
                depth = if c == '[' { depth + 1 } else { depth.saturating_sub(1) };
                word.push(c);
            }
            c => word.push(c),
        }
    }
    parts.push(word);
    let part = |word: String| {
        let inside = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match (inside.map(|inside| inside.split_once('=')), word.as_str(), word.parse()) {
            (Some(Some((key, value))), _, _) => Part::Item { key: key.to_owned(), value: value.to_owned() },
            (Some(None), _, _) => Part::Key(inside.unwrap_or_default().to_owned()),
            (None, "*", _) => Part::Every,
            (None, _, Ok(index)) => Part::At(index),
            (None, _, Err(_)) => Part::Key(word),
        }
    };
    parts.into_iter().filter(|word| !word.is_empty()).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    const NODE: &str = "spec.template.spec.nodeSelector.role";
    const CLAIM: &str = "spec.template.spec.volumes.[name=data].persistentVolumeClaim.claimName";

    fn field(text: &str) -> Vec<Part> {
        parts(&FieldPath::parse(text).unwrap())
    }

    fn node(text: &str) -> Node {
        yaml::parse(text).unwrap().remove(0)
    }

    #[test]
    fn a_merge_patch_sets_what_it_names_and_what_it_takes_away() {
        for (patch, path, answer) in [
            ("spec: {template: {spec: {nodeSelector: {role: x}}}}", NODE, Answer::Yes),
            ("spec: {template: {spec: {nodeSelector: {disk: ssd}}}}", NODE, Answer::No),
            ("spec: {template: {spec: {nodeSelector: {}}}}", NODE, Answer::No),
            ("spec: {template: {spec: {nodeSelector: null}}}", NODE, Answer::Yes),
            ("spec: {template: {spec: {nodeSelector: {$patch: replace, disk: x}}}}", NODE, Answer::Yes),
            ("$patch: delete", NODE, Answer::Yes),
            ("spec: {replicas: 2}", NODE, Answer::No),
            ("spec: {template: {spec: {volumes: [{name: other, emptyDir: {}}]}}}", CLAIM, Answer::No),
            (
                "spec: {template: {spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: x}}]}}}",
                CLAIM,
                Answer::Yes,
            ),
            ("spec: {template: {spec: {volumes: [{name: data, $patch: delete}]}}}", CLAIM, Answer::Yes),
            ("spec: {template: {spec: {volumes: [{$patch: replace}]}}}", CLAIM, Answer::Yes),
            ("spec: {template: {spec: {volumes: [{emptyDir: {}}]}}}", CLAIM, Answer::Maybe),
            ("x: &n {nodeSelector: {role: y}}\nspec: {template: {spec: {<<: *n}}}", NODE, Answer::Yes),
        ] {
            assert_eq!(merged(&node(patch), &field(path), true), answer, "{patch}");
        }
        let list = node("spec: {template: {spec: {volumes: [{name: other}]}}}");
        assert_eq!(merged(&list, &field(CLAIM), false), Answer::Yes);
    }

    #[test]
    fn operations_set_what_they_point_at() {
        let own = node(
            "spec: {template: {spec: {volumes: [{name: config}, {name: data, persistentVolumeClaim: {claimName: a}}]}}}",
        );
        let at = "/spec/template/spec";
        for (operations, path, answer) in [
            (format!("[{{op: replace, path: {at}/nodeSelector/role, value: x}}]"), NODE, Answer::Yes),
            (format!("[{{op: add, path: {at}/nodeSelector, value: {{}}}}]"), NODE, Answer::Yes),
            (format!("[{{op: remove, path: {at}/nodeSelector/disk}}]"), NODE, Answer::No),
            (format!("[{{op: test, path: {at}/nodeSelector/role, value: x}}]"), NODE, Answer::Yes),
            (format!("[{{op: test, path: {at}/nodeSelector/disk, value: x}}]"), NODE, Answer::No),
            (format!("[{{op: remove, path: {at}/volumes/-1}}]"), CLAIM, Answer::Maybe),
            (format!("[{{op: move, from: {at}/nodeSelector, path: /x}}]"), NODE, Answer::Yes),
            (
                format!("[{{op: replace, path: {at}/volumes/1/persistentVolumeClaim/claimName, value: x}}]"),
                CLAIM,
                Answer::Yes,
            ),
            (
                format!("[{{op: replace, path: {at}/volumes/0/persistentVolumeClaim/claimName, value: x}}]"),
                CLAIM,
                Answer::No,
            ),
            (format!("[{{op: remove, path: {at}/volumes/1}}]"), CLAIM, Answer::Yes),
            (format!("[{{op: add, path: {at}/volumes/1, value: {{}}}}]"), CLAIM, Answer::No),
            (
                format!(
                    "[{{op: remove, path: {at}/volumes/0}}, {{op: replace, path: {at}/volumes/0/persistentVolumeClaim, value: x}}]"
                ),
                CLAIM,
                Answer::Maybe,
            ),
            (format!("[{{op: add, path: {at}/volumes/-, value: {{}}}}]"), CLAIM, Answer::No),
            ("[{op: replace, path: /metadata/labels/a~1b, value: x}]".to_owned(), NODE, Answer::No),
        ] {
            assert_eq!(operated(&node(&operations), &field(path), Some(&own)), answer, "{operations}");
        }
        let unknown =
            node("[{op: replace, path: /spec/template/spec/volumes/0/persistentVolumeClaim, value: x}]");
        assert_eq!(operated(&unknown, &field(CLAIM), None), Answer::Maybe);
    }

    #[test]
    fn an_operation_is_a_field_of_the_object_that_it_points_at() {
        assert_eq!(field("[path=/spec/template/spec/nodeSelector/role].value"), field(NODE));
        let slashed = field("[path=/spec/nodeSelector/kubernetes.io~1hostname].value");
        assert_eq!(slashed, field("spec.nodeSelector.kubernetes\\.io/hostname"));
    }

    #[test]
    fn replacements_name_fields_in_their_own_way() {
        for (path, own, answer) in [
            (NODE, NODE, Answer::Yes),
            ("spec.template.spec.nodeSelector", NODE, Answer::Yes),
            ("spec.template.spec.nodeSelector.disk", NODE, Answer::No),
            (CLAIM, CLAIM, Answer::Yes),
            ("spec.template.spec.volumes.*.persistentVolumeClaim.claimName", CLAIM, Answer::Yes),
            ("spec.template.spec.volumes.[name=x].persistentVolumeClaim.claimName", CLAIM, Answer::No),
            ("spec.template.spec.volumes.0.persistentVolumeClaim.claimName", CLAIM, Answer::Maybe),
            ("metadata.annotations.[a.b/c]", NODE, Answer::No),
            ("spec.nodeSelector.a\\.b/c", "spec.nodeSelector.a\\.b/c", Answer::Yes),
        ] {
            assert_eq!(named(path, &field(own), None), answer, "{path}");
        }
    }
}
