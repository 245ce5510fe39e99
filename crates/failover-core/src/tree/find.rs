//! Finding a manifest by kind, name and namespace, never by its folder.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::builds::{Step, Way, start};
use super::facts::{DocumentFacts, FileFacts};
use super::index::{Identity, Object};
use super::kustomize::{Kustomization, Turn, folder_of};
use super::listing::Listing;
use super::replication::Replication;
use crate::code::{Code, Problem};
use crate::config::Target;
use crate::name::{RepoPath, nearest};
use crate::yaml::Place;

/// Where a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: RepoPath,
    /// The document in it, from 0.
    pub document: usize,
    /// Where the document starts.
    pub place: Place,
    /// The outermost kustomizations that build the file; more than one means that an edit reaches each of them.
    pub built_from: Vec<String>,
    /// Why nothing may come of an edit: no build that is known of takes the file.
    pub unbuilt: Option<Unbuilt>,
    /// For a patch that is written as text in a kustomization: its position in `patches`.
    pub patch: Option<usize>,
    /// The ways of the builds that take it.
    pub(super) ways: Vec<Way>,
    /// The object as its own manifest names it.
    pub(super) subject: Subject,
    /// For a patch: when the kustomization in each of these folders applies it.
    pub(super) turns: Vec<(Arc<str>, Turn)>,
}

/// Why no build is known that takes a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unbuilt {
    /// The kustomization in this folder is the nearest one above the file, and lists it as little as any other.
    LeftOut(String),
    /// All of the repository's Flux `Kustomization`s are known, and the file is on the way of none.
    Nowhere,
    /// Only Flux `Kustomization`s build it that nothing applies: the kustomization in `folder` leaves out the `file` of one.
    NotApplied {
        /// The file of the Flux `Kustomization`.
        file: RepoPath,
        /// The folder of the kustomization nearest above it.
        folder: String,
    },
}

/// An object before anything is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// Empty where the object's own manifest is not known.
    pub(super) api_version: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

impl Found {
    /// Whether it is a patch, and so not the object's own manifest.
    #[must_use]
    pub fn is_patch(&self) -> bool {
        !self.turns.is_empty()
    }

    /// How many Flux `Kustomization`s build the file; each is a cluster of its own as a rule.
    #[must_use]
    pub fn applied_by(&self) -> usize {
        let starts = self.ways.iter().filter_map(|way| way.first());
        starts.filter(|step| matches!(step, Step::Flux(..))).collect::<BTreeSet<_>>().len()
    }
}

impl From<&DocumentFacts> for Subject {
    fn from(document: &DocumentFacts) -> Self {
        Self {
            api_version: document.api_version.clone(),
            name: document.name.clone(),
            namespace: document.namespace.clone(),
        }
    }
}

/// The places that ways begin at, as people name them.
pub(super) fn starts<'a>(ways: impl IntoIterator<Item = &'a Way>) -> Vec<String> {
    let starts: BTreeSet<&str> = ways.into_iter().map(start).collect();
    starts.into_iter().map(str::to_owned).collect()
}

/// An object as it is built.
pub(crate) struct BuiltObject<'a> {
    pub(crate) kind: &'a str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) path: &'a RepoPath,
    /// The document in the file, from 0.
    pub(crate) document: usize,
    pub(crate) place: Place,
    pub(crate) replication: Option<&'a Replication>,
}

/// The API group that a kind of workload must have, so that a foreign kind of the same name is not taken for it.
fn group_of(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => Some("apps/"),
        "CronJob" => Some("batch/"),
        "HelmRelease" => Some("helm.toolkit.fluxcd.io/"),
        "PersistentVolumeClaim" => Some("v1"),
        "ReplicationSource" | "ReplicationDestination" => Some("volsync.backube/"),
        "Kustomization" => Some("kustomize.toolkit.fluxcd.io/"),
        _ => None,
    }
}

impl Listing {
    /// The one manifest that `target` describes.
    ///
    /// # Errors
    /// None, or more than one, or one that is built into several namespaces, or an unreadable file that may hide it.
    pub fn find(&self, target: &Target) -> Result<Found, Problem> {
        if let Some(problem) = &self.nowhere {
            return Err(problem.clone());
        }
        if let Some(path) = &target.path {
            self.readable(path, target)?;
            if let Some(FileFacts::Kustomization(kustomization)) =
                self.files.get(path).map(|file| &*file.facts)
            {
                return self.embedded(path, kustomization, target);
            }
            if self.index.patches.contains_key(path) {
                return self.patch_file(path, target);
            }
        }
        let matches: Vec<(&RepoPath, &DocumentFacts)> = self
            .named(target)
            .filter(|(path, document)| {
                target.path.as_ref().is_none_or(|within| is_within(path, within))
                    && !self.index.patches.contains_key(*path)
                    && is_kind(document, target)
                    && self.identities(path, document).any(|identity| identity.is(target))
            })
            .collect();
        match matches[..] {
            [] => self.patch_within(target).unwrap_or_else(|| Err(self.not_found(target))),
            [(path, document)] => self.single(path, document, target),
            [..] => Err(ambiguous(&matches, target)),
        }
    }

    /// Unreadable files that mention `target`'s name and may hide a second manifest of it.
    #[must_use]
    pub fn suspects(&self, target: &Target) -> Vec<(&RepoPath, Place)> {
        let mentioning = self.index.mentioning(target.name.as_str());
        mentioning
            .filter_map(|path| match &*self.files.get(path)?.facts {
                FileFacts::Unreadable { error, .. } => Some((path, error.place)),
                FileFacts::Manifests(_) | FileFacts::Kustomization(_) => None,
            })
            .collect()
    }

    /// The objects that some build gives the target's name, whatever their kind and namespace.
    fn named(&self, target: &Target) -> impl Iterator<Item = (&RepoPath, &DocumentFacts)> {
        self.index.of_name(target.name.as_str()).filter_map(|object| self.object(object))
    }

    pub(super) fn object<'a>(&'a self, object: &'a Object) -> Option<(&'a RepoPath, &'a DocumentFacts)> {
        Some((&object.path, self.documents(&object.path).get(object.index)?))
    }

    /// Every object, once for each name that a build gives it; patches are none.
    pub(crate) fn objects(&self) -> impl Iterator<Item = BuiltObject<'_>> {
        let files = self.files.keys().filter(|path| !self.index.patches.contains_key(*path));
        let documents =
            files.flat_map(|path| self.documents(path).iter().map(move |document| (path, document)));
        documents.flat_map(|(path, document)| self.built(path, document))
    }

    /// The VolSync objects of a namespace.
    pub(crate) fn replications<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = BuiltObject<'a>> {
        let kinds = ["ReplicationSource", "ReplicationDestination"].into_iter();
        let objects =
            kinds.flat_map(|kind| self.index.of_kind(kind)).filter_map(|object| self.object(object));
        objects
            .filter(|(path, document)| {
                document.replication.is_some() && !self.index.patches.contains_key(*path)
            })
            .flat_map(|(path, document)| self.built(path, document))
            .filter(move |object| object.namespace == namespace)
    }

    pub(super) fn built<'a>(
        &'a self,
        path: &'a RepoPath,
        document: &'a DocumentFacts,
    ) -> impl Iterator<Item = BuiltObject<'a>> {
        self.identities(path, document).map(move |identity| BuiltObject {
            kind: &document.kind,
            namespace: identity.namespace,
            name: identity.name,
            path,
            document: document.document,
            place: document.place,
            replication: document.replication.as_deref(),
        })
    }

    /// The objects in a file.
    pub(super) fn documents(&self, path: &RepoPath) -> &[DocumentFacts] {
        match self.files.get(path).map(|file| &*file.facts) {
            Some(FileFacts::Manifests(documents)) => documents,
            Some(FileFacts::Kustomization(_) | FileFacts::Unreadable { .. }) | None => &[],
        }
    }

    pub(super) fn identities<'a>(
        &'a self,
        path: &RepoPath,
        document: &'a DocumentFacts,
    ) -> impl Iterator<Item = Identity> + 'a {
        self.index.identities(path, document)
    }

    fn single(&self, path: &RepoPath, document: &DocumentFacts, target: &Target) -> Result<Found, Problem> {
        if document.listed {
            let detail = format!("{target} is an item of a list, and those are not edited");
            let hint = "write it as a document of its own";
            return Err(Problem::new(Code::FieldUneditable, detail, hint).in_file(path, Some(document.place)));
        }
        let mut others: Vec<Identity> =
            self.identities(path, document).filter(|identity| !identity.is(target)).collect();
        others.dedup();
        if let Some(other) = others.first() {
            return Err(Problem::new(
                Code::ManifestShared,
                format!(
                    "{target} is also built as {}/{} from the same file; an edit would move both",
                    other.namespace, other.name
                ),
                "give each namespace its own manifest, or move the node and claim settings into the overlays",
            )
            .in_file(path, Some(document.place)));
        }
        self.followed(path, document.place, target)?;
        let builds = self.index.builds.of.get(path);
        let ways: BTreeSet<&Way> = builds.into_iter().flat_map(|builds| builds.values().flatten()).collect();
        Ok(Found {
            path: path.clone(),
            document: document.document,
            place: document.place,
            built_from: starts(ways.iter().copied()),
            unbuilt: self.unbuilt(path),
            patch: None,
            ways: ways.into_iter().cloned().collect(),
            subject: Subject::from(document),
            turns: Vec::new(),
        })
    }

    /// What builds an object is known only when all builds could be followed.
    pub(super) fn followed(&self, path: &RepoPath, place: Place, target: &Target) -> Result<(), Problem> {
        if !self.index.builds.truncated {
            return Ok(());
        }
        let detail =
            format!("the kustomizations are too many or nested too deep to know what builds {target}");
        let hint = "name a smaller folder with --root, or find the kustomizations that include each other";
        Err(Problem::new(Code::ManifestShared, detail, hint).in_file(path, Some(place)))
    }

    fn unbuilt(&self, path: &RepoPath) -> Option<Unbuilt> {
        if let Some(builds) = self.index.builds.of.get(path) {
            return self.not_applied(builds.values().flatten());
        }
        let mut folder = folder_of(path);
        loop {
            if self.index.kustomization(folder).is_some() {
                let named = if folder.is_empty() { "." } else { folder };
                return Some(Unbuilt::LeftOut(named.to_owned()));
            }
            if folder.is_empty() {
                return self.index.builds.closed.then_some(Unbuilt::Nowhere);
            }
            folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }

    /// Whether all ways begin at Flux `Kustomization`s that are left out themselves.
    fn not_applied<'a>(&self, ways: impl Iterator<Item = &'a Way>) -> Option<Unbuilt> {
        let mut left_out = None;
        for way in ways {
            let Some(Step::Flux(file, _)) = way.first() else { return None };
            if self.index.builds.of.contains_key(file) {
                return None;
            }
            let Some(Unbuilt::LeftOut(folder)) = self.unbuilt(file) else { return None };
            left_out = Some(Unbuilt::NotApplied { file: file.clone(), folder });
        }
        left_out
    }

    pub(super) fn kustomization(&self, folder: &str) -> Option<&Kustomization> {
        match &*self.files.get(self.index.kustomization(folder)?)?.facts {
            FileFacts::Kustomization(kustomization) => Some(kustomization),
            FileFacts::Manifests(_) | FileFacts::Unreadable { .. } => None,
        }
    }

    fn readable(&self, path: &RepoPath, target: &Target) -> Result<(), Problem> {
        // What lies in the folder `path` follows it, among names that merely begin like it.
        let after = self.files.range::<RepoPath, _>((Bound::Excluded(path), Bound::Unbounded));
        let mut alike =
            after.map(|(file, _)| file).take_while(|file| file.as_str().starts_with(path.as_str()));
        if alike.any(|file| is_within(file, path)) {
            return Ok(());
        }
        let Some(file) = self.files.get(path) else {
            let near = nearest(path.as_str(), self.files.keys().map(RepoPath::as_str));
            let hint = match near.first() {
                Some(near) => {
                    format!("did you mean {near}? correct `path`, or leave it out to search by kind and name")
                }
                None => "correct `path`, or leave it out to search by kind and name".to_owned(),
            };
            let detail = format!(
                "{path}, where the config places {target}, is neither a YAML or JSON file nor a folder of them under the searched root"
            );
            return Err(Problem::new(Code::ManifestNotFound, detail, hint));
        };
        match &*file.facts {
            FileFacts::Unreadable { error, .. } => Err(unreadable(path, error.place, &error.message)),
            FileFacts::Manifests(_) | FileFacts::Kustomization(_) => Ok(()),
        }
    }

    fn not_found(&self, target: &Target) -> Problem {
        if let Some((path, file)) =
            self.suspects(target).first().and_then(|(path, _)| Some((*path, self.files.get(*path)?)))
            && let FileFacts::Unreadable { error, .. } = &*file.facts
        {
            let detail = format!("{target} may be in this file, which cannot be read: {}", error.message);
            return Problem::new(Code::ManifestUnreadable, detail, "repair the file")
                .in_file(path, Some(error.place));
        }
        let mut near = Vec::new();
        for (path, document) in self.named(target).filter(|(_, document)| is_kind(document, target)) {
            for identity in self.identities(path, document) {
                if identity.name == target.name.as_str() {
                    near.push(format!(
                        "{}/{} ({path}:{})",
                        identity.namespace, identity.name, document.place.line
                    ));
                }
            }
        }
        for (path, document) in self.named(target).filter(|(_, document)| group_of(&document.kind).is_some())
        {
            for identity in self.identities(path, document).filter(|identity| identity.is(target)) {
                let place = document.place.line;
                near.push(format!(
                    "{} {}/{} ({path}:{place})",
                    document.kind, identity.namespace, identity.name
                ));
            }
        }
        if near.is_empty() {
            // Which group a kind must have depends on the kind alone, and so do the names.
            let fits = |object| self.object(object).map(|(_, document)| document);
            let names = self.index.called(target.kind.as_str(), |object| {
                fits(object).filter(|document| is_kind(document, target))
            });
            let wanted = format!("{}/{}", target.namespace, target.name);
            near =
                nearest(&wanted, names.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        }
        let (files, unreadable) = self.counts();
        let hint = if near.is_empty() {
            format!(
                "check kind, name and namespace in the config; {files} files were searched, {unreadable} of them could not be read"
            )
        } else {
            format!("check kind, name and namespace in the config; near: {}", near.join(", "))
        };
        Problem::new(Code::ManifestNotFound, format!("no manifest of {target} was found"), hint)
    }
}

/// The problem of a file that cannot be read.
pub(crate) fn unreadable(path: &RepoPath, place: Place, message: &str) -> Problem {
    let detail = format!("the file cannot be read: {message}");
    Problem::new(Code::ManifestUnreadable, detail, "repair the file, then try again")
        .in_file(path, Some(place))
}

pub(super) fn is_within(file: &RepoPath, path: &RepoPath) -> bool {
    file.as_str().strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn is_kind(document: &DocumentFacts, target: &Target) -> bool {
    let kind = target.kind.as_str();
    document.kind == kind && group_of(kind).is_none_or(|group| document.api_version.starts_with(group))
}

pub(super) fn ambiguous(matches: &[(&RepoPath, &DocumentFacts)], target: &Target) -> Problem {
    let places: Vec<String> =
        matches.iter().map(|(path, document)| format!("{path}:{}", document.place.line)).collect();
    let mut files: Vec<&RepoPath> = matches.iter().map(|(path, _)| *path).collect();
    files.dedup();
    let hint = match files.len() {
        1 => "remove one of the two documents".to_owned(),
        _ => "name the right file as `path` in the config, or remove the other manifest".to_owned(),
    };
    let mut problem = Problem::new(
        Code::ManifestAmbiguous,
        format!("{target} stands in more than one place: {}", places.join(", ")),
        hint,
    );
    if let Some((path, document)) = matches.first() {
        problem = problem.in_file(path, Some(document.place));
    }
    problem
}
