//! Where the variables stand that Flux fills in (`${VARIABLE}`).
//!
//! It fills them in after the build, in the whole text of each object: names and keys, too. `$${…}` is an escape, and
//! objects with the mark `kustomize.toolkit.fluxcd.io/substitute: disabled` are left alone.

use std::collections::BTreeSet;

use crate::yaml::{Anchors, Node};

/// What a place is for that a variable fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Something by which objects are known: a key, `metadata`, a selector, the prefix of names.
    Identity,
    /// A claim or a volume itself, most of which cannot be changed in place.
    Storage,
    /// The claim that a workload mounts.
    Claim,
    /// A label of a workload's node selector.
    Node,
    /// How many pods a workload has.
    Replicas,
    /// Whether VolSync rests.
    Paused,
    /// A patch that a Flux `Kustomization` makes.
    Patch,
    /// Anything else, also where the variable is a part of the text.
    Other,
}

/// One text of a file in which a variable stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VariableUse {
    pub(super) name: Box<str>,
    pub(super) line: u32,
    /// The document in the file, from 0.
    pub(super) document: u32,
    pub(super) stand: Stand,
}

/// Every variable in `documents`, whose text is `text`.
pub(super) fn read(text: &str, documents: &[Node]) -> Box<[VariableUse]> {
    let mut uses = Vec::new();
    // Most files have none.
    if text.contains("${") {
        for (document, root) in (0..).zip(documents) {
            let anchors = Anchors::of(root);
            let kind = Kind::of(root, &anchors);
            if let Some(kind) = kind {
                Reader { anchors, kind, document, path: Vec::new(), uses: &mut uses }.node(root);
            }
        }
    }
    uses.into_boxed_slice()
}

/// What kind of object a document is, as far as it matters for what stands in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Workload,
    Release,
    Storage,
    Copy,
    Flux,
    Other,
}

impl Kind {
    /// `None` for an object that Flux fills nothing in.
    fn of<'a>(root: &'a Node, anchors: &Anchors<'a>) -> Option<Self> {
        let text = |path: &[&str]| {
            path.iter().try_fold(root, |node, key| anchors.get(node, key)).and_then(Node::as_text)
        };
        let mark = "kustomize.toolkit.fluxcd.io/substitute";
        let marked = ["annotations", "labels"].map(|list| text(&["metadata", list, mark]));
        if marked.contains(&Some("disabled")) {
            return None;
        }
        let group = text(&["apiVersion"]).unwrap_or_default();
        Some(match text(&["kind"]).unwrap_or_default() {
            "Deployment" | "StatefulSet" | "DaemonSet" | "CronJob" => Self::Workload,
            "HelmRelease" => Self::Release,
            "PersistentVolumeClaim" | "PersistentVolume" => Self::Storage,
            "Kustomization" if group.starts_with("kustomize.toolkit.fluxcd.io/") => Self::Flux,
            _ if group.starts_with("volsync.backube/") => Self::Copy,
            _ => Self::Other,
        })
    }
}

struct Reader<'a, 'u> {
    anchors: Anchors<'a>,
    kind: Kind,
    document: u32,
    /// The keys from the root to where the reader is; items of lists have none.
    path: Vec<&'a str>,
    uses: &'u mut Vec<VariableUse>,
}

impl<'a> Reader<'a, '_> {
    fn node(&mut self, node: &'a Node) {
        for (key, value) in node.entries() {
            self.text(key, |_, _| Stand::Identity);
            self.path.push(key.as_text().unwrap_or_default());
            self.node(value);
            self.path.pop();
        }
        for item in node.items() {
            self.node(item);
        }
        self.text(node, Self::stand);
    }

    /// What an anchor stands on is looked at where it is; that a text stands for one elsewhere is another use.
    fn text(&mut self, node: &Node, stand: impl Fn(&Self, bool) -> Stand) {
        let place = node.place;
        let Some(text) = self.anchors_text(node) else { return };
        for name in variables_in(&text) {
            let stand = stand(self, variable(&text) == Some(name));
            let line = u32::try_from(place.line).unwrap_or(u32::MAX);
            self.uses.push(VariableUse { name: name.into(), line, document: self.document, stand });
        }
    }

    fn anchors_text(&self, node: &Node) -> Option<String> {
        let text = match node.as_text() {
            Some(text) => text,
            None => self.anchors.target(node)?.as_text()?,
        };
        text.contains("${").then(|| text.to_owned())
    }

    fn stand(&self, is_whole: bool) -> Stand {
        let path = self.path.as_slice();
        let is_identity = |key: &&str| matches!(*key, "metadata" | "matchLabels");
        if path.iter().any(is_identity)
            || matches!(path, ["apiVersion" | "kind" | "namePrefix" | "nameSuffix" | "namespace"])
        {
            return Stand::Identity;
        }
        match (self.kind, path) {
            (Kind::Storage, _) => Stand::Storage,
            (Kind::Flux, ["spec", "patches", ..]) => Stand::Patch,
            (_, _) if !is_whole => Stand::Other,
            (Kind::Workload, [.., "persistentVolumeClaim", "claimName"])
            | (Kind::Release, ["spec", "values", .., "existingClaim" | "claimName"]) => Stand::Claim,
            (Kind::Workload | Kind::Release, ["spec", .., "nodeSelector", _]) => Stand::Node,
            (Kind::Workload, ["spec", "replicas"]) | (Kind::Release, ["spec", "values", .., "replicas"]) => {
                Stand::Replicas
            }
            (Kind::Copy, ["spec", "paused"]) => Stand::Paused,
            (_, _) => Stand::Other,
        }
    }
}

/// The names of the variables in a text, each once.
fn variables_in(text: &str) -> BTreeSet<&str> {
    let at = text.match_indices("${").filter(|(at, _)| {
        // Two of them are an escaped one.
        let before = text[..*at].bytes().rev().take_while(|byte| *byte == b'$').count();
        before % 2 == 0
    });
    let names = at.filter_map(|(at, opening)| {
        let inside = text[at + opening.len()..].trim_start_matches('#');
        let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
        (end > 0 && !inside.starts_with(|c: char| c.is_ascii_digit())).then(|| &inside[..end])
    });
    names.collect()
}

/// The variable of a text that is `${VARIABLE}`, perhaps with a default, and nothing else.
pub(crate) fn variable(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
    (end > 0 && !inside[end..].contains(['{', '}'])).then(|| &inside[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn variables_are_found_as_flux_finds_them() {
        let names = |text| variables_in(text).into_iter().collect::<Vec<_>>();
        assert_eq!(names("${A}"), ["A"]);
        assert_eq!(names("x${A:-y}${B:=z}-${C/a/b}${#D}${_E_1^^}"), ["A", "B", "C", "D", "_E_1"]);
        assert_eq!(names("${A:-${B}}"), ["A", "B"]);
        assert_eq!(names("$${A} $B $$${C} ${1} ${} ${"), ["C"]);
    }

    #[test]
    fn what_a_variable_stands_in_is_told_apart() {
        let stands = |text: &str| -> Vec<(String, u32, Stand)> {
            let uses = read(text, &yaml::parse(text).unwrap());
            uses.iter().map(|one| (one.name.to_string(), one.line, one.stand)).collect()
        };
        let found = stands(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \"${A}\"}\nspec:\n  replicas: ${R}\n  template:\n    spec:\n      nodeSelector: {role: \"${N:=x}\", \"${K}\": y}\n      volumes:\n        - persistentVolumeClaim:\n            claimName: &claim ${C}\n        - persistentVolumeClaim:\n            claimName: *claim\n        - persistentVolumeClaim: {claimName: \"${C}-ro\"}\n",
        );
        let expected = [
            ("A", 3, Stand::Identity),
            ("R", 5, Stand::Replicas),
            ("N", 8, Stand::Node),
            ("K", 8, Stand::Identity),
            ("C", 11, Stand::Claim),
            ("C", 13, Stand::Claim),
            ("C", 14, Stand::Other),
        ];
        let expected = expected.map(|(name, line, stand)| (name.to_owned(), line, stand));
        assert_eq!(found, expected);
        let disabled = "kind: ConfigMap\nmetadata: {annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {a: \"${A}\"}\n";
        assert_eq!(stands(disabled), []);
        let claim = stands("kind: PersistentVolumeClaim\nspec: {volumeName: \"${V}\"}\n");
        assert_eq!(claim, [("V".to_owned(), 2, Stand::Storage)]);
    }
}
