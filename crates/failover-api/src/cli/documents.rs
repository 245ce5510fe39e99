//! `failover-api openapi`: a document for other programs.

use super::output::say;
use crate::http;

/// Prints the OpenAPI document.
pub(super) fn openapi() {
    say(http::openapi_document().trim_end());
}
