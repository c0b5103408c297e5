//! Service principals: what Graph does with them.

use super::call::{CREATORS, Call, Caller, READERS, Reply};
use super::errors::Failure;
use super::odata::{Kind, Options};
use super::store::{MICROSOFT, Object, Tenant, World, id_of, new_id, text};
use super::{certificates, credentials, grants, lock, owners, relations, seed, shapes, types};
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Properties of a principal that a client may change. Source: the table in Microsoft's "Update servicePrincipal".
const WRITABLE: &[&str] = &[
    "accountEnabled",
    "addIns",
    "alternativeNames",
    "appRoleAssignmentRequired",
    "appRoles",
    "description",
    "displayName",
    "homepage",
    "info",
    "loginUrl",
    "logoutUrl",
    "notes",
    "notificationEmailAddresses",
    "oauth2PermissionScopes",
    "preferredSingleSignOnMode",
    "preferredTokenSigningKeyThumbprint",
    "replyUrls",
    "samlSingleSignOnSettings",
    "servicePrincipalNames",
    "tags",
    "tokenEncryptionKeyId",
];
/// Source of what can be filtered: Microsoft's documentation of `servicePrincipal`.
const KIND: Kind = Kind {
    name: "servicePrincipal",
    filter: &[
        "accountEnabled",
        "alternativeNames",
        "appId",
        "appOwnerOrganizationId",
        "appRoleAssignmentRequired",
        "displayName",
        "homepage",
        "id",
        "keyCredentials",
        "passwordCredentials",
        "preferredSingleSignOnMode",
        "replyUrls",
        "servicePrincipalNames",
        "servicePrincipalType",
        "signInAudience",
        "tags",
    ],
    expand: &[
        "owners",
        "appRoleAssignments",
        "appRoleAssignedTo",
        "oauth2PermissionGrants",
        "memberOf",
        "ownedObjects",
    ],
    is_directory_object: true,
};

/// `/servicePrincipals`.
pub(super) fn all(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    match call.method {
        Method::GET => {
            caller.needs(READERS)?;
            let options = Options::read(call, &KIND)?;
            let directory = world.tenant(tenant);
            let related = |object: &Object, relation: &str| relations::of(directory, object, relation);
            Ok((StatusCode::OK, Some(options.page(call, directory.principals.values(), &related))))
        }
        Method::POST => create(world, tenant, caller, call.body(KIND.name)?, &owners::bound(&call.object()?)?),
        _ => Err(Failure::wrong_method()),
    }
}

/// `/servicePrincipals/$count`.
pub(super) fn count(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    caller.needs(READERS)?;
    call.needs_index()?;
    let options = Options::read(call, &KIND)?;
    Ok((StatusCode::OK, Some(options.number(world.tenant(tenant).principals.values()).into())))
}

pub(super) fn create(world: &mut World, tenant: &str, caller: &Caller, body: Object, owners: &[String]) -> Reply {
    caller.needs(CREATORS)?;
    let app_id = text(&body, "appId").to_owned();
    if app_id.is_empty() {
        return Err(Failure::bad_request(
            "Invalid value specified for property 'appId' of resource 'ServicePrincipal'.",
        ));
    }
    only_writable(&body, &["appId"])?;
    let directory = world.tenant(tenant);
    if directory.principal_by("appId", &app_id).is_some() {
        return Err(Failure::conflict(format!(
            "The service principal cannot be created, updated, or restored because the service principal name {app_id} is already in use."
        )));
    }
    let invalid = || {
        Failure::bad_request(format!(
            "The appId '{app_id}' of the service principal does not reference a valid application object."
        ))
    };
    if !directory.unlicensed.contains(&app_id)
        && let Some(made) = seed::first_party(directory, &app_id)
    {
        // Nobody here owns it, so that the narrow role is not enough. Source: microsoft-graph-docs, issue 16138.
        caller.needs(&["Application.ReadWrite.All"])?;
        return Ok((StatusCode::CREATED, Some(Value::Object(made.clone()))));
    }
    let Some((home, app)) = world.home_of(&app_id) else { return Err(invalid()) };
    let (owner, app) = (home.id.clone(), app.clone());
    if owner != tenant.to_lowercase() {
        // A foreign application has to be multi-tenant, and the narrow role is not enough for it.
        caller.needs(&["Application.ReadWrite.All"])?;
        if text(&app, "signInAudience") == "AzureADMyOrg" {
            return Err(invalid());
        }
    }
    let id = new_id();
    let mut made = shapes::principal();
    made.extend(shapes::object(json!({ "id": id, "appId": app_id, "appOwnerOrganizationId": owner })));
    made.extend(inherited(&app));
    types::merge(&mut made, body);
    let directory = world.tenant(tenant);
    directory.principals.insert(id.clone(), made.clone());
    if let Err(failure) = owners::start(directory, caller, &id, owners) {
        directory.principals.remove(&id);
        directory.owners.remove(&id);
        return Err(failure);
    }
    Ok((StatusCode::CREATED, Some(Value::Object(made))))
}

fn only_writable(body: &Object, besides: &[&str]) -> Result<(), Failure> {
    match body.keys().map(String::as_str).find(|name| !WRITABLE.contains(name) && !besides.contains(name)) {
        Some(property) => Err(Failure::bad_request(format!("Property '{property}' is read-only and cannot be set."))),
        None => Ok(()),
    }
}

/// What a principal has from its application. Source: Microsoft's "Update servicePrincipal" and "Application and service principal
/// objects in Microsoft Entra ID".
fn inherited(app: &Object) -> Object {
    let of = |complex: &str, member: &str| app.get(complex).and_then(|complex| complex.get(member)).cloned();
    let list = |value: Option<Value>| value.and_then(|value| value.as_array().cloned()).unwrap_or_default();
    let names = [Value::from(text(app, "appId"))].into_iter().chain(list(app.get("identifierUris").cloned()));
    let reply: Vec<Value> =
        ["web", "spa", "publicClient"].iter().flat_map(|one| list(of(one, "redirectUris"))).collect();
    shapes::object(json!({
        "displayName": text(app, "displayName"), "appDisplayName": text(app, "displayName"), "appDescription": app.get("description"),
        "appRoles": list(app.get("appRoles").cloned()), "oauth2PermissionScopes": list(of("api", "oauth2PermissionScopes")),
        "homepage": of("web", "homePageUrl"), "logoutUrl": of("web", "logoutUrl"), "info": app.get("info"), "replyUrls": reply,
        "servicePrincipalNames": names.collect::<Vec<_>>(), "signInAudience": text(app, "signInAudience"),
        "verifiedPublisher": app.get("verifiedPublisher"),
    }))
}

/// Brings the principals of an application into step with it, in every tenant.
pub(super) fn follow(world: &mut World, app: &Object) {
    for tenant in world.tenants.values_mut() {
        let of_it = |one: &&mut Object| text(one, "appId") == text(app, "appId");
        for principal in tenant.principals.values_mut().filter(of_it) {
            principal.extend(inherited(app));
        }
    }
}

/// `/servicePrincipals/{id}…`.
pub(super) fn one(world: &mut World, tenant: &str, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    let now = world.now();
    let directory = world.tenant(tenant);
    let Some(principal) = directory.principals.get(id).cloned() else { return Err(Failure::no_such(id)) };
    let app = directory.application_by("appId", text(&principal, "appId")).map(id_of).unwrap_or_default();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.may_read(directory, &[id, &app])?;
            let options = Options::read(call, &KIND)?;
            let related = |object: &Object, relation: &str| relations::of(directory, object, relation);
            Ok((StatusCode::OK, Some(options.project(&principal, &related))))
        }
        (&Method::PATCH | &Method::DELETE, []) => {
            caller.may_write(directory, &[id, &app])?;
            if call.method == Method::DELETE {
                if text(&principal, "appOwnerOrganizationId") == MICROSOFT {
                    return Err(Failure::denied());
                }
                delete(directory, id, now);
                return Ok((StatusCode::NO_CONTENT, None));
            }
            update(world, tenant, caller, call, principal)
        }
        (_, ["owners", rest @ ..]) => owners::of(directory, caller, call, id, rest),
        (&Method::POST, [action @ ("addPassword" | "removePassword")]) => {
            caller.may_write(directory, &[id, &app])?;
            lock::allow(world, caller, &principal, "passwordCredentials", "Verify")?;
            let directory = world.tenant(tenant);
            if *action == "addPassword" {
                credentials::add_password(directory, id, call, now)
            } else {
                credentials::remove_password(directory, id, call)
            }
        }
        (_, ["appRoleAssignments" | "appRoleAssignedTo" | "oauth2PermissionGrants", ..]) => {
            grants::of_principal(directory, caller, call, id, rest, now)
        }
        (&Method::GET, [part]) => {
            caller.may_read(directory, &[id, &app])?;
            relations::part(directory, KIND.name, &principal, part)
        }
        (_, []) => Err(Failure::wrong_method()),
        (_, [segment, ..]) => Err(Failure::no_segment(segment)),
    }
}

fn update(world: &mut World, tenant: &str, caller: &Caller, call: &Call, principal: Object) -> Reply {
    let mut body = call.body(KIND.name)?;
    if text(&body, "id") == text(&principal, "id") {
        body.remove("id");
    }
    only_writable(&body, &["keyCredentials"])?;
    certificates::complete(&mut body, Some(&principal))?;
    if let Some(after) = body.get("keyCredentials") {
        for usage in certificates::changed_usages(principal.get("keyCredentials"), after) {
            lock::allow(world, caller, &principal, "keyCredentials", usage)?;
        }
    }
    if body.get("tokenEncryptionKeyId") != principal.get("tokenEncryptionKeyId")
        && body.contains_key("tokenEncryptionKeyId")
    {
        lock::allow(world, caller, &principal, "tokenEncryptionKeyId", "")?;
    }
    let mut after = principal;
    types::merge(&mut after, body);
    world.tenant(tenant).principals.insert(id_of(&after), after);
    Ok((StatusCode::NO_CONTENT, None))
}

/// Into the deleted items. What it was granted is lost: a restored principal has to be granted to again.
fn delete(tenant: &mut Tenant, id: &str, now: Timestamp) {
    if let Some(mut principal) = tenant.principals.remove(id) {
        tenant.drop_grants_of(id);
        principal.insert("deletedDateTime".to_owned(), now.to_string().into());
        tenant.deleted_principals.insert(id.to_owned(), principal);
    }
}

/// The same for the principal of an application, where there is one.
pub(super) fn delete_of(tenant: &mut Tenant, app_id: &str, now: Timestamp) {
    if let Some(id) = tenant.principal_by("appId", app_id).map(id_of) {
        delete(tenant, &id, now);
    }
}
