//! Waits as users write them, the `timeouts` attribute that every resource has, and how long an operation may take without it.

use super::dynamic::Dynamic;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

/// How long an operation may take, retries and waiting included, such as `"30m"`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeouts {
    /// Limit for creating, such as `"30m"`. Default `"20m"`.
    pub create: Option<Wait>,
    /// Limit for reading, such as `"5m"`. Default `"5m"`.
    pub read: Option<Wait>,
    /// Limit for updating, such as `"30m"`. Default `"20m"`.
    pub update: Option<Wait>,
    /// Limit for deleting, such as `"30m"`. Default `"20m"`.
    pub delete: Option<Wait>,
}

/// How long reading a data source may take, retries and waiting included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReadTimeout {
    /// Limit for reading, such as `"5m"`. Default `"5m"`.
    pub read: Option<Wait>,
}

/// How long opening an ephemeral resource may take, retries and waiting included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenTimeout {
    /// Limit for opening, such as `"2m"`. Default `"1m"`.
    pub open: Option<Wait>,
}

/// An operation that has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Make.
    Create,
    /// Observe; also planning and validating.
    Read,
    /// Open an ephemeral resource.
    Open,
    /// Change.
    Update,
    /// Remove.
    Delete,
}

impl Operation {
    fn name_and_default(self) -> (&'static str, Duration) {
        match self {
            Self::Create => ("create", Duration::from_secs(20 * 60)),
            Self::Read => ("read", Duration::from_secs(5 * 60)),
            Self::Open => ("open", Duration::from_secs(60)),
            Self::Update => ("update", Duration::from_secs(20 * 60)),
            Self::Delete => ("delete", Duration::from_secs(20 * 60)),
        }
    }
}

/// The limit that the object's `timeouts` sets for `operation`, else the default.
pub fn limit(object: &Dynamic, operation: Operation) -> Duration {
    let (name, default) = operation.name_and_default();
    let wait = object.get("timeouts").get(name).as_str().and_then(|text| text.parse::<Wait>().ok());
    wait.map_or(default, |wait| wait.duration())
}

/// The JSON Schema format of a [`Wait`].
pub(super) const FORMAT: &str = "wait";
/// Shorter limits end an operation before its first answer.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longer ones are mistakes, and far from what clocks can add.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A wait as users write it, such as `30s`, `5m` or `1h30m`: from a second to a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    text: String,
    duration: Duration,
}

impl Wait {
    /// How long it is.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration = sum(text)
            .ok_or_else(|| format!("\"{text}\" should be a duration such as \"30s\", \"5m\" or \"1h30m\"."))?;
        if (SHORTEST..=LONGEST).contains(&duration) {
            return Ok(Self { text: text.to_owned(), duration });
        }
        Err(format!("\"{text}\" is out of range: from \"1s\" to \"24h\" are allowed."))
    }
}

/// The parts added up: whole numbers, each with its unit. A sum beyond all clocks counts as the largest.
fn sum(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|one: char| !one.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|one: char| one.is_ascii_digit()).unwrap_or(after.len()));
        let unit = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        // Only digits: what does not parse has none, or more than 64 bits hold.
        let count = if digits.is_empty() { return None } else { digits.parse::<u64>().unwrap_or(u64::MAX) };
        total = total.saturating_add(Duration::from_millis(count.saturating_mul(unit)));
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": FORMAT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        text.parse::<Wait>().ok().map(|wait| wait.duration().as_secs())
    }

    #[test]
    fn waits_are_read_as_users_write_them() {
        for (text, expected) in [("30s", 30), ("1h30m", 5400), ("1500ms", 1), ("24h", 86_400), ("1s", 1), ("90m", 5400)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_says_why() {
        for text in ["", "soon", "-5s", "5", "s", "5 m", "1d", "1h-1m", "5m5", "30M", "\u{663}s"] {
            assert!(text.parse::<Wait>().unwrap_err().contains("should be a duration"), "{text}");
        }
        for text in ["0s", "999ms", "24h1ms", "2562047788015215h30m", "99999999999999999999999h"] {
            assert!(text.parse::<Wait>().unwrap_err().contains("from \"1s\" to \"24h\""), "{text}");
        }
    }

    #[test]
    fn an_objects_own_limit_wins() {
        let timeouts = Dynamic::Map([("create".to_owned(), "2s".into())].into());
        let object = Dynamic::Map([("timeouts".to_owned(), timeouts)].into());
        assert_eq!(limit(&object, Operation::Create), Duration::from_secs(2));
        assert_eq!(limit(&object, Operation::Read), Duration::from_secs(300));
        assert_eq!(limit(&Dynamic::Null, Operation::Update), Duration::from_secs(1200));
    }
}
