//! Secrets: what Graph enforces about them, and which one opens the login.

use super::call::{Call, Reply};
use super::errors::Failure;
use super::moment::Moment;
use super::store::{Object, Tenant, World, new_id, text};
use super::{policies, rules, types};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Most secrets of an application that personal accounts may use. Source: Microsoft's validation differences by supported account types.
const MOST_PERSONAL: usize = 2;

/// What a presented secret is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Secret {
    Valid,
    /// Its time has not come. Source: `startDateTime` is when a password becomes valid; which code Entra gives then, no source says.
    Early,
    Expired,
}

/// Whether `presented` is a secret of the client, on its application or on its principal in `tenant`.
pub(super) fn find_secret(world: &mut World, tenant: &str, client: &str, presented: &str) -> Option<Secret> {
    let now = Moment::from(world.now());
    world.tenant(tenant);
    let application = world.home_of(client);
    let principal =
        world.tenants.get(&tenant.to_lowercase()).and_then(|here| Some((here, here.principal_by("appId", client)?)));
    for (tenant, holder) in application.into_iter().chain(principal) {
        let all = holder.get("passwordCredentials").and_then(Value::as_array).into_iter().flatten();
        for one in all.filter_map(Value::as_object) {
            if tenant.secrets.get(text(one, "keyId")).is_some_and(|secret| secret == presented) {
                let at = |name: &str| text(one, name).parse::<Moment>().ok();
                return Some(match (at("startDateTime"), at("endDateTime")) {
                    (_, Some(end)) if end <= now => Secret::Expired,
                    (Some(start), _) if start > now => Secret::Early,
                    _ => Secret::Valid,
                });
            }
        }
    }
    None
}

/// `POST …/addPassword`. The text is in this one answer only.
pub(super) fn add_password(tenant: &mut Tenant, id: &str, call: &Call, now: Timestamp) -> Reply {
    let body = call.object()?;
    only_parameter(&body, "passwordCredential", "addPassword")?;
    let wish = match body.get("passwordCredential") {
        Some(Value::Object(wish)) => wish.clone(),
        None | Some(Value::Null) => Object::new(),
        _ => return Err(Failure::bad_request("'passwordCredential' is an object.")),
    };
    types::check("passwordCredential", &wish)?;
    let wish = types::stored("passwordCredential", wish);
    if let Some(name) =
        wish.keys().find(|name| !["displayName", "startDateTime", "endDateTime"].contains(&name.as_str()))
    {
        return Err(Failure::bad_request(format!("The property '{name}' of a new password is chosen by the service.")));
    }
    let date = |name: &str, default: Moment| text(&wish, name).parse::<Moment>().unwrap_or(default);
    let start = date("startDateTime", now.into());
    let end = date("endDateTime", Moment::from(now).in_years(2));
    if end <= start {
        return Err(Failure::bad_request("Key credential end date is invalid."));
    }
    policies::allow_password(tenant, id, end.since(start))?;
    let (key, secret) = (new_id(), format!("{}~{}", new_id().replace('-', "."), &new_id()[..3]));
    let shown = json!({
        "keyId": key, "displayName": wish.get("displayName").cloned().unwrap_or_default(), "hint": secret.chars().take(3).collect::<String>(),
        "startDateTime": start.to_string(), "endDateTime": end.to_string(), "customKeyIdentifier": null, "secretText": null,
    });
    let Some(holder) = holder(tenant, id) else { return Err(Failure::no_such(id)) };
    let personal = rules::is_personal(holder);
    let present = holder.get("passwordCredentials").and_then(Value::as_array).map_or(0, Vec::len);
    if personal && present >= MOST_PERSONAL {
        return Err(Failure::bad_request("The application exceeds the maximum number of password credentials."));
    }
    match holder.entry("passwordCredentials").or_insert(json!([])).as_array_mut() {
        Some(all) => all.push(shown.clone()),
        None => return Err(Failure::bad_request("The object has no password credentials.")),
    }
    tenant.secrets.insert(key, secret.clone());
    let mut answer = shown;
    answer["secretText"] = secret.into();
    Ok((StatusCode::OK, Some(answer)))
}

/// `POST …/removePassword`.
pub(super) fn remove_password(tenant: &mut Tenant, id: &str, call: &Call) -> Reply {
    let body = call.object()?;
    only_parameter(&body, "keyId", "removePassword")?;
    let key = text(&body, "keyId").to_lowercase();
    if uuid::Uuid::try_parse(&key).is_err() {
        return Err(Failure::bad_request("The parameter 'keyId' of the operation 'removePassword' is a Guid."));
    }
    let Some(holder) = holder(tenant, id) else { return Err(Failure::no_such(id)) };
    let all = holder.get_mut("passwordCredentials").and_then(Value::as_array_mut);
    let position = all.as_ref().and_then(|all| all.iter().position(|one| one["keyId"] == key.as_str()));
    match (all, position) {
        (Some(all), Some(position)) => {
            all.remove(position);
        }
        _ => return Err(Failure::bad_request("No password credential found with keyId.")),
    }
    tenant.secrets.remove(&key);
    Ok((StatusCode::NO_CONTENT, None))
}

/// An action takes the parameters that its declaration names.
fn only_parameter(body: &Object, known: &str, action: &str) -> Result<(), Failure> {
    match body.keys().find(|name| *name != known) {
        None => Ok(()),
        Some(name) => Err(Failure::bad_request(format!(
            "The parameter '{name}' in the request payload is not a valid parameter for the operation '{action}'."
        ))),
    }
}

fn holder<'a>(tenant: &'a mut Tenant, id: &str) -> Option<&'a mut Object> {
    match tenant.applications.get_mut(id) {
        Some(app) => Some(app),
        None => tenant.principals.get_mut(id),
    }
}
