//! What a change of a variable reaches, so that a setting of one is known to change one thing.

use super::covering::Covering;
use super::facts::{DocumentFacts, FileFacts};
use super::find::Found;
use super::kustomize::{FluxBuild, folder_of};
use super::listing::Listing;
use super::variables::{Stand, VariableUse};
use crate::config::{Setting, Target};
use crate::field::Segment;
use crate::name::RepoPath;

/// What fills a variable in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    pub(crate) variable: &'a str,
    by: By<'a>,
}

#[derive(Debug, Clone, Copy)]
enum By<'a> {
    /// A Flux `Kustomization`; its file where it is known.
    Kustomization { namespace: &'a str, name: &'a str, path: Option<&'a RepoPath> },
    /// A ConfigMap or Secret that Flux `Kustomization`s of the namespace take variables from.
    Source { namespace: &'a str, kind: &'a str, name: &'a str },
}

/// A place that a variable fills in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use<'a> {
    path: &'a RepoPath,
    line: u32,
    document: u32,
    stand: Stand,
}

/// What a change of a variable changes.
#[derive(Debug)]
pub(crate) enum Filled<'a> {
    /// Nothing that is known of.
    Nothing,
    /// One field, or the same of one object.
    One,
    /// The same kind of field in several objects.
    Alike(Vec<Use<'a>>),
    /// More than one thing, or what objects are known by.
    More(Vec<Use<'a>>),
}

impl<'a> Filling<'a> {
    /// The variable whose value a setting is.
    pub(crate) fn of(setting: &'a Setting, found: &'a Found) -> Option<Self> {
        let Target { kind, namespace, name, .. } = &setting.target;
        let (namespace, name) = (namespace.as_str(), name.as_str());
        let plain = |segment: &'a Segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Item { .. } => None,
        };
        let keys: Option<Vec<&str>> = match setting.field.operation() {
            Some((pointer, _)) => Some(pointer.trim_start_matches('/').split('/').collect()),
            None => setting.field.segments().iter().map(plain).collect(),
        };
        let (variable, by) = match (kind.as_str(), keys?.as_slice()) {
            ("Kustomization", &["spec", "postBuild", "substitute", variable]) => {
                let path = (!found.is_patch()).then_some(&found.path);
                (variable, By::Kustomization { namespace, name, path })
            }
            (kind @ ("ConfigMap" | "Secret"), &["data" | "stringData", variable]) => {
                (variable, By::Source { namespace, kind, name })
            }
            _ => return None,
        };
        Some(Self { variable, by })
    }

    /// What `flux` itself fills in.
    pub(crate) fn by(flux: &'a Covering<'_>, variable: &'a str) -> Self {
        let (namespace, name) = (flux.namespace.as_str(), flux.name.as_str());
        Self { variable, by: By::Kustomization { namespace, name, path: Some(flux.path) } }
    }

    /// What `flux` takes from `source`, a kind and a name.
    pub(crate) fn from(flux: &'a Covering<'_>, source: &'a str, variable: &'a str) -> Option<Self> {
        let (kind, name) = source.split_once(' ')?;
        Some(Self { variable, by: By::Source { namespace: &flux.namespace, kind, name } })
    }

    /// Whether the Flux `Kustomization` fills the variable in from there.
    fn is_by(&self, flux: &Covering<'_>) -> bool {
        match self.by {
            By::Kustomization { namespace, name, path } => {
                flux.namespace == namespace && flux.name == name && path.is_none_or(|path| path == flux.path)
            }
            By::Source { namespace, .. } => {
                flux.namespace == namespace && self.is_source_of(flux) && flux.value(self.variable).is_none()
            }
        }
    }

    fn is_source_of(&self, flux: &Covering<'_>) -> bool {
        let By::Source { kind, name, .. } = self.by else { return false };
        flux.others().iter().any(|other| other.split_once(' ') == Some((kind, name)))
    }
}

impl Use<'_> {
    fn is_decisive(&self) -> bool {
        matches!(self.stand, Stand::Identity | Stand::Storage)
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.stand == other.stand && !matches!(self.stand, Stand::Other | Stand::Patch)
    }
}

/// The places as a text, the worst ones first.
pub(crate) fn places(uses: &[Use<'_>]) -> String {
    const SHOWN: usize = 4;
    let mut sorted: Vec<&Use<'_>> = uses.iter().collect();
    sorted.sort_by_key(|one| !one.is_decisive());
    let mut shown: Vec<String> = sorted.iter().map(|one| format!("{}:{}", one.path, one.line)).collect();
    shown.dedup();
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

impl Listing {
    /// What a change of the variable changes, apart from what stands in no file of the repository.
    pub(crate) fn filled_by(&self, filling: &Filling<'_>) -> Filled<'_> {
        let files = self.index.variables.get(filling.variable).map(Vec::as_slice).unwrap_or_default();
        let uses: Vec<Use<'_>> = files.iter().flat_map(|path| self.uses(path, filling)).collect();
        let [first, others @ ..] = uses.as_slice() else { return Filled::Nothing };
        let is_of_first = |one: &Use<'_>| one.path == first.path && one.document == first.document;
        if uses.iter().any(Use::is_decisive) {
            Filled::More(uses)
        } else if others.is_empty() {
            Filled::One
        } else if !others.iter().all(|other| first.is_alike(other)) {
            Filled::More(uses)
        } else if others.iter().all(is_of_first) {
            Filled::One
        } else {
            Filled::Alike(uses)
        }
    }

    /// The folders of kustomizations that also build what is not in the repository, where the variable may stand, too.
    pub(crate) fn unseen(&self, filling: &Filling<'_>) -> Vec<&str> {
        let open = self.index.builds.open.iter().filter(|folder| {
            let ways = self.index.builds.folders.get(&***folder).into_iter().flatten();
            self.applying(ways).iter().any(|flux| filling.is_by(flux))
        });
        open.map(|folder| if folder.is_empty() { "." } else { folder }).collect()
    }

    /// Whether the variable is known to be a label's value in a node selector.
    pub(crate) fn chooses_nodes(&self, filling: &Filling<'_>) -> bool {
        let files = self.index.variables.get(filling.variable).map(Vec::as_slice).unwrap_or_default();
        files.iter().flat_map(|path| self.uses(path, filling)).any(|one| one.stand == Stand::Node)
    }

    /// Whether anything that a Flux `Kustomization` builds takes variables from there; others may be anybody's.
    pub(crate) fn fills(&self, filling: &Filling<'_>) -> bool {
        match filling.by {
            By::Kustomization { .. } => true,
            By::Source { namespace, kind, name } => self.flux().any(|(identity, build)| {
                let mut others = build.substitute_from.iter();
                identity == namespace && others.any(|other| other.split_once(' ') == Some((kind, name)))
            }),
        }
    }

    /// Every Flux `Kustomization` that builds a folder of a Git repository, with its namespace.
    fn flux(&self) -> impl Iterator<Item = (String, &FluxBuild)> {
        let objects = self.index.of_kind("Kustomization").filter_map(|object| self.object(object));
        objects.filter_map(|(path, document)| {
            let identity = self.identities(path, document).next()?;
            Some((identity.namespace, document.flux.as_ref()?))
        })
    }

    fn uses<'a>(&'a self, path: &'a RepoPath, filling: &Filling<'_>) -> Vec<Use<'a>> {
        let Some(file) = self.files.get(path) else { return Vec::new() };
        let is_own = |one: &VariableUse| one.stand == Stand::Patch && self.is_of(path, one, filling);
        let is_built = self.appliers(path, &file.facts).iter().any(|flux| filling.is_by(flux));
        let all = file.facts.variables().iter().filter(|one| *one.name == *filling.variable);
        let reached = all.filter(|one| is_built || is_own(one));
        reached.map(|one| Use { path, line: one.line, document: one.document, stand: one.stand }).collect()
    }

    /// Whether the document is the very `Kustomization` that fills in: it does so in its own patches.
    fn is_of(&self, path: &RepoPath, one: &VariableUse, filling: &Filling<'_>) -> bool {
        let By::Kustomization { namespace, name, path: file } = filling.by else { return false };
        let is_named = |document: &&DocumentFacts| {
            let mut identities = self.identities(path, document);
            identities.any(|identity| identity.namespace == namespace && identity.name == name)
        };
        let mut documents = self.documents(path).iter().filter(|document| document.flux.is_some());
        file.is_none_or(|file| file == path)
            && documents
                .any(|document| u32::try_from(document.document) == Ok(one.document) && is_named(&document))
    }

    /// The Flux `Kustomization`s that build what the file says: a manifest, a kustomization or a patch.
    fn appliers(&self, path: &RepoPath, facts: &FileFacts) -> Vec<Covering<'_>> {
        let folders: Vec<&str> = match facts {
            FileFacts::Kustomization(_) => vec![folder_of(path)],
            FileFacts::Manifests(_) | FileFacts::Unreadable { .. } => match self.index.patches.get(path) {
                Some(folders) => folders.iter().map(String::as_str).collect(),
                None => return self.covering(path),
            },
        };
        self.applying(folders.iter().filter_map(|folder| self.index.builds.folders.get(*folder)).flatten())
    }
}
