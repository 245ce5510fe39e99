//! The OpenAPI document is what the server does: who may ask for what, and what the answers hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use failover_core::code::Code;
use serde_json::{Value, json};

use crate::support::api::{Reply, Server};
use crate::support::process::{PATIENCE, run};
use crate::support::scene::{Scene, config, ready};
use crate::support::tokens::Token;
use crate::support::volume::Volume;

const PROMOTE: &str = "/api/failover/{service}/promote";
const DEMOTE: &str = "/api/failover/{service}/demote";
const BATCH: &str = "/api/failover";
const HOLDS: &str = "/api/holds";
const STATUS: &str = "/api/failover/{service}/status";
const JSON: (&str, &str) = ("content-type", "application/json");

fn printed() -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    String::from_utf8(run(command.env_clear().arg("openapi")).stdout).unwrap()
}

/// The document, and the schemas of its answers made strict: what is not described must not be there.
struct Document(Value);

impl Document {
    fn read() -> Self {
        Self(serde_json::from_str(&printed()).unwrap())
    }

    /// Every operation, as method, path and description.
    fn operations(&self) -> Vec<(String, String, Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().iter();
                methods.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
            })
            .collect()
    }

    /// What is wrong with a value of this schema.
    fn mistakes(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut schema = schema.clone();
        let mut components = self.0["components"].clone();
        for described in components["schemas"].as_object_mut().unwrap().values_mut() {
            if described["properties"].is_object() {
                described["unevaluatedProperties"] = json!(false);
            }
        }
        schema["components"] = components;
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// The reply is one that the document describes for this operation.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let what = format!("{method} {path} {}: {}", reply.status, reply.text);
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let response = &operation["responses"][reply.status.to_string()];
        assert!(response.is_object(), "not documented: {what}");
        for (name, header) in response["headers"].as_object().unwrap() {
            let given = reply.headers.contains_key(name);
            assert!(given || header["required"] != true, "no header {name}: {what}");
        }
        let media_type = reply.headers["content-type"].to_str().unwrap().split(';').next().unwrap();
        let content = &response["content"][media_type];
        assert!(content.is_object(), "{media_type} is not documented: {what}");
        let value = if media_type.ends_with("json") { &reply.json } else { &json!(reply.text) };
        let mistakes = self.mistakes(&content["schema"], value);
        assert!(mistakes.is_empty(), "{mistakes:#?}\n{what}");
    }
}

/// Asks the server, and holds the reply against the document.
fn ask(
    document: &Document,
    server: &Server,
    method: &str,
    path: &str,
    (query, body): (&str, &str),
    headers: &[(&str, &str)],
) -> Reply {
    let url = format!("{}{query}", path.replace("{service}", "sonarr"));
    let reply = server.request(method, &url, body, headers);
    document.check(method, path, &reply);
    reply
}

#[test]
fn openapi_is_checked_in_as_the_program_prints_and_serves_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let printed = printed();
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(checked_in == printed, "stale: failover-api openapi > docs/openapi.json");
    let scene = Scene::new(&["sonarr"]);
    let served = scene.serve().get("/api/openapi.json");
    assert_eq!((served.status, served.headers["content-type"].to_str().unwrap()), (200, "application/json"));
    assert!(served.text == printed, "the server serves another");
}

#[test]
fn openapi_has_every_code_with_its_status_where_it_can_come_from() {
    let document = Document::read();
    let listed = document.0["x-codes"].as_array().unwrap();
    let known: Vec<_> = Code::ALL.iter().map(|code| (code.as_str(), u64::from(code.http_status()))).collect();
    let entries =
        listed.iter().map(|code| (code["code"].as_str().unwrap(), code["status"].as_u64().unwrap()));
    assert_eq!(entries.collect::<Vec<_>>(), known);
    let mut said = BTreeSet::new();
    for (method, path, operation) in document.operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let problem = &response["content"]["application/problem+json"];
            for code in problem["schema"]["properties"]["code"]["enum"].as_array().into_iter().flatten() {
                let code = Code::ALL.iter().find(|known| known.as_str() == code).unwrap();
                assert_eq!(code.http_status().to_string(), *status, "{method} {path} {code}");
                assert!(problem["examples"][code.as_str()].is_object(), "{method} {path} {code}");
                said.insert(code.as_str());
            }
        }
    }
    // No route of the table answers with the first, no server works in a clone, and only the health, which is 200, names
    // the others.
    let elsewhere = [
        Code::RouteNotFound,
        Code::WorkTreeChanged,
        Code::ViewStale,
        Code::ReceiversInvalid,
        Code::ReceiverFailed,
        Code::NotificationsInvalid,
        Code::NotificationFailed,
    ];
    let elsewhere = elsewhere.map(Code::as_str);
    let all = said.iter().copied().chain(elsewhere).collect::<BTreeSet<_>>();
    assert_eq!(all, known.iter().map(|(code, _)| *code).collect());
    assert!(elsewhere.iter().all(|code| !said.contains(code)));
}

#[test]
fn openapi_examples_are_what_the_schemas_say() {
    let document = Document::read();
    let mut examples = 0;
    for (method, path, operation) in document.operations() {
        let contents =
            operation["responses"].as_object().unwrap().values().map(|response| &response["content"]);
        for (media_type, content) in
            contents.chain([&operation["requestBody"]["content"]]).filter_map(Value::as_object).flatten()
        {
            let of_codes = content["examples"].as_object().into_iter().flatten();
            let of_codes = of_codes.map(|(code, _)| &document.0["components"]["examples"][code]["value"]);
            for example in of_codes.chain(content.get("example")) {
                let mistakes = document.mistakes(&content["schema"], example);
                assert!(mistakes.is_empty(), "{method} {path} {media_type}: {mistakes:#?}\n{example:#}");
                examples += 1;
            }
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(example) = parameter.get("example") {
                let mistakes = document.mistakes(&parameter["schema"], example);
                assert!(mistakes.is_empty(), "{method} {path}: {mistakes:?}");
            }
        }
    }
    assert!(examples > 100, "{examples}");
}

/// The status of an answer of which nothing more is read.
fn begun(server: &Server, path: &str, headers: &[(&str, &str)]) -> u16 {
    let request = ureq::get(server.url(path)).config().http_status_as_error(false).build();
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.call().unwrap().status().as_u16()
}

#[test]
fn openapi_walked_through_nothing_moves_without_a_token_and_roles_hold() {
    let document = Document::read();
    let [operate, read, nobody] = [("alice", "operate"), ("grafana", "read"), ("nobody", "operate")]
        .map(|(name, role)| Token::new(name, role));
    let volume = Volume::new("tokens", &format!("{}\n{}\n", operate.line, read.line));
    for closed in [false, true] {
        let scene = Scene::new(&["sonarr"]);
        let mut arguments = scene.local();
        arguments.extend(["--token-file".into(), volume.file().into()]);
        arguments.extend(closed.then(|| "--require-token-for-reads".into()));
        let server = ready(Server::start(arguments));
        let (mut moving, mut open) = (0, 0);
        for (method, path, operation) in document.operations() {
            let query = if method == "GET" && path.ends_with("mote") { "?dry-run=true" } else { "" };
            let ask = |headers: &[(&str, &str)]| match path.as_str() {
                // It does not end by itself while somebody listens.
                "/api/events" => begun(&server, &path, headers),
                // Everything is there already.
                BATCH => {
                    let headers = [headers, &[JSON]].concat();
                    let body = r#"{"all": true, "to": "primary"}"#;
                    ask(&document, &server, &method, &path, (query, body), &headers).status
                }
                HOLDS if method == "DELETE" => {
                    ask(&document, &server, &method, &path, ("?all=true", ""), headers).status
                }
                HOLDS if method == "POST" => {
                    let headers = [headers, &[JSON]].concat();
                    let body = r#"{"all": true, "reason": "x", "dry-run": true}"#;
                    ask(&document, &server, &method, &path, (query, body), &headers).status
                }
                _ => ask(&document, &server, &method, &path, (query, ""), headers).status,
            };
            // No operation has the template for its id.
            let found = if path.ends_with("{id}") { 404 } else { 200 };
            let security = operation["security"].as_array().unwrap();
            let without = (security.is_empty(), security.contains(&json!({})));
            let statuses = [ask(&[]), ask(&nobody.headers()), ask(&read.headers()), ask(&operate.headers())];
            let wanted = match (method.as_str(), without) {
                // A probe.
                ("GET", (true, _)) => [200, 200, 200, 200],
                ("GET", (false, true)) if closed => [401, 401, found, found],
                ("GET", (false, true)) => [found; 4],
                (_, (false, false)) => [401, 401, 403, 200],
                other => panic!("{method} {path}: {other:?}"),
            };
            assert_eq!(statuses, wanted, "{method} {path}");
            moving += usize::from(method != "GET");
            open += usize::from(security.is_empty());
            let role = operation.get("x-role").and_then(Value::as_str);
            assert_eq!(
                role,
                (!security.is_empty()).then_some(if method == "GET" { "read" } else { "operate" })
            );
        }
        assert!(moving >= 2, "{moving}");
        assert_eq!(open, 2, "only the two probes are for everybody");
        // Only the good token's two moves left anything behind.
        assert_eq!(scene.repository.commit_count(), 3);
        assert_eq!(scene.repository.log("%B").matches("Requested-By: alice\n").count(), 2);
    }
}

#[test]
fn openapi_schemas_hold_for_what_the_server_answers() {
    let document = Document::read();
    let scene = Scene::new(&["radarr", "sonarr"]);
    let server = scene.serve();
    let get = |path: &str, query: &str| ask(&document, &server, "GET", path, (query, ""), &[]);
    let post = |path: &str, query: &str, body: &str, headers: &[(&str, &str)]| {
        ask(&document, &server, "POST", path, (query, body), headers)
    };
    let reads = || {
        for path in [
            "/api/services",
            STATUS,
            "/api/history",
            "/api/operations",
            "/api/health",
            "/metrics",
            "/livez",
            "/readyz",
        ] {
            assert_eq!(get(path, "").status, 200);
        }
        for operation in get("/api/operations", "").json["operations"].as_array().unwrap() {
            let id = operation["operation_id"].as_str().unwrap();
            document.check("GET", "/api/operations/{id}", &server.get(&format!("/api/operations/{id}")));
        }
    };
    reads();
    assert_eq!(get(STATUS, "?expect=primary").status, 200);
    assert_eq!(get(STATUS, "?expect=backup").status, 409);
    for accept in ["application/json", "text/x-diff", "text/x-patch", "image/png"] {
        for method in ["GET", "POST"] {
            ask(&document, &server, method, PROMOTE, ("?dry-run=true", ""), &[("accept", accept)]);
        }
    }
    get(PROMOTE, "");
    get("/api/history", "?limit=0");
    get("/api/services", "?x=1");
    post(PROMOTE, "?dryrun=true&reason=", "", &[]);
    post(PROMOTE, "", "{", &[JSON]);
    post(PROMOTE, "", "reason=x", &[]);
    post(PROMOTE, "", &format!("{{\"reason\": \"{}\"}}", "x".repeat(70_000)), &[JSON]);
    post(PROMOTE, "", "", &[("origin", "http://evil.example")]);
    post(PROMOTE, "?expect=backup", "", &[]);

    let key = [("idempotency-key", "night-1"), JSON];
    assert_eq!(post(PROMOTE, "", "{\"reason\": \"k3s-w1 is down\"}", &key).json["replayed"], false);
    assert_eq!(post(PROMOTE, "", "", &key[..1]).json["replayed"], true);
    post(DEMOTE, "", "", &key[..1]).assert_problem(422, "idempotency-key-reused");
    assert_eq!(post(PROMOTE, "", "", &[]).json["changed"], false);
    get(PROMOTE, "?dry-run=true");
    reads();

    let batch = |body: &str| post(BATCH, "", body, &[("idempotency-key", "night-2"), JSON]);
    for accept in ["application/json", "text/x-diff", "text/x-patch", "image/png"] {
        let body = r#"{"all": true, "to": "primary", "dry-run": true}"#;
        post(BATCH, "", body, &[JSON, ("accept", accept)]);
    }
    assert_eq!(batch(r#"{"all": true, "to": "primary"}"#).json["counts"]["moved"], 1);
    assert_eq!(batch(r#"{"all": true, "to": "primary"}"#).json["replayed"], true);
    assert_eq!(
        post(BATCH, "?dry-run=true", r#"{"all": true, "to": "backup"}"#, &[JSON]).json["changed"],
        true
    );
    post(BATCH, "", r#"{"services": [], "to": "primary"}"#, &[JSON]).assert_problem(422, "nothing-selected");
    post(BATCH, "", r#"{"services": ["x"], "to": "primary"}"#, &[JSON])
        .assert_problem(404, "service-not-found");
    post(BATCH, "?webhook=any", r#"{"all": true, "to": "primary"}"#, &[JSON])
        .assert_problem(400, "invalid-request");
    assert_eq!(post(BATCH, "", r#"{"services": ["sonarr"], "to": "backup"}"#, &[JSON]).json["changed"], true);
    let operations = get("/api/operations", "");
    let selections = operations.json["operations"].as_array().unwrap().iter().map(|one| &one["selection"]);
    assert_eq!(selections.filter(|selection| *selection == "all").count(), 1);
    reads();

    // Holds, odd ones included.
    const HOLD: &str = r#"{"services": ["sonarr"], "reason": "new disk", "for": "4h"}"#;
    let release = |query: &str, headers: &[(&str, &str)]| {
        ask(&document, &server, "DELETE", HOLDS, (query, ""), headers)
    };
    for accept in ["application/json", "text/x-diff", "text/x-patch", "image/png"] {
        post(HOLDS, "?dry-run=true", HOLD, &[JSON, ("accept", accept)]);
        release("?all=true&dry-run=true", &[("accept", accept)]);
    }
    let hold = || post(HOLDS, "", HOLD, &[("idempotency-key", "night-3"), JSON]);
    assert_eq!(hold().json["replayed"], false);
    assert_eq!(hold().json["replayed"], true);
    post(DEMOTE, "", "", &[]).assert_problem(423, "held");
    post(HOLDS, "", r#"{"all": true}"#, &[JSON]).assert_problem(400, "invalid-request");
    release("?services=x", &[]).assert_problem(404, "service-not-found");
    release("?services=sonarr&until=x", &[]).assert_problem(400, "invalid-request");
    release("", &[]).assert_problem(422, "nothing-selected");
    get(HOLDS, "");
    reads();
    assert_eq!(release("?services=sonarr", &[]).json["changed"], true);
    assert_eq!(release("?services=sonarr", &[]).json["changed"], false);
    get(HOLDS, "");
    let odd = "holds: [{all: true, owner: a, reason: b, since: 2020-01-02T00:00:00Z, until: 2020-01-01T00:00:00Z}, {service: x, owner: a, reason: b}]";
    scene.repository.commit_foreign(".failover-api/holds", odd.as_bytes(), "Hold by hand");
    assert_eq!(release("?services=x", &[]).json["changed"], true);
    get(HOLDS, "");
    reads();
    scene.repository.commit_foreign(".failover-api/holds", b"holds: [", "Break it");
    post(DEMOTE, "", "", &[]).assert_problem(422, "holds-unreadable");
    get(HOLDS, "").assert_problem(422, "holds-unreadable");
    get(DEMOTE, "?dry-run=true").assert_problem(422, "holds-unreadable");
    reads();
    scene.repository.commit_foreign(".failover-api/holds", b"", "Repair");
    post(DEMOTE, "?dry-run=true", "", &[]);

    // A value that nobody configured.
    let path = crate::support::scene::manifest_path("sonarr");
    let odd = scene.text("sonarr").replace("role: backup", "role: elsewhere");
    scene.repository.commit_foreign(&path, odd.as_bytes(), "Edit by hand");
    post(PROMOTE, "", "", &[]).assert_problem(409, "check-blocked");
    assert_eq!(get(STATUS, "?expect=mixed").status, 200);
    get(PROMOTE, "?dry-run=true");
    reads();

    // A manifest that cannot be moved, and a config that is refused.
    let broken = odd.replace("claimName:", "claim:");
    scene.repository.commit_foreign(&path, broken.as_bytes(), "Break it");
    post(PROMOTE, "", "", &[]).assert_problem(422, "field-not-found");
    let partial = post(BATCH, "", r#"{"all": true, "to": "backup", "partial": true}"#, &[JSON]);
    assert_eq!(partial.json["counts"], json!({ "moved": 1, "already_there": 0, "refused": 1 }));
    std::fs::write(scene.config(), config(&["sonarr"]).replace("backup_pvc", "backup_pcv")).unwrap();
    server.wait_until("/api/health", |reply| reply.json["config"]["valid"] == false, PATIENCE);
    reads();
    std::fs::remove_file(scene.config()).unwrap();
    server.wait_until("/api/health", |reply| reply.text.contains("cannot be read"), PATIENCE);
    reads();
}

#[test]
fn openapi_schemas_hold_before_there_is_a_view() {
    let document = Document::read();
    let scene = Scene::with(crate::support::git::Repository::new([("a", "b")]), "services: {}\n");
    let server = Server::start(scene.local());
    for path in ["/api/services", STATUS, "/api/history", "/readyz"] {
        ask(&document, &server, "GET", path, ("", ""), &[]).assert_problem(503, "config-invalid");
    }
    ask(&document, &server, "GET", "/api/health", ("", ""), &[]);
    ask(&document, &server, "POST", PROMOTE, ("", ""), &[]).assert_problem(503, "config-invalid");
}
