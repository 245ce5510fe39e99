//! What the parts of a service's entry share: its defaults, and notes for the checks between services.

use std::fmt;
use std::time::Duration;

use super::check::{AfterUse, ClaimUse, FieldUse};
use super::duration;
use super::fields::{Field, Fields, Reader, shown};
use super::keys::{DEFAULTS, names};
use super::model::Target;
use super::value::Placed;
use crate::field::FieldPath;
use crate::name::{LabelKey, Namespace, ObjectName, RepoPath, Role, ServiceName};
use crate::yaml::Place;

/// What `defaults:` gives to every service that does not say otherwise.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) node_label_key: Option<LabelKey>,
    pub(super) path: Option<RepoPath>,
    pub(super) cooldown: Option<Duration>,
    pub(super) max_data_age: Option<Duration>,
}

impl Defaults {
    pub(super) fn read<'a>(reader: &mut Reader<'a>, field: Field<'a>) -> Self {
        let Some(fields) = reader.fields(field.node, "defaults".to_owned(), field.place) else {
            return Self::default();
        };
        reader.only(&fields, &names(&DEFAULTS));
        Self {
            node_label_key: reader.name(&fields, "node_label_key").map(|key| key.value),
            path: reader.name(&fields, "path").map(|path| path.value),
            cooldown: read_duration(reader, &fields, "cooldown"),
            max_data_age: read_duration(reader, &fields, "max_data_age"),
        }
    }
}

/// The duration in the field `key`, if there is one.
pub(super) fn read_duration<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, key: &str) -> Option<Duration> {
    let field = fields.get(key)?;
    let what = format!("{key} of {}", fields.what);
    let (text, _) = reader.scalar(field, &what)?;
    let duration = duration::parse(text);
    if duration.is_none() {
        reader.error(
            field.node.place,
            format!("{what} is {}, which is not a duration", shown(text)),
            "write hours, minutes and seconds such as 2h, 10m, 90s or 1h30m",
        );
    }
    duration
}

/// Reads one service; what it claims and sets is also noted when the rest of the entry is wrong, so that all
/// problems are in one report.
pub(super) struct ServiceReader<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) defaults: &'r Defaults,
    pub(super) claims: &'r mut Vec<ClaimUse>,
    pub(super) moved: &'r mut Vec<FieldUse>,
    pub(super) afters: &'r mut Vec<AfterUse>,
    pub(super) name: &'r ServiceName,
}

impl<'a> ServiceReader<'_, 'a> {
    /// Reports a value that is the same at both roles: moving would do nothing and seem to succeed.
    pub(super) fn differ<T: PartialEq + fmt::Display>(
        &mut self,
        fields: &Fields<'a>,
        what: &str,
        primary: Option<&Placed<T>>,
        backup: Option<&Placed<T>>,
    ) {
        if let (Some(primary), Some(backup)) = (primary, backup)
            && primary.value == backup.value
        {
            self.reader.error(
                backup.place,
                format!(
                    "{} has the same {what} {} for both roles",
                    fields.what,
                    shown(&backup.value.to_string())
                ),
                format!("give the {what} of the backup role; with the same one a move changes nothing"),
            );
        }
    }

    pub(super) fn note_claim(&mut self, namespace: &Namespace, claim: &ObjectName, role: Role, place: Place) {
        let (namespace, claim) = (namespace.clone(), claim.clone());
        self.claims.push(ClaimUse { namespace, claim, service: self.name.to_string(), role, place });
    }

    /// The services in `after`.
    pub(super) fn after(&mut self, fields: &Fields<'a>) -> Vec<ServiceName> {
        let Some(field) = fields.get("after") else { return Vec::new() };
        let what = format!("after of {}", fields.what);
        let Some(items) = self.reader.items(field, &what) else { return Vec::new() };
        let mut names = Vec::new();
        for node in items {
            let item = Field { place: node.place, node };
            let Some(text) = self.reader.text(item, &format!("an item of {what}")) else { continue };
            match ServiceName::new(text.value) {
                Ok(after) => {
                    let (service, place) = (self.name.clone(), text.place);
                    self.afters.push(AfterUse { service, after: after.clone(), place });
                    names.push(after);
                }
                Err(error) => self.reader.error(
                    text.place,
                    format!("an item of {what} is {}", shown(text.value)),
                    format!("it {error}"),
                ),
            }
        }
        names
    }

    pub(super) fn note_field(&mut self, target: &Target, field: &FieldPath, place: Place) {
        let object = (target.kind.clone(), target.namespace.clone(), target.name.clone());
        self.moved.push(FieldUse { object, field: field.clone(), service: self.name.to_string(), place });
    }
}
