//! Graph's `unifiedRoleAssignment`, seen from the role: who holds it.

use super::errors::GraphError;
use super::http::quoted;
use super::lenient::null_as_default;
use super::transport::Graph;
use serde::Deserialize;

/// An active assignment of a directory role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleHolder {
    /// Object id of who holds it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub principal_id: String,
    /// What it holds for; `/` is the whole tenant.
    #[serde(default, deserialize_with = "null_as_default")]
    pub directory_scope_id: String,
}

impl RoleHolder {
    /// Whether it holds for the whole tenant.
    pub fn is_tenant_wide(&self) -> bool {
        self.directory_scope_id == "/"
    }
}

impl Graph {
    /// Who holds the role with this definition id at present; a role that is only eligible is none. A built-in role's definition id is
    /// its template's.
    pub async fn role_holders(&self, role: &str) -> Result<Vec<RoleHolder>, GraphError> {
        self.list(&format!(
            "/roleManagement/directory/roleAssignments?$filter=roleDefinitionId%20eq%20'{}'",
            quoted(role)
        ))
        .await
    }
}
