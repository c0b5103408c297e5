//! App management policies: the tenant's own, and those that are assigned to single applications. Source: Microsoft's documentation
//! of `tenantAppManagementPolicy`, `appManagementPolicy` and `passwordCredentialConfiguration`.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::moment::Moment;
use super::odata::Options;
use super::store::{Object, Tenant, new_id, text};
use axum::http::{Method, StatusCode};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const READERS: &[&str] =
    &["Policy.Read.All", "Policy.Read.ApplicationConfiguration", "Policy.ReadWrite.ApplicationConfiguration"];
const WRITERS: &[&str] = &["Policy.ReadWrite.ApplicationConfiguration"];
const PASSWORD_RESTRICTIONS: &[&str] =
    &["passwordAddition", "passwordLifetime", "symmetricKeyAddition", "symmetricKeyLifetime", "customPasswordAddition"];

/// The policy of a tenant that nobody has changed.
pub(super) fn untouched() -> Object {
    let policy = json!({
        "id": "00000000-0000-0000-0000-000000000000", "displayName": "Default app management tenant policy",
        "description": "Default tenant policy that enforces app management restrictions on applications and service principals.",
        "isEnabled": false,
        "applicationRestrictions": { "passwordCredentials": [], "keyCredentials": [] },
        "servicePrincipalRestrictions": { "passwordCredentials": [], "keyCredentials": [] },
    });
    policy.as_object().cloned().unwrap_or_default()
}

/// `/policies/…`.
pub(super) fn policies(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, ["defaultAppManagementPolicy"]) => {
            caller.needs(READERS)?;
            Ok((StatusCode::OK, Some(Value::Object(tenant.policy.clone()))))
        }
        (&Method::PATCH, ["defaultAppManagementPolicy"]) => {
            caller.needs(WRITERS)?;
            let body = call.object()?;
            fits(&body, &["applicationRestrictions", "servicePrincipalRestrictions"])?;
            tenant.policy.extend(body);
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::POST, ["appManagementPolicies"]) => {
            caller.needs(WRITERS)?;
            let mut body = call.object()?;
            fits(&body, &["restrictions"])?;
            let id = new_id();
            body.insert("id".to_owned(), id.clone().into());
            tenant.app_policies.insert(id, body.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(body))))
        }
        (_, ["defaultAppManagementPolicy" | "appManagementPolicies"]) => Err(Failure::wrong_method()),
        _ => Err(Failure::bad_request("Resource not found for the segment 'policies'.")),
    }
}

/// `/applications/{id}/appManagementPolicies…`.
pub(super) fn of_application(tenant: &mut Tenant, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.needs(READERS)?;
            let options = Options::read(call, "appManagementPolicy", &[])?;
            Ok((StatusCode::OK, Some(options.page(call, assigned(tenant, id)))))
        }
        (&Method::POST, ["$ref"]) => {
            caller.needs(WRITERS)?;
            let body = call.object()?;
            let policy = text(&body, "@odata.id").rsplit('/').next().unwrap_or_default().to_owned();
            if !tenant.app_policies.contains_key(&policy) {
                return Err(Failure::no_such(&policy));
            }
            // An application has one policy at most.
            tenant.assigned_policies.insert(id.to_owned(), policy);
            Ok((StatusCode::NO_CONTENT, None))
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn assigned<'a>(tenant: &'a Tenant, application: &str) -> impl Iterator<Item = &'a Object> {
    let policy = tenant.assigned_policies.get(application).and_then(|id| tenant.app_policies.get(id));
    policy.into_iter()
}

fn fits(body: &Object, restrictions: &[&str]) -> Result<(), Failure> {
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with("@odata.")) {
        let fits = match name.as_str() {
            "displayName" | "description" => value.is_string(),
            "isEnabled" => value.is_boolean(),
            name if restrictions.contains(&name) => {
                let all = value.get("passwordCredentials").and_then(Value::as_array).into_iter().flatten();
                let kinds: BTreeSet<_> = all.clone().map(|one| one["restrictionType"].as_str()).collect();
                // Each kind once per policy.
                value.is_object() && all.clone().all(is_restriction) && kinds.len() == all.count()
            }
            _ => {
                return Err(Failure::bad_request(format!(
                    "The property '{name}' does not exist on this type of policy. Make sure to only use property names that are defined by the type."
                )));
            }
        };
        if !fits {
            return Err(Failure::bad_request(format!("Invalid value specified for property '{name}' of the policy.")));
        }
    }
    Ok(())
}

fn is_restriction(one: &Value) -> bool {
    let kind = one["restrictionType"].as_str().unwrap_or_default();
    let since = &one["restrictForAppsCreatedAfterDateTime"];
    let lifetime = max_lifetime(one);
    PASSWORD_RESTRICTIONS.contains(&kind)
        && (one["state"].is_null() || ["enabled", "disabled"].iter().any(|state| one["state"] == *state))
        && (since.is_null() || since.as_str().is_some_and(|since| since.parse::<Moment>().is_ok()))
        && (!kind.ends_with("Lifetime") || lifetime.is_some())
}

fn max_lifetime(restriction: &Value) -> Option<SignedDuration> {
    let span: Span = restriction["maxLifetime"].as_str()?.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// Refuses a new secret that the policy in force forbids.
pub(super) fn allow_password(tenant: &Tenant, id: &str, lifetime: SignedDuration) -> Result<(), Failure> {
    let application = tenant.applications.get(id);
    let own = assigned(tenant, id).next();
    let (policy, part) = match (own, application) {
        (Some(own), _) => (own, "restrictions"),
        (None, Some(_)) => (&tenant.policy, "applicationRestrictions"),
        (None, None) => (&tenant.policy, "servicePrincipalRestrictions"),
    };
    if policy.get("isEnabled") != Some(&Value::Bool(true)) {
        return Ok(());
    }
    let created = application.and_then(|app| text(app, "createdDateTime").parse::<Moment>().ok());
    let all = policy.get(part).and_then(|part| part.get("passwordCredentials")).and_then(Value::as_array);
    for one in all.into_iter().flatten().filter(|one| one["state"] != "disabled") {
        let since = one["restrictForAppsCreatedAfterDateTime"].as_str().and_then(|since| since.parse().ok());
        if since.is_some_and(|since: Moment| created.is_some_and(|created| created < since)) {
            continue;
        }
        let id = text(policy, "id");
        match one["restrictionType"].as_str() {
            Some("passwordAddition") => return Err(Failure::credential_type_not_allowed(id)),
            Some("passwordLifetime") if max_lifetime(one).is_some_and(|most| lifetime > most) => {
                return Err(Failure::credential_lifetime(id));
            }
            _ => {}
        }
    }
    Ok(())
}
