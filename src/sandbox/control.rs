//! What a test does to the simulated cloud as a whole.

use super::call::Reply;
use super::errors::Failure;
use super::seed;
use super::server::cloud::Cloud;
use super::store::{GRAPH, World, id_of, new_id};
use super::types::fold_id;
use crate::catalog::{Catalog, Kind};
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    now: Option<jiff::Timestamp>,
    advance: Option<jiff::Span>,
    tick: Option<jiff::SignedDuration>,
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

/// `/control/…`.
pub(super) fn answer(
    cloud: &mut Cloud,
    base: &str,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> (StatusCode, Option<Value>) {
    let done = match path.strip_prefix("faults") {
        Some(rest) => cloud.faults.control(method, rest, body),
        None => control(cloud, base, method, path, body),
    };
    done.unwrap_or_else(|failure| failure.answer(cloud.world.now()))
}

fn control(cloud: &mut Cloud, base: &str, method: &Method, path: &str, body: &Bytes) -> Reply {
    let Cloud { world, login, .. } = cloud;
    match (method.as_str(), path) {
        (_, "lag") => cloud.lag.control(method, body)?,
        ("GET", "requests") => return shown(json!({ "value": cloud.requests })),
        ("DELETE", "requests") => cloud.requests.clear(),
        ("GET", "clock") => return shown(json!({ "now": world.now().to_string() })),
        ("POST", "clock") => set_clock(cloud, body)?,
        ("GET", "tokens") => return shown(json!({ "value": login.tokens })),
        ("DELETE", "tokens") => login.tokens.clear(),
        ("GET", "platforms") => return shown(login.machine.variables(base)),
        ("POST", "platforms") => login.machine.change(body)?,
        ("POST", "oidc/tokens") => {
            let token = login.issuer.token(base, &wish(body)?, world.now());
            let token = token.ok_or_else(|| Failure::bad_request("The issuer has no key."))?;
            return Ok((StatusCode::CREATED, Some(json!({ "token": token }))));
        }
        ("POST", "page_size") => world.page_size = wish::<PageSize>(body)?.size.clamp(1, 999),
        ("POST", path) => match path.strip_prefix("tenants/").and_then(|rest| rest.split_once('/')) {
            Some((tenant, "callers")) => {
                return Ok((StatusCode::CREATED, Some(add_caller(world, tenant, wish(body)?)?)));
            }
            Some((tenant, "first_party")) => first_party(world, tenant, wish(body)?)?,
            _ => return Err(Failure::not_found("There is no such control.")),
        },
        _ => return Err(Failure::not_found("There is no such control.")),
    }
    Ok((StatusCode::NO_CONTENT, None))
}

fn shown(body: Value) -> Reply {
    Ok((StatusCode::OK, Some(body)))
}

fn wish<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))
}

fn add_caller(world: &mut World, tenant: &str, wish: NewCaller) -> Result<Value, Failure> {
    let api = Catalog::built_in().api(GRAPH);
    if let Some(unknown) =
        wish.roles.iter().find(|role| api.is_none_or(|api| api.find(Kind::Application, role).is_err()))
    {
        return Err(Failure::bad_request(format!("Microsoft Graph has no role '{unknown}'.")));
    }
    let (client, secret, now) = (new_id(), format!("sandbox-{}", new_id()), world.now());
    let object = seed::caller(world.tenant(tenant), &client, "Sandbox caller", &secret, &wish.roles, now);
    Ok(json!({ "client_id": client, "client_secret": secret, "object_id": object }))
}

fn set_clock(cloud: &mut Cloud, body: &Bytes) -> Result<(), Failure> {
    let clock: Clock = wish(body)?;
    let world = &mut cloud.world;
    let zoned = clock.now.unwrap_or_else(|| world.now()).to_zoned(jiff::tz::TimeZone::UTC);
    let then = zoned.checked_add(clock.advance.unwrap_or_default());
    world.set_now(then.map_err(|why| Failure::bad_request(why.to_string()))?.timestamp());
    cloud.tick = clock.tick.unwrap_or(cloud.tick);
    Ok(())
}

fn first_party(world: &mut World, tenant: &str, wish: FirstParty) -> Result<(), Failure> {
    let (tenant, app_id) = (world.tenant(tenant), fold_id(&wish.app_id));
    match wish.licensed {
        Some(false) => tenant.unlicensed.insert(app_id.clone()),
        _ => tenant.unlicensed.remove(&app_id),
    };
    match (tenant.principal_by("appId", &app_id).map(id_of), wish.present) {
        (Some(id), false) => {
            tenant.principals.remove(&id);
            tenant.drop_grants_of(&id);
        }
        (None, true) if seed::first_party(tenant, &app_id).is_none() => {
            return Err(Failure::bad_request("That is no API of Microsoft's."));
        }
        _ => {}
    }
    Ok(())
}
