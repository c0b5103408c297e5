//! Graph's `oauth2PermissionGrant`: consent for delegated permissions.

use super::errors::GraphError;
use super::http::{escaped, quoted};
use super::lenient::null_as_default;
use super::transport::{Graph, Retry};
use serde::{Deserialize, Serialize};

/// Scopes of one API that are granted to a client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionGrant {
    /// Id of the grant.
    pub id: String,
    /// `AllPrincipals`, or `Principal` for a single user.
    #[serde(default, deserialize_with = "null_as_default")]
    pub consent_type: String,
    /// Object id of the API's principal.
    pub resource_id: String,
    /// Names separated by blanks, of which there may be too many.
    #[serde(default)]
    pub scope: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewGrant<'a> {
    client_id: &'a str,
    consent_type: &'a str,
    resource_id: &'a str,
    scope: &'a str,
}

#[derive(Serialize)]
struct Scope<'a> {
    scope: &'a str,
}

impl PermissionGrant {
    /// Whether it holds for everybody in the tenant.
    pub fn is_for_all(&self) -> bool {
        self.consent_type == "AllPrincipals"
    }

    /// The names.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.as_deref().unwrap_or_default().split_whitespace()
    }
}

impl Graph {
    /// All grants of a client's principal, also those for single users.
    pub async fn permission_grants(&self, client: &str) -> Result<Vec<PermissionGrant>, GraphError> {
        self.list(&format!("/oauth2PermissionGrants?$filter=clientId%20eq%20'{}'", quoted(client))).await
    }

    /// Grants for everybody. One such grant per client and API exists: repeating is safe. `false`: there was one, and it was merged.
    pub async fn create_permission_grant(&self, client: &str, resource: &str, scope: &str) -> Result<bool, GraphError> {
        let body = NewGrant { client_id: client, consent_type: "AllPrincipals", resource_id: resource, scope };
        let post = || self.post::<_, serde_json::Value>("/oauth2PermissionGrants", &body, Retry::Safe);
        match self.settled(post).await {
            Err(error) if error.is_conflict() => {
                self.add_to_permission_grant(client, resource, scope, error).await.map(|()| false)
            }
            other => other.map(|_| true),
        }
    }

    /// Another request, or this one before its answer was lost, has made the grant: merges into that one.
    async fn add_to_permission_grant(
        &self,
        client: &str,
        resource: &str,
        scope: &str,
        conflict: GraphError,
    ) -> Result<(), GraphError> {
        let look = async || {
            let all = self.permission_grants(client).await?;
            Ok(all.into_iter().find(|grant| grant.is_for_all() && grant.resource_id == resource))
        };
        let Some(there) = self.until_found(look).await? else { return Err(conflict) };
        let missing: Vec<_> = scope.split_whitespace().filter(|name| !there.scopes().any(|one| one == *name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let merged: Vec<_> = there.scopes().chain(missing).collect();
        self.update_permission_grant(&there.id, &merged.join(" ")).await
    }

    /// Replaces the names.
    pub async fn update_permission_grant(&self, id: &str, scope: &str) -> Result<(), GraphError> {
        self.patch(&format!("/oauth2PermissionGrants/{}", escaped(id)), &Scope { scope }).await
    }

    /// Revokes all of them. Gone already is success.
    pub async fn delete_permission_grant(&self, id: &str) -> Result<(), GraphError> {
        self.delete(&format!("/oauth2PermissionGrants/{}", escaped(id))).await.map(|_| ())
    }
}
