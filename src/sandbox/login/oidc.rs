//! An OIDC issuer for federated credentials to trust: `{base}/oidc`, with its discovery document and keys. It signs whatever it is told
//! at the control endpoint.

use crate::sandbox::store::new_id;
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::OnceLock;

const KEY_ID: &str = "sandbox-1";
/// Seconds that a token is good for, as GitHub's are.
const LIFETIME: i64 = 300;

/// The issuer's key, made when it is first needed: that takes a while.
#[derive(Default)]
pub(in crate::sandbox) struct Issuer {
    key: OnceLock<Option<EncodingKey>>,
}

/// What a token is to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sandbox) struct Wish {
    pub sub: String,
    pub aud: Value,
    /// Seconds from now; negative for one that has expired.
    #[serde(default = "lifetime")]
    pub expires_in: i64,
}

fn lifetime() -> i64 {
    LIFETIME
}

impl Wish {
    pub(in crate::sandbox) fn new(sub: &str, aud: &str) -> Self {
        Self { sub: sub.to_owned(), aud: aud.into(), expires_in: LIFETIME }
    }
}

impl Issuer {
    fn key(&self) -> Option<&EncodingKey> {
        self.key.get_or_init(generate).as_ref()
    }

    /// The public key of an issuer; `None` for one that is not served here.
    pub(in crate::sandbox) fn key_of(&self, base: &str, issuer: &str) -> Option<DecodingKey> {
        if issuer != format!("{base}/oidc") {
            return None;
        }
        DecodingKey::from_jwk(&self.public()?).ok()
    }

    fn public(&self) -> Option<Jwk> {
        Jwk::from_encoding_key(self.key()?, Algorithm::RS256).ok()
    }

    /// Signs a token.
    pub(in crate::sandbox) fn token(&self, base: &str, wish: &Wish, now: Timestamp) -> Option<String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(KEY_ID.to_owned());
        let now = now.as_second();
        let end = now + wish.expires_in;
        let claims = json!({
            "iss": format!("{base}/oidc"), "sub": wish.sub, "aud": wish.aud, "jti": new_id(),
            "iat": now.min(end), "nbf": now.min(end), "exp": end,
        });
        jsonwebtoken::encode(&header, &claims, self.key()?).ok()
    }

    /// `GET {base}/oidc/{path}`. Source: OpenID Connect Discovery 1.0.
    pub(in crate::sandbox) fn document(&self, base: &str, path: &str) -> Option<Value> {
        match path {
            ".well-known/openid-configuration" => Some(json!({
                "issuer": format!("{base}/oidc"), "jwks_uri": format!("{base}/oidc/jwks"),
                "subject_types_supported": ["public"], "response_types_supported": ["id_token"],
                "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid"],
            })),
            "jwks" => {
                let mut key = serde_json::to_value(self.public()?).ok()?;
                key["kid"] = KEY_ID.into();
                key["use"] = "sig".into();
                Some(json!({ "keys": [key] }))
            }
            _ => None,
        }
    }
}

fn generate() -> Option<EncodingKey> {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).ok()?;
    EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).ok()
}
