//! What one YAML file says about itself. It depends on the file's bytes and name only, so that it can be kept per blob.

use std::ops::Deref;

use super::kustomize::{FluxBuild, Kustomization};
use super::replication::Replication;
use super::variables::{self, VariableUse};
use crate::workload::{Needs, Reader};
use crate::yaml::{self, Anchors, Node, Place, YamlError};

/// What one YAML file holds, as far as the search needs it.
#[derive(Debug, Clone, PartialEq)]
pub enum FileFacts {
    /// Objects, one for each document that has a kind and a name.
    Manifests(Documents),
    /// A `kustomization.yaml`.
    Kustomization(Kustomization),
    /// Not YAML that can be read; unrendered templates are the usual case.
    Unreadable {
        /// Where and why reading stopped.
        error: YamlError,
        /// Values of `name:` lines in the raw text: a hint at what may be hidden in the file.
        names: Vec<String>,
    },
}

/// The objects of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Documents {
    objects: Vec<DocumentFacts>,
    /// The variables in all of the file, also in what is no object.
    pub(super) variables: Box<[VariableUse]>,
}

impl Deref for Documents {
    type Target = [DocumentFacts];

    fn deref(&self) -> &Self::Target {
        &self.objects
    }
}

/// One object in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentFacts {
    /// Its position in the file, from 0, empty documents counted.
    pub document: usize,
    /// `apiVersion`, such as `apps/v1`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.name` as written.
    pub name: String,
    /// `metadata.namespace` as written.
    pub namespace: Option<String>,
    /// Where the object starts.
    pub place: Place,
    /// Whether it is an item of a list rather than a document of its own.
    pub listed: bool,
    /// For a Flux `Kustomization`: the folder that it builds.
    pub(super) flux: Option<FluxBuild>,
    /// For a VolSync object: what it copies. Boxed, since most objects are none.
    pub(super) replication: Option<Box<Replication>>,
    /// For a workload that may have pods: the claims that it mounts.
    pub(super) mounts: Box<[MountedClaim]>,
}

/// A claim that a workload mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountedClaim {
    pub(super) claim: Box<str>,
    /// Where that stands.
    pub(super) line: u32,
}

impl MountedClaim {
    fn all(kind: &str, reader: &Reader<'_>) -> Box<[Self]> {
        let rests = reader.text(&["spec", "replicas"]).as_deref() == Some("0")
            || (kind == "CronJob" && reader.text(&["spec", "suspend"]).as_deref() == Some("true"));
        let needs = (!rests).then(|| Needs::read(kind, reader)).flatten().unwrap_or_default();
        let mounts = needs.mounts.into_iter().map(|mount| Self {
            claim: mount.value.into(),
            line: u32::try_from(mount.place.line).unwrap_or(u32::MAX),
        });
        mounts.collect()
    }
}

impl FileFacts {
    /// Reads the facts of a file from its name and bytes.
    #[must_use]
    pub fn read(file_name: &str, bytes: &[u8]) -> Self {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                return Self::Unreadable {
                    error: YamlError {
                        place: Place { line, column: 1 },
                        message: "the file is not UTF-8 text".to_owned(),
                    },
                    names: Vec::new(),
                };
            }
        };
        match yaml::parse(text) {
            Err(error) => Self::Unreadable { error, names: names_in(text) },
            Ok(documents) => {
                let variables = variables::read(text, &documents);
                if is_kustomization(file_name) {
                    let root = documents.first();
                    let mut read = root.map_or_else(Kustomization::default, Kustomization::read);
                    read.variables = variables;
                    return Self::Kustomization(read);
                }
                let objects = documents.iter().enumerate();
                let objects = objects.flat_map(|(index, root)| DocumentFacts::all(index, root)).collect();
                Self::Manifests(Documents { objects, variables })
            }
        }
    }
}

impl FileFacts {
    /// The variables in it.
    pub(super) fn variables(&self) -> &[VariableUse] {
        match self {
            Self::Manifests(documents) => &documents.variables,
            Self::Kustomization(kustomization) => &kustomization.variables,
            Self::Unreadable { .. } => &[],
        }
    }
}

impl DocumentFacts {
    /// The document's object, or the objects of a list such as `kind: List`.
    fn all(document: usize, root: &Node) -> Vec<Self> {
        let anchors = Anchors::of(root);
        let is_list =
            anchors.get(root, "kind").and_then(Node::as_text).is_some_and(|kind| kind.ends_with("List"));
        match anchors.get(root, "items").map(Node::items) {
            Some(items) if is_list => {
                let items =
                    items.iter().filter_map(|item| Self::read(document, anchors.resolve(item), &anchors));
                items.map(|facts| Self { listed: true, ..facts }).collect()
            }
            _ => Self::read(document, root, &anchors).into_iter().collect(),
        }
    }

    fn read<'a>(document: usize, root: &'a Node, anchors: &Anchors<'a>) -> Option<Self> {
        let text = |node: &Node, key: &str| Some(anchors.get(node, key)?.as_text()?.to_owned());
        let metadata = anchors.get(root, "metadata")?;
        let api_version = text(root, "apiVersion")?;
        let kind = text(root, "kind")?;
        let flux = (kind == "Kustomization" && api_version.starts_with("kustomize.toolkit.fluxcd.io/"))
            .then(|| FluxBuild::read(root))
            .flatten();
        let replication =
            api_version.starts_with("volsync.backube/").then(|| Replication::read(&kind, root, anchors));
        let mounts = MountedClaim::all(&kind, &Reader { anchors, root });
        Some(Self {
            document,
            api_version,
            kind,
            name: text(metadata, "name")?,
            namespace: text(metadata, "namespace"),
            place: root.place,
            listed: false,
            flux,
            replication: replication.flatten().map(Box::new),
            mounts,
        })
    }
}

/// The file names that Kustomize takes for its own.
#[must_use]
pub fn is_kustomization(file_name: &str) -> bool {
    matches!(file_name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

fn names_in(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let value = line.trim_start().trim_start_matches("- ").strip_prefix("name:")?.trim();
            let value = value.trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
