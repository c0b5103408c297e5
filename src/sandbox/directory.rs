//! The directory's paths: which entity a request is for.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::store::{Object, Tenant, World, id_of};
use super::types::{self, fold_id};
use super::{answers, application, deleted, grants, licences, organization, policies, principal, relations, roles};
use axum::http::Method;

/// Answers one request to a tenant's directory.
pub(super) fn handle(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    let segments = spelled(&call.path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (status, body) = dispatch(world, tenant, caller, call, &segments)?;
    // What an administrator sees behind the scenes is bare.
    let bare = matches!(caller, Caller::Administrator);
    Ok((status, body.map(|body| if bare { body } else { answers::with_context(call, &segments, body) })))
}

fn dispatch(world: &mut World, tenant: &str, caller: &Caller, call: &Call, segments: &[&str]) -> Reply {
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
        ("applications", None, ["$count"]) => application::count(world, tenant, caller, call),
        ("applications", key, rest) => {
            let (id, rest) = target(world.tenant(tenant), &APPLICATION, key, rest)?;
            application::one(world, tenant, caller, call, &id, rest)
        }
        ("servicePrincipals", None, []) => principal::all(world, tenant, caller, call),
        ("servicePrincipals", None, ["$count"]) => principal::count(world, tenant, caller, call),
        ("servicePrincipals", key, rest) => {
            let (id, rest) = target(world.tenant(tenant), &PRINCIPAL, key, rest)?;
            principal::one(world, tenant, caller, call, &id, rest)
        }
        ("oauth2PermissionGrants", None, rest) => grants::permission_grants(world.tenant(tenant), caller, call, rest),
        ("users", None, rest) => organization::users(world.tenant(tenant), caller, call, rest),
        ("policies", None, rest) => policies::policies(world.tenant(tenant), caller, call, rest),
        ("organization", None, rest) => organization::organization(world.tenant(tenant), caller, call, rest),
        ("roleManagement", None, rest) => roles::management(world.tenant(tenant), caller, call, rest),
        ("directoryRoles", key, rest) => {
            let directory = world.tenant(tenant);
            let template =
                key.filter(|key| key.name == "roleTemplateId").map(|key| roles::id_in_use(directory, &key.value));
            let rest: Vec<&str> = template.as_deref().into_iter().chain(rest.iter().copied()).collect();
            roles::in_use(directory, caller, call, &rest)
        }
        ("subscribedSkus", None, rest) => licences::skus(world.tenant(tenant), caller, call, rest),
        ("directoryObjects", None, rest) => relations::objects(world.tenant(tenant), caller, call, rest),
        ("directory", None, ["deletedItems", rest @ ..]) => deleted::items(world.tenant(tenant), caller, call, rest),
        _ => Err(Failure::no_segment(collection)),
    }
}

/// Segments of paths as Graph spells them: it takes them in any case, and actions and types with and without their namespace.
/// Source: the requests of CIPP-API, the Azure CLI and msgraph-sdk, which spell them in several ways.
const SEGMENTS: &[&str] = &[
    "applications",
    "servicePrincipals",
    "oauth2PermissionGrants",
    "users",
    "policies",
    "organization",
    "subscribedSkus",
    "roleManagement",
    "roleDefinitions",
    "roleAssignments",
    "roleEligibilitySchedules",
    "directoryRoles",
    "members",
    "directory",
    "directoryObjects",
    "deletedItems",
    "owners",
    "addPassword",
    "removePassword",
    "restore",
    "getByIds",
    "appRoleAssignments",
    "appRoleAssignedTo",
    "federatedIdentityCredentials",
    "appManagementPolicies",
    "defaultAppManagementPolicy",
    "microsoft.graph.application",
    "microsoft.graph.servicePrincipal",
    "microsoft.graph.user",
];

/// The segments of a path, with their usual spelling, and ids in lower case.
fn spelled(path: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for segment in path.trim_matches('/').split('/') {
        // The name of a federated credential is nobody's to spell.
        let is_name = all.last().is_some_and(|last| last.starts_with("federatedIdentityCredentials"));
        let (name, key) = segment.split_at(segment.find('(').unwrap_or(segment.len()));
        let bare = name.strip_prefix("microsoft.").unwrap_or(name);
        let bare = bare.strip_prefix("graph.").filter(|_| bare != name || name.starts_with("graph.")).unwrap_or(name);
        let known = SEGMENTS.iter().find(|known| {
            known.eq_ignore_ascii_case(bare)
                || known
                    .strip_prefix("microsoft.graph.")
                    .is_some_and(|known| bare != name && known.eq_ignore_ascii_case(bare))
        });
        all.push(match known {
            Some(known) if !is_name => format!("{known}{key}"),
            _ => fold_id(segment),
        });
    }
    all
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
        let name = ["appId", "uniqueName", "roleTemplateId"]
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .map_or(name, |known| known);
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
            Some(with_key("application").and_then(|body| application::create(world, tenant, caller, body, &[])))
        }
        ("servicePrincipals", "appId") if directory.principal_by("appId", &key.value).is_none() => {
            Some(with_key("servicePrincipal").and_then(|body| principal::create(world, tenant, caller, body, &[])))
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
    entity: &Entity,
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
