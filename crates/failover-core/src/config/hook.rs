//! What the receivers and the notifications file have in common: addresses that may be secrets, and files of their own.

use std::collections::BTreeMap;
use std::fmt;

use super::error::{ConfigError, ConfigErrors};
use super::fields::{Field, Fields, Reader, at};
use super::read::{File, only_document};
use super::value::Placed;
use crate::name::ObjectName;
use crate::yaml::{Node, Place};

/// An `http://` or `https://` address without user and password. What stands behind its host may be a secret, and is
/// shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(String);

/// Why a text is not such an address; worded to follow "the url".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HookUrlError(&'static str);

impl HookUrl {
    /// Checks the address.
    ///
    /// # Errors
    /// What is wrong with it; the address is not repeated.
    pub fn parse(text: &str) -> Result<Self, HookUrlError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or(HookUrlError("must begin with http:// or https://"))?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.len() > 2000 {
            return Err(HookUrlError("must have at most 2000 visible ASCII characters"));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(HookUrlError("must not hold a user name or password"));
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let host_is_fit = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
        let port_is_fit = match port.strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
            None => port.is_empty(),
        };
        if !host_is_fit || !port_is_fit {
            return Err(HookUrlError("has no usable host and port"));
        }
        if text.contains(['#', '"', '<', '>', '\\', '^', '`', '{', '|', '}']) {
            return Err(HookUrlError("has characters that must be percent-encoded, or a part behind #"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole address; not for people's eyes.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The address with another path; the path that it has is dropped.
    #[must_use]
    pub fn with_path(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Whether it has a path or a query.
    pub(super) fn has_path(&self) -> bool {
        self.0.trim_end_matches('/').len() > self.to_string().len()
    }
}

/// The scheme, host and port.
impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[host..].find(['/', '?']).map_or(self.0.len(), |end| host + end);
        f.write_str(&self.0[..end])
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookUrl({self})")
    }
}

/// A file that lists who is told of something.
pub(super) struct List<T> {
    /// Its one key.
    pub(super) key: &'static str,
    /// What an item is.
    pub(super) what: &'static str,
    /// The most items.
    pub(super) most: usize,
    /// An item's name, unique in the file.
    pub(super) name: fn(&T) -> &ObjectName,
    /// Reads an item, with its number and the place of its name. The text is the whole file's.
    pub(super) read: for<'a> fn(&mut Reader<'a>, &'a Node, usize, &'a str) -> Option<Placed<T>>,
}

impl<T> List<T> {
    /// Reads and checks the text of the file.
    ///
    /// # Errors
    /// Everything that is wrong, with its place; also a file without any item. No message repeats an address.
    pub(super) fn parse(&self, text: &str) -> Result<Vec<T>, ConfigErrors> {
        let file = format!("the {} file", self.key);
        let document = only_document(
            text,
            File {
                what: &file,
                empty_hint: &format!("list at least one under '{}:'", self.key),
                large_hint: &format!("list at most {} {}, in few words", self.most, self.key),
            },
        );
        let document = document.map_err(|errors| veiled(&errors))?;
        let mut reader = Reader::new(&document);
        let items = self.root(&mut reader, &document, text, file);
        let errors = reader.into_errors();
        match items {
            Some(items) if errors.is_empty() => Ok(items),
            Some(_) | None => Err(veiled(&ConfigErrors::new(errors))),
        }
    }

    fn root<'a>(
        &self,
        reader: &mut Reader<'a>,
        document: &'a Node,
        text: &'a str,
        file: String,
    ) -> Option<Vec<T>> {
        let root = reader.fields(document, file, document.place)?;
        reader.only(&root, &[self.key]);
        let field = reader.required(&root, self.key)?;
        let items = reader.items(field, &format!("'{}'", self.key))?;
        if items.is_empty() || items.len() > self.most {
            let message = format!("'{}' has {} items", self.key, items.len());
            reader.error(field.place, message, format!("list 1 to {} {}", self.most, self.key));
        }
        let mut places: BTreeMap<ObjectName, Place> = BTreeMap::new();
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(Placed { value, place }) = (self.read)(reader, item, index + 1, text) else { continue };
            let name = (self.name)(&value);
            if let Some(first) = places.insert(name.clone(), place) {
                let message = format!("the name {name} is given twice, first at {}", at(first));
                reader.error(place, message, format!("give each {} its own name", self.what));
            }
            found.push(value);
        }
        Some(found)
    }
}

/// The address that `what` is.
pub(super) fn url<'a>(reader: &mut Reader<'a>, field: Field<'a>, what: &str) -> Option<HookUrl> {
    let text = reader.text(field, what)?;
    let url = HookUrl::parse(text.value);
    if let Err(HookUrlError(rule)) = url {
        reader.error(
            text.place,
            format!("{what} {rule}"),
            "give it with scheme, host and path, as whoever listens there publishes it",
        );
    }
    url.ok()
}

pub(super) fn required_file<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, key: &str) -> Option<String> {
    reader.required(fields, key)?;
    file(reader, fields, key)
}

pub(super) fn file<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, key: &str) -> Option<String> {
    let what = format!("{key} of {}", fields.what);
    let text = reader.text(fields.get(key)?, &what)?;
    if text.value.is_empty() || text.value.chars().any(char::is_control) {
        let hint = "give a path, relative to this file or absolute";
        reader.error(text.place, format!("{what} is not the path of a file"), hint);
        return None;
    }
    Some(text.value.to_owned())
}

/// The problems without what stands behind the host of an address: it may have been written where no address belongs.
fn veiled(errors: &ConfigErrors) -> ConfigErrors {
    let veil = |error: &ConfigError| ConfigError {
        place: error.place,
        message: without_paths(&error.message),
        hint: without_paths(&error.hint),
    };
    ConfigErrors::new(errors.as_slice().iter().map(veil).collect())
}

fn without_paths(text: &str) -> String {
    let Some((before, behind)) = text.split_once("://") else { return text.to_owned() };
    let end = behind.find(['\'', '"', ' ', ')']).unwrap_or(behind.len());
    let veil = if end > 0 { "…" } else { "" };
    format!("{before}://{veil}{}", without_paths(&behind[end..]))
}
