//! What builds the edited files.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::tree::{Alteration, Tree, Unbuilt, alterations};

impl Found<'_, '_> {
    /// What is set once more on the way to the cluster does not move.
    pub(super) fn alterations(&mut self, tree: &Tree) {
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            let (target, field, found) = (&setting.setting.target, &setting.setting.field, &setting.found);
            for Alteration { what, is_certain } in alterations(tree, found, target, field) {
                if is_certain {
                    let detail = format!(
                        "{what} sets {field} of {target}, so that an edit of {} would have no effect; take it out there, or make that the `path` of the setting (docs/config.md)",
                        found.path
                    );
                    self.add(Check::KustomizePatch, Verdict::Block, detail);
                } else {
                    let detail = format!(
                        "{what} may set {field} of {target}; if so, the edit of {} has no effect",
                        found.path
                    );
                    self.add(Check::KustomizePatch, Verdict::Warn, detail);
                }
            }
        }
    }

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
                // One that Flux applies in two places is in two clusters, as a rule.
                if setting.found.applied_by() > 1 {
                    let detail = format!(
                        "{path} is applied by {builds}: the move reaches each of them, also a cluster where nothing is wrong"
                    );
                    self.add(Check::SeveralBuilds, Verdict::Block, detail);
                } else {
                    let detail = format!("{path} is built from {builds}; the move reaches each of them");
                    self.add(Check::SeveralBuilds, Verdict::Warn, detail);
                }
            }
            match &setting.found.unbuilt {
                Some(Unbuilt::LeftOut(folder)) => {
                    let detail = format!(
                        "the kustomization in {folder} does not list {path}, and no other build does; Flux may apply something else"
                    );
                    self.add(Check::NotBuilt, Verdict::Warn, detail);
                }
                Some(Unbuilt::Nowhere) => {
                    let detail = format!(
                        "no Flux Kustomization and no kustomization of the repository builds {path}; Flux may apply something else"
                    );
                    self.add(Check::NotBuilt, Verdict::Warn, detail);
                }
                Some(Unbuilt::NotApplied { file, folder }) => {
                    let detail = format!(
                        "the Flux Kustomization in {file} builds {path}, and the kustomization in {folder} does not list {file}; Flux may apply something else"
                    );
                    self.add(Check::NotBuilt, Verdict::Warn, detail);
                }
                None => {}
            }
            for hidden in tree.listing.unreadable_kustomizations() {
                let detail =
                    format!("{hidden} cannot be read, so that it is not known what it builds or patches");
                self.add(Check::UnreadableFiles, Verdict::Warn, detail);
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
