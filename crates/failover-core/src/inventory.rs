//! The storage and the workloads of a repository: which claims and volumes are declared, and who mounts what.
//!
//! Made from a tree that holds the text of every file. What cannot be read, and patches, are left out.

use std::collections::BTreeMap;

use crate::name::RepoPath;
use crate::tree::{Replication, Tree};
use crate::workload::{Mount, Needs, Reader};
use crate::yaml::{Anchors, Node, Place};

/// Everything that moves depend on.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The claims, by namespace and name.
    pub claims: BTreeMap<ClaimName, Claim>,
    /// The volumes, by name.
    pub volumes: BTreeMap<String, Volume>,
    /// What mounts claims or chooses nodes.
    pub workloads: Vec<Workload>,
    /// VolSync objects that copy from or into a claim of their namespace.
    pub copies: Vec<Copying>,
}

/// An object in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its kind.
    pub kind: String,
    /// Its namespace, as built.
    pub namespace: String,
    /// Its name, as built.
    pub name: String,
    /// The file.
    pub path: RepoPath,
    /// Where it starts.
    pub place: Place,
}

/// A claim: its namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A declared `PersistentVolumeClaim`.
#[derive(Debug)]
pub struct Claim {
    /// Where it is declared.
    pub origin: Origin,
    /// The storage that it asks for, as written.
    pub storage: Option<String>,
    /// The volume that it names.
    pub volume: Option<String>,
}

/// A declared `PersistentVolume`.
#[derive(Debug)]
pub struct Volume {
    /// Where it is declared.
    pub origin: Origin,
    /// Its capacity, as written.
    pub storage: Option<String>,
    /// The claim that it is reserved for.
    pub claim: Option<ClaimName>,
    /// The node labels that it requires, each with the values that fit; several terms are put together.
    pub nodes: BTreeMap<String, Vec<String>>,
}

/// Something that runs pods.
#[derive(Debug)]
pub struct Workload {
    /// The object.
    pub origin: Origin,
    /// The claims that it mounts.
    pub mounts: Vec<Mount>,
    /// The labels of its node selectors.
    pub labels: Vec<Mount>,
    /// `spec.replicas`, as written.
    pub replicas: Option<String>,
}

/// Two claims of which one takes the other's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The claim that belongs to the primary role.
    pub primary: ClaimName,
    /// The claim that takes over.
    pub backup: ClaimName,
    /// Whether VolSync copies the one into the other.
    pub copied: bool,
}

/// A VolSync object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copying {
    /// The `ReplicationSource` or `ReplicationDestination`.
    pub origin: Origin,
    /// What it copies.
    pub replication: Replication,
}

impl Inventory {
    /// Everything in `tree`, as far as it holds the files' texts.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        let mut inventory = Self::default();
        for object in tree.listing.objects() {
            let source = tree.sources.get(object.path).map(|source| source.documents());
            let Some(root) = source.and_then(Result::ok).and_then(|documents| documents.get(object.document))
            else {
                continue;
            };
            let anchors = Anchors::of(root);
            let reader = Reader { anchors: &anchors, root: object_at(root, object.place) };
            let (namespace, name) = (object.namespace, object.name);
            let (kind, path, place) = (object.kind.to_owned(), object.path.clone(), object.place);
            let origin = Origin { kind, namespace, name, path, place };
            match object.replication {
                Some(replication) => {
                    inventory.copies.push(Copying { origin, replication: replication.clone() });
                }
                None => inventory.add(&reader, origin),
            }
        }
        inventory
    }

    /// The volume that a claim is bound to, as far as that is written down.
    #[must_use]
    pub fn volume_of(&self, name: &ClaimName) -> Option<&Volume> {
        let named = self.claims.get(name).and_then(|claim| self.volumes.get(claim.volume.as_ref()?));
        named.or_else(|| self.volumes.values().find(|volume| volume.claim.as_ref() == Some(name)))
    }

    /// The pair of claims that a mount is one of; `None` where there is no second claim, or where a workload mounts
    /// both.
    #[must_use]
    pub fn pair(&self, workload: &Workload, mount: &Mount) -> Option<Pair> {
        let namespace = &workload.origin.namespace;
        let in_namespace = self.claims.keys().filter(|claim| claim.namespace == *namespace);
        let named = |name: &str| ClaimName { namespace: namespace.clone(), name: name.to_owned() };
        let (own, mut others) = (&mount.value, in_namespace.map(|claim| &claim.name));
        let by_name = others.find_map(|other| {
            let (primary, backup) = if is_backup_of(other, own) {
                (own, other)
            } else if is_backup_of(own, other) {
                (other, own)
            } else {
                return None;
            };
            Some(Pair { primary: named(primary), backup: named(backup), copied: false })
        });
        let is_copied = |pair: &Pair| {
            self.copied_from(&pair.primary)
                .any(|destination| destination.replication.claim == pair.backup.name)
        };
        let pair = match by_name {
            Some(pair) => Pair { copied: is_copied(&pair), ..pair },
            None => self.copied_pair(&named(own))?,
        };
        // Whoever mounts both copies from one into the other, and no app would do with either.
        let mounts = |one: &Workload, claim: &ClaimName| {
            one.origin.namespace == claim.namespace
                && one.mounts.iter().any(|mount| mount.value == claim.name)
        };
        let mut workloads = self.workloads.iter();
        let copies = workloads.any(|one| mounts(one, &pair.primary) && mounts(one, &pair.backup));
        (!copies).then_some(pair)
    }

    /// The destinations that a claim's sources of the same name copy into.
    pub fn copied_from(&self, claim: &ClaimName) -> impl Iterator<Item = &Copying> {
        let of = |kind: &'static str| {
            let of_kind = self.copies.iter().filter(move |copy| copy.origin.kind == kind);
            of_kind.filter(|copy| copy.origin.namespace == claim.namespace)
        };
        let sources: Vec<&str> = of("ReplicationSource")
            .filter(|source| source.replication.claim == claim.name)
            .map(|source| source.origin.name.as_str())
            .collect();
        of("ReplicationDestination").filter(move |destination| {
            let name = destination.origin.name.as_str();
            sources
                .iter()
                .any(|source| *source == name || is_backup_of(name, source) || is_replica_of(name, source))
        })
    }

    fn copied_pair(&self, own: &ClaimName) -> Option<Pair> {
        let pair = |primary: &ClaimName, backup: &str| Pair {
            primary: primary.clone(),
            backup: ClaimName { namespace: own.namespace.clone(), name: backup.to_owned() },
            copied: true,
        };
        if let Some(destination) =
            self.copied_from(own).find(|destination| destination.replication.claim != own.name)
        {
            return Some(pair(own, &destination.replication.claim));
        }
        let sources = self.copies.iter().filter(|copy| copy.origin.kind == "ReplicationSource");
        sources
            .filter(|source| source.origin.namespace == own.namespace && source.replication.claim != own.name)
            .find_map(|source| {
                let primary =
                    ClaimName { namespace: own.namespace.clone(), name: source.replication.claim.clone() };
                let into =
                    self.copied_from(&primary).any(|destination| destination.replication.claim == own.name);
                into.then(|| pair(&primary, &own.name))
            })
    }

    fn add(&mut self, reader: &Reader<'_>, origin: Origin) {
        let text = |path: &[&str]| reader.text(path);
        match origin.kind.as_str() {
            "PersistentVolumeClaim" => {
                let storage = text(&["spec", "resources", "requests", "storage"]);
                let name = ClaimName { namespace: origin.namespace.clone(), name: origin.name.clone() };
                self.claims.insert(name, Claim { storage, volume: text(&["spec", "volumeName"]), origin });
            }
            "PersistentVolume" => {
                let claim = text(&["spec", "claimRef", "namespace"]).zip(text(&["spec", "claimRef", "name"]));
                let claim = claim.map(|(namespace, name)| ClaimName { namespace, name });
                let (storage, nodes) = (text(&["spec", "capacity", "storage"]), required_nodes(reader));
                self.volumes.insert(origin.name.clone(), Volume { origin, storage, claim, nodes });
            }
            kind => {
                let Some(needs) = Needs::read(kind, reader) else { return };
                let replicas = (kind != "HelmRelease").then(|| text(&["spec", "replicas"])).flatten();
                self.workloads.push(Workload {
                    origin,
                    mounts: needs.mounts,
                    labels: needs.labels,
                    replicas,
                });
            }
        }
    }
}

/// The words by which people name the second of two.
const SECOND: [&str; 8] =
    ["backup", "secondary", "standby", "replica", "failover", "mirror", "passive", "bak"];
/// And the first.
const FIRST: [&str; 4] = ["primary", "main", "active", "live"];

/// Whether `backup` is the name of `primary` with a word that says so.
#[must_use]
pub fn is_backup_of(backup: &str, primary: &str) -> bool {
    let words = |name: &str, marks: &[&str]| -> Vec<String> {
        let words = name.split(['-', '.', '_']);
        words.filter(|word| !marks.contains(word)).map(str::to_owned).collect()
    };
    let is_marked =
        |name: &str, marks: &[&str]| name.split(['-', '.', '_']).filter(|word| marks.contains(word)).count();
    is_marked(backup, &SECOND) == 1
        && is_marked(primary, &SECOND) == 0
        && !words(backup, &SECOND).is_empty()
        && words(backup, &SECOND) == words(primary, &FIRST)
}

/// Names of the two ends of a copy, which people call source and destination.
fn is_replica_of(destination: &str, source: &str) -> bool {
    let bare = |name: &str, marks: &[&str]| -> Vec<String> {
        name.split('-').filter(|word| !marks.contains(word)).map(str::to_owned).collect()
    };
    let (to, from) = (["destination", "dest", "dst", "rd"], ["source", "src", "rs"]);
    let rest = bare(destination, &to);
    rest != bare(destination, &[]) && rest == bare(source, &from)
}

/// The document, or the item of a list in it that starts there.
fn object_at(root: &Node, place: Place) -> &Node {
    if root.place == place {
        return root;
    }
    let items = root.get("items").map(Node::items).unwrap_or_default();
    items.iter().find(|item| item.place == place).unwrap_or(root)
}

/// The node labels that a volume requires, each with the values that fit.
fn required_nodes(reader: &Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for term in reader.terms(reader.at(&["spec", "nodeAffinity", "required"])) {
        for wish in term.into_iter().filter(|wish| wish.operator == "In") {
            nodes.entry(wish.key).or_default().extend(wish.values);
        }
    }
    nodes
}
