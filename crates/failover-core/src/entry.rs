//! A proposed entry of the config as text.

use std::fmt::Write as _;

use crate::field::Value;

/// A proposed entry: its evidence and its lines.
pub(crate) struct Entry {
    /// What runs it.
    pub(crate) app: String,
    pub(crate) evidence: Vec<String>,
    pub(crate) lines: Vec<String>,
}

impl Entry {
    /// The entry under this name, its evidence above it.
    pub(crate) fn text(&self, name: &str) -> String {
        let mut text = String::new();
        for line in &self.evidence {
            let _ = writeln!(text, "  # {line}");
        }
        let _ = writeln!(text, "  {name}:");
        for line in &self.lines {
            let _ = writeln!(text, "    {line}");
        }
        text
    }
}

/// A field that is set, with its value at each role.
pub(crate) struct Set {
    pub(crate) target: String,
    pub(crate) field: String,
    pub(crate) primary: Value,
    pub(crate) backup: Value,
}

impl Set {
    /// The item of `settings`.
    pub(crate) fn lines(&self) -> [String; 4] {
        [
            format!("  - target: {}", self.target),
            format!("    field: {}", quoted(&self.field)),
            format!("    primary: {}", written(&self.primary)),
            format!("    backup: {}", written(&self.backup)),
        ]
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Bool(_) | Value::Int(_) => value.to_string(),
    }
}

/// A text as the config's reader takes for a text.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./[]=\\".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "yes" | "n" | "no" | "on" | "off" | "null" | "true" | "false"
    );
    if starts && text.chars().all(is_plain) && !is_word {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
