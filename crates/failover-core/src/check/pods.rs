//! Whether the pods of a service can run at the other role, and alone.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::config::SettingKind;
use crate::field::Segment;
use crate::topology::SettingState;
use crate::tree::Tree;
use crate::workload::{Bound, BoundTo, Needs, Reader};
use crate::yaml::Anchors;

impl Found<'_, '_> {
    /// What the edited workloads ask for besides what the settings say.
    pub(super) fn pods(&mut self, tree: &Tree) {
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        let mut seen = Vec::new();
        for setting in settings {
            let (target, found) = (&setting.setting.target, &setting.found);
            if found.is_patch() || seen.contains(&target) {
                continue;
            }
            seen.push(target);
            let Ok(documents) =
                tree.sources.get(&found.path).map_or(Ok(&[][..]), |source| source.documents())
            else {
                continue;
            };
            let Some(root) = documents.get(found.document) else { continue };
            let anchors = Anchors::of(root);
            let reader = Reader { anchors: &anchors, root };
            let Some(needs) = Needs::read(target.kind.as_str(), &reader) else { continue };
            self.kept_claims(setting, &needs);
            for bound in &needs.bounds {
                self.bound(setting, bound);
            }
        }
    }

    /// A pod that mounts the claim that is left as well waits for its volume, which is where it must not run.
    fn kept_claims(&mut self, of: &SettingState<'_>, needs: &Needs) {
        let state = self.state;
        let in_file = |other: &&SettingState<'_>| other.found.path == of.found.path;
        let own: Vec<_> = state.settings.iter().filter(in_file).collect();
        let left: Vec<String> = pending(state, self.to)
            .map(|(setting, _)| setting)
            .filter(|setting| setting.setting.kind == SettingKind::Claim)
            .filter(|setting| setting.setting.target.is_same_object(&of.setting.target))
            .map(|setting| setting.setting.value(self.to.other()).to_string())
            .collect();
        for mount in needs.mounts.iter().filter(|mount| left.contains(&mount.value)) {
            if own.iter().any(|setting| setting.place == mount.place) {
                continue;
            }
            let detail = format!(
                "{} ({}:{}) mounts {} by {}, too, which no setting moves; a pod that needs the volumes of both claims stays Pending where one is not; add a setting for that field",
                of.setting.target, of.found.path, mount.place.line, mount.value, mount.field
            );
            self.add(Check::ClaimStillMounted, Verdict::Block, detail);
        }
    }

    /// What keeps the pod to nodes besides its node selector.
    fn bound(&mut self, of: &SettingState<'_>, bound: &Bound) {
        let is_same = |setting: &&SettingState<'_>| setting.setting.target.is_same_object(&of.setting.target);
        let own: Vec<_> = self.state.settings.iter().filter(is_same).collect();
        if own.iter().any(|setting| setting.found.path == of.found.path && setting.place == bound.place) {
            return;
        }
        let nodes: Vec<_> = own.iter().filter(|setting| setting.setting.kind == SettingKind::Node).collect();
        let excluded = nodes.iter().find_map(|setting| {
            let Some(Segment::Key(key)) = setting.setting.field.segments().last() else { return None };
            let value = setting.setting.value(self.to).to_string();
            // The node that a name stands for has one of the two labels, and so is wrong for the other role.
            let otherwise = match &bound.to {
                BoundTo::Node(_) => Some(false),
                BoundTo::Affinity(_) => None,
            };
            let allowed = bound.allows(key, &value).or(otherwise);
            (allowed == Some(false)).then(|| format!("{key}={value}"))
        });
        let at = format!("{} ({}:{})", of.setting.target, of.found.path, bound.place.line);
        if let Some(wanted) = excluded {
            // Whether a chart takes the values of this name for that is not known here.
            let verdict = match of.setting.target.kind.as_str() {
                "HelmRelease" => Verdict::Warn,
                _ => Verdict::Block,
            };
            let detail = format!(
                "{at} has {bound}, which no setting changes; together with {wanted} no node may fit, and the pod does not run"
            );
            self.add(Check::NodeExcluded, verdict, detail);
        } else if nodes.is_empty() && bound.is_by_name() {
            let detail = format!(
                "{at} has {bound}, which no setting changes; the pod stays where that is, whatever else is moved"
            );
            self.add(Check::NodeExcluded, Verdict::Warn, detail);
        }
    }

    /// A claim that goes live where somebody else already writes has two writers.
    pub(super) fn other_mounts(&mut self, tree: &Tree) {
        let claims: Vec<_> = pending(self.state, self.to)
            .filter(|(setting, _)| setting.setting.kind == SettingKind::Claim)
            .map(|(setting, wanted)| (setting.setting.target.namespace.clone(), wanted.to_string()))
            .collect();
        for (namespace, claim) in claims {
            for (object, line) in tree.listing.mounting(namespace.as_str(), &claim) {
                let is_own = self.state.service.settings.iter().any(|setting| {
                    let target = &setting.target;
                    target.kind.as_str() == object.kind
                        && target.name.as_str() == object.name
                        && target.namespace.as_str() == object.namespace
                });
                if is_own {
                    continue;
                }
                let (kind, name, path) = (object.kind, &object.name, object.path);
                let detail = format!(
                    "{kind} {namespace}/{name} ({path}:{line}) mounts {claim}, which goes live; two would write into it, or one would wait for the other"
                );
                self.add(Check::ClaimInUse, Verdict::Warn, detail);
            }
        }
    }
}
