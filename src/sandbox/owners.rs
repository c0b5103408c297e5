//! Owners of applications and service principals.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::odata::{Kind, Options, alone};
use super::relations;
use super::store::{Object, Tenant, text};
use axum::http::{Method, StatusCode};

/// Most owners of an application. Source: Microsoft Entra service limits.
const MOST_OWNERS: usize = 100;
const OWNER: Kind = Kind { name: "directoryObject", filter: &["id"], expand: &[], is_directory_object: true };

/// `…/{id}/owners`.
pub(super) fn of(tenant: &mut Tenant, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, []) => list(tenant, caller, call, id, |_| true),
        (&Method::GET, [cast]) if cast.starts_with("microsoft.graph.") => {
            list(tenant, caller, call, id, |owner| text(owner, "@odata.type").strip_prefix('#') == Some(cast))
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

fn list(tenant: &Tenant, caller: &Caller, call: &Call, id: &str, wanted: impl Fn(&Object) -> bool) -> Reply {
    caller.may_read(tenant, &[id])?;
    let options = Options::read(call, &OWNER)?;
    let owners = tenant.owners.get(id).into_iter().flatten().filter_map(|owner| relations::whole(tenant, owner));
    let owners: Vec<Object> = owners.filter(wanted).collect();
    Ok((StatusCode::OK, Some(options.page(call, owners.iter(), &alone))))
}

/// The owners that a client names as it creates an object, in `owners@odata.bind`.
pub(super) fn bound(body: &Object) -> Result<Vec<String>, Failure> {
    let Some(bound) = body.get("owners@odata.bind") else { return Ok(Vec::new()) };
    let all = bound.as_array().and_then(|all| all.iter().map(|one| one.as_str().map(str::to_owned)).collect());
    all.ok_or_else(|| Failure::bad_request("'owners@odata.bind' is a list of references."))
}

/// Makes a new object's creator its owner, or those whom its creator named.
pub(super) fn start(tenant: &mut Tenant, caller: &Caller, id: &str, bound: &[String]) -> Result<(), Failure> {
    match caller {
        Caller::Application { principal_id, .. } if bound.is_empty() => {
            tenant.owners.entry(id.to_owned()).or_default().insert(principal_id.clone());
            Ok(())
        }
        _ => bound.iter().try_for_each(|reference| add(tenant, id, reference)),
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
