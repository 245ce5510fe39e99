//! Single values and lists of the config, with their types as every YAML reader sees them.

use std::str::FromStr;

use super::fields::{Field, Fields, Reader, shown};
use super::scalar::{Plain, plain};
use crate::field::Value;
use crate::name::NameError;
use crate::yaml::{Node, NodeValue, Place, ScalarStyle};

/// A value with the place it was read from.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<'a> Reader<'a> {
    /// The name in the field `key`; `None` if there is no such field or a wrong one, which is reported.
    pub(super) fn name<T>(&mut self, fields: &Fields<'a>, key: &str) -> Option<Placed<T>>
    where
        T: FromStr<Err = NameError>,
    {
        let what = format!("{key} of {}", fields.what);
        let text = self.text(fields.get(key)?, &what)?;
        match text.value.parse() {
            Ok(value) => Some(Placed { value, place: text.place }),
            Err(NameError(rule)) => {
                self.error(text.place, format!("{what} is {}", shown(text.value)), format!("it must {rule}"));
                None
            }
        }
    }

    /// The name in the field `key`; one that is missing is reported too.
    pub(super) fn required_name<T>(&mut self, fields: &Fields<'a>, key: &str) -> Option<Placed<T>>
    where
        T: FromStr<Err = NameError>,
    {
        self.required(fields, key)?;
        self.name(fields, key)
    }

    /// A scalar that every YAML reader takes for a text.
    pub(super) fn text(&mut self, field: Field<'a>, what: &str) -> Option<Placed<&'a str>> {
        let (text, style) = self.scalar(field, what)?;
        let taken_for = match style {
            ScalarStyle::Plain => plain(text),
            ScalarStyle::SingleQuoted
            | ScalarStyle::DoubleQuoted
            | ScalarStyle::Literal
            | ScalarStyle::Folded => Plain::Text,
        };
        let taken_for = match taken_for {
            Plain::Text => return Some(Placed { value: text, place: field.node.place }),
            Plain::Null => {
                self.error(field.place, format!("{what} is empty"), "give a value, or remove the key");
                return None;
            }
            Plain::Bool(_) => "a boolean",
            Plain::Int(_) => "a number",
            Plain::Unclear(taken_for) => taken_for,
        };
        self.error(
            field.node.place,
            format!("{what} must be a text, and {text} is {taken_for}"),
            format!("quote it: \"{text}\""),
        );
        None
    }

    /// A scalar that a manifest's field can be set to, and back again.
    pub(super) fn value(&mut self, field: Field<'a>, what: &str) -> Option<Placed<Value>> {
        let place = field.node.place;
        let (text, style) = self.scalar(field, what)?;
        let value = match plain(text) {
            Plain::Bool(value) if style == ScalarStyle::Plain => Value::Bool(value),
            Plain::Int(value) if style == ScalarStyle::Plain => Value::Int(value),
            Plain::Text | Plain::Null | Plain::Bool(_) | Plain::Int(_) | Plain::Unclear(_) => {
                Value::String(self.text(field, what)?.value.to_owned())
            }
        };
        let refused = if text.contains("${") || text.contains("{{") {
            "a template, which a later move could not replace"
        } else if text.chars().any(char::is_control) {
            "more than one line or has control characters"
        } else {
            return Some(Placed { value, place });
        };
        self.error(place, format!("{what} is {refused}"), "write the final value on one line");
        None
    }

    /// The text and style of a scalar, whatever YAML takes it for.
    pub(super) fn scalar(&mut self, field: Field<'a>, what: &str) -> Option<(&'a str, ScalarStyle)> {
        let node = self.resolve(field.node);
        let NodeValue::Scalar { text, style } = &node.value else {
            self.error(node.place, format!("{what} must be a single value"), "write it as 'key: value'");
            return None;
        };
        self.untagged(node, what).then_some((text, *style))
    }

    /// The items of a list.
    pub(super) fn items(&mut self, field: Field<'a>, what: &str) -> Option<&'a [Node]> {
        let node = self.resolve(field.node);
        let NodeValue::Sequence { items, .. } = &node.value else {
            self.error(node.place, format!("{what} must be a list"), "start each item with '- '");
            return None;
        };
        (self.untagged(node, what) && self.spend(items.len(), node.place)).then_some(items)
    }
}
