//! Examples of answers, for the OpenAPI document. The test `openapi` holds them against the schemas.

use serde_json::{Value, json};

const COMMIT: &str = "5b75f80181c5f33fea8362e2f49f66d852d62707";
const REVISION: &str = "main@sha1:5b75f80181c5f33fea8362e2f49f66d852d62707";
const OPERATION: &str = "01a20b7b-6a8a-77b4-bffc-49ee49087aa1";
const FILE: &str = "clusters/homelab/apps/media/sonarr/deployment.yaml";
const CLAIM_FIELD: &str = "spec.template.spec.volumes.[name=sonarr-data].persistentVolumeClaim.claimName";

fn target() -> Value {
    json!({ "kind": "Deployment", "name": "sonarr", "namespace": "media" })
}

fn service() -> Value {
    json!({
        "name": "sonarr",
        "namespace": "media",
        "workload": target(),
        "active": "primary",
        "settings": [{
            "kind": "claim",
            "target": target(),
            "field": CLAIM_FIELD,
            "primary": "pvc-sonarr",
            "backup": "pvc-sonarr-backup",
            "current": "pvc-sonarr",
            "side": "primary",
            "file": FILE,
            "line": 73,
            "column": 24,
        }],
        "last_operation": null,
    })
}

fn finding() -> Value {
    let declared = "PersistentVolumeClaim media/pvc-sonarr-backup is declared in clusters/homelab/apps/media/sonarr/pvc.yaml:60";
    json!({ "check": "target-claim", "verdict": "pass", "service": "sonarr", "detail": declared })
}

fn change() -> Value {
    json!({
        "kind": "claim",
        "target": target(),
        "field": CLAIM_FIELD,
        "from": "pvc-sonarr",
        "to": "pvc-sonarr-backup",
        "file": FILE,
        "line": 73,
        "column": 24,
    })
}

pub(super) fn services() -> Value {
    json!({ "count": 1, "services": [service()], "revision": REVISION, "view_age_seconds": 4 })
}

pub(super) fn status() -> Value {
    let mut status = service();
    status["findings"] = json!([finding()]);
    status["findings_for"] = json!("backup");
    status["revision"] = json!(REVISION);
    status["view_age_seconds"] = json!(4);
    status
}

pub(super) fn history() -> Value {
    json!({
        "count": 1,
        "history": [{
            "commit": COMMIT,
            "time": "2026-11-24T02:56:07Z",
            "kind": "move",
            "services": ["sonarr"],
            "to": "backup",
            "reason": "k3s-w1 is down",
            "requested_by": "alice",
            "operation_id": OPERATION,
            "author": "failover-api <failover-api@cluster.local>",
        }],
        "revision": REVISION,
        "view_age_seconds": 4,
    })
}

fn hold() -> Value {
    json!({
        "service": "sonarr",
        "owner": "alice",
        "reason": "new disk in k3s-w2",
        "since": "2026-11-24T02:56:07Z",
        "until": "2026-11-24T06:56:07Z",
        "in_force": true,
    })
}

pub(super) fn holds() -> Value {
    json!({ "count": 1, "holds": [hold()], "revision": REVISION, "view_age_seconds": 4 })
}

pub(super) fn hold_options() -> Value {
    json!({ "services": ["sonarr"], "reason": "new disk in k3s-w2", "for": "4h" })
}

pub(super) fn hold_done() -> Value {
    json!({
        "changed": true,
        "replayed": false,
        "commit": COMMIT,
        "operation_id": OPERATION,
        "verb": "hold",
        "lines": [{ "service": "sonarr", "outcome": "held" }],
        "holds": [hold()],
        "revision": REVISION,
        "view_age_seconds": 0,
    })
}

pub(super) fn release_done() -> Value {
    let mut done = hold_done();
    done["verb"] = json!("release");
    done["lines"] = json!([{ "service": "sonarr", "outcome": "released" }]);
    done["holds"] = json!([]);
    done
}

pub(super) fn hold_diff() -> Value {
    json!(
        "diff --git a/.failover-api/holds b/.failover-api/holds\nnew file mode 100644\n--- /dev/null\n\
         +++ b/.failover-api/holds\n@@ -0,0 +1,2 @@\n+holds:\n+  - service: sonarr\n"
    )
}

pub(super) fn health() -> Value {
    json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "services": 1,
        "revision": REVISION,
        "view_age_seconds": 4,
        "config": { "generation": 1, "digest": "5d41402abc4b", "valid": true, "problems": [] },
        "repository": { "files": 31, "unreadable_files": 0, "unreadable": [] },
        "holds": { "in_force": 0, "expired": 0 },
        "problems": [],
    })
}

pub(super) fn alive() -> Value {
    json!({ "status": "ok" })
}

pub(super) fn plan() -> Value {
    json!({
        "dry_run": true,
        "changed": true,
        "service": "sonarr",
        "from": "primary",
        "to": "backup",
        "changes": [change()],
        "findings": [finding()],
        "blocked_by": [],
        "files": [FILE],
        "message": "Automated failover: sonarr to backup node\n\nTimestamp: …\n",
        "diff": diff(),
        "revision": REVISION,
        "view_age_seconds": 4,
    })
}

pub(super) fn diff() -> Value {
    json!(format!(
        "diff --git a/{FILE} b/{FILE}\n--- a/{FILE}\n+++ b/{FILE}\n@@ -73 +73 @@ spec:\n\
         -            claimName: pvc-sonarr\n+            claimName: pvc-sonarr-backup\n"
    ))
}

pub(super) fn moved() -> Value {
    json!({
        "changed": true,
        "replayed": false,
        "commit": COMMIT,
        "operation_id": OPERATION,
        "service": "sonarr",
        "from": "primary",
        "changes": [change()],
        "to": "backup",
        "findings": [finding()],
        "revision": REVISION,
        "view_age_seconds": 0,
    })
}

pub(super) fn options() -> Value {
    json!({ "reason": "k3s-w1 is down", "expect": "primary" })
}

pub(super) fn batch_options() -> Value {
    json!({ "from_node_label": "k3s-w1", "to": "backup", "reason": "k3s-w1 is down" })
}

pub(super) fn batch_moved() -> Value {
    json!({
        "changed": true,
        "replayed": false,
        "commit": COMMIT,
        "operation_id": OPERATION,
        "to": "backup",
        "counts": { "moved": 1, "already_there": 1, "refused": 0 },
        "services": [
            { "service": "sonarr", "outcome": "moved", "from": "primary", "changes": [change()] },
            { "service": "radarr", "outcome": "already-there", "from": "backup", "changes": [] },
        ],
        "findings": [finding()],
        "revision": REVISION,
        "view_age_seconds": 0,
    })
}

pub(super) fn operation() -> Value {
    json!({
        "operation_id": OPERATION,
        "request_id": "01a20b7b-6a8a-77b4-bffc-49ee49087a00",
        "kind": "move",
        "state": "committed",
        "services": ["sonarr"],
        "to": "backup",
        "reason": "k3s-w1 is down",
        "requested_by": "alice",
        "started": "2026-11-24T02:55:11.9Z",
        "updated": "2026-11-24T02:55:12.1Z",
        "commit": COMMIT,
        "steps": [
            {
                "time": "2026-11-24T02:55:11.95Z",
                "step": "planned",
                "base": "main@sha1:5cdd48bf16d70c2999dfe391084f7c6dca921969",
                "files": [FILE],
                "milliseconds": 2,
            },
            {
                "time": "2026-11-24T02:55:12Z",
                "step": "pushed",
                "commit": COMMIT,
                "outcome": "accepted",
                "milliseconds": 41,
            },
        ],
    })
}

pub(super) fn operations() -> Value {
    json!({ "count": 1, "operations": [operation()] })
}

pub(super) fn events() -> Value {
    json!({ "event": "view", "data": format!("{{\"revision\":\"{REVISION}\",\"services\":1}}") })
}

pub(super) fn metrics() -> Value {
    json!("# TYPE failover_api_services gauge\nfailover_api_services 1\n# EOF\n")
}
