//! The claims that a service moves between, and what VolSync copies from and into them.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::config::{SettingKind, Target};
use crate::field::Value;
use crate::name::{Kind, ObjectName};
use crate::tree::{BuiltObject, Replication, Tree};

impl Found<'_, '_> {
    pub(super) fn claims(&mut self, tree: &Tree) {
        let claims: Vec<_> = pending(self.state, self.to)
            .filter(|(setting, _)| setting.setting.kind == SettingKind::Claim)
            .map(|(setting, wanted)| (setting.setting.target.namespace.clone(), wanted.to_string()))
            .collect();
        for (namespace, claim) in claims {
            let (Ok(kind), Ok(name)) = (Kind::new("PersistentVolumeClaim"), ObjectName::new(claim)) else {
                continue;
            };
            let target = Target { kind, name, namespace, path: None };
            match tree.listing.find(&target) {
                Ok(found) => {
                    let detail = format!("{target} is declared in {}:{}", found.path, found.place.line);
                    self.add(Check::TargetClaim, Verdict::Pass, detail);
                }
                Err(problem) => {
                    let near = problem.hint.split_once("near: ").map(|(_, near)| format!(" (near: {near})"));
                    let detail = format!(
                        "{}{}; the cluster may have the claim from elsewhere, else the pod will stay Pending",
                        problem.detail,
                        near.unwrap_or_default()
                    );
                    self.add(Check::TargetClaim, Verdict::Unknown, detail);
                }
            }
        }
    }

    /// A copy into a volume that is in use destroys it; one that runs into a volume that was left is lost work at best.
    pub(super) fn replications(&mut self, tree: &Tree) {
        let claims: Vec<_> = pending(self.state, self.to)
            .filter(|(setting, _)| setting.setting.kind == SettingKind::Claim)
            .map(|(setting, wanted)| {
                let namespace = setting.setting.target.namespace.clone();
                (namespace, wanted.to_string(), setting.setting.value(self.to.other()).to_string())
            })
            .collect();
        for (namespace, live, left) in claims {
            let all: Vec<_> = tree.listing.replications(namespace.as_str()).collect();
            let into_live = all.iter().any(|object| {
                object.replication.is_some_and(|copy| copy.into && copy.direct && copy.claim == live)
            });
            for object in &all {
                let Some(copy) = object.replication else { continue };
                let matters = if copy.into {
                    copy.direct && copy.claim == live
                } else {
                    into_live && copy.claim == left
                };
                if !matters || self.is_paused(object, copy) {
                    continue;
                }
                let (kind, name, path, line) = (object.kind, &object.name, object.path, object.place.line);
                let what = if copy.into {
                    format!("writes straight into {live}, which goes live, and would overwrite it")
                } else {
                    format!("goes on to copy {left}, which is left")
                };
                let detail = format!(
                    "{kind} {namespace}/{name} ({path}:{line}) {what}; add a setting for its spec.paused to the service"
                );
                self.add(Check::ReplicationRuns, Verdict::Warn, detail);
            }
        }
    }

    /// Whether the object rests after the move.
    fn is_paused(&self, object: &BuiltObject<'_>, copy: &Replication) -> bool {
        let mut settings = self.state.service.settings.iter();
        let own = settings.find(|setting| {
            let target = &setting.target;
            target.kind.as_str() == object.kind
                && target.name.as_str() == object.name
                && target.namespace.as_str() == object.namespace
                && setting.field.to_string() == "spec.paused"
        });
        match own {
            Some(setting) => *setting.value(self.to) == Value::Bool(true),
            None => copy.paused.as_deref() == Some("true"),
        }
    }
}
