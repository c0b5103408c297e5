//! What a bearer token says to Microsoft Graph.

use super::token::Claims;
use crate::sandbox::call::Caller;
use crate::sandbox::errors::Failure;
use crate::sandbox::store::{GRAPH, World};
use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

/// Tenant and holder of the bearer token.
pub(in crate::sandbox) fn caller(world: &World, base: &str, headers: &HeaderMap) -> Result<(String, Caller), Failure> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    // The name of the scheme has no case. Source: RFC 9110, 11.1.
    let token =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else { return Err(Failure::unauthenticated("Access token is empty.")) };
    let mut rules = Validation::new(Algorithm::HS256);
    // By the sandbox's own clock, below.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let decoded = decode::<Claims>(token, &DecodingKey::from_secret(world.signing_key.as_bytes()), &rules);
    let Ok(decoded) = decoded else {
        return Err(Failure::unauthenticated("IDX14100: JWT is not well formed, or its signature is not valid."));
    };
    if decoded.claims.exp <= world.now().as_second() {
        return Err(Failure::unauthenticated("Lifetime validation failed, the token is expired."));
    }
    let Claims { tid, oid, roles, aud, .. } = decoded.claims;
    if ![&format!("{base}/graph"), "https://graph.microsoft.com", GRAPH].contains(&aud.as_str()) {
        return Err(Failure::unauthenticated("Access token validation failure. Invalid audience."));
    }
    Ok((tid, Caller::Application { principal_id: oid, roles }))
}
