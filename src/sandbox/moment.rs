//! Dates as Graph takes and shows them: the years 1 to 9999, which is more than a timestamp of the `jiff` library holds. A credential
//! that ends on `9999-12-31T23:59:59Z` is an everyday one. Source: `Edm.DateTimeOffset`, and .NET's `DateTimeOffset` behind it.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use std::fmt;
use std::str::FromStr;

/// A moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(DateTime);

/// The text is no date with an offset.
#[derive(Debug)]
pub(super) struct NoMoment;

impl Moment {
    /// The same day and hour some years later.
    pub(super) fn in_years(self, years: i64) -> Self {
        Self(self.0.checked_add(years.years()).unwrap_or(DateTime::MAX))
    }

    pub(super) fn since(self, earlier: Self) -> SignedDuration {
        self.0.duration_since(earlier.0)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).datetime())
    }
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        let (text, ahead) = offset(text).ok_or(NoMoment)?;
        let local: DateTime =
            Some(text).filter(|text| text.contains('T')).and_then(|text| text.parse().ok()).ok_or(NoMoment)?;
        if local.year() < 1 {
            return Err(NoMoment);
        }
        local.checked_sub(ahead).map(Self).map_err(|_| NoMoment)
    }
}

/// A date without its offset, and how far that is ahead of UTC.
fn offset(text: &str) -> Option<(&str, SignedDuration)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local, SignedDuration::ZERO));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then(|| (local, SignedDuration::from_mins(sign * (60 * hours + minutes))))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Z", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_date_of_graph_is_one_and_nothing_else() {
        for (text, expected) in [
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("2027-01-01T01:30:00+01:30", "2027-01-01T00:00:00Z"),
            ("2026-12-31T22:30:00.5-01:30", "2027-01-01T00:00:00.5Z"),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), expected);
        }
        for text in [
            "",
            "tomorrow",
            "2027-01-01",
            "2027-01-01T00:00:00",
            "9999-12-31T23:59:59-01:00",
            "2027-02-30T00:00:00Z",
            "é+01:00",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn they_are_in_the_order_of_time() {
        let at = |text: &str| text.parse::<Moment>().unwrap();
        assert!(at("2027-01-01T00:00:00+02:00") < at("2026-12-31T23:00:00Z"));
        assert_eq!(at("2028-02-29T00:00:00Z").in_years(1), at("2029-02-28T00:00:00Z"));
        assert_eq!(at("9999-01-02T00:00:00Z").since(at("9999-01-01T00:00:00Z")), SignedDuration::from_hours(24));
    }
}
