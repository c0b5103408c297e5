//! Secrets, certificates and federated credentials: what Graph enforces about each, and which secret opens the login.

use super::directory::object;
use super::errors::Failure;
use super::odata::Options;
use super::store::{Object, Tenant, World, new_id, text};
use super::types::check;
use super::{Call, Reply, policies};
use axum::http::{Method, StatusCode};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

/// Most federated credentials of one application. Source: Microsoft's documentation of workload identity federation.
const MOST_FEDERATED: usize = 20;

/// Most secrets of an application that personal accounts may use. Source: Microsoft's validation differences by supported account types.
const MOST_PERSONAL: usize = 2;

/// What a presented secret is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Secret {
    Valid,
    Expired,
}

/// Whether `presented` is a secret of the client, on its application or on its principal in `tenant`.
pub(super) fn find_secret(world: &mut World, tenant: &str, client: &str, presented: &str) -> Option<Secret> {
    let now = world.now();
    world.tenant(tenant);
    let application = world.home_of(client);
    let principal =
        world.tenants.get(&tenant.to_lowercase()).and_then(|here| Some((here, here.principal_by("appId", client)?)));
    for (tenant, holder) in application.into_iter().chain(principal) {
        let all = holder.get("passwordCredentials").and_then(Value::as_array).into_iter().flatten();
        for one in all.filter_map(Value::as_object) {
            if tenant.secrets.get(text(one, "keyId")).is_some_and(|secret| secret == presented) {
                let ended = text(one, "endDateTime").parse::<Timestamp>().is_ok_and(|end| end <= now);
                return Some(if ended { Secret::Expired } else { Secret::Valid });
            }
        }
    }
    None
}

/// `POST …/addPassword`. The text is in this one answer only.
pub(super) fn add_password(tenant: &mut Tenant, id: &str, call: &Call, now: Timestamp) -> Reply {
    let body = object(call)?;
    only_parameter(&body, "passwordCredential", "addPassword")?;
    let wish = match body.get("passwordCredential") {
        Some(Value::Object(wish)) => wish.clone(),
        None | Some(Value::Null) => Object::new(),
        _ => return Err(Failure::bad_request("'passwordCredential' is an object.")),
    };
    check("passwordCredential", &wish)?;
    if let Some(name) =
        wish.keys().find(|name| !["displayName", "startDateTime", "endDateTime"].contains(&name.as_str()))
    {
        return Err(Failure::bad_request(format!("The property '{name}' of a new password is chosen by the service.")));
    }
    let in_two_years = now.to_zoned(jiff::tz::TimeZone::UTC).checked_add(2.years()).map_or(now, |end| end.timestamp());
    let date = |name: &str, default: Timestamp| text(&wish, name).parse::<Timestamp>().unwrap_or(default);
    let (start, end) = (date("startDateTime", now), date("endDateTime", in_two_years));
    if end <= start {
        return Err(Failure::bad_request("Key credential end date is invalid."));
    }
    policies::allow_password(tenant, id, end.duration_since(start))?;
    let (key, secret) = (new_id(), format!("{}~{}", new_id().replace('-', "."), &new_id()[..3]));
    let shown = json!({
        "keyId": key, "displayName": wish.get("displayName").cloned().unwrap_or_default(), "hint": secret.chars().take(3).collect::<String>(),
        "startDateTime": start.to_string(), "endDateTime": end.to_string(), "customKeyIdentifier": null, "secretText": null,
    });
    let Some(holder) = holder(tenant, id) else { return Err(Failure::no_such(id)) };
    let personal = text(holder, "signInAudience").contains("Personal");
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
    let body = object(call)?;
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

/// Certificates of a body that replaces the whole collection: what the service adds to each, and what it keeps of one it knows.
pub(super) fn complete_keys(body: &mut Object, before: Option<&Object>) -> Result<(), Failure> {
    let known =
        before.and_then(|before| before.get("keyCredentials")).and_then(Value::as_array).cloned().unwrap_or_default();
    for key in body.get_mut("keyCredentials").and_then(Value::as_array_mut).into_iter().flatten() {
        let old = known.iter().find(|old| key["keyId"].is_string() && old["keyId"] == key["keyId"]);
        match old {
            // A client sends back what it has read, without the key itself.
            Some(old) if key["key"].is_null() => key["key"] = old["key"].clone(),
            None if key["key"].is_null() => {
                return Err(Failure::bad_request("A new key credential needs the property 'key'."));
            }
            _ => {}
        }
        if key["keyId"].is_null() {
            key["keyId"] = new_id().into();
        }
    }
    Ok(())
}

/// `/applications/{id}/federatedIdentityCredentials`.
pub(super) fn federated(tenant: &mut Tenant, id: &str, call: &Call, rest: &[&str]) -> Reply {
    let all = tenant.federated.entry(id.to_owned()).or_default();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let options = Options::read(call, "federatedIdentityCredential", &["name", "issuer", "subject"])?;
            Ok((StatusCode::OK, Some(options.page(call, all.iter()))))
        }
        (&Method::POST, []) => {
            let mut body = object(call)?;
            federated_is_fine(&body, all, None)?;
            if all.len() >= MOST_FEDERATED {
                return Err(Failure::bad_request("The limit of 20 federated identity credentials is reached."));
            }
            body.insert("id".to_owned(), new_id().into());
            body.entry("description").or_insert(Value::Null);
            all.push(body.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(body))))
        }
        (method, [named]) => {
            let by_id_or_name = |one: &Object| text(one, "id") == *named || text(one, "name") == *named;
            let Some(position) = all.iter().position(by_id_or_name) else { return Err(Failure::no_such(named)) };
            match *method {
                Method::GET => Ok((StatusCode::OK, all.get(position).map(|one| Value::Object(one.clone())))),
                Method::DELETE => {
                    all.remove(position);
                    Ok((StatusCode::NO_CONTENT, None))
                }
                Method::PATCH => {
                    let body = object(call)?;
                    let Some(mut changed) = all.get(position).cloned() else { return Err(Failure::no_such(named)) };
                    if body.contains_key("name") && text(&body, "name") != text(&changed, "name") {
                        return Err(Failure::bad_request(
                            "The name of a federated identity credential cannot be changed.",
                        ));
                    }
                    changed.extend(body);
                    federated_is_fine(&changed, all, Some(position))?;
                    all[position] = changed;
                    Ok((StatusCode::NO_CONTENT, None))
                }
                _ => Err(Failure::wrong_method()),
            }
        }
        _ => Err(Failure::wrong_method()),
    }
}

/// Source: Microsoft's documentation of the resource `federatedIdentityCredential`.
fn federated_is_fine(body: &Object, all: &[Object], but: Option<usize>) -> Result<(), Failure> {
    check("federatedIdentityCredential", body)?;
    let name = text(body, "name");
    let fits = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    if !(3..=120).contains(&name.len())
        || !name.chars().all(fits)
        || !name.starts_with(|one: char| one.is_ascii_alphanumeric())
    {
        return Err(Failure::bad_request(
            "Invalid value specified for property 'name' of a federated identity credential.",
        ));
    }
    for property in ["issuer", "subject", "description"] {
        let length = text(body, property).chars().count();
        if length > 600 || (length == 0 && property != "description") {
            return Err(Failure::bad_request(format!("Invalid value specified for property '{property}'.")));
        }
    }
    if body.get("audiences").and_then(Value::as_array).is_none_or(|audiences| audiences.len() != 1) {
        return Err(Failure::bad_request("A federated identity credential has exactly one audience."));
    }
    let others = all.iter().enumerate().filter(|(position, _)| Some(*position) != but).map(|(_, one)| one);
    for other in others {
        if text(other, "name") == name {
            return Err(Failure::conflict(format!("FederatedIdentityCredential with name {name} already exists.")));
        }
        if text(other, "issuer") == text(body, "issuer") && text(other, "subject") == text(body, "subject") {
            return Err(Failure::conflict(
                "A federated identity credential with this issuer and subject already exists.",
            ));
        }
    }
    Ok(())
}
