//! Entra's token endpoint. Source: Microsoft's client credentials flow, in both versions of the endpoint, and its AADSTS codes.

use super::assertions;
use super::bearer::is_graph;
use super::keys;
use super::refusal::Refusal;
use super::service::Service;
use crate::sandbox::credentials::{self, Secret};
use crate::sandbox::odata::unescape;
use crate::sandbox::store::{GRAPH, Object, Tenant, World, id_of, new_id, text};
use axum::http::{HeaderMap, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, Header, encode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds that a token is good for.
const LIFETIME: i64 = 3599;

/// A request to the endpoint.
pub(super) struct Request<'a> {
    pub base: &'a str,
    /// Where the login is.
    pub root: &'a str,
    /// As the client names it.
    pub tenant: &'a str,
    /// 1 or 2.
    pub version: u8,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// What a client sent.
struct Form(BTreeMap<String, String>);

impl Form {
    fn read(request: &Request<'_>) -> Self {
        let body = String::from_utf8_lossy(request.body);
        let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        let mut form: BTreeMap<_, _> = pairs.map(|(name, value)| (unescape(name), plus(value))).collect();
        // A client may show who it is in a header as well. Source: RFC 6749, 2.3.1.
        let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let basic =
            header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let basic = basic.and_then(|(_, value)| String::from_utf8(STANDARD.decode(value).ok()?).ok());
        if let Some((id, secret)) = basic.as_deref().and_then(|pair| pair.split_once(':')) {
            form.entry("client_id".to_owned()).or_insert_with(|| plus(id));
            form.entry("client_secret".to_owned()).or_insert_with(|| plus(secret));
        }
        Self(form)
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn plus(text: &str) -> String {
    unescape(&text.replace('+', " "))
}

/// The resource that a scope names. Beside it stands at most what asks about a person, of whom there is none here: Microsoft's MSAL for Go
/// adds that to each of its requests.
fn resource_of(scope: &str) -> Option<&str> {
    let mut scopes = scope.split_whitespace().filter(|one| !matches!(*one, "openid" | "offline_access" | "profile"));
    let only = scopes.next().filter(|_| scopes.next().is_none());
    only.and_then(|one| one.strip_suffix("/.default"))
}

/// `POST {tenant}/oauth2/v2.0/token`, `POST {tenant}/oauth2/token`.
pub(super) fn token(world: &mut World, service: &mut Service, request: &Request<'_>) -> Result<Value, Refusal> {
    let bad = |code, what: String| Err(Refusal::new("invalid_request", code, what));
    if *request.method != Method::POST {
        return bad(900_561, "The endpoint only accepts POST requests.".to_owned());
    }
    let tenant = world.tenant_named(request.tenant).ok_or_else(|| Refusal::no_tenant(request.tenant))?;
    let form = Form::read(request);
    let resource = if request.version == 1 { "resource" } else { "scope" };
    for name in ["grant_type", "client_id", resource] {
        if form.get(name).is_empty() {
            return bad(900_144, format!("The request body must contain the following parameter: '{name}'."));
        }
    }
    if form.get("grant_type") != "client_credentials" {
        return Err(Refusal::new("unsupported_grant_type", 70_003, "The app requested an unsupported grant type."));
    }
    let asked = form.get(resource);
    let audience = if request.version == 1 { Some(asked) } else { resource_of(asked) };
    let Some(audience) = audience else {
        return Err(Refusal::new(
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {asked} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier."
            ),
        ));
    };
    let client = form.get("client_id").to_lowercase();
    known(world, &tenant, &client)?;
    if form.has("client_assertion") {
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return bad(
                900_144,
                "The request body must contain the following parameter: 'client_assertion_type'.".to_owned(),
            );
        }
        service.tokens.push(form.get("client_assertion").to_owned());
        let authority = format!("{}/{}", request.root, request.tenant);
        let at = assertions::Place { base: request.base, authority: &authority, tenant: &tenant };
        assertions::verify(world, service, &at, &client, form.get("client_assertion"))?;
    } else if form.has("client_secret") {
        secret(world, &tenant, &client, form.get("client_secret"))?;
    } else {
        return Err(Refusal::invalid_client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    }
    let by = if form.has("client_assertion") { Proof::Assertion } else { Proof::Secret };
    let mut answer = issue(world, service, request.base, &tenant, &client, audience, by)?;
    if request.version == 1 {
        // The first version writes numbers as text, and says when.
        let now = world.now().as_second();
        for (name, value) in [
            ("expires_in", LIFETIME),
            ("ext_expires_in", LIFETIME),
            ("expires_on", now + LIFETIME),
            ("not_before", now),
        ] {
            answer[name] = value.to_string().into();
        }
        answer["resource"] = audience.into();
    }
    Ok(answer)
}

/// How a client has shown who it is.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    Secret,
    Assertion,
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
    by: Proof,
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
    let (oid, name) = (id_of(principal), text(principal, "displayName").to_owned());
    let directory = world.tenant(tenant);
    let (roles, tid) = (roles_of(directory, &oid, &resource), directory.id.clone());
    let issued = world.now().as_second();
    let claims = json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{tid}/"), "iat": issued, "nbf": issued, "exp": issued + LIFETIME,
        "app_displayname": name, "appid": client, "appidacr": match by { Proof::Secret => "1", Proof::Assertion => "2" },
        "idp": format!("https://sts.windows.net/{tid}/"), "idtyp": "app", "oid": oid, "sub": oid, "tid": tid, "roles": roles,
        "uti": new_id(), "ver": "1.0",
    });
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(world.signing_key.clone());
    let broken = |why: String| Refusal::new("server_error", 90_033, why);
    let key = keys::signing(world).ok_or_else(|| broken("There is no key to sign with.".to_owned()))?;
    let token = encode(&header, &claims, &key).map_err(|why| broken(why.to_string()))?;
    service.tokens.push(token.clone());
    Ok(json!({ "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token }))
}

/// Client id of the API that a token is for: named by one of its names in this tenant, or by an address of the sandbox's Graph.
fn resource(world: &mut World, base: &str, tenant: &str, audience: &str) -> Result<String, Refusal> {
    let named = audience.trim_end_matches('/');
    let has_name = |one: &&Object| {
        let names = one.get("servicePrincipalNames").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).any(|name| name.trim_end_matches('/').eq_ignore_ascii_case(named))
    };
    let mut by_name =
        || world.tenant(tenant).principals.values().find(has_name).map(|one| text(one, "appId").to_owned());
    let app_id =
        if is_graph(base, audience) { GRAPH.to_owned() } else { by_name().unwrap_or_else(|| named.to_lowercase()) };
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
