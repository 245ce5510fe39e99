//! How a value is written, and what the API server takes a plain scalar for.
//!
//! Kubernetes reads YAML with go-yaml v2's rules, which are older than YAML 1.2: `yes`, `0123` and `1:30` are not
//! texts there. Whatever could be anything but a text to any reader is quoted.

use crate::field::Value;
use crate::yaml::ScalarStyle;

/// Plain words that some reader takes for a boolean or for null.
const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Whether `text` can stand without quotes, in block and in flow context, and every reader takes it for a text.
pub(super) fn is_plain_text(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    if !(first.is_ascii_alphanumeric() || matches!(first, '_' | '/')) {
        return false;
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')) {
        return false;
    }
    if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return false;
    }
    // Numbers in any base, exponents and dates: a letter that no number has makes it a text.
    let no_number_has = |c: char| c.is_ascii_alphabetic() && !"abcdefoxABCDEFOX".contains(c);
    !(first.is_ascii_digit() || first == '_') || text.chars().any(no_number_has)
}

/// The value of a plain scalar; `None` where readers may disagree, or for a type that no setting has.
pub(super) fn plain_value(text: &str) -> Option<Value> {
    match text {
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let decimal = digits == "0"
        || !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if decimal {
        return text.parse().ok().map(Value::Int);
    }
    (is_plain_text(text) || is_clearly_text(text)).then(|| Value::String(text.to_owned()))
}

/// A plain scalar that we would quote but that no reader takes for anything but a text.
fn is_clearly_text(text: &str) -> bool {
    let letter = |c: char| c.is_alphabetic() && !"abcdefoxABCDEFOXyYnN".contains(c);
    !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
        && !matches!(text.to_ascii_lowercase().trim_start_matches(['+', '-']), ".inf" | ".nan")
        && text.chars().any(letter)
}

/// `value` as YAML. A text keeps the quotes of the scalar that it replaces.
pub(super) fn write(value: &Value, style: ScalarStyle) -> String {
    let text = match value {
        Value::Bool(value) => return value.to_string(),
        Value::Int(value) => return value.to_string(),
        Value::String(text) => text,
    };
    let printable =
        text.chars().all(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}'));
    match style {
        ScalarStyle::SingleQuoted if printable => format!("'{}'", text.replace('\'', "''")),
        ScalarStyle::Plain if is_plain_text(text) => text.clone(),
        ScalarStyle::Plain
        | ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => double_quoted(text),
    }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}') => {
                // A control character is below U+10000, so four digits suffice.
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
