//! What an application, or its service principal, can sign in with.

use super::errors::GraphError;
use super::transport::{Graph, Retry, escaped};
use serde::{Deserialize, Serialize};

/// Secrets and certificates of an application or a service principal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Secrets.
    #[serde(default)]
    pub password_credentials: Vec<Credential>,
    /// Certificates.
    #[serde(default)]
    pub key_credentials: Vec<Credential>,
}

/// A secret or a certificate, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// GUID.
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
        let path = format!("/applications/{}/removePassword", escaped(application));
        let body = KeyId { key_id };
        // What is not found is gone, and not waited for.
        match self.settled_after(0, || self.post_empty(&path, &body, Retry::Safe)).await {
            Err(error) if error.is_not_found() || error.is_no_such_password() => Ok(()),
            other => other,
        }
    }

    /// Removes a secret of a service principal. Gone already is success.
    pub async fn remove_service_principal_password(&self, principal: &str, key_id: &str) -> Result<(), GraphError> {
        let path = format!("/servicePrincipals/{}/removePassword", escaped(principal));
        let body = KeyId { key_id };
        match self.settled_after(0, || self.post_empty(&path, &body, Retry::Safe)).await {
            Err(error) if error.is_not_found() || error.is_no_such_password() => Ok(()),
            other => other,
        }
    }
}
