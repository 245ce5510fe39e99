//! A repository read for apps that can move: proposed entries for the config, each with its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::audit::{Level, audit_services};
use crate::config;
use crate::field::{FieldPath, Value};
use crate::inventory::{Inventory, Pair, Workload, is_backup_of};
use crate::name::ServiceName;
use crate::restraint::Restraints;
use crate::tree::{Tree, variable};
use crate::workload::Mount;

/// Labels that say what a node is, not which one.
const NO_PLACE: [&str; 5] = [
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "node.kubernetes.io/instance-type",
];

/// What a scan found.
#[derive(Debug)]
pub struct Proposal {
    /// The text of a `services.yaml`; without a service it is not a config yet.
    pub text: String,
    /// The proposed services, in the text's order.
    pub services: Vec<Proposed>,
    /// Apps that look as if they could move, with why no entry is proposed.
    pub left_out: Vec<(String, String)>,
}

/// A proposed service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Its name in the config.
    pub name: ServiceName,
    /// What runs it, such as `Deployment media/sonarr`.
    pub app: String,
    /// What speaks for the entry, a fact a line.
    pub evidence: Vec<String>,
}

/// Proposes an entry for every app that has two claims, or a twin of which one is scaled to zero. Only entries that
/// [`audit`](crate::audit::audit) has nothing against are proposed. `tree` must hold the text of every file.
#[must_use]
pub fn scan(tree: &Tree) -> Proposal {
    let inventory = Inventory::of(tree);
    let scan = Scan { inventory: &inventory, tree };
    let mut left_out = Vec::new();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let workloads = inventory.workloads.iter().filter(|workload| !scan.is_second_twin(workload));
    for (workload, found) in workloads.filter_map(|workload| {
        let found = scan.twins(workload).or_else(|| scan.entry(workload))?;
        Some((workload, found))
    }) {
        let app = format!("{} {}/{}", workload.origin.kind, workload.origin.namespace, workload.origin.name);
        match found {
            Ok(entry) => {
                let name = match entries.contains_key(&workload.origin.name) {
                    true => format!("{}-{}", workload.origin.namespace, workload.origin.name),
                    false => workload.origin.name.clone(),
                };
                entries.insert(name, Entry { app, ..entry });
            }
            Err(reason) => left_out.push((app, reason)),
        }
    }
    entries.retain(|name, entry| match objection(name, entry, tree, &inventory) {
        None => true,
        Some(reason) => {
            left_out.push((entry.app.clone(), reason));
            false
        }
    });
    without_conflicts(&mut entries, &mut left_out);
    let mut text = String::new();
    if !entries.is_empty() {
        text.push_str("services:\n");
    }
    entries.iter().for_each(|(name, entry)| text.push_str(&entry.text(name)));
    for (app, reason) in &left_out {
        let _ = writeln!(text, "# left out: {app}: {}", reason.replace('\n', " "));
    }
    let proposed = |(name, entry): (String, Entry)| {
        let name = ServiceName::new(name).ok()?;
        Some(Proposed { name, app: entry.app, evidence: entry.evidence })
    };
    Proposal { text, services: entries.into_iter().filter_map(proposed).collect(), left_out }
}

/// Leaves out entries that are good alone but not together, such as two that would set the same variable.
fn without_conflicts(entries: &mut BTreeMap<String, Entry>, left_out: &mut Vec<(String, String)>) {
    let wrong = |text: &str| match config::parse(&format!("services:\n{text}")) {
        Ok(_) => None,
        Err(errors) => errors.as_slice().first().map(|error| error.message.clone()),
    };
    let all: String = entries.iter().map(|(name, entry)| entry.text(name)).collect();
    if all.is_empty() || wrong(&all).is_none() {
        return;
    }
    let mut so_far = String::new();
    entries.retain(|name, entry| {
        let text = entry.text(name);
        match wrong(&format!("{so_far}{text}")) {
            None => {
                so_far.push_str(&text);
                true
            }
            Some(reason) => {
                left_out.push((entry.app.clone(), reason));
                false
            }
        }
    });
}

/// What is against an entry, when it stands alone.
fn objection(name: &str, entry: &Entry, tree: &Tree, inventory: &Inventory) -> Option<String> {
    let text = format!("services:\n{}", entry.text(name));
    let config = match config::parse(&text) {
        Ok(config) => config,
        Err(errors) => return errors.as_slice().first().map(|error| error.message.clone()),
    };
    // What is held now can be configured all the same.
    let free = Tree { restraints: Restraints::default(), ..tree.clone() };
    let notices = audit_services(&config, &free, inventory);
    let error = notices.into_iter().find(|one| one.level == Level::Error);
    error.map(|notice| format!("{}: {}", notice.rule, notice.detail))
}

/// A proposed entry: its evidence and its lines.
struct Entry {
    app: String,
    evidence: Vec<String>,
    lines: Vec<String>,
}

impl Entry {
    fn text(&self, name: &str) -> String {
        let mut text = String::new();
        for line in &self.evidence {
            let _ = writeln!(text, "  # {line}");
        }
        let _ = writeln!(text, "  {name}:");
        for line in &self.lines {
            let _ = writeln!(text, "    {line}");
        }
        text
    }
}

/// A field that is set, with its value at each role.
struct Set {
    target: String,
    field: String,
    primary: Value,
    backup: Value,
}

impl Set {
    fn lines(&self) -> [String; 4] {
        [
            format!("  - target: {}", self.target),
            format!("    field: {}", quoted(&self.field)),
            format!("    primary: {}", written(&self.primary)),
            format!("    backup: {}", written(&self.backup)),
        ]
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Bool(_) | Value::Int(_) => value.to_string(),
    }
}

/// A text as the config's reader takes for a text.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./[]=\\".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "yes" | "n" | "no" | "on" | "off" | "null" | "true" | "false"
    );
    if starts && text.chars().all(is_plain) && !is_word {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Scan<'s> {
    inventory: &'s Inventory,
    tree: &'s Tree,
}

/// A field as it is written, or where its variable gets its value.
struct Source {
    value: String,
    /// The target and field of the variable's value, when it is one.
    variable: Option<(String, String)>,
}

impl Scan<'_> {
    /// The entry of a workload that mounts one of a pair of claims; `None` for one that does not.
    fn entry(&self, workload: &Workload) -> Option<Result<Entry, String>> {
        let mut pairs: Vec<(&Mount, Pair, Source)> = Vec::new();
        for mount in &workload.mounts {
            let source = self.source(workload, mount);
            let read = Mount { value: source.value.clone(), ..mount.clone() };
            if let Some(pair) = self.inventory.pair(workload, &read) {
                pairs.push((mount, pair, source));
            }
        }
        let (_, first, current) = pairs.first()?;
        let at_primary = current.value == first.primary.name;
        if pairs.iter().any(|(_, pair, source)| (source.value == pair.primary.name) != at_primary) {
            return Some(Err("its claims are not all of one role".to_owned()));
        }
        let mut evidence = Vec::new();
        let mut sets = Vec::new();
        for (_, pair, _) in &pairs {
            evidence.push(self.about(pair));
        }
        let labels = match self.labels(workload, first, at_primary, &mut evidence) {
            Ok(labels) => labels,
            Err(reason) => return Some(Err(reason)),
        };
        let mut lines = vec![
            format!("namespace: {}", workload.origin.namespace),
            format!("{}: {}", workload.origin.kind.to_lowercase(), workload.origin.name),
        ];
        let has_pods = workload.origin.kind != "HelmRelease";
        let mut labels = labels.into_iter().peekable();
        let mut claims = pairs.iter().peekable();
        // The short form takes one volume and one label that are written in the manifest itself.
        if let (Some((mount, pair, source)), Some(label)) = (claims.peek(), labels.peek())
            && has_pods
            && source.variable.is_none()
            && label.source.variable.is_none()
        {
            lines.push(format!("volume_name: {}", quoted(&mount.of)));
            lines.push(format!("primary_pvc: {}", quoted(&pair.primary.name)));
            lines.push(format!("backup_pvc: {}", quoted(&pair.backup.name)));
            if label.key != "role" {
                lines.push(format!("node_label_key: {}", quoted(&label.key)));
            }
            lines.push(format!("primary_node_label: {}", quoted(&label.primary)));
            lines.push(format!("backup_node_label: {}", quoted(&label.backup)));
            claims.next();
            labels.next();
        }
        let own = format!("{{kind: {}, name: {}}}", workload.origin.kind, workload.origin.name);
        let place = |source: &Source, field: &FieldPath| {
            source.variable.clone().unwrap_or_else(|| (own.clone(), field.to_string()))
        };
        for (mount, pair, source) in claims {
            let (target, field) = place(source, &mount.field);
            let [primary, backup] =
                [&pair.primary, &pair.backup].map(|claim| Value::String(claim.name.clone()));
            sets.push(Set { target, field, primary, backup });
        }
        for label in labels {
            let (target, field) = place(&label.source, &label.field);
            let [primary, backup] = [label.primary, label.backup].map(Value::String);
            sets.push(Set { target, field, primary, backup });
        }
        for (_, pair, _) in pairs.iter().filter(|(_, pair, _)| pair.copied) {
            sets.extend(self.pauses(pair, at_primary, &mut evidence));
        }
        if !sets.is_empty() {
            lines.push("settings:".to_owned());
            let mut seen = BTreeSet::new();
            sets.retain(|set: &Set| seen.insert((set.target.clone(), set.field.clone())));
            sets.iter().for_each(|set| lines.extend(set.lines()));
        }
        Some(Ok(Entry { app: String::new(), evidence, lines }))
    }

    /// The value of a field, also where a Flux Kustomization fills it in.
    fn source(&self, workload: &Workload, mount: &Mount) -> Source {
        let plain = || Source { value: mount.value.clone(), variable: None };
        let Some(name) = variable(&mount.value) else { return plain() };
        let covering = self.tree.listing.covering(&workload.origin.path);
        let mut filling = covering.iter().filter_map(|flux| Some((flux, flux.value(name)?)));
        match (filling.next(), filling.next()) {
            (Some((flux, value)), None) => {
                let target =
                    format!("{{kind: Kustomization, name: {}, namespace: {}}}", flux.name, flux.namespace);
                let field = format!("spec.postBuild.substitute.{name}");
                Source { value: value.to_owned(), variable: Some((target, field)) }
            }
            _ => plain(),
        }
    }

    fn about(&self, pair: &Pair) -> String {
        let at = |name| match self.inventory.claims.get(name) {
            Some(claim) => format!("{}:{}", claim.origin.path, claim.origin.place.line),
            None => "declared nowhere".to_owned(),
        };
        let (primary, backup) = (&pair.primary, &pair.backup);
        let copied = if pair.copied { "; VolSync copies the one into the other" } else { "" };
        format!("claims {} ({}) and {} ({}){copied}", primary.name, at(primary), backup.name, at(backup))
    }

    /// The labels that choose the node, each with its value at both roles.
    fn labels(
        &self,
        workload: &Workload,
        pair: &Pair,
        at_primary: bool,
        evidence: &mut Vec<String>,
    ) -> Result<Vec<Label>, String> {
        let mut labels = Vec::new();
        let mut unknown = Vec::new();
        for mount in workload.labels.iter().filter(|mount| !NO_PLACE.contains(&mount.of.as_str())) {
            let source = self.source(workload, mount);
            let here = source.value.clone();
            let Some((there, why)) = self.other_label(&mount.of, &here, pair, at_primary) else {
                unknown.push(format!("{}={here}", mount.of));
                continue;
            };
            evidence.push(format!(
                "node label {}={here} ({}:{}), elsewhere {there}: {why}",
                mount.of, workload.origin.path, mount.place.line
            ));
            let (primary, backup) = if at_primary { (here, there) } else { (there, here) };
            labels.push(Label { key: mount.of.clone(), field: mount.field.clone(), source, primary, backup });
        }
        if labels.is_empty() && !unknown.is_empty() {
            return Err(format!(
                "the other node's label is unknown for {}: no volume of the second claim and no other workload tells",
                unknown.join(", ")
            ));
        }
        if labels.is_empty() {
            evidence.push("no node selector: the claims' volumes decide where it runs".to_owned());
        }
        Ok(labels)
    }

    /// The value that a label has at the other role, and how that is known.
    fn other_label(&self, key: &str, here: &str, pair: &Pair, at_primary: bool) -> Option<(String, String)> {
        let other = if at_primary { &pair.backup } else { &pair.primary };
        if let Some(volume) = self.inventory.volume_of(other)
            && let Some([value]) = volume.nodes.get(key).map(Vec::as_slice)
            && value != here
        {
            let at = format!("{}:{}", volume.origin.path, volume.origin.place.line);
            return Some((value.clone(), format!("nodeAffinity of {} ({at})", volume.origin.name)));
        }
        let used = self.inventory.workloads.iter().flat_map(|workload| {
            let labels = workload.labels.iter().filter(|label| label.of == key);
            labels.map(|label| self.source(workload, label).value)
        });
        let bound =
            self.inventory.volumes.values().filter_map(|volume| volume.nodes.get(key)).flatten().cloned();
        let all: BTreeSet<String> = used.chain(bound).collect();
        let is_counterpart = |value: &&String| {
            if at_primary { is_backup_of(value, here) } else { is_backup_of(here, value) }
        };
        if let Some(value) = all.iter().find(is_counterpart) {
            return Some((value.clone(), "by its name".to_owned()));
        }
        match (here, at_primary) {
            ("primary", true) => return Some(("backup".to_owned(), "the usual other word".to_owned())),
            ("backup", false) => return Some(("primary".to_owned(), "the usual other word".to_owned())),
            _ => {}
        }
        let others: Vec<&String> = all.iter().filter(|value| *value != here).collect();
        match others[..] {
            [only] => Some((only.clone(), "the only other value in the repository".to_owned())),
            _ => None,
        }
    }

    /// Both ends of the copy between two claims stop while the backup is in use.
    fn pauses(&self, pair: &Pair, at_primary: bool, evidence: &mut Vec<String>) -> Vec<Set> {
        let into = self
            .inventory
            .copied_from(&pair.primary)
            .filter(|copy| copy.replication.claim == pair.backup.name);
        let namespace = &pair.primary.namespace;
        let sources = self.inventory.copies.iter().filter(|copy| {
            copy.origin.kind == "ReplicationSource"
                && copy.origin.namespace == *namespace
                && copy.replication.claim == pair.primary.name
        });
        let mut sets = Vec::new();
        for copy in sources.chain(into) {
            // Syncthing does not look at spec.paused.
            if copy.replication.mover == "syncthing" {
                evidence.push(format!(
                    "{} {} uses Syncthing, which spec.paused does not stop",
                    copy.origin.kind, copy.origin.name
                ));
                continue;
            }
            let current = copy.replication.paused.as_deref() == Some("true");
            evidence.push(format!(
                "{} {} ({}:{}) is paused while the backup is in use{}",
                copy.origin.kind,
                copy.origin.name,
                copy.origin.path,
                copy.origin.place.line,
                match (&copy.replication.paused, current == at_primary) {
                    (None, _) => "; the first move adds spec.paused, and it stays",
                    (Some(_), true) => "; at present it is not as it should be",
                    (Some(_), false) => "",
                }
            ));
            let target = format!("{{kind: {}, name: {}}}", copy.origin.kind, copy.origin.name);
            let [primary, backup] = [false, true].map(Value::Bool);
            sets.push(Set { target, field: "spec.paused".to_owned(), primary, backup });
        }
        sets
    }

    /// Whether the entry of another workload is about this one, too.
    fn is_second_twin(&self, workload: &Workload) -> bool {
        let origin = &workload.origin;
        self.inventory.workloads.iter().any(|other| {
            (&other.origin.kind, &other.origin.namespace) == (&origin.kind, &origin.namespace)
                && is_backup_of(&origin.name, &other.origin.name)
                && other.replicas.is_some()
                && workload.replicas.is_some()
        })
    }

    /// The entry of a workload that has a twin at the other node, one of them scaled to zero; `None` for others.
    fn twins(&self, workload: &Workload) -> Option<Result<Entry, String>> {
        let origin = &workload.origin;
        let is_twin = |other: &&Workload| {
            other.origin.kind == origin.kind && other.origin.namespace == origin.namespace
        };
        let mut others = self.inventory.workloads.iter().filter(is_twin);
        let second = others.find(|other| is_backup_of(&other.origin.name, &origin.name));
        let counts = |one: &Workload| one.replicas.as_ref()?.parse::<u32>().ok();
        let twin = second?;
        let (own, other) = (counts(workload)?, counts(twin)?);
        if (own == 0) == (other == 0) {
            return Some(Err(format!(
                "it and {} are not one running and one scaled to zero",
                twin.origin.name
            )));
        }
        let running = own.max(other);
        let set = |name: &str, primary: u32, backup: u32| Set {
            target: format!("{{kind: {}, name: {name}}}", origin.kind),
            field: "spec.replicas".to_owned(),
            primary: Value::Int(primary.into()),
            backup: Value::Int(backup.into()),
        };
        let evidence = vec![format!(
            "twins: {} ({}:{}) with {own} replicas and {} ({}:{}) with {other}",
            origin.name,
            origin.path,
            origin.place.line,
            twin.origin.name,
            twin.origin.path,
            twin.origin.place.line
        )];
        let mut lines = vec![
            format!("namespace: {}", origin.namespace),
            format!("{}: {}", origin.kind.to_lowercase(), origin.name),
            "settings:".to_owned(),
        ];
        for set in [set(&origin.name, running, 0), set(&twin.origin.name, 0, running)] {
            lines.extend(set.lines());
        }
        Some(Ok(Entry { app: String::new(), evidence, lines }))
    }
}

/// A node label with its value at each role.
struct Label {
    key: String,
    field: FieldPath,
    source: Source,
    primary: String,
    backup: String,
}
