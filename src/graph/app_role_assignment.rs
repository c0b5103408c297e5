//! Graph's `appRoleAssignment`: consent for an application permission.

use super::errors::GraphError;
use super::http::escaped;
use super::transport::{Graph, Retry};
use serde::{Deserialize, Serialize};

/// An application permission that is granted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRoleAssignment {
    /// Id of the assignment.
    pub id: String,
    /// Id of the role.
    pub app_role_id: String,
    /// Object id of the API's principal.
    pub resource_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewAssignment<'a> {
    principal_id: &'a str,
    resource_id: &'a str,
    app_role_id: &'a str,
}

impl Graph {
    /// What a client's principal holds; `None` where the principal is gone.
    pub async fn app_role_assignments(&self, client: &str) -> Result<Option<Vec<AppRoleAssignment>>, GraphError> {
        match self.list(&format!("/servicePrincipals/{}/appRoleAssignments", escaped(client))).await {
            Ok(all) => Ok(Some(all)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Grants. Graph refuses a second assignment of the same, so that repeating is safe; granted already is success.
    pub async fn grant_app_role(&self, client: &str, resource: &str, role: &str) -> Result<(), GraphError> {
        let path = format!("/servicePrincipals/{}/appRoleAssignedTo", escaped(resource));
        let body = NewAssignment { principal_id: client, resource_id: resource, app_role_id: role };
        match self.settled(|| self.post::<_, serde_json::Value>(&path, &body, Retry::Safe)).await {
            Err(error) if error.is_already_granted() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Revokes. Gone already is success.
    pub async fn revoke_app_role(&self, client: &str, assignment: &str) -> Result<(), GraphError> {
        let path = format!("/servicePrincipals/{}/appRoleAssignments/{}", escaped(client), escaped(assignment));
        self.delete(&path).await.map(|_| ())
    }
}
