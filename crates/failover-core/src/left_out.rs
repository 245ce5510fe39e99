//! Why no entry is proposed for an app that has a claim, or may have one.

use crate::inventory::{FieldText, Inventory, Workload};
use crate::tree::{FileFacts, Tree};

/// Why a workload that is not one of two, and mounts none of two claims, gets no entry; `None` for one without a claim.
pub(crate) fn reason(workload: &Workload, inventory: &Inventory) -> Option<String> {
    let Workload { mounts, templates, values_from, .. } = workload;
    if workload.stays {
        let stays = "it has the annotation failover-api/ignore, so it stays where it is";
        return (!mounts.is_empty()).then(|| stays.to_owned());
    }
    let mut reasons: Vec<String> =
        mounts.iter().filter_map(|mount| of_mount(mount, workload, inventory)).collect();
    if !templates.is_empty() {
        reasons.push(format!(
            "its claims come from volumeClaimTemplates ({}); see StatefulSets in docs/config.md",
            templates.join(", ")
        ));
    }
    if mounts.is_empty() && !values_from.is_empty() {
        let sources = values_from.join(", ");
        reasons.push(format!(
            "whether it mounts claims cannot be told: it takes values from {sources} (valuesFrom)"
        ));
    }
    reasons.dedup();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn of_mount(mount: &FieldText, workload: &Workload, inventory: &Inventory) -> Option<String> {
    let Some(claim) = &mount.value else {
        let (field, text) = (&mount.at.field, &mount.at.value);
        return Some(format!("{field} is {text}, and what fills that in is not in the repository"));
    };
    match inventory.pair_of(&workload.namespace, claim) {
        None => Some(format!(
            "no second claim is declared for {claim} in {}, such as {claim}-backup",
            workload.namespace
        )),
        Some(pair) => Some(format!(
            "a workload mounts both {} and {}, as a job does that saves the one into the other",
            pair.primary.name, pair.backup.name
        )),
    }
}

/// Patches that set claims: what they make of an app is not seen.
pub(crate) fn patches(tree: &Tree) -> Vec<(String, String)> {
    let files = tree.sources.iter().filter(|(path, source)| {
        let is_kustomization = tree.listing.file(path).is_some_and(|file| match &*file.facts {
            FileFacts::Kustomization(_) => true,
            FileFacts::Manifests(_) | FileFacts::Unreadable { .. } => false,
        });
        (is_kustomization || tree.listing.is_patch(path))
            && ["claimName", "existingClaim"].iter().any(|key| source.text().contains(key))
    });
    let said = "the claims that they set are not looked at; write the entry by hand, with this file as path (docs/config.md)";
    files.map(|(path, _)| (format!("patches in {path}"), said.to_owned())).collect()
}
