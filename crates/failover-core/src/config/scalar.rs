//! What YAML takes a plain scalar for.
//!
//! Kubernetes reads YAML by the 1.1 rules (`yes` is a boolean, `0123` is 83), most newer readers by those of
//! 1.2. So only what all readers agree on has a type here; the rest is named, and the caller asks for quotes.

/// The type of an unquoted scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// A text for every reader.
    Text,
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A decimal whole number.
    Int(i64),
    /// Not a text for some reader; says what it is taken for.
    Unclear(&'static str),
}

/// Types `text` as an unquoted scalar.
pub(super) fn plain(text: &str) -> Plain {
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return Plain::Int(number);
    }
    match text {
        "true" => return Plain::Bool(true),
        "false" => return Plain::Bool(false),
        _ => {}
    }
    match text.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => Plain::Null,
        "true" | "false" | "y" | "yes" | "on" | "n" | "no" | "off" => Plain::Unclear("a boolean"),
        "=" | "<<" => Plain::Unclear("a YAML keyword"),
        lower if is_number(lower) => Plain::Unclear("a number"),
        lower if is_date(lower) => Plain::Unclear("a date"),
        _ => Plain::Text,
    }
}

/// Hexadecimal, octal, binary, base-60, with underscores, fractions and exponents.
fn is_number(lower: &str) -> bool {
    let digits = lower.strip_prefix(['+', '-']).unwrap_or(lower).replace('_', "");
    if matches!(digits.as_str(), ".inf" | ".nan") {
        return true;
    }
    let radix = |prefix: &str, radix: u32| {
        digits.strip_prefix(prefix).is_some_and(|d| !d.is_empty() && d.chars().all(|c| c.is_digit(radix)))
    };
    let starts_like_one = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    let base_60 =
        digits.contains(':') && digits.split([':', '.']).all(|part| part.bytes().all(|b| b.is_ascii_digit()));
    radix("0x", 16)
        || radix("0o", 8)
        || radix("0b", 2)
        || (starts_like_one && (digits.parse::<f64>().is_ok() || base_60))
}

/// `2026-01-16`, alone or with a time behind it.
fn is_date(text: &str) -> bool {
    let day = text.split(['t', ' ']).next().unwrap_or(text);
    let parts: Vec<&str> = day.split('-').collect();
    matches!(parts.as_slice(), [year, month, day] if year.len() == 4
        && [month, day].iter().all(|part| matches!(part.len(), 1 | 2)))
        && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_reader_agrees_on_has_a_type() {
        assert_eq!(plain("true"), Plain::Bool(true));
        assert_eq!(plain("false"), Plain::Bool(false));
        assert_eq!(plain("~"), Plain::Null);
        assert_eq!(plain("0"), Plain::Int(0));
        assert_eq!(plain("-12"), Plain::Int(-12));
        for text in
            ["sonarr", "k3s-w1", "12-34", "v1.2.3", "1.2.3", "0xyz", "1e", "a:b", "nope", "2026-01-x", "."]
        {
            assert_eq!(plain(text), Plain::Text, "{text}");
        }
    }

    #[test]
    fn what_readers_take_differently_is_named() {
        for text in [
            "0123",
            "+1",
            "1_000",
            "0x1f",
            "0o7",
            "0b11",
            "1.5",
            "1e3",
            ".5",
            "5.",
            "-.inf",
            ".NaN",
            "1:30",
            "99999999999999999999",
        ] {
            assert_eq!(plain(text), Plain::Unclear("a number"), "{text}");
        }
        for text in ["yes", "No", "on", "OFF", "y", "N", "tRuE", "FALSE"] {
            assert_eq!(plain(text), Plain::Unclear("a boolean"), "{text}");
        }
        assert_eq!(plain("2026-01-16"), Plain::Unclear("a date"));
        assert_eq!(plain("2026-1-6T10:00:00Z"), Plain::Unclear("a date"));
        assert_eq!(plain("<<"), Plain::Unclear("a YAML keyword"));
    }
}
