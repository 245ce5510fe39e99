//! The commit message of a move, written for people and read back by machines.
//!
//! The last paragraph is Git trailers, as `git interpret-trailers --parse` reads them.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::change::{Move, Refused, SettingChange};
use crate::check::Finding;
use crate::config::SettingKind;
use crate::field::Value;
use crate::intent::{Intent, Selection};
use crate::name::{IdempotencyKey, OperationId, Role, ServiceName};

/// How every subject begins.
pub const SUBJECT: &str = "Automated failover: ";
/// A subject names at most this many services; the trailers name all.
const NAMED_IN_SUBJECT: usize = 3;

/// A summary names at most this many services.
const NAMED_IN_SUMMARY: usize = 8;
/// Text of a message is at most this wide; trailers may be longer.
const WIDTH: usize = 72;

/// What a move does with each service that it is about, in its order.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'p> {
    /// The services, also those that are there already: they have no changes.
    pub moves: &'p [Move],
    /// Those that stay where they are.
    pub refused: &'p [Refused],
    /// Those of which it cannot be told whether the selection means them.
    pub not_chosen: &'p [ServiceName],
    /// The findings that would block and are overridden.
    pub forced: &'p [&'p Finding],
}

/// The message of a move.
#[must_use]
pub fn compose(intent: &Intent, parts: Parts<'_>, now: Timestamp) -> String {
    let (moves, there): (Vec<&Move>, Vec<&Move>) =
        parts.moves.iter().partition(|one| !one.changes.is_empty());
    let mut text = match moves.as_slice() {
        many if many.len() > NAMED_IN_SUBJECT => format!("{SUBJECT}{} services", many.len()),
        few => {
            let names: Vec<&str> = few.iter().map(|one| one.service.as_str()).collect();
            format!("{SUBJECT}{}", names.join(", "))
        }
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, " to {} node\n", intent.to);
    if let Some(reason) = &intent.reason {
        let _ = writeln!(text, "Reason: {reason}\n");
    }
    if moves.len().max(there.len()) > NAMED_IN_SUBJECT || !parts.refused.is_empty() {
        let _ = writeln!(text, "{}\n", wrapped(&summary(&moves, there.len(), parts.refused)));
    }
    let seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    let _ = writeln!(text, "Timestamp: {seconds}");
    for one in &moves {
        let _ = writeln!(text, "Service: {}", one.service);
        // In the order that people know from the first prototype's commits: claim, node, the rest.
        let mut changes: Vec<&SettingChange> = one.changes.iter().collect();
        changes.sort_by_key(|change| match change.kind {
            SettingKind::Claim => 0,
            SettingKind::Node => 1,
            SettingKind::Field => 2,
        });
        changes.into_iter().for_each(|change| write_change(&mut text, change));
    }
    for one in &there {
        let _ = writeln!(text, "Already-There: {}", one.service);
    }
    for one in parts.refused {
        let _ = writeln!(text, "Refused: {} ({})", one.service, one.code());
    }
    for service in parts.not_chosen {
        let _ = writeln!(text, "Not-Chosen: {service}");
    }
    match &intent.services {
        Selection::Named(_) => {}
        chosen @ (Selection::OnNode(_) | Selection::All) => {
            let _ = writeln!(text, "Selection: {chosen}");
        }
    }
    let _ = writeln!(text, "Role: {}", intent.to);
    for finding in parts.forced {
        let _ = writeln!(text, "Forced: {} ({})", finding.check, finding.service);
    }
    if let Some(actor) = &intent.requested_by {
        let _ = writeln!(text, "Requested-By: {actor}");
    }
    if let Some(key) = &intent.idempotency_key {
        let _ = writeln!(text, "Idempotency-Key: {key}");
    }
    let _ = writeln!(text, "Operation-Id: {}", intent.operation);
    text
}

/// A large move in a few sentences; the trailers say all of it.
fn summary(moves: &[&Move], there: usize, refused: &[Refused]) -> String {
    let all = moves.len() + there + refused.len();
    let moved = some(moves.iter().map(|one| one.service.to_string()), moves.len());
    let mut text = format!("Moves {} of {all} services, in this order: {moved}.", moves.len());
    if there > 0 {
        let _ = write!(text, " There already: {there}.");
    }
    if !refused.is_empty() {
        let each = refused.iter().map(|one| format!("{} ({})", one.service, one.code()));
        let _ = write!(text, " Refused: {}.", some(each, refused.len()));
    }
    text
}

/// The first few of `count` names.
fn some(names: impl Iterator<Item = String>, count: usize) -> String {
    let named: Vec<String> = names.take(NAMED_IN_SUMMARY).collect();
    match count - named.len() {
        0 => named.join(", "),
        rest => format!("{} and {rest} more", named.join(", ")),
    }
}

fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 {
            let fits = width + 1 + length <= WIDTH;
            lines.push(if fits { ' ' } else { '\n' });
            width = if fits { width + 1 } else { 0 };
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

fn write_change(text: &mut String, change: &SettingChange) {
    let from = change.from.as_ref().map_or_else(|| "(none)".to_owned(), one_line);
    let to = one_line(&change.to);
    let _ = match change.kind {
        SettingKind::Claim => writeln!(text, "PVC: {from} -> {to}"),
        SettingKind::Node => writeln!(text, "Node: {from} -> {to}"),
        SettingKind::Field => writeln!(text, "Field: {} {}: {from} -> {to}", change.target, change.field),
    };
}

/// A value that cannot break out of its line.
fn one_line(value: &Value) -> String {
    value.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What the trailers of a move's commit say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailers {
    /// The services moved.
    pub services: Vec<ServiceName>,
    /// The services that were asked for and were there already.
    pub already_there: Vec<ServiceName>,
    /// The services that were asked for and could not be moved.
    pub refused: Vec<ServiceName>,
    /// The services that the selection left out because where they run could not be told.
    pub not_chosen: Vec<ServiceName>,
    /// How they were chosen, when it was not by their names.
    pub selection: Option<String>,
    /// Where to.
    pub role: Option<Role>,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// The caller's key.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The move's id.
    pub operation_id: OperationId,
    /// When it was planned.
    pub timestamp: Option<Timestamp>,
}

impl Trailers {
    /// Reads the paragraph that holds an operation id, also when a person put more text after it.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let message = message.replace("\r\n", "\n");
        message.split("\n\n").filter_map(Self::read_paragraph).last()
    }

    fn read_paragraph(paragraph: &str) -> Option<Self> {
        let all = |key: &str| trailers(paragraph, key);
        let names = |key: &str| -> Vec<ServiceName> {
            // Behind a name may stand why.
            let names = all(key).filter_map(|line| line.split(' ').next());
            names.filter_map(|name| ServiceName::new(name).ok()).collect()
        };
        let services = names("Service");
        let operation_id = OperationId::new(all("Operation-Id").next_back()?).ok()?;
        (!services.is_empty()).then(|| Self {
            services,
            already_there: names("Already-There"),
            refused: names("Refused"),
            not_chosen: names("Not-Chosen"),
            selection: all("Selection").next().map(str::to_owned),
            role: all("Role").next().and_then(|role| role.parse().ok()),
            requested_by: all("Requested-By").next().map(str::to_owned),
            idempotency_key: all("Idempotency-Key").next().and_then(|key| IdempotencyKey::new(key).ok()),
            operation_id,
            timestamp: all("Timestamp").next().and_then(|time| time.parse().ok()),
        })
    }
}

/// The values of the trailers with this key.
pub(crate) fn trailers<'p>(
    paragraph: &'p str,
    key: &str,
) -> impl DoubleEndedIterator<Item = &'p str> + use<'p> {
    let key = format!("{key}: ");
    paragraph.lines().filter_map(move |line| line.strip_prefix(key.as_str()).map(str::trim))
}

/// The reason that the caller gave.
#[must_use]
pub fn reason_in(message: &str) -> Option<String> {
    message.lines().find_map(|line| line.strip_prefix("Reason: ")).map(|reason| reason.trim().to_owned())
}

/// The role at the end of a subject.
#[must_use]
pub fn role_in_subject(subject: &str) -> Option<Role> {
    subject.strip_suffix(" node")?.rsplit_once(" to ")?.1.parse().ok()
}

/// The services that a subject names; none when it only counts them.
#[must_use]
pub fn services_in_subject(subject: &str) -> Vec<ServiceName> {
    let names =
        subject.strip_prefix(SUBJECT).and_then(|rest| rest.rsplit_once(" to ")).map(|(names, _)| names);
    names
        .into_iter()
        .flat_map(|names| names.split(", "))
        .filter_map(|name| ServiceName::new(name).ok())
        .collect()
}
