//! What an application, or its service principal, can sign in with.

use super::errors::GraphError;
use super::http::escaped;
use super::lenient::null_as_default;
use super::transport::{Graph, Retry};
use serde::{Deserialize, Serialize};

/// Secrets and certificates of an application or a service principal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Secrets.
    #[serde(default, deserialize_with = "null_as_default")]
    pub password_credentials: Vec<Credential>,
    /// Certificates.
    #[serde(default, deserialize_with = "null_as_default")]
    pub key_credentials: Vec<Credential>,
}

/// A secret or a certificate, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// GUID.
    #[serde(default, deserialize_with = "null_as_default")]
    pub key_id: String,
    /// Name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub end_date_time: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyId<'a> {
    key_id: &'a str,
}

impl Graph {
    /// Secrets and certificates of an application.
    pub async fn application_credentials(&self, id: &str) -> Result<Option<Credentials>, GraphError> {
        self.find(&format!("/applications/{}?$select=id,passwordCredentials,keyCredentials", escaped(id))).await
    }

    /// Secrets and certificates of a service principal, which no portal page of the application shows.
    pub async fn service_principal_credentials(&self, id: &str) -> Result<Option<Credentials>, GraphError> {
        self.find(&format!("/servicePrincipals/{}?$select=id,passwordCredentials,keyCredentials", escaped(id))).await
    }

    /// Secrets and certificates of a deleted application or service principal.
    pub async fn deleted_credentials(&self, id: &str) -> Result<Option<Credentials>, GraphError> {
        self.find(&format!("/directory/deletedItems/{}", escaped(id))).await
    }

    /// Removes a secret of an application. Gone already is success.
    pub async fn remove_password(&self, application: &str, key_id: &str) -> Result<(), GraphError> {
        self.remove_password_at(&format!("/applications/{}/removePassword", escaped(application)), key_id).await
    }

    /// Removes a secret of a service principal. Gone already is success.
    pub async fn remove_service_principal_password(&self, principal: &str, key_id: &str) -> Result<(), GraphError> {
        self.remove_password_at(&format!("/servicePrincipals/{}/removePassword", escaped(principal)), key_id).await
    }

    async fn remove_password_at(&self, path: &str, key_id: &str) -> Result<(), GraphError> {
        let body = KeyId { key_id };
        match self.settled_removal(|| self.post_empty(path, &body, Retry::Safe)).await {
            Err(error) if error.is_not_found() || error.is_no_such_password() => Ok(()),
            other => other,
        }
    }
}
