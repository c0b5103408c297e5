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

/// A refusal of the token endpoint.
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    code: u32,
    what: String,
}

impl Refusal {
    fn new(error: &'static str, code: u32, what: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, code, what: what.into() }
    }

    /// The client has not shown who it is.
    pub(super) fn invalid_client(code: u32, what: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", code, what) }
    }

    /// Code and text.
    pub(super) fn text(&self) -> String {
        format!("AADSTS{}: {}", self.code, self.what)
    }

    /// As Entra writes it.
    fn answer(&self, now: jiff::Timestamp) -> (StatusCode, Option<Value>) {
        let (trace, correlation, time) = (
            uuid::Uuid::new_v4().to_string(),
            uuid::Uuid::new_v4().to_string(),
            now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        );
        let body = json!({
            "error": self.error,
            "error_description": format!("{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}", self.text()),
            "error_codes": [self.code], "timestamp": time, "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        (self.status, Some(body))
    }
}

/// `POST {tenant}/oauth2/v2.0/token`.
pub(super) fn token(
    world: &mut World,
    base: &str,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> (StatusCode, Option<Value>) {
    match granted(world, base, method, path, body) {
        Ok(token) => (StatusCode::OK, Some(token)),
        Err(refusal) => refusal.answer(world.now()),
    }
}

fn granted(world: &mut World, base: &str, method: &Method, path: &str, body: &Bytes) -> Result<Value, Refusal> {
    let bad = |code, what: String| Err(Refusal::new("invalid_request", code, what));
    let Some(tenant) = path.strip_suffix("/oauth2/v2.0/token").filter(|_| *method == Method::POST) else {
        return bad(900_561, "The endpoint only accepts POST requests.".to_owned());
    };
    if uuid::Uuid::try_parse(tenant).is_err() {
        return bad(
            90_002,
            format!(
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
            return bad(900_144, format!("The request body must contain the following parameter: '{name}'."));
        }
    }
    if field("grant_type") != "client_credentials" {
        return Err(Refusal::new("unsupported_grant_type", 70_003, "The app requested an unsupported grant type."));
    }
    let Some(audience) = field("scope").strip_suffix("/.default") else {
        return Err(Refusal::new(
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.",
                field("scope")
            ),
        ));
    };
    let client = field("client_id").to_lowercase();
    known(world, tenant, &client)?;
    if form.contains_key("client_assertion") {
        if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return bad(
                900_144,
                "The request body must contain the following parameter: 'client_assertion_type'.".to_owned(),
            );
        }
        world.tokens.push(field("client_assertion").to_owned());
        super::assertions::verify(world, base, tenant, &client, field("client_assertion"))?;
    } else if form.contains_key("client_secret") {
        secret(world, tenant, &client, field("client_secret"))?;
    } else {
        return Err(Refusal::invalid_client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    }
    issue(world, base, tenant, &client, audience)
}

/// Object id of the client's principal.
fn known(world: &mut World, tenant: &str, client: &str) -> Result<String, Refusal> {
    let directory = world.tenant(tenant);
    directory.principal_by("appId", client).map(id_of).ok_or_else(|| {
        let id = &directory.id;
        Refusal::new(
            "unauthorized_client",
            700_016,
            format!("Application with identifier '{client}' was not found in the directory '{id}'."),
        )
    })
}

fn secret(world: &mut World, tenant: &str, client: &str, presented: &str) -> Result<(), Refusal> {
    match super::credentials::find_secret(world, tenant, client, presented) {
        Some(super::credentials::Secret::Valid) => Ok(()),
        Some(super::credentials::Secret::Expired) => Err(Refusal::invalid_client(
            7_000_222,
            format!("The provided client secret keys for app '{client}' are expired."),
        )),
        None => Err(Refusal::invalid_client(
            7_000_215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app.",
        )),
    }
}

/// A token for a client that has shown who it is.
pub(super) fn issue(
    world: &mut World,
    base: &str,
    tenant: &str,
    client: &str,
    audience: &str,
) -> Result<Value, Refusal> {
    let resource = resource(world, base, tenant, audience)?;
    let oid = known(world, tenant, client)?;
    let roles = roles_of(world.tenant(tenant), &oid, &resource);
    let (issued, key) = (world.now().as_second(), EncodingKey::from_secret(world.signing_key.as_bytes()));
    let claims = Claims {
        aud: audience.to_owned(),
        tid: world.tenant(tenant).id.clone(),
        appid: client.to_owned(),
        oid,
        roles,
        idtyp: "app".to_owned(),
        iat: issued,
        exp: issued + LIFETIME,
    };
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|why| Refusal::new("server_error", 90_033, why.to_string()))?;
    world.tokens.push(token.clone());
    Ok(json!({ "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token }))
}

/// Client id of the API that a token is for: named by Graph's address, or by the API's client id.
fn resource(world: &mut World, base: &str, tenant: &str, audience: &str) -> Result<String, Refusal> {
    let graph = audience == format!("{base}/graph") || audience == "https://graph.microsoft.com";
    let app_id = if graph { GRAPH.to_owned() } else { audience.to_lowercase() };
    if world.tenant(tenant).principal_by("appId", &app_id).is_some() {
        return Ok(app_id);
    }
    Err(Refusal::new(
        "invalid_resource",
        500_011,
        format!("The resource principal named {audience} was not found in the tenant."),
    ))
}

/// Names of the roles of an API that a principal holds.
fn roles_of(tenant: &super::store::Tenant, principal: &str, api: &str) -> Vec<String> {
    let Some(api) = tenant.principal_by("appId", api) else { return Vec::new() };
    let held: BTreeSet<&str> = tenant
        .assignments
        .values()
        .filter(|one| text(one, "principalId") == principal && text(one, "resourceId") == text(api, "id"))
        .map(|one| text(one, "appRoleId"))
        .collect();
    let roles = api.get("appRoles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    roles.filter(|role| held.contains(text(role, "id"))).map(|role| text(role, "value").to_owned()).collect()
}

/// Tenant and holder of the bearer token.
pub(super) fn caller(world: &mut World, base: &str, headers: &HeaderMap) -> Result<(String, Caller), Failure> {
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
    let Claims { tid, oid, roles, aud, .. } = decoded.claims;
    if ![&format!("{base}/graph"), "https://graph.microsoft.com", GRAPH].contains(&aud.as_str()) {
        return Err(Failure::unauthenticated("Access token validation failure. Invalid audience."));
    }
    Ok((tid, Caller::Application { principal_id: oid, roles }))
}
