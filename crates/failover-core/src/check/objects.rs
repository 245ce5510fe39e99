//! What the edited objects say about how a move is applied.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::config::Target;
use crate::tree::Tree;
use crate::yaml::{Anchors, Node};

/// A document with its anchors.
struct Object<'a> {
    root: &'a Node,
    anchors: Anchors<'a>,
}

impl<'a> Object<'a> {
    fn text(&self, path: &[&str]) -> Option<&'a str> {
        path.iter().try_fold(self.root, |node, key| self.anchors.get(node, key))?.as_text()
    }

    /// Why Flux would not apply a change of it.
    fn stopped(&self, kind: &str) -> impl Iterator<Item = String> {
        let suspends = matches!(kind, "HelmRelease" | "Kustomization")
            && self.text(&["spec", "suspend"]) == Some("true");
        let mark = |name: &'static str, values: &[&str]| {
            let text = |list: &str| self.text(&["metadata", list, name]);
            let value = text("annotations").or_else(|| text("labels"))?;
            values
                .iter()
                .any(|stop| stop.eq_ignore_ascii_case(value))
                .then(|| format!("has the mark {name}: {value}"))
        };
        [
            suspends.then(|| "has spec.suspend: true".to_owned()),
            mark("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]),
            mark("kustomize.toolkit.fluxcd.io/ssa", &["IfNotPresent", "Ignore"]),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether SOPS keeps a checksum over what is not encrypted, too.
    fn has_mac_of_all(&self) -> bool {
        self.text(&["sops", "mac"]).is_some_and(|mac| !mac.is_empty())
            && self.text(&["sops", "mac_only_encrypted"]) != Some("true")
    }

    /// Whether a `HelmRelease` that fails to upgrade goes back to what was before: with retries, unless its strategy is
    /// to retry without remediation.
    fn rolls_back(&self) -> bool {
        let retries = self
            .text(&["spec", "upgrade", "remediation", "retries"])
            .and_then(|text| text.parse::<i64>().ok());
        retries.is_some_and(|retries| retries != 0)
            && self.text(&["spec", "upgrade", "strategy", "name"]) != Some("RetryOnFailure")
            && self.text(&["spec", "upgrade", "remediation", "strategy"]) != Some("uninstall")
    }
}

impl Found<'_, '_> {
    /// What the edited objects themselves say about how a move is applied.
    pub(super) fn objects(&mut self, tree: &Tree) {
        let mut seen: Vec<&Target> = Vec::new();
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            let (target, found) = (&setting.setting.target, &setting.found);
            // A patch says little of the object itself.
            if seen.contains(&target) || found.is_patch() {
                continue;
            }
            seen.push(target);
            let source = tree.sources.get(&found.path).map(|source| source.documents());
            let documents = source.and_then(Result::ok).unwrap_or_default();
            let Some(root) = documents.get(found.document) else { continue };
            let object = Object { root, anchors: Anchors::of(root) };
            let at = format!("{target} ({}:{})", found.path, found.place.line);
            for why in object.stopped(target.kind.as_str()) {
                self.add(Check::Suspended, Verdict::Warn, format!("{at} {why}"));
            }
            for flux in tree.listing.covering(&found.path).iter().filter(|flux| flux.is_suspended()) {
                let (namespace, name, path, line) = (&flux.namespace, &flux.name, flux.path, flux.place.line);
                let detail = format!(
                    "the Flux Kustomization {namespace}/{name} ({path}:{line}), which applies {}, is suspended",
                    found.path
                );
                self.add(Check::Suspended, Verdict::Warn, detail);
            }
            if target.kind.as_str() == "HelmRelease" && object.rolls_back() {
                let detail = format!(
                    "{at} has upgrade.remediation: when the app does not become ready in time, Flux rolls back to the other side while Git says otherwise; strategy RetryOnFailure does not"
                );
                self.add(Check::RollsBack, Verdict::Warn, detail);
            }
            if object.has_mac_of_all() {
                let detail = format!(
                    "{at} has a sops.mac over all its values: Flux does not look at it, but sops reports a MAC mismatch while the values are not those that it wrote; decrypt with --ignore-mac and encrypt again, with mac_only_encrypted: true in .sops.yaml"
                );
                self.add(Check::SopsMac, Verdict::Warn, detail);
            }
            let recreates = target.kind.as_str() == "Deployment"
                && object.text(&["spec", "strategy", "type"]) == Some("Recreate");
            if recreates || target.kind.as_str() == "StatefulSet" {
                let detail = format!(
                    "{at} starts the new pod only after the old one is gone; on a dead node that takes its return, the deletion of the pod or the node, or the out-of-service taint"
                );
                self.add(Check::WaitsForOldPod, Verdict::Unknown, detail);
            }
        }
    }
}
