//! Deleted items: applications and service principals for thirty days. Source: Microsoft's documentation of deleted items, whose tables
//! of permissions let nobody list or look who reads only what it owns, though its owner restores and purges.

use super::answers::typed;
use super::call::{Call, Caller, READERS_OF_ALL, Reply};
use super::errors::Failure;
use super::odata::{Kind, Options, alone};
use super::shapes;
use super::store::{Object, Tenant, text};
use axum::http::{Method, StatusCode};
use serde_json::Value;

const APPLICATION: &str = "microsoft.graph.application";
const PRINCIPAL: &str = "microsoft.graph.servicePrincipal";
const FILTER: &[&str] = &["appId", "displayName", "id", "deletedDateTime"];

fn kind_of(cast: &str) -> Kind {
    let name = if cast == APPLICATION { "application" } else { "servicePrincipal" };
    Kind { name, filter: FILTER, expand: &[], is_directory_object: true }
}

/// `/directory/deletedItems…`.
pub(super) fn items(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, [cast @ (APPLICATION | PRINCIPAL)]) => {
            caller.needs(READERS_OF_ALL)?;
            let options = Options::read(call, &kind_of(cast))?;
            let all = if *cast == APPLICATION { &tenant.deleted_applications } else { &tenant.deleted_principals };
            Ok((StatusCode::OK, Some(options.page(call, all.values(), &alone))))
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
            let options = Options::read(call, &kind_of(cast))?;
            let all = if *cast == APPLICATION { &tenant.deleted_applications } else { &tenant.deleted_principals };
            let found = all.get(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(options.project(found, &alone))))
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

fn find(tenant: &Tenant, id: &str) -> Result<Object, Failure> {
    let application = tenant.deleted_applications.get(id).map(|one| typed("application", one.clone()));
    let principal = || tenant.deleted_principals.get(id).map(|one| typed("servicePrincipal", one.clone()));
    application.or_else(principal).ok_or_else(|| Failure::no_such(id))
}

fn restore(tenant: &mut Tenant, id: &str) -> Reply {
    let mut found = find(tenant, id)?;
    let back = |mut object: Object| {
        object.insert("deletedDateTime".to_owned(), Value::Null);
        object
    };
    if let Some(application) = tenant.deleted_applications.remove(id) {
        tenant.applications.insert(id.to_owned(), back(application));
    } else {
        let lives_here = text(&found, "appOwnerOrganizationId") == tenant.id;
        if lives_here && tenant.application_by("appId", text(&found, "appId")).is_none() {
            return Err(Failure::bad_request("The application of the service principal has to be restored first."));
        }
        if let Some(principal) = tenant.deleted_principals.remove(id) {
            tenant.principals.insert(id.to_owned(), back(principal));
        }
    }
    found = back(found);
    shapes::hide_keys(&mut found);
    Ok((StatusCode::OK, Some(Value::Object(found))))
}
