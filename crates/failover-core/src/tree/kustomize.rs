//! Which namespace and name an object gets from the kustomizations that build it.
//!
//! Kustomize's namespace transformer overrides the namespace of everything below it, the outermost one last;
//! a Flux `Kustomization` with `targetNamespace` acts like one more kustomization around its `path`.

use std::collections::{BTreeMap, BTreeSet};

use super::variables::VariableUse;
use crate::config::Target;
use crate::name::RepoPath;
use crate::yaml::{self, Anchors, Node, Place};

/// Deeper or wider builds than these are not followed: a cycle or a hostile repository.
const MAX_DEPTH: usize = 32;
const MAX_VISITS: usize = 100_000;

/// The part of a `kustomization.yaml` that decides identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kustomization {
    namespace: Option<String>,
    name_prefix: String,
    name_suffix: String,
    /// `resources`, `bases` and `components`, as written.
    resources: Vec<String>,
    patches: Vec<Patch>,
    /// The objects that patches written as text are about.
    embedded: Vec<EmbeddedPatch>,
    /// The variables in it; filled in by whoever knows the text.
    pub(super) variables: Box<[VariableUse]>,
}

/// A patch that is written as text in `patches`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EmbeddedPatch {
    /// Its position in `patches`.
    pub(super) index: usize,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) place: Place,
}

/// A change that a kustomization makes to what it builds.
#[derive(Debug, Clone, PartialEq)]
enum Patch {
    /// Written in the kustomization; everything that it says, target and patch.
    Inline(String),
    /// A file, as written.
    File(String),
}

/// The part of a Flux `Kustomization` that decides identity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FluxBuild {
    path: String,
    /// What it does to everything that it builds.
    build: Build,
    /// The variables that it fills in, with their values as written.
    pub(super) substitute: Vec<(String, String)>,
    /// What it takes more variables from, each as kind and name.
    pub(super) substitute_from: Vec<String>,
    /// Whether it applies nothing at present.
    pub(super) suspended: bool,
}

/// What a build does to the identity of the objects in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Build {
    /// Overrides the object's own namespace.
    pub(super) namespace: Option<String>,
    pub(super) name_prefix: String,
    pub(super) name_suffix: String,
}

/// The way that a build takes to a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    /// The outermost places that it starts from.
    pub(super) starts: BTreeSet<String>,
    /// The folders of all kustomizations on the way.
    pub(super) through: BTreeSet<String>,
}

/// What the kustomizations of a repository build.
#[derive(Debug, Default)]
pub(super) struct Builds {
    /// For every file that is built: its builds.
    pub(super) of: BTreeMap<RepoPath, BTreeMap<Build, Way>>,
    /// Whether the builds were too deep or too many to follow to their end.
    pub(super) truncated: bool,
}

impl Kustomization {
    pub(super) fn read(root: &Node) -> Self {
        let anchors = Anchors::of(root);
        let text =
            |key: &str| Some(anchors.get(root, key)?.as_text()?.to_owned()).filter(|text| !text.is_empty());
        let list = |key: &str| {
            let items = anchors.get(root, key).map(Node::items).unwrap_or_default();
            items.iter().filter_map(|item| Some(anchors.resolve(item).as_text()?.to_owned()))
        };
        Self {
            namespace: text("namespace"),
            name_prefix: text("namePrefix").unwrap_or_default(),
            name_suffix: text("nameSuffix").unwrap_or_default(),
            resources: list("resources").chain(list("bases")).chain(list("components")).collect(),
            patches: ["patches", "patchesStrategicMerge", "patchesJson6902", "replacements"]
                .into_iter()
                .flat_map(|key| anchors.get(root, key).map(Node::items).unwrap_or_default())
                .map(|item| Patch::read(item, &anchors))
                .collect(),
            embedded: root
                .get("patches")
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .enumerate()
                .filter_map(|(index, item)| EmbeddedPatch::read(index, item))
                .collect(),
            variables: Box::default(),
        }
    }

    /// The files in `folder`, where this kustomization is, that are patches and so no manifests of their own.
    pub(super) fn patch_files(&self, folder: &str) -> impl Iterator<Item = RepoPath> {
        let files = self.patches.iter().filter_map(|patch| match patch {
            Patch::File(file) => Some(file),
            Patch::Inline(_) => None,
        });
        files.filter_map(move |file| RepoPath::new(resolve(folder, file)?).ok())
    }

    /// The patches written as text here that are about an object.
    pub(super) fn embedded(&self, target: &Target) -> impl Iterator<Item = &EmbeddedPatch> {
        self.embedded.iter().filter(|patch| {
            patch.kind == target.kind.as_str()
                && patch.name == target.name.as_str()
                && patch.namespace.as_deref().is_none_or(|namespace| namespace == target.namespace.as_str())
        })
    }

    /// Whether a patch written in this kustomization mentions `name`.
    pub(super) fn patches_inline(&self, name: &str) -> bool {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        self.patches.iter().any(|patch| match patch {
            Patch::Inline(text) => text.split(|c| !is_name(c)).any(|word| word == name),
            Patch::File(_) => false,
        })
    }
}

impl EmbeddedPatch {
    /// Where the item has a `target`, that decides which objects the patch is about, whatever the patch itself names; a
    /// strategic merge patch without one says it itself. `None` for one that may be about several objects.
    fn read(index: usize, item: &Node) -> Option<Self> {
        let node = item.get("patch")?;
        let documents = yaml::parse(node.as_text()?).ok()?;
        let [patch] = documents.as_slice() else { return None };
        let text = |node: &Node, key: &str| Some(node.get(key)?.as_text()?.to_owned());
        let (kind, named) = match (item.get("target"), patch.items()) {
            (Some(target), _) if names_one(target) => (text(target, "kind")?, target),
            (None, []) => (text(patch, "kind")?, patch.get("metadata")?),
            (_, _) => return None,
        };
        let (name, namespace) = (text(named, "name")?, text(named, "namespace"));
        Some(Self { index, kind, name, namespace, place: node.place })
    }
}

/// Whether a patch's target is one object: Kustomize takes what stands there for regular expressions, and selectors
/// choose by labels.
fn names_one(target: &Node) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    target.entries().iter().all(|(key, value)| match (key.as_text(), value.as_text()) {
        (Some("kind" | "name" | "namespace"), Some(text)) => text.chars().all(is_plain),
        (Some("group" | "version"), Some(_)) => true,
        (_, _) => false,
    })
}

impl Patch {
    fn read<'a>(item: &'a Node, anchors: &Anchors<'a>) -> Self {
        let item = anchors.resolve(item);
        let path =
            anchors.get(item, "path").or_else(|| anchors.get(item, "target").is_none().then_some(item));
        match path.and_then(Node::as_text) {
            Some(path) if !path.contains('\n') => Self::File(path.to_owned()),
            _ => {
                let mut text = String::new();
                item.walk(&mut |node| {
                    text.push_str(anchors.resolve(node).as_text().unwrap_or_default());
                    text.push('\n');
                });
                Self::Inline(text)
            }
        }
    }
}

impl FluxBuild {
    /// `None` for a build of another source than a Git repository, whose path says nothing about this one.
    pub(super) fn read(root: &Node) -> Option<Self> {
        let anchors = Anchors::of(root);
        let spec = anchors.get(root, "spec").unwrap_or(root);
        let text =
            |key: &str| Some(anchors.get(spec, key)?.as_text()?.to_owned()).filter(|text| !text.is_empty());
        let source = anchors.get(spec, "sourceRef").and_then(|source| anchors.get(source, "kind"));
        if source.and_then(Node::as_text).is_some_and(|kind| kind != "GitRepository") {
            return None;
        }
        let build = Build {
            namespace: text("targetNamespace"),
            name_prefix: text("namePrefix").unwrap_or_default(),
            name_suffix: text("nameSuffix").unwrap_or_default(),
        };
        let post_build = anchors.get(spec, "postBuild");
        let variables = post_build.and_then(|post_build| anchors.get(post_build, "substitute"));
        let variables = variables.map(Node::entries).unwrap_or_default().iter().filter_map(|(key, value)| {
            Some((key.as_text()?.to_owned(), anchors.resolve(value).as_text()?.to_owned()))
        });
        let others = post_build.and_then(|post_build| anchors.get(post_build, "substituteFrom"));
        let others = others.map(Node::items).unwrap_or_default().iter().filter_map(|item| {
            let text = |key: &str| anchors.get(item, key).and_then(Node::as_text);
            Some(format!("{} {}", text("kind")?, text("name")?))
        });
        Some(Self {
            path: text("path").unwrap_or_default(),
            build,
            substitute: variables.collect(),
            substitute_from: others.collect(),
            suspended: text("suspend").as_deref() == Some("true"),
        })
    }
}

impl FluxBuild {
    /// Whether the file is below the folder that is built.
    pub(super) fn covers(&self, path: &RepoPath) -> bool {
        let Some(folder) = resolve("", self.path.trim_start_matches('/')) else { return false };
        folder.is_empty() || path.as_str().strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Folder names are relative to the repository's top, without a slash at either end; the top is "".
pub(super) fn folder_of(path: &RepoPath) -> &str {
    path.parent().unwrap_or("")
}

/// `reference` as seen from `folder`; `None` for a URL or a way out of the repository.
fn resolve(folder: &str, reference: &str) -> Option<String> {
    if reference.contains("://") || reference.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Follows every build from its outermost kustomization.
pub(super) fn follow<'a>(
    kustomizations: impl Iterator<Item = (&'a RepoPath, &'a Kustomization)>,
    flux: impl Iterator<Item = (&'a RepoPath, &'a FluxBuild)>,
    files: &BTreeSet<&'a RepoPath>,
) -> Builds {
    let by_folder: BTreeMap<&str, &Kustomization> =
        kustomizations.map(|(path, kustomization)| (folder_of(path), kustomization)).collect();
    let flux: Vec<(&RepoPath, String, &FluxBuild)> = flux
        .filter_map(|(path, build)| Some((path, resolve("", build.path.trim_start_matches('/'))?, build)))
        .collect();

    let mut inner: BTreeSet<String> = flux.iter().map(|(_, folder, _)| folder.clone()).collect();
    for (folder, kustomization) in &by_folder {
        inner.extend(kustomization.resources.iter().filter_map(|reference| resolve(folder, reference)));
    }

    let mut walk =
        Walk { by_folder: &by_folder, files, builds: Builds::default(), chain: Vec::new(), visits: 0 };
    for folder in by_folder.keys().filter(|folder| !inner.contains(**folder)) {
        walk.folder(folder, &Build::default(), folder, 0);
    }
    for (path, folder, build) in &flux {
        walk.folder_or_everything_below(folder, &build.build, path.as_str());
    }
    walk.builds
}

struct Walk<'w, 'a> {
    by_folder: &'w BTreeMap<&'a str, &'a Kustomization>,
    files: &'w BTreeSet<&'a RepoPath>,
    builds: Builds,
    /// The folders of the kustomizations from the outermost to the one being followed.
    chain: Vec<String>,
    visits: usize,
}

impl Walk<'_, '_> {
    fn folder(&mut self, folder: &str, outer: &Build, start: &str, depth: usize) {
        self.visits += 1;
        let Some(kustomization) = self.by_folder.get(folder).copied() else { return };
        // What includes itself is not built at all: Kustomize refuses it.
        if self.chain.iter().any(|open| open == folder) {
            return;
        }
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            self.builds.truncated = true;
            return;
        }
        let build = Build {
            namespace: outer.namespace.clone().or_else(|| kustomization.namespace.clone()),
            name_prefix: format!("{}{}", outer.name_prefix, kustomization.name_prefix),
            name_suffix: format!("{}{}", kustomization.name_suffix, outer.name_suffix),
        };
        self.chain.push(folder.to_owned());
        for reference in &kustomization.resources {
            self.visits += 1;
            if self.visits > MAX_VISITS {
                self.builds.truncated = true;
                break;
            }
            let Some(target) = resolve(folder, reference) else { continue };
            if self.by_folder.contains_key(target.as_str()) {
                self.folder(&target, &build, start, depth + 1);
            } else if let Ok(path) = RepoPath::new(target) {
                self.file(&path, &build, start);
            }
        }
        self.chain.pop();
    }

    /// Flux builds a folder without a kustomization as if one listed everything below it.
    fn folder_or_everything_below(&mut self, folder: &str, outer: &Build, start: &str) {
        if self.by_folder.contains_key(folder) {
            return self.folder(folder, outer, start, 0);
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let nested: Vec<&str> = self
            .by_folder
            .keys()
            .copied()
            .filter(|below| below.starts_with(&prefix) && !self.has_kustomization_above(below, &prefix))
            .collect();
        for below in nested {
            self.folder(below, outer, start, 1);
        }
        let direct: Vec<RepoPath> = self
            .files
            .iter()
            .filter(|path| {
                path.as_str().starts_with(&prefix)
                    && !self.by_folder.contains_key(folder_of(path))
                    && !self.has_kustomization_above(folder_of(path), &prefix)
            })
            .map(|path| (*path).clone())
            .collect();
        for path in direct {
            self.file(&path, outer, start);
        }
    }

    /// Whether a folder between `prefix` and `folder` has a kustomization, which then decides what is built.
    fn has_kustomization_above(&self, folder: &str, prefix: &str) -> bool {
        let mut above = folder;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if parent.len() < prefix.len() {
                break;
            }
            if self.by_folder.contains_key(parent) {
                return true;
            }
            above = parent;
        }
        false
    }

    fn file(&mut self, path: &RepoPath, build: &Build, start: &str) {
        if self.files.contains(path) {
            let way = self.builds.of.entry(path.clone()).or_default().entry(build.clone()).or_default();
            way.starts.insert(if start.is_empty() { ".".to_owned() } else { start.to_owned() });
            way.through.extend(self.chain.iter().cloned());
        }
    }
}
