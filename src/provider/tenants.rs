//! One Graph client for each tenant, known by its GUID: token, limits of load, and what was made or met are shared by all that work in it.

use crate::framework::{Result, is_guid};
use crate::graph::{Graph, Limits};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The clients of one provider configuration.
#[derive(Default)]
pub(super) struct Tenants {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By GUID, or by a domain that is not resolved yet; in lower case.
    clients: HashMap<String, Graph>,
    /// GUIDs by domain.
    ids: HashMap<String, String>,
}

impl Tenants {
    /// The client for a tenant, made where there is none yet. No network.
    pub(super) fn client(&self, tenant: &str, make: impl FnOnce() -> Result<Graph>) -> Result<Graph> {
        let tenant = tenant.to_lowercase();
        let mut known = self.known();
        let name = known.ids.get(&tenant).cloned().unwrap_or(tenant);
        if let Some(client) = known.clients.get(&name) {
            return Ok(client.clone());
        }
        let client = make()?;
        known.clients.insert(name, client.clone());
        Ok(client)
    }

    /// Whether nothing is left to learn of this tenant: its client is there, or its GUID is known.
    pub(super) fn knows(&self, tenant: &str) -> bool {
        let (known, tenant) = (self.known(), tenant.to_lowercase());
        known.ids.contains_key(&tenant) || (is_guid(&tenant) && known.clients.contains_key(&tenant))
    }

    /// The GUID of a tenant, in lower case. A domain is resolved once, by the token that is needed anyway: OpenID's discovery document
    /// would be one more request to one more place, and what it says is not what the sign-in then does.
    pub(super) async fn id_of(
        &self,
        tenant: &str,
        limits: Limits,
        make: impl FnOnce() -> Result<Graph>,
    ) -> Result<String> {
        let tenant = tenant.to_lowercase();
        if is_guid(&tenant) {
            return Ok(tenant);
        }
        if let Some(id) = self.known().ids.get(&tenant) {
            return Ok(id.clone());
        }
        let client = self.client(&tenant, make)?;
        let id = own_tenant(&client.within(limits)).await?;
        let mut known = self.known();
        known.clients.remove(&tenant);
        known.clients.entry(id.clone()).or_insert(client);
        known.ids.insert(tenant, id.clone());
        Ok(id)
    }

    /// Nothing is left half-written here by a panic elsewhere.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id (GUID) of the tenant that a client is signed in to, in lower case: as its token says, else as Graph does.
async fn own_tenant(graph: &Graph) -> Result<String> {
    match graph.token_claims().await?.tid.filter(|id| is_guid(id)) {
        Some(id) => Ok(id.to_lowercase()),
        None => Ok(graph.organization().await?.id.to_lowercase()),
    }
}

/// The tenant's id (GUID): the given one, else that of the tenant that the client is signed in to.
pub async fn resolve_tenant(tenant: Option<&String>, graph: &Graph) -> Result<String> {
    match tenant {
        Some(tenant) => Ok(tenant.to_lowercase()),
        None => own_tenant(graph).await,
    }
}
