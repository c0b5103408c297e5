//! The consent as users see it, what is remembered of it, and what both say without asking the tenant.

use crate::catalog::PermissionKey;
use crate::framework::{Computed, Stored, Timeouts, Value, configurable, forces_replacement, guid, keeps_state};
use crate::graph::Writes;
use crate::provider::Cx;
use crate::resources::ownership::{Ownership, Words};
use crate::resources::permissions::{Declared, Names, PermissionId, keep_spelling, keep_spelling_of_keys};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An administrator's consent: the permissions that the tenant has granted to a connector's service principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdminConsent {
    /// Tenant (GUID) that grants. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the service principal that is granted to: `service_principal_id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub service_principal_id: Value<String>,
    /// Permission keys to grant, normally `permissions` of an `m365_connector_permission_set`. After a refresh: what is granted in
    /// fact, so that a plan shows `+` for what is missing and `-` for what will be revoked.
    pub permissions: Value<BTreeSet<String>>,
    /// Whether these are all that may be granted (default `true`); else other grants are left alone.
    #[serde(default = "yes")]
    pub exclusive: bool,
    /// Grants beyond `permissions` that are tolerated for a while, by permission key.
    pub exceptions: Option<BTreeMap<String, Exception>>,
    /// Why a critical permission is granted all the same: permission key → reason. Ends the warning of it, and satisfies
    /// `guardrails.require_acknowledgement`.
    pub acknowledge: Option<BTreeMap<String, String>>,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// What is true of each permission: `granted`, `missing`, `excess`, `excepted`, or `foreign` for one that is not ours in shared
    /// mode.
    pub status: Computed<BTreeMap<String, String>>,
    /// Page on which an administrator can consent to what the application asks for.
    #[schemars(transform = keeps_state)]
    pub consent_url: Computed<String>,
}

/// Why and how long a grant that nobody declared is tolerated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// Last day on which it is tolerated, such as `2027-01-31`, in UTC and by the server's clock at the last refresh.
    pub until: String,
    /// Why, for those who read the plan.
    #[schemars(length(min = 1))]
    pub reason: String,
}

fn yes() -> bool {
    true
}

/// Identity of a consent: the service principal that it is for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AdminConsentKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the service principal.
    pub service_principal_id: String,
}

/// What only we remember of a consent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AdminConsentPrivate {
    /// What was last declared, and which of it this resource granted.
    #[serde(flatten)]
    pub(super) owned: Ownership<PermissionId>,
    /// The server's day (UTC) when the tenant was last looked at: what has expired by then is decided by it.
    #[serde(default)]
    pub(super) seen_on: Option<Date>,
    /// What we wrote a moment ago.
    #[serde(default)]
    pub(super) writes: Writes,
}

pub(super) type State = Stored<AdminConsent, AdminConsentPrivate>;

pub(super) const WORDS: Words = Words {
    holder: "The service principal",
    has: "holds",
    had: "held",
    entries: "grants",
    resource: "consent",
    remove: "revoke",
    removed: "revoked",
    at: "exclusive",
};

pub(super) const GRANTED: &str = "granted";
pub(super) const MISSING: &str = "missing";
pub(super) const EXCESS: &str = "excess";
pub(super) const EXCEPTED: &str = "excepted";
pub(super) const FOREIGN: &str = "foreign";

/// What is known of names, and the private data by that: a later version of the catalogue may know an id that an earlier one did not.
pub(super) fn names_of<'a>(private: &mut AdminConsentPrivate, cx: &'a Cx) -> Names<'a> {
    let names = Names::new(cx).remembering(private.owned.declared());
    private.owned = std::mem::take(&mut private.owned).by(|one| names.again(one));
    names
}

impl Exception {
    pub(super) fn day(&self) -> Option<Date> {
        self.until.parse().ok().filter(|_| self.until.len() == 10)
    }
}

impl AdminConsent {
    /// Nothing but defaults: what an import starts from.
    pub(super) fn imported(tenant: &str, client: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            service_principal_id: client.to_owned().into(),
            permissions: BTreeSet::new().into(),
            exclusive: true,
            exceptions: None,
            acknowledge: None,
            timeouts: None,
            status: Computed::Null,
            consent_url: Computed::Null,
        };
        Stored { value, private: AdminConsentPrivate::default(), exists: true }
    }

    /// What the configuration only spells in another way than before stays as it was.
    pub(super) fn keep_spellings(&mut self, before: &Self, names: &Names<'_>) {
        keep_spelling(&mut self.permissions, &before.permissions, |permissions| names.meant(permissions.known()?));
        keep_spelling_of_keys(&mut self.exceptions, &before.exceptions, names);
        keep_spelling_of_keys(&mut self.acknowledge, &before.acknowledge, names);
    }

    /// What is granted in fact, by the last refresh.
    pub(super) fn granted(&self, names: &Names<'_>) -> BTreeSet<PermissionId> {
        let there = self.status.known().into_iter().flatten().filter(|(_, status)| *status != MISSING);
        names.ids(there.map(|(text, _)| text))
    }

    /// Last day of each exception.
    pub(super) fn exceptions(&self, names: &Names<'_>) -> BTreeMap<PermissionId, Date> {
        let parsed = |(text, exception): (&String, &Exception)| {
            Some((names.id(&text.parse::<PermissionKey>().ok()?), exception.day()?))
        };
        self.exceptions.iter().flatten().filter_map(parsed).collect()
    }

    /// What is granted and neither declared nor tolerated on `day`, for people.
    pub(super) fn undeclared(
        &self,
        granted: &BTreeSet<PermissionId>,
        declared: &Declared<PermissionId>,
        day: Date,
        names: &Names<'_>,
    ) -> Vec<String> {
        let exceptions = self.exceptions(names);
        let excepted = |one: &PermissionId| exceptions.get(one).is_some_and(|until| day <= *until);
        let undeclared = granted.iter().filter(|one| !declared.contains_key(*one) && !excepted(one));
        names.listed(undeclared, declared)
    }
}
