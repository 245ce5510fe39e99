//! What builds the edited files.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::tree::Tree;

impl Found<'_, '_> {
    pub(super) fn files(&mut self, tree: &Tree) {
        let mut seen = Vec::new();
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            if seen.contains(&&setting.found.path) {
                continue;
            }
            seen.push(&setting.found.path);
            let path = &setting.found.path;
            if setting.found.built_from.len() > 1 {
                let builds = setting.found.built_from.join(", ");
                let detail = format!("{path} is built from {builds}; the move reaches each of them");
                self.add(Check::SeveralBuilds, Verdict::Warn, detail);
            }
            if let Some(folder) = &setting.found.unlisted_by {
                let detail = format!(
                    "the kustomization in {folder} does not list {path}, and no other build does; Flux may apply something else"
                );
                self.add(Check::NotBuilt, Verdict::Warn, detail);
            }
            for folder in &setting.found.patched_by {
                let (target, field) = (&setting.setting.target, &setting.setting.field);
                let detail = format!(
                    "the kustomization in {folder} patches {target}; if the patch sets {field}, the edit of {path} has no effect"
                );
                self.add(Check::KustomizePatch, Verdict::Warn, detail);
            }
            for (hidden, place) in tree.listing.suspects(&setting.setting.target) {
                let detail = format!(
                    "{hidden}:{} cannot be read and mentions the name {}; it may hold a second manifest",
                    place.line, setting.setting.target.name
                );
                self.add(Check::UnreadableFiles, Verdict::Warn, detail);
            }
        }
    }
}
