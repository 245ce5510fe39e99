//! The text of `services.yaml` where it stands in the manifest of a ConfigMap.

use super::error::{ConfigError, ConfigErrors};
use crate::yaml::{Node, Place, ScalarStyle};

/// The key under a ConfigMap's `data` that holds the config.
const KEY: &str = "services.yaml";

/// Whether a document is a Kubernetes manifest.
pub(super) fn is_manifest(document: &Node) -> bool {
    document.get("apiVersion").is_some() && document.get("kind").is_some()
}

/// The config's text inside a manifest.
pub(super) struct Embedded<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// Where the value stands in the manifest.
    place: Place,
    /// The manifest's lines from the one behind the value's key on, where the text stands in them as it is.
    lines: Option<(usize, Vec<&'a str>)>,
}

impl<'a> Embedded<'a> {
    /// Finds the one ConfigMap among `documents` that holds the config.
    ///
    /// # Errors
    /// None does, or several do.
    pub(super) fn find(file: &'a str, documents: &'a [Node]) -> Result<Self, ConfigErrors> {
        let alone = |place, message: String, hint: &str| {
            Err(ConfigErrors::new(vec![ConfigError { place, message, hint: hint.to_owned() }]))
        };
        let found: Vec<(&Node, &Node)> = documents.iter().filter_map(entry).collect();
        match found.as_slice() {
            [] => {
                let place = documents.first().map_or(Place { line: 1, column: 1 }, |first| first.place);
                alone(
                    place,
                    format!("no ConfigMap in this manifest holds {KEY} under its data"),
                    "put the text of services.yaml there, as 'services.yaml: |' and indented lines, or give a file that holds that text alone",
                )
            }
            [(key, value)] => match value.as_text() {
                Some(text) => Ok(Self { text, place: value.place, lines: lines(file, key, value) }),
                None => alone(
                    value.place,
                    format!("{KEY} of the ConfigMap is not a text"),
                    "write 'services.yaml: |' with the text in indented lines below",
                ),
            },
            [_, (second, _), ..] => alone(
                second.place,
                format!("{KEY} stands in more than one ConfigMap of this file"),
                "keep one of them, or give a file with one",
            ),
        }
    }

    /// The errors of the text, with their places in the manifest.
    pub(super) fn placed(&self, errors: &ConfigErrors) -> ConfigErrors {
        ConfigErrors::new(errors.as_slice().iter().map(|error| self.place(error)).collect())
    }

    fn place(&self, error: &ConfigError) -> ConfigError {
        match self.in_file(error.place) {
            Some(place) => ConfigError { place, ..error.clone() },
            None => {
                let Place { line, column } = error.place;
                let message = format!("in {KEY}, line {line}, column {column}: {}", error.message);
                ConfigError { place: self.place, message, hint: error.hint.clone() }
            }
        }
    }

    fn in_file(&self, inner: Place) -> Option<Place> {
        let (before, lines) = self.lines.as_ref()?;
        in_file(*before, lines, self.text, inner)
    }
}

/// Where a place of a literal block's text stands in its file. The lines are those of the file behind the first `before`.
pub(super) fn in_file(before: usize, lines: &[&str], text: &str, inner: Place) -> Option<Place> {
    let inside = text.lines().nth(inner.line.checked_sub(1)?).unwrap_or_default();
    let indent = lines.get(inner.line - 1)?.strip_suffix(inside)?.chars().count();
    Some(Place { line: before + inner.line, column: inner.column + indent })
}

/// Key and value of the config in a ConfigMap.
fn entry(document: &Node) -> Option<(&Node, &Node)> {
    if document.get("kind").and_then(Node::as_text) != Some("ConfigMap") {
        return None;
    }
    let entries = document.get("data")?.entries();
    entries.iter().find(|(key, _)| key.as_text() == Some(KEY)).map(|(key, value)| (key, value))
}

fn lines<'a>(file: &'a str, key: &Node, value: &Node) -> Option<(usize, Vec<&'a str>)> {
    if value.style() != Some(ScalarStyle::Literal) {
        return None;
    }
    Some((key.place.line, file.lines().skip(key.place.line).collect()))
}
