//! The checked config: what can move, and what a move sets.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::field::{FieldPath, Insert, Segment, Value};
use crate::name::{
    Kind, LabelKey, LabelValue, Namespace, ObjectName, RepoPath, Role, ServiceName, VolumeName, nearest,
};
use crate::yaml::Place;

/// Everything that `services.yaml` says; there is at least one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    services: BTreeMap<ServiceName, Service>,
    /// The same names, each behind those that it comes after.
    order: Vec<ServiceName>,
}

/// One app that can move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name in the config.
    pub name: ServiceName,
    /// Where its entry begins in the config.
    pub place: Place,
    /// Where its objects live unless a target says otherwise; the first target's namespace when the entry
    /// gives none of its own.
    pub namespace: Namespace,
    /// The workload that runs it, when the entry names one.
    pub workload: Option<Workload>,
    /// What a move sets: never empty, no field twice. The placement's node comes first, then its claim, then
    /// the entry's `settings` in their order.
    pub settings: Vec<Setting>,
    /// The services that come before it in a plan.
    pub after: Vec<ServiceName>,
    /// How long after a failover the service is not moved again.
    pub cooldown: Option<Duration>,
    /// The oldest last sync with which a planned move is still allowed.
    pub max_data_age: Option<Duration>,
}

/// The workload that runs a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its manifest.
    pub target: Target,
    /// The node and claim for each role, when the entry gives them in short form.
    pub placement: Option<Placement>,
}

/// The short form of the two usual settings, as given in the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The volume of the pod template that mounts the claim.
    pub volume_name: VolumeName,
    /// The claim at the primary role.
    pub primary_claim: ObjectName,
    /// The claim at the backup role.
    pub backup_claim: ObjectName,
    /// The key of the node label that the two values belong to.
    pub node_label_key: LabelKey,
    /// The node label's value at the primary role.
    pub primary_node_label: LabelValue,
    /// The node label's value at the backup role.
    pub backup_node_label: LabelValue,
}

/// One field of one manifest, with a value for each role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What the field is for.
    pub kind: SettingKind,
    /// The manifest.
    pub target: Target,
    /// The field in it.
    pub field: FieldPath,
    /// Its value at the primary role.
    pub primary: Value,
    /// Its value at the backup role; never the primary one.
    pub backup: Value,
    /// Which missing keys a move may add.
    pub insert: Insert,
}

/// What a setting is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SettingKind {
    /// The node label in the pod's node selector.
    Node,
    /// The claim that a volume of the pod mounts.
    Claim,
    /// Any other field.
    Field,
}

/// The manifest that a setting is in, told by what it is rather than where it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
pub struct Target {
    /// The kind of object.
    pub kind: Kind,
    /// The object's name.
    pub name: ObjectName,
    /// The object's namespace.
    pub namespace: Namespace,
    /// The file or folder to look in, where more than one manifest fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
}

/// The workloads that the config has a key for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
    HelmRelease,
}

impl Config {
    /// The services by name; the caller has found at least one and has checked them against each other.
    pub(super) fn new(services: BTreeMap<ServiceName, Service>, order: Vec<ServiceName>) -> Self {
        Self { services, order }
    }

    /// All services, by name.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &Service> {
        self.services.values()
    }

    /// All services in the order in which a plan lists them: each behind those in its `after`, otherwise by name.
    pub fn in_order(&self) -> impl Iterator<Item = &Service> {
        self.order.iter().filter_map(|name| self.services.get(name))
    }

    /// The service of this name.
    #[must_use]
    pub fn get(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(name)
    }

    /// The names that look most like `wanted`, best first, at most three.
    #[must_use]
    pub fn nearest(&self, wanted: &str) -> Vec<&str> {
        nearest(wanted, self.services.keys().map(ServiceName::as_str))
    }
}

impl Setting {
    /// The field's value at `role`.
    #[must_use]
    pub fn value(&self, role: Role) -> &Value {
        match role {
            Role::Primary => &self.primary,
            Role::Backup => &self.backup,
        }
    }
}

impl Target {
    /// Whether both are the same object, wherever its manifest is looked for.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        (&self.kind, &self.name, &self.namespace) == (&other.kind, &other.name, &other.namespace)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl WorkloadKind {
    /// All of them, in the order in which messages list their keys.
    pub(super) const ALL: [Self; 5] =
        [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::CronJob, Self::HelmRelease];

    /// The key in the config.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::CronJob => "cronjob",
            Self::HelmRelease => "helmrelease",
        }
    }

    /// The kind in a manifest.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
            Self::HelmRelease => "HelmRelease",
        }
    }

    /// The path of the pod's spec; `None` for a `HelmRelease`, whose pods only its chart knows.
    pub(super) fn pod_spec(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => Some(&["spec", "template", "spec"]),
            Self::CronJob => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
            Self::HelmRelease => None,
        }
    }
}

impl Placement {
    /// The node setting and the claim setting that the short form stands for, in a workload whose pods are
    /// described at `pod_spec`.
    pub(super) fn settings(&self, target: &Target, pod_spec: &[&str]) -> [Setting; 2] {
        let under_pod = |rest: &[Segment], field: &str| {
            let pod = pod_spec.iter().map(|key| Segment::Key((*key).to_owned()));
            FieldPath::through(pod.chain(rest.iter().cloned()), field)
        };
        let key = |key: &str| Segment::Key(key.to_owned());
        let volume = Segment::Item { key: "name".to_owned(), value: self.volume_name.to_string() };
        [
            Setting {
                kind: SettingKind::Node,
                target: target.clone(),
                field: under_pod(&[key("nodeSelector")], self.node_label_key.as_str()),
                primary: Value::String(self.primary_node_label.to_string()),
                backup: Value::String(self.backup_node_label.to_string()),
                insert: Insert::LastTwoKeys,
            },
            Setting {
                kind: SettingKind::Claim,
                target: target.clone(),
                field: under_pod(&[key("volumes"), volume, key("persistentVolumeClaim")], "claimName"),
                primary: Value::String(self.primary_claim.to_string()),
                backup: Value::String(self.backup_claim.to_string()),
                insert: Insert::Never,
            },
        ]
    }
}
