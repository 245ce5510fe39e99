//! The holds file: which services must not be moved, by whose word, why, and until when. It lies in the repository, people
//! may edit it, and the program writes it in one form.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::error::{ConfigError, ConfigErrors};
use super::fields::{Field, Fields, Reader, at, shown};
use super::read::{File, only_document};
use super::scalar::{Plain, plain};
use super::value::Placed;
use crate::name::{Actor, Reason, ServiceName};
use crate::yaml::{Node, Place};

/// Where the file lies, seen from the top of the repository. Its name has no ending, so that neither Flux nor Kustomize
/// nor the search for manifests takes it for a manifest.
pub const HOLDS_PATH: &str = ".failover-api/holds";

const HEADER: &str = "# What failover-api must not move. Edit it like any file; a file with mistakes stops every move.\nholds:\n";

/// What a hold is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every service, those included that are configured later.
    All,
    /// One service, configured or not.
    Service(ServiceName),
}

/// As messages name it.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("every service"),
            Self::Service(name) => name.fmt(f),
        }
    }
}

/// Somebody's word that something must not be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What it is on.
    pub scope: Scope,
    /// Who holds it.
    pub owner: Actor,
    /// Why.
    pub reason: Reason,
    /// Since when, as far as whoever wrote it knew the time.
    pub since: Option<Timestamp>,
    /// Until when; until it is released when `None`.
    pub until: Option<Timestamp>,
    /// Where it stands in the file; at the start for one that is not written yet.
    pub place: Place,
}

impl Hold {
    /// Whether it is over. Only the time at which it ends counts: a hold that begins later by its own word, or ends before
    /// it begins, was written by a clock that is wrong, and holds.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// What is odd about its times.
    #[must_use]
    pub fn oddity(&self, now: Timestamp) -> Option<&'static str> {
        let since = self.since?;
        if self.until.is_some_and(|until| until <= since) {
            Some("it ends before it begins")
        } else if since > now {
            Some("it begins in the future, so a clock is wrong")
        } else {
            None
        }
    }

    /// What stops a move, in one sentence.
    #[must_use]
    pub fn sentence(&self, now: Timestamp) -> String {
        let Self { scope, owner, reason, since, until, place: _ } = self;
        let mut text = format!("{scope} is held by {owner}");
        // Writing to a String cannot fail.
        if let Some(since) = since {
            let _ = write!(text, " since {since}");
        }
        match until {
            Some(until) => drop(write!(text, " until {until}")),
            None => text.push_str(" until it is released"),
        }
        let _ = write!(text, ": {reason}");
        if let Some(oddity) = self.oddity(now) {
            let _ = write!(text, " ({oddity}; it counts all the same)");
        }
        text
    }
}

/// Every hold, at most one on each scope: first that on every service, then by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds(BTreeMap<Scope, Hold>);

impl Holds {
    /// Reads the text of the file. A file without any hold is one that somebody emptied by hand.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn parse(text: &str) -> Result<Self, ConfigErrors> {
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(is_blank) {
            return Ok(Self::default());
        }
        let document = only_document(text, FILE)?;
        let mut reader = Reader::new(&document);
        let holds = root(&mut reader, &document);
        let errors = reader.into_errors();
        match holds {
            Some(holds) if errors.is_empty() => Ok(Self(holds)),
            Some(_) | None => Err(ConfigErrors::new(errors)),
        }
    }

    /// The same of a file as Git has it.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn read(bytes: &[u8]) -> Result<Self, ConfigErrors> {
        let text = std::str::from_utf8(bytes);
        text.map_err(|_| Self::unreadable("the holds file is not UTF-8 text")).and_then(Self::parse)
    }

    /// That there is something else than a file that can be read.
    #[must_use]
    pub fn unreadable(message: &str) -> ConfigErrors {
        let hint = "make it a plain text file again, or remove it when nothing is held";
        let (message, hint) = (message.to_owned(), hint.to_owned());
        ConfigErrors::new(vec![ConfigError { place: START, message, hint }])
    }

    /// The one form in which the program writes the file; `None` when nothing is held and there should be none.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let mut text = HEADER.to_owned();
        for Hold { scope, owner, reason, since, until, place: _ } in self.iter() {
            // Writing to a String cannot fail.
            let _ = match scope {
                Scope::All => writeln!(text, "  - all: true"),
                Scope::Service(name) if plain(name.as_str()) == Plain::Text => {
                    writeln!(text, "  - service: {name}")
                }
                Scope::Service(name) => writeln!(text, "  - service: \"{name}\""),
            };
            let _ = writeln!(text, "    owner: {}", quoted(owner.as_str()));
            let _ = writeln!(text, "    reason: {}", quoted(reason.as_str()));
            for (key, time) in [("since", since), ("until", until)] {
                if let Some(time) = time {
                    let _ = writeln!(text, "    {key}: {time}");
                }
            }
        }
        (!self.0.is_empty()).then_some(text)
    }

    /// All of them, expired ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.0.values()
    }

    /// Those that are not over.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Hold> {
        self.iter().filter(move |hold| !hold.is_expired(now))
    }

    /// The hold on this very scope.
    #[must_use]
    pub fn get(&self, scope: &Scope) -> Option<&Hold> {
        self.0.get(scope)
    }

    /// Those that are on `service`, by its name or with every other; expired ones included.
    pub fn of(&self, service: &ServiceName) -> impl Iterator<Item = &Hold> {
        let own = Scope::Service(service.clone());
        [self.get(&Scope::All), self.get(&own)].into_iter().flatten()
    }

    /// Where a hold stands that is not written yet.
    pub(crate) const UNWRITTEN: Place = START;

    /// Adds a hold, or puts it in the place of that on the same scope.
    pub fn put(&mut self, hold: Hold) {
        self.0.insert(hold.scope.clone(), hold);
    }

    /// Removes the hold on this scope, if there is one.
    pub fn remove(&mut self, scope: &Scope) -> Option<Hold> {
        self.0.remove(scope)
    }
}

const WHAT: &str = "the holds file";
const FILE: File<'_> = File {
    what: WHAT,
    empty_hint: "remove the file when nothing is held",
    large_hint: "remove the holds that are over or no longer needed; one with 'all: true' holds every service",
};
const START: Place = Place { line: 1, column: 1 };

fn root<'a>(reader: &mut Reader<'a>, document: &'a Node) -> Option<BTreeMap<Scope, Hold>> {
    let root = reader.fields(document, WHAT.to_owned(), document.place)?;
    reader.only(&root, &["holds"]);
    let field = reader.required(&root, "holds")?;
    // What is left when somebody removes the last item by hand.
    if reader.resolve(field.node).is_null() {
        return Some(BTreeMap::new());
    }
    let items = reader.items(field, "'holds'")?;
    let mut places: BTreeMap<Scope, Place> = BTreeMap::new();
    let mut holds = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(Placed { value, place }) = hold(reader, item, index) else { continue };
        if let Some(first) = places.insert(value.scope.clone(), place) {
            let message = format!("{} is held twice, first at {}", value.scope, at(first));
            reader.error(place, message, "keep one of the two");
        }
        holds.insert(value.scope.clone(), value);
    }
    Some(holds)
}

fn hold<'a>(reader: &mut Reader<'a>, item: &'a Node, index: usize) -> Option<Placed<Hold>> {
    let fields = reader.fields(item, format!("hold {}", index + 1), item.place)?;
    reader.only(&fields, &["service", "all", "owner", "reason", "since", "until"]);
    let scope = scope(reader, &fields);
    let owner = reader.required_name::<Actor>(&fields, "owner");
    let reason = reader.required_name::<Reason>(&fields, "reason");
    let since = time(reader, &fields, "since");
    let until = time(reader, &fields, "until");
    let (Placed { value: scope, place }, owner, reason) = (scope?, owner?.value, reason?.value);
    Some(Placed { value: Hold { scope, owner, reason, since: since?, until: until?, place }, place })
}

fn scope<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Placed<Scope>> {
    match (fields.get("service"), fields.get("all")) {
        (Some(_), None) => {
            let name = reader.required_name::<ServiceName>(fields, "service")?;
            Some(Placed { value: Scope::Service(name.value), place: name.place })
        }
        (None, Some(field)) => {
            let what = format!("all of {}", fields.what);
            let (text, _) = reader.scalar(field, &what)?;
            if plain(text) != Plain::Bool(true) {
                let message = format!("{what} is {}, not true", shown(text));
                reader.error(field.node.place, message, "write 'all: true', or 'service:' and a name");
                return None;
            }
            Some(Placed { value: Scope::All, place: field.node.place })
        }
        (Some(field), Some(_)) => {
            let message = format!("{} has both 'service' and 'all'", fields.what);
            reader.error(field.place, message, "keep one of the two");
            None
        }
        (None, None) => {
            let message = format!("{} has neither 'service' nor 'all'", fields.what);
            reader.error(fields.place, message, "add 'service:' with a name, or 'all: true'");
            None
        }
    }
}

/// The time in the field `key`: nothing if there is no such field, and no answer if it is wrong, which is reported.
#[expect(clippy::option_option, reason = "missing is not wrong")]
fn time<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, key: &str) -> Option<Option<Timestamp>> {
    let Some(field): Option<Field<'a>> = fields.get(key) else { return Some(None) };
    let what = format!("{key} of {}", fields.what);
    let (text, _) = reader.scalar(field, &what)?;
    match text.parse::<Timestamp>() {
        Ok(time) => Some(Some(time)),
        Err(_) => {
            let message = format!("{what} is {}, which is not a time", shown(text));
            let hint = "write it with its offset from UTC, such as 2026-11-24T02:56:07Z";
            reader.error(field.node.place, message, hint);
            None
        }
    }
}

/// A text that every YAML reader takes for this one.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::read::MAX_CONFIG_BYTES;
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_person_writes_is_read() {
        let text = "# tonight\nholds:\n  - {service: sonarr, owner: alice, reason: new disk}\n  - all: true # all of it\n    owner: Bob <bob@example.org>\n    reason: 'k3s-w2: memory test'\n    since: 2026-11-24T02:00:00Z\n    until: \"2026-11-24T05:00:00+01:00\"\n";
        let holds = Holds::parse(text).unwrap();
        let scopes: Vec<String> = holds.iter().map(|hold| hold.scope.to_string()).collect();
        assert_eq!(scopes, ["every service", "sonarr"]);
        let all = holds.get(&Scope::All).unwrap();
        assert_eq!(all.until, Some(time("2026-11-24T04:00:00Z")));
        let of = |name: &str| holds.of(&ServiceName::new(name).unwrap()).count();
        assert_eq!((of("sonarr"), of("radarr")), (2, 1));
    }

    #[test]
    fn nothing_held_is_no_mistake() {
        for text in ["", "# nothing\n\n", "holds:\n", "holds: []\n", "---\nholds: []\n"] {
            assert_eq!(Holds::parse(text), Ok(Holds::default()), "{text:?}");
        }
        assert_eq!(Holds::default().text(), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, place, words) in [
            ("holds", (1, 1), "must be a mapping"),
            ("hold: []", (1, 1), "did you mean 'holds'"),
            ("holds: {}", (1, 8), "must be a list"),
            ("holds:\n- {owner: a, reason: b}", (2, 3), "neither 'service' nor 'all'"),
            ("holds:\n- {service: a, all: true, owner: a, reason: b}", (2, 4), "both"),
            ("holds:\n- {all: yes, owner: a, reason: b}", (2, 9), "not true"),
            ("holds:\n- {all: false, owner: a, reason: b}", (2, 9), "not true"),
            ("holds:\n- {service: A, owner: a, reason: b}", (2, 13), "must be at most 253"),
            ("holds:\n- {service: a, reason: b}", (2, 3), "no 'owner'"),
            ("holds:\n- {service: a, owner: a}", (2, 3), "no 'reason'"),
            ("holds:\n- {service: a, owner: a, reason: }", (2, 26), "is empty"),
            ("holds:\n- {service: a, owner: a, reason: b, untill: x}", (2, 37), "did you mean 'until'"),
            ("holds:\n- {service: a, owner: a, reason: b, until: tomorrow}", (2, 44), "not a time"),
            ("holds:\n- {service: a, owner: a, reason: b, until: 2026-11-24}", (2, 44), "not a time"),
            (
                "holds:\n- {service: a, owner: a, reason: b}\n- {service: a, owner: b, reason: b}",
                (3, 13),
                "held twice",
            ),
            ("holds:\n- {service: a, owner: a, reason: b\n", (2, 3), "this is not YAML"),
            ("holds: []\n---\nholds: []\n", (3, 1), "more than one YAML document"),
        ] {
            let errors = Holds::parse(text).unwrap_err();
            let found = errors.as_slice().iter().any(|error| {
                (error.place.line, error.place.column) == place && error.to_string().contains(words)
            });
            assert!(found, "{text}\n{errors}");
        }
        assert!(Holds::read(b"holds: \xff").unwrap_err().to_string().contains("UTF-8"));
        let large = Holds::read(&vec![b'x'; MAX_CONFIG_BYTES + 1]).unwrap_err().to_string();
        assert!(
            large.contains("the holds file has 1048577 bytes") && large.contains("remove the holds"),
            "{large}"
        );
    }

    #[test]
    fn only_the_end_of_a_hold_ends_it() {
        let now = time("2026-11-24T12:00:00Z");
        let hold = |since: Option<&str>, until: Option<&str>| Hold {
            scope: Scope::All,
            owner: Actor::new("alice").unwrap(),
            reason: Reason::new("new disk").unwrap(),
            since: since.map(time),
            until: until.map(time),
            place: START,
        };
        let (early, late) = (Some("2026-11-24T11:00:00Z"), Some("2026-11-24T13:00:00Z"));
        for (hold, expired, odd) in [
            (hold(None, None), false, None),
            (hold(early, late), false, None),
            (hold(early, Some("2026-11-24T12:00:00Z")), true, None),
            (hold(late, None), false, Some("future")),
            (hold(late, late), false, Some("before it begins")),
            (hold(late, early), true, Some("before it begins")),
        ] {
            assert_eq!(hold.is_expired(now), expired, "{hold:?}");
            let oddity = hold.oddity(now).unwrap_or_default();
            assert!(odd.map_or(oddity.is_empty(), |odd| oddity.contains(odd)), "{hold:?}");
        }
        assert_eq!(
            hold(early, None).sentence(now),
            "every service is held by alice since 2026-11-24T11:00:00Z until it is released: new disk"
        );
    }
}
