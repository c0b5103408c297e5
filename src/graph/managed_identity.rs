//! Signing in as the Azure resource that this program runs on. Source: Microsoft's "how to use managed identities to acquire a token"
//! for virtual machines (IMDS) and for App Service.

use super::auth::{AccessToken, AuthError, TokenRequest, TokenSource};
use super::http::{self, Seconds, root_cause};
use futures_util::future::BoxFuture;
use reqwest::{Client, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Where every Azure virtual machine finds its metadata service.
pub const IMDS: &str = "http://169.254.169.254";
/// The service is on this machine or its host: who does not answer by then is not there.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(30);
/// Repetitions, with waits that double from two seconds. Together they outlast the 70 seconds that an update of IMDS may take.
const REPETITIONS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// The endpoint that hands out tokens.
#[derive(Clone)]
pub enum IdentityService {
    /// The instance metadata service of a virtual machine, of AKS and of much else.
    Imds {
        /// Base URL: [`IMDS`], unless `AZURE_POD_IDENTITY_AUTHORITY_HOST` says otherwise.
        base: String,
    },
    /// App Service, Functions, Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`.
        endpoint: String,
        /// `IDENTITY_HEADER`.
        header: SecretString,
    },
}

/// An Azure resource's identity.
pub struct ManagedIdentity {
    client_id: Option<String>,
    service: IdentityService,
}

impl ManagedIdentity {
    /// No network. `client_id` names a user-assigned identity; without one it is the system-assigned one.
    pub fn new(client_id: Option<String>, service: IdentityService) -> Self {
        Self { client_id, service }
    }

    fn url(&self, scope: &str) -> Result<Url, AuthError> {
        let (base, path, version, variable) = match &self.service {
            IdentityService::Imds { base } => {
                (base, "/metadata/identity/oauth2/token", "2018-02-01", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
            }
            IdentityService::AppService { endpoint, .. } => (endpoint, "", "2019-08-01", "IDENTITY_ENDPOINT"),
        };
        let parsed = Url::parse(&format!("{}{path}", base.trim_end_matches('/'))).ok().filter(is_near);
        let mut url = parsed.ok_or_else(|| {
            AuthError::Source(format!(
                "The managed identity's endpoint in `{variable}` is not usable: it has to be an `https` URL, or `http` at a loopback or link-local address."
            ))
        })?;
        // A resource is a scope without its last part.
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        Ok(url)
    }

    fn ask(&self, http: &Client, url: Url) -> RequestBuilder {
        match &self.service {
            IdentityService::Imds { .. } => http.get(url).header("Metadata", "true"),
            IdentityService::AppService { header, .. } => {
                http.get(url).header("X-IDENTITY-HEADER", header.expose_secret())
            }
        }
    }

    async fn token(&self, scope: &str) -> Result<AccessToken, AuthError> {
        let url = self.url(scope)?;
        let http = client(&url)?;
        let origin = url.origin().ascii_serialization();
        let mut attempt = 0;
        loop {
            let asked = Instant::now();
            let (why, retry_after) = match once(self.ask(&http, url.clone()), &origin).await? {
                Answer::Token(body) => return read(&body, asked),
                Answer::Later { why, retry_after } => (why, retry_after),
            };
            if attempt == REPETITIONS {
                return Err(AuthError::Source(format!(
                    "The managed identity's endpoint {origin} has not given a token: {why}. It may be updating, and then works again in some minutes; or this is no Azure machine."
                )));
            }
            tokio::time::sleep(retry_after.unwrap_or(FIRST_WAIT * 2_u32.pow(attempt))).await;
            attempt += 1;
        }
    }
}

/// The header goes with the request: not to anybody far away.
fn is_near(url: &Url) -> bool {
    if super::endpoints::may_get_credentials(url) {
        return true;
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let link_local = match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_unicast_link_local(),
        Err(_) => false,
    };
    url.scheme() == "http" && link_local
}

/// Not through a proxy, which would ask its own machine for the token.
fn client(url: &Url) -> Result<Client, AuthError> {
    let builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(ANSWER);
    // Reading the machine's trust roots takes a while and is for nothing here.
    let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
    builder
        .build()
        .map_err(|why| AuthError::Source(format!("The HTTP client could not be set up: {}", root_cause(&why))))
}

enum Answer {
    Token(Vec<u8>),
    Later { why: String, retry_after: Option<Duration> },
}

async fn once(request: RequestBuilder, origin: &str) -> Result<Answer, AuthError> {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(why) if why.is_connect() => {
            return Err(AuthError::Source(format!(
                "There is no managed identity here: {origin} could not be reached ({}). `use_msi` works on Azure machines only; elsewhere choose another \
                 way to sign in.",
                root_cause(&why)
            )));
        }
        Err(why) => return Ok(Answer::Later { why: root_cause(&why), retry_after: None }),
    };
    let status = answer.status();
    let retry_after = http::retry_after(answer.headers(), jiff::Timestamp::now());
    let body = match http::body(answer).await {
        Ok(body) => body,
        Err(why) => return Ok(Answer::Later { why, retry_after }),
    };
    match status.as_u16() {
        200..300 => Ok(Answer::Token(body)),
        404 | 410 | 429 | 500.. => Ok(Answer::Later { why: format!("it answered {status}"), retry_after }),
        _ => Err(AuthError::Source(format!(
            "The managed identity's endpoint {origin} refused: {status} {}. Assign an identity to this resource; set `client_id` to a user-assigned \
             identity's client id, and leave it (and `M365_CLIENT_ID`, `ARM_CLIENT_ID`, `AZURE_CLIENT_ID`) out for the system-assigned one.",
            reason(&body)
        ))),
    }
}

/// What an error body says, one line.
fn reason(body: &[u8]) -> String {
    #[derive(Deserialize, Default)]
    struct Refusal {
        #[serde(default)]
        error: String,
        /// App Service's has another name.
        #[serde(default, alias = "message")]
        error_description: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let text = refusal.error_description.lines().next().unwrap_or_default().trim().to_owned();
    if text.is_empty() { refusal.error } else { text }
}

/// Reads a token. `expires_in` first, which needs no right clock; App Service has `expires_on` alone.
fn read(body: &[u8], asked: Instant) -> Result<AccessToken, AuthError> {
    #[derive(Deserialize)]
    struct Given {
        access_token: SecretString,
        expires_in: Option<Seconds>,
        expires_on: Option<Seconds>,
    }
    let unreadable = || {
        AuthError::Source(
            "The managed identity's endpoint gave no token: `access_token` or its expiry is missing.".to_owned(),
        )
    };
    let given: Given = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let left = match (given.expires_in, given.expires_on) {
        (Some(left), _) => left.duration(),
        (None, Some(end)) => end.from(jiff::Timestamp::now()),
        (None, None) => return Err(unreadable()),
    };
    Ok(AccessToken::lasting(given.access_token, asked, left))
}

impl TokenSource for ManagedIdentity {
    fn name(&self) -> &'static str {
        "managed identity"
    }

    fn fetch<'a>(&'a self, request: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>> {
        Box::pin(self.token(request.scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use std::sync::{Arc, Mutex};

    #[test]
    fn seconds_are_numbers_or_texts_and_counted_from_now_or_from_1970() {
        let end = jiff::Timestamp::now().as_second() + 3600;
        for body in [
            r#"{"access_token":"t","expires_in":"3600","expires_on":"1"}"#.to_owned(),
            r#"{"access_token":"t","expires_in":3600}"#.to_owned(),
            format!(r#"{{"access_token":"t","expires_on":"{end}"}}"#),
            format!(r#"{{"access_token":"t","expires_on":{end}}}"#),
        ] {
            let asked = Instant::now();
            let left = read(body.as_bytes(), asked).unwrap().stale - asked;
            assert!((3297..=3300).contains(&left.as_secs()), "{body}: {left:?}");
        }
        assert!(read(br#"{"access_token":"t"}"#, Instant::now()).is_err());
    }

    #[test]
    fn an_endpoint_far_away_is_not_asked() {
        let url = |base: &str| {
            ManagedIdentity::new(None, IdentityService::Imds { base: base.to_owned() }).url("https://graph/.default")
        };
        assert_eq!(
            url(IMDS).unwrap().as_str(),
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fgraph"
        );
        assert!(url("http://127.0.0.1:1").is_ok() && url("http://example.com").is_err());
    }

    /// A service that answers with these statuses, each with a `Retry-After` of no seconds, and then with a token.
    async fn service(statuses: &[u16]) -> (ManagedIdentity, Arc<Mutex<Vec<u16>>>) {
        let left = Arc::new(Mutex::new(statuses.to_vec()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answer = move |axum::extract::State(left): axum::extract::State<Arc<Mutex<Vec<u16>>>>| async move {
            let mut left = left.lock().unwrap();
            let status = if left.is_empty() { 200 } else { left.remove(0) };
            let body = if status == 200 {
                r#"{"access_token":"t","expires_in":"60"}"#
            } else {
                r#"{"error":"invalid_request","error_description":"Identity not found"}"#
            };
            (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], body)
        };
        let router = axum::Router::new().fallback(answer).with_state(left.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (ManagedIdentity::new(None, IdentityService::Imds { base }), left)
    }

    #[tokio::test]
    async fn a_service_that_is_updating_is_asked_again_but_not_for_ever() {
        let (identity, _) = service(&[404, 410, 429, 500, 503]).await;
        assert!(identity.token("x").await.is_ok());
        let (identity, left) = service(&[503; 9]).await;
        let error = identity.token("x").await.err().unwrap().to_string();
        assert!(error.contains("503") && left.lock().unwrap().len() == 3, "{error}");
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_says_what_to_do() {
        let (identity, left) = service(&[400, 400]).await;
        let error = identity.token("x").await.err().unwrap().to_string();
        assert!(error.contains("Identity not found") && error.contains("`client_id`"), "{error}");
        assert_eq!(left.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn where_nobody_listens_there_is_no_managed_identity() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error =
            ManagedIdentity::new(None, IdentityService::Imds { base }).token("x").await.err().unwrap().to_string();
        assert!(error.contains("There is no managed identity here") && error.contains("`use_msi`"), "{error}");
    }
}
