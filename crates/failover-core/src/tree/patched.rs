//! Patches as the place of a setting: which object one reaches, and what else.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builds::{Step, Way};
use super::facts::DocumentFacts;
use super::find::{Found, Subject, is_kind, is_within, starts};
use super::index::Identity;
use super::kustomize::{About, FluxBuild, Kustomization, Named, Stage, Turn, folder_of};
use super::listing::Listing;
use crate::code::{Code, Problem};
use crate::config::Target;
use crate::name::RepoPath;
use crate::yaml::Place;

/// What a patch reaches through one kustomization.
#[derive(Default)]
struct Reach {
    /// The target's own manifest.
    subject: Option<Subject>,
    /// The ways of the builds in which the patch reaches the target.
    ways: BTreeSet<Way>,
    /// What it reaches besides.
    others: Vec<Identity>,
}

/// Where a patch stands.
struct Spot {
    path: RepoPath,
    document: usize,
    place: Place,
    patch: Option<usize>,
}

/// The names and namespaces that an object has had up to some step of its way.
#[derive(Debug, Default)]
pub(super) struct Called {
    pub(super) names: Vec<String>,
    pub(super) namespaces: Vec<String>,
}

impl Called {
    fn add(&mut self, name: &str, namespace: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        if !self.namespaces.iter().any(|known| known == namespace) {
            self.namespaces.push(namespace.to_owned());
        }
    }
}

impl Named {
    /// Whether the patch that names this is about an object. Kustomize compares with every name and namespace that the
    /// object has had so far.
    pub(super) fn fits(&self, called: &Called) -> bool {
        called.names.contains(&self.name)
            && self.namespace.as_ref().is_none_or(|namespace| called.namespaces.contains(namespace))
    }
}

impl Listing {
    /// The one patch for `target` that is written as text in a kustomization.
    pub(super) fn embedded(
        &self,
        path: &RepoPath,
        kustomization: &Kustomization,
        target: &Target,
    ) -> Result<Found, Problem> {
        let folder = folder_of(path);
        let (mut fitting, mut astray) = (Vec::new(), None);
        for patch in kustomization.embedded(target) {
            let reach = self.reach(folder, Stage::Patches, &patch.about, target);
            match reach.subject {
                Some(_) => fitting.push((patch, reach)),
                None if is_exactly(&patch.about, target) => astray = Some(patch.place),
                None => {}
            }
        }
        match (fitting.pop(), fitting.pop(), astray) {
            (Some((patch, reach)), None, _) => {
                let turn = Turn { stage: Stage::Patches, index: patch.index };
                let spot =
                    Spot { path: path.clone(), document: 0, place: patch.place, patch: Some(patch.index) };
                self.reached(spot, reach, vec![(folder.into(), turn)], target)
            }
            (Some((again, _)), Some(_), _) => {
                let detail = format!("{path} has more than one patch for {target}");
                let hint = "write them as one patch";
                Err(Problem::new(Code::ManifestAmbiguous, detail, hint).in_file(path, Some(again.place)))
            }
            (None, _, Some(place)) => Err(nothing_patched(path, place, target)),
            (None, _, None) => {
                let detail = format!("{path} has no patch for {target}");
                let hint =
                    "the patch must stand as text (patch: |-) and name its kind and name, or its target must";
                Err(Problem::new(Code::ManifestNotFound, detail, hint).in_file(path, None))
            }
        }
    }

    /// The patch for `target` in a file of its own.
    pub(super) fn patch_file(&self, path: &RepoPath, target: &Target) -> Result<Found, Problem> {
        let place = Place { line: 1, column: 1 };
        let (mut spots, mut turns, mut reached): (Vec<(usize, Place)>, Vec<_>, Reach) = Default::default();
        for folder in self.index.patches.get(path).into_iter().flatten() {
            let Some(kustomization) = self.kustomization(folder) else { continue };
            for (_, patch) in kustomization.patch_files(folder).filter(|(file, _)| file == path) {
                let documents = self.documents(path).iter();
                let of_kind = documents.filter(|document| document.kind == target.kind.as_str());
                let named: Vec<(usize, Place, Named)> = match &patch.about {
                    About::Itself => of_kind
                        .map(|document| (document.document, document.place, Named::from(document)))
                        .collect(),
                    About::One(named) => {
                        let (at, place) = of_kind
                            .map(|document| (document.document, document.place))
                            .next()
                            .unwrap_or((0, place));
                        vec![(at, place, named.clone())]
                    }
                    About::Chosen => {
                        let detail = format!(
                            "the kustomization in {folder} applies {path} to whatever a pattern or labels choose, so an edit of it could move more than {target}"
                        );
                        let hint = "name the one object in the patch's target (kind and name), or give the service a patch of its own";
                        return Err(
                            Problem::new(Code::ManifestShared, detail, hint).in_file(path, Some(place))
                        );
                    }
                };
                for (document, place, about) in named {
                    let reach = self.reach(folder, patch.turn.stage, &about, target);
                    if reach.subject.is_some() {
                        if !spots.contains(&(document, place)) {
                            spots.push((document, place));
                        }
                        turns.push((Arc::from(folder.as_str()), patch.turn));
                    }
                    reached.subject = reached.subject.or(reach.subject);
                    reached.ways.extend(reach.ways);
                    reached.others.extend(reach.others);
                }
            }
        }
        match spots[..] {
            [] => Err(nothing_patched(path, place, target)),
            [(document, place)] => self.reached(
                Spot { path: path.clone(), document, place, patch: None },
                reached,
                turns,
                target,
            ),
            [_, (_, again), ..] => {
                let detail = format!("{path} has more than one patch for {target}");
                let hint = "write them as one patch";
                Err(Problem::new(Code::ManifestAmbiguous, detail, hint).in_file(path, Some(again)))
            }
        }
    }

    /// The patch for `target` in a file of the folder that the config names; `None` where there is no such.
    pub(super) fn patch_within(&self, target: &Target) -> Option<Result<Found, Problem>> {
        let within = target.path.as_ref()?;
        let files = self.index.patches.keys().filter(|file| is_within(file, within));
        let mut found: Vec<Result<Found, Problem>> = files
            .map(|file| self.patch_file(file, target))
            .filter(|found| !found.as_ref().is_err_and(|problem| problem.code == Code::ManifestNotFound))
            .collect();
        let first = found.pop()?;
        match (&first, found.pop()) {
            (Ok(one), Some(Ok(other))) => {
                let detail = format!("{target} is patched in both {} and {}", other.path, one.path);
                let hint = "name the right file as `path` in the config";
                Some(Err(Problem::new(Code::ManifestAmbiguous, detail, hint)))
            }
            (_, _) => Some(first),
        }
    }

    /// What a patch that the kustomization in `folder` applies reaches.
    fn reach(&self, folder: &str, stage: Stage, about: &Named, target: &Target) -> Reach {
        let mut reach = Reach::default();
        let step = Step::Folder(folder.into());
        for (path, document) in self.index.of_kind(&about.kind).filter_map(|object| self.object(object)) {
            if !about.name.contains(&document.name)
                || !about.fits_api(&document.api_version)
                || self.index.patches.contains_key(path)
            {
                continue;
            }
            let own = Subject::from(document);
            for (build, ways) in self.index.builds.of.get(path).into_iter().flatten() {
                let through = ways.iter().filter(|way| way.contains(&step));
                let mut through = through
                    .filter(|way| about.fits(&self.called_before(&own, [*way], &step, stage)))
                    .peekable();
                if through.peek().is_none() {
                    continue;
                }
                let identity = Identity::new(document, build);
                if is_kind(document, target) && identity.is(target) {
                    reach.subject = Some(own.clone());
                    reach.ways.extend(through.cloned());
                } else {
                    reach.others.push(identity);
                }
            }
        }
        // What is fetched from elsewhere cannot be looked at, and the patch's own word has to do.
        if reach.subject.is_none() && is_exactly(about, target) && self.index.builds.open.contains(folder) {
            let (name, namespace) = (about.name.clone(), about.namespace.clone());
            reach.subject = Some(Subject { api_version: String::new(), name, namespace });
            reach.ways.extend(self.index.builds.folders.get(folder).into_iter().flatten().cloned());
        }
        reach
    }

    /// What an object has been called when `step` comes to `stage` on each of the ways. Kustomize gives namespaces and
    /// affixes after the patches of the same kustomization, and before its other changes.
    pub(super) fn called_before<'a>(
        &self,
        own: &Subject,
        ways: impl IntoIterator<Item = &'a Way>,
        step: &Step,
        stage: Stage,
    ) -> Called {
        let mut called = Called::default();
        for way in ways {
            let Some(at) = way.iter().position(|one| one == step) else { continue };
            // Flux writes its patches into the kustomization at its path.
            let written_into = match (step, way.get(at + 1)) {
                (Step::Flux(path, index), Some(Step::Folder(folder))) => {
                    let flux = self.documents(path).get(*index).and_then(|document| document.flux.as_ref());
                    flux.and_then(FluxBuild::folder).is_some_and(|path| path == **folder)
                }
                (Step::Flux(..) | Step::Folder(_), _) => false,
            };
            let first = match stage {
                Stage::StrategicMerge | Stage::Patches => at + 1 + usize::from(written_into),
                Stage::Json6902 | Stage::Replicas | Stage::Transformers | Stage::Replacements => at,
            };
            let mut name = own.name.clone();
            let mut namespace = own.namespace.clone().unwrap_or_else(|| "default".to_owned());
            called.add(&name, &namespace);
            for inner in way.get(first..).unwrap_or_default().iter().rev() {
                let Step::Folder(folder) = inner else { continue };
                let Some(kustomization) = self.kustomization(folder) else { continue };
                name = format!("{}{name}{}", kustomization.name_prefix, kustomization.name_suffix);
                namespace = kustomization.namespace.clone().unwrap_or(namespace);
                called.add(&name, &namespace);
            }
        }
        called
    }

    fn reached(
        &self,
        spot: Spot,
        reach: Reach,
        turns: Vec<(Arc<str>, Turn)>,
        target: &Target,
    ) -> Result<Found, Problem> {
        let Spot { path, document, place, patch } = spot;
        if let Some(other) = reach.others.first() {
            let detail = format!(
                "the patch also reaches {} {}/{}; an edit would move both",
                target.kind, other.namespace, other.name
            );
            let hint = "give each of them a patch of its own, with its name and namespace in the target";
            return Err(Problem::new(Code::ManifestShared, detail, hint).in_file(&path, Some(place)));
        }
        self.followed(&path, place, target)?;
        let Some(subject) = reach.subject else { return Err(nothing_patched(&path, place, target)) };
        Ok(Found {
            path,
            document,
            place,
            built_from: starts(&reach.ways),
            unbuilt: None,
            patch,
            ways: reach.ways.into_iter().collect(),
            subject,
            turns,
        })
    }
}

impl From<&DocumentFacts> for Named {
    fn from(document: &DocumentFacts) -> Self {
        Self::of(&document.kind, &document.name, document.namespace.as_deref())
    }
}

fn is_exactly(about: &Named, target: &Target) -> bool {
    about.kind == target.kind.as_str()
        && about.name == target.name.as_str()
        && about.namespace.as_deref().is_none_or(|namespace| namespace == target.namespace.as_str())
}

/// Kustomize says nothing when a patch's target is not among what it builds.
fn nothing_patched(path: &RepoPath, place: Place, target: &Target) -> Problem {
    let detail = format!("the patch in {path} changes nothing: what it is applied to has no {target}");
    let hint = "check kind, name and namespace of the patch and its target, or leave `path` out to find the manifest";
    Problem::new(Code::ManifestNotFound, detail, hint).in_file(path, Some(place))
}
