//! The application as users see it, and what is remembered of it.

use crate::framework::{Computed, Stored, Timeouts, configurable, forces_replacement, guid, keeps_state};
use crate::graph::Writes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The Entra application registration of one vendor connector, together with its service principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorApp {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state)]
    #[schemars(transform = guid)]
    pub tenant_id: Computed<String>,
    /// Key by which a repeated creation finds its own application again: Graph's `uniqueName`. Derived from the profile or the
    /// display name where not given, then kept. A changed name replaces the application.
    #[schemars(transform = configurable, transform = keeps_state, length(min = 1, max = 256))]
    pub unique_name: Computed<String>,
    /// Connector profile to take defaults from, such as `md-eco-m365-defender` or `md-eco-m365-defender@1`.
    pub profile: Option<String>,
    /// Name that administrators see. From the profile where not given, else required.
    #[schemars(transform = configurable, length(min = 1, max = 256))]
    pub display_name: Computed<String>,
    /// Description of the application. Left alone while not given; `""` clears it.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub description: Computed<String>,
    /// Notes for administrators. Left alone while not given; `""` clears them.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub notes: Computed<String>,
    /// Reference into a service or asset database. Left alone while not given; `""` clears it.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub service_management_reference: Computed<String>,
    /// Whose accounts may sign in: `AzureADMyOrg` (default), `AzureADMultipleOrgs`, `AzureADandPersonalMicrosoftAccount` or
    /// `PersonalMicrosoftAccount`.
    #[schemars(transform = configurable, regex(pattern = AUDIENCES))]
    pub sign_in_audience: Computed<String>,
    /// Redirect URIs of the web platform. The profile's or none where not given.
    #[schemars(transform = configurable)]
    pub web_redirect_uris: Computed<BTreeSet<String>>,
    /// Redirect URIs of the single-page platform. The profile's or none where not given.
    #[schemars(transform = configurable)]
    pub spa_redirect_uris: Computed<BTreeSet<String>>,
    /// Redirect URIs of the public client platform. The profile's or none where not given.
    #[schemars(transform = configurable)]
    pub public_client_redirect_uris: Computed<BTreeSet<String>>,
    /// Object ids of users and service principals that own the application. Left alone while not given; `[]` removes all. Whoever made
    /// the application and whoever runs the provider are neither shown nor removed unless they are listed.
    #[schemars(transform = configurable, transform = keeps_state, transform = guid, length(max = 100))]
    pub owners: Computed<BTreeSet<String>>,
    /// Tags of the application. Left alone while not given; `[]` clears them. The provider's own tags are not shown.
    #[schemars(transform = configurable, transform = keeps_state, inner(regex(pattern = r"^\S{1,256}$")))]
    pub tags: Computed<BTreeSet<String>>,
    /// Whether the service principal may sign in. Default `true`.
    #[serde(default = "yes")]
    pub account_enabled: bool,
    /// Whether users need an assignment to use the application. Default `false`.
    #[serde(default)]
    pub assignment_required: bool,
    /// Whether the properties of service principals of this application are locked against changes. Default `true`.
    #[serde(default = "yes")]
    pub lock_instance_properties: bool,
    /// What to do when another application already has the `unique_name`: `error` (default), `adopt`, or `adopt_ours`, which adopts only
    /// one that this provider made: the way on when a state was lost. An adopted application keeps what is on it.
    #[serde(default)]
    pub on_existing: OnExisting,
    /// How to delete: `soft` (default), which can be undone for 30 days, or `permanent`.
    #[serde(default)]
    pub deletion: Deletion,
    /// Whether a create that meets a deleted application of its own, which still holds the `unique_name`, restores it (default `true`)
    /// without its old credentials, owners, permissions and grants; else it is purged and made anew.
    #[serde(default = "yes")]
    pub restore_deleted: bool,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Object id of the application, which Graph uses in its URLs.
    #[schemars(transform = keeps_state, transform = guid)]
    pub id: Computed<String>,
    /// Application (client) id, which the vendor asks for.
    #[schemars(transform = keeps_state, transform = guid)]
    pub client_id: Computed<String>,
    /// Object id of the service principal, which grants are made to.
    #[schemars(transform = keeps_state, transform = guid)]
    pub service_principal_id: Computed<String>,
    /// Page on which an administrator can consent to what the application asks for.
    #[schemars(transform = keeps_state)]
    pub consent_url: Computed<String>,
    /// When the application was made, in RFC 3339.
    #[schemars(transform = keeps_state)]
    pub created_date_time: Computed<String>,
    /// Verified domain of the publisher.
    #[schemars(transform = keeps_state)]
    pub publisher_domain: Computed<String>,
    /// When the application, or its service principal alone, was deleted by somebody else; null while it lives. An apply restores what
    /// was deleted under its former ids.
    pub deleted_date_time: Computed<String>,
}

const AUDIENCES: &str =
    r"^(AzureADMyOrg|AzureADMultipleOrgs|AzureADandPersonalMicrosoftAccount|PersonalMicrosoftAccount)$";

fn yes() -> bool {
    true
}

/// What to do with an application that already has the name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExisting {
    /// Refuse.
    #[default]
    Error,
    /// Manage it from now on.
    Adopt,
    /// Manage it from now on where this provider made it; else refuse.
    AdoptOurs,
}

/// How an application is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// Into the directory's deleted items, for 30 days.
    #[default]
    Soft,
    /// For good.
    Permanent,
}

/// Identity of an application.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorAppKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id; an import by id also takes the client id or the `unique_name`.
    pub id: String,
}

/// What only we remember of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorAppPrivate {
    /// The create did not end: what it left is purged by a delete, so that the next create finds no deleted items.
    #[serde(default)]
    pub(super) incomplete: bool,
    /// Object id of whoever made it: Graph made that an owner, unasked.
    #[serde(default)]
    pub(super) creator: Option<String>,
    /// Owners as last configured.
    #[serde(default)]
    pub(super) owners: BTreeSet<String>,
    /// What we wrote a moment ago.
    #[serde(default)]
    pub(super) writes: Writes,
}

pub(super) type State = Stored<ConnectorApp, ConnectorAppPrivate>;
