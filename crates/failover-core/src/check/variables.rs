//! What else changes with a variable that Flux fills in.

use super::finding::{Check, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::tree::{Filled, Filling, Tree, places};

impl Found<'_, '_> {
    /// A variable that names objects, too, renames them; with `prune` Flux deletes those of the old name, claims included.
    pub(super) fn variables(&mut self, tree: &Tree) {
        let settings: Vec<_> = pending(self.state, self.to).map(|(setting, _)| setting).collect();
        for setting in settings {
            let Some(filling) = Filling::of(setting.setting, &setting.found) else { continue };
            if !tree.listing.fills(&filling) {
                continue;
            }
            let (target, name) = (&setting.setting.target, filling.variable);
            let at = format!("{}:{}", setting.found.path, setting.place.line);
            let unseen = tree.listing.unseen(&filling);
            let (verdict, detail) = match tree.listing.filled_by(&filling) {
                Filled::One if unseen.is_empty() => continue,
                Filled::One => (
                    Verdict::Warn,
                    format!(
                        "{at}: the kustomization in {} also builds what is not in this repository; where {name} of {target} stands there, too, the move changes that as well",
                        unseen.join(" and in ")
                    ),
                ),
                // A ConfigMap may have the key for something else.
                Filled::Nothing if target.kind.as_str() != "Kustomization" => continue,
                Filled::Nothing => (
                    Verdict::Block,
                    format!(
                        "{at}: no file that is known to be built by {target} has ${{{name}}}; the move may reach nothing, or more than it should"
                    ),
                ),
                Filled::Alike(uses) => (
                    Verdict::Warn,
                    format!("{at}: {name} of {target} moves several objects: {}", places(&uses)),
                ),
                Filled::More(uses) => (
                    Verdict::Block,
                    format!(
                        "{at}: {name} of {target} fills in more than one field, or a name: {}; the move would change all of it, and what is renamed is deleted where prune is on; write the value itself into the field, or give it a variable of its own",
                        places(&uses)
                    ),
                ),
            };
            self.add(Check::VariableShared, verdict, detail);
        }
    }
}
