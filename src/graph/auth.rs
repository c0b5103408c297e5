//! Signing in: one trait for all methods, a cache that refreshes once for all who wait, and what Entra's refusals mean.

use super::http::{self, Seconds};
use base64::Engine;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// How long before its end a token is replaced: a request that begins with it may take a while.
const AHEAD: Duration = Duration::from_secs(300);

/// A way to get a token. Implementations are one small file each.
pub trait TokenSource: Send + Sync {
    /// For messages: "client secret".
    fn name(&self) -> &'static str;
    /// A fresh token. Not retried here.
    fn fetch<'a>(&'a self, request: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>>;
}

/// What a token is for.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    /// To send with.
    pub http: &'a reqwest::Client,
    /// Base URL of the login service.
    pub login: &'a str,
    /// GUID or domain.
    pub tenant: &'a str,
    /// Such as `https://graph.microsoft.com/.default`.
    pub scope: &'a str,
}

/// A bearer token and how long it is good for.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub secret: SecretString,
    /// When it is to be replaced by a new one. By the local monotonic clock, so that a wrong wall clock does no harm.
    pub stale: Instant,
}

impl AccessToken {
    /// One that was asked for then and is good for so long. It is replaced five minutes before its end, a short one after half its life.
    pub fn lasting(secret: SecretString, asked: Instant, life: Duration) -> Self {
        Self { secret, stale: asked + life.saturating_sub(AHEAD).max(life / 2) }
    }
}

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// Entra refused.
    #[error("Entra refused the sign-in: {text}{}", advice(*.code))]
    Rejected {
        /// AADSTS number, 0 where none was given.
        code: u32,
        /// Entra's text.
        text: String,
    },
    /// The login service, or one that vouches for us, was not reached or is out of order.
    #[error(
        "The sign-in service at {login} could not be reached: {why}. Check `endpoints`, `environment`, the network and, behind a proxy, `ca_certificate_path`."
    )]
    Unreachable {
        /// Base URL.
        login: String,
        /// Cause.
        why: String,
        /// Seconds that the service asks to wait, where it says.
        retry_after: Option<Duration>,
    },
    /// Something on the way to the login service is missing or refused. The text says what, and how to mend it.
    #[error("{0}")]
    Source(String),
    /// An answer that is none.
    #[error("The login service's answer is no token: {0}")]
    Shape(String),
}

/// What to do about a refusal. Source: Microsoft's list of AADSTS error codes, and the troubleshooting pages of its identity libraries.
fn advice(code: u32) -> &'static str {
    match code {
        7_000_215 => {
            " The client secret is not one of this application's: use the secret's value, not its id, and check that it belongs to this `client_id`."
        }
        7_000_222 => " The client secret has expired: make a new one.",
        7_000_218 => " The application has to prove who it is: give a client secret, a certificate or an OIDC token.",
        700_016 | 7_000_229 => {
            " Check `client_id` and `tenant_id`: the application is not known in this tenant, or nobody has consented to it there."
        }
        7_000_112 => " The application is disabled in this tenant: enable its sign-in, or use another one.",
        90_002 => " Check `tenant_id` and `environment`: no such tenant in this cloud.",
        700_027 => {
            " Upload the public certificate to the application, replace it where it has expired, and check that this `client_id` is that application's and that \
             the clock of this machine is right."
        }
        700_024 | 50_013 => {
            " The assertion has expired or is not valid yet: check the clock of this machine. A given OIDC token is good for some minutes only; \
             let the provider fetch one (`oidc_request_url`) or read it from a file that is renewed (`oidc_token_file_path`)."
        }
        700_021 => " The assertion was made for another application: check `client_id`.",
        700_023 => {
            " The assertion was made for another tenant or cloud: check `tenant_id`, `environment` and `endpoints`."
        }
        700_211 => {
            " No federated credential of the application trusts the token's issuer: compare its issuer to the letter, also the slash at the end."
        }
        700_212 => {
            " A federated credential of this issuer expects another audience, usually `api://AzureADTokenExchange`: make the two equal."
        }
        70_021 | 700_213 | 7_002_137 | 7_002_138 => {
            " No federated credential of the application has the token's issuer, subject and audience; they compare to the letter. \
             One that was made a moment ago may need some minutes."
        }
        50_166 => " Entra cannot read the issuer's keys: its discovery document has to be reachable from the internet.",
        500_011 => " Check `endpoints.graph` and `environment`: this cloud's tenant knows no such API.",
        _ => "",
    }
}

/// Entra's error body.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    expires_in: Seconds,
}

/// The v2.0 token endpoint, which is also the audience of what is signed for it.
pub(super) fn token_endpoint(request: TokenRequest<'_>) -> String {
    format!("{}/{}/oauth2/v2.0/token", request.login, request.tenant)
}

/// Asks for a token with a signed assertion. Source: RFC 7523, 2.2.
pub(super) async fn post_assertion(
    request: TokenRequest<'_>,
    client_id: &str,
    assertion: &str,
) -> Result<AccessToken, AuthError> {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
        ("scope", request.scope),
    ];
    post_form(request, &fields).await
}

/// Asks the v2.0 token endpoint with these form fields.
pub(super) async fn post_form(request: TokenRequest<'_>, fields: &[(&str, &str)]) -> Result<AccessToken, AuthError> {
    let unreachable =
        |why: String, retry_after| AuthError::Unreachable { login: request.login.to_owned(), why, retry_after };
    let asked = Instant::now();
    let answer = request
        .http
        .post(token_endpoint(request))
        .form(fields)
        .send()
        .await
        .map_err(|error| unreachable(http::root_cause(&error), None))?;
    let status = answer.status();
    let retry_after = http::retry_after(answer.headers(), jiff::Timestamp::now());
    let body = http::body(answer).await.map_err(|why| unreachable(why, None))?;
    if status.is_success() {
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| AuthError::Shape("it lacks access_token or expires_in".to_owned()))?;
        return Ok(AccessToken::lasting(granted.access_token, asked, granted.expires_in.duration()));
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) if status.is_client_error() && status.as_u16() != 429 && !refusal.error.is_empty() => {
            let text = refusal.error_description.lines().next().unwrap_or_default().trim().to_owned();
            Err(AuthError::Rejected {
                code: refusal.error_codes.first().copied().unwrap_or(0),
                text: if text.is_empty() { refusal.error } else { text },
            })
        }
        _ => Err(unreachable(format!("it answered {status}"), retry_after)),
    }
}

/// What a token says of its holder. Not verified: it is our own, straight from the login service. All `None` where the token cannot
/// be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Object id of the service principal.
    pub oid: Option<String>,
    /// Tenant id.
    pub tid: Option<String>,
    /// Client id.
    pub appid: Option<String>,
    /// Application permissions. Left out where the holder has none.
    pub roles: Option<Vec<String>>,
    /// Delegated permissions: somebody is signed in.
    pub scp: Option<String>,
    /// Template ids of the holder's directory roles.
    pub wids: Option<Vec<String>>,
    /// When it runs out, in seconds since 1970, by the login service's clock.
    pub exp: Option<i64>,
}

impl Claims {
    pub(super) fn of(token: &SecretString) -> Self {
        let payload = token
            .expose_secret()
            .split('.')
            .nth(1)
            .and_then(|part| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok());
        payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

/// The present token; refreshed by one caller while the others wait.
#[derive(Default)]
pub(super) struct TokenCache {
    present: tokio::sync::Mutex<Option<AccessToken>>,
}

impl TokenCache {
    /// A token that is not stale, and not `rejected`, which Graph refused.
    pub(super) async fn get(
        &self,
        source: &dyn TokenSource,
        request: TokenRequest<'_>,
        rejected: Option<&SecretString>,
    ) -> Result<AccessToken, AuthError> {
        let mut present = self.present.lock().await;
        if let Some(token) = present.as_ref()
            && token.stale > Instant::now()
            && rejected.is_none_or(|rejected| rejected.expose_secret() != token.secret.expose_secret())
        {
            return Ok(token.clone());
        }
        let token = source.fetch(request).await?;
        *present = Some(token.clone());
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Gives tokens of this life, and counts them.
    struct Source(Duration, AtomicU32);

    impl TokenSource for Source {
        fn name(&self) -> &'static str {
            "test"
        }

        fn fetch<'a>(&'a self, _: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>> {
            let number = self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { Ok(AccessToken::lasting(number.to_string().into(), Instant::now(), self.0)) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_shortly_before_its_end_and_a_short_one_for_half_its_life() {
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let request = TokenRequest { http: &http, login: "", tenant: "", scope: "" };
        for (life, kept) in [(3600, 3300), (240, 120), (u64::MAX, 24 * 60 * 60 - 300)] {
            let life = serde_json::from_value::<Seconds>(life.into()).unwrap().duration();
            let (source, cache) = (Source(life, AtomicU32::new(0)), TokenCache::default());
            for _ in 0..5 {
                cache.get(&source, request, None).await.unwrap();
            }
            tokio::time::advance(Duration::from_secs(kept - 1)).await;
            cache.get(&source, request, None).await.unwrap();
            assert_eq!(source.1.load(Ordering::Relaxed), 1, "{life:?}");
            tokio::time::advance(Duration::from_secs(1)).await;
            cache.get(&source, request, None).await.unwrap();
            assert_eq!(source.1.load(Ordering::Relaxed), 2, "{life:?}");
        }
    }
}
