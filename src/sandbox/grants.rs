//! What is granted: app role assignments and delegated permission grants.

use super::call::{Call, Caller, READERS, READERS_OF_ALL, Reply};
use super::errors::Failure;
use super::odata::Options;
use super::store::{Object, Tenant, id_of, new_id, text};
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

const ASSIGNERS: &[&str] = &["AppRoleAssignment.ReadWrite.All"];
const GRANTERS: &[&str] = &["DelegatedPermissionGrant.ReadWrite.All"];
const GRANT_READERS: &[&str] = &["Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All"];
/// Longest list of scopes in one grant. Source: Microsoft's documentation of `oAuth2PermissionGrant`.
const LONGEST_SCOPE: usize = 3850;
/// Holding it permits nothing; any principal can be assigned to it.
const DEFAULT_ROLE: &str = "00000000-0000-0000-0000-000000000000";

/// `/servicePrincipals/{id}/appRoleAssignments`, `…/appRoleAssignedTo` and `…/oauth2PermissionGrants`.
pub(super) fn of_principal(
    directory: &mut Tenant,
    caller: &Caller,
    call: &Call,
    id: &str,
    rest: &[&str],
    now: Timestamp,
) -> Reply {
    let side = match rest.first() {
        Some(&"appRoleAssignments") => "principalId",
        Some(&"appRoleAssignedTo") => "resourceId",
        _ => {
            caller.needs(GRANT_READERS)?;
            let options = Options::read(call, "oAuth2PermissionGrant", &[])?;
            return Ok((
                StatusCode::OK,
                Some(options.page(call, directory.grants.values().filter(|one| text(one, "clientId") == id))),
            ));
        }
    };
    match (&call.method, &rest[1..]) {
        (&Method::GET, []) => {
            caller.needs(READERS)?;
            let options = Options::read(call, "appRoleAssignment", &[])?;
            Ok((
                StatusCode::OK,
                Some(options.page(call, directory.assignments.values().filter(|one| text(one, side) == id))),
            ))
        }
        (&Method::POST, []) => {
            caller.needs(ASSIGNERS)?;
            // Source: Graph's "Grant an appRoleAssignment to a service principal".
            caller.needs(READERS_OF_ALL)?;
            assign(directory, &call.body("appRoleAssignment")?, side, id, now)
        }
        (&Method::DELETE, [assignment]) => {
            caller.needs(ASSIGNERS)?;
            let there = directory.assignments.get(*assignment).is_some_and(|one| text(one, side) == id);
            if !there {
                return Err(Failure::no_such(assignment));
            }
            directory.assignments.remove(*assignment);
            Ok((StatusCode::NO_CONTENT, None))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn assign(tenant: &mut Tenant, body: &Object, side: &str, id: &str, now: Timestamp) -> Reply {
    for required in ["principalId", "resourceId", "appRoleId"] {
        if text(body, required).is_empty() {
            return Err(Failure::bad_request(format!(
                "Invalid value specified for property '{required}' of resource 'AppRoleAssignment'."
            )));
        }
    }
    if text(body, side) != id {
        return Err(Failure::bad_request(format!("The property '{side}' does not match the object in the URL.")));
    }
    let there = |id: &str| tenant.principals.get(id).ok_or_else(|| Failure::no_such(id));
    let (principal, resource) = (there(text(body, "principalId"))?, there(text(body, "resourceId"))?);
    let role = text(body, "appRoleId");
    let offered = resource.get("appRoles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    // A role for people only is none that an application can have. Source: Microsoft's documentation of `appRole`.
    let fits = |one: &Object| {
        let kinds = one.get("allowedMemberTypes").and_then(Value::as_array);
        text(one, "id") == role
            && one.get("isEnabled") == Some(&Value::Bool(true))
            && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "Application"))
    };
    if role != DEFAULT_ROLE && !offered.into_iter().any(fits) {
        return Err(Failure::bad_request("Permission being assigned was not found on application."));
    }
    let same = |one: &Object| {
        ["principalId", "resourceId", "appRoleId"].iter().all(|property| text(one, property) == text(body, property))
    };
    if tenant.assignments.values().any(same) {
        return Err(Failure::bad_request("Permission being assigned already exists on the object."));
    }
    let assignment_id = new_id();
    let assignment = json!({
        "id": assignment_id, "appRoleId": role, "principalId": id_of(principal), "resourceId": id_of(resource), "principalType": "ServicePrincipal",
        "principalDisplayName": text(principal, "displayName"), "resourceDisplayName": text(resource, "displayName"), "createdDateTime": now.to_string(), "deletedDateTime": null,
    });
    if let Value::Object(assignment) = &assignment {
        tenant.assignments.insert(assignment_id, assignment.clone());
    }
    Ok((StatusCode::CREATED, Some(assignment)))
}

/// `/oauth2PermissionGrants`.
pub(super) fn permission_grants(directory: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.needs(GRANT_READERS)?;
            let options = Options::read(
                call,
                "oAuth2PermissionGrant",
                &["clientId", "resourceId", "consentType", "principalId"],
            )?;
            Ok((StatusCode::OK, Some(options.page(call, directory.grants.values()))))
        }
        (&Method::POST, []) => {
            caller.needs(GRANTERS)?;
            create(directory, call.body("oAuth2PermissionGrant")?)
        }
        (method, [id]) => {
            caller.needs(if method == Method::GET { GRANT_READERS } else { GRANTERS })?;
            let Some(grant) = directory.grants.get_mut(*id) else { return Err(Failure::no_such(id)) };
            match *method {
                Method::GET => Ok((StatusCode::OK, Some(Value::Object(grant.clone())))),
                Method::DELETE => {
                    directory.grants.remove(*id);
                    Ok((StatusCode::NO_CONTENT, None))
                }
                Method::PATCH => {
                    let body = call.body("oAuth2PermissionGrant")?;
                    if body.keys().any(|name| name != "scope") {
                        return Err(Failure::bad_request(
                            "Only the property 'scope' of a permission grant can be changed.",
                        ));
                    }
                    fits_scope(&body)?;
                    grant.extend(body);
                    Ok((StatusCode::NO_CONTENT, None))
                }
                _ => Err(Failure::wrong_method()),
            }
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn invalid(property: &str) -> Failure {
    Failure::bad_request(format!(
        "Invalid value specified for property '{property}' of resource 'OAuth2PermissionGrant'."
    ))
}

fn fits_scope(body: &Object) -> Result<(), Failure> {
    if text(body, "scope").chars().count() > LONGEST_SCOPE { Err(invalid("scope")) } else { Ok(()) }
}

fn create(tenant: &mut Tenant, body: Object) -> Reply {
    fits_scope(&body)?;
    match (text(&body, "consentType"), text(&body, "principalId")) {
        ("AllPrincipals", "") => {}
        ("Principal", principal) if !principal.is_empty() => {}
        ("AllPrincipals" | "Principal", _) => return Err(invalid("principalId")),
        _ => return Err(invalid("consentType")),
    }
    for property in ["clientId", "resourceId"] {
        if !tenant.principals.contains_key(text(&body, property)) {
            return Err(Failure::no_such(text(&body, property)));
        }
    }
    let same = |one: &Object| {
        ["clientId", "resourceId", "consentType", "principalId"]
            .iter()
            .all(|property| text(one, property) == text(&body, property))
    };
    if tenant.grants.values().any(same) {
        return Err(Failure::conflict("Permission entry already exists."));
    }
    let id = new_id();
    let mut grant = json!({ "id": id, "principalId": null, "scope": null });
    if let Value::Object(grant) = &mut grant {
        grant.extend(body);
        grant.insert("id".to_owned(), id.clone().into());
        tenant.grants.insert(id, grant.clone());
    }
    Ok((StatusCode::CREATED, Some(grant)))
}
