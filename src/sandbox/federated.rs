//! Federated credentials: what Graph enforces about them. Source: Microsoft's documentation of `federatedIdentityCredential`, and the
//! answers quoted in azure-dev#1482 and azure-workload-identity#434.

use super::call::{Call, Reply};
use super::errors::Failure;
use super::odata::Options;
use super::store::{Object, Tenant, new_id, text};
use axum::http::{Method, StatusCode};
use serde_json::Value;

const TYPE: &str = "federatedIdentityCredential";
/// Most federated credentials of one application. Source: Microsoft's documentation of workload identity federation.
const MOST_FEDERATED: usize = 20;

/// `/applications/{id}/federatedIdentityCredentials`. `key`: of the form `name='…'`, where one is named by its alternate key.
pub(super) fn credentials(tenant: &mut Tenant, id: &str, call: &Call, key: Option<&str>, rest: &[&str]) -> Reply {
    let all = tenant.federated.entry(id.to_owned()).or_default();
    let named = key.map(name_in).transpose()?;
    let named: Vec<&str> = named.as_deref().into_iter().chain(rest.iter().copied()).collect();
    match (&call.method, named.as_slice()) {
        (&Method::GET, []) => {
            let options = Options::read(call, TYPE, &["name", "issuer", "subject"])?;
            Ok((StatusCode::OK, Some(options.page(call, all.iter()))))
        }
        (&Method::POST, []) => create(all, call.body(TYPE)?),
        (&Method::PATCH, [name]) if key.is_some() && !all.iter().any(|one| text(one, "name") == *name) => {
            // An update by alternate key of what is not there creates it, where the client asks for that.
            if !call.creates_if_missing() {
                return Err(Failure::no_such(name));
            }
            let mut body = call.body(TYPE)?;
            body.insert("name".to_owned(), (*name).into());
            create(all, body)
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
                    let body = call.body(TYPE)?;
                    let Some(mut changed) = all.get(position).cloned() else { return Err(Failure::no_such(named)) };
                    if body.contains_key("name") && text(&body, "name") != text(&changed, "name") {
                        return Err(Failure::bad_request(
                            "The name of a federated identity credential cannot be changed.",
                        ));
                    }
                    changed.extend(body);
                    is_fine(&changed, all, Some(position))?;
                    all[position] = changed;
                    Ok((StatusCode::NO_CONTENT, None))
                }
                _ => Err(Failure::wrong_method()),
            }
        }
        _ => Err(Failure::wrong_method()),
    }
}

fn name_in(key: &str) -> Result<String, Failure> {
    key.strip_prefix("name='")
        .and_then(|rest| rest.strip_suffix('\''))
        .map(|name| name.replace("''", "'"))
        .ok_or_else(|| Failure::bad_request("The alternate key of a federated identity credential is its name."))
}

fn create(all: &mut Vec<Object>, mut body: Object) -> Reply {
    if body.contains_key("id") {
        return Err(Failure::bad_request("Property 'id' is read-only and cannot be set."));
    }
    is_fine(&body, all, None)?;
    if all.len() >= MOST_FEDERATED {
        return Err(Failure::quota("The limit of 20 federated identity credentials per application is reached."));
    }
    body.insert("id".to_owned(), new_id().into());
    body.entry("description").or_insert(Value::Null);
    all.push(body.clone());
    Ok((StatusCode::CREATED, Some(Value::Object(body))))
}

fn is_fine(body: &Object, all: &[Object], but: Option<usize>) -> Result<(), Failure> {
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
    let audiences = body.get("audiences").and_then(Value::as_array);
    if audiences.is_none_or(|all| {
        all.len() != 1 || all.iter().any(|one| one.as_str().is_none_or(|one| one.is_empty() || one.len() > 600))
    }) {
        return Err(Failure::bad_request("A federated identity credential has exactly one audience."));
    }
    let others = all.iter().enumerate().filter(|(position, _)| Some(*position) != but).map(|(_, one)| one);
    for other in others {
        if text(other, "name") == name {
            return Err(Failure::conflict(format!("FederatedIdentityCredential with name {name} already exists.")));
        }
        if text(other, "issuer") == text(body, "issuer") && text(other, "subject") == text(body, "subject") {
            let (issuer, subject) = (text(body, "issuer"), text(body, "subject"));
            return Err(Failure::invalid_federated(format!(
                "The combination of issuer and subject must be unique for the application. Issuer {issuer} and Subject: {subject} already exist."
            )));
        }
    }
    Ok(())
}
