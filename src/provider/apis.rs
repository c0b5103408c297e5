//! The tenant's service principals of APIs, looked up once per process: which principal an API has, and what the permission behind
//! an id is called.

use crate::catalog::{Catalog, Kind, PermissionKey};
use crate::framework::{Diagnostic, Result};
use crate::graph::{Graph, ServicePrincipal};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// An API's principal in one tenant. Roles and scopes are there only when they had to be read.
type Principal = Arc<ServicePrincipal>;

/// Principals by tenant and by API (client id) or object id. Only what was found is kept: an absent one may be made at any time.
#[derive(Default)]
pub struct ApiPrincipals {
    by_app_id: Mutex<HashMap<(String, String), Principal>>,
    by_object_id: Mutex<HashMap<(String, String), Principal>>,
    with_permissions: Mutex<HashMap<(String, String), Principal>>,
}

impl ApiPrincipals {
    /// The principal of the API with this client id; `None` where the tenant lacks it.
    pub async fn of_api(&self, graph: &Graph, tenant: &str, app_id: &str) -> Result<Option<Principal>> {
        // Held over the request on purpose: callers that need the same principal share one look-up.
        let mut known = self.by_app_id.lock().await;
        let key = (tenant.to_owned(), app_id.to_owned());
        if let Some(found) = known.get(&key) {
            return Ok(Some(found.clone()));
        }
        let Some(found) = graph.service_principal_by_app_id(app_id).await? else { return Ok(None) };
        let found = Arc::new(found);
        known.insert(key, found.clone());
        self.by_object_id.lock().await.insert((tenant.to_owned(), found.id.clone()), found.clone());
        Ok(Some(found))
    }

    /// The principal with this object id; `None` where it is gone.
    pub async fn of_object(&self, graph: &Graph, tenant: &str, object_id: &str) -> Result<Option<Principal>> {
        let mut known = self.by_object_id.lock().await;
        let key = (tenant.to_owned(), object_id.to_owned());
        if let Some(found) = known.get(&key) {
            return Ok(Some(found.clone()));
        }
        let Some(found) = graph.service_principal(object_id).await? else { return Ok(None) };
        let found = Arc::new(found);
        known.insert(key, found.clone());
        Ok(Some(found))
    }

    /// The same with its roles and scopes, for APIs that the catalogue does not know.
    async fn with_permissions(&self, graph: &Graph, tenant: &str, app_id: &str) -> Result<Option<Principal>> {
        let mut known = self.with_permissions.lock().await;
        let key = (tenant.to_owned(), app_id.to_owned());
        if let Some(found) = known.get(&key) {
            return Ok(Some(found.clone()));
        }
        let Some(found) = graph.api_by_app_id(app_id).await? else { return Ok(None) };
        let found = Arc::new(found);
        known.insert(key, found.clone());
        Ok(Some(found))
    }

    /// The key of a permission that the tenant names by API and id: by the catalogue, else by the API's own principal, else with
    /// the bare id.
    pub async fn key_of(
        &self,
        graph: &Graph,
        tenant: &str,
        catalog: &Catalog,
        app_id: &str,
        kind: Kind,
        id: &str,
    ) -> Result<PermissionKey> {
        let id = id.to_lowercase();
        if let Some(api) = catalog.api(app_id)
            && let Some(permission) = api.by_id(kind, &id)
        {
            return Ok(api.key_of(permission));
        }
        let api = catalog.api(app_id).map_or_else(|| app_id.to_lowercase(), |api| api.key.clone());
        let name =
            self.with_permissions(graph, tenant, app_id).await?.and_then(|principal| name_of(&principal, kind, &id));
        Ok(PermissionKey { api, kind, value: name.unwrap_or(id) })
    }

    /// The id of the permission that `key` names: by the catalogue where its ids hold, else by the tenant. `None`: the tenant has no
    /// such permission.
    pub async fn id_of(
        &self,
        graph: &Graph,
        tenant: &str,
        catalog: &Catalog,
        ids_hold: bool,
        key: &PermissionKey,
    ) -> Result<Option<String>> {
        if crate::framework::is_guid(&key.value) {
            return Ok(Some(key.value.to_lowercase()));
        }
        let api = catalog.api(&key.api);
        if ids_hold
            && let Some(api) = api
            && let Ok(permission) = api.find(key.kind, &key.value)
        {
            return Ok(Some(permission.id.clone()));
        }
        let app_id = api.map_or_else(|| key.api.clone(), |api| api.app_id.clone());
        let principal = self.with_permissions(graph, tenant, &app_id).await?;
        Ok(principal.and_then(|principal| id_by_name(&principal, key.kind, &key.value)))
    }

    /// The principal of `app_id`, made where the tenant lacks it and Graph allows that.
    pub async fn present(&self, graph: &Graph, tenant: &str, catalog: &Catalog, app_id: &str) -> Result<Principal> {
        if let Some(found) = self.of_api(graph, tenant, app_id).await? {
            return Ok(found);
        }
        let api = catalog.api(app_id);
        let name = api.map_or(app_id, |api| api.display_name.as_str());
        match graph.add_service_principal(app_id).await {
            Ok(_) => {}
            // Somebody else made it meanwhile.
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_no_such_application() => {
                let brought_by = match api.and_then(|api| api.brought_by.as_deref()) {
                    Some(products) => format!("It comes with {products}: check that the tenant is licensed for it."),
                    None => "Check the client id, and that the tenant is licensed for the product that brings it."
                        .to_owned(),
                };
                let summary = format!("The API {name} is not in this tenant");
                let found = Diagnostic { summary, ..Diagnostic::from(error) };
                return Err(found
                    .help(format!("It has no service principal, and Graph does not make one here. {brought_by}"))
                    .into());
            }
            Err(error) => {
                return Err(Diagnostic::from(error)
                    .help(format!("The tenant has no service principal of the API {name}, and making one failed."))
                    .into());
            }
        }
        graph.until_found(|| graph.service_principal_by_app_id(app_id)).await?;
        self.of_api(graph, tenant, app_id).await?.ok_or_else(|| {
            Diagnostic::error(format!("The new service principal of {name} cannot be read yet"))
                .help("The directory is still replicating. Apply again in a minute.")
                .into()
        })
    }
}

fn name_of(principal: &ServicePrincipal, kind: Kind, id: &str) -> Option<String> {
    match kind {
        Kind::Application => {
            principal.app_roles.iter().find(|role| role.id.eq_ignore_ascii_case(id)).and_then(|role| role.value.clone())
        }
        Kind::Delegated => principal
            .oauth2_permission_scopes
            .iter()
            .find(|scope| scope.id.eq_ignore_ascii_case(id))
            .and_then(|scope| scope.value.clone()),
    }
}

fn id_by_name(principal: &ServicePrincipal, kind: Kind, name: &str) -> Option<String> {
    match kind {
        Kind::Application => principal
            .app_roles
            .iter()
            .find(|role| role.value.as_deref() == Some(name))
            .map(|role| role.id.to_lowercase()),
        Kind::Delegated => principal
            .oauth2_permission_scopes
            .iter()
            .find(|scope| scope.value.as_deref() == Some(name))
            .map(|scope| scope.id.to_lowercase()),
    }
}
