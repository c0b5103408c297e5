//! Lifetimes of credentials: ISO 8601 durations of days and weeks, such as `P180D`, `P26W` or `P1W3D`.

use crate::framework::{Diagnostic, Path, Result};
use jiff::SignedDuration;

/// Longest lifetime that is accepted, in days: a century, far from the end of the calendar.
const LONGEST: i64 = 36_525;

/// Days of a lifetime as users write it; `None` where it is none, or is shorter than a day or longer than a century.
pub fn days(text: &str) -> Option<i64> {
    let (mut days, mut rest) = (0_i64, text.strip_prefix('P')?);
    for (unit, length) in [('W', 7), ('D', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let count: u16 = number.bytes().all(|one| one.is_ascii_digit()).then(|| number.parse().ok()).flatten()?;
            days += i64::from(count) * length;
            rest = after;
        }
    }
    (rest.is_empty() && (1..=LONGEST).contains(&days)).then_some(days)
}

/// The lifetime at `at`, as days of 24 hours.
pub fn lifetime(text: &str, at: impl Into<Path>) -> Result<SignedDuration> {
    let at = at.into();
    days(text).map(|days| SignedDuration::from_hours(days * 24)).ok_or_else(|| {
        Diagnostic::error(format!("`{at}` is not a lifetime"))
            .at(at)
            .help(format!("\"{text}\" should be an ISO 8601 duration of days or weeks, such as `P180D` or `P26W`: at least a day, at most a century."))
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_days_and_weeks() {
        assert_eq!(days("P180D"), Some(180));
        assert_eq!(days("P26W"), Some(182));
        assert_eq!(days("P1W3D"), Some(10));
        assert_eq!(days("P36525D"), Some(36_525));
    }

    #[test]
    fn everything_else_is_none() {
        let all = [
            "", "P", "180", "P0D", "P0W", "P-1D", "P+1D", "P1M", "P1Y", "PT24H", "P1DT1H", "p1d", "P1D1W", "P1.5D",
            "PD", "P36526D", "P99999D", " P1D",
        ];
        for text in all {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
