//! Whether a service is on a node, as far as its settings and the manifests that they are in tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Setting, SettingKind};
use crate::field::Value;
use crate::name::{LabelValue, Role};
use crate::topology::{ServiceState, SettingState};
use crate::tree::{Filling, Tree, alterations};
use crate::workload::{BoundTo, HOSTNAME, Mount, Needs, Reader};
use crate::yaml::Anchors;

/// Whether a service is on the nodes whose label has some value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It is, or a setting that cannot be read may hold it there.
    There,
    /// It is on another node.
    Elsewhere,
    /// Its settings do not tell.
    Untold,
}

/// Whether the service is on nodes with the label `label` now.
#[must_use]
pub fn stay(state: &ServiceState<'_>, label: &LabelValue, tree: &Tree) -> Stay {
    let is_label = |value: &Value| matches!(value, Value::String(text) if text == label.as_str());
    let mut is_elsewhere = false;
    let mut is_anywhere = false;
    for (setting, read) in node_settings(state, tree) {
        match read {
            Some(SettingState { current: Some(value), .. }) if is_label(value) => return Stay::There,
            Some(SettingState { current: Some(_), .. }) => is_elsewhere = true,
            // No selector: any node will do.
            Some(SettingState { current: None, .. }) => is_anywhere = true,
            None if is_label(&setting.primary) || is_label(&setting.backup) => return Stay::There,
            None => is_elsewhere = true,
        }
    }
    let running = |read: &SettingState<'_>| read.current.as_ref().is_some_and(is_running);
    match twins(state, tree, running, label) {
        Stay::There => Stay::There,
        _ if is_anywhere => Stay::Untold,
        _ if is_elsewhere => Stay::Elsewhere,
        twins @ (Stay::Elsewhere | Stay::Untold) => twins,
    }
}

/// Whether the service is on nodes with the label at `role`, as far as that is known.
#[must_use]
pub fn is_there_at(state: &ServiceState<'_>, role: Role, label: &LabelValue, tree: &Tree) -> bool {
    let mut nodes = node_settings(state, tree);
    nodes.any(|(setting, _)| setting.value(role).to_string() == label.as_str())
        || twins(state, tree, |read| is_running(read.setting.value(role)), label) == Stay::There
}

/// The values of node labels by which the service can be told to be somewhere.
#[must_use]
pub fn labels(state: &ServiceState<'_>, tree: &Tree) -> BTreeSet<String> {
    let own = node_settings(state, tree).flat_map(|(setting, _)| [&setting.primary, &setting.backup]);
    let twins = state.settings.iter().filter(|read| is_scale(read.setting));
    let twins = twins.filter_map(|read| selector(read, tree)).flatten().map(|(_, value)| value);
    own.map(ToString::to_string).chain(twins).collect()
}

/// The settings that hold pods to a node: labels of node selectors, and variables that are known to fill one in. Each with
/// what it is now, where it can be read.
fn node_settings<'s, 'a>(
    state: &'s ServiceState<'a>,
    tree: &Tree,
) -> impl Iterator<Item = (&'a Setting, Option<&'s SettingState<'a>>)> {
    let settings = state.service.settings.iter();
    let read = settings.map(|setting| (setting, state.settings.iter().find(|read| read.setting == setting)));
    read.filter(|(setting, read)| {
        let filling = read.as_ref().and_then(|read| Filling::of(setting, &read.found));
        setting.kind == SettingKind::Node
            || filling.is_some_and(|filling| tree.listing.chooses_nodes(&filling))
    })
}

/// Where those of a service's workloads are that run by the number of their replicas. Each one's own manifest says so.
fn twins<'s, 'a>(
    state: &'s ServiceState<'a>,
    tree: &Tree,
    is_running: impl Fn(&'s SettingState<'a>) -> bool,
    label: &LabelValue,
) -> Stay {
    let scaled = || state.settings.iter().filter(|read| is_scale(read.setting));
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, value) in scaled().filter_map(|read| selector(read, tree)).flatten() {
        values.entry(key).or_default().insert(value);
    }
    let running: Vec<_> = scaled().filter(|read| is_running(read)).map(|read| selector(read, tree)).collect();
    if running.iter().flatten().flatten().any(|(_, value)| value == label.as_str()) {
        return Stay::There;
    }
    // A label that both have, such as the architecture, does not tell the one's node from the other's.
    let tells = |(key, _): &(String, String)| values.get(key).is_some_and(|values| values.len() > 1);
    let all_tell = running.iter().all(|labels| labels.iter().flatten().any(tells));
    if all_tell && !running.is_empty() { Stay::Elsewhere } else { Stay::Untold }
}

/// Whether the setting scales a workload.
fn is_scale(setting: &Setting) -> bool {
    setting.field.keys().last().is_some_and(|key| key == "replicas")
}

fn is_running(replicas: &Value) -> bool {
    matches!(replicas, Value::Int(number) if *number > 0)
}

/// The node labels that the manifest of a setting wants, as far as nothing on the way to the cluster may set them again.
fn selector(read: &SettingState<'_>, tree: &Tree) -> Option<Vec<(String, String)>> {
    let (found, target) = (&read.found, &read.setting.target);
    if found.is_patch() {
        return None;
    }
    let document = tree.sources.get(&found.path)?.documents().ok()?.get(found.document)?;
    let anchors = Anchors::of(document);
    let needs = Needs::read(target.kind.as_str(), &Reader { anchors: &anchors, root: document })?;
    let named = needs.bounds.into_iter().filter_map(|bound| match bound.to {
        BoundTo::Node(name) => Some((HOSTNAME.to_owned(), name)),
        BoundTo::Affinity(_) => None,
    });
    let is_final = |label: &Mount| alterations(tree, found, target, &label.field).is_empty();
    let labels = needs.labels.into_iter().filter(is_final).map(|label| (label.of, label.value));
    // What a template fills in is not known here.
    Some(labels.chain(named).filter(|(_, value)| !value.contains(['$', '{'])).collect())
}
