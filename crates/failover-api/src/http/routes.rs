//! The table of routes: the router and the OpenAPI document are both made from it.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use failover_core::check::Check;
use failover_core::code::Code;
use failover_core::name::Role;
use serde_json::{Map, Value, json};

use super::answer::Readable;
use super::answers::{Alive, Health, History, Operations, ServiceList, ServiceStatus, StreamedEvent};
use super::hold_answers::{HoldDoneOrPlan, HoldList, HoldOptions, REASON};
use super::move_answers::{BatchMovedOrPlan, BatchOptions, EXPECT, MoveOptions, MovedOrPlan, Plan};
use super::moves::ServiceRequest;
use super::route::{Parameter, Place, Route};
use super::state::AppState;
use super::webhook::Webhook;
use super::{batch, events, examples, health, holds, metrics, moves, openapi, operations, services};
use crate::operations::{CAPACITY, Operation};

/// Why there may be no view to answer from.
const VIEW: &[Code] = &[
    Code::ConfigInvalid,
    Code::ViewMissing,
    Code::RemoteUnreachable,
    Code::RemoteTimeout,
    Code::RemoteRefused,
    Code::RemoteFailed,
    Code::RepositoryNotFound,
    Code::BranchNotFound,
    Code::SshKeyRejected,
    Code::SshKeyUnusable,
    Code::HostKeyUnknown,
    Code::HostKeyChanged,
    Code::SshUserUnknown,
    Code::CredentialsRejected,
    Code::CertificateUnknown,
    Code::ClusterNotConfigured,
    Code::ClusterUnreachable,
    Code::ClusterTokenRejected,
    Code::SecretForbidden,
    Code::SecretNotFound,
    Code::SecretUnusable,
    Code::GitMissing,
    Code::CacheFailed,
    Code::Internal,
];

/// Why there may be no plan.
const PLAN: &[Code] = &[
    Code::InvalidRequest,
    Code::InvalidBody,
    Code::ServiceNotFound,
    Code::NotAcceptable,
    Code::IdempotencyKeyReused,
    Code::ManifestNotFound,
    Code::ManifestAmbiguous,
    Code::ManifestShared,
    Code::ManifestUnreadable,
    Code::FieldNotFound,
    Code::FieldTemplated,
    Code::FieldAnchored,
    Code::FieldUneditable,
    Code::EditUnverified,
    Code::HoldsUnreadable,
    Code::ExpectationFailed,
];

/// Why a plan may not be carried out.
const MOVE: &[Code] = &[
    Code::UnsupportedMediaType,
    Code::BodyTooLarge,
    Code::CheckBlocked,
    Code::Held,
    Code::Busy,
    Code::RemoteConflict,
    Code::SigningFailed,
    Code::OutcomeUnknown,
    Code::ShuttingDown,
];

/// Why services may not be held or released.
const HOLD: &[Code] = &[
    Code::InvalidRequest,
    Code::InvalidBody,
    Code::NothingSelected,
    Code::ServiceNotFound,
    Code::NotAcceptable,
    Code::IdempotencyKeyReused,
    Code::HoldsUnreadable,
    Code::Busy,
    Code::RemoteConflict,
    Code::SigningFailed,
    Code::OutcomeUnknown,
    Code::ShuttingDown,
];

/// RFC 1123, as the names of services are.
const NAME: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";

/// Every route.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/services", "listServices", "Every service and where it is", services::list)
            .answers::<ServiceList>("Every service.", examples::services())
            .codes(&[Code::InvalidRequest])
            .codes(VIEW),
        Route::get(
            "/api/failover/{service}/status",
            "showService",
            "One service in full",
            services::status,
        )
        .describe("With `expect`, the status is 409 when the service is elsewhere, with the same body.")
        .parameters([service(), expected()])
        .answers::<ServiceStatus>("The service.", examples::status())
        .answers_with::<ServiceStatus>(
            409,
            "application/json",
            "The service is not where `expect` says.",
            examples::status(),
        )
        .codes(&[Code::InvalidRequest, Code::ServiceNotFound])
        .codes(VIEW),
        showing(Role::Backup),
        carrying_out(Role::Backup),
        showing(Role::Primary),
        carrying_out(Role::Primary),
        Route::post("/api/failover", "moveServices", "Move many services in one commit", batch::carry_out)
            .describe("All or nothing, unless `partial` is true. Safe to repeat. The options of every move may stand in the query or in the body, once.")
            .parameters([dry_run(false)])
            .parameters(options())
            .body::<BatchOptions>(examples::batch_options())
            .answers::<BatchMovedOrPlan>(
                "With `changed`, the remote branch holds `commit`; without, everything was there already. For a dry run the plan.",
                examples::batch_moved(),
            )
            .answers_with::<String>(200, "text/x-diff", "The plan.", examples::diff())
            .answers_with::<String>(200, "text/x-patch", "The plan.", examples::diff())
            .codes(&[Code::NothingSelected])
            .codes(PLAN)
            .codes(MOVE)
            .codes(VIEW),
        Route::get("/api/holds", "listHolds", "What must not be moved", holds::list)
            .describe("Read from the file `.failover-api/holds` of the branch.")
            .answers::<HoldList>("Every hold.", examples::holds())
            .codes(&[Code::InvalidRequest, Code::HoldsUnreadable])
            .codes(VIEW),
        Route::post("/api/holds", "holdServices", "Hold services where they are", holds::hold)
            .describe("One commit. Safe to repeat. A hold of somebody else that is not over is not replaced.")
            .parameters([dry_run(false), idempotency_key()])
            .body::<HoldOptions>(examples::hold_options())
            .answers::<HoldDoneOrPlan>(
                "With `changed`, the remote branch holds `commit`; without, everything was held so already. For a dry run the plan.",
                examples::hold_done(),
            )
            .answers_with::<String>(200, "text/x-diff", "The plan.", examples::hold_diff())
            .answers_with::<String>(200, "text/x-patch", "The plan.", examples::hold_diff())
            .codes(HOLD)
            .codes(&[Code::UnsupportedMediaType, Code::BodyTooLarge, Code::Held])
            .codes(VIEW),
        Route::delete("/api/holds", "releaseServices", "Release services that are held", holds::release)
            .describe("One commit. Safe to repeat: what is not held stays so. The hold on every service is another one than those on single services.")
            .parameters([
                query("services", "These services, by name.", json!({ "type": "array", "items": { "type": "string", "maxLength": 253, "pattern": NAME } }), Some(json!(["sonarr"]))),
                query("all", "`true`: the hold on every service.", json!({ "type": "boolean" }), None),
                reason(),
                dry_run(false),
                idempotency_key(),
            ])
            .answers::<HoldDoneOrPlan>(
                "With `changed`, the remote branch holds `commit`; without, nothing was held. For a dry run the plan.",
                examples::release_done(),
            )
            .answers_with::<String>(200, "text/x-diff", "The plan.", examples::hold_diff())
            .answers_with::<String>(200, "text/x-patch", "The plan.", examples::hold_diff())
            .codes(HOLD)
            .codes(&[Code::BodyTooLarge])
            .codes(VIEW),
        Route::get("/api/history", "listHistory", "What happened, newest first", services::history)
            .describe("Read from the newest 250 commits of the branch.")
            .parameters([only_service(), limit()])
            .answers::<History>("The history.", examples::history())
            .codes(&[Code::InvalidRequest, Code::ServiceNotFound])
            .codes(VIEW),
        Route::get("/api/operations", "listOperations", "The moves of this process, newest first", operations::list)
            .describe("Step by step, in memory; each process knows its own newest 200. History has those of all.")
            .parameters([only_service(), operations_limit()])
            .answers::<Operations>("The moves.", examples::operations())
            .codes(&[Code::InvalidRequest]),
        Route::get("/api/operations/{id}", "showOperation", "A move of this process, step by step", operations::one)
            .parameters([operation_id()])
            .answers::<Operation>("The move.", examples::operation())
            .codes(&[Code::InvalidRequest, Code::OperationNotFound]),
        Route::get("/api/events", "followEvents", "Changes as they happen, as server-sent events", events::events)
            .describe("`view` when the branch or the config changed, `operation` when a move took a step, `holds` when something else is held, `resync` when some were missed. The stream ends after 160 seconds, or when its token is taken out of the token file; connect again.")
            .answers_with::<StreamedEvent>(200, "text/event-stream", "The events.", examples::events())
            .codes(&[Code::InvalidRequest, Code::TooManyStreams]),
        Route::get("/metrics", "showMetrics", "What is counted and measured, for Prometheus", metrics::metrics)
            .answers_with::<String>(200, "application/openmetrics-text", "The metrics.", examples::metrics())
            .codes(&[Code::Internal]),
        Route::get("/api/health", "showHealth", "How well the server is", health::health)
            .describe("200 whenever the process answers; the body says how well it is.")
            .answers::<Health>("The health.", examples::health()),
        Route::get("/api/openapi.json", "showOpenapi", "This document", document)
            .answers::<Map<String, Value>>("The document.", json!({ "openapi": "3.1.1" })),
        Route::get("/livez", "probeLiveness", "The process answers", health::live)
            .describe("Touches nothing outside the process.")
            .answers::<Alive>("It does.", examples::alive()),
        Route::get("/readyz", "probeReadiness", "Services can be shown and moved", health::ready)
            .describe(
                "A valid config and one successful look at the repository. Stays 200 through an outage of the Git host.",
            )
            .answers::<Alive>("They can.", examples::alive())
            .codes(&[Code::ShuttingDown])
            .codes(VIEW),
    ]
}

/// `GET /api/openapi.json`
async fn document() -> Response {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(&routes()));
    Readable(DOCUMENT.clone()).into_response()
}

/// The OpenAPI document as it is checked in.
#[must_use]
pub fn openapi_document() -> String {
    format!("{:#}\n", openapi::document(&routes()))
}

const fn path(to: Role) -> &'static str {
    match to {
        Role::Primary => "/api/failover/{service}/demote",
        Role::Backup => "/api/failover/{service}/promote",
    }
}

fn showing(to: Role) -> Route {
    let (id, summary) = match to {
        Role::Primary => ("showDemotion", "What a move to the primary role would change"),
        Role::Backup => ("showPromotion", "What a move to the backup role would change"),
    };
    let handler =
        move |State(state): State<AppState>, request: ServiceRequest| moves::show(to, state, request);
    Route::get(path(to), id, summary, handler)
        .describe("Changes nothing; a GET without `dry-run=true` is 405.")
        .parameters([service(), dry_run(true)])
        .parameters(options())
        .answers::<Plan>("The plan.", examples::plan())
        .answers_with::<String>(200, "text/x-diff", "The plan.", examples::diff())
        .answers_with::<String>(200, "text/x-patch", "The plan.", examples::diff())
        .codes(&[Code::MethodNotAllowed])
        .codes(PLAN)
        .codes(VIEW)
}

fn carrying_out(to: Role) -> Route {
    let (id, summary) = match to {
        Role::Primary => ("demote", "Move a service to the primary role"),
        Role::Backup => ("promote", "Move a service to the backup role"),
    };
    let handler =
        move |State(state): State<AppState>, request: ServiceRequest| moves::carry_out(to, state, request);
    Route::post(path(to), id, summary, handler)
        .describe("Safe to repeat. Each option may stand in the query or in the body, once.")
        .parameters([service(), dry_run(false), webhook()])
        .parameters(options())
        .body::<MoveOptions>(examples::options())
        .answers::<MovedOrPlan>(
            "With `changed`, the remote branch holds `commit`; without, everything was there already. For a dry run the plan.",
            examples::moved(),
        )
        .answers_with::<String>(200, "text/x-diff", "The plan.", examples::diff())
        .answers_with::<String>(200, "text/x-patch", "The plan.", examples::diff())
        .codes(PLAN)
        .codes(MOVE)
        .codes(VIEW)
}

fn service() -> Parameter {
    Parameter {
        name: "service",
        place: Place::Path,
        required: true,
        description: "The service's name in the config.",
        schema: json!({ "type": "string", "maxLength": 253, "pattern": NAME }),
        example: Some(json!("sonarr")),
    }
}

fn query(name: &'static str, description: &'static str, schema: Value, example: Option<Value>) -> Parameter {
    Parameter { name, place: Place::Query, required: false, description, schema, example }
}

fn only_service() -> Parameter {
    let schema = json!({ "type": "string", "maxLength": 253, "pattern": NAME });
    query("service", "Only this service's.", schema, Some(json!("sonarr")))
}

fn limit() -> Parameter {
    let schema = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 });
    query("limit", "At most so many.", schema, Some(json!(10)))
}

fn operations_limit() -> Parameter {
    let schema = json!({ "type": "integer", "minimum": 1, "maximum": CAPACITY, "default": CAPACITY });
    query("limit", "At most so many.", schema, Some(json!(10)))
}

fn operation_id() -> Parameter {
    Parameter {
        name: "id",
        place: Place::Path,
        required: true,
        description: "The move's id, as its answer and its commit have it.",
        schema: json!({ "type": "string", "format": "uuid" }),
        example: Some(json!("01a20b7a-95ac-73c0-9820-79d78200b931")),
    }
}

fn webhook() -> Parameter {
    let schema = json!({ "type": "string", "enum": Webhook::ALL.map(|(name, _)| name) });
    query("webhook", "The body is this monitor's own, and holds no options.", schema, None)
}

fn expected() -> Parameter {
    let schema = json!({ "type": "string", "enum": ["primary", "backup", "mixed", "unknown"] });
    query("expect", "Where the service should be.", schema, Some(json!("primary")))
}

fn dry_run(required: bool) -> Parameter {
    let schema =
        if required { json!({ "type": "boolean", "const": true }) } else { json!({ "type": "boolean" }) };
    Parameter { required, ..query("dry-run", "Only show the plan.", schema, Some(json!(true))) }
}

fn options() -> [Parameter; 4] {
    let expect = json!({ "type": "string", "pattern": EXPECT });
    let force = json!({ "type": "array", "items": { "type": "string", "enum": Check::ALL } });
    [
        reason(),
        query(
            "expect",
            "What you saw: a role, a full commit id or a revision. Otherwise `expectation-failed`.",
            expect,
            None,
        ),
        query("force", "Checks to override, by name.", force, Some(json!(["key-added"]))),
        idempotency_key(),
    ]
}

fn reason() -> Parameter {
    let reason = json!({ "type": "string", "minLength": 1, "maxLength": 500, "pattern": REASON });
    query("reason", "Why, on one line; stands in the commit.", reason, Some(json!("k3s-w1 is down")))
}

fn idempotency_key() -> Parameter {
    Parameter {
        name: "Idempotency-Key",
        place: Place::Header,
        required: false,
        description: "Names this request, so that repeating it returns the first one's commit.",
        schema: json!({ "type": "string", "maxLength": 200, "pattern": "^(?!\"\"$)[!-~]+$" }),
        example: None,
    }
}
