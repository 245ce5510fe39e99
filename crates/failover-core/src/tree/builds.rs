//! Which builds reach which file, and on which ways.
//!
//! Kustomize's namespace transformer overrides the namespace of everything below it, the outermost one last; a component
//! acts on everything that the kustomization that includes it has put together so far; a Flux `Kustomization` with
//! `targetNamespace` acts like one more kustomization around its `path`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::kustomize::{Build, FluxBuild, Kustomization, folder_of, resolve};
use crate::name::RepoPath;

/// Deeper or wider builds than these are not followed: a cycle or a hostile repository.
const MAX_DEPTH: usize = 32;
const MAX_VISITS: usize = 100_000;

/// One that puts its hand to what it builds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The kustomization in a folder.
    Folder(Arc<str>),
    /// A Flux `Kustomization`: its file, and which of the file's objects it is.
    Flux(RepoPath, usize),
}

/// The way that a build takes, the outermost step first; never empty.
pub(super) type Way = Arc<[Step]>;

/// Where a way begins, as people name it: a folder, or the file of a Flux `Kustomization`.
pub(super) fn start(way: &Way) -> &str {
    match way.first() {
        Some(Step::Folder(folder)) if !folder.is_empty() => folder,
        Some(Step::Folder(_)) | None => ".",
        Some(Step::Flux(path, _)) => path.as_str(),
    }
}

/// What the kustomizations of a repository build.
#[derive(Debug, Default)]
pub(super) struct Builds {
    /// For every file that is built: its builds, each with the ways to the file.
    pub(super) of: BTreeMap<RepoPath, BTreeMap<Build, BTreeSet<Way>>>,
    /// For the folder of every kustomization: the ways to it, itself the last step.
    pub(super) folders: HashMap<Arc<str>, BTreeSet<Way>>,
    /// The folders of kustomizations that also build what is in no known file: something remote, or made by them.
    pub(super) open: BTreeSet<Arc<str>>,
    /// Whether all that Flux builds can be known: there are Flux `Kustomization`s, and each is applied by another one or
    /// by itself, so that none has to come from elsewhere.
    pub(super) closed: bool,
    /// Whether the builds were too deep or too many to follow to their end.
    pub(super) truncated: bool,
}

/// Follows every build from its outermost kustomization.
pub(super) fn follow<'a>(
    kustomizations: impl Iterator<Item = (&'a RepoPath, &'a Kustomization)>,
    flux: impl Iterator<Item = (&'a RepoPath, usize, &'a FluxBuild)>,
    files: &BTreeSet<&'a RepoPath>,
) -> Builds {
    let by_folder: BTreeMap<&str, &Kustomization> =
        kustomizations.map(|(path, kustomization)| (folder_of(path), kustomization)).collect();
    let flux: Vec<(Step, String, &FluxBuild)> = flux
        .filter_map(|(path, index, build)| Some((Step::Flux(path.clone(), index), build.folder()?, build)))
        .collect();

    let mut inner: BTreeSet<String> = BTreeSet::new();
    for (_, folder, build) in &flux {
        inner.insert(folder.clone());
        inner.extend(build.components.iter().filter_map(|reference| resolve(folder, reference)));
    }
    for (folder, kustomization) in &by_folder {
        let references = kustomization.resources.iter().chain(&kustomization.components);
        inner.extend(references.filter_map(|reference| resolve(folder, reference)));
    }

    let mut walk =
        Walk { by_folder: &by_folder, files, builds: Builds::default(), way: Vec::new(), visits: 0 };
    for (step, folder, flux) in &flux {
        walk.way.push(step.clone());
        walk.flux(folder, flux);
        walk.way.clear();
    }
    // What Flux takes with everything around it is no build of its own.
    for folder in by_folder.keys().filter(|folder| !inner.contains(**folder)) {
        if !walk.builds.folders.contains_key(*folder) {
            walk.folder(folder, &Build::default(), 0);
        }
    }
    let applied = |step: &Step| matches!(step, Step::Flux(path, _) if walk.builds.of.contains_key(path));
    walk.builds.closed = !flux.is_empty() && flux.iter().all(|(step, _, _)| applied(step));
    walk.builds
}

/// What a kustomization does, one after the other.
#[derive(Debug, Clone)]
enum Event {
    /// It takes what the kustomization in this folder lists.
    Listed(Arc<str>),
    /// It takes everything below this folder, where no kustomization is.
    Built(Arc<str>),
    /// What is taken so far is changed by the kustomization in this folder.
    Changed(Arc<str>),
    /// The same, but for names and namespaces, which are known already.
    Patched(Arc<str>),
}

struct Walk<'w, 'a> {
    by_folder: &'w BTreeMap<&'a str, &'a Kustomization>,
    files: &'w BTreeSet<&'a RepoPath>,
    builds: Builds,
    /// The steps from the outermost to the one being followed.
    way: Vec<Step>,
    visits: usize,
}

impl<'a> Walk<'_, 'a> {
    fn get(&self, folder: &str) -> Option<&'a Kustomization> {
        self.by_folder.get(folder).copied()
    }

    /// Counts one more; whether it is too many.
    fn is_too_much(&mut self, depth: usize) -> bool {
        self.visits += 1;
        let too_much = depth > MAX_DEPTH || self.visits > MAX_VISITS;
        self.builds.truncated |= too_much;
        too_much
    }

    fn folder(&mut self, folder: &str, outer: &Build, depth: usize) {
        let Some(kustomization) = self.get(folder) else { return };
        let folder: Arc<str> = folder.into();
        // What includes itself is not built at all: Kustomize refuses it.
        if self.is_too_much(depth) || self.way.contains(&Step::Folder(Arc::clone(&folder))) {
            return;
        }
        let mut events = vec![Event::Listed(Arc::clone(&folder))];
        self.flatten(&folder, &kustomization.components, depth, &mut events);
        events.push(Event::Changed(folder));
        self.run(&events, outer, depth);
    }

    /// Flux edits the kustomization in its folder: its own components come behind those, its patches too, and its namespace
    /// and affixes take the place of those (`kustomize_generator.go` of fluxcd/pkg).
    fn flux(&mut self, folder: &str, flux: &FluxBuild) {
        let here: Arc<str> = folder.into();
        let Some(kustomization) = self.get(folder) else {
            let mut events = vec![Event::Built(here)];
            self.flatten(folder, &flux.components, 0, &mut events);
            return self.run(&events, &flux.build, 0);
        };
        let instead = |own: &String, inner: &String| if own.is_empty() { inner.clone() } else { own.clone() };
        let build = Build {
            namespace: flux.build.namespace.clone().or_else(|| kustomization.namespace.clone()),
            name_prefix: instead(&flux.build.name_prefix, &kustomization.name_prefix),
            name_suffix: instead(&flux.build.name_suffix, &kustomization.name_suffix),
        };
        let mut events = vec![Event::Listed(Arc::clone(&here))];
        self.flatten(folder, &kustomization.components, 0, &mut events);
        self.flatten(folder, &flux.components, 0, &mut events);
        events.push(Event::Patched(here));
        self.run(&events, &build, 0);
    }

    /// What the components do that something in `folder` refers to. One that a component includes acts on everything, too.
    fn flatten(&mut self, folder: &str, components: &[String], depth: usize, events: &mut Vec<Event>) {
        for reference in components {
            if self.is_too_much(depth) {
                return;
            }
            let component = resolve(folder, reference);
            let known = component.and_then(|component| Some((self.get(&component)?, component)));
            let Some((kustomization, component)) = known else {
                self.builds.open.insert(folder.into());
                continue;
            };
            let component: Arc<str> = component.into();
            events.push(Event::Listed(Arc::clone(&component)));
            self.flatten(&component, &kustomization.components, depth + 1, events);
            events.push(Event::Changed(component));
        }
    }

    /// Follows what is taken, each with all changes that come after it.
    fn run(&mut self, events: &[Event], outer: &Build, depth: usize) {
        let before = self.way.len();
        for (at, event) in events.iter().enumerate() {
            let mut build = outer.clone();
            // Components that include the same ones over and over are many times as many steps.
            self.visits += events.len() - at;
            if self.is_too_much(0) {
                return self.way.truncate(before);
            }
            for later in events[at..].iter().rev() {
                let folder = match later {
                    Event::Listed(_) | Event::Built(_) => continue,
                    Event::Patched(folder) => folder,
                    Event::Changed(folder) => {
                        build = self.get(folder).map_or_else(|| build.clone(), |inner| build.around(inner));
                        folder
                    }
                };
                self.way.push(Step::Folder(Arc::clone(folder)));
                if at == 0 {
                    let way = Way::from(self.way.as_slice());
                    self.builds.folders.entry(Arc::clone(folder)).or_default().insert(way);
                }
            }
            match event {
                Event::Listed(folder) => self.listed(folder, &build, depth),
                Event::Built(folder) => self.everything_below(folder, &build, depth),
                Event::Changed(_) | Event::Patched(_) => {}
            }
            self.way.truncate(before);
        }
    }

    fn listed(&mut self, folder: &str, build: &Build, depth: usize) {
        let Some(kustomization) = self.get(folder) else { return };
        let way = Way::from(self.way.as_slice());
        let mut is_open = kustomization.generates;
        for reference in &kustomization.resources {
            if self.is_too_much(0) {
                break;
            }
            match resolve(folder, reference) {
                Some(target) if self.by_folder.contains_key(target.as_str()) => {
                    self.folder(&target, build, depth + 1);
                }
                target => {
                    let file = target.and_then(|target| RepoPath::new(target).ok());
                    is_open |= !file.is_some_and(|path| self.file(&path, build, &way));
                }
            }
        }
        if is_open {
            for step in way.iter() {
                if let Step::Folder(folder) = step {
                    self.builds.open.insert(Arc::clone(folder));
                }
            }
        }
    }

    /// Flux builds a folder without a kustomization as if one listed everything below it.
    fn everything_below(&mut self, folder: &str, outer: &Build, depth: usize) {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let nested: Vec<&str> = self
            .by_folder
            .keys()
            .copied()
            .filter(|below| below.starts_with(&prefix) && !self.has_kustomization_above(below, &prefix))
            .collect();
        for below in nested {
            self.folder(below, outer, depth + 1);
        }
        let way = Way::from(self.way.as_slice());
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
            self.file(&path, outer, &way);
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

    /// Notes that a file is built; whether there is such a file.
    fn file(&mut self, path: &RepoPath, build: &Build, way: &Way) -> bool {
        let is_known = self.files.contains(path);
        if is_known {
            let builds = self.builds.of.entry(path.clone()).or_default();
            builds.entry(build.clone()).or_default().insert(Arc::clone(way));
        }
        is_known
    }
}
