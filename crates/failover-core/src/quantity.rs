//! Amounts of storage, as Kubernetes writes them.

/// Whether two amounts are not the same, however they are written.
#[must_use]
pub fn differs(first: &str, second: &str) -> bool {
    match (quantity(first), quantity(second)) {
        (Some(first), Some(second)) => first != second,
        _ => first != second,
    }
}

/// A Kubernetes quantity in thousandths; `None` for what is not one, or has an exponent.
#[must_use]
pub fn quantity(text: &str) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u128 = match unit {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000_u128.pow(3),
        "G" => 1000_u128.pow(4),
        "T" => 1000_u128.pow(5),
        "P" => 1000_u128.pow(6),
        "E" => 1000_u128.pow(7),
        "Ki" => 1000 * 1024,
        "Mi" => 1000 * 1024_u128.pow(2),
        "Gi" => 1000 * 1024_u128.pow(3),
        "Ti" => 1000 * 1024_u128.pow(4),
        "Pi" => 1000 * 1024_u128.pow(5),
        "Ei" => 1000 * 1024_u128.pow(6),
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let value = format!("{whole}{part}").parse::<u128>().ok()?;
    value.checked_mul(factor).map(|value| value / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_by_what_they_say() {
        assert!(!differs("1Gi", "1024Mi"));
        assert!(!differs("1.5Gi", "1536Mi"));
        assert!(!differs("1", "1000m"));
        assert!(differs("1Gi", "1G"));
        assert!(differs("10Gi", "20Gi"));
        assert!(differs("1e3", "1Ki"));
        assert!(!differs("odd", "odd"));
        for odd in ["", "Gi", "-1", "1.2.3", "1XB", "99999999999999999999999999999999999999999"] {
            assert_eq!(quantity(odd), None, "{odd}");
        }
    }
}
