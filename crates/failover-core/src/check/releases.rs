//! What else a `HelmRelease` says about a field of its values that is moved.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::config::SettingKind;
use crate::field::{FieldPath, Segment};
use crate::topology::SettingState;
use crate::tree::Tree;
use crate::workload::Reader;
use crate::yaml::{Anchors, Node, Place};

impl Found<'_, '_> {
    /// What overrides the values that are edited, in the chart or behind it.
    pub(super) fn releases(&mut self, tree: &Tree) {
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            let found = &setting.found;
            if setting.setting.target.kind.as_str() != "HelmRelease" || found.is_patch() {
                continue;
            }
            let documents = tree.sources.get(&found.path).map(|source| source.documents());
            let documents = documents.and_then(Result::ok).unwrap_or_default();
            let Some(root) = documents.get(found.document) else { continue };
            let anchors = Anchors::of(root);
            let reader = Reader { anchors: &anchors, root };
            self.overridden(setting, &reader);
            self.rendered_anew(setting, &reader);
        }
    }

    /// app-template takes a controller's own node selector in place of the one for all, unless told to merge them.
    fn overridden(&mut self, of: &SettingState<'_>, reader: &Reader<'_>) {
        let keys = of.setting.field.keys();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let &["spec", "values", "defaultPodOptions", "nodeSelector", label] = keys.as_slice() else { return };
        let wanted = of.setting.value(self.to).to_string();
        let values = ["spec", "values"];
        let is_merged =
            reader.text(&[&values[..], &["defaultPodOptionsStrategy"]].concat()).as_deref() == Some("merge");
        let controllers = reader.at(&[&values[..], &["controllers"]].concat());
        let controllers = controllers.map(Node::entries).unwrap_or_default();
        let mut others: Vec<(&str, Place)> = Vec::new();
        let mut count = 0;
        for (name, controller) in controllers {
            let controller = reader.anchors.resolve(controller);
            if reader.text_in(controller, &["enabled"]).as_deref() == Some("false") {
                continue;
            }
            count += 1;
            let Some(selector) = reader.get(controller, &["pod", "nodeSelector"]) else { continue };
            let own = reader.get(selector, &[label]);
            let name_of = name.as_text().unwrap_or_default();
            let field =
                FieldPath::of_keys(["spec", "values", "controllers", name_of, "pod", "nodeSelector", label]);
            let is_set = self.state.settings.iter().any(|setting| {
                setting.setting.field == field && setting.setting.target.is_same_object(&of.setting.target)
            });
            let is_wanted = own.and_then(Node::as_text) == Some(wanted.as_str());
            let is_default = selector.is_null() || (is_merged && own.is_none());
            if !is_set && !is_wanted && !is_default {
                others.push((name_of, selector.place));
            }
        }
        for (name, place) in &others {
            let detail = format!(
                "{} ({}:{}) has a nodeSelector of its own for the controller {name}, which counts instead of {}; add a setting for spec.values.controllers.{name}.pod.nodeSelector",
                of.setting.target, of.found.path, place.line, of.setting.field
            );
            // Where one controller goes by the field, the others may stay on purpose.
            let verdict = if others.len() == count { Verdict::Block } else { Verdict::Warn };
            self.add(Check::ValuesOverridden, verdict, detail);
        }
    }

    /// Patches that Flux applies to what the chart makes.
    fn rendered_anew(&mut self, of: &SettingState<'_>, reader: &Reader<'_>) {
        let word = match (of.setting.kind, of.setting.field.segments().last()) {
            (SettingKind::Node, _) => "nodeSelector",
            (SettingKind::Claim, _) => "claimName",
            (SettingKind::Field, Some(Segment::Key(key))) => key,
            (SettingKind::Field, Some(Segment::Item { .. }) | None) => return,
        };
        let renderers = reader.at(&["spec", "postRenderers"]);
        for renderer in reader.items(renderers) {
            let lists = ["patches", "patchesStrategicMerge", "patchesJson6902"];
            for list in lists.iter().filter_map(|list| reader.get(renderer, &["kustomize", list])) {
                for patch in reader.items(Some(list)).into_iter().filter(|patch| mentions(patch, word)) {
                    let detail = format!(
                        "{} ({}:{}) has a patch in spec.postRenderers that speaks of {word}; where it sets what {} gives, the move has no effect",
                        of.setting.target, of.found.path, patch.place.line, of.setting.field
                    );
                    self.add(Check::PostRenderers, Verdict::Warn, detail);
                }
            }
        }
    }
}

/// Whether the word stands somewhere in the texts of a patch.
fn mentions(patch: &Node, word: &str) -> bool {
    let mut found = false;
    patch.walk(&mut |node| {
        let text = node.as_text().unwrap_or_default();
        found |= text.split(|c: char| !c.is_ascii_alphanumeric()).any(|one| one == word);
    });
    found
}
