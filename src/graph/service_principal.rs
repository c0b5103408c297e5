//! Graph's `servicePrincipal`.

use super::errors::GraphError;
use super::fresh::SERVICE_PRINCIPALS;
use super::http::{escaped, quoted};
use super::lenient::null_as_default;
use super::transport::{Graph, Retry};
use serde::{Deserialize, Serialize};

const SELECT: &str =
    "id,appId,displayName,appOwnerOrganizationId,accountEnabled,appRoleAssignmentRequired,servicePrincipalType,tags";

/// A service principal as read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipal {
    /// Object id.
    pub id: String,
    /// Client id of its application.
    pub app_id: String,
    /// Name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Tenant that its application lives in.
    #[serde(default)]
    pub app_owner_organization_id: Option<String>,
    /// Whether it may sign in.
    #[serde(default)]
    pub account_enabled: Option<bool>,
    /// Whether users need an assignment.
    #[serde(default)]
    pub app_role_assignment_required: Option<bool>,
    /// All tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// RFC 3339; set while it is among the deleted items.
    #[serde(default)]
    pub deleted_date_time: Option<String>,
    /// Application permissions that it offers; read by [`Graph::api_by_app_id`] only.
    #[serde(default, deserialize_with = "null_as_default")]
    pub app_roles: Vec<AppRole>,
    /// Delegated permissions that it offers; read by [`Graph::api_by_app_id`] only.
    #[serde(default, deserialize_with = "null_as_default")]
    pub oauth2_permission_scopes: Vec<PermissionScope>,
}

/// An application permission that an API offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRole {
    /// GUID.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub value: Option<String>,
    /// Whether it can be granted.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// `Application` for a permission, `User` for a role of people; both for either.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allowed_member_types: Vec<String>,
}

impl AppRole {
    /// Whether it is a permission, and not a role for people.
    pub fn is_for_applications(&self) -> bool {
        let types = &self.allowed_member_types;
        types.is_empty() || types.iter().any(|one| one.eq_ignore_ascii_case("Application"))
    }
}

/// A delegated permission that an API offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionScope {
    /// GUID.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub value: Option<String>,
    /// Whether it can be granted.
    #[serde(default)]
    pub is_enabled: Option<bool>,
}

/// What is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipalPatch {
    /// Whether it may sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_enabled: Option<bool>,
    /// Whether users need an assignment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_role_assignment_required: Option<bool>,
    /// All tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewServicePrincipal<'a> {
    app_id: &'a str,
    #[serde(flatten)]
    properties: &'a ServicePrincipalPatch,
}

impl Graph {
    /// Makes the principal of an application, of this tenant or another. A tenant can hold only one: repeating is safe. Waits where
    /// the directory still replicates the application.
    pub async fn create_service_principal(
        &self,
        app_id: &str,
        properties: &ServicePrincipalPatch,
    ) -> Result<ServicePrincipal, GraphError> {
        let body = NewServicePrincipal { app_id, properties };
        let made: ServicePrincipal = self.settled(|| self.post("/servicePrincipals", &body, Retry::Safe)).await?;
        self.remember(SERVICE_PRINCIPALS, &[&made.id, &made.app_id]);
        Ok(made)
    }

    /// Makes the principal of an application that lives elsewhere, such as an API of Microsoft's. Nothing of it replicates in this
    /// tenant: a refusal is final.
    pub async fn add_service_principal(&self, app_id: &str) -> Result<ServicePrincipal, GraphError> {
        let body = NewServicePrincipal { app_id, properties: &ServicePrincipalPatch::default() };
        let made: ServicePrincipal = self.post("/servicePrincipals", &body, Retry::Safe).await?;
        self.remember(SERVICE_PRINCIPALS, &[&made.id, &made.app_id]);
        Ok(made)
    }

    /// By object id.
    pub async fn service_principal(&self, id: &str) -> Result<Option<ServicePrincipal>, GraphError> {
        self.find(&format!("/servicePrincipals/{}?$select={SELECT}", escaped(id))).await
    }

    /// By client id.
    pub async fn service_principal_by_app_id(&self, app_id: &str) -> Result<Option<ServicePrincipal>, GraphError> {
        self.find(&format!("/servicePrincipals(appId='{}')?$select={SELECT}", quoted(app_id))).await
    }

    /// All of this name, which need not be unique.
    pub async fn service_principals_by_display_name(&self, name: &str) -> Result<Vec<ServicePrincipal>, GraphError> {
        self.list(&format!("/servicePrincipals?$filter=displayName%20eq%20'{}'&$select={SELECT}", quoted(name))).await
    }

    /// The same with everything that it offers: a large answer.
    pub async fn api_by_app_id(&self, app_id: &str) -> Result<Option<ServicePrincipal>, GraphError> {
        self.find(&format!(
            "/servicePrincipals(appId='{}')?$select={SELECT},appRoles,oauth2PermissionScopes",
            quoted(app_id)
        ))
        .await
    }

    /// Changes what the patch says. Waits where the directory still replicates the principal.
    pub async fn update_service_principal(&self, id: &str, patch: &ServicePrincipalPatch) -> Result<(), GraphError> {
        let path = format!("/servicePrincipals/{}", escaped(id));
        self.settled(|| self.patch(&path, patch)).await
    }
}
