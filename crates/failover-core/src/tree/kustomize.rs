//! What a kustomization and a Flux `Kustomization` say of what they build, as far as the search needs it.

use super::variables::VariableUse;
use crate::config::Target;
use crate::name::RepoPath;
use crate::yaml::{self, Anchors, Node, Place};

/// What one `kustomization.yaml` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kustomization {
    pub(super) namespace: Option<String>,
    pub(super) name_prefix: String,
    pub(super) name_suffix: String,
    /// `resources` and `bases`, as written.
    pub(super) resources: Vec<String>,
    /// `components`, as written.
    pub(super) components: Vec<String>,
    /// Whether it makes objects that stand in no file that it lists.
    pub(super) generates: bool,
    /// Whether it changes more of what it builds than names and namespaces.
    pub(super) alters: bool,
    /// The files that hold its patches.
    patch_files: Vec<PatchFile>,
    /// Other files that say what it changes, as written.
    other_files: Vec<String>,
    /// The objects that patches written as text are about.
    embedded: Vec<EmbeddedPatch>,
    /// The variables in it; filled in by whoever knows the text.
    pub(super) variables: Box<[VariableUse]>,
}

/// Where a kustomization applies a patch, in the order that Kustomize follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) stage: Stage,
    /// The item's position in its list.
    pub(super) index: usize,
}

/// The lists of a kustomization that change objects, in the order that Kustomize follows
/// (`runTransformers` in its source: `transformers` come last).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    StrategicMerge,
    Patches,
    Json6902,
    Replicas,
    Replacements,
    Transformers,
}

impl Stage {
    pub(super) const ALL: [Self; 6] = [
        Self::StrategicMerge,
        Self::Patches,
        Self::Json6902,
        Self::Replicas,
        Self::Replacements,
        Self::Transformers,
    ];

    /// The list's key.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::StrategicMerge => "patchesStrategicMerge",
            Self::Patches => "patches",
            Self::Json6902 => "patchesJson6902",
            Self::Replicas => "replicas",
            Self::Transformers => "transformers",
            Self::Replacements => "replacements",
        }
    }
}

/// A patch in a file of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PatchFile {
    /// As written.
    file: String,
    pub(super) turn: Turn,
    /// The one object that the item's `target` names; without one the file says it itself.
    pub(super) about: About,
}

/// What a patch is about, as far as it can be told without its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum About {
    /// The object that the patch itself names.
    Itself,
    /// One object.
    One(Named),
    /// What a pattern or labels choose.
    Chosen,
}

/// An object as a patch names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The API group and version, each where it is named.
    group: Option<String>,
    version: Option<String>,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

/// A patch that is written as text in `patches`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EmbeddedPatch {
    /// Its position in `patches`.
    pub(super) index: usize,
    pub(super) about: Named,
    pub(super) place: Place,
}

/// What a Flux `Kustomization` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FluxBuild {
    pub(super) path: String,
    /// What it does to the names of everything that it builds.
    pub(super) build: Build,
    /// `components`, as written: folders as seen from `path`.
    pub(super) components: Vec<String>,
    /// Whether it patches what it builds.
    pub(super) alters: bool,
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

impl Build {
    /// With what `inner` does before it.
    pub(super) fn around(&self, inner: &Kustomization) -> Self {
        Self {
            namespace: self.namespace.clone().or_else(|| inner.namespace.clone()),
            name_prefix: format!("{}{}", self.name_prefix, inner.name_prefix),
            name_suffix: format!("{}{}", inner.name_suffix, self.name_suffix),
        }
    }
}

impl Kustomization {
    pub(super) fn read(root: &Node) -> Self {
        let anchors = Anchors::of(root);
        let text =
            |key: &str| Some(anchors.get(root, key)?.as_text()?.to_owned()).filter(|text| !text.is_empty());
        let items = |key: &str| anchors.get(root, key).map(Node::items).unwrap_or_default();
        let list = |key: &str| {
            items(key).iter().filter_map(|item| Some(anchors.resolve(item).as_text()?.to_owned()))
        };
        let files = [Stage::StrategicMerge, Stage::Patches, Stage::Json6902].into_iter().flat_map(|stage| {
            let items = items(stage.key()).iter().enumerate();
            let anchors = &anchors;
            items.filter_map(move |(index, item)| PatchFile::read(Turn { stage, index }, item, anchors))
        });
        let replacements = items(Stage::Replacements.key()).iter();
        let replacements =
            replacements.filter_map(|item| Some(anchors.get(item, "path")?.as_text()?.to_owned()));
        Self {
            namespace: text("namespace"),
            name_prefix: text("namePrefix").unwrap_or_default(),
            name_suffix: text("nameSuffix").unwrap_or_default(),
            resources: list("resources").chain(list("bases")).collect(),
            components: list("components").collect(),
            generates: ["helmCharts", "helmChartInflationGenerator", "generators"]
                .iter()
                .any(|key| !items(key).is_empty()),
            alters: Stage::ALL.iter().any(|stage| !items(stage.key()).is_empty()),
            patch_files: files.collect(),
            other_files: replacements
                .chain(list(Stage::Transformers.key()).filter(|text| is_file_name(text)))
                .collect(),
            embedded: root
                .get(Stage::Patches.key())
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
    pub(super) fn patch_files(&self, folder: &str) -> impl Iterator<Item = (RepoPath, &PatchFile)> {
        self.patch_files.iter().filter_map(move |patch| Some((file_in(folder, &patch.file)?, patch)))
    }

    /// The files that say what this kustomization, in `folder`, changes.
    pub(super) fn files_of_changes(&self, folder: &str) -> impl Iterator<Item = RepoPath> {
        let patches = self.patch_files.iter().map(|patch| &patch.file);
        patches.chain(&self.other_files).filter_map(move |file| file_in(folder, file))
    }

    /// The patches written as text here that are about one object of this kind.
    pub(super) fn embedded(&self, target: &Target) -> impl Iterator<Item = &EmbeddedPatch> {
        self.embedded.iter().filter(|patch| patch.about.kind == target.kind.as_str())
    }
}

/// Whether an item of a list is the name of a file rather than what could stand in one.
pub(super) fn is_file_name(text: &str) -> bool {
    !text.contains('\n') && !text.trim_start().starts_with('{')
}

/// The file that `reference` names as seen from `folder`.
pub(super) fn file_in(folder: &str, reference: &str) -> Option<RepoPath> {
    RepoPath::new(resolve(folder, reference)?).ok()
}

impl PatchFile {
    fn read<'a>(turn: Turn, item: &'a Node, anchors: &Anchors<'a>) -> Option<Self> {
        let item = anchors.resolve(item);
        let file = match turn.stage {
            Stage::StrategicMerge => item,
            Stage::Patches
            | Stage::Json6902
            | Stage::Replicas
            | Stage::Transformers
            | Stage::Replacements => anchors.get(item, "path")?,
        };
        let file = file.as_text().filter(|text| is_file_name(text))?.to_owned();
        let about = match anchors.get(item, "target") {
            None => About::Itself,
            Some(target) => Named::of_target(target).map_or(About::Chosen, About::One),
        };
        Some(Self { file, turn, about })
    }
}

impl Named {
    /// The object that a patch's target names; Kustomize takes what stands there for regular expressions, and
    /// selectors choose by labels: `None` for what may be several objects.
    fn of_target(target: &Node) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let names_one = target.entries().iter().all(|(key, value)| match (key.as_text(), value.as_text()) {
            (Some("kind" | "name" | "namespace"), Some(text)) => text.chars().all(is_plain),
            (Some("group" | "version"), Some(_)) => true,
            (_, _) => false,
        });
        let text = |key: &str| Some(target.get(key)?.as_text()?.to_owned()).filter(|text| !text.is_empty());
        let named = names_one.then(|| Self::read(target.get("kind")?, target))??;
        Some(Self { group: text("group"), version: text("version"), ..named })
    }

    /// Whether an object of this `apiVersion` is meant, as far as one is named.
    pub(super) fn fits_api(&self, api_version: &str) -> bool {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.group.as_deref().is_none_or(|own| own == group)
            && self.version.as_deref().is_none_or(|own| own == version)
    }

    /// What an object names itself.
    pub(super) fn of(kind: &str, name: &str, namespace: Option<&str>) -> Self {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        Self { group: None, version: None, kind, name, namespace: namespace.map(str::to_owned) }
    }

    /// What a strategic merge patch names.
    pub(super) fn of_patch(patch: &Node) -> Option<Self> {
        Self::read(patch.get("kind")?, patch.get("metadata")?)
    }

    fn read(kind: &Node, named: &Node) -> Option<Self> {
        let text = |key: &str| Some(named.get(key)?.as_text()?.to_owned());
        let namespace = text("namespace").filter(|text| !text.is_empty());
        Some(Self::of(kind.as_text()?, &text("name")?, namespace.as_deref()))
    }
}

impl EmbeddedPatch {
    /// Where the item has a `target`, that decides which objects the patch is about, whatever the patch itself names; a
    /// strategic merge patch without one says it itself. `None` for one that may be about several objects.
    fn read(index: usize, item: &Node) -> Option<Self> {
        let node = item.get("patch")?;
        let documents = yaml::parse(node.as_text()?).ok()?;
        let [patch] = documents.as_slice() else { return None };
        let about = match item.get("target") {
            Some(target) => Named::of_target(target)?,
            None => Named::of_patch(patch)?,
        };
        Some(Self { index, about, place: node.place })
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
        let items = |key: &str| anchors.get(spec, key).map(Node::items).unwrap_or_default();
        let components = items("components").iter();
        Some(Self {
            path: text("path").unwrap_or_default(),
            build,
            components: components
                .filter_map(|item| Some(anchors.resolve(item).as_text()?.to_owned()))
                .collect(),
            alters: !items(Stage::Patches.key()).is_empty(),
            substitute: variables.collect(),
            substitute_from: others.collect(),
            suspended: text("suspend").as_deref() == Some("true"),
        })
    }

    /// The folder that is built; `None` for one outside of the repository.
    pub(super) fn folder(&self) -> Option<String> {
        resolve("", self.path.trim_start_matches('/'))
    }
}

/// Folder names are relative to the repository's top, without a slash at either end; the top is "".
pub(super) fn folder_of(path: &RepoPath) -> &str {
    path.parent().unwrap_or("")
}

/// `reference` as seen from `folder`; `None` for a URL or a way out of the repository.
pub(super) fn resolve(folder: &str, reference: &str) -> Option<String> {
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
