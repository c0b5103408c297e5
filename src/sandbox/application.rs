//! Applications: what Graph does with them and with what hangs on them.

use super::call::{CREATORS, Call, Caller, READERS, Reply};
use super::errors::Failure;
use super::odata::Options;
use super::store::{Object, World, new_id, text};
use super::{certificates, credentials, federated, owners, policies, principal, rules, shapes, types};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// `/applications`.
pub(super) fn all(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    match call.method {
        Method::GET => {
            caller.needs(READERS)?;
            let options = Options::read(call, "application", &["appId", "displayName", "uniqueName", "tags", "id"])?;
            Ok((StatusCode::OK, Some(options.page(call, world.tenant(tenant).applications.values()))))
        }
        Method::POST => create(world, tenant, caller, call.body("application")?),
        _ => Err(Failure::wrong_method()),
    }
}

pub(super) fn create(world: &mut World, tenant: &str, caller: &Caller, mut body: Object) -> Reply {
    caller.needs(CREATORS)?;
    rules::check(&body)?;
    certificates::complete(&mut body, None)?;
    if text(&body, "displayName").is_empty() {
        return Err(Failure::bad_request(
            "Invalid value specified for property 'displayName' of resource 'Application'.",
        ));
    }
    let now = world.now().to_string();
    let directory = world.tenant(tenant);
    rules::unique_name(directory, &body)?;
    rules::identifier_uris(directory, &body, "")?;
    let id = new_id();
    let mut app = shapes::application();
    types::merge(
        &mut app,
        shapes::object(json!({
            "id": id, "appId": new_id(), "createdDateTime": now, "publisherDomain": directory.domain(),
        })),
    );
    // Unless a client says whom it is for, everybody may sign in, with the tokens that this needs. Source: the answer in Microsoft's
    // "Create application".
    if !body.contains_key("signInAudience") {
        let api = json!({ "requestedAccessTokenVersion": 2 });
        types::merge(
            &mut app,
            shapes::object(json!({ "signInAudience": "AzureADandPersonalMicrosoftAccount", "api": api })),
        );
    }
    types::merge(&mut app, body);
    rules::token_version(&app)?;
    directory.applications.insert(id.clone(), app.clone());
    if let Caller::Application { principal_id, .. } = caller {
        directory.owners.entry(id).or_default().insert(principal_id.clone());
    }
    shapes::hide_keys(&mut app);
    Ok((StatusCode::CREATED, Some(Value::Object(app))))
}

/// `/applications/{id}…`.
pub(super) fn one(world: &mut World, tenant: &str, caller: &Caller, call: &Call, id: &str, rest: &[&str]) -> Reply {
    let now = world.now();
    let directory = world.tenant(tenant);
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.may_read(directory, &[id])?;
            let options = Options::read(call, "application", &[])?;
            Ok((StatusCode::OK, directory.applications.get(id).map(|app| options.project(app))))
        }
        (&Method::PATCH, []) => {
            caller.may_write(directory, &[id])?;
            update(world, tenant, call, id)
        }
        (&Method::DELETE, []) => {
            caller.may_write(directory, &[id])?;
            let Some(mut app) = directory.applications.remove(id) else { return Err(Failure::no_such(id)) };
            principal::delete_of(directory, text(&app, "appId"), now);
            app.insert("deletedDateTime".to_owned(), now.to_string().into());
            directory.deleted_applications.insert(id.to_owned(), app);
            Ok((StatusCode::NO_CONTENT, None))
        }
        (_, ["owners", rest @ ..]) => owners::of(directory, caller, call, id, rest),
        (&Method::POST, ["addPassword"]) => {
            caller.may_write(directory, &[id])?;
            credentials::add_password(directory, id, call, now)
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

fn update(world: &mut World, tenant: &str, call: &Call, id: &str) -> Reply {
    let mut body = call.body("application")?;
    // Saying which one it is changes nothing.
    if text(&body, "id") == id {
        body.remove("id");
    }
    rules::check(&body)?;
    let directory = world.tenant(tenant);
    let Some(before) = directory.applications.get(id) else { return Err(Failure::no_such(id)) };
    certificates::complete(&mut body, Some(before))?;
    if body.contains_key("uniqueName") && text(before, "uniqueName") != text(&body, "uniqueName") {
        if !text(before, "uniqueName").is_empty() {
            return Err(Failure::bad_request("Property 'uniqueName' cannot be changed once it is set."));
        }
        rules::unique_name(directory, &body)?;
    }
    rules::identifier_uris(directory, &body, id)?;
    let mut after = before.clone();
    types::merge(&mut after, body);
    rules::keeps_enabled_permissions(before, &after)?;
    rules::token_version(&after)?;
    directory.applications.insert(id.to_owned(), after.clone());
    principal::follow(world, &after);
    Ok((StatusCode::NO_CONTENT, None))
}
