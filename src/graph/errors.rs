//! What can go wrong between us and Graph, and what it means.

use super::auth::AuthError;
use super::needed::needed;
use serde::Deserialize;

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GraphError {
    /// Graph answered with an error.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// No token.
    #[error("{why}")]
    Auth {
        /// What was tried: "client secret".
        method: &'static str,
        /// Cause.
        why: AuthError,
    },
    /// Graph was not reached.
    #[error(
        "{tried}: {graph} could not be reached: {why}. Check `endpoints`, the network and, behind a proxy, `ca_certificate_path`."
    )]
    Unreachable {
        /// Method and path.
        tried: String,
        /// Base URL.
        graph: String,
        /// Cause.
        why: String,
    },
    /// The CLI asked to stop.
    #[error("Interrupted")]
    Cancelled,
    /// The operation's time is over.
    #[error("{tried}: the operation's time limit ran out{}. Raise `timeouts`.", last.as_ref().map(|last| format!(" (the last answer was: {last})")).unwrap_or_default())]
    DeadlineExceeded {
        /// Method and path.
        tried: String,
        /// Last failure before that.
        last: Option<String>,
    },
    /// Others kept changing the same object.
    #[error(
        "{tried}: others kept changing the same object meanwhile{}. Apply again; where two pipelines manage one application, let one wait for the other.",
        last.as_ref().map(|last| format!(" (the last answer was: {last})")).unwrap_or_default()
    )]
    Contended {
        /// Method and path.
        tried: String,
        /// Last refusal, where there was one.
        last: Option<String>,
    },
    /// The client could not be set up.
    #[error("{0}")]
    Setup(String),
    /// An answer that Graph's documentation does not allow.
    #[error("{tried}: the answer is not what Microsoft Graph documents: {why}")]
    Shape {
        /// Method and path.
        tried: String,
        /// What does not fit.
        why: String,
    },
}

/// Graph's own error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tried}: {status} {code}: {message} (request id {})", request_id.as_deref().unwrap_or("none"))]
pub struct ApiError {
    /// Method and path.
    pub tried: String,
    /// HTTP status.
    pub status: u16,
    /// Graph's code.
    pub code: String,
    /// Graph's text.
    pub message: String,
    /// For Microsoft's support.
    pub request_id: Option<String>,
    /// On 403: what would allow the call.
    pub needed: Option<&'static str>,
}

#[derive(Deserialize)]
struct Body {
    error: Inner,
}

#[derive(Deserialize, Default)]
struct Inner {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default, rename = "innerError")]
    inner: Option<InnerError>,
}

#[derive(Deserialize)]
struct InnerError {
    #[serde(default, rename = "request-id")]
    request_id: Option<String>,
}

impl ApiError {
    /// From an error answer; `request_id` is the header's.
    pub(super) fn parse(method: &str, path: &str, status: u16, body: &[u8], request_id: Option<String>) -> Self {
        let inner = serde_json::from_slice::<Body>(body).map(|body| body.error).unwrap_or_default();
        let request_id = inner.inner.and_then(|inner| inner.request_id).or(request_id);
        let about_rights = status == 403 && RIGHTS.iter().any(|code| code.eq_ignore_ascii_case(&inner.code));
        let needed = about_rights.then(|| needed(method, path)).flatten();
        Self {
            tried: format!("{method} {}", path.split('?').next().unwrap_or(path)),
            status,
            code: inner.code,
            message: inner.message,
            request_id,
            needed,
        }
    }
}

impl ApiError {
    /// How to mend what Graph's code says, where the text alone does not tell.
    pub fn advice(&self) -> Option<&'static str> {
        ADVICE.iter().find(|(code, _)| *code == self.code).map(|(_, advice)| *advice)
    }
}

/// Codes of a 403 that mean missing rights; none where a proxy or the service's front end answers. Others speak of quotas, locks and
/// policies: a permission would not help. Source: Graph's documentation of error responses, and what its directory answers.
const RIGHTS: &[&str] =
    &["", "Authorization_RequestDenied", "Authorization_IdentityNotFound", "AccessDenied", "Forbidden", "Unauthorized"];

/// What refusals mean by their code. Source: of the app management policy, whose id is in Graph's own text, the codes that teamsfx and
/// Azure CLI users report; of quotas, Entra's service limits.
const ADVICE: &[(&str, &str)] = &[
    (
        "Directory_QuotaExceeded",
        "A limit of the directory is reached, which no permission lifts: an application holds 20 federated credentials at most, an \
         identity without an administrator's role makes 250 objects, and a tenant has a quota of its own. Deleted objects count until they are purged.",
    ),
    (
        "CredentialInvalidLifetimeAsPerAppPolicy",
        "The tenant's app management policy limits how long a secret may live: shorten `valid_for`, or have the policy changed \
         (Entra admin center, Enterprise applications, Application policies).",
    ),
    (
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "The tenant's app management policy forbids secrets: use a certificate (`m365_connector_certificate`) or a federated \
         credential (`m365_connector_federated_credential`), or have the policy changed.",
    ),
];

impl GraphError {
    fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    fn is(&self, status: u16, text: &str) -> bool {
        self.api().is_some_and(|error| error.status == status && error.message.to_lowercase().contains(text))
    }

    /// Graph's own text; empty where the error is not Graph's.
    pub(super) fn text(&self) -> &str {
        self.api().map_or("", |error| &error.message)
    }

    /// The same refusal, as the end of a contention.
    pub(super) fn into_contended(self) -> Self {
        let tried = self.api().map(|error| error.tried.clone()).unwrap_or_default();
        Self::Contended { tried, last: Some(self.to_string()) }
    }

    /// A value in the request is wrong.
    pub(super) fn is_bad_request(&self) -> bool {
        self.api().is_some_and(|error| error.status == 400)
    }

    /// The application locks what was to be changed of its service principal. Source: azure-cli#28734; newer answers add what enforces it
    /// to the code.
    pub fn is_locked_principal(&self) -> bool {
        self.api().is_some_and(|error| error.code.starts_with("CannotUpdateLockedServicePrincipalProperty"))
    }

    /// The object is gone, or not yet there.
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(|error| error.status == 404)
    }

    /// The identity may not.
    pub fn is_forbidden(&self) -> bool {
        self.api().is_some_and(|error| error.status == 403)
    }

    /// An object of that key exists already.
    pub fn is_conflict(&self) -> bool {
        self.api().is_some_and(|error| error.status == 409)
            || self.is(400, "already exists")
            || self.is(400, "already in use")
    }

    /// Another application, be it a deleted one, has the `uniqueName`. Source: msgraph-bicep-types#137.
    pub fn is_unique_name_taken(&self) -> bool {
        self.is(400, "uniquename already exists") || self.api().is_some_and(|error| error.status == 409)
    }

    /// The role is granted already.
    pub fn is_already_granted(&self) -> bool {
        self.is(400, "already exists on the object") || self.api().is_some_and(|error| error.status == 409)
    }

    /// The reference that was to be added is there. Source: Graph's text for `owners/$ref`.
    pub fn is_reference_present(&self) -> bool {
        self.is(400, "added object references already exist")
    }

    /// No application of the client id can have a principal here. Also what a directory that is still replicating answers.
    pub fn is_no_such_application(&self) -> bool {
        self.is(400, "does not reference a valid application object")
    }

    /// Two writes to one object met, and this one did nothing. Source: nais/azurerator#448; azuread repeats every PATCH of an
    /// application that gets this status.
    pub fn is_concurrent_write(&self) -> bool {
        let about_keys = ["already exist", "already in use", "same value"];
        self.api().is_some_and(|error| error.status == 409) && !about_keys.iter().any(|text| self.is(409, text))
    }

    /// Another federated credential of the application has the same issuer and subject. Source: azure-workload-identity#434.
    pub fn is_federated_duplicate(&self) -> bool {
        self.is(400, "combination of issuer and subject must be unique")
    }

    /// The application has no secret of the key id. Source: Graph's text for `removePassword`.
    pub fn is_no_such_password(&self) -> bool {
        self.is(400, "no password credential found")
    }

    /// An answer that a directory which is still replicating gives to a write that needs an object made a moment ago.
    /// Source: what azuread retries on; Graph documents only the status.
    pub fn is_replication_delay(&self) -> bool {
        let texts = [
            "does not reference a valid application object",
            "not a valid reference update",
            "does not exist or one of its queried reference-property objects",
        ];
        texts.iter().any(|text| self.is(400, text) || self.is(404, text))
    }
}
