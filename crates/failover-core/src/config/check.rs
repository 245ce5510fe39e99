//! What must hold between the services of one config.
//!
//! One config is for one cluster, so the same claim or field is the same one wherever its manifest lies.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::error::ConfigError;
use super::fields::{at, shown};
use crate::field::FieldPath;
use crate::name::{Kind, Namespace, ObjectName, Role, ServiceName, nearest};
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

/// A service that comes after another.
pub(super) struct AfterUse {
    pub(super) service: ServiceName,
    pub(super) after: ServiceName,
    pub(super) place: Place,
}

/// The order of `names`, each behind those that it comes after and otherwise by name; and what forbids one: names that
/// are no service, and services that come after each other.
pub(super) fn in_order(
    names: &BTreeSet<ServiceName>,
    uses: &[AfterUse],
) -> (Vec<ServiceName>, Vec<ConfigError>) {
    let mut errors = Vec::new();
    let mut before: BTreeMap<&ServiceName, BTreeSet<&ServiceName>> = BTreeMap::new();
    for AfterUse { service, after, place } in uses {
        if !names.contains(after) {
            let near = nearest(after.as_str(), names.iter().map(ServiceName::as_str));
            let hint = match near.first() {
                Some(near) => format!("did you mean '{near}'?"),
                None => "name a service of this config".to_owned(),
            };
            let message =
                format!("service {service} comes after {}, which is no service", shown(after.as_str()));
            errors.push(ConfigError { place: *place, message, hint });
        } else if !before.entry(service).or_default().insert(after) {
            let message = format!("service {service} comes after {after} twice");
            errors.push(ConfigError { place: *place, message, hint: "name it once".to_owned() });
        }
    }
    let mut order: Vec<ServiceName> = Vec::new();
    let mut left: BTreeSet<&ServiceName> = names.iter().collect();
    let mut waits: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    let mut behind: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (service, before) in &before {
        waits.insert(service, before.len());
        before.iter().for_each(|first| behind.entry(first).or_default().push(service));
    }
    let mut free: BTreeSet<&ServiceName> = names.iter().filter(|name| !waits.contains_key(name)).collect();
    while let Some(next) = free.pop_first() {
        left.remove(next);
        order.push(next.clone());
        for service in behind.get(next).into_iter().flatten() {
            if let Some(wait) = waits.get_mut(service) {
                *wait -= 1;
                if *wait == 0 {
                    free.insert(service);
                }
            }
        }
    }
    // Whoever is left waits for somebody who is left: following that ends in a circle.
    let mut circle: Vec<&ServiceName> = left.first().copied().into_iter().collect();
    while let Some(next) =
        circle.last().and_then(|last| before.get(last)?.iter().find(|name| left.contains(*name)))
    {
        if let Some(start) = circle.iter().position(|name| name == next) {
            circle.drain(..start);
            break;
        }
        circle.push(next);
    }
    if let Some(first) = circle.first() {
        let place = uses.iter().find(|used| used.service == **first).map_or(START, |used| used.place);
        let names: Vec<&str> = circle.iter().chain([first]).map(|name| name.as_str()).collect();
        let message = match circle.as_slice() {
            [alone] => format!("service {alone} comes after itself"),
            _ => format!("services come after each other: {}", names.join(" after ")),
        };
        errors.push(ConfigError { place, message, hint: "remove one of them from 'after'".to_owned() });
    }
    (order, errors)
}

const START: Place = Place { line: 1, column: 1 };

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
