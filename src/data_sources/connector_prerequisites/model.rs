//! The prerequisites as users see them.

use crate::framework::{Computed, ReadTimeout, configurable, guid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be in a tenant before a connector works: the licences, roles, services and manual steps that its vendor documents, with
/// what the tenant shows of each. What cannot be seen is `unknown`, never `satisfied`. Meant for `check` blocks and preconditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorPrerequisites {
    /// Tenant (GUID) to look in. The provider's own where not given.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Connector profile, such as `md-eco-m365-defender`.
    pub profile: String,
    /// Features of the profile that are switched on. What only others need is left out.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Whether what the document marks as optional outside any feature is asked for. Default `false`.
    #[serde(default)]
    pub include_optional: bool,
    /// Choices among the profile's alternatives: name of the alternative → permission key. The document's first where not given.
    pub choose: Option<BTreeMap<String, String>>,
    /// How long reading may take.
    pub timeouts: Option<ReadTimeout>,
    /// What has to be there, by name. Alternatives, such as one licensed module of several, are one item.
    pub items: Computed<BTreeMap<String, PrerequisiteItem>>,
    /// Whether every licence, role and service is satisfied: false where one is missing or unknown. Manual steps do not count.
    pub satisfied: Computed<bool>,
}

/// Something that has to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrerequisiteItem {
    /// `licence`, `role`, `service` or `step`.
    pub kind: String,
    /// `satisfied`, `missing` or `unknown`. Nobody but a person can see a step: it is `unknown`.
    pub status: String,
    /// Permission keys that need it, of those that are asked for; empty: the connector as a whole.
    pub needed_by: BTreeSet<String>,
    /// What it means, and what the tenant shows of it.
    pub detail: String,
}
