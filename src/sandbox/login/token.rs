//! Entra's token endpoint. Source: Microsoft's client credentials flow and its AADSTS codes.

use super::assertions;
use super::refusal::Refusal;
use super::service::Service;
use crate::sandbox::credentials::{self, Secret};
use crate::sandbox::odata::unescape;
use crate::sandbox::store::{GRAPH, Object, Tenant, World, id_of, text};
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds that a token is good for.
const LIFETIME: i64 = 3599;

#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub aud: String,
    pub tid: String,
    appid: String,
    pub oid: String,
    pub roles: Vec<String>,
    idtyp: String,
    iat: i64,
    pub exp: i64,
}

/// `POST {tenant}/oauth2/v2.0/token`.
pub(in crate::sandbox) fn token(
    world: &mut World,
    service: &mut Service,
    base: &str,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> (StatusCode, Option<Value>) {
    match granted(world, service, base, method, path, body) {
        Ok(token) => (StatusCode::OK, Some(token)),
        Err(refusal) => refusal.answer(world.now()),
    }
}

fn granted(
    world: &mut World,
    service: &mut Service,
    base: &str,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> Result<Value, Refusal> {
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
        service.tokens.push(field("client_assertion").to_owned());
        assertions::verify(world, service, base, tenant, &client, field("client_assertion"))?;
    } else if form.contains_key("client_secret") {
        secret(world, tenant, &client, field("client_secret"))?;
    } else {
        return Err(Refusal::invalid_client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    }
    issue(world, service, base, tenant, &client, audience)
}

/// The client's principal.
fn known<'a>(world: &'a mut World, tenant: &str, client: &str) -> Result<&'a Object, Refusal> {
    let directory = world.tenant(tenant);
    directory.principal_by("appId", client).ok_or_else(|| {
        let id = &directory.id;
        Refusal::new(
            "unauthorized_client",
            700_016,
            format!("Application with identifier '{client}' was not found in the directory '{id}'."),
        )
    })
}

fn secret(world: &mut World, tenant: &str, client: &str, presented: &str) -> Result<(), Refusal> {
    match credentials::find_secret(world, tenant, client, presented) {
        Some(Secret::Valid) => Ok(()),
        Some(Secret::Expired) => Err(Refusal::invalid_client(
            7_000_222,
            format!("The provided client secret keys for app '{client}' are expired."),
        )),
        Some(Secret::Early) | None => Err(Refusal::invalid_client(
            7_000_215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app.",
        )),
    }
}

/// A token for a client that has shown who it is.
pub(super) fn issue(
    world: &mut World,
    service: &mut Service,
    base: &str,
    tenant: &str,
    client: &str,
    audience: &str,
) -> Result<Value, Refusal> {
    let resource = resource(world, base, tenant, audience)?;
    let principal = known(world, tenant, client)?;
    if is_disabled(principal) {
        return Err(Refusal::new(
            "unauthorized_client",
            7_000_112,
            format!("Application '{client}'({}) is disabled.", text(principal, "displayName")),
        ));
    }
    let oid = id_of(principal);
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
    service.tokens.push(token.clone());
    Ok(json!({ "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token }))
}

/// Client id of the API that a token is for: named by Graph's address, or by the API's client id.
fn resource(world: &mut World, base: &str, tenant: &str, audience: &str) -> Result<String, Refusal> {
    let graph = audience == format!("{base}/graph") || audience == "https://graph.microsoft.com";
    let app_id = if graph { GRAPH.to_owned() } else { audience.to_lowercase() };
    match world.tenant(tenant).principal_by("appId", &app_id) {
        Some(resource) if is_disabled(resource) => Err(Refusal::new(
            "invalid_resource",
            500_014,
            format!("The service principal for resource '{audience}' is disabled."),
        )),
        Some(_) => Ok(app_id),
        None => Err(Refusal::new(
            "invalid_resource",
            500_011,
            format!("The resource principal named {audience} was not found in the tenant."),
        )),
    }
}

/// Source: Worklytics/psoxy#74 (the client's code), AzureAD/microsoft-authentication-library-for-dotnet#3150 (the resource's).
fn is_disabled(principal: &Object) -> bool {
    principal.get("accountEnabled") == Some(&Value::Bool(false))
}

/// Names of the roles of an API that a principal holds.
fn roles_of(tenant: &Tenant, principal: &str, api: &str) -> Vec<String> {
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
