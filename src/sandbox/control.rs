//! What a test does to the simulated cloud as a whole.

use super::errors::Failure;
use super::store::{World, id_of};
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

pub(super) fn answer(world: &mut World, method: &Method, path: &str, body: &Bytes) -> (StatusCode, Option<Value>) {
    let done = match (method.as_str(), path) {
        ("GET", "requests") => return (StatusCode::OK, Some(json!({ "value": world.requests() }))),
        ("DELETE", "requests") => {
            world.clear_requests();
            Ok(())
        }
        ("GET", "clock") => return (StatusCode::OK, Some(json!({ "now": world.now().to_string() }))),
        ("POST", "clock") => set_clock(world, body),
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
