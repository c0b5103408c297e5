//! What Graph enforces about the values of an application's properties.

use super::errors::Failure;
use super::store::{Object, Tenant, text};
use serde_json::Value;
use std::collections::BTreeSet;
use url::{Host, Url};

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
const AUDIENCES: &[&str] =
    &["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"];
/// Longest redirect URI. Source: Microsoft's "Redirect URI (reply URL) best practices and limitations".
const LONGEST_REDIRECT_URI: usize = 256;
/// Longest value of an app role, and what it may have besides letters and digits. Source: Microsoft's documentation of `appRole`.
const LONGEST_ROLE: usize = 120;
const ROLE_MARKS: &str = ":!#$%&'()*+,-./;<=>?@[]^_`{|}~";

fn invalid(property: &str) -> Failure {
    Failure::bad_request(format!("Invalid value specified for property '{property}' of resource 'Application'."))
}

/// Elements of a collection, which may be within a complex property.
fn elements<'a>(body: &'a Object, path: &[&str]) -> impl Iterator<Item = &'a Value> {
    let (first, rest) = path.split_first().map_or(("", path), |(first, rest)| (*first, rest));
    let found = rest.iter().try_fold(body.get(first), |value, name| Some(value?.get(name)));
    found.flatten().and_then(Value::as_array).into_iter().flatten()
}

/// Rules that a body has to keep whatever the application is.
pub(super) fn check(body: &Object) -> Result<(), Failure> {
    if let Some(property) = body.keys().find(|name| READ_ONLY.contains(&name.as_str())) {
        return Err(Failure::bad_request(format!("Property '{property}' is read-only and cannot be set.")));
    }
    let named = |name: &Value| name.as_str().is_some_and(|name| !name.is_empty() && name.chars().count() <= 256);
    if body.get("displayName").is_some_and(|name| !named(name)) {
        return Err(invalid("displayName"));
    }
    if body.get("signInAudience").is_some_and(|audience| !AUDIENCES.iter().any(|one| audience == one)) {
        return Err(invalid("signInAudience"));
    }
    if body.get("passwordCredentials").is_some() {
        return Err(Failure::bad_request("New password credentials must be generated with the service actions."));
    }
    let tags: Vec<&str> = elements(body, &["tags"]).filter_map(Value::as_str).collect();
    let unique: BTreeSet<_> = tags.iter().collect();
    if unique.len() != tags.len() || tags.iter().any(|tag| tag.is_empty() || tag.len() > 256 || tag.contains(' ')) {
        return Err(invalid("tags"));
    }
    redirect_uris(body)?;
    roles(body)?;
    requested(body)
}

/// Source: Microsoft's "Redirect URI (reply URL) best practices and limitations"; the schemes of brokers and `urn:` in
/// pulumi/pulumi-azuread#1686 and hashicorp/terraform-provider-azuread#575.
fn redirect_uris(body: &Object) -> Result<(), Failure> {
    for (platform, besides) in [("web", "urn:"), ("spa", "brk-")] {
        for uri in elements(body, &[platform, "redirectUris"]).filter_map(Value::as_str) {
            let parsed = Url::parse(uri).ok();
            let secure = parsed.as_ref().is_some_and(|url| match url.scheme() {
                "https" => url.host().is_some(),
                "http" => url.host().is_some_and(|host| is_this_machine(&host)),
                _ => uri.starts_with(besides),
            });
            if !secure || uri.len() > LONGEST_REDIRECT_URI {
                return Err(Failure::bad_request(format!(
                    "Invalid value specified for property '{platform}.redirectUris': '{uri}' must start with HTTPS or http://localhost, and have {LONGEST_REDIRECT_URI} characters at most."
                )));
            }
        }
    }
    Ok(())
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn roles(body: &Object) -> Result<(), Failure> {
    let mut ids = BTreeSet::new();
    for role in elements(body, &["appRoles"]).filter_map(Value::as_object) {
        let value = text(role, "value");
        let fits = |one: char| one.is_ascii_alphanumeric() || ROLE_MARKS.contains(one);
        let mut kinds = elements(role, &["allowedMemberTypes"]).peekable();
        let has_kinds = kinds.peek().is_some() && kinds.all(|kind| kind == "User" || kind == "Application");
        let is_new = !text(role, "id").is_empty() && ids.insert(text(role, "id"));
        if !is_new || !has_kinds || value.chars().count() > LONGEST_ROLE || !value.chars().all(fits) {
            return Err(invalid("appRoles"));
        }
    }
    Ok(())
}

fn requested(body: &Object) -> Result<(), Failure> {
    let (mut apis, mut count) = (BTreeSet::new(), 0);
    for api in elements(body, &["requiredResourceAccess"]).filter_map(Value::as_object) {
        if !apis.insert(text(api, "resourceAppId")) || text(api, "resourceAppId").is_empty() {
            return Err(Failure::bad_request("Duplicate or missing resourceAppId in requiredResourceAccess."));
        }
        let mut seen = BTreeSet::new();
        for access in elements(api, &["resourceAccess"]).filter_map(Value::as_object) {
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

/// Whether personal accounts may sign in.
pub(super) fn is_personal(application: &Object) -> bool {
    text(application, "signInAudience").contains("Personal")
}

/// Personal accounts get tokens of the second version only; setting that first, or in the same request, is what makes their audiences
/// possible. Source: azure-ad-b2c/Scripts#2, Azure/azure-cli#15512, hashicorp/terraform-provider-azuread#1374 (on create),
/// microsoftgraph/microsoft-graph-docs#21685.
pub(super) fn token_version(application: &Object) -> Result<(), Failure> {
    let version = application.get("api").and_then(|api| api.get("requestedAccessTokenVersion")).and_then(Value::as_i64);
    if is_personal(application) && version != Some(2) { Err(Failure::access_token_version()) } else { Ok(()) }
}

/// An enabled permission neither goes away nor changes its value. Source: microsoftgraph/msgraph-sdk-powershell#1054 and #1211, and the
/// azuread provider, which waits for this very text.
pub(super) fn keeps_enabled_permissions(before: &Object, after: &Object) -> Result<(), Failure> {
    for path in [&["appRoles"][..], &["api", "oauth2PermissionScopes"]] {
        let enabled = |one: &&Object| one.get("isEnabled") == Some(&Value::Bool(true));
        for one in elements(before, path).filter_map(Value::as_object).filter(enabled) {
            let same = |other: &Object| ["id", "value"].iter().all(|name| text(other, name) == text(one, name));
            if !elements(after, path).filter_map(Value::as_object).any(same) {
                return Err(Failure::enabled_permission());
            }
        }
    }
    Ok(())
}

/// Source: Microsoft's "Restrictions on identifier URIs", and the texts of both refusals in reports of azuread's users.
pub(super) fn identifier_uris(tenant: &Tenant, body: &Object, id: &str) -> Result<(), Failure> {
    for uri in elements(body, &["identifierUris"]).filter_map(Value::as_str) {
        let parsed = Url::parse(uri).map_err(|_| invalid("identifierUris"))?;
        match parsed.scheme() {
            "api" | "urn" | "ms-appx" => {}
            "http" | "https" => {
                let domain = tenant.domain();
                let host = parsed.host_str().unwrap_or_default();
                if host != domain && !host.ends_with(&format!(".{domain}")) {
                    return Err(Failure::unverified_domain(uri));
                }
            }
            _ => return Err(invalid("identifierUris")),
        }
        let others = tenant.applications.values().filter(|app| text(app, "id") != id);
        if others.into_iter().any(|app| elements(app, &["identifierUris"]).any(|one| one == uri)) {
            return Err(Failure::taken("identifierUris"));
        }
    }
    Ok(())
}

/// A name is taken also by a deleted application.
pub(super) fn unique_name(tenant: &Tenant, body: &Object) -> Result<(), Failure> {
    let name = text(body, "uniqueName");
    let mut all = tenant.applications.values().chain(tenant.deleted_applications.values());
    if !name.is_empty() && all.any(|app| text(app, "uniqueName") == name) {
        return Err(Failure::taken("uniqueName"));
    }
    Ok(())
}
