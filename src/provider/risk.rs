//! How much a list of permissions lets its holder do, as configurations see it.

use super::services::Cx;
use crate::catalog::{PermissionKey, Rating, Risk};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How much permissions let their holder do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RiskSummary {
    /// The highest class among them: `low`, `medium`, `high` or `critical`; null where there are none.
    pub worst: Option<String>,
    /// Class of each permission, by permission key.
    pub permissions: BTreeMap<String, String>,
}

impl RiskSummary {
    /// Of permission keys as they stand in a state, in a connector that has these directory roles too.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t String>, roles: &BTreeSet<String>, cx: &Cx) -> Self {
        let rated = |text: &String| {
            // What is no key is unknown, and what is unknown counts as high.
            let key = text.parse::<PermissionKey>().ok();
            (text.clone(), key.map_or(Risk::High, |key| rating(&key, roles, cx).risk))
        };
        let rated: BTreeMap<_, _> = texts.into_iter().map(rated).collect();
        let worst = rated.values().max().map(ToString::to_string);
        Self { worst, permissions: rated.into_iter().map(|(text, risk)| (text, risk.to_string())).collect() }
    }
}

/// The class of a permission in a connector that has these directory roles too, and why.
pub fn rating(key: &PermissionKey, roles: &BTreeSet<String>, cx: &Cx) -> Rating {
    cx.catalog().rating_with_roles(key, roles.iter().map(String::as_str))
}
