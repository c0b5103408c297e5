//! Deleted items: applications and service principals for thirty days. Source: Microsoft's documentation of deleted items, whose tables
//! of permissions let nobody list or look who reads only what it owns, though its owner restores and purges.

use super::call::{Call, Caller, READERS_OF_ALL, Reply};
use super::errors::Failure;
use super::odata::Options;
use super::shapes;
use super::store::{Object, Tenant, text};
use axum::http::{Method, StatusCode};
use serde_json::Value;

const APPLICATION: &str = "microsoft.graph.application";
const PRINCIPAL: &str = "microsoft.graph.servicePrincipal";

/// `/directory/deletedItems…`.
pub(super) fn items(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, [cast @ (APPLICATION | PRINCIPAL)]) => {
            caller.needs(READERS_OF_ALL)?;
            let options = Options::read(call, type_of(cast), &["appId", "displayName", "id"])?;
            let all = if *cast == APPLICATION { &tenant.deleted_applications } else { &tenant.deleted_principals };
            Ok((StatusCode::OK, Some(options.page(call, all.values()))))
        }
        (&Method::GET, [id]) => {
            caller.needs(READERS_OF_ALL)?;
            if !call.query.is_empty() {
                return Err(Failure::bad_request("A query option needs the type of the deleted item in the path."));
            }
            let mut found = find(tenant, id)?;
            shapes::hide_keys(&mut found);
            Ok((StatusCode::OK, Some(Value::Object(found))))
        }
        (&Method::GET, [id, cast @ (APPLICATION | PRINCIPAL)]) => {
            caller.needs(READERS_OF_ALL)?;
            let options = Options::read(call, type_of(cast), &[])?;
            let all = if *cast == APPLICATION { &tenant.deleted_applications } else { &tenant.deleted_principals };
            let found = all.get(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(options.project(found))))
        }
        (&Method::POST, [id, "restore"]) => {
            caller.may_write(tenant, &[*id])?;
            restore(tenant, id)
        }
        (&Method::DELETE, [id]) => {
            caller.may_write(tenant, &[*id])?;
            find(tenant, id)?;
            tenant.deleted_applications.remove(*id);
            tenant.deleted_principals.remove(*id);
            tenant.owners.remove(*id);
            tenant.federated.remove(*id);
            Ok((StatusCode::NO_CONTENT, None))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn type_of(cast: &str) -> &str {
    cast.trim_start_matches("microsoft.graph.")
}

fn find(tenant: &Tenant, id: &str) -> Result<Object, Failure> {
    let found = tenant.deleted_applications.get(id).or_else(|| tenant.deleted_principals.get(id));
    found.cloned().ok_or_else(|| Failure::no_such(id))
}

fn restore(tenant: &mut Tenant, id: &str) -> Reply {
    let mut found = find(tenant, id)?;
    found.insert("deletedDateTime".to_owned(), Value::Null);
    if tenant.deleted_applications.remove(id).is_some() {
        tenant.applications.insert(id.to_owned(), found.clone());
    } else {
        let lives_here = text(&found, "appOwnerOrganizationId") == tenant.id;
        if lives_here && tenant.application_by("appId", text(&found, "appId")).is_none() {
            return Err(Failure::bad_request("The application of the service principal has to be restored first."));
        }
        tenant.deleted_principals.remove(id);
        tenant.principals.insert(id.to_owned(), found.clone());
    }
    shapes::hide_keys(&mut found);
    Ok((StatusCode::OK, Some(Value::Object(found))))
}
