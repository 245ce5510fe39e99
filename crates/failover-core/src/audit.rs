//! The config held against the repository before anybody needs to move: what would fail at night is said by day.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::check::{Check, Verdict};
use crate::code::{Code, Problem};
use crate::config::{Config, HOLDS_PATH, Scope, Service, SettingKind};
use crate::field::{Segment, Value};
use crate::intent::Intent;
use crate::inventory::{ClaimName, Inventory, Origin, Volume};
use crate::name::{OperationId, RepoPath, Role, ServiceName};
use crate::plan::{Rejection, plan};
use crate::restraint::Restraints;
use crate::topology::{Active, ServiceState};
use crate::tree::Tree;
use crate::yaml::Place;

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What was looked at.
    pub rule: Rule,
    /// How bad it is.
    pub level: Level,
    /// The service, if it is about one.
    pub service: Option<ServiceName>,
    /// What is there, in one sentence.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// Where.
    pub at: At,
}

/// How bad a [`Notice`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A move would fail, or lose something.
    Error,
    /// A move works, but perhaps not as expected.
    Warning,
}

/// The place of a [`Notice`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// In the config.
    Config(Place),
    /// In a file of the repository.
    File(RepoPath, Place),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A move of the service would be answered with this code.
    Code(Code),
    /// A check that every move makes.
    Finding(Check),
    /// Both claims are declared.
    ClaimMissing,
    /// Both claims ask for the same storage.
    CapacityDiffers,
    /// A claim's volume has at least what the claim asks for.
    VolumeTooSmall,
    /// The volume of a role's claim is where the role's node label is.
    WrongNode,
    /// The volumes of both claims are on different nodes.
    SameNode,
    /// No other workload mounts a claim that moves.
    ClaimShared,
    /// Every app with a second claim is in the config.
    AppLeftOut,
    /// Every hold is on a service of the config.
    HoldUnknown,
}

impl Rule {
    /// The rules that only this look at a repository has, apart from codes and checks.
    pub const OWN: [Self; 8] = [
        Self::ClaimMissing,
        Self::CapacityDiffers,
        Self::VolumeTooSmall,
        Self::WrongNode,
        Self::SameNode,
        Self::ClaimShared,
        Self::AppLeftOut,
        Self::HoldUnknown,
    ];

    /// As outputs name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code(code) => code.as_str(),
            Self::Finding(check) => check.as_str(),
            Self::ClaimMissing => "claim-missing",
            Self::CapacityDiffers => "capacity-differs",
            Self::VolumeTooSmall => "volume-too-small",
            Self::WrongNode => "wrong-node",
            Self::SameNode => "same-node",
            Self::ClaimShared => "claim-shared",
            Self::AppLeftOut => "app-left-out",
            Self::HoldUnknown => "hold-unknown",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything that is wrong between `config` and `tree`, which must hold the text of every file.
#[must_use]
pub fn audit(config: &Config, tree: &Tree) -> Vec<Notice> {
    let inventory = Inventory::of(tree);
    // A hold stops a move on purpose, and is no mistake.
    let free = Tree { restraints: Restraints::default(), ..tree.clone() };
    let mut notices = audit_services(config, &free, &inventory);
    let mut audit = Audit { inventory: &inventory, notices: Vec::new() };
    audit.left_out(config);
    audit.holds(config, &tree.restraints);
    notices.append(&mut audit.notices);
    notices
}

/// The same without a look for apps that are not in the config.
pub(crate) fn audit_services(config: &Config, tree: &Tree, inventory: &Inventory) -> Vec<Notice> {
    let mut audit = Audit { inventory, notices: Vec::new() };
    for service in config.services() {
        audit.moves(config, service, tree);
        audit.claims(service);
    }
    audit.notices
}

struct Audit<'i> {
    inventory: &'i Inventory,
    notices: Vec<Notice>,
}

impl Audit<'_> {
    fn add(
        &mut self,
        rule: Rule,
        level: Level,
        service: Option<&Service>,
        at: At,
        detail: String,
        hint: &str,
    ) {
        let (service, hint) = (service.map(|service| service.name.clone()), hint.to_owned());
        let notice = Notice { rule, level, service, detail, hint, at };
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// The holds file can be read, and what it names is configured.
    fn holds(&mut self, config: &Config, restraints: &Restraints) {
        let file = &restraints.holds;
        let holds = match file.known() {
            Ok(holds) => holds,
            Err(problems) => {
                for problem in problems {
                    let Some(at) = place_of(&problem) else { continue };
                    let rule = Rule::Code(problem.code);
                    self.add(rule, Level::Error, None, at, problem.detail, &problem.hint);
                }
                return;
            }
        };
        let Ok(path) = RepoPath::new(HOLDS_PATH) else { return };
        for hold in holds.iter() {
            let Scope::Service(name) = &hold.scope else { continue };
            if config.get(name).is_some() {
                continue;
            }
            let hint = match config.nearest(name.as_str()).first() {
                Some(near) => format!("did you mean {near}? otherwise remove the hold"),
                None => "correct the name, or remove the hold".to_owned(),
            };
            let detail = format!("the hold of {} is on {name}, which is not in the config", hold.owner);
            let at = At::File(path.clone(), hold.place);
            self.add(Rule::HoldUnknown, Level::Error, None, at, detail, &hint);
        }
    }

    /// What the next move of the service would be answered.
    fn moves(&mut self, config: &Config, service: &Service, tree: &Tree) {
        let to = match ServiceState::read(service, tree).active() {
            Active::Backup => Role::Primary,
            Active::Primary | Active::Mixed | Active::Unknown => Role::Backup,
        };
        let Ok(operation) = OperationId::new("check") else { return };
        let intent = Intent {
            services: service.name.clone().into(),
            to,
            partial: false,
            reason: None,
            requested_by: None,
            expect: None,
            alarm_began: None,
            force: BTreeSet::new(),
            operation,
            idempotency_key: None,
        };
        let here = At::Config(service.place);
        match plan(config, &intent, tree, Timestamp::UNIX_EPOCH) {
            Err(Rejection::Problems(problems)) => {
                for problem in problems.iter().filter(|problem| problem.code != Code::CheckBlocked) {
                    let at = place_of(problem).unwrap_or_else(|| here.clone());
                    let (code, detail) = (Rule::Code(problem.code), problem.detail.clone());
                    self.add(code, Level::Error, Some(service), at, detail, &problem.hint);
                }
            }
            Err(Rejection::Expectation(problem)) => {
                self.add(
                    Rule::Code(problem.code),
                    Level::Error,
                    Some(service),
                    here,
                    problem.detail,
                    &problem.hint,
                );
            }
            Ok(plan) => {
                // Who else mounts a claim is said below, with what to do about it.
                for finding in plan.findings.into_iter().filter(|one| one.check != Check::ClaimInUse) {
                    let level = match finding.verdict {
                        Verdict::Block => Level::Error,
                        Verdict::Warn => Level::Warning,
                        Verdict::Pass | Verdict::Unknown => continue,
                    };
                    let hint = "see the checks in docs/http.md";
                    let rule = Rule::Finding(finding.check);
                    self.add(rule, level, Some(service), here.clone(), finding.detail, hint);
                }
            }
        }
    }

    /// The storage that the service moves between.
    fn claims(&mut self, service: &Service) {
        for setting in service.settings.iter().filter(|setting| setting.kind == SettingKind::Claim) {
            let [primary, backup] = [Role::Primary, Role::Backup].map(|role| ClaimName {
                namespace: setting.target.namespace.to_string(),
                name: setting.value(role).to_string(),
            });
            self.declared(service, &primary, &backup);
            self.storage(service, &primary, &backup);
            self.nodes(service, &primary, &backup);
            for claim in [&primary, &backup] {
                self.shared(service, claim);
            }
        }
    }

    fn declared(&mut self, service: &Service, primary: &ClaimName, backup: &ClaimName) {
        let claims = &self.inventory.claims;
        let missing: Vec<&ClaimName> =
            [primary, backup].into_iter().filter(|claim| !claims.contains_key(*claim)).collect();
        // Claims that all come from elsewhere are somebody's way of working; one of a pair is a slip.
        let level = if missing.len() == 2 { Level::Warning } else { Level::Error };
        for claim in missing {
            let ClaimName { namespace, name } = claim;
            let near = crate::name::nearest(
                name,
                claims.keys().filter(|known| known.namespace == *namespace).map(|known| known.name.as_str()),
            );
            let hint = match near.first() {
                Some(near) => format!("did you mean {near}? otherwise declare the claim"),
                None => "declare the claim, or correct its name in the config".to_owned(),
            };
            let detail =
                format!("no manifest declares the claim {namespace}/{name} of service {}", service.name);
            self.add(Rule::ClaimMissing, level, Some(service), At::Config(service.place), detail, &hint);
        }
    }

    fn storage(&mut self, service: &Service, primary: &ClaimName, backup: &ClaimName) {
        let claims = &self.inventory.claims;
        if let (Some(first), Some(second)) = (claims.get(primary), claims.get(backup))
            && let (Some(wanted), Some(has)) = (&first.storage, &second.storage)
            && differs(wanted, has)
        {
            let detail = format!("{} asks for {wanted} and {} for {has}", primary.name, backup.name);
            let hint = "let both ask for the same storage, or a copy may not fit";
            self.add(Rule::CapacityDiffers, Level::Error, Some(service), at(&second.origin), detail, hint);
        }
        for name in [primary, backup] {
            let (Some(claim), Some(volume)) = (claims.get(name), self.inventory.volume_of(name)) else {
                continue;
            };
            let (Some(wanted), Some(has)) = (&claim.storage, &volume.storage) else { continue };
            if quantity(has).zip(quantity(wanted)).is_some_and(|(has, wanted)| has < wanted) {
                let (volume_name, at) = (&volume.origin.name, at(&volume.origin));
                let detail =
                    format!("{} asks for {wanted}, and its volume {volume_name} has {has}", name.name);
                let hint = "Kubernetes will not bind them; make the volume as large as the claim";
                self.add(Rule::VolumeTooSmall, Level::Error, Some(service), at, detail, hint);
            }
        }
    }

    /// Whether each role's volume is on a node that the role's label can choose.
    fn nodes(&mut self, service: &Service, primary: &ClaimName, backup: &ClaimName) {
        let volumes = [primary, backup].map(|claim| self.inventory.volume_of(claim));
        for (role, volume) in [Role::Primary, Role::Backup].into_iter().zip(volumes) {
            let Some(volume) = volume else { continue };
            for setting in service.settings.iter().filter(|setting| setting.kind == SettingKind::Node) {
                let Some(Segment::Key(key)) = setting.field.segments().last() else { continue };
                let (Some(values), Value::String(label)) = (volume.nodes.get(key), setting.value(role))
                else {
                    continue;
                };
                if !values.contains(label) {
                    let detail = format!(
                        "the {role} role runs where {key} is {label}, but its volume {} is where {key} is {}",
                        volume.origin.name,
                        values.join(" or ")
                    );
                    let hint = "correct the node label in the config, or the volume's nodeAffinity";
                    self.add(Rule::WrongNode, Level::Error, Some(service), at(&volume.origin), detail, hint);
                }
            }
        }
        if let [Some(first), Some(second)] = volumes
            && is_same_node(first, second)
        {
            let detail = format!(
                "the volumes of both roles, {} and {}, are on the same node ({})",
                first.origin.name,
                second.origin.name,
                first.nodes.values().flatten().cloned().collect::<Vec<_>>().join(", ")
            );
            let hint = "put the backup claim's volume on the other node";
            self.add(Rule::SameNode, Level::Error, Some(service), at(&second.origin), detail, hint);
        }
    }

    fn shared(&mut self, service: &Service, claim: &ClaimName) {
        let inventory = self.inventory;
        for workload in inventory.workloads.iter().filter(|one| one.origin.namespace == claim.namespace) {
            let origin = &workload.origin;
            let is_own = service.settings.iter().any(|setting| {
                let target = &setting.target;
                target.kind.as_str() == origin.kind && target.name.as_str() == origin.name
            });
            let Some(mount) = workload.mounts.iter().find(|mount| mount.value == claim.name) else {
                continue;
            };
            if !is_own {
                let detail = format!(
                    "{} {} mounts the claim {} of service {}, too, and does not move with it",
                    origin.kind, origin.name, claim.name, service.name
                );
                let hint = "let a setting of the service move it, or give it a claim of its own";
                let at = At::File(origin.path.clone(), mount.place);
                self.add(Rule::ClaimShared, Level::Error, Some(service), at, detail, hint);
            }
        }
    }

    fn left_out(&mut self, config: &Config) {
        let inventory = self.inventory;
        let moved = config.services().flat_map(|service| &service.settings);
        let moved = moved.filter(|setting| setting.kind == SettingKind::Claim).flat_map(|setting| {
            [&setting.primary, &setting.backup].map(|value| ClaimName {
                namespace: setting.target.namespace.to_string(),
                name: value.to_string(),
            })
        });
        let targets = config.services().flat_map(|service| &service.settings).map(|setting| {
            let target = &setting.target;
            (target.kind.as_str(), target.namespace.as_str(), target.name.as_str())
        });
        let (mut known, targets): (BTreeSet<ClaimName>, BTreeSet<_>) = (moved.collect(), targets.collect());
        for workload in &inventory.workloads {
            let origin = &workload.origin;
            let is_target =
                targets.contains(&(origin.kind.as_str(), origin.namespace.as_str(), origin.name.as_str()));
            for mount in &workload.mounts {
                let Some(pair) = inventory.pair(workload, mount) else { continue };
                // Of twins, each with its own claim, one tells of both; twins that are scaled move without their claims.
                if is_target || known.contains(&pair.primary) || known.contains(&pair.backup) {
                    continue;
                }
                let detail = format!(
                    "{} {}/{} mounts {}, and there is {}, but no service moves it",
                    origin.kind, origin.namespace, origin.name, pair.primary.name, pair.backup.name
                );
                let hint = "add it to the config; failover-api scan proposes the entry";
                let at = At::File(origin.path.clone(), mount.place);
                self.add(Rule::AppLeftOut, Level::Error, None, at, detail, hint);
                known.extend([pair.primary, pair.backup]);
            }
        }
    }
}

fn at(origin: &Origin) -> At {
    At::File(origin.path.clone(), origin.place)
}

fn place_of(problem: &Problem) -> Option<At> {
    let start = Place { line: 1, column: 1 };
    problem.file.as_ref().map(|file| At::File(file.clone(), problem.place.unwrap_or(start)))
}

fn is_same_node(first: &Volume, second: &Volume) -> bool {
    !first.nodes.is_empty() && first.nodes == second.nodes
}

/// Whether two amounts are not the same, however they are written.
fn differs(first: &str, second: &str) -> bool {
    match (quantity(first), quantity(second)) {
        (Some(first), Some(second)) => first != second,
        _ => first != second,
    }
}

/// A Kubernetes quantity in thousandths; `None` for what is not one, or has an exponent.
fn quantity(text: &str) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u128 = match unit {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000_u128.pow(3),
        "G" => 1000_u128.pow(4),
        "T" => 1000_u128.pow(5),
        "P" => 1000_u128.pow(6),
        "E" => 1000_u128.pow(7),
        "Ki" => 1000 * 1024,
        "Mi" => 1000 * 1024_u128.pow(2),
        "Gi" => 1000 * 1024_u128.pow(3),
        "Ti" => 1000 * 1024_u128.pow(4),
        "Pi" => 1000 * 1024_u128.pow(5),
        "Ei" => 1000 * 1024_u128.pow(6),
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let value = format!("{whole}{part}").parse::<u128>().ok()?;
    value.checked_mul(factor).map(|value| value / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_by_what_they_say() {
        assert!(!differs("1Gi", "1024Mi"));
        assert!(!differs("1.5Gi", "1536Mi"));
        assert!(!differs("1", "1000m"));
        assert!(differs("1Gi", "1G"));
        assert!(differs("10Gi", "20Gi"));
        assert!(differs("1e3", "1Ki"));
        assert!(!differs("odd", "odd"));
        for odd in ["", "Gi", "-1", "1.2.3", "1XB", "99999999999999999999999999999999999999999"] {
            assert_eq!(quantity(odd), None, "{odd}");
        }
    }
}
