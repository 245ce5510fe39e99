//! Durations as people write them: `90s`, `10m`, `1h30m`.

use std::time::Duration;

/// Reads hours, minutes and seconds in this order, each at most once; `None` for anything else, also for a
/// number without a unit, for zero and for more than the type can hold.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
            rest = after;
        }
    }
    (rest.is_empty() && seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Writes a duration so that it is read back, in hours, minutes and seconds; what is less than a second is left out.
#[must_use]
pub fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, unit)| format!("{number}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_add_up() {
        for (text, seconds) in
            [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("1h1s", 3601), ("1h2m3s", 3723)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(parse(&written(Duration::from_secs(seconds))), Some(Duration::from_secs(seconds)));
        }
        assert_eq!(written(Duration::from_secs(90 * 60)), "1h30m");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "10",
            "m",
            "0s",
            "-1s",
            "+1s",
            "1.5h",
            "1m1h",
            "1h 30m",
            "1d",
            "1ms",
            "1m1m",
            "99999999999999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
