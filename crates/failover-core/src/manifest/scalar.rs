//! How a scalar is read by the API server and how a value is written so that it is read as itself.
//!
//! Kubernetes and Flux read YAML with go-yaml v2, which knows more plain words as booleans (`yes`, `on`, `y`)
//! and more spellings of numbers (`0123`, `0b11`, `1_000`) than YAML 1.2 does.

use crate::field::Value;
use crate::yaml::ScalarStyle;

/// What a scalar is for the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Empty, `~` or `null`.
    Null,
    /// A text, a boolean or a whole number.
    Value(Value),
    /// A scalar of another type, as written: a fraction, a number out of range, a tagged scalar.
    Other(String),
}

/// Reads a scalar that has no tag.
pub(super) fn read(text: &str, style: ScalarStyle) -> Scalar {
    if style != ScalarStyle::Plain {
        return Scalar::Value(Value::String(text.to_owned()));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Value(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Value(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Scalar::Other(text.to_owned()),
        _ => {}
    }
    let digits = match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-') => text.replace('_', ""),
        Some(b'.') => text.to_owned(),
        Some(_) | None => return Scalar::Value(Value::String(text.to_owned())),
    };
    match whole_number(&digits) {
        Some(number) => match i64::try_from(number) {
            Ok(number) => Scalar::Value(Value::Int(number)),
            Err(_) => Scalar::Other(text.to_owned()),
        },
        None if is_fraction(&digits) => Scalar::Other(text.to_owned()),
        None => Scalar::Value(Value::String(text.to_owned())),
    }
}

/// Go's `ParseInt` with base 0: a prefix or a leading zero chooses the base.
fn whole_number(text: &str) -> Option<i128> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        (digits, 8)
    } else {
        (lower.as_str(), 10)
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(digits, radix).ok().map(|number| sign * number)
}

/// go-yaml's pattern: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and whole numbers of any size.
fn is_fraction(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && digits(part)
        && !(whole.is_empty() && part.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text))
}

/// Where a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// In lines.
    Block,
    /// Within `{…}` or `[…]`.
    Flow,
    /// Within `{…}` whose keys have double quotes: only what JSON knows.
    Json,
}

impl Context {
    /// The context of a value behind `key`.
    pub(super) fn of(flow: bool, key: Option<ScalarStyle>) -> Self {
        match (flow, key) {
            (false, _) => Self::Block,
            (true, Some(ScalarStyle::DoubleQuoted)) => Self::Json,
            (true, _) => Self::Flow,
        }
    }
}

/// Writes `value` on one line; a text keeps the quotes of the scalar it replaces where they can hold it.
pub(super) fn write(value: &Value, context: Context, old: ScalarStyle) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::String(text) => match old {
            _ if context == Context::Json => double_quoted(text),
            ScalarStyle::Plain if is_safe_plain(text, context) => text.clone(),
            ScalarStyle::SingleQuoted if !text.chars().any(needs_escape) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            ScalarStyle::Plain
            | ScalarStyle::SingleQuoted
            | ScalarStyle::DoubleQuoted
            | ScalarStyle::Literal
            | ScalarStyle::Folded => double_quoted(text),
        },
    }
}

/// Writes a key that is added, with its colon and a space.
pub(super) fn write_key(key: &str, context: Context) -> String {
    // A colon inside a plain key is legal in lines and still misread by people and tools.
    let context = if context == Context::Json { Context::Json } else { Context::Flow };
    write(&Value::String(key.to_owned()), context, ScalarStyle::Plain) + ": "
}

/// Whether every reader takes `text` for the same text without quotes; says no in doubt.
fn is_safe_plain(text: &str, context: Context) -> bool {
    let safe = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '-' | '_' | '.' | '/' | '@' | '+' | ' ')
            || (c == ':' && context == Context::Block)
    };
    text.starts_with(|c: char| c.is_alphanumeric() || c == '/' || c == '_')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text.chars().all(safe)
        && !is_typed_word(text)
        && !is_number_like(text)
}

/// Words that some YAML reader takes for null, a boolean or a number, in any mix of capitals.
fn is_typed_word(text: &str) -> bool {
    const WORDS: [&str; 13] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "none"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether `text` could be a number, a date, a time or a base-60 number in any YAML version.
fn is_number_like(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_digit());
    let numeric = |b: u8| {
        b.is_ascii_hexdigit()
            || matches!(b, b'x' | b'X' | b'o' | b'O')
            || matches!(b, b'_' | b'.' | b':' | b'+' | b'-' | b' ' | b't' | b'T' | b'z' | b'Z')
    };
    // Versions and addresses, such as 10.0.0.5: two dots make no number.
    let dotted = text.split('.').count() > 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    starts && !dotted && text.bytes().all(numeric)
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Four digits are enough: needs_escape knows no character above U+FFFF. JSON reads this form too.
            c if needs_escape(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, line breaks of older YAML versions, and what YAML does not allow to stand bare.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        read(text, ScalarStyle::Plain)
    }

    #[test]
    fn plain_words_have_the_type_that_go_yaml_gives_them() {
        for text in ["y", "Yes", "ON", "true"] {
            assert_eq!(plain(text), Scalar::Value(Value::Bool(true)), "{text}");
        }
        for text in ["n", "No", "OFF", "FALSE"] {
            assert_eq!(plain(text), Scalar::Value(Value::Bool(false)), "{text}");
        }
        for (text, number) in
            [("0123", 83), ("0b11", 3), ("1_000", 1000), ("-0x1F", -31), ("+5", 5), ("0o17", 15), ("0", 0)]
        {
            assert_eq!(plain(text), Scalar::Value(Value::Int(number)), "{text}");
        }
        for text in ["1.5", ".5", "1e3", "089", "-.inf", "99999999999999999999", "1."] {
            assert_eq!(plain(text), Scalar::Other(text.into()), "{text}");
        }
        for text in ["1:30", "2001-01-01", "=", "<<", "tRuE", "1.2.3", "0x", "--5", ".", "-", "1e", "0b12x"] {
            assert_eq!(plain(text), Scalar::Value(Value::String(text.into())), "{text}");
        }
        for text in ["", "~", "null", "Null"] {
            assert_eq!(plain(text), Scalar::Null, "{text}");
        }
        assert_eq!(read("yes", ScalarStyle::DoubleQuoted), Scalar::Value(Value::String("yes".into())));
    }

    #[test]
    fn a_text_keeps_its_quotes_where_they_can_hold_it() {
        let text = |text: &str| Value::String(text.into());
        assert_eq!(write(&text("it's"), Context::Block, ScalarStyle::SingleQuoted), "'it''s'");
        assert_eq!(write(&text("a\nb"), Context::Block, ScalarStyle::SingleQuoted), r#""a\nb""#);
        assert_eq!(write(&text("pvc-x"), Context::Block, ScalarStyle::DoubleQuoted), r#""pvc-x""#);
        assert_eq!(write(&text("a:b"), Context::Block, ScalarStyle::Plain), "a:b");
        assert_eq!(write(&text("a:b"), Context::Flow, ScalarStyle::Plain), r#""a:b""#);
        assert_eq!(write(&text("x"), Context::Json, ScalarStyle::Plain), r#""x""#);
        assert_eq!(write(&Value::Int(-3), Context::Json, ScalarStyle::DoubleQuoted), "-3");
        assert_eq!(
            write(&text("\u{feff}\u{1}\\\""), Context::Block, ScalarStyle::Plain),
            r#""\uFEFF\u0001\\\"""#
        );
    }
}
