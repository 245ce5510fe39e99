//! What Flux makes of a text with variables (`${VARIABLE}`), as far as the repository tells.

use std::collections::BTreeSet;

use super::covering::Covering;
use super::listing::Listing;
use crate::name::RepoPath;

impl Covering<'_> {
    /// The text with its variables filled in; `None` where a value may come from a ConfigMap or Secret, or is changed on
    /// the way (`${VARIABLE/a/b}`).
    pub(crate) fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, behind) = after.split_once('}')?;
            let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
            let (name, default) = inside.split_at(end);
            // Two dollars are an escape, and a default may hold another variable.
            if before.ends_with('$') || name.is_empty() || default.contains("${") {
                return None;
            }
            filled.push_str(before);
            filled.push_str(match (self.value(name), default) {
                (Some(value), "") => value,
                (None, "") => return None,
                (value, default) => {
                    let default = default.strip_prefix(":=").or_else(|| default.strip_prefix(":-"))?;
                    match value.filter(|value| !value.is_empty()) {
                        Some(value) => value,
                        None if self.others().is_empty() => default,
                        None => return None,
                    }
                }
            });
            rest = behind;
        }
        filled.push_str(rest);
        Some(filled)
    }
}

/// The text with its variables filled in, where everything that applies it makes the same of it. What a chart fills in
/// (`{{ … }}`) is not known.
pub(crate) fn fill(text: &str, by: &[Covering<'_>]) -> Option<String> {
    if text.contains("{{") {
        return None;
    }
    if !text.contains("${") {
        return Some(text.to_owned());
    }
    let all: Option<BTreeSet<String>> = by.iter().map(|flux| flux.fill(text)).collect();
    let mut all = all?.into_iter();
    all.next().filter(|_| all.next().is_none())
}

impl Listing {
    /// The Flux `Kustomization`s that build the file's objects into the namespace.
    pub(crate) fn covering_in(&self, path: &RepoPath, namespace: &str) -> Vec<Covering<'_>> {
        let builds = self.index.builds.of.get(path).into_iter().flatten();
        let fits = builds.filter(|(build, _)| build.namespace.as_deref().is_none_or(|own| own == namespace));
        self.applying(fits.flat_map(|(_, ways)| ways))
    }
}
