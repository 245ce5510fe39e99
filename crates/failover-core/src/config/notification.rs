//! The notifications file: who is told what happened, as a message for people or programs. Its addresses may be secrets,
//! so no message repeats one, nor the value of a header.

use std::collections::BTreeSet;

use super::configmap::in_file;
use super::error::ConfigErrors;
use super::fields::{Field, Fields, Reader, at, shown};
use super::hook::{HookUrl, List, file, required_file, url};
use super::value::Placed;
use crate::name::{NameError, ObjectName, ServiceName, nearest};
use crate::notice::{ContentType, Form, Notice, Occasion, Template};
use crate::yaml::{Node, Place, ScalarStyle};

/// The most notifications of one file: each has a task and metrics of its own.
pub const MAX_NOTIFICATIONS: usize = 16;
/// The most headers of a webhook.
const MAX_HEADERS: usize = 16;

/// Somebody who is told what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What logs, metrics and operations call it; unique in the file.
    pub name: ObjectName,
    /// What messages look like.
    pub form: Form,
    /// Where they go.
    pub address: Address,
    /// The file with the token; relative to the notifications file.
    pub token_file: Option<String>,
    /// The certificates of the authorities to trust instead of the system's; relative to the notifications file.
    pub ca_file: Option<String>,
    /// What is told.
    pub events: BTreeSet<Occasion>,
    /// The services whose moves are told; all when `None`.
    pub services: Option<BTreeSet<ServiceName>>,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// To this address.
    Url(HookUrl),
    /// To the address in this file; relative to the notifications file.
    File(String),
}

impl Notification {
    /// Whether it wants to be told.
    #[must_use]
    pub fn wants(&self, notice: &Notice) -> bool {
        let of_its_services = |wanted: &BTreeSet<ServiceName>| {
            notice.services.is_empty() || notice.services.iter().any(|service| wanted.contains(service))
        };
        notice.event.occasion().is_some_and(|occasion| self.events.contains(&occasion))
            && self.services.as_ref().is_none_or(of_its_services)
    }
}

/// Reads and checks the text of the notifications file.
///
/// # Errors
/// Everything that is wrong, with its place; also a file without any notification. No message repeats an address.
pub fn parse_notifications(text: &str) -> Result<Vec<Notification>, ConfigErrors> {
    let list = List {
        key: "notifications",
        what: "notification",
        most: MAX_NOTIFICATIONS,
        name: |notification: &Notification| &notification.name,
        read: notification,
    };
    list.parse(text)
}

const TYPES: [&str; 5] = ["webhook", "ntfy", "discord", "slack", "gotify"];

fn notification<'a>(
    reader: &mut Reader<'a>,
    item: &'a Node,
    number: usize,
    text: &'a str,
) -> Option<Placed<Notification>> {
    let fields = reader.fields(item, format!("notification {number}"), item.place)?;
    let name = reader.required_name::<ObjectName>(&fields, "name");
    let form = form(reader, &fields, text);
    let address = address(reader, &fields);
    let ca_file = optional_file(reader, &fields, "ca_file");
    let events = fields.get("events").map(|field| occasions(reader, field, &fields));
    let services = fields.get("services").map(|field| services(reader, field, &fields));
    let (form, token_file) = form?;
    let Placed { value: name, place } = name?;
    let events = match events {
        Some(events) => events?,
        None => BTreeSet::from([Occasion::Moved]),
    };
    let services = match services {
        Some(services) => Some(services?),
        None => None,
    };
    let value =
        Notification { name, form, address: address?, token_file, ca_file: ca_file?, events, services };
    Some(Placed { value, place })
}

/// The form, and the file with the token.
fn form<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, text: &'a str) -> Option<(Form, Option<String>)> {
    const EVERY: [&str; 7] = ["name", "type", "url", "url_file", "ca_file", "events", "services"];
    let field = reader.required(fields, "type")?;
    let kind = reader.text(field, &format!("type of {}", fields.what))?;
    let own: &[&str] = match kind.value {
        "webhook" => &["token_file", "template", "content_type", "headers"],
        "ntfy" | "gotify" => &["token_file"],
        _ => &[],
    };
    reader.only(fields, &[&EVERY, own].concat());
    let token_file = match kind.value {
        "gotify" => Some(required_file(reader, fields, "token_file")?),
        "webhook" | "ntfy" => optional_file(reader, fields, "token_file")?,
        _ => None,
    };
    let form = match kind.value {
        "webhook" => {
            let headers = headers(reader, fields, token_file.is_some());
            let template = template(reader, fields, text);
            Form::Webhook { template: template?, headers: headers? }
        }
        "ntfy" => Form::Ntfy,
        "discord" => Form::Discord,
        "slack" => Form::Slack,
        "gotify" => Form::Gotify,
        other => {
            let near = nearest(other, TYPES).first().map(|near| format!("did you mean '{near}'? "));
            let hint = format!("{}the types are {}", near.unwrap_or_default(), TYPES.join(", "));
            reader.error(kind.place, format!("type of {} is {}", fields.what, shown(other)), hint);
            return None;
        }
    };
    Some((form, token_file))
}

fn address<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Address> {
    match (fields.get("url"), fields.get("url_file")) {
        (Some(field), None) => url(reader, field, &format!("url of {}", fields.what)).map(Address::Url),
        (None, Some(_)) => file(reader, fields, "url_file").map(Address::File),
        (Some(_), Some(field)) => {
            let message = format!("{} has both 'url' and 'url_file'", fields.what);
            reader.error(field.place, message, "keep 'url_file' where the address is a secret");
            None
        }
        (None, None) => {
            let message = format!("{} has neither 'url' nor 'url_file'", fields.what);
            reader.error(
                fields.place,
                message,
                "add 'url:', or 'url_file:' with a file that holds the address",
            );
            None
        }
    }
}

/// `None` when it is wrong, which is reported.
#[expect(clippy::option_option, reason = "wrong, missing, or there")]
fn optional_file<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, key: &str) -> Option<Option<String>> {
    match fields.get(key) {
        Some(_) => file(reader, fields, key).map(Some),
        None => Some(None),
    }
}

/// The texts of a list that may not be empty, each once.
fn texts<'a>(reader: &mut Reader<'a>, field: Field<'a>, what: &str) -> Option<Vec<Placed<&'a str>>> {
    let items = reader.items(field, what)?;
    if items.is_empty() {
        reader.error(field.place, format!("{what} is empty"), "name at least one, or remove the key");
        return None;
    }
    let mut texts: Vec<Placed<&'a str>> = Vec::new();
    for item in items {
        let text = reader.text(Field { place: item.place, node: item }, &format!("an item of {what}"))?;
        if let Some(first) = texts.iter().find(|first| first.value == text.value) {
            let message = format!("{what} has {} twice, first at {}", shown(text.value), at(first.place));
            reader.error(text.place, message, "keep one of the two");
            return None;
        }
        texts.push(text);
    }
    Some(texts)
}

fn occasions<'a>(
    reader: &mut Reader<'a>,
    field: Field<'a>,
    fields: &Fields<'a>,
) -> Option<BTreeSet<Occasion>> {
    let what = format!("events of {}", fields.what);
    let mut occasions = BTreeSet::new();
    for text in texts(reader, field, &what)? {
        match Occasion::ALL.iter().find(|occasion| occasion.as_str() == text.value) {
            Some(occasion) => drop(occasions.insert(*occasion)),
            None => {
                let known = Occasion::ALL.map(Occasion::as_str);
                let near = nearest(text.value, known).first().map(|near| format!("did you mean '{near}'? "));
                let hint = format!("{}there are {}", near.unwrap_or_default(), known.join(", "));
                reader.error(text.place, format!("{what} has {}", shown(text.value)), hint);
                return None;
            }
        }
    }
    Some(occasions)
}

fn services<'a>(
    reader: &mut Reader<'a>,
    field: Field<'a>,
    fields: &Fields<'a>,
) -> Option<BTreeSet<ServiceName>> {
    let what = format!("services of {}", fields.what);
    let mut services = BTreeSet::new();
    for text in texts(reader, field, &what)? {
        match ServiceName::new(text.value) {
            Ok(name) => drop(services.insert(name)),
            Err(NameError(rule)) => {
                reader.error(
                    text.place,
                    format!("{what} has {}", shown(text.value)),
                    format!("it must {rule}"),
                );
                return None;
            }
        }
    }
    Some(services)
}

/// Headers that requests have of their own, or that would change what a request is.
const OWN_HEADERS: [&str; 11] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "user-agent",
];

fn headers<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    has_token: bool,
) -> Option<Vec<(String, String)>> {
    let Some(field) = fields.get("headers") else { return Some(Vec::new()) };
    let what = format!("headers of {}", fields.what);
    let entries = reader.fields(field.node, what.clone(), field.place)?;
    let mut headers = Vec::new();
    for (name, field) in entries.iter() {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let lower = name.to_ascii_lowercase();
        let wrong = if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
            Some("is not the name of a header")
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            Some("is set by the request itself")
        } else if lower == "authorization" && has_token {
            Some("is made of the token_file")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            reader.error(
                field.place,
                format!("{} in {what} {wrong}", shown(name)),
                "remove it, or name another header",
            );
            return None;
        }
        let value = reader.text(field, &format!("{name} in {what}"))?;
        if value.value.len() > 1000
            || !value.value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            let hint = "give at most 1000 visible ASCII characters on one line";
            reader.error(value.place, format!("{name} in {what} cannot be sent"), hint);
            return None;
        }
        headers.push((name.to_owned(), value.value.to_owned()));
    }
    if headers.len() > MAX_HEADERS {
        reader.error(
            field.place,
            format!("{what} has {} entries", headers.len()),
            format!("give at most {MAX_HEADERS}"),
        );
        return None;
    }
    Some(headers)
}

/// `None` when it is wrong, which is reported.
#[expect(clippy::option_option, reason = "wrong, missing, or there")]
fn template<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, file: &'a str) -> Option<Option<Template>> {
    let content_type = match fields.get("content_type") {
        None => ContentType::Json,
        Some(field) => {
            let what = format!("content_type of {}", fields.what);
            let text = reader.text(field, &what)?;
            let known = ContentType::ALL.into_iter().find(|known| known.name() == text.value);
            if known.is_none() {
                let hint = format!("there are {}", ContentType::ALL.map(ContentType::name).join(" and "));
                reader.error(text.place, format!("{what} is {}", shown(text.value)), hint);
            } else if fields.get("template").is_none() {
                let message = format!("{what} stands there without a template");
                reader.error(field.place, message, "add 'template:', or remove 'content_type'");
                return None;
            }
            known?
        }
    };
    let Some(field) = fields.get("template") else { return Some(None) };
    let what = format!("template of {}", fields.what);
    let text = reader.text(field, &what)?;
    let error = match Template::new(text.value.to_owned(), content_type) {
        Ok(template) => return Some(Some(template)),
        Err(error) => error,
    };
    // The text of a block begins on the line behind that of the key.
    let before = (field.node.style() == Some(ScalarStyle::Literal)).then_some(field.place.line);
    let placed = before.zip(error.place).and_then(|(before, inner)| {
        let lines: Vec<&str> = file.lines().skip(before).collect();
        in_file(before, &lines, text.value, inner)
    });
    let inside = match (placed, error.place) {
        (None, Some(Place { line, column })) => format!(", line {line}, column {column}"),
        _ => String::new(),
    };
    reader.error(placed.unwrap_or(text.place), format!("{what}{inside}: {}", error.message), error.hint);
    None
}
