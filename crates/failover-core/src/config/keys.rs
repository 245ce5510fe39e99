//! The keys of the config, with what each holds: what is read, and what the JSON Schema says, is made from these tables.

/// A key of a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) description: &'static str,
}

/// What the value of a key looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An RFC 1123 label.
    Label,
    /// An RFC 1123 subdomain.
    Subdomain,
    /// The key of a node label.
    LabelKey,
    /// The value of a node label.
    LabelValue,
    /// The kind of an object.
    Kind,
    /// A file or folder of the repository.
    Path,
    /// A field, as Kustomize writes it.
    Field,
    /// A value that a field can have.
    Value,
    /// Hours, minutes and seconds.
    Duration,
    /// The mapping of this name in the schema.
    Mapping(&'static str),
    /// A list of names of services.
    Names,
    /// A list of such mappings, which is not empty.
    List(&'static str),
    /// Such mappings by the names of services, at least one.
    Services(&'static str),
}

const fn key(name: &'static str, form: Form, description: &'static str) -> Key {
    Key { name, form, description }
}

const NODE_LABEL_KEY: Key = key(
    "node_label_key",
    Form::LabelKey,
    "The node label's key, for example kubernetes.io/hostname; role if it is not given.",
);
const PATH: Key =
    key("path", Form::Path, "The file or folder to look in for the manifest, where more than one fits.");
const COOLDOWN: Key =
    key("cooldown", Form::Duration, "How long after a failover the service is not moved again, such as 10m.");
const MAX_DATA_AGE: Key =
    key("max_data_age", Form::Duration, "The oldest last sync for a planned move, such as 1h30m.");

/// The keys of the config.
pub(super) const ROOT: [Key; 2] = [
    key("services", Form::Services("service"), "What can move."),
    key("defaults", Form::Mapping("defaults"), "For every service that does not say otherwise."),
];

/// The keys of `defaults`.
pub(super) const DEFAULTS: [Key; 4] = [NODE_LABEL_KEY, PATH, COOLDOWN, MAX_DATA_AGE];

/// The keys of the short form.
pub(super) const PLACEMENT: [Key; 5] = [
    key("volume_name", Form::Label, "The volume of the pod template that mounts the claim."),
    key("primary_pvc", Form::Subdomain, "The claim at the primary role."),
    key("backup_pvc", Form::Subdomain, "The claim at the backup role."),
    key("primary_node_label", Form::LabelValue, "The node label's value at the primary role."),
    key("backup_node_label", Form::LabelValue, "The node label's value at the backup role."),
];

/// The keys of a service but for its workload and the short form.
pub(super) const OTHER: [Key; 7] = [
    key("namespace", Form::Label, "Where the objects live, as built."),
    NODE_LABEL_KEY,
    PATH,
    key("settings", Form::List("setting"), "More fields to set."),
    key("after", Form::Names, "The services that come before it, where several move in one commit."),
    COOLDOWN,
    MAX_DATA_AGE,
];

/// The keys of a setting.
pub(super) const SETTING: [Key; 4] = [
    key("target", Form::Mapping("target"), "The object."),
    key(
        "field",
        Form::Field,
        "The field, as Kustomize writes it: spec.template.spec.volumes.[name=data].persistentVolumeClaim.claimName",
    ),
    key("primary", Form::Value, "The value at the primary role."),
    key("backup", Form::Value, "The value at the backup role."),
];

/// The keys of a target.
pub(super) const TARGET: [Key; 4] = [
    key("kind", Form::Kind, "The object's kind."),
    key("name", Form::Subdomain, "The object's name."),
    key("namespace", Form::Label, "The object's namespace; the service's if it is not given."),
    PATH,
];

/// The names of keys.
pub(super) fn names<const N: usize>(keys: &[Key; N]) -> [&'static str; N] {
    keys.map(|key| key.name)
}
