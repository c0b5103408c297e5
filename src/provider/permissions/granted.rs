//! What a service principal has been granted for everybody, as Graph shows it.

use super::names::{Names, PermissionId};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::Result;
use crate::graph::PermissionGrant;
use crate::provider::services::{Cx, Tenant};
use std::collections::{BTreeMap, BTreeSet};

/// The role that permits nothing; any principal can be assigned to it. Source: Graph's documentation of `appRoleAssignment`.
pub(crate) const DEFAULT_ROLE: &str = "00000000-0000-0000-0000-000000000000";

/// A delegated permission that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Object id of the API's principal.
    pub resource: String,
    /// As it stands in the grant.
    pub text: String,
}

/// What a service principal holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Granted {
    /// Application permissions, each with the id of its assignment.
    pub roles: BTreeMap<PermissionId, String>,
    /// Delegated permissions.
    pub scopes: BTreeMap<PermissionId, Scope>,
    /// Grant of each API for everybody, by object id of the API's principal.
    pub grants: BTreeMap<String, PermissionGrant>,
}

impl Granted {
    /// `None` where the principal is gone. Grants to single users are not an administrator's consent and are left out.
    pub(crate) async fn read(tenant: &Tenant, client: &str, names: &mut Names<'_>, cx: &Cx) -> Result<Option<Self>> {
        let graph = &tenant.graph;
        let (assignments, grants) =
            futures_util::future::join(graph.app_role_assignments(client), graph.permission_grants(client)).await;
        let Some(assignments) = assignments? else { return Ok(None) };
        let mut granted = Self::default();
        for assignment in assignments.into_iter().filter(|one| one.app_role_id != DEFAULT_ROLE) {
            let app_id = api_of(tenant, &assignment.resource_id, cx).await?;
            let role = PermissionId::of(&app_id, Kind::Application, &assignment.app_role_id);
            granted.roles.insert(role, assignment.id);
        }
        let mut scopes = Vec::new();
        for grant in grants?.into_iter().filter(PermissionGrant::is_for_all) {
            let api = api_of(tenant, &grant.resource_id, cx).await?;
            let key = |text: &str| PermissionKey { api: api.clone(), kind: Kind::Delegated, value: text.to_owned() };
            scopes.extend(grant.scopes().map(|text| (key(text), grant.resource_id.clone())));
            granted.grants.insert(grant.resource_id.clone(), grant);
        }
        names.ask_about(scopes.iter().map(|(key, _)| key), tenant, cx).await?;
        let scope = |(key, resource): (PermissionKey, String)| (names.id(&key), Scope { resource, text: key.value });
        granted.scopes = scopes.into_iter().map(scope).collect();
        Ok(Some(granted))
    }

    pub(crate) fn permissions(&self) -> BTreeSet<PermissionId> {
        self.roles.keys().chain(self.scopes.keys()).cloned().collect()
    }
}

/// Client id of the API whose principal has this object id.
async fn api_of(tenant: &Tenant, resource_id: &str, cx: &Cx) -> Result<String> {
    match cx.apis()?.of_object(&tenant.graph, &tenant.id, resource_id).await? {
        Some(principal) => Ok(principal.app_id.clone()),
        // The API's principal went away and left the grant behind: name it by what is there.
        None => Ok(resource_id.to_owned()),
    }
}
