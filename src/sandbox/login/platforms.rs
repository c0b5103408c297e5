//! The endpoints that machines find around them: Azure's metadata service, App Service's identity endpoint, and the OIDC token endpoints
//! of GitHub Actions and Azure DevOps. Source: Microsoft's "how to use managed identities to acquire a token", its REST reference of
//! Azure DevOps' `oidctoken`, and GitHub's documentation of OIDC.

use super::oidc::Wish;
use super::service::Service;
use super::token;
use crate::sandbox::errors::Failure;
use crate::sandbox::odata::unescape;
use crate::sandbox::store::World;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Reply = (StatusCode, Option<Value>);

/// `{base}/metadata/…` and `{base}/platforms/…`.
pub(in crate::sandbox) fn answer(
    world: &mut World,
    service: &mut Service,
    base: &str,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Reply {
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (unescape(name), unescape(&value.replace('+', " "))))
        .collect();
    let asked = Asked { query, headers };
    match (method, path) {
        (&Method::GET, "/metadata/identity/oauth2/token") => imds(world, service, base, &asked),
        (&Method::GET, "/platforms/app_service/token") => app_service(world, service, base, &asked),
        (&Method::GET, "/platforms/github/token") => github(world, service, base, &asked),
        (&Method::POST, "/platforms/azure_devops/oidctoken") => azure_devops(world, service, base, &asked),
        (_, path) if path.starts_with("/metadata/") || path.starts_with("/platforms/") => {
            Failure::not_found("No platform has such an endpoint, or it takes another method.").answer(world.now())
        }
        _ => Failure::not_found("There is no such endpoint.").answer(world.now()),
    }
}

struct Asked<'a> {
    query: BTreeMap<String, String>,
    headers: &'a HeaderMap,
}

impl Asked<'_> {
    fn query(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn bearer(&self) -> &str {
        self.header("authorization").strip_prefix("Bearer ").unwrap_or_default()
    }
}

fn refuse(error: &str, description: &str) -> Reply {
    (StatusCode::BAD_REQUEST, Some(json!({ "error": error, "error_description": description })))
}

fn imds(world: &mut World, service: &mut Service, base: &str, asked: &Asked<'_>) -> Reply {
    if asked.header("metadata") != "true" {
        return refuse("bad_request_102", "Required metadata header not specified");
    }
    // What came through a proxy may come from anybody.
    if !asked.header("x-forwarded-for").is_empty() {
        return refuse("bad_request_102", "The request has a X-Forwarded-For header");
    }
    if asked.query("api-version") != "2018-02-01" {
        return refuse("invalid_request", "The api-version is missing or not supported");
    }
    if asked.query("resource").is_empty() {
        return refuse("invalid_request", "Required query variable 'resource' is missing");
    }
    let Some(client) = service.machine.identity(asked.query("client_id")) else {
        return refuse("invalid_request", "Identity not found");
    };
    match identity_token(world, service, base, &client, asked.query("resource")) {
        // All of it is text.
        Ok((token, seconds, end)) => (
            StatusCode::OK,
            Some(json!({
                "access_token": token, "client_id": client, "expires_in": seconds.to_string(), "ext_expires_in": seconds.to_string(),
                "expires_on": end.to_string(), "not_before": (end - seconds).to_string(), "resource": asked.query("resource"), "token_type": "Bearer",
            })),
        ),
        Err(what) => refuse("invalid_resource", &what),
    }
}

fn app_service(world: &mut World, service: &mut Service, base: &str, asked: &Asked<'_>) -> Reply {
    let refuse = |status: StatusCode, message: &str| {
        (status, Some(json!({ "statusCode": status.as_u16(), "message": message })))
    };
    if asked.header("x-identity-header") != service.machine.identity_header {
        return refuse(StatusCode::UNAUTHORIZED, "The header X-IDENTITY-HEADER is missing or wrong.");
    }
    if asked.query("api-version") != "2019-08-01" || asked.query("resource").is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "The api-version or the resource is missing or not supported.");
    }
    let Some(client) = service.machine.identity(asked.query("client_id")) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        );
    };
    match identity_token(world, service, base, &client, asked.query("resource")) {
        Ok((token, _, end)) => (
            StatusCode::OK,
            Some(json!({
                "access_token": token, "client_id": client, "expires_on": end.to_string(), "resource": asked.query("resource"), "token_type": "Bearer",
            })),
        ),
        Err(what) => refuse(StatusCode::BAD_REQUEST, &what),
    }
}

/// A token for the machine's identity, its seconds and its end.
fn identity_token(
    world: &mut World,
    service: &mut Service,
    base: &str,
    client: &str,
    resource: &str,
) -> Result<(String, i64, i64), String> {
    let tenant = service.machine.tenant.clone();
    let given = token::issue(world, service, base, &tenant, client, resource.trim_end_matches('/'))
        .map_err(|why| why.text())?;
    let seconds = given["expires_in"].as_i64().unwrap_or_default();
    let token = given["access_token"].as_str().unwrap_or_default().to_owned();
    Ok((token, seconds, world.now().as_second() + seconds))
}

fn oidc_token(world: &World, service: &mut Service, base: &str, subject: &str, audience: &str) -> Option<String> {
    let token = service.issuer.token(base, &Wish::new(subject, audience), world.now())?;
    service.tokens.push(token.clone());
    Some(token)
}

fn github(world: &mut World, service: &mut Service, base: &str, asked: &Asked<'_>) -> Reply {
    if asked.bearer() != service.machine.github_token {
        return (StatusCode::UNAUTHORIZED, Some(json!({ "message": "Bad credentials" })));
    }
    // Without an audience it is the owner's URL.
    let audience =
        Some(asked.query("audience")).filter(|text| !text.is_empty()).unwrap_or("https://github.com/contoso");
    match oidc_token(world, service, base, &service.machine.github_subject.clone(), audience) {
        Some(token) => (StatusCode::OK, Some(json!({ "count": token.len(), "value": token }))),
        None => (StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}

fn azure_devops(world: &mut World, service: &mut Service, base: &str, asked: &Asked<'_>) -> Reply {
    let refuse = |status, message: &str| (status, Some(json!({ "message": message })));
    if asked.bearer() != service.machine.azure_devops_token {
        return refuse(StatusCode::UNAUTHORIZED, "The access token is missing or wrong.");
    }
    if asked.query("api-version").is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "No api-version was supplied for the request.");
    }
    if asked.query("serviceConnectionId") != service.machine.service_connection {
        return refuse(StatusCode::NOT_FOUND, "The pipeline has no such service connection, or may not use it.");
    }
    let audience =
        Some(asked.query("audience")).filter(|text| !text.is_empty()).unwrap_or("api://AzureADTokenExchange");
    match oidc_token(world, service, base, &service.machine.azure_devops_subject.clone(), audience) {
        Some(token) => (StatusCode::OK, Some(json!({ "oidcToken": token }))),
        None => (StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}
