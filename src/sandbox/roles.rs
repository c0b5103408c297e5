//! Directory roles: definitions, assignments and the roles in use. Source: Microsoft's documentation of `unifiedRoleDefinition`,
//! `unifiedRoleAssignment` and `directoryRole`, and its table of built-in roles in `data/directory-roles.json`.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::odata::{Kind, Options};
use super::relations;
use super::shapes;
use super::store::{Object, Tenant, new_id, new_link_id, text};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const READERS: &[&str] = &[
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
];
const WRITERS: &[&str] = &["RoleManagement.ReadWrite.Directory"];
const DEFINITION: Kind = Kind {
    name: "unifiedRoleDefinition",
    filter: &["id", "displayName", "isBuiltIn", "templateId"],
    expand: &[],
    is_directory_object: false,
};
const ASSIGNMENT: Kind = Kind {
    name: "unifiedRoleAssignment",
    filter: &["id", "principalId", "roleDefinitionId", "directoryScopeId"],
    expand: &["roleDefinition", "principal"],
    is_directory_object: false,
};
const IN_USE: Kind =
    Kind { name: "directoryRole", filter: &["roleTemplateId", "displayName"], expand: &[], is_directory_object: false };

/// The roles that every tenant has.
fn built_in() -> &'static BTreeMap<String, Object> {
    static ROLES: OnceLock<BTreeMap<String, Object>> = OnceLock::new();
    ROLES.get_or_init(|| {
        let all: Value = serde_json::from_str(include_str!("data/directory-roles.json")).unwrap_or_default();
        let all = all["roles"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|role| Some((role["id"].as_str()?.to_owned(), definition(role, true)))).collect()
    })
}

fn definition(role: &Value, is_built_in: bool) -> Object {
    shapes::object(json!({
        "id": role["id"], "displayName": role["name"], "description": role["description"], "isBuiltIn": is_built_in, "isEnabled": true,
        "resourceScopes": ["/"], "templateId": role["id"], "version": "1", "rolePermissions": role["permissions"],
    }))
}

fn all(tenant: &Tenant) -> impl Iterator<Item = &Object> {
    built_in().values().chain(tenant.roles.values())
}

fn find<'a>(tenant: &'a Tenant, id: &str) -> Option<&'a Object> {
    built_in().get(id).or_else(|| tenant.roles.get(id))
}

/// `/roleManagement/directory/…`.
pub(super) fn management(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    caller.needs(if call.method == Method::GET { READERS } else { WRITERS })?;
    match rest {
        ["directory", "roleDefinitions", rest @ ..] => definitions(tenant, call, rest),
        ["directory", "roleAssignments", rest @ ..] => {
            assignments(tenant, call, rest, |tenant| &mut tenant.role_assignments)
        }
        // Nobody but an administrator says here who may become something.
        ["directory", "roleEligibilitySchedules", rest @ ..]
            if call.method == Method::GET || matches!(caller, Caller::Administrator) =>
        {
            assignments(tenant, call, rest, |tenant| &mut tenant.role_eligibilities)
        }
        ["directory", "roleEligibilitySchedules", ..] => Err(Failure::wrong_method()),
        [segment, ..] => Err(Failure::no_segment(segment)),
        [] => Err(Failure::wrong_method()),
    }
}

fn definitions(tenant: &mut Tenant, call: &Call, rest: &[&str]) -> Reply {
    let alone = &|_: &Object, _: &str| Vec::new();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let options = Options::read(call, &DEFINITION)?;
            Ok((StatusCode::OK, Some(options.page(call, all(tenant), alone))))
        }
        (&Method::GET, [id]) => {
            let options = Options::read(call, &DEFINITION)?;
            let found = find(tenant, id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(options.project(found, alone))))
        }
        (&Method::POST, []) => {
            let body = call.object()?;
            if text(&body, "displayName").is_empty() || body.get("rolePermissions").is_none_or(|all| !all.is_array()) {
                return Err(Failure::bad_request("A role definition needs 'displayName' and 'rolePermissions'."));
            }
            let id = new_id();
            let role = json!({
                "id": id, "name": body["displayName"], "permissions": body["rolePermissions"], "description": body.get("description"),
            });
            let made = definition(&role, false);
            tenant.roles.insert(id, made.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(made))))
        }
        (&Method::DELETE, [id]) => {
            tenant.roles.remove(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn assignments(
    tenant: &mut Tenant,
    call: &Call,
    rest: &[&str],
    part: fn(&mut Tenant) -> &mut BTreeMap<String, Object>,
) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, rest @ ([] | [_])) => {
            let options = Options::read(call, &ASSIGNMENT)?;
            let found = part(tenant).clone();
            let tenant = &*tenant;
            let related = |one: &Object, relation: &str| related(tenant, one, relation);
            let Some(id) = rest.first() else {
                return Ok((StatusCode::OK, Some(single(options.page(call, found.values(), &related)))));
            };
            let one = found.get(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(single_one(options.project(one, &related)))))
        }
        (&Method::POST, []) => {
            let made = checked(tenant, &call.body(ASSIGNMENT.name)?)?;
            if part(tenant).values().any(|one| is_same(one, &made)) {
                return Err(Failure::bad_request(
                    "A conflicting object with one or more of the specified property values is present in the directory.",
                ));
            }
            part(tenant).insert(text(&made, "id").to_owned(), made.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(made))))
        }
        (&Method::DELETE, [id]) => {
            part(tenant).remove(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn is_same(one: &Object, other: &Object) -> bool {
    ["principalId", "roleDefinitionId", "directoryScopeId"].iter().all(|name| text(one, name) == text(other, name))
}

fn checked(tenant: &Tenant, body: &Object) -> Result<Object, Failure> {
    let (role, principal) = (text(body, "roleDefinitionId"), text(body, "principalId"));
    if find(tenant, role).is_none() {
        return Err(Failure::no_such(role));
    }
    if relations::whole(tenant, principal).is_none() {
        return Err(Failure::no_such(principal));
    }
    // An application is assigned by its service principal. Source: the text that people report who try it.
    if tenant.applications.contains_key(principal) {
        return Err(Failure::bad_request("Objects of type Application cannot be assigned to roles."));
    }
    let scope = text(body, "directoryScopeId");
    if !scope.starts_with('/') {
        return Err(Failure::bad_request("Invalid value specified for property 'directoryScopeId'."));
    }
    Ok(shapes::object(json!({
        "id": new_link_id(), "principalId": principal, "roleDefinitionId": role, "directoryScopeId": scope, "appScopeId": null, "condition": null,
    })))
}

fn related(tenant: &Tenant, one: &Object, relation: &str) -> Vec<Object> {
    let found = match relation {
        "roleDefinition" => find(tenant, text(one, "roleDefinitionId")).cloned(),
        _ => relations::whole(tenant, text(one, "principalId")),
    };
    found.into_iter().collect()
}

/// What an assignment is related to is one object, not a list.
fn single(mut page: Value) -> Value {
    for one in page["value"].as_array_mut().into_iter().flatten() {
        *one = single_one(one.take());
    }
    page
}

fn single_one(mut one: Value) -> Value {
    for name in ASSIGNMENT.expand {
        if let Some(Value::Array(all)) = one.get_mut(*name) {
            one[*name] = all.pop().unwrap_or_default();
        }
    }
    one
}

/// `/directoryRoles…`: the roles that somebody has.
pub(super) fn in_use(tenant: &Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    caller.needs(READERS)?;
    if call.method != Method::GET {
        return Err(Failure::wrong_method());
    }
    let has =
        |role: &&Object| tenant.role_assignments.values().any(|one| text(one, "roleDefinitionId") == text(role, "id"));
    let roles: Vec<Object> = built_in().values().filter(has).map(|role| activated(tenant, role)).collect();
    let options = Options::read(call, &IN_USE)?;
    let alone = &|_: &Object, _: &str| Vec::new();
    let one = |id: &str| {
        let fits = |role: &&Object| text(role, "id") == id;
        roles.iter().find(fits).ok_or_else(|| Failure::no_such(id))
    };
    match rest {
        [] => Ok((StatusCode::OK, Some(options.page(call, roles.iter(), alone)))),
        [id] => Ok((StatusCode::OK, Some(options.project(one(id)?, alone)))),
        [id, "members"] => {
            let template = text(one(id)?, "roleTemplateId");
            let held = tenant.role_assignments.values().filter(|one| text(one, "roleDefinitionId") == template);
            let members: Vec<Object> =
                held.filter_map(|one| relations::whole(tenant, text(one, "principalId"))).collect();
            Ok((StatusCode::OK, Some(json!({ "value": members }))))
        }
        [_, segment, ..] => Err(Failure::no_segment(segment)),
    }
}

/// In each tenant a role in use has an id of its own, always the same.
pub(super) fn id_in_use(tenant: &Tenant, template: &str) -> String {
    let bytes = |id: &str| uuid::Uuid::try_parse(id).map(|id| id.as_u128()).unwrap_or_default();
    uuid::Uuid::from_u128(bytes(&tenant.id) ^ bytes(template)).to_string()
}

fn activated(tenant: &Tenant, role: &Object) -> Object {
    shapes::object(json!({
        "id": id_in_use(tenant, text(role, "id")), "deletedDateTime": null, "displayName": role["displayName"], "description": role["description"],
        "roleTemplateId": role["id"],
    }))
}
