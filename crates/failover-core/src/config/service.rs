//! One entry of `services:`: its workload in short form, and what else it says.

use super::entry::{ServiceReader, read_duration};
use super::fields::{Field, Fields};
use super::keys::{OTHER, PLACEMENT, names};
use super::model::{Placement, Service, Setting, Target, Workload, WorkloadKind};
use crate::name::{Kind, LabelKey, Namespace, ObjectName, RepoPath, Role};
use crate::yaml::Place;

impl<'a> ServiceReader<'_, 'a> {
    pub(super) fn read(mut self, field: Field<'a>) -> Option<Service> {
        let fields = self.reader.fields(field.node, format!("service {}", self.name), field.place)?;
        let known: Vec<&str> = WorkloadKind::ALL
            .iter()
            .map(|kind| kind.key())
            .chain(names(&PLACEMENT))
            .chain(names(&OTHER))
            .collect();
        self.reader.only(&fields, &known);
        let namespace = self.reader.name::<Namespace>(&fields, "namespace").map(|name| name.value);
        let cooldown = read_duration(self.reader, &fields, "cooldown").or(self.defaults.cooldown);
        let max_data_age = read_duration(self.reader, &fields, "max_data_age").or(self.defaults.max_data_age);

        let after = self.after(&fields);
        let (workload, settings) = self.workload(&fields, namespace.as_ref()).unzip();
        let target = workload.as_ref().map(|workload: &Workload| &workload.target);
        let mut settings: Vec<Setting> = settings.unwrap_or_default();
        settings.extend(self.settings(&fields, namespace.as_ref(), target));
        let namespace = namespace.or_else(|| settings.first().map(|first| first.target.namespace.clone()))?;
        let (name, place) = (self.name.clone(), fields.place);
        Some(Service { name, place, namespace, workload, settings, after, cooldown, max_data_age })
    }

    /// The workload, and the settings that its short form stands for.
    fn workload(
        &mut self,
        fields: &Fields<'a>,
        namespace: Option<&Namespace>,
    ) -> Option<(Workload, Vec<Setting>)> {
        let mut kinds = WorkloadKind::ALL.into_iter().filter(|kind| fields.has(kind.key()));
        let short =
            names(&PLACEMENT).into_iter().find_map(|key| fields.get(key).map(|field| (key, field.place)));
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
}
