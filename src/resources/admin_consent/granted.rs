//! What a service principal has been granted for everybody, as Graph shows it.

use crate::catalog::{Kind, PermissionKey};
use crate::framework::Result;
use crate::graph::{PermissionGrant, View, Writes};
use crate::provider::{Cx, Tenant};
use crate::resources::permissions::{DEFAULT_ROLE, Names, PermissionId};
use crate::resources::stale::shown_by;
use std::collections::{BTreeMap, BTreeSet};

/// An application permission, as an entry of a [`View`].
const ROLE: &str = "grant:";
/// A delegated permission.
const SCOPE: &str = "scope:";

/// That the principal is there.
pub(super) const PRINCIPAL: &str = "principal";

/// A delegated permission that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// Object id of the API's principal.
    pub resource: String,
    /// As it stands in the grant.
    pub text: String,
}

/// What a service principal holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Granted {
    /// Application permissions, each with the id of its assignment.
    pub roles: BTreeMap<PermissionId, String>,
    /// Delegated permissions.
    pub scopes: BTreeMap<PermissionId, Scope>,
    /// Grant of each API for everybody, by object id of the API's principal.
    pub grants: BTreeMap<String, PermissionGrant>,
}

impl Granted {
    /// `None` where the principal is gone. Grants to single users are not an administrator's consent and are left out.
    pub(super) async fn read(tenant: &Tenant, client: &str, names: &mut Names<'_>, cx: &Cx) -> Result<Option<Self>> {
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

    pub(super) fn permissions(&self) -> BTreeSet<PermissionId> {
        self.roles.keys().chain(self.scopes.keys()).cloned().collect()
    }

    /// Entry by entry.
    pub(super) fn view(&self) -> View {
        let each = self.permissions();
        let each = each.iter().map(|one| (entry(one), true.into()));
        each.chain([(PRINCIPAL.to_owned(), true.into())]).collect()
    }
}

/// Name of a permission's entry.
pub(super) fn entry(permission: &PermissionId) -> String {
    let prefix = if permission.kind() == Kind::Application { ROLE } else { SCOPE };
    format!("{prefix}{permission}")
}

/// What is granted in fact: what a replica does not show yet of our own writes is as we wrote it.
pub(super) fn overlaid(
    mut permissions: BTreeSet<PermissionId>,
    stale: &BTreeSet<String>,
    writes: &Writes,
) -> BTreeSet<PermissionId> {
    let both = [ROLE, SCOPE].into_iter().flat_map(|prefix| shown_by::<PermissionId>(prefix, stale, writes));
    for (permission, is_there) in both {
        match is_there {
            true => permissions.insert(permission),
            false => permissions.remove(&permission),
        };
    }
    permissions
}

/// What a read of the principal can find.
pub(super) enum Seen {
    Granted(Granted),
    /// Nothing is granted to it; restored under its former id, it is granted to again.
    Deleted,
    Nothing,
}

impl Seen {
    pub(super) async fn read(tenant: &Tenant, client: &str, names: &Names<'_>, cx: &Cx) -> Result<Self> {
        match Granted::read(tenant, client, &mut names.clone(), cx).await? {
            Some(granted) => Ok(Self::Granted(granted)),
            None if tenant.graph.deleted_service_principal(client).await?.is_some() => Ok(Self::Deleted),
            None => Ok(Self::Nothing),
        }
    }

    /// Entry by entry. A deleted principal looks like nothing that was there before: it is no sign of a replica that lags.
    pub(super) fn view(&self, writes: &Writes) -> View {
        match self {
            Self::Granted(granted) => granted.view(),
            Self::Deleted => writes.names().map(|name| (name.to_owned(), "deleted".into())).collect(),
            Self::Nothing => View::new(),
        }
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
