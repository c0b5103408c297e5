//! Graph's error bodies. Source: Microsoft's documentation of Graph's error responses.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// A refusal.
#[derive(Debug)]
pub(super) struct Failure {
    pub status: StatusCode,
    code: &'static str,
    pub message: String,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    /// The text that a missing object gets.
    pub(super) fn no_such(id: &str) -> Self {
        Self::not_found(format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        ))
    }

    /// A path that leads nowhere.
    pub(super) fn no_segment(segment: &str) -> Self {
        Self::bad_request(format!("Resource not found for the segment '{segment}'."))
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message)
    }

    /// Source: the code and text that Azure CLI users report.
    pub(super) fn credential_lifetime(policy: &str) -> Self {
        let text = format!("Credential lifetime exceeds the max value allowed as per assigned policy '{policy}'.");
        Self::new(StatusCode::BAD_REQUEST, "CredentialInvalidLifetimeAsPerAppPolicy", text)
    }

    /// Likewise.
    pub(super) fn credential_type_not_allowed(policy: &str) -> Self {
        let text = format!("Credential type not allowed as per assigned policy '{policy}'.");
        Self::new(StatusCode::BAD_REQUEST, "CredentialTypeNotAllowedAsPerAppPolicy", text)
    }

    pub(super) fn invalid_federated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidFederatedIdentityCredentialValue", message)
    }

    /// Source: Azure/azure-cli#28734 and public scripts that quote the answer.
    pub(super) fn locked(property: &str) -> Self {
        let text = format!("Property {property} is invalid.");
        Self::new(StatusCode::BAD_REQUEST, "CannotUpdateLockedServicePrincipalProperty", text)
    }

    /// Source: azure-ad-b2c/Scripts#2 (the code) and hashicorp/terraform-provider-azuread#1374 (the text).
    pub(super) fn access_token_version() -> Self {
        let text = "Property api.requestedAccessTokenVersion is invalid.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidAccessTokenVersion", text)
    }

    /// Source: Azure-Samples/azure-search-openai-demo#1601.
    pub(super) fn enabled_permission() -> Self {
        let text = "Permission (scope or role) cannot be deleted or updated unless disabled first.";
        Self::new(StatusCode::BAD_REQUEST, "CannotDeleteOrUpdateEnabledEntitlement", text)
    }

    /// Source: the text that users of the azuread provider report.
    pub(super) fn unverified_domain(uri: &str) -> Self {
        let text = format!(
            "Values of identifierUris property must use a verified domain of the organization or its subdomain: '{uri}'"
        );
        Self::new(StatusCode::BAD_REQUEST, "HostNameNotOnVerifiedDomain", text)
    }

    /// Source: microsoftgraph/msgraph-bicep-types#137.
    pub(super) fn taken(property: &str) -> Self {
        Self::bad_request(format!("Another object with the same value for property {property} already exists."))
    }

    /// Source: the texts that Microsoft's "Advanced query capabilities on directory objects" quotes.
    pub(super) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// A limit of the directory, which no permission lifts.
    pub(super) fn quota(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Directory_QuotaExceeded", message)
    }

    pub(super) fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(super) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    /// Whether the request was refused because what it refers to is not there.
    pub(super) fn misses_an_object(&self) -> bool {
        self.status == StatusCode::NOT_FOUND || self.message.contains("does not reference a valid application object")
    }

    /// The same text as a 400, as some calls write it.
    pub(super) fn into_bad_request(self) -> Self {
        Self::bad_request(self.message)
    }

    pub(super) fn answer(self, now: jiff::Timestamp) -> (StatusCode, Option<Value>) {
        let id = uuid::Uuid::new_v4().to_string();
        let date = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let body = json!({ "error": { "code": self.code, "message": self.message, "innerError": { "date": date, "request-id": id, "client-request-id": id } } });
        (self.status, Some(body))
    }
}
