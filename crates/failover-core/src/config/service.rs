//! One entry of `services:`.

use std::time::Duration;

use super::check::{ClaimUse, FieldUse};
use super::duration;
use super::fields::{Field, Fields, Placed, Reader, shown};
use super::model::{Placement, Service, Setting, SettingKind, Target, Workload, WorkloadKind};
use crate::field::{FieldPath, Insert, Segment, Value};
use crate::name::{Kind, LabelKey, Namespace, ObjectName, RepoPath, Role, ServiceName};
use crate::yaml::{Node, Place};

/// The keys of the short form.
const PLACEMENT: [&str; 5] =
    ["volume_name", "primary_pvc", "backup_pvc", "primary_node_label", "backup_node_label"];

const OTHER: [&str; 6] = ["namespace", "node_label_key", "path", "settings", "cooldown", "max_data_age"];

/// What `defaults:` gives to every service that does not say otherwise.
#[derive(Default)]
pub(super) struct Defaults {
    node_label_key: Option<LabelKey>,
    path: Option<RepoPath>,
    cooldown: Option<Duration>,
    max_data_age: Option<Duration>,
}

impl Defaults {
    pub(super) fn read<'a>(reader: &mut Reader<'a>, field: Field<'a>) -> Self {
        let Some(fields) = reader.fields(field.node, "defaults".to_owned(), field.place) else {
            return Self::default();
        };
        reader.only(&fields, &["node_label_key", "path", "cooldown", "max_data_age"]);
        Self {
            node_label_key: reader.name(&fields, "node_label_key").map(|key| key.value),
            path: reader.name(&fields, "path").map(|path| path.value),
            cooldown: read_duration(reader, &fields, "cooldown"),
            max_data_age: read_duration(reader, &fields, "max_data_age"),
        }
    }
}

fn read_duration<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, key: &str) -> Option<Duration> {
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
    pub(super) name: &'r ServiceName,
}

impl<'a> ServiceReader<'_, 'a> {
    pub(super) fn read(mut self, field: Field<'a>) -> Option<Service> {
        let fields = self.reader.fields(field.node, format!("service {}", self.name), field.place)?;
        let known: Vec<&str> =
            WorkloadKind::ALL.iter().map(|kind| kind.key()).chain(PLACEMENT).chain(OTHER).collect();
        self.reader.only(&fields, &known);
        let namespace = self.reader.name::<Namespace>(&fields, "namespace").map(|name| name.value);
        let cooldown = read_duration(self.reader, &fields, "cooldown").or(self.defaults.cooldown);
        let max_data_age = read_duration(self.reader, &fields, "max_data_age").or(self.defaults.max_data_age);

        let (workload, settings) = self.workload(&fields, namespace.as_ref()).unzip();
        let target = workload.as_ref().map(|workload: &Workload| &workload.target);
        let mut settings: Vec<Setting> = settings.unwrap_or_default();
        settings.extend(self.settings(&fields, namespace.as_ref(), target));
        let namespace = namespace.or_else(|| settings.first().map(|first| first.target.namespace.clone()))?;
        Some(Service { name: self.name.clone(), namespace, workload, settings, cooldown, max_data_age })
    }

    /// The workload, and the settings that its short form stands for.
    fn workload(
        &mut self,
        fields: &Fields<'a>,
        namespace: Option<&Namespace>,
    ) -> Option<(Workload, Vec<Setting>)> {
        let mut kinds = WorkloadKind::ALL.into_iter().filter(|kind| fields.has(kind.key()));
        let short = PLACEMENT.iter().find_map(|key| fields.get(key).map(|field| (*key, field.place)));
        let Some(kind) = kinds.next() else {
            self.without_workload(fields, short.is_some());
            return None;
        };
        for other in kinds {
            if let Some(field) = fields.get(other.key()) {
                self.reader.error(
                    field.place,
                    format!("{} has both '{}' and '{}'", fields.what, kind.key(), other.key()),
                    "keep the one that runs the app, and move the other with 'settings'",
                );
            }
        }
        self.reader.required(fields, "namespace");
        let name = self.reader.name::<ObjectName>(fields, kind.key());
        let path = self.reader.name::<RepoPath>(fields, "path").map(|path| path.value);
        let placement = if kind.pod_spec().is_none() {
            self.without_pod_spec(fields, short);
            None
        } else if short.is_some() || !fields.has("settings") {
            Some(self.placement(fields, namespace)?)
        } else {
            self.no_use(
                fields,
                "node_label_key",
                "it belongs to 'primary_node_label' and 'backup_node_label'",
            );
            None
        };
        let target = Target {
            kind: Kind::new(kind.kind()).ok()?,
            name: name?.value,
            namespace: namespace?.clone(),
            path: path.or_else(|| self.defaults.path.clone()),
        };
        let settings = match (&placement, kind.pod_spec()) {
            (Some(placement), Some(pod_spec)) => placement.settings(&target, pod_spec).to_vec(),
            (Some(_) | None, _) => Vec::new(),
        };
        for setting in &settings {
            self.note_field(&target, &setting.field, fields.place);
        }
        Some((Workload { target, placement }, settings))
    }

    fn without_workload(&mut self, fields: &Fields<'a>, short: bool) {
        let keys = WorkloadKind::ALL.map(WorkloadKind::key).join(", ");
        if short || !fields.has("settings") {
            self.reader.error(
                fields.place,
                format!("{} names no workload", fields.what),
                format!("add one of {keys} with the workload's name, or use 'settings' alone"),
            );
        } else {
            for key in ["path", "node_label_key"] {
                self.no_use(fields, key, "it belongs to a workload; give a setting's target its own path");
            }
        }
    }

    /// A chart decides where its values put the claim and the node: there is no field to derive.
    fn without_pod_spec(&mut self, fields: &Fields<'a>, short: Option<(&str, Place)>) {
        let hint = "a chart's values differ, so list them under settings; for app-template: \
            {target: {kind: HelmRelease, name: NAME}, field: spec.values.persistence.ID.existingClaim, \
            primary: CLAIM, backup: OTHER-CLAIM} and the same target with \
            field: spec.values.defaultPodOptions.nodeSelector.role";
        if let Some((key, place)) = short {
            let message = format!("{} cannot use '{key}': a HelmRelease has no pod template", fields.what);
            self.reader.error(place, message, hint);
        } else if !fields.has("settings") {
            self.reader.error(fields.place, format!("{} has no 'settings'", fields.what), hint);
        }
        self.no_use(fields, "node_label_key", "name the label in a setting's field");
    }

    fn no_use(&mut self, fields: &Fields<'a>, key: &str, hint: &str) {
        if let Some(field) = fields.get(key) {
            self.reader.error(field.place, format!("'{key}' has no use in {}", fields.what), hint);
        }
    }

    fn placement(&mut self, fields: &Fields<'a>, namespace: Option<&Namespace>) -> Option<Placement> {
        let reader = &mut *self.reader;
        let volume_name = reader.required_name(fields, "volume_name");
        let primary_claim = reader.required_name::<ObjectName>(fields, "primary_pvc");
        let backup_claim = reader.required_name::<ObjectName>(fields, "backup_pvc");
        let primary_node_label = reader.required_name(fields, "primary_node_label");
        let backup_node_label = reader.required_name(fields, "backup_node_label");
        let node_label_key = match reader.name(fields, "node_label_key") {
            Some(key) => Some(key.value),
            None if fields.has("node_label_key") => None,
            None => self.defaults.node_label_key.clone().or_else(|| LabelKey::new("role").ok()),
        };
        self.differ(fields, "claim", primary_claim.as_ref(), backup_claim.as_ref());
        self.differ(fields, "node label", primary_node_label.as_ref(), backup_node_label.as_ref());
        for (role, claim) in [(Role::Primary, &primary_claim), (Role::Backup, &backup_claim)] {
            if let (Some(namespace), Some(claim)) = (namespace, claim) {
                self.note_claim(namespace, &claim.value, role, claim.place);
            }
        }
        Some(Placement {
            volume_name: volume_name?.value,
            primary_claim: primary_claim?.value,
            backup_claim: backup_claim?.value,
            node_label_key: node_label_key?,
            primary_node_label: primary_node_label?.value,
            backup_node_label: backup_node_label?.value,
        })
    }

    /// Reports a value that is the same at both roles: moving would do nothing and seem to succeed.
    fn differ<T: PartialEq + std::fmt::Display>(
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

    fn settings(
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
        self.reader.only(&fields, &["target", "field", "primary", "backup"]);
        let target = self.reader.required(&fields, "target");
        let target = target.and_then(|field| self.target(field, &fields, service, namespace, workload));
        let field = self.field(&fields);
        let primary = self.role_value(&fields, "primary");
        let backup = self.role_value(&fields, "backup");
        self.differ(&fields, "value", primary.as_ref(), backup.as_ref());
        if let (Some(target), Some(field)) = (&target, &field) {
            self.note_field(target, &field.value, field.place);
            if is_claim(&field.value) {
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
            kind: SettingKind::Field,
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
        self.reader.only(&fields, &["kind", "name", "namespace", "path"]);
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

    fn note_claim(&mut self, namespace: &Namespace, claim: &ObjectName, role: Role, place: Place) {
        let (namespace, claim) = (namespace.clone(), claim.clone());
        self.claims.push(ClaimUse { namespace, claim, service: self.name.to_string(), role, place });
    }

    fn note_field(&mut self, target: &Target, field: &FieldPath, place: Place) {
        let object = (target.kind.clone(), target.namespace.clone(), target.name.clone());
        self.moved.push(FieldUse { object, field: field.clone(), service: self.name.to_string(), place });
    }
}

/// Whether the field names a claim: a pod's volume, or the same in the values of common charts.
fn is_claim(field: &FieldPath) -> bool {
    matches!(field.segments().last(), Some(Segment::Key(key)) if key == "claimName" || key == "existingClaim")
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
