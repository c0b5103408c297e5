//! What the simulated cloud holds: tenants with their directories, and a clock that can be set.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Object = Map<String, Value>;

/// The development identity's tenant, which every new sandbox has.
pub const TENANT: &str = "5a4d0000-0000-4000-8000-00000000a365";
/// Its client id.
pub const CLIENT: &str = "5a4d0000-0000-4000-8000-0000000c11e7";
/// Its secret, which opens nothing but a sandbox.
pub const SECRET: &str = "sandbox-only-not-a-real-secret";
/// The tenant that owns Microsoft's own applications.
pub(super) const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
/// Client id of Microsoft Graph.
pub(super) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

pub(super) struct World {
    pub tenants: BTreeMap<String, Tenant>,
    offset: SignedDuration,
    /// Makes a tenant that is asked for the first time.
    seed: fn(&str, Timestamp) -> Tenant,
    /// Signs tokens; new for each world.
    pub signing_key: String,
    /// Elements on a page unless a request says otherwise.
    pub page_size: usize,
}

/// One tenant's directory.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tenant {
    pub id: String,
    pub applications: BTreeMap<String, Object>,
    pub principals: BTreeMap<String, Object>,
    pub assignments: BTreeMap<String, Object>,
    pub grants: BTreeMap<String, Object>,
    pub deleted_applications: BTreeMap<String, Object>,
    pub deleted_principals: BTreeMap<String, Object>,
    /// Owners of applications and principals, by object id.
    pub owners: BTreeMap<String, BTreeSet<String>>,
    /// People, for owners.
    pub users: BTreeMap<String, Object>,
    /// Texts of secrets by key id. What a client may see of a secret is on its object.
    pub secrets: BTreeMap<String, String>,
    /// Federated credentials by application.
    pub federated: BTreeMap<String, Vec<Object>>,
    /// The tenant's app management policy.
    pub policy: Object,
    /// Further app management policies by id.
    pub app_policies: BTreeMap<String, Object>,
    /// Which of them an application has.
    pub assigned_policies: BTreeMap<String, String>,
    /// Microsoft's APIs that this tenant may not have.
    pub unlicensed: BTreeSet<String>,
}

impl World {
    pub(super) fn new(seed: fn(&str, Timestamp) -> Tenant) -> Self {
        let mut world = Self {
            tenants: BTreeMap::new(),
            offset: SignedDuration::ZERO,
            seed,
            signing_key: uuid::Uuid::new_v4().to_string(),
            page_size: 100,
        };
        world.tenant(TENANT);
        world
    }

    /// The simulated present, in whole seconds as Graph's dates are.
    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::now().checked_add(self.offset).unwrap_or_else(|_| Timestamp::now());
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.offset = now.duration_since(Timestamp::now());
    }

    /// Milliseconds that the simulated present is ahead of the real one.
    pub(super) fn offset(&self) -> i64 {
        i64::try_from(self.offset.as_millis()).unwrap_or_default()
    }

    pub(super) fn set_offset(&mut self, milliseconds: i64) {
        self.offset = SignedDuration::from_millis(milliseconds);
    }

    /// A tenant; made when it is first asked for, since every GUID is one.
    pub(super) fn tenant(&mut self, id: &str) -> &mut Tenant {
        let (now, seed) = (self.now(), self.seed);
        self.tenants.entry(id.to_lowercase()).or_insert_with(|| seed(&id.to_lowercase(), now))
    }

    /// Removes what has been among the deleted items for more than 30 days. Source: Microsoft's documentation of deleted items.
    pub(super) fn expire_deleted_items(&mut self, tenant: &str) {
        let oldest = self.now() - SignedDuration::from_hours(30 * 24);
        let kept = |_: &String, one: &mut Object| {
            text(one, "deletedDateTime").parse::<Timestamp>().is_ok_and(|deleted| deleted >= oldest)
        };
        let tenant = self.tenant(tenant);
        tenant.deleted_applications.retain(kept);
        tenant.deleted_principals.retain(kept);
    }

    /// The tenant in which the application with this client id lives.
    pub(super) fn home_of(&self, app_id: &str) -> Option<(&Tenant, &Object)> {
        self.tenants.values().find_map(|tenant| tenant.application_by("appId", app_id).map(|app| (tenant, app)))
    }
}

pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Tenant {
    /// The application with this alternate key. Nothing is found by an empty one.
    pub(super) fn application_by(&self, property: &str, value: &str) -> Option<&Object> {
        self.applications.values().find(|app| has(app, property, value))
    }

    pub(super) fn principal_by(&self, property: &str, value: &str) -> Option<&Object> {
        self.principals.values().find(|principal| has(principal, property, value))
    }

    /// What people call the tenant.
    pub(super) fn name(&self) -> &str {
        if self.id == TENANT { "contoso" } else { self.id.get(..8).unwrap_or(&self.id) }
    }

    /// Its only verified domain.
    pub(super) fn domain(&self) -> String {
        format!("{}.onmicrosoft.com", self.name())
    }

    /// Whether `owner` owns one of these objects.
    pub(super) fn owned_by(&self, owner: &str, ids: &[&str]) -> bool {
        ids.iter().any(|id| self.owners.get(*id).is_some_and(|owners| owners.contains(owner)))
    }

    /// Forgets what a principal held and what others held of it.
    pub(super) fn drop_grants_of(&mut self, principal: &str) {
        self.assignments.retain(|_, one| text(one, "principalId") != principal && text(one, "resourceId") != principal);
        self.grants.retain(|_, one| text(one, "clientId") != principal && text(one, "resourceId") != principal);
    }
}

/// Whether a property has this value, which for a client id has no case.
fn has(object: &Object, property: &str, value: &str) -> bool {
    let found = text(object, property);
    !value.is_empty() && if property == "appId" { found.eq_ignore_ascii_case(value) } else { found == value }
}

/// A text property; empty where there is none.
pub(super) fn text<'a>(object: &'a Object, property: &str) -> &'a str {
    object.get(property).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn id_of(object: &Object) -> String {
    text(object, "id").to_owned()
}
