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

/// Trust in tokens of another issuer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// GUID.
    pub id: String,
    /// Unique on the application.
    pub name: String,
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

    /// Federated credentials of an application.
    pub async fn federated_credentials(&self, application: &str) -> Result<Vec<FederatedCredential>, GraphError> {
        self.list(&format!("/applications/{}/federatedIdentityCredentials", escaped(application))).await
    }

    /// Removes a secret of an application. Gone already is success.
    pub async fn remove_password(&self, application: &str, key_id: &str) -> Result<(), GraphError> {
        let path = format!("/applications/{}/removePassword", escaped(application));
        match self.post_empty(&path, &KeyId { key_id }, Retry::Safe).await {
            Err(error) if error.is_not_found() || error.is_no_such_password() => Ok(()),
            other => other,
        }
    }

    /// Removes a federated credential. Gone already is success.
    pub async fn delete_federated_credential(&self, application: &str, id: &str) -> Result<(), GraphError> {
        self.delete(&format!("/applications/{}/federatedIdentityCredentials/{}", escaped(application), escaped(id)))
            .await
    }
}
