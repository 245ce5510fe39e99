//! The decision to hold services or to release them, and its commit message, written and read back.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::code::{Code, Problem};
use crate::config::{Config, Hold, Holds, Scope, parse_duration, written_duration};
use crate::message::{reason_in, trailers};
use crate::name::{Actor, IdempotencyKey, OperationId, Reason, Revision, ServiceName};
use crate::plan::unknown_service;
use crate::tree::Tree;

/// A subject names at most this many services; the trailers name all.
const NAMED_IN_SUBJECT: usize = 3;
/// Stands for every service in a trailer; no service can have this name.
const EVERY: &str = "*";

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// The one hold on every service.
    All,
    /// The holds on these services.
    Named(BTreeSet<ServiceName>),
}

impl Scopes {
    fn iter(&self) -> impl Iterator<Item = Scope> {
        let (all, named) = match self {
            Self::All => (Some(Scope::All), None),
            Self::Named(names) => (None, Some(names)),
        };
        all.into_iter().chain(named.into_iter().flatten().cloned().map(Scope::Service))
    }
}

/// One request to hold services, or to release them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldIntent {
    /// What it is about.
    pub scopes: Scopes,
    /// What is wanted.
    pub wanted: Wanted,
    /// Who asks; the owner of a hold.
    pub requested_by: Actor,
    /// Names this request; the same in every attempt.
    pub operation: OperationId,
    /// Recognises a repeated request.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What is wanted of holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// That there are some.
    Hold {
        /// Why.
        reason: Reason,
        /// When they end.
        end: End,
    },
    /// That there are none.
    Release {
        /// Why.
        reason: Option<Reason>,
    },
}

/// When a hold ends, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// When it is released.
    Released,
    /// At this time.
    Until(Timestamp),
    /// So long after it was asked for.
    For {
        /// How long, in whole seconds.
        length: Duration,
        /// The time that this comes to.
        until: Timestamp,
    },
}

impl End {
    /// So long after `now`; `None` when that is beyond all times.
    #[must_use]
    pub fn after(now: Timestamp, length: Duration) -> Option<Self> {
        let until = now.checked_add(SignedDuration::try_from(length).ok()?).ok()?;
        Some(Self::For { length, until })
    }

    /// Until when; until it is released when `None`.
    #[must_use]
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::Released => None,
            Self::Until(until) | Self::For { until, .. } => Some(until),
        }
    }
}

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Holds are made.
    Hold,
    /// Holds are removed.
    Release,
}

impl Verb {
    /// How every subject begins.
    #[must_use]
    pub fn subject(self) -> &'static str {
        match self {
            Self::Hold => "Automated hold: ",
            Self::Release => "Automated release: ",
        }
    }

    /// The key of the trailers that name what is held or released.
    fn trailer(self) -> &'static str {
        match self {
            Self::Hold => "Hold",
            Self::Release => "Release",
        }
    }

    /// The verb.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl HoldIntent {
    /// Whether it holds or releases.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self.wanted {
            Wanted::Hold { .. } => Verb::Hold,
            Wanted::Release { .. } => Verb::Release,
        }
    }

    /// Why, as the caller says.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.wanted {
            Wanted::Hold { reason, .. } => Some(reason),
            Wanted::Release { reason } => reason.as_ref(),
        }
    }
}

/// What becomes of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldOutcome {
    /// There is a hold now, or a new one in the place of an old one.
    Held,
    /// There is none any more.
    Released,
    /// It is as it was.
    Unchanged,
}

/// A decided change of the holds file: final, and only right on the commit it was made for.
#[derive(Debug, Clone)]
pub struct HoldPlan {
    /// The commit that it changes.
    pub base: Revision,
    /// Whether it holds or releases.
    pub verb: Verb,
    /// What becomes of each scope.
    pub lines: Vec<(Scope, HoldOutcome)>,
    /// The file's text on the base; `None` when there is no file.
    pub before: Option<Arc<str>>,
    /// Its text afterwards; `None` when there is no file any more.
    pub after: Option<String>,
    /// Every hold afterwards.
    pub holds: Holds,
    /// The commit message.
    pub message: String,
}

impl HoldPlan {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|(_, outcome)| *outcome == HoldOutcome::Unchanged)
    }
}

/// Decides how to carry out `intent` on `tree`.
///
/// # Errors
/// Everything that stands in the way: services that are not known, an end that is past, holds of somebody else, and a holds
/// file that cannot be read, since what it says must not be lost.
pub fn plan(
    config: &Config,
    intent: &HoldIntent,
    tree: &Tree,
    now: Timestamp,
) -> Result<HoldPlan, Vec<Problem>> {
    let file = &tree.restraints.holds;
    let mut holds = file.known()?.clone();
    let mut problems = Vec::new();
    let mut lines = Vec::new();
    if matches!(&intent.scopes, Scopes::Named(names) if names.is_empty()) {
        let detail = "the list of services is empty";
        problems.push(Problem::new(Code::NothingSelected, detail, "name services, or say all"));
    }
    if let Wanted::Hold { end, .. } = &intent.wanted
        && let Some(until) = end.until()
        && until <= now
    {
        let detail = format!("until is {until}, which is past: it is {now} here");
        problems.push(Problem::new(Code::InvalidRequest, detail, "give a time that is still to come"));
    }
    for scope in intent.scopes.iter() {
        let known = holds.get(&scope);
        if let Scope::Service(name) = &scope
            && config.get(name).is_none()
            && (intent.verb() == Verb::Hold || known.is_none())
        {
            let problem = unknown_service(config, name.as_str());
            problems.push(problem.of(name));
            continue;
        }
        let outcome = match &intent.wanted {
            Wanted::Release { .. } => match holds.remove(&scope) {
                Some(_) => HoldOutcome::Released,
                None => HoldOutcome::Unchanged,
            },
            Wanted::Hold { reason, end } => match known {
                Some(known) if known.owner != intent.requested_by && !known.is_expired(now) => {
                    problems.push(elses(known, now));
                    continue;
                }
                Some(known)
                    if known.owner == intent.requested_by
                        && known.reason == *reason
                        && known.until == end.until() =>
                {
                    HoldOutcome::Unchanged
                }
                Some(_) | None => {
                    holds.put(Hold {
                        scope: scope.clone(),
                        owner: intent.requested_by.clone(),
                        reason: reason.clone(),
                        since: Some(now),
                        until: end.until(),
                        place: Holds::UNWRITTEN,
                    });
                    HoldOutcome::Held
                }
            },
        };
        lines.push((scope, outcome));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let message = compose(intent, &lines, now);
    let (base, verb) = (tree.revision.clone(), intent.verb());
    let (before, after) = (file.text.clone(), holds.text());
    Ok(HoldPlan { base, verb, lines, before, after, holds, message })
}

/// A hold that its owner must not lose to a shorter one.
fn elses(known: &Hold, now: Timestamp) -> Problem {
    let hint = "ask its owner; or release it first, which history shows";
    let problem = Problem::new(Code::Held, known.sentence(now), hint);
    match &known.scope {
        Scope::Service(name) => problem.of(name),
        Scope::All => problem,
    }
}

fn compose(intent: &HoldIntent, lines: &[(Scope, HoldOutcome)], now: Timestamp) -> String {
    let changed = lines.iter().filter(|(_, outcome)| *outcome != HoldOutcome::Unchanged);
    let changed: Vec<&Scope> = changed.map(|(scope, _)| scope).collect();
    let verb = intent.verb();
    let named: Vec<String> = changed.iter().map(ToString::to_string).collect();
    let what = match named.len() {
        0..=NAMED_IN_SUBJECT => named.join(", "),
        many => format!("{many} services"),
    };
    let mut text = format!("{}{what}\n\n", verb.subject());
    // Writing to a String cannot fail.
    if let Some(reason) = intent.reason() {
        let _ = writeln!(text, "Reason: {reason}\n");
    }
    let _ = writeln!(text, "Timestamp: {}", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
    for (scope, outcome) in lines {
        let key = if *outcome == HoldOutcome::Unchanged { "Already-There" } else { verb.trailer() };
        let name = match scope {
            Scope::All => EVERY,
            Scope::Service(name) => name.as_str(),
        };
        let _ = writeln!(text, "{key}: {name}");
    }
    if let Wanted::Hold { end, .. } = &intent.wanted {
        if let Some(until) = end.until() {
            let _ = writeln!(text, "Until: {until}");
        }
        // A repeated request has another end, and the same length.
        if let End::For { length, .. } = end {
            let _ = writeln!(text, "For: {}", written_duration(*length));
        }
    }
    let _ = writeln!(text, "Requested-By: {}", intent.requested_by);
    if let Some(key) = &intent.idempotency_key {
        let _ = writeln!(text, "Idempotency-Key: {key}");
    }
    let _ = writeln!(text, "Operation-Id: {}", intent.operation);
    text
}

/// What the message of such a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldTrailers {
    /// Whether it holds or releases.
    pub verb: Verb,
    /// What it is about, those included that were as they should be.
    pub scopes: Scopes,
    /// The services that were as they should be.
    pub already_there: BTreeSet<ServiceName>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// For how long, when it was asked for so.
    pub length: Option<Duration>,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// The caller's key.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The request's id.
    pub operation_id: OperationId,
}

impl HoldTrailers {
    /// Reads the paragraph that holds an operation id; `None` if it is no hold's or release's.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let message_text = message.replace("\r\n", "\n");
        message_text.split("\n\n").filter_map(|paragraph| Self::read_paragraph(paragraph, message)).last()
    }

    fn read_paragraph(paragraph: &str, message: &str) -> Option<Self> {
        let first = |key: &str| trailers(paragraph, key).next();
        let operation_id = OperationId::new(trailers(paragraph, "Operation-Id").last()?).ok()?;
        // A move's commit to which somebody added a line like ours stays a move's.
        if first("Service").is_some() {
            return None;
        }
        let verb = [Verb::Hold, Verb::Release].into_iter().find(|verb| first(verb.trailer()).is_some())?;
        let named = |key: &str| -> BTreeSet<ServiceName> {
            trailers(paragraph, key).filter_map(|name| ServiceName::new(name).ok()).collect()
        };
        let already_there = named("Already-There");
        let scopes = if trailers(paragraph, verb.trailer()).any(|name| name == EVERY) {
            Scopes::All
        } else {
            Scopes::Named(named(verb.trailer()).into_iter().chain(already_there.iter().cloned()).collect())
        };
        Some(Self {
            verb,
            scopes,
            already_there,
            until: first("Until").and_then(|time| time.parse().ok()),
            length: first("For").and_then(parse_duration),
            reason: reason_in(message),
            requested_by: first("Requested-By").map(str::to_owned),
            idempotency_key: first("Idempotency-Key").and_then(|key| IdempotencyKey::new(key).ok()),
            operation_id,
        })
    }
}
