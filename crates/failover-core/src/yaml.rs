//! YAML text as nodes that know their exact bytes.
//!
//! Used to find and edit values in manifests and to point at the place of a problem in the config. It never
//! writes YAML and never guesses: what the parser refuses is an error with its line and column.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use granit_parser::{Event, Parser, Span, StructureStyle};

pub use granit_parser::ScalarStyle;

/// Largest file that is read, in bytes. A larger one is refused unread.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A place in a text: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The text is not YAML that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", place.line, place.column)]
pub struct YamlError {
    /// Where reading stopped.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

/// One value of a document with the bytes it was written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What the node holds.
    pub value: NodeValue,
    /// Its bytes in the text, without anchor and tag; always a range that the text can be cut at. For a block
    /// scalar the content, not its header; for a value that is left empty an empty range behind its key or
    /// its anchor.
    pub span: Range<usize>,
    /// Where it starts.
    pub place: Place,
    /// The anchor defined on it (`&name`); unique within a stream.
    pub anchor: Option<usize>,
    /// Whether an explicit tag (`!!str`, `!vault`) stands on it.
    pub tagged: bool,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// A text as the YAML reader sees it, before it is taken for a number, a boolean or null.
    Scalar {
        /// The text with escapes resolved.
        text: String,
        /// How it was written.
        style: ScalarStyle,
    },
    /// Keys and values in their order, duplicates included.
    Mapping {
        /// `{…}` rather than lines.
        flow: bool,
        /// Key and value.
        entries: Vec<(Node, Node)>,
    },
    /// Items in their order.
    Sequence {
        /// `[…]` rather than lines.
        flow: bool,
        /// The items.
        items: Vec<Node>,
    },
    /// `*name`: stands for the node with that anchor.
    Alias(usize),
}

impl Node {
    /// The text of a scalar, however it is written; `None` for anything else, aliases included.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar { text, .. } => Some(text),
            NodeValue::Mapping { .. } | NodeValue::Sequence { .. } | NodeValue::Alias(_) => None,
        }
    }

    /// How a scalar is written; `None` for anything else.
    #[must_use]
    pub fn style(&self) -> Option<ScalarStyle> {
        match &self.value {
            NodeValue::Scalar { style, .. } => Some(*style),
            NodeValue::Mapping { .. } | NodeValue::Sequence { .. } | NodeValue::Alias(_) => None,
        }
    }

    /// The entries of a mapping; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            NodeValue::Mapping { entries, .. } => entries,
            NodeValue::Scalar { .. } | NodeValue::Sequence { .. } | NodeValue::Alias(_) => &[],
        }
    }

    /// The items of a sequence; empty for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.value {
            NodeValue::Sequence { items, .. } => items,
            NodeValue::Scalar { .. } | NodeValue::Mapping { .. } | NodeValue::Alias(_) => &[],
        }
    }

    /// The value of the first entry whose key is the scalar `key`. Does not look through `<<` or aliases.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.as_text() == Some(key)).map(|(_, v)| v)
    }

    /// Whether the node is left empty, `null` or `~`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, NodeValue::Scalar { text, style: ScalarStyle::Plain }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// This node and all nodes in it, keys included.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        visit(self);
        for (key, value) in self.entries() {
            key.walk(visit);
            value.walk(visit);
        }
        for item in self.items() {
            item.walk(visit);
        }
    }
}

/// The anchors of a stream, to read a value through an alias or a merge key.
#[derive(Debug, Default)]
pub struct Anchors<'a>(HashMap<usize, &'a Node>);

impl<'a> Anchors<'a> {
    /// The anchors that `document` defines.
    #[must_use]
    pub fn of(document: &'a Node) -> Self {
        let mut anchors = HashMap::new();
        document.walk(&mut |node| {
            if let Some(anchor) = node.anchor {
                anchors.insert(anchor, node);
            }
        });
        Self(anchors)
    }

    /// The node itself, or the one that an alias stands for.
    #[must_use]
    pub fn resolve(&self, node: &'a Node) -> &'a Node {
        match &node.value {
            NodeValue::Alias(target) => self.0.get(target).copied().unwrap_or(node),
            NodeValue::Scalar { .. } | NodeValue::Mapping { .. } | NodeValue::Sequence { .. } => node,
        }
    }

    /// The node that an alias stands for; `None` for anything but an alias.
    #[must_use]
    pub fn target(&self, node: &Node) -> Option<&'a Node> {
        match &node.value {
            NodeValue::Alias(target) => self.0.get(target).copied(),
            NodeValue::Scalar { .. } | NodeValue::Mapping { .. } | NodeValue::Sequence { .. } => None,
        }
    }

    /// The value of `key`, also where it comes through an alias or a merge key (`<<`).
    #[must_use]
    pub fn get(&self, node: &'a Node, key: &str) -> Option<&'a Node> {
        self.get_unseen(node, key, &mut HashSet::new())
    }

    /// `seen` holds where the mappings start that were searched already: they can merge each other in, over and over.
    fn get_unseen(&self, node: &'a Node, key: &str, seen: &mut HashSet<usize>) -> Option<&'a Node> {
        let node = self.resolve(node);
        if let Some(value) = node.get(key) {
            return Some(self.resolve(value));
        }
        let merged = self.resolve(node.get("<<")?);
        if !seen.insert(node.span.start) {
            return None;
        }
        match merged.items() {
            [] => self.get_unseen(merged, key, seen),
            many => many.iter().find_map(|one| self.get_unseen(one, key, seen)),
        }
    }
}

/// Reads every document of `text`; an empty document is a null node. A byte-order mark is allowed and counts
/// in the spans.
///
/// # Errors
/// What makes the text unreadable, also a size over [`MAX_BYTES`] and nesting over 255 levels.
pub fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError {
            place: Place { line: 1, column: 1 },
            message: format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len()),
        });
    }
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder { text, documents: Vec::new(), open: Vec::new() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| YamlError {
            place: Place { line: error.marker().line(), column: error.marker().col() + 1 },
            message: error.info(),
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

struct Builder<'t> {
    text: &'t str,
    documents: Vec<Node>,
    open: Vec<Open>,
}

struct Open {
    node: Node,
    /// A mapping's key that waits for its value.
    key: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let place = Place { line: span.start.line(), column: span.start.col() + 1 };
        let lost = || YamlError { place, message: "the parser lost its position".to_owned() };
        let start = span.start.byte_offset().ok_or_else(lost)?;
        let end = span.end.byte_offset().ok_or_else(lost)?;
        // Every span can be cut out of the text: callers slice without a check of their own.
        if self.text.get(start..end).is_none() {
            return Err(lost());
        }
        let node = |value, anchor: usize, tagged| Node {
            value,
            span: start..end,
            place,
            anchor: (anchor != 0).then_some(anchor),
            tagged,
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // The parser reports a value that is left empty as "~".
                let empty = start == end && style == ScalarStyle::Plain;
                let text = if empty { String::new() } else { text.into_owned() };
                let value = NodeValue::Scalar { text, style };
                self.add(node(value, anchor, tag.is_some()));
            }
            Event::Alias(target) => self.add(node(NodeValue::Alias(target), 0, false)),
            Event::MappingStart(style, anchor, tag) => {
                let value = NodeValue::Mapping { flow: style == StructureStyle::Flow, entries: Vec::new() };
                self.open.push(Open { node: node(value, anchor, tag.is_some()), key: None });
            }
            Event::SequenceStart(style, anchor, tag) => {
                let value = NodeValue::Sequence { flow: style == StructureStyle::Flow, items: Vec::new() };
                self.open.push(Open { node: node(value, anchor, tag.is_some()), key: None });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some(mut closed) = self.open.pop() {
                    closed.node.span.end = closed.node.span.end.max(end);
                    if self.text.get(closed.node.span.clone()).is_none() {
                        return Err(lost());
                    }
                    self.add(closed.node);
                }
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
            Event::Anchor(..) | Event::UnresolvedAlias(_) | _ => {
                return Err(YamlError { place, message: "unexpected YAML construct".to_owned() });
            }
        }
        Ok(())
    }

    fn add(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        match &mut open.node.value {
            NodeValue::Sequence { items, .. } => items.push(node),
            NodeValue::Mapping { entries, .. } => match open.key.take() {
                None => open.key = Some(node),
                Some(key) => entries.push((key, node)),
            },
            NodeValue::Scalar { .. } | NodeValue::Alias(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_the_exact_bytes() {
        let text = "# ü comment\na: 'x' # tail\nb: {c: \"d\", e: f}\nlist:\n  - one\n  - two\n";
        let docs = parse(text).unwrap();
        let root = &docs[0];
        assert_eq!(&text[root.get("a").unwrap().span.clone()], "'x'");
        let flow = root.get("b").unwrap();
        assert_eq!(&text[flow.span.clone()], "{c: \"d\", e: f}");
        assert_eq!(&text[flow.get("e").unwrap().span.clone()], "f");
        assert_eq!(&text[root.get("list").unwrap().items()[1].span.clone()], "two");
        assert_eq!(root.get("b").unwrap().get("c").unwrap().place, Place { line: 3, column: 8 });
    }

    #[test]
    fn every_document_counts_also_an_empty_one() {
        let docs = parse("a: 1\n---\n---\nb: 2\n").unwrap();
        assert_eq!(docs.len(), 3);
        assert!(docs[1].is_null());
        assert_eq!(parse("a:\n").unwrap()[0].get("a").unwrap().as_text(), Some(""));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let error = parse("a: 1\nb: [x\nc: 2\n").unwrap_err();
        assert!(error.place.line >= 2, "{error}");
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"a: ".repeat(MAX_BYTES)).is_err());
        assert!(parse("a: *nowhere\n").is_err());
    }
}
