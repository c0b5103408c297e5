//! A date that somebody put into a tenant: lenient, since no date of others may fail a read. .NET's greatest date, the usual "never",
//! is beyond what [`Timestamp`] holds.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use serde::{Deserialize, Deserializer};
use std::fmt::{Display, Formatter};

/// A date: the text as Graph shows it, and the time that it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Date {
    text: String,
    time: Option<Timestamp>,
}

impl Date {
    /// Of any text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let time = text.parse().ok().or_else(|| beyond(&text));
        Self { text, time }
    }

    /// As Graph shows it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The time, or where that is beyond the calendar, its first or last moment. `None`: the text is no date.
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }
}

/// A date that is written well, and lies outside of what a [`Timestamp`] holds.
fn beyond(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    pieces.offset()?;
    Some(if pieces.date().year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
}

impl Display for Date {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

impl From<Timestamp> for Date {
    fn from(time: Timestamp) -> Self {
        Self { text: time.to_string(), time: Some(time) }
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self::new(String::deserialize(input)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_beyond_the_calendar_is_its_last_or_first_moment() {
        for never in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31T00:00:00+00:00"] {
            assert_eq!(Date::new(never).time(), Some(Timestamp::MAX), "{never}");
            assert_eq!(Date::new(never).to_string(), never);
        }
        assert_eq!(Date::new("0001-01-01T00:00:00Z").time(), "0001-01-01T00:00:00Z".parse().ok());
        assert_eq!(Date::new("-009999-01-01T00:00:00Z").time(), Some(Timestamp::MIN));
        assert_eq!(Date::new("2027-01-31T00:00:00.5Z").time(), "2027-01-31T00:00:00.5Z".parse().ok());
    }

    #[test]
    fn what_is_no_date_has_no_time() {
        for text in ["", "never", "2027-01-31"] {
            assert_eq!(Date::new(text).time(), None, "{text}");
        }
    }
}
