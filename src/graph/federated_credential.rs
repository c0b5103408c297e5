//! Graph's `federatedIdentityCredential`: trust in tokens of another issuer.

use super::application::Patch;
use super::errors::GraphError;
use super::http::escaped;
use super::lenient::null_as_default;
use super::transport::{Graph, Retry};
use serde::{Deserialize, Serialize};

/// Trust in tokens of another issuer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// GUID.
    pub id: String,
    /// Unique on the application; never changes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// `iss` of the tokens.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `sub` of the tokens.
    #[serde(default)]
    pub subject: Option<String>,
    /// `aud` of the tokens; one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub audiences: Vec<String>,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
}

/// A federated credential to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFederatedCredential {
    /// Unique on the application.
    pub name: String,
    /// `iss` of the tokens.
    pub issuer: String,
    /// `sub` of the tokens.
    pub subject: String,
    /// `aud` of the tokens; one.
    pub audiences: Vec<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredentialPatch {
    /// `iss` of the tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `sub` of the tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `aud` of the tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
    /// Description.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub description: Patch<String>,
}

impl Graph {
    /// Federated credentials of an application. None where there is no such application.
    pub async fn federated_credentials(&self, application: &str) -> Result<Vec<FederatedCredential>, GraphError> {
        self.list(&collection(application)).await
    }

    /// One of them, by its name or id.
    pub async fn federated_credential(
        &self,
        application: &str,
        named: &str,
    ) -> Result<Option<FederatedCredential>, GraphError> {
        self.find(&one(application, named)).await
    }

    /// Makes one. The name guards it: a repeated request finds it taken.
    pub async fn create_federated_credential(
        &self,
        application: &str,
        new: &NewFederatedCredential,
    ) -> Result<FederatedCredential, GraphError> {
        let path = collection(application);
        self.settled(|| self.post(&path, new, Retry::Safe)).await
    }

    /// Changes what the patch says.
    pub async fn update_federated_credential(
        &self,
        application: &str,
        id: &str,
        patch: &FederatedCredentialPatch,
    ) -> Result<(), GraphError> {
        let path = one(application, id);
        self.settled(|| self.patch(&path, patch)).await
    }

    /// Removes one. Gone already is success.
    pub async fn delete_federated_credential(&self, application: &str, id: &str) -> Result<(), GraphError> {
        let path = one(application, id);
        self.settled_removal(|| self.delete(&path)).await.map(|_| ())
    }
}

fn collection(application: &str) -> String {
    format!("/applications/{}/federatedIdentityCredentials", escaped(application))
}

fn one(application: &str, named: &str) -> String {
    format!("{}/{}", collection(application), escaped(named))
}
