//! Where everything is that the search asks for, so that no search goes through all files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use super::builds::{self, Builds};
use super::facts::{DocumentFacts, FileFacts, is_kustomization};
use super::kustomize::{Build, FluxBuild, Kustomization, folder_of};
use crate::config::Target;
use crate::name::RepoPath;

/// What follows from the paths and facts of all files together.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Every object, in the order of the paths.
    objects: Vec<Object>,
    by_kind: HashMap<String, OfKind>,
    /// Positions in `objects`, by each name that a build gives the object.
    by_name: HashMap<String, Vec<usize>>,
    /// Positions in `objects`, by each claim that the object mounts.
    by_claim: HashMap<Box<str>, Vec<usize>>,
    /// The kustomization in each folder; the first one where there are several.
    kustomizations: HashMap<String, RepoPath>,
    /// The files that cannot be read.
    unreadable: Vec<RepoPath>,
    /// Positions in `unreadable`, by each name that the file mentions.
    mentions: HashMap<String, Vec<usize>>,
    pub(super) builds: Builds,
    /// Files that kustomizations use as patches, with the folders of those kustomizations.
    pub(super) patches: BTreeMap<RepoPath, BTreeSet<String>>,
    /// The kustomizations that cannot be read.
    pub(super) unreadable_kustomizations: Vec<RepoPath>,
    /// The files that each variable of Flux stands in.
    pub(super) variables: HashMap<Box<str>, Vec<RepoPath>>,
}

/// The objects of one kind.
#[derive(Debug, Default)]
struct OfKind {
    /// Positions among all objects.
    numbers: Vec<usize>,
    /// What they are called, once somebody asked.
    called: OnceLock<Vec<String>>,
}

/// One object: its file, and which of the file's objects it is.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) path: RepoPath,
    pub(super) index: usize,
}

impl Index {
    /// Works out which kustomizations build which file, and what each object is then called.
    pub(super) fn new(files: &[(&RepoPath, &FileFacts)]) -> Self {
        let mut index = Self::default();
        let mut kustomizations: Vec<(&RepoPath, &Kustomization)> = Vec::new();
        let mut flux: Vec<(&RepoPath, usize, &FluxBuild)> = Vec::new();
        for (path, facts) in files {
            for one in facts.variables() {
                let known = index.variables.entry(one.name.clone()).or_default();
                if known.last() != Some(*path) {
                    known.push((*path).clone());
                }
            }
            match facts {
                FileFacts::Kustomization(kustomization) => {
                    kustomizations.push((path, kustomization));
                    index.kustomizations.entry(folder_of(path).to_owned()).or_insert_with(|| (*path).clone());
                }
                FileFacts::Manifests(documents) => {
                    let builds = documents.iter().enumerate();
                    flux.extend(
                        builds.filter_map(|(at, document)| Some((*path, at, document.flux.as_ref()?))),
                    );
                }
                FileFacts::Unreadable { names, .. } => {
                    for name in names {
                        let mentioned = index.mentions.entry(name.clone()).or_default();
                        mentioned.push(index.unreadable.len());
                    }
                    index.unreadable.push((*path).clone());
                    if is_kustomization(path.file_name()) {
                        index.unreadable_kustomizations.push((*path).clone());
                    }
                }
            }
        }
        for (path, kustomization) in &kustomizations {
            let folder = folder_of(path);
            for (file, _) in kustomization.patch_files(folder) {
                index.patches.entry(file).or_default().insert(folder.to_owned());
            }
        }
        let paths: BTreeSet<&RepoPath> = files.iter().map(|(path, _)| *path).collect();
        index.builds = builds::follow(kustomizations.into_iter(), flux.into_iter(), &paths);
        for (path, facts) in files {
            let FileFacts::Manifests(documents) = facts else { continue };
            for (at, document) in documents.iter().enumerate() {
                index.add(path, at, document);
            }
        }
        index
    }

    fn add(&mut self, path: &RepoPath, at: usize, document: &DocumentFacts) {
        let number = self.objects.len();
        self.objects.push(Object { path: path.clone(), index: at });
        self.by_kind.entry(document.kind.clone()).or_default().numbers.push(number);
        for mount in &document.mounts {
            self.by_claim.entry(mount.claim.clone()).or_default().push(number);
        }
        let names: Vec<String> = self.identities(path, document).map(|identity| identity.name).collect();
        for name in names {
            let known = self.by_name.entry(name).or_default();
            // Several builds may give the same name.
            if known.last() != Some(&number) {
                known.push(number);
            }
        }
    }

    /// What the objects of a kind are called, each as `namespace/name`; read once, from those that `fits`.
    pub(super) fn called<'a>(
        &'a self,
        kind: &str,
        fits: impl Fn(&'a Object) -> Option<&'a DocumentFacts>,
    ) -> &'a [String] {
        let Some(of_kind) = self.by_kind.get(kind) else { return &[] };
        of_kind.called.get_or_init(|| {
            let fitting =
                self.numbered(Some(&of_kind.numbers)).filter_map(|object| Some((object, fits(object)?)));
            fitting
                .flat_map(|(object, document)| self.identities(&object.path, document))
                .map(|identity| format!("{}/{}", identity.namespace, identity.name))
                .collect()
        })
    }

    /// The objects to which some build gives this name, in the order of the paths.
    pub(super) fn of_name(&self, name: &str) -> impl Iterator<Item = &Object> {
        self.numbered(self.by_name.get(name))
    }

    /// The objects of a kind, in the order of the paths.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.numbered(self.by_kind.get(kind).map(|of_kind| &of_kind.numbers))
    }

    /// The workloads that mount a claim of this name, whatever its namespace.
    pub(super) fn mounting(&self, claim: &str) -> impl Iterator<Item = &Object> {
        self.numbered(self.by_claim.get(claim))
    }

    fn numbered(&self, numbers: Option<&Vec<usize>>) -> impl Iterator<Item = &Object> {
        let numbers = numbers.map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| self.objects.get(*number))
    }

    /// The unreadable files that mention a name, in the order of the paths.
    pub(super) fn mentioning(&self, name: &str) -> impl Iterator<Item = &RepoPath> {
        let numbers = self.mentions.get(name).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| self.unreadable.get(*number))
    }

    /// How many files cannot be read.
    pub(super) fn unreadable(&self) -> &[RepoPath] {
        &self.unreadable
    }

    /// The kustomization in a folder.
    pub(super) fn kustomization(&self, folder: &str) -> Option<&RepoPath> {
        self.kustomizations.get(folder)
    }

    /// The identities that an object gets: one for each distinct build, or its own when nothing builds it.
    pub(super) fn identities<'a>(
        &'a self,
        path: &RepoPath,
        document: &'a DocumentFacts,
    ) -> impl Iterator<Item = Identity> + 'a {
        let builds = self.builds.of.get(path);
        let own = builds.is_none().then(|| Identity::new(document, &Build::default()));
        let built = builds.into_iter().flat_map(|builds| builds.keys());
        built.map(|build| Identity::new(document, build)).chain(own)
    }
}

/// What an object is called once it is built.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Identity {
    pub(super) fn new(document: &DocumentFacts, build: &Build) -> Self {
        // Flux and kubectl put an object without a namespace into "default".
        let namespace = build.namespace.as_ref().or(document.namespace.as_ref());
        Self {
            namespace: namespace.map_or_else(|| "default".to_owned(), String::clone),
            name: format!("{}{}{}", build.name_prefix, document.name, build.name_suffix),
        }
    }

    pub(super) fn is(&self, target: &Target) -> bool {
        self.namespace == target.namespace.as_str() && self.name == target.name.as_str()
    }
}
