//! Mappings of the config, read through aliases and `<<`, with every problem collected.

use std::collections::{BTreeMap, HashMap};

use super::error::ConfigError;
use super::scalar::{Plain, plain};
use crate::name::nearest;
use crate::yaml::{Node, NodeValue, Place, ScalarStyle};

/// How many keys and items are read in all, those repeated by aliases included; far above what 1 MiB of
/// services holds, far below what aliases can blow it up to.
const BUDGET: usize = 100_000;

/// How deep `<<` may lead from one mapping to the next.
const MERGE_DEPTH: usize = 8;

/// A mapping of the config, `<<` resolved.
pub(super) struct Fields<'a> {
    /// What the mapping is, for messages: `service sonarr`.
    pub(super) what: String,
    /// Where a key that is missing is reported.
    pub(super) place: Place,
    entries: BTreeMap<&'a str, Field<'a>>,
}

/// One entry of a mapping.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// Where its key stands.
    pub(super) place: Place,
    /// Its value, aliases unresolved.
    pub(super) node: &'a Node,
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        self.entries.get(key).copied()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.entries.iter().map(|(key, field)| (*key, *field))
    }
}

/// Reads nodes and collects what is wrong with them.
pub(super) struct Reader<'a> {
    anchors: HashMap<usize, &'a Node>,
    errors: Vec<ConfigError>,
    /// What is left of [`BUDGET`]; `None` once it did not suffice.
    budget: Option<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Node) -> Self {
        let mut anchors = HashMap::new();
        document.walk(&mut |node| {
            if let Some(anchor) = node.anchor {
                anchors.insert(anchor, node);
            }
        });
        Self { anchors, errors: Vec::new(), budget: Some(BUDGET) }
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    pub(super) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(ConfigError { place, message: message.into(), hint: hint.into() });
    }

    /// The node that an alias stands for. YAML has no alias of an alias: an anchor stands on a real node.
    pub(super) fn resolve(&self, node: &'a Node) -> &'a Node {
        match &node.value {
            NodeValue::Alias(anchor) => self.anchors.get(anchor).copied().unwrap_or(node),
            NodeValue::Scalar { .. } | NodeValue::Mapping { .. } | NodeValue::Sequence { .. } => node,
        }
    }

    /// Takes `count` from the budget; the first time that it does not suffice is reported.
    pub(super) fn spend(&mut self, count: usize, place: Place) -> bool {
        let Some(budget) = self.budget else { return false };
        self.budget = budget.checked_sub(count);
        if self.budget.is_none() {
            self.error(
                place,
                format!(
                    "the config has more than {BUDGET} keys and items, those repeated by aliases included"
                ),
                "split the config, or use fewer aliases",
            );
        }
        self.budget.is_some()
    }

    /// The entries of `node`, which `what` must be; `place` is where a missing key will be reported.
    pub(super) fn fields(&mut self, node: &'a Node, what: String, place: Place) -> Option<Fields<'a>> {
        let entries = self.entries(node, &what, MERGE_DEPTH)?;
        Some(Fields { what, place, entries })
    }

    fn entries(&mut self, node: &'a Node, what: &str, depth: usize) -> Option<BTreeMap<&'a str, Field<'a>>> {
        let node = self.resolve(node);
        let NodeValue::Mapping { entries: pairs, .. } = &node.value else {
            self.error(node.place, format!("{what} must be a mapping"), "write it as 'key: value' lines");
            return None;
        };
        if !self.untagged(node, what) || !self.spend(pairs.len(), node.place) {
            return None;
        }
        let mut entries: BTreeMap<&str, Field<'_>> = BTreeMap::new();
        let mut bases = None;
        for (key, node) in pairs {
            if is_merge(key) {
                if bases.replace(node).is_some() {
                    let message = format!("{what} has '<<' twice");
                    self.error(key.place, message, "write one '<<: [*a, *b]'");
                }
                continue;
            }
            let Some(name) = self.key(key, what) else { continue };
            if let Some(first) = entries.get(name) {
                let first = at(first.place);
                self.error(
                    key.place,
                    format!("the key {} of {what} is given twice, first at {first}", shown(name)),
                    "keep one of the two",
                );
            } else {
                entries.insert(name, Field { place: key.place, node });
            }
        }
        if let Some(bases) = bases {
            self.merge(&mut entries, bases, what, depth)?;
        }
        Some(entries)
    }

    /// Adds what `<<` brings: explicit keys win, then the earlier mapping of a list.
    fn merge(
        &mut self,
        entries: &mut BTreeMap<&'a str, Field<'a>>,
        bases: &'a Node,
        what: &str,
        depth: usize,
    ) -> Option<()> {
        let Some(depth) = depth.checked_sub(1) else {
            self.error(bases.place, format!("'<<' nests too deep in {what}"), "write the keys out");
            return None;
        };
        let bases = self.resolve(bases);
        let list = match &bases.value {
            NodeValue::Sequence { items, .. } => items.as_slice(),
            NodeValue::Mapping { .. } | NodeValue::Scalar { .. } | NodeValue::Alias(_) => {
                std::slice::from_ref(bases)
            }
        };
        if !self.spend(list.len(), bases.place) {
            return None;
        }
        for base in list {
            for (key, field) in self.entries(base, "the mapping of '<<'", depth)? {
                entries.entry(key).or_insert(field);
            }
        }
        Some(())
    }

    fn key(&mut self, key: &'a Node, what: &str) -> Option<&'a str> {
        let text = match &key.value {
            NodeValue::Scalar { text, style } => {
                let unclear = *style == ScalarStyle::Plain && plain(text) != Plain::Text;
                (!unclear && !key.tagged).then_some(text)
            }
            NodeValue::Mapping { .. } | NodeValue::Sequence { .. } | NodeValue::Alias(_) => None,
        };
        if text.is_none() {
            let shown = key.as_text().map(|text| format!(" {}", shown(text))).unwrap_or_default();
            self.error(
                key.place,
                format!("the key{shown} of {what} is not a text"),
                "write keys as plain words; quote one that looks like a number or a boolean",
            );
        }
        text.map(String::as_str)
    }

    /// Reports every key that is not in `known`.
    pub(super) fn only(&mut self, fields: &Fields<'a>, known: &[&str]) {
        for (key, field) in fields.iter().filter(|(key, _)| !known.contains(key)) {
            let hint = match nearest(key, known.iter().copied()).first() {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            self.error(field.place, format!("unknown key {} in {}", shown(key), fields.what), hint);
        }
    }

    /// The field `key`; one that is missing is reported.
    pub(super) fn required(&mut self, fields: &Fields<'a>, key: &str) -> Option<Field<'a>> {
        let field = fields.get(key);
        if field.is_none() {
            self.error(
                fields.place,
                format!("{} has no '{key}'", fields.what),
                format!("add '{key}:' with its value"),
            );
        }
        field
    }

    /// Reports an explicit tag, which would override the type that the text itself has.
    pub(super) fn untagged(&mut self, node: &Node, what: &str) -> bool {
        if node.tagged {
            self.error(node.place, format!("{what} has a YAML tag"), "remove the tag and quote a text");
        }
        !node.tagged
    }
}

fn is_merge(key: &Node) -> bool {
    matches!(&key.value, NodeValue::Scalar { text, style: ScalarStyle::Plain } if text == "<<")
}

/// A text of the config in a message: quoted, on one line, not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let short: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("'{short}{rest}'")
}

/// A place in a message.
pub(super) fn at(place: Place) -> String {
    format!("line {}, column {}", place.line, place.column)
}
