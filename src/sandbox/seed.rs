//! What a tenant holds before anybody does anything: Microsoft's APIs, and the development identity.

use super::store::{GRAPH, MICROSOFT, Object, Tenant, new_id, text};
use super::{CLIENT, SECRET, policies, shapes, types};
use crate::catalog::{Catalog, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the development identity holds of Microsoft Graph: all that a provider may need.
const ROLES: &[&str] = &[
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Organization.Read.All",
    "Policy.Read.All",
];

/// A new tenant.
pub(super) fn tenant(id: &str, now: Timestamp) -> Tenant {
    let mut tenant = Tenant { id: id.to_owned(), policy: policies::untouched(), ..Tenant::default() };
    for key in Catalog::built_in().api_keys() {
        first_party(&mut tenant, key);
    }
    caller(&mut tenant, CLIENT, "Sandbox operator", SECRET, ROLES, now);
    tenant
}

/// An application with a principal, a secret and roles of Microsoft Graph. Gives the principal's object id; unknown roles are left out.
pub(super) fn caller(
    tenant: &mut Tenant,
    client: &str,
    name: &str,
    secret: &str,
    roles: &[impl AsRef<str>],
    now: Timestamp,
) -> String {
    let (application, operator, key) = (new_id(), new_id(), new_id());
    let mut app = shapes::application();
    let password = json!({
        "keyId": key, "displayName": "made with the sandbox", "startDateTime": "2000-01-01T00:00:00Z", "endDateTime": "2999-01-01T00:00:00Z",
        "hint": secret.chars().take(3).collect::<String>(), "secretText": null, "customKeyIdentifier": null,
    });
    types::merge(
        &mut app,
        shapes::object(json!({
            "id": application, "appId": client, "displayName": name, "signInAudience": "AzureADMultipleOrgs",
            "createdDateTime": now.to_string(), "publisherDomain": tenant.domain(), "passwordCredentials": [password],
        })),
    );
    let mut principal = shapes::principal();
    types::merge(
        &mut principal,
        shapes::object(json!({
            "id": operator, "appId": client, "displayName": name, "appDisplayName": name, "appOwnerOrganizationId": tenant.id,
            "servicePrincipalNames": [client], "signInAudience": "AzureADMultipleOrgs",
        })),
    );
    tenant.applications.insert(application, app);
    tenant.principals.insert(operator.clone(), principal);
    tenant.secrets.insert(key, secret.to_owned());
    grant(tenant, &operator, name, roles, now);
    operator
}

fn grant(tenant: &mut Tenant, operator: &str, name: &str, roles: &[impl AsRef<str>], now: Timestamp) {
    let Some(graph) = tenant.principal_by("appId", GRAPH).map(|graph| text(graph, "id").to_owned()) else { return };
    let Some(api) = Catalog::built_in().api(GRAPH) else { return };
    for role in roles.iter().filter_map(|role| api.find(Kind::Application, role.as_ref()).ok()) {
        let id = new_id();
        let assignment = shapes::object(json!({
            "id": id, "appRoleId": role.id, "principalId": operator, "principalType": "ServicePrincipal", "resourceId": graph,
            "resourceDisplayName": "Microsoft Graph", "principalDisplayName": name, "createdDateTime": now.to_string(),
            "deletedDateTime": null,
        }));
        tenant.assignments.insert(id, assignment);
    }
}

/// The principal of one of Microsoft's APIs, with everything that it offers.
pub(super) fn first_party<'a>(tenant: &'a mut Tenant, named: &str) -> Option<&'a Object> {
    let api = Catalog::built_in().api(named)?;
    let id = new_id();
    let of_kind = |kind: Kind| api.permissions().filter(move |one| one.kind == kind);
    let roles: Vec<Value> = of_kind(Kind::Application)
        .map(|one| {
            json!({
                "id": one.id, "value": one.value, "displayName": one.value, "description": one.value,
                "allowedMemberTypes": ["Application"], "isEnabled": one.enabled, "origin": "Application",
            })
        })
        .collect();
    let scopes: Vec<Value> = of_kind(Kind::Delegated)
        .map(|one| {
            let kind = if one.admin_consent_required == Some(true) { "Admin" } else { "User" };
            json!({
                "id": one.id, "value": one.value, "isEnabled": one.enabled, "type": kind,
                "adminConsentDisplayName": one.value, "adminConsentDescription": one.value,
                "userConsentDisplayName": one.value, "userConsentDescription": one.value,
            })
        })
        .collect();
    let mut principal = shapes::principal();
    types::merge(
        &mut principal,
        shapes::object(json!({
            "id": id, "appId": api.app_id, "displayName": api.display_name, "appDisplayName": api.display_name,
            "appOwnerOrganizationId": MICROSOFT, "appRoles": roles, "oauth2PermissionScopes": scopes,
            "servicePrincipalNames": [api.app_id], "signInAudience": "AzureADMultipleOrgs",
        })),
    );
    tenant.principals.insert(id.clone(), principal);
    tenant.principals.get(&id)
}
