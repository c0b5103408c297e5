//! Signing in with a client secret. Source: RFC 6749, 4.4.

use super::auth::{AccessToken, AuthError, TokenRequest, TokenSource, post_form};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

/// A client id and its secret.
pub struct ClientSecret {
    client_id: String,
    secret: SecretString,
}

impl ClientSecret {
    /// No network.
    pub fn new(client_id: String, secret: SecretString) -> Self {
        Self { client_id, secret }
    }
}

impl TokenSource for ClientSecret {
    fn name(&self) -> &'static str {
        "client secret"
    }

    fn fetch<'a>(&'a self, request: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>> {
        Box::pin(async move {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", &self.client_id),
                ("client_secret", self.secret.expose_secret()),
                ("scope", request.scope),
            ];
            post_form(request, &fields).await
        })
    }
}
