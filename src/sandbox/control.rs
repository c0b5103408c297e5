//! What a test does to the simulated cloud as a whole.

use super::errors::Failure;
use super::store::{GRAPH, World, id_of, new_id};
use crate::catalog::{Catalog, Kind};
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    now: Option<jiff::Timestamp>,
    advance: Option<jiff::Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstParty {
    app_id: String,
    present: bool,
    #[serde(default)]
    licensed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCaller {
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageSize {
    size: usize,
}

pub(super) fn answer(
    world: &mut World,
    base: &str,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> (StatusCode, Option<Value>) {
    if let Some(rest) = path.strip_prefix("faults") {
        return world.faults.control(method, rest, body).unwrap_or_else(|failure| failure.answer(world.now()));
    }
    if path == "lag" {
        return world.lag.control(method, body).unwrap_or_else(|failure| failure.answer(world.now()));
    }
    let done = match (method.as_str(), path) {
        ("GET", "requests") => return (StatusCode::OK, Some(json!({ "value": world.requests() }))),
        ("DELETE", "requests") => {
            world.clear_requests();
            Ok(())
        }
        ("GET", "clock") => return (StatusCode::OK, Some(json!({ "now": world.now().to_string() }))),
        ("GET", "tokens") => return (StatusCode::OK, Some(json!({ "value": world.tokens }))),
        ("DELETE", "tokens") => {
            world.tokens.clear();
            Ok(())
        }
        ("GET", "platforms") => return (StatusCode::OK, Some(world.platforms.variables(base))),
        ("POST", "platforms") => world.platforms.change(body),
        ("POST", "oidc/tokens") => {
            return match oidc_token(world, base, body) {
                Ok(made) => (StatusCode::CREATED, Some(made)),
                Err(failure) => failure.answer(world.now()),
            };
        }
        ("POST", "clock") => set_clock(world, body),
        ("POST", "page_size") => set_page_size(world, body),
        ("POST", other) if other.ends_with("/callers") => {
            return match add_caller(world, other, body) {
                Ok(made) => (StatusCode::CREATED, Some(made)),
                Err(failure) => failure.answer(world.now()),
            };
        }
        ("POST", other) => match other.strip_prefix("tenants/").and_then(|rest| rest.strip_suffix("/first_party")) {
            Some(tenant) => first_party(world, tenant, body),
            None => Err(Failure::not_found("There is no such control.")),
        },
        _ => Err(Failure::not_found("There is no such control.")),
    };
    match done {
        Ok(()) => (StatusCode::NO_CONTENT, None),
        Err(failure) => failure.answer(world.now()),
    }
}

fn oidc_token(world: &World, base: &str, body: &Bytes) -> Result<Value, Failure> {
    let wish = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
    let token = world.issuer.token(base, &wish, world.now());
    Ok(json!({ "token": token.ok_or_else(|| Failure::bad_request("The issuer has no key."))? }))
}

fn set_page_size(world: &mut World, body: &Bytes) -> Result<(), Failure> {
    let wish: PageSize = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
    world.page_size = wish.size.clamp(1, 999);
    Ok(())
}

fn add_caller(world: &mut World, path: &str, body: &Bytes) -> Result<Value, Failure> {
    let wish: NewCaller = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
    let tenant = path
        .strip_prefix("tenants/")
        .and_then(|rest| rest.strip_suffix("/callers"))
        .ok_or_else(|| Failure::not_found("There is no such control."))?;
    let api = Catalog::built_in().api(GRAPH);
    if let Some(unknown) =
        wish.roles.iter().find(|role| api.is_none_or(|api| api.find(Kind::Application, role).is_err()))
    {
        return Err(Failure::bad_request(format!("Microsoft Graph has no role '{unknown}'.")));
    }
    let (client, secret, now) = (new_id(), format!("sandbox-{}", new_id()), world.now());
    let object = world.tenant(tenant).add_caller(&client, "Sandbox caller", &secret, &wish.roles, now);
    Ok(json!({ "client_id": client, "client_secret": secret, "object_id": object }))
}

fn set_clock(world: &mut World, body: &Bytes) -> Result<(), Failure> {
    let clock: Clock = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
    let now = clock.now.unwrap_or_else(|| world.now());
    let zoned = now
        .to_zoned(jiff::tz::TimeZone::UTC)
        .checked_add(clock.advance.unwrap_or_default())
        .map_err(|why| Failure::bad_request(why.to_string()))?;
    world.set_now(zoned.timestamp());
    Ok(())
}

fn first_party(world: &mut World, tenant: &str, body: &Bytes) -> Result<(), Failure> {
    let wish: FirstParty = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
    let tenant = world.tenant(tenant);
    match wish.licensed {
        Some(false) => tenant.unlicensed.insert(wish.app_id.clone()),
        _ => tenant.unlicensed.remove(&wish.app_id),
    };
    let present = tenant.principal_by("appId", &wish.app_id).map(id_of);
    match (present, wish.present) {
        (Some(id), false) => {
            tenant.principals.remove(&id);
            tenant.drop_grants_of(&id);
        }
        (None, true) if tenant.add_first_party(&wish.app_id).is_none() => {
            return Err(Failure::bad_request("That is no API of Microsoft's."));
        }
        _ => {}
    }
    Ok(())
}
