//! The key that signs tokens: one for all sandboxes of a process, since making one takes a while, under a name of each sandbox's own.

use crate::sandbox::store::World;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// A new RSA key as PEM.
pub(super) fn generate() -> Option<String> {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).ok()?;
    Some(pair.serialize_pem())
}

/// The world's signing key.
pub(super) fn signing(world: &mut World) -> Option<EncodingKey> {
    static MADE: OnceLock<Option<String>> = OnceLock::new();
    if world.signing_pem.is_empty() {
        world.signing_pem.clone_from(MADE.get_or_init(generate).as_ref()?);
    }
    EncodingKey::from_rsa_pem(world.signing_pem.as_bytes()).ok()
}

/// Its public half.
pub(super) fn public(world: &mut World) -> Option<Jwk> {
    Jwk::from_encoding_key(&signing(world)?, Algorithm::RS256).ok()
}

/// What clients verify tokens with. Source: RFC 7517, and the members of Entra's own document.
pub(super) fn document(world: &mut World) -> Option<Value> {
    Some(json!({ "keys": [published(&public(world)?, &world.signing_key)?] }))
}

/// A public key under its name.
pub(super) fn published(key: &Jwk, name: &str) -> Option<Value> {
    let mut key = serde_json::to_value(key).ok()?;
    key["kid"] = name.into();
    key["x5t"] = name.into();
    key["use"] = "sig".into();
    Some(key)
}
