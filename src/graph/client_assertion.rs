//! Signing in with somebody else's word (workload identity federation): a token of an issuer that the application trusts, fetched
//! anew for every sign-in. Source: Microsoft's documentation of workload identity federation, GitHub's and Azure DevOps' of their
//! token endpoints.

use super::auth::{AccessToken, AuthError, TokenRequest, TokenSource, post_assertion};
use super::endpoints::may_get_credentials;
use super::http;
use futures_util::future::BoxFuture;
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::path::PathBuf;

/// Where the assertion comes from.
#[derive(Clone)]
pub enum Assertion {
    /// The token itself. It is good for some minutes only, as a rule.
    Given(SecretString),
    /// A file that somebody else renews, as Kubernetes does; read on each use.
    File(PathBuf),
    /// GitHub Actions' token endpoint, or one that answers alike.
    GitHub {
        /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
        url: String,
        /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        token: SecretString,
    },
    /// Azure DevOps' token endpoint.
    AzureDevOps {
        /// `SYSTEM_OIDCREQUESTURI`.
        url: String,
        /// `SYSTEM_ACCESSTOKEN`.
        token: SecretString,
        /// Id of the service connection that vouches.
        service_connection_id: String,
    },
}

/// A client id and what vouches for it.
pub struct ClientAssertion {
    client_id: String,
    assertion: Assertion,
}

impl ClientAssertion {
    /// No network.
    pub fn new(client_id: String, assertion: Assertion) -> Self {
        Self { client_id, assertion }
    }
}

/// What the federated credential's audience has to be in the cloud of this login service.
/// Source: Microsoft's "considerations for workload identity federation".
fn audience(login: &str) -> &'static str {
    match Url::parse(login).ok().as_ref().and_then(Url::host_str) {
        Some("login.microsoftonline.us") => "api://AzureADTokenExchangeUSGov",
        Some("login.partner.microsoftonline.cn" | "login.chinacloudapi.cn") => "api://AzureADTokenExchangeChina",
        _ => "api://AzureADTokenExchange",
    }
}

#[derive(Deserialize)]
struct FromGitHub {
    value: SecretString,
}

#[derive(Deserialize)]
struct FromAzureDevOps {
    #[serde(rename = "oidcToken")]
    token: SecretString,
}

impl Assertion {
    async fn fetch(&self, request: TokenRequest<'_>) -> Result<SecretString, AuthError> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::File(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|why| {
                    AuthError::Source(format!(
                        "The file {} with the OIDC token cannot be read: {why}. Check `oidc_token_file_path` (or `AZURE_FEDERATED_TOKEN_FILE`).",
                        path.display()
                    ))
                })?;
                match text.trim() {
                    "" => Err(AuthError::Source(format!("The file {} with the OIDC token is empty.", path.display()))),
                    token => Ok(SecretString::from(token)),
                }
            }
            Self::GitHub { url, token } => {
                let mut url = endpoint(url)?;
                url.query_pairs_mut().append_pair("audience", audience(request.login));
                let asked = request.http.get(url.clone()).bearer_auth(token.expose_secret());
                let hint = "Does the workflow's job have `permissions: id-token: write`?";
                Ok(ask::<FromGitHub>(&url, asked, hint).await?.value)
            }
            Self::AzureDevOps { url, token, service_connection_id } => {
                let mut url = endpoint(url)?;
                url.query_pairs_mut()
                    .append_pair("api-version", "7.1")
                    .append_pair("serviceConnectionId", service_connection_id)
                    .append_pair("audience", audience(request.login));
                let asked = request
                    .http
                    .post(url.clone())
                    .bearer_auth(token.expose_secret())
                    .header("Content-Type", "application/json")
                    // Else it answers a bad token with a redirection to a page for people.
                    .header("X-TFS-FedAuthRedirect", "Suppress")
                    .body("");
                let hint = "Is `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the step's `env`, is the service connection's id right, and may the pipeline use it?";
                Ok(ask::<FromAzureDevOps>(&url, asked, hint).await?.token)
            }
        }
    }
}

/// The URL where it may be given a token.
fn endpoint(url: &str) -> Result<Url, AuthError> {
    let parsed = Url::parse(url).ok().filter(may_get_credentials);
    parsed.ok_or_else(|| {
        AuthError::Source(
            "The URL to request OIDC tokens from (`oidc_request_url`) is not usable: it has to be an absolute `https` URL.".to_owned(),
        )
    })
}

/// Asks for a token. Errors name the service by its origin: paths and answers may hold what nobody should read.
async fn ask<T: serde::de::DeserializeOwned>(url: &Url, asked: RequestBuilder, hint: &str) -> Result<T, AuthError> {
    let origin = url.origin().ascii_serialization();
    let unreachable = |why| AuthError::Unreachable { login: origin.clone(), why, retry_after: None };
    let answer = asked.send().await.map_err(|why| unreachable(http::root_cause(&why)))?;
    let status = answer.status();
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(AuthError::Unreachable {
            login: origin,
            why: format!("it answered {status}"),
            retry_after: http::retry_after(answer.headers(), jiff::Timestamp::now()),
        });
    }
    let body = http::body(answer).await.map_err(unreachable)?;
    let refused = |what: String| AuthError::Source(format!("No OIDC token came from {origin}: {what}. {hint}"));
    if !status.is_success() {
        return Err(refused(format!("it answered {status}")));
    }
    serde_json::from_slice(&body).map_err(|_| refused("its answer holds no token".to_owned()))
}

impl TokenSource for ClientAssertion {
    fn name(&self) -> &'static str {
        match self.assertion {
            Assertion::Given(_) => "OIDC token",
            Assertion::File(_) => "OIDC token file",
            Assertion::GitHub { .. } => "OIDC token of GitHub Actions",
            Assertion::AzureDevOps { .. } => "OIDC token of Azure DevOps",
        }
    }

    fn fetch<'a>(&'a self, request: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>> {
        Box::pin(async move {
            let assertion = self.assertion.fetch(request).await?;
            post_assertion(request, &self.client_id, assertion.expose_secret()).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use std::sync::{Arc, Mutex};

    #[test]
    fn each_cloud_has_its_audience() {
        assert_eq!(audience("https://login.microsoftonline.com"), "api://AzureADTokenExchange");
        assert_eq!(audience("https://login.microsoftonline.us"), "api://AzureADTokenExchangeUSGov");
        assert_eq!(audience("https://login.partner.microsoftonline.cn"), "api://AzureADTokenExchangeChina");
        assert_eq!(audience("http://127.0.0.1:1/login"), "api://AzureADTokenExchange");
    }

    #[test]
    fn a_request_token_is_not_sent_in_the_clear() {
        assert!(endpoint("https://pipelines.example/x?y=1").is_ok() && endpoint("http://127.0.0.1:1/x").is_ok());
        assert!(endpoint("http://pipelines.example/x").is_err() && endpoint("x").is_err());
    }

    /// What a service was asked: path with query, and token.
    type Asked = Arc<Mutex<Vec<(String, String)>>>;

    /// A service that gives the n-th token at its n-th request, and behind `/status/` that status.
    async fn service() -> (String, Asked) {
        let asked = Asked::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answer = |State(asked): State<Asked>, uri: Uri, headers: HeaderMap| async move {
            let token = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            let mut asked = asked.lock().unwrap();
            asked.push((uri.to_string(), token.unwrap_or_default()));
            let status = uri.path().strip_prefix("/status/").map_or(200, |status| status.parse().unwrap());
            let token = format!("token {}", asked.len());
            let body = serde_json::json!({ "value": token, "oidcToken": token }).to_string();
            (StatusCode::from_u16(status).unwrap(), [("retry-after", "7")], body)
        };
        let router = axum::Router::new().fallback(answer).with_state(asked.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (base, asked)
    }

    async fn fetched(assertion: &Assertion) -> Result<String, AuthError> {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let request = TokenRequest { http: &http, login: "https://login.microsoftonline.com", tenant: "t", scope: "s" };
        assertion.fetch(request).await.map(|token| token.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_asked_for_anew_each_time() {
        let (base, asked) = service().await;
        let github = Assertion::GitHub { url: format!("{base}/x?a=b"), token: "secret".to_owned().into() };
        assert_eq!(
            (fetched(&github).await.unwrap(), fetched(&github).await.unwrap()),
            ("token 1".into(), "token 2".into())
        );
        let devops = Assertion::AzureDevOps {
            url: format!("{base}/y"),
            token: "secret".to_owned().into(),
            service_connection_id: "id".to_owned(),
        };
        fetched(&devops).await.unwrap();
        let asked = asked.lock().unwrap();
        let audience = "audience=api%3A%2F%2FAzureADTokenExchange";
        assert_eq!(asked[0], (format!("/x?a=b&{audience}"), "Bearer secret".to_owned()));
        assert_eq!(asked[2].0, format!("/y?api-version=7.1&serviceConnectionId=id&{audience}"));
    }

    #[tokio::test]
    async fn a_file_is_read_anew_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let assertion = Assertion::File(file.path().to_owned());
        for token in ["first", "second"] {
            std::fs::write(file.path(), format!("{token}\n")).unwrap();
            assert_eq!(fetched(&assertion).await.unwrap(), token);
        }
        file.close().unwrap();
        assert!(fetched(&assertion).await.unwrap_err().to_string().contains("`oidc_token_file_path`"));
    }

    #[tokio::test]
    async fn a_service_that_is_out_of_order_may_be_asked_again_and_a_refusal_is_final() {
        let (base, _) = service().await;
        let at = |status: u16| Assertion::GitHub {
            url: format!("{base}/status/{status}"),
            token: "very secret".to_owned().into(),
        };
        let seven = Some(std::time::Duration::from_secs(7));
        assert!(
            matches!(fetched(&at(503)).await, Err(AuthError::Unreachable { retry_after, .. }) if retry_after == seven)
        );
        let error = fetched(&at(401)).await.unwrap_err().to_string();
        assert!(error.contains("id-token: write") && !error.contains("very secret"), "{error}");
    }
}
