//! From the text of `services.yaml` to a checked config.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{AfterUse, ClaimUse, FieldUse, in_order, shared_claims, shared_fields};
use super::configmap::{Embedded, is_manifest};
use super::entry::{Defaults, ServiceReader};
use super::error::{ConfigError, ConfigErrors};
use super::fields::{Field, Fields, Reader, shown};
use super::keys::{self, ROOT};
use super::model::{Config, Service};
use crate::name::{NameError, ServiceName};
use crate::yaml::{self, Node, Place};

/// Largest config, holds file or list that is read, in bytes; a ConfigMap holds no more.
pub const MAX_CONFIG_BYTES: usize = 1024 * 1024;

/// Reads and checks the text of `services.yaml`, or that of a manifest with a ConfigMap that holds it.
///
/// YAML aliases and `<<` are followed. A `defaults:` mapping may give `node_label_key`, `path`, `cooldown` and
/// `max_data_age` for all services; it may not give `settings`, because all services would then set the very
/// same field. A service's `path` is where its workload's manifest is looked for, and that of its settings with
/// the same target.
///
/// # Errors
/// Everything that is wrong, with its place; also a config without any service, so that an emptied file never
/// replaces a good one.
pub fn parse(text: &str) -> Result<Config, ConfigErrors> {
    let documents = documents(text, THE_CONFIG)?;
    if documents.iter().any(is_manifest) {
        let embedded = Embedded::find(text, &documents)?;
        let config = only_document(embedded.text, THE_CONFIG).and_then(|document| read(&document));
        return config.map_err(|errors| embedded.placed(&errors));
    }
    read(&only(documents, THE_CONFIG)?)
}

/// A file of one document, and what to do about one that cannot be it.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'f> {
    /// What it is.
    pub(super) what: &'f str,
    /// What to do about an empty one.
    pub(super) empty_hint: &'f str,
    /// What to do about one that is too large.
    pub(super) large_hint: &'f str,
}

/// The one document of the text of `file`.
pub(super) fn only_document(text: &str, file: File<'_>) -> Result<Node, ConfigErrors> {
    only(documents(text, file)?, file)
}

fn documents(text: &str, file: File<'_>) -> Result<Vec<Node>, ConfigErrors> {
    if text.len() > MAX_CONFIG_BYTES {
        let message = format!("{} has {} bytes; at most {MAX_CONFIG_BYTES} are read", file.what, text.len());
        return Err(alone(START, message, file.large_hint));
    }
    yaml::parse(text).map_err(|error| {
        let message = format!("this is not YAML: {}", error.message);
        alone(error.place, message, "correct the text here or just before")
    })
}

fn only(mut documents: Vec<Node>, file: File<'_>) -> Result<Node, ConfigErrors> {
    let File { what, empty_hint, .. } = file;
    if let [_, second, ..] = documents.as_slice() {
        let message = format!("{what} has more than one YAML document");
        return Err(alone(second.place, message, "keep the first one and remove the '---' lines after it"));
    }
    match documents.pop() {
        Some(document) if !document.is_null() => Ok(document),
        Some(document) => Err(alone(document.place, format!("{what} is empty"), empty_hint)),
        None => Err(alone(START, format!("{what} is empty"), empty_hint)),
    }
}

fn alone(place: Place, message: String, hint: &str) -> ConfigErrors {
    ConfigErrors::new(vec![ConfigError { place, message, hint: hint.to_owned() }])
}

const START: Place = Place { line: 1, column: 1 };
const THE_CONFIG: File<'_> =
    File { what: "the config", empty_hint: EMPTY_HINT, large_hint: "split it between several instances" };
const EMPTY_HINT: &str =
    "list at least one service under 'services:'; an empty config never replaces a good one";

fn read(document: &Node) -> Result<Config, ConfigErrors> {
    let mut reader = Reader::new(document);
    let mut claims = Vec::new();
    let mut moved = Vec::new();
    let mut afters = Vec::new();
    let found = root(&mut reader, document, &mut claims, &mut moved, &mut afters);
    let mut errors = reader.into_errors();
    let config = found.map(|(services, names)| {
        let (order, wrong) = in_order(&names, &afters);
        errors.extend(wrong);
        Config::new(services, order)
    });
    errors.extend(shared_claims(claims));
    errors.extend(shared_fields(moved));
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        Some(_) | None => Err(ConfigErrors::new(errors)),
    }
}

/// The services that could be read, and the names of all that are listed.
fn root<'a>(
    reader: &mut Reader<'a>,
    document: &'a Node,
    claims: &mut Vec<ClaimUse>,
    moved: &mut Vec<FieldUse>,
    afters: &mut Vec<AfterUse>,
) -> Option<(BTreeMap<ServiceName, Service>, BTreeSet<ServiceName>)> {
    let root = reader.fields(document, "the config".to_owned(), document.place)?;
    if root.has("apiVersion") && root.has("kind") {
        reader.error(
            document.place,
            "this is a Kubernetes manifest, not the text of services.yaml",
            "put the config itself here: 'services:' and what belongs to it",
        );
        return None;
    }
    reader.only(&root, &keys::names(&ROOT));
    let defaults = root.get("defaults").map(|field| Defaults::read(reader, field)).unwrap_or_default();
    let Some(field) = root.get("services") else {
        reader.error(document.place, "the config has no 'services'", EMPTY_HINT);
        return None;
    };
    let listed = listed(reader, field)?;
    let mut services = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (key, field) in listed.iter() {
        match ServiceName::new(key) {
            Ok(name) => {
                let service =
                    ServiceReader { reader, defaults: &defaults, claims, moved, afters, name: &name };
                if let Some(service) = service.read(field) {
                    services.insert(name.clone(), service);
                }
                names.insert(name);
            }
            Err(NameError(rule)) => reader.error(
                field.place,
                format!("the service name is {}", shown(key)),
                format!("it must {rule}"),
            ),
        }
    }
    Some((services, names))
}

/// The entries of `services`; that there is none is reported.
fn listed<'a>(reader: &mut Reader<'a>, field: Field<'a>) -> Option<Fields<'a>> {
    let listed = if field.node.is_null() {
        None
    } else {
        Some(reader.fields(field.node, "'services'".to_owned(), field.place)?)
    };
    if field.node.entries().is_empty() && listed.as_ref().is_none_or(Fields::is_empty) {
        reader.error(field.place, "the config has no services", EMPTY_HINT);
    }
    listed
}
