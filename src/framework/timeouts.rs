//! The `timeouts` attribute that every resource has, and how long an operation may take without it.

use super::dynamic::Dynamic;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an operation may take, retries and waiting included, such as `"30m"`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeouts {
    /// Limit for creating, such as `"30m"`. Default `"20m"`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub create: Option<String>,
    /// Limit for reading, such as `"5m"`. Default `"5m"`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub read: Option<String>,
    /// Limit for updating, such as `"30m"`. Default `"20m"`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub update: Option<String>,
    /// Limit for deleting, such as `"30m"`. Default `"20m"`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub delete: Option<String>,
}

/// How long reading a data source may take, retries and waiting included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReadTimeout {
    /// Limit for reading, such as `"5m"`. Default `"5m"`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub read: Option<String>,
}

/// How long opening an ephemeral resource may take, retries and waiting included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenTimeout {
    /// Limit for opening, such as `"2m"`. Default `"1m"`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub open: Option<String>,
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
    object.attribute("timeouts").attribute(name).as_str().and_then(duration).unwrap_or(default)
}

/// A wait as users write it, such as `30s`, `5m` or `1h30m`.
pub fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok().and_then(|duration| duration.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_users_write_them() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("soon"), None);
        assert_eq!(duration("-5s"), None);
    }
}
