//! What the simulated cloud holds: tenants with their directories, a clock that can be set, and the log of requests.

use super::faults::Faults;
use super::lag::Lag;
use super::{CLIENT, SECRET, TENANT};
use crate::catalog::{Catalog, Kind};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Object = Map<String, Value>;

/// The tenant that owns Microsoft's own applications.
pub(super) const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
/// Client id of Microsoft Graph.
pub(super) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// What the development identity holds of Microsoft Graph: all that a provider may need.
const ROLES: &[&str] = &[
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Organization.Read.All",
    "Policy.Read.All",
];

pub(super) struct World {
    pub tenants: BTreeMap<String, Tenant>,
    offset: SignedDuration,
    requests: Vec<Value>,
    /// Signs tokens; new for each world.
    pub signing_key: String,
    /// Elements on a page unless a request says otherwise.
    pub page_size: usize,
    /// What goes wrong on order.
    pub faults: Faults,
    /// For federated credentials.
    pub issuer: super::oidc::Issuer,
    /// Every token that was handed out and every assertion that was presented, so that a test can look for them where they should not be.
    pub tokens: Vec<String>,
    /// The machine that a client runs on.
    pub platforms: super::platforms::Platforms,
    /// What has not been replicated.
    pub lag: Lag,
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
    pub(super) fn new() -> Self {
        let mut world = Self {
            tenants: BTreeMap::new(),
            offset: SignedDuration::ZERO,
            requests: Vec::new(),
            signing_key: uuid::Uuid::new_v4().to_string(),
            page_size: 100,
            faults: Faults::default(),
            issuer: super::oidc::Issuer::default(),
            tokens: Vec::new(),
            platforms: super::platforms::Platforms::default(),
            lag: Lag::default(),
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
        let now = self.now();
        self.tenants.entry(id.to_lowercase()).or_insert_with(|| Tenant::seeded(&id.to_lowercase(), now))
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

    pub(super) fn log(&mut self, method: &str, path: &str, status: Option<u16>) {
        self.requests.push(json!({ "method": method, "path": path, "status": status }));
    }

    pub(super) fn requests(&self) -> &[Value] {
        &self.requests
    }

    pub(super) fn clear_requests(&mut self) {
        self.requests.clear();
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
    fn seeded(id: &str, now: Timestamp) -> Self {
        let mut tenant = Self { id: id.to_owned(), policy: super::policies::untouched(), ..Self::default() };
        for key in Catalog::built_in().api_keys() {
            tenant.add_first_party(key);
        }
        tenant.add_caller(CLIENT, "Sandbox operator", SECRET, ROLES, now);
        tenant
    }

    /// An application with a principal, a secret and roles of Microsoft Graph. Gives the principal's object id; unknown roles are left
    /// out.
    pub(super) fn add_caller(
        &mut self,
        client: &str,
        name: &str,
        secret: &str,
        roles: &[impl AsRef<str>],
        now: Timestamp,
    ) -> String {
        let (app_object, operator, key) = (new_id(), new_id(), new_id());
        let app = json!({
            "id": app_object, "appId": client, "displayName": name, "signInAudience": "AzureADMultipleOrgs", "tags": [],
            "createdDateTime": now.to_string(), "requiredResourceAccess": [], "keyCredentials": [],
            "passwordCredentials": [{ "keyId": key, "displayName": "made with the sandbox", "startDateTime": now.to_string(), "endDateTime": "2999-01-01T00:00:00Z", "hint": secret.chars().take(3).collect::<String>(), "secretText": null }],
        });
        let principal = json!({
            "id": operator, "appId": client, "displayName": name, "appDisplayName": name, "accountEnabled": true,
            "appRoleAssignmentRequired": false, "appOwnerOrganizationId": self.id, "servicePrincipalType": "Application", "tags": [],
            "appRoles": [], "oauth2PermissionScopes": [], "passwordCredentials": [], "keyCredentials": [],
        });
        let (Value::Object(app), Value::Object(principal)) = (app, principal) else { return operator };
        self.applications.insert(app_object, app);
        self.principals.insert(operator.clone(), principal);
        self.secrets.insert(key, secret.to_owned());
        self.grant_roles(&operator, name, roles);
        operator
    }

    fn grant_roles(&mut self, operator: &str, name: &str, roles: &[impl AsRef<str>]) {
        let Some(graph) = self.principal_by("appId", GRAPH).map(id_of) else { return };
        let Some(api) = Catalog::built_in().api(GRAPH) else { return };
        for role in roles.iter().filter_map(|role| api.find(Kind::Application, role.as_ref()).ok()) {
            let id = new_id();
            let assignment = json!({
                "id": id, "appRoleId": role.id, "principalId": operator, "principalType": "ServicePrincipal", "resourceId": graph,
                "resourceDisplayName": "Microsoft Graph", "principalDisplayName": name,
            });
            if let Value::Object(assignment) = assignment {
                self.assignments.insert(id, assignment);
            }
        }
    }

    /// The principal of one of Microsoft's APIs, with everything that it offers.
    pub(super) fn add_first_party(&mut self, named: &str) -> Option<&Object> {
        let api = Catalog::built_in().api(named)?;
        let id = new_id();
        let of_kind = |kind: Kind| api.permissions().filter(move |one| one.kind == kind);
        let roles: Vec<_> = of_kind(Kind::Application)
            .map(|one| json!({ "id": one.id, "value": one.value, "displayName": one.value, "description": one.value, "allowedMemberTypes": ["Application"], "isEnabled": one.enabled, "origin": "Application" }))
            .collect();
        let scopes: Vec<_> = of_kind(Kind::Delegated)
            .map(|one| json!({ "id": one.id, "value": one.value, "isEnabled": one.enabled, "type": if one.admin_consent_required == Some(true) { "Admin" } else { "User" } }))
            .collect();
        let principal = json!({
            "id": id, "appId": api.app_id, "displayName": api.display_name, "appDisplayName": api.display_name, "accountEnabled": true,
            "appRoleAssignmentRequired": false, "appOwnerOrganizationId": MICROSOFT, "servicePrincipalType": "Application", "tags": [],
            "appRoles": roles, "oauth2PermissionScopes": scopes,
        });
        let Value::Object(principal) = principal else { return None };
        self.principals.insert(id.clone(), principal);
        self.principals.get(&id)
    }

    pub(super) fn application_by(&self, property: &str, value: &str) -> Option<&Object> {
        self.applications.values().find(|app| text(app, property) == value)
    }

    pub(super) fn principal_by(&self, property: &str, value: &str) -> Option<&Object> {
        self.principals.values().find(|principal| text(principal, property) == value)
    }

    /// Forgets what a principal held and what others held of it.
    pub(super) fn drop_grants_of(&mut self, principal: &str) {
        self.assignments.retain(|_, one| text(one, "principalId") != principal && text(one, "resourceId") != principal);
        self.grants.retain(|_, one| text(one, "clientId") != principal && text(one, "resourceId") != principal);
    }
}

/// A text property; empty where there is none.
pub(super) fn text<'a>(object: &'a Object, property: &str) -> &'a str {
    object.get(property).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn id_of(object: &Object) -> String {
    text(object, "id").to_owned()
}
