//! The permission set as users see it, and what is remembered of it.

use crate::framework::{Computed, Stored, Timeouts, Value, configurable, forces_replacement, guid, keeps_state};
use crate::graph::Writes;
use crate::provider::Cx;
use crate::provider::risk::RiskSummary;
use crate::resources::ownership::{self, Ownership, Words};
use crate::resources::permissions::{
    ApiPermissions, Names, PermissionId, keep_spelling, keep_spelling_of_keys, named_in,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The API permissions that an application asks for. Asking grants nothing: `m365_admin_consent` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorPermissionSet {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// Connector profile whose permissions are asked for, such as `md-eco-m365-defender` or `md-eco-m365-defender@1`.
    pub profile: Option<String>,
    /// Features of the profile to switch on, each with permissions of its own.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Whether to ask also for what the vendor's document marks as optional outside any feature. Default `false`.
    #[serde(default)]
    pub include_optional: bool,
    /// Permissions by API, beside or instead of a profile's. The key is an API's short name in the catalogue, such as
    /// `microsoft_graph`, or its client id.
    pub apis: Option<BTreeMap<String, ApiPermissions>>,
    /// Why a critical permission is asked for all the same: permission key → reason. Ends the warning of it, and satisfies
    /// `guardrails.require_acknowledgement`.
    pub acknowledge: Option<BTreeMap<String, String>>,
    /// Whether this set is all that the application may ask for (default `true`); else it shares the application with others.
    #[serde(default = "yes")]
    pub exclusive: bool,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Permission keys, such as `microsoft_graph/application/User.Read.All`. Known while planning.
    pub permissions: Computed<BTreeSet<String>>,
    /// Id of each permission, by permission key.
    pub permission_ids: Computed<BTreeMap<String, String>>,
    /// Version of the profile that the permissions are from.
    pub profile_version: Computed<u32>,
    /// How much the permissions let their holder do, by the provider's own table.
    pub risk: Computed<RiskSummary>,
}

fn yes() -> bool {
    true
}

/// Identity of a permission set: the application that it is of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorPermissionSetKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the application.
    pub application_id: String,
}

/// What only we remember of a permission set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorPermissionSetPrivate {
    /// What was last declared, and which of it this resource added.
    #[serde(flatten)]
    pub(super) owned: Ownership<PermissionId>,
    /// What else the application asked for at the last refresh, in shared mode.
    #[serde(default, serialize_with = "ownership::write_entries", deserialize_with = "ownership::read_entries")]
    pub(super) foreign: BTreeSet<PermissionId>,
    /// Version of the profile that was last applied.
    #[serde(default)]
    pub(super) profile_version: Option<u32>,
    /// What we wrote a moment ago.
    #[serde(default)]
    pub(super) writes: Writes,
}

pub(super) type State = Stored<ConnectorPermissionSet, ConnectorPermissionSetPrivate>;

pub(super) const WORDS: Words = Words {
    holder: "The application",
    has: "asks for",
    had: "asked for",
    entries: "permissions",
    resource: "set",
    remove: "withdraw",
    removed: "withdrawn",
    at: "exclusive",
};

/// What is known of names, and the private data by that: a later version of the catalogue may know an id that an earlier one did not.
pub(super) fn names_of<'a>(private: &mut ConnectorPermissionSetPrivate, cx: &'a Cx) -> Names<'a> {
    let names = Names::new(cx).remembering(private.owned.declared());
    private.owned = std::mem::take(&mut private.owned).by(|one| names.again(one));
    private.foreign = private.foreign.iter().map(|one| names.again(one)).collect();
    names
}

impl ConnectorPermissionSet {
    /// What the configuration only spells in another way than before stays as it was.
    pub(super) fn keep_spellings(&mut self, before: &Self, names: &Names<'_>) {
        keep_spelling(&mut self.apis, &before.apis, |apis| {
            let named = named_in(apis.as_ref()?);
            Some(named.iter().map(|one| names.id(&one.key)).collect::<BTreeSet<_>>())
        });
        keep_spelling_of_keys(&mut self.acknowledge, &before.acknowledge, names);
    }

    /// Nothing but defaults: what an import starts from.
    pub(super) fn imported(tenant: &str, application: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            application_id: application.to_owned().into(),
            profile: None,
            features: BTreeSet::new(),
            include_optional: false,
            apis: None,
            acknowledge: None,
            exclusive: true,
            timeouts: None,
            permissions: Computed::Null,
            permission_ids: Computed::Null,
            profile_version: Computed::Null,
            risk: Computed::Null,
        };
        Stored { value, private: ConnectorPermissionSetPrivate::default(), exists: true }
    }
}
