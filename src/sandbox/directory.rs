//! Applications, service principals, deleted items and the organization: what Graph enforces about each.

use super::errors::Failure;
use super::odata::Options;
use super::store::{MICROSOFT, Object, Tenant, World, id_of, new_id, text};
use super::types::check;
use super::{Call, Caller, Reply, certificates, credentials, federated, grants, policies};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Properties of an application that only the service writes.
const READ_ONLY: &[&str] = &[
    "id",
    "appId",
    "createdDateTime",
    "publisherDomain",
    "deletedDateTime",
    "createdByAppId",
    "disabledByMicrosoftStatus",
];
/// Properties of a principal that a client may change.
const PRINCIPAL_WRITABLE: &[&str] = &[
    "accountEnabled",
    "appRoleAssignmentRequired",
    "tags",
    "notes",
    "description",
    "notificationEmailAddresses",
    "preferredSingleSignOnMode",
    "loginUrl",
];
const AUDIENCES: &[&str] =
    &["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"];

/// Answers one request to a tenant's directory.
pub(super) fn handle(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let (first, rest) = segments.split_first().unwrap_or((&"", &[]));
    // `applications(appId='…')` names an object by an alternate key.
    let (collection, key) = match first.split_once('(') {
        Some((collection, key)) => {
            (collection, Some(key.strip_suffix(')').ok_or_else(|| Failure::bad_request("The key is not closed."))?))
        }
        None => (*first, None),
    };
    world.expire_deleted_items(tenant);
    if let (Some(key), &Method::PATCH, []) = (key, &call.method, rest)
        && let Some(made) = upsert(world, tenant, caller, call, collection, key)
    {
        return made;
    }
    match (collection, key, rest) {
        ("applications", None, []) => applications(world, tenant, caller, call),
        ("applications", key, rest) => {
            let (id, rest) = target(world.tenant(tenant), Entity::Application, key, rest, call)?;
            application(world, tenant, caller, call, &id, rest)
        }
        ("servicePrincipals", None, []) => principals(world, tenant, caller, call),
        ("servicePrincipals", key, rest) => {
            let (id, rest) = target(world.tenant(tenant), Entity::Principal, key, rest, call)?;
            principal(world, tenant, caller, call, &id, rest)
        }
        ("oauth2PermissionGrants", None, rest) => grants::permission_grants(world, tenant, caller, call, rest),
        ("users", None, rest) => users(world.tenant(tenant), caller, call, rest),
        ("policies", None, rest) => policies::policies(world.tenant(tenant), caller, call, rest),
        ("organization", None, []) => organization(world.tenant(tenant), caller, call),
        ("directory", None, ["deletedItems", rest @ ..]) => deleted_items(world, tenant, caller, call, rest),
        _ => Err(Failure::bad_request(format!("Resource not found for the segment '{collection}'."))),
    }
}

/// An update by alternate key of what is not there creates it, where the client asks for that. `None`: it is there, or nobody asks.
fn upsert(world: &mut World, tenant: &str, caller: &Caller, call: &Call, collection: &str, key: &str) -> Option<Reply> {
    if !call.creates_if_missing() {
        return None;
    }
    let (name, value) = key.split_once('=')?;
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
    let with_key = |body: Result<Object, Failure>| {
        body.map(|mut body| {
            body.insert(name.to_owned(), value.clone().into());
            body
        })
    };
    match (collection, name) {
        ("applications", "uniqueName") if world.tenant(tenant).application_by(name, &value).is_none() => Some(
            caller
                .needs(CREATORS)
                .and_then(|()| with_key(object(call)))
                .and_then(|body| create_application(world, tenant, caller, body)),
        ),
        ("servicePrincipals", "appId") if world.tenant(tenant).principal_by(name, &value).is_none() => Some(
            caller
                .needs(CREATORS)
                .and_then(|()| with_key(object(call)))
                .and_then(|body| create_principal(world, tenant, caller, &body)),
        ),
        _ => None,
    }
}

const CREATORS: &[&str] = &["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"];

#[derive(Clone, Copy, PartialEq)]
enum Entity {
    Application,
    Principal,
}

/// Object id that a path names, by id or by alternate key, and what follows it.
fn target<'a>(
    tenant: &Tenant,
    entity: Entity,
    key: Option<&str>,
    rest: &'a [&'a str],
    call: &Call,
) -> Result<(String, &'a [&'a str]), Failure> {
    let Some(key) = key else {
        let Some((id, rest)) = rest.split_first() else { return Err(Failure::wrong_method()) };
        let there = if entity == Entity::Application {
            tenant.applications.contains_key(*id)
        } else {
            tenant.principals.contains_key(*id)
        };
        return if there { Ok(((*id).to_owned(), rest)) } else { Err(Failure::no_such(id)) };
    };
    let (name, value) = key.split_once('=').ok_or_else(|| Failure::bad_request("The key has no name."))?;
    let value = value
        .strip_prefix('\'')
        .and_then(|value| value.strip_suffix('\''))
        .ok_or_else(|| Failure::bad_request("The key's value is not quoted."))?
        .replace("''", "'");
    let found = match (entity, name) {
        (Entity::Application, "appId" | "uniqueName") => tenant.application_by(name, &value),
        (Entity::Principal, "appId") => tenant.principal_by(name, &value),
        _ => return Err(Failure::bad_request(format!("'{name}' is no alternate key of {}.", call.path))),
    };
    found.map(|found| (id_of(found), rest)).ok_or_else(|| Failure::no_such(&value))
}

impl Caller {
    /// Whether one of these roles is held.
    pub(super) fn needs(&self, any_of: &[&str]) -> Result<(), Failure> {
        match self {
            Self::Administrator => Ok(()),
            Self::Application { roles, .. } if roles.iter().any(|role| any_of.contains(&role.as_str())) => Ok(()),
            Self::Application { .. } => Err(Failure::denied()),
        }
    }

    /// Whether the object may be read: the narrow role reads what its holder owns.
    fn may_read(&self, tenant: &Tenant, ids: &[&str]) -> Result<(), Failure> {
        if self.needs(READERS_OF_ALL).is_ok() {
            return Ok(());
        }
        self.needs(READERS)?;
        match self {
            Self::Application { principal_id, .. } if tenant.owned_by(principal_id, ids) => Ok(()),
            _ => Err(Failure::denied()),
        }
    }

    /// Whether the object may be written: with the broad role, or with the narrow one by its owner.
    fn may_write(&self, tenant: &Tenant, ids: &[&str]) -> Result<(), Failure> {
        if self.needs(&["Application.ReadWrite.All"]).is_ok() {
            return Ok(());
        }
        self.needs(&["Application.ReadWrite.OwnedBy"])?;
        match self {
            Self::Application { principal_id, .. } if tenant.owned_by(principal_id, ids) => Ok(()),
            _ => Err(Failure::denied()),
        }
    }
}

impl Tenant {
    /// Object id of the application of a principal, where it lives in this tenant.
    fn application_of(&self, principal: &str) -> Option<String> {
        self.application_by("appId", text(self.principals.get(principal)?, "appId")).map(id_of)
    }

    /// Whether `owner` owns one of these objects.
    fn owned_by(&self, owner: &str, ids: &[&str]) -> bool {
        ids.iter().any(|id| self.owners.get(*id).is_some_and(|owners| owners.contains(owner)))
    }
}

const READERS: &[&str] =
    &["Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All"];
const READERS_OF_ALL: &[&str] = &["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All"];
/// Most owners of an application. Source: Microsoft Entra service limits.
const MOST_OWNERS: usize = 100;

/// The body as an object.
pub(super) fn object(call: &Call) -> Result<Object, Failure> {
    match &call.body {
        Some(Value::Object(object)) => Ok(object.clone()),
        _ => Err(Failure::bad_request("A JSON object is expected as the body.")),
    }
}

fn applications(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    match call.method {
        Method::GET => {
            caller.needs(READERS)?;
            let options = Options::read(call, "application", &["appId", "displayName", "uniqueName", "tags", "id"])?;
            Ok((StatusCode::OK, Some(options.page(call, world.tenant(tenant).applications.values()))))
        }
        Method::POST => {
            caller.needs(&["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"])?;
            create_application(world, tenant, caller, object(call)?)
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn create_application(world: &mut World, tenant: &str, caller: &Caller, mut body: Object) -> Reply {
    check_application(&body)?;
    certificates::complete(&mut body, None)?;
    if text(&body, "displayName").is_empty() {
        return Err(Failure::bad_request(
            "Invalid value specified for property 'displayName' of resource 'Application'.",
        ));
    }
    let now = world.now().to_string();
    let directory = world.tenant(tenant);
    unique_name_is_free(directory, &body)?;
    let id = new_id();
    let mut app = json!({
        "id": id, "appId": new_id(), "createdDateTime": now, "deletedDateTime": null, "description": null, "notes": null, "uniqueName": null,
        "publisherDomain": format!("{}.onmicrosoft.com", if tenant == super::TENANT { "contoso" } else { &tenant[..8] }),
        "signInAudience": "AzureADandPersonalMicrosoftAccount", "serviceManagementReference": null, "tags": [], "identifierUris": [], "appRoles": [],
        "requiredResourceAccess": [], "passwordCredentials": [], "keyCredentials": [], "servicePrincipalLockConfiguration": null,
        "web": { "redirectUris": [] }, "spa": { "redirectUris": [] }, "publicClient": { "redirectUris": [] },
    });
    if let Value::Object(app) = &mut app {
        app.extend(body);
        directory.applications.insert(id.clone(), app.clone());
    }
    if let Caller::Application { principal_id, .. } = caller {
        directory.owners.entry(id).or_default().insert(principal_id.clone());
    }
    if let Value::Object(app) = &mut app {
        certificates::hide_keys(app);
    }
    Ok((StatusCode::CREATED, Some(app)))
}

fn unique_name_is_free(tenant: &Tenant, body: &Object) -> Result<(), Failure> {
    let name = text(body, "uniqueName");
    let taken = tenant
        .applications
        .values()
        .chain(tenant.deleted_applications.values())
        .any(|app| !name.is_empty() && text(app, "uniqueName") == name);
    if taken {
        Err(Failure::bad_request("Another object with the same value for property uniqueName already exists."))
    } else {
        Ok(())
    }
}

/// Rules of an application's writable properties.
fn check_application(body: &Object) -> Result<(), Failure> {
    check("application", body)?;
    let refuse = |property: &str| {
        Err(Failure::bad_request(format!(
            "Invalid value specified for property '{property}' of resource 'Application'."
        )))
    };
    if let Some(property) = body.keys().find(|name| READ_ONLY.contains(&name.as_str())) {
        return Err(Failure::bad_request(format!("Property '{property}' is read-only and cannot be set.")));
    }
    if body
        .get("displayName")
        .is_some_and(|name| name.as_str().is_none_or(|name| name.is_empty() || name.chars().count() > 256))
    {
        return refuse("displayName");
    }
    if body.get("signInAudience").is_some_and(|audience| !AUDIENCES.iter().any(|one| audience == one)) {
        return refuse("signInAudience");
    }
    if body.get("passwordCredentials").is_some() {
        return Err(Failure::bad_request("New password credentials must be generated with the service actions."));
    }
    if let Some(tags) = body.get("tags").and_then(Value::as_array) {
        let unique: BTreeSet<_> = tags.iter().filter_map(Value::as_str).collect();
        if unique.len() != tags.len() || unique.iter().any(|tag| tag.is_empty() || tag.len() > 256 || tag.contains(' '))
        {
            return refuse("tags");
        }
    }
    check_redirect_uris(body)?;
    check_requested(body)
}

fn check_redirect_uris(body: &Object) -> Result<(), Failure> {
    for platform in ["web", "spa"] {
        let uris = body
            .get(platform)
            .and_then(|platform| platform.get("redirectUris"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for uri in uris.filter_map(Value::as_str) {
            let loopback = ["http://localhost", "http://127.0.0.1"].iter().any(|start| uri.starts_with(start));
            if !uri.starts_with("https://") && !loopback {
                return Err(Failure::bad_request(format!(
                    "Invalid value specified for property '{platform}.redirectUris': '{uri}' must start with HTTPS or http://localhost."
                )));
            }
        }
    }
    Ok(())
}

fn check_requested(body: &Object) -> Result<(), Failure> {
    let Some(list) = body.get("requiredResourceAccess").and_then(Value::as_array) else { return Ok(()) };
    let (mut apis, mut count) = (BTreeSet::new(), 0);
    for api in list.iter().filter_map(Value::as_object) {
        if !apis.insert(text(api, "resourceAppId")) || text(api, "resourceAppId").is_empty() {
            return Err(Failure::bad_request("Duplicate or missing resourceAppId in requiredResourceAccess."));
        }
        let mut seen = BTreeSet::new();
        for access in
            api.get("resourceAccess").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
        {
            count += 1;
            if !["Role", "Scope"].contains(&text(access, "type"))
                || !seen.insert((text(access, "type"), text(access, "id")))
                || text(access, "id").is_empty()
            {
                return Err(Failure::bad_request("Invalid or duplicate resourceAccess in requiredResourceAccess."));
            }
        }
    }
    if apis.len() > 50 || count > 400 {
        return Err(Failure::bad_request("The maximum number of requiredResourceAccess entries is exceeded."));
    }
    Ok(())
}

fn application(world: &mut World, tenant: &str, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    let now = world.now().to_string();
    let directory = world.tenant(tenant);
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.may_read(directory, &[id])?;
            let options = Options::read(call, "application", &[])?;
            Ok((StatusCode::OK, directory.applications.get(id).map(|app| options.project(app))))
        }
        (&Method::PATCH, []) => {
            caller.may_write(directory, &[id])?;
            let mut body = object(call)?;
            check_application(&body)?;
            certificates::complete(&mut body, directory.applications.get(id))?;
            let Some(app) = directory.applications.get(id) else { return Err(Failure::no_such(id)) };
            if body.contains_key("uniqueName") && text(app, "uniqueName") != text(&body, "uniqueName") {
                if !text(app, "uniqueName").is_empty() {
                    return Err(Failure::bad_request("Property 'uniqueName' cannot be changed once it is set."));
                }
                unique_name_is_free(directory, &body)?;
            }
            if let Some(app) = directory.applications.get_mut(id) {
                app.extend(body);
            }
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::DELETE, []) => {
            caller.may_write(directory, &[id])?;
            let Some(mut app) = directory.applications.remove(id) else { return Err(Failure::no_such(id)) };
            if let Some(principal) = directory.principal_by("appId", text(&app, "appId")).map(id_of) {
                delete_principal(directory, &principal, &now);
            }
            app.insert("deletedDateTime".to_owned(), now.into());
            directory.deleted_applications.insert(id.to_owned(), app);
            Ok((StatusCode::NO_CONTENT, None))
        }
        (_, ["owners", rest @ ..]) => owners(directory, caller, call, id, rest),
        (&Method::POST, ["addPassword"]) => {
            caller.may_write(directory, &[id])?;
            let now = world.now();
            credentials::add_password(world.tenant(tenant), id, call, now)
        }
        (&Method::POST, ["removePassword"]) => {
            caller.may_write(directory, &[id])?;
            credentials::remove_password(directory, id, call)
        }
        (_, ["appManagementPolicies", rest @ ..]) => policies::of_application(directory, caller, call, id, rest),
        (method, [segment, rest @ ..]) if segment.split('(').next() == Some("federatedIdentityCredentials") => {
            if *method == Method::GET {
                caller.may_read(directory, &[id])?;
            } else {
                caller.may_write(directory, &[id])?;
            }
            let key = segment.split_once('(').map(|(_, key)| key.trim_end_matches(')'));
            federated::credentials(directory, id, call, key, rest)
        }
        (_, []) => Err(Failure::wrong_method()),
        (_, [segment, ..]) => Err(Failure::bad_request(format!("Resource not found for the segment '{segment}'."))),
    }
}

fn users(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::POST, []) => {
            caller.needs(&["User.ReadWrite.All"])?;
            let mut user = object(call)?;
            if text(&user, "displayName").is_empty() || text(&user, "userPrincipalName").is_empty() {
                return Err(Failure::bad_request("A user needs 'displayName' and 'userPrincipalName'."));
            }
            let id = new_id();
            user.insert("id".to_owned(), id.clone().into());
            tenant.users.insert(id, user.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(user))))
        }
        (&Method::GET, [id]) => {
            caller.needs(&["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"])?;
            tenant
                .users
                .get(*id)
                .map(|user| (StatusCode::OK, Some(Value::Object(user.clone()))))
                .ok_or_else(|| Failure::no_such(id))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn owners(tenant: &mut Tenant, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.may_read(tenant, &[id])?;
            let options = Options::read(call, "directoryObject", &[])?;
            let kind = |owner: &str| if tenant.users.contains_key(owner) { "user" } else { "servicePrincipal" };
            let all = tenant.owners.get(id).into_iter().flatten().filter_map(|owner| {
                let shown = json!({ "@odata.type": format!("#microsoft.graph.{}", kind(owner)), "id": owner });
                shown.as_object().cloned()
            });
            Ok((StatusCode::OK, Some(options.page(call, all.collect::<Vec<_>>().iter()))))
        }
        (&Method::POST, ["$ref"]) => {
            caller.may_write(tenant, &[id])?;
            let body = object(call)?;
            let owner = text(&body, "@odata.id").rsplit('/').next().unwrap_or_default().to_lowercase();
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
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::DELETE, [owner, "$ref"]) => {
            caller.may_write(tenant, &[id])?;
            let removed = tenant.owners.get_mut(id).is_some_and(|owners| owners.remove(&owner.to_lowercase()));
            if removed { Ok((StatusCode::NO_CONTENT, None)) } else { Err(Failure::no_such(owner)) }
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn principals(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    match call.method {
        Method::GET => {
            caller.needs(READERS)?;
            let options = Options::read(
                call,
                "servicePrincipal",
                &["appId", "displayName", "appOwnerOrganizationId", "tags", "id"],
            )?;
            Ok((StatusCode::OK, Some(options.page(call, world.tenant(tenant).principals.values()))))
        }
        Method::POST => {
            caller.needs(CREATORS)?;
            create_principal(world, tenant, caller, &object(call)?)
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn create_principal(world: &mut World, tenant: &str, caller: &Caller, body: &Object) -> Reply {
    check("servicePrincipal", body)?;
    let app_id = text(body, "appId").to_owned();
    if app_id.is_empty() {
        return Err(Failure::bad_request(
            "Invalid value specified for property 'appId' of resource 'ServicePrincipal'.",
        ));
    }
    if let Some(property) = body.keys().find(|name| *name != "appId" && !PRINCIPAL_WRITABLE.contains(&name.as_str())) {
        return Err(Failure::bad_request(format!("Property '{property}' is read-only and cannot be set.")));
    }
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
        && let Some(made) = directory.add_first_party(&app_id)
    {
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
    let mut made = json!({
        "id": id, "appId": app_id, "displayName": text(&app, "displayName"), "appDisplayName": text(&app, "displayName"), "accountEnabled": true,
        "appRoleAssignmentRequired": false, "appOwnerOrganizationId": owner, "servicePrincipalType": "Application", "tags": [], "deletedDateTime": null,
        "appRoles": app.get("appRoles").cloned().unwrap_or(json!([])),
        "oauth2PermissionScopes": app.get("api").and_then(|api| api.get("oauth2PermissionScopes")).cloned().unwrap_or(json!([])), "passwordCredentials": [], "keyCredentials": [],
        "signInAudience": text(&app, "signInAudience"), "servicePrincipalNames": [app_id],
    });
    if let Value::Object(made) = &mut made {
        made.extend(body.clone());
        let directory = world.tenant(tenant);
        directory.principals.insert(id.clone(), made.clone());
        if let Caller::Application { principal_id, .. } = caller {
            directory.owners.entry(id).or_default().insert(principal_id.clone());
        }
    }
    Ok((StatusCode::CREATED, Some(made)))
}

fn principal(world: &mut World, tenant: &str, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    let now = world.now().to_string();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let directory = world.tenant(tenant);
            let app = directory.application_of(id).unwrap_or_default();
            caller.may_read(directory, &[id, &app])?;
            let options = Options::read(call, "servicePrincipal", &[])?;
            Ok((StatusCode::OK, directory.principals.get(id).map(|principal| options.project(principal))))
        }
        (&Method::PATCH | &Method::DELETE, []) => {
            let directory = world.tenant(tenant);
            let Some(principal) = directory.principals.get(id) else { return Err(Failure::no_such(id)) };
            if text(principal, "appOwnerOrganizationId") == MICROSOFT {
                return Err(Failure::denied());
            }
            let app = directory.application_of(id).unwrap_or_default();
            caller.may_write(directory, &[id, &app])?;
            if call.method == Method::DELETE {
                delete_principal(directory, id, &now);
                return Ok((StatusCode::NO_CONTENT, None));
            }
            let mut body = object(call)?;
            check("servicePrincipal", &body)?;
            if let Some(property) =
                body.keys().find(|name| *name != "keyCredentials" && !PRINCIPAL_WRITABLE.contains(&name.as_str()))
            {
                return Err(Failure::bad_request(format!("Property '{property}' is read-only and cannot be set.")));
            }
            certificates::complete(&mut body, directory.principals.get(id))?;
            if let Some(principal) = directory.principals.get_mut(id) {
                principal.extend(body);
            }
            Ok((StatusCode::NO_CONTENT, None))
        }
        (_, ["owners", rest @ ..]) => owners(world.tenant(tenant), caller, call, id, rest),
        (&Method::POST, [action @ ("addPassword" | "removePassword")]) => {
            let now = world.now();
            let directory = world.tenant(tenant);
            let app = directory.application_of(id).unwrap_or_default();
            caller.may_write(directory, &[id, &app])?;
            if *action == "addPassword" {
                credentials::add_password(directory, id, call, now)
            } else {
                credentials::remove_password(directory, id, call)
            }
        }
        (_, ["appRoleAssignments" | "appRoleAssignedTo" | "oauth2PermissionGrants", ..]) => {
            grants::of_principal(world, tenant, caller, call, id, rest)
        }
        (_, []) => Err(Failure::wrong_method()),
        (_, [segment, ..]) => Err(Failure::bad_request(format!("Resource not found for the segment '{segment}'."))),
    }
}

/// Into the deleted items. What it was granted is lost: a restored principal has to be granted to again.
fn delete_principal(tenant: &mut Tenant, id: &str, now: &str) {
    if let Some(mut principal) = tenant.principals.remove(id) {
        tenant.drop_grants_of(id);
        principal.insert("deletedDateTime".to_owned(), now.into());
        tenant.deleted_principals.insert(id.to_owned(), principal);
    }
}

fn deleted_items(world: &mut World, tenant: &str, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    let directory = world.tenant(tenant);
    let find = |directory: &Tenant, id: &str| {
        directory.deleted_applications.get(id).or_else(|| directory.deleted_principals.get(id)).cloned()
    };
    match (&call.method, rest) {
        (&Method::GET, ["microsoft.graph.application"]) => {
            caller.needs(READERS)?;
            let options = Options::read(call, "application", &["appId", "displayName", "id"])?;
            Ok((StatusCode::OK, Some(options.page(call, directory.deleted_applications.values()))))
        }
        (&Method::GET, ["microsoft.graph.servicePrincipal"]) => {
            caller.needs(READERS)?;
            let options = Options::read(call, "servicePrincipal", &["appId", "displayName", "id"])?;
            Ok((StatusCode::OK, Some(options.page(call, directory.deleted_principals.values()))))
        }
        (&Method::GET, [id]) => {
            caller.may_read(directory, &[*id])?;
            if !call.query.is_empty() {
                return Err(Failure::bad_request("A query option needs the type of the deleted item in the path."));
            }
            let Some(mut found) = find(directory, id) else { return Err(Failure::no_such(id)) };
            certificates::hide_keys(&mut found);
            Ok((StatusCode::OK, Some(Value::Object(found))))
        }
        (&Method::GET, [id, cast @ ("microsoft.graph.application" | "microsoft.graph.servicePrincipal")]) => {
            caller.may_read(directory, &[*id])?;
            let type_name = cast.trim_start_matches("microsoft.graph.");
            let options = Options::read(call, type_name, &[])?;
            let of_type = if type_name == "application" {
                directory.deleted_applications.get(*id)
            } else {
                directory.deleted_principals.get(*id)
            };
            of_type.map(|found| (StatusCode::OK, Some(options.project(found)))).ok_or_else(|| Failure::no_such(id))
        }
        (&Method::POST, [id, "restore"]) => {
            caller.may_write(directory, &[*id])?;
            let Some(mut found) = find(directory, id) else { return Err(Failure::no_such(id)) };
            found.insert("deletedDateTime".to_owned(), Value::Null);
            if directory.deleted_applications.remove(*id).is_some() {
                directory.applications.insert((*id).to_owned(), found.clone());
            } else {
                if directory.application_by("appId", text(&found, "appId")).is_none()
                    && text(&found, "appOwnerOrganizationId") == directory.id
                {
                    return Err(Failure::bad_request(
                        "The application of the service principal has to be restored first.",
                    ));
                }
                directory.deleted_principals.remove(*id);
                directory.principals.insert((*id).to_owned(), found.clone());
            }
            Ok((StatusCode::OK, Some(Value::Object(found))))
        }
        (&Method::DELETE, [id]) => {
            caller.may_write(directory, &[*id])?;
            let gone = directory.deleted_applications.remove(*id).or_else(|| directory.deleted_principals.remove(*id));
            if gone.is_some() {
                directory.owners.remove(*id);
                directory.federated.remove(*id);
            }
            gone.map(|_| (StatusCode::NO_CONTENT, None)).ok_or_else(|| Failure::no_such(id))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn organization(tenant: &Tenant, caller: &Caller, call: &Call) -> Reply {
    if call.method != Method::GET {
        return Err(Failure::wrong_method());
    }
    caller.needs(&["Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All"])?;
    let options = Options::read(call, "organization", &[])?;
    let name = if tenant.id == super::TENANT { "contoso".to_owned() } else { tenant.id.chars().take(8).collect() };
    let organization = json!({
        "id": tenant.id, "displayName": name, "countryLetterCode": "CH", "tenantType": "AAD", "assignedPlans": [],
        "verifiedDomains": [{ "name": format!("{name}.onmicrosoft.com"), "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email" }],
    });
    let object = organization.as_object().cloned().unwrap_or_default();
    Ok((StatusCode::OK, Some(options.page(call, std::iter::once(&object)))))
}
