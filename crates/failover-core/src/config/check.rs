//! What must hold between the services of one config.
//!
//! One config is for one cluster, so the same claim or field is the same one wherever its manifest lies.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::ConfigError;
use super::fields::at;
use crate::field::FieldPath;
use crate::name::{Kind, Namespace, ObjectName, Role};
use crate::yaml::Place;

/// A claim that a service uses at a role.
pub(super) struct ClaimUse {
    pub(super) namespace: Namespace,
    pub(super) claim: ObjectName,
    pub(super) service: String,
    pub(super) role: Role,
    pub(super) place: Place,
}

/// A field that a service sets.
pub(super) struct FieldUse {
    pub(super) object: (Kind, Namespace, ObjectName),
    pub(super) field: FieldPath,
    pub(super) service: String,
    pub(super) place: Place,
}

/// Reports each claim that two services use, at whatever roles: whichever moves, they would write to one volume.
pub(super) fn shared_claims(mut uses: Vec<ClaimUse>) -> Vec<ConfigError> {
    uses.sort_by_key(|used| used.place);
    let mut first_uses: BTreeMap<(Namespace, ObjectName), ClaimUse> = BTreeMap::new();
    let mut errors = Vec::new();
    for used in uses {
        match first_uses.entry((used.namespace.clone(), used.claim.clone())) {
            Entry::Vacant(free) => {
                free.insert(used);
            }
            Entry::Occupied(first) if first.get().service != used.service => {
                let (ClaimUse { namespace, claim, service, role, place }, first) = (used, first.get());
                errors.push(ConfigError {
                    place,
                    message: format!(
                        "claim {claim} in namespace {namespace} is the {role} claim of service {service} and \
                         the {} claim of service {} ({})",
                        first.role,
                        first.service,
                        at(first.place),
                    ),
                    hint: "give each service its own claims".to_owned(),
                });
            }
            Entry::Occupied(_) => {}
        }
    }
    errors
}

/// Reports each field that is set twice: two moves would fight over it.
pub(super) fn shared_fields(mut uses: Vec<FieldUse>) -> Vec<ConfigError> {
    uses.sort_by_key(|used| used.place);
    let mut first_uses: BTreeMap<_, (String, Place)> = BTreeMap::new();
    let mut errors = Vec::new();
    for FieldUse { object, field, service, place } in uses {
        match first_uses.entry((object, field)) {
            Entry::Vacant(free) => {
                free.insert((service, place));
            }
            Entry::Occupied(first) => {
                let ((kind, namespace, name), field) = first.key();
                let (other, other_place) = first.get();
                errors.push(ConfigError {
                    place,
                    message: format!(
                        "{field} of {kind} {namespace}/{name} is set by service {service} and already by \
                         service {other} ({})",
                        at(*other_place),
                    ),
                    hint: "let one setting of one service move the field".to_owned(),
                });
            }
        }
    }
    errors
}
