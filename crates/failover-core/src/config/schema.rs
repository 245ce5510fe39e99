//! The JSON Schema of `services.yaml`, for editors. It knows the shape; what holds between services, only the program does.

use serde_json::{Map, Value, json};

use super::keys::{DEFAULTS, Form, Key, OTHER, PLACEMENT, ROOT, SETTING, TARGET, names};
use super::model::WorkloadKind;

const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";
const LABEL_VALUE: &str = "^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$";
const LABEL_KEY: &str = "^([-.a-z0-9]+/)?[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$";
const DURATION: &str = "^(?=.*[1-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
/// One line, and nothing that a template fills in later.
const LINE: &str = r"^(?!.*(\$\{|\{\{))[^\u0000-\u001f\u007f-\u009f]*$";

/// The JSON Schema of `services.yaml`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = mapping("What can move, and what a move sets.", &ROOT, &["services"]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("services.yaml of failover-api");
    schema["$defs"] = json!({
        "service": service(),
        "defaults": mapping("For every service that does not say otherwise.", &DEFAULTS, &[]),
        "setting": mapping("One field of one manifest, with a value for each role.", &SETTING, &names(&SETTING)),
        "target": mapping("A manifest, told by what it is.", &TARGET, &["kind", "name"]),
    });
    schema
}

fn mapping(description: &str, keys: &[Key], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(*key))).collect();
    let mut schema = json!({ "type": "object", "description": description });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(false);
    schema["properties"] = Value::Object(properties);
    schema
}

fn service() -> Value {
    let workloads = WorkloadKind::ALL.map(|kind| Key {
        name: kind.key(),
        form: Form::Subdomain,
        description: "The workload's name.",
    });
    let keys: Vec<Key> = workloads.into_iter().chain(PLACEMENT).chain(OTHER).collect();
    let mut service = mapping("An app that can move.", &keys, &[]);
    let has = |name: &str| json!({ "required": [name] });
    let any = |names: &[&str]| json!({ "anyOf": names.iter().map(|name| has(name)).collect::<Vec<_>>() });
    let (of_pods, of_charts): (Vec<_>, Vec<_>) =
        WorkloadKind::ALL.into_iter().partition(|kind| kind.pod_spec().is_some());
    let of_pods: Vec<&str> = of_pods.into_iter().map(WorkloadKind::key).collect();
    let of_charts: Vec<&str> = of_charts.into_iter().map(WorkloadKind::key).collect();
    let all = WorkloadKind::ALL.map(WorkloadKind::key);
    let short = names(&PLACEMENT);
    let one_at_most: Vec<Value> =
        all.iter().map(|name| has(name)).chain([json!({ "not": any(&all) })]).collect();
    let only_settings = json!({ "required": ["settings"], "not": any(&short) });
    service["dependentRequired"] = short.iter().map(|key| (*key, json!(short))).collect();
    service["allOf"] = json!([
        { "oneOf": one_at_most },
        { "if": any(&all), "then": has("namespace"), "else": only_settings },
        { "if": any(&of_pods), "then": { "anyOf": [has("volume_name"), has("settings")] } },
        { "if": any(&of_charts), "then": only_settings },
    ]);
    service
}

fn property(key: Key) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let text =
        |pattern: &str, most: usize| json!({ "type": "string", "pattern": pattern, "maxLength": most });
    let mut schema = match key.form {
        Form::Label => text(LABEL, 63),
        Form::Subdomain => text(SUBDOMAIN, 253),
        Form::LabelKey => text(LABEL_KEY, 317),
        Form::LabelValue => text(LABEL_VALUE, 63),
        Form::Kind => text("^[A-Z][A-Za-z0-9]*$", 63),
        Form::Path => text(r"^[^/\\\u0000-\u001f][^\\\u0000-\u001f]*$", 4096),
        Form::Field => json!({ "type": "string", "minLength": 1 }),
        Form::Value => json!({ "type": ["string", "integer", "boolean"], "pattern": LINE }),
        Form::Duration => json!({ "type": "string", "pattern": DURATION }),
        Form::Mapping(name) => reference(name),
        Form::Names => json!({
            "type": "array",
            "minItems": 1,
            "uniqueItems": true,
            "items": text(SUBDOMAIN, 253),
        }),
        Form::List(name) => json!({ "type": "array", "minItems": 1, "items": reference(name) }),
        Form::Services(name) => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": text(SUBDOMAIN, 253),
            "additionalProperties": reference(name),
        }),
    };
    schema["description"] = json!(key.description);
    schema
}
