//! The tenants, and what each of them holds.

use super::hand::Hand;
use super::look::{Fields, Outcome, Page, button, field, page, rows};
use crate::sandbox::errors::Failure;
use crate::sandbox::store::{MICROSOFT, Object, Tenant, World, text};
use axum::http::Method;
use maud::{Markup, html};
use serde_json::json;
use std::collections::BTreeMap;

/// All that were used.
pub(super) fn all(world: &World) -> Outcome {
    let line = |tenant: &Tenant| {
        html! {
            span.what { a href={ "/pages/" (tenant.id) } { (tenant.domain()) } small { code { (tenant.id) } } }
            span { (tenant.applications.len()) " app registrations" }
        }
    };
    let all: Vec<Markup> = world.tenants.values().map(line).collect();
    Ok(page("Tenants", html! { h1 { "Tenants" } (rows(&all)) }))
}

/// The id of a tenant by its id or domain.
pub(super) fn named(world: &mut World, name: &str) -> Result<String, Failure> {
    let id = world.tenant_named(name).ok_or_else(|| Failure::not_found(format!("There is no tenant '{name}'.")))?;
    world.tenant(&id);
    Ok(id)
}

/// One tenant's app registrations and enterprise applications.
pub(super) fn one(world: &mut World, name: &str) -> Outcome {
    let id = named(world, name)?;
    let directory = world.tenant(&id);
    let (domain, tenant) = (directory.domain(), id.as_str());
    let link = |one: &Object| {
        html! {
            span.what {
                a href={ "/pages/" (tenant) "/" (text(one, "appId")) } { (text(one, "displayName")) }
                small { code { (text(one, "appId")) } }
            }
        }
    };
    let by_name = |all: &BTreeMap<String, Object>| -> Vec<Markup> {
        let mut all: Vec<&Object> =
            all.values().filter(|one| text(one, "appOwnerOrganizationId") != MICROSOFT).collect();
        all.sort_by_key(|one| text(one, "displayName").to_lowercase());
        all.into_iter().map(link).collect()
    };
    let deleted = |one: &Object| {
        let (id, name) = (text(one, "id"), text(one, "displayName"));
        html! {
            span.what { (name) small { "deleted " (text(one, "deletedDateTime")) } }
            (button("Restore", name, &[("do", "restore"), ("id", id)]))
            (button("Purge", name, &[("do", "purge"), ("id", id)]))
        }
    };
    let gone: Vec<Markup> = directory.deleted_applications.values().map(deleted).collect();
    Ok(page(
        &domain,
        html! {
            h1 { (domain) }
            p { "Tenant ID " code { (tenant) } }
            h2 { "App registrations" }
            (rows(&by_name(&directory.applications)))
            form method="post" {
                input type="hidden" name="do" value="plant";
                label { "Name" input name="name" required; }
                button { "Plant an application" }
            }
            h2 { "Enterprise applications" }
            (rows(&by_name(&directory.principals)))
            h2 { "Deleted app registrations" }
            (rows(&gone))
        },
    ))
}

/// What the buttons of a tenant do.
pub(super) fn change(world: &mut World, name: &str, form: &Fields) -> Outcome {
    let tenant = named(world, name)?;
    let mut hand = Hand { world, tenant: &tenant };
    let item = format!("/directory/deletedItems/{}", field(form, "id"));
    match field(form, "do") {
        "plant" => {
            let body = json!({ "displayName": field(form, "name"), "signInAudience": "AzureADMyOrg" });
            let made = hand.ask(Method::POST, "/applications".to_owned(), Some(body))?;
            let body = json!({ "appId": made["appId"] });
            hand.ask(Method::POST, "/servicePrincipals".to_owned(), Some(body))?
        }
        "restore" => hand.ask(Method::POST, format!("{item}/restore"), None)?,
        "purge" => hand.ask(Method::DELETE, item, None)?,
        _ => return Err(Failure::bad_request("There is no such button.")),
    };
    Ok(Page::Moved(format!("/pages/{tenant}")))
}
