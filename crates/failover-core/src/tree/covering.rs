//! The Flux `Kustomization`s that apply a file.

use std::collections::BTreeSet;

use super::builds::{Step, Way};
use super::kustomize::FluxBuild;
use super::listing::Listing;
use crate::name::RepoPath;
use crate::yaml::Place;

/// A Flux `Kustomization` that builds a file.
pub(crate) struct Covering<'a> {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) path: &'a RepoPath,
    pub(crate) place: Place,
    flux: &'a FluxBuild,
}

impl Covering<'_> {
    /// What it fills in for the variable.
    pub(crate) fn value(&self, variable: &str) -> Option<&str> {
        let mut values = self.flux.substitute.iter();
        values.find(|(name, _)| name == variable).map(|(_, value)| value.as_str())
    }

    /// What else it takes variables from.
    pub(crate) fn others(&self) -> &[String] {
        &self.flux.substitute_from
    }

    /// Whether it applies nothing at present.
    pub(crate) fn is_suspended(&self) -> bool {
        self.flux.suspended
    }
}

impl Listing {
    /// The Flux Kustomizations that build the file.
    pub(crate) fn covering(&self, path: &RepoPath) -> Vec<Covering<'_>> {
        let ways = self.index.builds.of.get(path).into_iter().flat_map(|builds| builds.values().flatten());
        self.applying(ways)
    }

    /// The Flux Kustomizations on the ways.
    pub(super) fn applying<'w>(&self, ways: impl Iterator<Item = &'w Way>) -> Vec<Covering<'_>> {
        let steps = ways.flat_map(|way| way.iter()).filter_map(|step| match step {
            Step::Flux(path, index) => Some((path, *index)),
            Step::Folder(_) => None,
        });
        let steps: BTreeSet<(&RepoPath, usize)> = steps.collect();
        let covering = steps.into_iter().filter_map(|(path, index)| {
            let (path, _) = self.files.get_key_value(path)?;
            let document = self.documents(path).get(index)?;
            let identity = self.identities(path, document).next()?;
            Some(Covering {
                namespace: identity.namespace,
                name: identity.name,
                path,
                place: document.place,
                flux: document.flux.as_ref()?,
            })
        });
        covering.collect()
    }
}
