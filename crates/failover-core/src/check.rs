//! What is looked at before a move, and what was found.

use std::fmt;

use crate::change::pending;
use crate::config::{SettingKind, Target};
use crate::name::{Kind, ObjectName, Role, ServiceName};
use crate::topology::{Active, ServiceState, Side};
use crate::tree::Tree;

/// A check, by the name that a caller overrides it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
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
    /// A kustomization patches the edited object, and the patch may undo the edit.
    KustomizePatch,
    /// Files that cannot be read may hide another manifest of the same name.
    UnreadableFiles,
    /// The service was chosen because it is on a node, and the role that it goes to is on the same one.
    StaysOnNode,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 9] = [
        Self::UnexpectedValue,
        Self::MixedState,
        Self::KeyAdded,
        Self::TargetClaim,
        Self::SeveralBuilds,
        Self::NotBuilt,
        Self::KustomizePatch,
        Self::UnreadableFiles,
        Self::StaysOnNode,
    ];

    /// As answers and requests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnexpectedValue => "unexpected-value",
            Self::MixedState => "mixed-state",
            Self::KeyAdded => "key-added",
            Self::TargetClaim => "target-claim",
            Self::SeveralBuilds => "several-builds",
            Self::NotBuilt => "not-built",
            Self::KustomizePatch => "kustomize-patch",
            Self::UnreadableFiles => "unreadable-files",
            Self::StaysOnNode => "stays-on-node",
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

impl serde::Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// What a check decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
    found.findings
}

struct Found<'s, 'a> {
    state: &'s ServiceState<'a>,
    to: Role,
    findings: Vec<Finding>,
}

impl Found<'_, '_> {
    fn add(&mut self, check: Check, verdict: Verdict, detail: String) {
        let service = self.state.name().clone();
        self.findings.push(Finding { check, verdict, service, detail });
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
                let detail = format!("{path} is built from {builds}; the move reaches each of them");
                self.add(Check::SeveralBuilds, Verdict::Warn, detail);
            }
            if let Some(folder) = &setting.found.unlisted_by {
                let detail = format!(
                    "the kustomization in {folder} does not list {path}, and no other build does; Flux may apply something else"
                );
                self.add(Check::NotBuilt, Verdict::Warn, detail);
            }
            for folder in &setting.found.patched_by {
                let (target, field) = (&setting.setting.target, &setting.setting.field);
                let detail = format!(
                    "the kustomization in {folder} patches {target}; if the patch sets {field}, the edit of {path} has no effect"
                );
                self.add(Check::KustomizePatch, Verdict::Warn, detail);
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
