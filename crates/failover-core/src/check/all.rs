//! Every check in its order.

use super::finding::Finding;
use super::found::Found;
use crate::name::Role;
use crate::topology::ServiceState;
use crate::tree::Tree;

/// Everything found about moving a service to `to`. A service that is already there is not in danger: nothing blocks.
#[must_use]
pub fn findings(state: &ServiceState<'_>, to: Role, tree: &Tree) -> Vec<Finding> {
    let mut found = Found { state, to, findings: Vec::new() };
    found.values();
    found.claims(tree);
    found.files(tree);
    found.alterations(tree);
    found.variables(tree);
    found.pods(tree);
    found.other_mounts(tree);
    found.releases(tree);
    found.replications(tree);
    found.objects(tree);
    found.findings
}
