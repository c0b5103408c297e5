//! Graph's `organization`: the tenant itself.

use super::errors::GraphError;
use super::lenient::null_as_default;
use super::transport::Graph;
use serde::Deserialize;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Tenant id.
    pub id: String,
    /// Name.
    pub display_name: Option<String>,
    /// Two letters.
    pub country_letter_code: Option<String>,
    /// Domains.
    #[serde(default, deserialize_with = "null_as_default")]
    pub verified_domains: Vec<VerifiedDomain>,
}

/// A domain of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedDomain {
    /// Such as `contoso.com`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Whether new users get it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_default: bool,
    /// Whether it is the `onmicrosoft.com` one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_initial: bool,
}

impl Graph {
    /// The tenant that the provider is signed in to.
    pub async fn organization(&self) -> Result<Organization, GraphError> {
        let all: Vec<Organization> =
            self.list("/organization?$select=id,displayName,countryLetterCode,verifiedDomains").await?;
        all.into_iter()
            .next()
            .ok_or_else(|| GraphError::Shape { tried: "GET /organization".to_owned(), why: "it is empty".to_owned() })
    }
}
