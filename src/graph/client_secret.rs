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
            post_form(request, &fields).await.map_err(|why| advised(why, self.secret.expose_secret()))
        })
    }
}

/// Says so where the refused secret is not clean: a variable that a file was read into ends with its line break.
fn advised(why: AuthError, secret: &str) -> AuthError {
    let unclean = |end: char| end.is_whitespace() || end == '\u{feff}';
    match why {
        AuthError::Rejected { code: 7_000_215, text } if secret.starts_with(unclean) || secret.ends_with(unclean) => {
            let text =
                format!("{text} It begins or ends with a blank, a line break or a byte order mark: remove that.");
            AuthError::Rejected { code: 7_000_215, text }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_secret_with_something_invisible_around_it_is_told_as_that() {
        let refused = |secret: &str| {
            advised(AuthError::Rejected { code: 7_000_215, text: "Invalid client secret.".to_owned() }, secret)
                .to_string()
        };
        for secret in [" s", "s\n", "\u{feff}s", "s\t"] {
            assert!(refused(secret).contains("a blank, a line break or a byte order mark"), "{secret:?}");
        }
        assert!(!refused("s s").contains("byte order mark"));
    }
}
