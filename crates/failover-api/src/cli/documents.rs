//! `failover-api openapi` and `failover-api schema`: documents for other programs.

use failover_core::config;

use super::output::say;
use crate::http;

/// Prints the OpenAPI document.
pub(super) fn openapi() {
    say(http::openapi_document().trim_end());
}

/// Prints the JSON Schema of the config.
pub(super) fn schema() {
    say(format_args!("{:#}", config::schema()));
}
