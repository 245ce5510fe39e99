//! What somebody asks for with `hold` or `release`, checked.

use std::time::Duration;

use failover_core::config::parse_duration;
use failover_core::holding::{self, Wanted};
use failover_core::name::{IdempotencyKey, Reason};
use jiff::Timestamp;
use serde_json::json;

use super::ending::Stop;

/// A hold or a release that is asked for.
#[derive(Debug, Clone)]
pub(super) struct HoldAsked {
    /// These services; the hold on every service where there are none.
    pub(super) services: Option<Vec<String>>,
    pub(super) verb: HoldVerb,
    pub(super) idempotency_key: Option<IdempotencyKey>,
}

/// Which of the two it is.
#[derive(Debug, Clone)]
pub(super) enum HoldVerb {
    Hold { reason: Reason, end: Option<End> },
    Release { reason: Option<Reason> },
}

/// When a hold ends, as it was written.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// At this time.
    Until(Timestamp),
    /// After this long.
    For(String, Duration),
}

/// What a server is asked.
pub(super) enum HoldRequest {
    /// With this body.
    Post(String),
    /// With this query.
    Delete(String),
}

/// A duration as a flag has it.
pub(super) fn parse_end(text: &str) -> Result<End, String> {
    let duration = parse_duration(text).ok_or("write hours, minutes and seconds such as 4h, 90m or 1h30m")?;
    Ok(End::For(text.to_owned(), duration))
}

impl HoldAsked {
    /// What is wanted, if it is asked for now.
    pub(super) fn wanted(&self, now: Timestamp) -> Result<Wanted, Stop> {
        Ok(match &self.verb {
            HoldVerb::Release { reason } => Wanted::Release { reason: reason.clone() },
            HoldVerb::Hold { reason, end } => {
                let end = match end {
                    None => holding::End::Released,
                    Some(End::Until(until)) => holding::End::Until(*until),
                    Some(End::For(text, length)) => holding::End::after(now, *length).ok_or_else(|| {
                        Stop::problem(format!(
                            "--for {text} is too long; leave it out to hold until it is released"
                        ))
                    })?,
                };
                Wanted::Hold { reason: reason.clone(), end }
            }
        })
    }

    /// The same for a server.
    pub(super) fn request(&self, dry_run: bool) -> HoldRequest {
        match &self.verb {
            HoldVerb::Hold { reason, end } => {
                let mut body = json!({ "reason": reason });
                match &self.services {
                    Some(services) => body["services"] = json!(services),
                    None => body["all"] = json!(true),
                }
                match end {
                    None => {}
                    Some(End::Until(until)) => body["until"] = json!(until),
                    Some(End::For(text, _)) => body["for"] = json!(text),
                }
                if dry_run {
                    body["dry-run"] = json!(true);
                }
                HoldRequest::Post(body.to_string())
            }
            HoldVerb::Release { reason } => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                match &self.services {
                    Some(services) => query.append_pair("services", &services.join(",")),
                    None => query.append_pair("all", "true"),
                };
                if let Some(reason) = reason {
                    query.append_pair("reason", reason.as_str());
                }
                if dry_run {
                    query.append_pair("dry-run", "true");
                }
                HoldRequest::Delete(query.finish())
            }
        }
    }
}
