//! What directory objects are related to, and objects by their id alone.

use super::answers::typed;
use super::call::{Call, Caller, READERS_OF_ALL, Reply};
use super::errors::Failure;
use super::odata::{Kind, Options, alone};
use super::store::{Object, Tenant, text};
use super::types::{canonical, fold_id};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

const OBJECT: Kind = Kind { name: "directoryObject", filter: &["id"], expand: &[], is_directory_object: true };
/// Most ids in one request. Source: Microsoft's "Get directory objects from a list of IDs".
const MOST_IDS: usize = 1000;

/// Relations that are there and always empty in the sandbox.
pub(super) const EMPTY: &[&str] = &[
    "memberOf",
    "transitiveMemberOf",
    "createdObjects",
    "extensionProperties",
    "homeRealmDiscoveryPolicies",
    "tokenIssuancePolicies",
    "tokenLifetimePolicies",
    "claimsMappingPolicies",
    "delegatedPermissionClassifications",
];

/// The objects that one is related to.
pub(super) fn of(tenant: &Tenant, object: &Object, relation: &str) -> Vec<Object> {
    let id = text(object, "id");
    let by = |all: &std::collections::BTreeMap<String, Object>, side: &str| -> Vec<Object> {
        all.values().filter(|one| text(one, side) == id).cloned().collect()
    };
    match relation {
        "owners" => tenant.owners.get(id).into_iter().flatten().filter_map(|owner| whole(tenant, owner)).collect(),
        "appRoleAssignments" => by(&tenant.assignments, "principalId"),
        "appRoleAssignedTo" => by(&tenant.assignments, "resourceId"),
        "oauth2PermissionGrants" => by(&tenant.grants, "clientId"),
        "federatedIdentityCredentials" => tenant.federated.get(id).cloned().unwrap_or_default(),
        "ownedObjects" => {
            let owned = tenant.owners.iter().filter(|(_, owners)| owners.contains(id));
            owned.filter_map(|(owned, _)| whole(tenant, owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// `…/{id}/{part}`: a relation, or one property by itself.
pub(super) fn part(tenant: &Tenant, type_name: &str, object: &Object, part: &str) -> Reply {
    if part == "ownedObjects" || EMPTY.contains(&part) {
        return Ok((StatusCode::OK, Some(json!({ "value": of(tenant, object, part) }))));
    }
    let name = canonical(type_name, part).ok_or_else(|| Failure::no_segment(part))?;
    match object.get(name) {
        None | Some(Value::Null) => Ok((StatusCode::NO_CONTENT, None)),
        Some(Value::Object(complex)) => Ok((StatusCode::OK, Some(Value::Object(complex.clone())))),
        Some(value) => Ok((StatusCode::OK, Some(json!({ "value": value })))),
    }
}

/// A directory object with its type.
pub(super) fn whole(tenant: &Tenant, id: &str) -> Option<Object> {
    let application = tenant.applications.get(id).map(|one| typed("application", one.clone()));
    let principal = || tenant.principals.get(id).map(|one| typed("servicePrincipal", one.clone()));
    application.or_else(principal).or_else(|| tenant.users.get(id).map(|one| typed("user", one.clone())))
}

/// `/directoryObjects…`.
pub(super) fn objects(tenant: &Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, [id]) => {
            caller.needs(READERS_OF_ALL)?;
            let options = Options::read(call, &OBJECT)?;
            let found = whole(tenant, id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(options.project(&found, &alone))))
        }
        (&Method::POST, ["getByIds"]) => {
            caller.needs(READERS_OF_ALL)?;
            let body = call.object()?;
            let list = |name: &str| -> Option<Vec<String>> {
                let all = body.get(name)?.as_array()?.iter();
                Some(all.filter_map(Value::as_str).map(str::to_owned).collect())
            };
            let ids = list("ids").filter(|ids| ids.len() <= MOST_IDS);
            let ids = ids.ok_or_else(|| Failure::bad_request("'ids' are up to 1000 ids."))?;
            let types = list("types").unwrap_or_default();
            let wanted = |one: &Object| {
                let kind = text(one, "@odata.type").rsplit('.').next().unwrap_or_default();
                types.is_empty() || types.iter().any(|name| name == "directoryObject" || name == kind)
            };
            let found = ids.iter().filter_map(|id| whole(tenant, &fold_id(id))).filter(wanted);
            Ok((StatusCode::OK, Some(json!({ "value": found.collect::<Vec<_>>() }))))
        }
        _ => Err(Failure::wrong_method()),
    }
}
