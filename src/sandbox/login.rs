//! Entra's token endpoint, and what a bearer token says. Source: Microsoft's client credentials flow and its AADSTS codes.

use super::Caller;
use super::errors::Failure;
use super::odata::unescape;
use super::store::{GRAPH, World, id_of, text};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds that a token is good for.
const LIFETIME: i64 = 3599;

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    tid: String,
    appid: String,
    oid: String,
    roles: Vec<String>,
    idtyp: String,
    iat: i64,
    exp: i64,
}

/// A refusal as Entra writes it.
fn refuse(status: StatusCode, error: &str, code: u32, what: &str, now: jiff::Timestamp) -> (StatusCode, Option<Value>) {
    let (trace, correlation, time) = (
        uuid::Uuid::new_v4().to_string(),
        uuid::Uuid::new_v4().to_string(),
        now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    );
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {what} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"),
        "error_codes": [code], "timestamp": time, "trace_id": trace, "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    (status, Some(body))
}

/// `POST {tenant}/oauth2/v2.0/token`.
pub(super) fn token(
    world: &mut World,
    base: &str,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> (StatusCode, Option<Value>) {
    let now = world.now();
    let bad = |code, what: &str| refuse(StatusCode::BAD_REQUEST, "invalid_request", code, what, now);
    let Some(tenant) = path.strip_suffix("/oauth2/v2.0/token").filter(|_| *method == Method::POST) else {
        return bad(900_561, "The endpoint only accepts POST requests.");
    };
    if uuid::Uuid::try_parse(tenant).is_err() {
        return bad(
            90_002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            ),
        );
    }
    let body = String::from_utf8_lossy(body);
    let form: BTreeMap<String, String> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (unescape(name), unescape(&value.replace('+', " "))))
        .collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    for name in ["grant_type", "client_id", "scope"] {
        if field(name).is_empty() {
            return bad(900_144, &format!("The request body must contain the following parameter: '{name}'."));
        }
    }
    if field("grant_type") != "client_credentials" {
        return refuse(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            70_003,
            "The app requested an unsupported grant type.",
            now,
        );
    }
    let Some(audience) = field("scope").strip_suffix("/.default").map(str::to_owned) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "invalid_scope",
            1_002_012,
            &format!(
                "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.",
                field("scope")
            ),
            now,
        );
    };
    if audience != format!("{base}/graph") && audience != "https://graph.microsoft.com" {
        return refuse(
            StatusCode::BAD_REQUEST,
            "invalid_resource",
            500_011,
            &format!("The resource principal named {audience} was not found in the tenant."),
            now,
        );
    }
    let directory = world.tenant(tenant);
    let (client, id) = (field("client_id").to_lowercase(), directory.id.clone());
    let Some(principal) = directory.principal_by("appId", &client) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "unauthorized_client",
            700_016,
            &format!("Application with identifier '{client}' was not found in the directory '{id}'."),
            now,
        );
    };
    let oid = id_of(principal);
    let secret = super::credentials::find_secret(world, tenant, &client, field("client_secret"));
    if secret == Some(super::credentials::Secret::Expired) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            7_000_222,
            &format!("The provided client secret keys for app '{client}' are expired."),
            now,
        );
    }
    if secret.is_none() {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            7_000_215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app.",
            now,
        );
    }
    let roles = roles_of(world.tenant(tenant), &oid);
    let (issued, key) = (now.as_second(), EncodingKey::from_secret(world.signing_key.as_bytes()));
    let claims = Claims {
        aud: audience,
        tid: id,
        appid: client,
        oid,
        roles,
        idtyp: "app".to_owned(),
        iat: issued,
        exp: issued + LIFETIME,
    };
    match encode(&Header::new(Algorithm::HS256), &claims, &key) {
        Ok(token) => (
            StatusCode::OK,
            Some(
                json!({ "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token }),
            ),
        ),
        Err(why) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", 90_033, &why.to_string(), now),
    }
}

/// Names of the roles of Microsoft Graph that a principal holds.
fn roles_of(tenant: &super::store::Tenant, principal: &str) -> Vec<String> {
    let Some(graph) = tenant.principal_by("appId", GRAPH) else { return Vec::new() };
    let held: BTreeSet<&str> = tenant
        .assignments
        .values()
        .filter(|one| text(one, "principalId") == principal && text(one, "resourceId") == text(graph, "id"))
        .map(|one| text(one, "appRoleId"))
        .collect();
    let roles = graph.get("appRoles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    roles.filter(|role| held.contains(text(role, "id"))).map(|role| text(role, "value").to_owned()).collect()
}

/// Tenant and holder of the bearer token.
pub(super) fn caller(world: &mut World, headers: &HeaderMap) -> Result<(String, Caller), Failure> {
    let token = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else { return Err(Failure::unauthenticated("Access token is empty.")) };
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
    let Claims { tid, oid, roles, .. } = decoded.claims;
    Ok((tid, Caller::Application { principal_id: oid, roles }))
}
