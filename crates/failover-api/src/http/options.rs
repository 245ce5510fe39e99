//! What a caller says about a move, in the query or in a JSON body, checked once.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, header};
use failover_core::check::Check;
use failover_core::code::{Code, Problem};
use failover_core::intent::Expectation;
use failover_core::name::{IdempotencyKey, Reason, nearest};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::webhook::Webhook;

const KNOWN: [&str; 4] = ["dry-run", "expect", "force", "reason"];

/// What only a move of one service takes.
const WEBHOOK: &str = "webhook";

/// The options of a move.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) dry_run: bool,
    pub(super) reason: Option<Reason>,
    pub(super) expect: Option<Expectation>,
    pub(super) force: BTreeSet<Check>,
    pub(super) idempotency_key: Option<IdempotencyKey>,
    /// The body is a monitor's own, and holds no options.
    pub(super) webhook: Option<Webhook>,
}

impl Options {
    /// Reads all options, or says everything that is wrong with them.
    pub(super) fn read(query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(&[WEBHOOK], Vec::new());
        reader.query(query);
        if reader.options.webhook.is_none() {
            match members(headers, body) {
                Ok(members) => reader.members(&members),
                Err(problem) => reader.problems.push(problem),
            }
        }
        reader.end(headers)
    }

    /// The same from the members of a body, of which the caller knows `others` and has read them, with these `problems`.
    pub(super) fn of_members(
        query: &str,
        headers: &HeaderMap,
        members: &[(String, Value)],
        others: &[&'static str],
        problems: Vec<Problem>,
    ) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(others, problems);
        reader.query(query);
        reader.members(members);
        reader.end(headers)
    }
}

/// The members of the JSON object that a body is; none of an empty body.
pub(super) fn members(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, Value)>, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let hint = "send the header Content-Type: application/json, or give the options in the query";
        let detail = format!("the body's type is {media_type:?}");
        return Err(Problem::new(Code::UnsupportedMediaType, detail, hint));
    }
    match serde_json::from_slice(body) {
        Ok(Members(members)) => Ok(members),
        Err(error) => Err(invalid(format!("the body is not a JSON object: {error}"))),
    }
}

/// A body that cannot be read as options.
pub(super) fn invalid(detail: String) -> Problem {
    let hint = "send an object such as {\"reason\": \"k3s-w1 is down\", \"dry-run\": true}";
    Problem::new(Code::InvalidBody, detail, hint)
}

/// The members of a JSON object in their order, those that are given twice included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

struct Reader {
    options: Options,
    seen: BTreeSet<String>,
    /// What the route takes, for hints.
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Reader {
    fn new(others: &[&'static str], problems: Vec<Problem>) -> Self {
        let known = KNOWN.iter().chain(others).copied().collect();
        Self { options: Options::default(), seen: BTreeSet::new(), known, problems }
    }

    fn query(&mut self, query: &str) {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            self.option(&name, &value);
        }
    }

    fn end(mut self, headers: &HeaderMap) -> Result<Options, Vec<Problem>> {
        self.key(headers);
        if self.problems.is_empty() { Ok(self.options) } else { Err(self.problems) }
    }

    fn takes_webhooks(&self) -> bool {
        self.known.contains(&WEBHOOK)
    }

    fn wrong(&mut self, detail: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(Code::InvalidRequest, detail, hint));
    }

    fn option(&mut self, name: &str, value: &str) {
        // The body's keys may be written as JSON likes them.
        let name = name.replace('_', "-");
        if !self.seen.insert(name.clone()) && name != "force" {
            return self.wrong(format!("{name} is given twice"), "give each option once");
        }
        match name.as_str() {
            "dry-run" => match value {
                "true" => self.options.dry_run = true,
                "false" => {}
                _ => self.wrong(format!("dry-run is {value:?}"), "give true or false"),
            },
            "reason" => match Reason::new(value) {
                Ok(reason) => self.options.reason = Some(reason),
                Err(error) => self.wrong(format!("reason {error}"), "shorten the reason to one line"),
            },
            "expect" => match Expectation::parse(value) {
                Some(expect) => self.options.expect = Some(expect),
                None => self.wrong(
                    format!("expect is {value:?}"),
                    "give primary, backup, mixed, unknown, or a revision as the API shows it",
                ),
            },
            "force" => {
                for name in value.split(',').filter(|name| !name.is_empty()) {
                    match Check::from_name(name) {
                        Some(check) => drop(self.options.force.insert(check)),
                        None => {
                            let known = Check::ALL.map(Check::as_str).join(", ");
                            self.wrong(
                                format!("force names {name:?}, which is no check"),
                                format!("the checks are {known}"),
                            );
                        }
                    }
                }
            }
            WEBHOOK if self.takes_webhooks() => match Webhook::from_name(value) {
                Some(webhook) => self.options.webhook = Some(webhook),
                None => {
                    let known = Webhook::ALL.map(|(name, _)| name).join(", ");
                    self.wrong(format!("webhook is {value:?}"), format!("the monitors known are {known}"));
                }
            },
            unknown => {
                let near = nearest(unknown, self.known.iter().copied());
                let hint = match near.first() {
                    Some(near) if *near == unknown => format!("give {near} in the body"),
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("the options are {}", self.known.join(", ")),
                };
                self.wrong(format!("there is no option {unknown:?}"), hint);
            }
        }
    }

    fn members(&mut self, members: &[(String, Value)]) {
        for (name, value) in members {
            match (name.as_str(), value) {
                (WEBHOOK, _) if self.takes_webhooks() => {
                    self.wrong("webhook is given in the body", "give it in the address")
                }
                ("force", Value::Array(names)) if names.iter().all(Value::is_string) => {
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    self.option(name, &names.join(","));
                }
                ("dry-run" | "dry_run", Value::Bool(value)) => {
                    self.option(name, if *value { "true" } else { "false" })
                }
                ("dry-run" | "dry_run", other) => {
                    self.problems.push(invalid(format!("{name} is {other}, not a boolean")))
                }
                (_, Value::String(value)) => self.option(name, value),
                (name, _) if !KNOWN.contains(&name) => self.option(name, ""),
                (_, other) => self.problems.push(invalid(format!("{name} is {other}, not a string"))),
            }
        }
    }

    fn key(&mut self, headers: &HeaderMap) {
        let mut values = headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return };
        // The header's draft standard writes the key as a quoted string; most callers write it bare.
        let text = value.to_str().unwrap_or_default();
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        match IdempotencyKey::new(text) {
            Ok(key) if values.next().is_none() => self.options.idempotency_key = Some(key),
            Ok(_) => self.wrong("Idempotency-Key is given twice", "give it once"),
            Err(error) => self.wrong(format!("Idempotency-Key {error}"), "a UUID is a good key"),
        }
    }
}
