//! Which field of a manifest, and which value it has for a role.

use std::borrow::Cow;
use std::fmt;

/// A path to one field, in Kustomize's field-path syntax:
/// `spec.template.spec.volumes.[name=data].persistentVolumeClaim.claimName`. A dot in a key is written `\.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The entry of a mapping.
    Key(String),
    /// `[key=value]`: the one item of a list whose `key` has this value.
    Item {
        /// The key to compare.
        key: String,
        /// The value it has.
        value: String,
    },
}

/// Why a text is not a field path; worded to follow "the field path ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldPathError {
    /// Nothing, or nothing between two dots.
    #[error("has an empty part; write a dot inside a key as '\\.'")]
    Empty,
    /// A bracket without its partner or without `key=value`.
    #[error("has {0:?}, which is not a list selector such as [name=data]")]
    Selector(String),
    /// An item chosen by position or by wildcard: positions shift when somebody adds an item.
    #[error("chooses list items by {0:?}; name the item instead, such as [name=data]")]
    Position(String),
    /// The last part selects an item instead of naming a field.
    #[error("ends in a list selector; it must end in the name of a field")]
    NoField,
}

impl FieldPath {
    /// A path of plain keys.
    pub fn of_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(|key| Segment::Key(key.to_owned())).collect())
    }

    /// A path through `steps` to the key `field`.
    pub fn through(steps: impl IntoIterator<Item = Segment>, field: &str) -> Self {
        Self(steps.into_iter().chain([Segment::Key(field.to_owned())]).collect())
    }

    /// Reads Kustomize's syntax.
    ///
    /// # Errors
    /// The first thing that is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, FieldPathError> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (segment, after) =
                if rest.starts_with('[') { Self::selector(rest)? } else { Self::key(rest)? };
            segments.push(segment);
            match after.strip_prefix('.') {
                Some(after) => rest = after,
                None if after.is_empty() => break,
                None => return Err(FieldPathError::Selector(after.to_owned())),
            }
        }
        match segments.last() {
            Some(Segment::Key(_)) => Ok(Self(segments)),
            Some(Segment::Item { .. }) | None => Err(FieldPathError::NoField),
        }
    }

    fn selector(text: &str) -> Result<(Segment, &str), FieldPathError> {
        let wrong = || FieldPathError::Selector(text.to_owned());
        let (inside, after) = text[1..].split_once(']').ok_or_else(wrong)?;
        let (key, value) = inside.split_once('=').ok_or_else(wrong)?;
        if key.is_empty() || value.is_empty() {
            return Err(wrong());
        }
        Ok((Segment::Item { key: key.to_owned(), value: value.to_owned() }, after))
    }

    fn key(text: &str) -> Result<(Segment, &str), FieldPathError> {
        let mut key = String::new();
        let mut chars = text.char_indices().peekable();
        let mut end = text.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if chars.peek().is_some_and(|(_, next)| *next == '.') => {
                    key.push('.');
                    chars.next();
                }
                '.' | '[' => {
                    end = at;
                    break;
                }
                other => key.push(other),
            }
        }
        if key.is_empty() {
            return Err(FieldPathError::Empty);
        }
        if key == "*" || key == "-" || key.bytes().all(|b| b.is_ascii_digit()) {
            return Err(FieldPathError::Position(key));
        }
        Ok((Segment::Key(key), &text[end..]))
    }

    /// The steps from the document's root; never empty, the last one a key.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// For the value of an operation in a JSON 6902 patch, `[path=/spec/a~1b].value`: the operation's path, and the steps
    /// within its value.
    #[must_use]
    pub fn operation(&self) -> Option<(&str, &[Segment])> {
        match self.0.as_slice() {
            [Segment::Item { key, value: pointer }, Segment::Key(value), rest @ ..]
                if key == "path" && value == "value" =>
            {
                Some((pointer, rest))
            }
            _ => None,
        }
    }

    /// The keys that lead to the field in the object; an operation of a patch is taken for the field that it is about.
    #[must_use]
    pub fn keys(&self) -> Vec<Cow<'_, str>> {
        match self.operation() {
            Some((path, rest)) => pointer(path).map(Cow::Owned).chain(keys_of(rest)).collect(),
            None => keys_of(&self.0).collect(),
        }
    }
}

/// The parts of a JSON pointer (RFC 6901).
pub(crate) fn pointer(text: &str) -> impl Iterator<Item = String> {
    text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
}

fn keys_of(segments: &[Segment]) -> impl Iterator<Item = Cow<'_, str>> {
    segments.iter().filter_map(|segment| match segment {
        Segment::Key(key) => Some(Cow::Borrowed(key.as_str())),
        Segment::Item { .. } => None,
    })
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{segment}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&key.replace('.', "\\.")),
            Self::Item { key, value } => write!(f, "[{key}={value}]"),
        }
    }
}

impl schemars::JsonSchema for FieldPath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FieldPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl serde::Serialize for FieldPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A value that a field can be set to, with the type that the API server must read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// A text; quoted where YAML would take it for something else.
    String(String),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
        }
    }
}

/// Which missing keys an edit may add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    /// None: the field must be there.
    Never,
    /// The last key of the path, into a mapping that is there.
    LastKey,
    /// The last two keys, such as `nodeSelector` with its label.
    LastTwoKeys,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_kustomize_reads_them_and_written_back() {
        for text in [
            "spec.paused",
            "spec.template.spec.volumes.[name=data].persistentVolumeClaim.claimName",
            "spec.nodeSelector.kubernetes\\.io/hostname",
            "spec.[a=b=c].x",
        ] {
            assert_eq!(FieldPath::parse(text).unwrap().to_string(), text);
        }
        let path = FieldPath::parse("a.b\\.c/d").unwrap();
        assert_eq!(path.segments(), [Segment::Key("a".into()), Segment::Key("b.c/d".into())]);
    }

    #[test]
    fn an_operation_of_a_patch_is_about_the_field_that_its_pointer_names() {
        for (text, keys) in [
            ("spec.volumes.[name=data].claimName", &["spec", "volumes", "claimName"][..]),
            ("[path=/spec/nodeSelector/a.b~1c~0].value", &["spec", "nodeSelector", "a.b/c~"]),
            ("[path=/spec/nodeSelector].value.a\\.b/c", &["spec", "nodeSelector", "a.b/c"]),
            ("[path=/spec].from", &["from"]),
        ] {
            assert_eq!(FieldPath::parse(text).unwrap().keys(), keys, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in [
            "", ".", "a.", ".a", "a..b", "a.[name]", "a.[=x].b", "a.[x=].b", "a.[x=y", "a.[x=y]b", "a[x=y].b",
        ] {
            assert!(FieldPath::parse(text).is_err(), "{text}");
        }
        assert_eq!(FieldPath::parse("a.0.b"), Err(FieldPathError::Position("0".into())));
        assert_eq!(FieldPath::parse("a.*.b"), Err(FieldPathError::Position("*".into())));
        assert_eq!(FieldPath::parse("a.[x=y]"), Err(FieldPathError::NoField));
    }
}
