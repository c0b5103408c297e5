//! The directory's paths: which entity a request is for.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::store::{Object, Tenant, World, id_of};
use super::types::{self, fold_id};
use super::{application, deleted, grants, organization, policies, principal};
use axum::http::Method;

/// Answers one request to a tenant's directory.
pub(super) fn handle(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    let segments: Vec<String> = call.path.trim_matches('/').split('/').map(fold_id).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (first, rest) = segments.split_first().unwrap_or((&"", &[]));
    // `applications(appId='…')` names an object by an alternate key.
    let (collection, key) = match first.split_once('(') {
        Some((collection, key)) => (collection, Some(Key::read(key)?)),
        None => (*first, None),
    };
    world.expire_deleted_items(tenant);
    if let (Some(key), &Method::PATCH, []) = (&key, &call.method, rest)
        && call.creates_if_missing()
        && let Some(made) = upsert(world, tenant, caller, call, collection, key)
    {
        return made;
    }
    match (collection, key, rest) {
        ("applications", None, []) => application::all(world, tenant, caller, call),
        ("applications", key, rest) => {
            let (id, rest) = target(world.tenant(tenant), APPLICATION, key, rest)?;
            application::one(world, tenant, caller, call, &id, rest)
        }
        ("servicePrincipals", None, []) => principal::all(world, tenant, caller, call),
        ("servicePrincipals", key, rest) => {
            let (id, rest) = target(world.tenant(tenant), PRINCIPAL, key, rest)?;
            principal::one(world, tenant, caller, call, &id, rest)
        }
        ("oauth2PermissionGrants", None, rest) => grants::permission_grants(world.tenant(tenant), caller, call, rest),
        ("users", None, rest) => organization::users(world.tenant(tenant), caller, call, rest),
        ("policies", None, rest) => policies::policies(world.tenant(tenant), caller, call, rest),
        ("organization", None, []) => organization::organization(world.tenant(tenant), caller, call),
        ("directory", None, ["deletedItems", rest @ ..]) => deleted::items(world.tenant(tenant), caller, call, rest),
        _ => Err(Failure::bad_request(format!("Resource not found for the segment '{collection}'."))),
    }
}

/// An alternate key.
struct Key {
    name: String,
    value: String,
}

impl Key {
    /// Reads `name='value')`.
    fn read(text: &str) -> Result<Self, Failure> {
        let text = text.strip_suffix(')').ok_or_else(|| Failure::bad_request("The key is not closed."))?;
        let (name, value) = text.split_once('=').ok_or_else(|| Failure::bad_request("The key has no name."))?;
        let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = value.ok_or_else(|| Failure::bad_request("The key's value is not quoted."))?.replace("''", "'");
        let value = if name == "appId" { fold_id(&value) } else { value };
        Ok(Self { name: name.to_owned(), value })
    }
}

/// An update by alternate key of what is not there creates it. `None`: it is there, or its key is the service's to give.
fn upsert(world: &mut World, tenant: &str, caller: &Caller, call: &Call, collection: &str, key: &Key) -> Option<Reply> {
    let directory = world.tenant(tenant);
    let with_key = |type_name: &str| {
        call.object().and_then(|mut body| {
            body.insert(key.name.clone(), key.value.clone().into());
            types::check(type_name, &body)?;
            Ok(types::stored(type_name, body))
        })
    };
    match (collection, &*key.name) {
        ("applications", "uniqueName") if directory.application_by("uniqueName", &key.value).is_none() => {
            Some(with_key("application").and_then(|body| application::create(world, tenant, caller, body)))
        }
        ("servicePrincipals", "appId") if directory.principal_by("appId", &key.value).is_none() => {
            Some(with_key("servicePrincipal").and_then(|body| principal::create(world, tenant, caller, body)))
        }
        _ => None,
    }
}

/// How to find objects of one type.
struct Entity {
    keys: &'static [&'static str],
    there: fn(&Tenant, &str) -> bool,
    by: for<'a> fn(&'a Tenant, &str, &str) -> Option<&'a Object>,
}

const APPLICATION: Entity = Entity {
    keys: &["appId", "uniqueName"],
    there: |tenant, id| tenant.applications.contains_key(id),
    by: Tenant::application_by,
};
const PRINCIPAL: Entity =
    Entity { keys: &["appId"], there: |tenant, id| tenant.principals.contains_key(id), by: Tenant::principal_by };

/// Object id that a path names, by id or by alternate key, and what follows it.
fn target<'a>(
    tenant: &Tenant,
    entity: Entity,
    key: Option<Key>,
    rest: &'a [&'a str],
) -> Result<(String, &'a [&'a str]), Failure> {
    let Some(Key { name, value }) = key else {
        let Some((id, rest)) = rest.split_first() else { return Err(Failure::wrong_method()) };
        return if (entity.there)(tenant, id) { Ok(((*id).to_owned(), rest)) } else { Err(Failure::no_such(id)) };
    };
    if !entity.keys.contains(&&*name) {
        return Err(Failure::bad_request(format!("'{name}' is no alternate key.")));
    }
    let found = (entity.by)(tenant, &name, &value).map(id_of);
    found.map(|id| (id, rest)).ok_or_else(|| Failure::no_such(&value))
}
