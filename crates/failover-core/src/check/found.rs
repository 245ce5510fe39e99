//! What was found so far about the move of one service.

use super::finding::{Check, Finding, Verdict};
use crate::name::Role;
use crate::topology::ServiceState;

/// The findings about one service, as they come together.
pub(super) struct Found<'s, 'a> {
    pub(super) state: &'s ServiceState<'a>,
    pub(super) to: Role,
    pub(super) findings: Vec<Finding>,
}

impl Found<'_, '_> {
    pub(super) fn add(&mut self, check: Check, verdict: Verdict, detail: String) {
        let finding = Finding { check, verdict, service: self.state.name().clone(), detail };
        // What is true of a file is found once for each object in it.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}
