//! Looks entries and list items up in mappings, through aliases and merge keys.

use std::collections::HashSet;

use super::error::FieldErrorKind;
use super::scalar::{self, Scalar};
use crate::field::{Segment, Value};
use crate::name::nearest;
use crate::yaml::{self, Node, NodeValue, ScalarStyle};

/// The anchors of a document and which of them are used.
pub(super) struct Anchors<'a> {
    nodes: yaml::Anchors<'a>,
    aliased: HashSet<usize>,
}

/// A key and its value.
type Entry<'a> = (&'a Node, &'a Node);

impl<'a> Anchors<'a> {
    pub(super) fn of(root: &'a Node) -> Self {
        let mut anchors = Self { nodes: yaml::Anchors::of(root), aliased: HashSet::new() };
        root.walk(&mut |node| {
            if let NodeValue::Alias(target) = node.value {
                anchors.aliased.insert(target);
            }
        });
        anchors
    }

    /// The node that an alias stands for; any other node itself.
    pub(super) fn resolve(&self, node: &'a Node) -> &'a Node {
        self.nodes.resolve(node)
    }

    /// Whether an alias of the document stands for `node`.
    pub(super) fn is_shared(&self, node: &Node) -> bool {
        node.anchor.is_some_and(|anchor| self.aliased.contains(&anchor))
    }

    /// The entry that the mapping itself has.
    pub(super) fn own(
        &self,
        mapping: &'a Node,
        name: &str,
    ) -> Result<Option<Entry<'a>>, (&'a Node, FieldErrorKind)> {
        let mut fitting =
            mapping.entries().iter().filter(|(key, _)| self.resolve(key).as_text() == Some(name));
        let Some((key, value)) = fitting.next() else { return Ok(None) };
        if let Some((again, _)) = fitting.next() {
            return Err((again, FieldErrorKind::DuplicateKey(name.to_owned())));
        }
        if self.resolve(key).tagged {
            return Err((key, FieldErrorKind::Tagged));
        }
        if let Some(style) = self.resolve(key).style() {
            let read = scalar::read(name, style);
            let is_name = matches!(&read, Scalar::Value(value @ (Value::String(_) | Value::Int(_)))
                if value.to_string() == name);
            // A key `<<` is no field, it merges another mapping in.
            let merges = name == "<<" && style == ScalarStyle::Plain;
            if !is_name || merges {
                return Err((key, FieldErrorKind::KeyType(name.to_owned())));
            }
        }
        Ok(Some((key, value)))
    }

    /// The entry that comes from `<<`.
    pub(super) fn inherited(&self, mapping: &'a Node, name: &str) -> Option<Entry<'a>> {
        self.merged(mapping, name, &mut HashSet::new())
    }

    /// `seen` holds the mappings that were searched already; they can merge each other in.
    fn merged(&self, mapping: &'a Node, name: &str, seen: &mut HashSet<usize>) -> Option<Entry<'a>> {
        if !seen.insert(mapping.span.start) {
            return None;
        }
        let is_merge = |key: &Node| key.as_text() == Some("<<") && key.style() == Some(ScalarStyle::Plain);
        let (_, base) = mapping.entries().iter().find(|(key, _)| is_merge(key))?;
        let base = self.resolve(base);
        let bases = if base.items().is_empty() { std::slice::from_ref(base) } else { base.items() };
        bases.iter().map(|base| self.resolve(base)).find_map(|base| {
            let own = base.entries().iter().find(|(key, _)| key.as_text() == Some(name));
            own.map(|(key, value)| (key, value)).or_else(|| self.merged(base, name, seen))
        })
    }

    /// The one item whose `key` is `value`.
    pub(super) fn select(
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
            let entry = own.or_else(|| self.inherited(mapping, key));
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
