//! What a bearer token says to Microsoft Graph.

use super::keys;
use crate::sandbox::call::Caller;
use crate::sandbox::errors::Failure;
use crate::sandbox::store::{GRAPH, World};
use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    aud: String,
    tid: String,
    oid: String,
    #[serde(default)]
    roles: Vec<String>,
    exp: i64,
}

/// Tenant and holder of the bearer token.
pub(in crate::sandbox) fn caller(
    world: &mut World,
    base: &str,
    headers: &HeaderMap,
) -> Result<(String, Caller), Failure> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    // The name of the scheme has no case. Source: RFC 9110, 11.1.
    let token =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else { return Err(Failure::unauthenticated("Access token is empty.")) };
    let Some(Claims { aud, tid, oid, roles, exp }) = claims(world, token) else {
        return Err(Failure::unauthenticated("IDX14100: JWT is not well formed, or its signature is not valid."));
    };
    if exp <= world.now().as_second() {
        return Err(Failure::unauthenticated("Lifetime validation failed, the token is expired."));
    }
    if !is_graph(base, &aud) && aud != GRAPH {
        return Err(Failure::unauthenticated("Access token validation failure. Invalid audience."));
    }
    Ok((tid, Caller::Application { principal_id: oid, roles }))
}

/// Whether an audience is the sandbox's Microsoft Graph, by one of its addresses or by the real one.
pub(super) fn is_graph(base: &str, audience: &str) -> bool {
    let audience = audience.trim_end_matches('/');
    audience == "https://graph.microsoft.com"
        || audience.strip_prefix(base).is_some_and(|rest| ["", "/graph"].contains(&rest))
}

fn claims(world: &mut World, token: &str) -> Option<Claims> {
    // Of this sandbox, and not of another one in the same process.
    if decode_header(token).ok()?.kid.as_deref() != Some(&*world.signing_key) {
        return None;
    }
    let mut rules = Validation::new(Algorithm::RS256);
    // By the sandbox's own clock.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(&keys::public(world)?).ok()?;
    decode::<Claims>(token, &key, &rules).ok().map(|decoded| decoded.claims)
}
