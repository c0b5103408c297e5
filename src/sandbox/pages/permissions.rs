//! What a client asks for and what it was granted in a tenant, side by side, as the portal's API permissions have it.

use crate::catalog::{Catalog, Kind};
use crate::sandbox::store::{Object, Tenant, World, id_of, text};
use serde_json::Value;

/// One permission of a client.
pub(super) struct Permission {
    /// Name of the API.
    pub api: String,
    /// Client id of the API.
    pub api_id: String,
    pub kind: Kind,
    /// Empty where only a name is known.
    pub id: String,
    pub name: String,
    pub requested: bool,
    /// To everybody in the tenant.
    pub granted: bool,
}

impl Permission {
    /// Not asked for, not granted.
    pub(super) fn new(directory: &Tenant, api_id: &str, kind: Kind, id: &str) -> Self {
        let api = directory.principal_by("appId", api_id);
        let known = Catalog::built_in().api(api_id);
        let offered = api.and_then(|api| offered(api, kind).find(|one| text(one, "id") == id));
        let name = match offered {
            Some(found) => text(found, "value").to_owned(),
            None => known.and_then(|api| api.by_id(kind, id)).map_or_else(|| id.to_owned(), |one| one.value.clone()),
        };
        let title = api.map(|api| text(api, "displayName").to_owned()).or(known.map(|api| api.display_name.clone()));
        Self {
            api: title.unwrap_or_else(|| api_id.to_owned()),
            api_id: api_id.to_owned(),
            kind,
            id: id.to_owned(),
            name,
            requested: false,
            granted: false,
        }
    }

    /// The kind in words.
    pub(super) fn kind_in_words(&self) -> &'static str {
        match self.kind {
            Kind::Application => "Application",
            Kind::Delegated => "Delegated",
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.api_id.eq_ignore_ascii_case(&other.api_id)
            && self.kind == other.kind
            && (self.id.eq_ignore_ascii_case(&other.id)
                || self.kind == Kind::Delegated && self.name.eq_ignore_ascii_case(&other.name))
    }
}

/// What an API offers of a kind.
fn offered(api: &Object, kind: Kind) -> impl Iterator<Item = &Object> {
    let property = if kind == Kind::Application { "appRoles" } else { "oauth2PermissionScopes" };
    api.get(property).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The scope of this name, if only by its name.
pub(super) fn scope(directory: &Tenant, api_id: &str, name: &str) -> Permission {
    let api = directory.principal_by("appId", api_id);
    let found =
        api.and_then(|api| offered(api, Kind::Delegated).find(|one| text(one, "value").eq_ignore_ascii_case(name)));
    match found {
        Some(found) => Permission::new(directory, api_id, Kind::Delegated, text(found, "id")),
        None => Permission { name: name.to_owned(), ..Permission::new(directory, api_id, Kind::Delegated, "") },
    }
}

/// All permissions of a client: what its application asks for, wherever that lives, and what its principal was granted here.
pub(super) fn of(world: &World, tenant: &str, client: &str) -> Vec<Permission> {
    let Some(directory) = world.tenants.get(tenant) else { return Vec::new() };
    let mut all: Vec<Permission> = Vec::new();
    let mut note = |one: Permission| match all.iter_mut().find(|known| known.is(&one)) {
        Some(known) => {
            known.requested |= one.requested;
            known.granted |= one.granted;
        }
        None => all.push(one),
    };
    if let Some((_, app)) = world.home_of(client) {
        for (api, kind, id) in requested(app) {
            note(Permission { requested: true, ..Permission::new(directory, api, kind, id) });
        }
    }
    if let Some(holder) = directory.principal_by("appId", client).map(id_of) {
        let api_of =
            |one: &Object| directory.principals.get(text(one, "resourceId")).map(|api| text(api, "appId").to_owned());
        for one in directory.assignments.values().filter(|one| text(one, "principalId") == holder) {
            let Some(api) = api_of(one) else { continue };
            note(Permission {
                granted: true,
                ..Permission::new(directory, &api, Kind::Application, text(one, "appRoleId"))
            });
        }
        for one in directory.grants.values().filter(|one| is_for_everybody(one, &holder, text(one, "resourceId"))) {
            let Some(api) = api_of(one) else { continue };
            for name in text(one, "scope").split_whitespace() {
                note(Permission { granted: true, ..scope(directory, &api, name) });
            }
        }
    }
    all.sort_by(|a, b| (&a.api, a.kind_in_words(), &a.name).cmp(&(&b.api, b.kind_in_words(), &b.name)));
    all
}

/// What `requiredResourceAccess` asks for: client id of the API, kind and id.
pub(super) fn requested(app: &Object) -> Vec<(&str, Kind, &str)> {
    let apis = app.get("requiredResourceAccess").and_then(Value::as_array).into_iter().flatten();
    let entries = apis.filter_map(Value::as_object).flat_map(|api| {
        let of_api = api.get("resourceAccess").and_then(Value::as_array).into_iter().flatten();
        of_api.filter_map(Value::as_object).map(|one| {
            let kind = if text(one, "type") == "Role" { Kind::Application } else { Kind::Delegated };
            (text(api, "resourceAppId"), kind, text(one, "id"))
        })
    });
    entries.collect()
}

/// Whether this app role assignment gives the holder the role.
pub(super) fn is_assignment(one: &Object, holder: &str, resource: &str, role: &str) -> bool {
    text(one, "principalId") == holder
        && text(one, "resourceId") == resource
        && text(one, "appRoleId").eq_ignore_ascii_case(role)
}

/// Whether this is the holder's grant of the resource's scopes to everybody.
pub(super) fn is_for_everybody(one: &Object, holder: &str, resource: &str) -> bool {
    text(one, "clientId") == holder
        && text(one, "resourceId") == resource
        && text(one, "consentType") == "AllPrincipals"
}
