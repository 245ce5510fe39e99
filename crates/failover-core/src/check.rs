//! What is looked at before a move, and what was found.

use std::fmt;

use crate::change::pending;
use crate::code::Code;
use crate::config::{SettingKind, Target};
use crate::field::Value;
use crate::name::{Kind, ObjectName, Role, ServiceName};
use crate::topology::{Active, ServiceState, Side};
use crate::tree::{Alteration, BuiltObject, Replication, Tree, Unbuilt, alterations};
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

/// A check, by the name that a caller overrides it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Somebody holds the service where it is.
    Held,
    /// The service was failed over not long ago.
    Cooldown,
    /// A field has a value that the config does not know.
    UnexpectedValue,
    /// The settings of a service disagree.
    MixedState,
    /// A missing key is added.
    KeyAdded,
    /// The claim that the service moves to is in the repository.
    TargetClaim,
    /// The edited file is part of several builds.
    SeveralBuilds,
    /// No build lists the edited file.
    NotBuilt,
    /// Something on the way to the cluster sets the edited field once more: a patch, a replacement, a count of replicas.
    KustomizePatch,
    /// Files that cannot be read may hide another manifest of the same name.
    UnreadableFiles,
    /// The service was chosen because it is on a node, and the role that it goes to is on the same one.
    StaysOnNode,
    /// VolSync goes on to write into the claim that goes live, or to copy from the one that is left.
    ReplicationRuns,
    /// Flux takes the move back when the app is slow to start.
    RollsBack,
    /// Flux does not apply what is committed.
    Suspended,
    /// A new pod starts only after the old one is gone, which a dead node never says.
    WaitsForOldPod,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 15] = [
        Self::Held,
        Self::Cooldown,
        Self::UnexpectedValue,
        Self::MixedState,
        Self::KeyAdded,
        Self::TargetClaim,
        Self::SeveralBuilds,
        Self::NotBuilt,
        Self::KustomizePatch,
        Self::UnreadableFiles,
        Self::StaysOnNode,
        Self::ReplicationRuns,
        Self::RollsBack,
        Self::Suspended,
        Self::WaitsForOldPod,
    ];

    /// As answers and requests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Cooldown => "cooldown",
            Self::UnexpectedValue => "unexpected-value",
            Self::MixedState => "mixed-state",
            Self::KeyAdded => "key-added",
            Self::TargetClaim => "target-claim",
            Self::SeveralBuilds => "several-builds",
            Self::NotBuilt => "not-built",
            Self::KustomizePatch => "kustomize-patch",
            Self::UnreadableFiles => "unreadable-files",
            Self::StaysOnNode => "stays-on-node",
            Self::ReplicationRuns => "replication-runs",
            Self::RollsBack => "rolls-back",
            Self::Suspended => "suspended",
            Self::WaitsForOldPod => "waits-for-old-pod",
        }
    }

    /// The code of an answer that says no for this reason.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Held | Self::Cooldown => Code::Held,
            Self::UnexpectedValue
            | Self::MixedState
            | Self::KeyAdded
            | Self::TargetClaim
            | Self::SeveralBuilds
            | Self::NotBuilt
            | Self::KustomizePatch
            | Self::UnreadableFiles
            | Self::StaysOnNode
            | Self::ReplicationRuns
            | Self::RollsBack
            | Self::Suspended
            | Self::WaitsForOldPod => Code::CheckBlocked,
        }
    }

    /// The check of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl schemars::JsonSchema for Check {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A check, by the name that a caller overrides it with.",
            "type": "string",
            "enum": Self::ALL,
        })
    }
}

impl serde::Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// What a check decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Look at it; the move goes on.
    Warn,
    /// The move stops unless the caller overrides this check by name.
    Block,
    /// The repository cannot tell.
    Unknown,
}

/// One check's verdict on one service, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// What it decided.
    pub verdict: Verdict,
    /// The service.
    pub service: ServiceName,
    /// The evidence, in one sentence.
    pub detail: String,
}

/// Everything found about moving a service to `to`. A service that is already there is not in danger: nothing blocks.
#[must_use]
pub fn findings(state: &ServiceState<'_>, to: Role, tree: &Tree) -> Vec<Finding> {
    let mut found = Found { state, to, findings: Vec::new() };
    found.values();
    found.claims(tree);
    found.files(tree);
    found.alterations(tree);
    found.replications(tree);
    found.objects(tree);
    found.findings
}

struct Found<'s, 'a> {
    state: &'s ServiceState<'a>,
    to: Role,
    findings: Vec<Finding>,
}

impl Found<'_, '_> {
    fn add(&mut self, check: Check, verdict: Verdict, detail: String) {
        let finding = Finding { check, verdict, service: self.state.name().clone(), detail };
        // What is true of a file is found once for each object in it.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn values(&mut self) {
        if self.state.active() == Active::Mixed {
            let each: Vec<String> = self
                .state
                .settings
                .iter()
                .map(|setting| {
                    let value = setting
                        .current
                        .as_ref()
                        .map_or_else(|| "absent".to_owned(), |v| format!("{v:?}", v = v.to_string()));
                    let side = match setting.side {
                        Side::Primary => "primary",
                        Side::Backup => "backup",
                        Side::Other => "neither",
                        Side::Absent => "absent",
                    };
                    format!("{} is {value} ({side})", setting.setting.field)
                })
                .collect();
            self.add(Check::MixedState, Verdict::Warn, format!("the settings disagree: {}", each.join("; ")));
        }
        for (setting, wanted) in pending(self.state, self.to) {
            let at = format!("{}:{}", setting.found.path, setting.place.line);
            let field = &setting.setting.field;
            match (&setting.current, setting.side) {
                (Some(value), Side::Other) => {
                    let (primary, backup) = (&setting.setting.primary, &setting.setting.backup);
                    let detail = format!(
                        "{at}: {field} is \"{value}\", which is neither the primary value \"{primary}\" nor the backup value \"{backup}\" of the config"
                    );
                    self.findings.push(Finding {
                        check: Check::UnexpectedValue,
                        verdict: Verdict::Block,
                        service: self.state.name().clone(),
                        detail,
                    });
                }
                // A pod runs only where every label fits, so one more label can leave no node at all.
                (None, _) if setting.setting.kind == SettingKind::Node && !setting.beside.is_empty() => {
                    let others = setting.beside.join(", ");
                    self.findings.push(Finding {
                        check: Check::KeyAdded,
                        verdict: Verdict::Block,
                        service: self.state.name().clone(),
                        detail: format!(
                            "{at}: the node selector has {others} but not the configured label, and both together may fit no node; is node_label_key right?"
                        ),
                    });
                }
                (None, _) => self.findings.push(Finding {
                    check: Check::KeyAdded,
                    verdict: Verdict::Warn,
                    service: self.state.name().clone(),
                    detail: format!("{at}: {field} is missing; it is added with the value \"{wanted}\""),
                }),
                (Some(_), Side::Primary | Side::Backup | Side::Absent) => {}
            }
        }
    }

    fn claims(&mut self, tree: &Tree) {
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
    fn replications(&mut self, tree: &Tree) {
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

    /// What the edited objects themselves say about how a move is applied.
    fn objects(&mut self, tree: &Tree) {
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

    /// What is set once more on the way to the cluster does not move.
    fn alterations(&mut self, tree: &Tree) {
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            let (target, field, found) = (&setting.setting.target, &setting.setting.field, &setting.found);
            for Alteration { what, is_certain } in alterations(tree, found, target, field) {
                if is_certain {
                    let detail = format!(
                        "{what} sets {field} of {target}, so that an edit of {} would have no effect; take it out there, or make that the `path` of the setting (docs/config.md)",
                        found.path
                    );
                    self.add(Check::KustomizePatch, Verdict::Block, detail);
                } else {
                    let detail = format!(
                        "{what} may set {field} of {target}; if so, the edit of {} has no effect",
                        found.path
                    );
                    self.add(Check::KustomizePatch, Verdict::Warn, detail);
                }
            }
        }
    }

    fn files(&mut self, tree: &Tree) {
        let mut seen = Vec::new();
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            if seen.contains(&&setting.found.path) {
                continue;
            }
            seen.push(&setting.found.path);
            let path = &setting.found.path;
            if setting.found.built_from.len() > 1 {
                let builds = setting.found.built_from.join(", ");
                // One that Flux applies in two places is in two clusters, as a rule.
                if setting.found.applied_by() > 1 {
                    let detail = format!(
                        "{path} is applied by {builds}: the move reaches each of them, also a cluster where nothing is wrong"
                    );
                    self.add(Check::SeveralBuilds, Verdict::Block, detail);
                } else {
                    let detail = format!("{path} is built from {builds}; the move reaches each of them");
                    self.add(Check::SeveralBuilds, Verdict::Warn, detail);
                }
            }
            match &setting.found.unbuilt {
                Some(Unbuilt::LeftOut(folder)) => {
                    let detail = format!(
                        "the kustomization in {folder} does not list {path}, and no other build does; Flux may apply something else"
                    );
                    self.add(Check::NotBuilt, Verdict::Warn, detail);
                }
                Some(Unbuilt::Nowhere) => {
                    let detail = format!(
                        "no Flux Kustomization and no kustomization of the repository builds {path}; Flux may apply something else"
                    );
                    self.add(Check::NotBuilt, Verdict::Warn, detail);
                }
                Some(Unbuilt::NotApplied { file, folder }) => {
                    let detail = format!(
                        "the Flux Kustomization in {file} builds {path}, and the kustomization in {folder} does not list {file}; Flux may apply something else"
                    );
                    self.add(Check::NotBuilt, Verdict::Warn, detail);
                }
                None => {}
            }
            for hidden in tree.listing.unreadable_kustomizations() {
                let detail =
                    format!("{hidden} cannot be read, so that it is not known what it builds or patches");
                self.add(Check::UnreadableFiles, Verdict::Warn, detail);
            }
            for (hidden, place) in tree.listing.suspects(&setting.setting.target) {
                let detail = format!(
                    "{hidden}:{} cannot be read and mentions the name {}; it may hold a second manifest",
                    place.line, setting.setting.target.name
                );
                self.add(Check::UnreadableFiles, Verdict::Warn, detail);
            }
        }
    }
}
