//! Owners of applications and service principals.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::odata::Options;
use super::shapes;
use super::store::{Tenant, text};
use axum::http::{Method, StatusCode};
use serde_json::json;

/// Most owners of an application. Source: Microsoft Entra service limits.
const MOST_OWNERS: usize = 100;

/// `…/{id}/owners`.
pub(super) fn of(tenant: &mut Tenant, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.may_read(tenant, &[id])?;
            let options = Options::read(call, "directoryObject", &[])?;
            let kind = |owner: &str| if tenant.users.contains_key(owner) { "user" } else { "servicePrincipal" };
            let all = tenant.owners.get(id).into_iter().flatten().map(|owner| {
                shapes::object(json!({ "@odata.type": format!("#microsoft.graph.{}", kind(owner)), "id": owner }))
            });
            Ok((StatusCode::OK, Some(options.page(call, all.collect::<Vec<_>>().iter()))))
        }
        (&Method::POST, ["$ref"]) => {
            caller.may_write(tenant, &[id])?;
            add(tenant, id, text(&call.object()?, "@odata.id"))?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::DELETE, [owner, "$ref"]) => {
            caller.may_write(tenant, &[id])?;
            let removed = tenant.owners.get_mut(id).is_some_and(|owners| owners.remove(*owner));
            if removed { Ok((StatusCode::NO_CONTENT, None)) } else { Err(Failure::no_such(owner)) }
        }
        _ => Err(Failure::wrong_method()),
    }
}

/// Makes the object that a reference ends with an owner.
fn add(tenant: &mut Tenant, id: &str, reference: &str) -> Result<(), Failure> {
    let owner = reference.rsplit('/').next().unwrap_or_default().to_lowercase();
    if owner.is_empty() {
        return Err(Failure::bad_request("A reference needs '@odata.id'."));
    }
    if !tenant.users.contains_key(&owner) && !tenant.principals.contains_key(&owner) {
        return Err(Failure::no_such(&owner));
    }
    let all = tenant.owners.entry(id.to_owned()).or_default();
    if all.contains(&owner) {
        return Err(Failure::bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'.",
        ));
    }
    if all.len() >= MOST_OWNERS {
        return Err(Failure::bad_request("The limit of 100 owners is reached."));
    }
    all.insert(owner);
    Ok(())
}
