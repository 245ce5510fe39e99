//! The `settings:` of a service.

use super::entry::ServiceReader;
use super::fields::{Field, Fields, shown};
use super::keys::{SETTING, TARGET, names};
use super::model::{Setting, SettingKind, Target};
use super::value::Placed;
use crate::field::{FieldPath, Insert, Segment, Value};
use crate::name::{Namespace, ObjectName, Role};
use crate::yaml::Node;

impl<'a> ServiceReader<'_, 'a> {
    /// The items of `settings`; `workload` gives its path to those that are in the same manifest.
    pub(super) fn settings(
        &mut self,
        fields: &Fields<'a>,
        namespace: Option<&Namespace>,
        workload: Option<&Target>,
    ) -> Vec<Setting> {
        let Some(field) = fields.get("settings") else { return Vec::new() };
        let what = format!("settings of {}", fields.what);
        let Some(items) = self.reader.items(field, &what) else { return Vec::new() };
        if items.is_empty() {
            self.reader.error(
                field.place,
                format!("{what} has no items"),
                "add a setting, or remove the key",
            );
        }
        let mut settings = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let what = format!("setting {} of {}", index + 1, fields.what);
            settings.extend(self.setting(item, what, fields, namespace, workload));
        }
        settings
    }

    fn setting(
        &mut self,
        item: &'a Node,
        what: String,
        service: &Fields<'a>,
        namespace: Option<&Namespace>,
        workload: Option<&Target>,
    ) -> Option<Setting> {
        let fields = self.reader.fields(item, what, item.place)?;
        self.reader.only(&fields, &names(&SETTING));
        let target = self.reader.required(&fields, "target");
        let target = target.and_then(|field| self.target(field, &fields, service, namespace, workload));
        let field = self.field(&fields);
        let primary = self.role_value(&fields, "primary");
        let backup = self.role_value(&fields, "backup");
        self.differ(&fields, "value", primary.as_ref(), backup.as_ref());
        if let (Some(target), Some(field)) = (&target, &field) {
            self.note_field(target, &field.value, field.place);
            if kind_of(&field.value) == SettingKind::Claim {
                for (role, value) in [(Role::Primary, &primary), (Role::Backup, &backup)] {
                    if let Some(Placed { value: Value::String(claim), place }) = value
                        && let Ok(claim) = ObjectName::new(claim)
                    {
                        self.note_claim(&target.namespace, &claim, role, *place);
                    }
                }
            }
        }
        Some(Setting {
            kind: field.as_ref().map_or(SettingKind::Field, |field| kind_of(&field.value)),
            target: target?,
            field: field?.value,
            primary: primary?.value,
            backup: backup?.value,
            insert: Insert::LastKey,
        })
    }

    fn role_value(&mut self, fields: &Fields<'a>, key: &str) -> Option<Placed<Value>> {
        let field = self.reader.required(fields, key)?;
        self.reader.value(field, &format!("{key} of {}", fields.what))
    }

    fn field(&mut self, fields: &Fields<'a>) -> Option<Placed<FieldPath>> {
        let what = format!("field of {}", fields.what);
        let field = self.reader.required(fields, "field")?;
        let Placed { value: text, place } = self.reader.text(field, &what)?;
        let example = "write it as Kustomize does, such as spec.values.replicas or spec.list.[name=x].value";
        match FieldPath::parse(text) {
            Ok(path) if identifies(&path) => {
                self.reader.error(
                    place,
                    format!("{what} is {}, by which the manifest is found", shown(text)),
                    "choose a field that the object keeps its identity without",
                );
                None
            }
            Ok(value) => Some(Placed { value, place }),
            Err(error) => {
                self.reader.error(place, format!("{what} is {}: it {error}", shown(text)), example);
                None
            }
        }
    }

    fn target(
        &mut self,
        field: Field<'a>,
        setting: &Fields<'a>,
        service: &Fields<'a>,
        namespace: Option<&Namespace>,
        workload: Option<&Target>,
    ) -> Option<Target> {
        let fields =
            self.reader.fields(field.node, format!("the target of {}", setting.what), field.place)?;
        self.reader.only(&fields, &names(&TARGET));
        let kind = self.reader.required_name(&fields, "kind");
        let name = self.reader.required_name(&fields, "name");
        let path = self.reader.name(&fields, "path").map(|path| path.value);
        let namespace = if fields.has("namespace") {
            self.reader.name(&fields, "namespace").map(|name| name.value)
        } else {
            // The same for all targets of the service, so it is reported once.
            self.reader.required(service, "namespace");
            namespace.cloned()
        };
        let mut target = Target { kind: kind?.value, name: name?.value, namespace: namespace?, path };
        if let Some(workload) = workload.filter(|workload| workload.is_same_object(&target)) {
            target.path = target.path.or_else(|| workload.path.clone());
        }
        Some(target)
    }
}

/// What the field is for: the claim of a pod's volume or a label of its node selector, or the same in the values of
/// common charts; also where an operation of a JSON 6902 patch sets it.
fn kind_of(field: &FieldPath) -> SettingKind {
    let keys = field.keys();
    match keys.iter().map(AsRef::as_ref).collect::<Vec<&str>>().as_slice() {
        [.., "claimName" | "existingClaim"] => SettingKind::Claim,
        [.., "nodeSelector", _] => SettingKind::Node,
        _ => SettingKind::Field,
    }
}

/// Whether the field is one that a manifest is found by.
fn identifies(field: &FieldPath) -> bool {
    let keys: Vec<&str> = field
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Item { .. } => None,
        })
        .collect();
    matches!(keys.as_slice(), ["apiVersion" | "kind" | "metadata"] | ["metadata", "name" | "namespace"])
}
