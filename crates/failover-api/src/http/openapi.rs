//! The OpenAPI document, made from the table of routes.

use std::collections::{BTreeMap, BTreeSet};

use failover_core::code::Code;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::answers::ProblemDetails;
use super::guard;
use super::route::{Parameter, Place, Route, Success};
use crate::auth::Access;

const DESCRIPTION: &str = "Moves stateful Kubernetes apps to their other node by committing to Git. Every answer that says \"no\" \
is problem details (RFC 9457) with a stable `code`; `x-codes` lists them all. Without `--token-file` the server answers moves \
only for callers on its own machine, and needs no token.";

/// The name of the security scheme.
const TOKEN: &str = "token";

/// The document of these routes.
pub(super) fn document(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in routes {
        let described = describe(operation, &mut generator);
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method.as_str().to_lowercase()] = described;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(optional_is_not_null);
    let examples: Map<String, Value> =
        Code::ALL.iter().map(|code| (code.to_string(), example(*code))).collect();
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "failover-api",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8080" }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                TOKEN: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the file of --token-file, as `failover-api token` makes it.",
                },
            },
            "schemas": schemas,
            "examples": examples,
        },
        "x-codes": Code::ALL.iter().map(|code| json!({
            "code": code,
            "status": code.http_status(),
            "class": code.class(),
            "title": code.title(),
        })).collect::<Vec<_>>(),
    })
}

/// What may be missing is never `null`: it is left out.
fn optional_is_not_null(schema: &mut Value) {
    let required: Vec<String> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
        if let Some([one, _]) = property["type"].as_array().map(Vec::as_slice) {
            property["type"] = one.clone();
        }
        if let Some([Value::Object(one), _]) = property["anyOf"].as_array().map(Vec::as_slice) {
            let mut one = one.clone();
            one.extend(property.get("description").map(|text| ("description".to_owned(), text.clone())));
            *property = Value::Object(one);
        }
    }
}

fn describe(operation: &Route, generator: &mut SchemaGenerator) -> Value {
    let wanted = guard::wanted(&operation.method, operation.path);
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
    });
    if !operation.description.is_empty() {
        described["description"] = json!(operation.description);
    }
    described["security"] = match wanted {
        None => json!([]),
        // Open unless the server runs with --require-token-for-reads.
        Some(Access::Read) => json!([{}, { TOKEN: [] }]),
        Some(Access::Operate) => json!([{ TOKEN: [] }]),
    };
    if let Some(access) = wanted {
        described["x-role"] = json!(access.as_str());
    }
    if !operation.parameters.is_empty() {
        described["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some((schema, example)) = &operation.body {
        let content = json!({ "schema": schema(generator), "example": example });
        described["requestBody"] = json!({ "required": false, "content": { "application/json": content } });
    }
    let mut responses: BTreeMap<u16, Value> = BTreeMap::new();
    for success in &operation.answers {
        add_success(&mut responses, success, generator);
    }
    let guarded = guard_codes(wanted).iter().copied();
    let codes: BTreeSet<_> = operation.codes.iter().copied().chain(guarded).map(position).collect();
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes.into_iter().filter_map(|position| Code::ALL.get(position)) {
        by_status.entry(code.http_status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        add_problem(&mut responses, status, &codes, generator);
    }
    let responses = responses.into_iter().map(|(status, response)| (status.to_string(), response));
    described["responses"] = Value::Object(responses.collect());
    described
}

/// Where the code stands in the table.
fn position(code: Code) -> usize {
    Code::ALL.iter().position(|known| *known == code).unwrap_or_default()
}

/// The reasons for which the guard says no.
fn guard_codes(wanted: Option<Access>) -> &'static [Code] {
    match wanted {
        None => &[],
        Some(Access::Read) => &[
            Code::TokenMissing,
            Code::TokenUnknown,
            Code::RoleTooSmall,
            Code::RateLimited,
            Code::TokensInvalid,
            Code::AuthenticationUnavailable,
        ],
        Some(Access::Operate) => &[
            Code::CrossOrigin,
            Code::AuthenticationNotConfigured,
            Code::ReadOnly,
            Code::TokenMissing,
            Code::TokenUnknown,
            Code::RoleTooSmall,
            Code::RateLimited,
            Code::TokensInvalid,
            Code::AuthenticationUnavailable,
        ],
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let mut described = json!({
        "name": parameter.name,
        "in": parameter.place.as_str(),
        "required": parameter.required || parameter.place == Place::Path,
        "description": parameter.description,
        "schema": parameter.schema,
    });
    if parameter.schema["type"] == "array" {
        described["style"] = json!("form");
        described["explode"] = json!(false);
    }
    if let Some(example) = &parameter.example {
        described["example"] = example.clone();
    }
    described
}

fn add_success(responses: &mut BTreeMap<u16, Value>, success: &Success, generator: &mut SchemaGenerator) {
    let response = responses.entry(success.status).or_insert_with(
        || json!({ "description": success.description, "headers": headers(success.status), "content": {} }),
    );
    let schema = (success.schema)(generator);
    response["content"][success.media_type] = json!({ "schema": schema, "example": success.example });
}

fn add_problem(
    responses: &mut BTreeMap<u16, Value>,
    status: u16,
    codes: &[Code],
    generator: &mut SchemaGenerator,
) {
    let said: Vec<_> = codes.iter().map(|code| format!("`{code}`: {}", code.title())).collect();
    let said = said.join(" ");
    let response = responses
        .entry(status)
        .or_insert_with(|| json!({ "description": "", "headers": headers(status), "content": {} }));
    let before = response["description"].as_str().unwrap_or_default();
    let description = if before.is_empty() { said } else { format!("{before} Or {said}") };
    response["description"] = json!(description);
    let mut schema = generator.subschema_for::<ProblemDetails>();
    schema
        .insert("properties".to_owned(), json!({ "status": { "const": status }, "code": { "enum": codes } }));
    let examples = codes.iter().map(|code| {
        let reference = json!({ "$ref": format!("#/components/examples/{code}") });
        (code.to_string(), reference)
    });
    response["content"]["application/problem+json"] =
        json!({ "schema": schema, "examples": examples.collect::<Map<_, _>>() });
}

fn headers(status: u16) -> Value {
    let text = json!({ "type": "string" });
    let mut headers = json!({
        "X-Request-Id": { "description": "Finds the call in the log.", "required": true, "schema": text },
    });
    match status {
        401 => {
            headers["WWW-Authenticate"] =
                json!({ "description": "How to say who you are.", "required": true, "schema": text });
        }
        405 => {
            headers["Allow"] = json!({ "description": "The methods that the route takes.", "required": true, "schema": text })
        }
        429 => headers["Retry-After"] = retry_after(true),
        502..=504 => headers["Retry-After"] = retry_after(false),
        _ => {}
    }
    headers
}

fn retry_after(required: bool) -> Value {
    json!({
        "description": "Seconds after which the same call may work.",
        "required": required,
        "schema": { "type": "integer", "minimum": 0 },
    })
}

fn example(code: Code) -> Value {
    let value = json!({
        "type": "about:blank",
        "title": code.title(),
        "status": code.http_status(),
        "code": code,
        "detail": code.title(),
        "hint": "what to do next stands here",
        "class": code.class(),
        "request_id": "01a20b7b-6a8a-77b4-bffc-49ee49087aa1",
    });
    json!({ "summary": code.title(), "value": value })
}
