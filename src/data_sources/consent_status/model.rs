//! The status as users see it.

use crate::framework::{Computed, ReadTimeout, Secret, configurable, guid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is true of a connector's permissions: which are declared, requested by the application, granted by the tenant, and effective in
/// a token of the connector. For any service principal, also one of a vendor's application that lives in another tenant. A look-up that
/// fails is an error; nothing counts that was not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConsentStatus {
    /// Tenant (GUID) to look in. The provider's own where not given.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the connector's service principal.
    #[schemars(transform = guid)]
    pub service_principal_id: String,
    /// Connector profile whose permissions are declared, such as `md-eco-m365-defender`. Either this or `permissions` is given.
    pub profile: Option<String>,
    /// Features of the profile that are switched on.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Whether what the document marks as optional outside any feature is declared too. Default `false`.
    #[serde(default)]
    pub include_optional: bool,
    /// Choices among the profile's alternatives: name of the alternative → permission key. The document's first where not given.
    pub choose: Option<BTreeMap<String, String>>,
    /// Permission keys that are declared. Either this or `profile` is given.
    pub permissions: Option<BTreeSet<String>>,
    /// A client secret of the connector, to see what is effective: it is used to sign in as the connector, once for each API with
    /// application permissions. It is kept in the state, as every argument of a data source is.
    pub client_secret: Option<Secret>,
    /// How long reading may take.
    pub timeouts: Option<ReadTimeout>,
    /// What is true of each permission that is declared, requested, granted or effective, by permission key.
    pub permissions_status: Computed<BTreeMap<String, PermissionStatus>>,
    /// Permission keys that are declared and not granted.
    pub missing: Computed<BTreeSet<String>>,
    /// Permission keys that are granted and not declared.
    pub excess: Computed<BTreeSet<String>>,
    /// Whether every declared permission was seen to be requested (where the application lives in this tenant) and granted, and with
    /// `client_secret` every declared application permission in a token.
    pub complete: Computed<bool>,
    /// The same in words, to be quoted in a ticket.
    pub summary: Computed<String>,
}

/// The four truths of a permission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionStatus {
    /// Whether the configuration says that the connector is to have it.
    pub declared: bool,
    /// Whether the application asks for it. Null where the application lives in another tenant.
    pub requested: Option<bool>,
    /// Whether the tenant has granted it, for everybody.
    pub granted: bool,
    /// Whether it is in a token of the connector. Null without `client_secret`, for delegated permissions, and where the API's tokens
    /// cannot be read.
    pub effective: Option<bool>,
}
